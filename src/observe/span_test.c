/* Spans: what a collector gets, and what becomes of them when it takes none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "limit/caps.h"
#include "observe/metrics.h"
#include "observe/span.h"

/* ---- a collector: takes requests one by one, until it is asked to end ---- */

enum { REQUEST_MOST = 4 << 20 };

struct collector {
    int fd;
    unsigned port;
    unsigned status;
    pthread_t thread;
    char *request; /* the last one, whole */
    unsigned requests;
};

/* Reads up to the end of the body that the head announces; false at the end of the stream. */
static bool read_request(int fd, char *to) {
    size_t n = 0;
    for (;;) {
        ssize_t got = read(fd, to + n, REQUEST_MOST - n);
        if (got <= 0) {
            return false;
        }
        n += (size_t)got;
        to[n] = 0;
        const char *body = strstr(to, "\r\n\r\n");
        const char *length = strstr(to, "Content-Length: ");
        if (body && length && n >= (size_t)(body + 4 - to) + strtoul(length + 16, NULL, 10)) {
            return true;
        }
        if (body && strstr(to, "Expect: 100-continue") && !body[4]) {
            static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
            assert_int_equal(write(fd, go_on, sizeof go_on - 1), sizeof go_on - 1);
        }
    }
}

static void *collect(void *ctx) {
    struct collector *c = ctx;
    for (int fd; (fd = accept(c->fd, NULL, NULL)) >= 0;) {
        while (read_request(fd, c->request)) {
            char answer[80];
            int n = snprintf(answer, sizeof answer, "HTTP/1.1 %u x\r\nContent-Length: 0\r\n\r\n",
                             c->status);
            c->requests++;
            if (write(fd, answer, (size_t)n) != n) {
                break;
            }
        }
        (void)close(fd);
    }
    return NULL;
}

static struct collector collector_start(unsigned status) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    struct collector c = {.fd = socket(AF_INET, SOCK_STREAM, 0), .status = status};
    assert_int_equal(bind(c.fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(c.fd, (struct sockaddr *)&a, &n), 0);
    assert_int_equal(listen(c.fd, 4), 0);
    c.port = ntohs(a.sin_port);
    c.request = calloc(1, REQUEST_MOST + 1);
    assert_non_null(c.request);
    return c;
}

static void open_to(struct collector *c, const char *path, unsigned sample) {
    char url[80];
    char why[300] = "";
    assert_int_equal(pthread_create(&c->thread, NULL, collect, c), 0);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", c->port, path);
    const struct span_options o = {.url = url, .sample = sample};
    if (span_open(&o, why, sizeof why) != ERR_OK) {
        fail_msg("%s", why);
    }
}

static void collector_end(struct collector *c) {
    span_close();
    (void)shutdown(c->fd, SHUT_RDWR);
    assert_int_equal(pthread_join(c->thread, NULL), 0);
    (void)close(c->fd);
}

static json_t *body_of(const struct collector *c) {
    const char *body = strstr(c->request, "\r\n\r\n");
    assert_non_null(body);
    json_error_t e;
    json_t *v = json_loads(body + 4, JSON_REJECT_DUPLICATES, &e);
    if (!v) {
        fail_msg("%s in %s", e.text, body);
    }
    return v;
}

static const char *text(const json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));
    assert_non_null(s);
    return s;
}

static const struct trace told = {.high = 0x4bf92f3577b34da6,
                                  .low = 0xa3ce929d0e0e4736,
                                  .span = 0x00f067aa0ba902b7,
                                  .sampled = true};

