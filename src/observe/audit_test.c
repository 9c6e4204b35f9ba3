/* The audit file: its lines, its rotation, and what happens when it does not take them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limit/caps.h"
#include "observe/audit.h"
#include "observe/log.h"
#include "observe/metrics.h"

static char dir[] = "/tmp/audit_test.XXXXXX";
static char path[64];
static char moved[64];
static char fifo[64];

static int make_dir(void **state) {
    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_true(snprintf(path, sizeof path, "%s/audit.log", dir) < (int)sizeof path);
    assert_true(snprintf(moved, sizeof moved, "%s/audit.log.1", dir) < (int)sizeof moved);
    assert_true(snprintf(fifo, sizeof fifo, "%s/fifo", dir) < (int)sizeof fifo);
    return 0;
}

static int remove_dir(void **state) {
    (void)state;
    (void)remove(path);
    (void)remove(moved);
    (void)remove(fifo);
    return rmdir(dir);
}

static char *seen;

/* The whole file; freed by the next call. */
static const char *contents(const char *file) {
    int fd = open(file, O_RDONLY);
    assert_true(fd >= 0);
    off_t n = lseek(fd, 0, SEEK_END);
    free(seen);
    seen = calloc(1, (size_t)n + 1);
    assert_non_null(seen);
    assert_int_equal(pread(fd, seen, (size_t)n, 0), n);
    assert_int_equal(close(fd), 0);
    return seen;
}

static size_t count(const char *text, const char *word) {
    size_t n = 0;
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        n++;
    }
    return n;
}

/* Standard error goes into a file while something is expected of the log. */
static int saved = -1;
static char log_path[64];

static void capture_begin(void) {
    assert_true(snprintf(log_path, sizeof log_path, "%s/log", dir) < (int)sizeof log_path);
    int fd = open(log_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(fd), 0);
}

static const char *capture_end(void) {
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(saved), 0);
    const char *text = contents(log_path);
    (void)remove(log_path);
    return text;
}

static struct audit *open_audit(const char *file) {
    struct audit *a = NULL;
    char why[300] = "";
    if (audit_open(file, &a, why, sizeof why) != ERR_OK) {
        fail_msg("%s", why);
    }
    return a;
}

static void a_line_says_who_what_and_from_where(void **state) {
    (void)state;
    struct audit *a = open_audit(path);
    audit_write(a, AUDIT_KICKED,
                &(struct audit_entry){.user = "u7",
                                      .session = "s1",
                                      .peer = "192.0.2.4:51000",
                                      .room = slice_str("ws:acme/42"),
                                      .role = "write",
                                      .by = "u1",
                                      .reason = "said \"no\"\nand \x1b[31m\xff",
                                      .connection = 12});
    audit_write(a, AUDIT_REFUSED, &(struct audit_entry){.peer = "[::1]:9", .user = ""});
    audit_close(a);
    const char *text = contents(path);
    assert_int_equal(strncmp(text, "{\"ts\":\"20", 9), 0);
    assert_non_null(
        strstr(text, "Z\",\"event\":\"kicked\",\"userId\":\"u7\",\"sessionId\":\"s1\","
                     "\"peer\":\"192.0.2.4:51000\",\"roomId\":\"ws:acme/42\",\"role\":\"write\","
                     "\"by\":\"u1\",\"connectionId\":12,\"reason\":\"said \\\"no\\\"\\u000aand "
                     "\\u001b[31m\xef\xbf\xbd\"}\n"));
    assert_non_null(strstr(text, "Z\",\"event\":\"refused\",\"peer\":\"[::1]:9\"}\n"));
    assert_int_equal(count(text, "\n"), 2);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07 /* others */, 0);
    (void)remove(path);
}

static void every_event_has_its_name(void **state) {
    (void)state;
    struct audit *a = open_audit(path);
    for (unsigned i = 0; i < AUDIT_EVENTS; i++) {
        audit_write(a, (enum audit_event)i, &(struct audit_entry){.user = "u"});
    }
    audit_close(a);
    const char *text = contents(path);
#define X(sym, name) assert_int_equal(count(text, "\"event\":\"" name "\",\"userId\":\"u\"}\n"), 1);
    AUDIT_TABLE(X)
#undef X
    (void)remove(path);
}

static void without_a_path_there_is_none(void **state) {
    (void)state;
    assert_null(open_audit(NULL));
    assert_null(open_audit(""));
    char why[10];
    audit_write(NULL, AUDIT_MINTED, &(struct audit_entry){.user = "u"});
    assert_int_equal(audit_reopen(NULL, why, sizeof why), ERR_OK);
    audit_close(NULL);
}

static void long_fields_are_cut(void **state) {
    (void)state;
    static char big[5000];
    memset(big, 1, sizeof big - 1); /* six characters each when escaped */
    struct audit *a = open_audit(path);
    audit_write(a, AUDIT_REFUSED,
                &(struct audit_entry){.user = big, .session = big, .reason = big, .by = big});
    audit_close(a);
    const char *text = contents(path);
    assert_true(strlen(text) <= CAPS_LOG_LINE_BYTES);
    assert_int_equal(count(text, "\n"), 1);
    assert_non_null(strstr(text, "...\",\"truncated\":true}\n"));
    (void)remove(path);
}

