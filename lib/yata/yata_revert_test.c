/* Going back: a document holds again what it held, as one edit that leaves alone what had not
 * changed; what cannot be done changes nothing. (What yjs makes of it: tests/diff/reverting.ts.) */
#include "testing.h"

#include "doc.h"

#define CLIENT 7

static struct yata_doc *new_doc(uint64_t client, bool no_gc) {
    struct yata_options options = {.client = client, .no_gc = no_gc};
    struct yata_doc *doc = yata_doc_new(&options);
    assert_non_null(doc);
    return doc;
}

static void type_in(struct yata_doc *doc, struct yata_type text, size_t index, const char *s) {
    assert_int_equal(yata_text_insert(doc, text, index, s, strlen(s), NULL), YATA_OK);
}

static struct yata_bytes state_of(struct yata_doc *doc, enum yata_format format) {
    struct yata_bytes state = {0};
    assert_int_equal(yata_encode_state_as(doc, format, NULL, 0, &state), YATA_OK);
    return state;
}

/* All that a reader sees, and releases nothing. */
static struct yata_bytes shown(struct yata_doc *doc) {
    struct yata_bytes out = {0}, delta = {0};
    assert_int_equal(yata_doc_to_json(doc, NULL, 0, &out), YATA_OK);
    assert_int_equal(yata_text_to_delta_json(doc, root(doc, "t"), &delta), YATA_OK);
    out.p = realloc(out.p, out.n + delta.n);
    assert_non_null(out.p);
    memcpy(out.p + out.n, delta.p, delta.n);
    out.n += delta.n;
    yata_bytes_fini(&delta);
    return out;
}

/* Compares and releases. */
static void assert_same(struct yata_bytes a, struct yata_bytes b) {
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.p, b.p, a.n);
    yata_bytes_fini(&a);
    yata_bytes_fini(&b);
}

static void assert_text(struct yata_doc *doc, const char *expected) {
    struct yata_bytes text = {0};
    assert_int_equal(yata_text_string(doc, root(doc, "t"), &text), YATA_OK);
    assert_int_equal(text.n, strlen(expected));
    assert_memory_equal(text.p, expected, text.n);
    yata_bytes_fini(&text);
}

/* Goes back and returns the update that it makes. */
static struct yata_bytes go_back(struct yata_doc *doc, enum yata_format format,
                                 struct yata_bytes state) {
    struct yata_bytes update = {0};
    struct yata_error why = {0};
    assert_int_equal(yata_set_client(doc, 99), YATA_OK);
    yata_begin(doc);
    assert_int_equal(yata_revert_to_state(doc, format, state.p, state.n, &why), YATA_OK);
    assert_int_equal(yata_commit(doc, &update), YATA_OK);
    return update;
}

static void assert_stays(struct yata_doc *doc, enum yata_format format, struct yata_bytes state) {
    struct yata_bytes update = go_back(doc, format, state);
    assert_int_equal(update.n, 0);
    yata_bytes_fini(&update);
}

/* A bit of everything. */
static void fill(struct yata_doc *doc) {
    struct yata_type t = root(doc, "t"), a = root(doc, "a"), m = root(doc, "m"), x = root(doc, "x");
    struct yata_type p, inner;
    const struct yata_mark bold[] = {{slice("bold"), {.kind = YATA_VALUE_BOOL, .boolean = true}}};
    const struct yata_value image = json("{\"src\":\"x\"}"), v = json("[1,{\"k\":2.5}]");
    const struct yata_value values[] = {v,
                                        v,
                                        {.kind = YATA_VALUE_BYTES, .bytes = slice("\1\2")},
                                        {.kind = YATA_VALUE_SUBDOC, .bytes = slice("guid")}};
    type_in(doc, t, 0, "one two 😀 three");
    assert_int_equal(yata_text_format(doc, t, 4, 3, &(struct yata_marks){bold, 1}), YATA_OK);
    assert_int_equal(yata_text_embed(doc, t, 2, &image, NULL), YATA_OK);
    assert_int_equal(yata_list_insert(doc, a, 0, values, 4), YATA_OK);
    assert_int_equal(yata_map_set(doc, m, "k", 1, &v), YATA_OK);
    assert_int_equal(yata_map_set_type(doc, m, "list", 4, YATA_ARRAY, NULL, 0, &inner), YATA_OK);
    assert_int_equal(yata_list_insert(doc, inner, 0, values, 3), YATA_OK);
    assert_int_equal(yata_list_insert_type(doc, x, 0, YATA_XML_ELEMENT, "p", 1, &p), YATA_OK);
    assert_int_equal(yata_map_set(doc, p, "class", 5, &v), YATA_OK);
    assert_int_equal(yata_list_insert_type(doc, p, 0, YATA_XML_TEXT, NULL, 0, &inner), YATA_OK);
    type_in(doc, inner, 0, "in p");
}

