/* Every allocation of every public function fails once: the function says so, hands out nothing,
 * changes nothing, leaks nothing (the sanitizers look), and does its work when asked again. */
#include "testing.h"

#include "yata_read.h"

/* ---- memory that runs out: the linker puts these in the place of those of libc (--wrap) ------ */

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);

/* Nothing fails while `left` is 0; otherwise the allocation that takes it from 1 to 0 does. */
static size_t left;
static bool failed;

static bool fails(void) {
    if (left == 0 || --left > 0) {
        return false;
    }
    failed = true;
    return true;
}

void *__wrap_malloc(size_t n) {
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n) {
    return fails() ? NULL : __real_calloc(count, n);
}

void *__wrap_realloc(void *p, size_t n) {
    return fails() ? NULL : __real_realloc(p, n);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* ---- what the functions are given ------------------------------------------------------------ */

/* Text with formats, embeds, a cut pair; maps; nested types; bytes; a subdocument; legacy JSON; a
 * deletion; and something that waits, and a deletion that does. */
static const char *const story[] = {
    "010501000601017404626f6c640474727565840100066869f09f988086010404626f6c64046e756c6c"
    "2801016d016e017e2801016d016b017d4000",
    "010d0b00070101780303646976870b000604000b01017128000b000269640177013107000b000501680301016102"
    "0102870b0501870b0600870b070204000b08017a880b08037d01770374776f760105746872656575017d03890b0c"
    "01677601086175746f4c6f61647805010174097b22696d67223a317d00",
    "01010200020174010322312200",
    "01010400c4010201030161"
    "00",
    "010105050401017501780001060103"
    "01",
};

struct world {
    struct yata_doc *doc;
    struct yata_doc *keeps; /* without collection */
    struct yata_bytes update[2];
    struct yata_bytes part[2]; /* one with a hole in it */
    struct yata_bytes snapshot[2];
    struct yata_bytes vector;
    struct yata_bytes other; /* another state of what the story is about */
    struct yata_snapshot then;
    struct yata_type text, map;
};

static struct world w;

static void tell(struct yata_doc *doc) {
    for (size_t i = 0; i < sizeof story / sizeof *story; i++) {
        struct test_bytes u = from_hex(story[i]);
        (void)yata_apply(doc, u.p, u.n, NULL, NULL);
    }
}

static int set_up(void **state) {
    (void)state;
    struct yata_options keep = {.no_gc = true};
    w.doc = yata_doc_new(NULL);
    w.keeps = yata_doc_new(&keep);
    apply_hex(w.keeps, "01010300040101740361626300");
    assert_int_equal(yata_snapshot_take(w.keeps, &w.then), YATA_OK);
    apply_hex(w.keeps, "000103010101");
    tell(w.doc);
    for (int f = 0; f < 2; f++) {
        enum yata_format format = f == 0 ? YATA_V1 : YATA_V2;
        assert_int_equal(yata_encode_state_as(w.doc, format, NULL, 0, &w.update[f]), YATA_OK);
        assert_int_equal(yata_encode_snapshot_as(w.keeps, format, &w.snapshot[f]), YATA_OK);
    }
    struct test_bytes part = from_hex("01010905840904026768"
                                      "00");
    assert_int_equal(yata_convert_update(YATA_V1, YATA_V1, part.p, part.n, &w.part[0], NULL),
                     YATA_OK);
    assert_int_equal(yata_convert_update(YATA_V1, YATA_V2, part.p, part.n, &w.part[1], NULL),
                     YATA_OK);
    assert_int_equal(yata_encode_state_vector(w.keeps, &w.vector), YATA_OK);
    struct yata_doc *other = yata_doc_new(NULL);
    apply_hex(other, story[0]);
    assert_int_equal(yata_encode_state(other, NULL, 0, &w.other), YATA_OK);
    yata_doc_free(other);
    assert_int_equal(yata_root(w.doc, "t", 1, &w.text), YATA_OK);
    assert_int_equal(yata_root(w.doc, "m", 1, &w.map), YATA_OK);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    yata_doc_free(w.doc);
    yata_doc_free(w.keeps);
    for (int f = 0; f < 2; f++) {
        yata_bytes_fini(&w.update[f]);
        yata_bytes_fini(&w.part[f]);
        yata_bytes_fini(&w.snapshot[f]);
    }
    yata_bytes_fini(&w.vector);
    yata_bytes_fini(&w.other);
    yata_snapshot_fini(&w.then);
    return 0;
}

/* ---- the functions --------------------------------------------------------------------------- */

static enum yata_format format_of(int f) {
    return f == 0 ? YATA_V1 : YATA_V2;
}

typedef enum yata_status function(int f, struct yata_bytes *ret);

static enum yata_status merges(int f, struct yata_bytes *ret) {
    struct yata_slice all[3] = {{w.update[f].p, w.update[f].n}, {w.part[f].p, w.part[f].n}};
    all[2] = all[0];
    return yata_merge_updates(format_of(f), all, 3, ret, NULL);
}

static enum yata_status merges_many(int f, struct yata_bytes *ret) {
    struct yata_slice all[70];
    for (size_t i = 0; i < 70; i++) {
        all[i] = i % 2 == 0 ? (struct yata_slice){w.update[f].p, w.update[f].n}
                            : (struct yata_slice){w.part[f].p, w.part[f].n};
    }
    return yata_merge_updates(format_of(f), all, 70, ret, NULL);
}

static enum yata_status copies_one(int f, struct yata_bytes *ret) {
    struct yata_slice one = {w.update[f].p, w.update[f].n};
    return yata_merge_updates(format_of(f), &one, 1, ret, NULL);
}

static enum yata_status cuts(int f, struct yata_bytes *ret) {
    return yata_diff_update(format_of(f), w.update[f].p, w.update[f].n, w.vector.p, w.vector.n, ret,
                            NULL);
}

static enum yata_status converts(int f, struct yata_bytes *ret) {
    return yata_convert_update(format_of(f), format_of(1 - f), w.update[f].p, w.update[f].n, ret,
                               NULL);
}

static enum yata_status checks(int f, struct yata_bytes *ret) {
    (void)ret;
    return yata_check_update_as(format_of(f), w.update[f].p, w.update[f].n, NULL);
}

static enum yata_status vector_of_update(int f, struct yata_bytes *ret) {
    return yata_state_vector_from_update_as(format_of(f), w.update[f].p, w.update[f].n, ret, NULL);
}

static enum yata_status meta(int f, struct yata_bytes *ret) {
    struct yata_update_range *ranges = NULL;
    size_t n = 0;
    enum yata_status status =
        yata_update_meta_as(format_of(f), w.update[f].p, w.update[f].n, &ranges, &n, NULL);
    (void)ret;
    free(ranges);
    return status;
}

static enum yata_status structs(int f, struct yata_bytes *ret) {
    struct yata_struct *v = NULL;
    size_t n = 0;
    enum yata_status status =
        yata_update_structs(format_of(f), w.update[f].p, w.update[f].n, &v, &n, NULL);
    (void)ret;
    free(v);
    return status;
}

static enum yata_status deletions(int f, struct yata_bytes *ret) {
    struct yata_update_range *v = NULL;
    size_t n = 0;
    enum yata_status status =
        yata_update_deletions(format_of(f), w.update[f].p, w.update[f].n, &v, &n, NULL);
    (void)ret;
    free(v);
    return status;
}

static enum yata_status decodes_vector(int f, struct yata_bytes *ret) {
    struct yata_clock *v = NULL;
    size_t n = 0;
    enum yata_status status = yata_decode_state_vector(w.vector.p, w.vector.n, &v, &n, NULL);
    (void)f;
    (void)ret;
    free(v);
    return status;
}

static enum yata_status recodes_snapshot(int f, struct yata_bytes *ret) {
    struct yata_snapshot s = {0};
    enum yata_status status =
        yata_snapshot_decode(format_of(f), w.snapshot[f].p, w.snapshot[f].n, &s, NULL);
    if (status == YATA_OK) {
        status = yata_snapshot_encode(&s, format_of(f), ret);
    }
    yata_snapshot_fini(&s);
    return status;
}

static enum yata_status takes_snapshot(int f, struct yata_bytes *ret) {
    struct yata_snapshot s = {0};
    enum yata_status status = yata_snapshot_take(w.doc, &s);
    yata_snapshot_fini(&s);
    return status == YATA_OK ? yata_encode_snapshot_as(w.doc, format_of(f), ret) : status;
}

static enum yata_status goes_back(int f, struct yata_bytes *ret) {
    struct yata_doc *past = NULL;
    struct yata_error why = {0};
    enum yata_status status = yata_doc_at(w.keeps, &w.then, NULL, &past, &why);
    (void)f;
    (void)ret;
    yata_doc_free(past);
    return status;
}

static enum yata_status encodes_state(int f, struct yata_bytes *ret) {
    return yata_encode_state_as(w.doc, format_of(f), w.vector.p, w.vector.n, ret);
}

static enum yata_status encodes_vector(int f, struct yata_bytes *ret) {
    (void)f;
    return yata_encode_state_vector(w.doc, ret);
}

static enum yata_status is_known(int f, struct yata_bytes *ret) {
    bool known = false;
    (void)ret;
    return yata_is_known_as(w.doc, format_of(f), w.update[f].p, w.update[f].n, &known, NULL);
}

/* A document from nothing, in a transaction that holes and deletions are a part of. */
static enum yata_status commits(int f, struct yata_bytes *ret) {
    struct yata_doc *doc = yata_doc_new(NULL);
    enum yata_status status = YATA_NOMEM;
    static const char *const parts[] = {"010109040401017402656600", "010109000401017402616200",
                                        "000109010101"};
    if (doc) {
        yata_begin(doc);
        status = YATA_OK;
        for (size_t i = 0; i < 3 && status == YATA_OK; i++) {
            struct test_bytes u = from_hex(parts[i]);
            status = yata_apply(doc, u.p, u.n, NULL, NULL);
        }
        enum yata_status committed = yata_commit_as(doc, format_of(f), ret);
        status = status == YATA_OK ? committed : status;
        if (status != YATA_OK) {
            yata_bytes_fini(ret);
        }
    }
    yata_doc_free(doc);
    return status;
}

static enum yata_status merges_presence(int f, struct yata_bytes *ret) {
    struct yata_presence all[2] = {{1, 2, (const uint8_t *)"{}", 2}, {3, 4, NULL, 0}};
    struct yata_bytes a = {0};
    enum yata_status status = yata_awareness_encode(all, 2, &a);
    (void)f;
    if (status == YATA_OK) {
        status = yata_awareness_merge(a.p, a.n, a.p, a.n, ret, NULL);
    }
    yata_bytes_fini(&a);
    return status;
}

static enum yata_status shows_document(int f, struct yata_bytes *ret) {
    (void)f;
    return yata_doc_to_json(w.doc, NULL, 0, ret);
}

static enum yata_status shows_text(int f, struct yata_bytes *ret) {
    return f == 0 ? yata_text_to_delta_json(w.doc, w.text, ret)
                  : yata_text_string(w.doc, w.text, ret);
}

static enum yata_status shows_types(int f, struct yata_bytes *ret) {
    return f == 0 ? yata_type_to_json(w.doc, w.map, YATA_MAP, ret)
                  : yata_type_to_string(w.doc, w.map, YATA_XML_ELEMENT, ret);
}

static enum yata_status shows_value(int f, struct yata_bytes *ret) {
    static const char object[] = "{\"b\":[1,2.5,\"x\"],\"1\":null}";
    struct yata_value value = {.kind = YATA_VALUE_JSON,
                               .bytes = {(const uint8_t *)object, sizeof object - 1}};
    return f == 0 ? yata_json_to_any(value.bytes, ret, NULL)
                  : yata_value_to_json(w.doc, &value, ret);
}

static enum yata_status encodes_since(int f, struct yata_bytes *ret) {
    const struct yata_clock since[] = {{2, 1}, {1, 3}, {1, 4}};
    return yata_encode_since_as(w.doc, format_of(f), since, 3, ret);
}

static enum yata_status encodes_position(int f, struct yata_bytes *ret) {
    struct yata_position position = {0}, again = {0};
    enum yata_status status = yata_position_at(w.doc, w.text, f == 0 ? 1 : 1000, 0, &position);
    status = status == YATA_OK ? yata_position_encode(&position, ret) : status;
    return status == YATA_OK ? yata_position_decode(ret->p, ret->n, &again, NULL) : status;
}

/* The id of the writer, and who looks on. */
#define WRITER 77

static void looks_on(void *ctx, const struct yata_doc *doc, struct yata_changes *changes) {
    struct yata_change change;
    struct yata_key_change key;
    struct yata_ops ops;
    struct yata_op op;
    bool more = true;
    (void)ctx;
    while (yata_changes_next(changes, &change)) {
        while (yata_changes_next_key(changes, &key)) {
        }
        if (yata_ops_begin(doc, change.type, true, &ops) != YATA_OK) {
            continue;
        }
        while (more && yata_ops_next(&ops, &op, &more) == YATA_OK) {
        }
        yata_ops_fini(&ops);
    }
}

/* A copy of the document with somebody who writes there and somebody who looks on. */
static struct yata_doc *copy(bool keeps, enum yata_status *ret) {
    struct yata_options options = {.client = WRITER, .no_gc = keeps};
    struct yata_doc *doc = yata_doc_new(&options);
    struct yata_bytes state = {0};
    *ret = doc ? yata_encode_state(keeps ? w.keeps : w.doc, NULL, 0, &state) : YATA_NOMEM;
    if (*ret == YATA_OK) {
        *ret = yata_apply(doc, state.p, state.n, NULL, NULL);
        yata_observe(doc, looks_on, NULL);
    }
    yata_bytes_fini(&state);
    return doc;
}

/* Closes the transaction, and hands out its update unless something failed. */
static enum yata_status finish(struct yata_doc *doc, enum yata_status status, int f,
                               struct yata_bytes *ret) {
    enum yata_status committed = doc ? yata_commit_as(doc, format_of(f), ret) : status;
    status = status == YATA_OK ? committed : status;
    if (status != YATA_OK) {
        yata_bytes_fini(ret);
    }
    yata_doc_free(doc);
    return status;
}

static enum yata_status edits(int f, struct yata_bytes *ret) {
    enum yata_status status;
    struct yata_doc *doc = copy(false, &status);
    struct yata_type text, list, inner;
    const struct yata_value one = {.kind = YATA_VALUE_INTEGER, .integer = 1};
    const struct yata_mark bold = {{(const uint8_t *)"b", 1}, one};
    if (doc) {
        yata_begin(doc);
    }
    if (status == YATA_OK && (status = yata_root(doc, "t", 1, &text)) == YATA_OK &&
        (status = yata_root(doc, "l", 1, &list)) == YATA_OK &&
        (status = yata_text_insert(doc, text, 1, "new", 3, NULL)) == YATA_OK &&
        (status = yata_text_format(doc, text, 0, 2, &(struct yata_marks){&bold, 1})) == YATA_OK &&
        (status = yata_text_embed(doc, text, 1, &one, NULL)) == YATA_OK &&
        (status = yata_text_delete(doc, text, 1, 2)) == YATA_OK &&
        (status = yata_list_insert_type(doc, list, 0, YATA_MAP, NULL, 0, &inner)) == YATA_OK &&
        (status = yata_map_set(doc, inner, "k", 1, &one)) == YATA_OK) {
        status = yata_list_insert(doc, list, 1, &one, 1);
    }
    return finish(doc, status, f, ret);
}

static enum yata_status reverts(int f, struct yata_bytes *ret) {
    enum yata_status status;
    struct yata_doc *doc = copy(f == 1, &status);
    if (doc) {
        yata_begin(doc);
    }
    if (status == YATA_OK) {
        status = f == 0 ? yata_revert_to_state(doc, YATA_V1, w.other.p, w.other.n, NULL)
                        : yata_revert_to_snapshot(doc, &w.then, NULL);
    }
    return finish(doc, status, f, ret);
}

static enum yata_status freezes(int f, struct yata_bytes *ret) {
    enum yata_status status;
    struct yata_doc *doc = copy(true, &status);
    status = status == YATA_OK ? yata_doc_freeze(doc) : status;
    status = status == YATA_OK && f == 1 ? yata_doc_thaw(doc) : status;
    status = status == YATA_OK ? yata_encode_state(doc, NULL, 0, ret) : status;
    yata_doc_free(doc);
    return status;
}

/* ---- */

/* Reading by cursors asks for no memory: all of it would fail. */
static void cursors_allocate_nothing(void **state) {
    (void)state;
    struct yata_roots roots = {0};
    struct yata_subdocs subdocs = {0};
    struct yata_subdoc subdoc;
    struct yata_slice name, key;
    struct yata_type type;
    struct yata_value v;
    size_t seen = 0;
    failed = false;
    left = 1;
    while (yata_roots_next(w.doc, &roots, &name, &type)) {
        struct yata_list list;
        struct yata_map map;
        struct yata_delta delta;
        struct yata_run run;
        struct yata_any any;
        uint64_t n = 0;
        enum yata_type_kind kind;
        bool more = true;
        (void)yata_root_guess(w.doc, type, &kind);
        (void)yata_length(w.doc, type, &n);
        (void)yata_map_size(w.doc, type, &n);
        (void)yata_list_begin(w.doc, type, 0, &list);
        for (; yata_list_next(&list, &v); seen++) {
            if (yata_any_begin(&v, &any, NULL) == YATA_OK) {
                while (yata_any_next(&any, &key, &v)) {
                    seen++;
                }
            }
        }
        (void)yata_map_begin(w.doc, type, &map);
        for (; yata_map_next(&map, &key, &v); seen++) {
            (void)yata_map_get(w.doc, type, (const char *)key.p, key.n, &v);
        }
        (void)yata_delta_begin(w.doc, type, &delta);
        while (more && yata_delta_next(&delta, &run, &more) == YATA_OK) {
            for (size_t at = 0; yata_delta_attribute(&delta, &at, &key, &v);) {
                seen++;
            }
        }
        yata_delta_fini(&delta);
        struct yata_position position;
        (void)yata_position_at(w.doc, type, 1, 0, &position);
        (void)yata_position_resolve(w.doc, &position, &type, &n);
    }
    while (yata_subdocs_next(w.doc, &subdocs, &subdoc)) {
        seen++;
    }
    bool asked = failed || left != 1;
    left = 0;
    assert_false(asked);
    assert_true(seen > 15);
}

static void each_allocation_of_each_function_may_fail(void **state) {
    static const struct {
        const char *name;
        function *call;
        bool says; /* hands out bytes */
    } all[] = {
        {"merge", merges, true},
        {"merge many", merges_many, true},
        {"merge one", copies_one, true},
        {"diff", cuts, true},
        {"convert", converts, true},
        {"check", checks, false},
        {"state vector from update", vector_of_update, true},
        {"meta", meta, false},
        {"structs", structs, false},
        {"deletions", deletions, false},
        {"decode state vector", decodes_vector, false},
        {"snapshot", recodes_snapshot, true},
        {"snapshot take", takes_snapshot, true},
        {"document at", goes_back, false},
        {"encode state", encodes_state, true},
        {"encode state vector", encodes_vector, true},
        {"is known", is_known, false},
        {"commit", commits, true},
        {"awareness", merges_presence, true},
        {"document to JSON", shows_document, true},
        {"text", shows_text, true},
        {"types as JSON and markup", shows_types, true},
        {"values", shows_value, true},
        {"encode since", encodes_since, true},
        {"position", encodes_position, true},
        {"edits, observed", edits, true},
        {"revert, observed", reverts, true},
        {"freeze and thaw", freezes, true},
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof all / sizeof *all; i++) {
        int f = (int)(i % 2);
        struct yata_bytes expected = {0};
        size_t n = 0;
        assert_int_equal(all[i / 2].call(f, &expected), YATA_OK);
        do {
            struct yata_bytes got = {0};
            failed = false;
            left = ++n;
            enum yata_status status = all[i / 2].call(f, &got);
            left = 0;
            if (status == YATA_NOMEM) {
                assert_true(failed);
                assert_null(got.p);
                continue;
            }
            /* It found a way to go on, or nothing failed. */
            if (status != YATA_OK || (all[i / 2].says && got.n != expected.n)) {
                fail_msg("%s, V%d, allocation %zu: status %d", all[i / 2].name, f + 1, n,
                         (int)status);
            }
            if (expected.n > 0) {
                assert_memory_equal(got.p, expected.p, got.n);
            }
            yata_bytes_fini(&got);
        } while (failed);
        yata_bytes_fini(&expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cursors_allocate_nothing),
        cmocka_unit_test(each_allocation_of_each_function_may_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
