#include "room/room.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "base/varuint.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/probe.h"
#include "observe/span.h"
#include "room/echo.h"
#include "room/abroad.h"
#include "room/internal.h"
#include "room/rooms.h"
#include "room/sanctions.h"
#include "yata.h"

static const uint8_t empty_update[] = {0, 0}; /* no clients, no deletes (CRDT update V1) */

static slice bytes_slice(const struct yata_bytes *b) {
    return slice_of(b->p, b->n);
}

/* A frame of what yata handed out, which is released; NULL for an update that says nothing. */
static struct frame *take_update(struct yata_bytes *b) {
    bool says_nothing = b->n == 0 || slice_eq(bytes_slice(b), slice_of(empty_update, 2));
    struct frame *f = says_nothing ? NULL : frame_try_new(b->n);
    if (f) {
        memcpy(f->bytes, b->p, b->n);
    }
    yata_bytes_fini(b);
    return f;
}

/* ---- answers ---- */

void room_post(struct room *r, unsigned worker, struct msg *m) {
    m->from = r->parent->o.worker;
    r->parent->o.post(r->parent->o.post_ctx, worker, m);
}

void room_answer(struct room *r, struct msg *m, enum msg_kind kind, enum err err) {
    if (m->req == REQ_NONE && kind == MSG_ANSWER) {
        msg_free(m);
        return;
    }
    if (m->kind == MSG_JOIN) { /* its part of the union ends here */
        enum role role = m->join.role;
        identity_unref(m->join.who);
        memset(&m->answer, 0, sizeof m->answer);
        m->answer.role = role;
    }
    m->kind = kind;
    m->err = err;
    m->answer.channel = r->channel;
    m->answer.version = r->version;
    m->answer.participants = r->members.used + r->peers.members;
    lasting_answer(r, m);
}

static void drop_payload(struct msg *m) {
    m->payload = frame_unref(m->payload);
}

void room_refuse(struct room *r, struct msg *m, enum err err, const char *detail) {
    enum msg_kind kind = msg_answer_kind(m->kind);
    if (m->kind == MSG_HISTORY) {
        history_refuse(r->parent, m, err, detail);
        return;
    }
    if (m->kind == MSG_REPAIR) {
        mem_free(m->repair.clocks);
    }
    if (m->kind != MSG_JOIN) {
        memset(&m->answer, 0, sizeof m->answer);
    }
    drop_payload(m);
    m->extra = frame_unref(m->extra);
    (void)snprintf(m->detail, sizeof m->detail, "%s", detail);
    room_answer(r, m, kind, err);
}

static enum err refusal(enum yata_status s) {
    switch (s) {
    case YATA_OK:
        return ERR_OK;
    case YATA_MALFORMED:
        return ERR_PARAMS;
    case YATA_LIMIT:
        return ERR_TOO_LARGE;
    case YATA_NOMEM:
    case YATA_GONE:
    case YATA_RANGE: /* the last two are about single types, and cannot come from an update */
        break;
    }
    return ERR_NOMEM;
}

/* ---- ticks ---- */

/* What measures how long the news took; NULL when nobody but its writer is here. */
static struct echo *echo_of(const struct room *r, conn_id except, bool presence) {
    uint64_t received_ns = presence ? r->presence_received_ns : r->received_ns;
    unsigned workers = 0;
    for (unsigned w = 0; w < r->parent->o.workers; w++) {
        workers += r->on_worker[w] > 0;
    }
    bool anybody = r->members.used > (except ? 1 : 0);
    if (!anybody || !received_ns) {
        return NULL;
    }
    return presence ? echo_new(METRIC_AWARENESS_DELAY, received_ns, workers, NULL, NULL)
                    : echo_new(METRIC_ECHO, received_ns, workers, &r->trace, r->name);
}

static void fan_out(struct room *r, struct frame *payload, conn_id except, bool presence) {
    struct echo *echo = echo_of(r, except, presence);
    PROBE4(publish, &r->name->bytes[0], r->version, payload->n, presence);
    for (unsigned w = 0; w < r->parent->o.workers; w++) {
        if (r->on_worker[w] == 0) {
            continue;
        }
        struct msg *m = msg_new(MSG_FANOUT);
        m->room = frame_ref(r->name);
        m->payload = frame_ref(payload);
        m->fanout.except = except;
        m->fanout.version = r->version;
        m->fanout.presence = presence;
        m->fanout.echo = echo;
        m->trace = presence ? (struct trace){0} : r->trace;
        room_post(r, w, m);
    }
}

