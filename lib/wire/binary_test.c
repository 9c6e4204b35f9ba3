/* mcp-binary: both forms, both ways. */
#include "wire/codec_test.h"

#include "base/varuint.h"

#define BYTES(literal) slice_of(literal, sizeof(literal) - 1)

static struct seen seen;

static const struct intent *take(slice message) {
    decode_bytes(&seen, DIALECT_MUX, false, message);
    const struct intent mux = seen.intents[0];
    decode_bytes(&seen, DIALECT_BINARY, false, message);
    assert_int_equal(seen.count, 1);
    assert_int_equal(mux.op, seen.intents[0].op);
    assert_int_equal(mux.err, seen.intents[0].err);
    assert_true(seen.intents[0].binary);
    assert_int_equal(seen.intents[0].id.n, 0);
    return &seen.intents[0];
}

static void the_short_form_is_a_tag_and_bytes(void **state) {
    (void)state;
    const struct intent *in = take(BYTES("\x01\x00\xff"));
    assert_int_equal(in->err, ERR_OK);
    assert_int_equal(in->op, OP_UPDATE);
    assert_true(slice_eq(in->payload, BYTES("\x00\xff")));
    assert_true(INTENT_HAS(in, PAYLOAD));
    assert_false(INTENT_HAS(in, SEQ));
    assert_false(INTENT_HAS(in, ROOM_ID));
    assert_false(in->mux);

    in = take(BYTES("\x02xyz"));
    assert_int_equal(in->op, OP_AWARENESS);
    assert_slice(in->payload, "xyz");

    in = take(BYTES("\x03\x00"));
    assert_int_equal(in->op, OP_SYNC);
    assert_true(INTENT_HAS(in, STATE_VECTOR));
    assert_false(INTENT_HAS(in, PAYLOAD));
    assert_int_equal(in->state_vector.n, 1);

    in = take(BYTES("\x10\x39\x30\x00\x00\x00\x00\x00\x00"));
    assert_int_equal(in->op, OP_HEARTBEAT);
    assert_int_equal(in->err, ERR_OK);
    assert_true(in->ts == 12345);

    in = take(BYTES("\x01"));
    assert_int_equal(in->err, ERR_OK);
    assert_int_equal(in->payload.n, 0);
}

static void the_long_form_has_channel_and_seq(void **state) {
    (void)state;
    const struct intent *in = take(BYTES("\x81\x05\xac\x02"
                                         "ab"));
    assert_int_equal(in->op, OP_UPDATE);
    assert_true(in->mux);
    assert_int_equal(in->channel, 5);
    assert_int_equal(in->seq, 300);
    assert_true(INTENT_HAS(in, SEQ));
    assert_slice(in->payload, "ab");

    in = take(BYTES("\x82\xff\xff\xff\xff\x0f\xff\xff\xff\xff\xff\xff\xff\x0f"));
    assert_int_equal(in->op, OP_AWARENESS);
    assert_int_equal(in->err, ERR_OK);
    assert_true(in->channel == UINT32_MAX);
    assert_true(in->seq == VARUINT_MAX);

    in = take(BYTES("\x83\x01\x02\x00"));
    assert_int_equal(in->op, OP_SYNC);
    assert_int_equal(in->state_vector.n, 1);

    in = take(BYTES("\x90\x01\x02\x01\x00\x00\x00\x00\x00\x00\x00"));
    assert_int_equal(in->op, OP_HEARTBEAT);
    assert_true(in->ts == 1);
}

