#include "room/history.h"

#include <stdio.h>

#include "base/utf8.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "room/internal.h"
#include "room/rooms.h"
#include "room/sanctions.h"

void history_init(struct history *h) {
    list_init(&h->asked);
}

void history_fini(struct history *h) {
    for (struct list_node *n; (n = list_shift(&h->asked)) != NULL;) {
        msg_free(LIST_ITEM(n, struct msg, node));
    }
}

static void post(struct rooms *rs, struct store_job *job) {
    job->worker = rs->o.worker;
    rs->o.store.post(rs->o.store.ctx, job);
}

/* ---- answers ---- */

static void prepare(struct rooms *rs, struct msg *m, enum err e) {
    m->kind = MSG_HISTORY_IS;
    m->err = e;
    m->from = rs->o.worker;
    m->payload = frame_unref(m->payload);
}

static void answer(struct rooms *rs, struct msg *m, enum err e) {
    prepare(rs, m, e);
    rs->o.post(rs->o.post_ctx, conn_worker(m->conn), m);
}

void history_refuse(struct rooms *rs, struct msg *m, enum err e, const char *detail) {
    (void)snprintf(m->detail, sizeof m->detail, "%s", detail);
    answer(rs, m, e);
}

/* What the store says of a job, in words for whoever asked. */
static const char *trouble(enum err e) {
    switch (e) {
    case ERR_NOT_FOUND:
        return "no such room";
    case ERR_NO_VERSION:
        return "the room has no such version";
    case ERR_DAMAGED:
        return "what is stored of it is damaged";
    case ERR_TOO_LARGE:
        return "the document would pass one of its limits";
    default:
        return "the store cannot do that at the moment";
    }
}

/* ---- asking ---- */

static bool fit_for_label(slice text) {
    bool ok = text.n <= CAPS_LABEL_BYTES && utf8_valid(text);
    for (size_t i = 0; ok && i < text.n; i++) {
        ok = text.p[i] >= ' ' && text.p[i] != 0x7f;
    }
    return ok;
}

/* Why the message makes no sense, or NULL. */
static const char *senseless(const struct msg *m) {
    if (m->history.op == STORE_LIST &&
        (m->history.most == 0 || m->history.most > CAPS_VERSIONS_LISTED)) {
        return "limit must be 1 to 100";
    }
    if (m->history.op == STORE_COMPARE && m->history.to_id &&
        (!m->history.version_id || m->history.to_id <= m->history.version_id)) {
        return "a version is compared with a later one, or with now";
    }
    if (!fit_for_label(frame_slice(m->payload))) {
        return "label must be at most 200 bytes of text without control characters";
    }
    return NULL;
}

/* Why the sender may not do that in an open room, or NULL. Whether a member has the right, the room
 * has checked by now, and whether somebody else has it, the page. */
static const char *forbidden(const struct room *r, const struct msg *m, uint64_t now_ms) {
    const struct member *member = map_find_u64(&r->members, m->conn);
    const struct identity *who = m->history.who ? m->history.who : member ? member->who : NULL;
    slice user = who ? member_user(who) : (slice){0};
    if (sanctions_hold(r->sanctions, SANCTION_BAN, user, now_ms)) {
        return "banned from this room for now";
    }
    if (m->needs >= ROLE_WRITE && sanctions_hold(r->sanctions, SANCTION_MUTE, user, now_ms)) {
        return "muted in this room";
    }
    return NULL;
}

static struct store_job *job_of(const struct msg *m) {
    if (m->history.op == STORE_SAVE) {
        return store_job_save(m->room, frame_slice(m->payload), false);
    }
    if (m->history.op == STORE_RESTORE) {
        return store_job_restore(m->room, m->history.version_id);
    }
    struct store_job *job = store_job_new(m->history.op, m->room);
    job->version_id = m->history.version_id;
    job->to_id = m->history.to_id;
    job->before = m->history.before;
    job->most = (size_t)m->history.most;
    return job;
}

