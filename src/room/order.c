/* Order in the room: who is sent out, and who is silenced. */
#include <stdio.h>

#include "room/internal.h"
#include "room/rooms.h"
#include "room/sanctions.h"

static struct sanctions *sanctions_of(struct room *r) {
    if (!r->sanctions) {
        r->sanctions = sanctions_new();
    }
    return r->sanctions;
}

static uint64_t until(const struct msg *m, uint64_t now_ms) {
    return m->sanction.seconds ? now_ms + m->sanction.seconds * 1000 : UINT64_MAX;
}

static void close_for(struct room *r, conn_id conn, const char *why, slice reason) {
    struct msg *m = msg_new(MSG_CLOSED);
    m->conn = conn;
    m->room = frame_ref(r->name);
    m->err = ERR_FORBIDDEN;
    (void)snprintf(m->detail, sizeof m->detail, reason.n ? "%s: %.*s" : "%s", why,
                   SLICE_FMT(reason));
    room_post(r, conn_worker(conn), m);
}

void room_kick(struct room *r, struct msg *m, uint64_t now_ms) {
    slice user = frame_slice(m->payload);
    if (m->sanction.seconds) {
        sanctions_set(sanctions_of(r), SANCTION_BAN, user, until(m, now_ms));
    }
    size_t kicked = 0;
    size_t at = 0;
    for (struct member *who; (who = map_next(&r->members, &at)) != NULL;) {
        if (slice_eq(member_user(who->who), user)) {
            close_for(r, who->conn, "kicked", frame_slice(m->extra));
            member_drop(r, who, now_ms);
            kicked++;
        }
    }
    memset(&m->answer, 0, sizeof m->answer);
    m->answer.kicked = kicked;
    m->payload = frame_unref(m->payload);
    m->extra = frame_unref(m->extra);
    room_answer(r, m, MSG_ANSWER, ERR_OK);
}

void room_mute(struct room *r, struct msg *m, uint64_t now_ms) {
    slice user = frame_slice(m->payload);
    if (m->sanction.on) {
        sanctions_set(sanctions_of(r), SANCTION_MUTE, user, until(m, now_ms));
    } else if (r->sanctions) {
        sanctions_lift(r->sanctions, SANCTION_MUTE, user);
    }
    memset(&m->answer, 0, sizeof m->answer);
    m->payload = frame_unref(m->payload);
    room_answer(r, m, MSG_ANSWER, ERR_OK);
}
