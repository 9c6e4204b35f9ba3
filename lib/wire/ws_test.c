/* The frame codec: played against the case list in tests/wire/autobahn.json, each case cut in many
 * ways; then what no list of frames can say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <jansson.h>

#include "base/buf.h"
#include "wire/ws.h"

enum { OCTETWISE_MAX = 300 * 1024 }; /* longer streams are cut in larger pieces only */

static json_t *cases; /* the whole file */

static size_t cap(const char *name) {
    return (size_t)json_integer_value(json_object_get(cases, name));
}

static uint8_t hex_digit(char c) {
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void put_hex(struct buf *b, const char *hex) {
    for (; *hex; hex += 2) {
        buf_put_u8(b, (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1])));
    }
}

static void put_payload(struct buf *b, const json_t *payload) {
    const json_t *text = json_object_get(payload, "text");
    const json_t *hex = json_object_get(payload, "hex");
    const json_t *repeat = json_object_get(payload, "repeat");
    if (text) {
        buf_put(b, json_string_value(text), json_string_length(text));
    } else if (hex) {
        put_hex(b, json_string_value(hex));
    } else if (repeat) {
        size_t n = (size_t)json_integer_value(json_object_get(payload, "bytes"));
        const char *digits = json_string_value(repeat);
        memset(buf_reserve(b, n), hex_digit(digits[0]) << 4 | hex_digit(digits[1]), n);
        buf_commit(b, n);
    }
}

static size_t member(const json_t *o, const char *name, size_t otherwise) {
    const json_t *v = json_object_get(o, name);
    return v ? (size_t)json_integer_value(v) : otherwise;
}

/* One frame as the client of a case writes it: any bits, its mask from the payload's length. */
static void put_frame(struct buf *b, const json_t *frame, uint8_t op, bool fin, slice payload) {
    uint8_t head[WS_MASKED_HEADER_MAX];
    uint8_t mask[4] = {0x37, 0xfa, (uint8_t)payload.n, 0x3d};
    bool masked = !json_is_false(json_object_get(frame, "mask"));
    size_t n = masked ? ws_header_masked(head, WS_TEXT, payload.n, mask)
                      : ws_header(head, WS_TEXT, payload.n);
    head[0] = (uint8_t)((fin ? 0x80 : 0) | member(frame, "rsv", 0) << 4 | op);
    buf_put(b, head, n);
    buf_put_slice(b, payload);
    if (masked) {
        ws_mask(b->p + b->n - payload.n, payload.n, mask);
    }
}

static void put_fragments(struct buf *b, const json_t *frame, slice payload) {
    size_t size = member(frame, "fragment", SIZE_MAX);
    bool fin = !json_is_false(json_object_get(frame, "fin"));
    uint8_t op = (uint8_t)member(frame, "op", 0);
    size_t at = 0;
    do {
        size_t n = payload.n - at < size ? payload.n - at : size;
        bool last = at + n == payload.n;
        put_frame(b, frame, at ? WS_CONT : op, last && fin,
                  slice_of(payload.p ? payload.p + at : NULL, n));
        at += n;
    } while (at < payload.n);
}

/* The bytes of a case; *ret_early is how many of them may pass before the refusal. */
static void put_stream(struct buf *b, const json_t *test, size_t *ret_early) {
    const json_t *send = json_object_get(test, "send");
    size_t waits_left = member(test, "early", SIZE_MAX);
    *ret_early = SIZE_MAX;
    for (size_t i = 0; i < json_array_size(send); i++) {
        const json_t *step = json_array_get(send, i);
        struct buf payload = {0};
        if (json_object_get(step, "wait")) {
            *ret_early = --waits_left == 0 ? b->n : *ret_early;
        } else if (json_object_get(step, "hex")) {
            put_hex(b, json_string_value(json_object_get(step, "hex")));
        } else {
            put_payload(&payload, json_object_get(step, "payload"));
            for (size_t k = member(step, "times", 1); k > 0; k--) {
                put_fragments(b, step, buf_slice(&payload));
            }
        }
        buf_fini(&payload);
    }
}

/* What a server would have done: `said` holds op, length and bytes of each message and pong. */
struct outcome {
    struct buf said;
    unsigned client_code; /* of the client's close frame, 0 when there was none */
    unsigned refusal;     /* 0 when the parser was content */
    char detail[128];
    size_t refused_at; /* bytes that had arrived by then */
};

static void say(struct buf *b, enum ws_op op, slice s) {
    buf_put_u8(b, (uint8_t)op);
    buf_put(b, &s.n, sizeof s.n);
    buf_put_slice(b, s);
}

