/* pending.c: structs and deletions that wait for what has not arrived.
 *
 * What waits is kept as runs of structs of one client, each by itself as an update (YATAI_KEPT) and
 * filed by one thing that its first struct misses. An update that brings this takes the run out:
 * it goes in, with what it frees in turn, or is filed by the next thing that it misses. So whoever
 * frees one of many pays for that one, and a struct, which names three others at most, is looked at
 * a few times, however much waits. Yjs tries all that waits again, whenever something may have come
 * (yjs 13.6 encoding.js readUpdateV2); what goes in is the same.
 *
 * Runs do not overlap, and are whole sections of the update that brought them as a rule; long ones
 * are cut, since a run is read and written anew when a part of it goes in.
 */
#include "pending.h"

#include <stdlib.h>

#define RUN_STRUCTS 16
/* To file a run by another thing moves others in the list. Whoever wakes so many that as many moves
 * would be needed in all, some 20 ms, has all that waits tried again instead, as in yjs. */
#define MOVED_MOST ((size_t)1 << 25)

/* Structs of one client that follow each other. */
struct yatai_run {
    uint64_t client;
    uint32_t clock, end;
    struct yatai_id need; /* one that has to come first */
    uint32_t structs;
    uint32_t bytes_n, body; /* the bytes, and where the structs start in them */
    bool fresh;             /* came with the update that is being planned */
    bool queued, taken;     /* to be looked at; to go in */
    bool gone;              /* others have all of it */
    uint8_t bytes[];        /* an update; the last byte says that nothing is deleted */
};

/* ---- order ---------------------------------------------------------------------------------- */

static int number_order(uint64_t a, uint64_t b) {
    return (a > b) - (a < b);
}

/* Sections of updates are by client, descending. */
static int by_id(const void *a, const void *b) {
    const struct yatai_run *x = *(struct yatai_run *const *)a, *y = *(struct yatai_run *const *)b;
    int order = number_order(y->client, x->client);
    return order != 0 ? order : number_order(x->clock, y->clock);
}

static int by_need(const void *a, const void *b) {
    const struct yatai_run *x = *(struct yatai_run *const *)a, *y = *(struct yatai_run *const *)b;
    int order = number_order(x->need.client, y->need.client);
    order = order != 0 ? order : number_order(x->need.clock, y->need.clock);
    return order != 0 ? order : by_id(a, b);
}

typedef int run_order(const void *, const void *);

/* How many of the first `n` are before `x`. */
static size_t place(struct yatai_run **v, size_t n, const struct yatai_run *x, run_order *order) {
    size_t low = 0;
    while (low < n) {
        size_t mid = (low + n) / 2;
        if (order(&v[mid], &x) < 0) {
            low = mid + 1;
        } else {
            n = mid;
        }
    }
    return low;
}

/* Puts runs in, where there is room. */
static void put_all(yatai_runs *to, struct yatai_run **v, size_t n, run_order *order) {
    size_t end = to->n;
    if (n > 1) {
        qsort(v, n, sizeof *v, order);
    }
    to->n += n;
    while (n > 0) {
        size_t at = place(to->v, end, v[n - 1], order);
        memmove(to->v + at + n, to->v + at, (end - at) * sizeof *v);
        end = at;
        n--;
        to->v[at + n] = v[n];
    }
}

/* Where a run is among those with the same place. */
static size_t find(const yatai_runs *in, const struct yatai_run *x, run_order *order) {
    size_t at = place(in->v, in->n, x, order);
    while (in->v[at] != x) {
        at++;
    }
    return at;
}

#define FEW 8 /* as many are taken out one by one */

/* Takes out those that are taken or gone, which are `v`. */
static void drop_all(yatai_runs *from, struct yatai_run **v, size_t n, run_order *order) {
    for (size_t i = 0; i < n && n <= FEW; i++) {
        size_t at = find(from, v[i], order);
        memmove(from->v + at, from->v + at + 1, (--from->n - at) * sizeof *v);
    }
    if (n <= FEW) {
        return;
    }
    size_t left = 0;
    for (size_t i = 0; i < from->n; i++) {
        if (!from->v[i]->taken && !from->v[i]->gone) {
            from->v[left++] = from->v[i];
        }
    }
    from->n = left;
}

