/* driver_input.h: what is left of a command, taken from its front; numbers are little-endian.
 * Whoever takes more than there is ends the program: only the judge writes here. */
#ifndef DRIVER_INPUT_H
#define DRIVER_INPUT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "yata.h"

struct input {
    const uint8_t *p;
    size_t n;
};

static inline _Noreturn void die(const char *why) {
    fprintf(stderr, "yata_driver: %s\n", why);
    exit(2);
}

static inline const uint8_t *take(struct input *in, size_t n) {
    if (in->n < n) {
        die("arguments too short");
    }
    const uint8_t *p = in->p;
    in->p += n;
    in->n -= n;
    return p;
}

static inline uint64_t take_uint(struct input *in, size_t n) {
    const uint8_t *p = take(in, n);
    uint64_t x = 0;
    while (n-- > 0) {
        x = x << 8 | p[n];
    }
    return x;
}

/* A u32 length and so many bytes. */
static inline struct yata_slice take_blob(struct input *in) {
    size_t n = (size_t)take_uint(in, 4);
    return (struct yata_slice){take(in, n), n};
}

#endif
