/* A position stays with what it was put at, while others edit around it. */
#include "testing.h"

/* Root "t": "abc" by client 1. */
static const char abc[] = "01010100040101740361626300";

static struct yata_position position(struct yata_doc *doc, uint64_t index, int64_t assoc) {
    struct yata_type t;
    struct yata_position p = {0};
    assert_int_equal(yata_root(doc, "t", 1, &t), YATA_OK);
    assert_int_equal(yata_position_at(doc, t, index, assoc, &p), YATA_OK);
    if (p.where == YATA_AT_ROOT) { /* the name holds only until the document changes */
        p.name.p = (const uint8_t *)"t";
    }
    return p;
}

static void assert_at(struct yata_doc *doc, const struct yata_position *p, uint64_t expected) {
    struct yata_type type;
    uint64_t index = UINT64_MAX;
    assert_int_equal(yata_position_resolve(doc, p, &type, &index), YATA_OK);
    assert_int_equal(index, expected);
}

static void a_position_moves_with_what_it_belongs_to(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, abc);
    struct yata_position before_b = position(doc, 1, 0), after_a = position(doc, 1, -1);
    struct yata_position start = position(doc, 0, -1), end = position(doc, 9, 0);
    apply_hex(doc, "01010200c401000101017800"); /* x between a and b */
    assert_at(doc, &before_b, 2);
    assert_at(doc, &after_a, 1);
    assert_at(doc, &start, 0);
    assert_at(doc, &end, 4);
    apply_hex(doc, "000101010002"); /* a and b are deleted */
    assert_at(doc, &before_b, 1);
    assert_at(doc, &after_a, 0);
    yata_doc_free(doc);
}

static void positions_are_bytes_of_yjs(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, abc);
    struct yata_position p = position(doc, 1, 0);
    struct yata_bytes bytes = {0};
    assert_int_equal(yata_position_encode(&p, &bytes), YATA_OK);
    assert_hex(&bytes, "00010100");
    p = position(doc, 1, -1);
    assert_int_equal(yata_position_encode(&p, &bytes), YATA_OK);
    assert_hex(&bytes, "00010041");
    p = position(doc, 3, 0);
    assert_int_equal(yata_position_encode(&p, &bytes), YATA_OK);
    assert_hex(&bytes, "01017400");
    p.where = YATA_AT_TYPE;
    p.client = UINT64_MAX;
    assert_int_equal(yata_position_encode(&p, &bytes), YATA_MALFORMED);
    yata_doc_free(doc);
}

/* Older clients write no assoc. */
static void what_is_missing_is_zero_and_what_is_wrong_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"", "03", "00", "0001", "010574", "0101ff", "00010180"};
    struct test_bytes old = from_hex("000101");
    struct yata_position p = {.assoc = 7};
    struct yata_error why;
    assert_int_equal(yata_position_decode(old.p, old.n, &p, NULL), YATA_OK);
    assert_true(p.where == YATA_AT_ITEM && p.client == 1 && p.clock == 1 && p.assoc == 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct test_bytes b = from_hex(bad[i]);
        assert_int_equal(yata_position_decode(b.p, b.n, &p, &why), YATA_MALFORMED);
    }
}

static void what_is_not_there_is_gone(void **state) {
    (void)state;
    static const char *const gone[] = {"00020000", "00010300", "02010000", "02010900", "01017500"};
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, abc);
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        struct test_bytes b = from_hex(gone[i]);
        struct yata_position p;
        struct yata_type type;
        uint64_t index;
        assert_int_equal(yata_position_decode(b.p, b.n, &p, NULL), YATA_OK);
        assert_int_equal(yata_position_resolve(doc, &p, &type, &index), YATA_GONE);
    }
    yata_doc_free(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_position_moves_with_what_it_belongs_to),
        cmocka_unit_test(positions_are_bytes_of_yjs),
        cmocka_unit_test(what_is_missing_is_zero_and_what_is_wrong_is_refused),
        cmocka_unit_test(what_is_not_there_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
