/* Gaps in a client's clocks: what lies behind one is there at once, the gap stays as a hole and is
 * filled bit by bit. The bytes are those of @y/y 14.0.0-rc.7. */
#include "testing.h"

/* Client 7 writes a, b and c into a map. */
#define WRITE_A "010107002801016d0161017d0100"
#define WRITE_B "010107012801016d0162017d0200"
#define WRITE_C "010107022801016d0163017d0300"
#define WRITTEN "010307002801016d0161017d012801016d0162017d022801016d0163017d0300"
/* Client 9 has "ab" at 0 and "ij" at 8 in a text; "ef" at 4; "cd" at 2, behind "ab". */
#define TEXT_AB "010109000401047465787402616200"
#define TEXT_IJ "010109080401047465787402696a00"
#define TEXT_EF "010109040401047465787402656600"
#define TEXT_CD "0101090284090102636400"

static void what_lies_behind_a_gap_is_there_at_once(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_stats stats;
    apply_hex(doc, WRITE_A);
    struct yata_applied applied = apply_hex(doc, WRITE_C);
    assert_true(applied.changed);
    assert_true(applied.whole);
    assert_true(applied.gap);
    assert_false(applied.pending);
    yata_stats(doc, &stats);
    assert_int_equal(stats.pending_bytes, 0);
    assert_int_equal(stats.structs, 2);
    assert_state(doc, "010307002801016d0161017d010a012801016d0163017d0300");
    assert_vector(doc, "010701");
    assert_difference(doc, "010702", "010107022801016d0163017d0300");
    applied = apply_hex(doc, WRITE_B);
    assert_true(applied.changed);
    assert_false(applied.gap);
    assert_state(doc, WRITTEN);
    assert_vector(doc, "010703");
    yata_doc_free(doc);
}

static void a_state_with_a_hole_loads_and_its_hole_is_filled(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_applied applied =
        apply_hex(doc, "010307002801016d0161017d010a012801016d0163017d0300");
    assert_true(applied.whole);
    assert_true(applied.gap);
    assert_vector(doc, "010701");
    apply_hex(doc, WRITE_B);
    assert_state(doc, WRITTEN);
    yata_doc_free(doc);
}

/* The first thing that is heard of a client may lie behind a gap. */
static void a_hole_may_come_first(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, WRITE_C);
    assert_state(doc, "010207000a022801016d0163017d0300");
    assert_vector(doc, "010700");
    apply_hex(doc, WRITE_A);
    apply_hex(doc, WRITE_B);
    assert_state(doc, WRITTEN);
    yata_doc_free(doc);
}

static void a_hole_is_filled_in_the_middle_and_at_its_ends(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, TEXT_AB);
    apply_hex(doc, TEXT_IJ);
    assert_state(doc, "01030900040104746578740261620a060401047465787402696a00");
    apply_hex(doc, TEXT_EF);
    assert_state(doc, "01050900040104746578740261620a02040104746578740265660a020401047465787402696a"
                      "00");
    assert_vector(doc, "010902");
    apply_hex(doc, TEXT_CD);
    assert_state(doc,
                 "01040900040104746578740461626364040104746578740265660a020401047465787402696a00");
    assert_vector(doc, "010906");
    apply_hex(doc, "01010906840905026768"
                   "00");
    assert_vector(doc, "01090a");
    yata_doc_free(doc);
}

/* Of an update that overlaps what is known, each hole takes its own part. */
static void an_update_over_several_holes_is_cut(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL), *whole = yata_doc_new(NULL);
    static const char long_text[] = "0101090004010474657874106162f09f98806566f09f98806a6b6c6d00";
    apply_hex(whole, long_text);
    /* 3: the second half of the first pair; 7: between the halves of the other one */
    apply_hex(doc, "01010903040104746578740178"
                   "00");
    apply_hex(doc, "01010907040104746578740179"
                   "00");
    struct yata_applied applied = apply_hex(doc, long_text);
    assert_true(applied.changed);
    assert_false(applied.whole);
    assert_false(applied.gap);
    struct yata_bytes a = {0}, b = {0};
    assert_int_equal(yata_encode_state_vector(doc, &a), YATA_OK);
    assert_int_equal(yata_encode_state_vector(whole, &b), YATA_OK);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.p, b.p, a.n);
    yata_bytes_fini(&a);
    yata_bytes_fini(&b);
    struct yata_bytes got = {0};
    assert_int_equal(yata_encode_state(doc, NULL, 0, &got), YATA_OK);
    struct yata_doc *again = yata_doc_new(NULL);
    assert_int_equal(yata_apply(again, got.p, got.n, NULL, NULL), YATA_OK);
    yata_bytes_fini(&got);
    yata_doc_free(again);
    yata_doc_free(doc);
    yata_doc_free(whole);
}

