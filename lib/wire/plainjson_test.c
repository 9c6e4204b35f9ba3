/* The legacy plain JSON dialect. */
#include "wire/codec_test.h"

static struct seen seen;

static const struct intent *take(const char *message) {
    return decode_one(&seen, DIALECT_PLAINJSON, message);
}

static void messages_become_intents(void **state) {
    (void)state;
    const struct intent *in =
        take("{\"type\":\"update\",\"roomId\":\"ws:a/b\",\"update\":[0,1,99,100,255]}");
    assert_int_equal(in->err, ERR_OK);
    assert_int_equal(in->op, OP_UPDATE);
    assert_int_equal(in->id.n, 0);
    assert_slice(in->room_id, "ws:a/b");
    assert_true(slice_eq(in->payload, slice_of("\x00\x01\x63\x64\xff", 5)));
    assert_true(INTENT_HAS(in, PAYLOAD));
    assert_false(INTENT_HAS(in, SEQ));

    in = take(" { \"update\" : [ 1 ,\t2\n,\r3 ] , \"type\" : \"sync\" } ");
    assert_int_equal(in->err, ERR_OK);
    assert_int_equal(in->op, OP_SYNC);
    assert_false(INTENT_HAS(in, ROOM_ID));
    assert_true(slice_eq(in->payload, slice_of("\x01\x02\x03", 3)));

    in = take("{\"type\":\"awareness\",\"roomId\":null,\"payload\":[]}");
    assert_int_equal(in->err, ERR_OK);
    assert_int_equal(in->op, OP_AWARENESS);
    assert_true(INTENT_HAS(in, PAYLOAD));
    assert_int_equal(in->payload.n, 0);

    in = take("{\"type\":\"sync\",\"roomId\":\"r\"}");
    assert_int_equal(in->err, ERR_OK);
    assert_false(INTENT_HAS(in, PAYLOAD));

    /* Other arrays and brackets in strings do not confuse it. */
    in = take("{\"x\":[],\"y\":[[1],{\"update\":[9]}],\"z\":\"\\\"[1,\",\"w\":[\"a\"],\"v\":[1.5],"
              "\"type\":\"update\",\"update\":[7]}");
    assert_int_equal(in->err, ERR_OK);
    assert_true(slice_eq(in->payload, slice_of("\x07", 1)));
}

