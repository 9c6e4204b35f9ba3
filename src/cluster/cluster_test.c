/* Messages between nodes, and addresses of Redis: what is written is read again, and nothing else
 * is taken for one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/buf.h"
#include "cluster/envelope.h"
#include "cluster/mail.h"
#include "cluster/target.h"
#include "limit/caps.h"

static const struct envelope whole = {.kind = ENVELOPE_UPDATE,
                                      .node = ENVELOPE_NODE_BIT | 0x123456789abcdefull,
                                      .epoch = 3,
                                      .sequence = 70000,
                                      .version = 9007199254740991ull,
                                      .members = 12,
                                      .traced = true,
                                      .trace = {1, 2, 3, [24] = 1},
                                      .room = {(const uint8_t *)"ws:acme/42", 10},
                                      .payload = {(const uint8_t *)"\0\1\2", 3}};

static enum err refused(slice s, const char **ret_why) {
    struct envelope e;
    *ret_why = NULL;
    enum err err = envelope_read(s, &e, ret_why);
    assert_true((err == ERR_OK) == (*ret_why == NULL));
    return err;
}

static void an_envelope_is_read_as_it_was_written(void **state) {
    (void)state;
    struct buf b;
    struct envelope e;
    const char *why = NULL;
    buf_init(&b, 0);
    envelope_write(&b, &whole);
    assert_int_equal(envelope_read(buf_slice(&b), &e, &why), ERR_OK);
    assert_int_equal(e.kind, whole.kind);
    assert_true(e.node == whole.node && e.epoch == 3 && e.sequence == 70000);
    assert_true(e.version == whole.version && e.members == 12 && e.traced);
    assert_memory_equal(e.trace, whole.trace, sizeof e.trace);
    assert_true(slice_eq(e.room, whole.room) && slice_eq(e.payload, whole.payload));
    buf_fini(&b);
}

static void what_is_cut_off_before_its_payload_is_refused(void **state) {
    (void)state;
    struct buf b;
    const char *why = NULL;
    buf_init(&b, 0);
    envelope_write(&b, &whole);
    for (size_t n = 0; n < b.n - whole.payload.n; n++) {
        assert_int_equal(refused(slice_of(b.p, n), &why), ERR_PARAMS);
    }
    assert_int_equal(refused(slice_of(b.p, b.n - whole.payload.n), &why), ERR_OK);
    buf_fini(&b);
}

/* Writes `whole` with one byte changed. */
static enum err with_byte(size_t at, uint8_t value) {
    struct buf b;
    const char *why = NULL;
    buf_init(&b, 0);
    envelope_write(&b, &whole);
    b.p[at] = value;
    enum err e = refused(buf_slice(&b), &why);
    buf_fini(&b);
    return e;
}

static void what_this_version_does_not_know_is_refused(void **state) {
    (void)state;
    assert_int_equal(with_byte(0, 'x'), ERR_PARAMS);           /* not ours */
    assert_int_equal(with_byte(1, 2), ERR_PARAMS);             /* another layout */
    assert_int_equal(with_byte(2, 0), ERR_PARAMS);             /* no such kind */
    assert_int_equal(with_byte(2, 200), ERR_PARAMS);           /* nor such */
    assert_int_equal(with_byte(3, 0x81), ERR_PARAMS);          /* flags of later versions */
    assert_int_equal(with_byte(11, 0), ERR_PARAMS);            /* the sender is no node */
    assert_int_equal(with_byte(2, ENVELOPE_BEAT), ERR_PARAMS); /* about a room, and must not be */
    assert_int_equal(with_byte(2, ENVELOPE_DIFF), ERR_OK);
}

static void what_is_too_large_is_refused(void **state) {
    (void)state;
    struct envelope e;
    const char *why = NULL;
    static uint8_t bytes[CAPS_BUS_BYTES + 1];
    assert_int_equal(envelope_read(slice_of(bytes, sizeof bytes), &e, &why), ERR_TOO_LARGE);
    assert_non_null(why);
}

static struct target *parsed(const char *urls, size_t expected) {
    struct target *t = NULL;
    size_t n = 0;
    char why[200] = "";
    assert_int_equal(targets_parse(urls, &t, &n, why, sizeof why), ERR_OK);
    assert_int_equal(n, expected);
    return t;
}

