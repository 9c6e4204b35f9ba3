/* places.c: a table of spots for each of the few lists in which places are being found.
 *
 * Spot 0 is the start of the list, whatever stands there; the others name structs. What is between
 * a spot and the next belongs to it. A change finds its spot by walking left, at most about
 * SPOT_MOST structs; one bit for each struct of the document says which are spots. Above the spots
 * stand sums of SUM_SPOTS of them each, so that finding a place looks at a handful of numbers and
 * then walks within one spot.
 */
#include "places.h"

#include <string.h>

#define LISTS_MOST   8    /* with tables at a time */
#define WALK_SHORT   64   /* structs; who finds a place in so many needs no table */
#define SPOT_STRUCTS 64   /* between spots of a new table, */
#define SPOT_MOST    128  /* and before a spot is parted in two */
#define SUM_SPOTS    64   /* a power of two */
#define UNUSED_MOST  4096 /* changes that a table follows without being used */

struct spot {
    uint32_t item; /* 0: the start */
    uint32_t formats;
    uint64_t units;
};

struct table {
    uint32_t type;
    uint32_t used;    /* when */
    uint32_t changes; /* since */
    YATAI_VEC(struct spot) spots;
    YATAI_VEC(uint64_t) sums;
};

struct yatai_places {
    struct table tables[LISTS_MOST];
    size_t n;
    uint32_t now;
    YATAI_VEC(uint64_t) is_spot; /* a bit for each handle */
};

static uint32_t counted(const struct yatai_item *it) {
    unsigned kind = yatai_kind(it);
    bool counts = kind != YATAI_GC && kind != YATAI_DELETED && kind != YATAI_FORMAT;
    return counts && !it->deleted ? it->len : 0;
}

static bool is_live_format(const struct yatai_item *it) {
    return yatai_kind(it) == YATAI_FORMAT && !it->deleted;
}

static struct table *table_of(const struct yata_doc *doc, uint32_t type) {
    struct yatai_places *p = doc->places;
    for (size_t i = 0; p && i < p->n; i++) {
        if (p->tables[i].type == type) {
            return &p->tables[i];
        }
    }
    return NULL;
}

/* ---- bits ----------------------------------------------------------------------------------- */

static bool is_spot(const struct yatai_places *p, uint32_t item) {
    size_t word = item / 64;
    return word < p->is_spot.n && (p->is_spot.v[word] >> item % 64 & 1) != 0;
}

static bool mark(struct yata_doc *doc, uint32_t item) {
    struct yatai_places *p = doc->places;
    size_t words = item / 64 + 1;
    if (!YATAI_RESERVE(&doc->mem, &p->is_spot, words)) {
        return false;
    }
    while (p->is_spot.n < words) {
        p->is_spot.v[p->is_spot.n++] = 0;
    }
    p->is_spot.v[words - 1] |= UINT64_C(1) << item % 64;
    return true;
}

static void unmark(struct yatai_places *p, uint32_t item) {
    p->is_spot.v[item / 64] &= ~(UINT64_C(1) << item % 64);
}

/* ---- tables --------------------------------------------------------------------------------- */

static void drop_table(struct yata_doc *doc, struct table *t) {
    struct yatai_places *p = doc->places;
    for (size_t i = 1; i < t->spots.n; i++) {
        unmark(p, t->spots.v[i].item);
    }
    YATAI_VEC_FREE(&doc->mem, &t->spots);
    YATAI_VEC_FREE(&doc->mem, &t->sums);
    *t = p->tables[--p->n];
    if (p->n == 0) {
        yatai_places_fini(doc);
    }
}

static bool add_spot(struct yata_doc *doc, struct table *t, uint32_t item) {
    if ((item != 0 && !mark(doc, item)) ||
        !YATAI_PUSH(&doc->mem, &t->spots, (struct spot){.item = item})) {
        return false;
    }
    return true;
}

/* Adds up again from a spot on. */
static bool sum_up(struct yata_doc *doc, struct table *t, size_t from) {
    size_t n = (t->spots.n + SUM_SPOTS - 1) / SUM_SPOTS;
    if (!YATAI_RESERVE(&doc->mem, &t->sums, n)) {
        return false;
    }
    t->sums.n = n;
    for (size_t i = from / SUM_SPOTS; i < n; i++) {
        t->sums.v[i] = 0;
        for (size_t k = i * SUM_SPOTS; k < t->spots.n && k < (i + 1) * SUM_SPOTS; k++) {
            t->sums.v[i] += t->spots.v[k].units;
        }
    }
    return true;
}

static bool fill(struct yata_doc *doc, struct table *t) {
    bool ok = add_spot(doc, t, 0);
    size_t structs = 0;
    for (uint32_t h = doc->types.v[t->type].start; ok && h != 0; structs++) {
        const struct yatai_item *it = yatai_item(doc, h);
        if (structs == SPOT_STRUCTS) {
            ok = add_spot(doc, t, h);
            structs = 0;
        }
        if (ok) {
            struct spot *s = &t->spots.v[t->spots.n - 1];
            s->units += counted(it);
            s->formats += is_live_format(it);
        }
        h = it->right;
    }
    return ok && sum_up(doc, t, 0);
}