static void bad_messages_are_refused_in_words(void **state) {
    (void)state;
    static const char room[] = "roomId must be 1 to 200 characters of A-Z a-z 0-9 _ . : / @ -";
    static const char type[] = "type must be \"sync\", \"update\" or \"awareness\"";
    static const struct {
        const char *message;
        enum err err;
        enum op op;
        const char *detail;
    } rows[] = {
        {"", ERR_PARSE, OP_NONE, NULL},
        {"{", ERR_PARSE, OP_NONE, NULL},
        {"x", ERR_PARSE, OP_NONE, NULL},
        {"{\"type\":\"update\",\"update\":[1,2}", ERR_PARSE, OP_NONE, NULL},
        {"{\"type\":\"update\",\"update\":[1,2", ERR_PARSE, OP_NONE, NULL},
        {"{\"type\":\"update\",\"update\":[1]]}", ERR_PARSE, OP_NONE, NULL},
        {"{\"type\":\"update\",\"update\":[1],\"update\":[2]}", ERR_PARSE, OP_NONE, NULL},
        {"{\"type\":\"\xff\",\"update\":[1]}", ERR_PARSE, OP_NONE, NULL},
        {"1", ERR_REQUEST, OP_NONE, "a message must be an object"},
        {"[1]", ERR_REQUEST, OP_NONE, "a message must be an object"},
        {"null", ERR_REQUEST, OP_NONE, "a message must be an object"},
        {"{}", ERR_REQUEST, OP_NONE, type},
        {"{\"type\":1}", ERR_REQUEST, OP_NONE, type},
        {"{\"type\":\"Sync\"}", ERR_REQUEST, OP_NONE, type},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"id\":1}", ERR_REQUEST, OP_NONE, type},
        {"{\"type\":\"update\",\"roomId\":1,\"update\":[]}", ERR_PARAMS, OP_UPDATE, room},
        {"{\"type\":\"update\",\"roomId\":\"\",\"update\":[]}", ERR_PARAMS, OP_UPDATE, room},
        {"{\"type\":\"update\",\"roomId\":\"a b\",\"update\":[]}", ERR_PARAMS, OP_UPDATE, room},
        {"{\"type\":\"update\",\"roomId\":\"r\\u0000\",\"update\":[]}", ERR_PARAMS, OP_UPDATE,
         room},
        {"{\"type\":\"update\"}", ERR_PARAMS, OP_UPDATE, "update is missing"},
        {"{\"type\":\"awareness\",\"update\":[1]}", ERR_PARAMS, OP_AWARENESS, "payload is missing"},
        {"{\"type\":\"update\",\"update\":\"AA==\"}", ERR_PARAMS, OP_UPDATE,
         "update must be an array of numbers"},
        {"{\"type\":\"update\",\"update\":{\"0\":1}}", ERR_PARAMS, OP_UPDATE,
         "update must be an array of numbers"},
        {"{\"type\":\"update\",\"update\":null}", ERR_PARAMS, OP_UPDATE,
         "update must be an array of numbers"},
        {"{\"type\":\"update\",\"update\":0}", ERR_PARAMS, OP_UPDATE,
         "update must be an array of numbers"},
        {"{\"type\":\"update\",\"update\":[[0]]}", ERR_PARAMS, OP_UPDATE,
         "update must be an array of numbers"},
        {"{\"type\":\"update\",\"update\":[\"0\"]}", ERR_PARAMS, OP_UPDATE,
         "update must be an array of numbers"},
        {"{\"type\":\"update\",\"update\":[0,256]}", ERR_PARAMS, OP_UPDATE,
         "update[1] must be an integer of 0 to 255"},
        {"{\"type\":\"update\",\"update\":[-1]}", ERR_PARAMS, OP_UPDATE,
         "update[0] must be an integer of 0 to 255"},
        {"{\"type\":\"update\",\"update\":[1,2,1.5]}", ERR_PARAMS, OP_UPDATE,
         "update[2] must be an integer of 0 to 255"},
        {"{\"type\":\"update\",\"update\":[1e1]}", ERR_PARAMS, OP_UPDATE,
         "update[0] must be an integer of 0 to 255"},
        {"{\"type\":\"update\",\"update\":[01]}", ERR_PARAMS, OP_UPDATE,
         "update[0] must be an integer of 0 to 255"},
        {"{\"type\":\"update\",\"update\":[1,]}", ERR_PARAMS, OP_UPDATE,
         "update[1] must be an integer of 0 to 255"},
        {"{\"type\":\"update\",\"update\":[,1]}", ERR_PARAMS, OP_UPDATE,
         "update[0] must be an integer of 0 to 255"},
        {"{\"type\":\"update\",\"update\":[null]}", ERR_PARAMS, OP_UPDATE,
         "update[0] must be an integer of 0 to 255"},
        {"{\"type\":\"update\",\"update\":[1000]}", ERR_PARAMS, OP_UPDATE,
         "update[0] must be an integer of 0 to 255"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct intent *in = take(rows[i].message);
        if (in->err != rows[i].err || in->op != rows[i].op ||
            (rows[i].detail && strcmp(in->detail, rows[i].detail) != 0)) {
            fail_msg("%s: %s (%s), not %s", rows[i].message, err_label(in->err), in->detail,
                     rows[i].detail ? rows[i].detail : err_label(rows[i].err));
        }
        struct reply r = {.op = in->op, .err = in->err, .detail = in->detail};
        char *text = reply_text(DIALECT_PLAINJSON, &r);
        assert_non_null(text);
        free(text);
    }
    decode_bytes(&seen, DIALECT_PLAINJSON, false, slice_str("\x01"));
    assert_string_equal(seen.intents[0].detail, "this dialect has no binary frames");
}

static void put_message(struct buf *b, const char *head, size_t n) {
    buf_put_str(b, head);
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, i ? ",%zu" : "%zu", i * 7 % 256);
    }
    buf_put_str(b, "]}");
}

static void payloads_over_the_cap_are_named_with_their_sizes(void **state) {
    (void)state;
    static const struct {
        const char *head;
        size_t cap;
    } rows[] = {{"{\"type\":\"update\",\"update\":[", 32},
                {"{\"type\":\"awareness\",\"payload\":[", 16},
                {"{\"type\":\"sync\",\"update\":[", 64}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b = {0};
        put_message(&b, rows[i].head, rows[i].cap);
        decode_bytes(&seen, DIALECT_PLAINJSON, true, buf_slice(&b));
        assert_int_equal(seen.intents[0].err, ERR_OK);
        buf_clear(&b);
        put_message(&b, rows[i].head, rows[i].cap + 1);
        decode_bytes(&seen, DIALECT_PLAINJSON, true, buf_slice(&b));
        assert_int_equal(seen.intents[0].err, ERR_TOO_LARGE);
        assert_int_equal(seen.intents[0].limit_bytes, rows[i].cap);
        assert_int_equal(seen.intents[0].size_bytes, rows[i].cap + 1);
        buf_fini(&b);
    }
}

