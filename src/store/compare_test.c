/* What a comparison counts, beyond what tests/e2e/history.ts shows with documents of Yjs: types
 * within types, and states that do not follow each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/buf.h"
#include "limit/caps.h"
#include "store/authors.h"
#include "store/compare.h"
#include "yata.h"

static struct yata_doc *doc_of(uint64_t client) {
    const struct yata_options o = {.client = client};
    struct yata_doc *doc = yata_doc_new(&o);
    assert_non_null(doc);
    return doc;
}

static struct frame *state(struct yata_doc *doc) {
    struct yata_bytes b = {0};
    assert_int_equal(yata_encode_state_as(doc, YATA_V2, NULL, 0, &b), YATA_OK);
    struct frame *f = frame_copy(slice_of(b.p, b.n));
    yata_bytes_fini(&b);
    return f;
}

static struct yata_type root(struct yata_doc *doc, const char *name) {
    struct yata_type t = {0};
    assert_int_equal(yata_root(doc, name, strlen(name), &t), YATA_OK);
    return t;
}

static void write_text(struct yata_doc *doc, struct yata_type t, const char *text) {
    assert_int_equal(yata_text_insert(doc, t, 0, text, strlen(text), NULL), YATA_OK);
}

static struct store_changes compared(const struct frame *from, const struct frame *to,
                                     slice authors) {
    struct store_changes c = {0};
    struct fault why = {0};
    if (compare(frame_slice(from), frame_slice(to), authors, &c, &why) != ERR_OK) {
        fail_msg("%s", why.text);
    }
    return c;
}

static void expect_root(const struct store_changes *c, const char *name, uint64_t in, uint64_t out,
                        uint64_t items_in, uint64_t items_out) {
    for (size_t i = 0; i < c->roots_count; i++) {
        const struct store_root_change *r = &c->roots[i];
        if (slice_is(frame_slice(r->name), name)) {
            assert_int_equal(r->characters_in, in);
            assert_int_equal(r->characters_out, out);
            assert_int_equal(r->items_in, items_in);
            assert_int_equal(r->items_out, items_out);
            return;
        }
    }
    fail_msg("nothing is said of %s", name);
}

static void what_comes_and_goes_with_a_nested_type_is_counted_however_deep(void **state_) {
    (void)state_;
    struct yata_doc *doc = doc_of(1);
    struct yata_type list = root(doc, "list");
    struct yata_type at = list;
    struct yata_type text;
    struct frame *empty = state(doc);
    enum { DEEP = 5000 }; /* no recursion survives that by chance under sanitizers */
    for (int i = 0; i < DEEP; i++) {
        assert_int_equal(yata_list_insert_type(doc, at, 0, YATA_ARRAY, NULL, 0, &at), YATA_OK);
    }
    assert_int_equal(yata_list_insert_type(doc, at, 0, YATA_TEXT, NULL, 0, &text), YATA_OK);
    write_text(doc, text, "w\xc3\xb6rd \xf0\x9f\x8c\xb2");
    struct frame *before = state(doc);
    struct store_changes c = compared(empty, before, (slice){0});
    expect_root(&c, "list", 7, 0, DEEP + 1, 0);
    assert_int_equal(c.clients_count, 1);
    assert_int_equal(c.clients[0].characters, 7);
    assert_int_equal(c.clients[0].items, DEEP + 1);
    store_changes_fini(&c);
    assert_int_equal(yata_list_delete(doc, list, 0, 1), YATA_OK);
    struct frame *after = state(doc);
    c = compared(before, after, (slice){0});
    expect_root(&c, "list", 0, 7, 0, DEEP + 1);
    assert_int_equal(c.roots_count, 1);
    assert_int_equal(c.clients_count, 0); /* who deleted is not recorded */
    store_changes_fini(&c);
    c = compared(empty, after, (slice){0}); /* what came and went in between is not there */
    assert_int_equal(c.roots_count, 0);
    store_changes_fini(&c);
    c = compared(after, after, (slice){0});
    assert_true(c.roots_count == 0 && c.clients_count == 0);
    store_changes_fini(&c);
    frame_unref(empty);
    frame_unref(before);
    frame_unref(after);
    yata_doc_free(doc);
}

