/* mem.h: counted memory, growing arrays and growing output, as everything in libyata uses them.
 *
 * Thread: as the owner of the memory. Memory: each array belongs to the struct that embeds it.
 */
#ifndef YATA_MEM_H
#define YATA_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "yata.h"

/* Where memory comes from, and how much of it is in use. Embed only. */
struct yatai_mem {
    void *(*realloc_fn)(void *ctx, void *p, size_t n);
    void *ctx;
    size_t used_bytes;
    size_t limit_bytes; /* 0: none; more is not given */
    bool limited;       /* because of that, something was not */
};

/* A source that is malloc and free. */
struct yatai_mem yatai_mem_libc(void);
/* Like realloc, with the old size told; new_bytes 0 frees and returns NULL. */
void *yatai_mem_resize(struct yatai_mem *, void *p, size_t old_bytes, size_t new_bytes);

/* A growing array: struct { T *v; size_t n, cap; }. */
#define YATAI_VEC(T)                                                                               \
    struct {                                                                                       \
        T *v;                                                                                      \
        size_t n, cap;                                                                             \
    }

/* True when the array has place for `want` elements in all. */
#define YATAI_RESERVE(mem, vec, want)                                                              \
    ((want) <= (vec)->cap ||                                                                       \
     ((vec)->v = yatai_vec_grow((mem), (vec)->v, &(vec)->cap, (want), sizeof *(vec)->v),           \
      (want) <= (vec)->cap))

/* True when `x` was added; the array grows geometrically. */
#define YATAI_PUSH(mem, vec, ...)                                                                  \
    (YATAI_RESERVE(mem, vec, (vec)->n + 1) && ((vec)->v[(vec)->n++] = (__VA_ARGS__), true))

#define YATAI_VEC_FREE(mem, vec)                                                                   \
    do {                                                                                           \
        yatai_mem_resize((mem), (vec)->v, (vec)->cap * sizeof *(vec)->v, 0);                       \
        (vec)->v = NULL;                                                                           \
        (vec)->n = (vec)->cap = 0;                                                                 \
    } while (0)

/* Behind the macros: the array, moved if that was possible; *cap tells. */
void *yatai_vec_grow(struct yatai_mem *, void *v, size_t *cap, size_t want, size_t element_bytes);

/* By how many elements an array of so many grows. */
size_t yatai_vec_step(size_t n, size_t element_bytes);

/* Growing output. A failed growth is remembered and everything after it is dropped, so that writers
 * check once, at the end. Embed only. */
struct yatai_out {
    struct yatai_mem *mem;
    uint8_t *p;
    size_t n, cap;
    bool failed;
};

#define YATAI_UINT_MAX_BYTES 8

void yatai_out_fini(struct yatai_out *);
/* Makes room for n more bytes; false when that failed. */
bool yatai_out_room(struct yatai_out *, size_t n);
void yatai_out_byte(struct yatai_out *, uint8_t);
void yatai_out_uint(struct yatai_out *, uint64_t);                         /* lib0 varUint */
void yatai_out_int(struct yatai_out *, uint64_t magnitude, bool negative); /* lib0 varInt */
void yatai_out_bytes(struct yatai_out *, const void *p, size_t n);
/* A varUint length and the bytes. */
void yatai_out_string(struct yatai_out *, const void *p, size_t n);
/* Moves output that was made with libc memory to a caller, or reports that memory was out. */
enum yata_status yatai_out_give(struct yatai_out *, struct yata_bytes *ret);

/* Writes a varUint where at least YATAI_UINT_MAX_BYTES are free and returns the end. */
static inline uint8_t *yatai_put_uint(uint8_t *p, uint64_t x) {
    while (x > 0x7f) {
        *p++ = (uint8_t)(x | 0x80);
        x >>= 7;
    }
    *p++ = (uint8_t)x;
    return p;
}

#endif