/* Files a run by another thing. */
static void file_by(yatai_runs *in, struct yatai_run *x, const struct yatai_id *need) {
    size_t from = find(in, x, by_need);
    memmove(in->v + from, in->v + from + 1, (in->n - from - 1) * sizeof *in->v);
    x->need = *need;
    size_t to = place(in->v, in->n - 1, x, by_need);
    memmove(in->v + to + 1, in->v + to, (in->n - 1 - to) * sizeof *in->v);
    in->v[to] = x;
}

/* ---- runs as bytes -------------------------------------------------------------------------- */

/* All these runs, which are in order, as one update, with Skips between them. */
static void write_runs(struct yatai_out *out, struct yatai_run *const *v, size_t n) {
    size_t clients = 0;
    for (size_t i = 0; i < n; i++) {
        clients += i == 0 || v[i]->client != v[i - 1]->client;
    }
    yatai_out_uint(out, clients);
    for (size_t i = 0, next; i < n; i = next) {
        size_t count = v[i]->structs;
        for (next = i + 1; next < n && v[next]->client == v[i]->client; next++) {
            count += v[next]->structs + (v[next]->clock > v[next - 1]->end);
        }
        yatai_out_uint(out, count);
        yatai_out_uint(out, v[i]->client);
        yatai_out_uint(out, v[i]->clock);
        for (size_t k = i; k < next; k++) {
            const struct yatai_run *x = v[k];
            if (k > i && x->clock > v[k - 1]->end) {
                struct yatai_ref skip = {.kind = YATAI_SKIP, .len = x->clock - v[k - 1]->end};
                yatai_write_ref(out, YATAI_KEPT, &skip, x->client, 0);
            }
            yatai_out_bytes(out, x->bytes + x->body, x->bytes_n - x->body - 1);
        }
    }
    yatai_out_uint(out, 0);
}

static bool read_run(struct yatai_waits *w, const struct yatai_run *x) {
    return yatai_update_read(&w->read, &w->doc->mem, YATAI_KEPT, x->bytes, x->bytes_n,
                             YATAI_DEPTH_MAX, NULL) == YATA_OK;
}

static void free_run(struct yatai_mem *mem, struct yatai_run *x) {
    yatai_mem_resize(mem, x, sizeof *x + x->bytes_n, 0);
}

/* ---- what is missing ------------------------------------------------------------------------ */

/* Where what waits of a client at a clock or behind it starts. */
static size_t first_of(const struct yata_doc *doc, uint64_t client, uint32_t clock) {
    struct yatai_run key = {.client = client, .clock = clock};
    const yatai_runs *all = &doc->pending.by_id;
    return place(all->v, all->n, &key, by_id);
}

/* The run that has a clock, or NULL. */
static struct yatai_run *run_at(const struct yata_doc *doc, uint64_t client, uint32_t clock) {
    struct yatai_run *const *v = doc->pending.by_id.v;
    for (size_t i = first_of(doc, client, clock + 1); i > 0 && v[i - 1]->client == client; i--) {
        if (!v[i - 1]->gone) {
            return v[i - 1]->end > clock ? v[i - 1] : NULL;
        }
    }
    return NULL;
}

/* Whether the document has it, or will by the update and by what that sets free; *ret_end as in
 * yatai_plan_knows. */
static bool known(const struct yatai_waits *w, struct yatai_id id, uint32_t *ret_end) {
    struct yata_doc *doc = w->doc;
    const struct yatai_update *freed = w->retry ? &doc->waiting : NULL;
    if (!doc->options.strict) {
        return yatai_plan_knows(doc, freed, &doc->update, id, ret_end);
    }
    *ret_end = yatai_plan_state(doc, freed, &doc->update, id.client);
    return id.clock < *ret_end;
}

