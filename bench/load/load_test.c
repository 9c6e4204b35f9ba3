/* load_test.c: what the generator's figures and findings stand on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/varuint.h"
#include "dialect.h"
#include "hist.h"
#include "json.h"
#include "load.h"
#include "random.h"
#include "timers.h"
#include "writer.h"

static void percentiles_are_at_most_a_slot_above_the_truth(void **state) {
    (void)state;
    static struct hist h;
    for (uint64_t v = 1; v <= 1000000; v++) {
        hist_add(&h, v);
    }
    assert_int_equal(h.count, 1000000);
    for (int i = 1; i < 1000; i += 13) {
        double share = i / 1000.0;
        double truth = share * 1e6;
        double found = (double)hist_at(&h, share);
        assert_true(found >= truth - 1 && found <= truth * 1.008 + 1);
    }
    assert_int_equal(hist_at(&h, 1), 1000000);
    assert_true(hist_mean(&h) == 500000.5);
}

static void values_of_any_size_have_a_slot(void **state) {
    (void)state;
    for (unsigned bits = 0; bits < 64; bits++) {
        static struct hist h;
        uint64_t v = UINT64_C(1) << bits;
        h = (struct hist){0};
        hist_add(&h, v);
        hist_add(&h, v - 1);
        assert_int_equal(h.count, 2);
        assert_true(hist_at(&h, 0) <= hist_at(&h, 1));
        assert_true(bits >= HIST_BITS || hist_at(&h, 1) == v);
    }
    static const struct hist none;
    assert_int_equal(hist_at(&none, 0.5), 0);
}

static void timers_come_in_order(void **state) {
    (void)state;
    struct timers t = {0};
    struct timer next;
    struct dice dice = {7};
    for (int i = 0; i < 1000; i++) {
        timers_add(&t, 1 + dice_below(&dice, 499), 0, NULL);
    }
    uint64_t last = 0;
    int taken = 0;
    assert_false(timers_take(&t, timers_next(&t) - 1, &next));
    while (timers_take(&t, 499, &next)) {
        assert_true(next.due_ns >= last);
        last = next.due_ns;
        taken++;
    }
    assert_int_equal(taken, 1000);
    assert_true(timers_next(&t) == UINT64_MAX);
    timers_fini(&t);
}

#define SLICE(literal) slice_of(literal, sizeof(literal) - 1)

static void json_members_are_found_by_name_and_not_inside_others(void **state) {
    (void)state;
    slice text =
        SLICE("{\"a\" : {\"b\":1, \"c\":\"}\\\"]\"} , \"x\":[1,{\"b\":3}],\"b\":2,\"t\":true,"
              "\"s\":\"plain\",\"e\":\"with \\\" escape\"}");
    uint64_t n = 0;
    slice v;
    assert_true(json_member_number(text, "b", &n));
    assert_int_equal(n, 2);
    assert_true(json_member(text, "a", &v) && json_member_number(v, "b", &n));
    assert_int_equal(n, 1);
    assert_true(json_member_true(text, "t"));
    assert_false(json_member_true(text, "s"));
    assert_true(json_member_text(text, "s", &v) && slice_is(v, "plain"));
    assert_false(json_member_text(text, "e", &v));
    assert_false(json_member_number(text, "s", &n));
    assert_false(json_member(text, "nothing", &v));
}

/* Cut off or changed anywhere, it is read or refused, and never read past its end. */
static void broken_json_is_refused(void **state) {
    (void)state;
    static const char text[] =
        "{\"method\":\"collab/update\",\"params\":{\"seq\":12,\"p\":[{}]},\"z\":1}";
    struct dice dice = {3};
    for (size_t n = 0; n < sizeof text; n++) {
        uint8_t *copy = mem_new(n + 1); /* a sanitizer sees what is read behind it */
        slice v;
        memcpy(copy, text, n);
        (void)json_member(slice_of(copy, n), "z", &v);
        for (size_t i = 0; n && i < 200; i++) {
            memcpy(copy, text, n);
            copy[dice_below(&dice, n)] = (uint8_t) "\"{}[]:,\\ 1"[dice_below(&dice, 10)];
            if (json_member(slice_of(copy, n), "z", &v)) {
                assert_true(v.p >= copy && v.p + v.n <= copy + n);
            }
        }
        mem_free(copy);
    }
}

static struct heard hear(const struct dialect_ops *d, struct speaker *s, bool text, slice message) {
    struct heard h;
    d->read(s, text, message, &h);
    return h;
}

static void mcp_json_hears(void **state) {
    (void)state;
    const struct dialect_ops *d = &speak_mcp_json;
    struct speaker s = {.room = "r", .join_id = 1};
    struct heard h =
        hear(d, &s, true,
             SLICE("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"ok\":true,\"channel\":9}}"));
    assert_int_equal(h.kind, HEARD_JOINED);
    assert_int_equal(s.channel, 9);
    h = hear(d, &s, true,
             SLICE("{\"jsonrpc\":\"2.0\",\"method\":\"collab/update\",\"params\":{\"roomId\":\"r\","
                   "\"payloadB64\":\"AAA=\",\"seq\":     7}}"));
    assert_int_equal(h.kind, HEARD_UPDATE);
    assert_true(h.numbered && h.seq == 7 && h.base64 && slice_is(h.payload, "AAA="));
    h = hear(d, &s, true,
             SLICE("{\"id\":4,\"result\":{\"applied\":false,\"duplicate\":true,\"version\":3}}"));
    assert_true(h.kind == HEARD_ANSWER && h.seq == 4 && h.waits && h.duplicate);
    h = hear(d, &s, true,
             SLICE("{\"id\":5,\"error\":{\"code\":429,\"message\":\"RATE_LIMIT\",\"data\":{"
                   "\"retryAfterMs\":250}}}"));
    assert_true(h.kind == HEARD_REFUSED && h.code == 429 && h.retry_ms == 250 && h.seq == 5);
    assert_int_equal(hear(d, &s, true, SLICE("{}")).kind, HEARD_STRANGE);
    assert_int_equal(hear(d, &s, false, SLICE("{\"id\":4,\"result\":{}}")).kind, HEARD_STRANGE);
}