static void who_wrote_is_told_by_client_id_the_most_first_and_by_user_where_known(void **state_) {
    (void)state_;
    struct yata_doc *doc = doc_of(7);
    struct yata_type text = root(doc, "text");
    struct frame *empty = state(doc);
    struct buf authors;
    buf_init(&authors, 0);
    for (uint64_t i = 1; i <= CAPS_COMPARE_CLIENTS + 5; i++) {
        char user[20];
        (void)snprintf(user, sizeof user, "user-%llu", (unsigned long long)i);
        assert_int_equal(yata_set_client(doc, i), YATA_OK);
        write_text(doc, text, i == 9 ? "most of all" : "x");
        if (i % 2) {
            authors_note(&authors, i, slice_str(user));
            authors_note(&authors, i, slice_str("a later one does not count"));
        }
    }
    struct frame *now = state(doc);
    struct store_changes c = compared(empty, now, buf_slice(&authors));
    assert_int_equal(c.clients_count, CAPS_COMPARE_CLIENTS);
    assert_int_equal(c.clients_left, 5);
    assert_int_equal(c.clients[0].client, 9);
    assert_true(slice_is(frame_slice(c.clients[0].user), "user-9"));
    assert_true(c.clients[1].client == 1 && c.clients[2].client == 2 && !c.clients[2].user);
    store_changes_fini(&c);
    buf_fini(&authors);
    frame_unref(empty);
    frame_unref(now);
    yata_doc_free(doc);
}

static void what_is_no_state_is_refused(void **state_) {
    (void)state_;
    struct yata_doc *doc = doc_of(1);
    write_text(doc, root(doc, "t"), "x");
    struct frame *good = state(doc);
    struct frame *bad = frame_copy(slice_str("no update"));
    struct store_changes c = {0};
    struct fault why = {0};
    assert_int_equal(compare(frame_slice(bad), frame_slice(good), (slice){0}, &c, &why),
                     ERR_DAMAGED);
    assert_int_equal(compare(frame_slice(good), frame_slice(bad), (slice){0}, &c, &why),
                     ERR_DAMAGED);
    assert_true(why.text[0] && !c.roots && !c.clients);
    frame_unref(good);
    frame_unref(bad);
    yata_doc_free(doc);
}

static void of_too_many_authors_the_newest_are_known_and_nonsense_names_nobody(void **state_) {
    (void)state_;
    struct buf b;
    buf_init(&b, 0);
    char name[CAPS_LABEL_BYTES + 1];
    memset(name, 'n', sizeof name);
    enum { MANY = 1000 };
    for (uint64_t i = 1; i <= MANY; i++) {
        authors_note(&b, i << 40, slice_of(name, 100));
    }
    assert_true(b.n <= CAPS_AUTHORS_BYTES && b.n > CAPS_AUTHORS_BYTES - 200);
    assert_int_equal(authors_find(buf_slice(&b), (uint64_t)MANY << 40).n, 100);
    assert_int_equal(authors_find(buf_slice(&b), (uint64_t)1 << 40).n, 0);
    size_t before = b.n;
    authors_note(&b, 5, slice_of(name, sizeof name)); /* no user id is so long */
    authors_note(&b, 5, (slice){0});
    assert_int_equal(b.n, before);
    const uint8_t nonsense[] = {5, 200, 'x'};
    assert_int_equal(authors_find(slice_of(nonsense, sizeof nonsense), 5).n, 0);
    buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_and_goes_with_a_nested_type_is_counted_however_deep),
        cmocka_unit_test(who_wrote_is_told_by_client_id_the_most_first_and_by_user_where_known),
        cmocka_unit_test(what_is_no_state_is_refused),
        cmocka_unit_test(of_too_many_authors_the_newest_are_known_and_nonsense_names_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