static bool is_missing(const struct yatai_waits *w, uint64_t client, uint32_t clock,
                       struct yatai_id *ret) {
    struct yatai_id id = {.client = client, .clock = clock};
    uint32_t end;
    const struct yatai_run *x = run_at(w->doc, client, clock);
    *ret = id;
    return !(x && x->taken && !w->retry) && !known(w, id, &end);
}

/* What the struct misses, from a clock of it on. What comes before it of its client is asked for at
 * last, so that of a long row only the first one moves. */
static bool misses(const struct yatai_waits *w, uint64_t client, const struct yatai_ref *ref,
                   uint32_t from, struct yatai_id *ret) {
    bool cut = from > ref->clock, item = ref->kind != YATAI_GC;
    bool origin = item && !cut && (ref->has & YATAI_HAS_ORIGIN) != 0;
    bool right = item && (ref->has & YATAI_HAS_RIGHT) != 0;
    bool by_parent =
        item && !cut && !(ref->has & (YATAI_HAS_ORIGIN | YATAI_HAS_RIGHT | YATAI_HAS_ROOT));
    bool follows = from > 0 && (w->doc->options.strict || (item && cut));
    return (origin && is_missing(w, ref->origin.client, ref->origin.clock, ret)) ||
           (right && is_missing(w, ref->right.client, ref->right.clock, ret)) ||
           (by_parent && is_missing(w, ref->parent.client, ref->parent.clock, ret)) ||
           (follows && is_missing(w, client, from - 1, ret));
}

/* ---- filing --------------------------------------------------------------------------------- */

/* Structs of a section that follow each other, from a clock on. */
struct part {
    uint64_t client;
    const struct yatai_ref *refs;
    uint32_t n;
    uint32_t from;
    uint32_t behind; /* a clock of the client that waits: what misses nothing else waits for it */
};

static bool new_run(struct yatai_waits *w, const struct part *part) {
    struct yatai_mem *mem = &w->doc->mem;
    struct yatai_out out = {.mem = mem};
    const struct yatai_ref *last = &part->refs[part->n - 1];
    yatai_out_uint(&out, 1);
    yatai_out_uint(&out, part->n);
    yatai_out_uint(&out, part->client);
    yatai_out_uint(&out, part->from);
    uint32_t body = (uint32_t)out.n;
    for (uint32_t i = 0; i < part->n; i++) {
        uint32_t skip = i == 0 ? part->from - part->refs->clock : 0;
        yatai_write_ref(&out, YATAI_KEPT, &part->refs[i], part->client, skip);
    }
    yatai_out_uint(&out, 0);
    struct yatai_run *x =
        out.failed || out.n > UINT32_MAX ? NULL : yatai_mem_resize(mem, NULL, 0, sizeof *x + out.n);
    bool ok = x != NULL;
    if (ok) {
        *x = (struct yatai_run){.client = part->client,
                                .clock = part->from,
                                .end = last->clock + last->len,
                                .structs = part->n,
                                .bytes_n = (uint32_t)out.n,
                                .body = body,
                                .fresh = true};
        memcpy(x->bytes, out.p, out.n);
        if (!misses(w, part->client, part->refs, part->from, &x->need)) {
            x->need = (struct yatai_id){.client = part->client, .clock = part->behind};
        }
        ok = YATAI_PUSH(mem, &w->fresh, x);
        if (!ok) {
            free_run(mem, x);
        }
    }
    yatai_out_fini(&out);
    return ok;
}

/* Cuts off what others have before a clock. */
static void cut_front(struct part *part, uint32_t from) {
    while (part->n > 0 && part->refs->clock + part->refs->len <= from) {
        part->refs++;
        part->n--;
    }
    part->from = part->n > 0 && part->refs->clock > from ? part->refs->clock : from;
}

