/* pending.c: structs and deletions that wait for what has not arrived.
 *
 * What waits is kept as updates (YATAI_KEPT). Yjs merges each new one into a single update; here
 * they are several, each less than half as long as the one before, and merged when that would not
 * be so any more: a thousand updates behind a gap cost a logarithm each, not the whole of what
 * waits. All become one when they are tried again or encoded (yjs 13.6 encoding.js readUpdateV2,
 * encodeStateAsUpdateV2).
 *
 * Whether what waits can be tried again is known from the lowest clock that is missing of each
 * client; only an update of such a client can change the answer.
 */
#include "pending.h"

#include <stdlib.h>

/* ---- structs -------------------------------------------------------------------------------- */

/* Two updates that the library wrote as one. */
static bool merge_two(struct yatai_out *ret, struct yatai_mem *mem, const struct yatai_out *a,
                      const struct yatai_out *b) {
    struct yatai_update x = {0}, y = {0};
    const struct yatai_update *both[2] = {&x, &y};
    size_t depth = YATAI_DEPTH_MAX;
    bool ok = yatai_update_read(&x, mem, YATAI_KEPT, a->p, a->n, depth, NULL) == YATA_OK &&
              yatai_update_read(&y, mem, YATAI_KEPT, b->p, b->n, depth, NULL) == YATA_OK &&
              yatai_updates_merge(ret, YATAI_KEPT, mem, both, 2);
    yatai_update_fini(&x, mem);
    yatai_update_fini(&y, mem);
    return ok;
}

/* Takes the last parts into `tail` (which may be empty), while `all` or while they are not more
 * than twice as long; *kept becomes the number of those left. */
static bool merge_parts(struct yatai_out *tail, struct yatai_mem *mem,
                        const struct yatai_out *parts, size_t *kept, bool all) {
    while (*kept > 0 && (all || parts[*kept - 1].n < 2 * tail->n)) {
        const struct yatai_out *part = &parts[*kept - 1];
        struct yatai_out merged = {.mem = mem};
        if (tail->n == 0) {
            yatai_out_bytes(&merged, part->p, part->n);
        } else {
            (void)merge_two(&merged, mem, part, tail);
        }
        if (merged.failed || merged.n == 0) {
            yatai_out_fini(&merged);
            return false;
        }
        yatai_out_fini(tail);
        *tail = merged;
        (*kept)--;
    }
    return true;
}