static void act(struct outcome *o, const struct ws_parser *p, const struct ws_frame *f,
                struct buf *message) {
    slice payload = slice_of(f->payload, f->n);
    slice reason;
    switch (f->op) {
    case WS_PING:
        say(&o->said, WS_PONG, payload);
        break;
    case WS_PONG:
        break;
    case WS_CLOSE:
        assert_true(ws_close_parse(payload, &o->client_code, &reason));
        break;
    default:
        buf_put_slice(message, payload);
        if (f->fin) {
            say(&o->said, p->message_op, buf_slice(message));
            buf_clear(message);
        }
    }
}

/* Plays a stream in pieces of `chop` bytes, as a connection with one buffer would. */
static void play(slice stream, size_t chop, bool server, struct outcome *o) {
    struct ws_parser p;
    struct ws_frame f;
    struct buf message = {0};
    ws_parser_init(&p, cap("frame_bytes"), cap("message_bytes"), server);
    uint8_t *bytes = malloc(stream.n + 1);
    memcpy(bytes, stream.p, stream.n);
    *o = (struct outcome){0};
    assert_non_null(buf_reserve(&message, 1)); /* it may be given nothing but empty fragments */
    size_t taken = 0;
    size_t arrived = 0;
    size_t need = 0;
    while (arrived < stream.n && !o->refusal && !o->client_code) {
        arrived += chop < stream.n - arrived ? chop : stream.n - arrived;
        enum ws_result r = WS_FRAME;
        while (r == WS_FRAME && !o->client_code) {
            r = ws_parse(&p, bytes + taken, arrived - taken, &f);
            if (r == WS_FRAME) {
                assert_true(f.consumed <= arrived - taken);
                assert_true(need == 0 || need == f.consumed);
                need = 0;
                act(o, &p, &f, &message);
                taken += f.consumed;
            } else if (r == WS_NEED_MORE) {
                assert_true(p.need == 0 || p.need > arrived - taken);
                need = p.need;
            } else {
                o->refusal = p.close_code;
                (void)snprintf(o->detail, sizeof o->detail, "%s", p.detail);
                o->refused_at = arrived;
                assert_int_equal(ws_parse(&p, bytes + taken, 0, &f), WS_ERROR);
            }
        }
    }
    free(bytes);
    buf_fini(&message);
}

static bool has_code(const json_t *codes, unsigned code) {
    for (size_t i = 0; i < json_array_size(codes); i++) {
        if (json_integer_value(json_array_get(codes, i)) == code) {
            return true;
        }
    }
    return false;
}

static void put_expected(struct buf *b, const json_t *expect) {
    for (size_t i = 0; i < json_array_size(expect); i++) {
        const json_t *e = json_array_get(expect, i);
        struct buf payload = {0};
        put_payload(&payload, json_object_get(e, "payload"));
        for (size_t k = member(e, "times", 1); k > 0; k--) {
            say(b, (enum ws_op)member(e, "op", 0), buf_slice(&payload));
        }
        buf_fini(&payload);
    }
}

static void check(const char *id, const json_t *test, const struct outcome *o, size_t chop) {
    const json_t *end = json_object_get(test, "end");
    const json_t *codes = json_object_get(end, "code");
    bool by_server = strcmp(json_string_value(json_object_get(end, "by")), "server") == 0;
    struct buf expected = {0};
    put_expected(&expected, json_object_get(test, "expect"));
    bool closed_right = by_server
                            ? has_code(codes, o->refusal)
                            : !o->refusal && (!o->client_code || has_code(codes, o->client_code));
    if (!closed_right || !slice_eq(buf_slice(&expected), buf_slice(&o->said))) {
        fail_msg(
            "case %s in pieces of %zu: refusal %u (%s), close %u, %zu bytes said, %zu expected", id,
            chop, o->refusal, o->detail, o->client_code, o->said.n, expected.n);
    }
    buf_fini(&expected);
}

static void run_case(const json_t *test) {
    const char *id = json_string_value(json_object_get(test, "id"));
    struct buf stream = {0};
    size_t early = 0;
    put_stream(&stream, test, &early);
    size_t chops[] = {SIZE_MAX, member(test, "chop", 4096), 1, 2, 3, 7, 997, 65536};
    struct outcome whole = {0};
    for (size_t i = 0; i < sizeof chops / sizeof *chops; i++) {
        if (stream.n > OCTETWISE_MAX && chops[i] < 64) {
            continue;
        }
        struct outcome o;
        play(buf_slice(&stream), chops[i], true, &o);
        check(id, test, &o, chops[i]);
        if (i == 0) {
            whole = o;
            continue;
        }
        assert_int_equal(o.refusal, whole.refusal);
        assert_string_equal(o.detail, whole.detail);
        if (chops[i] == 1 && o.refusal) {
            assert_true(o.refused_at <= early);
        }
        buf_fini(&o.said);
    }
    buf_fini(&whole.said);
    buf_fini(&stream);
}

