#include "rpc/session.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/must.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/probe.h"
#include "observe/slowest.h"
#include "observe/span.h"
#include "room/rooms.h"
#include "rpc/opening.h"
#include "store/store.h"

enum { SEQS = CAPS_SEQS_REMEMBERED };

struct acknowledged {
    uint64_t seq;
    uint64_t version;
};

struct session {
    struct rpc *rpc;
    struct conn *conn;
    struct opening opening; /* what it asked for */
    struct trace trace;     /* of its upgrade */
    const struct dialect *in;
    enum dialect_id out; /* for events; answers follow their request */
    bool mux;            /* has used the long form, or more than one room */
    struct auth auth;

    struct place **places;
    size_t places_count;
    uint32_t places_made;

    struct request *requests;
    uint32_t requests_cap;
    size_t in_flight;

    struct acknowledged *acks; /* ring of SEQS, made on first use */
    size_t acks_count;
    uint64_t acks_highest;
    uint64_t seq_next; /* one more than the highest that has come */

    bool in_batch;     /* decoding one */
    size_t batch_open; /* its requests not yet answered */
    struct buf batch;  /* its answers so far */

    unsigned floods;           /* refusals for rate, less one a second */
    uint64_t flooded_until_ms; /* reading pauses until then */
    unsigned uncharged;        /* messages of this second that cost nothing */
    uint64_t second_ms;        /* when it began */

    size_t message_bytes; /* of the message being handled, until they are counted */
    uint64_t
        pressed_ms; /* since when reading is paused as something cannot keep up; 0: it is not */
    bool full;      /* the outbox went over its mark and has not drained */
    bool draining;  /* the server is going down: close once nothing is under way */
};

/* ---- small things ---- */

const struct rpc *session_rpc(const struct session *s) {
    return s->rpc;
}

struct conn *session_conn(struct session *s) {
    return s->conn;
}

const char *session_user(const struct session *s) {
    return s->auth.who ? identity_user(s->auth.who) : "";
}

struct auth *session_auth(struct session *s) {
    return &s->auth;
}

void session_name(struct session *s, slice id) {
    if (!s->opening.session_id[0] && id.n < sizeof s->opening.session_id) {
        memcpy(s->opening.session_id, id.p, id.n);
        s->opening.session_id[id.n] = 0;
    }
}

/* What the client says, or else its token. */
static const char *session_id(const struct session *s) {
    bool token = !s->opening.session_id[0] && s->auth.who;
    return token ? identity_session(s->auth.who) : s->opening.session_id;
}

void session_audit(struct session *s, enum audit_event event, slice room, enum role role,
                   const char *by, const char *reason) {
    struct audit_entry e = {.user = session_user(s),
                            .session = session_id(s),
                            .peer = conn_peer(s->conn),
                            .room = room,
                            .role = role == ROLE_NONE ? NULL : role_name(role),
                            .by = by,
                            .reason = reason,
                            .connection = conn_get_id(s->conn)};
    audit_write(s->rpc->audit, event, &e);
}

slice session_default_room(const struct session *s) {
    return slice_of(s->opening.room, s->opening.room_bytes);
}

bool session_is_plain(const struct session *s) {
    return s->in == dialect_get(DIALECT_PLAINJSON);
}

/* ---- flow ---- */

/* Adds the time since it was last added. */
static void count_pressed(struct session *s) {
    uint64_t now_ms = conn_now_ms(s->conn);
    if (s->pressed_ms) {
        metric_add(METRIC_BACKPRESSURE_TIME, 0, (int64_t)(now_ms - s->pressed_ms) * 1000000);
        s->pressed_ms = now_ms;
    }
}

static bool pressed(struct session *s) {
    bool is = s->in_flight >= CAPS_IN_FLIGHT || s->full || s->flooded_until_ms ||
              store_behind(s->rpc->store);
    if (is && !s->pressed_ms) {
        metric_add(METRIC_BACKPRESSURE, 0, 1);
        s->pressed_ms = conn_now_ms(s->conn);
    } else if (!is && s->pressed_ms) {
        count_pressed(s);
        s->pressed_ms = 0;
    }
    return is;
}

static void breathe(struct session *s) {
    if (s->draining) {
        if (s->in_flight == 0) {
            conn_close(s->conn, 1013, "the server is going down");
        }
    } else if (pressed(s) || s->auth.state == AUTH_CHECKING || s->auth.state == AUTH_REFUSED) {
        conn_pause(s->conn);
    } else {
        conn_resume(s->conn);
    }
}