static void make_table(struct yata_doc *doc, uint32_t type) {
    struct yatai_places *p = doc->places;
    if (!p) {
        p = yatai_mem_resize(&doc->mem, NULL, 0, sizeof *p);
        if (!p) {
            return;
        }
        memset(p, 0, sizeof *p);
        doc->places = p;
    }
    if (p->n == LISTS_MOST) {
        struct table *oldest = p->tables;
        for (size_t i = 1; i < p->n; i++) {
            oldest = p->tables[i].used < oldest->used ? &p->tables[i] : oldest;
        }
        drop_table(doc, oldest);
    }
    struct table *t = &p->tables[p->n++];
    *t = (struct table){.type = type, .used = ++p->now};
    if (!fill(doc, t)) {
        drop_table(doc, t);
    }
}

/* A new spot behind `at`, which gives it `units` and `formats`. False: the table was dropped. */
static bool part_spot(struct yata_doc *doc, struct table *t, size_t at, uint32_t item,
                      struct spot keeps) {
    if (!add_spot(doc, t, item)) {
        drop_table(doc, t);
        return false;
    }
    struct spot *s = t->spots.v;
    memmove(&s[at + 2], &s[at + 1], (t->spots.n - at - 2) * sizeof *s);
    s[at + 1] = (struct spot){item, s[at].formats - keeps.formats, s[at].units - keeps.units};
    s[at].units = keeps.units;
    s[at].formats = keeps.formats;
    if (!sum_up(doc, t, at)) {
        drop_table(doc, t);
        return false;
    }
    return true;
}

/* ---- finding -------------------------------------------------------------------------------- */

static uint32_t first_of(const struct yata_doc *doc, uint32_t type, uint32_t item) {
    return item != 0 ? item : doc->types.v[type].start;
}

static uint32_t find_walking(struct yata_doc *doc, uint32_t type, size_t index,
                             size_t *ret_before) {
    size_t before = 0, structs = 0;
    uint32_t h = doc->types.v[type].start;
    for (; h != 0; h = yatai_item(doc, h)->right, structs++) {
        uint32_t units = counted(yatai_item(doc, h));
        if (index <= before + units) {
            break;
        }
        before += units;
    }
    if (structs > WALK_SHORT) {
        make_table(doc, type);
    }
    *ret_before = before;
    return h;
}

/* The spot that holds unit `index` - 1; false when the list ends before. */
static bool find_spot(const struct table *t, size_t index, size_t *ret, size_t *ret_before) {
    size_t before = 0, i = 0;
    while (i < t->sums.n && before + t->sums.v[i] < index) {
        before += t->sums.v[i++];
    }
    if (i == t->sums.n) {
        return false;
    }
    for (i *= SUM_SPOTS; before + t->spots.v[i].units < index; i++) {
        before += t->spots.v[i].units;
    }
    *ret = i;
    *ret_before = before;
    return true;
}

uint32_t yatai_places_find(struct yata_doc *doc, uint32_t type, size_t index, size_t *ret_before) {
    struct table *t = table_of(doc, type);
    size_t s, before, structs = 0;
    if (!t) {
        return find_walking(doc, type, index, ret_before);
    }
    t->used = ++doc->places->now;
    t->changes = 0;
    if (!find_spot(t, index, &s, &before)) {
        return 0;
    }
    struct spot passed = {0};
    for (uint32_t h = first_of(doc, type, t->spots.v[s].item); h != 0;) {
        const struct yatai_item *it = yatai_item(doc, h);
        if (t && ++structs > SPOT_MOST) {
            if (!part_spot(doc, t, s, h, passed)) {
                t = NULL;
            }
            s++;
            structs = 0;
            passed = (struct spot){0};
        }
        uint32_t units = counted(it);
        if (index <= before + units) {
            *ret_before = before;
            return h;
        }
        before += units;
        passed.units += units;
        passed.formats += is_live_format(it);
        h = it->right;
    }
    return 0;
}

uint32_t yatai_places_last(struct yata_doc *doc, uint32_t type) {
    struct table *t = table_of(doc, type);
    size_t structs = 0;
    uint32_t h = first_of(doc, type, t ? t->spots.v[t->spots.n - 1].item : 0), last = 0;
    for (; h != 0; h = yatai_item(doc, h)->right) {
        last = h;
        structs++;
    }
    if (t) {
        t->used = ++doc->places->now;
        t->changes = 0;
        if (structs > SPOT_MOST) {
            struct spot keeps = t->spots.v[t->spots.n - 1];
            keeps.units -= counted(yatai_item(doc, last));
            keeps.formats -= is_live_format(yatai_item(doc, last));
            (void)part_spot(doc, t, t->spots.n - 1, last, keeps);
        }
    } else if (structs > WALK_SHORT) {
        make_table(doc, type);
    }
    return last;
}

