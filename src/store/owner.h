/* owner.h: which of the nodes that live folds a room and makes its versions: the one for which the
 * room's hash is highest (rendezvous hashing). Every node finds the same one by itself; when a node
 * comes or goes, only the rooms that it gets or had change hands.
 *
 * It is a preference, not a right: who may write is decided by the lease. Thread: any. Pure.
 * Source: D. Thaler, C. Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998.
 */
#ifndef STORE_OWNER_H
#define STORE_OWNER_H

#include "base/slice.h"

/* The index of the owner among `n` nodes, at least one, of 16 random bytes each. */
size_t owner_of(const uint8_t (*nodes)[16], size_t n, slice room);

#endif
