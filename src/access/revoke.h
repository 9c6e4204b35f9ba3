/* revoke.h: what has been revoked, by a file and by calls.
 *
 * The file has a line for each: jti:X, sub:X or sid:X; # begins a comment line. A new file replaces
 * the old one's lines; what calls revoked stays.
 *
 * Thread: any; a leaf lock inside. Loading is one thread's at a time.
 */
#ifndef ACCESS_REVOKE_H
#define ACCESS_REVOKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct revocations;
struct buf;
struct identity;

struct revocations *revocations_new(void);
void revocations_free(struct revocations *);
/* False with a sentence that names the line when the text is wrong; what was loaded before stays.
 */
bool revocations_load(struct revocations *, slice text, char *why, size_t why_bytes);
/* Kind is "jti", "sub" or "sid"; another one revokes nothing, and neither does an empty value. */
void revocations_add(struct revocations *, const char *kind, slice value);
/* Adds lines as they stand in a file; those that are wrong revoke nothing. */
void revocations_add_lines(struct revocations *, slice lines);
/* Appends what calls have revoked, a line each. */
void revocations_list(struct revocations *, struct buf *);
bool revocations_hit(struct revocations *, const struct identity *);
/* Counts changes. */
uint64_t revocations_count(const struct revocations *);

#endif