static void reset_tick(struct room *r) {
    while (r->local_count) {
        frame_unref(r->local[--r->local_count]);
    }
    r->told_apart = false;
    r->lone = frame_unref(r->lone);
    r->in_tick = false;
    r->tick_updates = 0;
    r->writer = 0;
    r->many_writers = false;
    r->received_ns = 0;
    r->trace = (struct trace){0};
}

/* The bytes that tell what the tick changed; NULL when nothing did. */
static struct frame *commit(struct room *r) {
    bool as_received = r->tick_updates == 1 && r->lone;
    bool wanted = r->tick_updates > 0 && !as_received;
    struct yata_bytes merged = {0};
    enum yata_status s = yata_commit(r->doc, wanted ? &merged : NULL);
    if (s != YATA_OK) {
        log_error("TICK-NOMEM", log_str("roomId", frame_slice(r->name)));
    }
    if (as_received) {
        return frame_ref(r->lone);
    }
    return wanted ? take_update(&merged) : NULL;
}

/* All that clients of this node sent, as one update; NULL when that cannot be had. */
static struct frame *merge_local(const struct room *r) {
    struct yata_slice *list = mem_new(r->local_count * sizeof *list);
    for (size_t i = 0; i < r->local_count; i++) {
        list[i] = (struct yata_slice){r->local[i]->bytes, r->local[i]->n};
    }
    struct yata_bytes merged = {0};
    enum yata_status s = yata_merge_updates(YATA_V1, list, r->local_count, &merged, NULL);
    mem_free(list);
    return s == YATA_OK ? take_update(&merged) : NULL;
}

/* Other nodes get what clients of this one changed, and what still waits for others' updates. */
static void tell_peers(struct room *r, struct frame *told) {
    if (!r->local_count) {
        return;
    }
    struct frame *merged = r->told_apart ? merge_local(r) : NULL;
    peers_tell_update(r, r->told_apart ? merged : told);
    frame_unref(merged);
}

void room_tick(struct room *r, uint64_t now_ms) {
    if (!r->in_tick) {
        return;
    }
    struct frame *told = commit(r);
    tell_peers(r, told);
    if (told) {
        metric_observe(METRIC_TICK_UPDATES, (double)r->tick_updates);
        r->state = frame_unref(r->state);
        fan_out(r, told, r->many_writers ? 0 : r->writer, false);
        frame_unref(told);
        r->ticked_ms = now_ms;
    }
    reset_tick(r);
}

void room_tick_presence(struct room *r, uint64_t now_ms) {
    struct frame *own = NULL;
    struct frame *told = presence_take_changes(&r->presence, &own);
    if (told) {
        peers_tell_presence(r, own);
        fan_out(r, told, 0, true);
        frame_unref(told);
        r->presence_ms = now_ms;
    }
    r->presence_received_ns = 0;
    frame_unref(own);
}

/* ---- the document ---- */

static void begin(struct room *r) {
    if (!r->in_tick) {
        yata_begin(r->doc);
        r->in_tick = true;
        rooms_mark(r->parent, r); /* the transaction must close, also when nothing comes of it */
    }
}

/* An update has changed something. `writer` is 0 when it is another node's. */
static void count_writer(struct room *r, conn_id writer, struct frame *update,
                         const struct yata_applied *did) {
    r->tick_updates++;
    if (r->tick_updates == 1) {
        r->writer = writer;
        r->lone = did->whole ? frame_ref(update) : NULL;
    } else {
        r->many_writers |= r->writer != writer;
        r->lone = frame_unref(r->lone);
    }
    r->many_writers |= did->freed; /* what waited may be another's, and new to this writer */
}

/* What other nodes are to be told of. */
static void keep_local(struct room *r, struct frame *update) {
    if (!peers_any(r)) {
        return;
    }
    if (r->local_count == r->local_cap) {
        r->local_cap = r->local_cap ? r->local_cap * 2 : 8;
        r->local = mem_resize(r->local, r->local_cap * sizeof(struct frame *));
    }
    r->local[r->local_count++] = frame_ref(update);
}

