/* apply.c: one update, from decoded to integrated.
 *
 * The steps: plan what can be integrated now; see whether that frees what was waiting; work out
 * what will be waiting afterwards and whether the limits allow it; resolve clients and reserve all
 * memory; and only then integrate and delete, which cannot fail. Order and outcome are those of
 * yjs 13.6 (encoding.js readUpdateV2).
 */
#include <stdio.h>
#include <string.h>

#include "doc.h"

#define PENDING_BYTES_DEFAULT ((size_t)16 << 20)
#define CLIENTS_DEFAULT       ((size_t)1000000)
#define RANGE_BYTES           16 /* of a waiting deletion, about what it costs encoded */

/* What one call works with. */
struct work {
    struct yata_doc *doc;
    struct yatai_pending after; /* what will be waiting */
    struct yatai_out freed;     /* bytes of what waited and can be tried again */
    bool retry;
    bool pending_changes; /* `after` replaces what is waiting now */
    bool waits;           /* something of this update does */
    bool ranges_freed;    /* deletions that waited can be applied */
};

static enum yata_status refuse(enum yata_status status, const char *what,
                               struct yata_error *ret_error) {
    if (ret_error) {
        ret_error->at = 0;
        snprintf(ret_error->what, sizeof ret_error->what, "%s", what);
    }
    return status;
}

/* ---- what waits ----------------------------------------------------------------------------- */

/* The rest that a plan leaves, as an update without deletions. */
static bool write_rest(struct yatai_out *out, const struct yatai_update *u,
                       struct yatai_plan *plan) {
    uint32_t *v = plan->rest.v;
    for (size_t i = 1; i < plan->rest.n; i++) { /* few; sections are by client, descending */
        uint32_t x = v[i];
        size_t k = i;
        for (; k > 0 && v[k - 1] > x; k--) {
            v[k] = v[k - 1];
        }
        v[k] = x;
    }
    yatai_out_uint(out, plan->rest.n);
    for (size_t i = 0; i < plan->rest.n; i++) {
        const struct yatai_section *s = &u->sections.v[v[i]];
        const struct yatai_ref *ref = &u->refs.v[s->first + s->next];
        yatai_out_uint(out, s->rest_count);
        yatai_out_uint(out, s->client);
        yatai_out_uint(out, ref->clock);
        for (uint32_t k = 0; k < s->rest_count; k++) {
            yatai_write_ref(out, ref + k, s->client, 0);
        }
    }
    yatai_out_uint(out, 0);
    return !out->failed;
}

/* Adds `more` to what waits already: the two as one update. */
static bool merge_waiting(struct yatai_out *ret, struct yata_doc *doc, const struct yatai_out *old,
                          const struct yatai_out *more) {
    struct yatai_update a = {0}, b = {0};
    struct yatai_mem *mem = &doc->mem;
    const struct yatai_update *both[2] = {&a, &b};
    size_t depth = YATAI_DEPTH_MAX;
    bool ok = yatai_update_read(&a, mem, old->p, old->n, depth, NULL) == YATA_OK &&
              yatai_update_read(&b, mem, more->p, more->n, depth, NULL) == YATA_OK &&
              yatai_updates_merge(ret, mem, both, 2);
    yatai_update_fini(&a, mem);
    yatai_update_fini(&b, mem);
    return ok;
}

static bool add_missing(struct yatai_pending *to, struct yatai_mem *mem,
                        const struct yatai_missing *v, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < to->missing.n && to->missing.v[k].client != v[i].client) {
            k++;
        }
        if (k == to->missing.n) {
            if (!YATAI_PUSH(mem, &to->missing, v[i])) {
                return false;
            }
        } else if (to->missing.v[k].clock > v[i].clock) {
            to->missing.v[k].clock = v[i].clock;
        }
    }
    return true;
}

/* Whether the structs that waited can move now. */
static bool can_retry(struct yata_doc *doc) {
    for (size_t i = 0; i < doc->pending.missing.n; i++) {
        const struct yatai_missing *m = &doc->pending.missing.v[i];
        if (m->clock <= yatai_plan_state(doc, &doc->update, NULL, m->client)) {
            return true;
        }
    }
    return false;
}

/* Plans the structs that waited, behind those of the update. */
static bool plan_retry(struct work *w) {
    struct yata_doc *doc = w->doc;
    struct yatai_plan *plan = &doc->plan_waiting;
    return yatai_update_read(&doc->waiting, &doc->mem, w->freed.p, w->freed.n, YATAI_DEPTH_MAX,
                             NULL) == YATA_OK &&
           yatai_plan_make(doc, plan, &doc->waiting, &doc->update) &&
           (plan->rest.n == 0 || write_rest(&w->after.update, &doc->waiting, plan)) &&
           add_missing(&w->after, &doc->mem, plan->missing.v, plan->missing.n);
}

