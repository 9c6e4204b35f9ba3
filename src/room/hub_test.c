/* What receivers get, and what becomes of a slow one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "observe/metrics.h"
#include "room/echo.h"
#include "room/hub.h"

/* ---- a receiver that keeps its items ---- */

struct reader {
    struct subscription sub;
    struct out_item item[16];
    size_t count;
    size_t mark; /* over it the outbox is full */
};

static bool keep(void *owner, struct out_item *it) {
    struct reader *r = owner;
    assert_true(r->count < 16);
    r->item[r->count++] = *it;
    *it = (struct out_item){0};
    return r->count > r->mark;
}

static void drop_all(void *owner, struct subscription *sub) {
    struct reader *r = owner;
    while (r->count && r->item[r->count - 1].class != OUT_CONTROL) {
        hub_dropped(sub, &r->item[r->count - 1]);
        out_item_fini(&r->item[--r->count]);
    }
}

static const struct hub_ops ops = {.push = keep, .drop = drop_all};

static void reader_init(struct reader *r, conn_id id, const char *room, enum dialect_id out) {
    *r = (struct reader){.mark = 15};
    struct frame *name = frame_copy(slice_str(room));
    sub_init(&r->sub, r, id, name, out);
    frame_unref(name);
}

static void reader_fini(struct hub *h, struct reader *r) {
    for (size_t i = 0; i < r->count; i++) {
        out_item_fini(&r->item[i]);
    }
    sub_fini(h, &r->sub);
}

/* ---- what a room sends ---- */

static struct msg *fanout(const char *room, slice payload, conn_id except) {
    struct msg *m = msg_new(MSG_FANOUT);
    m->room = frame_copy(slice_str(room));
    m->payload = frame_copy(payload);
    m->fanout.except = except;
    m->fanout.version = 9;
    return m;
}

/* One struct of one client: a deleted run, the shortest update that has a clock. */
static struct msg *update(uint8_t client, uint8_t clock) {
    const uint8_t bytes[] = {1, 1, client, clock, 0, 1, 0}; /* a GC struct of length 1 */
    return fanout("r", slice_of(bytes, sizeof bytes), 0);
}

static void send(struct hub *h, struct msg *m) {
    hub_fanout(h, m);
    msg_free(m);
}

static void one_encoding_is_shared_by_all_receivers_of_a_dialect(void **state) {
    (void)state;
    struct hub h;
    hub_init(&h, &ops);
    struct reader r[3];
    reader_init(&r[0], 1, "r", DIALECT_JSONRPC);
    reader_init(&r[1], 2, "r", DIALECT_JSONRPC);
    reader_init(&r[2], 3, "r", DIALECT_BINARY);
    for (int i = 0; i < 3; i++) {
        hub_attach(&h, &r[i].sub, 4);
    }
    send(&h, update(5, 0));
    assert_ptr_equal(r[0].item[0].frame, r[1].item[0].frame);
    assert_ptr_not_equal(r[0].item[0].frame, r[2].item[0].frame);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(r[i].count, 1);
    }
    const uint8_t binary[] = {0x82, 8, 0x01, 1, 1, 5, 0, 0, 1, 0};
    assert_true(slice_eq(frame_slice(r[2].item[0].frame), slice_of(binary, sizeof binary)));
    for (int i = 0; i < 3; i++) {
        reader_fini(&h, &r[i]);
    }
    hub_fini(&h);
}

static void the_only_writer_is_left_out_and_its_seq_has_no_gap(void **state) {
    (void)state;
    struct hub h;
    hub_init(&h, &ops);
    struct reader a;
    struct reader b;
    reader_init(&a, 1, "r", DIALECT_JSONRPC);
    reader_init(&b, 2, "r", DIALECT_JSONRPC);
    hub_attach(&h, &a.sub, 4);
    hub_attach(&h, &b.sub, 4);
    const uint8_t bytes[] = {1, 1, 5, 0, 0, 1, 0};
    send(&h, fanout("r", slice_of(bytes, sizeof bytes), 1));
    send(&h, fanout("r", slice_of(bytes, sizeof bytes), 0));
    send(&h, fanout("other", slice_of(bytes, sizeof bytes), 0));
    assert_int_equal(a.count, 1);
    assert_int_equal(b.count, 2);
    assert_memory_equal(a.item[0].own, "               1}}", STAMP_LAST_BYTES);
    assert_memory_equal(b.item[1].own, "               2}}", STAMP_LAST_BYTES);
    reader_fini(&h, &a);
    reader_fini(&h, &b);
    hub_fini(&h);
}

