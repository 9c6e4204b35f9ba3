/* Traps that other implementations of Yjs have fallen into, as far as they are about edits made
 * here and about holes; tests/diff/traps.test.ts has the others, with npm yjs as the judge. */
#include "testing.h"

#include "yata_write.h"

/* "abc" and [1, 2, 3] of client 1, "b" and 2 and 3 deleted. */
#define BASE "0105010004010174016181010001840101016308010161017d018101030201010201010402"

static void assert_told(struct yata_doc *doc, const char *hex) {
    struct yata_bytes told = {0};
    assert_int_equal(yata_commit(doc, &told), YATA_OK);
    assert_hex(&told, hex);
}

/* trap 4: origins are the physical neighbours, tombstones included. Text goes behind tombstones, an
 * array's values before them, what is pushed behind the last one. The bytes are those of yjs. */
static void trap_4_origins_of_edits_made_here(void **state) {
    (void)state;
    struct yata_options options = {.client = 7};
    struct yata_doc *doc = yata_doc_new(&options);
    struct yata_type text, array;
    const struct yata_value m = {.kind = YATA_VALUE_STRING, .bytes = {(const uint8_t *)"m", 1}};
    const struct yata_value p = {.kind = YATA_VALUE_STRING, .bytes = {(const uint8_t *)"p", 1}};
    apply_hex(doc, BASE);
    assert_int_equal(yata_root(doc, "t", 1, &text), YATA_OK);
    assert_int_equal(yata_root(doc, "a", 1, &array), YATA_OK);
    yata_begin(doc);
    assert_int_equal(yata_text_insert(doc, text, 1, "X", 1, NULL), YATA_OK);
    assert_told(doc, "01010700c401010102015800");
    yata_begin(doc);
    assert_int_equal(yata_list_insert(doc, array, 1, &m, 1), YATA_OK);
    assert_told(doc, "01010701c8010301040177016d00");
    yata_begin(doc);
    assert_int_equal(yata_list_insert(doc, array, YATA_END, &p, 1), YATA_OK);
    assert_told(doc, "010107028801050177017000");
    yata_begin(doc);
    assert_int_equal(yata_text_insert(doc, text, 3, "!", 1, NULL), YATA_OK);
    assert_told(doc, "01010703840102012100");
    yata_doc_free(doc);
}

/* What a document says of itself in both formats makes the same document of another. */
static void assert_survives(struct yata_doc *doc, const char *vector) {
    assert_vector(doc, vector);
    for (int f = 0; f < 2; f++) {
        struct yata_bytes state = {0}, again = {0};
        enum yata_format format = f == 0 ? YATA_V1 : YATA_V2;
        struct yata_doc *other = yata_doc_new(NULL);
        assert_int_equal(yata_encode_state_as(doc, format, NULL, 0, &state), YATA_OK);
        assert_int_equal(yata_apply_as(other, format, state.p, state.n, NULL, NULL), YATA_OK);
        assert_int_equal(yata_encode_state_as(other, format, NULL, 0, &again), YATA_OK);
        assert_int_equal(state.n, again.n);
        assert_memory_equal(state.p, again.p, state.n);
        yata_bytes_fini(&state);
        yata_bytes_fini(&again);
        yata_doc_free(other);
    }
}

/* trap 8: a hole is cut at its start, in its middle, at its end, and by an update that overlaps
 * what is on both sides of it; nothing is lost, and nothing waits for ever. */
static void trap_8_parts_of_a_hole(void **state) {
    (void)state;
    static const char *const parts[] = {
        "0101010204010174026364"
        "00", /* 2, 3 */
        "0101010804010174026970"
        "00", /* 8, 9 */
        "0101010504010174016600" /* 5 */,
        "01010104040101740365667700", /* 4 to 6, 5 is known */
        "0101010304010174066466676868690"
        "0", /* 3 to 8 */
    };
    static const char *const vectors[] = {"010100", "010100", "010100", "010100", "010100"};
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_stats stats;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        apply_hex(doc, parts[i]);
        assert_survives(doc, vectors[i]);
        yata_stats(doc, &stats);
        assert_int_equal(stats.pending_bytes, 0);
    }
    apply_hex(doc, "010101000401017402616200");
    assert_survives(doc, "01010a");
    yata_doc_free(doc);
}

/* trap 9: a deletion over holes, over what is known and over what is beyond, in one range, is done
 * in full when all has come, whatever comes between. */
