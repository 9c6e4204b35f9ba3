/* What a document holds, told by cursors and as JSON. The judge of all details is npm yjs, in
 * tests/diff; here stands what a reader of the header would try, and what yjs cannot do. */
#include "look.h"
#include "testing.h"
#include "value.h"

/* Made by yjs 13.6: t: bold "hi😀", an embed, " there"; a: [1, "two", {…}, bytes, true, -0.5,
 * {deep: [null]}]; m: b, 2, 1 and a subdocument, "a" deleted; x: <P z c><i>ab</i></P> and a hook.
 */
static const char *const all =
    "011901000601017404626f6c640474727565840100066869f09f988086010404626f6c64046e756c6c8501050d7b"
    "22696d616765223a2278227d8401060620746865726508010161037d01770374776f760301327f0231307e016275"
    "017d0183010f02070888011002787cbf000000870112012700011304646565700008000114017e2801016d016201"
    "7d012101016d0161012701016d01320204000118066e65737465642801016d0131017d022901016d037375620167"
    "7601086175746f4c6f6164780701017803015087012105016828000121017a017701312800012101630177013c07"
    "00012106060001250169097b226b223a2276227d8401260261628601280169046e756c6c0101011701";

static void assert_text(struct yata_bytes *got, const char *expected) {
    assert_int_equal(got->n, strlen(expected));
    assert_memory_equal(got->p, expected, got->n);
    yata_bytes_fini(got);
}

static void assert_slice(struct yata_slice got, const char *expected) {
    assert_int_equal(got.n, strlen(expected));
    assert_memory_equal(got.p, expected, got.n);
}

static void assert_json(struct yata_doc *doc, const char *name, enum yata_type_kind as,
                        const char *expected) {
    struct yata_bytes json = {0};
    assert_int_equal(yata_type_to_json(doc, root(doc, name), as, &json), YATA_OK);
    assert_text(&json, expected);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void a_document_is_json_as_yjs_writes_it(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, all);
    assert_json(doc, "t", YATA_TEXT, "\"hi😀 there\"");
    assert_json(doc, "a", YATA_ARRAY,
                "[1,\"two\",{\"10\":null,\"b\":[1]},{\"0\":7,\"1\":8},true,-0.5,"
                "{\"deep\":[null]}]");
    assert_json(doc, "m", YATA_MAP, "{\"1\":2,\"2\":\"nested\",\"b\":1,\"sub\":{}}");
    assert_json(doc, "x", YATA_XML_FRAGMENT,
                "\"<p c=\\\"<\\\" z=\\\"1\\\"><i k=\\\"v\\\">ab</i></p>[object Object]\"");
    struct yata_bytes text = {0};
    assert_int_equal(yata_text_to_delta_json(doc, root(doc, "t"), &text), YATA_OK);
    assert_text(&text, "[{\"insert\":\"hi😀\",\"attributes\":{\"bold\":true}},"
                       "{\"insert\":{\"image\":\"x\"}},{\"insert\":\" there\"}]");
    assert_int_equal(yata_text_string(doc, root(doc, "t"), &text), YATA_OK);
    assert_text(&text, "hi😀 there");
    assert_int_equal(yata_type_to_string(doc, root(doc, "x"), YATA_XML_FRAGMENT, &text), YATA_OK);
    assert_text(&text, "<p c=\"<\" z=\"1\"><i k=\"v\">ab</i></p>[object Object]");
    yata_doc_free(doc);
}

