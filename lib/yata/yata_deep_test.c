/* Types may nest to any depth, and whatever is done to such a document does not recurse: 60,000
 * levels would need more than a stack holds. */
#include "testing.h"

#include "doc.h"

#define LEVELS 60000
#define CLIENT 9

/* What the levels are, over and over: kinds of types as the format has them. */
static const struct level {
    uint8_t type_ref;
    bool map; /* the next level is at a key of it */
} levels[] = {{3, false}, {3, true}, {1, true}, {0, false}, {2, false}, {4, false}};
#define KINDS (sizeof levels / sizeof *levels)

static struct yata_bytes v1, v2;

static uint8_t *put_level(uint8_t *p, size_t i) {
    bool at_key = i > 0 && levels[(i - 1) % KINDS].map;
    uint8_t type_ref = levels[i % KINDS].type_ref;
    *p++ = at_key ? 0x27 : 7;
    if (i == 0) {
        memcpy(p, "\x01\x01r", 3);
        p += 3;
    } else {
        *p++ = 0;
        *p++ = 1;
        p = yatai_put_uint(p, i - 1);
    }
    if (at_key) {
        memcpy(p, "\x01k", 2);
        p += 2;
    }
    *p++ = type_ref;
    if (type_ref == 3) { /* a name */
        memcpy(p, "\x01p", 2);
        p += 2;
    }
    return p;
}

static int set_up(void **state) {
    (void)state;
    uint8_t *p = v1.p = malloc((size_t)16 * LEVELS);
    assert_non_null(p);
    *p++ = 1;
    p = yatai_put_uint(p, LEVELS);
    *p++ = 1;
    *p++ = 0;
    for (size_t i = 0; i < LEVELS; i++) {
        p = put_level(p, i);
    }
    *p++ = 0;
    v1.n = (size_t)(p - v1.p);
    return yata_convert_update(YATA_V1, YATA_V2, v1.p, v1.n, &v2, NULL) == YATA_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    yata_bytes_fini(&v1);
    yata_bytes_fini(&v2);
    return 0;
}

static struct yata_doc *deep_doc(bool keeps) {
    struct yata_options options = {.client = CLIENT, .no_gc = keeps};
    struct yata_doc *doc = yata_doc_new(&options);
    assert_int_equal(yata_apply(doc, v1.p, v1.n, NULL, NULL), YATA_OK);
    return doc;
}

static void assert_bytes(struct yata_bytes *got, const struct yata_bytes *expected) {
    assert_int_equal(got->n, expected->n);
    assert_memory_equal(got->p, expected->p, got->n);
    yata_bytes_fini(got);
}

static void updates_without_a_document(void **state) {
    (void)state;
    for (int f = 0; f < 2; f++) {
        enum yata_format format = f == 0 ? YATA_V1 : YATA_V2;
        const struct yata_bytes *u = f == 0 ? &v1 : &v2;
        const struct yata_slice twice[] = {{u->p, u->n}, {u->p, u->n}};
        struct yata_bytes got = {0};
        assert_int_equal(yata_check_update_as(format, u->p, u->n, NULL), YATA_OK);
        assert_int_equal(yata_merge_updates(format, twice, 2, &got, NULL), YATA_OK);
        assert_bytes(&got, u);
        assert_int_equal(yata_diff_update(format, u->p, u->n, NULL, 0, &got, NULL), YATA_OK);
        assert_bytes(&got, u);
        assert_int_equal(
            yata_convert_update(format, f == 0 ? YATA_V2 : YATA_V1, u->p, u->n, &got, NULL),
            YATA_OK);
        assert_bytes(&got, f == 0 ? &v2 : &v1);
        struct yata_struct *structs;
        size_t n;
        assert_int_equal(yata_update_structs(format, u->p, u->n, &structs, &n, NULL), YATA_OK);
        assert_int_equal(n, LEVELS);
        free(structs);
    }
}

static void documents_in_both_formats(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_bytes got = {0};
    assert_int_equal(yata_apply_as(doc, YATA_V2, v2.p, v2.n, NULL, NULL), YATA_OK);
    assert_int_equal(yata_encode_state(doc, NULL, 0, &got), YATA_OK);
    assert_bytes(&got, &v1);
    assert_int_equal(yata_encode_state_as(doc, YATA_V2, NULL, 0, &got), YATA_OK);
    assert_bytes(&got, &v2);
    bool known;
    assert_int_equal(yata_is_known(doc, v1.p, v1.n, &known, NULL), YATA_OK);
    assert_true(known);
    assert_int_equal(yata_doc_freeze(doc), YATA_OK);
    assert_int_equal(yata_doc_thaw(doc), YATA_OK);
    assert_int_equal(yata_encode_state(doc, NULL, 0, &got), YATA_OK);
    assert_bytes(&got, &v1);
    yata_doc_free(doc);
}

