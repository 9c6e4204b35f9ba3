/* compare.h: what happened between two states of a room, in short: how much was put into each of
 * its root types and taken out again, and by which client ids what is new was written.
 *
 * Counted is what can be seen: what came and went in between is not there. What stands in a root
 * type counts for it, however deep; a nested type counts as an item of what it stands in, and so
 * does a key of a map. Who has deleted something, Yjs does not record.
 *
 * Thread: any. Pure. Time and memory in proportion to both states.
 */
#ifndef STORE_COMPARE_H
#define STORE_COMPARE_H

#include "store/form.h"

/* `from` and `to`: states as updates, V2; `to` is the later one, or both are put together first.
 * ERR_DAMAGED when one of them is none. */
NODISCARD enum err compare(slice from, slice to, slice authors, struct store_changes *ret,
                           struct fault *);

#endif
