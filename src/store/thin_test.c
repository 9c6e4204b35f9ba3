/* Which versions are kept, case by case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "store/thin.h"

#define MINUTE ((uint64_t)60000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* A moment in the middle of an hour, of a day and of a week as they are counted. */
#define NOW (14000 * DAY + 3 * DAY + 12 * HOUR + 30 * MINUTE)

enum { MOST = 16 };

struct given {
    uint64_t age_ms;
    size_t bytes;
    char kind; /* 'a'utomatic, 'n'amed; 0: the end */
};

static const struct {
    const char *what;
    struct thin_rule rule;
    struct given given[MOST]; /* newest first */
    const char *kept;         /* for each one + or - */
} cases[] = {
    {"nothing", {0}, {{0, 0, 0}}, ""},
    {"the only one, however old", {0}, {{9000 * DAY, 1, 'a'}}, "+"},
    {"the only one, however large", {.bytes = 10}, {{0, 11, 'a'}}, "+"},
    {"all of the last hour",
     {0},
     {{0, 1, 'a'}, {1, 1, 'a'}, {1 * MINUTE, 1, 'a'}, {2 * MINUTE, 1, 'a'}, {59 * MINUTE, 1, 'a'}},
     "+++++"},
    {"then the last of each hour",
     {0},
     {{5 * MINUTE, 1, 'a'},
      {91 * MINUTE, 1, 'a'},  /* 10:59 */
      {92 * MINUTE, 1, 'a'},  /* 10:58 */
      {150 * MINUTE, 1, 'a'}, /* 10:00 */
      {151 * MINUTE, 1, 'a'}, /* 9:59 */
      {23 * HOUR, 1, 'a'}},
     "++--++"},
    {"of an hour that is half an hour old one of its older half",
     {0},
     {{61 * MINUTE, 1, 'a'}, {62 * MINUTE, 1, 'a'}, {89 * MINUTE, 1, 'a'}, {91 * MINUTE, 1, 'a'}},
     "+--+"},
    {"after a day the last of each day",
     {0},
     {{1 * MINUTE, 1, 'a'},
      {25 * HOUR, 1, 'a'}, /* yesterday at 11:30 */
      {26 * HOUR, 1, 'a'}, /* at 10:30 */
      {36 * HOUR, 1, 'a'}, /* at 0:30 */
      {37 * HOUR, 1, 'a'}, /* the day before at 23:30 */
      {29 * DAY, 1, 'a'}},
     "++--++"},
    {"after 30 days the last of each week",
     {0},
     {{1 * MINUTE, 1, 'a'},
      {31 * DAY, 1, 'a'}, /* first day of its week, as counted */
      {32 * DAY, 1, 'a'}, /* the week before */
      {33 * DAY, 1, 'a'},
      {38 * DAY, 1, 'a'},
      {39 * DAY, 1, 'a'}},
     "+++--+"},
    {"no longer than a year",
     {0},
     {{1 * MINUTE, 1, 'a'}, {364 * DAY, 1, 'a'}, {365 * DAY, 1, 'a'}, {900 * DAY, 1, 'a'}},
     "++--"},
    {"or as many days as the rule says",
     {.days = 2},
     {{1 * MINUTE, 1, 'a'}, {47 * HOUR, 1, 'a'}, {48 * HOUR, 1, 'a'}, {50 * HOUR, 1, 'n'}},
     "++-+"},
    {"named ones for good, and without counting for the others",
     {0},
     {{1 * MINUTE, 1, 'a'},
      {91 * MINUTE, 1, 'n'},
      {92 * MINUTE, 1, 'a'},
      {93 * MINUTE, 1, 'n'},
      {94 * MINUTE, 1, 'a'},
      {900 * DAY, 1, 'n'}},
     "++++-+"},
    {"of more named ones than that the newest; the others age like all",
     {.named = 2},
     {{1 * MINUTE, 1, 'a'},
      {2 * MINUTE, 1, 'n'},
      {91 * MINUTE, 1, 'n'},
      {92 * MINUTE, 1, 'n'},
      {93 * MINUTE, 1, 'n'},
      {900 * DAY, 1, 'n'}},
     "++++--"},
    {"no more than so many in all, named ones first",
     {.most = 3},
     {{1 * MINUTE, 1, 'a'},
      {2 * MINUTE, 1, 'a'},
      {3 * MINUTE, 1, 'a'},
      {4 * MINUTE, 1, 'n'},
      {5 * MINUTE, 1, 'a'}},
     "++-+-"},
    {"no more than so many bytes, the newest first",
     {.bytes = 100},
     {{1 * MINUTE, 40, 'a'}, {2 * MINUTE, 40, 'a'}, {3 * MINUTE, 40, 'a'}, {4 * MINUTE, 1, 'a'}},
     "++--"},
    {"bytes of named ones count first, and are bounded, too",
     {.bytes = 100},
     {{1 * MINUTE, 20, 'a'},
      {2 * MINUTE, 20, 'a'},
      {3 * MINUTE, 50, 'n'},
      {4 * MINUTE, 50, 'n'},
      {5 * MINUTE, 1, 'n'}},
     "+-+--"},
    {"one from the future, as a clock was set back",
     {0},
     {{(uint64_t)0 - DAY, 1, 'a'}, {1 * MINUTE, 1, 'a'}},
     "++"},
};

