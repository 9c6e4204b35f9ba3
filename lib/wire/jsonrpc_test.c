/* JSON-RPC: what requests become, how bad ones are refused, what answers and events look like. */
#include "wire/codec_test.h"

#include <jansson.h>

#define REQUEST(method, params)                                                                    \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":" params "}"

static struct seen seen;

static const struct intent *ask(const char *message) {
    return decode_one(&seen, DIALECT_JSONRPC, message);
}

static void subscribe_reads_all_its_params(void **state) {
    (void)state;
    const struct intent *in =
        ask(REQUEST("collab/subscribe",
                    "{\"roomId\":\"ws:acme/42\",\"sessionId\":\"s1\",\"token\":\"a.b.c\","
                    "\"capabilities\":[\"yjs.sync.v1\",\"binary.v1\",\"of.the.future\"],"
                    "\"client\":{\"name\":\"editor\",\"v\":[1,2.5]},\"stateVectorB64\":\"AQID\"}"));
    assert_int_equal(in->err, ERR_OK);
    assert_int_equal(in->op, OP_SUBSCRIBE);
    assert_slice(in->id, "1");
    assert_slice(in->room_id, "ws:acme/42");
    assert_slice(in->session_id, "s1");
    assert_slice(in->token, "a.b.c");
    assert_int_equal(in->capabilities, CAP_YJS_SYNC_V1 | CAP_BINARY_V1);
    assert_slice(in->client, "{\"name\":\"editor\",\"v\":[1,2.5]}");
    assert_slice(in->state_vector, "\x01\x02\x03");
    assert_true(INTENT_HAS(in, TOKEN));
    assert_false(INTENT_HAS(in, SEQ));
    assert_false(in->binary);
}

static void capabilities_may_be_an_object(void **state) {
    (void)state;
    const struct intent *in =
        ask(REQUEST("collab/subscribe", "{\"roomId\":\"r\",\"capabilities\":{\"yjs.sync.v1\":{},"
                                        "\"binary.v1\":false,\"x\":1}}"));
    assert_int_equal(in->err, ERR_OK);
    assert_int_equal(in->capabilities, CAP_YJS_SYNC_V1);
}

static void data_methods_read_seq_and_payload(void **state) {
    (void)state;
    const struct intent *in =
        ask(REQUEST("collab/update", "{\"roomId\":\"r\",\"seq\":9007199254740991,\"sid\":\"r#1\","
                                     "\"payloadB64\":\"_-8=\",\"unknown\":[null]}"));
    assert_int_equal(in->err, ERR_OK);
    assert_int_equal(in->op, OP_UPDATE);
    assert_true(in->seq == 9007199254740991u);
    assert_slice(in->sid, "r#1");
    assert_slice(in->payload, "\xff\xef");

    in =
        ask(REQUEST("collab/awareness", "{\"roomId\":\"r\",\"seq\":0,\"payload\":\"base64:AAE\"}"));
    assert_int_equal(in->err, ERR_OK);
    assert_int_equal(in->op, OP_AWARENESS);
    assert_int_equal(in->payload.n, 2);
    assert_true(INTENT_HAS(in, PAYLOAD));

    in = ask(REQUEST("collab/sync", "{\"roomId\":\"r\",\"seq\":3.0,\"payloadB64\":null}"));
    assert_int_equal(in->err, ERR_OK);
    assert_int_equal(in->op, OP_SYNC);
    assert_int_equal(in->seq, 3);
    assert_false(INTENT_HAS(in, PAYLOAD));

    in = ask(REQUEST("collab/update", "{\"roomId\":\"r\",\"seq\":1,\"payloadB64\":\"\"}"));
    assert_int_equal(in->err, ERR_OK);
    assert_true(INTENT_HAS(in, PAYLOAD));
    assert_int_equal(in->payload.n, 0);
}

static void the_other_methods_are_known(void **state) {
    (void)state;
    assert_int_equal(ask(REQUEST("initialize", "{\"protocolVersion\":\"2024-11-05\",\"clientInfo\":"
                                               "{\"name\":\"x\"},\"capabilities\":{}}"))
                         ->op,
                     OP_INITIALIZE);
    assert_slice(seen.intents[0].protocol_version, "2024-11-05");
    assert_int_equal(ask("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}")->op,
                     OP_INITIALIZED);
    assert_int_equal(seen.intents[0].id.n, 0);
    assert_int_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}")->op, OP_PING);
    assert_int_equal(ask(REQUEST("collab/unsubscribe", "{\"roomId\":\"r\"}"))->op, OP_UNSUBSCRIBE);
    assert_int_equal(ask(REQUEST("collab/room.info", "{\"roomId\":\"r\"}"))->op, OP_ROOM_INFO);
    const struct intent *in = ask(REQUEST("collab/heartbeat", "{\"ts\":1.5,\"rttMs\":-3}"));
    assert_int_equal(in->op, OP_HEARTBEAT);
    assert_true(in->ts == 1.5 && in->rtt_ms == -3);
    for (size_t i = 0; i < seen.count; i++) {
        assert_int_equal(seen.intents[i].err, ERR_OK);
    }
}