/* Each case, cut in eight ways. */
static void the_autobahn_case_list_passes(void **state) {
    (void)state;
    const json_t *list = json_object_get(cases, "cases");
    assert_true(json_array_size(list) >= 517);
    for (size_t i = 0; i < json_array_size(list); i++) {
        run_case(json_array_get(list, i));
    }
}

static void a_client_reads_what_a_server_writes(void **state) {
    (void)state;
    const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 70000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buf b = {0};
        uint8_t head[WS_HEADER_MAX];
        buf_put(&b, head, ws_header(head, WS_BIN, sizes[i]));
        memset(buf_reserve(&b, sizes[i] + 1), 0x5a, sizes[i]);
        buf_commit(&b, sizes[i]);
        struct outcome o;
        play(buf_slice(&b), 4096, false, &o);
        assert_int_equal(o.refusal, 0);
        assert_int_equal(o.said.n, 1 + sizeof(size_t) + sizes[i]);
        buf_fini(&o.said);
        play(buf_slice(&b), 4096, true, &o);
        assert_int_equal(o.refusal, 1002);
        buf_fini(&o.said);
        buf_fini(&b);
    }
    uint8_t masked[] = {0x81, 0x81, 1, 2, 3, 4, 'a' ^ 1};
    struct outcome o;
    play(slice_of(masked, sizeof masked), 1, false, &o);
    assert_int_equal(o.refusal, 1002);
    assert_string_equal(o.detail, "server frame is masked");
    buf_fini(&o.said);
}

static void masking_is_its_own_inverse_at_every_length(void **state) {
    (void)state;
    const uint8_t mask[4] = {0x01, 0x80, 0xff, 0x5c};
    for (size_t n = 0; n < 70; n++) {
        uint8_t bytes[70];
        for (size_t i = 0; i < n; i++) {
            bytes[i] = (uint8_t)(i * 7);
        }
        ws_mask(bytes, n, mask);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(bytes[i], (uint8_t)(i * 7) ^ mask[i & 3]);
        }
        ws_mask(bytes, n, mask);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(bytes[i], (uint8_t)(i * 7));
        }
    }
}

static void need_names_the_whole_frame_and_never_more_than_the_caps(void **state) {
    (void)state;
    struct ws_parser p;
    struct ws_frame f;
    ws_parser_init(&p, 1000, 1500, true);
    uint8_t small[] = {0x81, 0x85, 1, 2, 3, 4, 0, 0, 0, 0, 0};
    assert_int_equal(ws_parse(&p, small, 0, &f), WS_NEED_MORE);
    assert_int_equal(p.need, 0);
    assert_int_equal(ws_parse(&p, small, 1, &f), WS_NEED_MORE);
    assert_int_equal(p.need, 0);
    assert_int_equal(ws_parse(&p, small, 2, &f), WS_NEED_MORE);
    assert_int_equal(p.need, 11);
    uint8_t large[] = {0x82, 0xfe, 0x03, 0xe8, 1, 2, 3, 4};
    assert_int_equal(ws_parse(&p, large, 3, &f), WS_NEED_MORE);
    assert_int_equal(p.need, 0);
    assert_int_equal(ws_parse(&p, large, 4, &f), WS_NEED_MORE);
    assert_int_equal(p.need, 8 + 1000);
    uint8_t over[] = {0x82, 0xfe, 0x03, 0xe9, 1, 2, 3, 4};
    assert_int_equal(ws_parse(&p, over, 4, &f), WS_ERROR);
    assert_int_equal(p.close_code, 1009);
}

