#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>

#include "base/alloc.h"

enum { BLOCK_BYTES = 16 * 1024 }; /* one keystroke or cursor update fits many times over */

struct arena_block {
    struct arena_block *older;
    size_t cap;
    alignas(max_align_t) uint8_t bytes[];
};

void arena_fini(struct arena *a) {
    while (a->blocks) {
        struct arena_block *b = a->blocks;
        a->blocks = b->older;
        mem_free(b);
    }
    a->used = 0;
}

void arena_reset(struct arena *a) {
    struct arena_block *b = a->blocks;
    if (b && !b->older && b->cap == BLOCK_BYTES) {
        a->used = 0;
    } else {
        arena_fini(a);
    }
}

void *arena_alloc(struct arena *a, size_t bytes) {
    const size_t align = alignof(max_align_t);
    if (bytes > SIZE_MAX / 2) {
        return NULL;
    }
    bytes = (bytes + align - 1) / align * align;
    if (!a->blocks || a->blocks->cap - a->used < bytes) {
        size_t cap = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        struct arena_block *b = mem_try_resize(NULL, sizeof *b + cap);
        if (!b) {
            return NULL;
        }
        *b = (struct arena_block){.older = a->blocks, .cap = cap};
        a->blocks = b;
        a->used = 0;
    }
    void *p = a->blocks->bytes + a->used;
    a->used += bytes;
    return p;
}