/* The id as sent, and how it comes back; NULL for a bad one. */
static void ids_are_echoed(void **state) {
    (void)state;
    static const char *const ids[][2] = {
        {"1", "1"},
        {"0", "0"},
        {"-7", "-7"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"1.5", "1.5"},
        {"0.1", "0.1"},
        {"1e3", "1000"},
        {"1e300", "1e+300"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"\"abc\"", "\"abc\""},
        {"\"\"", "\"\""},
        {"\"a\\\"b\\\\c\\/\\n\\u0001\\u0000\"", "\"a\\\"b\\\\c/\\n\\u0001\\u0000\""},
        {"\"\\u00fc\\ud83d\\ude00\"", "\"\xc3\xbc\xf0\x9f\x98\x80\""},
        {"null", NULL},
        {"true", NULL},
        {"[1]", NULL},
        {"{}", NULL},
    };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char message[200];
        (void)snprintf(message, sizeof message,
                       "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"id\":%s}", ids[i][0]);
        const struct intent *in = ask(message);
        assert_int_equal(in->err, ids[i][1] ? ERR_OK : ERR_REQUEST);
        assert_slice(in->id, ids[i][1] ? ids[i][1] : "null");
        if (!ids[i][1]) {
            assert_string_equal(in->detail, "id must be a string or a number");
        }
    }
}

/* What is wrong with the message, and what the client is told. */
struct bad {
    const char *message;
    enum err err;
    const char *id;
    const char *detail;
};

#define PARAMS_ERROR(method, params, detail)                                                       \
    { REQUEST(method, params), ERR_PARAMS, "1", detail }
#define ROOM_RULE            "params.roomId must be 1 to 200 characters of A-Z a-z 0-9 _ . : / @ -"
#define BASE64_RULE          "params.payloadB64 must be base64 (standard or URL alphabet, padding optional)"
#define UPDATE(seq, payload) "{\"roomId\":\"r\",\"seq\":" seq ",\"payloadB64\":" payload "}"

