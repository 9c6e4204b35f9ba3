/* json.h: looks into JSON text without building anything: a receiver of half a million messages a
 * second has no time for more. What is asked for is found by name; the rest is walked over.
 *
 * Thread: any. Pure.
 */
#ifndef LOAD_JSON_H
#define LOAD_JSON_H

#include "base/slice.h"

/* The value of that member as it stands in the text, strings with their quotes; false when `object`
 * is not an object, is broken before the member, or has none of that name. */
bool json_member(slice object, const char *name, slice *ret);
/* The same for a string without escapes, a number without sign and fraction, and true. */
bool json_member_text(slice object, const char *name, slice *ret);
bool json_member_number(slice object, const char *name, uint64_t *ret);
bool json_member_true(slice object, const char *name);

#endif