static void bad_frames_are_refused_in_words(void **state) {
    (void)state;
    static const char heartbeat[] =
        "a heartbeat holds 8 bytes: milliseconds up to 2^53-1, little-endian";
    static const struct {
        slice message;
        enum err err;
        bool mux;
        const char *detail;
    } rows[] = {
        {{NULL, 0}, ERR_REQUEST, false, "empty binary frame"},
        {{(const uint8_t *)"\x00", 1}, ERR_REQUEST, false, "unknown tag 0x00"},
        {{(const uint8_t *)"\x04x", 2}, ERR_REQUEST, false, "unknown tag 0x04"},
        {{(const uint8_t *)"\x11", 1}, ERR_REQUEST, false, "unknown tag 0x11"},
        {{(const uint8_t *)"\x7f", 1}, ERR_REQUEST, false, "unknown tag 0x7f"},
        {{(const uint8_t *)"{}", 2}, ERR_REQUEST, false, "unknown tag 0x7b"},
        {{(const uint8_t *)"\x84\x01\x02\x03", 4}, ERR_REQUEST, true, "unknown tag 0x84"},
        {{(const uint8_t *)"\x85\x01\x02\x03", 4}, ERR_REQUEST, true, "unknown tag 0x85"},
        {{(const uint8_t *)"\x81", 1},
         ERR_REQUEST,
         false,
         "channel or seq after tag 0x81 cannot be read"},
        {{(const uint8_t *)"\x81\x01", 2},
         ERR_REQUEST,
         false,
         "channel or seq after tag 0x81 cannot be read"},
        {{(const uint8_t *)"\x82\x80", 2},
         ERR_REQUEST,
         false,
         "channel or seq after tag 0x82 cannot be read"},
        {{(const uint8_t *)"\x82\x01\x80", 3},
         ERR_REQUEST,
         false,
         "channel or seq after tag 0x82 cannot be read"},
        {{(const uint8_t *)"\x81\x80\x80\x80\x80\x10\x01", 7},
         ERR_REQUEST,
         false,
         "channel or seq after tag 0x81 cannot be read"},
        {{(const uint8_t *)"\x81\x01\xff\xff\xff\xff\xff\xff\xff\x10", 10},
         ERR_REQUEST,
         false,
         "channel or seq after tag 0x81 cannot be read"},
        {{(const uint8_t *)"\x10", 1}, ERR_PARAMS, false, heartbeat},
        {{(const uint8_t *)"\x10\1\2\3\4\5\6\7", 8}, ERR_PARAMS, false, heartbeat},
        {{(const uint8_t *)"\x10\1\2\3\4\5\6\0\0\0", 10}, ERR_PARAMS, false, heartbeat},
        {{(const uint8_t *)"\x10\0\0\0\0\0\0\x20\0", 9}, ERR_PARAMS, false, heartbeat},
        {{(const uint8_t *)"\x90\1\1\xff\xff\xff\xff\xff\xff\xff\xff", 11},
         ERR_PARAMS,
         true,
         heartbeat},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct intent *in = take(rows[i].message);
        assert_int_equal(in->err, rows[i].err);
        assert_string_equal(in->detail, rows[i].detail);
        assert_int_equal(in->mux, rows[i].mux);
    }
}