static const struct bad bad[] = {
    /* not JSON */
    {"", ERR_PARSE, "null", "the text ends too early, near byte 0"},
    {"{", ERR_PARSE, "null", "the text ends too early, near byte 1"},
    {"[1,", ERR_PARSE, "null", "the text ends too early, near byte 3"},
    {"{\"a\":1}}", ERR_PARSE, "null", "text after the end of the value, near byte 8"},
    {"{a:1}", ERR_PARSE, "null", "not JSON, near byte 2"},
    {"{'a':1}", ERR_PARSE, "null", "not JSON, near byte 2"},
    {"{\"a\":01}", ERR_PARSE, "null", "not JSON, near byte 6"},
    {"{\"a\":1,}", ERR_PARSE, "null", "not JSON, near byte 8"},
    {"{\"a\":nul}", ERR_PARSE, "null", "not JSON, near byte 8"},
    {"{\"a\":\"\n\"}", ERR_PARSE, "null", "not JSON, near byte 6"},
    {"{\"a\":\"\\x\"}", ERR_PARSE, "null", "not JSON, near byte 8"},
    {"{\"a\":\"\\ud800\"}", ERR_PARSE, "null", "not JSON, near byte 13"},
    {"{\"a\":\"\xff\"}", ERR_PARSE, "null", "invalid UTF-8, near byte 6"},
    {"{\"a\":\"\xed\xa0\x80\"}", ERR_PARSE, "null", "invalid UTF-8, near byte 6"},
    {"{\"a\\u0000\":1}", ERR_PARSE, "null", "U+0000 in a name, near byte 10"},
    {"{\"a\":1,\"a\":2}", ERR_PARSE, "null", "a name stands twice in one object, near byte 10"},
    {"{\"a\":99999999999999999999}", ERR_PARSE, "null", "a number is too big, near byte 25"},
    {"{\"a\":1e999}", ERR_PARSE, "null", "a number is too big, near byte 10"},
    /* not a request */
    {"1", ERR_REQUEST, "null", "a request must be an object"},
    {"\"ping\"", ERR_REQUEST, "null", "a request must be an object"},
    {"null", ERR_REQUEST, "null", "a request must be an object"},
    {"{}", ERR_REQUEST, "null", "jsonrpc must be \"2.0\""},
    {"{\"id\":7,\"method\":\"ping\"}", ERR_REQUEST, "7", "jsonrpc must be \"2.0\""},
    {"{\"jsonrpc\":2.0,\"id\":7,\"method\":\"ping\"}", ERR_REQUEST, "7", "jsonrpc must be \"2.0\""},
    {"{\"jsonrpc\":\"1.0\",\"id\":7,\"method\":\"ping\"}", ERR_REQUEST, "7",
     "jsonrpc must be \"2.0\""},
    {"{\"jsonrpc\":\"2.0\",\"id\":7}", ERR_REQUEST, "7", "method must be a string"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":1,\"result\":1}", ERR_REQUEST, "7",
     "method must be a string"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\",\"params\":\"x\"}", ERR_REQUEST, "7",
     "params must be an object"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"collab/none\"}", ERR_METHOD, "7",
     "there is no such method"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"PING\"}", ERR_METHOD, "7",
     "there is no such method"},
    {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\\u0000\"}", ERR_METHOD, "7",
     "there is no such method"},
    {"[]", ERR_REQUEST, "null", "a batch of 0 requests; 1 to 4 are allowed"},
    {"[1,1,1,1,1]", ERR_REQUEST, "null", "a batch of 5 requests; 1 to 4 are allowed"},
    /* params */
    PARAMS_ERROR("collab/unsubscribe", "[\"r\"]",
                 "params must be an object: positions have no meaning here"),
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"collab/unsubscribe\"}", ERR_PARAMS, "1",
     "params.roomId is missing"},
    PARAMS_ERROR("collab/unsubscribe", "null", "params.roomId is missing"),
    PARAMS_ERROR("collab/unsubscribe", "{}", "params.roomId is missing"),
    PARAMS_ERROR("collab/unsubscribe", "{\"roomId\":null}", "params.roomId is missing"),
    PARAMS_ERROR("collab/unsubscribe", "{\"roomId\":1}", "params.roomId must be a string"),
    PARAMS_ERROR("collab/unsubscribe", "{\"roomId\":\"\"}", ROOM_RULE),
    PARAMS_ERROR("collab/unsubscribe", "{\"roomId\":\"a b\"}", ROOM_RULE),
    PARAMS_ERROR("collab/unsubscribe", "{\"roomId\":\"a\\u0000\"}", ROOM_RULE),
    PARAMS_ERROR("collab/unsubscribe", "{\"roomId\":\"\xc3\xbc\"}", ROOM_RULE),
    PARAMS_ERROR("collab/subscribe", "{\"roomId\":\"r\",\"sessionId\":1}",
                 "params.sessionId must be a string"),
    PARAMS_ERROR("collab/subscribe", "{\"roomId\":\"r\",\"token\":{}}",
                 "params.token must be a string"),
    PARAMS_ERROR("collab/subscribe", "{\"roomId\":\"r\",\"token\":\"a\\u0000\"}",
                 "params.token must be a string without U+0000"),
    PARAMS_ERROR("collab/subscribe", "{\"roomId\":\"r\",\"capabilities\":\"binary.v1\"}",
                 "params.capabilities must be an array of strings or an object"),
    PARAMS_ERROR("collab/subscribe", "{\"roomId\":\"r\",\"capabilities\":[\"x\",1]}",
                 "params.capabilities[1] must be a string"),
    PARAMS_ERROR(
        "collab/subscribe", "{\"roomId\":\"r\",\"stateVectorB64\":\"*\"}",
        "params.stateVectorB64 must be base64 (standard or URL alphabet, padding optional)"),
    PARAMS_ERROR("collab/update", "{\"roomId\":\"r\",\"payloadB64\":\"AA==\"}",
                 "params.seq is missing"),
    PARAMS_ERROR("collab/update", "{\"roomId\":\"r\",\"seq\":1}", "params.payloadB64 is missing"),
    PARAMS_ERROR("collab/update", UPDATE("\"1\"", "\"\""),
                 "params.seq must be an integer of 0 to 2^53-1"),
    PARAMS_ERROR("collab/update", UPDATE("-1", "\"\""),
                 "params.seq must be an integer of 0 to 2^53-1"),
    PARAMS_ERROR("collab/update", UPDATE("1.5", "\"\""),
                 "params.seq must be an integer of 0 to 2^53-1"),
    PARAMS_ERROR("collab/update", UPDATE("9007199254740992", "\"\""),
                 "params.seq must be an integer of 0 to 2^53-1"),
    PARAMS_ERROR("collab/update", UPDATE("9223372036854775807", "\"\""),
                 "params.seq must be an integer of 0 to 2^53-1"),
    PARAMS_ERROR("collab/update", UPDATE("true", "\"\""),
                 "params.seq must be an integer of 0 to 2^53-1"),
    PARAMS_ERROR("collab/update", UPDATE("1", "[1,2]"),
                 "params.payloadB64 must be a string of base64"),
    PARAMS_ERROR("collab/update", UPDATE("1", "\"A\""), BASE64_RULE),
    PARAMS_ERROR("collab/update", UPDATE("1", "\"AA=A\""), BASE64_RULE),
    PARAMS_ERROR("collab/update", UPDATE("1", "\"A A=\""), BASE64_RULE),
    PARAMS_ERROR("collab/update", UPDATE("1", "\"AB==\""), BASE64_RULE),
    PARAMS_ERROR("collab/update", UPDATE("1", "\"====\""), BASE64_RULE),
    PARAMS_ERROR("collab/update", UPDATE("1", "\"AA\\u0000=\""), BASE64_RULE),
    PARAMS_ERROR("collab/update", "{\"roomId\":\"r\",\"seq\":1,\"payload\":\"AAE=\"}",
                 "params.payload must be a string that begins with \"base64:\""),
    PARAMS_ERROR("collab/update", "{\"roomId\":\"r\",\"seq\":1,\"payload\":[1,2]}",
                 "params.payload must be a string of base64"),
    PARAMS_ERROR("collab/update", "{\"roomId\":\"r\",\"seq\":1,\"payload\":\"base64:A\"}",
                 "params.payload must be base64 (standard or URL alphabet, padding optional)"),
    PARAMS_ERROR("collab/heartbeat", "{}", "params.ts is missing"),
    PARAMS_ERROR("collab/heartbeat", "{\"ts\":\"1\"}", "params.ts must be a number"),
    PARAMS_ERROR("collab/heartbeat", "{\"ts\":1,\"rttMs\":[]}", "params.rttMs must be a number"),
    PARAMS_ERROR("initialize", "{\"protocolVersion\":1}",
                 "params.protocolVersion must be a string"),
};

