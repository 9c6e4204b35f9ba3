/* Writing: the same edits with the same client id make the bytes that npm yjs 13.6.33 makes, what
 * is wrong changes nothing, and places in long lists are found where they are. */
#include "testing.h"

#include "doc.h"

#define CLIENT 7

static struct yata_doc *writer_with(const struct yata_options *more) {
    struct yata_options options = more ? *more : (struct yata_options){0};
    options.client = CLIENT;
    struct yata_doc *doc = yata_doc_new(&options);
    assert_non_null(doc);
    return doc;
}

static enum yata_status type_in(struct yata_doc *doc, struct yata_type text, size_t index,
                                const char *s) {
    return yata_text_insert(doc, text, index, s, strlen(s), NULL);
}

static void assert_commit(struct yata_doc *doc, const char *hex) {
    struct yata_bytes update = {0};
    assert_int_equal(yata_commit(doc, &update), YATA_OK);
    assert_hex(&update, hex);
}

static void text_is_written_as_yjs_does(void **state) {
    (void)state;
    struct yata_doc *doc = writer_with(NULL);
    struct yata_type t = root(doc, "t");
    const struct yata_mark bold[] = {
        {slice("bold"), {.kind = YATA_VALUE_BOOL, .boolean = true}},
        {slice("i"), {.kind = YATA_VALUE_NULL}},
    };
    const struct yata_mark marks[] = {
        {slice("10"), {.kind = YATA_VALUE_STRING, .bytes = slice("a")}},
        {slice("9"), json("[1]")},
    };
    const struct yata_value image = json("{\"img\":1.5}");
    yata_begin(doc);
    assert_int_equal(type_in(doc, t, 0, "hello"), YATA_OK);
    assert_commit(doc, "01010700040101740568656c6c6f00");
    yata_begin(doc);
    assert_int_equal(yata_text_format(doc, t, 1, 3, &(struct yata_marks){bold, 2}), YATA_OK);
    assert_commit(doc, "01020705c60700070104626f6c640474727565c60703070404626f6c64046e756c6c00");
    yata_begin(doc);
    assert_int_equal(type_in(doc, t, 2, "ü"), YATA_OK); /* bold like its neighbours */
    assert_commit(doc, "01010707c40701070202c3bc00");
    yata_begin(doc);
    assert_int_equal(yata_text_insert(doc, t, 2, "x", 1, &(struct yata_marks){0}), YATA_OK);
    assert_commit(doc, "01030708c60701070704626f6c64046e756c6cc4070807070178c60709070704626f6c6404"
                       "7472756500");
    yata_begin(doc);
    assert_int_equal(yata_text_delete(doc, t, 1, 5), YATA_OK);
    assert_commit(doc, "0001070201030506"); /* and the formats in between */
    yata_begin(doc);
    assert_int_equal(yata_text_embed(doc, t, 1, &image, &(struct yata_marks){marks, 2}), YATA_OK);
    assert_commit(doc, "0105070bc6070607040139035b315dc6070b070402313003226122c5070c07040b7b22696d"
                       "67223a312e357dc6070d07040139046e756c6cc6070e0704023130046e756c6c00");
    yata_doc_free(doc);
}

