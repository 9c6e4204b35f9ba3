/* slice.h: borrowed bytes. A slice owns nothing; it lives as long as what it points into.
 *
 * Thread: any. Pure.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    const uint8_t *p; /* may be NULL when n is 0 */
    size_t n;         /* bytes */
} slice;

static inline slice slice_of(const void *p, size_t n) {
    return (slice){p, n};
}

/* The characters of a C string, without its terminator. */
static inline slice slice_str(const char *s) {
    return (slice){(const uint8_t *)s, s ? strlen(s) : 0};
}

static inline bool slice_eq(slice a, slice b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_is(slice a, const char *s) {
    return slice_eq(a, slice_str(s));
}

/* For printf: "%.*s" with SLICE_FMT(s). */
#define SLICE_FMT(s) (int)(s).n, (const char *)(s).p

#endif