static void bad_messages_are_refused_in_words(void **state) {
    (void)state;
    assert_true(sizeof bad / sizeof *bad >= 60);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct intent *in = ask(bad[i].message);
        if (in->err != bad[i].err || !in->detail || strcmp(in->detail, bad[i].detail) != 0) {
            fail_msg("%s: %s (%s), not %s", bad[i].message, err_label(in->err), in->detail,
                     bad[i].detail);
        }
        assert_slice(in->id, bad[i].id);
    }
}

/* {"jsonrpc":..,"id":1,"method":..,"params":{..,"<name>":"xxx"}} with `n` characters. */
static const struct intent *ask_long(const char *method, const char *params, size_t n, char fill) {
    struct buf b = {0};
    buf_printf(&b,
               "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":{\"roomId\":\"r\",%s\"",
               method, params);
    memset(buf_reserve(&b, n + 1), fill, n);
    buf_commit(&b, n);
    buf_put_str(&b, "\"}}");
    decode_bytes(&seen, DIALECT_JSONRPC, true, buf_slice(&b));
    buf_fini(&b);
    assert_int_equal(seen.count, 1);
    return &seen.intents[0];
}

static void payloads_over_the_cap_are_named_with_their_sizes(void **state) {
    (void)state;
    static const struct {
        const char *method;
        const char *params;
        size_t chars; /* of base64, at the cap */
        size_t cap;
    } rows[] = {
        {"collab/update", "\"seq\":1,\"payloadB64\":", 43, 32},
        {"collab/awareness", "\"seq\":1,\"payloadB64\":", 22, 16},
        {"collab/sync", "\"seq\":1,\"payloadB64\":", 86, 64},
        {"collab/sync", "\"seq\":1,\"stateVectorB64\":", 86, 64},
        {"collab/subscribe", "\"stateVectorB64\":", 86, 64},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct intent *in = ask_long(rows[i].method, rows[i].params, rows[i].chars, 'A');
        assert_int_equal(in->err, ERR_OK);
        /* One byte more; and something that is not base64 at all: the size is what counts first. */
        for (int k = 0; k < 2; k++) {
            size_t chars = rows[i].chars + 1;
            in = ask_long(rows[i].method, rows[i].params, chars, k ? '*' : 'A');
            assert_int_equal(in->err, ERR_TOO_LARGE);
            assert_int_equal(in->limit_bytes, rows[i].cap);
            assert_int_equal(in->size_bytes, rows[i].cap + 1);
            assert_slice(in->id, "1");
        }
        assert_non_null(strstr(in->detail, " bytes, "));
    }
    const struct intent *in = ask_long("collab/update", "\"seq\":1,\"payload\":", 7, 'A');
    assert_int_equal(in->err, ERR_PARAMS);
}

/* Long strings take a way of their own past the JSON library; nothing may show it. */
static void long_payloads_read_as_short_ones_do(void **state) {
    (void)state;
#define LONG86                                                                                     \
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-Pw"
    const struct intent *in = ask(
        REQUEST("collab/sync", "{\"roomId\":\"r\",\"seq\":1,\"payload\" : \"base64:" LONG86 "\","
                               "\"stateVectorB64\":\"" LONG86 "==\",\"x\":\"" LONG86 "\"}"));
    assert_int_equal(in->err, ERR_OK);
    assert_int_equal(in->payload.n, 64);
    assert_true(slice_eq(in->payload, in->state_vector));
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(in->payload.p[i], i);
    }
    /* The same with an escape in it, with U+0000 elsewhere, in a batch, at other places. */
    in = ask(REQUEST("collab/sync",
                     "{\"roomId\":\"r\",\"seq\":1,\"payloadB64\":\"\\u0041" LONG86 "\"}"));
    assert_int_equal(in->err, ERR_TOO_LARGE);
    in = ask(REQUEST("collab/sync", "{\"roomId\":\"r\",\"seq\":1,\"payloadB64\":\"" LONG86
                                    "\",\"stateVectorB64\":\"\\u00000\"}"));
    assert_int_equal(in->err, ERR_PARAMS);
    assert_int_equal(in->payload.n, 64);
    in = ask(
        REQUEST("collab/subscribe", "{\"roomId\":\"r\",\"client\":{\"payload\":\"" LONG86 "\"}}"));
    assert_slice(in->client, "{\"payload\":\"" LONG86 "\"}");
    in = ask("{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"id\":\"" LONG86
             "\",\"payload\":{\"payload\":"
             "\"" LONG86 "\"}}");
    assert_slice(in->id, "\"" LONG86 "\"");
    decode_bytes(&seen, DIALECT_JSONRPC, true,
                 slice_str("[" REQUEST(
                     "collab/sync",
                     "{\"roomId\":\"r\",\"seq\":1,\"payloadB64\":\"" LONG86
                     "\"}") "," REQUEST("collab/sync",
                                        "{\"roomId\":\"r\",\"seq\":2,\"stateVectorB64\":\"" LONG86
                                        "\"}") "]"));
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.intents[0].payload.n, 64);
    assert_int_equal(seen.intents[1].state_vector.n, 64);
    /* Where an error stands is told in bytes of the message as it came. */
    static const char late[] =
        REQUEST("collab/sync", "{\"payloadB64\":\"" LONG86 "\",\"payload\":\"" LONG86 "\",x}");
    char expected[60];
    (void)snprintf(expected, sizeof expected, "not JSON, near byte %zu", strlen(late) - 2);
    assert_string_equal(ask(late)->detail, expected);
    static const char between[] =
        REQUEST("collab/sync", "{\"payloadB64\":\"" LONG86 "\" x,\"payload\":\"" LONG86 "\"}");
    (void)snprintf(expected, sizeof expected, "not JSON, near byte %zu",
                   (size_t)(strstr(between, " x,") - between) + 2);
    assert_string_equal(ask(between)->detail, expected);
}

