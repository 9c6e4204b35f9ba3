/* methods.c: what each method does on the connection's side; the room's side is room/room.c. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "limit/caps.h"
#include "observe/metrics.h"
#include "rpc/history.h"
#include "rpc/session.h"

typedef void (*method_fn)(struct session *, uint32_t req, const struct intent *);

/* ---- requests answered here ---- */

static void on_plain_ok(struct session *s, uint32_t req, const struct intent *in) {
    (void)in;
    struct reply r = {0};
    session_answer(s, req, &r);
}

static void on_initialize(struct session *s, uint32_t req, const struct intent *in) {
    struct reply r = {.protocol_version = in->protocol_version};
    session_answer(s, req, &r);
}

static void on_heartbeat(struct session *s, uint32_t req, const struct intent *in) {
    if (INTENT_HAS(in, RTT_MS) && in->rtt_ms >= 0 && in->rtt_ms <= CAPS_RTT_MS) {
        metric_observe(METRIC_RTT, in->rtt_ms);
    }
    struct reply r = {.ts = in->ts, .server_ts = clock_wall_ms()};
    session_answer(s, req, &r);
}

/* ---- requests for a room ---- */

/* A message about this room and request. */
static struct msg *about(enum msg_kind kind, struct frame *room, uint32_t req) {
    struct msg *m = msg_new(kind);
    m->room = frame_ref(room);
    m->req = req;
    return m;
}

static void refuse_rate(struct session *s, uint32_t req, const char *bucket, uint64_t retry_ms,
                        const char *detail) {
    struct reply r = {
        .err = ERR_RATE, .detail = detail, .bucket = bucket, .retry_after_ms = retry_ms};
    session_answer(s, req, &r);
}

/* ---- being let into a room: token, rate, role, join ---- */

/* A state vector or an update that says something: the shortest of both are 0 and 0 0. */
static bool has_state(slice s) {
    return s.n > 2;
}

/* A client that comes with a state of the room has been here before. */
static void count_return(struct place *p, bool has) {
    metric_add(METRIC_RECONNECTS, 0, has && !p->returned);
    p->returned |= has;
}

/* The role is known: joins, and sends on what came meanwhile. */
static void admit(struct session *s, struct place *p, enum role role) {
    struct msg *m = about(MSG_JOIN, p->sub.name, p->req);
    m->extra = p->state_vector;
    p->state_vector = NULL;
    count_return(p, has_state(frame_slice(m->extra)));
    m->join.role = role;
    m->join.capabilities = p->capabilities;
    m->join.state_always = session_is_plain(s);
    m->join.who = identity_ref(session_auth(s)->who);
    session_post(s, m);
    p->admitted = true;
    p->req = REQ_NONE;
    p->asked_ms = conn_now_ms(session_conn(s));
    for (struct list_node *node; (node = list_shift(&p->waiting)) != NULL;) {
        session_post(s, LIST_ITEM(node, struct msg, node));
    }
}

/* Tells the room, and the client if it was in, that it is in no longer. */
static void leave(struct session *s, struct place *p, const char *why) {
    if (p->admitted) {
        struct msg *m = about(MSG_ROLE, p->sub.name, REQ_NONE);
        m->join.role = ROLE_NONE;
        session_post(s, m);
    }
    if (p->sub.room) {
        hub_send_closed(conn_hub(session_conn(s)), &p->sub, err_rpc_code(ERR_FORBIDDEN), why);
    }
    session_remove(s, p);
}

static void on_role_known(struct session *s, struct place *p, enum err err, const char *detail,
                          enum role role) {
    if (err == ERR_OK && role < ROLE_READ) {
        err = ERR_FORBIDDEN;
        detail = "no right in this room";
    }
    if (err != ERR_OK) {
        uint32_t req = p->req;
        session_audit(s, AUDIT_REFUSED, frame_slice(p->sub.name), ROLE_NONE, NULL, detail);
        session_refuse(s, req, err, detail);
        leave(s, p, detail);
    } else {
        admit(s, p, role);
    }
}

