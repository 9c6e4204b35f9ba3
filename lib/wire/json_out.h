/* json_out.h: an append-only JSON writer. Structure is the caller's, as literal text; this writes
 * the values. What goes wrong shows in buf.failed.
 *
 * Thread: any. Pure.
 */
#ifndef WIRE_JSON_OUT_H
#define WIRE_JSON_OUT_H

#include "base/buf.h"

#define json_put_lit(buf, literal) buf_put((buf), "" literal "", sizeof(literal) - 1)

/* How many bytes at most a string of `n` bytes becomes. */
static inline size_t json_string_max(size_t n) {
    return 6 * n + 2;
}

enum { JSON_DOUBLE_MAX = 32 };

/* A quoted string to `to`, which has json_string_max(s.n) bytes; returns its length. Bytes that are
 * not UTF-8 become '?'. */
size_t json_write_string(uint8_t *to, slice s);
/* The shortest text that reads back as the same number, null when it is not finite; returns its
 * length. */
size_t json_write_double(uint8_t to[JSON_DOUBLE_MAX], double);

void json_put_string(struct buf *, slice);
void json_put_double(struct buf *, double);
/* A quoted string of base64. */
void json_put_base64(struct buf *, slice);
/* An array of numbers 0-255. */
void json_put_bytes(struct buf *, slice);
void json_put_bool(struct buf *, bool);

#endif
