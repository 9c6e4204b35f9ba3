/* Updates that must be refused, with the byte at which they went wrong, and odd ones that must not.
 */
#include "testing.h"

struct bad {
    const char *update;
    size_t at;
    const char *what;
};

static const struct bad all_bad[] = {
    {"", 0, "update ends inside a number"},
    {"01", 0, "update says it has more clients than bytes follow"},
    {"ff", 1, "update ends inside a number"},
    {"ffffffffffffffffff01", 0, "number has more than 53 bits"},
    {"ffffffffffffff1f", 0, "number has more than 53 bits"},
    /* no delete set */
    {"0101010004010174026162", 11, "update ends inside a number"},
    /* 200 structs in 10 bytes */
    {"01c8010100040101740161"
     "00",
     1, "client says it has more structs than bytes follow"},
    /* a clock and a length beyond 32 bits */
    {"010101ffffffff1f0401017401610000", 3, "clock has more than 32 bits"},
    {"010101ffffffff0f000100", 8, "clock has more than 32 bits"},
    {"01010100"
     "01010174ffffffff1f00",
     8, "length has more than 32 bits"},
    /* content refs */
    {"010101000b010174016100", 4, "unknown kind of content"},
    {"010101001f010174016100", 4, "unknown kind of content"},
    /* kind of type */
    {"010101000701017407"
     "00",
     8, "unknown kind of shared type"},
    /* the same client twice */
    {"0201010004010174016101010004010174016100", 11, "update has a client twice"},
    {"03010200000101010000010102000001"
     "00",
     12, "update has a client twice"},
    /* own future: origin, right origin, parent */
    {"0101010184010101"
     "6100",
     5, "struct refers to its own client's future"},
    {"0101010144010201"
     "6100",
     5, "struct refers to its own client's future"},
    {"010101010400010101"
     "6100",
     6, "struct refers to its own client's future"},
    /* strings: too long, not UTF-8, an encoded surrogate */
    {"0101010004010174056162"
     "00",
     8, "string or bytes run past the end of the update"},
    {"010101000401017402c32800", 9, "string is not UTF-8"},
    {"010101000401017403eda08000", 9, "string is not UTF-8"},
    {"010101000401ff7401610000", 6, "string or bytes run past the end of the update"},
    /* values */
    {"0101010008010174017300", 9, "value has an unknown tag"},
    {"01010100080101740180"
     "00",
     9, "value has an unknown tag"},
    {"0101010008010174ff7f7e00", 8, "content says it has more elements than bytes follow"},
    {"010101000801017401"
     "75ffffff7f00",
     10, "value says it has more elements than bytes follow"},
    {"010101000801017401"
     "7b0000"
     "00",
     10, "value runs past the end of the update"},
    /* JSON */
    {"0101010005010174037b7d7d00", 11, "text is not JSON"},
    {"01010100050101740022"
     "00",
     9, "text is not JSON"},
    {"0101010002010174"
     "0103756e6400",
     10, "text is not JSON"},
    /* sub-document without options */
    {"010101000901017401677e00", 10, "options of a sub-document are not an object"},
    /* delete set */
    {"00ff7f", 1, "delete set says it has more than the bytes that follow"},
    {"000101ff7f0001", 3, "delete set says it has more than the bytes that follow"},
    {"00010101ffffffff0f01", 4, "clock has more than 32 bits"},
};

static void bad_updates_are_refused_at_the_right_byte(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, "01010900040101740161"
                   "00");
    for (size_t i = 0; i < sizeof all_bad / sizeof *all_bad; i++) {
        const struct bad *bad = &all_bad[i];
        struct test_bytes u = from_hex(bad->update);
        struct yata_error why = {0}, again = {0};
        if (yata_apply(doc, u.p, u.n, NULL, &why) != YATA_MALFORMED) {
            fail_msg("accepted: %s", bad->update);
        }
        if (why.at != bad->at || strcmp(why.what, bad->what) != 0) {
            fail_msg("%s: byte %zu: %s", bad->update, why.at, why.what);
        }
        assert_int_equal(yata_check_update(u.p, u.n, &again), YATA_MALFORMED);
        assert_int_equal(again.at, why.at);
        assert_string_equal(again.what, why.what);
        assert_state(doc, "0101090004010174016100");
    }
    yata_doc_free(doc);
}