/* The user, when it has to be noted who writes with the client id of this update: once per member
 * and id, and always when there are several, since they may be others'. */
static struct frame *author(struct member *who, const struct frame *update) {
    slice s = frame_slice(update);
    uint64_t clients = 0;
    uint64_t structs = 0;
    uint64_t client = 0;
    if (!who || !varuint_take(&s, &clients) || !clients || !varuint_take(&s, &structs) ||
        !varuint_take(&s, &client) || (clients == 1 && client + 1 == who->writes_as)) {
        return NULL;
    }
    who->writes_as = clients == 1 ? client + 1 : who->writes_as;
    return frame_copy(member_user(who->who));
}

static void tell_apply(const struct room *r, const struct msg *m, uint64_t start_ns,
                       uint64_t end_ns, enum err err) {
    if (span_wanted(&m->trace)) {
        span_end(&(struct span){.trace = m->trace,
                                .id = span_id(),
                                .name = "apply",
                                .start_ns = start_ns,
                                .end_ns = end_ns,
                                .room = frame_slice(r->name),
                                .connection = m->conn,
                                .seq = m->seq,
                                .err = err});
    }
}

/* Applies the payload within the tick. On refusal `detail` of the message says why. `by`: who has
 * made it; NULL: the member who has sent it. */
static enum err apply(struct room *r, struct msg *m, const struct identity *by,
                      struct yata_applied *ret) {
    uint64_t start = clock_mono_ns();
    struct yata_error why = {0};
    begin(r);
    enum yata_status s = yata_apply(r->doc, m->payload->bytes, m->payload->n, ret, &why);
    uint64_t end = clock_mono_ns();
    metric_observe(METRIC_APPLY_DURATION, (double)(end - start) / 1e6);
    tell_apply(r, m, start, end, refusal(s));
    PROBE4(apply, &r->name->bytes[0], m->conn, m->payload->n, end - start);
    if (s != YATA_OK) {
        (void)snprintf(m->detail, sizeof m->detail, "update, byte %zu: %s", why.at, why.what);
        return refusal(s);
    }
    if (ret->changed) {
        r->version++;
        r->received_ns = r->received_ns ? r->received_ns : m->received_ns;
        r->trace = r->trace.sampled || !trace_is_set(&m->trace) ? r->trace : m->trace;
        count_writer(r, m->conn, m->payload, ret);
    }
    if (ret->changed || ret->pending) {
        struct frame *user = by ? frame_copy(member_user(by))
                                : author(map_find_u64(&r->members, m->conn), m->payload);
        lasting_append(r, m->payload, user, &m->trace);
        frame_unref(user);
        keep_local(r, m->payload);
        r->told_apart |= ret->pending;
    }
    return ERR_OK;
}

/* The same document with wider limits, once. False when there is no memory for it. */
static bool widen(struct room *r, uint64_t now_ms) {
    struct yata_doc *wide = NULL;
    struct yata_bytes state = {0};
    room_tick(r, now_ms);
    if (!r->wide && yata_encode_state(r->doc, NULL, 0, &state) == YATA_OK) {
        wide = room_doc_new(2);
    }
    if (wide && yata_apply(wide, state.p, state.n, NULL, NULL) == YATA_OK) {
        struct yata_doc *narrow = r->doc;
        r->doc = wide;
        r->wide = true;
        wide = narrow;
    }
    yata_doc_free(wide);
    yata_bytes_fini(&state);
    begin(r);
    return r->wide;
}

void room_take(struct room *r, slice update, uint64_t now_ms) {
    struct yata_applied did = {0};
    struct yata_error why = {0};
    begin(r);
    enum yata_status s = yata_apply(r->doc, update.p, update.n, &did, &why);
    if (s == YATA_LIMIT && !r->wide && widen(r, now_ms)) {
        s = yata_apply(r->doc, update.p, update.n, &did, &why);
    }
    if (s != YATA_OK) {
        metric_add(METRIC_BUS_REFUSED, 0, 1);
        log_limited(LOG_WARN, "BUS-REFUSED", log_str("roomId", frame_slice(r->name)),
                    log_text("detail", why.what));
        return;
    }
    if (!did.changed && !did.pending) {
        return;
    }
    struct frame *f = frame_copy(update);
    r->told_apart = true;
    if (did.changed) {
        count_writer(r, 0, f, &did);
    }
    lasting_take(r, f);
    frame_unref(f);
}