static void padding_does_not_count(void **state) {
    (void)state;
    /* 32 bytes, padded: 44 characters. */
    const struct intent *in = ask(
        REQUEST("collab/update", UPDATE("1", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"")));
    assert_int_equal(in->err, ERR_OK);
    assert_int_equal(in->payload.n, 32);
}

static void long_strings_are_refused(void **state) {
    (void)state;
    assert_int_equal(ask_long("collab/subscribe", "\"sessionId\":", 256, 'x')->err, ERR_OK);
    assert_string_equal(ask_long("collab/subscribe", "\"sessionId\":", 257, 'x')->detail,
                        "params.sessionId has more than 256 bytes");
    assert_int_equal(ask_long("collab/subscribe", "\"token\":", 16384, 'x')->err, ERR_OK);
    assert_string_equal(ask_long("collab/subscribe", "\"token\":", 16385, 'x')->detail,
                        "params.token has more than 16384 bytes");
    assert_int_equal(ask_long("collab/subscribe", "\"client\":", 4094, 'x')->err, ERR_OK);
    assert_string_equal(ask_long("collab/subscribe", "\"client\":", 4095, 'x')->detail,
                        "params.client has more than 4096 bytes");
    char room[300] = {0};
    memset(room, 'r', 200);
    assert_true(room_name_valid(slice_str(room)));
    assert_false(room_name_valid(slice_of(room, 201)));
    memset(room, 'r', 201);
    assert_false(room_name_valid(slice_str(room)));
    char message[400];
    (void)snprintf(message, sizeof message,
                   "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"id\":\"%057d%0200d\"}", 0, 0);
    assert_string_equal(ask(message)->detail, "id has more than 256 bytes");
    assert_slice(seen.intents[0].id, "null");
}

static void deep_and_crowded_messages_never_reach_the_parser(void **state) {
    (void)state;
    struct buf b = {0};
    for (int i = 0; i < 33; i++) {
        buf_put_u8(&b, '[');
    }
    buf_put_u8(&b, 0);
    assert_string_equal(ask((const char *)b.p)->detail, "nested deeper than 32 levels");
    assert_int_equal(seen.intents[0].err, ERR_REQUEST);
    buf_clear(&b);
    buf_put_u8(&b, '[');
    for (int i = 0; i < 9000; i++) {
        buf_put_str(&b, "0,");
    }
    buf_put_str(&b, "0]");
    buf_put_u8(&b, 0);
    assert_string_equal(ask((const char *)b.p)->detail, "more than 8192 values in one message");
    buf_fini(&b);
    /* Brackets and commas inside of strings are text. */
    const struct intent *in = ask("{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"id\":\"\\\"[[[[[[[[[["
                                  "[[[[[[[[[[[[[[[[[[[[[[[[[[\\\\\"}");
    assert_int_equal(in->err, ERR_OK);
}

static void notifications_get_no_answer(void **state) {
    (void)state;
    static const char *const messages[] = {
        "{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"collab/none\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"collab/update\",\"params\":{}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"collab/update\",\"params\":[]}",
    };
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        const struct intent *in = ask(messages[i]);
        assert_int_equal(in->id.n, 0);
        struct reply r = {.op = in->op, .id = in->id, .err = in->err, .detail = in->detail};
        assert_reply(DIALECT_JSONRPC, &r, NULL);
        assert_reply(DIALECT_BINARY, &r, NULL);
    }
}

static void responses_are_ignored(void **state) {
    (void)state;
    decode_bytes(&seen, DIALECT_JSONRPC, true,
                 slice_str("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"));
    assert_int_equal(seen.count, 0);
    decode_bytes(&seen, DIALECT_JSONRPC, true,
                 slice_str("{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1}}"));
    assert_int_equal(seen.count, 0);
    decode_bytes(&seen, DIALECT_JSONRPC, true, slice_str("[{\"id\":1,\"result\":null}]"));
    assert_int_equal(seen.count, 0);
    assert_int_equal(seen.batch, 0);
}