/* The identity is known: may it enter, and as what? */
static void ask_role(struct session *s, struct place *p) {
    p->asking_token = false;
    const struct rpc *r = session_rpc(s);
    struct identity *who = session_auth(s)->who;
    slice room = frame_slice(p->sub.name);
    uint64_t retry_ms = 0;
    if (!auth_workspace_open(r, who)) {
        on_role_known(s, p, ERR_FORBIDDEN, "this workspace is not served here yet", ROLE_NONE);
    } else if (r->buckets &&
               bucket_take(r->buckets, BUCKET_JOIN, slice_str(identity_user(who)), BUCKET_COST_JOIN,
                           conn_now_ms(session_conn(s)), &retry_ms) != ERR_OK) {
        uint32_t req = p->req;
        p->req = REQ_NONE;
        refuse_rate(s, req, bucket_name(BUCKET_JOIN), retry_ms, "too many joins in a minute");
        if (!p->admitted) {
            session_remove(s, p);
        }
    } else if (!r->access) {
        on_role_known(s, p, ERR_OK, NULL, identity_role(who, room));
    } else {
        struct access_answer answer = {0};
        if (access_role(r->access, who, room, conn_get_id(session_conn(s)), p->req, &answer)) {
            on_role_known(s, p, answer.err, answer.detail, answer.role);
        }
    }
}

static void refresh_roles(struct session *s, const struct place *but);

/* A token in subscribe has been judged. */
static void on_token_known(struct session *s, struct place *p, const struct access_answer *answer) {
    struct auth *auth = session_auth(s);
    enum err err = answer->err;
    const char *detail = answer->detail;
    if (err == ERR_OK) {
        err = auth_renew(auth, session_rpc(s), session_conn(s), answer->identity, &detail);
    } else if (err == ERR_UNAUTH) {
        uint64_t retry_ms = 0;
        (void)auth_charge(auth, session_rpc(s), conn_now_ms(session_conn(s)), &retry_ms);
    }
    if (err != ERR_OK) {
        uint32_t req = p->req;
        session_audit(s, AUDIT_REFUSED, frame_slice(p->sub.name), ROLE_NONE, NULL, detail);
        p->req = REQ_NONE;
        session_refuse(s, req, err, detail);
        if (!p->admitted) {
            session_remove(s, p);
        }
        return;
    }
    session_known(s);
    refresh_roles(s, p);
    ask_role(s, p);
}

static void check_token(struct session *s, struct place *p, slice token) {
    const struct rpc *r = session_rpc(s);
    struct access_answer answer = {0};
    p->asking_token = true;
    if (auth_exhausted(session_auth(s), r, conn_now_ms(session_conn(s)))) {
        uint32_t req = p->req;
        p->req = REQ_NONE;
        refuse_rate(s, req, bucket_name(BUCKET_AUTH), CAPS_PARK_MS,
                    "too many bad tokens from this address");
        if (!p->admitted) {
            session_remove(s, p);
        }
    } else if (access_check(r->access, token, conn_get_id(session_conn(s)), p->req, &answer)) {
        on_token_known(s, p, &answer);
    }
}

/* The place of a subscribe, with the request noted in it. NULL after refusing. */
static struct place *place_for(struct session *s, uint32_t req, const struct intent *in) {
    struct place *p = session_find(s, in->room_id);
    if (p && p->req != REQ_NONE) {
        session_refuse(s, req, ERR_REQUEST, "another subscribe to this room is under way");
        return NULL;
    }
    if (!p && session_rooms(s) >= session_rpc(s)->limits.rooms_per_connection) {
        refuse_rate(s, req, "rooms-per-connection", CAPS_RETRY_MS,
                    "this connection is in as many rooms as one may be in");
        return NULL;
    }
    if (!p) {
        p = session_add(s, in->room_id);
    }
    p->req = req;
    p->capabilities = in->capabilities;
    frame_unref(p->state_vector);
    p->state_vector = INTENT_HAS(in, STATE_VECTOR) ? frame_copy(in->state_vector) : NULL;
    return p;
}

