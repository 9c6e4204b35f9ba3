/* json_in.h: reading JSON that a stranger wrote: what is checked before and while the JSON library
 * parses, and how its findings are worded.
 *
 * A parser that builds objects turns 2 bytes ("0,") into some 50. So the text is first walked once
 * and refused when it nests deeper or holds more values than any message of ours does.
 *
 * The library looks at a string character by character, 25 ns for each (measured), which is a tenth
 * of a second for the largest sync. So long strings that are named by the caller are cut out on
 * that walk: the library sees a stand-in, U+0000 and a number, and json_cut_out tells the two
 * apart. Nobody can forge a stand-in: a message that has U+0000 itself is left whole.
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

enum {
    JSON_CUTS_MAX = 128, /* two in each request of a full batch; more stay where they are */
    JSON_CUT_BYTES = 64, /* below, the cut costs more than it saves */
};

/* The strings of one message that were cut out. */
struct json_cuts {
    const char *const *names; /* of the object members to look at, up to a NULL */
    slice found[JSON_CUTS_MAX];
    size_t count;
};

/* The value, to be released by json_decref; NULL with *ret_err and *ret_detail (static or in the
 * arena) set. Any JSON value may be the outermost one; an object with a name twice is refused,
 * since two readers of such a message may see different things; U+0000 in strings is let through
 * to the caller. With `cuts` (may be NULL) long strings without escapes, members of those names in
 * an object inside a request, are cut out. */
json_t *json_read(struct arena *, slice text, struct json_cuts *cuts, enum err *ret_err,
                  const char **ret_detail);
/* The characters of a string, or those that were cut out in its place. */
slice json_cut_out(const struct json_cuts *, const json_t *string);

/* printf into the arena; a static sentence when memory is out. */
const char *detail_printf(struct arena *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A copy of a JSON string's characters in the arena. False when memory is out. */
bool json_copy_string(struct arena *, const json_t *string, slice *ret);

#endif