static void mcp_binary_hears(void **state) {
    (void)state;
    const struct dialect_ops *d = &speak_mcp_binary;
    struct speaker s = {.room = "r", .join_id = 1, .channel = 200};
    struct heard h = hear(d, &s, false, SLICE("\x81\xc8\x01\x05payload"));
    assert_true(h.kind == HEARD_UPDATE && h.numbered && h.seq == 5 && !h.base64);
    assert_true(slice_is(h.payload, "payload"));
    h = hear(d, &s, false,
             SLICE("\x02"
                   "awareness"));
    assert_true(h.kind == HEARD_AWARENESS && !h.numbered && slice_is(h.payload, "awareness"));
    h = hear(d, &s, false, SLICE("\x84\xc8\x01\x06\x09"));
    assert_true(h.kind == HEARD_ANSWER && h.seq == 6);
    h = hear(d, &s, false, SLICE("\x85\xc8\x01\x06\xad\x03RATE_LIMIT: why"));
    assert_true(h.kind == HEARD_REFUSED && h.code == 429 && slice_is(h.text, "RATE_LIMIT: why"));
    assert_int_equal(hear(d, &s, false, SLICE("\x84\xc9\x01\x06\x09")).kind, HEARD_STRANGE);
    assert_int_equal(hear(d, &s, false, SLICE("\x81")).kind, HEARD_STRANGE);
    assert_int_equal(hear(d, &s, false, SLICE("")).kind, HEARD_STRANGE);
}

static void edits_are_updates_that_make_the_same_document(void **state) {
    (void)state;
    struct yata_doc *here = yata_doc_new(NULL);
    struct yata_doc *there = yata_doc_new(NULL);
    struct writer ann = {.client = 1, .key = "ann"};
    struct writer bob = {.client = 2, .key = "bob"};
    const struct writing how = {.anywhere = true, .paste = 5};
    struct dice dice = {11};
    for (int i = 0; i < 500; i++) {
        struct yata_bytes update = {0};
        writer_edit(i % 2 ? &ann : &bob, here, &how, &dice, &update);
        assert_false(writer_same(here, there));
        assert_int_equal(yata_apply(there, update.p, update.n, NULL, NULL), YATA_OK);
        assert_true(writer_same(here, there));
        yata_bytes_fini(&update);
    }
    yata_doc_free(here);
    yata_doc_free(there);
}

/* A user's second update is missing: nobody has what comes behind it, whatever the third says. */
static void what_lies_behind_a_hole_is_a_range_of_its_own(void **state) {
    (void)state;
    struct user users[1] = {0};
    struct room r = {.members = 1, .users = users, .first_client = 7};
    struct yata_type text;
    struct yata_bytes made[3] = {0};
    struct yata_bytes merged = {0};
    struct yata_doc *doc = yata_doc_new(NULL);
    assert_int_equal(yata_set_client(doc, 7), YATA_OK);
    assert_int_equal(yata_root(doc, "t", 1, &text), YATA_OK);
    for (size_t i = 0; i < 3; i++) {
        yata_begin(doc);
        assert_int_equal(yata_text_insert(doc, text, 0, "ab", 2, NULL), YATA_OK);
        assert_int_equal(yata_commit(doc, &made[i]), YATA_OK);
    }
    struct yata_slice list[] = {{made[0].p, made[0].n}, {made[2].p, made[2].n}};
    assert_int_equal(yata_merge_updates(YATA_V1, list, 2, &merged, NULL), YATA_OK);
    struct told t = {0};
    told_read(&t, &r, false, slice_of(merged.p, merged.n), false);
    assert_false(t.malformed);
    assert_int_equal(t.ranges_n, 2);
    assert_int_equal(t.ranges[0].from, 0);
    assert_int_equal(t.ranges[0].to, 2);
    assert_int_equal(t.ranges[1].from, 4);
    assert_int_equal(t.ranges[1].to, 6);
    told_fini(&t);
    yata_bytes_fini(&merged);
    for (size_t i = 0; i < 3; i++) {
        yata_bytes_fini(&made[i]);
    }
    yata_doc_free(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_at_most_a_slot_above_the_truth),
        cmocka_unit_test(values_of_any_size_have_a_slot),
        cmocka_unit_test(timers_come_in_order),
        cmocka_unit_test(json_members_are_found_by_name_and_not_inside_others),
        cmocka_unit_test(broken_json_is_refused),
        cmocka_unit_test(mcp_json_hears),
        cmocka_unit_test(mcp_binary_hears),
        cmocka_unit_test(edits_are_updates_that_make_the_same_document),
        cmocka_unit_test(what_lies_behind_a_hole_is_a_range_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