static void enter(struct session *s, uint32_t req, const struct intent *in) {
    if (INTENT_HAS(in, SESSION_ID)) {
        session_name(s, in->session_id);
    }
    bool judged = INTENT_HAS(in, TOKEN) && session_rpc(s)->access;
    if (!judged && !session_auth(s)->who) {
        if (!session_auth(s)->noted) { /* once: who has nothing to lose would fill the disk */
            session_auth(s)->noted = true;
            session_audit(s, AUDIT_REFUSED, in->room_id, ROLE_NONE, NULL, "no token");
        }
        session_refuse(s, req, ERR_UNAUTH,
                       "no token: give one in subscribe, as ?token= or as Authorization: Bearer");
        return;
    }
    struct place *p = place_for(s, req, in);
    if (p && judged) {
        check_token(s, p, in->token);
    } else if (p) {
        ask_role(s, p);
    }
}

static void on_subscribe(struct session *s, uint32_t req, const struct intent *in) {
    if (in->capabilities & CAP_BINARY_V1) {
        session_reads_binary(s, false);
    }
    enter(s, req, in);
}

static void on_unsubscribe(struct session *s, uint32_t req, const struct intent *in) {
    struct place *p = session_find(s, in->room_id);
    if (!p || !p->admitted) {
        session_refuse(s, req, ERR_FORBIDDEN, "not subscribed to this room");
        return;
    }
    struct msg *m = about(MSG_LEAVE, p->sub.name, req);
    session_remove(s, p);
    session_post(s, m);
}

/* ---- rights that change ---- */

static void set_role(struct session *s, struct place *p, enum role role, const char *why) {
    if (role < ROLE_READ) {
        session_audit(s, AUDIT_CLOSED, frame_slice(p->sub.name), ROLE_NONE, NULL, why);
        leave(s, p, why);
        return;
    }
    struct msg *m = about(MSG_ROLE, p->sub.name, REQ_NONE);
    m->join.role = role;
    session_post(s, m);
}

enum { REQ_RECHECK = 0x80000000u }; /* plus the number of a place: a question of our own */

static void recheck(struct session *s, struct place *p) {
    const struct rpc *r = session_rpc(s);
    struct access_answer answer = {0};
    p->asked_ms = conn_now_ms(session_conn(s));
    if (access_role(r->access, session_auth(s)->who, frame_slice(p->sub.name),
                    conn_get_id(session_conn(s)), REQ_RECHECK + p->number, &answer) &&
        answer.err != ERR_BUSY) {
        set_role(s, p, answer.role, "no right in this room any more");
    }
}

/* After a fresh token: what it allows in the other rooms. */
static void refresh_roles(struct session *s, const struct place *but) {
    for (size_t i = session_rooms(s); i-- > 0;) {
        struct place *p = session_nth(s, i);
        if (p != but && p->admitted && p->req == REQ_NONE) {
            recheck(s, p);
        }
    }
}

void methods_sweep(struct session *s) {
    uint64_t now_ms = conn_now_ms(session_conn(s));
    if (!session_rpc(s)->authz || session_auth(s)->state != AUTH_KNOWN) {
        return;
    }
    for (size_t i = session_rooms(s); i-- > 0;) {
        struct place *p = session_nth(s, i);
        if (p->admitted && p->req == REQ_NONE &&
            now_ms - p->asked_ms > session_rpc(s)->authz_cache_ms) {
            recheck(s, p);
        }
    }
}

/* ---- requests for a room one is in ---- */

/* The dialect without subscribe joins by its first message. */
void methods_attach(struct session *s, slice room_id) {
    const struct intent in = {.op = OP_SUBSCRIBE, .room_id = room_id};
    enter(s, session_request(s, &in), &in);
}

/* The room an intent is about: named, numbered, or the only one. NULL after refusing. */
static struct place *room_of(struct session *s, uint32_t req, const struct intent *in) {
    struct place *p = NULL;
    const char *detail = "not subscribed to this room";
    slice name = in->room_id.n ? in->room_id : session_default_room(s);
    if (in->mux) {
        session_reads_binary(s, true);
        p = session_find_channel(s, in->channel);
        detail = "no subscription has this channel";
    } else if (name.n) {
        p = session_find(s, name);
        if (!p && session_is_plain(s) && session_auth(s)->who &&
            session_rooms(s) < session_rpc(s)->limits.rooms_per_connection) {
            methods_attach(s, name);
            p = session_find(s, name);
        }
    } else {
        p = session_only(s);
        detail = session_is_plain(s) ? "no room: give roomId in the URL or in the message"
                                     : "the short form needs exactly one subscription";
    }
    if (!p) {
        bool known = session_auth(s)->who != NULL;
        session_refuse(s, req, known ? ERR_FORBIDDEN : ERR_UNAUTH, known ? detail : "no token");
    }
    return p;
}