static void lists_and_maps_are_written_as_yjs_does(void **state) {
    (void)state;
    struct yata_doc *doc = writer_with(NULL);
    struct yata_type a = root(doc, "a"), m = root(doc, "m"), element, text;
    const struct yata_value values[] = {
        {.kind = YATA_VALUE_INTEGER, .integer = 1},
        {.kind = YATA_VALUE_STRING, .bytes = slice("two")},
        json("{\"b\":1,\"10\":[2],\"9\":-0,\"b\":3}"),
        {.kind = YATA_VALUE_BYTES, .bytes = slice("\1\2")},
        {.kind = YATA_VALUE_NULL},
        {.kind = YATA_VALUE_NUMBER, .number = 0.5},
        {.kind = YATA_VALUE_SUBDOC, .bytes = slice("g")},
    };
    const struct yata_value yes = {.kind = YATA_VALUE_BOOL, .boolean = true};
    const struct yata_value five = {.kind = YATA_VALUE_BIGINT, .integer = 5};
    const struct yata_value v = {.kind = YATA_VALUE_STRING, .bytes = slice("v")};
    yata_begin(doc);
    assert_int_equal(yata_list_insert(doc, a, 0, values, 7), YATA_OK);
    assert_commit(doc, "0104070008010161037d01770374776f760301397d4002313075017d0201627d0383070202"
                       "0102880703027e7c3f0000008907050167760000");
    yata_begin(doc);
    assert_int_equal(yata_list_delete(doc, a, 1, 3), YATA_OK);
    assert_commit(doc, "000107010103");
    yata_begin(doc);
    assert_int_equal(yata_list_insert(doc, a, YATA_END, &yes, 1), YATA_OK);
    assert_commit(doc, "01010707880706017800");
    yata_begin(doc);
    assert_int_equal(yata_map_set(doc, m, "k", 1, &values[0]), YATA_OK);
    assert_int_equal(yata_map_set(doc, m, "k", 1, &five), YATA_OK);
    assert_int_equal(yata_map_set_type(doc, m, "x", 1, YATA_XML_ELEMENT, "p", 1, &element),
                     YATA_OK);
    assert_int_equal(yata_map_set(doc, element, "c", 1, &v), YATA_OK);
    assert_int_equal(yata_list_insert_type(doc, element, 0, YATA_XML_TEXT, NULL, 0, &text),
                     YATA_OK);
    assert_int_equal(type_in(doc, text, 0, "in"), YATA_OK);
    assert_commit(doc, "010607082101016d016b01a80708017a00000000000000052701016d01780301702800070a"
                       "0163017701760700070a060400070c02696e0107010801");
    yata_begin(doc);
    assert_int_equal(yata_map_delete(doc, m, "k", 1), YATA_OK);
    assert_commit(doc, "000107010901");
    assert_int_equal(yata_map_delete(doc, m, "x", 1), YATA_OK);
    assert_state(doc, "0108070008010161017d0181070003880703027e7c3f000000890705016776008807060178"
                      "2101016d016b022101016d017801000401070201030807");
    assert_int_equal(type_in(doc, text, 0, "more"), YATA_GONE);
    assert_int_equal(yata_map_delete(doc, element, "c", 1), YATA_GONE);
    yata_doc_free(doc);
}

static void what_is_wrong_changes_nothing(void **state) {
    (void)state;
    struct yata_doc *doc = writer_with(NULL);
    struct yata_type t = root(doc, "t"), a = root(doc, "a"), map, none = {0};
    const struct yata_value number = {.kind = YATA_VALUE_INTEGER, .integer = 1};
    const struct yata_value undefined = {.kind = YATA_VALUE_UNDEFINED};
    const struct yata_value mixed[] = {number, json("{")};
    const struct yata_mark bad[] = {{slice("b"), json("nul")}};
    assert_int_equal(type_in(doc, t, 0, "a😀b"), YATA_OK);
    assert_int_equal(yata_list_insert_type(doc, a, 0, YATA_MAP, NULL, 0, &map), YATA_OK);
    struct yata_bytes before = {0};
    assert_int_equal(yata_encode_state(doc, NULL, 0, &before), YATA_OK);

    assert_int_equal(type_in(doc, t, 5, "x"), YATA_RANGE);
    assert_int_equal(type_in(doc, t, YATA_END, "x"), YATA_RANGE);
    assert_int_equal(yata_text_delete(doc, t, 3, 2), YATA_RANGE);
    assert_int_equal(yata_text_format(doc, t, 4, 1, &(struct yata_marks){0}), YATA_RANGE);
    assert_int_equal(type_in(doc, t, 0, "\xff"), YATA_MALFORMED);
    assert_int_equal(yata_text_insert(doc, t, 0, "x", 1, &(struct yata_marks){bad, 1}),
                     YATA_MALFORMED);
    assert_int_equal(type_in(doc, map, 0, "x"), YATA_RANGE); /* a map has no text */
    assert_int_equal(yata_list_insert(doc, map, 0, &number, 1), YATA_RANGE);
    assert_int_equal(yata_list_insert(doc, a, 2, &number, 1), YATA_RANGE);
    assert_int_equal(yata_list_insert(doc, a, 0, &undefined, 1), YATA_RANGE);
    assert_int_equal(yata_list_insert(doc, a, 0, mixed, 2), YATA_MALFORMED);
    assert_int_equal(yata_list_delete(doc, a, 0, 2), YATA_RANGE);
    assert_int_equal(yata_text_embed(doc, t, 0, &undefined, NULL), YATA_RANGE);
    assert_int_equal(type_in(doc, none, 0, "x"), YATA_GONE);
    assert_int_equal(yata_set_client(doc, UINT64_C(1) << 53), YATA_RANGE);
    assert_int_equal(yata_set_client(doc, 0), YATA_OK);
    assert_int_equal(type_in(doc, t, 0, "x"), YATA_RANGE); /* nobody writes */

    struct yata_bytes after = {0};
    assert_int_equal(yata_encode_state(doc, NULL, 0, &after), YATA_OK);
    assert_int_equal(after.n, before.n);
    assert_memory_equal(after.p, before.p, before.n);
    yata_bytes_fini(&before);
    yata_bytes_fini(&after);
    yata_doc_free(doc);
}

