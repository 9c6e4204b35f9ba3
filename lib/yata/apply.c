/* apply.c: one update, from decoded to integrated.
 *
 * The steps: plan what can be integrated now; see whether that frees what was waiting; work out
 * what will be waiting afterwards and whether the limits allow it; resolve clients and reserve all
 * memory; and only then integrate and delete, which cannot fail. Order and outcome are those of
 * yjs 13.6 (encoding.js readUpdateV2).
 */
#include "pending.h"

/* ---- memory --------------------------------------------------------------------------------- */

/* Counts of what an update can need. */
struct needs {
    size_t items, roots, entries;
    size_t appends; /* of the items; the others are splits */
    size_t wides;   /* payloads that are not text of one byte a unit */
};

static __attribute__((noinline)) bool note_wanted(struct yata_doc *doc, uint32_t slot) {
    return YATAI_PUSH(&doc->mem, &doc->wanted, slot);
}

static inline bool want(struct yata_doc *doc, uint32_t slot, uint32_t appends, uint32_t splits,
                        struct needs *needs) {
    struct yatai_client *c = &doc->clients.v[slot];
    if (c->want_appends == 0 && c->want_splits == 0 && !note_wanted(doc, slot)) {
        return false;
    }
    c->want_appends += appends;
    c->want_splits += splits;
    needs->items += appends + splits;
    return true;
}

/* Resolves an id that a struct of `s` has; a straight plan has noted its section. */
static void resolve(struct yata_doc *doc, const struct yatai_update *u,
                    const struct yatai_section *s, struct yatai_id *id) {
    id->slot = id->client == s->client ? s->slot
               : id->slot != 0         ? u->sections.v[id->slot - 1].slot
                                       : yatai_client_find(doc, id->client);
}

static bool is_wide(const struct yatai_ref *ref) {
    return ref->kind == YATAI_STRING ? ref->content_bytes != ref->len
                                     : ref->kind != YATAI_DELETED && ref->kind != YATAI_TYPE;
}

static bool want_ref(struct yata_doc *doc, const struct yatai_update *u,
                     const struct yatai_section *s, struct yatai_ref *ref, struct needs *needs) {
    if (ref->kind == YATAI_GC) {
        return true;
    }
    needs->wides += is_wide(ref);
    if (ref->has & YATAI_HAS_ORIGIN) {
        resolve(doc, u, s, &ref->origin);
        /* What came right before something new ends where that starts. */
        bool splits = ref->origin.slot != s->slot || ref->origin.clock + 1 != ref->clock ||
                      ref->clock < doc->clients.v[s->slot].clock;
        if (splits && !want(doc, ref->origin.slot, 0, 1, needs)) {
            return false;
        }
    }
    if (ref->has & YATAI_HAS_RIGHT) {
        resolve(doc, u, s, &ref->right);
        return want(doc, ref->right.slot, 0, 1, needs);
    }
    if (ref->has & YATAI_HAS_ORIGIN) {
        return true;
    }
    needs->roots += (ref->has & YATAI_HAS_ROOT) != 0;
    needs->entries += (ref->has & YATAI_HAS_SUB) != 0;
    if (!(ref->has & YATAI_HAS_ROOT)) {
        resolve(doc, u, s, &ref->parent);
    }
    return true;
}

static bool want_fills(struct yata_doc *doc, uint32_t n) {
    doc->fills_owed += n;
    return YATAI_RESERVE(&doc->mem, &doc->filled, doc->filled.n + doc->fills_owed);
}

static bool want_update(struct yata_doc *doc, struct yatai_update *u, const struct yatai_plan *plan,
                        struct needs *needs) {
    for (size_t i = 0; i < u->sections.n; i++) {
        struct yatai_section *s = &u->sections.v[i];
        s->slot = s->state > 0 ? yatai_client_intern(doc, s->client) : 0;
        if (s->state > 0 && s->slot == 0) {
            return false;
        }
    }
    for (size_t i = 0; i < plan->order.n; i++) {
        struct yatai_step step = plan->order.v[i];
        if (!want_ref(doc, u, &u->sections.v[step.section], &u->refs.v[step.ref], needs)) {
            return false;
        }
    }
    for (size_t i = 0; i < u->sections.n; i++) {
        const struct yatai_section *s = &u->sections.v[i];
        uint32_t n = s->count > 0 ? s->count : s->next; /* 0: a part of it has to wait */
        if (s->slot == 0 || n == 0) {
            continue;
        }
        /* Each struct may leave a hole before it, or a part of one on either side. */
        if (!want(doc, s->slot, n, 0, needs) ||
            (plan->holes && (!want(doc, s->slot, n, 2 * n, needs) || !want_fills(doc, n)))) {
            return false;
        }
        struct yatai_client *c = &doc->clients.v[s->slot];
        needs->appends += n;
        c->want_clock = s->end_clock > c->want_clock ? s->end_clock : c->want_clock;
    }
    return true;
}