/* And most of it gone, and more. */
static void spoil(struct yata_doc *doc) {
    struct yata_type t = root(doc, "t"), a = root(doc, "a"), m = root(doc, "m"), x = root(doc, "x");
    const struct yata_mark plain[] = {{slice("bold"), {.kind = YATA_VALUE_NULL}}};
    const struct yata_value v = json("\"new\"");
    assert_int_equal(yata_text_format(doc, t, 0, 9, &(struct yata_marks){plain, 1}), YATA_OK);
    assert_int_equal(yata_text_delete(doc, t, 1, 3), YATA_OK);
    type_in(doc, t, 7, "X"); /* in the middle of a pair */
    assert_int_equal(yata_list_delete(doc, a, 0, 3), YATA_OK);
    assert_int_equal(yata_list_insert(doc, a, 0, &v, 1), YATA_OK);
    assert_int_equal(yata_map_set(doc, m, "k", 1, &v), YATA_OK);
    assert_int_equal(yata_map_set(doc, m, "more", 4, &v), YATA_OK);
    assert_int_equal(yata_map_delete(doc, m, "list", 4), YATA_OK);
    assert_int_equal(yata_list_delete(doc, x, 0, 1), YATA_OK);
    type_in(doc, root(doc, "other"), 0, "root");
}

static void all_is_as_it_was(void **state) {
    (void)state;
    for (int f = 0; f < 2; f++) {
        enum yata_format format = f == 0 ? YATA_V1 : YATA_V2;
        struct yata_doc *doc = new_doc(CLIENT, false), *peer = new_doc(0, false);
        fill(doc);
        struct yata_bytes old = state_of(doc, format), was = shown(doc);
        spoil(doc);
        struct yata_bytes spoilt = state_of(doc, YATA_V1), spoilt_shown = shown(doc);
        struct yata_bytes update = go_back(doc, format, old), now = shown(doc);
        /* The root type that came since is empty, not gone: none ever is. */
        assert_int_equal(now.n, was.n + strlen(",\"other\":[]"));
        assert_int_equal(yata_apply(peer, spoilt.p, spoilt.n, NULL, NULL), YATA_OK);
        assert_int_equal(yata_apply(peer, update.p, update.n, NULL, NULL), YATA_OK);
        assert_same(state_of(peer, YATA_V2), state_of(doc, YATA_V2));
        assert_same(now, shown(peer));
        assert_stays(doc, format, old);
        yata_bytes_fini(&update);

        update = go_back(doc, YATA_V1, spoilt);
        assert_true(update.n > 0);
        assert_same(shown(doc), spoilt_shown);
        yata_bytes_fini(&update);
        yata_bytes_fini(&old);
        yata_bytes_fini(&was);
        yata_bytes_fini(&spoilt);
        yata_doc_free(doc);
        yata_doc_free(peer);
    }
}