void session_flooded(struct session *s, uint64_t retry_after_ms) {
    if (++s->floods > CAPS_FLOOD_REFUSALS) {
        s->flooded_until_ms = conn_now_ms(s->conn) + retry_after_ms;
    }
}

void session_uncharged(struct session *s) {
    enum { SECOND_MS = 1000 };
    uint64_t now_ms = conn_now_ms(s->conn);
    if (now_ms - s->second_ms >= SECOND_MS) {
        s->second_ms = now_ms;
        s->uncharged = 0;
    }
    if (++s->uncharged > CAPS_UNCHARGED_PER_SECOND) {
        s->flooded_until_ms = s->second_ms + SECOND_MS;
    }
}

static void push(struct session *s, struct out_item *it, enum dialect_id dialect) {
    out_count(it, dialect);
    if (conn_push(s->conn, it)) {
        s->full = true;
    }
}

/* ---- answers ---- */

static struct buf *start_message(struct session *s) {
    struct buf *b = conn_scratch(s->conn);
    buf_clear(b);
    (void)buf_reserve(b, OUT_HEADER_ROOM);
    buf_commit(b, OUT_HEADER_ROOM);
    return b;
}

static void send_message(struct session *s, enum dialect_id dialect, enum wire_kind kind,
                         struct buf *b, enum metric_out type) {
    if (kind != WIRE_NOTHING) {
        must(!b->failed);
        struct out_item it = out_message(kind, b, type);
        push(s, &it, dialect);
    }
}

static void close_batch_if_done(struct session *s) {
    if (s->in_batch || s->batch_open || !s->batch.n) {
        return;
    }
    buf_put_u8(&s->batch, ']');
    struct buf *b = start_message(s);
    buf_put_slice(b, buf_slice(&s->batch));
    buf_fini(&s->batch);
    send_message(s, s->opening.dialect, WIRE_TEXT, b, METRIC_OUT_ANSWER);
}

/* What a frame of this kind is counted as. */
static enum dialect_id dialect_of(const struct session *s, bool binary, bool mux) {
    return !binary ? s->opening.dialect : mux ? DIALECT_MUX : DIALECT_BINARY;
}

static void send_batched(struct session *s, const struct reply *r) {
    size_t before = s->batch.n;
    buf_put_u8(&s->batch, before ? ',' : '[');
    size_t start = s->batch.n;
    (void)s->in->encode_reply(r, &s->batch);
    if (s->batch.n == start) { /* a notification: nothing to say */
        s->batch.n = before;
    }
}

static const struct dialect *answering(const struct session *s, const struct reply *r) {
    return r->binary ? dialect_get(dialect_of(s, true, r->mux)) : s->in;
}

static void send_reply(struct session *s, const struct reply *r, bool batched) {
    if (r->err != ERR_OK) {
        metric_add(METRIC_ERRORS, (unsigned)r->err, 1);
        metric_add(METRIC_RATE_LIMITED, (unsigned)r->op, r->err == ERR_RATE);
    }
    if (batched) {
        send_batched(s, r);
    } else {
        const struct dialect *d = answering(s, r);
        enum dialect_id id = dialect_of(s, r->binary, r->mux);
        enum metric_out type = r->err == ERR_OK ? METRIC_OUT_ANSWER : METRIC_OUT_ERROR;
        if (d->encode_prelude) {
            struct buf *b = start_message(s);
            send_message(s, id, d->encode_prelude(r, b), b, type);
        }
        struct buf *b = start_message(s);
        send_message(s, id, d->encode_reply(r, b), b, type);
    }
}

static void acknowledge(struct session *s, uint64_t seq, uint64_t version) {
    if (!s->acks) {
        s->acks = mem_new(SEQS * sizeof *s->acks);
    }
    s->acks[s->acks_count++ % SEQS] = (struct acknowledged){seq, version};
    s->acks_highest = seq > s->acks_highest ? seq : s->acks_highest;
}

bool session_acknowledged(const struct session *s, uint64_t seq, uint64_t *ret_version) {
    if (!s->acks_count || seq > s->acks_highest) {
        return false;
    }
    size_t n = s->acks_count < SEQS ? s->acks_count : SEQS;
    for (size_t i = 0; i < n; i++) {
        if (s->acks[i].seq == seq) {
            *ret_version = s->acks[i].version;
            return true;
        }
    }
    return false;
}