static void trap_9_deletion_over_holes(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_snapshot s = {0};
    apply_hex(doc, "010101040401017402656600"); /* 4, 5 */
    apply_hex(doc, "00010101010"
                   "a"); /* 1 to 10 */
    apply_hex(doc, "010102000401017501780"
                   "0");                            /* somebody else */
    apply_hex(doc, "010101080401017404696a6b6c00"); /* 8 to 11 */
    apply_hex(doc, "0101010004010174046162636400");
    apply_hex(doc, "010101068401050267680"
                   "0");
    assert_int_equal(yata_snapshot_take(doc, &s), YATA_OK);
    assert_int_equal(s.deletion_count, 1);
    assert_int_equal(s.deletions[0].from, 1);
    assert_int_equal(s.deletions[0].to, 11);
    yata_snapshot_fini(&s);
    assert_survives(doc, "02020101"
                         "0c");
    yata_doc_free(doc);
}

static uint8_t *put(uint8_t *p, size_t x) {
    for (; x > 127; x >>= 7) {
        *p++ = (uint8_t)(x | 128);
    }
    *p++ = (uint8_t)x;
    return p;
}

static void apply(struct yata_doc *doc, const uint8_t *update, const uint8_t *end) {
    assert_int_equal(yata_apply(doc, update, (size_t)(end - update), NULL, NULL), YATA_OK);
}

/* Memory asked for by client 5's typing, while for each of so many clients a letter behind one that
 * client 5 will write much later waits, and a deletion. */
static size_t work_of_typing(size_t waiting, bool strict) {
    size_t asked = 0;
    struct yata_options options = {
        .strict = strict, .realloc_fn = count_realloc, .alloc_ctx = &asked};
    struct yata_doc *doc = yata_doc_new(&options);
    uint8_t u[64];
    for (size_t i = 0; i < waiting; i++) {
        static const uint8_t after[] = {0, 0x84, 5, 0xc0, 0x84, 0x3d, 1, 'w'};
        uint8_t *p = put(u + 2, 1000 + i);
        u[0] = u[1] = 1;
        memcpy(p, after, sizeof after);
        p += sizeof after;
        *p++ = 1;
        p = put(p, 2000000 + i);
        *p++ = 1;
        *p++ = 3;
        *p++ = 1;
        apply(doc, u, p);
    }
    asked = 0;
    static const uint8_t first[] = {1, 1, 5, 0, 4, 1, 1, 't', 1, 'a', 0};
    apply(doc, first, first + sizeof first);
    for (size_t clock = 1; clock < 100; clock++) {
        const uint8_t next[] = {1, 1, 5, (uint8_t)clock, 0x84, 5, (uint8_t)(clock - 1), 1, 'a', 0};
        apply(doc, next, next + sizeof next);
    }
    struct yata_stats stats;
    yata_stats(doc, &stats);
    assert_true(stats.pending_bytes > waiting * 10);
    yata_doc_free(doc);
    return asked;
}

/* trap 14: what waits for something else costs nothing, however much it is. */
static void trap_14_what_waits_is_left_alone(void **state) {
    (void)state;
    for (int strict = 0; strict < 2; strict++) {
        assert_int_equal(work_of_typing(1000, strict), work_of_typing(10, strict));
    }
}

/* trap 9: deletions that wait are kept in order and joined, whatever order they come in. */
static void trap_9_deletions_that_wait_in_any_order(void **state) {
    (void)state;
    static const char *const deletions[] = {
        "0001090104"
        "01",
        "0001090102"
        "01",
        "0001080100"
        "02",
        "0001090103"
        "01",
        "0001090100"
        "01",
        "00010901"
        "0303",
        "00010a0100"
        "01",
    };
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_stats stats;
    for (size_t i = 0; i < sizeof deletions / sizeof *deletions; i++) {
        apply_hex(doc, deletions[i]);
    }
    yata_stats(doc, &stats);
    assert_int_equal(stats.pending_bytes, 4 * 16); /* 10: 0; 9: 0, 2 to 5; 8: 0 to 1 */
    apply_hex(doc, "010109000401017407616263646566670"
                   "0");
    yata_stats(doc, &stats);
    assert_int_equal(stats.pending_bytes, 2 * 16);
    assert_state(doc, "0104090001010174018409000162810901048409050167" /* and what waits */
                      "030a01000109020001020408010002");
    yata_doc_free(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trap_4_origins_of_edits_made_here),
        cmocka_unit_test(trap_8_parts_of_a_hole),
        cmocka_unit_test(trap_9_deletion_over_holes),
        cmocka_unit_test(trap_9_deletions_that_wait_in_any_order),
        cmocka_unit_test(trap_14_what_waits_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
