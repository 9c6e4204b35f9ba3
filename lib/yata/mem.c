/* mem.c: counted memory, growing arrays, growing output.
 *
 * One place knows the caller's allocator, so that each byte of a document is counted and every
 * failure of an allocation takes one of two ways: a reservation made before anything changes, or
 * the sticky flag of an output.
 */
#include "mem.h"

#include <stdlib.h>
#include <string.h>

/* From these sizes on arrays grow by an eighth, and by a sixteenth, instead of by half: small ones
 * shall seldom have to, and large ones weigh. */
#define MEDIUM_BYTES 4096
#define LARGE_BYTES  65536

static void *libc_resize(void *ctx, void *p, size_t n) {
    (void)ctx;
    if (n == 0) {
        free(p);
        return NULL;
    }
    return realloc(p, n);
}

struct yatai_mem yatai_mem_libc(void) {
    return (struct yatai_mem){.realloc_fn = libc_resize};
}

void *yatai_mem_resize(struct yatai_mem *mem, void *p, size_t old_bytes, size_t new_bytes) {
    if (new_bytes == 0) {
        if (p) {
            mem->realloc_fn(mem->ctx, p, 0);
        }
        mem->used_bytes -= old_bytes;
        return NULL;
    }
    if (mem->limit_bytes != 0 && new_bytes > old_bytes &&
        new_bytes - old_bytes + mem->used_bytes > mem->limit_bytes) {
        mem->limited = true;
        return NULL;
    }
    void *q = mem->realloc_fn(mem->ctx, p, new_bytes);
    if (q) {
        mem->used_bytes += new_bytes - old_bytes;
    }
    return q;
}

size_t yatai_vec_step(size_t n, size_t element_bytes) {
    size_t bytes = n * element_bytes;
    return n / (bytes < MEDIUM_BYTES ? 2 : bytes < LARGE_BYTES ? 8 : 16);
}

void *yatai_vec_grow(struct yatai_mem *mem, void *v, size_t *cap, size_t want,
                     size_t element_bytes) {
    size_t most = SIZE_MAX / 2 / element_bytes;
    if (want > most) {
        return v;
    }
    size_t to = *cap + yatai_vec_step(*cap, element_bytes);
    if (to < want) {
        to = want;
    }
    if (to < 4) {
        to = 4;
    }
    void *p = yatai_mem_resize(mem, v, *cap * element_bytes, to * element_bytes);
    if (!p && to > want) {
        to = want;
        p = yatai_mem_resize(mem, v, *cap * element_bytes, to * element_bytes);
    }
    if (!p) {
        return v;
    }
    *cap = to;
    return p;
}

void yatai_out_fini(struct yatai_out *out) {
    if (out->mem) {
        yatai_mem_resize(out->mem, out->p, out->cap, 0);
    }
    *out = (struct yatai_out){0};
}

bool yatai_out_room(struct yatai_out *out, size_t n) {
    if (out->failed) {
        return false;
    }
    if (n <= out->cap - out->n) {
        return true;
    }
    if (n > SIZE_MAX / 4 - out->n) {
        out->failed = true;
        return false;
    }
    size_t to = out->cap * 2 > out->n + n ? out->cap * 2 : out->n + n;
    if (to < 64) {
        to = 64;
    }
    uint8_t *p = yatai_mem_resize(out->mem, out->p, out->cap, to);
    if (!p) {
        out->failed = true;
        return false;
    }
    out->p = p;
    out->cap = to;
    return true;
}

void yatai_out_byte(struct yatai_out *out, uint8_t x) {
    if (yatai_out_room(out, 1)) {
        out->p[out->n++] = x;
    }
}

void yatai_out_uint(struct yatai_out *out, uint64_t x) {
    if (yatai_out_room(out, YATAI_UINT_MAX_BYTES)) {
        out->n = (size_t)(yatai_put_uint(out->p + out->n, x) - out->p);
    }
}

void yatai_out_int(struct yatai_out *out, uint64_t magnitude, bool negative) {
    uint64_t more = magnitude >> 6;
    yatai_out_byte(out,
                   (uint8_t)((more > 0 ? 0x80 : 0) | (negative ? 0x40 : 0) | (magnitude & 0x3f)));
    if (more > 0) {
        yatai_out_uint(out, more);
    }
}

void yatai_out_bytes(struct yatai_out *out, const void *p, size_t n) {
    if (n > 0 && yatai_out_room(out, n)) {
        memcpy(out->p + out->n, p, n);
        out->n += n;
    }
}

void yatai_out_string(struct yatai_out *out, const void *p, size_t n) {
    yatai_out_uint(out, n);
    yatai_out_bytes(out, p, n);
}

enum yata_status yatai_out_give(struct yatai_out *out, struct yata_bytes *ret) {
    if (out->failed) {
        yatai_out_fini(out);
        return YATA_NOMEM;
    }
    *ret = (struct yata_bytes){.p = out->p, .n = out->n, .cap = out->cap};
    *out = (struct yatai_out){0};
    return YATA_OK;
}

void yata_bytes_fini(struct yata_bytes *bytes) {
    free(bytes->p);
    *bytes = (struct yata_bytes){0};
}