static void somebody_else_with_the_same_id_is_noticed(void **state) {
    (void)state;
    struct yata_doc *doc = writer_with(NULL);
    assert_int_equal(type_in(doc, root(doc, "t"), 0, "a"), YATA_OK);
    assert_false(apply_hex(doc, "0101010004010174017800").taken);
    assert_true(apply_hex(doc, "01010701840700016200").taken);  /* typing, by the short way */
    assert_false(apply_hex(doc, "01010701840700016200").taken); /* known */
    assert_int_equal(yata_set_client(doc, 8), YATA_OK);
    assert_int_equal(type_in(doc, root(doc, "t"), 0, "b"), YATA_OK);
    yata_doc_free(doc);
}

static void a_pair_is_cut_where_the_index_says(void **state) {
    (void)state;
    struct yata_doc *doc = writer_with(NULL);
    struct yata_type t = root(doc, "t");
    assert_int_equal(type_in(doc, t, 0, "a😀b"), YATA_OK);
    assert_int_equal(type_in(doc, t, 2, "Z"), YATA_OK);
    assert_state(doc, "01030700040101740461efbfbd84070104efbfbd62c407010702015a00");
    yata_doc_free(doc);
}

/* ---- places --------------------------------------------------------------------------------- */

#define LONG_EDITS 6000

/* What is in the list, one byte for each element. */
struct model {
    char at[2 * LONG_EDITS];
    size_t n;
};

