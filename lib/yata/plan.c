/* plan.c: in which order the structs of an update can be integrated, and which have to wait.
 *
 * A struct needs all earlier clocks of its client, and the structs that it names as neighbours or
 * parent. Whether they are there depends on clocks alone, so the order is found without changing
 * anything: this is what lets an update be refused, or memory be reserved, before the first struct
 * moves. The order is that of yjs 13.6 (encoding.js integrateStructs), since what waits, and in
 * which form, shows in the bytes that are handed out: clients from the highest id down; a struct
 * that needs another client's struct of the same update waits on a stack for it; when that one is
 * missing, all that is on the stack waits with the rest of its clients' sections.
 *
 * Unless the document is strict, a gap in a client's clocks is no reason to wait, and what is there
 * is no longer a matter of the last clock alone: holes.c.
 */
#include "doc.h"

void yatai_plan_fini(struct yatai_plan *plan, struct yatai_mem *mem) {
    YATAI_VEC_FREE(mem, &plan->order);
    YATAI_VEC_FREE(mem, &plan->stack);
    YATAI_VEC_FREE(mem, &plan->rest);
}

uint32_t yatai_plan_state(struct yata_doc *doc, const struct yatai_update *u,
                          const struct yatai_update *earlier, uint64_t client) {
    const struct yatai_section *s = u ? yatai_update_section(u, client) : NULL;
    if (!s && earlier) {
        s = yatai_update_section(earlier, client);
    }
    if (s) {
        return s->state;
    }
    uint32_t slot = yatai_client_find(doc, client);
    return slot == 0 ? 0 : doc->clients.v[slot].clock;
}

/* One plan in the making. */
struct planner {
    struct yata_doc *doc;
    struct yatai_plan *plan;
    struct yatai_update *u;
    const struct yatai_update *earlier;
    uint64_t client; /* that was asked for last, its section, or else its clock */
    const struct yatai_section *section;
    uint32_t clock;
    bool asked;
    bool strict; /* a gap has to wait */
    bool failed;
};

static void push(struct planner *p, uint32_t section, uint32_t ref) {
    struct yatai_plan *plan = p->plan;
    p->failed |= !YATAI_PUSH(&p->doc->mem, &plan->stack, section) ||
                 !YATAI_PUSH(&p->doc->mem, &plan->stack, ref);
}

/* Whether the struct has to wait for the one with this id. */
static bool is_missing(struct planner *p, const struct yatai_section *s, const struct yatai_id *id,
                       struct yatai_id *ret) {
    if (p->plan->holes) {
        uint32_t end;
        *ret = *id;
        return !yatai_plan_knows(p->doc, p->u, p->earlier, *id, &end);
    }
    if (id->client == s->client) {
        return false;
    }
    if (!p->asked || p->client != id->client) {
        p->asked = true;
        p->client = id->client;
        p->section = yatai_update_section(p->u, id->client);
        p->clock = p->section ? 0 : yatai_plan_state(p->doc, NULL, p->earlier, id->client);
    }
    if (id->clock < (p->section ? p->section->state : p->clock)) {
        return false;
    }
    *ret = *id;
    return true;
}

static bool find_missing(struct planner *p, const struct yatai_section *s,
                         const struct yatai_ref *ref, struct yatai_id *ret) {
    if (ref->kind == YATAI_GC) {
        return false;
    }
    if ((ref->has & YATAI_HAS_ORIGIN) && is_missing(p, s, &ref->origin, ret)) {
        return true;
    }
    if ((ref->has & YATAI_HAS_RIGHT) && is_missing(p, s, &ref->right, ret)) {
        return true;
    }
    bool by_id = !(ref->has & (YATAI_HAS_ORIGIN | YATAI_HAS_RIGHT | YATAI_HAS_ROOT));
    return by_id && is_missing(p, s, &ref->parent, ret);
}

/* All that is on the stack has to wait, each with what follows it of its client. */
static void stack_to_rest(struct planner *p) {
    struct yatai_plan *plan = p->plan;
    for (size_t i = 0; i + 1 < plan->stack.n; i += 2) {
        uint32_t at = plan->stack.v[i];
        struct yatai_section *s = &p->u->sections.v[at];
        uint32_t from = plan->stack.v[i + 1] - s->first;
        s->stacked = false;
        if (s->count > 0) {
            /* `next` becomes where the rest starts; count 0 says that the section is done with. */
            s->rest_count = s->count - from;
            s->next = from;
            s->count = 0;
            p->failed |= !YATAI_PUSH(&p->doc->mem, &plan->rest, at);
        }
    }
    plan->stack.n = 0;
}

/* Whether a struct that was there before the update would be split before this clock. */
static bool may_split(struct planner *p, const struct yatai_id *id, uint32_t clock) {
    uint32_t slot = yatai_client_find(p->doc, id->client);
    if (slot == 0 || clock >= p->doc->clients.v[slot].clock) {
        return false;
    }
    const struct yatai_item *it = yatai_item(p->doc, yatai_item_at(p->doc, slot, clock));
    return it->clock < clock && yatai_kind(it) != YATAI_GC;
}

