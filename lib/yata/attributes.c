/* attributes.c: a map from keys to values of formats, as a JavaScript Map: in the order in which
 * keys were added, where a key that was removed and comes back is the last one.
 *
 * Keys and values are named by the structs that have them. Few attributes lie in the set itself;
 * many in an array, with a hash table over it, since a peer decides how many there are. What was
 * removed leaves a gap until the array has to grow.
 */
#include "look.h"

static uint32_t hash_of(struct yata_slice key) {
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < key.n; i++) {
        h = (h ^ key.p[i]) * 16777619u;
    }
    return h ^ (h >> 15);
}

static struct yata_attribute *all(struct yata_attributes *set) {
    return set->v ? set->v : set->few;
}

void yatai_attributes_init(struct yata_attributes *set) {
    *set = (struct yata_attributes){.cap = YATA_ATTRIBUTES_FEW};
}

static size_t array_bytes(uint32_t cap) {
    return cap * sizeof(struct yata_attribute);
}

/* The table has twice as many cells as the array; a cell is an index plus one. */
static size_t table_bytes(uint32_t cap) {
    return (size_t)cap * 2 * sizeof(uint32_t);
}

void yatai_attributes_fini(const struct yata_doc *doc, struct yata_attributes *set) {
    if (set->v) {
        struct yatai_mem *mem = &yatai_caches(doc)->mem;
        yatai_mem_resize(mem, set->v, array_bytes(set->cap), 0);
        yatai_mem_resize(mem, set->table, table_bytes(set->cap), 0);
    }
    yatai_attributes_init(set);
}

static bool same_key(const struct yata_doc *doc, uint32_t format, struct yata_slice key) {
    struct yata_slice other = yatai_format_key(doc, yatai_item(doc, format));
    return other.n == key.n && (key.n == 0 || memcmp(other.p, key.p, key.n) == 0);
}

static struct yata_attribute *find(const struct yata_doc *doc, struct yata_attributes *set,
                                   uint32_t hash, struct yata_slice key) {
    struct yata_attribute *v = all(set);
    if (!set->v) {
        for (uint32_t i = 0; i < set->n; i++) {
            if (v[i].hash == hash && !v[i].dead && same_key(doc, v[i].key, key)) {
                return &v[i];
            }
        }
        return NULL;
    }
    uint32_t mask = set->cap * 2 - 1;
    for (uint32_t cell = hash & mask; set->table[cell] != 0; cell = (cell + 1) & mask) {
        struct yata_attribute *a = &v[set->table[cell] - 1];
        if (a->hash == hash && !a->dead && same_key(doc, a->key, key)) {
            return a;
        }
    }
    return NULL;
}

struct yata_attribute *yatai_attribute_find(const struct yata_doc *doc, struct yata_attributes *set,
                                            uint32_t format) {
    struct yata_slice key = yatai_format_key(doc, yatai_item(doc, format));
    return find(doc, set, hash_of(key), key);
}

static void enter(struct yata_attributes *set, uint32_t i) {
    uint32_t mask = set->cap * 2 - 1, cell = set->v[i].hash & mask;
    while (set->table[cell] != 0) {
        cell = (cell + 1) & mask;
    }
    set->table[cell] = i + 1;
}

/* Moves what is left to a larger array, or to one of the same size when half of it is gaps. */
static bool grow(const struct yata_doc *doc, struct yata_attributes *set) {
    struct yatai_mem *mem = &yatai_caches(doc)->mem;
    uint32_t cap = set->dead > set->n / 2 ? set->cap : set->cap * 2;
    struct yata_attributes to = {.cap = cap};
    to.v = yatai_mem_resize(mem, NULL, 0, array_bytes(cap));
    to.table = yatai_mem_resize(mem, NULL, 0, table_bytes(cap));
    if (!to.v || !to.table) {
        yatai_mem_resize(mem, to.v, to.v ? array_bytes(cap) : 0, 0);
        yatai_mem_resize(mem, to.table, to.table ? table_bytes(cap) : 0, 0);
        return false;
    }
    memset(to.table, 0, table_bytes(cap));
    const struct yata_attribute *v = all(set);
    for (uint32_t i = 0; i < set->n; i++) {
        if (!v[i].dead) {
            to.v[to.n] = v[i];
            enter(&to, to.n++);
        }
    }
    yatai_attributes_fini(doc, set);
    *set = to;
    return true;
}

/* Closes the gaps of the set itself. */
static void close_gaps(struct yata_attributes *set) {
    uint32_t to = 0;
    for (uint32_t i = 0; i < set->n; i++) {
        if (!set->few[i].dead) {
            set->few[to++] = set->few[i];
        }
    }
    set->n = to;
    set->dead = 0;
}

bool yatai_attribute_set(const struct yata_doc *doc, struct yata_attributes *set, uint32_t format,
                         uint32_t value) {
    struct yata_slice key = yatai_format_key(doc, yatai_item(doc, format));
    uint32_t hash = hash_of(key);
    struct yata_attribute *a = find(doc, set, hash, key);
    if (a) {
        a->value = value;
        return true;
    }
    if (set->n == set->cap && !set->v && set->dead > 0) {
        close_gaps(set);
    }
    if (set->n == set->cap && !grow(doc, set)) {
        return false;
    }
    all(set)[set->n++] = (struct yata_attribute){.key = format, .value = value, .hash = hash};
    if (set->v) {
        enter(set, set->n - 1);
    }
    return true;
}

void yatai_attribute_remove(struct yata_attributes *set, struct yata_attribute *a) {
    a->dead = true;
    set->dead++;
}

const struct yata_attribute *yatai_attribute_next(const struct yata_attributes *set, size_t *at) {
    const struct yata_attribute *v = set->v ? set->v : set->few;
    while (*at < set->n && v[*at].dead) {
        (*at)++;
    }
    return *at < set->n ? &v[(*at)++] : NULL;
}

bool yatai_attributes_take(const struct yata_doc *doc, struct yata_attributes *set,
                           uint32_t format) {
    struct yatai_val value = yatai_format_value(doc, yatai_item(doc, format));
    if (!yatai_val_is_null(&value)) {
        return yatai_attribute_set(doc, set, format, format);
    }
    struct yata_attribute *a = yatai_attribute_find(doc, set, format);
    if (a) {
        yatai_attribute_remove(set, a);
    }
    return true;
}