/* The document had "hello world", "lo w" was deleted and "!" written behind it. */
static void what_did_not_change_is_left_alone(void **state) {
    (void)state;
    struct yata_doc *doc = new_doc(CLIENT, false), *peer = new_doc(8, false);
    struct yata_type t = root(doc, "t");
    struct yata_position cursor;
    uint64_t at;
    type_in(doc, t, 0, "hello world");
    struct yata_bytes old = state_of(doc, YATA_V1);
    assert_int_equal(yata_position_at(doc, t, 8, 0, &cursor), YATA_OK);
    assert_int_equal(yata_text_delete(doc, t, 3, 4), YATA_OK);
    type_in(doc, t, 7, "!");
    assert_text(doc, "helorld!");

    struct yata_bytes before = state_of(doc, YATA_V1), more = {0};
    assert_int_equal(yata_apply(peer, before.p, before.n, NULL, NULL), YATA_OK);
    yata_begin(peer);
    type_in(peer, root(peer, "t"), 4, "<concurrent>");
    assert_int_equal(yata_commit(peer, &more), YATA_OK);

    struct yata_bytes update = go_back(doc, YATA_V1, old);
    assert_text(doc, "hello world");
    /* One struct, right of the gap, and one deleted unit. */
    assert_hex(&update, "01016300c407020703046c6f20770107010b01");
    assert_int_equal(yata_position_resolve(doc, &cursor, &t, &at), YATA_OK);
    assert_int_equal(at, 8);
    assert_int_equal(yata_apply(doc, more.p, more.n, NULL, NULL), YATA_OK);
    assert_text(doc, "hello wo<concurrent>rld");
    yata_bytes_fini(&before);
    yata_bytes_fini(&more);
    yata_bytes_fini(&old);
    yata_doc_free(doc);
    yata_doc_free(peer);
}

/* The same text from somebody else: no id is the same. */
static void contents_count_where_ids_differ(void **state) {
    (void)state;
    struct yata_doc *doc = new_doc(CLIENT, false), *other = new_doc(CLIENT + 1, false);
    const struct yata_value v[] = {json("1"), json("1.5"), json("{\"a\":[true]}"), json("4")};
    fill(doc);
    type_in(other, root(other, "aside"), 0, "so that clocks differ");
    fill(other);
    struct yata_bytes old = state_of(other, YATA_V2);
    assert_int_equal(yata_text_delete(doc, root(doc, "t"), 5, 1), YATA_OK);
    struct yata_bytes update = go_back(doc, YATA_V2, old);
    assert_true(update.n > 0 && update.n < 60); /* what is missing, and the other root type */
    assert_stays(doc, YATA_V2, old);
    yata_bytes_fini(&update);

    assert_int_equal(yata_list_insert(other, root(other, "b"), 0, v, 4), YATA_OK);
    assert_int_equal(yata_list_insert(doc, root(doc, "b"), 0, v + 2, 2), YATA_OK);
    assert_int_equal(yata_list_insert(doc, root(doc, "b"), 0, v, 1), YATA_OK);
    yata_bytes_fini(&old);
    old = state_of(other, YATA_V1);
    update = go_back(doc, YATA_V1, old);
    assert_true(update.n > 0 && update.n < 30);
    yata_bytes_fini(&update);
    assert_stays(doc, YATA_V1, old);
    yata_bytes_fini(&old);
    yata_doc_free(doc);
    yata_doc_free(other);
}

/* States that claim the same ids for other contents, and another order of them. */
static void a_state_that_contradicts_is_followed_nevertheless(void **state) {
    (void)state;
    static const char *const past[] = {
        "01010900040101740361626300",         /* abc */
        "0102090004010174016244090002616300", /* acb */
        "010109000401017405f09f98806100",     /* a pair at other ids */
        "01010900080101740"
        "37d017d027d0300", /* values */
        "010109000701017402"
        "00", /* a nested text */
        "010109002801017401610"
        "17d0100", /* a key */
    };
    static const char *const now[] = {
        "01010900040101740361786300", /* axc */
        "01020900040101740163440900"
        "04f09f988000", /* a pair, and c behind it */
    };
    for (size_t i = 0; i < 2 * sizeof past / sizeof *past; i++) {
        struct yata_doc *doc = new_doc(CLIENT, false), *was = new_doc(0, false);
        apply_hex(doc, now[i % 2]);
        apply_hex(was, past[i / 2]);
        assert_int_equal(yata_revert(doc, was), YATA_OK);
        assert_same(shown(doc), shown(was));
        yata_begin(doc);
        assert_int_equal(yata_revert(doc, was), YATA_OK);
        struct yata_bytes update = {0};
        assert_int_equal(yata_commit(doc, &update), YATA_OK);
        assert_int_equal(update.n, 0);
        yata_bytes_fini(&update);
        yata_doc_free(doc);
        yata_doc_free(was);
    }
}

