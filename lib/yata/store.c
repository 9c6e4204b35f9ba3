/* store.c: clients, and for each a sorted index of its structs.
 *
 * Updates name structs by client id and clock. The client is found through a small hash table, and
 * mostly is the one that was found before. The clock is found in an index whose leaves hold up to
 * YATAI_LEAF_MAX places, so that neither typing at the end (an append) nor cutting a struct in the
 * middle of a long history (an insertion) moves more than a leaf. Searching reads clocks from the
 * leaves and does not touch the structs.
 *
 * A client with few structs has one small leaf. Leaves of full size come from the spare ones that
 * yatai_index_reserve sets aside, so that insertions cannot fail.
 */
#include <stdlib.h>
#include <string.h>

#include "doc.h"

#define LEAF_BYTES   (YATAI_LEAF_MAX * sizeof(struct yatai_place))
#define LEAF_SPARSE  (YATAI_LEAF_MAX / 4)
#define LEAF_ROOMY   (YATAI_LEAF_MAX * 3 / 4)
#define SPARES_KEPT  4
#define CLIENTS_STEP 4
#define HIT_NEAR     4 /* places looked at before searching all */

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

static bool leaf_grow(struct yata_doc *doc, struct yatai_leaf *leaf, uint32_t want) {
    uint32_t cap = leaf->cap == 0 ? 1 : leaf->cap;
    while (cap < want) {
        cap *= 2;
    }
    if (cap == leaf->cap) {
        return true;
    }
    struct yatai_place *p =
        yatai_mem_resize(&doc->mem, leaf->place, leaf->cap * sizeof *p, cap * sizeof *p);
    if (!p) {
        return false;
    }
    leaf->place = p;
    leaf->cap = (uint16_t)cap;
    return true;
}

static bool leaves_grow(struct yata_doc *doc, struct yatai_client *c, uint32_t want) {
    if (want <= c->leaf_cap) {
        return true;
    }
    uint32_t cap = want == 1 ? 1 : want + want / 4 + CLIENTS_STEP;
    struct yatai_leaf *p =
        yatai_mem_resize(&doc->mem, c->leaf, c->leaf_cap * sizeof *p, cap * sizeof *p);
    if (!p) {
        return false;
    }
    c->leaf = p;
    c->leaf_cap = cap;
    return true;
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

bool yatai_index_reserve(struct yata_doc *doc, struct yatai_client *c, uint32_t appends,
                         uint32_t splits) {
    uint32_t want = appends > UINT32_MAX - splits ? UINT32_MAX : appends + splits;
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
        if (all <= YATAI_LEAF_MAX) {
            return true;
        }
    }
    /* Appending fills one leaf after the other. A split in a full one leaves halves, each of which
     * takes half a leaf of further ones before it is full in turn. */
    uint32_t more = appends / YATAI_LEAF_MAX + (appends > 0);
    uint32_t cuts = c->leaf_count + more + splits / (YATAI_LEAF_MAX / 2) + 1;
    more += cuts < splits ? cuts : splits;
    doc->spare_owed += more;
    return leaves_grow(doc, c, c->leaf_count + more) && spares_grow(doc, doc->spare_owed);
}

void yatai_index_trim(struct yata_doc *doc) {
    doc->spare_owed = 0;
    while (doc->spare.n > SPARES_KEPT) {
        yatai_mem_resize(&doc->mem, doc->spare.v[--doc->spare.n], LEAF_BYTES, 0);
    }
}

/* Without branches that depend on what is compared: nobody could predict them. */
static uint32_t find_leaf(const struct yatai_client *c, uint32_t clock) {
    uint32_t at = 0;
    for (uint32_t n = c->leaf_count, half; n > 1; n -= half) {
        half = n / 2;
        at += c->leaf[at + half].first <= clock ? half : 0;
    }
    return at;
}

static uint32_t find_place(const struct yatai_leaf *leaf, uint32_t clock) {
    uint32_t at = 0;
    for (uint32_t n = leaf->n, half; n > 1; n -= half) {
        half = n / 2;
        at += leaf->place[at + half].clock <= clock ? half : 0;
    }
    return at;
}

