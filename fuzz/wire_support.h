/* wire_support.h: what the targets of lib/wire's dialects share: decode, look at every byte that an
 * intent points to, answer it in all ways, and see that what is text is JSON.
 */
#ifndef FUZZ_WIRE_SUPPORT_H
#define FUZZ_WIRE_SUPPORT_H

#include <jansson.h>

#include "base/must.h"
#include "wire/dialect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct decode_caps fuzz_caps = {
    .update_bytes = 24, .awareness_bytes = 12, .sync_bytes = 48, .batch_count = 8};

/* Reads all bytes, so that a checker sees those that are not ours. */
static inline void touch(slice s) {
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < s.n; i++) {
        sum = (uint8_t)(sum ^ s.p[i]);
    }
}

static inline void expect_json(const struct buf *b) {
    json_t *v = json_loadb((const char *)b->p, b->n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    must(v);
    json_decref(v);
}

static inline void answer(const struct intent *in, enum dialect_id id) {
    const struct dialect *d = dialect_get(id);
    struct reply r = {.op = in->op,
                      .id = in->id,
                      .binary = in->binary,
                      .mux = in->mux,
                      .channel = in->channel,
                      .seq = in->seq,
                      .err = in->err,
                      .detail = in->detail,
                      .room_id = in->room_id,
                      .ts = in->ts,
                      .state_vector = in->payload,
                      .protocol_version = in->protocol_version};
    struct buf b = {0};
    enum wire_kind kind = d->encode_reply(&r, &b);
    must(!b.failed && (kind == WIRE_NOTHING) == (b.n == 0));
    if (kind == WIRE_TEXT) {
        expect_json(&b);
    }
    buf_clear(&b);
    must(!d->encode_prelude || d->encode_prelude(&r, &b) != WIRE_TEXT);
    buf_fini(&b);
}

static inline void take_intent(void *ctx, const struct intent *in) {
    const slice all[] = {in->id,      in->room_id,      in->session_id,
                         in->sid,     in->token,        in->client,
                         in->payload, in->state_vector, in->protocol_version};
    (void)ctx;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        touch(all[i]);
    }
    must((in->err == ERR_OK) == (in->detail == NULL));
    must(in->err != ERR_TOO_LARGE || in->size_bytes > in->limit_bytes);
    must(in->err != ERR_OK || (in->op != OP_NONE && in->op < OP_COUNT));
    must(in->err != ERR_OK || !INTENT_HAS(in, ROOM_ID) || room_name_valid(in->room_id));
    must(in->payload.n <= fuzz_caps.sync_bytes && in->state_vector.n <= fuzz_caps.sync_bytes);
    must(in->err != ERR_INTERNAL);
    for (enum dialect_id id = 0; id < DIALECT_COUNT; id++) {
        answer(in, id);
    }
}

static inline void take_batch(void *ctx, size_t requests) {
    bool *open = ctx;
    must(*open == (requests == 0));
    *open = requests != 0;
}

static inline void decode_all(enum dialect_id id, bool text, const uint8_t *data, size_t size) {
    struct arena arena = {0};
    bool open = false;
    const struct intent_sink sink = {&open, take_batch, take_intent};
    dialect_get(id)->decode(&fuzz_caps, &arena, text, slice_of(data, size), &sink);
    must(!open);
    arena_fini(&arena);
}

#endif