/* ---- following changes ---------------------------------------------------------------------- */

/* The spot that a struct of the list belongs to. */
static size_t spot_of(const struct yata_doc *doc, const struct table *t, uint32_t item) {
    while (!is_spot(doc->places, item)) {
        item = yatai_item(doc, item)->left;
        if (item == 0) {
            return 0;
        }
    }
    size_t i = 0;
    while (t->spots.v[i].item != item) {
        i++;
    }
    return i;
}

/* The table of a list that has changed, unless it is not worth keeping. */
static struct table *changed(struct yata_doc *doc, const struct yatai_item *it) {
    struct table *t = it->map ? NULL : table_of(doc, it->home);
    if (t && ++t->changes > UNUSED_MOST) {
        drop_table(doc, t);
        t = NULL;
    }
    return t;
}

void yatai_places_came(struct yata_doc *doc, uint32_t item, uint32_t units) {
    const struct yatai_item *it = yatai_item(doc, item);
    struct table *t = changed(doc, it);
    if (!t || (counted(it) == 0 && !is_live_format(it))) {
        return;
    }
    size_t i = spot_of(doc, t, item);
    bool counts = yatai_kind(it) != YATAI_FORMAT;
    t->spots.v[i].units += counts ? units : 0;
    t->spots.v[i].formats += !counts;
    t->sums.v[i / SUM_SPOTS] += counts ? units : 0;
}

void yatai_places_went(struct yata_doc *doc, const struct yatai_item *it) {
    if (yatai_kind(it) == YATAI_TYPE) {
        yatai_places_drop(doc, it->content);
    }
    struct table *t = doc->places ? changed(doc, it) : NULL;
    if (!t) {
        return;
    }
    size_t i = spot_of(doc, t, (uint32_t)(it - doc->items.v));
    uint32_t units = counted(it);
    t->spots.v[i].units -= units;
    t->spots.v[i].formats -= is_live_format(it);
    t->sums.v[i / SUM_SPOTS] -= units;
}

void yatai_places_merge(struct yata_doc *doc, uint32_t item) {
    if (!is_spot(doc->places, item)) {
        return;
    }
    struct table *t = table_of(doc, yatai_item(doc, item)->home);
    size_t i = spot_of(doc, t, item);
    struct spot *s = t->spots.v;
    s[i - 1].units += s[i].units;
    s[i - 1].formats += s[i].formats;
    unmark(doc->places, item);
    t->spots.n--;
    memmove(&s[i], &s[i + 1], (t->spots.n - i) * sizeof *s);
    (void)sum_up(doc, t, i - 1); /* needs no more room than there is */
}

void yatai_places_drop(struct yata_doc *doc, uint32_t type) {
    struct table *t = table_of(doc, type);
    if (t) {
        drop_table(doc, t);
    }
}

void yatai_places_fini(struct yata_doc *doc) {
    struct yatai_places *p = doc->places;
    if (!p) {
        return;
    }
    for (size_t i = 0; i < p->n; i++) {
        YATAI_VEC_FREE(&doc->mem, &p->tables[i].spots);
        YATAI_VEC_FREE(&doc->mem, &p->tables[i].sums);
    }
    YATAI_VEC_FREE(&doc->mem, &p->is_spot);
    yatai_mem_resize(&doc->mem, p, sizeof *p, 0);
    doc->places = NULL;
}

/* ---- formats -------------------------------------------------------------------------------- */

/* Goes to the next spot that has formats, or to the last one. */
static void enter_spot(const struct table *t, struct yatai_walk *w) {
    while (w->spot < w->last && t->spots.v[w->spot].formats == 0) {
        w->spot++;
        w->at = t->spots.v[w->spot].item;
    }
}

struct yatai_walk yatai_formats_before(struct yata_doc *doc, uint32_t type, uint32_t until) {
    struct yatai_walk w = {.type = type, .at = doc->types.v[type].start, .until = until};
    const struct table *t = table_of(doc, type);
    if (t) {
        w.last = until != 0 ? spot_of(doc, t, until) : t->spots.n - 1;
        enter_spot(t, &w);
    }
    return w;
}

uint32_t yatai_formats_next(const struct yata_doc *doc, struct yatai_walk *w) {
    const struct table *t = table_of(doc, w->type);
    while (w->at != w->until) {
        if (w->spot < w->last && w->at == t->spots.v[w->spot + 1].item) {
            w->spot++;
            enter_spot(t, w);
            continue;
        }
        uint32_t h = w->at;
        const struct yatai_item *it = yatai_item(doc, h);
        w->at = it->right;
        if (is_live_format(it)) {
            return h;
        }
    }
    return 0;
}