static void each_case_keeps_what_the_table_says(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct thin_version v[MOST];
        size_t n = 0;
        for (; n < MOST && cases[i].given[n].kind; n++) {
            const struct given *g = &cases[i].given[n];
            v[n] = (struct thin_version){
                .at_ms = NOW - g->age_ms, .bytes = g->bytes, .named = g->kind == 'n'};
        }
        thin(&cases[i].rule, NOW, v, n);
        char kept[MOST + 1] = "";
        for (size_t j = 0; j < n; j++) {
            kept[j] = v[j].keep ? '+' : '-';
        }
        if (strcmp(kept, cases[i].kept) != 0) {
            fail_msg("%s: kept %s instead of %s", cases[i].what, kept, cases[i].kept);
        }
    }
}

/* A year of editing around the clock, thinned at every version as the store does. */
static void a_year_comes_to_a_bounded_number_that_reaches_back_all_of_it(void **state) {
    (void)state;
    static struct thin_version v[1000];
    size_t n = 0;
    size_t largest = 0;
    const struct thin_rule rule = {0};
    const uint64_t begin = NOW;
    uint64_t now = begin;
    for (; now < begin + 364 * DAY; now += 10 * MINUTE) {
        memmove(v + 1, v, n * sizeof *v);
        v[0] = (struct thin_version){.at_ms = now, .bytes = 1};
        thin(&rule, now, v, n + 1);
        size_t left = 0;
        for (size_t i = 0; i < n + 1; i++) {
            if (v[i].keep) {
                v[left++] = v[i];
            }
        }
        n = left;
        largest = n > largest ? n : largest;
    }
    /* 6 in the hour, 24 hours, 30 days, 48 weeks, and those at the borders */
    assert_in_range(largest, 6 + 23 + 29 + 47, 6 + 24 + 30 + 48 + 4);
    assert_true(v[n - 1].at_ms < begin + 7 * DAY);
    for (size_t i = 1; i < n; i++) { /* no gap is larger than the stretches allow */
        uint64_t age = now - v[i - 1].at_ms;
        uint64_t gap = v[i - 1].at_ms - v[i].at_ms;
        assert_true(gap <= (age < HOUR       ? HOUR
                            : age < DAY      ? 2 * HOUR
                            : age < 30 * DAY ? 2 * DAY
                                             : 14 * DAY));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_case_keeps_what_the_table_says),
        cmocka_unit_test(a_year_comes_to_a_bounded_number_that_reaches_back_all_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
