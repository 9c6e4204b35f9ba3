/* store.c: clients, and for each a sorted index of its structs.
 *
 * Updates name structs by client id and clock. The client is found through a small hash table, and
 * mostly is the one that was found before. The clock is found in an index whose leaves hold up to
 * YATAI_LEAF_MAX places, so that neither typing at the end (an append) nor cutting a struct in the
 * middle of a long history (an insertion) moves more than a leaf. Searching reads clocks from the
 * leaves and does not touch the structs. It starts where the clock would be if all structs were
 * equally long: in a large document every place that is looked at is waited for. A place knows its
 * clock as what comes on top of its leaf's, in 16 bits; where structs are so long that this does
 * not suffice, a leaf holds fewer places.
 *
 * Leaves grow by a few places at a time, as they fill, so that little memory lies idle. When there
 * is none for that, a leaf moves to one of the spare ones of full size that yatai_index_reserve
 * has set aside, so that insertions cannot fail.
 */
#include <stdlib.h>
#include <string.h>

#include "doc.h"

#define LEAF_BYTES  (YATAI_LEAF_MAX * sizeof(struct yatai_place))
#define LEAF_SPARSE (YATAI_LEAF_MAX / 4)
#define LEAF_STEP   8 /* places by which a leaf grows; a power of two */
#define LEAF_MUCH   (YATAI_LEAF_MAX * 3 / 4)
#define LEAF_SPAN   UINT16_MAX /* clocks from the first place of a leaf to the last */
#define SPARES_KEPT 3
#define GUESS_FEW   8 /* so few are searched without guessing */
#define LEAVES_STEP 4
#define HIT_NEAR    4 /* places looked at before searching all */

/* ---- clients -------------------------------------------------------------------------------- */

static size_t hash_id(uint64_t id) {
    return (size_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

static uint32_t find_hashed(const struct yata_doc *doc, uint64_t id) {
    if (doc->client_hash.cap == 0) {
        return 0;
    }
    size_t mask = doc->client_hash.cap - 1;
    for (size_t i = hash_id(id) & mask;; i = (i + 1) & mask) {
        uint32_t slot = doc->client_hash.v[i];
        if (slot == 0 || doc->clients.v[slot].id == id) {
            return slot;
        }
    }
}

uint32_t yatai_client_find(struct yata_doc *doc, uint64_t id) {
    uint32_t last = doc->last_client;
    if (last != 0 && doc->clients.v[last].id == id) {
        return last;
    }
    uint32_t slot = find_hashed(doc, id);
    if (slot != 0) {
        doc->last_client = slot;
    }
    return slot;
}

static void hash_put(struct yata_doc *doc, uint32_t slot) {
    size_t mask = doc->client_hash.cap - 1;
    size_t i = hash_id(doc->clients.v[slot].id) & mask;
    while (doc->client_hash.v[i] != 0) {
        i = (i + 1) & mask;
    }
    doc->client_hash.v[i] = slot;
}

static bool hash_grow(struct yata_doc *doc) {
    size_t cap = doc->client_hash.cap == 0 ? 8 : doc->client_hash.cap;
    while (doc->clients.n + 1 > cap / 2) {
        cap *= 2;
    }
    if (cap == doc->client_hash.cap) {
        return true;
    }
    uint32_t *v = yatai_mem_resize(&doc->mem, NULL, 0, cap * sizeof *v);
    if (!v) {
        return false;
    }
    memset(v, 0, cap * sizeof *v);
    YATAI_VEC_FREE(&doc->mem, &doc->client_hash);
    doc->client_hash.v = v;
    doc->client_hash.cap = cap;
    for (uint32_t slot = 1; slot < doc->clients.n; slot++) {
        hash_put(doc, slot);
    }
    return true;
}

uint32_t yatai_client_intern(struct yata_doc *doc, uint64_t id) {
    uint32_t slot = yatai_client_find(doc, id);
    if (slot != 0) {
        return slot;
    }
    size_t n = doc->clients.n == 0 ? 1 : doc->clients.n;
    if (n > YATAI_SLOT_MAX || !YATAI_RESERVE(&doc->mem, &doc->clients, n + 1) ||
        !YATAI_RESERVE(&doc->mem, &doc->by_id, n) || !hash_grow(doc)) {
        return 0;
    }
    if (doc->clients.n == 0) {
        doc->clients.v[0] = (struct yatai_client){0};
        doc->clients.n = 1;
    }
    slot = (uint32_t)doc->clients.n++;
    struct yatai_client *c = &doc->clients.v[slot];
    *c = (struct yatai_client){.id = id, .hole = UINT32_MAX};
    c->id_bytes_count = (uint8_t)(yatai_put_uint(c->id_bytes, id) - c->id_bytes);
    hash_put(doc, slot);
    size_t last = doc->by_id.n;
    doc->sorted = last == 0 || (doc->sorted && doc->clients.v[doc->by_id.v[last - 1]].id > id);
    doc->by_id.v[doc->by_id.n++] = slot;
    return slot;
}

/* A heap sort, since qsort has no way to be told the document. */
static void sift(const struct yatai_client *clients, uint32_t *v, size_t at, size_t n) {
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && clients[v[child + 1]].id < clients[v[child]].id) {
            child++;
        }
        if (clients[v[at]].id <= clients[v[child]].id) {
            return;
        }
        uint32_t x = v[at];
        v[at] = v[child];
        v[child] = x;
    }
}

