/* Metrics: counts of several threads add up, and the page is one that Prometheus reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "limit/caps.h"
#include "observe/metrics.h"
#include "wire/dialect.h"
#include "wire/intent.h"

static const char *page(struct buf *b) {
    buf_clear(b);
    metrics_write(b);
    buf_put_u8(b, 0);
    assert_false(b->failed);
    return (const char *)b->p;
}

static void has_line(const char *text, const char *line) {
    size_t n = strlen(line);
    for (const char *at = text; (at = strstr(at, line)) != NULL; at += n) {
        if (at > text && at[-1] == '\n' && at[n] == '\n') {
            return;
        }
    }
    fail_msg("no line \"%s\" in:\n%s", line, text);
}

static void *work(void *ctx) {
    metrics_thread_init((unsigned)(uintptr_t)ctx);
    for (int i = 0; i < 10000; i++) {
        metric_add(METRIC_MSG_IN, metric_pair(OP_UPDATE, DIALECT_MUX), 1);
        metric_add(METRIC_RATE_LIMITED, OP_UPDATE, 1);
        metric_add(METRIC_BACKPRESSURE, 0, 1);
        metric_add(METRIC_PARTICIPANTS, 0, 1);
        metric_observe(METRIC_TICK_UPDATES, 2);
    }
    metric_set(METRIC_MEMORY, METRIC_OWNER_INPUT, 5);
    return NULL;
}

static void threads_add_up(void **state) {
    struct buf *b = *state;
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
    }
    /* Reading while they write is fine. */
    (void)page(b);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    metrics_thread_init(0);
    metric_add(METRIC_PARTICIPANTS, 0, -39990);
    const char *text = page(b);
    has_line(text, "collab_msg_in_total{type=\"update\",dialect=\"mux\"} 40000");
    has_line(text, "collab_rate_limited_total{type=\"update\"} 40000");
    has_line(text, "collab_rate_limited_total{type=\"invalid\"} 0");
    has_line(text, "collab_rate_limited_total{type=\"room.info\"} 0");
    has_line(text, "collab_participants 10");
    has_line(text, "collab_memory_bytes{owner=\"input\"} 20");
    has_line(text, "collab_tick_updates_bucket{le=\"1\"} 0");
    has_line(text, "collab_tick_updates_bucket{le=\"2\"} 40000");
    has_line(text, "collab_tick_updates_bucket{le=\"+Inf\"} 40000");
    has_line(text, "collab_tick_updates_sum 80000");
    has_line(text, "collab_tick_updates_count 40000");
    assert_int_equal(metric_get(METRIC_RATE_LIMITED, OP_UPDATE), 40000);
}

/* Worker by worker: of thread 0 and the four that have ended. */
static void what_is_told_by_worker_stays_apart(void **state) {
    struct buf *b = *state;
    metric_set_thread(METRIC_MAILBOX_DEPTH, 0, 3, 7);
    const char *text = page(b);
    has_line(text, "collab_backpressure_on_total{worker=\"0\"} 0");
    has_line(text, "collab_backpressure_on_total{worker=\"3\"} 10000");
    has_line(text, "collab_mailbox_depth{worker=\"3\"} 7");
    has_line(text, "collab_mailbox_depth{worker=\"4\"} 0");
    assert_null(strstr(text, "worker=\"5\""));
    assert_int_equal(metric_get(METRIC_MAILBOX_DEPTH, 0), 7);
}

static void what_is_not_known_has_no_line(void **state) {
    struct buf *b = *state;
    const char *text = page(b);
    assert_null(strstr(text, "\ncollab_draining "));
    assert_null(strstr(text, "\ncollab_tls_certificate_expiry_seconds "));
    assert_null(strstr(text, "\ncollab_jwks_age_seconds "));
    assert_null(strstr(text, "dialect=\"plainjson\""));
    metric_set_thread(METRIC_DRAINING, 0, CAPS_METRIC_THREADS, 0);
    text = page(b);
    has_line(text, "collab_draining 0");
    metric_set_thread(METRIC_DRAINING, 0, CAPS_METRIC_THREADS, 1);
    text = page(b);
    has_line(text, "collab_draining 1");
}

static double value_of(const char *text, const char *name) {
    const char *at = strstr(text, name);
    assert_non_null(at);
    return strtod(strchr(at + 1, ' '), NULL);
}

static void moments_are_shown_as_how_far_away_they_are(void **state) {
    struct buf *b = *state;
    int64_t now = (int64_t)time(NULL);
    metric_set(METRIC_CERTIFICATE_EXPIRY, 0, now + 1000);
    metric_set(METRIC_JWKS_AGE, 0, now - 500);
    const char *text = page(b);
    double until = value_of(text, "\ncollab_tls_certificate_expiry_seconds ");
    double age = value_of(text, "\ncollab_jwks_age_seconds ");
    assert_true(until > 900 && until <= 1000);
    assert_true(age >= 500 && age < 600);
    metric_set(METRIC_CERTIFICATE_EXPIRY, 0, now - 1000); /* it has expired */
    text = page(b);
    assert_true(value_of(text, "\ncollab_tls_certificate_expiry_seconds ") <= -1000);
}

