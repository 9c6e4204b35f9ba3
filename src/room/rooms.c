#include "room/rooms.h"

#include <stdio.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "room/busiest.h"
#include "yata.h"

void rooms_init(struct rooms *rs, const struct rooms_options *o) {
    *rs = (struct rooms){.o = *o, .tick_ms = CAPS_TICK_MS};
    list_init(&rs->dirty);
    rs->busiest = busiest_new();
    list_init(&rs->opening);
    list_init(&rs->returning);
    history_init(&rs->history);
}

void rooms_fini(struct rooms *rs) {
    size_t at = 0;
    for (struct room *r; (r = map_next(&rs->by_name, &at)) != NULL;) {
        list_remove(&r->dirty);
        room_free(r);
    }
    map_fini(&rs->by_name);
    busiest_free(rs->busiest);
    history_fini(&rs->history);
}

unsigned room_owner(slice name, unsigned workers) {
    /* not a secret hash: which worker a room falls on is no one's weakness to exploit beyond what
     * opening many rooms already allows, and all workers must agree */
    return (unsigned)(XXH3_64bits(name.p, name.n) % workers);
}

/* Forgets a room; what it had is in the store. */
static void let_go(struct rooms *rs, struct room *r) {
    peers_leave(r);
    list_remove(&r->dirty);
    (void)map_remove(&rs->by_name, frame_slice(r->name));
    metric_add(METRIC_ROOMS, 0, -1);
    room_free(r);
}

/* Lets go of rooms that nobody has been in for so long; returns how many bytes that frees. */
static size_t let_idle_go(struct rooms *rs, uint64_t now_ms, uint64_t idle_ms) {
    size_t freed = 0;
    size_t at = 0;
    for (struct room *r; (r = map_next(&rs->by_name, &at)) != NULL;) {
        bool idle = room_is_idle(r, now_ms);
        if (!idle) {
            r->lasting.idle_ms = 0;
        } else if (!r->lasting.idle_ms) {
            r->lasting.idle_ms = now_ms;
        }
        if (idle && (room_is_void(r) || now_ms - r->lasting.idle_ms >= idle_ms)) {
            freed += room_bytes(r);
            lasting_leave(r);
            let_go(rs, r);
        }
    }
    return freed;
}

/* A room to be read from the store; NULL when there may be no more of them. */
static struct room *open_room(struct rooms *rs, struct frame *name, uint64_t now_ms,
                              const char **ret_detail, enum err *ret_err) {
    if (rs->by_name.used >= rs->o.max_rooms) {
        (void)let_idle_go(rs, now_ms, 0);
    }
    if (rs->by_name.used >= rs->o.max_rooms) {
        *ret_err = ERR_RATE;
        *ret_detail = "the server has as many rooms as it may hold";
        return NULL;
    }
    uint32_t channel = ++rs->channels * rs->o.workers + rs->o.worker;
    struct room *r = room_new(rs, name, channel);
    if (!r) {
        *ret_err = ERR_NOMEM;
        *ret_detail = "no memory for another room";
        return NULL;
    }
    map_set(&rs->by_name, frame_slice(r->name), r);
    metric_add(METRIC_ROOMS, 0, 1);
    peers_open(r);
    lasting_load(r);
    return r;
}

/* A request for a room that is not here. */
static void refuse(struct rooms *rs, struct msg *m, enum err err, const char *detail) {
    enum msg_kind kind = msg_answer_kind(m->kind);
    if (kind == MSG_ANSWER && m->req == REQ_NONE) {
        msg_free(m);
        return;
    }
    if (m->kind == MSG_HISTORY) {
        history_refuse(rs, m, err, detail);
        return;
    }
    if (m->kind == MSG_REPAIR) {
        mem_free(m->repair.clocks);
    } else if (m->kind == MSG_JOIN) {
        identity_unref(m->join.who);
    }
    m->payload = frame_unref(m->payload);
    m->extra = frame_unref(m->extra);
    memset(&m->answer, 0, sizeof m->answer);
    m->kind = kind;
    m->err = err;
    m->from = rs->o.worker;
    (void)snprintf(m->detail, sizeof m->detail, "%s", detail);
    rs->o.post(rs->o.post_ctx, conn_worker(m->conn), m);
}

/* ---- what comes from the store ---- */