static void a_whole_document_is_json_with_its_kinds_told_or_guessed(void **state) {
    (void)state;
    static const char expected[] =
        "{\"t\":\"hi😀 there\",\"a\":[1,\"two\",{\"10\":null,\"b\":[1]},{\"0\":7,\"1\":8},true,-0.5,"
        "{\"deep\":[null]}],\"m\":{\"1\":2,\"2\":\"nested\",\"b\":1,\"sub\":{}},"
        "\"x\":\"<p c=\\\"<\\\" z=\\\"1\\\"><i k=\\\"v\\\">ab</i></p>[object Object]\"}";
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, all);
    const struct yata_root_as roots[] = {{root(doc, "x"), YATA_XML_FRAGMENT},
                                         {root(doc, "m"), YATA_MAP},
                                         {root(doc, "t"), YATA_TEXT},
                                         {root(doc, "a"), YATA_ARRAY}};
    struct yata_bytes json = {0};
    assert_int_equal(yata_doc_to_json(doc, roots, 4, &json), YATA_OK);
    assert_text(&json, expected);
    assert_int_equal(yata_doc_to_json(doc, NULL, 0, &json), YATA_OK);
    assert_text(&json, expected);
    assert_int_equal(yata_doc_to_json(doc, roots + 2, 1, &json), YATA_OK);
    assert_text(&json, "{\"t\":\"hi😀 there\"}");
    const struct yata_root_as bad = {root(doc, "t"), (enum yata_type_kind)7};
    assert_int_equal(yata_doc_to_json(doc, &bad, 1, &json), YATA_MALFORMED);
    assert_int_equal(yata_type_to_json(doc, bad.type, bad.as, &json), YATA_MALFORMED);
    yata_doc_free(doc);
}

/* Made by yjs 13.6: an element with attributes of every kind, text in it with formats of every
 * kind, an embed, an element in the text. */
static const char *const markup =
    "011c01000701017803015028000100036b3030017b7ff800000000000028000100036b3031017c7f800000280001"
    "00036b3032017cff80000028000100036b3033017d4028000100036b3034017b444b1ae4d6e2ef5028000100036b"
    "30350175037d0175037e7701787f760028000100036b303601760101617d0123000100036b303702010228000100"
    "036b30380175017a0000008ceb1f0ad228000100036b3039017e28000100036b3130017f28000100036b31310178"
    "28000100036b3132017b3fb999999999999a27000100036b3230020400010e066e657374656427000100036b3231"
    "0129000100036b3232016776000700010006060001170169072278f09f988022860118017a0b5b747275652c6e75"
    "6c6c5d860119016e013584011a02616286011c0169046e756c6c86011d017a046e756c6c86011e016e046e756c6c"
    "85011f077b2265223a317d87012003015100";

static void markup_has_what_javascript_makes_of_values(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, markup);
    struct yata_bytes text = {0};
    assert_int_equal(yata_type_to_string(doc, root(doc, "x"), YATA_XML_FRAGMENT, &text), YATA_OK);
    assert_text(&text,
                "<p k00=\"NaN\" k01=\"Infinity\" k02=\"-Infinity\" k03=\"0\" k04=\"1e+21\" "
                "k05=\"1,,x,,[object Object]\" k06=\"[object Object]\" k07=\"1,2\" "
                "k08=\"605240101586\" k09=\"null\" k10=\"undefined\" k11=\"true\" k12=\"0.1\" "
                "k20=\"nested\" k21=\"[object Object]\" k22=\"[object Object]\">"
                "<i 0=\"x\" 1=\"\xef\xbf\xbd\" 2=\"\xef\xbf\xbd\"><n><z 0=\"true\" 1=\"null\">ab"
                "</z></n></i>[object Object]<q></q></p>");
    struct yata_type p;
    struct yata_value v;
    struct yata_slice key;
    struct yata_map map;
    assert_int_equal(yata_xml_first(doc, root(doc, "x"), &p), YATA_OK);
    assert_int_equal(yata_map_begin(doc, p, &map), YATA_OK);
    static const enum yata_value_kind kinds[] = {
        YATA_VALUE_NUMBER, YATA_VALUE_NUMBER, YATA_VALUE_NUMBER,    YATA_VALUE_NUMBER,
        YATA_VALUE_NUMBER, YATA_VALUE_ANY,    YATA_VALUE_ANY,       YATA_VALUE_BYTES,
        YATA_VALUE_ANY,    YATA_VALUE_NULL,   YATA_VALUE_UNDEFINED, YATA_VALUE_BOOL,
        YATA_VALUE_NUMBER, YATA_VALUE_TYPE,   YATA_VALUE_TYPE,      YATA_VALUE_SUBDOC,
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        assert_true(yata_map_next(&map, &key, &v));
        assert_int_equal(v.kind, kinds[i]);
        assert_int_equal(yata_value_to_json(doc, &v, &text), YATA_OK);
        yata_bytes_fini(&text);
    }
    assert_false(yata_map_next(&map, &key, &v));
    yata_doc_free(doc);
}

/* ---- cursors -------------------------------------------------------------------------------- */