static const char *op_name(enum op op) {
    static const char *const names[OP_COUNT] = {
#define METHOD(op, name, right, cost, required, allowed) [OP_##op] = name,
#include "wire/methods.def"
#undef METHOD
    };
    return op == OP_NONE ? "?" : names[op];
}

static void tell_span(const struct session *s, const struct request *q, const struct reply *r,
                      uint64_t took_ns) {
    if (q->span) {
        span_end(&(struct span){.trace = q->trace,
                                .id = q->span,
                                .name = op_name(q->op),
                                .serves = true,
                                .start_ns = q->start_ns,
                                .end_ns = q->start_ns + took_ns,
                                .room = frame_slice(q->room),
                                .connection = conn_get_id(s->conn),
                                .seq = q->seq,
                                .err = r->err});
    }
}

static void note_slow(const struct session *s, const struct request *q, const struct reply *r,
                      uint64_t took_ns) {
    struct slow *slow = q->op == OP_UPDATE || q->op == OP_SYNC
                            ? slowest_place(conn_slowest(s->conn), took_ns, conn_now_ms(s->conn))
                            : NULL;
    if (slow) {
        slice room = frame_slice(q->room);
        slow->method = op_name(q->op);
        slow->room_bytes = room.n < sizeof slow->room ? room.n : sizeof slow->room;
        if (room.n) {
            memcpy(slow->room, room.p, slow->room_bytes);
        }
        slow->connection = conn_get_id(s->conn);
        slow->seq = q->seq;
        slow->err = r->err;
        slow->trace = q->trace;
    }
}

static void observe_answer(const struct request *q, const struct reply *r, uint64_t took_ns) {
    if (r->err == ERR_OK && (q->op == OP_UPDATE || q->op == OP_SYNC)) {
        metric_observe(METRIC_ACK, (double)took_ns / 1e6);
    }
    if (r->duplicate) {
        metric_add(METRIC_DUPLICATES, 0, 1);
    }
}

static void log_answer(const struct session *s, const struct request *q, const struct reply *r,
                       uint64_t took_ns) {
    struct log_field took = log_ms("latency_ms", took_ns);
    if (r->err == ERR_OK) {
        log_sampled(LOG_DEBUG, "REQUEST", log_str("method", slice_str(op_name(q->op))),
                    log_trace(&q->trace), log_str("roomId", frame_slice(q->room)),
                    log_u64("seq", q->seq), log_text("userId", session_user(s)),
                    log_text("sid", session_id(s)), log_u64("connectionId", conn_get_id(s->conn)),
                    took, log_str("result", slice_str("ok")));
    } else {
        log_limited(LOG_INFO, "REFUSED", log_str("method", slice_str(op_name(q->op))),
                    log_trace(&q->trace), log_str("roomId", frame_slice(q->room)),
                    log_u64("seq", q->seq), log_text("userId", session_user(s)),
                    log_text("sid", session_id(s)), log_u64("connectionId", conn_get_id(s->conn)),
                    took, log_err("errCode", r->err),
                    log_str("result", slice_str(r->detail ? r->detail : "")));
    }
}

static void end_request(struct session *s, struct request *q) {
    frame_unref(q->id);
    frame_unref(q->room);
    frame_unref(q->subject);
    frame_unref(q->note);
    *q = (struct request){0};
    s->in_flight--;
}

void session_answer(struct session *s, uint32_t req, struct reply *r) {
    struct request *q = session_get(s, req);
    r->op = q->op;
    r->id = frame_slice(q->id);
    r->binary = q->binary;
    r->mux = q->mux;
    r->seq = q->seq;
    if (r->err == ERR_INTERNAL && !trace_is_set(&q->trace)) {
        q->trace = span_new_trace(); /* so that it can be found in the log */
    }
    r->trace = q->trace;
    if (q->mux) {
        r->channel = q->channel;
    }
    if (r->err == ERR_OK && q->has_seq && !r->duplicate) {
        acknowledge(s, q->seq, r->version);
    }
    uint64_t took_ns = clock_mono_ns() - q->start_ns;
    log_answer(s, q, r, took_ns);
    observe_answer(q, r, took_ns);
    tell_span(s, q, r, took_ns);
    note_slow(s, q, r, took_ns);
    send_reply(s, r, q->batched);
    if (q->batched) {
        s->batch_open--;
        close_batch_if_done(s);
    }
    end_request(s, q);
}