static void batches_announce_how_many(void **state) {
    (void)state;
    decode_bytes(&seen, DIALECT_JSONRPC, true,
                 slice_str("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"},7,"
                           "{\"id\":2,\"result\":1},{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}]"));
    assert_int_equal(seen.batch, 3);
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.intents[0].op, OP_PING);
    assert_slice(seen.intents[0].id, "1");
    assert_int_equal(seen.intents[1].err, ERR_REQUEST);
    assert_slice(seen.intents[1].id, "null");
    assert_int_equal(seen.intents[2].id.n, 0);
}

static void binary_frames_need_the_subprotocol(void **state) {
    (void)state;
    decode_bytes(&seen, DIALECT_JSONRPC, false, slice_str("\x01x"));
    assert_int_equal(seen.intents[0].err, ERR_REQUEST);
    assert_slice(seen.intents[0].id, "null");
    assert_string_equal(seen.intents[0].detail, "binary frames need the subprotocol mcp-binary");
}

#define ANSWER(result) "{\"jsonrpc\":\"2.0\",\"id\":\"i\",\"result\":" result "}"

static void answers_have_the_fields_of_their_method(void **state) {
    (void)state;
    const struct wire_limits limits = {1, 2, 3, 4, 5, 6};
    const struct user_info users[] = {{slice_str("ann"), 7, ROLE_ADMIN},
                                      {slice_str("b\"b"), 8, ROLE_READ}};
    const slice id = slice_str("\"i\"");
    struct reply r = {.op = OP_SUBSCRIBE,
                      .id = id,
                      .room_id = slice_str("ws:a/b"),
                      .sid = slice_str("s"),
                      .connection_id = UINT64_MAX,
                      .role = ROLE_WRITE,
                      .version = 12,
                      .participants = 3,
                      .channel = 9,
                      .limits = &limits};
    assert_reply(
        DIALECT_JSONRPC, &r,
        ANSWER("{\"ok\":true,\"roomId\":\"ws:a/b\",\"sid\":\"s\","
               "\"connectionId\":\"18446744073709551615\",\"role\":\"write\",\"version\":12,"
               "\"participants\":3,\"channel\":9,\"limits\":{\"updateBytes\":1,"
               "\"awarenessBytes\":2,\"syncBytes\":3,\"frameBytes\":4,\"batchCount\":5,"
               "\"roomsPerConnection\":6}}"));
    r = (struct reply){.op = OP_SYNC, .id = id, .applied = true, .version = 4};
    assert_reply(DIALECT_JSONRPC, &r,
                 ANSWER("{\"applied\":true,\"version\":4,\"stateVectorB64\":\"\"}"));
    r = (struct reply){.op = OP_UPDATE, .id = id, .applied = true, .version = 5, .duplicate = true};
    assert_reply(DIALECT_JSONRPC, &r,
                 ANSWER("{\"applied\":true,\"version\":5,\"duplicate\":true}"));
    r = (struct reply){.op = OP_UPDATE,
                       .id = id,
                       .version = 5,
                       .state_vector = slice_of("\x01\x02", 2),
                       .trace = {.high = 0xabc, .low = 1}};
    assert_reply(DIALECT_JSONRPC, &r,
                 ANSWER("{\"applied\":false,\"version\":5,\"stateVectorB64\":\"AQI=\","
                        "\"traceId\":\"0000000000000abc0000000000000001\"}"));
    r = (struct reply){.op = OP_HEARTBEAT, .id = id, .ts = 1700000000123, .server_ts = 5};
    assert_reply(DIALECT_JSONRPC, &r, ANSWER("{\"ts\":1700000000123,\"serverTs\":5}"));
    r = (struct reply){.op = OP_ROOM_INFO,
                       .id = id,
                       .room_id = slice_str("r"),
                       .participants = 3,
                       .readers = 1,
                       .writers = 2,
                       .rate_points = 200,
                       .rate_seconds = 5,
                       .version = 8};
    assert_reply(DIALECT_JSONRPC, &r,
                 ANSWER("{\"roomId\":\"r\",\"participants\":3,\"roles\":{\"read\":1,\"write\":2,"
                        "\"admin\":0},\"rateLimit\":{\"points\":200,\"durationSec\":5},"
                        "\"version\":8}"));
    r.users = users;
    r.users_count = 2;
    char *text = reply_text(DIALECT_JSONRPC, &r);
    assert_non_null(strstr(text,
                           ",\"users\":[{\"userId\":\"ann\",\"connectionId\":\"7\",\"role\":"
                           "\"admin\"},{\"userId\":\"b\\\"b\",\"connectionId\":\"8\",\"role\":"
                           "\"read\"}]}}"));
    free(text);
}