static void what_names_a_clock_in_a_hole_waits_for_it(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, TEXT_AB);
    apply_hex(doc, TEXT_IJ);
    struct yata_applied applied = apply_hex(doc, "01010500840903015a00"); /* behind "d" */
    assert_true(applied.pending);
    assert_false(applied.changed);
    applied = apply_hex(doc, TEXT_EF); /* fills another part */
    assert_false(applied.freed);
    applied = apply_hex(doc, TEXT_CD);
    assert_true(applied.freed);
    assert_vector(doc, "0209060501");
    yata_doc_free(doc);
}

static void a_deletion_over_a_hole_waits_for_that_part(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, TEXT_AB);
    apply_hex(doc, TEXT_IJ);
    struct yata_applied applied = apply_hex(doc, "0001090101"
                                                 "08");
    assert_true(applied.pending);
    assert_true(applied.changed);
    struct yata_bytes snapshot = {0};
    assert_int_equal(yata_encode_snapshot(doc, &snapshot), YATA_OK);
    assert_hex(&snapshot, "01090201010801"
                          "010902");
    apply_hex(doc, TEXT_EF);
    apply_hex(doc, TEXT_CD);
    apply_hex(doc, "0101090684090502676800");
    assert_int_equal(yata_encode_snapshot(doc, &snapshot), YATA_OK);
    assert_hex(&snapshot, "010901010801090a");
    yata_doc_free(doc);
}

/* What a transaction says has Skips where something was known already. */
static void a_transaction_tells_what_it_filled(void **state) {
    (void)state;
    for (int format = YATA_V1; format <= YATA_V2; format++) {
        struct yata_doc *doc = yata_doc_new(NULL), *other = yata_doc_new(NULL);
        struct yata_bytes told = {0};
        apply_hex(doc, TEXT_EF);
        apply_hex(other, TEXT_EF);
        yata_begin(doc);
        apply_hex(doc, TEXT_IJ);
        apply_hex(doc, TEXT_AB);
        apply_hex(doc, TEXT_CD);
        assert_int_equal(yata_commit_as(doc, (enum yata_format)format, &told), YATA_OK);
        assert_int_equal(yata_apply_as(other, (enum yata_format)format, told.p, told.n, NULL, NULL),
                         YATA_OK);
        if (format == YATA_V1) {
            assert_hex(&told, "010309000401047465787404616263640a040401047465787402696a00");
        }
        yata_bytes_fini(&told);
        assert_state(other, "01040900040104746578740461626364040104746578740265660a020401047465787"
                            "402696a00");
        yata_doc_free(doc);
        yata_doc_free(other);
    }
}

static bool is_known(struct yata_doc *doc, const char *hex) {
    struct test_bytes u = from_hex(hex);
    bool known = false;
    assert_int_equal(yata_is_known(doc, u.p, u.n, &known, NULL), YATA_OK);
    return known;
}

static void what_is_in_a_hole_is_not_known(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, WRITE_A);
    apply_hex(doc, WRITE_C);
    assert_true(is_known(doc, WRITE_A));
    assert_false(is_known(doc, WRITE_B));
    assert_true(is_known(doc, WRITE_C));
    assert_false(is_known(doc, WRITTEN));
    assert_true(is_known(doc, "010307002801016d0161017d010a012801016d0163017d0300"));
    yata_doc_free(doc);
}

/* Every other clock first: as many holes as there are structs, and then none. */
static void many_holes_close(void **state) {
    (void)state;
    enum { N = 300 };
    struct yata_doc *doc = yata_doc_new(NULL);
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < N; i++) {
            unsigned clock = 2 * i + 1 - pass;
            uint8_t u[] = {
                1, 1,   5, (uint8_t)(clock % 128 + 128), (uint8_t)(clock / 128), 4, 1, 1, 't',
                1, 'x', 0};
            assert_int_equal(yata_apply(doc, u, sizeof u, NULL, NULL), YATA_OK);
        }
        const struct yata_clock *clocks = NULL;
        size_t n = 0;
        assert_int_equal(yata_state_vector(doc, &clocks, &n), YATA_OK);
        assert_int_equal(clocks[0].clock, pass == 0 ? 0 : 2 * N);
    }
    struct yata_stats stats;
    yata_stats(doc, &stats);
    assert_int_equal(stats.structs, 2 * N);
    yata_doc_free(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_behind_a_gap_is_there_at_once),
        cmocka_unit_test(a_state_with_a_hole_loads_and_its_hole_is_filled),
        cmocka_unit_test(a_hole_may_come_first),
        cmocka_unit_test(a_hole_is_filled_in_the_middle_and_at_its_ends),
        cmocka_unit_test(an_update_over_several_holes_is_cut),
        cmocka_unit_test(what_names_a_clock_in_a_hole_waits_for_it),
        cmocka_unit_test(a_deletion_over_a_hole_waits_for_that_part),
        cmocka_unit_test(a_transaction_tells_what_it_filled),
        cmocka_unit_test(what_is_in_a_hole_is_not_known),
        cmocka_unit_test(many_holes_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
