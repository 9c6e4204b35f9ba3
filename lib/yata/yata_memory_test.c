/* Every allocation of a document fails once: the update is then applied or it is not, nothing in
 * between, and the document goes on as if nothing had been. */
#include "testing.h"

/* Text with a cut pair, maps, types in types, a gap and its end, deletions before and after what
 * they delete, a type deleted with what it holds. */
static const char *const story[] = {
    "01010100040101740661f09f98806200",
    "01010200c401010102015a00",
    "010107002801016d0161017d0100",
    "010107022801016d0163017d0300",
    "010107032801016d0161017d0300",
    "000109010001",
    "010107012801016d0162017d0200",
    "010209000701016102040009000378797a00",
    "010103000801016a027d017d0200",
    "01010302880301017d0500",
    "01010104840103036e657700",
    "000101010301",
    "0101040006010174016b013500",
    /* client 5: two ends, the whole of it over the hole, one that waits for the hole to be filled
     */
    "01010506040101740166"
    "00",
    "010105000401017402616200",
    "0101060084050301"
    "2100",
    "0001050104"
    "03",
    "01010500040101740861f09f9880646566"
    "00",
};

static char *state_of(struct yata_doc *doc) {
    struct yata_bytes state = {0};
    assert_int_equal(yata_encode_state(doc, NULL, 0, &state), YATA_OK);
    char *text = malloc(2 * state.n + 1);
    assert_non_null(text);
    text[0] = 0;
    for (size_t i = 0; i < state.n; i++) {
        snprintf(text + 2 * i, 3, "%02x", state.p[i]);
    }
    yata_bytes_fini(&state);
    return text;
}

/* The state after a fresh document has read it: merged as far as can be. */
static char *settled_state_of(struct yata_doc *doc) {
    char *state = state_of(doc);
    struct yata_doc *fresh = yata_doc_new(NULL);
    apply_hex(fresh, state);
    free(state);
    state = state_of(fresh);
    yata_doc_free(fresh);
    return state;
}

/* Applies one update of the story in the format. */
static enum yata_status apply(struct yata_doc *doc, enum yata_format format, const char *hex,
                              struct yata_error *why) {
    struct test_bytes u = from_hex(hex);
    struct yata_bytes v2 = {0};
    if (format == YATA_V1) {
        return yata_apply(doc, u.p, u.n, NULL, why);
    }
    assert_int_equal(yata_convert_update(YATA_V1, YATA_V2, u.p, u.n, &v2, NULL), YATA_OK);
    enum yata_status status = yata_apply_as(doc, YATA_V2, v2.p, v2.n, NULL, why);
    yata_bytes_fini(&v2);
    return status;
}

/* Tells the story with one failure at the given allocation; false when there were fewer. */
static bool tell(size_t fail_at, enum yata_format format, bool strict, const char *expected) {
    struct failing f = {.left = fail_at};
    struct yata_options options = {
        .strict = strict, .realloc_fn = failing_realloc, .alloc_ctx = &f};
    struct yata_doc *doc = yata_doc_new(&options);
    if (!doc) {
        assert_int_equal(f.blocks, 0);
        return true;
    }
    for (size_t i = 0; i < sizeof story / sizeof *story; i++) {
        char *before = state_of(doc);
        struct yata_error why = {0};
        enum yata_status status = apply(doc, format, story[i], &why);
        if (status == YATA_NOMEM) {
            char *after = state_of(doc);
            assert_string_equal(after, before);
            assert_string_equal(why.what, "out of memory");
            free(after);
            status = apply(doc, format, story[i], NULL);
        }
        assert_int_equal(status, YATA_OK);
        free(before);
    }
    char *got = settled_state_of(doc);
    assert_string_equal(got, expected);
    free(got);
    yata_doc_free(doc);
    assert_int_equal(f.blocks, 0);
    return f.failed;
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    for (size_t i = 0; i < sizeof story / sizeof *story; i++) {
        apply_hex(doc, story[i]);
    }
    char *expected = settled_state_of(doc);
    yata_doc_free(doc);
    for (int i = 0; i < 4; i++) {
        size_t n = 1;
        while (tell(n, i % 2 == 0 ? YATA_V1 : YATA_V2, i < 2, expected)) {
            n++;
        }
        assert_true(n > 30);
    }
    free(expected);
}

/* A long cascade of deletions whose ranges cannot be noted still deletes, collects and merges. */
static void deletion_goes_on_without_memory(void **state) {
    (void)state;
    struct failing f = {0};
    struct yata_options options = {.realloc_fn = failing_realloc, .alloc_ctx = &f};
    struct yata_doc *doc = yata_doc_new(&options);
    apply_hex(doc, "010101000701017402"
                   "00");
    for (uint8_t client = 2; client < 100; client++) {
        uint8_t u[] = {1, 1, client, 0, 4, 0, 1, 0, 1, 'a', 0};
        assert_int_equal(yata_apply(doc, u, sizeof u, NULL, NULL), YATA_OK);
    }
    for (size_t fail_at = 1; fail_at < 20; fail_at++) {
        struct yata_doc *copy = yata_doc_new(&options);
        char *before = state_of(doc);
        apply_hex(copy, before);
        f.left = fail_at;
        struct test_bytes u = from_hex("000101010001");
        if (yata_apply(copy, u.p, u.n, NULL, NULL) == YATA_OK) {
            struct yata_stats stats;
            yata_stats(copy, &stats);
            assert_int_equal(stats.types, 1);
        }
        f.left = 0;
        free(before);
        yata_doc_free(copy);
    }
    yata_doc_free(doc);
    assert_int_equal(f.blocks, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(deletion_goes_on_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