static void small_answers_and_the_handshake_of_mcp(void **state) {
    (void)state;
    const slice id = slice_str("\"i\"");
    for (enum op op = OP_UNSUBSCRIBE; op <= OP_AWARENESS; op += OP_AWARENESS - OP_UNSUBSCRIBE) {
        assert_reply(DIALECT_JSONRPC, &(struct reply){.op = op, .id = id}, ANSWER("{\"ok\":true}"));
    }
    assert_reply(DIALECT_JSONRPC, &(struct reply){.op = OP_PING, .id = id}, ANSWER("{}"));
    static const char *const versions[][2] = {{"", "2025-06-18"},
                                              {"1999-01-01", "2025-06-18"},
                                              {"2025-06-18", "2025-06-18"},
                                              {"2024-11-05", "2024-11-05"}};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        struct reply r = {
            .op = OP_INITIALIZE, .id = id, .protocol_version = slice_str(versions[i][0])};
        char *text = reply_text(DIALECT_JSONRPC, &r);
        char expected[100];
        (void)snprintf(expected, sizeof expected,
                       "\"result\":{\"protocolVersion\":\"%s\",\"capabilities\":{},\"serverInfo\":{"
                       "\"name\":\"collabd\",\"version\":\"",
                       versions[i][1]);
        assert_non_null(strstr(text, expected));
        free(text);
    }
}

static void errors_carry_what_their_code_promises(void **state) {
    (void)state;
    struct reply r = {.id = slice_str("null"), .err = ERR_PARSE, .detail = "say \"why\"\n"};
    assert_reply(DIALECT_JSONRPC, &r,
                 "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":"
                 "\"Parse error\",\"data\":{\"detail\":\"say \\\"why\\\"\\n\"}}}");
    r = (struct reply){.id = slice_str("1"),
                       .err = ERR_TOO_LARGE,
                       .detail = "d",
                       .limit_bytes = 10,
                       .size_bytes = 11};
    assert_reply(DIALECT_JSONRPC, &r,
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":413,\"message\":"
                 "\"PAYLOAD_TOO_LARGE\",\"data\":{\"detail\":\"d\",\"limit\":10,\"size\":11}}}");
    r = (struct reply){.id = slice_str("1"),
                       .err = ERR_RATE,
                       .detail = "d",
                       .retry_after_ms = 250,
                       .bucket = "user"};
    assert_reply(DIALECT_JSONRPC, &r,
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":429,\"message\":\"RATE_LIMIT\","
                 "\"data\":{\"detail\":\"d\",\"retryAfterMs\":250,\"bucket\":\"user\"}}}");
    r = (struct reply){.id = slice_str("1"), .err = ERR_INTERNAL, .trace = {.low = 255}};
    assert_reply(
        DIALECT_JSONRPC, &r,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":500,\"message\":\"INTERNAL\","
        "\"data\":{\"detail\":\"INTERNAL\",\"traceId\":\"000000000000000000000000000000ff\"}}}");
}

/* Whatever stands in them, answers are JSON. */
static void texts_of_any_bytes_come_out_as_json(void **state) {
    (void)state;
    for (unsigned c = 1; c < 256; c++) {
        const char text[] = {'a', (char)c, 'b', 0};
        struct reply r = {.id = slice_str("1"), .err = ERR_PARAMS, .detail = text};
        char *reply = reply_text(DIALECT_JSONRPC, &r);
        json_t *v = json_loads(reply, 0, NULL);
        assert_non_null(v);
        const char *back = json_string_value(
            json_object_get(json_object_get(json_object_get(v, "error"), "data"), "detail"));
        assert_string_equal(back, c < 0x80 ? text : "a?b");
        json_decref(v);
        free(reply);
    }
}

static void put_stamped(struct buf *b, const struct event *e, uint64_t seq) {
    const struct dialect *d = dialect_get(DIALECT_JSONRPC);
    uint8_t stamp[STAMP_MAX];
    assert_int_equal(d->stamp_place, STAMP_LAST);
    assert_int_equal(d->encode_event(e, b), WIRE_TEXT);
    assert_int_equal(d->stamp(e, seq, stamp), STAMP_LAST_BYTES);
    buf_put(b, stamp, STAMP_LAST_BYTES);
    buf_put_u8(b, 0);
    assert_false(b->failed);
}

static void events_end_in_their_stamp(void **state) {
    (void)state;
    struct event e = {.kind = EVENT_UPDATE,
                      .room_id = slice_str("r"),
                      .sid = slice_str("s\\"),
                      .version = 3,
                      .payload = slice_of("\x00\xff", 2),
                      .code = 404,
                      .message = "gone"};
    struct buf b = {0};
    put_stamped(&b, &e, 17);
    assert_string_equal(b.p,
                        "{\"jsonrpc\":\"2.0\",\"method\":\"collab/update\",\"params\":{\"roomId\":"
                        "\"r\",\"sid\":\"s\\\\\",\"version\":3,\"payloadB64\":\"AP8=\",\"seq\":"
                        "              17}}");
    for (e.kind = EVENT_STATE; e.kind <= EVENT_CLOSED; e.kind++) {
        static const uint64_t seqs[] = {0, 1, 9, 10, 999, 9007199254740991u};
        static const char *const names[] = {"collab/update", "collab/update", "collab/awareness",
                                            "collab/room.closed"};
        for (size_t i = 0; i < sizeof seqs / sizeof *seqs; i++) {
            buf_clear(&b);
            put_stamped(&b, &e, seqs[i]);
            json_t *v = json_loads((const char *)b.p, JSON_REJECT_DUPLICATES, NULL);
            assert_non_null(v);
            const json_t *params = json_object_get(v, "params");
            const json_t *seq = json_object_get(params, "seq");
            assert_string_equal(json_string_value(json_object_get(v, "method")), names[e.kind]);
            assert_string_equal(json_string_value(json_object_get(params, "roomId")), "r");
            if (e.kind == EVENT_CLOSED) {
                assert_null(seq);
                assert_int_equal(json_integer_value(json_object_get(params, "code")), 404);
                assert_string_equal(json_string_value(json_object_get(params, "message")), "gone");
            } else {
                assert_true((uint64_t)json_integer_value(seq) == seqs[i]);
            }
            json_decref(v);
        }
    }
    buf_fini(&b);
}

