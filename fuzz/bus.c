/* bus.c: any bytes as a message between nodes. Promised: it is refused with a sentence, or read;
 * and what was read is written again as the same message. */
#include <string.h>

#include "base/buf.h"
#include "base/must.h"
#include "cluster/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct envelope *a, const struct envelope *b) {
    return a->kind == b->kind && a->node == b->node && a->epoch == b->epoch &&
           a->sequence == b->sequence && a->version == b->version && a->members == b->members &&
           a->traced == b->traced && memcmp(a->trace, b->trace, sizeof a->trace) == 0 &&
           slice_eq(a->room, b->room) && slice_eq(a->payload, b->payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct envelope e;
    struct envelope again;
    const char *why = NULL;
    if (envelope_read(slice_of(data, size), &e, &why) != ERR_OK) {
        must(why != NULL);
        return 0;
    }
    must(e.payload.p + e.payload.n == data + size);
    struct buf b;
    buf_init(&b, 0);
    envelope_write(&b, &e);
    must(envelope_read(buf_slice(&b), &again, &why) == ERR_OK && same(&e, &again));
    buf_fini(&b);
    return 0;
}