/* The whole state as a frame of the caller's; NULL when there is none or no memory. */
static struct frame *whole_state(struct room *r) {
    if (!r->state) {
        struct yata_bytes out = {0};
        if (yata_encode_state(r->doc, NULL, 0, &out) == YATA_OK) {
            r->state = take_update(&out);
        }
    }
    return r->state ? frame_ref(r->state) : NULL;
}

static enum err missing_for(struct room *r, slice state_vector, struct frame **ret) {
    if (state_vector.n == 0) {
        *ret = whole_state(r);
        return ERR_OK;
    }
    struct yata_bytes out = {0};
    enum yata_status s = yata_encode_state(r->doc, state_vector.p, state_vector.n, &out);
    if (s == YATA_OK) {
        *ret = take_update(&out);
    }
    return refusal(s);
}

static struct frame *state_vector(struct room *r) {
    struct yata_bytes out = {0};
    struct frame *f = NULL;
    if (yata_encode_state_vector(r->doc, &out) == YATA_OK) {
        f = frame_copy(bytes_slice(&out));
    }
    yata_bytes_fini(&out);
    return f;
}

/* ---- messages ---- */

/* A room comes to exist when somebody who may write joins it, or when its operator says so. */
static bool comes_to_exist(struct room *r, const struct msg *m, const char **ret_why) {
    if (m->kind == MSG_BRING) {
        r->lasting.exists = true;
    } else if (!r->parent->o.auto_create) {
        *ret_why = "no such room, and rooms are not created on demand here";
    } else if (m->kind != MSG_JOIN || m->join.role < ROLE_WRITE) {
        *ret_why = "no such room, and only a writer may create it";
    } else {
        r->lasting.exists = true;
        log_limited(LOG_INFO, "ROOM-OPEN", log_str("roomId", frame_slice(r->name)));
    }
    return r->lasting.exists;
}

static void on_join(struct room *r, struct msg *m, uint64_t now_ms) {
    bool known = map_find_u64(&r->members, m->conn) != NULL;
    if (!known && r->members.used + r->peers.members >= r->parent->o.room_cap) {
        room_refuse(r, m, ERR_RATE, "the room is full");
        return;
    }
    if (sanctions_hold(r->sanctions, SANCTION_BAN, member_user(m->join.who), now_ms)) {
        room_refuse(r, m, ERR_FORBIDDEN, "banned from this room for now");
        return;
    }
    room_tick(r, now_ms);
    struct frame *state = NULL;
    if (!(m->join.capabilities & CAP_YJS_SYNC_V1)) {
        enum err e = missing_for(r, frame_slice(m->extra), &state);
        if (e != ERR_OK) {
            room_refuse(r, m, e, "stateVectorB64 is not a state vector");
            return;
        }
    }
    if (!state && m->join.state_always) {
        state = frame_copy(slice_of(empty_update, sizeof empty_update));
    }
    member_add(r, m, now_ms);
    frame_unref(m->payload);
    frame_unref(m->extra);
    m->payload = state;
    m->extra = presence_all(&r->presence, m->conn);
    room_answer(r, m, MSG_JOINED, ERR_OK);
}

static void on_leave(struct room *r, struct msg *m, uint64_t now_ms) {
    struct member *who = map_find_u64(&r->members, m->conn);
    if (who) {
        member_drop(r, who, now_ms);
    }
    room_answer(r, m, MSG_ANSWER, ERR_OK);
}

static bool may_write(const struct room *r, const struct member *who, uint64_t now_ms,
                      struct msg *m) {
    const char *why = NULL;
    if (who->role < ROLE_WRITE) {
        why = "this needs the right to write";
    } else if (sanctions_hold(r->sanctions, SANCTION_MUTE, member_user(who->who), now_ms)) {
        why = "muted in this room";
    }
    if (why) {
        (void)snprintf(m->detail, sizeof m->detail, "%s", why);
    }
    return !why;
}