static void values_come_out_as_what_they_are(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, all);
    struct yata_value v, inner;
    struct yata_type a = root(doc, "a");
    assert_int_equal(yata_list_get(doc, a, 0, &v), YATA_OK);
    assert_true(v.kind == YATA_VALUE_INTEGER && v.integer == 1);
    assert_int_equal(yata_list_get(doc, a, 1, &v), YATA_OK);
    assert_int_equal(v.kind, YATA_VALUE_STRING);
    assert_slice(v.bytes, "two");
    assert_int_equal(yata_list_get(doc, a, 3, &v), YATA_OK);
    assert_int_equal(v.kind, YATA_VALUE_BYTES);
    assert_slice(v.bytes, "\x07\x08");
    assert_int_equal(yata_list_get(doc, a, 4, &v), YATA_OK);
    assert_true(v.kind == YATA_VALUE_BOOL && v.boolean);
    assert_int_equal(yata_list_get(doc, a, 5, &v), YATA_OK);
    assert_true(v.kind == YATA_VALUE_NUMBER && v.number < -0.4);
    assert_int_equal(yata_list_get(doc, a, 6, &v), YATA_OK);
    assert_int_equal(v.kind, YATA_VALUE_TYPE);
    assert_int_equal(yata_map_get(doc, v.type, "deep", 4, &v), YATA_OK);
    assert_int_equal(yata_list_get(doc, v.type, 0, &inner), YATA_OK);
    assert_int_equal(inner.kind, YATA_VALUE_NULL);
    assert_int_equal(yata_list_get(doc, a, 7, &v), YATA_RANGE);
    assert_int_equal(yata_map_get(doc, root(doc, "m"), "a", 1, &v), YATA_RANGE);
    yata_doc_free(doc);
}

static void nested_values_are_walked(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, all);
    struct yata_value v, member;
    struct yata_any any;
    struct yata_slice key;
    bool object;
    assert_int_equal(yata_list_get(doc, root(doc, "a"), 2, &v), YATA_OK);
    assert_int_equal(yata_any_begin(&v, &any, &object), YATA_OK);
    assert_true(object);
    assert_true(yata_any_next(&any, &key, &member));
    assert_slice(key, "2");
    assert_int_equal(member.kind, YATA_VALUE_UNDEFINED);
    assert_true(yata_any_next(&any, &key, &member) && member.kind == YATA_VALUE_NULL);
    assert_true(yata_any_next(&any, &key, &member) && member.kind == YATA_VALUE_ANY);
    assert_false(yata_any_next(&any, &key, &v));
    assert_int_equal(yata_any_begin(&member, &any, &object), YATA_OK);
    assert_true(!object && yata_any_next(&any, NULL, &member) && member.integer == 1);
    assert_int_equal(yata_any_begin(&member, &any, NULL), YATA_RANGE);
    struct yata_value bad = {.kind = YATA_VALUE_ANY, .bytes = {(const uint8_t *)"u\x05", 2}};
    assert_int_equal(yata_any_begin(&bad, &any, NULL), YATA_MALFORMED);
    yata_doc_free(doc);
}

static void json_becomes_any_to_be_walked(void **state) {
    (void)state;
    static const char json[] = "{\"k\": [1, \"x\"]}";
    struct yata_bytes bytes = {0};
    struct yata_error why = {0};
    struct yata_slice text = {(const uint8_t *)json, strlen(json)};
    assert_int_equal(yata_json_to_any(text, &bytes, &why), YATA_OK);
    struct yata_value v = {.kind = YATA_VALUE_ANY, .bytes = {bytes.p, bytes.n}}, inner;
    struct yata_any any;
    struct yata_slice key;
    assert_int_equal(yata_any_begin(&v, &any, NULL), YATA_OK);
    assert_true(yata_any_next(&any, &key, &inner));
    assert_slice(key, "k");
    yata_bytes_fini(&bytes);
    text.n--;
    assert_int_equal(yata_json_to_any(text, &bytes, &why), YATA_MALFORMED);
    assert_string_equal(why.what, "text is not JSON");
}

