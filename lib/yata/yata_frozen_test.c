/* yata_frozen_test.c: a frozen document is the same document in less memory.
 *
 * Promised: all that can be asked of it is answered as before, by the bytes alone where these say
 * it; it takes part in what follows as if nothing had been; names of types stay good; and when
 * memory is out it stays what it was.
 */
#include "yata_read.h"

#include "testing.h"

/* Of npm yjs: `list` has a map with k: 7, `text` has "hello" without its e. */
static const char state_hex[] = "010501000701046c6973740128000100016b017d07040104746578740168"
                                "81010201840103036c6c6f0101010301";
static const char vector_hex[] = "010107";
static const char nothing_new_hex[] = "000101010301";
static const char v2_hex[] =
    "0000024102030004020009070028000400810084130d6c6973746b74657874686c6c6f"
    "040104010305010000000101010241000105007d070101010300";
static const char snapshot_hex[] = "0101010301010107";
/* Another client writes XY into "hllo". */
static const char edit_hex[] = "01010200c4010401050258590101010301";
static const char edited_hex[] =
    "02010200c4010401050258590601000701046c6973740128000100016b017d0704"
    "010474657874016881010201840103016c840104026c6f0101010301";

/* An allocator that counts, and refuses after so many calls. */
struct purse {
    size_t granted;
    size_t live;
};

static void *purse_realloc(void *ctx, void *p, size_t n) {
    struct purse *purse = ctx;
    if (n == 0) {
        purse->live -= p != NULL;
        free(p);
        return NULL;
    }
    if (purse->granted == 0) {
        return NULL;
    }
    purse->granted--;
    purse->live += p == NULL;
    return realloc(p, n);
}

static struct yata_doc *made(struct purse *purse) {
    struct yata_options options = {.realloc_fn = purse ? purse_realloc : NULL, .alloc_ctx = purse};
    struct yata_doc *doc = yata_doc_new(&options);
    apply_hex(doc, state_hex);
    return doc;
}

static bool is_frozen(const struct yata_doc *doc) {
    struct yata_stats stats;
    yata_stats(doc, &stats);
    return stats.frozen_bytes > 0;
}

static struct yata_doc *frozen(struct purse *purse) {
    struct yata_doc *doc = made(purse);
    assert_int_equal(yata_doc_freeze(doc), YATA_OK);
    assert_true(is_frozen(doc));
    return doc;
}

static void assert_text(const struct yata_doc *doc, struct yata_type text, const char *expected) {
    struct yata_bytes bytes = {0};
    assert_int_equal(yata_text_string(doc, text, &bytes), YATA_OK);
    assert_int_equal(bytes.n, strlen(expected));
    assert_memory_equal(bytes.p, expected, bytes.n);
    yata_bytes_fini(&bytes);
}

/* What a peer asks that connects, has all, or has nothing, needs no structs. */
static void greets_peers_without_thawing(void **state) {
    (void)state;
    struct yata_doc *doc = frozen(NULL);
    const struct yata_clock *clocks;
    size_t n;
    assert_vector(doc, vector_hex);
    assert_int_equal(yata_state_vector(doc, &clocks, &n), YATA_OK);
    assert_int_equal(n, 1);
    assert_int_equal(clocks[0].clock, 7);
    assert_state(doc, state_hex);
    assert_difference(doc, vector_hex, nothing_new_hex);
    assert_difference(doc, "0201080201", nothing_new_hex);
    assert_true(is_frozen(doc));
    yata_doc_free(doc);
}

static void thaws_for_all_else(void **state) {
    (void)state;
    struct yata_doc *doc = frozen(NULL);
    struct yata_bytes bytes = {0};
    struct test_bytes update = from_hex(edit_hex);
    bool known = true;

    assert_difference(doc, "010106", "01010106840105016f0101010301");
    assert_false(is_frozen(doc));
    assert_int_equal(yata_doc_freeze(doc), YATA_OK);
    assert_int_equal(yata_encode_state_as(doc, YATA_V2, NULL, 0, &bytes), YATA_OK);
    assert_hex(&bytes, v2_hex);
    assert_int_equal(yata_doc_freeze(doc), YATA_OK);
    assert_int_equal(yata_encode_snapshot(doc, &bytes), YATA_OK);
    assert_hex(&bytes, snapshot_hex);
    assert_int_equal(yata_doc_freeze(doc), YATA_OK);
    assert_int_equal(yata_is_known(doc, update.p, update.n, &known, NULL), YATA_OK);
    assert_false(known);
    assert_int_equal(yata_doc_freeze(doc), YATA_OK);
    assert_int_equal(yata_doc_to_json(doc, NULL, 0, &bytes), YATA_OK);
    yata_bytes_fini(&bytes);
    assert_int_equal(yata_doc_freeze(doc), YATA_OK);
    assert_int_equal(yata_doc_thaw(doc), YATA_OK);
    assert_false(is_frozen(doc));
    assert_state(doc, state_hex);
    yata_doc_free(doc);
}