static void on_update(struct room *r, struct msg *m, uint64_t now_ms) {
    const struct member *who = map_find_u64(&r->members, m->conn);
    struct yata_applied did = {0};
    enum err e = may_write(r, who, now_ms, m) ? lasting_admits(r, m) : ERR_FORBIDDEN;
    e = e ? e : apply(r, m, NULL, &did);
    if (e != ERR_OK) {
        drop_payload(m);
        room_answer(r, m, MSG_ANSWER, e);
        return;
    }
    drop_payload(m);
    if (did.pending) {
        room_tick(r, now_ms);
        m->extra = state_vector(r);
    }
    m->answer.applied = !did.pending;
    m->after = lasting_now(r);
    room_answer(r, m, MSG_ANSWER, ERR_OK);
}

static void on_bring(struct room *r, struct msg *m) {
    struct yata_applied did = {0};
    enum err e = lasting_admits(r, m);
    e = e ? e : apply(r, m, NULL, &did);
    drop_payload(m);
    m->answer.applied = did.changed || did.pending;
    m->after = e == ERR_OK ? lasting_now(r) : 0;
    room_answer(r, m, MSG_BROUGHT, e);
}

/* Where the client stands: what it says, or what its own state says. NULL: at nothing. */
static struct frame *client_stands_at(struct msg *m) {
    if (m->extra) {
        return frame_ref(m->extra);
    }
    struct yata_bytes out = {0};
    struct frame *f = NULL;
    if (m->payload &&
        yata_state_vector_from_update(m->payload->bytes, m->payload->n, &out, NULL) == YATA_OK) {
        f = frame_copy(bytes_slice(&out));
    }
    yata_bytes_fini(&out);
    return f;
}

/* What a client says is its whole state. When nothing may be written now, what is known may still
 * be repeated. */
static enum err sync_in(struct room *r, struct msg *m, uint64_t now_ms,
                        struct yata_applied *ret_did) {
    const struct member *who = map_find_u64(&r->members, m->conn);
    enum err e = may_write(r, who, now_ms, m) ? lasting_admits(r, m) : ERR_FORBIDDEN;
    if (e == ERR_OK) {
        return apply(r, m, NULL, ret_did);
    }
    struct yata_error why = {0};
    bool known = false;
    enum yata_status s = yata_is_known(r->doc, m->payload->bytes, m->payload->n, &known, &why);
    if (s != YATA_OK) {
        (void)snprintf(m->detail, sizeof m->detail, "update, byte %zu: %s", why.at, why.what);
        return refusal(s);
    }
    return known ? ERR_OK : e;
}

static void on_sync(struct room *r, struct msg *m, uint64_t now_ms) {
    room_tick(r, now_ms);
    struct frame *stands_at = client_stands_at(m);
    struct yata_applied did = {0};
    bool brought = m->payload != NULL;
    enum err e = m->payload ? sync_in(r, m, now_ms, &did) : ERR_OK;
    room_tick(r, now_ms);
    struct frame *missing = NULL;
    if (e == ERR_OK || e == ERR_FORBIDDEN || e == ERR_STORE || e == ERR_RATE) {
        /* who may not write still gets what it lacks */
        enum err out = missing_for(r, frame_slice(stands_at), &missing);
        if (out != ERR_OK) {
            e = out;
            (void)snprintf(m->detail, sizeof m->detail, "stateVectorB64 is not a state vector");
        }
    }
    frame_unref(stands_at);
    drop_payload(m);
    frame_unref(m->extra);
    m->payload = missing;
    m->extra = e == ERR_OK ? state_vector(r) : NULL;
    m->answer.applied = e == ERR_OK && !did.pending;
    m->after = brought ? lasting_now(r) : 0;
    room_answer(r, m, MSG_SYNCED, e);
}

enum err room_edit(struct room *r, struct msg *m, struct frame *update, const struct identity *by) {
    struct yata_applied did = {0};
    enum err e = lasting_admits(r, m);
    if (e == ERR_OK) {
        m->payload = frame_ref(update);
        e = apply(r, m, by, &did);
        r->many_writers = true;
        drop_payload(m);
    }
    return e;
}