static void lines_are_added_and_files_are_changed(void **state) {
    (void)state;
    struct audit *a = open_audit(path);
    audit_write(a, AUDIT_MINTED, &(struct audit_entry){.user = "one"});
    audit_close(a);
    a = open_audit(path); /* another start */
    audit_write(a, AUDIT_MINTED, &(struct audit_entry){.user = "two"});
    assert_int_equal(rename(path, moved), 0);
    audit_write(a, AUDIT_MINTED, &(struct audit_entry){.user = "three"});
    char why[300] = "";
    assert_int_equal(audit_reopen(a, why, sizeof why), ERR_OK);
    audit_write(a, AUDIT_MINTED, &(struct audit_entry){.user = "four"});
    const char *text = contents(moved);
    assert_true(count(text, "\n") == 3 && strstr(text, "one") && strstr(text, "three"));
    text = contents(path);
    assert_true(count(text, "\n") == 1 && strstr(text, "four"));

    /* A new file that cannot be made: the old one goes on. */
    assert_int_equal(remove(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(audit_reopen(a, why, sizeof why), ERR_IO);
    assert_non_null(strstr(why, "COLLAB_AUDIT_FILE="));
    assert_non_null(strstr(why, "stays in use"));
    audit_write(a, AUDIT_MINTED, &(struct audit_entry){.user = "five"});
    audit_close(a);
    assert_int_equal(rmdir(path), 0);

    struct audit *none = NULL;
    assert_int_equal(audit_open("/nowhere/audit.log", &none, why, sizeof why), ERR_IO);
    assert_string_equal(why, "COLLAB_AUDIT_FILE=/nowhere/audit.log: No such file or directory. It "
                             "must name a file that this process may write.");
    assert_null(none);
    (void)remove(moved);
}

static void a_full_disk_is_told_once(void **state) {
    (void)state;
    log_open(LOG_INFO, LOG_JSON);
    int64_t before = metric_get(METRIC_AUDIT_LOST, 0);
    struct audit *a = open_audit("/dev/full");
    capture_begin();
    for (unsigned i = 0; i < 5; i++) {
        audit_write(a, AUDIT_CLOSED, &(struct audit_entry){.user = "u"});
    }
    const char *text = capture_end();
    assert_int_equal(count(text, "\n"), 1);
    assert_non_null(strstr(text, "\"event\":\"AUDIT-LOST\",\"file\":\"/dev/full\",\"reason\":\"No "
                                 "space left on device\"}\n"));
    assert_int_equal(metric_get(METRIC_AUDIT_LOST, 0) - before, 5);
    audit_close(a);
}

static void a_pipe_that_nobody_reads_is_not_waited_for(void **state) {
    (void)state;
    log_open(LOG_INFO, LOG_JSON);
    struct audit *a = NULL;
    char why[300] = "";
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(audit_open(fifo, &a, why, sizeof why), ERR_IO);
    assert_non_null(strstr(why, "nobody reads this pipe"));

    int reader = open(fifo, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    a = open_audit(fifo);
    int64_t before = metric_get(METRIC_AUDIT_LOST, 0);
    capture_begin();
    for (unsigned i = 0; i < 2000; i++) { /* a pipe holds some 700 of these */
        audit_write(a, AUDIT_CLOSED, &(struct audit_entry){.user = "u"});
    }
    int64_t lost = metric_get(METRIC_AUDIT_LOST, 0) - before;
    assert_in_range(lost, 1, 1999);
    char bytes[4096];
    while (read(reader, bytes, sizeof bytes) > 0) {
    }
    audit_write(a, AUDIT_CLOSED, &(struct audit_entry){.user = "after"});
    ssize_t n = read(reader, bytes, sizeof bytes - 1);
    const char *text = capture_end();
    assert_true(n > 0);
    bytes[n] = 0;
    assert_true(bytes[0] == '{' && count(bytes, "\n") == 1 && strstr(bytes, "after"));
    assert_int_equal(count(text, "AUDIT-LOST"), 1);
    char told[80];
    assert_true(snprintf(told, sizeof told, "\"lost\":%lld}", (long long)lost) > 0);
    assert_int_equal(count(text, "AUDIT-RESUMED"), 1);
    assert_non_null(strstr(text, told));
    audit_close(a);
    assert_int_equal(close(reader), 0);
}

enum { WRITERS = 3, LINES = 2000 };

static void *write_many(void *audit) {
    for (unsigned i = 0; i < LINES; i++) {
        audit_write(audit, AUDIT_SUBSCRIBED,
                    &(struct audit_entry){.user = "somebody", .peer = "192.0.2.4:51000"});
    }
    return NULL;
}

static void threads_write_whole_lines_while_the_file_changes(void **state) {
    (void)state;
    struct audit *a = open_audit(path);
    char why[300] = "";
    pthread_t threads[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, a), 0);
    }
    assert_int_equal(rename(path, moved), 0);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(audit_reopen(a, why, sizeof why), ERR_OK);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    audit_close(a);
    const char *end =
        "\"event\":\"subscribed\",\"userId\":\"somebody\",\"peer\":\"192.0.2.4:51000\"}\n";
    size_t lines = count(contents(path), end) + count(contents(moved), end);
    assert_int_equal(lines, WRITERS * LINES);
    (void)remove(moved);
    (void)remove(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_who_what_and_from_where),
        cmocka_unit_test(every_event_has_its_name),
        cmocka_unit_test(without_a_path_there_is_none),
        cmocka_unit_test(long_fields_are_cut),
        cmocka_unit_test(lines_are_added_and_files_are_changed),
        cmocka_unit_test(a_full_disk_is_told_once),
        cmocka_unit_test(a_pipe_that_nobody_reads_is_not_waited_for),
        cmocka_unit_test(threads_write_whole_lines_while_the_file_changes),
    };
    int failed = cmocka_run_group_tests(tests, make_dir, remove_dir);
    free(seen);
    return failed;
}