/* The structs that will be waiting. */
static bool plan_pending_structs(struct work *w) {
    struct yata_doc *doc = w->doc;
    const struct yatai_pending *old = &doc->pending;
    bool have = old->update.n > 0, rest = doc->plan.rest.n > 0;
    w->retry = have && can_retry(doc);
    w->waits = rest;
    if (!rest && !w->retry) {
        return true;
    }
    w->pending_changes = true;
    struct yatai_out more = {.mem = &doc->mem};
    struct yatai_out *all = w->retry ? &w->freed : &w->after.update;
    bool ok;
    if (!rest) {
        yatai_out_bytes(all, old->update.p, old->update.n);
        ok = !all->failed;
    } else if (!have) {
        ok = write_rest(all, &doc->update, &doc->plan);
    } else {
        ok = write_rest(&more, &doc->update, &doc->plan) &&
             merge_waiting(all, doc, &old->update, &more);
    }
    yatai_out_fini(&more);
    if (!ok) {
        return false;
    }
    if (w->retry) {
        return plan_retry(w);
    }
    return add_missing(&w->after, &doc->mem, old->missing.v, old->missing.n) &&
           add_missing(&w->after, &doc->mem, doc->plan.missing.v, doc->plan.missing.n);
}

/* Adds what lies beyond the clocks that clients will have. */
static bool add_waiting_ranges(struct work *w, const yatai_ranges *from, bool *ret_all) {
    struct yata_doc *doc = w->doc;
    *ret_all = true;
    for (size_t i = 0; i < from->n; i++) {
        struct yatai_range x = from->v[i];
        uint32_t state =
            yatai_plan_state(doc, w->retry ? &doc->waiting : NULL, &doc->update, x.client);
        uint32_t end = x.clock + x.len;
        if (x.clock < state) {
            *ret_all = false;
            if (end <= state) {
                continue;
            }
            x.clock = state;
            x.len = end - state;
        }
        w->waits |= from == &doc->update.ranges;
        if (!YATAI_PUSH(&doc->mem, &w->after.ranges, x)) {
            return false;
        }
    }
    return true;
}

static bool plan_pending_ranges(struct work *w) {
    struct yata_doc *doc = w->doc;
    bool none_known, none_freed;
    if (!add_waiting_ranges(w, &doc->update.ranges, &none_known) ||
        !add_waiting_ranges(w, &doc->pending.ranges, &none_freed)) {
        return false;
    }
    w->ranges_freed = !none_freed;
    yatai_ranges_normalise(&w->after.ranges);
    return true;
}

/* ---- limits and memory ---------------------------------------------------------------------- */

static size_t or_default(size_t option, size_t otherwise) {
    return option != 0 ? option : otherwise;
}

static enum yata_status check_limits(struct work *w, struct yata_error *ret_error) {
    struct yata_doc *doc = w->doc;
    size_t most = or_default(doc->options.max_pending_bytes, PENDING_BYTES_DEFAULT);
    size_t structs = w->pending_changes ? w->after.update.n : doc->pending.update.n;
    size_t now = doc->pending.update.n + doc->pending.ranges.n * RANGE_BYTES;
    size_t bytes = structs + w->after.ranges.n * RANGE_BYTES;
    if (bytes > most && bytes > now) {
        return refuse(YATA_LIMIT, "too much waits for updates that are missing", ret_error);
    }
    size_t clients = doc->by_id.n;
    const struct yatai_update *u[2] = {&doc->update, w->retry ? &doc->waiting : NULL};
    for (size_t i = 0; i < 2 && u[i]; i++) {
        for (size_t k = 0; k < u[i]->sections.n; k++) {
            const struct yatai_section *s = &u[i]->sections.v[k];
            clients += s->state > 0 && yatai_client_find(doc, s->client) == 0;
        }
    }
    if (clients > doc->by_id.n && clients > or_default(doc->options.max_clients, CLIENTS_DEFAULT)) {
        return refuse(YATA_LIMIT, "too many clients", ret_error);
    }
    return YATA_OK;
}

/* Counts of what an update can need. */
struct needs {
    size_t items, roots, entries;
};

static bool want(struct yata_doc *doc, uint32_t slot, uint32_t n, struct needs *needs) {
    struct yatai_client *c = &doc->clients.v[slot];
    if (c->want == 0 && !YATAI_PUSH(&doc->mem, &doc->wanted, slot)) {
        return false;
    }
    c->want += n;
    needs->items += n;
    return true;
}

/* Resolves an id, which may split the struct that it names. */
static bool want_id(struct yata_doc *doc, struct yatai_id *id, uint32_t n, struct needs *needs) {
    id->slot = yatai_client_find(doc, id->client);
    return n == 0 || want(doc, id->slot, n, needs);
}