void yatai_slots_sort(const struct yata_doc *doc, uint32_t *v, size_t n) {
    for (size_t i = n / 2; i-- > 0;) {
        sift(doc->clients.v, v, i, n);
    }
    for (size_t end = n; end > 1;) {
        end--;
        uint32_t x = v[0];
        v[0] = v[end];
        v[end] = x;
        sift(doc->clients.v, v, 0, end);
    }
}

void yatai_clients_sort(const struct yata_doc *doc) {
    if (doc->sorted) {
        return;
    }
    yatai_slots_sort(doc, doc->by_id.v, doc->by_id.n);
    yatai_caches(doc)->sorted = true;
}

/* ---- index ---------------------------------------------------------------------------------- */

/* Places of a leaf that shall hold so many. */
static uint32_t leaf_cap(uint32_t want) {
    uint32_t cap = 1;
    while (cap < want && cap < LEAF_STEP) {
        cap *= 2;
    }
    return cap >= want ? cap : (want + LEAF_STEP - 1) / LEAF_STEP * LEAF_STEP;
}

static bool leaf_resize(struct yata_doc *doc, struct yatai_leaf *leaf, uint32_t cap) {
    struct yatai_place *p =
        yatai_mem_resize(&doc->mem, leaf->place, leaf->cap * sizeof *p, cap * sizeof *p);
    if (!p) {
        return false;
    }
    leaf->place = p;
    leaf->cap = (uint16_t)cap;
    return true;
}

static bool leaf_grow(struct yata_doc *doc, struct yatai_leaf *leaf, uint32_t want) {
    return want <= leaf->cap || leaf_resize(doc, leaf, leaf_cap(want));
}

/* The same where failing is no harm, and so is not worth passing the limit of memory. */
static bool leaf_try(struct yata_doc *doc, struct yatai_leaf *leaf, uint32_t want) {
    size_t outer = doc->mem.limit_bytes;
    doc->mem.limit_bytes = outer != 0 ? outer : doc->options.max_memory_bytes;
    bool ok = leaf_grow(doc, leaf, want);
    doc->mem.limit_bytes = outer;
    return ok;
}