static void rooms_are_sorted_by_size(void **state) {
    (void)state;
    const struct {
        size_t participants;
        enum metric_size size;
    } cases[] = {{0, METRIC_SIZE_NOBODY}, {1, METRIC_SIZE_ONE},    {2, METRIC_SIZE_TWO},
                 {3, METRIC_SIZE_FEW},    {5, METRIC_SIZE_FEW},    {6, METRIC_SIZE_TEN},
                 {100, METRIC_SIZE_FULL}, {101, METRIC_SIZE_MORE}, {SIZE_MAX, METRIC_SIZE_MORE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(metric_size_of(cases[i].participants), cases[i].size);
    }
}

static void units_and_labels_come_out_right(void **state) {
    struct buf *b = *state;
    metric_add(METRIC_LOOP_BUSY, 0, 1500000000); /* of worker 0, which this thread stands for */
    metric_add(METRIC_ERRORS, ERR_TOO_LARGE, 3);
    metric_add(METRIC_MSG_OUT, metric_pair(METRIC_OUT_STATE, DIALECT_PLAINJSON), 2);
    metric_observe(METRIC_APPLY_DURATION, 0.0005);
    metric_observe(METRIC_APPLY_DURATION, 0.001);
    metric_observe(METRIC_APPLY_DURATION, 7);
    metric_observe(METRIC_APPLY_DURATION, 1e9);
    const char *text = page(b);
    has_line(text, "collab_loop_busy_seconds_total{worker=\"0\"} 1.500000000");
    has_line(text, "collab_errors_total{code=\"too_large\"} 3");
    assert_null(strstr(text, "code=\"ok\""));
    has_line(text, "collab_msg_out_total{type=\"state\",dialect=\"plainjson\"} 2");
    has_line(text, "collab_apply_duration_ms_bucket{le=\"0.001\"} 2");
    has_line(text, "collab_apply_duration_ms_bucket{le=\"5\"} 2");
    has_line(text, "collab_apply_duration_ms_bucket{le=\"10\"} 3");
    has_line(text, "collab_apply_duration_ms_bucket{le=\"500\"} 3");
    has_line(text, "collab_apply_duration_ms_bucket{le=\"+Inf\"} 4");
}

static void the_process_describes_itself(void **state) {
    const char *text = page(*state);
    const char *start = strstr(text, "\nprocess_start_time_seconds ");
    const char *memory = strstr(text, "\nprocess_resident_memory_bytes ");
    const char *files = strstr(text, "\nprocess_open_fds ");
    assert_non_null(start);
    assert_non_null(memory);
    assert_non_null(files);
    double age = (double)time(NULL) - strtod(strchr(start, ' '), NULL);
    assert_true(age > -2 && age < 120);
    assert_true(strtod(strchr(memory, ' '), NULL) > 100000);
    assert_true(strtod(strchr(files, ' '), NULL) >= 1);
}

/* promtool's opinion on names. Durations in milliseconds have the names that users were promised.
 */
static bool lint_is_accepted(const char *line) {
    return strstr(line, "_ms ") && strstr(line, "abbreviated units");
}

static void prometheus_reads_the_page(void **state) {
    const char *tool = getenv("PROMTOOL");
    if (!tool || !*tool) {
        print_message("PROMTOOL is not set: not checked by promtool\n");
        skip();
    }
    const char *text = page(*state);
    char path[] = "/tmp/collabd-metrics-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);

    char command[600];
    assert_in_range(snprintf(command, sizeof command, "'%s' check metrics <%s 2>&1", tool, path), 1,
                    sizeof command - 1);
    FILE *lint = popen(command, "r");
    assert_non_null(lint);
    char line[500];
    while (fgets(line, sizeof line, lint)) {
        if (!lint_is_accepted(line)) {
            fail_msg("promtool: %s", line);
        }
    }
    /* 3 is "read, but with remarks", which were looked at above. */
    int status = pclose(lint);
    assert_true(status == 0 || status == 3 << 8);
    assert_int_equal(unlink(path), 0);
}

int main(void) {
    struct buf b;
    buf_init(&b, 1 << 20);
    void *start = &b;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(threads_add_up, start),
        cmocka_unit_test_prestate(what_is_told_by_worker_stays_apart, start),
        cmocka_unit_test_prestate(what_is_not_known_has_no_line, start),
        cmocka_unit_test_prestate(moments_are_shown_as_how_far_away_they_are, start),
        cmocka_unit_test(rooms_are_sorted_by_size),
        cmocka_unit_test_prestate(units_and_labels_come_out_right, start),
        cmocka_unit_test_prestate(the_process_describes_itself, start),
        cmocka_unit_test_prestate(prometheus_reads_the_page, start),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_fini(&b);
    return failed;
}