static bool new_runs(struct yatai_waits *w, struct part part) {
    while (part.n > 0) {
        struct part run = part;
        run.n = part.n < RUN_STRUCTS ? part.n : RUN_STRUCTS;
        if (!new_run(w, &run)) {
            return false;
        }
        part.refs += run.n;
        part.n -= run.n;
        part.from = part.n > 0 ? part.refs->clock : 0;
    }
    return true;
}

/* A run reaches into a part from behind, and loses what that has. */
static bool cut_run(struct yatai_waits *w, const struct yatai_run *x, uint32_t from) {
    if (!read_run(w, x)) {
        return false;
    }
    struct part part = {.client = x->client,
                        .refs = w->read.refs.v,
                        .n = (uint32_t)w->read.refs.n,
                        .behind = from - 1};
    cut_front(&part, from);
    return new_runs(w, part);
}

/* Adds what is not there already of a part. */
static bool file_part(struct yatai_waits *w, struct part part) {
    const yatai_runs *all = &w->doc->pending.by_id;
    uint32_t end = part.refs[part.n - 1].clock + part.refs[part.n - 1].len;
    const struct yatai_run *before = run_at(w->doc, part.client, part.from);
    if (before && !before->taken) {
        cut_front(&part, before->end);
        w->some = true;
    }
    for (size_t i = first_of(w->doc, part.client, part.from);
         part.n > 0 && i < all->n && all->v[i]->client == part.client && all->v[i]->clock < end;
         i++) {
        struct yatai_run *x = all->v[i];
        if (x->gone || x->taken) {
            continue;
        }
        if ((x->end > end && !cut_run(w, x, end)) || !YATAI_PUSH(&w->doc->mem, &w->gone, x)) {
            return false;
        }
        x->gone = true;
    }
    return new_runs(w, part);
}

/* Adds what waits of a section, the last part first: what an earlier one cuts off a run ends there.
 */
static bool file_section(struct yatai_waits *w, const struct yatai_section *s,
                         const struct yatai_ref *refs) {
    for (uint32_t end = s->rest_count, at; end > 0; end = at > 0 ? at - 1 : 0) {
        for (at = end; at > 0 && refs[at - 1].kind != YATAI_SKIP; at--) {
        }
        struct part part = {
            .client = s->client, .refs = refs + at, .n = end - at, .behind = refs->clock};
        part.from = part.n > 0 ? part.refs->clock : 0;
        if (part.n > 0 && !file_part(w, part)) {
            return false;
        }
    }
    return true;
}

/* Adds what a plan leaves. */
static bool file_rest(struct yatai_waits *w, const struct yatai_update *u,
                      const struct yatai_plan *plan) {
    struct yatai_pending *now = &w->doc->pending;
    struct yatai_mem *mem = &w->doc->mem;
    size_t first = w->fresh.n;
    for (size_t i = 0; i < plan->rest.n; i++) {
        const struct yatai_section *s = &u->sections.v[plan->rest.v[i]];
        if (!file_section(w, s, &u->refs.v[s->first + s->next])) {
            return false;
        }
    }
    size_t n = w->fresh.n - first;
    if (!YATAI_RESERVE(mem, &now->by_id, now->by_id.n + n) ||
        !YATAI_RESERVE(mem, &now->by_need, now->by_need.n + n)) {
        return false;
    }
    if (n > 0) {
        put_all(&now->by_id, w->fresh.v + first, n, by_id);
        put_all(&now->by_need, w->fresh.v + first, n, by_need);
    }
    w->filed = w->fresh.n;
    return true;
}

/* ---- plan ----------------------------------------------------------------------------------- */

static bool look_at(struct yatai_waits *w, struct yatai_run *x) {
    if (x->queued || x->taken || x->gone) {
        return true;
    }
    x->queued = YATAI_PUSH(&w->doc->mem, &w->queue, x);
    return x->queued;
}