static void a_collector_gets_spans_as_otlp_json(void **state) {
    (void)state;
    struct collector c = collector_start(200);
    open_to(&c, "", 0); /* without a path */
    int64_t before = metric_get(METRIC_SPANS_SENT, 0);
    struct trace silent = told;
    silent.sampled = false;
    assert_true(span_wanted(&told) && !span_wanted(&silent));
    span_end(&(struct span){.trace = silent, .id = 1, .name = "not told"});
    span_end(&(struct span){.trace = told,
                            .id = 0xabc,
                            .name = "collab/update",
                            .serves = true,
                            .start_ns = 1000000,
                            .end_ns = 3000000,
                            .room = slice_str("ws:acme/\"42\""),
                            .connection = 7,
                            .seq = 9,
                            .err = ERR_RATE});
    collector_end(&c);
    assert_int_equal(metric_get(METRIC_SPANS_SENT, 0), before + 1);
    assert_int_equal(strncmp(c.request, "POST /v1/traces HTTP/1.1\r\n", 26), 0);
    assert_non_null(strstr(c.request, "Content-Type: application/json\r\n"));
    json_t *whole = body_of(&c);
    json_t *of = json_array_get(json_object_get(whole, "resourceSpans"), 0);
    json_t *service =
        json_array_get(json_object_get(json_object_get(of, "resource"), "attributes"), 0);
    assert_string_equal(text(service, "key"), "service.name");
    assert_string_equal(text(json_object_get(service, "value"), "stringValue"), "collabd");
    json_t *spans = json_object_get(json_array_get(json_object_get(of, "scopeSpans"), 0), "spans");
    assert_int_equal(json_array_size(spans), 1);
    json_t *s = json_array_get(spans, 0);
    assert_string_equal(text(s, "traceId"), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_string_equal(text(s, "parentSpanId"), "00f067aa0ba902b7");
    assert_string_equal(text(s, "spanId"), "0000000000000abc");
    assert_string_equal(text(s, "name"), "collab/update");
    assert_int_equal(json_integer_value(json_object_get(s, "kind")), 2);
    assert_int_equal(strtoull(text(s, "endTimeUnixNano"), NULL, 10) -
                         strtoull(text(s, "startTimeUnixNano"), NULL, 10),
                     2000000);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(s, "status"), "code")), 2);
    char *attributes = json_dumps(json_object_get(s, "attributes"), JSON_COMPACT);
    assert_string_equal(attributes,
                        "[{\"key\":\"roomId\",\"value\":{\"stringValue\":\"ws:acme/\\\"42\\\"\"}},"
                        "{\"key\":\"connectionId\",\"value\":{\"intValue\":\"7\"}},"
                        "{\"key\":\"seq\",\"value\":{\"intValue\":\"9\"}},"
                        "{\"key\":\"errCode\",\"value\":{\"stringValue\":\"rate\"}}]");
    free(attributes);
    json_decref(whole);
    free(c.request);
}

static void what_the_queue_or_the_collector_does_not_take_is_counted(void **state) {
    (void)state;
    struct collector c = collector_start(503);
    open_to(&c, "/elsewhere", 0);
    int64_t sent = metric_get(METRIC_SPANS_SENT, 0);
    int64_t dropped = metric_get(METRIC_SPANS_DROPPED, 0);
    enum { ALL = 2 * CAPS_SPANS_QUEUED + 50 };
    for (int i = 0; i < ALL; i++) {
        span_end(&(struct span){.trace = told, .id = span_id(), .name = "apply"});
    }
    collector_end(&c);
    assert_int_equal(metric_get(METRIC_SPANS_SENT, 0), sent);
    assert_int_equal(metric_get(METRIC_SPANS_DROPPED, 0), dropped + ALL);
    assert_int_equal(strncmp(c.request, "POST /elsewhere HTTP/1.1\r\n", 26), 0);
    assert_true(c.requests >= CAPS_SPANS_QUEUED / CAPS_SPANS_POSTED);
    free(c.request);
}

static void without_a_collector_nothing_begins(void **state) {
    (void)state;
    char why[300] = "";
    assert_int_equal(span_open(&(struct span_options){.sample = 1}, why, sizeof why), ERR_OK);
    struct trace t = {0};
    span_sample(&t);
    assert_false(trace_is_set(&t) || span_wanted(&told));
    span_end(&(struct span){.trace = told, .id = 1, .name = "apply"});
    span_close();
}

static void one_in_so_many_begins_a_trace(void **state) {
    (void)state;
    struct collector c = collector_start(200);
    open_to(&c, "/", 4);
    unsigned begun = 0;
    for (int i = 0; i < 4000; i++) {
        struct trace t = {0};
        span_sample(&t);
        begun += trace_is_set(&t) && t.sampled;
    }
    assert_in_range(begun, 500, 1500); /* 1,000 are expected, give or take 27 */
    struct trace given = {.high = 1};
    for (int i = 0; i < 100; i++) {
        span_sample(&given);
    }
    assert_true(given.high == 1 && !given.low && !given.sampled);
    collector_end(&c);
    free(c.request);
}

static void an_address_that_is_none_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"", "127.0.0.1:4318", "ftp://x/", "http://", "file:///x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char why[300] = "";
        const struct span_options o = {.url = wrong[i]};
        assert_int_equal(span_open(&o, why, sizeof why), ERR_PARAMS);
        assert_non_null(strstr(why, "COLLAB_OTLP_URL="));
        span_close();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_collector_nothing_begins),
        cmocka_unit_test(an_address_that_is_none_is_refused),
        cmocka_unit_test(a_collector_gets_spans_as_otlp_json),
        cmocka_unit_test(what_the_queue_or_the_collector_does_not_take_is_counted),
        cmocka_unit_test(one_in_so_many_begins_a_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