static void reading_as_json_and_markup(void **state) {
    (void)state;
    struct yata_doc *doc = deep_doc(false);
    struct yata_type r = root(doc, "r");
    struct yata_bytes got = {0};
    assert_int_equal(yata_doc_to_json(doc, NULL, 0, &got), YATA_OK);
    yata_bytes_fini(&got);
    const enum yata_type_kind kinds[] = {YATA_ARRAY, YATA_MAP, YATA_TEXT, YATA_XML_FRAGMENT};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        assert_int_equal(yata_type_to_json(doc, r, kinds[i], &got), YATA_OK);
        yata_bytes_fini(&got);
        assert_int_equal(yata_type_to_string(doc, r, kinds[i], &got), YATA_OK);
        yata_bytes_fini(&got);
    }
    assert_int_equal(yata_text_to_delta_json(doc, r, &got), YATA_OK);
    yata_bytes_fini(&got);
    struct yata_subdocs subdocs = {0};
    struct yata_subdoc subdoc;
    assert_false(yata_subdocs_next(doc, &subdocs, &subdoc));
    yata_doc_free(doc);
}

/* The innermost type. */
static struct yata_type innermost(struct yata_doc *doc) {
    struct yata_type type = root(doc, "r");
    struct yata_value v;
    for (size_t i = 0; i < LEVELS; i++) {
        bool at_key = i > 0 && levels[(i - 1) % KINDS].map;
        assert_int_equal(at_key ? yata_map_get(doc, type, "k", 1, &v)
                                : yata_list_get(doc, type, 0, &v),
                         YATA_OK);
        type = v.type;
    }
    return type;
}

static void counts(void *ctx, const struct yata_doc *doc, struct yata_changes *changes) {
    struct yata_change change;
    while (yata_changes_next(changes, &change)) {
        struct yata_place place = {.parent = change.type};
        size_t *depth = ctx;
        while (yata_type_place(doc, place.parent, &place) == YATA_OK) {
            ++*depth;
        }
    }
}

static void the_innermost_type_is_edited_and_observed(void **state) {
    (void)state;
    struct yata_doc *doc = deep_doc(false);
    struct yata_type inner = innermost(doc);
    size_t depth = 0;
    yata_observe(doc, counts, &depth);
    const struct yata_value value = {.kind = YATA_VALUE_INTEGER, .integer = 5};
    assert_int_equal(yata_list_insert(doc, inner, 0, &value, 1), YATA_OK);
    assert_int_equal(depth, LEVELS);
    yata_doc_free(doc);
}

static void a_deletion_takes_all_of_it(void **state) {
    (void)state;
    struct yata_doc *doc = deep_doc(false);
    struct yata_stats stats;
    assert_int_equal(yata_list_delete(doc, root(doc, "r"), 0, 1), YATA_OK);
    yata_stats(doc, &stats);
    assert_int_equal(stats.types, 1);
    yata_doc_free(doc);
}

static void there_and_back(void **state) {
    (void)state;
    struct yata_doc *doc = deep_doc(true), *past = NULL;
    struct yata_snapshot then = {0};
    struct yata_bytes got = {0};
    struct yata_stats stats;
    assert_int_equal(yata_snapshot_take(doc, &then), YATA_OK);
    assert_int_equal(yata_list_delete(doc, root(doc, "r"), 0, 1), YATA_OK);
    assert_int_equal(yata_doc_at(doc, &then, NULL, &past, NULL), YATA_OK);
    assert_int_equal(yata_encode_state(past, NULL, 0, &got), YATA_OK);
    assert_bytes(&got, &v1);
    assert_int_equal(yata_revert_to_snapshot(doc, &then, NULL), YATA_OK);
    yata_stats(doc, &stats);
    assert_true(stats.types > LEVELS);
    (void)innermost(doc);
    yata_snapshot_fini(&then);
    yata_doc_free(past);
    yata_doc_free(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_without_a_document),
        cmocka_unit_test(documents_in_both_formats),
        cmocka_unit_test(reading_as_json_and_markup),
        cmocka_unit_test(the_innermost_type_is_edited_and_observed),
        cmocka_unit_test(a_deletion_takes_all_of_it),
        cmocka_unit_test(there_and_back),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