void session_refuse(struct session *s, uint32_t req, enum err err, const char *detail) {
    struct reply r = {.err = err, .detail = detail};
    session_answer(s, req, &r);
}

/* ---- requests ---- */

static uint32_t free_request(struct session *s) {
    for (uint32_t i = 0; i < s->requests_cap; i++) {
        if (!s->requests[i].used) {
            return i;
        }
    }
    uint32_t at = s->requests_cap;
    uint32_t cap = at ? at * 2 : 4;
    s->requests = mem_resize(s->requests, cap * sizeof *s->requests);
    memset(s->requests + at, 0, (cap - at) * sizeof *s->requests);
    s->requests_cap = cap;
    return at;
}

/* Its spans are told when its client wants that, or when it is one of the sample. */
static void begin_span(struct request *q) {
    if (q->op == OP_UPDATE || q->op == OP_SYNC) {
        span_sample(&q->trace);
    }
    q->span = span_wanted(&q->trace) ? span_id() : 0;
}

uint32_t session_request(struct session *s, const struct intent *in) {
    uint32_t req = free_request(s);
    s->requests[req] = (struct request){
        .used = true,
        .op = in->op,
        .id = in->id.n ? frame_copy(in->id) : NULL,
        .binary = in->binary,
        .mux = in->mux,
        .channel = in->channel,
        .seq = in->seq,
        .has_seq = INTENT_HAS(in, SEQ),
        .batched = s->in_batch,
        .room = in->room_id.n ? frame_copy(in->room_id) : NULL,
        .subject = in->user_id.n ? frame_copy(in->user_id) : NULL,
        .start_ns = clock_mono_ns(),
        .trace = trace_is_set(&in->trace) ? in->trace : s->trace,
    };
    begin_span(&s->requests[req]);
    s->in_flight++;
    s->batch_open += s->in_batch;
    return req;
}

struct request *session_get(struct session *s, uint32_t req) {
    must(req < s->requests_cap && s->requests[req].used);
    return &s->requests[req];
}

void session_post(struct session *s, struct msg *m) {
    m->conn = conn_get_id(s->conn);
    if (m->req != REQ_NONE) {
        const struct request *q = session_get(s, m->req);
        m->received_ns = q->start_ns;
        m->trace = q->trace;
        m->trace.span = q->span ? q->span : q->trace.span;
    }
    conn_post(s->conn, room_owner(frame_slice(m->room), conn_worker_count(s->conn)), m);
}

/* ---- rooms ---- */

struct place *session_nth(struct session *s, size_t n) {
    return n < s->places_count ? s->places[n] : NULL;
}

size_t session_rooms(const struct session *s) {
    return s->places_count;
}

struct place *session_find(struct session *s, slice room_id) {
    for (size_t i = 0; i < s->places_count; i++) {
        if (slice_eq(frame_slice(s->places[i]->sub.name), room_id)) {
            return s->places[i];
        }
    }
    return NULL;
}

struct place *session_find_channel(struct session *s, uint32_t channel) {
    for (size_t i = 0; i < s->places_count; i++) {
        if (channel && hub_channel(&s->places[i]->sub) == channel) {
            return s->places[i];
        }
    }
    return NULL;
}

struct place *session_find_number(struct session *s, uint32_t number) {
    for (size_t i = 0; i < s->places_count; i++) {
        if (s->places[i]->number == number) {
            return s->places[i];
        }
    }
    return NULL;
}

struct place *session_only(struct session *s) {
    return s->places_count == 1 ? s->places[0] : NULL;
}

static void choose_events(struct session *s) {
    if (s->out == DIALECT_BINARY || s->out == DIALECT_MUX) {
        s->mux |= s->places_count > 1;
        s->out = s->mux ? DIALECT_MUX : DIALECT_BINARY;
    }
    for (size_t i = 0; i < s->places_count; i++) {
        s->places[i]->sub.out = s->out;
    }
}

void session_reads_binary(struct session *s, bool mux) {
    if (s->opening.binary_agreed && (s->out == DIALECT_JSONRPC || (mux && !s->mux))) {
        s->out = DIALECT_BINARY;
        s->mux |= mux;
        choose_events(s);
    }
}

struct place *session_add(struct session *s, slice room_id) {
    struct frame *name = frame_copy(room_id);
    struct place *p = NEW(struct place);
    sub_init(&p->sub, s, conn_get_id(s->conn), name, s->out);
    frame_unref(name);
    list_init(&p->waiting);
    p->req = REQ_NONE;
    p->number = ++s->places_made;
    s->places = mem_resize(s->places, (s->places_count + 1) * sizeof *s->places);
    s->places[s->places_count++] = p;
    choose_events(s);
    return p;
}