static void text_is_walked_by_units_and_by_runs(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, all);
    struct yata_type t = root(doc, "t");
    uint64_t length = 0;
    assert_int_equal(yata_length(doc, t, &length), YATA_OK);
    assert_int_equal(length, 11);
    struct yata_list list;
    struct yata_value v;
    assert_int_equal(yata_list_begin(doc, t, 3, &list), YATA_OK); /* inside the pair */
    assert_true(yata_list_next(&list, &v));
    assert_slice(v.bytes, "\xef\xbf\xbd");
    assert_true(yata_list_next(&list, &v));
    assert_int_equal(v.kind, YATA_VALUE_JSON);
    assert_slice(v.bytes, "{\"image\":\"x\"}");
    struct yata_delta delta;
    struct yata_run run;
    struct yata_slice key;
    bool more;
    size_t at = 0;
    assert_int_equal(yata_delta_begin(doc, t, &delta), YATA_OK);
    assert_int_equal(yata_delta_next(&delta, &run, &more), YATA_OK);
    assert_true(more && !run.embed && !run.joins);
    assert_slice(run.value.bytes, "hi😀");
    assert_true(yata_delta_attribute(&delta, &at, &key, &v));
    assert_slice(key, "bold");
    assert_true(v.kind == YATA_VALUE_BOOL && v.boolean);
    assert_false(yata_delta_attribute(&delta, &at, &key, &v));
    assert_int_equal(yata_delta_next(&delta, &run, &more), YATA_OK);
    assert_true(more && run.embed);
    at = 0;
    assert_false(yata_delta_attribute(&delta, &at, &key, &v));
    yata_delta_fini(&delta);
    yata_doc_free(doc);
}

static void types_know_where_they_are(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, all);
    struct yata_type p, text, none;
    struct yata_slice name;
    struct yata_place place;
    assert_int_equal(yata_xml_first(doc, root(doc, "x"), &p), YATA_OK);
    assert_int_equal(yata_xml_name(doc, p, &name), YATA_OK);
    assert_slice(name, "P");
    assert_int_equal(yata_xml_first(doc, p, &text), YATA_OK);
    assert_int_equal(yata_xml_name(doc, text, &name), YATA_RANGE);
    assert_int_equal(yata_xml_next(doc, text, &none), YATA_OK);
    assert_int_equal(none.at, 0);
    assert_int_equal(yata_xml_next(doc, p, &text), YATA_OK);
    assert_int_equal(yata_type_place(doc, text, &place), YATA_OK);
    assert_true(!place.in_map && place.index == 1);
    assert_int_equal(yata_root_name(doc, place.parent, &name), YATA_OK);
    assert_slice(name, "x");
    assert_int_equal(yata_type_place(doc, place.parent, &place), YATA_RANGE);
    assert_int_equal(yata_root_name(doc, p, &name), YATA_RANGE);
    yata_doc_free(doc);
}

static void roots_and_subdocuments_are_listed(void **state) {
    (void)state;
    static const char *const names[] = {"t", "a", "m", "x"};
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, all);
    struct yata_roots roots = {0};
    struct yata_type type;
    struct yata_slice name;
    for (size_t i = 0; i < 4; i++) {
        assert_true(yata_roots_next(doc, &roots, &name, &type));
        assert_slice(name, names[i]);
    }
    assert_false(yata_roots_next(doc, &roots, &name, &type));
    struct yata_subdocs subdocs = {0};
    struct yata_subdoc subdoc;
    assert_true(yata_subdocs_next(doc, &subdocs, &subdoc));
    assert_slice(subdoc.guid, "g");
    struct yata_value options = {.kind = YATA_VALUE_ANY, .bytes = subdoc.options};
    struct yata_bytes json = {0};
    assert_int_equal(yata_value_to_json(doc, &options, &json), YATA_OK);
    assert_text(&json, "{\"autoLoad\":true}");
    type = root(doc, "m");
    assert_int_equal(subdoc.parent.at, type.at);
    assert_false(yata_subdocs_next(doc, &subdocs, &subdoc));
    yata_doc_free(doc);
}

