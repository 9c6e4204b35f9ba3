/* What an observer is told. The judge of the details is npm yjs, in tests/diff; here stands who is
 * told, when, and what happens when memory is out. */
#include "testing.h"

/* What was told, in words. */
struct told {
    char text[4096];
    bool list; /* lists are told as such, not as text */
    size_t calls;
    bool lost;
    enum yata_status status; /* the first that was not YATA_OK */
};

__attribute__((format(printf, 2, 3))) static void say(struct told *told, const char *format, ...) {
    size_t n = strlen(told->text);
    va_list args;
    va_start(args, format);
    vsnprintf(told->text + n, sizeof told->text - n, format, args);
    va_end(args);
}

static void say_value(struct told *told, const struct yata_doc *doc,
                      const struct yata_value *value) {
    struct yata_bytes json = {0};
    assert_int_equal(yata_value_to_json(doc, value, &json), YATA_OK);
    say(told, "%.*s", (int)json.n, json.p);
    yata_bytes_fini(&json);
}

static void say_attributes(struct told *told, const struct yata_ops *ops) {
    struct yata_slice key;
    struct yata_value value;
    for (size_t at = 0; yata_ops_attribute(ops, &at, &key, &value);) {
        say(told, " %.*s=", (int)key.n, key.p);
        say_value(told, ops->doc, &value);
    }
}

static void say_delta(struct told *told, const struct yata_doc *doc, struct yata_type type) {
    static const char *const words[] = {"retain", "insert", "delete"};
    struct yata_ops ops;
    struct yata_op op;
    bool more = true;
    enum yata_status status = yata_ops_begin(doc, type, !told->list, &ops);
    while (status == YATA_OK) {
        status = yata_ops_next(&ops, &op, &more);
        if (status != YATA_OK || !more) {
            yata_ops_fini(&ops);
            break;
        }
        say(told, " [%s ", words[op.kind]);
        if (op.kind == YATA_INSERT) {
            say_value(told, doc, &op.value);
        } else {
            say(told, "%d", (int)op.length);
        }
        say_attributes(told, &ops);
        say(told, "]");
    }
    told->status = told->status == YATA_OK ? status : told->status;
}

static void observe(void *ctx, const struct yata_doc *doc, struct yata_changes *changes) {
    static const char *const actions[] = {"added", "updated", "deleted"};
    struct told *told = ctx;
    struct yata_change change;
    struct yata_key_change key;
    struct yata_slice name;
    told->calls++;
    told->lost |= yata_changes_lost(changes);
    while (yata_changes_next(changes, &change)) {
        bool root = yata_root_name(doc, change.type, &name) == YATA_OK;
        say(told, "%.*s:", root ? (int)name.n : 6, root ? (const char *)name.p : "nested");
        if (change.list) {
            say_delta(told, doc, change.type);
        }
        while (yata_changes_next_key(changes, &key)) {
            assert_true(change.map);
            say(told, " %.*s %s ", (int)key.key.n, key.key.p, actions[key.action]);
            say_value(told, doc, &key.old_value);
            say(told, " to ");
            say_value(told, doc, &key.value);
        }
        say(told, "; ");
    }
}

static struct yata_doc *observed(struct told *told) {
    struct yata_doc *doc = yata_doc_new(NULL);
    *told = (struct told){0};
    yata_observe(doc, observe, told);
    return doc;
}

static void each_update_is_told_by_itself(void **state) {
    (void)state;
    struct told told;
    struct yata_doc *doc = observed(&told);
    apply_hex(doc, "0101010004010174036162"
                   "6300");
    assert_string_equal(told.text, "t: [insert \"abc\"]; ");
    told.text[0] = 0;
    apply_hex(doc, "010101038401020164"
                   "00"); /* typing on, which is one struct with what is there */
    assert_string_equal(told.text, "t: [retain 3] [insert \"d\"]; ");
    told.text[0] = 0;
    apply_hex(doc, "000101010101"); /* b goes */
    assert_string_equal(told.text, "t: [retain 1] [delete 1]; ");
    assert_int_equal(told.calls, 3);
    yata_observe(doc, NULL, NULL);
    apply_hex(doc, "000101010201");
    assert_int_equal(told.calls, 3);
    yata_doc_free(doc);
}

static void a_transaction_is_told_once(void **state) {
    (void)state;
    struct told told;
    struct yata_doc *doc = observed(&told);
    yata_begin(doc);
    apply_hex(doc, "0101010004010174036162"
                   "6300");
    apply_hex(doc, "0101010384010201"
                   "6400");
    apply_hex(doc, "000101010101");
    assert_int_equal(told.calls, 0);
    assert_int_equal(yata_commit(doc, NULL), YATA_OK);
    assert_string_equal(told.text, "t: [insert \"a\"] [insert \"cd\"]; ");
    told.text[0] = 0;
    yata_begin(doc);
    assert_int_equal(yata_commit(doc, NULL), YATA_OK);
    apply_hex(doc, "000101010101"); /* known */
    assert_int_equal(told.calls, 1);
    yata_doc_free(doc);
}

static void keys_are_told_with_what_they_had(void **state) {
    (void)state;
    struct told told;
    struct yata_doc *doc = observed(&told);
    apply_hex(doc, "010101002801016d016b017d0100");
    assert_string_equal(told.text, "m: k added null to 1; ");
    told.text[0] = 0;
    apply_hex(doc, "01010101a80100017d0200");
    assert_string_equal(told.text, "m: k updated 1 to 2; ");
    told.text[0] = 0;
    apply_hex(doc, "000101010101");
    assert_string_equal(told.text, "m: k deleted 2 to null; ");
    yata_doc_free(doc);
}

