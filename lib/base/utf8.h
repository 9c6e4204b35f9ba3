/* utf8.h: UTF-8 validation (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF), also
 * across the borders of fragments.
 *
 * Thread: any. Pure.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/slice.h"

/* State between fragments; zero is the start. */
typedef uint32_t utf8_state;

/* Feeds more bytes; false as soon as they cannot be the beginning of valid UTF-8. */
bool utf8_feed(utf8_state *, slice);
/* True when what was fed ends on a character border. */
static inline bool utf8_done(utf8_state s) {
    return s == 0;
}
/* The whole of `s` is valid. */
bool utf8_valid(slice s);

#endif
