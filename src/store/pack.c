#include "store/pack.h"

#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zstd.h>

#include "base/must.h"

/* zstd's own default: text of documents comes to a third, at some 300 MB/s */
enum { LEVEL = 3 };

enum err pack(slice plain, struct frame **ret) {
    size_t room = ZSTD_compressBound(plain.n);
    struct frame *f = frame_try_new(room);
    if (!f) {
        return ERR_NOMEM;
    }
    size_t n = ZSTD_compress(f->bytes, room, plain.p, plain.n, LEVEL);
    if (ZSTD_isError(n)) {
        frame_unref(f);
        return ERR_NOMEM; /* the only thing that can go wrong with room enough */
    }
    f->n = n;
    *ret = f;
    return ERR_OK;
}

enum err unpack(slice packed, size_t plain_bytes, struct frame **ret) {
    if (ZSTD_getFrameContentSize(packed.p, packed.n) != plain_bytes) {
        return ERR_DAMAGED;
    }
    struct frame *f = frame_try_new(plain_bytes);
    if (!f) {
        return ERR_NOMEM;
    }
    size_t n = ZSTD_decompress(f->bytes, plain_bytes, packed.p, packed.n);
    if (n != plain_bytes) {
        frame_unref(f);
        return ERR_DAMAGED;
    }
    *ret = f;
    return ERR_OK;
}

uint64_t pack_sum(const uint64_t *numbers, size_t count, slice a, slice b) {
    XXH3_state_t state;
    must(XXH3_64bits_reset(&state) == XXH_OK);
    (void)XXH3_64bits_update(&state, numbers, count * sizeof *numbers);
    (void)XXH3_64bits_update(&state, a.p, a.n);
    (void)XXH3_64bits_update(&state, b.p, b.n);
    return XXH3_64bits_digest(&state);
}

uint64_t pack_key(slice room) {
    return XXH3_64bits(room.p, room.n);
}