static uint32_t next_random(uint32_t *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* The characters of a text in which nothing but characters is. */
static void assert_text(struct yata_doc *doc, struct yata_type text, const struct model *model) {
    uint32_t type;
    size_t n = 0;
    assert_int_equal(yatai_type_resolve(doc, text, &type), YATA_OK);
    for (uint32_t h = doc->types.v[type].start; h != 0; h = yatai_item(doc, h)->right) {
        const struct yatai_item *it = yatai_item(doc, h);
        if (yatai_kind(it) == YATAI_STRING && !it->deleted) {
            assert_true(n + it->len <= model->n);
            assert_memory_equal(doc->heap.v + it->content, model->at + n, it->len);
            n += it->len;
        }
    }
    assert_int_equal(n, model->n);
}

static void edit_anywhere(struct yata_doc *doc, struct yata_type text, struct model *m,
                          uint32_t *seed) {
    size_t at = next_random(seed) % (m->n + 1);
    char c = (char)('a' + next_random(seed) % 26);
    size_t most = m->n - at < 3 ? m->n - at : 3;
    if (next_random(seed) % 4 == 0 && most > 0) {
        assert_int_equal(yata_text_delete(doc, text, at, most), YATA_OK);
        memmove(m->at + at, m->at + at + most, m->n - at - most);
        m->n -= most;
        return;
    }
    assert_int_equal(yata_text_insert(doc, text, at, &c, 1, NULL), YATA_OK);
    memmove(m->at + at + 1, m->at + at, m->n - at);
    m->at[at] = c;
    m->n++;
}

/* Two writers of one text, turn by turn: what the other wrote comes as an update, so the table of
 * places follows both. */
static void places_in_long_lists_are_found(void **state) {
    (void)state;
    struct yata_doc *docs[2] = {writer_with(NULL), writer_with(NULL)};
    struct yata_type texts[2] = {root(docs[0], "t"), root(docs[1], "t")};
    static struct model model;
    uint32_t seed = 1;
    model.n = 0;
    assert_int_equal(yata_set_client(docs[1], CLIENT + 1), YATA_OK);
    for (size_t i = 0; i < LONG_EDITS; i++) {
        size_t who = i / 50 % 2;
        struct yata_bytes update = {0};
        yata_begin(docs[who]);
        edit_anywhere(docs[who], texts[who], &model, &seed);
        assert_int_equal(yata_commit(docs[who], &update), YATA_OK);
        assert_int_equal(yata_apply(docs[1 - who], update.p, update.n, NULL, NULL), YATA_OK);
        yata_bytes_fini(&update);
        if (i % 500 == 0) {
            assert_text(docs[who], texts[who], &model);
        }
    }
    assert_non_null(docs[0]->places);
    assert_text(docs[0], texts[0], &model);
    assert_text(docs[1], texts[1], &model);
    yata_doc_free(docs[0]);
    yata_doc_free(docs[1]);
}

/* A list of values of two bytes each, which never become one struct while they are there. */
static void assert_values(struct yata_doc *doc, struct yata_type list, const uint16_t *model,
                          size_t n) {
    struct yata_list cursor;
    struct yata_value v;
    size_t i = 0;
    assert_int_equal(yata_list_begin(doc, list, 0, &cursor), YATA_OK);
    while (yata_list_next(&cursor, &v)) {
        assert_true(i < n && v.kind == YATA_VALUE_BYTES && v.bytes.n == 2);
        assert_memory_equal(v.bytes.p, &model[i], 2);
        i++;
    }
    assert_int_equal(i, n);
}

static void put_value(struct yata_doc *doc, struct yata_type list, size_t at, uint16_t number) {
    struct yata_value v = {.kind = YATA_VALUE_BYTES, .bytes = {(const uint8_t *)&number, 2}};
    assert_int_equal(yata_list_insert(doc, list, at, &v, 1), YATA_OK);
}

/* Deleted values become one struct, also where the table of places has one of its places; what is
 * pushed makes new ones. */
static void places_survive_what_is_joined(void **state) {
    (void)state;
    enum { VALUES = 3000, PUSHED = 6000, GONE = 900, TURNS = 100 };
    static uint16_t model[PUSHED];
    struct yata_doc *doc = writer_with(NULL);
    struct yata_type list = root(doc, "a");
    size_t n = 0;
    for (; n < VALUES; n++) {
        model[n] = (uint16_t)n;
        put_value(doc, list, YATA_END, model[n]);
    }
    uint32_t seed = 3;
    for (size_t turn = 0; turn < TURNS; turn++) {
        const size_t from = 300, each = GONE / TURNS;
        assert_int_equal(yata_list_delete(doc, list, from, each), YATA_OK);
        memmove(model + from, model + from + each, (n - from - each) * sizeof *model);
        n -= each;
        size_t at = next_random(&seed) % n;
        memmove(model + at + 1, model + at, (n - at) * sizeof *model);
        model[at] = (uint16_t)(VALUES + turn);
        n++;
        put_value(doc, list, at, model[at]);
        model[n] = (uint16_t)(PUSHED + turn);
        put_value(doc, list, YATA_END, model[n++]);
    }
    assert_non_null(doc->places);
    assert_values(doc, list, model, n);
    yata_doc_free(doc);
}

/* More long lists than there are tables for, edited in turns. */
static void places_in_many_lists_are_found(void **state) {
    (void)state;
    enum { LISTS = 12, VALUES = 200, TURNS = 600 };
    static uint16_t model[LISTS][VALUES + TURNS];
    size_t n[LISTS] = {0};
    struct yata_type lists[LISTS];
    struct yata_doc *doc = writer_with(NULL);
    uint32_t seed = 5;
    for (size_t l = 0; l < LISTS; l++) {
        assert_int_equal(
            yata_list_insert_type(doc, root(doc, "a"), l, YATA_ARRAY, NULL, 0, &lists[l]), YATA_OK);
        for (; n[l] < VALUES; n[l]++) {
            model[l][n[l]] = (uint16_t)n[l];
            put_value(doc, lists[l], YATA_END, model[l][n[l]]);
        }
    }
    for (size_t turn = 0; turn < TURNS; turn++) {
        size_t l = turn % 5 == 0 ? next_random(&seed) % LISTS : turn % LISTS;
        size_t at = next_random(&seed) % n[l];
        memmove(model[l] + at + 1, model[l] + at, (n[l] - at) * sizeof **model);
        model[l][at] = (uint16_t)(VALUES + turn);
        put_value(doc, lists[l], at, model[l][at]);
        n[l]++;
    }
    for (size_t l = 0; l < LISTS; l++) {
        assert_values(doc, lists[l], model[l], n[l]);
    }
    yata_doc_free(doc);
}

/* ---- attributes ------------------------------------------------------------------------------ */

/* Nine attributes one after the other, of which eight are in effect at a time; and one whose value
 * is an object, set to what it is already, whatever the order of its keys. */
static void attributes_end_where_others_begin(void **state) {
    (void)state;
    static const char names[] = "abcdefghi";
    struct yata_doc *doc = writer_with(NULL);
    struct yata_type t = root(doc, "t");
    struct yata_mark marks[9];
    for (size_t i = 0; i < 9; i++) {
        marks[i] = (struct yata_mark){.key = {(const uint8_t *)names + i, 1},
                                      .value = {.kind = YATA_VALUE_BOOL, .boolean = true}};
    }
    const struct yata_marks first = {marks, 8}, second = {marks + 1, 8};
    assert_int_equal(yata_text_insert(doc, t, 0, "x", 1, &first), YATA_OK);
    assert_int_equal(yata_text_insert(doc, t, 1, "y", 1, &second), YATA_OK);
    struct yata_bytes delta = {0};
    assert_int_equal(yata_text_to_delta_json(doc, t, &delta), YATA_OK);
    static const char expected[] =
        "[{\"insert\":\"x\",\"attributes\":{\"a\":true,\"b\":true,\"c\":true,\"d\":true,"
        "\"e\":true,\"f\":true,\"g\":true,\"h\":true}},"
        "{\"insert\":\"y\",\"attributes\":{\"b\":true,\"c\":true,\"d\":true,\"e\":true,"
        "\"f\":true,\"g\":true,\"h\":true,\"i\":true}}]";
    assert_int_equal(delta.n, sizeof expected - 1);
    assert_memory_equal(delta.p, expected, delta.n);
    yata_bytes_fini(&delta);
    struct yata_mark object = {slice("o"), json("{\"x\":1,\"7\":\"s\",\"y\":null}")};
    struct yata_mark same = {slice("o"), json("{\"y\":null,\"7\":\"s\",\"x\":1}")};
    struct yata_mark other = {slice("o"), json("{\"y\":null,\"7\":\"s\",\"z\":1}")};
    assert_int_equal(yata_text_format(doc, t, 0, 2, &(struct yata_marks){&object, 1}), YATA_OK);
    yata_begin(doc);
    assert_int_equal(yata_text_format(doc, t, 0, 2, &(struct yata_marks){&same, 1}), YATA_OK);
    struct yata_bytes nothing = {0}, something = {0};
    assert_int_equal(yata_commit(doc, &nothing), YATA_OK);
    assert_int_equal(nothing.n, 0);
    yata_begin(doc);
    assert_int_equal(yata_text_format(doc, t, 0, 2, &(struct yata_marks){&other, 1}), YATA_OK);
    assert_int_equal(yata_commit(doc, &something), YATA_OK);
    assert_true(something.n > 0);
    yata_bytes_fini(&something);
    yata_doc_free(doc);
}

/* More keys than an object has place for by itself, in the order of JavaScript, each once. */
static void objects_may_have_many_keys(void **state) {
    (void)state;
    struct yata_doc *doc = writer_with(NULL);
    struct yata_type m = root(doc, "m");
    const struct yata_value v =
        json("{\"k00\":0,\"k01\":1,\"k02\":2,\"k03\":3,\"k04\":4,\"k05\":5,\"k06\":6,\"k07\":7,"
             "\"k08\":8,\"k09\":9,\"k10\":10,\"k11\":11,\"k12\":12,\"k13\":13,\"k14\":14,"
             "\"12\":0,\"7\":0,\"k00\":\"again\"}");
    assert_int_equal(yata_map_set(doc, m, "o", 1, &v), YATA_OK);
    struct yata_bytes got = {0};
    assert_int_equal(yata_type_to_json(doc, m, YATA_MAP, &got), YATA_OK);
    static const char expected[] =
        "{\"o\":{\"7\":0,\"12\":0,\"k00\":\"again\",\"k01\":1,\"k02\":2,\"k03\":3,\"k04\":4,"
        "\"k05\":5,\"k06\":6,\"k07\":7,\"k08\":8,\"k09\":9,\"k10\":10,\"k11\":11,\"k12\":12,"
        "\"k13\":13,\"k14\":14}}";
    assert_int_equal(got.n, sizeof expected - 1);
    assert_memory_equal(got.p, expected, got.n);
    yata_bytes_fini(&got);
    yata_doc_free(doc);
}

/* ---- memory --------------------------------------------------------------------------------- */

static struct yata_bytes state_of(struct yata_doc *doc) {
    struct yata_bytes state = {0};
    assert_int_equal(yata_encode_state(doc, NULL, 0, &state), YATA_OK);
    return state;
}

/* Step `i` of a story with every kind of edit; false at its end. */
static bool step(struct yata_doc *doc, size_t i, enum yata_status *ret) {
    static const struct yata_mark bold[] = {
        {{(const uint8_t *)"bold", 4}, {.kind = YATA_VALUE_BOOL, .boolean = true}}};
    const struct yata_marks attributes = {bold, 1};
    const struct yata_value object = json("{\"2\":{\"c\":[1,2,3.5]},\"1\":\"x\"}");
    struct yata_type t, a, m;
    const char *const roots[] = {"t", "a", "m"};
    struct yata_type *const to[] = {&t, &a, &m};
    for (size_t k = 0; k < 3; k++) {
        *ret = yata_root(doc, roots[k], 1, to[k]);
        if (*ret != YATA_OK) {
            return true;
        }
    }
    switch (i) {
    case 0:
        *ret = yata_text_insert(doc, t, 0, "some text", 9, NULL);
        return true;
    case 1:
        *ret = yata_text_format(doc, t, 2, 4, &attributes);
        return true;
    case 2:
        *ret = yata_text_insert(doc, t, 4, "plain", 5, &(struct yata_marks){0});
        return true;
    case 3:
        *ret = yata_text_delete(doc, t, 1, 8);
        return true;
    case 4:
        *ret = yata_text_embed(doc, t, 1, &object, &attributes);
        return true;
    case 5:
        *ret = yata_list_insert(doc, a, 0, &object, 1);
        return true;
    case 6:
        *ret = yata_list_insert_type(doc, a, YATA_END, YATA_XML_ELEMENT, "p", 1, NULL);
        return true;
    case 7:
        *ret = yata_map_set(doc, m, "key", 3, &object);
        return true;
    case 8:
        *ret = yata_list_delete(doc, a, 0, 2);
        return true;
    case 9:
        *ret = yata_map_delete(doc, m, "key", 3);
        return true;
    default:
        return false;
    }
}

/* Tells the story with one failure at the given allocation; false when there were fewer. */
static bool tell(size_t fail_at, const struct yata_bytes *expected) {
    struct failing f = {.left = fail_at};
    struct yata_options options = {
        .realloc_fn = failing_realloc, .alloc_ctx = &f, .client = CLIENT};
    struct yata_doc *doc = yata_doc_new(&options);
    enum yata_status status = YATA_OK;
    for (size_t i = 0; doc; i++) {
        struct yata_bytes before = state_of(doc);
        bool more = step(doc, i, &status);
        if (status == YATA_NOMEM) {
            struct yata_bytes after = state_of(doc);
            assert_int_equal(after.n, before.n);
            assert_memory_equal(after.p, before.p, after.n);
            yata_bytes_fini(&after);
            more = step(doc, i, &status);
        }
        yata_bytes_fini(&before);
        if (!more) {
            break;
        }
        assert_int_equal(status, YATA_OK);
    }
    if (doc) {
        struct yata_bytes got = state_of(doc);
        assert_true(!expected || (got.n == expected->n && !memcmp(got.p, expected->p, got.n)));
        yata_bytes_fini(&got);
        yata_doc_free(doc);
    }
    assert_int_equal(f.blocks, 0);
    return f.failed;
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    struct yata_doc *doc = writer_with(NULL);
    enum yata_status status = YATA_OK;
    for (size_t i = 0; step(doc, i, &status); i++) {
        assert_int_equal(status, YATA_OK);
    }
    struct yata_bytes expected = state_of(doc);
    yata_doc_free(doc);
    size_t n = 1;
    while (tell(n, &expected)) {
        n++;
    }
    assert_true(n > 20);
    yata_bytes_fini(&expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_written_as_yjs_does),
        cmocka_unit_test(lists_and_maps_are_written_as_yjs_does),
        cmocka_unit_test(what_is_wrong_changes_nothing),
        cmocka_unit_test(somebody_else_with_the_same_id_is_noticed),
        cmocka_unit_test(a_pair_is_cut_where_the_index_says),
        cmocka_unit_test(places_in_long_lists_are_found),
        cmocka_unit_test(places_survive_what_is_joined),
        cmocka_unit_test(places_in_many_lists_are_found),
        cmocka_unit_test(attributes_end_where_others_begin),
        cmocka_unit_test(objects_may_have_many_keys),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