void rooms_serve(struct rooms *rs, struct room *r, uint64_t now_ms) {
    (void)rs;
    for (struct list_node *n; (n = list_shift(&r->lasting.waiting)) != NULL;) {
        room_handle(r, LIST_ITEM(n, struct msg, node), now_ms);
    }
    r->lasting.waiting_count = 0;
}

/* The room cannot be: whoever waited for it is told. */
static void give_up(struct rooms *rs, struct room *r, enum err e) {
    const char *why = e == ERR_DAMAGED ? "what is stored of this room is damaged"
                                       : "the room cannot be read at the moment";
    for (struct list_node *n; (n = list_shift(&r->lasting.waiting)) != NULL;) {
        refuse(rs, LIST_ITEM(n, struct msg, node), e, why);
    }
    let_go(rs, r);
}

static void on_loaded(struct rooms *rs, struct room *r, const struct store_job *job,
                      uint64_t now_ms) {
    enum err e = lasting_loaded(r, job);
    if (e != ERR_OK) {
        give_up(rs, r, e);
    } else if (!r->lasting.exists && list_empty(&r->lasting.waiting)) {
        peers_unknown(r); /* another node has asked for it, and it is not stored here */
        let_go(rs, r);
    } else if (peers_loaded(r, now_ms)) {
        rooms_serve(rs, r, now_ms);
    }
}

static void on_stored(struct rooms *rs, struct msg *m, uint64_t now_ms) {
    struct store_job *job = m->job;
    struct room *r = map_find(&rs->by_name, frame_slice(job->room));
    if (history_owns(job->op)) {
        m->job = NULL;
        history_stored(rs, r, job);
    } else if (r && job->op == STORE_LOAD && r->lasting.loading) {
        on_loaded(rs, r, job, now_ms);
    } else if (r && !r->lasting.loading) { /* a fold may be from before the room was let go of */
        lasting_stored(r, job, now_ms);
    }
    msg_free(m);
}

static void on_store(struct rooms *rs, struct msg *m) {
    size_t at = 0;
    for (struct room *r; !m->store.serving && (r = map_next(&rs->by_name, &at)) != NULL;) {
        lasting_failing(r);
    }
    msg_free(m);
}

/* ---- what comes from other nodes ---- */

static void on_bus_changed(struct rooms *rs, const struct bus_mail *m, uint64_t now_ms) {
    size_t at = 0;
    for (struct room *r; (r = map_next(&rs->by_name, &at)) != NULL;) {
        peers_changed(r, m, now_ms);
    }
}

/* A question about a room that is not open here: where each node has a store of its own, this one
 * may know it. */
static void on_foreign(struct rooms *rs, const struct bus_mail *m, uint64_t now_ms) {
    const char *ignored = NULL;
    enum err e = ERR_OK;
    struct room *r = rs->o.bus.own_store ? open_room(rs, m->room, now_ms, &ignored, &e) : NULL;
    if (r) {
        peers_mail(r, m, now_ms);
    } else {
        peers_none(&rs->o.bus, m->room, m->envelope.node);
    }
}

static void on_bus(struct rooms *rs, struct msg *msg, uint64_t now_ms) {
    const struct bus_mail *m = msg->bus;
    struct room *r = m->room ? map_find(&rs->by_name, frame_slice(m->room)) : NULL;
    if (!m->room) {
        on_bus_changed(rs, m, now_ms);
    } else if (r) {
        peers_mail(r, m, now_ms);
    } else if (m->op == BUS_HEARD && m->envelope.kind == ENVELOPE_OPEN) {
        on_foreign(rs, m, now_ms);
    }
    msg_free(msg);
}

/* Serves rooms that have waited long enough; returns when the next has. */
static uint64_t look_at_opening(struct rooms *rs, uint64_t now_ms) {
    LIST_FOR_EACH (node, &rs->opening) {
        struct room *r = LIST_ITEM(node, struct room, peers.opening);
        if (r->peers.loaded && now_ms < r->peers.deadline_ms) {
            return r->peers.deadline_ms;
        }
        if (r->peers.loaded) {
            peers_late(r, now_ms);
        }
    }
    return UINT64_MAX;
}

