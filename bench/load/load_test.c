/* load_test.c: what the generator's figures and findings stand on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hist.h"
#include "json.h"

static void percentiles_are_at_most_a_slot_above_the_truth(void **state) {
    (void)state;
    static struct hist h;
    for (uint64_t v = 1; v <= 1000000; v++) {
        hist_add(&h, v);
    }
    assert_int_equal(h.count, 1000000);
    for (double share = 0.001; share < 1; share += 0.013) {
        double truth = share * 1e6;
        double found = (double)hist_at(&h, share);
        assert_true(found >= truth - 1 && found <= truth * 1.008 + 1);
    }
    assert_int_equal(hist_at(&h, 1), 1000000);
    assert_true(hist_mean(&h) == 500000.5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_at_most_a_slot_above_the_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