static enum role right_of(enum op op) {
    static const enum role rights[OP_COUNT] = {
#define METHOD(op, name, right, cost, required, allowed) [OP_##op] = ROLE_##right,
#include "wire/methods.def"
#undef METHOD
    };
    return rights[op];
}

/* Sends it to the room, or lets it wait until the client has been let in. */
static void post_to(struct session *s, struct place *p, struct msg *m) {
    if (p->admitted) {
        session_post(s, m);
    } else {
        list_push(&p->waiting, &m->node);
    }
}

/* What a room allows per second is taken here, so that what is refused does not reach it. */
static bool room_has_room(struct session *s, uint32_t req, const struct place *p, unsigned cost) {
    const struct rpc *r = session_rpc(s);
    uint64_t retry_ms = 0;
    if (!cost || !r->buckets ||
        bucket_take(r->buckets, BUCKET_ROOM, frame_slice(p->sub.name), cost,
                    conn_now_ms(session_conn(s)), &retry_ms) == ERR_OK) {
        return true;
    }
    refuse_rate(s, req, bucket_name(BUCKET_ROOM), retry_ms, "too many messages in this room");
    session_flooded(s, retry_ms);
    return false;
}

static unsigned cost_of(enum op op) {
    static const unsigned costs[OP_COUNT] = {
#define METHOD(op, name, right, cost, required, allowed) [OP_##op] = BUCKET_COST_##cost,
#include "wire/methods.def"
#undef METHOD
    };
    return costs[op];
}

/* The place and the message of a request for a room; false after answering. */
static bool address(struct session *s, uint32_t req, const struct intent *in, enum msg_kind kind,
                    struct place **ret_place, struct msg **ret_msg) {
    uint64_t version = 0;
    if (INTENT_HAS(in, SEQ) && session_acknowledged(s, in->seq, &version)) {
        struct reply r = {.applied = true, .duplicate = true, .version = version};
        session_answer(s, req, &r);
        return false;
    }
    struct place *p = room_of(s, req, in);
    if (!p || !room_has_room(s, req, p, cost_of(in->op))) {
        return false;
    }
    *ret_place = p;
    *ret_msg = about(kind, p->sub.name, req);
    (*ret_msg)->needs = right_of(in->op);
    (*ret_msg)->seq = in->seq;
    return true;
}

static void post_payload(struct session *s, struct place *p, struct msg *m,
                         const struct intent *in) {
    m->payload = INTENT_HAS(in, PAYLOAD) ? frame_copy(in->payload) : NULL;
    m->extra = INTENT_HAS(in, STATE_VECTOR) ? frame_copy(in->state_vector) : NULL;
    post_to(s, p, m);
}

static void forward(struct session *s, uint32_t req, const struct intent *in, enum msg_kind kind) {
    struct place *p = NULL;
    struct msg *m = NULL;
    if (address(s, req, in, kind, &p, &m)) {
        post_payload(s, p, m, in);
    }
}

/* What the audit will say of an admin's order: the reason, and how long it holds. */
static void note(struct session *s, uint32_t req, slice reason, const char *what,
                 uint64_t seconds) {
    struct buf text;
    buf_init(&text, 0);
    buf_put_slice(&text, reason);
    if (seconds) {
        buf_printf(&text, "%s%s for %llu s", reason.n ? "; " : "", what,
                   (unsigned long long)seconds);
    }
    buf_put_u8(&text, 0);
    session_get(s, req)->note = frame_copy(buf_slice(&text));
    buf_fini(&text);
}

