/* binary.c: any bytes as a binary frame. Promised: every problem is reported in words; what was
 * read as data and is sent on in the long form reads the same. */
#include "wire_support.h"

static void take_same(void *ctx, const struct intent *in) {
    const struct intent *sent = ctx;
    must(in->op == sent->op && in->err == ERR_OK && in->mux);
    must(in->channel == 70000 && in->seq == 1234567);
    must(slice_eq(in->payload, sent->payload));
}

static void send_on(void *ctx, const struct intent *in) {
    take_intent(ctx, in);
    if (in->err != ERR_OK || (in->op != OP_UPDATE && in->op != OP_AWARENESS)) {
        return;
    }
    const struct dialect *mux = dialect_get(DIALECT_MUX);
    struct event e = {.kind = in->op == OP_UPDATE ? EVENT_UPDATE : EVENT_AWARENESS,
                      .channel = 70000,
                      .payload = in->payload};
    uint8_t stamp[STAMP_MAX];
    struct intent sent = *in;
    struct arena arena = {0};
    struct buf b = {0};
    buf_put(&b, stamp, mux->stamp(&e, 1234567, stamp));
    must(mux->encode_event(&e, &b) == WIRE_BINARY);
    const struct intent_sink sink = {&sent, NULL, take_same};
    mux->decode(&fuzz_caps, &arena, false, buf_slice(&b), &sink);
    buf_fini(&b);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena = {0};
    const struct intent_sink sink = {NULL, NULL, send_on};
    dialect_get(DIALECT_BINARY)->decode(&fuzz_caps, &arena, false, slice_of(data, size), &sink);
    arena_fini(&arena);
    return 0;
}