static void what_was_deleted_is_gone(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, all);
    struct yata_value v;
    struct yata_bytes json = {0};
    assert_int_equal(yata_map_get(doc, root(doc, "m"), "2", 1, &v), YATA_OK);
    yata_begin(doc);
    apply_hex(doc, "000101011801"); /* the nested text, which is not collected yet */
    assert_json(doc, "m", YATA_MAP, "{\"1\":2,\"b\":1,\"sub\":{}}");
    assert_int_equal(yata_type_to_json(doc, v.type, YATA_TEXT, &json), YATA_GONE);
    assert_int_equal(yata_commit(doc, NULL), YATA_OK);
    assert_int_equal(yata_type_to_json(doc, v.type, YATA_TEXT, &json), YATA_GONE);
    yata_doc_free(doc);
}

/* Content that clients put into lists only may stand at a key: its last element is the value, as in
 * yjs. Text gives a unit, half of a pair U+FFFD; what is no value is undefined. */
static void anything_may_stand_at_a_key(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_value v = {0};
    struct yata_type m = root(doc, "m");
    apply_hex(doc, "01060100"
                   "2401016d0161026162"       /* a: "ab" */
                   "2401016d01620561f09f9880" /* b: "a😀" */
                   "2201016d016302032278220322792"
                   "2"                                  /* c: JSON "x" and "y" */
                   "2601016d016401620131"               /* d: a format */
                   "2501016d01650420312020"             /* e: an embed */
                   "2201016d01660109756e646566696e6564" /* f */
                   "00");
    assert_int_equal(yata_map_get(doc, m, "a", 1, &v), YATA_OK);
    assert_slice(v.bytes, "b");
    assert_int_equal(yata_map_get(doc, m, "b", 1, &v), YATA_OK);
    assert_slice(v.bytes, "\xef\xbf\xbd");
    assert_int_equal(yata_map_get(doc, m, "c", 1, &v), YATA_OK);
    assert_int_equal(v.kind, YATA_VALUE_JSON);
    assert_slice(v.bytes, "\"y\"");
    assert_int_equal(yata_map_get(doc, m, "d", 1, &v), YATA_OK);
    assert_int_equal(v.kind, YATA_VALUE_UNDEFINED);
    assert_int_equal(yata_map_get(doc, m, "e", 1, &v), YATA_OK);
    assert_slice(v.bytes, "1");
    assert_int_equal(yata_map_get(doc, m, "f", 1, &v), YATA_OK);
    assert_int_equal(v.kind, YATA_VALUE_UNDEFINED);
    yata_doc_free(doc);
}

/* Whatever is asked of a type that is gone, the answer is that. */
static void nothing_is_told_of_what_is_gone(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, all);
    struct yata_type none = {0}, type, other;
    struct yata_value v = {.kind = YATA_VALUE_TYPE};
    struct yata_bytes bytes = {0};
    struct yata_list list;
    struct yata_map map;
    struct yata_delta delta;
    struct yata_ops ops;
    struct yata_place place;
    struct yata_position position;
    struct yata_slice name;
    enum yata_type_kind kind;
    uint64_t n;
    assert_int_equal(yata_map_get(doc, root(doc, "m"), "2", 1, &v), YATA_OK);
    apply_hex(doc, "000101011801");
    const struct yata_type gone[] = {none, v.type, {.at = 1000}};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        type = gone[i];
        assert_int_equal(yata_type_kind_of(doc, type, &kind), YATA_GONE);
        assert_int_equal(yata_root_name(doc, type, &name), YATA_GONE);
        assert_int_equal(yata_root_guess(doc, type, &kind), YATA_GONE);
        assert_int_equal(yata_type_parent(doc, type, &other), YATA_GONE);
        assert_int_equal(yata_type_place(doc, type, &place), YATA_GONE);
        assert_int_equal(yata_xml_name(doc, type, &name), YATA_GONE);
        assert_int_equal(yata_xml_first(doc, type, &other), YATA_GONE);
        assert_int_equal(yata_xml_next(doc, type, &other), YATA_GONE);
        assert_int_equal(yata_xml_previous(doc, type, &other), YATA_GONE);
        assert_int_equal(yata_length(doc, type, &n), YATA_GONE);
        assert_int_equal(yata_list_begin(doc, type, 0, &list), YATA_GONE);
        assert_int_equal(yata_list_get(doc, type, 0, &v), YATA_GONE);
        assert_int_equal(yata_map_begin(doc, type, &map), YATA_GONE);
        assert_int_equal(yata_map_get(doc, type, "k", 1, &v), YATA_GONE);
        assert_int_equal(yata_map_size(doc, type, &n), YATA_GONE);
        assert_int_equal(yata_text_string(doc, type, &bytes), YATA_GONE);
        assert_int_equal(yata_delta_begin(doc, type, &delta), YATA_GONE);
        assert_int_equal(yata_text_to_delta_json(doc, type, &bytes), YATA_GONE);
        assert_int_equal(yata_type_to_json(doc, type, YATA_TEXT, &bytes), YATA_GONE);
        assert_int_equal(yata_position_at(doc, type, 0, 0, &position), YATA_GONE);
        assert_int_equal(yata_ops_begin(doc, type, true, &ops), YATA_GONE);
        v = (struct yata_value){.kind = YATA_VALUE_TYPE, .type = type};
        assert_int_equal(yata_value_to_json(doc, &v, &bytes), YATA_GONE);
    }
    yata_doc_free(doc);
}