static void formats_are_told_as_attributes(void **state) {
    (void)state;
    struct told told;
    struct yata_doc *doc = observed(&told);
    apply_hex(doc, "0101010004010174036162"
                   "6300");
    told.text[0] = 0;
    apply_hex(doc, "01020200c60100010104626f6c640474727565c60101010204626f6c64046e756c6c00");
    assert_string_equal(told.text, "t: [retain 1] [retain 1 bold=true]; ");
    told.text[0] = 0;
    apply_hex(doc, "01010300460100"
                   "04626f6c640474727565"
                   "00"); /* bold from the start on, where "b" is bold by itself */
    assert_string_equal(told.text, "t: [retain 2 bold=true]; "); /* as yjs says it */
    told.text[0] = 0;
    apply_hex(doc, "000103010001"); /* no more */
    assert_string_equal(told.text, "t: [retain 1 bold=null] [retain 1 bold=true]; ");
    told.text[0] = 0;
    apply_hex(doc, "000102010002"); /* nor "b" */
    assert_string_equal(told.text, "t: [retain 1] [retain 2 bold=null]; ");
    yata_doc_free(doc);
}

/* One update: bold from the start on, and what made "b" bold, and "c" not, is gone; what is
 * inserted behind is bold as well. */
static void formats_that_go_and_come_are_told_together(void **state) {
    (void)state;
    struct told told;
    struct yata_doc *doc = observed(&told);
    apply_hex(doc, "0101010004010174036162"
                   "6300");
    apply_hex(doc, "01020200c60100010104626f6c640474727565c60101010204626f6c64046e756c6c00");
    told.text[0] = 0;
    apply_hex(doc, "01020300460100"
                   "04626f6c640474727565"
                   "840102"
                   "0164"
                   "0102010002");
    assert_string_equal(told.text, "t: [retain 2 bold=true] [retain 1 bold=true] "
                                   "[insert \"d\" bold=true]; ");
    yata_doc_free(doc);
}

/* The second value is in one struct with the two that were there. */
static void arrays_are_told_as_elements(void **state) {
    (void)state;
    struct told told;
    struct yata_doc *doc = observed(&told);
    told.list = true;
    apply_hex(doc, "0101010008010161027d017d0200");
    assert_string_equal(told.text, "a: [insert 1] [insert 2]; ");
    told.text[0] = 0;
    apply_hex(doc, "01010102880101017d0300");
    assert_string_equal(told.text, "a: [retain 2] [insert 3]; ");
    told.text[0] = 0;
    apply_hex(doc, "000101010001");
    assert_string_equal(told.text, "a: [delete 1]; ");
    yata_doc_free(doc);
}

/* "d" came before "b" and "c", which come into the hole that it left. */
static void what_fills_a_hole_is_told_as_new(void **state) {
    (void)state;
    struct told told;
    struct yata_doc *doc = observed(&told);
    apply_hex(doc, "0101010004010174016100");
    apply_hex(doc, "01010103840100016400");
    told.text[0] = 0;
    apply_hex(doc, "01010101440100016200");
    assert_string_equal(told.text, "t: [insert \"b\"]; ");
    told.text[0] = 0;
    apply_hex(doc, "01010102c401010100016300");
    assert_string_equal(told.text, "t: [retain 1] [insert \"c\"]; ");
    yata_doc_free(doc);
}

/* ---- no memory ------------------------------------------------------------------------------ */

/* Tells of the formats with one failure; false when there were fewer allocations. */
static bool tell(size_t fail_at, bool for_good, const char *expected, bool *ret_lost) {
    struct failing f = {0};
    struct yata_options options = {.realloc_fn = failing_realloc, .alloc_ctx = &f};
    struct yata_doc *doc = yata_doc_new(&options);
    struct told told = {0};
    yata_observe(doc, observe, &told);
    apply_hex(doc, "01010100040101740361626300");
    apply_hex(doc, "01020200c60100010104626f6c640474727565c60101010204626f6c64046e756c6c00");
    told = (struct told){0};
    f.left = fail_at;
    f.for_good = for_good;
    struct test_bytes u = from_hex("01020300c60200010104626f6c64053139383435c60101020104626f6c64"
                                   "04747275650101010001");
    if (yata_apply(doc, u.p, u.n, NULL, NULL) == YATA_NOMEM) {
        assert_int_equal(told.calls, 0);
        f.left = 0;
        f.for_good = false;
        assert_int_equal(yata_apply(doc, u.p, u.n, NULL, NULL), YATA_OK);
    }
    assert_int_equal(told.calls, 1);
    if (!told.lost && told.status == YATA_OK) {
        assert_string_equal(told.text, expected);
    } else {
        assert_true(f.failed);
        assert_true(told.lost || told.status == YATA_NOMEM);
    }
    bool failed = f.failed;
    *ret_lost |= told.lost;
    yata_doc_free(doc);
    assert_int_equal(f.blocks, 0);
    return failed;
}

static void when_memory_is_out_it_says_so(void **state) {
    (void)state;
    static const char expected[] = "t: [delete 1] [retain 1 bold=19845]; ";
    bool lost = false;
    for (int for_good = 0; for_good < 2; for_good++) {
        size_t n = 1;
        while (tell(n, for_good != 0, expected, &lost)) {
            n++;
        }
        assert_true(n > 5);
    }
    assert_true(lost);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_update_is_told_by_itself),
        cmocka_unit_test(a_transaction_is_told_once),
        cmocka_unit_test(keys_are_told_with_what_they_had),
        cmocka_unit_test(formats_are_told_as_attributes),
        cmocka_unit_test(formats_that_go_and_come_are_told_together),
        cmocka_unit_test(arrays_are_told_as_elements),
        cmocka_unit_test(what_fills_a_hole_is_told_as_new),
        cmocka_unit_test(when_memory_is_out_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
