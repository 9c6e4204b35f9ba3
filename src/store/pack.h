/* pack.h: snapshots compressed with zstd, and the sums that find damage. Thread: any. Pure. */
#ifndef STORE_PACK_H
#define STORE_PACK_H

#include "base/err.h"
#include "base/frame.h"

/* Compressed, in a frame of the caller's; ERR_NOMEM. */
NODISCARD enum err pack(slice plain, struct frame **ret);
/* The other way; `plain_bytes` is what it must come to. ERR_DAMAGED, ERR_NOMEM. */
NODISCARD enum err unpack(slice packed, size_t plain_bytes, struct frame **ret);

/* A sum over numbers and bytes: XXH3 with 64 bits. */
uint64_t pack_sum(const uint64_t *numbers, size_t count, slice a, slice b);
/* By which a room is found: XXH3 of its name. */
uint64_t pack_key(slice room);

#endif
