#include "load.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/base64.h"

void told_fini(struct told *t) {
    frame_unref(t->coded);
    frame_unref(t->bytes);
    mem_free(t->ranges);
    mem_free(t->sends);
    mem_free(t->states);
    *t = (struct told){0};
}

static struct frame *decoded(slice payload, bool base64) {
    size_t n = 0;
    if (!base64) {
        return frame_copy(payload);
    }
    uint8_t *raw = mem_new(base64_decoded_max(payload.n));
    struct frame *f = base64_decode(raw, payload, &n) ? frame_copy(slice_of(raw, n)) : NULL;
    mem_free(raw);
    return f;
}

/* Appends the updates of that member whose units lie in the range. */
static void find_sends(struct told *t, const struct room *r, struct told_range *range) {
    const struct user *u = &r->users[range->member];
    range->first = (uint32_t)t->sends_n;
    /* walked backwards from the newest: what is told is mostly new */
    size_t from = 0;
    while (from < SENDS_KEPT) {
        const struct told_send *s = &u->sends[(u->sends_at - 1 - from) % SENDS_KEPT];
        if (s->end <= range->from) {
            break; /* also where none is kept */
        }
        from++;
    }
    t->sends = mem_resize(t->sends, (t->sends_n + from + 1) * sizeof *t->sends);
    for (size_t i = from; i-- > 0;) {
        const struct told_send *s = &u->sends[(u->sends_at - 1 - i) % SENDS_KEPT];
        if (s->end <= range->to) {
            t->sends[t->sends_n++] = *s;
        }
    }
    range->count = (uint32_t)(t->sends_n - range->first);
}

static void read_update(struct told *t, const struct room *r) {
    struct yata_update_range *ranges = NULL;
    size_t n = 0;
    t->malformed = yata_update_meta(t->bytes->bytes, t->bytes->n, &ranges, &n, NULL) != YATA_OK;
    t->ranges = mem_new((n + 1) * sizeof *t->ranges);
    for (size_t i = 0; !t->malformed && i < n; i++) {
        uint64_t member = ranges[i].client - r->first_client;
        if (member >= r->members) {
            t->malformed = true; /* nobody else writes here */
            break;
        }
        struct told_range *range = &t->ranges[t->ranges_n++];
        *range = (struct told_range){.member = (uint32_t)member,
                                     .from = (uint32_t)ranges[i].from,
                                     .to = (uint32_t)ranges[i].to};
        find_sends(t, r, range);
    }
    free(ranges);
}

static void read_presence(struct told *t, const struct room *r) {
    struct yata_awareness_reader reader = {.p = t->bytes->bytes, .n = t->bytes->n};
    struct yata_presence p;
    bool more = true;
    while (!t->malformed) {
        t->malformed = yata_awareness_next(&reader, &p, &more, NULL) != YATA_OK;
        if (t->malformed || !more) {
            return;
        }
        uint64_t member = p.client - r->first_client;
        if (member >= r->members) {
            t->malformed = true;
            return;
        }
        t->states = mem_resize(t->states, (t->states_n + 1) * sizeof *t->states);
        struct told_state *s = &t->states[t->states_n++];
        const struct user *u = &r->users[member];
        bool kept = u->state_clock - p.clock < STATES_KEPT;
        *s = (struct told_state){.member = (uint32_t)member,
                                 .clock = (uint32_t)p.clock,
                                 .gone = !p.state,
                                 .due_ns = kept ? u->state_due[p.clock % STATES_KEPT] : 0};
        if (p.state && p.clock >= r->state_clocks[member]) {
            r->state_clocks[member] = (uint32_t)p.clock;
            frame_unref(r->states[member]);
            r->states[member] = frame_copy(slice_of(p.state, p.state_bytes));
        }
    }
}

void told_read(struct told *t, const struct room *r, bool presence, slice payload, bool base64) {
    told_fini(t);
    t->coded = frame_copy(payload);
    t->bytes = decoded(payload, base64);
    t->malformed = t->bytes == NULL;
    if (t->malformed) {
        return;
    }
    if (presence) {
        read_presence(t, r);
    } else {
        read_update(t, r);
    }
}
