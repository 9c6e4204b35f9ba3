/* What the rest of the house relies on in lib/base. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/frame.h"
#include "base/list.h"
#include "base/map.h"
#include "base/trace.h"
#include "base/utf8.h"
#include "base/varuint.h"

static void base64_round_trips_and_reads_both_alphabets(void **state) {
    (void)state;
    uint8_t bytes[64];
    for (size_t n = 0; n < sizeof bytes; n++) {
        for (size_t i = 0; i < n; i++) {
            bytes[i] = (uint8_t)(i * 37 + n * 11 + 0xf8);
        }
        char text[128];
        uint8_t back[128];
        size_t got = 999;
        base64_encode(text, slice_of(bytes, n));
        assert_true(base64_decode(back, slice_of(text, base64_encoded_len(n)), &got));
        assert_int_equal(got, n);
        assert_memory_equal(back, bytes, n);
    }
    const char *alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    uint8_t out[16];
    size_t got = 0;
    for (int c = 0; c < 256; c++) {
        const uint8_t text[4] = {'A', 'A', 'A', (uint8_t)c};
        const char *at = c ? strchr(alphabet, c) : NULL;
        int value = at                     ? (int)(at - alphabet)
                    : c == '+' || c == '-' ? 62
                    : c == '/' || c == '_' ? 63
                                           : -1;
        if (c != '=') {
            assert_int_equal(base64_decode(out, slice_of(text, 4), &got), value >= 0);
        }
        if (value >= 0) {
            assert_int_equal(out[2], value);
        }
    }
    assert_true(base64_decode(out, slice_str("-_8"), &got));
    assert_int_equal(got, 2);
    assert_int_equal(out[0], 0xfb);
    assert_int_equal(out[1], 0xff);
}

static void base64_refuses_what_is_not_base64(void **state) {
    (void)state;
    const char *bad[] = {"A", "AA=A", "A===", "AAA*", "AA A", "AB", "AAAAA", "=", "====", "AAB="};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t out[16];
        size_t got = 0;
        assert_false(base64_decode(out, slice_str(bad[i]), &got));
    }
}

static void a_buffer_stops_at_its_maximum(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    buf_put_str(&b, "12345");
    buf_put_u64(&b, 678);
    assert_false(b.failed);
    buf_put_str(&b, "abc");
    assert_true(b.failed);
    assert_int_equal(b.n, 8);
    buf_clear(&b);
    buf_put_i64(&b, INT64_MIN / 100000000000);
    assert_true(slice_is(buf_slice(&b), "-92233720"));
    buf_consume(&b, 4);
    assert_true(slice_is(buf_slice(&b), "33720"));
    buf_fini(&b);
}

static void varuints_hold_what_javascript_holds(void **state) {
    (void)state;
    uint64_t values[] = {0, 1, 127, 128, 300, 16383, 16384, 4294967295u, VARUINT_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint8_t bytes[VARUINT_MAX_BYTES];
        slice s = slice_of(bytes, varuint_write(bytes, values[i]));
        uint64_t v = 1;
        slice cut = slice_of(s.p, s.n - 1);
        assert_false(varuint_take(&cut, &v));
        assert_true(varuint_take(&s, &v));
        assert_int_equal(v, values[i]);
        assert_int_equal(s.n, 0);
    }
    uint8_t big[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f};
    slice s = slice_of(big, sizeof big);
    uint64_t v = 0;
    assert_false(varuint_take(&s, &v));
}

static void a_map_agrees_with_a_plain_array(void **state) {
    (void)state;
    struct map m = {0};
    static int values[2000];
    uint32_t seed = 12345;
    bool present[2000] = {0};
    for (int step = 0; step < 50000; step++) {
        seed = seed * 1664525u + 1013904223u;
        uint64_t k = seed >> 8 & 0x7ff;
        if (k >= 2000) {
            continue;
        }
        if (seed >> 30 == 0) {
            assert_ptr_equal(map_remove_u64(&m, k), present[k] ? &values[k] : NULL);
            present[k] = false;
        } else {
            assert_ptr_equal(map_set_u64(&m, k, &values[k]), present[k] ? &values[k] : NULL);
            present[k] = true;
        }
    }
    size_t live = 0;
    for (uint64_t k = 0; k < 2000; k++) {
        assert_ptr_equal(map_find_u64(&m, k), present[k] ? &values[k] : NULL);
        live += present[k];
    }
    assert_int_equal(m.used, live);
    size_t at = 0;
    size_t seen = 0;
    while (map_next(&m, &at)) {
        seen++;
    }
    assert_int_equal(seen, live);
    map_fini(&m);

    assert_null(map_find(&m, slice_str("room")));
    assert_null(map_set(&m, slice_str("room"), &values[1]));
    assert_ptr_equal(map_find(&m, slice_str("room")), &values[1]);
    assert_ptr_equal(map_remove(&m, slice_str("room")), &values[1]);
    map_fini(&m);
}

static void utf8_is_judged_across_fragments(void **state) {
    (void)state;
    const char *text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        utf8_state st = 0;
        assert_true(utf8_feed(&st, slice_of(text, cut)));
        assert_true(utf8_feed(&st, slice_of(text + cut, strlen(text) - cut)));
        assert_true(utf8_done(st));
    }
    const char *bad[] = {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",     "\x80",
                         "\xc3",     "\xe2\x82",     "\xf8\x88\x80\x80\x80", "abcdefgh\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(utf8_valid(slice_str(bad[i])));
    }
}

static void an_arena_gives_aligned_memory_and_forgets_it(void **state) {
    (void)state;
    struct arena a = {0};
    for (int round = 0; round < 3; round++) {
        for (size_t n = 1; n < 3000; n += 97) {
            uint8_t *p = arena_alloc(&a, n);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 16, 0);
            memset(p, 0xaa, n);
        }
        assert_non_null(arena_alloc(&a, 100000));
        arena_reset(&a);
    }
    assert_null(arena_alloc(&a, SIZE_MAX));
    arena_fini(&a);
}

struct item {
    int n;
    struct list_node node;
};

static void a_list_keeps_order_and_survives_removal_while_walked(void **state) {
    (void)state;
    struct list_node head;
    struct list_node other;
    list_init(&head);
    list_init(&other);
    struct item items[4] = {{.n = 0}, {.n = 1}, {.n = 2}, {.n = 3}};
    for (int i = 0; i < 4; i++) {
        list_push(i < 2 ? &head : &other, &items[i].node);
    }
    list_splice(&head, &other);
    assert_true(list_empty(&other));
    int expect = 0;
    LIST_FOR_EACH (node, &head) {
        struct item *it = LIST_ITEM(node, struct item, node);
        assert_int_equal(it->n, expect++);
        list_remove(node);
        assert_false(list_linked(node));
    }
    assert_int_equal(expect, 4);
    assert_true(list_empty(&head));
    assert_null(list_shift(&head));
}

static void a_frame_lives_until_its_last_holder_lets_go(void **state) {
    (void)state;
    struct frame *f = frame_copy(slice_str("hello"));
    assert_ptr_equal(frame_ref(f), f);
    assert_null(frame_unref(f));
    assert_true(slice_is(frame_slice(f), "hello"));
    assert_null(frame_unref(f));
    assert_null(frame_unref(NULL));
}

static void a_traceparent_is_read_as_the_standard_says(void **state) {
    (void)state;
    static const char good[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    struct trace t;
    assert_true(trace_parse(slice_str(good), &t));
    assert_true(t.high == 0x4bf92f3577b34da6 && t.low == 0xa3ce929d0e0e4736);
    assert_true(t.span == 0x00f067aa0ba902b7 && t.sampled && trace_is_set(&t));
    char text[TRACE_PARENT_CHARS + 1];
    trace_write(&t, text);
    assert_string_equal(text, good);
    trace_write_id(&t, text);
    assert_string_equal(text, "4bf92f3577b34da6a3ce929d0e0e4736");
    trace_write_span(t.span, text);
    assert_string_equal(text, "00f067aa0ba902b7");
    uint8_t bytes[TRACE_BYTES];
    struct trace again;
    trace_to_bytes(&t, bytes);
    assert_memory_equal(bytes, "\x4b\xf9\x2f", 3);
    trace_from_bytes(bytes, &again);
    assert_true(again.high == t.high && again.low == t.low && again.span == t.span &&
                again.sampled);
    memset(bytes + 16, 0, 8); /* no span: none at all */
    trace_from_bytes(bytes, &again);
    assert_false(trace_is_set(&again) || again.sampled);
    /* A later version may have more behind the flags, of which only the first bit is known. */
    assert_true(
        trace_parse(slice_str("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe-more"), &t));
    assert_false(t.sampled);
    static const char *const bad[] = {
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
        "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7- 1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(trace_parse(slice_str(bad[i]), &t));
        assert_false(trace_is_set(&t) || t.span || t.sampled);
    }
}

static void every_error_has_its_rows(void **state) {
    (void)state;
    assert_int_equal(err_rpc_code(ERR_PARAMS), -32602);
    assert_string_equal(err_text(ERR_TOO_LARGE), "PAYLOAD_TOO_LARGE");
    for (int e = 0; e < ERR_COUNT; e++) {
        assert_true(err_ws_close((enum err)e) >= 1000);
        assert_true(err_label((enum err)e)[0] != 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_round_trips_and_reads_both_alphabets),
        cmocka_unit_test(base64_refuses_what_is_not_base64),
        cmocka_unit_test(a_buffer_stops_at_its_maximum),
        cmocka_unit_test(varuints_hold_what_javascript_holds),
        cmocka_unit_test(a_map_agrees_with_a_plain_array),
        cmocka_unit_test(utf8_is_judged_across_fragments),
        cmocka_unit_test(an_arena_gives_aligned_memory_and_forgets_it),
        cmocka_unit_test(a_list_keeps_order_and_survives_removal_while_walked),
        cmocka_unit_test(a_frame_lives_until_its_last_holder_lets_go),
        cmocka_unit_test(a_traceparent_is_read_as_the_standard_says),
        cmocka_unit_test(every_error_has_its_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