/* Room for a place more in a leaf that is full and not of full size. */
static void leaf_widen(struct yata_doc *doc, struct yatai_leaf *leaf) {
    if (leaf_try(doc, leaf, leaf->n + 1u)) {
        return;
    }
    struct yatai_place *place = doc->spare.v[--doc->spare.n];
    memcpy(place, leaf->place, leaf->n * sizeof *place);
    yatai_mem_resize(&doc->mem, leaf->place, leaf->cap * sizeof *place, 0);
    leaf->place = place;
    leaf->cap = YATAI_LEAF_MAX;
}

static bool leaves_resize(struct yata_doc *doc, struct yatai_client *c, uint32_t cap) {
    struct yatai_leaf *p =
        yatai_mem_resize(&doc->mem, c->leaf, c->leaf_cap * sizeof *p, cap * sizeof *p);
    if (!p) {
        return false;
    }
    c->leaf = p;
    c->leaf_cap = cap;
    return true;
}

static bool leaves_grow(struct yata_doc *doc, struct yatai_client *c, uint32_t want) {
    return want <= c->leaf_cap ||
           leaves_resize(doc, c, want == 1 ? 1 : want + want / 8 + LEAVES_STEP);
}

static bool spares_grow(struct yata_doc *doc, size_t want) {
    if (!YATAI_RESERVE(&doc->mem, &doc->spare, want)) {
        return false;
    }
    while (doc->spare.n < want) {
        struct yatai_place *p = yatai_mem_resize(&doc->mem, NULL, 0, LEAF_BYTES);
        if (!p) {
            return false;
        }
        doc->spare.v[doc->spare.n++] = p;
    }
    return true;
}

bool yatai_index_reserve(struct yata_doc *doc, struct yatai_client *c) {
    uint32_t appends = c->want_appends, splits = c->want_splits;
    uint32_t want = appends > UINT32_MAX - splits ? UINT32_MAX : appends + splits;
    uint32_t end = c->want_clock > c->clock ? c->want_clock : c->clock;
    uint32_t far = end / LEAF_SPAN; /* leaves that are not full because of their span */
    if (c->leaf_count <= 1) {
        /* While leaf_count is 0, leaf[0] may already have places set aside. */
        bool first = c->leaf_cap == 0;
        if (!leaves_grow(doc, c, 1)) {
            return false;
        }
        if (first) {
            c->leaf[0] = (struct yatai_leaf){0};
        }
        struct yatai_leaf *only = &c->leaf[0];
        uint32_t all = want > YATAI_LEAF_MAX ? YATAI_LEAF_MAX + 1 : only->n + want;
        if (!leaf_grow(doc, only, all < YATAI_LEAF_MAX ? all : YATAI_LEAF_MAX)) {
            return false;
        }
        if (all <= YATAI_LEAF_MAX && far == 0) {
            return true;
        }
    }
    /* Appending fills one leaf after the other, once the last one is of full size, or has spanned
     * what it can. A split in a full one leaves halves, each of which takes half a leaf of further
     * ones before it is full in turn; each leaf that there is may have to be brought to full size
     * first; and before a full one, or one that is far away, there may be one that is neither.
     * Never more than one for each append and each split. */
    uint32_t from = c->leaf_count > 0 ? c->leaf[c->leaf_count - 1].first : 0;
    uint32_t spans = end - from > LEAF_SPAN ? (end - c->clock) / LEAF_SPAN + 1 : 0;
    uint32_t ends = appends / YATAI_LEAF_MAX + 2 + spans;
    uint32_t more = ends < appends ? ends : appends;
    uint32_t cuts = 3 * c->leaf_count + more + splits / (YATAI_LEAF_MAX / 4) + 2 * far + 1;
    doc->halving |= cuts < splits;
    more += cuts < splits ? cuts : splits;
    doc->spare_owed += more;
    return leaves_grow(doc, c, c->leaf_count + more) && spares_grow(doc, doc->spare_owed);
}

void yatai_index_trim(struct yata_doc *doc) {
    doc->spare_owed = 0;
    doc->halving = false;
    while (doc->spare.n > SPARES_KEPT) {
        yatai_mem_resize(&doc->mem, doc->spare.v[--doc->spare.n], LEAF_BYTES, 0);
    }
}

