#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/varuint.h"

void buf_init(struct buf *b, size_t max_bytes) {
    *b = (struct buf){.max = max_bytes};
}

void buf_fini(struct buf *b) {
    mem_free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b) {
    b->n = 0;
    b->failed = false;
}

uint8_t *buf_reserve(struct buf *b, size_t n) {
    size_t limit = b->max ? b->max : SIZE_MAX / 2;
    if (b->failed || n > limit || b->n > limit - n) {
        b->failed = true;
        return NULL;
    }
    if (b->n + n > b->cap || !b->p) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap < b->n + n) {
            cap *= 2;
        }
        uint8_t *p = mem_try_resize(b->p, cap);
        if (!p) {
            b->failed = true;
            return NULL;
        }
        b->p = p;
        b->cap = cap;
    }
    return b->p + b->n;
}

void buf_commit(struct buf *b, size_t n) {
    must(n <= b->cap - b->n);
    b->n += n;
}

void buf_put(struct buf *b, const void *p, size_t n) {
    uint8_t *to = n ? buf_reserve(b, n) : NULL; /* nothing takes no memory */
    if (to) {
        memcpy(to, p, n);
        b->n += n;
    }
}

void buf_put_u8(struct buf *b, uint8_t v) {
    buf_put(b, &v, 1);
}

void buf_put_str(struct buf *b, const char *s) {
    buf_put(b, s, strlen(s));
}

void buf_put_slice(struct buf *b, slice s) {
    buf_put(b, s.p, s.n);
}

void buf_put_u64(struct buf *b, uint64_t v) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_put(b, digits + at, sizeof digits - at);
}

void buf_put_i64(struct buf *b, int64_t v) {
    if (v < 0) {
        buf_put_u8(b, '-');
    }
    buf_put_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void buf_put_varuint(struct buf *b, uint64_t v) {
    uint8_t *to = buf_reserve(b, VARUINT_MAX_BYTES);
    if (to) {
        b->n += varuint_write(to, v);
    }
}

void buf_printf(struct buf *b, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    must(n >= 0);
    char *to = (char *)buf_reserve(b, (size_t)n + 1);
    if (to) {
        (void)vsnprintf(to, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void buf_consume(struct buf *b, size_t n) {
    must(n <= b->n);
    b->n -= n;
    if (b->n && n) {
        memmove(b->p, b->p + n, b->n);
    }
}
