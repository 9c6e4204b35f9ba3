/* The busiest rooms of several workers, put together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "room/busiest.h"

static struct busy_room room(double per_second, unsigned worker) {
    struct busy_room r = {.name_bytes = 1, .per_second = per_second, .worker = worker};
    r.name[0] = 'r';
    return r;
}

static void the_busiest_of_all_come_first(void **state) {
    (void)state;
    struct busiest *workers[3];
    struct busy_list all = {0};
    for (unsigned w = 0; w < 3; w++) {
        struct busy_list own = {0};
        for (unsigned i = 0; i < 20; i++) { /* 0 to 59, each once, mixed */
            struct busy_room r = room((double)((i * 7 + w * 20) % 60), w);
            busy_list_add(&own, &r);
        }
        assert_int_equal(own.count, CAPS_BUSIEST);
        workers[w] = busiest_new();
        busiest_put(workers[w], &own);
        busiest_put(workers[w], &own); /* what is put replaces what was */
    }
    for (unsigned w = 0; w < 3; w++) {
        busiest_get(workers[w], &all);
        busiest_free(workers[w]);
    }
    assert_int_equal(all.count, CAPS_BUSIEST);
    for (size_t i = 1; i < all.count; i++) {
        assert_true(all.room[i - 1].per_second >= all.room[i].per_second);
    }
    assert_true(all.room[0].per_second == 59);
    busiest_free(NULL);
}

static void idle_workers_add_nothing(void **state) {
    (void)state;
    struct busiest *b = busiest_new();
    struct busy_list all = {0};
    busiest_get(b, &all);
    assert_int_equal(all.count, 0);
    struct busy_room r = room(1, 0);
    busy_list_add(&all, &r);
    busiest_put(b, &all);
    busiest_get(b, &all);
    assert_int_equal(all.count, 2);
    busiest_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_busiest_of_all_come_first),
        cmocka_unit_test(idle_workers_add_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
