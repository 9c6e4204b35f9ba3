#include "base/frame.h"

#include "base/alloc.h"
#include "base/must.h"

struct frame *frame_try_new(size_t n) {
    struct frame *f = mem_try_resize(NULL, sizeof *f + n);
    if (f) {
        atomic_init(&f->refs, 1);
        f->n = n;
    }
    return f;
}

struct frame *frame_copy(slice s) {
    struct frame *f = frame_try_new(s.n);
    must(f != NULL);
    if (s.n) {
        memcpy(f->bytes, s.p, s.n);
    }
    return f;
}

struct frame *frame_ref(struct frame *f) {
    /* relaxed: whoever hands us the pointer already holds a count */
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

struct frame *frame_unref(struct frame *f) {
    /* acquire-release: the last holder must see every other holder's reads finished */
    if (f && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1) {
        mem_free(f);
    }
    return NULL;
}
