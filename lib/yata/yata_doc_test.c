/* Documents: what npm yjs 13.6.33 wrote goes in, and the bytes that it would write come out. */
#include "testing.h"

/* One bold "hi😀" and two map entries, one of them -0. */
#define WORKED                                                                                     \
    "010501000601017404626f6c640474727565840100066869f09f988086010404626f6c64046e756c6c"           \
    "2801016d016e017e2801016d016b017d4000"
/* Each kind of content that yjs writes but JSON: nested types, embeds, bytes, sub-documents. */
#define EVERYTHING                                                                                 \
    "010d0b00070101780303646976870b000604000b01017128000b000269640177013107000b000501680301016102" \
    "0102"                                                                                         \
    "870b0501870b0600870b070204000b08017a880b08037d01770374776f760105746872656575017d03890b0c0167" \
    "7601"                                                                                         \
    "086175746f4c6f61647805010174097b22696d67223a317d00"

static void an_empty_document_says_so(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_bytes snapshot = {0};
    assert_state(doc, "0000");
    assert_vector(doc, "00");
    assert_int_equal(yata_encode_snapshot(doc, &snapshot), YATA_OK);
    assert_hex(&snapshot, "0000");
    assert_false(apply_hex(doc, "0000").changed);
    yata_doc_free(doc);
    yata_doc_free(NULL);
}

static void states_come_back_as_they_were(void **state) {
    (void)state;
    static const char *const states[] = {
        WORKED,
        EVERYTHING,
        "0101ffffffffffffff0f002801016d016b0177017600", /* a client id of 53 bits */
        "010101000201017403013103223222047472756500",   /* legacy JSON */
        "01010100020101740109756e646566696e656400",     /* and its undefined */
    };
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        struct yata_doc *doc = yata_doc_new(NULL);
        struct yata_applied applied = apply_hex(doc, states[i]);
        assert_true(applied.changed);
        assert_true(applied.whole);
        assert_false(applied.pending);
        assert_state(doc, states[i]);
        applied = apply_hex(doc, states[i]);
        assert_false(applied.changed);
        assert_false(applied.whole);
        assert_state(doc, states[i]);
        yata_doc_free(doc);
    }
}

static void client_ids_have_53_bits_everywhere(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, "0101ffffffffffffff0f002801016d016b0177017600");
    assert_vector(doc, "01ffffffffffffff0f01");
    const struct yata_clock *clocks = NULL;
    size_t n = 0;
    assert_int_equal(yata_state_vector(doc, &clocks, &n), YATA_OK);
    assert_int_equal(n, 1);
    assert_true(clocks[0].client == (UINT64_C(1) << 53) - 1);
    assert_int_equal(clocks[0].clock, 1);
    yata_doc_free(doc);
}

static void cutting_a_pair_leaves_two_replacement_characters(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, "01010100040101740661f09f98806200"); /* a😀b */
    assert_difference(doc, "010102", "0101010284010104efbfbd6200");
    assert_state(doc, "01010100040101740661f09f98806200"); /* encoding a part cuts nothing */
    apply_hex(doc, "01010200c401010102015a00");            /* Z in the middle of the pair */
    assert_state(doc, "02010200c401010102015a020100040101740461efbfbd84010104efbfbd6200");
    assert_difference(doc, "010102", "02010200c401010102015a01010284010104efbfbd6200");
    yata_doc_free(doc);
}

/* As in yjs 13.6; yata_holes_test.c has what happens else. */
static const struct yata_options strict = {.strict = true};

static void a_gap_waits_and_is_handed_on(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(&strict);
    struct yata_stats stats;
    apply_hex(doc, "010107002801016d0161017d0100");
    struct yata_applied applied = apply_hex(doc, "010107022801016d0163017d0300");
    assert_false(applied.changed);
    assert_false(applied.whole);
    assert_true(applied.pending);
    yata_stats(doc, &stats);
    assert_int_equal(stats.pending_bytes, 14);
    assert_state(doc, "010307002801016d0161017d010a012801016d0163017d0300");
    assert_vector(doc, "010701");
    applied = apply_hex(doc, "010107012801016d0162017d0200");
    assert_true(applied.changed);
    assert_false(applied.whole); /* more changed than these bytes say */
    assert_false(applied.pending);
    yata_stats(doc, &stats);
    assert_int_equal(stats.pending_bytes, 0);
    assert_state(doc, "010307002801016d0161017d012801016d0162017d022801016d0163017d0300");
    yata_doc_free(doc);
}

