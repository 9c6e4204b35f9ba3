/* map.h: hash map from bytes or 64-bit numbers to pointers. Open addressing, linear probing,
 * a power of two of slots, hashes stored. The hash is XXH3 with a secret seed drawn once per map,
 * because room names and client ids are chosen by peers.
 *
 * Keys given as bytes are borrowed: they must live as long as the entry (usually they stand inside
 * the value). A zeroed map is empty and usable. Aborts when memory for the table is out.
 *
 * Thread: one owner. Embed only.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/slice.h"

struct map_slot {
    uint64_t hash; /* 0: never used; 1: was removed */
    slice key;     /* for numbers: p NULL, n the number */
    void *value;
};

struct map {
    struct map_slot *slots;
    size_t cap;  /* slots, a power of two, or 0 */
    size_t used; /* live entries */
    size_t dead; /* removed slots not yet swept */
    uint64_t seed;
};

/* Frees the table, not the values. */
void map_fini(struct map *);
/* The value, or NULL. */
void *map_find(const struct map *, slice key);
/* Adds or replaces; returns the previous value or NULL. `value` must not be NULL. */
void *map_set(struct map *, slice key, void *value);
/* Removes; returns the value or NULL. */
void *map_remove(struct map *, slice key);

void *map_find_u64(const struct map *, uint64_t key);
void *map_set_u64(struct map *, uint64_t key, void *value);
void *map_remove_u64(struct map *, uint64_t key);

/* Iterates: start with *at = 0; NULL at the end. The current entry may be removed meanwhile;
 * nothing may be added. */
void *map_next(const struct map *, size_t *at);

#endif
