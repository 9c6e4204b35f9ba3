/* Limits: what would pass one is refused, nothing changes, and what fits is taken afterwards. */
#include "testing.h"

/* Refused for this reason, and the document is as it was. */
static void refuses(struct yata_doc *doc, const uint8_t *update, size_t n, const char *reason) {
    struct yata_bytes before = {0}, after = {0};
    struct yata_error why = {0};
    assert_int_equal(yata_encode_state(doc, NULL, 0, &before), YATA_OK);
    assert_int_equal(yata_apply(doc, update, n, NULL, &why), YATA_LIMIT);
    assert_string_equal(why.what, reason);
    assert_int_equal(yata_encode_state(doc, NULL, 0, &after), YATA_OK);
    assert_int_equal(before.n, after.n);
    assert_memory_equal(before.p, after.p, after.n);
    yata_bytes_fini(&before);
    yata_bytes_fini(&after);
}

static void refuses_hex(struct yata_doc *doc, const char *hex, const char *reason) {
    struct test_bytes u = from_hex(hex);
    refuses(doc, u.p, u.n, reason);
}

static void structs_of_a_document(void **state) {
    (void)state;
    struct yata_options options = {.max_structs = 3};
    struct yata_doc *doc = yata_doc_new(&options);
    apply_hex(doc, "010107002801016d0161017d0100");
    apply_hex(doc, "010207012801016d0162017d022801016d0163017d0300");
    refuses_hex(doc, "010107032801016d0164017d0300", "too many structs");
    apply_hex(doc, "010107002801016d0161017d0100"); /* nothing new */
    apply_hex(doc, "000107010001");                 /* a deletion */
    yata_doc_free(doc);
}

static void structs_of_an_update(void **state) {
    (void)state;
    struct yata_options options = {.max_update_structs = 2};
    struct yata_doc *doc = yata_doc_new(&options);
    static const char three[] = "010307002801016d0161017d012801016d0162017d022801016d0163017d0300";
    refuses_hex(doc, three, "update has too many structs");
    apply_hex(doc, "010207002801016d0161017d012801016d0162017d0200");
    struct test_bytes u = from_hex(three);
    struct yata_bytes v2 = {0};
    struct yata_error why = {0};
    bool known;
    assert_int_equal(yata_convert_update(YATA_V1, YATA_V2, u.p, u.n, &v2, NULL), YATA_OK);
    assert_int_equal(yata_apply_as(doc, YATA_V2, v2.p, v2.n, NULL, &why), YATA_LIMIT);
    assert_int_equal(yata_is_known(doc, u.p, u.n, &known, &why), YATA_LIMIT);
    yata_bytes_fini(&v2);
    yata_doc_free(doc);
}

static void root_types(void **state) {
    (void)state;
    struct yata_options options = {.max_roots = 2};
    struct yata_doc *doc = yata_doc_new(&options);
    apply_hex(doc, "010107002801016d0161017d0100"); /* m */
    /* m again and again, with other keys, and one more */
    apply_hex(doc, "010307012801016d0162017d022801016d0163017d022801016e0163017d0200");
    refuses_hex(doc, "010107042801016f0164017d0300", "too many root types");
    refuses_hex(doc, "0201080028010270700164017d030107042801016f0164017d0300",
                "too many root types");
    apply_hex(doc, "010107042801016d0164017d0300");
    yata_doc_free(doc);
}

