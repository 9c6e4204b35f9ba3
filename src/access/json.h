/* json.h: JSON that somebody else chose, read strictly.
 *
 * Thread: any. Pure.
 */
#ifndef ACCESS_JSON_H
#define ACCESS_JSON_H

#include <jansson.h>

#include "base/slice.h"

/* The object that `text` is: no member twice, nothing behind it, no NUL in strings, depth at most
 * ACCESS_JSON_DEPTH. NULL when it is not that. The caller drops the count. */
json_t *json_strict_object(slice text);
/* The string of that name, or NULL. */
const char *json_text(const json_t *object, const char *name);
/* The value as compact text; free with mem_free. */
char *json_write(const json_t *);

/* Decodes base64url as JOSE has it (RFC 7515 2): no padding, no foreign characters, left-over bits
 * zero. `to` has room for n / 4 * 3 + 3 bytes. */
bool base64url_decode(uint8_t *to, slice, size_t *ret_n);
/* Writes (4 n + 2) / 3 characters, no terminator; returns how many. `to` has room for four more. */
size_t base64url_encode(char *to, slice);

#endif
