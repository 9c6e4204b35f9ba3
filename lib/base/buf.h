/* buf.h: a growing byte buffer with a maximum.
 *
 * A write that would pass the maximum, or for which there is no memory, sets `failed` and writes
 * nothing; later writes do nothing either. So a writer checks once, at the end.
 *
 * Thread: one owner. Embed only; fields are read-only for users. buf_fini is safe on zeroed memory.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>

#include "base/slice.h"

struct buf {
    uint8_t *p;
    size_t n;   /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* bytes allowed; 0 means no limit but memory */
    bool failed;
};

void buf_init(struct buf *, size_t max_bytes);
void buf_fini(struct buf *);
/* Empty, keeping the memory; clears `failed`. */
void buf_clear(struct buf *);
/* Makes room for `n` more bytes and returns where they go, or NULL (and sets `failed`). The caller
 * writes them and calls buf_commit. */
uint8_t *buf_reserve(struct buf *, size_t n);
void buf_commit(struct buf *, size_t n);
void buf_put(struct buf *, const void *p, size_t n);
void buf_put_u8(struct buf *, uint8_t);
void buf_put_str(struct buf *, const char *);
void buf_put_slice(struct buf *, slice);
/* Decimal digits. */
void buf_put_u64(struct buf *, uint64_t);
void buf_put_i64(struct buf *, int64_t);
/* lib0 variable-length unsigned integer. */
void buf_put_varuint(struct buf *, uint64_t);
void buf_printf(struct buf *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Removes the first `n` bytes. */
void buf_consume(struct buf *, size_t n);

static inline slice buf_slice(const struct buf *b) {
    return (slice){b->p, b->n};
}

#endif