void yatai_index_fit(struct yata_doc *doc, struct yatai_client *c) {
    uint32_t want = c->leaf_count + c->leaf_count / 8 + LEAVES_STEP;
    if (c->leaf_count > 0 && c->leaf_cap > want + want / 4 + LEAVES_STEP) {
        (void)leaves_resize(doc, c, want);
    }
}

/* Leaves, or the places of one, each with the clock at which it starts: for places from the start
 * of the leaf on. */
struct row {
    const struct yatai_leaf *leaves; /* NULL: places */
    const struct yatai_place *places;
    uint32_t first; /* where the first one starts */
    uint32_t end;   /* where the last one ends */
    uint32_t n;
};

static inline uint32_t row_clock(const struct row *row, uint32_t at) {
    return row->leaves ? row->leaves[at].first : row->places[at].after;
}

/* The last of [from, from + n) that is not greater; the first is not. Without branches that depend
 * on what is compared: nobody could predict them. */
static inline uint32_t row_halve(const struct row *row, uint32_t from, uint32_t n, uint32_t clock) {
    for (uint32_t half; n > 1; n -= half) {
        half = n / 2;
        from += row_clock(row, from + half) <= clock ? half : 0;
    }
    return from;
}

/* The same of all. From where it would be if all were equally long, on in steps that double. */
static inline uint32_t row_find(const struct row *row, uint32_t clock) {
    uint32_t first = row->first;
    if (row->n <= GUESS_FEW || row->end <= first || clock <= first) {
        return row_halve(row, 0, row->n, clock);
    }
    uint64_t guess = (uint64_t)(clock - first) * row->n / (row->end - first);
    uint32_t at = guess < row->n ? (uint32_t)guess : row->n - 1, step = 1;
    if (row_clock(row, at) <= clock) {
        uint32_t most = row->n - at;
        while (step < most && row_clock(row, at + step) <= clock) {
            at += step;
            most -= step;
            step *= 2;
        }
        return row_halve(row, at, step < most ? step : most, clock);
    }
    while (step < at && row_clock(row, at - step) > clock) {
        at -= step;
        step *= 2;
    }
    return step < at ? row_halve(row, at - step, step, clock) : row_halve(row, 0, at, clock);
}

static uint32_t find_leaf(const struct yatai_client *c, uint32_t clock) {
    struct row row = {c->leaf, NULL, c->leaf->first, c->clock, c->leaf_count};
    return row_find(&row, clock);
}

static uint32_t find_place(const struct yatai_client *c, uint32_t at, uint32_t clock) {
    const struct yatai_leaf *leaf = &c->leaf[at];
    uint32_t end = at + 1 < c->leaf_count ? leaf[1].first : c->clock;
    struct row row = {NULL, leaf->place, 0, end - leaf->first, leaf->n};
    return row_find(&row, clock - leaf->first);
}

/* Whether it is where the last search ended, or a little further. */
static bool is_hit(struct yatai_client *c, uint32_t clock) {
    if (c->hit_leaf >= c->leaf_count) {
        return false;
    }
    const struct yatai_leaf *leaf = &c->leaf[c->hit_leaf];
    uint32_t after = clock - leaf->first;
    if (clock < leaf->first || c->hit_at >= leaf->n || leaf->place[c->hit_at].after > after) {
        return false;
    }
    for (uint32_t at = c->hit_at, most = at + HIT_NEAR; at < most; at++) {
        bool last = at + 1u == leaf->n;
        if (last ? c->hit_leaf + 1 == c->leaf_count || clock < leaf[1].first
                 : after < leaf->place[at + 1].after) {
            c->hit_at = at;
            return true;
        }
        if (last) {
            break;
        }
    }
    return false;
}

