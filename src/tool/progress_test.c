/* What an operator sees of long work, and that short work says nothing. */
#include "tool/progress.h"

#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Standard error, led to where this test can read it. */
struct seen {
    int from;
    int saved;
    char text[4096];
    size_t n;
};

static void watch(struct seen *s, int from, int to) {
    *s = (struct seen){.from = from, .saved = dup(STDERR_FILENO)};
    assert_true(s->saved >= 0 && dup2(to, STDERR_FILENO) == STDERR_FILENO);
    (void)close(to);
}

static void watch_end(struct seen *s) {
    assert_int_equal(dup2(s->saved, STDERR_FILENO), STDERR_FILENO);
    (void)close(s->saved);
    (void)close(s->from);
}

/* Reads what is there, waiting for it at most so long. */
static bool look(struct seen *s, int ms) {
    struct pollfd p = {.fd = s->from, .events = POLLIN};
    if (poll(&p, 1, ms) != 1) {
        return false;
    }
    ssize_t n = read(s->from, s->text + s->n, sizeof s->text - 1 - s->n);
    s->n += n > 0 ? (size_t)n : 0;
    s->text[s->n] = 0;
    return n > 0;
}

/* Goes on working until a whole line is said, for ten seconds at most. */
static void work(struct seen *s) {
    size_t n = s->n;
    for (int i = 1; i <= 1000; i++) {
        progress("%d of %d rooms", i, 1000);
        if (look(s, 10) && strstr(s->text + n, " of 1000 rooms")) {
            return;
        }
    }
    fail_msg("ten seconds of work, and not a line");
}

static void a_file_gets_a_line_now_and_then(void **state) {
    (void)state;
    struct seen s;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    watch(&s, ends[0], ends[1]);
    work(&s);
    progress_end();
    bool more = look(&s, 0);
    watch_end(&s);
    assert_false(more);
    assert_non_null(strstr(s.text, " of 1000 rooms\n"));
    assert_null(strchr(s.text, '\r'));
}

static void a_terminal_gets_one_line_that_is_written_over_and_cleared(void **state) {
    (void)state;
    struct seen s;
    int ends[2];
    assert_int_equal(openpty(&ends[0], &ends[1], NULL, NULL, NULL), 0);
    watch(&s, ends[0], ends[1]);
    work(&s);
    work(&s);
    size_t n = s.n;
    progress_end();
    bool cleared = look(&s, 1000);
    watch_end(&s);
    assert_null(memchr(s.text, '\n', n));
    assert_memory_equal(s.text, "\r\033[K", 4);
    assert_true(cleared);
    assert_string_equal(s.text + n, "\r\033[K");
}

static void short_work_says_nothing(void **state) {
    (void)state;
    struct seen s;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    watch(&s, ends[0], ends[1]);
    progress("%d of %d rooms", 1, 2);
    progress_end();
    progress("%d of %d rooms", 2, 2);
    progress_end();
    bool said = look(&s, 0);
    watch_end(&s);
    assert_false(said);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_gets_a_line_now_and_then),
        cmocka_unit_test(a_terminal_gets_one_line_that_is_written_over_and_cleared),
        cmocka_unit_test(short_work_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