void history_ask(struct rooms *rs, struct room *r, struct msg *m, uint64_t now_ms) {
    struct history *h = &rs->history;
    const char *why = senseless(m);
    bool restores = m->history.op == STORE_RESTORE && r;
    enum err e = restores ? lasting_admits(r, m) : ERR_OK;
    if (why) {
        history_refuse(rs, m, ERR_PARAMS, why);
    } else if (r && (why = forbidden(r, m, now_ms))) {
        history_refuse(rs, m, ERR_FORBIDDEN, why);
    } else if (e != ERR_OK) {
        answer(rs, m, e); /* says why already */
    } else if (h->asked_count >= CAPS_HISTORY_ASKED) {
        history_refuse(rs, m, ERR_RATE, "too many ask about versions at the moment");
    } else {
        struct store_job *job = job_of(m);
        job->number = m->history.number = ++h->number;
        list_push(&h->asked, &m->node);
        h->asked_count++;
        if (restores) {
            r->lasting.restoring++;
        }
        post(rs, job);
    }
}

/* ---- what the store has done ---- */

static struct msg *take_asked(struct history *h, uint64_t number) {
    LIST_FOR_EACH (node, &h->asked) {
        struct msg *m = LIST_ITEM(node, struct msg, node);
        if (m->history.number == number) {
            list_remove(node);
            h->asked_count--;
            return m;
        }
    }
    return NULL;
}

/* An automatic version. One that failed is tried again after more editing; one that is another
 * node's to make is made there. */
static void saved(struct rooms *rs, struct room *r, const struct store_job *job) {
    rs->history.saving--;
    if (r) {
        r->lasting.saving = false;
        r->lasting.edited |= job->err != ERR_OK && job->err != ERR_BUSY;
    }
    if (job->err == ERR_OK) {
        log_limited(LOG_DEBUG, "VERSION", log_str("roomId", frame_slice(job->room)),
                    log_u64("versionId", job->versions->id));
    }
}

/* The edit that leads back is made like any other: told to all, journaled, and acknowledged when it
 * lasts. */
static void restore(struct room *r, struct msg *m) {
    struct store_job *job = m->history.job;
    const struct member *member = map_find_u64(&r->members, m->conn);
    const struct identity *who = m->history.who ? m->history.who : member ? member->who : NULL;
    enum err e = job->edit ? room_edit(r, m, job->edit, who) : ERR_OK;
    prepare(r->parent, m, e);
    job->version = r->version;
    job->edit = frame_unref(job->edit);
    m->after = e == ERR_OK ? lasting_now(r) : 0;
    lasting_answer(r, m);
}

bool history_owns(enum store_op op) {
    return op == STORE_SAVE || op == STORE_LIST || op == STORE_READ || op == STORE_COMPARE ||
           op == STORE_RESTORE;
}

void history_stored(struct rooms *rs, struct room *r, struct store_job *job) {
    struct msg *m = job->number ? take_asked(&rs->history, job->number) : NULL;
    if (!m) {
        saved(rs, r, job);
        store_job_free(job);
        return;
    }
    enum err e = job->err;
    if (job->op == STORE_LIST && e == ERR_OK && !job->exists) {
        e = ERR_NOT_FOUND;
    }
    m->history.job = job;
    bool restores = job->op == STORE_RESTORE && r && r->lasting.restoring;
    if (restores) {
        r->lasting.restoring--;
    }
    if (job->op == STORE_RESTORE && !restores && e == ERR_OK) {
        e = ERR_STORE; /* the room it was for has gone */
    }
    if (e == ERR_OK && restores) {
        restore(r, m);
    } else if (e == ERR_OK) {
        answer(rs, m, ERR_OK);
    } else {
        history_refuse(rs, m, e, trouble(e));
    }
}

/* ---- automatic versions ---- */

static void save(struct room *r) {
    struct lasting *l = &r->lasting;
    l->edited = false;
    l->edited_ms = 0;
    l->saving = true;
    r->parent->history.saving++;
    post(r->parent, store_job_save(r->name, (slice){0}, true));
}

void history_sweep(struct room *r, uint64_t now_ms) {
    struct lasting *l = &r->lasting;
    const struct rooms *rs = r->parent;
    if (!l->edited || !rs->o.version_ms) {
        return;
    }
    l->edited_ms = l->edited_ms ? l->edited_ms : now_ms;
    if (now_ms - l->edited_ms >= rs->o.version_ms && !l->saving &&
        rs->history.saving < CAPS_VERSIONS_SAVING) {
        save(r);
    }
}

void history_leave(struct room *r) {
    if (r->lasting.edited && r->parent->o.version_ms) {
        save(r);
    }
}