struct yatai_pos yatai_index_find(struct yatai_client *c, uint32_t clock) {
    if (!is_hit(c, clock)) {
        c->hit_leaf = find_leaf(c, clock);
        c->hit_at = find_place(c, c->hit_leaf, clock);
    }
    return (struct yatai_pos){c->hit_leaf, c->hit_at};
}

/* Puts the parts of a leaf of full size into smaller ones. That one becomes spare: each part may
 * need one when it has to grow and there is no memory. */
static bool leaf_part(struct yata_doc *doc, struct yatai_leaf *old, struct yatai_leaf *new,
                      uint32_t at) {
    struct yatai_leaf low = {0}, high = {0};
    uint32_t n = old->n - at;
    if (old->cap != YATAI_LEAF_MAX || !YATAI_RESERVE(&doc->mem, &doc->spare, doc->spare.n + 1) ||
        !leaf_try(doc, &low, at + 1) || !leaf_try(doc, &high, n + 1) || !low.place || !high.place) {
        yatai_mem_resize(&doc->mem, low.place, low.cap * sizeof *low.place, 0);
        return false;
    }
    memcpy(low.place, old->place, at * sizeof *low.place);
    memcpy(high.place, old->place + at, n * sizeof *low.place);
    doc->spare.v[doc->spare.n++] = old->place;
    old->place = low.place;
    old->cap = low.cap;
    new->place = high.place;
    new->cap = high.cap;
    return true;
}

/* Makes the places of a leaf count from another clock on. */
static void leaf_rebase(struct yatai_leaf *leaf, uint32_t first) {
    uint32_t more = leaf->first - first;
    for (uint32_t i = 0; i < leaf->n; i++) {
        leaf->place[i].after = (uint16_t)(leaf->place[i].after + more);
    }
    leaf->first = first;
}

/* A leaf without places behind another one. */
static struct yatai_leaf *leaf_new(struct yatai_client *c, uint32_t behind) {
    struct yatai_leaf *new = &c->leaf[behind + 1];
    memmove(new + 1, new, (c->leaf_count - behind - 1) * sizeof *new);
    c->leaf_count++;
    *new = (struct yatai_leaf){0};
    return new;
}

static void leaf_use_spare(struct yata_doc *doc, struct yatai_leaf *leaf) {
    leaf->place = doc->spare.v[--doc->spare.n];
    leaf->cap = YATAI_LEAF_MAX;
}

/* A new leaf with the places of `from` at and after `at`, behind it. */
static void leaf_cut(struct yata_doc *doc, struct yatai_client *c, uint32_t from, uint32_t at) {
    struct yatai_leaf *new = leaf_new(c, from), *old = new - 1;
    new->n = (uint16_t)(old->n - at);
    new->first = old->first;
    if (!leaf_part(doc, old, new, at)) {
        leaf_use_spare(doc, new);
        memcpy(new->place, old->place + at, new->n * sizeof *new->place);
    }
    old->n = (uint16_t)at;
    leaf_rebase(new, new->first + new->place[0].after);
}

/* A leaf for a clock that is too far from those in the leaf before it, behind which there is none
 * that can take it. A small one: there may be many, with little in each. */
static struct yatai_leaf *leaf_far(struct yata_doc *doc, struct yatai_client *c, uint32_t behind) {
    struct yatai_leaf *leaf = leaf_new(c, behind);
    if (!leaf_try(doc, leaf, 1)) {
        leaf_use_spare(doc, leaf);
    }
    return leaf;
}

static bool leaf_takes(const struct yatai_leaf *leaf, uint32_t clock) {
    return leaf->n < leaf->cap && clock - leaf->first <= LEAF_SPAN;
}

