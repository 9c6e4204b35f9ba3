/* What an outbox sends, in which order, and what it lets go of when its reader is slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "gateway/outbox.h"

static const int room_a;
static const int room_b;

static void put(struct outbox *o, const char *shared, const char *own, bool own_first,
                const void *tag, enum out_class class) {
    struct out_item it = {.frame = frame_copy(slice_str(shared)),
                          .tag = tag,
                          .class = class,
                          .own_first = own_first,
                          .counted = tag != NULL};
    it.own_bytes = (uint8_t)strlen(own);
    memcpy(it.own, own, it.own_bytes);
    outbox_push(o, &it);
}

/* Sends everything, at most `step` bytes at a time. */
static void send_all(struct outbox *o, size_t step, struct buf *to) {
    while (o->count) {
        struct iovec piece[6];
        size_t n = outbox_pieces(o, piece, 6);
        assert_true(n > 0);
        size_t left = step;
        size_t sent = 0;
        for (size_t i = 0; i < n && left; i++) {
            size_t take = piece[i].iov_len < left ? piece[i].iov_len : left;
            buf_put(to, piece[i].iov_base, take);
            left -= take;
            sent += take;
        }
        outbox_sent(o, sent);
    }
    assert_int_equal(o->bytes, 0);
}

static void bytes_leave_in_order_in_any_portions(void **state) {
    (void)state;
    for (size_t step = 1; step < 40; step++) {
        struct outbox o = {0};
        struct buf sent;
        buf_init(&sent, 0);
        for (int i = 0; i < 20; i++) {
            put(&o, "shared", "[1]", true, &room_a, OUT_UPDATE);
            put(&o, "other", "<2>", false, &room_a, OUT_UPDATE);
            put(&o, "plain ", "", false, NULL, OUT_CONTROL);
        }
        assert_int_equal(outbox_messages(&o), 40);
        send_all(&o, step, &sent);
        assert_int_equal(outbox_messages(&o), 0);
        for (size_t i = 0; i < 20; i++) {
            assert_memory_equal(sent.p + i * 23, "[1]sharedother<2>plain ", 23);
        }
        assert_int_equal(sent.n, 20 * 23);
        buf_fini(&sent);
        outbox_fini(&o);
    }
}

static void count_dropped(void *ctx, const struct out_item *it) {
    (void)it;
    (*(int *)ctx)++;
}

static void a_slow_reader_loses_one_rooms_notices_and_keeps_the_rest(void **state) {
    (void)state;
    struct outbox o = {0};
    put(&o, "1", "", false, &room_a, OUT_UPDATE);
    put(&o, "2", "", false, &room_b, OUT_UPDATE);
    put(&o, "3", "", false, &room_a, OUT_PRESENCE);
    put(&o, "4", "", false, NULL, OUT_CONTROL);
    put(&o, "5", "", false, &room_a, OUT_UPDATE);
    put(&o, "6", "", false, &room_b, OUT_PRESENCE);
    int dropped = 0;
    outbox_drop(&o, &room_a, count_dropped, &dropped);
    assert_int_equal(dropped, 3);
    struct buf sent;
    buf_init(&sent, 0);
    send_all(&o, 100, &sent);
    assert_true(slice_is(buf_slice(&sent), "246"));
    buf_fini(&sent);
    outbox_fini(&o);
}

static void what_has_begun_or_stands_before_a_state_is_kept(void **state) {
    (void)state;
    struct outbox o = {0};
    put(&o, "first", "", false, &room_a, OUT_UPDATE);
    put(&o, "second", "", false, &room_a, OUT_UPDATE);
    put(&o, "STATE", "", false, &room_a, OUT_CONTROL);
    put(&o, "third", "", false, &room_a, OUT_UPDATE);
    outbox_sent(&o, 2);
    int dropped = 0;
    outbox_drop(&o, &room_a, count_dropped, &dropped);
    assert_int_equal(dropped, 1); /* its stamps would otherwise leave a gap */
    struct buf sent;
    buf_init(&sent, 0);
    send_all(&o, 3, &sent);
    assert_true(slice_is(buf_slice(&sent), "rstsecondSTATE"));
    buf_fini(&sent);

    put(&o, "begun", "mine", false, &room_a, OUT_UPDATE);
    put(&o, "waits", "", false, &room_a, OUT_UPDATE);
    struct iovec held[2];
    assert_int_equal(outbox_hold(&o, held), 2);
    const void *lent = held[1].iov_base;
    for (int i = 0; i < 20; i++) {
        put(&o, "grows", "", false, &room_a, OUT_UPDATE);
    }
    assert_ptr_equal(lent, o.held_own); /* the ring has moved, what was lent has not */
    assert_memory_equal(lent, "mine", 4);
    outbox_drop(&o, &room_a, count_dropped, &dropped);
    assert_int_equal(o.count, 1);
    assert_int_equal(o.bytes, 9);
    put(&o, "more", "", false, NULL, OUT_CONTROL);
    outbox_clear(&o);
    assert_int_equal(o.count, 1);
    outbox_fini(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_leave_in_order_in_any_portions),
        cmocka_unit_test(a_slow_reader_loses_one_rooms_notices_and_keeps_the_rest),
        cmocka_unit_test(what_has_begun_or_stands_before_a_state_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
