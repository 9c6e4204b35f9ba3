#include "room/msg.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "room/echo.h"

enum msg_kind msg_answer_kind(enum msg_kind kind) {
    switch (kind) {
    case MSG_JOIN:
        return MSG_JOINED;
    case MSG_SYNC:
        return MSG_SYNCED;
    case MSG_REPAIR:
        return MSG_REPAIRED;
    case MSG_STATE:
        return MSG_STATE_IS;
    case MSG_HISTORY:
        return MSG_HISTORY_IS;
    case MSG_BRING:
        return MSG_BROUGHT;
    default:
        return MSG_ANSWER;
    }
}

struct msg *msg_new(enum msg_kind kind) {
    struct msg *m = NEW(struct msg);
    m->kind = kind;
    m->req = REQ_NONE;
    return m;
}

void msg_free(struct msg *m) {
    if (!m) {
        return;
    }
    frame_unref(m->room);
    frame_unref(m->payload);
    frame_unref(m->extra);
    if (m->kind == MSG_REPAIR) {
        mem_free(m->repair.clocks);
    } else if (m->kind == MSG_JOIN) {
        identity_unref(m->join.who);
    } else if (m->kind == MSG_CHECKED) {
        identity_unref(m->checked.who);
    } else if (m->kind == MSG_HISTORY || m->kind == MSG_HISTORY_IS) {
        identity_unref(m->history.who);
        store_job_free(m->history.job);
    } else if (m->kind == MSG_STORED) {
        store_job_free(m->job);
    } else if (m->kind == MSG_FANOUT) { /* to nobody: the last receiver here has left */
        echo_written(m->fanout.echo, m->fanout.echo ? clock_mono_ns() : 0);
    } else if (m->kind == MSG_BUS) {
        bus_mail_free(m->bus);
    } else if (m->kind == MSG_ANSWER) {
        for (size_t i = 0; i < m->answer.members_count; i++) {
            identity_unref(m->answer.members[i].who);
            frame_unref(m->answer.members[i].user);
        }
        mem_free(m->answer.members);
    }
    mem_free(m);
}