static void a_state_with_a_hole_can_be_loaded(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(&strict);
    struct yata_applied applied =
        apply_hex(doc, "010307002801016d0161017d010a012801016d0163017d0300");
    assert_true(applied.changed);
    assert_true(applied.pending);
    assert_state(doc, "010307002801016d0161017d010a012801016d0163017d0300");
    apply_hex(doc, "010107012801016d0162017d0200");
    assert_state(doc, "010307002801016d0161017d012801016d0162017d022801016d0163017d0300");
    yata_doc_free(doc);
}

static void deletions_wait_for_what_they_delete(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_applied applied = apply_hex(doc, "000103010101");
    assert_true(applied.pending);
    assert_false(applied.changed);
    assert_state(doc, "000103010101");
    applied = apply_hex(doc, "01010300040101740361626300");
    assert_true(applied.changed);
    assert_false(applied.whole);
    assert_state(doc, "010303000401017401618103000184030101630103010101");
    yata_doc_free(doc);
}

/* A text with content is deleted while another client, not knowing, writes into it. */
static void what_a_deleted_type_held_is_collected(void **state) {
    (void)state;
    struct yata_bytes snapshot = {0};
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, "010201000701016102040001000378797a00");
    apply_hex(doc, "000101010001"); /* deletes the type */
    assert_state(doc, "01020100010101610100030101010004");
    yata_doc_free(doc);

    doc = yata_doc_new(NULL);
    apply_hex(doc, "010201000701016102040001000378797a00");
    apply_hex(doc, "000101010004");
    apply_hex(doc, "01010200c401010102015100");
    assert_state(doc, "02010200000102010001010161010003020201000101010004");
    assert_int_equal(yata_encode_snapshot(doc, &snapshot), YATA_OK);
    assert_hex(&snapshot, "0202010001010100040202010104");
    yata_doc_free(doc);

    struct yata_options keep = {.no_gc = true};
    doc = yata_doc_new(&keep);
    apply_hex(doc, "010201000701016102040001000378797a00");
    apply_hex(doc, "000101010004");
    assert_state(doc, "010201000701016102040001000378797a0101010004");
    yata_doc_free(doc);
}

/* What was collected in earlier transactions merges with what is collected now. */
static void collected_structs_merge_across_transactions(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, "010501000701056172726179012100010001740100"
                   "01a70101020400010301620101010102");
    apply_hex(doc, "000101010005");
    assert_state(doc, "0102010001010561727261790100040101010005");
    yata_doc_free(doc);
}

#define MAP    "2701016d016b01" /* a map of client 1, clock 0, under a root map's key k */
#define KEY(k) "28000100" k "017e"
#define X      KEY("0178")
#define Y      KEY("0179")
#define A      KEY("0161")
#define B      KEY("0162")
#define O      KEY("016f")
#define NESTED                                                                                     \
    "27000100017501"                                                                               \
    "280001010178017e" /* a map under the key u, with a key x */
#define KILL_MAP "000101010001"
#define GONE(k)  "2100010001" k "01" /* a value under a key, deleted */

/* Not all neighbours that were collected are merged, only those that yjs comes past. In each of
 * these a key of client 1 (or 3) is overwritten by a client with a higher id, and what is left of
 * it, a, b and o, is merged only when a neighbour is looked at that has grown before. */