/* An edit comes, alone or in a transaction, as to a document that was never frozen. */
static void goes_on_where_it_was(void **state) {
    (void)state;
    for (int transaction = 0; transaction < 2; transaction++) {
        struct yata_doc *doc = frozen(NULL);
        if (transaction) {
            struct yata_bytes out = {0};
            yata_begin(doc);
            assert_true(apply_hex(doc, edit_hex).changed);
            assert_int_equal(yata_doc_freeze(doc), YATA_OK);
            assert_false(is_frozen(doc));
            assert_int_equal(yata_commit(doc, &out), YATA_OK);
            assert_hex(&out, "01010200c40104010502585900");
        } else {
            assert_true(apply_hex(doc, edit_hex).changed);
        }
        assert_state(doc, edited_hex);
        yata_doc_free(doc);
    }
}

static void a_transaction_without_edits_changes_nothing(void **state) {
    (void)state;
    struct yata_doc *doc = frozen(NULL);
    struct yata_bytes out = {0};
    yata_begin(doc);
    assert_int_equal(yata_commit(doc, &out), YATA_OK);
    assert_int_equal(out.n, 0);
    yata_bytes_fini(&out);
    assert_true(is_frozen(doc));
    assert_state(doc, state_hex);
    yata_doc_free(doc);
}

/* Roots that are empty, were asked for in another order than updates name them, and what lies in
 * them: all are found by the names that they had. */
static void names_stay_good(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_type none = root(doc, "none"), late = {0}, text = {0}, list = {0};
    struct yata_value map, seven;
    apply_hex(doc, state_hex);
    late = root(doc, "late");
    text = root(doc, "text");
    list = root(doc, "list");
    assert_int_equal(yata_list_get(doc, list, 0, &map), YATA_OK);
    assert_int_equal(yata_doc_freeze(doc), YATA_OK);

    assert_text(doc, text, "hllo");
    assert_int_equal(yata_map_get(doc, map.type, "k", 1, &seven), YATA_OK);
    assert_int_equal(seven.integer, 7);
    assert_text(doc, none, "");
    assert_text(doc, late, "");
    struct yata_roots roots = {0};
    struct yata_slice name;
    struct yata_type type;
    static const char *const order[] = {"none", "list", "text", "late"};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        assert_true(yata_roots_next(doc, &roots, &name, &type));
        assert_int_equal(name.n, strlen(order[i]));
        assert_memory_equal(name.p, order[i], name.n);
    }
    assert_false(yata_roots_next(doc, &roots, &name, &type));
    /* and one that was deleted meanwhile is gone */
    apply_hex(doc, "000101010001");
    assert_int_equal(yata_doc_freeze(doc), YATA_OK);
    assert_int_equal(yata_map_get(doc, map.type, "k", 1, &seven), YATA_GONE);
    yata_doc_free(doc);
}

/* What waits is more than a state can say. */
static void stays_as_it_is_while_something_waits(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(&(struct yata_options){.strict = true});
    apply_hex(doc, edit_hex);
    assert_int_equal(yata_doc_freeze(doc), YATA_OK);
    assert_false(is_frozen(doc));
    apply_hex(doc, state_hex);
    assert_int_equal(yata_doc_freeze(doc), YATA_OK);
    assert_true(is_frozen(doc));
    assert_state(doc, edited_hex);
    yata_doc_free(doc);
}

static void takes_less_memory(void **state) {
    (void)state;
    struct yata_doc *doc = made(NULL);
    struct yata_stats before, after;
    yata_stats(doc, &before);
    assert_int_equal(yata_doc_freeze(doc), YATA_OK);
    yata_stats(doc, &after);
    assert_true(after.memory_bytes < before.memory_bytes);
    assert_int_equal(after.structs, before.structs);
    assert_int_equal(yata_doc_thaw(doc), YATA_OK);
    yata_stats(doc, &after);
    assert_int_equal(after.structs, before.structs);
    yata_doc_free(doc);
}

/* Each allocation of a freeze and of a thaw fails in turn. */
static void survives_a_lack_of_memory(void **state) {
    (void)state;
    for (size_t granted = 0, done = false; !done; granted++) {
        struct purse purse = {.granted = SIZE_MAX};
        struct yata_doc *doc = made(&purse);
        purse.granted = granted;
        done = yata_doc_freeze(doc) == YATA_OK;
        assert_int_equal(is_frozen(doc), done);
        purse.granted = SIZE_MAX;
        assert_state(doc, state_hex);
        yata_doc_free(doc);
        assert_int_equal(purse.live, 0);
    }
    for (size_t granted = 0, done = false; !done; granted++) {
        struct purse purse = {.granted = SIZE_MAX};
        struct yata_doc *doc = frozen(&purse);
        purse.granted = granted;
        enum yata_status status = yata_doc_thaw(doc);
        done = status == YATA_OK;
        assert_true(done || (status == YATA_NOMEM && is_frozen(doc)));
        purse.granted = SIZE_MAX;
        assert_vector(doc, vector_hex);
        apply_hex(doc, edit_hex);
        assert_state(doc, edited_hex);
        yata_doc_free(doc);
        assert_int_equal(purse.live, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greets_peers_without_thawing),
        cmocka_unit_test(thaws_for_all_else),
        cmocka_unit_test(goes_on_where_it_was),
        cmocka_unit_test(a_transaction_without_edits_changes_nothing),
        cmocka_unit_test(names_stay_good),
        cmocka_unit_test(stays_as_it_is_while_something_waits),
        cmocka_unit_test(takes_less_memory),
        cmocka_unit_test(survives_a_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