/* Halves of a pair that was cut are no text that an update may carry. */
static void a_cut_pair_comes_back_as_two_replacements(void **state) {
    (void)state;
    struct yata_doc *doc = new_doc(CLIENT, false), *past = new_doc(8, false);
    type_in(past, root(past, "t"), 0, "😀");
    type_in(past, root(past, "t"), 1, "X");
    yata_begin(doc);
    assert_int_equal(yata_revert(doc, past), YATA_OK);
    struct yata_bytes update = {0};
    assert_int_equal(yata_commit(doc, &update), YATA_OK);
    assert_hex(&update, "01010700040101740"
                        "7efbfbd58efbfbd00");
    assert_text(doc, "\ufffdX\ufffd");
    yata_doc_free(doc);
    yata_doc_free(past);
}

static void a_snapshot_is_a_past_as_well(void **state) {
    (void)state;
    struct yata_doc *doc = new_doc(CLIENT, true);
    struct yata_snapshot then = {0};
    struct yata_error why = {0};
    fill(doc);
    assert_int_equal(yata_snapshot_take(doc, &then), YATA_OK);
    struct yata_bytes was = shown(doc), update = {0};
    assert_int_equal(yata_map_delete(doc, root(doc, "m"), "list", 4), YATA_OK);
    assert_int_equal(yata_text_delete(doc, root(doc, "t"), 0, 9), YATA_OK);
    yata_begin(doc);
    assert_int_equal(yata_revert_to_snapshot(doc, &then, &why), YATA_OK);
    assert_int_equal(yata_commit(doc, &update), YATA_OK);
    assert_same(shown(doc), was);
    yata_bytes_fini(&update);
    yata_doc_free(doc);

    doc = new_doc(CLIENT, false); /* does not keep what is deleted */
    assert_int_equal(yata_revert_to_snapshot(doc, &then, &why), YATA_MALFORMED);
    assert_true(why.what[0] != 0);
    yata_snapshot_fini(&then);
    yata_doc_free(doc);
}

static void what_cannot_be_done_changes_nothing(void **state) {
    (void)state;
    struct yata_options few = {.client = CLIENT, .max_structs = 40};
    struct yata_doc *doc = yata_doc_new(&few), *big = new_doc(8, false);
    struct yata_error why = {0};
    struct test_bytes waits = from_hex("01010905840904026768"
                                       "00"),
                      bad = from_hex("0101");
    fill(doc);
    for (size_t i = 0; i < 60; i++) {
        const char key = (char)('A' + i);
        assert_int_equal(yata_map_set_type(big, root(big, "m"), &key, 1, YATA_MAP, NULL, 0, NULL),
                         YATA_OK);
    }
    struct yata_bytes before = state_of(doc, YATA_V1), past = state_of(big, YATA_V1);
    assert_int_equal(yata_revert_to_state(doc, YATA_V1, bad.p, bad.n, &why), YATA_MALFORMED);
    assert_true(why.what[0] != 0);
    few.strict = true;
    struct yata_doc *strict = yata_doc_new(&few);
    why.what[0] = 0;
    assert_int_equal(yata_revert_to_state(strict, YATA_V1, waits.p, waits.n, &why), YATA_MALFORMED);
    assert_true(why.what[0] != 0);
    yata_doc_free(strict);
    why.what[0] = 0;
    assert_int_equal(yata_revert_to_state(doc, YATA_V1, past.p, past.n, &why), YATA_LIMIT);
    assert_int_equal(yata_revert(doc, big), YATA_LIMIT);
    assert_true(why.what[0] != 0);
    assert_int_equal(yata_set_client(doc, 0), YATA_OK);
    why.what[0] = 0;
    assert_int_equal(yata_revert(doc, big), YATA_RANGE);
    assert_int_equal(yata_revert_to_state(doc, YATA_V1, before.p, before.n, &why), YATA_RANGE);
    assert_true(why.what[0] != 0);
    assert_int_equal(yata_revert(doc, doc), YATA_OK);
    assert_same(before, state_of(doc, YATA_V1));
    yata_bytes_fini(&past);
    yata_doc_free(doc);
    yata_doc_free(big);
}

