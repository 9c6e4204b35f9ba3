#include "store/owner.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t weight(const uint8_t *node, slice room) {
    uint64_t seed = 0;
    memcpy(&seed, node, sizeof seed);
    return XXH3_64bits_withSeed(room.p, room.n, seed);
}

size_t owner_of(const uint8_t (*nodes)[16], size_t n, slice room) {
    size_t owner = 0;
    uint64_t most = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t w = weight(nodes[i], room);
        if (w > most) {
            most = w;
            owner = i;
        }
    }
    return owner;
}