/* Some of the rooms that begin anew; returns when to call again. */
static uint64_t look_at_returning(struct rooms *rs, uint64_t now_ms) {
    for (size_t i = 0; i < CAPS_BUS_RETURNS && !list_empty(&rs->returning); i++) {
        struct list_node *n = list_shift(&rs->returning);
        peers_return(LIST_ITEM(n, struct room, peers.returning), now_ms);
    }
    return list_empty(&rs->returning) ? UINT64_MAX : now_ms + 1;
}

/* ---- requests ---- */

static void hand_to(struct rooms *rs, struct room *r, struct msg *m, uint64_t now_ms) {
    if (!r->lasting.loading && r->peers.state != PEERS_OPENING) {
        room_handle(r, m, now_ms);
    } else if (!lasting_wait(r, m)) {
        refuse(rs, m, ERR_RATE, "too much waits for this room to be read from the store");
    }
}

void rooms_handle(struct rooms *rs, struct msg *m, uint64_t now_ms) {
    if (m->kind == MSG_STORED) {
        on_stored(rs, m, now_ms);
        return;
    }
    if (m->kind == MSG_STORE) {
        on_store(rs, m);
        return;
    }
    if (m->kind == MSG_BUS) {
        on_bus(rs, m, now_ms);
        return;
    }
    struct room *r = map_find(&rs->by_name, frame_slice(m->room));
    const char *detail = "no such room";
    enum err err = ERR_NOT_FOUND;
    bool opens = m->kind == MSG_JOIN || m->kind == MSG_STATE || m->kind == MSG_BRING ||
                 (m->kind == MSG_HISTORY && m->history.who && m->history.op == STORE_RESTORE);
    if (!r && opens) {
        r = open_room(rs, m->room, now_ms, &detail, &err);
    }
    if (r) {
        hand_to(rs, r, m, now_ms);
    } else if (m->kind == MSG_HISTORY && m->history.who) {
        history_ask(rs, NULL, m, now_ms);
    } else {
        refuse(rs, m, err, detail);
    }
}

void rooms_mark(struct rooms *rs, struct room *r) {
    if (!list_linked(&r->dirty)) {
        list_push(&rs->dirty, &r->dirty);
    }
}

static bool receivers_behind(const struct rooms *rs, const struct room *r) {
    for (unsigned w = 0; w < rs->o.workers; w++) {
        if (r->on_worker[w] && rs->o.behind(rs->o.post_ctx, w)) {
            return true;
        }
    }
    return false;
}

/* Ticks one room if its time has come; returns when it will be, or 0 when nothing is left to tell.
 */
static uint64_t tick_if_due(struct rooms *rs, struct room *r, uint64_t now_ms) {
    uint64_t again = 0;
    if (r->in_tick) {
        uint64_t due = r->ticked_ms + rs->tick_ms;
        if (now_ms < due) {
            again = due;
        } else if (receivers_behind(rs, r)) {
            again = now_ms + rs->tick_ms;
        } else {
            room_tick(r, now_ms);
        }
    }
    if (r->presence.changed) {
        /* in the same write as the update that is about to leave: writes are what costs */
        uint64_t due = r->presence_ms + 1000 / rs->o.presence_hz;
        due = due > again ? due : again;
        if (now_ms >= due && !receivers_behind(rs, r)) {
            room_tick_presence(r, now_ms);
        } else {
            due = now_ms >= due ? now_ms + rs->tick_ms : due;
            again = again && again < due ? again : due;
        }
    }
    if (!again) {
        peers_tell_rest(r);
    }
    return again;
}

uint64_t rooms_turn(struct rooms *rs, uint64_t now_ms) {
    uint64_t opening = look_at_opening(rs, now_ms);
    uint64_t next = look_at_returning(rs, now_ms);
    next = opening < next ? opening : next;
    LIST_FOR_EACH (node, &rs->dirty) {
        struct room *r = LIST_ITEM(node, struct room, dirty);
        uint64_t again = tick_if_due(rs, r, now_ms);
        if (!again) {
            list_remove(&r->dirty);
        } else if (again < next) {
            next = again;
        }
    }
    return next;
}