static void on_kick(struct session *s, uint32_t req, const struct intent *in) {
    struct place *p = NULL;
    struct msg *m = NULL;
    if (address(s, req, in, MSG_KICK, &p, &m)) {
        m->payload = frame_copy(in->user_id);
        m->extra = INTENT_HAS(in, REASON) ? frame_copy(in->reason) : NULL;
        m->sanction.seconds = in->ban_sec;
        note(s, req, in->reason, "banned", in->ban_sec);
        post_to(s, p, m);
    }
}

static void on_mute(struct session *s, uint32_t req, const struct intent *in) {
    struct place *p = NULL;
    struct msg *m = NULL;
    if (address(s, req, in, MSG_MUTE, &p, &m)) {
        m->payload = frame_copy(in->user_id);
        m->sanction.on = in->muted;
        m->sanction.seconds = in->duration_sec;
        note(s, req, in->muted ? (slice){0} : slice_str("unmuted"), "muted", in->duration_sec);
        post_to(s, p, m);
    }
}

static void on_sync(struct session *s, uint32_t req, const struct intent *in) {
    struct place *p = NULL;
    struct msg *m = NULL;
    if (address(s, req, in, MSG_SYNC, &p, &m)) {
        metric_add(METRIC_RESYNCS, 0, p->synced);
        if (!p->synced) {
            count_return(p, has_state(in->payload) || has_state(in->state_vector));
        }
        p->synced = true;
        post_payload(s, p, m, in);
    }
}

static void on_update(struct session *s, uint32_t req, const struct intent *in) {
    forward(s, req, in, MSG_UPDATE);
}

static void on_awareness(struct session *s, uint32_t req, const struct intent *in) {
    forward(s, req, in, MSG_AWARENESS);
}

static void on_room_info(struct session *s, uint32_t req, const struct intent *in) {
    forward(s, req, in, MSG_INFO);
}

static void on_history(struct session *s, uint32_t req, const struct intent *in) {
    struct place *p = NULL;
    struct msg *m = NULL;
    if (address(s, req, in, MSG_HISTORY, &p, &m)) {
        m->history.op = history_op(in->op);
        m->history.version_id = in->version_id;
        m->history.to_id = in->to_id;
        m->history.before = in->before;
        m->history.most = INTENT_HAS(in, LIMIT) ? in->limit : CAPS_VERSIONS_FIRST;
        m->payload = INTENT_HAS(in, LABEL) ? frame_copy(in->label) : NULL;
        post_to(s, p, m);
    }
}

static const method_fn handlers[OP_COUNT] = {
    [OP_INITIALIZE] = on_initialize,   [OP_INITIALIZED] = on_plain_ok,
    [OP_PING] = on_plain_ok,           [OP_SUBSCRIBE] = on_subscribe,
    [OP_UNSUBSCRIBE] = on_unsubscribe, [OP_SYNC] = on_sync,
    [OP_UPDATE] = on_update,           [OP_AWARENESS] = on_awareness,
    [OP_HEARTBEAT] = on_heartbeat,     [OP_ROOM_INFO] = on_room_info,
    [OP_ROOM_KICK] = on_kick,          [OP_ROOM_MUTE] = on_mute,
    [OP_HISTORY_LIST] = on_history,    [OP_HISTORY_GET] = on_history,
    [OP_HISTORY_SAVE] = on_history,    [OP_HISTORY_COMPARE] = on_history,
    [OP_HISTORY_RESTORE] = on_history,
};

/* What a user may send per second, over all connections. */
static bool user_may(struct session *s, uint32_t req, unsigned cost) {
    const struct rpc *r = session_rpc(s);
    const struct auth *auth = session_auth(s);
    uint64_t retry_ms = 0;
    if (r->buckets && (!cost || !auth->who)) {
        session_uncharged(s);
        return true;
    }
    if (!r->buckets || bucket_take(r->buckets, BUCKET_USER, slice_str(identity_user(auth->who)),
                                   cost, conn_now_ms(session_conn(s)), &retry_ms) == ERR_OK) {
        return true;
    }
    refuse_rate(s, req, bucket_name(BUCKET_USER), retry_ms, "too many messages of this user");
    session_flooded(s, retry_ms);
    return false;
}