static void on_awareness(struct room *r, struct msg *m, uint64_t now_ms) {
    const struct member *who = map_find_u64(&r->members, m->conn);
    struct presence_source from = {.conn = m->conn,
                                   .joined_ms = who->joined_ms,
                                   .now_ms = now_ms,
                                   .user = member_user(who->who)};
    if (r->parent->o.stamp_presence) {
        from.stamp = identity_presence(who->who);
    }
    enum err e =
        presence_apply(&r->presence, &from, frame_slice(m->payload), m->detail, sizeof m->detail);
    if (r->presence.changed) {
        rooms_mark(r->parent, r);
        r->presence_received_ns =
            r->presence_received_ns ? r->presence_received_ns : m->received_ns;
    }
    drop_payload(m);
    room_answer(r, m, MSG_ANSWER, e);
}

/* Today's state vector, lowered to where the receiver was cut off. */
static enum err encode_repair(struct room *r, const struct msg *m, struct frame **ret) {
    const struct yata_clock *now = NULL;
    size_t n = 0;
    if (yata_state_vector(r->doc, &now, &n) != YATA_OK) {
        return ERR_NOMEM;
    }
    struct yata_clock *since = mem_new((n + 1) * sizeof *since);
    for (size_t i = 0; i < n; i++) {
        since[i] = now[i];
        for (size_t j = 0; j < m->repair.count; j++) {
            const struct yata_clock *missed = &m->repair.clocks[j];
            if (missed->client == since[i].client && missed->clock < since[i].clock) {
                since[i].clock = missed->clock;
            }
        }
    }
    struct yata_bytes out = {0};
    enum yata_status s = yata_encode_since(r->doc, since, n, &out);
    mem_free(since);
    *ret = s == YATA_OK ? take_update(&out) : NULL;
    return refusal(s);
}

static void on_repair(struct room *r, struct msg *m, uint64_t now_ms) {
    room_tick(r, now_ms);
    struct frame *difference = NULL;
    enum err e = encode_repair(r, m, &difference);
    mem_free(m->repair.clocks);
    memset(&m->answer, 0, sizeof m->answer);
    m->payload = difference;
    m->extra = presence_all_and_gone(&r->presence, m->conn);
    room_answer(r, m, MSG_REPAIRED, e);
}

static void on_role(struct room *r, struct msg *m, uint64_t now_ms) {
    struct member *who = map_find_u64(&r->members, m->conn);
    if (who && m->join.role < ROLE_READ) {
        member_drop(r, who, now_ms);
    } else if (who) {
        who->role = m->join.role;
    }
    msg_free(m);
}

struct yata_doc *room_doc_new(unsigned times) {
    /* Strict, as the clients of today are: who sends what lies behind a gap is told so. */
    const struct yata_options options = {
        .strict = true,
        .max_pending_bytes = times * CAPS_PENDING_BYTES,
        .max_clients = (size_t)times * CAPS_DOC_CLIENTS,
        .max_structs = (size_t)times * CAPS_DOC_STRUCTS,
        .max_update_structs = times > 1 ? (size_t)times * CAPS_DOC_STRUCTS : CAPS_UPDATE_STRUCTS,
        .max_roots = (size_t)times * CAPS_DOC_ROOTS,
        .max_memory_bytes = times * CAPS_DOC_MEMORY_BYTES};
    return yata_doc_new(&options);
}

struct room *room_new(struct rooms *parent, struct frame *name, uint32_t channel) {
    struct yata_doc *doc = room_doc_new(1);
    if (!doc) {
        return NULL;
    }
    struct room *r = NEW(struct room);
    r->parent = parent;
    r->name = frame_ref(name);
    r->channel = channel;
    lasting_init(&r->lasting);
    r->doc = doc;
    r->on_worker = mem_new(parent->o.workers * sizeof *r->on_worker);
    return r;
}

void room_free(struct room *r) {
    must(!list_linked(&r->dirty));
    if (r->in_tick) {
        (void)yata_commit(r->doc, NULL);
    }
    size_t at = 0;
    for (struct member *who; (who = map_next(&r->members, &at)) != NULL;) {
        member_free(who);
        metric_add(METRIC_PARTICIPANTS, 0, -1);
    }
    reset_tick(r);
    mem_free(r->local);
    abroad_fini(r);
    peers_fini(&r->peers);
    lasting_fini(&r->lasting);
    sanctions_free(r->sanctions);
    map_fini(&r->members);
    presence_fini(&r->presence);
    yata_doc_free(r->doc);
    frame_unref(r->state);
    frame_unref(r->lone);
    frame_unref(r->name);
    mem_free(r->on_worker);
    mem_free(r);
}