static void collected_structs_merge_as_in_yjs(void **state) {
    (void)state;
    static const struct {
        const char *what, *updates[5], *state;
    } cases[] = {
        {"children deleted before, the last one first",
         {"01050100" MAP X Y A B "00", "01020200" A B "00", "000101010102", KILL_MAP},
         "0201020000020201002101016d016b010004020201000201010005"},
        {"and those of a nested map in its place",
         {"01060100" MAP NESTED Y A B "00", "01020200" A B "00", "000101010202", KILL_MAP},
         "0201020000020201002101016d016b010005020201000201010006"},
        {"a child deleted in the same transaction",
         {"01010100" MAP "00", "01030300" X A B "00", "01020400" A B "00", "00020301000101010001"},
         "03010400000201030000030101002101016d016b0103040100020301000301010001"},
        {"ranges of a delete set, the last one first",
         {"01060100" MAP X O Y A B "00", "01030200" O A B "00", KILL_MAP},
         "0201020000030201002101016d016b010005020201000301010006"},
        {"a struct that is sent again splits what it names",
         {"010201002701016d016b0204000100017800", "01010102840101017900", "01020103" A B "00",
          "01020200" A B "00", "0101010284010101790101010001"},
         "0201020000020201002101016d016b010004020201000201010005"},
        {"structs that come deleted, into a map deleted with them",
         {"01010100" MAP "00", "01020200" GONE("61") GONE("62") "0101010001"},
         "0201020000020101002101016d016b01020201000201010001"},
        {"what comes collected, behind what is collected now",
         {"01010100" MAP "00", "01010200" A "00", "01010300" A "00",
          "010102010001"
          "0101010001"},
         "03010300000101020000020101002101016d016b0103030100010201000201010001"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct yata_doc *doc = yata_doc_new(NULL);
        print_message("    %s\n", cases[i].what);
        for (size_t k = 0; k < 5 && cases[i].updates[k]; k++) {
            apply_hex(doc, cases[i].updates[k]);
        }
        assert_state(doc, cases[i].state);
        yata_doc_free(doc);
    }
}

static void a_transaction_is_one_update(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_bytes update = {0};
    yata_begin(doc);
    apply_hex(doc, "010101000401017402616200");
    apply_hex(doc, "01010102840101016300");
    apply_hex(doc, "000101010001");
    assert_int_equal(yata_commit(doc, &update), YATA_OK);
    assert_hex(&update, "0102010001010174018401000262630101010001");
    assert_state(doc, "0102010001010174018401000262630101010001");
    yata_begin(doc);
    apply_hex(doc, "000101010001");
    assert_int_equal(yata_commit(doc, &update), YATA_OK);
    assert_int_equal(update.n, 0);
    yata_bytes_fini(&update);
    yata_begin(doc);
    assert_int_equal(yata_commit(doc, NULL), YATA_OK);
    yata_doc_free(doc);
}

/* Two writers type by turns, a character at a time; each has one struct in the end. */
static void typing_makes_one_struct_per_run(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_stats stats;
    apply_hex(doc, "010101000401017401610000");
    apply_hex(doc, "010102000401017501610000");
    for (uint8_t i = 1; i < 100; i++) {
        for (uint8_t client = 1; client <= 2; client++) {
            uint8_t update[] = {1, 1, client, i, 0x84, client, (uint8_t)(i - 1), 1, 'a', 0};
            struct yata_applied applied;
            assert_int_equal(yata_apply(doc, update, sizeof update, &applied, NULL), YATA_OK);
            assert_true(applied.whole);
        }
    }
    yata_stats(doc, &stats);
    assert_int_equal(stats.structs, 2);
    assert_int_equal(stats.clients, 2);
    assert_int_equal(stats.types, 2);
    yata_doc_free(doc);
}

static void limits_refuse_and_change_nothing(void **state) {
    (void)state;
    struct yata_error why = {0};
    struct yata_options options = {
        .strict = true, .max_pending_bytes = 20, .max_clients = 1, .max_depth = 2};
    struct yata_doc *doc = yata_doc_new(&options);
    apply_hex(doc, "010107022801016d0163017d0300"); /* waits, 14 bytes */
    struct test_bytes u = from_hex("010107042801016d0163017d0300");
    assert_int_equal(yata_apply(doc, u.p, u.n, NULL, &why), YATA_LIMIT);
    assert_string_equal(why.what, "too much waits for updates that are missing");
    assert_state(doc, "010107022801016d0163017d0300");
    apply_hex(doc, "010107002801016d0161017d0100");
    u = from_hex("010108002801016d0161017d0100");
    assert_int_equal(yata_apply(doc, u.p, u.n, NULL, &why), YATA_LIMIT);
    assert_string_equal(why.what, "too many clients");
    u = from_hex("010107012801016d01620175017501750000"); /* [[[]]] has nothing in it: depth 2 */
    assert_int_equal(yata_apply(doc, u.p, u.n, NULL, NULL), YATA_OK);
    u = from_hex("010107032801016d0162017501750175017e00");
    assert_int_equal(yata_apply(doc, u.p, u.n, NULL, &why), YATA_LIMIT);
    assert_string_equal(why.what, "value nests too deep");
    assert_int_equal(why.at, 15);
    yata_doc_free(doc);
}

static void a_state_vector_may_come_in_any_order(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, "01010100040101740661f09f98806200");
    apply_hex(doc, "01010200c401010102015a00");
    struct yata_bytes difference = {0};
    struct yata_clock since[] = {{1, 4}, {9, 3}, {2, 1}};
    assert_int_equal(yata_encode_since(doc, since, 3, &difference), YATA_OK);
    assert_hex(&difference, "0000");
    uint8_t bad[] = {5, 1};
    assert_int_equal(yata_encode_state(doc, bad, sizeof bad, &difference), YATA_MALFORMED);
    assert_null(difference.p);
    yata_doc_free(doc);
}

