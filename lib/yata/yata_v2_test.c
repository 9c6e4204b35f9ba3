/* Format V2, functions without a document, snapshots: what npm yjs 13.6.33 says, and what must be
 * refused. */
#include "testing.h"

/* One bold "hi😀" and two map entries, one of them -0. */
#define WORKED_V1                                                                                  \
    "010501000601017404626f6c640474727565840100066869f09f988086010404626f6c64046e756c6c"           \
    "2801016d016e017e2801016d016b017d4000"
#define WORKED_V2                                                                                  \
    "00020002024101020008000706008400860028191374626f6c646869f09f9880626f6c646d6e6d6b"             \
    "0144014102010100024100010500787e7e7d4000"
/* Nested types, embeds, bytes, sub-documents. */
#define EVERYTHING_V1                                                                              \
    "010d0b00070101780303646976870b000604000b01017128000b000269640177013107000b000501680301016102" \
    "0102"                                                                                         \
    "870b0501870b0600870b070204000b08017a880b08037d01770374776f760105746872656575017d03890b0c0167" \
    "7601"                                                                                         \
    "086175746f4c6f61647805010174097b22696d67223a317d00"

static struct yata_bytes convert(enum yata_format from, const uint8_t *p, size_t n) {
    struct yata_bytes ret = {0};
    enum yata_format to = from == YATA_V1 ? YATA_V2 : YATA_V1;
    assert_int_equal(yata_convert_update(from, to, p, n, &ret, NULL), YATA_OK);
    return ret;
}

static void formats_become_each_other(void **state) {
    (void)state;
    struct test_bytes v1 = from_hex(WORKED_V1), v2 = from_hex(WORKED_V2);
    struct yata_bytes got = convert(YATA_V1, v1.p, v1.n);
    assert_hex(&got, WORKED_V2);
    got = convert(YATA_V2, v2.p, v2.n);
    assert_hex(&got, WORKED_V1);
    v1 = from_hex(EVERYTHING_V1);
    struct yata_bytes all = convert(YATA_V1, v1.p, v1.n);
    got = convert(YATA_V2, all.p, all.n);
    assert_hex(&got, EVERYTHING_V1);
    yata_bytes_fini(&all);
}

static void a_document_speaks_both(void **state) {
    (void)state;
    struct test_bytes v2 = from_hex(WORKED_V2);
    struct yata_bytes told = {0}, whole = {0};
    struct yata_applied applied;
    struct yata_doc *doc = yata_doc_new(NULL);
    bool known = true;
    assert_int_equal(yata_is_known_as(doc, YATA_V2, v2.p, v2.n, &known, NULL), YATA_OK);
    assert_false(known);
    yata_begin(doc);
    assert_int_equal(yata_apply_as(doc, YATA_V2, v2.p, v2.n, &applied, NULL), YATA_OK);
    assert_true(applied.whole);
    assert_int_equal(yata_commit_as(doc, YATA_V2, &told), YATA_OK);
    assert_hex(&told, WORKED_V2);
    assert_state(doc, WORKED_V1);
    assert_int_equal(yata_encode_state_as(doc, YATA_V2, NULL, 0, &whole), YATA_OK);
    assert_hex(&whole, WORKED_V2);
    assert_int_equal(yata_is_known_as(doc, YATA_V2, v2.p, v2.n, &known, NULL), YATA_OK);
    assert_true(known);
    assert_int_equal(yata_encode_snapshot_as(doc, YATA_V2, &whole), YATA_OK);
    assert_hex(&whole, "00010108");
    yata_doc_free(doc);
    doc = yata_doc_new(NULL);
    assert_int_equal(yata_encode_state_as(doc, YATA_V2, NULL, 0, &whole), YATA_OK);
    assert_hex(&whole, "00000000000001000000000000");
    yata_doc_free(doc);
}

static void truncated_updates_are_refused(void **state) {
    (void)state;
    struct test_bytes v1 = from_hex(EVERYTHING_V1);
    struct yata_bytes v2 = convert(YATA_V1, v1.p, v1.n);
    for (size_t n = 0; n < v2.n; n++) {
        uint8_t *exact = malloc(n + 1); /* so that a sanitizer sees a byte read too far */
        struct yata_error why = {0};
        assert_non_null(exact);
        memcpy(exact + 1, v2.p, n);
        assert_int_equal(yata_check_update_as(YATA_V2, exact + 1, n, &why), YATA_MALFORMED);
        assert_true(why.at <= n);
        free(exact);
    }
    yata_bytes_fini(&v2);
}

struct bad {
    const char *update;
    enum yata_status status;
    const char *what;
};