static void fragments_are_counted_against_the_message_cap(void **state) {
    (void)state;
    struct ws_parser p;
    struct ws_frame f;
    ws_parser_init(&p, 10, 12, true);
    uint8_t first[] = {0x02, 0x88, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    assert_int_equal(ws_parse(&p, first, sizeof first, &f), WS_FRAME);
    assert_true(p.in_message);
    uint8_t fits[] = {0x00, 0x84, 0, 0, 0, 0, 1, 2, 3, 4};
    assert_int_equal(ws_parse(&p, fits, sizeof fits, &f), WS_FRAME);
    assert_int_equal(f.op, WS_CONT);
    assert_int_equal(p.message_op, WS_BIN);
    uint8_t over[] = {0x80, 0x81, 0, 0, 0, 0, 1};
    assert_int_equal(ws_parse(&p, over, sizeof over, &f), WS_ERROR);
    assert_string_equal(p.detail, "message is too large");
}

static void a_close_reason_is_cut_between_characters(void **state) {
    (void)state;
    uint8_t to[WS_CONTROL_MAX];
    unsigned code = 0;
    slice reason;
    size_t n = ws_close_payload(to, 1008, "Auth timeout");
    assert_int_equal(n, 14);
    assert_true(ws_close_parse(slice_of(to, n), &code, &reason));
    assert_int_equal(code, 1008);
    assert_true(slice_is(reason, "Auth timeout"));
    assert_int_equal(ws_close_payload(to, 1011, NULL), 2);
    for (size_t lead = 0; lead < 4; lead++) {
        char text[200] = {0};
        memset(text, 'x', lead);
        for (size_t i = lead; i + 4 < sizeof text; i += 4) {
            memcpy(text + i, "\xf0\x9f\x98\x80", 4);
        }
        n = ws_close_payload(to, 1000, text);
        assert_true(n > WS_CONTROL_MAX - 4 && n <= WS_CONTROL_MAX);
        assert_true(ws_close_parse(slice_of(to, n), &code, &reason));
    }
}

static void close_payloads_are_checked(void **state) {
    (void)state;
    unsigned code = 7;
    slice reason;
    assert_true(ws_close_parse((slice){0}, &code, &reason));
    assert_int_equal(code, 1005);
    assert_int_equal(reason.n, 0);
    assert_false(ws_close_parse(slice_str("x"), &code, &reason));
    assert_false(ws_close_parse(slice_of("\x03\xed", 2), &code, &reason));
    assert_false(ws_close_parse(slice_of("\x03\xe8\xff", 3), &code, &reason));
    assert_int_equal(code, 1005);
    for (unsigned c = 0; c <= 65535; c++) {
        bool valid = (c >= 1000 && c <= 1014 && (c < 1004 || c > 1006)) || (c >= 3000 && c < 5000);
        assert_int_equal(ws_close_code_valid(c), valid);
    }
}

static void the_accept_key_is_that_of_the_rfc(void **state) {
    (void)state;
    char to[WS_ACCEPT_BYTES];
    ws_accept_key(slice_str("dGhlIHNhbXBsZSBub25jZQ=="), to);
    assert_memory_equal(to, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof to);
}

static void keys_are_sixteen_bytes_of_base64(void **state) {
    (void)state;
    assert_true(ws_key_valid(slice_str("dGhlIHNhbXBsZSBub25jZQ==")));
    assert_true(ws_key_valid(slice_str("////////////////////+w==")));
    const char *bad[] = {"",
                         "dGhlIHNhbXBsZSBub25jZQ",
                         "dGhlIHNhbXBsZSBub25jZQ=",
                         "dGhlIHNhbXBsZSBub25jZWE=",
                         "dGhlIHNhbXBsZSBub25jZWFi",
                         "dGhlIHNhbXBsZSBub25jZR==",
                         "dGhlIHNhbXBsZSBub25j*Q==",
                         "____________________-w==",
                         " dGhlIHNhbXBsZSBub25jZQ=",
                         "dGhlIHNhbXBsZSBub25jZQ== "};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(ws_key_valid(slice_str(bad[i])));
    }
}

int main(void) {
    json_error_t e;
    cases = json_load_file(WIRE_CASES "/autobahn.json", 0, &e);
    if (!cases) {
        (void)fprintf(stderr, "%s:%d: %s\n", WIRE_CASES "/autobahn.json", e.line, e.text);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_autobahn_case_list_passes),
        cmocka_unit_test(a_client_reads_what_a_server_writes),
        cmocka_unit_test(masking_is_its_own_inverse_at_every_length),
        cmocka_unit_test(need_names_the_whole_frame_and_never_more_than_the_caps),
        cmocka_unit_test(fragments_are_counted_against_the_message_cap),
        cmocka_unit_test(a_close_reason_is_cut_between_characters),
        cmocka_unit_test(close_payloads_are_checked),
        cmocka_unit_test(the_accept_key_is_that_of_the_rfc),
        cmocka_unit_test(keys_are_sixteen_bytes_of_base64),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(cases);
    return failed;
}
