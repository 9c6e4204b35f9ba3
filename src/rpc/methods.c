/* methods.c: what each method does on the connection's side; the room's side is room/room.c. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "limit/caps.h"
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

static void join(struct session *s, uint32_t req, struct subscription *sub,
                 const struct intent *in) {
    struct msg *m = about(MSG_JOIN, sub->name, req);
    m->extra = INTENT_HAS(in, STATE_VECTOR) ? frame_copy(in->state_vector) : NULL;
    m->join.role = session_rpc(s)->dev ? ROLE_WRITE : ROLE_NONE;
    m->join.capabilities = in->capabilities;
    m->join.state_always = session_is_plain(s);
    (void)snprintf(m->join.user_id, sizeof m->join.user_id, "%s", session_user(s));
    session_post(s, m);
}

static void refuse_rate(struct session *s, uint32_t req, const char *bucket, const char *detail) {
    struct reply r = {
        .err = ERR_RATE, .detail = detail, .bucket = bucket, .retry_after_ms = CAPS_RETRY_MS};
    session_answer(s, req, &r);
}

static void on_subscribe(struct session *s, uint32_t req, const struct intent *in) {
    if (in->capabilities & CAP_BINARY_V1) {
        session_reads_binary(s, false);
    }
    struct subscription *sub = session_find(s, in->room_id);
    if (!sub && session_rooms(s) >= session_rpc(s)->limits.rooms_per_connection) {
        refuse_rate(s, req, "rooms-per-connection",
                    "this connection is in as many rooms as one may be in");
        return;
    }
    join(s, req, sub ? sub : session_add(s, in->room_id), in);
}

static void on_unsubscribe(struct session *s, uint32_t req, const struct intent *in) {
    struct subscription *sub = session_find(s, in->room_id);
    if (!sub) {
        session_refuse(s, req, ERR_FORBIDDEN, "not subscribed to this room");
        return;
    }
    struct msg *m = about(MSG_LEAVE, sub->name, req);
    session_remove(s, sub);
    session_post(s, m);
}

/* The dialect without subscribe joins by its first message. */
static struct subscription *attach(struct session *s, slice room_id) {
    const struct intent in = {.op = OP_SUBSCRIBE, .room_id = room_id};
    uint32_t req = session_request(s, &in);
    struct subscription *sub = session_add(s, room_id);
    join(s, req, sub, &in);
    return sub;
}

void methods_attach(struct session *s, slice room_id) {
    (void)attach(s, room_id);
}

/* The room an intent is about: named, numbered, or the only one. NULL after refusing. */
static struct subscription *room_of(struct session *s, uint32_t req, const struct intent *in) {
    struct subscription *sub = NULL;
    const char *detail = "not subscribed to this room";
    slice name = in->room_id.n ? in->room_id : session_default_room(s);
    if (in->mux) {
        session_reads_binary(s, true);
        sub = session_find_channel(s, in->channel);
        detail = "no subscription has this channel";
    } else if (name.n) {
        sub = session_find(s, name);
        if (!sub && session_is_plain(s) &&
            session_rooms(s) < session_rpc(s)->limits.rooms_per_connection) {
            sub = attach(s, name);
        }
    } else {
        sub = session_only(s);
        detail = session_is_plain(s) ? "no room: give roomId in the URL or in the message"
                                     : "the short form needs exactly one subscription";
    }
    if (!sub) {
        session_refuse(s, req, ERR_FORBIDDEN, detail);
    }
    return sub;
}

static enum role right_of(enum op op) {
    static const enum role rights[OP_COUNT] = {
#define METHOD(op, name, right, cost, required, allowed) [OP_##op] = ROLE_##right,
#include "wire/methods.def"
#undef METHOD
    };
    return rights[op];
}

static void forward(struct session *s, uint32_t req, const struct intent *in, enum msg_kind kind) {
    uint64_t version = 0;
    if (INTENT_HAS(in, SEQ) && session_acknowledged(s, in->seq, &version)) {
        struct reply r = {.applied = true, .duplicate = true, .version = version};
        session_answer(s, req, &r);
        return;
    }
    struct subscription *sub = room_of(s, req, in);
    if (!sub) {
        return;
    }
    struct msg *m = about(kind, sub->name, req);
    m->needs = right_of(in->op);
    m->payload = INTENT_HAS(in, PAYLOAD) ? frame_copy(in->payload) : NULL;
    m->extra = INTENT_HAS(in, STATE_VECTOR) ? frame_copy(in->state_vector) : NULL;
    session_post(s, m);
}

static void on_sync(struct session *s, uint32_t req, const struct intent *in) {
    forward(s, req, in, MSG_SYNC);
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

static const method_fn handlers[OP_COUNT] = {
    [OP_INITIALIZE] = on_initialize,   [OP_INITIALIZED] = on_plain_ok,
    [OP_PING] = on_plain_ok,           [OP_SUBSCRIBE] = on_subscribe,
    [OP_UNSUBSCRIBE] = on_unsubscribe, [OP_SYNC] = on_sync,
    [OP_UPDATE] = on_update,           [OP_AWARENESS] = on_awareness,
    [OP_HEARTBEAT] = on_heartbeat,     [OP_ROOM_INFO] = on_room_info,
};

void methods_handle(struct session *s, const struct intent *in) {
    uint32_t req = session_request(s, in);
    if (in->err != ERR_OK) {
        struct reply r = {.err = in->err,
                          .detail = in->detail,
                          .limit_bytes = in->limit_bytes,
                          .size_bytes = in->size_bytes};
        session_answer(s, req, &r);
        return;
    }
    handlers[in->op](s, req, in);
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
    struct subscription *sub = session_find(s, frame_slice(m->room));
    struct reply r = reply_of(s, m);
    r.state_vector = (slice){0};
    if (m->err != ERR_OK) {
        if (sub && sub->state == SUB_JOINING) {
            session_remove(s, sub);
        }
        session_answer(s, m->req, &r);
        return;
    }
    if (sub) { /* unless it was given up meanwhile */
        hub_attach(conn_hub(session_conn(s)), sub, m->answer.channel);
    }
    char sid[16];
    r.sid = slice_of(sid, hub_sid(m->answer.channel, sid));
    r.channel = m->answer.channel;
    session_answer(s, m->req, &r);
    if (sub) {
        send_state(s, sub, m, EVENT_STATE);
        send_presence(s, sub, m);
    }
}

/* JSON: the answer, then what the client lacks. Binary: what it lacks, then the server's vector. */
static void on_synced(struct session *s, struct msg *m) {
    struct subscription *sub = session_find(s, frame_slice(m->room));
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
    struct subscription *sub = session_find(s, frame_slice(m->room));
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

static void on_answer(struct session *s, struct msg *m) {
    struct reply r = reply_of(s, m);
    size_t n = m->answer.members ? m->answer.participants : 0;
    struct user_info *users = mem_new(n * sizeof *users);
    for (size_t i = 0; i < n; i++) {
        const struct member_info *who = &m->answer.members[i];
        users[i] = (struct user_info){slice_str(who->user_id), who->conn, who->role};
    }
    r.users = n ? users : NULL;
    r.users_count = n;
    session_answer(s, m->req, &r);
    mem_free(users);
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
    default:
        on_answer(s, m);
    }
}