/* A leaf that takes what comes at the end, with room. */
static struct yatai_leaf *last_leaf(struct yata_doc *doc, struct yatai_client *c, uint32_t clock) {
    struct yatai_leaf *leaf = &c->leaf[c->leaf_count - (c->leaf_count > 0)];
    if (c->leaf_count == 0) {
        c->leaf_count = 1;
        leaf->first = clock;
    } else if (clock - leaf->first > LEAF_SPAN) {
        leaf = leaf_far(doc, c, c->leaf_count - 1);
        leaf->first = clock;
    } else if (leaf->n == YATAI_LEAF_MAX) {
        leaf = leaf_new(c, c->leaf_count - 1);
        leaf->first = clock;
        leaf_use_spare(doc, leaf);
    }
    if (leaf->n == leaf->cap) {
        leaf_widen(doc, leaf);
    }
    return leaf;
}

void yatai_index_append(struct yata_doc *doc, struct yatai_client *c, uint32_t clock,
                        uint32_t item) {
    uint32_t n = c->leaf_count;
    struct yatai_leaf *leaf =
        n > 0 && leaf_takes(&c->leaf[n - 1], clock) ? &c->leaf[n - 1] : last_leaf(doc, c, clock);
    c->hit_leaf = c->leaf_count - 1;
    c->hit_at = leaf->n;
    leaf->place[leaf->n++] = (struct yatai_place){(uint16_t)(clock - leaf->first), item};
    c->struct_count++;
}

/* The start of a leaf that can take a clock which is too far from those in the one before it. */
static struct yatai_pos place_far(struct yata_doc *doc, struct yatai_client *c, uint32_t before,
                                  uint32_t clock) {
    struct yatai_leaf *next = &c->leaf[before + 1];
    bool takes = before + 1 < c->leaf_count && next->n < YATAI_LEAF_MAX &&
                 next->first + next->place[next->n - 1].after - clock <= LEAF_SPAN;
    if (!takes) {
        leaf_far(doc, c, before)->first = clock;
    } else if (next->n == next->cap) {
        leaf_widen(doc, next);
    }
    leaf_rebase(next, clock);
    return (struct yatai_pos){before + 1, 0};
}

/* Where a place comes, with room for it in its leaf. */
static struct yatai_pos place_near(struct yata_doc *doc, struct yatai_client *c,
                                   struct yatai_pos pos) {
    if (c->leaf[pos.leaf].n == YATAI_LEAF_MAX) {
        /* Near the end it goes on, mostly, and what is left behind stays as it is. */
        uint32_t at = pos.at > LEAF_MUCH && !doc->halving ? LEAF_MUCH : YATAI_LEAF_MAX / 2;
        leaf_cut(doc, c, pos.leaf, at);
        if (pos.at > at) {
            pos.leaf++;
            pos.at -= at;
        }
    } else if (c->leaf[pos.leaf].n == c->leaf[pos.leaf].cap) {
        leaf_widen(doc, &c->leaf[pos.leaf]);
    }
    return pos;
}

void yatai_index_insert_after(struct yata_doc *doc, struct yatai_client *c, struct yatai_pos pos,
                              uint32_t clock, uint32_t item) {
    pos.at++;
    pos = clock - c->leaf[pos.leaf].first > LEAF_SPAN ? place_far(doc, c, pos.leaf, clock)
                                                      : place_near(doc, c, pos);
    struct yatai_leaf *leaf = &c->leaf[pos.leaf];
    memmove(leaf->place + pos.at + 1, leaf->place + pos.at,
            (leaf->n - pos.at) * sizeof *leaf->place);
    leaf->place[pos.at] = (struct yatai_place){(uint16_t)(clock - leaf->first), item};
    leaf->n++;
    c->struct_count++;
    c->hit_leaf = pos.leaf;
    c->hit_at = pos.at;
}

static void leaf_remove(struct yata_doc *doc, struct yatai_client *c, uint32_t at) {
    struct yatai_leaf *leaf = &c->leaf[at];
    if (leaf->cap == YATAI_LEAF_MAX && YATAI_RESERVE(&doc->mem, &doc->spare, doc->spare.n + 1)) {
        doc->spare.v[doc->spare.n++] = leaf->place;
    } else {
        yatai_mem_resize(&doc->mem, leaf->place, leaf->cap * sizeof *leaf->place, 0);
    }
    c->leaf_count--;
    memmove(&c->leaf[at], &c->leaf[at + 1], (c->leaf_count - at) * sizeof *c->leaf);
}

