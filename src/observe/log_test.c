/* Log lines: their form, their bounds, and the limit on what peers can trigger. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"

/* Standard error goes into a file while a test logs. */
static int saved = -1;
static FILE *sink;
static char *seen;

static void capture_begin(void) {
    sink = tmpfile();
    assert_non_null(sink);
    saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    assert_int_equal(dup2(fileno(sink), STDERR_FILENO), STDERR_FILENO);
}

/* What was written; freed by the next call. */
static const char *capture_end(void) {
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(saved), 0);
    off_t n = lseek(fileno(sink), 0, SEEK_END);
    free(seen);
    seen = calloc(1, (size_t)n + 1);
    assert_non_null(seen);
    assert_int_equal(pread(fileno(sink), seen, (size_t)n, 0), n);
    assert_int_equal(fclose(sink), 0);
    return seen;
}

static size_t count(const char *text, const char *word) {
    size_t n = 0;
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        n++;
    }
    return n;
}

static void a_line_is_one_json_object(void **state) {
    (void)state;
    log_open(LOG_INFO, LOG_JSON);
    capture_begin();
    log_info("TEST-EVENT", log_str("roomId", slice_str("ws:a/b")),
             log_u64("seq", 18446744073709551615u), log_i64("delta", -5),
             log_ms("latency_ms", 1234567), log_bool("dev", true),
             log_err("errCode", ERR_TOO_LARGE));
    log_warn("TEST-BARE");
    const char *text = capture_end();
    assert_int_equal(strncmp(text, "{\"ts\":\"20", 9), 0);
    assert_non_null(strstr(text,
                           "Z\",\"level\":\"info\",\"event\":\"TEST-EVENT\",\"roomId\":\"ws:a/b\","
                           "\"seq\":18446744073709551615,\"delta\":-5,\"latency_ms\":1.234,"
                           "\"dev\":true,\"errCode\":\"too_large\"}\n"));
    assert_non_null(strstr(text, "\"level\":\"warn\",\"event\":\"TEST-BARE\"}\n"));
}

static void what_a_peer_sends_cannot_break_a_line(void **state) {
    (void)state;
    log_open(LOG_INFO, LOG_JSON);
    capture_begin();
    log_info("TEST",
             log_str("v", slice_of("a\"b\\c\nd\033[31m\xff\xe2\x82\xac\xed\xa0\x80\0z", 22)));
    const char *text = capture_end();
    assert_int_equal(count(text, "\n"), 1);
    assert_non_null(strstr(text, "a\\\"b\\\\c\\u000ad\\u001b[31m\xef\xbf\xbd\xe2\x82\xac"
                                 "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\u0000z"));
}

static void lines_are_bounded(void **state) {
    (void)state;
    log_open(LOG_INFO, LOG_JSON);
    char big[2000];
    memset(big, 'x', sizeof big);
    slice s = slice_of(big, sizeof big);
    capture_begin();
    log_info("TEST", log_str("a", s), log_u64("after", 1));
    log_info("TEST", log_str("a", s), log_str("b", s), log_str("c", s), log_str("d", s),
             log_str("e", s), log_str("f", s), log_str("g", s), log_str("h", s), log_str("i", s));
    const char *text = capture_end();
    assert_non_null(strstr(text, "xxx...\",\"after\":1}\n"));
    assert_non_null(strstr(text, "xxx...\",\"truncated\":true}\n"));
    assert_true(strlen(text) < CAPS_LOG_LINE_BYTES + CAPS_LOG_FIELD_BYTES + 200);
}

static unsigned evaluated;

static uint64_t costly(void) {
    return ++evaluated;
}

static void what_is_filtered_costs_nothing(void **state) {
    (void)state;
    log_open(LOG_WARN, LOG_JSON);
    capture_begin();
    log_debug("TEST", log_u64("n", costly()));
    log_info("TEST", log_u64("n", costly()));
    log_warn("TEST", log_u64("n", costly()));
    log_set_level(LOG_DEBUG);
    log_debug("TEST", log_u64("n", costly()));
    const char *text = capture_end();
    assert_int_equal(count(text, "\n"), 2);
    assert_int_equal(evaluated, 2);
}