static bool want_ranges(struct yata_doc *doc, const yatai_ranges *ranges, struct needs *needs) {
    for (size_t i = 0; i < ranges->n; i++) {
        uint32_t slot = yatai_client_find(doc, ranges->v[i].client);
        if (slot != 0 && !want(doc, slot, 0, 2, needs)) {
            return false;
        }
    }
    return true;
}

static bool reserve_items(struct yata_doc *doc, size_t n) {
    if (doc->items.n + n + 1 > UINT32_MAX ||
        !YATAI_RESERVE(&doc->mem, &doc->items, doc->items.n + n + 1)) {
        return false;
    }
    if (doc->items.n == 0) {
        doc->items.v[doc->items.n++] = (struct yatai_item){0};
    }
    return true;
}

/* All memory that the integration can need, and the slots of all clients. */
static bool reserve(struct yatai_waits *w) {
    struct yata_doc *doc = w->doc;
    struct needs needs = {0};
    bool ok = want_update(doc, &doc->update, &doc->plan, &needs);
    size_t types = doc->update.type_count, bytes = doc->update.content_bytes;
    size_t sections = doc->update.sections.n;
    if (ok && w->retry) {
        ok = want_update(doc, &doc->waiting, &doc->plan_waiting, &needs);
        types += doc->waiting.type_count;
        bytes += doc->waiting.content_bytes;
        sections += doc->waiting.sections.n;
    }
    ok = ok && want_ranges(doc, &doc->update.ranges, &needs) &&
         (w->ranges_stay || want_ranges(doc, &doc->pending.ranges, &needs)) &&
         reserve_items(doc, needs.items) &&
         yatai_wides_reserve(doc, needs.wides > 0 || doc->wides.n > 0
                                      ? needs.wides + needs.items - needs.appends
                                      : 0) &&
         YATAI_RESERVE(&doc->mem, &doc->touched, doc->touched.n + sections) &&
         yatai_types_reserve(doc, types + needs.roots, needs.entries + needs.roots);
    for (size_t i = 0; i < doc->wanted.n; i++) {
        struct yatai_client *c = &doc->clients.v[doc->wanted.v[i]];
        ok = ok && yatai_index_reserve(doc, c);
        c->want_appends = c->want_splits = c->want_clock = 0;
    }
    doc->wanted.n = 0;
    return ok &&
           yatai_heap_reserve(doc, bytes); /* last: if anything is refused, the heap is as it was */
}

/* ---- integration ---------------------------------------------------------------------------- */

/* Left neighbours lie anywhere in a large document. They are looked up and fetched so many structs
 * ahead, and what is right of them half as many. */
#define AHEAD 8
/* An update with so few structs is not asked whether it is a state or a log. */
#define LOG_FEW 16

static uint32_t look_ahead(struct yata_doc *doc, const struct yatai_ref *ref) {
    if (ref->kind == YATAI_GC || !(ref->has & YATAI_HAS_ORIGIN)) {
        return 0;
    }
    const struct yatai_client *c = &doc->clients.v[ref->origin.slot];
    if (ref->origin.clock + 1 >= c->clock) {
        return 0; /* not there yet, or found without searching */
    }
    uint32_t h = yatai_item_at(doc, ref->origin.slot, ref->origin.clock);
    __builtin_prefetch(yatai_item(doc, h));
    return h;
}

static void integrate(struct yata_doc *doc, const struct yatai_update *u,
                      const struct yatai_plan *plan) {
    uint32_t hints[AHEAD] = {0};
    size_t n = plan->order.n;
    /* Where a state has two structs that could be one, a third one stands between them and will
     * come; there are at least as many of these. A log of typing has nothing but such structs. */
    doc->apart = n > LOG_FEW && u->continued <= u->refs.n / 2;
    for (size_t i = 0; i < n; i++) {
        struct yatai_step step = plan->order.v[i];
        uint32_t hint = hints[i % AHEAD], later = hints[(i + AHEAD / 2) % AHEAD];
        hints[i % AHEAD] =
            n - i > AHEAD ? look_ahead(doc, &u->refs.v[plan->order.v[i + AHEAD].ref]) : 0;
        if (later != 0) {
            __builtin_prefetch(yatai_item(doc, yatai_item(doc, later)->right));
        }
        yatai_integrate(doc, u->sections.v[step.section].slot, &u->refs.v[step.ref], hint);
    }
}