/* Every prefix of a good update is bad, and changes nothing. */
static void truncated_updates_are_refused(void **state) {
    (void)state;
    struct test_bytes u = from_hex("010d0b00070101780303646976870b000604000b01017128000b00026964017"
                                   "7013107000b00050168030101610201"
                                   "02870b0501870b0600870b070204000b08017a880b08037d01770374776f760"
                                   "105746872656575017d03890b0c0167"
                                   "7601086175746f4c6f61647805010174097b22696d67223a317d00");
    struct yata_doc *doc = yata_doc_new(NULL);
    for (size_t n = 0; n < u.n; n++) {
        struct yata_error why = {0};
        uint8_t *exact = malloc(n + 1); /* so that a sanitizer sees a byte read too far */
        assert_non_null(exact);
        uint8_t *p = exact + 1;
        memcpy(p, u.p, n);
        assert_int_equal(yata_apply(doc, p, n, NULL, &why), YATA_MALFORMED);
        assert_true(why.at <= n);
        free(exact);
    }
    assert_state(doc, "0000");
    yata_doc_free(doc);
}

struct odd {
    const char *update;
    const char *state;
};

static const struct odd all_odd[] = {
    /* trailing bytes */
    {"010101000401017402616200aabb", "010101000401017402616200"},
    /* long varints */
    {"81008100810080000401017402616200", "010101000401017402616200"},
    /* parentInfo 2 is an id */
    {"010201000701017402"
     "040201000161"
     "00",
     "010201000701017402"
     "040001000161"
     "00"},
    /* structs of length zero: string, any, deleted, GC */
    {"01060100040101740161"
     "04010174000801017400"
     "010101740000008401000162"
     "00",
     "010101000401017402616200"},
    /* high bits of GC and Skip */
    {"0102010080018a0100", "010101000001"
                           "0101010001"},
    /* clients in ascending order */
    {"0201010004010174016101020004010175016200", "0201020004010175016201010004010174016100"},
    /* delete set: unsorted, overlapping, empty ranges, client twice */
    {"010101000401017403616263"
     "0201030201010000020101"
     "0101",
     "0101010001010174030101010003"},
    /* parent that is not a type: collected */
    {"0102010004010174016104000100016200", "0102010004010174016100010101010101"},
    /* key bit without a key */
    {"0102010004010174016124010174016b016200", "0102010004010174016124010174016b016200"},
};

static void odd_updates_are_normalised(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof all_odd / sizeof *all_odd; i++) {
        struct yata_doc *doc = yata_doc_new(NULL);
        apply_hex(doc, all_odd[i].update);
        assert_state(doc, all_odd[i].state);
        yata_doc_free(doc);
    }
}

static void deep_values_do_not_use_the_stack(void **state) {
    (void)state;
    size_t n = 1000000;
    uint8_t head[] = {1, 1, 1, 0, 8, 1, 1, 't', 1};
    uint8_t *u = malloc(sizeof head + 2 * n + 2);
    assert_non_null(u);
    memcpy(u, head, sizeof head);
    for (size_t i = 0; i < n; i++) {
        u[sizeof head + 2 * i] = 117;
        u[sizeof head + 2 * i + 1] = 1;
    }
    u[sizeof head + 2 * n] = 126;
    u[sizeof head + 2 * n + 1] = 0;
    assert_int_equal(yata_check_update(u, sizeof head + 2 * n + 2, NULL), YATA_LIMIT);
    free(u);
}

