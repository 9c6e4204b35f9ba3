/* base64.h: RFC 4648. Writes the standard alphabet with padding; reads the standard and the URL
 * alphabet, mixed if need be, padding optional.
 *
 * Thread: any. Pure.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/slice.h"

/* How many characters `n` bytes become. */
static inline size_t base64_encoded_len(size_t n) {
    return (n + 2) / 3 * 4;
}

/* How many bytes at most `n` characters become: what base64_decode may write. */
static inline size_t base64_decoded_max(size_t n) {
    return n / 4 * 3 + 3;
}

/* Writes base64_encoded_len(s.n) characters to `to`, no terminator. */
void base64_encode(char *to, slice s);
/* Decodes `s` into `to` (base64_decoded_max bytes), stores the length. False when a character is
 * foreign, padding stands inside, the length is impossible or left-over bits are not zero. */
bool base64_decode(uint8_t *to, slice s, size_t *ret_n);

#endif