static const struct bad all_bad[] = {
    /* three million collected structs */
    {"00"
     "00"
     "0101"
     "0000"
     "0100"
     "0100"
     "00"
     "00"
     "0441c0843d"
     "01c08db7010000",
     YATA_LIMIT, "update says it has too many structs for its size"},
    /* a clock column that goes below zero: origin 2:-1 */
    {"00"
     "00"
     "020102"
     "0142"
     "00"
     "0184"
     "03016101"
     "00"
     "00"
     "00"
     "01010000",
     YATA_MALFORMED, "clock has more than 32 bits"},
    /* a string longer than the text */
    {"00"
     "00"
     "0101"
     "00"
     "00"
     "0104"
     "0402746107"
     "0101"
     "00"
     "00"
     "01010000",
     YATA_MALFORMED, "string runs past the end of the strings"},
    /* no info */
    {"00"
     "00"
     "0101"
     "00"
     "00"
     "00"
     "0100"
     "00"
     "00"
     "00"
     "01010000",
     YATA_MALFORMED, "column ends too early"},
};

static void bad_updates_are_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof all_bad / sizeof *all_bad; i++) {
        struct test_bytes u = from_hex(all_bad[i].update);
        struct yata_error why = {0};
        enum yata_status status = yata_check_update_as(YATA_V2, u.p, u.n, &why);
        assert_string_equal(why.what, all_bad[i].what);
        assert_int_equal(status, all_bad[i].status);
    }
}

static struct yata_slice slice_of(const struct test_bytes *b) {
    return (struct yata_slice){b->p, b->n};
}

static void updates_merge_without_a_document(void **state) {
    (void)state;
    struct test_bytes a = from_hex("01010100040101740161"
                                   "00"),
                      c = from_hex("010101028401010163"
                                   "00"),
                      junk = from_hex("090909");
    struct yata_slice two[2] = {slice_of(&a), slice_of(&c)};
    struct yata_bytes merged = {0}, cut = {0};
    struct yata_struct *structs = NULL;
    size_t n = 0;
    assert_int_equal(yata_merge_updates(YATA_V1, two, 2, &merged, NULL), YATA_OK);
    assert_int_equal(yata_update_structs(YATA_V1, merged.p, merged.n, &structs, &n, NULL), YATA_OK);
    assert_int_equal(n, 3);
    assert_int_equal(structs[1].kind, YATA_SKIP);
    assert_int_equal(structs[1].clock, 1);
    assert_int_equal(structs[2].kind, YATA_STRING);
    assert_int_equal(structs[2].length, 1);
    free(structs);
    const uint8_t vector[] = {1, 1, 1};
    assert_int_equal(
        yata_diff_update(YATA_V1, merged.p, merged.n, vector, sizeof vector, &cut, NULL), YATA_OK);
    assert_hex(&cut, "010101028401010163"
                     "00");
    assert_hex(&merged, "0103010004010174016"
                        "10a018401010163"
                        "00");
    two[0] = slice_of(&junk);
    assert_int_equal(yata_merge_updates(YATA_V1, two, 1, &merged, NULL), YATA_OK);
    assert_hex(&merged, "090909");
    assert_int_equal(yata_merge_updates(YATA_V1, two, 2, &merged, NULL), YATA_MALFORMED);
    assert_int_equal(yata_merge_updates(YATA_V2, NULL, 0, &merged, NULL), YATA_OK);
    assert_hex(&merged, "00000000000001000000000000");
}

static void a_document_goes_back(void **state) {
    (void)state;
    struct yata_options keep = {.no_gc = true};
    struct yata_doc *doc = yata_doc_new(&keep), *past = NULL;
    struct yata_snapshot then = {0}, now = {0}, read = {0};
    struct yata_bytes bytes = {0};
    struct yata_error why;
    apply_hex(doc, "01010100040101740561f09f988000");
    assert_int_equal(yata_snapshot_take(doc, &then), YATA_OK);
    apply_hex(doc, "0101010384010202626300");
    apply_hex(doc, "000101010001");
    assert_int_equal(yata_snapshot_take(doc, &now), YATA_OK);
    assert_false(yata_snapshot_equal(&then, &now));
    assert_int_equal(yata_snapshot_encode(&now, YATA_V2, &bytes), YATA_OK);
    assert_int_equal(yata_snapshot_decode(YATA_V2, bytes.p, bytes.n, &read, NULL), YATA_OK);
    assert_true(yata_snapshot_equal(&read, &now));
    yata_snapshot_fini(&read);
    assert_hex(&bytes, "0101010000010105");
    assert_int_equal(yata_doc_at(doc, &then, NULL, &past, NULL), YATA_OK);
    assert_state(past, "0101010004010174"
                       "0561f09f988000");
    assert_int_equal(yata_doc_at(past, &then, NULL, &past, &why), YATA_MALFORMED);
    yata_doc_free(past);
    then.clocks[0].clock = 2; /* inside the pair */
    assert_int_equal(yata_doc_at(doc, &then, NULL, &past, NULL), YATA_OK);
    assert_state(past, "0101010004010174"
                       "0461efbfbd00");
    yata_doc_free(past);
    then.clocks[0].clock = 99;
    assert_int_equal(yata_doc_at(doc, &then, NULL, &past, &why), YATA_MALFORMED);
    assert_int_equal(yata_snapshot_decode(YATA_V1, (const uint8_t *)"\1\1", 2, &read, &why),
                     YATA_MALFORMED);
    yata_snapshot_fini(&then);
    yata_snapshot_fini(&now);
    yata_doc_free(doc);
}

