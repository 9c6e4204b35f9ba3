/* types.c: shared types, the keys of their maps, and the names of root types.
 *
 * A value in a map points to an entry, which knows the type, the key and both ends of the list of
 * values, so the key is stored once and the current value is found at once. The names of the root
 * types are entries as well, of type 0. All entries are in one hash table, and those of one type in
 * a ring, since maps are read in the order in which their keys came.
 */
#include <string.h>

#include "doc.h"

bool yatai_types_reserve(struct yata_doc *doc, size_t types, size_t entries) {
    size_t want = doc->entry_count + entries;
    if (doc->types.n + types > YATAI_HOME_MAX || doc->entries.n + entries > YATAI_HOME_MAX ||
        !YATAI_RESERVE(&doc->mem, &doc->types, doc->types.n + types + 1) ||
        !YATAI_RESERVE(&doc->mem, &doc->entries, doc->entries.n + entries + 1)) {
        return false;
    }
    if (doc->types.n == 0) {
        doc->types.v[doc->types.n++] = (struct yatai_type){0};
    }
    if (doc->entries.n == 0) {
        doc->entries.v[doc->entries.n++] = (struct yatai_entry){0};
    }
    size_t cap = doc->buckets.cap == 0 ? 4 : doc->buckets.cap;
    while (cap < want) {
        cap *= 2;
    }
    if (cap == doc->buckets.cap) {
        return true;
    }
    uint32_t *v = yatai_mem_resize(&doc->mem, NULL, 0, cap * sizeof *v);
    if (!v) {
        return false;
    }
    memset(v, 0, cap * sizeof *v);
    for (size_t b = 0; b < doc->buckets.cap; b++) {
        for (uint32_t e = doc->buckets.v[b], next; e != 0; e = next) {
            struct yatai_entry *entry = &doc->entries.v[e];
            next = entry->next_in_bucket;
            entry->next_in_bucket = v[entry->hash & (cap - 1)];
            v[entry->hash & (cap - 1)] = e;
        }
    }
    YATAI_VEC_FREE(&doc->mem, &doc->buckets);
    doc->buckets.v = v;
    doc->buckets.cap = cap;
    return true;
}

uint32_t yatai_type_new(struct yata_doc *doc, uint32_t item, unsigned type_ref) {
    uint32_t type = doc->free_type;
    if (type != 0) {
        doc->free_type = doc->types.v[type].next;
    } else {
        type = (uint32_t)doc->types.n++;
    }
    doc->types.v[type] =
        (struct yatai_type){.item = item, .type_ref = (uint8_t)type_ref, .live = true};
    doc->type_count++;
    return type;
}

static void entry_drop(struct yata_doc *doc, uint32_t e) {
    struct yatai_entry *entry = &doc->entries.v[e];
    uint32_t *link = &doc->buckets.v[entry->hash & (doc->buckets.cap - 1)];
    while (*link != e) {
        link = &doc->entries.v[*link].next_in_bucket;
    }
    *link = entry->next_in_bucket;
    doc->heap_live -= entry->key_bytes;
    *entry = (struct yatai_entry){.next_in_bucket = doc->free_entry};
    doc->free_entry = e;
    doc->entry_count--;
}

void yatai_type_drop(struct yata_doc *doc, uint32_t type) {
    struct yatai_type *t = &doc->types.v[type];
    for (uint32_t e = yatai_entry_first(doc, type), next; e != 0; e = next) {
        next = yatai_entry_after(doc, e);
        entry_drop(doc, e);
    }
    doc->heap_live -= t->name_bytes;
    *t = (struct yatai_type){.next = doc->free_type};
    doc->free_type = type;
    doc->type_count--;
}

/* FNV-1a, with the type mixed in. Keys of one document can be chosen by its members only, and the
 * chains cost no more than their own document. */
static uint32_t hash_key(uint32_t type, const uint8_t *key, uint32_t n) {
    uint32_t h = 2166136261u ^ (type * 2654435761u);
    for (uint32_t i = 0; i < n; i++) {
        h = (h ^ key[i]) * 16777619u;
    }
    return h ^ (h >> 15);
}

static uint32_t find(const struct yata_doc *doc, uint32_t hash, uint32_t type, const uint8_t *key,
                     uint32_t n) {
    uint32_t e = doc->buckets.v[hash & (doc->buckets.cap - 1)];
    for (; e != 0; e = doc->entries.v[e].next_in_bucket) {
        const struct yatai_entry *entry = &doc->entries.v[e];
        if (entry->hash == hash && entry->type == type && entry->key_bytes == n &&
            (n == 0 || memcmp(doc->heap.v + entry->key, key, n) == 0)) {
            return e;
        }
    }
    return 0;
}

uint32_t yatai_entry_find(const struct yata_doc *doc, uint32_t type, const uint8_t *key,
                          uint32_t n) {
    return doc->buckets.cap == 0 ? 0 : find(doc, hash_key(type, key, n), type, key, n);
}

/* Adds it to the ring of its type, as the newest. */
static void entry_chain(struct yata_doc *doc, uint32_t type, uint32_t e) {
    uint32_t newest = doc->types.v[type].entries;
    uint32_t oldest = newest != 0 ? doc->entries.v[newest].next_in_type : e;
    doc->entries.v[e].next_in_type = oldest;
    if (newest != 0) {
        doc->entries.v[newest].next_in_type = e;
    }
    doc->types.v[type].entries = e;
}

uint32_t yatai_entry_get(struct yata_doc *doc, uint32_t type, const uint8_t *key, uint32_t n) {
    uint32_t hash = hash_key(type, key, n);
    uint32_t e = find(doc, hash, type, key, n);
    if (e != 0) {
        return e;
    }
    uint32_t *bucket = &doc->buckets.v[hash & (doc->buckets.cap - 1)];
    e = doc->free_entry;
    if (e != 0) {
        doc->free_entry = doc->entries.v[e].next_in_bucket;
    } else {
        e = (uint32_t)doc->entries.n++;
    }
    doc->entries.v[e] = (struct yatai_entry){.type = type,
                                             .key = yatai_heap_add(doc, key, n, true),
                                             .key_bytes = n,
                                             .hash = hash,
                                             .next_in_bucket = *bucket};
    entry_chain(doc, type, e);
    *bucket = e;
    doc->entry_count++;
    return e;
}

uint32_t yatai_root_get(struct yata_doc *doc, const uint8_t *name, uint32_t n) {
    uint32_t e = yatai_entry_get(doc, 0, name, n);
    if (doc->entries.v[e].current == 0) {
        uint32_t type = yatai_type_new(doc, 0, 0);
        doc->entries.v[e].current = type;
        doc->types.v[type].root = e;
    }
    return doc->entries.v[e].current;
}
