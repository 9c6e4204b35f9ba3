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
    const char *at = strstr(text, line);
    if (!at || at[strlen(line)] != '\n') {
        fail_msg("no line \"%s\" in:\n%s", line, text);
    }
}

static void *work(void *ctx) {
    metrics_thread_init((unsigned)(uintptr_t)ctx);
    for (int i = 0; i < 10000; i++) {
        metric_add(METRIC_MSG_IN, OP_UPDATE, 1);
        metric_add(METRIC_PARTICIPANTS, 0, 1);
        metric_observe(METRIC_TICK_UPDATES, 2);
    }
    metric_set(METRIC_MAILBOX_DEPTH, 0, 5);
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
    has_line(text, "collab_msg_in_total{op=\"update\"} 40000");
    has_line(text, "collab_msg_in_total{op=\"invalid\"} 0");
    has_line(text, "collab_msg_in_total{op=\"room.info\"} 0");
    has_line(text, "collab_participants 10");
    has_line(text, "collab_mailbox_depth 20");
    has_line(text, "collab_tick_updates_bucket{le=\"1\"} 0");
    has_line(text, "collab_tick_updates_bucket{le=\"2\"} 40000");
    has_line(text, "collab_tick_updates_bucket{le=\"+Inf\"} 40000");
    has_line(text, "collab_tick_updates_sum 80000");
    has_line(text, "collab_tick_updates_count 40000");
    assert_int_equal(metric_get(METRIC_MSG_IN, OP_UPDATE), 40000);
}

static void units_and_labels_come_out_right(void **state) {
    struct buf *b = *state;
    metric_add(METRIC_LOOP_BUSY, 0, 1500000000);
    metric_add(METRIC_ERRORS, ERR_TOO_LARGE, 3);
    metric_add(METRIC_MSG_OUT, DIALECT_PLAINJSON, 2);
    metric_observe(METRIC_APPLY_DURATION, 0.0005);
    metric_observe(METRIC_APPLY_DURATION, 0.001);
    metric_observe(METRIC_APPLY_DURATION, 7);
    metric_observe(METRIC_APPLY_DURATION, 1e9);
    const char *text = page(b);
    has_line(text, "collab_loop_busy_seconds_total 1.500000000");
    has_line(text, "collab_errors_total{code=\"too_large\"} 3");
    assert_null(strstr(text, "code=\"ok\""));
    has_line(text, "collab_msg_out_total{dialect=\"plainjson\"} 2");
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

/* promtool's opinion on names. The duration in milliseconds is the name that users were promised.
 */
static bool lint_is_accepted(const char *line) {
    return strncmp(line, "collab_apply_duration_ms ", 25) == 0;
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
        cmocka_unit_test_prestate(units_and_labels_come_out_right, start),
        cmocka_unit_test_prestate(the_process_describes_itself, start),
        cmocka_unit_test_prestate(prometheus_reads_the_page, start),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_fini(&b);
    return failed;
}
