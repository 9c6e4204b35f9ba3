#include "observe/slowest.h"

#include <string.h>

#include "observe/log.h"

static bool is_old(const struct slow *s, uint64_t now_ms) {
    return now_ms - s->at_ms >= CAPS_SLOWEST_MS;
}

/* The one to be replaced: one that is too old, or else the least slow. */
static struct slow *victim(struct slowest *l, uint64_t now_ms) {
    struct slow *least = &l->entry[0];
    for (size_t i = 0; i < l->count; i++) {
        if (is_old(&l->entry[i], now_ms)) {
            return &l->entry[i];
        }
        least = l->entry[i].took_ns < least->took_ns ? &l->entry[i] : least;
    }
    return least;
}

static void look_again(struct slowest *l) {
    l->least_ns = UINT64_MAX;
    l->expire_ms = UINT64_MAX;
    for (size_t i = 0; i < l->count; i++) {
        const struct slow *s = &l->entry[i];
        l->least_ns = s->took_ns < l->least_ns ? s->took_ns : l->least_ns;
        l->expire_ms =
            s->at_ms + CAPS_SLOWEST_MS < l->expire_ms ? s->at_ms + CAPS_SLOWEST_MS : l->expire_ms;
    }
}

struct slow *slowest_place(struct slowest *l, uint64_t took_ns, uint64_t now_ms) {
    bool full = l->count == CAPS_SLOWEST;
    if (full && took_ns <= l->least_ns && now_ms < l->expire_ms) {
        return NULL;
    }
    struct slow *s = full ? victim(l, now_ms) : &l->entry[l->count++];
    *s = (struct slow){.took_ns = took_ns, .at_ms = now_ms};
    look_again(l);
    return s;
}

void slowest_tell(const struct slowest *l, uint64_t now_ms) {
    bool told[CAPS_SLOWEST] = {0};
    for (size_t round = 0; round < l->count; round++) {
        size_t most = CAPS_SLOWEST;
        for (size_t i = 0; i < l->count; i++) {
            if (!told[i] &&
                (most == CAPS_SLOWEST || l->entry[i].took_ns > l->entry[most].took_ns)) {
                most = i;
            }
        }
        if (most == CAPS_SLOWEST) { /* all have been told */
            return;
        }
        const struct slow *s = &l->entry[most];
        told[most] = true;
        if (!is_old(s, now_ms)) {
            log_always("DUMP-SLOW", log_text("method", s->method), log_trace(&s->trace),
                       log_str("roomId", slice_of(s->room, s->room_bytes)), log_u64("seq", s->seq),
                       log_u64("connectionId", s->connection), log_ms("latency_ms", s->took_ns),
                       log_u64("ago_ms", now_ms - s->at_ms), log_text("result", err_label(s->err)));
        }
    }
}