static bool is_known(const struct yata_doc *doc, const char *hex) {
    struct test_bytes u = from_hex(hex);
    bool known = false;
    assert_int_equal(yata_is_known(doc, u.p, u.n, &known, NULL), YATA_OK);
    return known;
}

static void what_is_known_is_known(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    static const char abc[] = "0101010004010174036162630101010101"; /* "abc" without its b */
    assert_true(is_known(doc, "0000"));
    assert_false(is_known(doc, abc));
    apply_hex(doc, abc);
    assert_true(is_known(doc, abc));
    assert_true(is_known(doc, "010101018401000162"
                              "00"));
    assert_false(is_known(doc, "010101038401020164"
                               "00"));
    assert_true(is_known(doc, "000101010101"));
    assert_false(is_known(doc, "000101010002"));  /* deletes the a, too */
    assert_false(is_known(doc, "000101010102"));  /* the c */
    assert_false(is_known(doc, "000101010104"));  /* and what nobody has */
    assert_false(is_known(doc, "000102010001"));  /* of a client that nobody knows */
    assert_true(is_known(doc, "010101030a0500")); /* only a hole */
    bool known = true;
    struct yata_error why;
    assert_int_equal(yata_is_known(doc, (const uint8_t *)"\1", 1, &known, &why), YATA_MALFORMED);
    assert_true(known);
    assert_state(doc, "010301000401017401618101000184010101630101010101");
    yata_doc_free(doc);
}

/* What a transaction adds to a long list of values is found where it is, not by reading the list:
 * once, several times, and when something came in between. */
static void update_of_what_a_list_gained(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_bytes update = {0};
    apply_hex(doc, "010101000801016102"
                   "7d017d02"
                   "00");
    yata_begin(doc);
    apply_hex(doc, "01010102880101017d0300");
    apply_hex(doc, "01010103880102017d0400");
    assert_int_equal(yata_commit(doc, &update), YATA_OK);
    assert_hex(&update, "01010102880101027d037d0400");
    yata_begin(doc);
    apply_hex(doc, "01010104880103017d0500");
    assert_int_equal(yata_commit(doc, &update), YATA_OK);
    assert_hex(&update, "01010104880103017d0500");
    yata_begin(doc);
    apply_hex(doc, "01010105880104017d0600");
    apply_hex(doc, "01010200c801040105017d0700");
    assert_int_equal(yata_commit(doc, &update), YATA_OK);
    assert_hex(&update, "02010200c801040105017d07"
                        "010105880104017d0600");
    yata_doc_free(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_document_says_so),
        cmocka_unit_test(states_come_back_as_they_were),
        cmocka_unit_test(client_ids_have_53_bits_everywhere),
        cmocka_unit_test(cutting_a_pair_leaves_two_replacement_characters),
        cmocka_unit_test(a_gap_waits_and_is_handed_on),
        cmocka_unit_test(a_state_with_a_hole_can_be_loaded),
        cmocka_unit_test(deletions_wait_for_what_they_delete),
        cmocka_unit_test(update_of_what_a_list_gained),
        cmocka_unit_test(what_a_deleted_type_held_is_collected),
        cmocka_unit_test(collected_structs_merge_across_transactions),
        cmocka_unit_test(collected_structs_merge_as_in_yjs),
        cmocka_unit_test(a_transaction_is_one_update),
        cmocka_unit_test(typing_makes_one_struct_per_run),
        cmocka_unit_test(limits_refuse_and_change_nothing),
        cmocka_unit_test(a_state_vector_may_come_in_any_order),
        cmocka_unit_test(what_is_known_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