static void areas_have_levels_of_their_own(void **state) {
    (void)state;
    char why[600] = "";
    log_open(LOG_INFO, LOG_JSON);
    assert_int_equal(log_set_areas("room=debug,rpc=error", why, sizeof why), ERR_OK);
    assert_true(log_enabled(LOG_AREA_room, LOG_DEBUG) && !log_enabled(LOG_AREA_rpc, LOG_WARN));
    assert_true(log_enabled(LOG_AREA_rpc, LOG_ERROR) && log_enabled(LOG_AREA_store, LOG_INFO));
    assert_false(log_enabled(LOG_AREA_store, LOG_DEBUG));
    static const char *const wrong[] = {"",
                                        "room",
                                        "room=",
                                        "=debug",
                                        "room=loud",
                                        "kitchen=debug",
                                        "room=debug,",
                                        ",room=debug",
                                        "store=debug,room=x",
                                        "room=debugs"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(log_set_areas(wrong[i], why, sizeof why), ERR_PARAMS);
        assert_non_null(strstr(why, "COLLAB_LOG_AREAS="));
        assert_non_null(strstr(why, " gateway "));
    }
    assert_false(log_enabled(LOG_AREA_store, LOG_DEBUG)); /* a wrong list changes nothing */
    assert_int_equal(log_set_areas(NULL, why, sizeof why), ERR_OK);
    log_open(LOG_INFO, LOG_JSON);
    assert_false(log_enabled(LOG_AREA_room, LOG_DEBUG));
}

static void one_in_so_many_chatty_lines_is_written_and_says_so(void **state) {
    (void)state;
    log_open(LOG_INFO, LOG_JSON);
    capture_begin();
    for (int i = 0; i < 10; i++) {
        log_sampled(LOG_INFO, "TEST-ALL", log_u64("n", 1));
    }
    log_set_sample(5);
    for (int i = 0; i < 10; i++) {
        log_sampled(LOG_INFO, "TEST-SOME", log_u64("n", 2));
        log_sampled(LOG_DEBUG, "TEST-NONE", log_u64("n", costly()));
    }
    log_set_sample(1);
    const char *text = capture_end();
    assert_int_equal(count(text, "\"event\":\"TEST-ALL\",\"n\":1}"), 10);
    assert_int_equal(count(text, "\"event\":\"TEST-SOME\",\"n\":2,\"sampled\":5}"), 2);
    assert_int_equal(count(text, "TEST-NONE"), 0);
}

static void a_trace_is_named_when_there_is_one(void **state) {
    (void)state;
    log_open(LOG_INFO, LOG_JSON);
    const struct trace none = {0};
    const struct trace one = {.high = 0xab, .low = 2};
    capture_begin();
    log_info("TEST", log_trace(&none), log_u64("n", 1));
    log_info("TEST", log_trace(&one), log_u64("n", 2));
    const char *text = capture_end();
    assert_non_null(strstr(text, "\"event\":\"TEST\",\"n\":1}"));
    assert_non_null(strstr(text, "\"traceId\":\"00000000000000ab0000000000000002\",\"n\":2}"));
}

static const char *file_text(const char *path) {
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    free(seen);
    seen = calloc(1, 4096);
    assert_non_null(seen);
    assert_true(fread(seen, 1, 4095, f) > 0);
    assert_int_equal(fclose(f), 0);
    return seen;
}