/* Each level holds the next one, and a key. */
static void types_may_nest_to_any_depth(void **state) {
    (void)state;
    enum { LEVELS = 20000 };
    struct yata_doc *doc = new_doc(CLIENT, false);
    struct yata_type at = root(doc, "t");
    yata_begin(doc);
    for (size_t i = 0; i < LEVELS; i++) {
        assert_int_equal(yata_list_insert_type(doc, at, 0, YATA_XML_ELEMENT, "e", 1, &at), YATA_OK);
    }
    assert_int_equal(yata_commit(doc, NULL), YATA_OK);
    struct yata_bytes old = state_of(doc, YATA_V1);
    struct yata_stats was, now;
    yata_stats(doc, &was);
    assert_int_equal(yata_list_delete(doc, root(doc, "t"), 0, 1), YATA_OK);
    struct yata_bytes update = go_back(doc, YATA_V1, old);
    yata_stats(doc, &now);
    assert_int_equal(now.types, was.types);
    assert_stays(doc, YATA_V1, old);
    yata_bytes_fini(&update);
    yata_bytes_fini(&old);
    yata_doc_free(doc);
}

/* What is needed in passing is given back. */
static void a_revert_keeps_no_memory(void **state) {
    (void)state;
    struct yata_doc *doc = new_doc(CLIENT, false);
    struct yata_stats was, now;
    yata_begin(doc);
    for (size_t i = 0; i < 20000; i++) {
        type_in(doc, root(doc, "t"), i / 2, "é");
    }
    assert_int_equal(yata_commit(doc, NULL), YATA_OK);
    struct yata_bytes old = state_of(doc, YATA_V1);
    assert_stays(doc, YATA_V1, old);
    yata_stats(doc, &was);
    assert_int_equal(yata_text_delete(doc, root(doc, "t"), 10, 19000), YATA_OK);
    struct yata_bytes update = go_back(doc, YATA_V1, old);
    yata_stats(doc, &now);
    /* Deleted structs stay, and all that was copied is one more. */
    assert_true(now.memory_bytes < was.memory_bytes + (size_t)19000 * 8);
    yata_bytes_fini(&update);
    yata_bytes_fini(&old);
    yata_doc_free(doc);
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    struct yata_doc *past = new_doc(CLIENT, false);
    fill(past);
    struct yata_bytes old = state_of(past, YATA_V2);
    spoil(past);
    struct yata_bytes spoilt = state_of(past, YATA_V1);
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        struct failing memory = {0};
        struct yata_options options = {
            .client = 99, .realloc_fn = failing_realloc, .alloc_ctx = &memory};
        struct yata_doc *doc = yata_doc_new(&options);
        assert_int_equal(yata_apply(doc, spoilt.p, spoilt.n, NULL, NULL), YATA_OK);
        struct yata_bytes before = state_of(doc, YATA_V1);
        struct yata_error why = {0};
        memory.left = n;
        enum yata_status status = yata_revert_to_state(doc, YATA_V2, old.p, old.n, &why);
        memory.left = 0;
        failed = memory.failed;
        if (status != YATA_OK) {
            assert_int_equal(status, YATA_NOMEM);
            assert_true(failed && why.what[0] != 0);
            assert_same(before, state_of(doc, YATA_V1));
            before = (struct yata_bytes){0};
            assert_int_equal(yata_revert_to_state(doc, YATA_V2, old.p, old.n, NULL), YATA_OK);
        }
        assert_stays(doc, YATA_V2, old);
        yata_bytes_fini(&before);
        yata_doc_free(doc);
        assert_int_equal(memory.blocks, 0);
    }
    yata_bytes_fini(&old);
    yata_bytes_fini(&spoilt);
    yata_doc_free(past);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_as_it_was),
        cmocka_unit_test(what_did_not_change_is_left_alone),
        cmocka_unit_test(contents_count_where_ids_differ),
        cmocka_unit_test(a_state_that_contradicts_is_followed_nevertheless),
        cmocka_unit_test(a_cut_pair_comes_back_as_two_replacements),
        cmocka_unit_test(a_snapshot_is_a_past_as_well),
        cmocka_unit_test(what_cannot_be_done_changes_nothing),
        cmocka_unit_test(types_may_nest_to_any_depth),
        cmocka_unit_test(a_revert_keeps_no_memory),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