static void delete_ranges(struct yata_doc *doc, const yatai_ranges *ranges) {
    for (size_t i = 0; i < ranges->n; i++) {
        const struct yatai_range *x = &ranges->v[i];
        uint32_t slot = yatai_client_find(doc, x->client);
        if (slot != 0) {
            yatai_delete_range(doc, slot, x->clock, x->len);
        }
    }
}

/* Whether something of the update lies behind a hole. */
static bool behind_gap(struct yata_doc *doc) {
    for (size_t i = 0; i < doc->update.sections.n && doc->hole_count > 0; i++) {
        const struct yatai_section *s = &doc->update.sections.v[i];
        uint32_t slot = yatai_client_find(doc, s->client);
        if (slot != 0 && doc->clients.v[slot].hole < s->end_clock) {
            return true;
        }
    }
    return false;
}

static void integrate_all(struct yatai_waits *w) {
    struct yata_doc *doc = w->doc;
    integrate(doc, &doc->update, &doc->plan);
    delete_ranges(doc, &doc->update.ranges);
    if (!w->ranges_stay) {
        delete_ranges(doc, &doc->pending.ranges);
    }
    if (w->retry) {
        integrate(doc, &doc->waiting, &doc->plan_waiting);
        delete_ranges(doc, &w->again);
    }
}

/* A document with so many structs does not stay in the caches. */
#define FAR_STRUCTS 16384
/* An update with so few structs is on its way soon: longer ones look ahead as they go. */
#define FAR_FEW 4

static void fetch(struct yata_doc *doc, struct yatai_id id) {
    uint32_t slot = yatai_client_find(doc, id.client);
    if (slot != 0 && id.clock < doc->clients.v[slot].clock) {
        const struct yatai_item *it = yatai_item(doc, yatai_item_at(doc, slot, id.clock));
        __builtin_prefetch(it);
        __builtin_prefetch((const uint8_t *)(it + 1) - 1);
    }
}

/* What the update names lies anywhere in a large document. It is fetched, all at once, while the
 * update is planned. */
static void fetch_named(struct yata_doc *doc) {
    const struct yatai_update *u = &doc->update;
    for (size_t i = 0; doc->items.n > FAR_STRUCTS && u->refs.n <= FAR_FEW && i < u->refs.n; i++) {
        const struct yatai_ref *ref = &u->refs.v[i];
        if (ref->has & YATAI_HAS_ORIGIN) {
            fetch(doc, ref->origin);
        }
        if (ref->has & YATAI_HAS_RIGHT) {
            fetch(doc, ref->right);
        }
    }
}

enum yata_status yatai_apply_read(struct yata_doc *doc, struct yata_applied *ret_applied,
                                  struct yata_error *ret_error) {
    struct yatai_waits w = {.doc = doc};
    enum yata_status status = YATA_NOMEM;
    uint64_t deletes = doc->deletes;
    fetch_named(doc);
    if (!(yatai_plan_straight(doc, &doc->plan, &doc->update) ||
          yatai_plan_make(doc, &doc->plan, &doc->update, NULL)) ||
        !yatai_pending_plan(&w)) {
        (void)yatai_refuse(YATA_NOMEM, "out of memory", ret_error);
        goto out;
    }
    status = yatai_limits_check(&w, ret_error);
    if (status != YATA_OK) {
        goto out;
    }
    doc->mem.limited = false;
    if (!reserve(&w)) {
        status = doc->mem.limited ? yatai_refuse(YATA_LIMIT, YATAI_TOO_LARGE, ret_error)
                                  : yatai_refuse(YATA_NOMEM, "out of memory", ret_error);
        goto out;
    }
    doc->mem.limit_bytes = 0;
    doc->old = doc->plan.known;
    integrate_all(&w);
    yatai_pending_commit(&w);
    if (ret_applied) {
        bool more = w.retry && doc->plan_waiting.moves > 0;
        bool moved = doc->plan.moves > 0 || more;
        ret_applied->changed = moved || doc->deletes != deletes;
        ret_applied->pending = w.some && yatai_pending_any(doc);
        ret_applied->gap = behind_gap(doc);
        ret_applied->freed = (more && w.earlier) || w.ranges_freed;
        ret_applied->whole =
            ret_applied->changed && !doc->old && !w.some && !w.retry && !w.ranges_freed;
    }
out:
    doc->heap_owed = doc->fills_owed = doc->mem.limit_bytes = 0;
    yatai_index_trim(doc);
    yatai_waits_fini(&w);
    return status;
}
