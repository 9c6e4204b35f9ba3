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

/* Runs of clocks without a hole: what the server keeps until something else comes is told to who
 * joins, too, and leaves holes before it. */
static void read_update(struct told *t, const struct room *r) {
    struct yata_struct *structs = NULL;
    size_t n = 0;
    t->malformed =
        yata_update_structs(YATA_V1, t->bytes->bytes, t->bytes->n, &structs, &n, NULL) != YATA_OK;
    t->ranges = mem_new((n + 1) * sizeof *t->ranges);
    for (size_t i = 0; !t->malformed && i < n; i++) {
        const struct yata_struct *s = &structs[i];
        uint64_t member = s->client - r->first_client;
        struct told_range *last = t->ranges_n ? &t->ranges[t->ranges_n - 1] : NULL;
        if (member >= r->members) {
            t->malformed = true; /* nobody else writes here */
        } else if (last && last->member == member && last->to == s->clock && s->kind != YATA_SKIP) {
            last->to += (uint32_t)s->length;
        } else if (s->kind != YATA_SKIP) {
            t->ranges[t->ranges_n++] = (struct told_range){.member = (uint32_t)member,
                                                           .from = (uint32_t)s->clock,
                                                           .to = (uint32_t)(s->clock + s->length)};
        }
    }
    free(structs);
    for (size_t i = 0; !t->malformed && i < t->ranges_n; i++) {
        find_sends(t, r, &t->ranges[i]);
    }
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