/* Yjs splits at the neighbours of a struct before it sees that it knows the struct. Nothing comes
 * of it but a place to merge when the transaction ends, and that may show among collected structs.
 */
static bool splits(struct planner *p, const struct yatai_section *s, const struct yatai_ref *ref) {
    struct yatai_id id;
    bool origin =
        (ref->has & YATAI_HAS_ORIGIN) && may_split(p, &ref->origin, ref->origin.clock + 1);
    bool right = (ref->has & YATAI_HAS_RIGHT) && may_split(p, &ref->right, ref->right.clock);
    return (origin || right) && !find_missing(p, s, ref, &id);
}

static void put_step(struct planner *p, uint32_t section, uint32_t ref) {
    p->failed |= !YATAI_PUSH(&p->doc->mem, &p->plan->order, (struct yatai_step){section, ref});
}

/* Where the section is known already: up to its client's clock, but for holes. */
static bool is_known(struct planner *p, const struct yatai_section *s,
                     const struct yatai_ref *ref) {
    uint32_t end = ref->clock + ref->len;
    if (end > s->state || !p->plan->holes) {
        return end <= s->state;
    }
    /* Cut as it is, it is known whole or not at all. */
    struct yatai_id id = {.client = s->client, .clock = ref->clock};
    return yatai_plan_knows(p->doc, NULL, p->earlier, id, &end);
}

/* The struct waits for another one; true when *section has become the one to look for it in. */
static bool wait_for(struct planner *p, uint32_t *section, uint32_t ref_at,
                     const struct yatai_id *id) {
    struct yatai_section *s = &p->u->sections.v[*section];
    struct yatai_section *other = yatai_update_section(p->u, id->client);
    push(p, *section, ref_at);
    s->stacked = true;
    if (other && other->next < other->count && (p->strict || !other->stacked)) {
        *section = (uint32_t)(other - p->u->sections.v);
        return true;
    }
    stack_to_rest(p);
    return false;
}

/* Handles one struct; true when *section has become the one to take the next struct from at once.
 */
static bool step(struct planner *p, uint32_t *section, uint32_t ref_at) {
    struct yatai_section *s = &p->u->sections.v[*section];
    const struct yatai_ref *ref = &p->u->refs.v[ref_at];
    struct yatai_id id;
    if (ref->kind == YATAI_SKIP) {
        return false;
    }
    if (is_known(p, s, ref)) {
        /* Yjs would wait for the neighbours even of what it knows, though nothing comes of it. */
        p->plan->known = true;
        if (ref->kind != YATAI_GC && splits(p, s, ref)) {
            put_step(p, *section, ref_at);
        }
    } else if (ref->clock > s->state && p->strict) {
        push(p, *section, ref_at);
        stack_to_rest(p);
    } else if (find_missing(p, s, ref, &id)) {
        return wait_for(p, section, ref_at, &id);
    } else {
        put_step(p, *section, ref_at);
        p->plan->moves++;
        uint32_t end = ref->clock + ref->len;
        s->state = end > s->state ? end : s->state;
    }
    return false;
}

/* What is known of the clients before the update, and whether there will be holes. */
static bool begin(struct planner *p) {
    struct yatai_update *u = p->u;
    bool holes = p->doc->hole_count > 0 || u->skips;
    for (size_t i = 0; i < u->sections.n; i++) {
        struct yatai_section *s = &u->sections.v[i];
        s->next = s->rest_count = 0;
        s->stacked = false;
        s->state = yatai_plan_state(p->doc, NULL, p->earlier, s->client);
        holes |= s->start_clock > s->state;
    }
    p->plan->holes = !p->strict && (holes || (p->earlier && p->doc->plan.holes));
    return !p->plan->holes || yatai_update_cut(p->doc, u, p->earlier, &p->plan->known);
}

bool yatai_plan_make(struct yata_doc *doc, struct yatai_plan *plan, struct yatai_update *u,
                     const struct yatai_update *earlier) {
    struct planner p = {
        .doc = doc, .plan = plan, .u = u, .earlier = earlier, .strict = doc->options.strict};
    plan->known = false;
    plan->moves = 0;
    plan->order.n = plan->stack.n = plan->rest.n = 0;
    if (!begin(&p)) {
        return false;
    }
    for (uint32_t current = 0; current < u->sections.n && !p.failed;) {
        struct yatai_section *s = &u->sections.v[current];
        if (s->next >= s->count) {
            current++;
            continue;
        }
        uint32_t section = current, ref = s->first + s->next++;
        for (;;) {
            if (step(&p, &section, ref)) {
                s = &u->sections.v[section];
                ref = s->first + s->next++;
            } else if (plan->stack.n > 0) {
                ref = plan->stack.v[--plan->stack.n];
                section = plan->stack.v[--plan->stack.n];
                u->sections.v[section].stacked = false;
            } else {
                break;
            }
            if (p.failed) {
                return false;
            }
        }
    }
    return !p.failed;
}
