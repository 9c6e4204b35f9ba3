/* json_in.h: reading JSON that a stranger wrote: what is checked before and while the JSON library
 * parses, and how its findings are worded.
 *
 * A parser that builds objects turns 2 bytes ("0,") into some 50. So the text is first walked once,
 * outside of strings, and refused when it nests deeper or holds more values than any message of
 * ours does.
 *
 * Thread: any. Nothing is kept between calls.
 */
#ifndef WIRE_JSON_IN_H
#define WIRE_JSON_IN_H

#include <jansson.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

enum {
    JSON_DEPTH_MAX = 32,    /* ours need 4; an MCP client's initialize some more */
    JSON_VALUES_MAX = 8192, /* a full batch of 64 with 100 values each, and room */
};

/* The value, to be released by json_decref; NULL with *ret_err and *ret_detail (static or in the
 * arena) set. Any JSON value may be the outermost one; an object with a name twice is refused,
 * since two readers of such a message may see different things; U+0000 in strings is let through
 * to the caller. */
json_t *json_read(struct arena *, slice text, enum err *ret_err, const char **ret_detail);

/* printf into the arena; a static sentence when memory is out. */
const char *detail_printf(struct arena *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A copy of a JSON string's characters in the arena. False when memory is out. */
bool json_copy_string(struct arena *, const json_t *string, slice *ret);

#endif