/* Moves the places of a sparse leaf to the one before it, if that has or gets room. */
static bool leaf_join(struct yata_doc *doc, struct yatai_client *c, uint32_t at) {
    struct yatai_leaf *leaf = &c->leaf[at], *to = leaf - 1;
    uint32_t n = to->n + leaf->n;
    uint32_t span = leaf->first + (leaf->n > 0 ? leaf->place[leaf->n - 1].after : 0) - to->first;
    if (n > LEAF_MUCH || span > LEAF_SPAN || !leaf_try(doc, to, n)) {
        return false;
    }
    leaf_rebase(leaf, to->first);
    memcpy(to->place + to->n, leaf->place, leaf->n * sizeof *leaf->place);
    to->n = (uint16_t)n;
    return true;
}

void yatai_index_remove(struct yata_doc *doc, struct yatai_client *c, struct yatai_pos pos) {
    struct yatai_leaf *leaf = &c->leaf[pos.leaf];
    leaf->n--;
    memmove(leaf->place + pos.at, leaf->place + pos.at + 1,
            (leaf->n - pos.at) * sizeof *leaf->place);
    c->struct_count--;
    if (pos.at == 0 && leaf->n > 0) {
        leaf_rebase(leaf, leaf->first + leaf->place[0].after);
    }
    bool last = c->leaf_count == 1, sparse = leaf->n < LEAF_SPARSE && pos.leaf > 0;
    if (!last && (leaf->n == 0 || (sparse && leaf_join(doc, c, pos.leaf)))) {
        leaf_remove(doc, c, pos.leaf);
    } else if (leaf->cap >= leaf->n + 2 * LEAF_STEP && doc->spare_owed == 0) {
        (void)leaf_resize(doc, leaf, leaf_cap(leaf->n + 1u));
    }
    bool same = pos.at > 0 && pos.leaf < c->leaf_count && c->leaf[pos.leaf].n >= pos.at;
    c->hit_leaf = same ? pos.leaf : UINT32_MAX;
    c->hit_at = pos.at - 1;
}

void yatai_leaf_free(struct yata_doc *doc, struct yatai_place *place) {
    yatai_mem_resize(&doc->mem, place, LEAF_BYTES, 0);
}

void yatai_index_drop(struct yata_doc *doc, struct yatai_client *c) {
    uint32_t leaves = c->leaf_cap > 0 && c->leaf_count == 0 ? 1 : c->leaf_count;
    for (uint32_t k = 0; k < leaves; k++) {
        yatai_mem_resize(&doc->mem, c->leaf[k].place, c->leaf[k].cap * sizeof *c->leaf->place, 0);
    }
    yatai_mem_resize(&doc->mem, c->leaf, c->leaf_cap * sizeof *c->leaf, 0);
    yatai_mem_resize(&doc->mem, c->ranges, c->range_bytes, 0);
    c->leaf = NULL;
    c->ranges = NULL;
    c->leaf_count = c->leaf_cap = c->struct_count = c->range_count = c->range_bytes = 0;
    c->ranges_known = false;
}

void yatai_store_fini(struct yata_doc *doc) {
    for (size_t i = 0; i < doc->clients.n; i++) {
        yatai_index_drop(doc, &doc->clients.v[i]);
    }
    for (size_t i = 0; i < doc->spare.n; i++) {
        yatai_leaf_free(doc, doc->spare.v[i]);
    }
    YATAI_VEC_FREE(&doc->mem, &doc->spare);
    YATAI_VEC_FREE(&doc->mem, &doc->clients);
    YATAI_VEC_FREE(&doc->mem, &doc->client_hash);
    YATAI_VEC_FREE(&doc->mem, &doc->by_id);
}
