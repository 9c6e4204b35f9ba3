/* arena.h: memory for one inbound message: allocate freely, reset once.
 *
 * Thread: one owner. Embed only. arena_fini is safe on zeroed memory.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes in the newest block */
};

void arena_fini(struct arena *);
/* Forgets all allocations; keeps one block of ordinary size for the next message. */
void arena_reset(struct arena *);
/* `bytes`, aligned for any type, not zeroed; NULL when memory is out. */
void *arena_alloc(struct arena *, size_t bytes);

#endif
