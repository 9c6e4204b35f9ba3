#include <stdio.h>

#include "base/alloc.h"
#include "base/must.h"
#include "load.h"

void room_init(struct room *r, struct load *l, unsigned number, struct user *users) {
    *r = (struct room){.load = l, .members = (uint32_t)l->o.users, .users = users};
    int n = snprintf(r->name, sizeof r->name, "%s%u", l->o.prefix, number);
    must(n > 0 && (size_t)n < sizeof r->name);
    r->first_client = 1 + (dice_next(&l->dice) & 0x3fffffff);
    r->states = mem_new(r->members * sizeof(struct frame *));
    r->state_clocks = mem_new(r->members * sizeof *r->state_clocks);
}

void room_fini(struct room *r) {
    for (size_t i = 0; i < PAYLOADS_KEPT; i++) {
        told_fini(&r->updates[i]);
        told_fini(&r->presences[i]);
    }
    for (size_t i = 0; i < r->members; i++) {
        frame_unref(r->states[i]);
    }
    mem_free(r->states);
    mem_free(r->state_clocks);
    yata_doc_free(r->doc);
}

struct yata_doc *room_doc(struct room *r) {
    if (!r->doc) {
        r->doc = yata_doc_new(NULL);
        must(r->doc != NULL);
    }
    return r->doc;
}

/* ---- hearing ---- */

/* What this payload says. All who get the same are told from one reading of it. */
static struct told *lookup(struct room *r, bool presence, const struct heard *h, bool *ret_new) {
    struct told *kept = presence ? r->presences : r->updates;
    unsigned *at = presence ? &r->presences_at : &r->updates_at;
    *ret_new = false;
    for (unsigned i = 0; i < PAYLOADS_KEPT; i++) {
        struct told *t = &kept[(*at - 1 - i) % PAYLOADS_KEPT];
        if (t->coded && slice_eq(frame_slice(t->coded), h->payload)) {
            return t;
        }
    }
    *ret_new = true;
    struct told *t = &kept[(*at)++ % PAYLOADS_KEPT];
    told_read(t, r, presence, h->payload, h->base64);
    return t;
}

static void apply(struct user *u, struct yata_doc *doc, const struct told *t) {
    struct yata_error why = {0};
    if (yata_apply(doc, t->bytes->bytes, t->bytes->n, NULL, &why) != YATA_OK) {
        load_fault(u->load, FAULT_MALFORMED, u, why.what, (slice){0});
    }
}

static void count_sends(struct user *u, const struct told *t, const struct told_range *range,
                        uint64_t now_ns) {
    struct load *l = u->load;
    uint64_t timed = 0;
    for (size_t i = range->first; i < range->first + range->count; i++) {
        const struct told_send *s = &t->sends[i];
        if (s->end <= u->clocks[range->member]) {
            continue;
        }
        timed++;
        /* who was not there yet, or reads late on purpose, says nothing about the way */
        if (load_counts(l, s->due_ns) && !u->slow && s->due_ns >= u->joined_ns) {
            hist_add(&l->echo, (now_ns - s->due_ns) / 1000);
        }
    }
    l->counts[COUNT_DELIVERIES] += timed;
    l->counts[COUNT_UNTIMED] += timed == 0;
}

static void hear_ranges(struct user *u, const struct told *t, uint64_t now_ns) {
    for (size_t i = 0; i < t->ranges_n; i++) {
        const struct told_range *range = &t->ranges[i];
        uint32_t *known = &u->clocks[range->member];
        if (range->member == u->member) {
            continue;
        }
        if (range->from > *known) {
            /* of what was refused for a rate and waits, or before the difference that a slow
             * reader is owed; it comes again with what was missing, or this user stays behind */
            u->load->counts[COUNT_EARLY]++;
        } else if (range->to > *known) {
            count_sends(u, t, range, now_ns);
            *known = range->to;
        }
    }
}

void room_hear_update(struct user *u, const struct heard *h, uint64_t now_ns) {
    bool is_new;
    struct told *t = lookup(u->room, false, h, &is_new);
    if (t->malformed) {
        load_fault(u->load, FAULT_MALFORMED, u, "an update", (slice){0});
        return;
    }
    if (is_new && u->load->o.sample) {
        apply(u, room_doc(u->room), t); /* others may edit next to it */
    }
    if (u->doc && !load_spoils(u->load, SPOIL_APPLY)) {
        apply(u, u->doc, t);
    }
    if (!load_spoils(u->load, SPOIL_CLOCK)) {
        hear_ranges(u, t, now_ns);
    }
}

void room_hear_presence(struct user *u, const struct heard *h, uint64_t now_ns) {
    bool is_new;
    struct load *l = u->load;
    const struct told *t = lookup(u->room, true, h, &is_new);
    if (t->malformed) {
        load_fault(l, FAULT_MALFORMED, u, "presence", (slice){0});
        return;
    }
    for (size_t i = 0; i < t->states_n; i++) {
        const struct told_state *s = &t->states[i];
        uint32_t *known = &u->state_clocks[s->member];
        if (s->member == u->member || s->clock <= *known) {
            continue;
        }
        *known = s->clock;
        l->counts[COUNT_PRESENCE_DELIVERIES]++;
        if (!s->gone && load_counts(l, s->due_ns) && !u->slow && s->due_ns >= u->joined_ns) {
            hist_add(&l->presence, (now_ns - s->due_ns) / 1000);
        }
    }
}

size_t room_behind(const struct user *u, bool presence) {
    size_t n = 0;
    for (uint32_t i = 0; i < u->room->members; i++) {
        const struct user *other = &u->room->users[i];
        if (other == u) {
            continue;
        }
        n += presence ? u->state_clocks[i] < other->state_clock : u->clocks[i] < other->clock;
    }
    return n;
}