static void a_file_is_added_to_and_opened_anew(void **state) {
    (void)state;
    char dir[] = "/tmp/log_test.XXXXXX";
    char path[64];
    char moved[64];
    char why[300] = "";
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/log", dir);
    (void)snprintf(moved, sizeof moved, "%s/log.1", dir);
    assert_int_equal(log_reopen(why, sizeof why), ERR_OK); /* there is none: nothing happens */
    assert_int_equal(log_open_file(dir, why, sizeof why), ERR_IO);
    assert_non_null(strstr(why, "COLLAB_LOG_FILE="));
    assert_int_equal(log_open_file(path, why, sizeof why), ERR_OK);
    log_open(LOG_INFO, LOG_AUTO);
    log_info("TEST-ONE");
    assert_int_equal(rename(path, moved), 0);
    log_info("TEST-TWO");
    assert_int_equal(log_reopen(why, sizeof why), ERR_OK);
    log_info("TEST-THREE");
    assert_true(strstr(file_text(moved), "\"TEST-ONE\"") && strstr(seen, "\"TEST-TWO\"}\n"));
    assert_int_equal(count(file_text(path), "\n"), 1);
    assert_non_null(strstr(seen, "\"TEST-THREE\""));
    /* A new one that cannot be made: the old one goes on. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(log_reopen(why, sizeof why), ERR_IO);
    assert_non_null(strstr(why, "stays in use"));
    log_info("TEST-FOUR");
    log_close_file();
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(unlink(moved), 0);
    assert_int_equal(rmdir(dir), 0);
    capture_begin();
    log_info("TEST-FIVE");
    assert_int_equal(count(capture_end(), "TEST-FIVE"), 1);
}

static void text_is_for_people(void **state) {
    (void)state;
    log_open(LOG_INFO, LOG_TEXT);
    capture_begin();
    log_error("TEST-TEXT", log_text("roomId", "ws:a/b"), log_text("why", "two words"),
              log_text("empty", ""));
    const char *text = capture_end();
    assert_non_null(strstr(text, " ERROR TEST-TEXT roomId=ws:a/b why=\"two words\" empty=\"\"\n"));
    assert_null(strstr(text, "\033"));
}

static void a_reader_that_stalls_costs_lines_not_time(void **state) {
    (void)state;
    log_open(LOG_INFO, LOG_JSON);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    for (int i = 0; i < 10000; i++) { /* far more than a pipe holds */
        log_info("TEST-STALL", log_u64("i", (uint64_t)i));
    }
    int64_t dropped = metric_get(METRIC_LOG_DROPPED, 0);
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(saved), 0);
    assert_int_equal(close(ends[1]), 0);
    int64_t lines = 0;
    char text[4096];
    for (ssize_t n; (n = read(ends[0], text, sizeof text)) > 0;) {
        for (ssize_t i = 0; i < n; i++) {
            lines += text[i] == '\n';
        }
    }
    assert_int_equal(close(ends[0]), 0);
    assert_true(dropped > 0);
    assert_int_equal(lines + dropped, 10000);
}

static void *flood(void *ctx) {
    for (int i = 0; i < 1000; i++) {
        log_limited(LOG_WARN, "TEST-FLOOD", log_u64("i", (uint64_t)i));
    }
    return ctx;
}

/* The sum of all "suppressed" numbers. */
static unsigned long suppressed_in(const char *text) {
    unsigned long sum = 0;
    const char *word = "\"suppressed\":";
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        sum += strtoul(at + strlen(word), NULL, 10);
    }
    return sum;
}

static void a_flood_is_counted_not_written(void **state) {
    (void)state;
    log_open(LOG_INFO, LOG_JSON);
    capture_begin();
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, flood, NULL), 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    log_limited(LOG_INFO, "TEST-OTHER");
    /* When the second is over, the flush tells what was left out. */
    uint64_t left_ms = 1001 - clock_mono_ms() % 1000;
    struct timespec wait = {.tv_sec = (time_t)(left_ms / 1000),
                            .tv_nsec = (long)(left_ms % 1000) * 1000000};
    assert_int_equal(nanosleep(&wait, NULL), 0);
    log_flush_suppressed();
    const char *text = capture_end();
    size_t written = count(text, "TEST-FLOOD\",\"i\"");
    assert_in_range(written, CAPS_LOG_PER_SECOND, 4 * CAPS_LOG_PER_SECOND);
    assert_int_equal(written + suppressed_in(text), 3000);
    assert_int_equal(count(text, "TEST-OTHER\"}"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_one_json_object),
        cmocka_unit_test(what_a_peer_sends_cannot_break_a_line),
        cmocka_unit_test(lines_are_bounded),
        cmocka_unit_test(what_is_filtered_costs_nothing),
        cmocka_unit_test(areas_have_levels_of_their_own),
        cmocka_unit_test(one_in_so_many_chatty_lines_is_written_and_says_so),
        cmocka_unit_test(a_trace_is_named_when_there_is_one),
        cmocka_unit_test(a_file_is_added_to_and_opened_anew),
        cmocka_unit_test(text_is_for_people),
        cmocka_unit_test(a_reader_that_stalls_costs_lines_not_time),
        cmocka_unit_test(a_flood_is_counted_not_written),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(seen);
    return failed;
}