/* A struct of `n` bytes of text at the end of what client 1 wrote. */
static size_t text_update(uint8_t *u, unsigned clock, unsigned n) {
    size_t at = 0;
    u[at++] = 1;
    u[at++] = 1;
    u[at++] = 1;
    u[at++] = (uint8_t)(clock % 128 + 128);
    u[at++] = (uint8_t)(clock / 128 % 128 + 128);
    u[at++] = (uint8_t)(clock / 16384);
    if (clock == 0) {
        memcpy(u + at, "\x04\x01\x01t", 4);
        at += 4;
    } else {
        u[at++] = 0x84;
        u[at++] = 1;
        u[at++] = (uint8_t)((clock - 1) % 128 + 128);
        u[at++] = (uint8_t)((clock - 1) / 128 % 128 + 128);
        u[at++] = (uint8_t)((clock - 1) / 16384);
    }
    u[at++] = (uint8_t)(n % 128 + 128);
    u[at++] = (uint8_t)(n / 128);
    memset(u + at, 'x', n);
    u[at + n] = 0;
    return at + n + 1;
}

/* However it is filled, by typing or in pieces, a document stays below its limit, and a full one
 * can still be emptied. */
static void memory_of_a_document(void **state) {
    (void)state;
    enum { LIMIT = 200000, SCRATCH = 1000 };
    static uint8_t u[10000];
    static const unsigned pieces[] = {1, 50, 9000};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct yata_options options = {.max_memory_bytes = LIMIT};
        struct yata_doc *doc = yata_doc_new(&options);
        struct yata_stats stats;
        struct yata_error why = {0};
        unsigned clock = 0;
        enum yata_status status;
        do {
            size_t n = text_update(u, clock, pieces[i]);
            status = yata_apply(doc, u, n, NULL, &why);
            clock += status == YATA_OK ? pieces[i] : 0;
            yata_stats(doc, &stats);
            assert_true(stats.memory_bytes <= LIMIT + SCRATCH);
        } while (status == YATA_OK);
        assert_int_equal(status, YATA_LIMIT);
        assert_string_equal(why.what, "the document would take more memory than it may");
        assert_true(clock > LIMIT / 3);
        refuses(doc, u, text_update(u, clock, pieces[i]), why.what);
        uint8_t gone[] = {0,
                          1,
                          1,
                          1,
                          0,
                          (uint8_t)(clock % 128 + 128),
                          (uint8_t)(clock / 128 % 128 + 128),
                          (uint8_t)(clock / 16384)};
        assert_int_equal(yata_apply(doc, gone, sizeof gone, NULL, NULL), YATA_OK);
        size_t n = text_update(u, clock, pieces[i]);
        assert_int_equal(yata_apply(doc, u, n, NULL, NULL), YATA_OK);
        yata_doc_free(doc);
    }
}

static void what_waits_counts_as_memory(void **state) {
    (void)state;
    static uint8_t u[10000];
    struct yata_options options = {.max_memory_bytes = 40000, .strict = true};
    struct yata_doc *doc = yata_doc_new(&options);
    struct yata_error why = {0};
    enum yata_status status = YATA_OK;
    unsigned clock = 100, count = 0;
    for (; status == YATA_OK; clock += 9000, count++) {
        size_t n = text_update(u, clock, 9000);
        status = yata_apply(doc, u, n, NULL, &why);
    }
    assert_int_equal(status, YATA_LIMIT);
    assert_true(count > 1);
    yata_doc_free(doc);
}

/* 25 bytes of format V2 that speak of a hundred million collected structs, and a run of empty text.
 */
static void a_run_length_bomb(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_error why = {0};
    /* clients: one, twice; info: GC for ever; lengths: 1, and a hundred million more */
    struct test_bytes u = from_hex("000002410000000100020000000000064180c2d72f0180c2d72f0000");
    enum yata_status status = yata_apply_as(doc, YATA_V2, u.p, u.n, NULL, &why);
    assert_true(status == YATA_LIMIT || status == YATA_MALFORMED);
    struct yata_stats stats;
    yata_stats(doc, &stats);
    assert_true(stats.memory_bytes < 20000);
    yata_doc_free(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(structs_of_a_document),
        cmocka_unit_test(structs_of_an_update),
        cmocka_unit_test(root_types),
        cmocka_unit_test(memory_of_a_document),
        cmocka_unit_test(what_waits_counts_as_memory),
        cmocka_unit_test(a_run_length_bomb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
