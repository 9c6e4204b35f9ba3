/* authors.h: who writes with which client id, as far as the server has seen it: a Yjs client takes
 * a new id for each visit, so what an id wrote is what one user wrote. What counts is who first
 * brought the server something by that id; it may be a relay, and nobody vouches for more.
 *
 * Kept as bytes: per entry varuint(client) varuint(n) and n bytes of the user's id, the oldest
 * first; at most CAPS_AUTHORS_BYTES, of more the oldest go. No client is there twice.
 *
 * Thread: any. Pure.
 */
#ifndef STORE_AUTHORS_H
#define STORE_AUTHORS_H

#include "base/buf.h"

/* Notes who brought something by this client id, unless that is known. */
void authors_note(struct buf *, uint64_t client, slice user);
/* The user, pointing into the bytes; empty when not known. */
slice authors_find(slice authors, uint64_t client);
/* Reads the next entry off the front; false at the end, or where the bytes are none. */
bool authors_next(slice *authors, uint64_t *ret_client, slice *ret_user);

#endif