/* Text, formats, embeds, types with and without names, values, bytes, legacy JSON with undefined, a
 * subdocument, a collected run, a Skip, ids of others, deletions. */
static const char *const kinds[] = {
    "010501000601017404626f6c640474727565840100066869f09f988086010404626f6c64046e756c6c"
    "2801016d016e017e2801016d016b017d4000",
    "010d0b00070101780303646976870b000604000b01017128000b000269640177013107000b000501680301016102"
    "0102870b0501870b0600870b070204000b08017a880b08037d01770374776f760105746872656575017d03890b0c"
    "01677601086175746f4c6f61647805010174097b22696d67223a317d00",
    "020303000201016103"
    "09756e646566696e65640131025b5d00050a04010100c4030003"
    "01015a0103010102",
};

/* Whatever byte is damaged or missing: refused without a trace, or taken and converted. */
static void damage_is_refused_or_taken_whole(void **state) {
    (void)state;
    size_t taken = 0, refused = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct test_bytes v1 = from_hex(kinds[i]);
        struct yata_bytes good = {0};
        assert_int_equal(yata_convert_update(YATA_V1, YATA_V2, v1.p, v1.n, &good, NULL), YATA_OK);
        for (size_t at = 0; at < good.n; at++) {
            for (unsigned x = 0; x < 256; x++) {
                struct yata_bytes out = {0};
                struct yata_error why = {0};
                uint8_t was = good.p[at];
                size_t n = x == was ? at : good.n; /* and cut before it */
                good.p[at] = (uint8_t)x;
                enum yata_status checked = yata_check_update_as(YATA_V2, good.p, n, &why);
                enum yata_status status =
                    yata_convert_update(YATA_V2, YATA_V1, good.p, n, &out, NULL);
                assert_int_equal(checked, status);
                if (status == YATA_OK) {
                    assert_int_equal(yata_check_update(out.p, out.n, NULL), YATA_OK);
                    taken++;
                } else {
                    assert_true(why.what[0] != 0 && why.at <= good.n);
                    refused++;
                }
                yata_bytes_fini(&out);
                good.p[at] = was;
            }
        }
        yata_bytes_fini(&good);
    }
    assert_true(taken > 1000 && refused > 1000);
}

/* Two structs that hold the halves of one character, as only V2 can say. In V1 each half is U+FFFD,
 * as in yjs. Back in V2 yjs joins the halves again ("a" and the whole character), while here they
 * were U+FFFD from the start, as they are in every yjs document that heard of them by V1. Lengths,
 * ids and order are the same. */
static void halves_of_a_character_are_replaced(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_bytes v2 = {0};
    struct test_bytes u =
        from_hex("000003020102010200030400840b077461f09f98806201420001010000020100010000");
    assert_int_equal(yata_apply_as(doc, YATA_V2, u.p, u.n, NULL, NULL), YATA_OK);
    assert_state(doc, "02010200040101740461efbfbd01010084020104efbfbd6200");
    assert_vector(doc, "0202020102");
    assert_int_equal(yata_encode_state_as(doc, YATA_V2, NULL, 0, &v2), YATA_OK);
    assert_hex(&v2, "000003020102010200030400840d097461efbfbdefbfbd6201420001010000020100010000");
    yata_doc_free(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_is_refused_or_taken_whole),
        cmocka_unit_test(halves_of_a_character_are_replaced),
        cmocka_unit_test(formats_become_each_other),
        cmocka_unit_test(a_document_speaks_both),
        cmocka_unit_test(truncated_updates_are_refused),
        cmocka_unit_test(bad_updates_are_refused),
        cmocka_unit_test(updates_merge_without_a_document),
        cmocka_unit_test(a_document_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
