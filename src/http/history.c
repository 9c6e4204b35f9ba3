#include "http/history.h"

#include "base/alloc.h"
#include "gateway/conn.h"
#include "http/caller.h"
#include "http/history_path.h"
#include "http/page.h"
#include "room/rooms.h"
#include "rpc/history.h"

/* The error whose code has this status on the pages; ERR_INTERNAL for others. */
static enum err err_of(unsigned status) {
    static const struct {
        unsigned status;
        enum err err;
    } rows[] = {{400, ERR_PARAMS}, {401, ERR_UNAUTH}, {403, ERR_FORBIDDEN}, {404, ERR_NOT_FOUND},
                {405, ERR_METHOD}, {429, ERR_RATE},   {503, ERR_STORE}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].status == status) {
            return rows[i].err;
        }
    }
    return ERR_INTERNAL;
}

static unsigned status_of(enum err e) {
    int code = err_rpc_code(e);
    return code > 0 ? (unsigned)code : 400;
}

static void put_refusal(struct http_response *ret, const struct reply *r) {
    buf_clear(&ret->body);
    ret->content_type = "application/json";
    buf_put_str(&ret->body, "{\"ok\":false,\"error\":");
    reply_put_json(r, &ret->body);
    buf_put_str(&ret->body, "}\n");
}

/* What was refused with a sentence is said in JSON. */
static void refusal_as_json(struct http_response *ret) {
    size_t n = ret->body.n && ret->body.p[ret->body.n - 1] == '\n' ? ret->body.n - 1 : ret->body.n;
    char *why = mem_copy_str(ret->body.p, n);
    put_refusal(ret, &(struct reply){.err = err_of(ret->status), .detail = why});
    mem_free(why);
}

/* Who asks, if he has that right in the room; NULL after answering. In development mode without
 * keys everybody on this machine may. */
static struct identity *asker(const struct page *p, slice room, enum role least) {
    if (!p->rpc->access) {
        return identity_anonymous();
    }
    struct identity *who = caller_known(p);
    return who && caller_may(p, who, room, least) ? who : identity_unref(who);
}

/* What a user may ask per second, here and by the methods. */
static bool may_now(const struct page *p, const struct identity *who) {
    uint64_t retry_ms = 0;
    if (!p->rpc->buckets ||
        bucket_take(p->rpc->buckets, BUCKET_USER, slice_str(identity_user(who)), BUCKET_COST_SYNC,
                    conn_now_ms(p->conn), &retry_ms) == ERR_OK) {
        return true;
    }
    p->ret->status = 429;
    put_refusal(p->ret, &(struct reply){.err = ERR_RATE,
                                        .detail = "too many requests of this user",
                                        .retry_after_ms = retry_ms,
                                        .bucket = bucket_name(BUCKET_USER)});
    return false;
}

static enum role right_of(enum op op) {
    return op == OP_HISTORY_SAVE || op == OP_HISTORY_RESTORE ? ROLE_WRITE : ROLE_READ;
}

/* Sends the question to the room's worker; takes the identity. */
static void ask(const struct page *p, const struct history_request *h, struct identity *who) {
    slice room = slice_of(h->room, h->room_bytes);
    struct msg *m = msg_new(MSG_HISTORY);
    m->conn = conn_get_id(p->conn);
    m->room = frame_copy(room);
    m->needs = right_of(h->op);
    m->payload = h->label_bytes ? frame_copy(slice_of(h->label, h->label_bytes)) : NULL;
    m->history.op = history_op(h->op);
    m->history.version_id = h->version_id;
    m->history.to_id = h->to_id;
    m->history.before = h->before;
    m->history.most = h->limit;
    m->history.who = who;
    conn_post(p->conn, room_owner(room, conn_worker_count(p->conn)), m);
    p->ret->later = true;
}

void page_history(struct rpc *r, struct conn *c, const struct http_request *req,
                  struct http_response *ret) {
    const struct page p = {r, c, req, ret};
    struct history_request h;
    const char *why = NULL;
    unsigned status = history_parse(req, &h, &why);
    if (status) {
        page_fail(ret, status, why);
        refusal_as_json(ret);
        return;
    }
    struct identity *who = asker(&p, slice_of(h.room, h.room_bytes), right_of(h.op));
    if (!who) {
        refusal_as_json(ret);
    } else if (may_now(&p, who)) {
        ask(&p, &h, who);
    } else {
        identity_unref(who);
    }
}

void page_history_answer(void *rpc, struct conn *c, const struct msg *m,
                         struct http_response *ret) {
    const struct rpc *r = rpc;
    struct reply reply = {0};
    struct told told;
    history_reply(m, &told, &reply);
    if (m->err != ERR_OK) {
        ret->status = status_of(m->err);
        put_refusal(ret, &reply);
        return;
    }
    const struct identity *who = m->history.who;
    history_note(r->audit, m,
                 &(struct audit_entry){.user = identity_user(who),
                                       .session = identity_session(who),
                                       .peer = conn_peer(c)});
    ret->status = 200;
    ret->content_type = "application/json";
    reply_put_json(&reply, &ret->body);
    buf_put_u8(&ret->body, '\n');
    told_fini(&told);
}