static void count_left(void *ctx, const struct out_item *it) {
    (void)ctx;
    metric_add(METRIC_DROPPED, METRIC_REASON_LEFT, it->counted);
}

/* Ends a place without a word. */
static void place_free(struct session *s, struct place *p) {
    conn_drop(s->conn, &p->sub, count_left, NULL);
    for (struct list_node *node; (node = list_shift(&p->waiting)) != NULL;) {
        msg_free(LIST_ITEM(node, struct msg, node));
    }
    frame_unref(p->state_vector);
    sub_fini(conn_hub(s->conn), &p->sub);
    mem_free(p);
}

void session_remove(struct session *s, struct place *p) {
    for (size_t i = 0; i < s->places_count; i++) {
        if (s->places[i] == p) {
            s->places[i] = s->places[--s->places_count];
            break;
        }
    }
    for (struct list_node *node; (node = list_shift(&p->waiting)) != NULL;) {
        struct msg *m = LIST_ITEM(node, struct msg, node);
        if (m->req != REQ_NONE) {
            session_refuse(s, m->req, ERR_FORBIDDEN, "not subscribed to this room");
        }
        msg_free(m);
    }
    place_free(s, p);
}

/* ---- messages ---- */

static void on_batch(void *ctx, size_t requests) {
    struct session *s = ctx;
    s->in_batch = requests > 0;
    if (!requests) {
        close_batch_if_done(s);
    }
}

static void on_intent(void *ctx, const struct intent *in) {
    struct session *s = ctx;
    unsigned label = metric_pair((unsigned)in->op, dialect_of(s, in->binary, in->mux));
    metric_add(METRIC_MSG_IN, label, 1);
    metric_add(METRIC_MSG_IN_BYTES, label, (int64_t)s->message_bytes);
    PROBE4(parse, conn_get_id(s->conn), in->op, s->message_bytes, in->err);
    s->message_bytes = 0;
    if (INTENT_HAS(in, SEQ) && in->seq >= s->seq_next) {
        s->seq_next = in->seq + 1;
    } else if (INTENT_HAS(in, SEQ)) {
        metric_add(METRIC_RESENDS, 0, 1);
    }
    methods_handle(s, in);
}

static void on_message(void *session, bool text, slice message) {
    struct session *s = session;
    struct arena *arena = conn_arena(s->conn);
    const struct intent_sink sink = {.ctx = s, .batch = on_batch, .intent = on_intent};
    if (!text && s->opening.binary_agreed && s->out == DIALECT_JSONRPC) {
        session_reads_binary(s, false); /* who writes binary frames reads them */
    }
    s->message_bytes = message.n;
    s->in->decode(&s->rpc->caps, arena, text, message, &sink);
    arena_reset(arena);
    breathe(s);
}

void session_known(struct session *s) {
    conn_trust(s->conn, true);
}

/* The upgrade's token has been judged, or there was none. */
static void on_auth(struct session *s) {
    if (s->auth.state == AUTH_KNOWN) {
        session_known(s);
    }
    if (s->auth.state == AUTH_REFUSED) {
        session_audit(s, AUDIT_REFUSED, (slice){0}, ROLE_NONE, NULL, s->auth.reason);
        if (conn_now_ms(s->conn) >= s->auth.close_ms) {
            conn_close(s->conn, 1008, s->auth.reason);
        }
    } else if (s->auth.state == AUTH_KNOWN && session_is_plain(s) && s->opening.room_bytes &&
               !session_rooms(s)) {
        methods_attach(s, session_default_room(s));
    }
}

static void on_sweep(void *session) {
    struct session *s = session;
    uint64_t now_ms = conn_now_ms(s->conn);
    const char *reason = auth_sweep(&s->auth, s->rpc, now_ms);
    if (reason) {
        enum audit_event e = s->auth.state == AUTH_KNOWN ? AUDIT_REVOKED : AUDIT_CLOSED;
        session_audit(s, e, (slice){0}, ROLE_NONE, NULL, reason);
        conn_close(s->conn, 1008, reason);
        return;
    }
    s->floods -= s->floods > 0;
    if (s->flooded_until_ms && now_ms >= s->flooded_until_ms) {
        s->flooded_until_ms = 0;
    }
    count_pressed(s);
    methods_sweep(s);
    breathe(s);
}

