/* Which node folds which room: all nodes agree, each has its share, and only what must change hands
 * does when one comes or goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "store/owner.h"

enum { NODES = 8, ROOMS = 8000 };

static uint8_t nodes[NODES + 1][16];

/* Numbers of a fixed sequence (splitmix64), so that the test says the same each time. */
static int make_nodes(void **state) {
    (void)state;
    uint64_t x = 42;
    for (size_t i = 0; i < sizeof nodes / sizeof x; i++) {
        uint64_t z = (x += 0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        z ^= z >> 31;
        memcpy(&nodes[i / 2][i % 2 * sizeof z], &z, sizeof z);
    }
    return 0;
}

static size_t owner_among(const uint8_t (*of)[16], size_t n, unsigned room) {
    char name[40];
    int length = snprintf(name, sizeof name, "ws:acme/doc-%u", room);
    return owner_of(of, n, slice_of(name, (size_t)length));
}

static void each_node_has_about_its_share(void **state) {
    (void)state;
    unsigned count[NODES] = {0};
    for (unsigned i = 0; i < ROOMS; i++) {
        count[owner_among(nodes, NODES, i)]++;
    }
    for (size_t i = 0; i < NODES; i++) {
        /* 1000 each; a fair draw deviates by 30, and by five times that hardly ever */
        assert_in_range(count[i], 850, 1150);
    }
}

static void the_order_in_which_nodes_are_known_changes_nothing(void **state) {
    (void)state;
    uint8_t turned[NODES][16];
    for (size_t i = 0; i < NODES; i++) {
        memcpy(turned[i], nodes[NODES - 1 - i], 16);
    }
    for (unsigned i = 0; i < ROOMS; i++) {
        assert_int_equal(owner_among(turned, NODES, i), NODES - 1 - owner_among(nodes, NODES, i));
    }
}

static void a_node_that_comes_takes_its_share_and_nothing_else_moves(void **state) {
    (void)state;
    unsigned moved = 0;
    for (unsigned i = 0; i < ROOMS; i++) {
        size_t before = owner_among(nodes, NODES, i);
        size_t after = owner_among(nodes, NODES + 1, i);
        assert_true(after == before || after == NODES);
        moved += after != before;
    }
    assert_in_range(moved, ROOMS / (NODES + 1) * 8 / 10, ROOMS / (NODES + 1) * 12 / 10);
}

static void only_the_rooms_of_a_node_that_goes_get_another_owner(void **state) {
    (void)state;
    for (unsigned i = 0; i < ROOMS; i++) {
        size_t before = owner_among(nodes, NODES, i);
        size_t after = owner_among(nodes + 1, NODES - 1, i) + 1;
        assert_true(before == 0 || after == before);
    }
}

static void a_node_alone_owns_everything(void **state) {
    (void)state;
    assert_int_equal(owner_among(nodes, 1, 7), 0);
    assert_int_equal(owner_of(nodes, 1, slice_str("")), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_node_has_about_its_share),
        cmocka_unit_test(the_order_in_which_nodes_are_known_changes_nothing),
        cmocka_unit_test(a_node_that_comes_takes_its_share_and_nothing_else_moves),
        cmocka_unit_test(only_the_rooms_of_a_node_that_goes_get_another_owner),
        cmocka_unit_test(a_node_alone_owns_everything),
    };
    return cmocka_run_group_tests(tests, make_nodes, NULL);
}