static void a_cut_receiver_asks_for_the_lowest_clock_it_missed_of_each_client(void **state) {
    (void)state;
    struct hub h;
    hub_init(&h, &ops);
    struct reader r;
    reader_init(&r, 1, "r", DIALECT_MUX);
    r.mark = 2;
    hub_attach(&h, &r.sub, 4);
    send(&h, update(5, 7));
    send(&h, update(6, 3));
    assert_int_equal(r.count, 2);
    send(&h, update(5, 8)); /* over the mark */
    assert_int_equal(r.sub.state, SUB_CUT);
    assert_int_equal(r.count, 0);
    assert_int_equal(r.sub.seq, 0); /* what comes next is number 1 again */
    send(&h, update(5, 9));
    send(&h, update(7, 0));
    assert_int_equal(r.count, 0);
    struct msg *m = hub_ask_repair(&r.sub);
    assert_int_equal(r.sub.state, SUB_LIVE);
    const struct yata_clock expect[] = {{5, 7}, {6, 3}, {7, 0}};
    assert_int_equal(m->repair.count, 3);
    for (size_t i = 0; i < 3; i++) {
        bool found = false;
        for (size_t j = 0; j < 3; j++) {
            found |= m->repair.clocks[j].client == expect[i].client &&
                     m->repair.clocks[j].clock == expect[i].clock;
        }
        assert_true(found);
    }
    msg_free(m);
    send(&h, update(5, 10)); /* live again, though the difference is still on its way */
    assert_int_equal(r.count, 1);
    assert_int_equal(r.sub.seq, 1);
    reader_fini(&h, &r);
    hub_fini(&h);
}

static void a_state_over_the_mark_is_kept_and_what_follows_is_made_up_for(void **state) {
    (void)state;
    struct hub h;
    hub_init(&h, &ops);
    struct reader r;
    reader_init(&r, 1, "r", DIALECT_JSONRPC);
    r.mark = 0;
    hub_attach(&h, &r.sub, 4);
    struct frame *whole = frame_copy(slice_of("\0\0", 2));
    hub_send(&h, &r.sub, EVENT_STATE, whole, 1, OUT_CONTROL);
    frame_unref(whole);
    assert_int_equal(r.count, 1);
    assert_int_equal(r.sub.state, SUB_CUT);
    send(&h, update(5, 0));
    assert_int_equal(r.count, 1);
    assert_int_equal(r.sub.seq, 1);
    assert_int_equal(r.sub.missed_count, 1);
    reader_fini(&h, &r);
    hub_fini(&h);
}

/* How many echoes have been measured. */
static unsigned long measured(void) {
    struct buf b;
    buf_init(&b, 0);
    metrics_write(&b);
    buf_put_u8(&b, 0);
    const char *at = strstr((const char *)b.p, "\ncollab_echo_ms_count ");
    assert_non_null(at);
    unsigned long n = strtoul(strchr(at, ' '), NULL, 10);
    buf_fini(&b);
    return n;
}

static void an_echo_is_measured_when_the_last_worker_has_written(void **state) {
    (void)state;
    struct hub here;
    struct hub there;
    struct hub empty;
    hub_init(&here, &ops);
    hub_init(&there, &ops);
    hub_init(&empty, &ops);
    struct reader a;
    struct reader b;
    reader_init(&a, 1, "r", DIALECT_JSONRPC);
    reader_init(&b, 2, "r", DIALECT_JSONRPC);
    hub_attach(&here, &a.sub, 4);
    hub_attach(&there, &b.sub, 4);
    const unsigned long before = measured();
    struct echo *echo = echo_new(METRIC_ECHO, clock_mono_ns(), 3, NULL, NULL);
    struct hub *const hubs[] = {&here, &there, &empty};
    for (int i = 0; i < 3; i++) {
        struct msg *m = update(5, 0);
        m->fanout.echo = echo;
        send(hubs[i], m); /* the last of them has no receiver any more: there is nothing to write */
    }
    hub_written(&here);
    assert_int_equal(measured(), before);
    hub_written(&there);
    assert_int_equal(measured(), before + 1);
    hub_written(&there);
    assert_int_equal(measured(), before + 1);
    reader_fini(&here, &a);
    reader_fini(&there, &b);
    hub_fini(&here);
    hub_fini(&there);
    hub_fini(&empty);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_encoding_is_shared_by_all_receivers_of_a_dialect),
        cmocka_unit_test(an_echo_is_measured_when_the_last_worker_has_written),
        cmocka_unit_test(the_only_writer_is_left_out_and_its_seq_has_no_gap),
        cmocka_unit_test(a_cut_receiver_asks_for_the_lowest_clock_it_missed_of_each_client),
        cmocka_unit_test(a_state_over_the_mark_is_kept_and_what_follows_is_made_up_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