static void payloads_over_the_cap_are_named_with_their_sizes(void **state) {
    (void)state;
    static const struct {
        const char *head;
        size_t cap;
        const char *detail;
    } rows[] = {
        {"\x01", 32, "update has 33 bytes, 32 are allowed"},
        {"\x02", 16, "awareness has 17 bytes, 16 are allowed"},
        {"\x03", 64, "state vector has 65 bytes, 64 are allowed"},
        {"\x81\x01\x01", 32, "update has 33 bytes, 32 are allowed"},
        {"\x82\x01\x01", 16, "awareness has 17 bytes, 16 are allowed"},
        {"\x83\x01\x01", 64, "state vector has 65 bytes, 64 are allowed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t message[100] = {0};
        size_t head = strlen(rows[i].head);
        memcpy(message, rows[i].head, head);
        assert_int_equal(take(slice_of(message, head + rows[i].cap))->err, ERR_OK);
        const struct intent *in = take(slice_of(message, head + rows[i].cap + 1));
        assert_int_equal(in->err, ERR_TOO_LARGE);
        assert_int_equal(in->limit_bytes, rows[i].cap);
        assert_int_equal(in->size_bytes, rows[i].cap + 1);
        assert_string_equal(in->detail, rows[i].detail);
        assert_true(in->op != OP_NONE);
    }
}

static void text_is_json_rpc(void **state) {
    (void)state;
    const struct intent *in =
        decode_one(&seen, DIALECT_BINARY, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");
    assert_int_equal(in->op, OP_PING);
    assert_false(in->binary);
    struct reply r = {.op = OP_PING, .id = in->id};
    assert_reply(DIALECT_BINARY, &r, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
    assert_reply(DIALECT_MUX, &r, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
}

static void assert_bytes(enum wire_kind kind, struct buf *b, slice expected) {
    assert_int_equal(kind, WIRE_BINARY);
    assert_true(slice_eq(buf_slice(b), expected));
    buf_clear(b);
}

static void events_are_tag_and_bytes(void **state) {
    (void)state;
    const struct dialect *binary = dialect_get(DIALECT_BINARY);
    const struct dialect *mux = dialect_get(DIALECT_MUX);
    struct event e = {
        .kind = EVENT_STATE, .room_id = slice_str("r"), .channel = 300, .payload = BYTES("\x00u")};
    struct buf b = {0};
    uint8_t stamp[STAMP_MAX];
    assert_int_equal(binary->stamp_place, STAMP_NONE);
    assert_int_equal(mux->stamp_place, STAMP_FIRST);
    assert_bytes(binary->encode_event(&e, &b), &b, BYTES("\x01\x00u"));
    assert_bytes(mux->encode_event(&e, &b), &b, BYTES("\x00u"));
    assert_int_equal(mux->stamp(&e, 1, stamp), 4);
    assert_memory_equal(stamp, "\x81\xac\x02\x01", 4);
    e.kind = EVENT_UPDATE;
    assert_bytes(binary->encode_event(&e, &b), &b, BYTES("\x01\x00u"));
    e.kind = EVENT_AWARENESS;
    e.channel = UINT32_MAX;
    assert_bytes(binary->encode_event(&e, &b), &b, BYTES("\x02\x00u"));
    assert_int_equal(mux->stamp(&e, VARUINT_MAX, stamp), 14);
    assert_int_equal(stamp[0], 0x82);
    e.kind = EVENT_CLOSED;
    e.code = 404;
    e.message = "gone";
    for (int i = 0; i < 2; i++) {
        assert_int_equal((i ? mux : binary)->encode_event(&e, &b), WIRE_TEXT);
        buf_put_u8(&b, 0);
        assert_string_equal(b.p,
                            "{\"jsonrpc\":\"2.0\",\"method\":\"collab/room.closed\",\"params\":{"
                            "\"roomId\":\"r\",\"code\":404,\"message\":\"gone\""
                            "                }}");
        buf_clear(&b);
    }
    assert_int_equal(mux->stamp(&e, 1, stamp), 0);
    e = (struct event){.kind = EVENT_UPDATE};
    assert_int_equal(mux->encode_event(&e, &b), WIRE_BINARY);
    assert_int_equal(b.n, 0);
    assert_false(b.failed);
    buf_fini(&b);
}

/* What a server sends, a client of the same form reads back. */
static void stamped_events_read_back(void **state) {
    (void)state;
    const struct dialect *mux = dialect_get(DIALECT_MUX);
    struct event e = {.kind = EVENT_UPDATE, .channel = 77, .payload = slice_str("payload")};
    struct buf b = {0};
    uint8_t stamp[STAMP_MAX];
    buf_put(&b, stamp, mux->stamp(&e, 123456789, stamp));
    assert_int_equal(mux->encode_event(&e, &b), WIRE_BINARY);
    const struct intent *in = take(buf_slice(&b));
    assert_int_equal(in->op, OP_UPDATE);
    assert_int_equal(in->channel, 77);
    assert_int_equal(in->seq, 123456789);
    assert_slice(in->payload, "payload");
    buf_fini(&b);
}

/* A reply in both rows of the table, which must not differ. */
static enum wire_kind reply(const struct reply *r, bool prelude, struct buf *b) {
    struct buf other = {0};
    const struct dialect *rows[] = {dialect_get(DIALECT_BINARY), dialect_get(DIALECT_MUX)};
    enum wire_kind kinds[2];
    for (int i = 0; i < 2; i++) {
        kinds[i] = (prelude ? rows[i]->encode_prelude : rows[i]->encode_reply)(r, i ? &other : b);
    }
    assert_int_equal(kinds[0], kinds[1]);
    assert_true(slice_eq(buf_slice(b), buf_slice(&other)));
    buf_fini(&other);
    return kinds[0];
}

static void short_answers(void **state) {
    (void)state;
    struct buf b = {0};
    struct reply r = {.op = OP_SYNC, .binary = true, .state_vector = BYTES("\x01\x02")};
    assert_int_equal(reply(&r, true, &b), WIRE_NOTHING);
    assert_bytes(reply(&r, false, &b), &b, BYTES("\x03\x01\x02"));
    r = (struct reply){.op = OP_UPDATE, .binary = true, .applied = true};
    assert_int_equal(reply(&r, false, &b), WIRE_NOTHING);
    r = (struct reply){.op = OP_UPDATE, .binary = true, .state_vector = BYTES("\x00")};
    assert_bytes(reply(&r, false, &b), &b, BYTES("\x03\x00"));
    r = (struct reply){.op = OP_AWARENESS, .binary = true};
    assert_int_equal(reply(&r, false, &b), WIRE_NOTHING);
    r = (struct reply){.op = OP_HEARTBEAT, .binary = true, .ts = 258, .server_ts = UINT64_MAX};
    assert_bytes(reply(&r, false, &b), &b,
                 BYTES("\x10\x02\x01\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"));
    r = (struct reply){.op = OP_UPDATE,
                       .binary = true,
                       .err = ERR_TOO_LARGE,
                       .detail = "d",
                       .limit_bytes = 1,
                       .size_bytes = 2};
    assert_int_equal(reply(&r, false, &b), WIRE_TEXT);
    buf_put_u8(&b, 0);
    assert_string_equal(b.p, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":413,\"message\":"
                             "\"PAYLOAD_TOO_LARGE\",\"data\":{\"detail\":\"d\",\"limit\":1,"
                             "\"size\":2}}}");
    buf_fini(&b);
}

static void long_answers(void **state) {
    (void)state;
    struct buf b = {0};
    struct reply r = {.op = OP_SYNC,
                      .binary = true,
                      .mux = true,
                      .channel = 300,
                      .seq = 7,
                      .version = 128,
                      .state_vector = BYTES("\x01\x02")};
    assert_bytes(reply(&r, true, &b), &b, BYTES("\x83\xac\x02\x07\x01\x02"));
    assert_bytes(reply(&r, false, &b), &b, BYTES("\x84\xac\x02\x07\x80\x01"));
    r.op = OP_UPDATE;
    assert_bytes(reply(&r, true, &b), &b, BYTES("\x83\xac\x02\x07\x01\x02"));
    r.state_vector = (slice){0};
    assert_int_equal(reply(&r, true, &b), WIRE_NOTHING);
    assert_bytes(reply(&r, false, &b), &b, BYTES("\x84\xac\x02\x07\x80\x01"));
    r.op = OP_AWARENESS;
    assert_bytes(reply(&r, false, &b), &b, BYTES("\x84\xac\x02\x07\x80\x01"));
    r.op = OP_HEARTBEAT;
    r.ts = 1;
    r.server_ts = 2;
    assert_bytes(reply(&r, false, &b), &b,
                 BYTES("\x90\xac\x02\x07\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0"));
    r.op = OP_UPDATE;
    r.err = ERR_FORBIDDEN;
    r.detail = "muted";
    assert_int_equal(reply(&r, true, &b), WIRE_NOTHING);
    assert_bytes(reply(&r, false, &b), &b,
                 BYTES("\x85\xac\x02\x07\x93\x03"
                       "FORBIDDEN: muted"));
    r.err = ERR_PARAMS;
    r.detail = NULL;
    assert_bytes(reply(&r, false, &b), &b,
                 BYTES("\x85\xac\x02\x07\xda\xfe\x01"
                       "Invalid params"));
    buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_short_form_is_a_tag_and_bytes),
        cmocka_unit_test(the_long_form_has_channel_and_seq),
        cmocka_unit_test(bad_frames_are_refused_in_words),
        cmocka_unit_test(payloads_over_the_cap_are_named_with_their_sizes),
        cmocka_unit_test(text_is_json_rpc),
        cmocka_unit_test(events_are_tag_and_bytes),
        cmocka_unit_test(stamped_events_read_back),
        cmocka_unit_test(short_answers),
        cmocka_unit_test(long_answers),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_fini(&seen.arena);
    return failed;
}