static void a_nested_type_needs_no_guess(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, all);
    struct yata_type p;
    enum yata_type_kind kind;
    assert_int_equal(yata_xml_first(doc, root(doc, "x"), &p), YATA_OK);
    assert_int_equal(yata_root_guess(doc, p, &kind), YATA_OK);
    assert_int_equal(kind, YATA_XML_ELEMENT);
    assert_int_equal(yata_root_guess(doc, root(doc, "new"), &kind), YATA_OK);
    assert_int_equal(kind, YATA_MAP);
    apply_hex(doc, "0101020004010164"
                   "01610102010001"); /* only what was deleted is left */
    assert_int_equal(yata_root_guess(doc, root(doc, "d"), &kind), YATA_OK);
    assert_int_equal(kind, YATA_ARRAY);
    yata_doc_free(doc);
}

/* ---- bounds --------------------------------------------------------------------------------- */

#define DEEP 100000

/* An update with so many arrays, each in the one before; 10 bytes each are enough. */
static size_t nest(uint8_t *p, size_t depth) {
    uint8_t *from = p;
    *p++ = 1;
    p = yatai_put_uint(p, depth);
    memcpy(p, "\x01\x00\x07\x01\x01t\x00", 7); /* client, clock; array in root t */
    p += 7;
    for (size_t i = 1; i < depth; i++) {
        memcpy(p, "\x07\x00\x01", 3); /* array in an item of client 1 */
        p = yatai_put_uint(p + 3, i - 1);
        *p++ = 0;
    }
    *p++ = 0;
    return (size_t)(p - from);
}

static void types_nest_without_recursion(void **state) {
    (void)state;
    uint8_t *update = malloc(10 * DEEP + 64);
    assert_non_null(update);
    struct yata_doc *doc = yata_doc_new(NULL);
    assert_int_equal(yata_apply(doc, update, nest(update, DEEP), NULL, NULL), YATA_OK);
    struct yata_bytes json = {0};
    assert_int_equal(yata_type_to_json(doc, root(doc, "t"), YATA_ARRAY, &json), YATA_OK);
    assert_int_equal(json.n, 2 * (DEEP + 1));
    assert_true(json.p[DEEP] == '[' && json.p[DEEP + 1] == ']');
    yata_bytes_fini(&json);
    yata_doc_free(doc);
    free(update);
}

/* Whatever allocation fails while JSON is written, it is said, or did not matter; nothing leaks. */
static void json_may_run_out_of_memory(void **state) {
    (void)state;
    static const char *const names[] = {"t", "a", "m", "x", "x"};
    static const enum yata_type_kind kinds[] = {YATA_TEXT, YATA_ARRAY, YATA_MAP, YATA_XML_ELEMENT,
                                                YATA_XML_FRAGMENT};
    struct yata_doc *doc = yata_doc_new(NULL);
    apply_hex(doc, all);
    struct yata_doc *other = yata_doc_new(NULL);
    apply_hex(other, markup);
    for (size_t i = 0; i < 5; i++) {
        if (i == 4) {
            yata_doc_free(doc);
            doc = other;
        }
        struct yata_bytes expected = {0};
        bool failed = true;
        assert_int_equal(yata_type_to_json(doc, root(doc, names[i]), kinds[i], &expected), YATA_OK);
        for (size_t at = 1; failed; at++) {
            struct failing f = {.left = at};
            struct yatai_mem mem = {.realloc_fn = failing_realloc, .ctx = &f};
            struct yatai_out out = {.mem = &mem};
            yatai_type_write(&out, doc, root(doc, names[i]).at, kinds[i], true);
            assert_true(f.failed || !out.failed);
            if (!out.failed) {
                assert_int_equal(out.n, expected.n);
                assert_memory_equal(out.p, expected.p, expected.n);
            }
            yatai_out_fini(&out);
            assert_int_equal(f.blocks, 0);
            failed = f.failed;
        }
        yata_bytes_fini(&expected);
    }
    yata_doc_free(doc);
}