static bool want_ref(struct yata_doc *doc, uint32_t slot, struct yatai_ref *ref,
                     struct needs *needs) {
    if (!want(doc, slot, 1, needs)) {
        return false;
    }
    if (ref->kind == YATAI_GC) {
        return true;
    }
    if (ref->has & (YATAI_HAS_ORIGIN | YATAI_HAS_RIGHT)) {
        return (!(ref->has & YATAI_HAS_ORIGIN) || want_id(doc, &ref->origin, 1, needs)) &&
               (!(ref->has & YATAI_HAS_RIGHT) || want_id(doc, &ref->right, 1, needs));
    }
    needs->roots += (ref->has & YATAI_HAS_ROOT) != 0;
    needs->entries += (ref->has & YATAI_HAS_SUB) != 0;
    return (ref->has & YATAI_HAS_ROOT) || want_id(doc, &ref->parent, 0, needs);
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
        if (!want_ref(doc, u->sections.v[step.section].slot, &u->refs.v[step.ref], needs)) {
            return false;
        }
    }
    return true;
}

static bool want_ranges(struct yata_doc *doc, const yatai_ranges *ranges, struct needs *needs) {
    for (size_t i = 0; i < ranges->n; i++) {
        uint32_t slot = yatai_client_find(doc, ranges->v[i].client);
        if (slot != 0 && !want(doc, slot, 2, needs)) {
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
static bool reserve(struct work *w) {
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
         want_ranges(doc, &doc->pending.ranges, &needs) && reserve_items(doc, needs.items) &&
         YATAI_RESERVE(&doc->mem, &doc->touched, doc->touched.n + sections) &&
         yatai_heap_reserve(doc, bytes) &&
         yatai_types_reserve(doc, types + needs.roots, needs.entries + needs.roots);
    for (size_t i = 0; i < doc->wanted.n; i++) {
        struct yatai_client *c = &doc->clients.v[doc->wanted.v[i]];
        ok = ok && yatai_index_reserve(doc, c, c->want);
        c->want = 0;
    }
    doc->wanted.n = 0;
    return ok;
}

/* ---- integration ---------------------------------------------------------------------------- */

static void integrate(struct yata_doc *doc, const struct yatai_update *u,
                      const struct yatai_plan *plan) {
    for (size_t i = 0; i < plan->order.n; i++) {
        struct yatai_step step = plan->order.v[i];
        yatai_integrate(doc, u->sections.v[step.section].slot, &u->refs.v[step.ref]);
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

static void integrate_all(struct work *w) {
    struct yata_doc *doc = w->doc;
    integrate(doc, &doc->update, &doc->plan);
    delete_ranges(doc, &doc->update.ranges);
    delete_ranges(doc, &doc->pending.ranges);
    if (w->retry) {
        integrate(doc, &doc->waiting, &doc->plan_waiting);
        delete_ranges(doc, &doc->update.ranges);
        delete_ranges(doc, &doc->pending.ranges);
    }
}

static void pending_fini(struct yatai_pending *pending, struct yatai_mem *mem) {
    yatai_out_fini(&pending->update);
    YATAI_VEC_FREE(mem, &pending->missing);
    YATAI_VEC_FREE(mem, &pending->ranges);
}

/* Puts what waits now in place of what waited before. */
static void swap_pending(struct work *w) {
    struct yatai_pending *now = &w->doc->pending, old = *now;
    *now = w->after;
    if (!w->pending_changes) {
        now->update = old.update;
        now->missing.v = old.missing.v;
        now->missing.n = old.missing.n;
        now->missing.cap = old.missing.cap;
        old.update = w->after.update;
        old.missing.v = w->after.missing.v;
        old.missing.n = w->after.missing.n;
        old.missing.cap = w->after.missing.cap;
    }
    w->after = old;
}

enum yata_status yatai_apply_read(struct yata_doc *doc, struct yata_applied *ret_applied,
                                  struct yata_error *ret_error) {
    struct work w = {.doc = doc};
    w.after.update.mem = w.freed.mem = &doc->mem;
    enum yata_status status = YATA_NOMEM;
    uint64_t deletes = doc->deletes;
    if (!yatai_plan_make(doc, &doc->plan, &doc->update, NULL) || !plan_pending_structs(&w) ||
        !plan_pending_ranges(&w)) {
        refuse(YATA_NOMEM, "out of memory", ret_error);
        goto out;
    }
    status = check_limits(&w, ret_error);
    if (status != YATA_OK) {
        goto out;
    }
    if (!reserve(&w)) {
        status = refuse(YATA_NOMEM, "out of memory", ret_error);
        goto out;
    }
    doc->old = doc->plan.known;
    integrate_all(&w);
    swap_pending(&w);
    if (ret_applied) {
        bool moved = doc->plan.order.n > 0 || (w.retry && doc->plan_waiting.order.n > 0);
        ret_applied->changed = moved || doc->deletes != deletes;
        ret_applied->pending = w.waits && (doc->pending.update.n > 0 || doc->pending.ranges.n > 0);
        ret_applied->freed = w.retry || w.ranges_freed;
        ret_applied->whole = ret_applied->changed && !doc->old && !w.waits && !ret_applied->freed;
    }
out:
    doc->heap_owed = 0;
    yatai_index_trim(doc);
    yatai_out_fini(&w.freed);
    pending_fini(&w.after, &doc->mem);
    return status;
}