/* Those that miss one of these clocks are to be looked at. */
static bool wake(struct yatai_waits *w, uint64_t client, uint32_t from, uint32_t end) {
    struct yatai_run key = {.client = UINT64_MAX, .need = {.client = client, .clock = from}};
    const yatai_runs *all = &w->doc->pending.by_need;
    for (size_t i = place(all->v, all->n, &key, by_need); i < all->n; i++) {
        struct yatai_run *x = all->v[i];
        if (x->need.client != client || x->need.clock >= end) {
            break;
        }
        if (!look_at(w, x)) {
            return false;
        }
    }
    return true;
}

/* These clocks are there: they may be missed, and may be what waits itself. */
static bool wake_range(struct yatai_waits *w, uint64_t client, uint32_t from, uint32_t end) {
    const yatai_runs *all = &w->doc->pending.by_id;
    struct yatai_run *first = run_at(w->doc, client, from);
    if (!wake(w, client, from, end) || (first && !look_at(w, first))) {
        return false;
    }
    for (size_t i = first_of(w->doc, client, from);
         i < all->n && all->v[i]->client == client && all->v[i]->clock < end; i++) {
        if (!look_at(w, all->v[i])) {
            return false;
        }
    }
    return true;
}

/* What goes in of the update. */
static bool wake_by_update(struct yatai_waits *w) {
    const struct yatai_update *u = &w->doc->update;
    for (size_t i = 0; i < u->sections.n && w->doc->pending.by_id.n > 0; i++) {
        const struct yatai_section *s = &u->sections.v[i];
        uint32_t n = s->count > 0 ? s->count : s->next;
        const struct yatai_ref *ref = n > 0 ? &u->refs.v[s->first] : NULL,
                               *last = n > 0 ? ref + n : NULL;
        while (ref < last) {
            uint32_t from = ref->clock, end = from;
            for (; ref < last && ref->kind != YATAI_SKIP; ref++) {
                end = ref->clock + ref->len;
            }
            if (end > from && !wake_range(w, s->client, from, end)) {
                return false;
            }
            ref += ref < last;
        }
    }
    return true;
}

/* Whether the update has brought all of a run in another way. */
static bool is_known(const struct yatai_waits *w, const struct yatai_run *x) {
    struct yatai_id id = {.client = x->client, .clock = x->clock};
    for (uint32_t end = 0; id.clock < x->end; id.clock = end) {
        if (!known(w, id, &end)) {
            return false;
        }
    }
    return true;
}

static bool decide(struct yatai_waits *w, struct yatai_run *x) {
    struct yatai_id need;
    struct yatai_mem *mem = &w->doc->mem;
    x->queued = false;
    if (x->taken || x->gone) {
        return true;
    }
    if (is_known(w, x)) {
        x->gone = YATAI_PUSH(mem, &w->gone, x);
        return x->gone;
    }
    if (!read_run(w, x)) {
        return false;
    }
    if (misses(w, x->client, w->read.refs.v, x->clock, &need)) {
        file_by(&w->doc->pending.by_need, x, &need);
        w->moved += w->doc->pending.by_need.n;
        return true;
    }
    x->taken = YATAI_PUSH(mem, &w->taken, x);
    w->earlier |= !x->fresh;
    return x->taken && wake(w, x->client, x->clock, x->end);
}

/* Takes all that waits: what then cannot go in is filed anew, at once. */
static bool take_all(struct yatai_waits *w) {
    const yatai_runs *all = &w->doc->pending.by_id;
    if (!YATAI_RESERVE(&w->doc->mem, &w->taken, w->taken.n + all->n)) {
        return false;
    }
    for (size_t i = 0; i < all->n; i++) {
        struct yatai_run *x = all->v[i];
        if (!x->gone && !x->taken) {
            x->taken = true;
            w->earlier |= !x->fresh;
            w->taken.v[w->taken.n++] = x;
        }
    }
    while (w->queue.n > 0) {
        w->queue.v[--w->queue.n]->queued = false;
    }
    return true;
}