/* More attributes than a cursor holds by itself, some of which end and come back. */
static struct yata_doc *many_attributes(struct failing *f) {
    struct yata_options options = {.realloc_fn = failing_realloc, .alloc_ctx = f};
    struct yata_doc *doc = yata_doc_new(&options);
    uint8_t u[4096], *p = u;
    unsigned clock = 0;
    *p++ = 1;
    *p++ = 90;
    *p++ = 1;
    *p++ = 0;
    for (unsigned i = 0; i < 90; i++, clock++) { /* each key set, ended, set again */
        if (i == 0) {
            memcpy(p, "\x06\x01\x01t", 4);
            p += 4;
        } else {
            *p++ = 0x86;
            *p++ = 1;
            *p++ = (uint8_t)(clock - 1);
        }
        *p++ = 1;
        *p++ = (uint8_t)('A' + i % 30);
        const char *value = i / 30 == 1 ? "null" : i / 30 == 0 ? "1" : "2";
        *p++ = (uint8_t)strlen(value);
        memcpy(p, value, strlen(value));
        p += strlen(value);
    }
    *p++ = 0;
    assert_int_equal(yata_apply(doc, u, (size_t)(p - u), NULL, NULL), YATA_OK);
    apply_hex(doc, "0101015a84015901"
                   "7800");
    return doc;
}

static void many_attributes_may_run_out_of_memory(void **state) {
    (void)state;
    struct failing f = {0};
    struct yata_doc *doc = many_attributes(&f);
    size_t blocks = f.blocks;
    for (size_t left = 1;; left++) {
        struct yata_delta delta;
        struct yata_run run;
        bool more;
        f.failed = false;
        f.left = left;
        assert_int_equal(yata_delta_begin(doc, root(doc, "t"), &delta), YATA_OK);
        enum yata_status status = yata_delta_next(&delta, &run, &more);
        assert_int_equal(status, f.failed ? YATA_NOMEM : YATA_OK);
        if (f.failed) { /* and goes on where it was */
            f.left = 0;
            assert_int_equal(yata_delta_next(&delta, &run, &more), YATA_OK);
        }
        struct yata_slice key;
        struct yata_value v;
        size_t at = 0, count = 0;
        while (yata_delta_attribute(&delta, &at, &key, &v)) {
            assert_int_equal(key.p[0], 'A' + count++);
        }
        assert_int_equal(count, 30);
        assert_slice(v.bytes, "2");
        yata_delta_fini(&delta);
        assert_int_equal(f.blocks, blocks);
        if (!f.failed) {
            break;
        }
    }
    f.left = 0;
    yata_doc_free(doc);
    assert_int_equal(f.blocks, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_json_as_yjs_writes_it),
        cmocka_unit_test(a_whole_document_is_json_with_its_kinds_told_or_guessed),
        cmocka_unit_test(markup_has_what_javascript_makes_of_values),
        cmocka_unit_test(values_come_out_as_what_they_are),
        cmocka_unit_test(nested_values_are_walked),
        cmocka_unit_test(json_becomes_any_to_be_walked),
        cmocka_unit_test(text_is_walked_by_units_and_by_runs),
        cmocka_unit_test(types_know_where_they_are),
        cmocka_unit_test(roots_and_subdocuments_are_listed),
        cmocka_unit_test(what_was_deleted_is_gone),
        cmocka_unit_test(anything_may_stand_at_a_key),
        cmocka_unit_test(nothing_is_told_of_what_is_gone),
        cmocka_unit_test(a_nested_type_needs_no_guess),
        cmocka_unit_test(types_nest_without_recursion),
        cmocka_unit_test(json_may_run_out_of_memory),
        cmocka_unit_test(many_attributes_may_run_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
