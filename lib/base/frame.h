/* frame.h: counted, immutable bytes that many queues on many threads may share.
 *
 * A frame is written once, by frame_new's caller or by frame_take_buf, before its first hand-over.
 * After that nobody writes it: to change a frame, make a new one.
 *
 * Thread: any; the count is atomic.
 */
#ifndef BASE_FRAME_H
#define BASE_FRAME_H

#include <stdatomic.h>

#include "base/slice.h"

struct buf;

struct frame {
    atomic_uint refs;
    size_t n; /* bytes */
    uint8_t bytes[];
};

/* A frame of `n` bytes, count one, bytes to be filled by the caller. NULL when memory is out. */
struct frame *frame_try_new(size_t n);
/* A frame holding a copy of `s`; aborts when memory is out (use for sizes bounded by caps). */
struct frame *frame_copy(slice s);
struct frame *frame_ref(struct frame *);
/* Drops one count, frees at zero; accepts NULL; always returns NULL. */
struct frame *frame_unref(struct frame *);

static inline slice frame_slice(const struct frame *f) {
    return f ? slice_of(f->bytes, f->n) : (slice){0};
}

#endif
