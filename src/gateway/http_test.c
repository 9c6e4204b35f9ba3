/* What requests the door lets in, and what it says to the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "gateway/http.h"

#define HANDSHAKE                                                                                  \
    "Host: localhost:3005\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"            \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

static const char good[] = "GET /collab/ws?roomId=ws%3Aacme%2F42&x= HTTP/1.1\r\n" HANDSHAKE
                           "Sec-WebSocket-Protocol: foo, mcp-binary ,mcp\r\n\r\n";

static enum http_result parse(const char *text, struct http_request *req, unsigned *status) {
    size_t used = 0;
    const char *reason = NULL;
    *status = 0;
    enum http_result r = http_parse(slice_str(text), req, &used, status, &reason);
    if (r == HTTP_PARSE_BAD) {
        assert_non_null(reason);
    }
    return r;
}

static void an_upgrade_is_read_whole(void **state) {
    (void)state;
    struct http_request req;
    unsigned status = 0;
    assert_int_equal(parse(good, &req, &status), HTTP_PARSE_OK);
    assert_true(slice_is(req.method, "GET"));
    assert_true(slice_is(req.path, "/collab/ws"));
    assert_true(http_header_lists(&req, "sec-websocket-protocol", "mcp-binary"));
    assert_true(http_header_lists(&req, "Sec-WebSocket-Protocol", "mcp"));
    assert_false(http_header_lists(&req, "Sec-WebSocket-Protocol", "mcp-json"));
    char room[32];
    size_t n = 0;
    assert_true(http_query(&req, "roomId", room, sizeof room, &n));
    assert_true(slice_is(slice_of(room, n), "ws:acme/42"));
    assert_true(http_query(&req, "x", room, sizeof room, &n));
    assert_int_equal(n, 0);
    assert_false(http_query(&req, "room", room, sizeof room, &n));
    assert_false(http_query(&req, "roomId", room, 5, &n));
    slice key = {0};
    const char *reason = NULL;
    assert_true(http_wants_websocket(&req, &key, &status, &reason));
    assert_true(slice_is(key, "dGhlIHNhbXBsZSBub25jZQ=="));
}

static void a_cut_request_waits_for_more_at_every_byte(void **state) {
    (void)state;
    struct http_request req;
    for (size_t n = 0; n < sizeof good - 1; n++) {
        size_t used = 0;
        unsigned status = 0;
        const char *reason = NULL;
        assert_int_equal(http_parse(slice_of(good, n), &req, &used, &status, &reason),
                         HTTP_PARSE_MORE);
    }
}

static void odd_requests_are_refused_with_a_status(void **state) {
    (void)state;
    static const struct {
        const char *what;
        const char *request;
        unsigned status;
    } cases[] = {
        {"not HTTP", "hello\r\n\r\n", 400},
        {"HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", 505},
        {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
        {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
        {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"a long body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413},
        {"two lengths",
         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400},
        {"an odd length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", 400},
        {"chunks", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 411},
        {"both lengths",
         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         400},
        {"a folded line", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400},
        {"a bare CR", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400},
        {"a bare LF", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400},
        {"a space in a name", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        {"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"a field without a name", "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400},
        {"a NUL", "GET / HTTP/1.1\r\nHost: a\r\nX: \1\r\n\r\n", 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_request req;
        unsigned status = 0;
        if (parse(cases[i].request, &req, &status) != HTTP_PARSE_BAD || status != cases[i].status) {
            fail_msg("%s: status %u, not %u", cases[i].what, status, cases[i].status);
        }
    }
}

static void a_body_is_waited_for_and_taken(void **state) {
    (void)state;
    const char *text = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET";
    struct http_request req;
    unsigned status = 0;
    const char *reason = NULL;
    size_t used = 0;
    for (size_t n = 0; n < strlen(text) - 3; n++) {
        assert_int_equal(http_parse(slice_of(text, n), &req, &used, &status, &reason),
                         HTTP_PARSE_MORE);
    }
    assert_int_equal(http_parse(slice_str(text), &req, &used, &status, &reason), HTTP_PARSE_OK);
    assert_true(slice_is(req.body, "hello"));
    assert_int_equal(used, strlen(text) - 3);
}

static void headers_are_bounded(void **state) {
    (void)state;
    static char big[HTTP_HEAD_MAX + 100];
    memset(big, 'a', sizeof big - 1);
    memcpy(big, "GET /", 5);
    struct http_request req;
    unsigned status = 0;
    assert_int_equal(parse(big, &req, &status), HTTP_PARSE_BAD);
    assert_int_equal(status, 431);

    static char many[HTTP_HEAD_MAX];
    size_t n = (size_t)snprintf(many, sizeof many, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < HTTP_HEADERS_MAX; i++) {
        n += (size_t)snprintf(many + n, sizeof many - n, "x: y\r\n");
    }
    (void)snprintf(many + n, sizeof many - n, "\r\n");
    assert_int_equal(parse(many, &req, &status), HTTP_PARSE_BAD);
    assert_int_equal(status, 431);
}

static void only_a_proper_upgrade_becomes_a_websocket(void **state) {
    (void)state;
    static const struct {
        const char *what;
        const char *request;
        unsigned status;
    } cases[] = {
        {"a plain GET", "GET /collab/ws HTTP/1.1\r\nHost: a\r\n\r\n", 426},
        {"POST", "POST /collab/ws HTTP/1.1\r\n" HANDSHAKE "\r\n", 405},
        {"no Connection", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", 400},
        {"version 8",
         "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n",
         426},
        {"no key",
         "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\n\r\n",
         400},
        {"a short key",
         "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: c2hvcnQ=\r\nSec-WebSocket-Version: 13\r\n\r\n",
         400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_request req;
        unsigned status = 0;
        slice key = {0};
        const char *reason = NULL;
        assert_int_equal(parse(cases[i].request, &req, &status), HTTP_PARSE_OK);
        if (http_wants_websocket(&req, &key, &status, &reason) || status != cases[i].status) {
            fail_msg("%s: status %u, not %u", cases[i].what, status, cases[i].status);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upgrade_is_read_whole),
        cmocka_unit_test(a_cut_request_waits_for_more_at_every_byte),
        cmocka_unit_test(odd_requests_are_refused_with_a_status),
        cmocka_unit_test(a_body_is_waited_for_and_taken),
        cmocka_unit_test(headers_are_bounded),
        cmocka_unit_test(only_a_proper_upgrade_becomes_a_websocket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