static void on_mail(void *session, struct msg *m) {
    struct session *s = session;
    if (m->kind == MSG_CHECKED && m->req == REQ_UPGRADE) {
        struct access_answer answer = {
            .err = m->err, .detail = m->checked.why, .identity = m->checked.who};
        m->checked.who = NULL;
        auth_checked(&s->auth, s->rpc, s->conn, &answer);
        on_auth(s);
    } else {
        methods_mail(s, m);
    }
    breathe(session); /* last: it may handle further messages */
}

static void on_open(void *session) {
    struct session *s = session;
    log_limited(LOG_INFO, "OPEN", log_u64("connectionId", conn_get_id(s->conn)),
                log_str("dialect", slice_str(s->in->name)),
                log_str("peer", slice_str(conn_peer(s->conn))),
                log_str("sid", slice_str(s->opening.session_id)), log_trace(&s->trace));
    on_auth(s);
    breathe(s);
}

static void on_drained(void *session) {
    struct session *s = session;
    s->full = false;
    for (size_t i = 0; i < s->places_count; i++) {
        if (s->places[i]->sub.state == SUB_CUT) {
            metric_add(METRIC_REPAIRS, 0, 1);
            session_post(s, hub_ask_repair(&s->places[i]->sub));
        }
    }
    breathe(s);
}

static void on_drain(void *session) {
    struct session *s = session;
    s->draining = true;
    conn_pause(s->conn);
    breathe(s);
}

static void on_close(void *session) {
    struct session *s = session;
    log_limited(LOG_INFO, "GONE", log_u64("connectionId", conn_get_id(s->conn)));
    count_pressed(s);
    while (s->places_count) {
        struct place *p = s->places[--s->places_count];
        if (p->admitted) {
            struct msg *m = msg_new(MSG_LEAVE);
            m->room = frame_ref(p->sub.name);
            session_post(s, m);
        }
        place_free(s, p);
    }
    auth_fini(&s->auth);
    for (uint32_t i = 0; i < s->requests_cap; i++) {
        frame_unref(s->requests[i].id);
        frame_unref(s->requests[i].room);
        frame_unref(s->requests[i].subject);
        frame_unref(s->requests[i].note);
    }
    mem_free(s->requests);
    mem_free(s->places);
    mem_free(s->acks);
    buf_fini(&s->batch);
    mem_free(s);
}

/* ---- opening ---- */

static void on_upgrade(void *ctx, struct conn *c, const struct http_request *req,
                       struct upgrade *ret) {
    struct opening opening = {0};
    ret->status = rpc_border(ctx, req, &ret->reason);
    ret->status = ret->status ? ret->status : opening_read(req, &opening, &ret->reason);
    if (ret->status != 101) {
        return;
    }
    struct session *s = NEW(struct session);
    s->rpc = ctx;
    s->conn = c;
    s->opening = opening;
    s->out = opening.dialect;
    (void)trace_parse(http_header(req, "traceparent"), &s->trace);
    /* who agreed on binary sends text too; events stay JSON until told */
    s->in = dialect_get(opening.binary_agreed ? DIALECT_BINARY : opening.dialect);
    buf_init(&s->batch, 0);
    ret->subprotocol = opening.subprotocol;
    auth_open(&s->auth, s->rpc, c, req);
    ret->session = s;
}

static bool hub_push(void *owner, struct out_item *it) {
    struct session *s = owner;
    out_count(it, s->out);
    return conn_push(s->conn, it);
}

static void note_dropped(void *ctx, const struct out_item *it) {
    hub_dropped(ctx, it);
}

static void hub_drop(void *owner, struct subscription *sub) {
    struct session *s = owner;
    conn_drop(s->conn, sub, note_dropped, sub);
}

void rpc_ops(struct rpc *rpc, struct gateway_ops *ret) {
    ret->ctx = rpc;
    ret->on_accept = opening_accept;
    ret->on_gone = opening_gone;
    ret->is_socket = opening_is_socket;
    ret->on_upgrade = on_upgrade;
    ret->on_open = on_open;
    ret->on_message = on_message;
    ret->on_mail = on_mail;
    ret->on_drained = on_drained;
    ret->on_drain = on_drain;
    ret->on_sweep = on_sweep;
    ret->on_close = on_close;
    ret->hub = (struct hub_ops){.push = hub_push, .drop = hub_drop};
}
