/* The slowest requests: which are kept, for how long, and how they are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "observe/slowest.h"

static bool has(const struct slowest *l, uint64_t took_ns) {
    for (size_t i = 0; i < l->count; i++) {
        if (l->entry[i].took_ns == took_ns) {
            return true;
        }
    }
    return false;
}

static void the_slowest_are_kept(void **state) {
    (void)state;
    static struct slowest l;
    for (uint64_t i = 1; i <= 1000; i++) {
        uint64_t took = i * 7919 % 1009; /* every number below 1009 but a few, mixed */
        struct slow *s = slowest_place(&l, took, 5);
        assert_true(s == NULL || (s->took_ns == took && s->at_ms == 5 && s->room_bytes == 0));
    }
    assert_int_equal(l.count, CAPS_SLOWEST);
    uint64_t found = 0;
    for (uint64_t took = 1009; found < CAPS_SLOWEST; took--) {
        bool given = false;
        for (uint64_t i = 1; i <= 1000; i++) {
            given |= i * 7919 % 1009 == took;
        }
        assert_int_equal(has(&l, took), given);
        found += given;
    }
}

static void what_is_old_makes_room(void **state) {
    (void)state;
    static struct slowest l;
    for (uint64_t i = 0; i < CAPS_SLOWEST; i++) {
        assert_non_null(slowest_place(&l, 1000 + i, 100));
    }
    assert_null(slowest_place(&l, 3, 101));
    assert_null(slowest_place(&l, 3, 100 + CAPS_SLOWEST_MS - 1));
    assert_non_null(slowest_place(&l, 3, 100 + CAPS_SLOWEST_MS));
    assert_int_equal(l.count, CAPS_SLOWEST);
    assert_true(has(&l, 3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_slowest_are_kept),
        cmocka_unit_test(what_is_old_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