static void addresses_are_read(void **state) {
    (void)state;
    struct target *t = parsed("redis://localhost,rediss://ann:s%40c%2fr@[::1]:6380/3,"
                              "redis://:only@10.0.0.1:1/,redis://only2@h",
                              4);
    assert_string_equal(t[0].host, "localhost");
    assert_true(t[0].port == 6379 && !t[0].tls && !t[0].user && !t[0].password);
    assert_string_equal(t[1].host, "::1");
    assert_true(t[1].port == 6380 && t[1].tls && t[1].database == 3);
    assert_string_equal(t[1].user, "ann");
    assert_string_equal(t[1].password, "s@c/r");
    assert_true(t[2].port == 1 && !t[2].user);
    assert_string_equal(t[2].password, "only");
    assert_string_equal(t[3].password, "only2");
    targets_free(t, 4);
}

static void wrong_addresses_are_named_without_their_password(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "localhost:6379",          "http://h",     "redis://",       "redis://h:0",
        "redis://h:99999",         "redis://h:x",  "redis://h/x",    "redis://[::1]x",
        "redis://:sesame@h:70000", "redis://h,",   "redis://[::1]:", "redis://h:",
        "redis://h/4294967297",    "redis://:@/1",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct target *t = NULL;
        size_t n = 0;
        char why[200] = "";
        assert_int_equal(targets_parse(wrong[i], &t, &n, why, sizeof why), ERR_PARAMS);
        assert_null(t);
        assert_non_null(strstr(why, "REDIS_URL: address"));
        assert_null(strstr(why, "sesame"));
    }
}

/* Adding an instance moves its share of rooms, and no room from one old instance to another. */
static void rooms_are_spread_evenly_and_stay(void **state) {
    (void)state;
    enum { ROOMS = 10000 };
    size_t count[4] = {0};
    size_t moved = 0;
    for (unsigned i = 0; i < ROOMS; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "ws:acme/%u", i);
        size_t three = target_of(slice_str(name), 3);
        size_t four = target_of(slice_str(name), 4);
        assert_true(three < 3 && (four == three || four == 3));
        moved += four != three;
        count[four]++;
    }
    assert_in_range(moved, ROOMS / 5, ROOMS * 3 / 10);
    for (size_t i = 0; i < 4; i++) {
        assert_in_range(count[i], ROOMS / 5, ROOMS * 3 / 10);
    }
}

static struct bus_mail *heard(enum envelope_kind kind, struct frame *bytes) {
    struct bus_mail *m = bus_mail_new(BUS_HEARD, NULL);
    m->envelope.kind = kind;
    m->bytes = frame_ref(bytes);
    return m;
}

/* What can be repaired is dropped for a worker that is far behind, anything else is not, and what
 * the worker has done counts no more.
 */
static void what_waits_for_a_worker_is_bounded(void **state) {
    (void)state;
    static const enum envelope_kind spare[] = {ENVELOPE_UPDATE, ENVELOPE_PRESENCE, ENVELOPE_COUNT};
    static const enum envelope_kind needed[] = {ENVELOPE_OPEN, ENVELOPE_ASK, ENVELOPE_DIFF,
                                                ENVELOPE_ORDER, ENVELOPE_GONE};
    atomic_size_t waiting = 0;
    struct frame *large = frame_try_new(CAPS_BUS_WAITING_BYTES / 4);
    struct bus_mail *list[20];
    size_t n = 0;
    for (; n < 4; n++) {
        list[n] = heard(ENVELOPE_UPDATE, large);
        assert_true(bus_mail_wait(list[n], &waiting));
    }
    assert_in_range(waiting, CAPS_BUS_WAITING_BYTES, CAPS_BUS_WAITING_BYTES + CAPS_MIB);
    for (size_t i = 0; i < sizeof spare / sizeof *spare; i++) {
        size_t before = waiting;
        struct bus_mail *m = heard(spare[i], large);
        assert_false(bus_mail_wait(m, &waiting));
        bus_mail_free(m);
        assert_int_equal(waiting, before);
    }
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        list[n] = heard(needed[i], large);
        assert_true(bus_mail_wait(list[n++], &waiting));
    }
    list[n] = bus_mail_new(BUS_BACK, NULL);
    assert_true(bus_mail_wait(list[n++], &waiting));
    while (n) {
        bus_mail_free(list[--n]);
    }
    assert_int_equal(waiting, 0);
    list[0] = heard(ENVELOPE_UPDATE, large);
    assert_true(bus_mail_wait(list[0], &waiting));
    bus_mail_free(list[0]);
    frame_unref(large);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_envelope_is_read_as_it_was_written),
        cmocka_unit_test(what_is_cut_off_before_its_payload_is_refused),
        cmocka_unit_test(what_this_version_does_not_know_is_refused),
        cmocka_unit_test(what_is_too_large_is_refused),
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(wrong_addresses_are_named_without_their_password),
        cmocka_unit_test(rooms_are_spread_evenly_and_stay),
        cmocka_unit_test(what_waits_for_a_worker_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