/* Documents that nobody is in make room for others, those longest alone first. */
static void keep_to_memory(struct rooms *rs, size_t used, uint64_t now_ms) {
    size_t workers = rs->o.workers;
    size_t most = rs->o.memory_bytes / workers + (rs->o.memory_bytes % workers != 0);
    for (uint64_t idle_ms = rs->o.room_ttl_ms; most && used > most && idle_ms; idle_ms /= 2) {
        size_t freed = let_idle_go(rs, now_ms, idle_ms / 2);
        used -= freed < used ? freed : used;
    }
}

/* Who had the most messages since this was last asked. */
static void find_busiest(struct rooms *rs, uint64_t now_ms) {
    uint64_t span_ms = now_ms - rs->busiest_ms;
    if (!rs->busiest_ms) {
        rs->busiest_ms = now_ms; /* counting begins */
    }
    if (span_ms < CAPS_BUSIEST_MS || span_ms == now_ms) {
        return;
    }
    struct busy_list list = {0};
    size_t at = 0;
    for (struct room *r; (r = map_next(&rs->by_name, &at)) != NULL;) {
        struct busy_room busy = {.name_bytes = r->name->n,
                                 .per_second = (double)r->handled * 1000 / (double)span_ms,
                                 .participants = r->members.used,
                                 .worker = rs->o.worker};
        if (r->handled) {
            memcpy(busy.name, r->name->bytes, r->name->n);
            busy_list_add(&list, &busy);
        }
        r->handled = 0;
    }
    busiest_put(rs->busiest, &list);
    rs->busiest_ms = now_ms;
}

void rooms_dump(const struct rooms *rs) {
    size_t at = 0;
    size_t told = 0;
    for (const struct room *r; (r = map_next(&rs->by_name, &at)) != NULL; told++) {
        if (told == CAPS_DUMP_ROOMS) {
            log_always("DUMP-MORE", log_u64("rooms", rs->by_name.used - told));
            return;
        }
        const struct lasting *l = &r->lasting;
        log_always("DUMP-ROOM", log_str("roomId", frame_slice(r->name)),
                   log_u64("worker", rs->o.worker), log_u64("participants", r->members.used),
                   log_u64("version", r->version), log_u64("docBytes", room_bytes(r)),
                   log_u64("pendingBytes", room_pending_bytes(r)),
                   log_u64("backlog", r->tick_updates), log_u64("present", r->presence.live),
                   log_u64("uncommitted", l->appended - l->stored), log_u64("rows", l->rows),
                   log_bool("loading", l->loading));
    }
}

void rooms_sweep(struct rooms *rs, uint64_t now_ms) {
    size_t bytes = 0;
    size_t pending = 0;
    int64_t sizes[METRIC_SIZES] = {0};
    size_t rested = 0;
    size_t at = 0;
    for (struct room *r; (r = map_next(&rs->by_name, &at)) != NULL;) {
        sizes[metric_size_of(r->members.used)]++;
        presence_expire(&r->presence, now_ms, rs->o.presence_ttl_ms);
        peers_sweep(r, now_ms);
        history_sweep(r, now_ms);
        rested += rested < CAPS_REST_SWEEP_BYTES ? room_rest(r, now_ms) : 0;
        bytes += room_bytes(r);
        pending += room_pending_bytes(r);
        if (r->presence.changed) {
            rooms_mark(rs, r);
        }
    }
    find_busiest(rs, now_ms);
    size_t freed = let_idle_go(rs, now_ms, rs->o.room_ttl_ms);
    bytes -= freed < bytes ? freed : bytes;
    keep_to_memory(rs, bytes, now_ms);
    metric_set(METRIC_MEMORY, METRIC_OWNER_DOCUMENTS,
               (int64_t)(bytes > pending ? bytes - pending : 0));
    metric_set(METRIC_MEMORY, METRIC_OWNER_PENDING, (int64_t)pending);
    for (unsigned i = 0; i < METRIC_SIZES; i++) {
        metric_set(METRIC_ROOMS_BY_SIZE, i, sizes[i]);
    }
}

void rooms_set_load(struct rooms *rs, double busy) {
    /* up to a quarter busy the short interval; then longer in proportion, to the longest when all
     * time is used: merging more per tick is what gives time back */
    double stretch = busy < 0.25 ? 0 : (busy - 0.25) / 0.75;
    rs->tick_ms = CAPS_TICK_MS + (uint64_t)(stretch * (CAPS_TICK_SLOW_MS - CAPS_TICK_MS));
}