/* JSON of embeds likewise: as deep as is allowed, and one level more. */
static void deep_json_is_refused(void **state) {
    (void)state;
    for (size_t deep = 256; deep <= 257; deep++) {
        uint8_t u[1024] = {1, 1, 1, 0, 5, 1, 1, 't'}, *p = u + 8;
        size_t bytes = 2 * deep + 1;
        *p++ = (uint8_t)(bytes | 128);
        *p++ = (uint8_t)(bytes >> 7);
        memset(p, '[', deep);
        p[deep] = '1';
        memset(p + deep + 1, ']', deep);
        p[bytes] = 0;
        struct yata_error why = {0};
        size_t n = (size_t)(p - u) + bytes + 1;
        enum yata_status status = yata_check_update(u, n, &why);
        assert_int_equal(status, deep > 256 ? YATA_LIMIT : YATA_OK);
        if (deep > 256) {
            assert_string_equal(why.what, "JSON nests too deep");
        }
    }
}

/* Types in types, ten thousand deep: deleted and collected without recursion. */
static void deep_types_do_not_use_the_stack(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_stats stats;
    apply_hex(doc, "0101010007010174000000");
    for (uint32_t i = 1; i < 10000; i++) {
        uint32_t before = i - 1;
        uint8_t u[] = {1, 1, 1, (uint8_t)(i | 0x80),      (uint8_t)(i >> 7),
                       7, 0, 1, (uint8_t)(before | 0x80), (uint8_t)(before >> 7),
                       0, 0};
        assert_int_equal(yata_apply(doc, u, sizeof u, NULL, NULL), YATA_OK);
    }
    yata_stats(doc, &stats);
    assert_int_equal(stats.types, 10001);
    apply_hex(doc, "000101010001");
    assert_state(doc, "010201000101017401008f4e01010100904e");
    yata_stats(doc, &stats);
    assert_int_equal(stats.types, 1);
    yata_doc_free(doc);
}

static void state_vector_and_meta_of_an_update(void **state) {
    (void)state;
    struct yata_bytes vector = {0};
    struct yata_update_range *ranges = NULL;
    size_t n = 0;
    /* client 7: 0..1, a hole, 2..3; client 9: from 1 */
    struct test_bytes u = from_hex("020307002801016d0161017d010a012801016d0163017d03"
                                   "010901000500");
    assert_int_equal(yata_state_vector_from_update(u.p, u.n, &vector, NULL), YATA_OK);
    assert_hex(&vector, "010701");
    assert_int_equal(yata_update_meta(u.p, u.n, &ranges, &n, NULL), YATA_OK);
    assert_int_equal(n, 2);
    assert_int_equal(ranges[0].client, 7);
    assert_int_equal(ranges[0].from, 0);
    assert_int_equal(ranges[0].to, 3);
    assert_int_equal(ranges[1].client, 9);
    assert_int_equal(ranges[1].from, 1);
    assert_int_equal(ranges[1].to, 6);
    free(ranges);
}

static void state_vectors_are_read(void **state) {
    (void)state;
    struct yata_clock *clocks = NULL;
    struct yata_error why = {0};
    size_t n = 0;
    struct test_bytes v = from_hex("02ffffffffffffff0f010203");
    assert_int_equal(yata_decode_state_vector(v.p, v.n, &clocks, &n, &why), YATA_OK);
    assert_int_equal(n, 2);
    assert_true(clocks[0].client == (UINT64_C(1) << 53) - 1);
    assert_int_equal(clocks[1].clock, 3);
    free(clocks);
    clocks = NULL;
    v = from_hex("020101ff");
    assert_int_equal(yata_decode_state_vector(v.p, v.n, &clocks, &n, &why), YATA_MALFORMED);
    assert_null(clocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_updates_are_refused_at_the_right_byte),
        cmocka_unit_test(truncated_updates_are_refused),
        cmocka_unit_test(odd_updates_are_normalised),
        cmocka_unit_test(deep_values_do_not_use_the_stack),
        cmocka_unit_test(deep_json_is_refused),
        cmocka_unit_test(deep_types_do_not_use_the_stack),
        cmocka_unit_test(state_vector_and_meta_of_an_update),
        cmocka_unit_test(state_vectors_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