void methods_handle(struct session *s, const struct intent *in) {
    uint32_t req = session_request(s, in);
    if (in->err != ERR_OK) {
        (void)user_may(s, req, BUCKET_COST_CONTROL);
        struct reply r = {.err = in->err,
                          .detail = in->detail,
                          .limit_bytes = in->limit_bytes,
                          .size_bytes = in->size_bytes};
        session_answer(s, req, &r);
    } else if (user_may(s, req, cost_of(in->op))) {
        handlers[in->op](s, req, in);
    }
}

/* ---- what rooms answer ---- */

/* The result fields that an answer carries. */
static struct reply reply_of(struct session *s, const struct msg *m) {
    return (struct reply){
        .err = m->err,
        .detail = m->err ? m->detail : NULL,
        .retry_after_ms = m->err == ERR_RATE ? CAPS_RETRY_MS : 0,
        .bucket = m->err == ERR_RATE ? "room" : NULL,
        .room_id = frame_slice(m->room),
        .connection_id = conn_get_id(session_conn(s)),
        .role = m->answer.role,
        .version = m->answer.version,
        .participants = m->answer.participants,
        .applied = m->answer.applied,
        .state_vector = m->err ? (slice){0} : frame_slice(m->extra),
        .readers = m->answer.readers,
        .writers = m->answer.writers,
        .admins = m->answer.admins,
        .rate_points = CAPS_RATE_POINTS,
        .rate_seconds = CAPS_RATE_SECONDS,
        .limits = &session_rpc(s)->limits,
    };
}

static struct subscription *sub_of(struct place *p) {
    return p ? &p->sub : NULL;
}

static void send_presence(struct session *s, struct subscription *sub, const struct msg *m) {
    if (m->extra) {
        hub_send(conn_hub(session_conn(s)), sub, EVENT_AWARENESS, m->extra, m->answer.version,
                 OUT_CONTROL);
    }
}

static void send_state(struct session *s, struct subscription *sub, const struct msg *m,
                       enum event_kind kind) {
    if (m->payload && sub && sub->room) {
        hub_send(conn_hub(session_conn(s)), sub, kind, m->payload, m->answer.version, OUT_CONTROL);
    }
}

static void on_joined(struct session *s, struct msg *m) {
    struct place *p = session_find(s, frame_slice(m->room));
    struct reply r = reply_of(s, m);
    r.state_vector = (slice){0};
    if (m->err != ERR_OK) {
        session_audit(s, AUDIT_REFUSED, r.room_id, ROLE_NONE, NULL, m->detail);
        if (p && !p->sub.room) {
            session_remove(s, p);
        }
        session_answer(s, m->req, &r);
        return;
    }
    if (p) { /* unless it was given up meanwhile */
        hub_attach(conn_hub(session_conn(s)), &p->sub, m->answer.channel);
    }
    session_audit(s, AUDIT_SUBSCRIBED, r.room_id, r.role, NULL, NULL);
    char sid[16];
    r.sid = slice_of(sid, hub_sid(m->answer.channel, sid));
    r.channel = m->answer.channel;
    session_answer(s, m->req, &r);
    if (p) {
        send_state(s, &p->sub, m, EVENT_STATE);
        send_presence(s, &p->sub, m);
    }
}

/* JSON: the answer, then what the client lacks. Binary: what it lacks, then the server's vector. */
static void on_synced(struct session *s, struct msg *m) {
    struct subscription *sub = sub_of(session_find(s, frame_slice(m->room)));
    bool binary = session_get(s, m->req)->binary;
    struct reply r = reply_of(s, m);
    if (binary) {
        send_state(s, sub, m, EVENT_STATE);
    }
    session_answer(s, m->req, &r);
    if (!binary) {
        send_state(s, sub, m, EVENT_STATE);
    }
}

static void on_repaired(struct session *s, struct msg *m) {
    struct subscription *sub = sub_of(session_find(s, frame_slice(m->room)));
    if (!sub) {
        return;
    }
    if (m->err != ERR_OK) {
        conn_close(session_conn(s), 1013, "the room could not catch this connection up");
        return;
    }
    send_state(s, sub, m, EVENT_UPDATE);
    send_presence(s, sub, m);
}

