/* limits.c: what a document refuses to grow into.
 *
 * A peer decides what an update says, the owner of the document how much of it there may be. All is
 * known before anything changes: the plan says which structs come and what will wait, and memory is
 * reserved under a limit. What the library itself needs for a moment (the decoded update, its plan)
 * is in proportion to the update and does not count as the document's. An update that only deletes
 * is never refused for its memory, or a full document could not be emptied.
 */
#include <stdio.h>
#include <stdlib.h>

#include "pending.h"

#define PENDING_BYTES_DEFAULT ((size_t)16 << 20)
#define CLIENTS_DEFAULT       ((size_t)1000000)

enum yata_status yatai_refuse(enum yata_status status, const char *what,
                              struct yata_error *ret_error) {
    if (ret_error) {
        ret_error->at = 0;
        snprintf(ret_error->what, sizeof ret_error->what, "%s", what);
    }
    return status;
}

static size_t or_default(size_t option, size_t otherwise) {
    return option != 0 ? option : otherwise;
}

/* The update, and what waited if that is tried again. */
static size_t parts(const struct yatai_waits *w, const struct yatai_update *ret[2],
                    const struct yatai_plan *ret_plans[2]) {
    ret[0] = &w->doc->update;
    ret[1] = &w->doc->waiting;
    ret_plans[0] = &w->doc->plan;
    ret_plans[1] = &w->doc->plan_waiting;
    return w->retry ? 2 : 1;
}

/* ---- clients and structs -------------------------------------------------------------------- */

static bool clients_fit(const struct yatai_waits *w) {
    struct yata_doc *doc = w->doc;
    const struct yatai_update *u[2];
    const struct yatai_plan *plans[2];
    size_t clients = doc->by_id.n, count = parts(w, u, plans);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < u[i]->sections.n; k++) {
            const struct yatai_section *s = &u[i]->sections.v[k];
            clients += s->state > 0 && yatai_client_find(doc, s->client) == 0;
        }
    }
    size_t most = or_default(doc->options.max_clients, CLIENTS_DEFAULT);
    return clients == doc->by_id.n || clients <= (most < YATAI_SLOT_MAX ? most : YATAI_SLOT_MAX);
}

static size_t moves(const struct yatai_waits *w) {
    const struct yatai_update *u[2];
    const struct yatai_plan *plans[2];
    size_t sum = 0, count = parts(w, u, plans);
    for (size_t i = 0; i < count; i++) {
        sum += plans[i]->moves;
    }
    return sum;
}

static bool structs_fit(const struct yatai_waits *w) {
    size_t most = w->doc->options.max_structs, more = moves(w);
    return most == 0 || more == 0 ||
           (w->doc->struct_count <= most && more <= most - w->doc->struct_count);
}

/* ---- root types ----------------------------------------------------------------------------- */

struct name {
    const uint8_t *p;
    uint32_t n;
};

static int name_order(const void *a, const void *b) {
    const struct name *x = a, *y = b;
    if (x->n != y->n) {
        return x->n < y->n ? -1 : 1;
    }
    return x->n == 0 ? 0 : memcmp(x->p, y->p, x->n);
}

typedef YATAI_VEC(struct name) names;

/* The names of root types that a plan will make. */
static bool new_names(struct yata_doc *doc, const struct yatai_update *u,
                      const struct yatai_plan *plan, names *ret) {
    for (size_t i = 0; i < plan->order.n; i++) {
        const struct yatai_ref *ref = &u->refs.v[plan->order.v[i].ref];
        if ((ref->has & YATAI_HAS_ROOT) &&
            yatai_entry_find(doc, 0, ref->root, ref->root_bytes) == 0 &&
            !YATAI_PUSH(&doc->mem, ret, (struct name){ref->root, ref->root_bytes})) {
            return false;
        }
    }
    return true;
}

