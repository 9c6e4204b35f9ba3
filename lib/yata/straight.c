/* straight.c: the plan of an update of which nothing has to wait and nothing is known.
 *
 * That is most of them, and all that are loaded: a document's whole state. The order is that of
 * plan.c, found with less work, because a struct that waits for another client's is looked at again
 * only when that one is there, and because a few clients that are named again and again need not be
 * searched for. As soon as anything is out of the ordinary, it gives up, and plan.c does it.
 */
#include "doc.h"

#define NAMED   64 /* clients that are remembered, by a hash; a power of two */
#define DEEPEST 64 /* structs that wait for each other */
#define FEW     16 /* structs for which remembering does not pay */

/* A client, and how far it is: the section of the update that has it, or the document alone. */
struct named {
    uint64_t client;
    struct yatai_section *section; /* NULL: the document */
    uint32_t clock;                /* the document's; 0 also stands for an unused record */
};

struct router {
    struct yata_doc *doc;
    struct yatai_update *u;
    struct named named[NAMED];
};

static uint32_t known_clock(struct yata_doc *doc, uint64_t client) {
    uint32_t slot = yatai_client_find(doc, client);
    return slot == 0 ? 0 : doc->clients.v[slot].clock;
}

static struct named *look_up(struct router *r, uint64_t client) {
    struct named *x = &r->named[(client ^ client >> 8) % NAMED];
    if (x->client != client || (!x->section && x->clock == 0)) {
        x->client = client;
        x->section = yatai_update_section(r->u, client);
        x->clock = x->section ? 0 : known_clock(r->doc, client);
    }
    return x;
}

/* Whether an id of another client is there. If not, *ret is the section to be advanced beyond it,
 * or NULL. Notes in the id which section has its client. */
static bool is_there(struct router *r, struct yatai_id *id, struct yatai_section **ret) {
    struct named *x = look_up(r, id->client);
    *ret = x->section;
    if (!x->section) {
        return id->clock < x->clock;
    }
    id->slot = (uint32_t)(x->section - r->u->sections.v) + 1;
    return id->clock < x->section->state;
}

static inline bool is_missing(struct router *r, const struct yatai_section *own,
                              struct yatai_id *id, struct yatai_section **ret) {
    return id->client != own->client && !is_there(r, id, ret);
}

/* The id that a struct has to wait for; NULL when it need not. */
static const struct yatai_id *waits_for(struct router *r, const struct yatai_section *own,
                                        struct yatai_ref *ref, struct yatai_section **ret) {
    if (ref->kind == YATAI_GC) {
        return NULL;
    }
    if ((ref->has & YATAI_HAS_ORIGIN) && is_missing(r, own, &ref->origin, ret)) {
        return &ref->origin;
    }
    if ((ref->has & YATAI_HAS_RIGHT) && is_missing(r, own, &ref->right, ret)) {
        return &ref->right;
    }
    bool by_id = !(ref->has & (YATAI_HAS_ORIGIN | YATAI_HAS_RIGHT | YATAI_HAS_ROOT));
    return by_id && is_missing(r, own, &ref->parent, ret) ? &ref->parent : NULL;
}

/* A section whose next struct waits for clock `until` of the section above it on the stack. A
 * section on the stack is marked in `rest_count`: what waits for itself is left to plan.c. */
struct waiting {
    struct yatai_section *section;
    uint32_t until;
};

static bool take_section(struct router *r, struct yatai_plan *plan, struct yatai_section *s) {
    struct waiting stack[DEEPEST];
    size_t depth = 0;
    for (;;) {
        bool sated = depth > 0 && s->state > stack[depth - 1].until;
        if (sated) {
            s = stack[--depth].section;
        } else if (s->next >= s->count) {
            return depth == 0;
        }
        struct yatai_ref *ref = &r->u->refs.v[s->first + s->next];
        struct yatai_section *other = NULL;
        const struct yatai_id *id = waits_for(r, s, ref, &other);
        if (id) {
            if (!other || depth == DEEPEST || other->stacked) {
                return false;
            }
            s->stacked = true;
            stack[depth++] = (struct waiting){s, id->clock};
            s = other;
            continue;
        }
        s->stacked = false;
        plan->order.v[plan->order.n++] =
            (struct yatai_step){(uint32_t)(s - r->u->sections.v), s->first + s->next++};
        s->state = ref->clock + ref->len;
    }
}

static bool take_all(struct yata_doc *doc, struct yatai_plan *plan, struct yatai_update *u) {
    struct router r = {.doc = doc, .u = u};
    for (size_t i = 0; i < u->sections.n; i++) {
        struct yatai_section *s = &u->sections.v[i];
        s->next = s->rest_count = 0;
        s->stacked = false;
        s->state = s->start_clock;
        if (s->start_clock != known_clock(doc, s->client)) {
            return false;
        }
    }
    plan->known = plan->holes = false;
    plan->order.n = plan->stack.n = plan->rest.n = 0;
    for (size_t i = 0; i < u->sections.n; i++) {
        if (!take_section(&r, plan, &u->sections.v[i])) {
            return false;
        }
    }
    plan->moves = plan->order.n;
    return true;
}

bool yatai_plan_straight(struct yata_doc *doc, struct yatai_plan *plan, struct yatai_update *u) {
    return u->refs.n >= FEW && !u->skips && doc->hole_count == 0 && doc->pending.by_id.n == 0 &&
           YATAI_RESERVE(&doc->mem, &plan->order, u->refs.n) && take_all(doc, plan, u);
}
