#include "room/rooms.h"

#include <stdio.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "yata.h"

void rooms_init(struct rooms *rs, const struct rooms_options *o) {
    *rs = (struct rooms){.o = *o, .tick_ms = CAPS_TICK_MS};
    list_init(&rs->dirty);
}

void rooms_fini(struct rooms *rs) {
    size_t at = 0;
    for (struct room *r; (r = map_next(&rs->by_name, &at)) != NULL;) {
        list_remove(&r->dirty);
        room_free(r);
    }
    map_fini(&rs->by_name);
}

unsigned room_owner(slice name, unsigned workers) {
    /* not a secret hash: which worker a room falls on is no one's weakness to exploit beyond what
     * opening many rooms already allows, and all workers must agree */
    return (unsigned)(XXH3_64bits(name.p, name.n) % workers);
}

static struct room *open_room(struct rooms *rs, struct msg *m, const char **ret_detail,
                              enum err *ret_err) {
    if (!rs->o.auto_create || m->join.role < ROLE_WRITE) {
        *ret_err = ERR_NOT_FOUND;
        *ret_detail = rs->o.auto_create ? "no such room, and only a writer may create it"
                                        : "no such room, and rooms are not created on demand here";
        return NULL;
    }
    if (rs->by_name.used >= rs->o.max_rooms) {
        *ret_err = ERR_RATE;
        *ret_detail = "the server has as many rooms as it may hold";
        return NULL;
    }
    uint32_t channel = ++rs->channels * rs->o.workers + rs->o.worker;
    struct room *r = room_new(rs, m->room, channel);
    if (!r) {
        *ret_err = ERR_NOMEM;
        *ret_detail = "no memory for another room";
        return NULL;
    }
    map_set(&rs->by_name, frame_slice(r->name), r);
    metric_add(METRIC_ROOMS, 0, 1);
    log_limited(LOG_INFO, "ROOM-OPEN", log_str("roomId", frame_slice(r->name)));
    return r;
}

/* A request for a room that does not exist. */
static void refuse(struct rooms *rs, struct msg *m, enum err err, const char *detail) {
    enum msg_kind kind = msg_answer_kind(m->kind);
    if (kind == MSG_ANSWER && m->req == REQ_NONE) {
        msg_free(m);
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

void rooms_handle(struct rooms *rs, struct msg *m, uint64_t now_ms) {
    struct room *r = map_find(&rs->by_name, frame_slice(m->room));
    const char *detail = "no such room";
    enum err err = ERR_NOT_FOUND;
    if (!r && m->kind == MSG_JOIN) {
        r = open_room(rs, m, &detail, &err);
    }
    if (r) {
        room_handle(r, m, now_ms);
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
static uint64_t tick_if_due(struct rooms *rs, struct room *r, uint64_t now_ms, bool burst_due) {
    uint64_t again = 0;
    if (r->in_tick) {
        uint64_t due = r->ticked_ms + rs->tick_ms;
        if ((burst_due || now_ms >= due) && !receivers_behind(rs, r)) {
            room_tick(r, now_ms);
        } else {
            if (!rs->burst_ms) {
                rs->burst_ms = now_ms;
            }
            again = rs->burst_ms + rs->tick_ms;
        }
    }
    if (r->presence.changed) {
        uint64_t due = r->presence_ms + 1000 / rs->o.presence_hz;
        if (now_ms >= due && !receivers_behind(rs, r)) {
            room_tick_presence(r, now_ms);
        } else {
            due = now_ms >= due ? now_ms + rs->tick_ms : due;
            again = again && again < due ? again : due;
        }
    }
    return again;
}

uint64_t rooms_turn(struct rooms *rs, uint64_t now_ms) {
    bool burst_due = rs->burst_ms && now_ms >= rs->burst_ms + rs->tick_ms;
    if (burst_due) {
        rs->burst_ms = 0;
    }
    uint64_t next = UINT64_MAX;
    LIST_FOR_EACH (node, &rs->dirty) {
        struct room *r = LIST_ITEM(node, struct room, dirty);
        uint64_t again = tick_if_due(rs, r, now_ms, burst_due);
        if (!again) {
            list_remove(&r->dirty);
        } else if (again < next) {
            next = again;
        }
    }
    return next;
}

static void add_stats(const struct room *r, struct yata_stats *sum) {
    struct yata_stats stats;
    yata_stats(r->doc, &stats);
    sum->memory_bytes += stats.memory_bytes;
    sum->pending_bytes += stats.pending_bytes;
}

void rooms_sweep(struct rooms *rs, uint64_t now_ms) {
    struct yata_stats sum = {0};
    size_t at = 0;
    for (struct room *r; (r = map_next(&rs->by_name, &at)) != NULL;) {
        presence_expire(&r->presence, now_ms, rs->o.presence_ttl_ms);
        add_stats(r, &sum);
        if (r->presence.changed) {
            rooms_mark(rs, r);
        } else if (room_is_void(r)) {
            list_remove(&r->dirty);
            (void)map_remove(&rs->by_name, frame_slice(r->name));
            metric_add(METRIC_ROOMS, 0, -1);
            room_free(r);
        }
    }
    metric_set(METRIC_DOC_BYTES, 0, (int64_t)sum.memory_bytes);
    metric_set(METRIC_PENDING_BYTES, 0, (int64_t)sum.pending_bytes);
}

void rooms_set_load(struct rooms *rs, double busy) {
    /* up to half busy the short interval; then longer in proportion, to the longest when all time
     * is used: merging more per tick is what gives time back */
    double stretch = busy < 0.5 ? 0 : (busy - 0.5) * 2;
    rs->tick_ms = CAPS_TICK_MS + (uint64_t)(stretch * (CAPS_TICK_SLOW_MS - CAPS_TICK_MS));
}
