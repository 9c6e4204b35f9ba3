/* The names of shared types: who may be read, by which name, and for how long. */
#include "testing.h"

/* Asking for a root type gives the same name each time, and nothing of it shows in the bytes. */
static void a_root_type_leaves_no_trace(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_type t = root(doc, "t"), again = root(doc, "t"), other = root(doc, "");
    assert_memory_equal(&t, &again, sizeof t);
    assert_memory_not_equal(&t, &other, sizeof t);
    assert_state(doc, "0000");
    assert_vector(doc, "00");
    enum yata_type_kind kind;
    assert_int_equal(yata_type_kind_of(doc, t, &kind), YATA_RANGE);
    yata_doc_free(doc);
}

/* The root type that an update names is the one that was asked for before. */
static void a_root_type_is_found_by_updates(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_type before = root(doc, "t");
    apply_hex(doc, "010101000401017401"
                   "6100");
    struct yata_type after = root(doc, "t");
    assert_memory_equal(&before, &after, sizeof before);
    struct yata_stats stats;
    yata_stats(doc, &stats);
    assert_int_equal(stats.types, 1);
    yata_doc_free(doc);
}

static void a_name_must_be_utf8(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_type t;
    assert_int_equal(yata_root(doc, "\xff", 1, &t), YATA_MALFORMED);
    yata_doc_free(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_root_type_leaves_no_trace),
        cmocka_unit_test(a_root_type_is_found_by_updates),
        cmocka_unit_test(a_name_must_be_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
