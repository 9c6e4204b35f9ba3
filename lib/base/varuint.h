/* varuint.h: lib0's variable-length unsigned integer (lib0 encoding.js writeVarUint): seven bits a
 * byte, least significant group first, top bit set while more follow; 0..2^53-1.
 *
 * Thread: any. Pure.
 */
#ifndef BASE_VARUINT_H
#define BASE_VARUINT_H

#include "base/slice.h"

#define VARUINT_MAX       ((uint64_t)9007199254740991) /* 2^53 - 1: what JavaScript can hold */
#define VARUINT_MAX_BYTES 10

/* Writes `v` to `to`, which has VARUINT_MAX_BYTES; returns how many bytes it took. */
static inline size_t varuint_write(uint8_t *to, uint64_t v) {
    size_t n = 0;
    while (v > 0x7f) {
        to[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    to[n++] = (uint8_t)v;
    return n;
}

/* Reads one number off the front of `s`. False, with `s` untouched, when it is cut off, longer than
 * eight bytes, or above VARUINT_MAX. */
static inline bool varuint_take(slice *s, uint64_t *ret) {
    uint64_t v = 0;
    for (size_t i = 0; i < s->n && i < 8; i++) {
        v |= (uint64_t)(s->p[i] & 0x7f) << (7 * i);
        if (s->p[i] < 0x80) {
            if (v > VARUINT_MAX) {
                return false;
            }
            *ret = v;
            *s = slice_of(s->p + i + 1, s->n - i - 1);
            return true;
        }
    }
    return false;
}

#endif
