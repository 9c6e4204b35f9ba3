/* Awareness updates: reading, the rule, writing, merging. */
#include "testing.h"

/* client 1 clock 5 {"a":1}; client 2 clock 3 null */
#define TWO "020105077b2261223a317d0203046e756c6c"

static void entries_are_read_in_order(void **state) {
    (void)state;
    struct test_bytes u = from_hex(TWO);
    struct yata_awareness_reader reader = {.p = u.p, .n = u.n};
    struct yata_presence entry;
    bool more = false;
    assert_int_equal(yata_awareness_next(&reader, &entry, &more, NULL), YATA_OK);
    assert_true(more);
    assert_int_equal(entry.client, 1);
    assert_int_equal(entry.clock, 5);
    assert_int_equal(entry.state_bytes, 7);
    assert_memory_equal(entry.state, "{\"a\":1}", 7);
    assert_int_equal(yata_awareness_next(&reader, &entry, &more, NULL), YATA_OK);
    assert_true(more);
    assert_int_equal(entry.client, 2);
    assert_null(entry.state);
    assert_int_equal(yata_awareness_next(&reader, &entry, &more, NULL), YATA_OK);
    assert_false(more);
    assert_int_equal(yata_awareness_next(&reader, &entry, &more, NULL), YATA_OK);
    assert_false(more);
}

static void bad_ones_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *update;
        size_t at;
    } bad[] = {{"", 0}, {"05", 0}, {"010105097b7d", 3}, {"01010502c328", 4}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct test_bytes u = from_hex(bad[i].update);
        struct yata_awareness_reader reader = {.p = u.p, .n = u.n};
        struct yata_presence entry;
        struct yata_error why = {0};
        bool more = true;
        assert_int_equal(yata_awareness_next(&reader, &entry, &more, &why), YATA_MALFORMED);
        assert_int_equal(why.at, bad[i].at);
    }
}

static void news_is_newer_or_a_removal(void **state) {
    (void)state;
    struct yata_presence present = {.clock = 5, .state = (const uint8_t *)"1", .state_bytes = 1};
    struct yata_presence gone = {.clock = 5};
    assert_true(yata_awareness_is_news(4, true, &present));
    assert_false(yata_awareness_is_news(5, true, &present));
    assert_false(yata_awareness_is_news(5, false, &present));
    assert_false(yata_awareness_is_news(6, true, &present));
    assert_true(yata_awareness_is_news(5, true, &gone));
    assert_false(yata_awareness_is_news(5, false, &gone));
    assert_false(yata_awareness_is_news(6, true, &gone));
    present.clock = 0;
    assert_false(yata_awareness_is_news(0, false, &present));
}

static void merging_keeps_the_newest_of_each(void **state) {
    (void)state;
    struct test_bytes a = from_hex(TWO);
    struct test_bytes b = from_hex("030203027b7d0105046e756c6c0901023132");
    struct yata_bytes merged = {0};
    assert_int_equal(yata_awareness_merge(a.p, a.n, b.p, b.n, &merged, NULL), YATA_OK);
    assert_hex(&merged, "030105046e756c6c0203046e756c6c0901023132");
    struct yata_error why = {0};
    assert_int_equal(yata_awareness_merge(a.p, a.n, b.p, b.n - 1, &merged, &why), YATA_MALFORMED);
    assert_null(merged.p);
}

static void many_clients_merge(void **state) {
    (void)state;
    enum { COUNT = 1000 };
    struct yata_presence entries[COUNT];
    struct yata_bytes all = {0}, merged = {0};
    for (size_t i = 0; i < COUNT; i++) {
        entries[i] = (struct yata_presence){.client = (i + 1) << 40, .clock = i + 1};
    }
    assert_int_equal(yata_awareness_encode(entries, COUNT, &all), YATA_OK);
    assert_int_equal(yata_awareness_merge(all.p, all.n, all.p, all.n, &merged, NULL), YATA_OK);
    assert_int_equal(merged.n, all.n);
    assert_memory_equal(merged.p, all.p, all.n);
    yata_bytes_fini(&all);
    yata_bytes_fini(&merged);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_read_in_order),
        cmocka_unit_test(bad_ones_are_refused),
        cmocka_unit_test(news_is_newer_or_a_removal),
        cmocka_unit_test(merging_keeps_the_newest_of_each),
        cmocka_unit_test(many_clients_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