/* 4 MiB, as the largest sync: no object for each number, or this would not end in a second. */
static void an_update_of_four_mebibytes_passes(void **state) {
    (void)state;
    enum { BYTES = 4 * 1024 * 1024 };
    const struct decode_caps caps = {.sync_bytes = BYTES};
    struct event e = {.kind = EVENT_STATE, .room_id = slice_str("r")};
    uint8_t *bytes = malloc(BYTES);
    for (size_t i = 0; i < BYTES; i++) {
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    e.payload = slice_of(bytes, BYTES);
    struct buf b = {0};
    const struct dialect *d = dialect_get(DIALECT_PLAINJSON);
    assert_int_equal(d->encode_event(&e, &b), WIRE_TEXT);
    struct arena arena = {0};
    const struct intent_sink sink = {&seen, NULL, see_intent};
    arena_fini(&seen.arena);
    seen = (struct seen){0};
    d->decode(&caps, &arena, true, buf_slice(&b), &sink);
    assert_int_equal(seen.intents[0].err, ERR_OK);
    assert_true(slice_eq(seen.intents[0].payload, e.payload));
    arena_fini(&arena);
    buf_fini(&b);
    free(bytes);
}

static void events_are_messages(void **state) {
    (void)state;
    struct event e = {.room_id = slice_str("r"),
                      .payload = slice_of("\x00\x09\x0a\x63\x64\xff", 6),
                      .code = 403,
                      .message = "no \"more\""};
    static const char *const texts[] = {
        "{\"type\":\"sync\",\"roomId\":\"r\",\"update\":[0,9,10,99,100,255]}",
        "{\"type\":\"update\",\"roomId\":\"r\",\"update\":[0,9,10,99,100,255]}",
        "{\"type\":\"awareness\",\"roomId\":\"r\",\"payload\":[0,9,10,99,100,255]}",
        "{\"type\":\"closed\",\"roomId\":\"r\",\"code\":403,\"message\":\"no \\\"more\\\"\"}",
    };
    const struct dialect *d = dialect_get(DIALECT_PLAINJSON);
    assert_int_equal(d->stamp_place, STAMP_NONE);
    for (e.kind = EVENT_STATE; e.kind <= EVENT_CLOSED; e.kind++) {
        struct buf b = {0};
        assert_int_equal(d->encode_event(&e, &b), WIRE_TEXT);
        buf_put_u8(&b, 0);
        assert_string_equal(b.p, texts[e.kind]);
        buf_fini(&b);
    }
}

static void only_errors_are_answered(void **state) {
    (void)state;
    struct reply r = {.op = OP_UPDATE, .applied = true, .version = 3};
    assert_reply(DIALECT_PLAINJSON, &r, NULL);
    r = (struct reply){.op = OP_UPDATE, .err = ERR_FORBIDDEN, .detail = "a reader may not write"};
    assert_reply(DIALECT_PLAINJSON, &r,
                 "{\"type\":\"error\",\"code\":403,\"message\":\"FORBIDDEN\",\"detail\":"
                 "\"a reader may not write\"}");
    r = (struct reply){
        .op = OP_UPDATE, .err = ERR_TOO_LARGE, .detail = "d", .limit_bytes = 1, .size_bytes = 2};
    assert_reply(
        DIALECT_PLAINJSON, &r,
        "{\"type\":\"error\",\"code\":413,\"message\":\"PAYLOAD_TOO_LARGE\",\"detail\":\"d\","
        "\"limit\":1,\"size\":2}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_become_intents),
        cmocka_unit_test(bad_messages_are_refused_in_words),
        cmocka_unit_test(payloads_over_the_cap_are_named_with_their_sizes),
        cmocka_unit_test(an_update_of_four_mebibytes_passes),
        cmocka_unit_test(events_are_messages),
        cmocka_unit_test(only_errors_are_answered),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_fini(&seen.arena);
    return failed;
}