/* YATA_OK, YATA_LIMIT or YATA_NOMEM. */
static enum yata_status roots_fit(const struct yatai_waits *w) {
    struct yata_doc *doc = w->doc;
    const struct yatai_update *u[2];
    const struct yatai_plan *plans[2];
    size_t most = doc->options.max_roots, count = parts(w, u, plans), roots = 0;
    names all = {0};
    if (most == 0 || doc->entry_count + moves(w) <= most) {
        return YATA_OK;
    }
    enum yata_status status = YATA_OK;
    for (size_t i = 0; i < count && status == YATA_OK; i++) {
        status = new_names(doc, u[i], plans[i], &all) ? YATA_OK : YATA_NOMEM;
    }
    if (status == YATA_OK && all.n > 0) {
        qsort(all.v, all.n, sizeof *all.v, name_order);
        for (size_t i = 0; i < all.n; i++) {
            roots += i == 0 || name_order(&all.v[i - 1], &all.v[i]) != 0;
        }
        for (uint32_t e = yatai_entry_first(doc, 0); e != 0; e = yatai_entry_after(doc, e)) {
            roots++;
        }
        status = roots <= most ? YATA_OK : YATA_LIMIT;
    }
    YATAI_VEC_FREE(&doc->mem, &all);
    return status;
}

/* ---- memory --------------------------------------------------------------------------------- */

static size_t update_bytes(const struct yatai_update *u) {
    size_t n = u->refs.cap * sizeof *u->refs.v + u->sections.cap * sizeof *u->sections.v +
               u->ranges.cap * sizeof *u->ranges.v;
    for (const struct yatai_chunk *chunk = u->chunk; chunk; chunk = chunk->next) {
        n += sizeof *chunk + chunk->cap;
    }
    return n;
}

static size_t plan_bytes(const struct yatai_plan *plan) {
    return plan->order.cap * sizeof *plan->order.v + plan->stack.cap * sizeof *plan->stack.v +
           plan->rest.cap * sizeof *plan->rest.v;
}

/* What is there for the moment only. */
static size_t scratch_bytes(const struct yatai_waits *w) {
    const struct yata_doc *doc = w->doc;
    return update_bytes(&doc->update) + update_bytes(&doc->waiting) + plan_bytes(&doc->plan) +
           plan_bytes(&doc->plan_waiting) + update_bytes(&w->read) + w->freed.cap +
           w->again.cap * sizeof *w->again.v +
           (w->queue.cap + w->taken.cap + w->gone.cap + w->fresh.cap) * sizeof *w->queue.v;
}

static bool memory_fits(const struct yatai_waits *w) {
    struct yata_doc *doc = w->doc;
    size_t most = doc->options.max_memory_bytes;
    if (most == 0 || (moves(w) == 0 && !w->some)) {
        return true;
    }
    doc->mem.limit_bytes = most + scratch_bytes(w);
    return doc->mem.used_bytes <= doc->mem.limit_bytes;
}

enum yata_status yatai_limits_check(const struct yatai_waits *w, struct yata_error *ret_error) {
    const struct yata_options *options = &w->doc->options;
    size_t pending = yatai_pending_bytes_after(w);
    if (pending > or_default(options->max_pending_bytes, PENDING_BYTES_DEFAULT) && w->some) {
        return yatai_refuse(YATA_LIMIT, "too much waits for updates that are missing", ret_error);
    }
    if (!clients_fit(w)) {
        return yatai_refuse(YATA_LIMIT, "too many clients", ret_error);
    }
    if (!structs_fit(w)) {
        return yatai_refuse(YATA_LIMIT, "too many structs", ret_error);
    }
    enum yata_status roots = roots_fit(w);
    if (roots != YATA_OK) {
        return yatai_refuse(roots, roots == YATA_LIMIT ? "too many root types" : "out of memory",
                            ret_error);
    }
    if (!memory_fits(w)) {
        return yatai_refuse(YATA_LIMIT, YATAI_TOO_LARGE, ret_error);
    }
    return YATA_OK;
}