/* Whether it is where the last search ended, or a little further. */
static bool is_hit(struct yatai_client *c, uint32_t clock) {
    if (c->hit_leaf >= c->leaf_count) {
        return false;
    }
    const struct yatai_leaf *leaf = &c->leaf[c->hit_leaf];
    if (c->hit_at >= leaf->n || leaf->place[c->hit_at].clock > clock) {
        return false;
    }
    for (uint32_t at = c->hit_at, most = at + HIT_NEAR; at < most; at++) {
        bool last = at + 1u == leaf->n;
        uint32_t next = !last                              ? leaf->place[at + 1].clock
                        : c->hit_leaf + 1 == c->leaf_count ? UINT32_MAX
                                                           : leaf[1].first;
        if (clock < next) {
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
        c->hit_at = find_place(&c->leaf[c->hit_leaf], clock);
    }
    return (struct yatai_pos){c->hit_leaf, c->hit_at};
}

/* A new leaf with the places of `from` at and after `at`, behind it. */
static void leaf_cut(struct yata_doc *doc, struct yatai_client *c, uint32_t from, uint32_t at) {
    memmove(&c->leaf[from + 2], &c->leaf[from + 1], (c->leaf_count - from - 1) * sizeof *c->leaf);
    c->leaf_count++;
    struct yatai_leaf *old = &c->leaf[from], *new = &c->leaf[from + 1];
    *new = (struct yatai_leaf){
        .place = doc->spare.v[--doc->spare.n], .n = (uint16_t)(old->n - at), .cap = YATAI_LEAF_MAX};
    memcpy(new->place, old->place + at, new->n * sizeof *new->place);
    old->n = (uint16_t)at;
    if (new->n > 0) {
        new->first = new->place[0].clock;
    }
}

void yatai_index_append(struct yata_doc *doc, struct yatai_client *c, uint32_t clock,
                        uint32_t item) {
    if (c->leaf_count == 0) {
        c->leaf_count = 1;
        c->leaf[0].first = clock;
    } else if (c->leaf[c->leaf_count - 1].n == YATAI_LEAF_MAX) {
        leaf_cut(doc, c, c->leaf_count - 1, YATAI_LEAF_MAX);
        c->leaf[c->leaf_count - 1].first = clock;
    }
    struct yatai_leaf *leaf = &c->leaf[c->leaf_count - 1];
    c->hit_leaf = c->leaf_count - 1;
    c->hit_at = leaf->n;
    leaf->place[leaf->n++] = (struct yatai_place){clock, item};
    c->struct_count++;
}

/* Moves places of a full leaf to a neighbour with room, so that leaves stay well filled. */
static bool leaf_lean(struct yatai_client *c, struct yatai_pos *pos) {
    struct yatai_leaf *leaf = &c->leaf[pos->leaf];
    if (pos->leaf > 0 && leaf[-1].n <= LEAF_ROOMY) {
        struct yatai_leaf *to = leaf - 1;
        uint32_t k = (YATAI_LEAF_MAX - to->n) / 2u;
        memcpy(to->place + to->n, leaf->place, k * sizeof *to->place);
        memmove(leaf->place, leaf->place + k, (leaf->n - k) * sizeof *to->place);
        to->n = (uint16_t)(to->n + k);
        leaf->n = (uint16_t)(leaf->n - k);
        leaf->first = leaf->place[0].clock;
        if (pos->at <= k) {
            pos->leaf--;
            pos->at += to->n - k;
        } else {
            pos->at -= k;
        }
        return true;
    }
    if (pos->leaf + 1 < c->leaf_count && leaf[1].n <= LEAF_ROOMY) {
        struct yatai_leaf *to = leaf + 1;
        uint32_t k = (YATAI_LEAF_MAX - to->n) / 2u, left = leaf->n - k;
        memmove(to->place + k, to->place, to->n * sizeof *to->place);
        memcpy(to->place, leaf->place + left, k * sizeof *to->place);
        to->n = (uint16_t)(to->n + k);
        leaf->n = (uint16_t)left;
        to->first = to->place[0].clock;
        if (pos->at > left) {
            pos->leaf++;
            pos->at -= left;
        }
        return true;
    }
    return false;
}

void yatai_index_insert_after(struct yata_doc *doc, struct yatai_client *c, struct yatai_pos pos,
                              uint32_t clock, uint32_t item) {
    pos.at++;
    if (c->leaf[pos.leaf].n == YATAI_LEAF_MAX && !leaf_lean(c, &pos)) {
        leaf_cut(doc, c, pos.leaf, YATAI_LEAF_MAX / 2);
        if (pos.at > YATAI_LEAF_MAX / 2) {
            pos.leaf++;
            pos.at -= YATAI_LEAF_MAX / 2;
        }
    }
    struct yatai_leaf *leaf = &c->leaf[pos.leaf];
    memmove(leaf->place + pos.at + 1, leaf->place + pos.at,
            (leaf->n - pos.at) * sizeof *leaf->place);
    leaf->place[pos.at] = (struct yatai_place){clock, item};
    leaf->n++;
    c->struct_count++;
    c->hit_leaf = pos.leaf;
    c->hit_at = pos.at;
}

static void leaf_remove(struct yata_doc *doc, struct yatai_client *c, uint32_t at) {
    struct yatai_place *place = c->leaf[at].place;
    if (YATAI_RESERVE(&doc->mem, &doc->spare, doc->spare.n + 1)) {
        doc->spare.v[doc->spare.n++] = place;
    } else {
        yatai_mem_resize(&doc->mem, place, LEAF_BYTES, 0);
    }
    c->leaf_count--;
    memmove(&c->leaf[at], &c->leaf[at + 1], (c->leaf_count - at) * sizeof *c->leaf);
}

void yatai_index_remove(struct yata_doc *doc, struct yatai_client *c, struct yatai_pos pos) {
    struct yatai_leaf *leaf = &c->leaf[pos.leaf];
    leaf->n--;
    memmove(leaf->place + pos.at, leaf->place + pos.at + 1,
            (leaf->n - pos.at) * sizeof *leaf->place);
    c->struct_count--;
    if (pos.at == 0 && leaf->n > 0) {
        leaf->first = leaf->place[0].clock;
    }
    if (c->leaf_count > 1 && leaf->n < LEAF_SPARSE && pos.leaf > 0 &&
        c->leaf[pos.leaf - 1].n + leaf->n <= YATAI_LEAF_MAX * 3 / 4) {
        struct yatai_leaf *to = leaf - 1;
        memcpy(to->place + to->n, leaf->place, leaf->n * sizeof *leaf->place);
        to->n = (uint16_t)(to->n + leaf->n);
        leaf_remove(doc, c, pos.leaf);
    } else if (c->leaf_count > 1 && leaf->n == 0) {
        leaf_remove(doc, c, pos.leaf);
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
