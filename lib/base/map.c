#include "base/map.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"
#include "base/rand.h"

enum { HASH_FREE = 0, HASH_DEAD = 1, MIN_CAP = 16 };

static uint64_t live_hash(uint64_t h) {
    return h > HASH_DEAD ? h : h + 2;
}

static uint64_t hash_bytes(const struct map *m, slice key) {
    return live_hash(XXH3_64bits_withSeed(key.p, key.n, m->seed));
}

static uint64_t hash_u64(const struct map *m, uint64_t key) {
    return live_hash(XXH3_64bits_withSeed(&key, sizeof key, m->seed));
}

static bool same_key(slice a, slice b) {
    if (!a.p || !b.p) {
        return a.p == b.p && a.n == b.n;
    }
    return slice_eq(a, b);
}

static struct map_slot *lookup(const struct map *m, uint64_t hash, slice key) {
    if (!m->cap) {
        return NULL;
    }
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_slot *s = &m->slots[i];
        if (s->hash == HASH_FREE) {
            return NULL;
        }
        if (s->hash == hash && same_key(s->key, key)) {
            return s;
        }
    }
}

static void place(struct map *m, struct map_slot entry) {
    size_t i = entry.hash & (m->cap - 1);
    while (m->slots[i].hash > HASH_DEAD) {
        i = (i + 1) & (m->cap - 1);
    }
    if (m->slots[i].hash == HASH_DEAD) {
        m->dead--;
    }
    m->slots[i] = entry;
    m->used++;
}

/* Keeps live and removed slots under three quarters of the table. */
static void make_room(struct map *m) {
    if (!m->cap) {
        m->seed = rand_u64();
    }
    if ((m->used + m->dead + 1) * 4 <= m->cap * 3) {
        return;
    }
    struct map old = *m;
    while (m->cap < MIN_CAP || (m->used + 1) * 2 > m->cap) {
        m->cap = m->cap ? m->cap * 2 : MIN_CAP;
    }
    m->slots = mem_new(m->cap * sizeof *m->slots);
    m->used = m->dead = 0;
    for (size_t i = 0; i < old.cap; i++) {
        if (old.slots[i].hash > HASH_DEAD) {
            place(m, old.slots[i]);
        }
    }
    mem_free(old.slots);
}

static void *set(struct map *m, uint64_t hash, slice key, void *value) {
    struct map_slot *s = lookup(m, hash, key);
    if (s) {
        void *old = s->value;
        s->key = key;
        s->value = value;
        return old;
    }
    place(m, (struct map_slot){hash, key, value});
    return NULL;
}

static void *remove_slot(struct map *m, struct map_slot *s) {
    if (!s) {
        return NULL;
    }
    void *value = s->value;
    *s = (struct map_slot){.hash = HASH_DEAD};
    m->used--;
    m->dead++;
    return value;
}

void map_fini(struct map *m) {
    mem_free(m->slots);
    *m = (struct map){0};
}

void *map_find(const struct map *m, slice key) {
    struct map_slot *s = lookup(m, m->cap ? hash_bytes(m, key) : 0, key);
    return s ? s->value : NULL;
}

void *map_set(struct map *m, slice key, void *value) {
    make_room(m);
    return set(m, hash_bytes(m, key), key, value);
}

void *map_remove(struct map *m, slice key) {
    return remove_slot(m, lookup(m, m->cap ? hash_bytes(m, key) : 0, key));
}

void *map_find_u64(const struct map *m, uint64_t key) {
    struct map_slot *s = lookup(m, m->cap ? hash_u64(m, key) : 0, (slice){NULL, key});
    return s ? s->value : NULL;
}

void *map_set_u64(struct map *m, uint64_t key, void *value) {
    make_room(m);
    return set(m, hash_u64(m, key), (slice){NULL, key}, value);
}

void *map_remove_u64(struct map *m, uint64_t key) {
    return remove_slot(m, lookup(m, m->cap ? hash_u64(m, key) : 0, (slice){NULL, key}));
}

void *map_next(const struct map *m, size_t *at) {
    while (*at < m->cap) {
        struct map_slot *s = &m->slots[(*at)++];
        if (s->hash > HASH_DEAD) {
            return s->value;
        }
    }
    return NULL;
}