/* May this message's sender do that here? */
static enum err allowed(struct room *r, const struct msg *m, const char **ret_detail) {
    struct member *who = map_find_u64(&r->members, m->conn);
    if (!who) {
        *ret_detail = "not subscribed to this room";
        return ERR_FORBIDDEN;
    }
    if (who->role < m->needs) {
        *ret_detail = m->needs == ROLE_ADMIN ? "this needs the right to administer"
                                             : "this needs the right to write";
        return ERR_FORBIDDEN;
    }
    who->last_seq = m->seq ? m->seq : who->last_seq;
    return ERR_OK;
}

static bool needs_membership(const struct msg *m) {
    enum msg_kind kind = m->kind;
    if (kind == MSG_HISTORY) {
        return !m->history.who;
    }
    return kind != MSG_JOIN && kind != MSG_LEAVE && kind != MSG_ROLE && kind != MSG_STATE &&
           kind != MSG_BRING;
}

void room_handle(struct room *r, struct msg *m, uint64_t now_ms) {
    const char *detail = NULL;
    bool asks = m->kind == MSG_JOIN || m->kind == MSG_STATE || m->kind == MSG_BRING;
    if (asks && !r->lasting.exists && !comes_to_exist(r, m, &detail)) {
        room_refuse(r, m, ERR_NOT_FOUND, detail);
        return;
    }
    if (needs_membership(m)) {
        r->handled++;
        enum err e = allowed(r, m, &detail);
        if (e != ERR_OK) {
            room_refuse(r, m, e, detail);
            return;
        }
    }
    if (m->kind != MSG_AWARENESS) {
        r->asked_ms = now_ms;
    }
    switch (m->kind) {
    case MSG_JOIN:
        on_join(r, m, now_ms);
        break;
    case MSG_LEAVE:
        on_leave(r, m, now_ms);
        break;
    case MSG_UPDATE:
        on_update(r, m, now_ms);
        break;
    case MSG_SYNC:
        on_sync(r, m, now_ms);
        break;
    case MSG_AWARENESS:
        on_awareness(r, m, now_ms);
        break;
    case MSG_INFO:
        room_info(r, m, now_ms);
        break;
    case MSG_REPAIR:
        on_repair(r, m, now_ms);
        break;
    case MSG_STATE:
        room_state(r, m);
        break;
    case MSG_ROLE:
        on_role(r, m, now_ms);
        break;
    case MSG_BRING:
        on_bring(r, m);
        break;
    case MSG_KICK:
        room_kick(r, m, now_ms);
        break;
    case MSG_MUTE:
        room_mute(r, m, now_ms);
        break;
    case MSG_HISTORY:
        history_ask(r->parent, r, m, now_ms);
        break;
    default:
        must(!"a message for rooms");
    }
}

bool room_is_idle(const struct room *r, uint64_t now_ms) {
    return r->members.used == 0 && !r->in_tick && r->peers.state != PEERS_OPENING &&
           r->presence.changed == 0 && lasting_at_rest(r) && !sanctions_any(r->sanctions, now_ms);
}

bool room_is_void(const struct room *r) {
    return r->version == 0 && r->lasting.rows == 0 && r->lasting.snapshot_bytes == 0;
}

size_t room_rest(struct room *r, uint64_t now_ms) {
    struct yata_stats stats;
    /* Other nodes compare what they have again and again, for which it would be made anew. */
    if (r->in_tick || r->peers.state != PEERS_OFF || now_ms - r->asked_ms < CAPS_REST_MS) {
        return 0;
    }
    yata_stats(r->doc, &stats);
    if (stats.frozen_bytes > 0 || stats.pending_bytes > 0 ||
        stats.memory_bytes > CAPS_REST_DOC_BYTES || yata_doc_freeze(r->doc) != YATA_OK) {
        return 0;
    }
    r->state = frame_unref(r->state); /* it says the same */
    return stats.memory_bytes;
}

size_t room_bytes(const struct room *r) {
    struct yata_stats stats;
    yata_stats(r->doc, &stats);
    return stats.memory_bytes;
}

size_t room_pending_bytes(const struct room *r) {
    struct yata_stats stats;
    yata_stats(r->doc, &stats);
    return stats.pending_bytes;
}