static int section_order(const void *a, const void *b) {
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The rest that a plan leaves, as an update without deletions. */
static bool write_rest(struct yatai_out *out, const struct yatai_update *u,
                       struct yatai_plan *plan) {
    /* Sections are by client, descending. */
    qsort(plan->rest.v, plan->rest.n, sizeof *plan->rest.v, section_order);
    yatai_out_uint(out, plan->rest.n);
    for (size_t i = 0; i < plan->rest.n; i++) {
        const struct yatai_section *s = &u->sections.v[plan->rest.v[i]];
        const struct yatai_ref *ref = &u->refs.v[s->first + s->next];
        yatai_out_uint(out, s->rest_count);
        yatai_out_uint(out, s->client);
        yatai_out_uint(out, ref->clock);
        for (uint32_t k = 0; k < s->rest_count; k++) {
            yatai_write_ref(out, YATAI_KEPT, ref + k, s->client, 0);
        }
    }
    yatai_out_uint(out, 0);
    return !out->failed;
}

/* ---- missing clocks ------------------------------------------------------------------------- */

static int missing_order(const void *a, const void *b) {
    const struct yatai_missing *x = a, *y = b;
    if (x->client != y->client) {
        return x->client < y->client ? -1 : 1;
    }
    return (x->clock > y->clock) - (x->clock < y->clock);
}

/* Adds one to the missing clocks, to which they come in order: each once, and in strict documents,
 * where no other can come first, only the lowest of each client. Room was reserved. */
static void push_missing(struct yatai_waits *w, const struct yatai_missing *x) {
    const struct yatai_missing *last = w->missing.n > 0 ? &w->missing.v[w->missing.n - 1] : NULL;
    if (!last || x->client != last->client ||
        (!w->doc->options.strict && x->clock != last->clock)) {
        w->missing.v[w->missing.n++] = *x;
    }
}

/* The missing clocks, by client and clock ascending: those that are known to be, n of them, which
 * are in order, and those that a plan has found. */
static bool join_missing(struct yatai_waits *w, const struct yatai_missing *known, size_t n,
                         struct yatai_plan *plan) {
    struct yatai_missing *found = plan->missing.v;
    size_t count = plan->missing.n;
    if (!YATAI_RESERVE(&w->doc->mem, &w->missing, n + count)) {
        return false;
    }
    if (count > 1) {
        qsort(found, count, sizeof *found, missing_order);
    }
    for (size_t i = 0, k = 0; i < n || k < count;) {
        bool older = k == count || (i < n && missing_order(&known[i], &found[k]) <= 0);
        push_missing(w, older ? &known[i++] : &found[k++]);
    }
    return true;
}

/* Whether the section brings something that is waited for. */
static bool frees(struct yata_doc *doc, const struct yatai_section *s) {
    size_t low = 0, high = doc->pending.missing.n;
    const struct yatai_missing *v = doc->pending.missing.v;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (v[mid].client < s->client) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    for (; low < doc->pending.missing.n && v[low].client == s->client && v[low].clock <= s->state;
         low++) {
        struct yatai_id id = {.client = s->client, .clock = (uint32_t)v[low].clock - 1};
        uint32_t end;
        if (!doc->plan.holes || yatai_plan_knows(doc, &doc->update, NULL, id, &end)) {
            return true;
        }
    }
    return false;
}

static bool can_retry(struct yata_doc *doc) {
    for (size_t i = 0; i < doc->update.sections.n; i++) {
        if (frees(doc, &doc->update.sections.v[i])) {
            return true;
        }
    }
    return false;
}

/* ---- plan ----------------------------------------------------------------------------------- */

static bool add_again(struct yatai_waits *w, const yatai_ranges *from) {
    for (size_t i = 0; i < from->n; i++) {
        if (!YATAI_PUSH(&w->doc->mem, &w->again, from->v[i])) {
            return false;
        }
    }
    return true;
}

/* All that waited once more, behind the structs of the update. */
static bool plan_retry(struct yatai_waits *w) {
    struct yata_doc *doc = w->doc;
    struct yatai_plan *plan = &doc->plan_waiting;
    w->parts_kept = doc->pending.parts.n;
    if (!merge_parts(&w->freed, &doc->mem, doc->pending.parts.v, &w->parts_kept, true) ||
        !add_again(w, &doc->update.ranges) || !add_again(w, &doc->pending.ranges)) {
        return false;
    }
    yatai_ranges_normalise(&w->again);
    return yatai_update_read(&doc->waiting, &doc->mem, YATAI_KEPT, w->freed.p, w->freed.n,
                             YATAI_DEPTH_MAX, NULL) == YATA_OK &&
           yatai_plan_make(doc, plan, &doc->waiting, &doc->update) &&
           (plan->rest.n == 0 || write_rest(&w->part, &doc->waiting, plan)) &&
           join_missing(w, NULL, 0, plan);
}

static bool plan_structs(struct yatai_waits *w) {
    struct yata_doc *doc = w->doc;
    struct yatai_pending *now = &doc->pending;
    bool rest = doc->plan.rest.n > 0;
    w->retry = now->parts.n > 0 && can_retry(doc);
    w->some = rest;
    w->changes = rest || w->retry;
    if (!w->changes) {
        return true;
    }
    if (!YATAI_RESERVE(&doc->mem, &now->parts, now->parts.n + 1)) {
        return false;
    }
    if (rest && !write_rest(w->retry ? &w->freed : &w->part, &doc->update, &doc->plan)) {
        return false;
    }
    if (w->retry) {
        return plan_retry(w);
    }
    w->parts_kept = now->parts.n;
    return merge_parts(&w->part, &doc->mem, now->parts.v, &w->parts_kept, false) &&
           join_missing(w, now->missing.v, now->missing.n, &doc->plan);
}

/* Adds the parts of a range that will be in holes. */
static bool add_holes(struct yatai_waits *w, const struct yatai_range *x, bool *ret_all) {
    struct yata_doc *doc = w->doc;
    const struct yatai_update *waiting = w->retry ? &doc->waiting : NULL;
    uint32_t end = x->clock + x->len;
    for (uint32_t clock = x->clock, until = 0; clock < end; clock = until) {
        struct yatai_id id = {.client = x->client, .clock = clock};
        bool known = yatai_plan_knows(doc, waiting, &doc->update, id, &until);
        until = until < end ? until : end;
        *ret_all &= !known;
        struct yatai_range part = {.client = x->client, .clock = clock, .len = until - clock};
        if (!known && !YATAI_PUSH(&doc->mem, &w->ranges, part)) {
            return false;
        }
    }
    return true;
}

/* Adds what lies beyond the clocks that clients will have. */
static bool add_ranges(struct yatai_waits *w, const yatai_ranges *from, bool *ret_all) {
    struct yata_doc *doc = w->doc;
    uint32_t state = 0;
    bool holes = doc->plan.holes || (w->retry && doc->plan_waiting.holes);
    *ret_all = true;
    for (size_t i = 0; i < from->n; i++) {
        struct yatai_range x = from->v[i];
        if (holes) {
            if (!add_holes(w, &x, ret_all)) {
                return false;
            }
            continue;
        }
        if (i == 0 || x.client != from->v[i - 1].client) {
            state = yatai_plan_state(doc, w->retry ? &doc->waiting : NULL, &doc->update, x.client);
        }
        uint32_t end = x.clock + x.len;
        if (x.clock < state) {
            *ret_all = false;
            if (end <= state) {
                continue;
            }
            x.clock = state;
            x.len = end - state;
        }
        if (!YATAI_PUSH(&doc->mem, &w->ranges, x)) {
            return false;
        }
    }
    w->some |= from == &doc->update.ranges && w->ranges.n > 0;
    return true;
}

/* The place of a range among others: behind those that are before it. */
static size_t range_place(const yatai_ranges *all, uint64_t client, uint32_t clock) {
    size_t low = 0, high = all->n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        const struct yatai_range *x = &all->v[mid];
        if (x->client > client || (x->client == client && x->clock < clock)) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

/* Whether the update has anything of what the deletions that wait are about. */
static bool reaches_ranges(const struct yatai_waits *w) {
    const struct yata_doc *doc = w->doc;
    const yatai_ranges *waiting = &doc->pending.ranges;
    for (size_t i = 0; i < doc->update.sections.n && waiting->n > 0; i++) {
        const struct yatai_section *s = &doc->update.sections.v[i];
        size_t at = range_place(waiting, s->client, 0);
        if (at < waiting->n && waiting->v[at].client == s->client &&
            waiting->v[at].clock < s->state) {
            return true;
        }
    }
    return w->retry && waiting->n > 0;
}

bool yatai_pending_plan(struct yatai_waits *w) {
    struct yata_doc *doc = w->doc;
    yatai_ranges *now = &doc->pending.ranges;
    bool none_known, none_freed = true;
    w->freed.mem = w->part.mem = &doc->mem;
    if (!plan_structs(w) || !add_ranges(w, &doc->update.ranges, &none_known)) {
        return false;
    }
    w->ranges_stay = !reaches_ranges(w);
    if (w->ranges_stay ? !YATAI_RESERVE(&doc->mem, now, now->n + w->ranges.n)
                       : !add_ranges(w, now, &none_freed)) {
        return false;
    }
    w->ranges_freed = !none_freed;
    yatai_ranges_normalise(&w->ranges);
    return true;
}

/* Whether the second range begins within or right behind the first. */
static bool touch(const struct yatai_range *x, const struct yatai_range *y) {
    return x->client == y->client && y->clock <= x->clock + x->len;
}

static void join(struct yatai_range *x, const struct yatai_range *y) {
    uint32_t end = x->clock + x->len, more = y->clock + y->len;
    x->len = (end > more ? end : more) - x->clock;
}

/* Adds a range to sorted ones that do not touch. Room was reserved. */
static void insert_range(yatai_ranges *all, const struct yatai_range *x) {
    size_t at = range_place(all, x->client, x->clock);
    if (at > 0 && touch(&all->v[at - 1], x)) {
        join(&all->v[--at], x);
    } else {
        memmove(&all->v[at + 1], &all->v[at], (all->n - at) * sizeof *all->v);
        all->v[at] = *x;
        all->n++;
    }
    size_t next = at + 1;
    while (next < all->n && touch(&all->v[at], &all->v[next])) {
        join(&all->v[at], &all->v[next++]);
    }
    memmove(&all->v[at + 1], &all->v[next], (all->n - next) * sizeof *all->v);
    all->n -= next - at - 1;
}

static void commit_ranges(struct yatai_waits *w) {
    yatai_ranges *now = &w->doc->pending.ranges;
    for (size_t i = 0; i < w->ranges.n && w->ranges_stay; i++) {
        insert_range(now, &w->ranges.v[i]);
    }
    if (!w->ranges_stay) {
        YATAI_VEC_FREE(&w->doc->mem, now);
        *now = w->ranges;
        w->ranges = (yatai_ranges){0};
    }
}

size_t yatai_pending_bytes_after(const struct yatai_waits *w) {
    size_t kept = w->changes ? w->parts_kept : w->doc->pending.parts.n, bytes = w->part.n;
    for (size_t i = 0; i < kept; i++) {
        bytes += w->doc->pending.parts.v[i].n;
    }
    size_t ranges = w->ranges.n + (w->ranges_stay ? w->doc->pending.ranges.n : 0);
    return bytes + ranges * YATAI_RANGE_BYTES;
}

void yatai_pending_commit(struct yatai_waits *w) {
    struct yatai_pending *now = &w->doc->pending;
    struct yatai_mem *mem = &w->doc->mem;
    commit_ranges(w);
    if (!w->changes) {
        return;
    }
    while (now->parts.n > w->parts_kept) {
        yatai_out_fini(&now->parts.v[--now->parts.n]);
    }
    if (w->part.n > 0) {
        now->parts.v[now->parts.n++] = w->part;
        w->part = (struct yatai_out){0};
    }
    YATAI_VEC_FREE(mem, &now->missing);
    now->missing.v = w->missing.v;
    now->missing.n = w->missing.n;
    now->missing.cap = w->missing.cap;
    w->missing.v = NULL;
    w->missing.n = w->missing.cap = 0;
}

void yatai_waits_fini(struct yatai_waits *w) {
    struct yatai_mem *mem = &w->doc->mem;
    YATAI_VEC_FREE(mem, &w->again);
    yatai_out_fini(&w->freed);
    yatai_out_fini(&w->part);
    YATAI_VEC_FREE(mem, &w->missing);
    YATAI_VEC_FREE(mem, &w->ranges);
}

/* ---- the document's side -------------------------------------------------------------------- */

bool yatai_pending_write(struct yatai_out *out, const struct yata_doc *doc) {
    size_t kept = doc->pending.parts.n;
    return merge_parts(out, out->mem, doc->pending.parts.v, &kept, true);
}

bool yatai_pending_any(const struct yata_doc *doc) {
    return doc->pending.parts.n > 0 || doc->pending.ranges.n > 0;
}

void yatai_pending_fini(struct yata_doc *doc) {
    struct yatai_pending *now = &doc->pending;
    for (size_t i = 0; i < now->parts.n; i++) {
        yatai_out_fini(&now->parts.v[i]);
    }
    YATAI_VEC_FREE(&doc->mem, &now->parts);
    YATAI_VEC_FREE(&doc->mem, &now->missing);
    YATAI_VEC_FREE(&doc->mem, &now->ranges);
}
