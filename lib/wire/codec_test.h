/* codec_test.h: what the dialects' tests share: a decoder whose intents can be looked at, and an
 * encoder whose bytes can. Included by *_test.c only.
 */
#ifndef WIRE_CODEC_TEST_H
#define WIRE_CODEC_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "wire/dialect.h"

enum { SEEN_MAX = 80 };

/* The intents of one message, and the calls of `batch` between them. */
struct seen {
    struct arena arena;
    struct intent intents[SEEN_MAX];
    size_t count;
    size_t batch;      /* as announced */
    size_t batch_ends; /* calls with 0 */
};

static const struct decode_caps test_caps = {
    .update_bytes = 32, .awareness_bytes = 16, .sync_bytes = 64, .batch_count = 4};

static inline void see_batch(void *ctx, size_t requests) {
    struct seen *s = ctx;
    if (requests) {
        assert_int_equal(s->count, 0);
        s->batch = requests;
    } else {
        s->batch_ends++;
    }
}

static inline void see_intent(void *ctx, const struct intent *in) {
    struct seen *s = ctx;
    assert_true(s->count < SEEN_MAX);
    s->intents[s->count++] = *in;
}

/* Decodes into *s, which is emptied first. The message is gone when this returns, as it is when a
 * receive buffer is used again: but only what the arena holds is looked at. */
static inline void decode_bytes(struct seen *s, enum dialect_id id, bool text, slice message) {
    arena_fini(&s->arena);
    *s = (struct seen){0};
    const struct intent_sink sink = {s, see_batch, see_intent};
    dialect_get(id)->decode(&test_caps, &s->arena, text, message, &sink);
    assert_int_equal(s->batch ? 1 : 0, s->batch_ends);
}

/* Decodes a text message that is expected to hold one request. */
static inline const struct intent *decode_one(struct seen *s, enum dialect_id id,
                                              const char *message) {
    decode_bytes(s, id, true, slice_str(message));
    assert_int_equal(s->count, 1);
    return &s->intents[0];
}

#define assert_slice(s, text)                                                                      \
    do {                                                                                           \
        slice slice_seen = (s);                                                                    \
        if (!slice_is(slice_seen, text)) {                                                         \
            fail_msg("\"%.*s\" is not \"%s\"", SLICE_FMT(slice_seen), text);                       \
        }                                                                                          \
    } while (0)

/* The text of a reply, to be freed; NULL for WIRE_NOTHING. */
static inline char *reply_text(enum dialect_id id, const struct reply *r) {
    struct buf b = {0};
    enum wire_kind kind = dialect_get(id)->encode_reply(r, &b);
    assert_false(b.failed);
    assert_int_equal(kind == WIRE_NOTHING, b.n == 0);
    assert_int_not_equal(kind, WIRE_BINARY);
    buf_put_u8(&b, 0);
    char *text = kind == WIRE_NOTHING ? NULL : strdup((const char *)b.p);
    buf_fini(&b);
    return text;
}

static inline void assert_reply(enum dialect_id id, const struct reply *r, const char *expected) {
    char *text = reply_text(id, r);
    if (expected) {
        assert_non_null(text);
        assert_string_equal(text, expected);
    } else {
        assert_null(text);
    }
    free(text);
}

#endif