/* What is taken, once more, behind the structs of the update. */
static bool plan_retry(struct yatai_waits *w) {
    struct yata_doc *doc = w->doc;
    qsort(w->taken.v, w->taken.n, sizeof *w->taken.v, by_id);
    write_runs(&w->freed, w->taken.v, w->taken.n);
    if (w->freed.failed ||
        yatai_update_read(&doc->waiting, &doc->mem, YATAI_KEPT, w->freed.p, w->freed.n,
                          YATAI_DEPTH_MAX, NULL) != YATA_OK ||
        !yatai_plan_make(doc, &doc->plan_waiting, &doc->waiting, &doc->update)) {
        return false;
    }
    w->retry = true;
    return doc->plan_waiting.rest.n == 0 || file_rest(w, &doc->waiting, &doc->plan_waiting);
}

static bool plan_structs(struct yatai_waits *w) {
    struct yata_doc *doc = w->doc;
    bool rest = doc->plan.rest.n > 0;
    if (!rest && doc->pending.by_id.n == 0) {
        return true;
    }
    if (!wake_by_update(w) || (rest && !file_rest(w, &doc->update, &doc->plan))) {
        return false;
    }
    for (size_t i = 0; i < w->fresh.n; i++) {
        if (!look_at(w, w->fresh.v[i])) {
            return false;
        }
    }
    while (w->queue.n > 0 && w->moved < MOVED_MOST) {
        if (!decide(w, w->queue.v[--w->queue.n])) {
            return false;
        }
    }
    if (w->queue.n > 0 && !take_all(w)) {
        return false;
    }
    if (w->taken.n > 0 && !plan_retry(w)) {
        return false;
    }
    for (size_t i = 0; i < w->fresh.n && rest; i++) {
        w->some |= !w->fresh.v[i]->taken && !w->fresh.v[i]->gone;
    }
    return YATAI_RESERVE(&doc->mem, &w->taken, w->taken.n + w->gone.n);
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

/* Whether an update has anything of what the deletions that wait are about. */
static bool reaches_ranges(const struct yata_doc *doc, const struct yatai_update *u) {
    const yatai_ranges *waiting = &doc->pending.ranges;
    for (size_t i = 0; i < u->sections.n && waiting->n > 0; i++) {
        const struct yatai_section *s = &u->sections.v[i];
        size_t at = range_place(waiting, s->client, 0);
        if (at < waiting->n && waiting->v[at].client == s->client &&
            waiting->v[at].clock < s->state) {
            return true;
        }
    }
    return false;
}

static bool add_again(struct yatai_waits *w, const yatai_ranges *from) {
    for (size_t i = 0; i < from->n; i++) {
        if (!YATAI_PUSH(&w->doc->mem, &w->again, from->v[i])) {
            return false;
        }
    }
    return true;
}

/* Deletions are tried once more behind what goes in late. */
static bool plan_again(struct yatai_waits *w) {
    if (!w->retry) {
        return true;
    }
    if (!add_again(w, &w->doc->update.ranges) ||
        (!w->ranges_stay && !add_again(w, &w->doc->pending.ranges))) {
        return false;
    }
    yatai_ranges_normalise(&w->again);
    return true;
}

bool yatai_pending_plan(struct yatai_waits *w) {
    struct yata_doc *doc = w->doc;
    yatai_ranges *now = &doc->pending.ranges;
    bool none_known, none_freed = true;
    w->freed.mem = &doc->mem;
    if (!plan_structs(w) || !add_ranges(w, &doc->update.ranges, &none_known)) {
        return false;
    }
    w->ranges_stay =
        !reaches_ranges(doc, &doc->update) && !(w->retry && reaches_ranges(doc, &doc->waiting));
    if (w->ranges_stay ? !YATAI_RESERVE(&doc->mem, now, now->n + w->ranges.n)
                       : !add_ranges(w, now, &none_freed)) {
        return false;
    }
    w->ranges_freed = !none_freed;
    yatai_ranges_normalise(&w->ranges);
    return plan_again(w);
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

static size_t bytes_of(const yatai_runs *runs) {
    size_t bytes = 0;
    for (size_t i = 0; i < runs->n; i++) {
        bytes += runs->v[i]->bytes_n;
    }
    return bytes;
}

static size_t struct_bytes_after(const struct yatai_waits *w) {
    return w->doc->pending.bytes + bytes_of(&w->fresh) - bytes_of(&w->taken) - bytes_of(&w->gone);
}

size_t yatai_pending_bytes_after(const struct yatai_waits *w) {
    size_t ranges = w->ranges.n + (w->ranges_stay ? w->doc->pending.ranges.n : 0);
    return struct_bytes_after(w) + ranges * YATAI_RANGE_BYTES;
}

void yatai_pending_commit(struct yatai_waits *w) {
    struct yatai_pending *now = &w->doc->pending;
    struct yatai_mem *mem = &w->doc->mem;
    now->bytes = struct_bytes_after(w);
    commit_ranges(w);
    for (size_t i = 0; i < w->fresh.n; i++) {
        w->fresh.v[i]->fresh = false;
    }
    w->fresh.n = w->filed = 0;
    for (size_t i = 0; i < w->gone.n; i++) { /* room was reserved */
        w->taken.v[w->taken.n++] = w->gone.v[i];
    }
    w->gone.n = 0;
    drop_all(&now->by_id, w->taken.v, w->taken.n, by_id);
    drop_all(&now->by_need, w->taken.v, w->taken.n, by_need);
    while (w->taken.n > 0) {
        free_run(mem, w->taken.v[--w->taken.n]);
    }
    if (now->by_id.n == 0) {
        YATAI_VEC_FREE(mem, &now->by_id);
        YATAI_VEC_FREE(mem, &now->by_need);
    }
}

/* Nothing came of it: what waits stays, however it has been filed. */
static void undo(struct yatai_waits *w) {
    struct yatai_pending *now = &w->doc->pending;
    const yatai_runs *lists[] = {&w->queue, &w->taken, &w->gone};
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) {
        for (size_t i = 0; i < lists[k]->n; i++) {
            struct yatai_run *x = lists[k]->v[i];
            x->queued = x->taken = x->gone = false;
        }
    }
    for (size_t i = 0; i < w->filed; i++) {
        w->fresh.v[i]->gone = true;
    }
    drop_all(&now->by_id, w->fresh.v, w->filed, by_id);
    drop_all(&now->by_need, w->fresh.v, w->filed, by_need);
    while (w->fresh.n > 0) {
        free_run(&w->doc->mem, w->fresh.v[--w->fresh.n]);
    }
}

void yatai_waits_fini(struct yatai_waits *w) {
    struct yatai_mem *mem = &w->doc->mem;
    undo(w);
    YATAI_VEC_FREE(mem, &w->queue);
    YATAI_VEC_FREE(mem, &w->taken);
    YATAI_VEC_FREE(mem, &w->gone);
    YATAI_VEC_FREE(mem, &w->fresh);
    YATAI_VEC_FREE(mem, &w->again);
    YATAI_VEC_FREE(mem, &w->ranges);
    yatai_update_fini(&w->read, mem);
    yatai_out_fini(&w->freed);
}

/* ---- the document's side -------------------------------------------------------------------- */

void yatai_pending_write(struct yatai_out *out, const struct yata_doc *doc) {
    write_runs(out, doc->pending.by_id.v, doc->pending.by_id.n);
}

bool yatai_pending_any(const struct yata_doc *doc) {
    return doc->pending.by_id.n > 0 || doc->pending.ranges.n > 0;
}

void yatai_pending_fini(struct yata_doc *doc) {
    struct yatai_pending *now = &doc->pending;
    for (size_t i = 0; i < now->by_id.n; i++) {
        free_run(&doc->mem, now->by_id.v[i]);
    }
    YATAI_VEC_FREE(&doc->mem, &now->by_id);
    YATAI_VEC_FREE(&doc->mem, &now->by_need);
    YATAI_VEC_FREE(&doc->mem, &now->ranges);
}