/* An admin's order was carried out. */
static void note_order(struct session *s, const struct request *q, slice room) {
    char *user = mem_copy_str(frame_slice(q->subject).p, frame_slice(q->subject).n);
    struct audit_entry e = {.user = user,
                            .by = session_user(s),
                            .reason = q->note ? (const char *)q->note->bytes : NULL,
                            .peer = conn_peer(session_conn(s)),
                            .room = room,
                            .connection = conn_get_id(session_conn(s))};
    audit_write(session_rpc(s)->audit, q->op == OP_ROOM_KICK ? AUDIT_KICKED : AUDIT_MUTED, &e);
    mem_free(user);
}

/* The room has put this connection out. */
static void on_closed(struct session *s, const struct msg *m) {
    struct place *p = session_find(s, frame_slice(m->room));
    if (!p) {
        return;
    }
    session_audit(s, AUDIT_CLOSED, frame_slice(m->room), ROLE_NONE, NULL, m->detail);
    if (p->sub.room) {
        hub_send_closed(conn_hub(session_conn(s)), &p->sub, err_rpc_code(m->err), m->detail);
    }
    session_remove(s, p);
}

/* Access has judged what it could not judge at once. */
static void on_checked(struct session *s, struct msg *m) {
    if (m->req >= REQ_RECHECK) {
        struct place *p = session_find_number(s, m->req - REQ_RECHECK);
        if (p && p->admitted && m->err != ERR_BUSY) {
            set_role(s, p, m->err == ERR_OK ? m->checked.role : ROLE_NONE,
                     "no right in this room any more");
        }
        return;
    }
    for (size_t i = 0; i < session_rooms(s); i++) {
        struct place *p = session_nth(s, i);
        if (p->req != m->req) {
            continue;
        }
        struct access_answer answer = {
            .err = m->err, .detail = m->checked.why, .identity = m->checked.who};
        m->checked.who = NULL;
        if (p->asking_token) {
            on_token_known(s, p, &answer);
        } else {
            on_role_known(s, p, m->err, m->checked.why, m->checked.role);
        }
        return;
    }
}

static void on_answer(struct session *s, struct msg *m) {
    struct reply r = reply_of(s, m);
    const struct request *q = session_get(s, m->req);
    bool order = q->op == OP_ROOM_KICK || q->op == OP_ROOM_MUTE;
    if (order && m->err == ERR_OK) {
        note_order(s, q, r.room_id);
    }
    r.kicked = m->answer.kicked;
    bool for_admin = m->answer.role == ROLE_ADMIN;
    size_t n = for_admin ? m->answer.members_count : 0;
    struct user_info *users = mem_new(n * sizeof *users);
    for (size_t i = 0; i < n; i++) {
        const struct member_info *who = &m->answer.members[i];
        slice user = who->who ? slice_str(identity_user(who->who)) : frame_slice(who->user);
        users[i] = (struct user_info){user, who->conn, who->role};
    }
    r.users = n ? users : NULL;
    r.users_count = n;
    session_answer(s, m->req, &r);
    mem_free(users);
}

static void on_history_is(struct session *s, const struct msg *m) {
    struct reply r = {0};
    struct told told;
    history_reply(m, &told, &r);
    if (m->err == ERR_OK) {
        history_note(session_rpc(s)->audit, m,
                     &(struct audit_entry){.user = session_user(s),
                                           .peer = conn_peer(session_conn(s)),
                                           .connection = conn_get_id(session_conn(s))});
    }
    session_answer(s, m->req, &r);
    told_fini(&told);
}

void methods_mail(struct session *s, struct msg *m) {
    switch (m->kind) {
    case MSG_JOINED:
        on_joined(s, m);
        break;
    case MSG_SYNCED:
        on_synced(s, m);
        break;
    case MSG_REPAIRED:
        on_repaired(s, m);
        break;
    case MSG_CLOSED:
        on_closed(s, m);
        break;
    case MSG_CHECKED:
        on_checked(s, m);
        break;
    case MSG_HISTORY_IS:
        on_history_is(s, m);
        break;
    default:
        on_answer(s, m);
    }
}