static void a_full_buffer_is_noticed(void **state) {
    (void)state;
    struct event e = {.kind = EVENT_UPDATE, .room_id = slice_str("r"), .payload = slice_str("xx")};
    for (size_t max = 1; max < 100; max += 7) {
        struct buf b;
        buf_init(&b, max);
        (void)dialect_get(DIALECT_JSONRPC)->encode_event(&e, &b);
        (void)dialect_get(DIALECT_PLAINJSON)->encode_event(&e, &b);
        assert_true(b.failed);
        buf_fini(&b);
    }
}

static void names_of_roles_and_rooms(void **state) {
    (void)state;
    assert_string_equal(role_name(ROLE_NONE), "none");
    assert_string_equal(role_name(ROLE_READ), "read");
    assert_string_equal(role_name(ROLE_WRITE), "write");
    assert_string_equal(role_name(ROLE_ADMIN), "admin");
    assert_true(room_name_valid(slice_str("ws:acme/42")));
    assert_true(room_name_valid(slice_str("kn:a_B.9@x-y")));
    for (unsigned c = 0; c < 256; c++) {
        uint8_t name[] = {(uint8_t)c};
        bool listed = c && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "_.:/@-",
                                  (int)c);
        assert_int_equal(room_name_valid(slice_of(name, 1)), listed);
    }
    assert_false(room_name_valid((slice){0}));
    assert_string_equal(dialect_get(DIALECT_JSONRPC)->name, "jsonrpc");
    assert_string_equal(dialect_get(DIALECT_MUX)->name, "mux");
}

static size_t allocations_left;

static void *scarce_malloc(size_t n) {
    return allocations_left && --allocations_left ? malloc(n) : NULL;
}

/* The JSON library's n-th allocation fails, for each n: one intent that is refused, no leak. */
static void out_of_memory_is_reported(void **state) {
    (void)state;
    static const char message[] =
        REQUEST("collab/subscribe", "{\"roomId\":\"r\",\"capabilities\":[\"binary.v1\"],\"client\":"
                                    "{\"a\":[1,2.5,true]},\"token\":\"t\",\"x\":1e3}");
    enum err err = ERR_NOMEM;
    for (size_t n = 1; err != ERR_OK; n++) {
        assert_true(n < 200);
        json_set_alloc_funcs(scarce_malloc, free);
        allocations_left = n;
        err = ask(message)->err;
        json_set_alloc_funcs(malloc, free);
        /* Where the library runs out inside of a word it calls that word wrong. */
        assert_true(err == ERR_OK || err == ERR_NOMEM || err == ERR_PARSE);
        assert_int_equal(err != ERR_OK, seen.intents[0].detail != NULL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscribe_reads_all_its_params),
        cmocka_unit_test(capabilities_may_be_an_object),
        cmocka_unit_test(data_methods_read_seq_and_payload),
        cmocka_unit_test(the_other_methods_are_known),
        cmocka_unit_test(ids_are_echoed),
        cmocka_unit_test(bad_messages_are_refused_in_words),
        cmocka_unit_test(payloads_over_the_cap_are_named_with_their_sizes),
        cmocka_unit_test(long_payloads_read_as_short_ones_do),
        cmocka_unit_test(padding_does_not_count),
        cmocka_unit_test(long_strings_are_refused),
        cmocka_unit_test(deep_and_crowded_messages_never_reach_the_parser),
        cmocka_unit_test(notifications_get_no_answer),
        cmocka_unit_test(responses_are_ignored),
        cmocka_unit_test(batches_announce_how_many),
        cmocka_unit_test(binary_frames_need_the_subprotocol),
        cmocka_unit_test(answers_have_the_fields_of_their_method),
        cmocka_unit_test(small_answers_and_the_handshake_of_mcp),
        cmocka_unit_test(errors_carry_what_their_code_promises),
        cmocka_unit_test(texts_of_any_bytes_come_out_as_json),
        cmocka_unit_test(events_end_in_their_stamp),
        cmocka_unit_test(a_full_buffer_is_noticed),
        cmocka_unit_test(names_of_roles_and_rooms),
        cmocka_unit_test(out_of_memory_is_reported),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_fini(&seen.arena);
    return failed;
}
