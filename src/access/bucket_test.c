/* Rates and counts: the table's numbers, a simple model, odd clocks, bounded memory, many threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "access/bucket.h"

static bool take(struct buckets *b, enum bucket_class class, const char *key, unsigned cost,
                 uint64_t now_ms, uint64_t *ret_retry_ms) {
    enum err e = bucket_take(b, class, slice_str(key), cost, now_ms, ret_retry_ms);
    assert_true(e == ERR_OK || e == ERR_RATE);
    return e == ERR_OK;
}

/* How many of these pass at once; *ret_retry_ms is what the first refusal says. */
static unsigned burst(struct buckets *b, enum bucket_class class, unsigned cost, uint64_t now_ms,
                      uint64_t *ret_retry_ms) {
    unsigned n = 0;
    while (n < 100000 && take(b, class, "somebody", cost, now_ms, ret_retry_ms)) {
        n++;
    }
    return n;
}

static void the_table_says_what_passes(void **state) {
    (void)state;
    static const struct {
        enum bucket_class class;
        unsigned cost;
        unsigned passes;
        unsigned retry_ms;
    } rows[] = {
        {BUCKET_USER, BUCKET_COST_UPDATE, 200, 25}, {BUCKET_USER, BUCKET_COST_AWARENESS, 800, 7},
        {BUCKET_USER, BUCKET_COST_SYNC, 100, 50},   {BUCKET_USER, BUCKET_COST_JOIN, 200, 25},
        {BUCKET_ROOM, BUCKET_COST_UPDATE, 4000, 1}, {BUCKET_JOIN, BUCKET_COST_ONE, 20, 3000},
        {BUCKET_AUTH, BUCKET_COST_ONE, 10, 6000},   {BUCKET_CONNECTION, BUCKET_COST_ONE, 500, 1000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buckets *b = buckets_new(NULL);
        uint64_t retry_ms = 0;
        assert_int_equal(burst(b, rows[i].class, rows[i].cost, 5000, &retry_ms), rows[i].passes);
        assert_int_equal(retry_ms, rows[i].retry_ms);
        if (rows[i].class != BUCKET_CONNECTION) {
            uint64_t later = 5000 + retry_ms;
            assert_false(take(b, rows[i].class, "somebody", rows[i].cost, later - 1, &retry_ms));
            assert_int_equal(retry_ms, 1);
            assert_true(take(b, rows[i].class, "somebody", rows[i].cost, later, &retry_ms));
            /* After long rest as much as at first, not more. */
            assert_int_equal(burst(b, rows[i].class, rows[i].cost, 1000000, &retry_ms),
                             rows[i].passes);
        }
        assert_true(take(b, rows[i].class, "somebody", BUCKET_COST_CONTROL, 5000, &retry_ms));
        assert_true(take(b, rows[i].class, "somebody else", rows[i].cost, 5000, &retry_ms));
        buckets_free(b);
    }
    assert_string_equal(bucket_name(BUCKET_USER), "user");
    assert_string_equal(bucket_name(BUCKET_CONNECTION), "connection");
}

/* 200 messages in five seconds pass; of ten times as many only what is refilled meanwhile. */
static void who_behaves_never_notices(void **state) {
    (void)state;
    struct buckets *b = buckets_new(NULL);
    uint64_t retry_ms = 0;
    for (uint64_t i = 0; i < 400; i++) { /* 200 in 5 s, twice over */
        assert_true(take(b, BUCKET_USER, "calm", BUCKET_COST_UPDATE, i * 25, &retry_ms));
        /* and the pointer is moved all the while, as often as clients send it */
        assert_true(i % 2 ||
                    take(b, BUCKET_USER, "calm", BUCKET_COST_AWARENESS, i * 25, &retry_ms));
    }
    unsigned passed = 0;
    for (uint64_t ms = 0; ms < 5000; ms++) {
        for (unsigned i = 0; ms % 5 < 2 && i < 1; i++) {
            passed += take(b, BUCKET_USER, "flood", BUCKET_COST_UPDATE, ms, &retry_ms);
        }
    }
    assert_in_range(passed, 399, 401);
    buckets_free(b);
}

/* ---- a model: points that are refilled ---- */

struct model {
    uint64_t level; /* of `whole` */
    uint64_t whole;
    uint64_t last_ms;
    bool used;
};

static uint64_t seed;

static uint64_t random_u64(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void refill(struct model *m, uint64_t now_ms) {
    uint64_t passed_ms = now_ms - m->last_ms;
    m->last_ms = now_ms;
    m->level = passed_ms > m->whole / 1000000 || m->level + passed_ms * 1000000 > m->whole
                   ? m->whole
                   : m->level + passed_ms * 1000000;
}

enum { KEYS = 20 };

static void agree_with_the_model(uint64_t start_ms) {
    static const enum bucket_class classes[] = {BUCKET_USER, BUCKET_ROOM, BUCKET_JOIN, BUCKET_AUTH};
    static struct model models[4][KEYS];
    memset(models, 0, sizeof models);
    struct buckets *b = buckets_new(NULL);
    uint64_t now_ms = start_ms;
    unsigned refused = 0;
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t r = random_u64();
        now_ms += r % 4 ? 0 : r % 1000 == 0 ? random_u64() % 100000 : random_u64() % 50;
        unsigned c = (unsigned)(random_u64() % 4);
        size_t k = (size_t)(random_u64() % KEYS * (random_u64() % KEYS) / KEYS); /* some busier */
        unsigned cost = (unsigned)(random_u64() % (random_u64() % 100 ? 12 : 20000));
        struct bucket_limit limit = bucket_limit_get(b, classes[c]);
        struct model *m = &models[c][k];
        uint64_t quarter = 60000000000u / 4 / limit.per_minute;
        if (!m->used) {
            m->whole = quarter * 4 * limit.points;
            *m = (struct model){m->whole, m->whole, now_ms, true};
        }
        refill(m, now_ms);
        uint64_t price = cost * quarter < m->whole ? cost * quarter : m->whole;
        char key[20];
        int n = snprintf(key, sizeof key, "key %zu", k);
        uint64_t retry_ms = 0;
        if (random_u64() % 10 == 0) {
            bucket_give(b, classes[c], slice_of(key, (size_t)n), cost, now_ms);
            m->level = m->level + price > m->whole ? m->whole : m->level + price;
            continue;
        }
        bool want = m->level >= price;
        bool got = take(b, classes[c], key, cost, now_ms, &retry_ms);
        if (got != want || (!got && retry_ms != (price - m->level + 999999) / 1000000)) {
            fail_msg("step %u: the model says %d, the bucket %d and retry after %llu", i, want, got,
                     (unsigned long long)retry_ms);
        }
        m->level -= want ? price : 0;
        refused += !want;
    }
    assert_in_range(refused, 1000, 199000);
    buckets_free(b);
}

static void buckets_agree_with_a_simple_model(void **state) {
    (void)state;
    const char *given = getenv("SEED");
    seed = given ? strtoull(given, NULL, 10) : 88172645463325252u;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    agree_with_the_model(0);
    agree_with_the_model(1700000000000u);
}

static void time_may_wrap_around(void **state) {
    (void)state;
    seed = 4711;
    agree_with_the_model(UINT64_MAX - 500000);           /* milliseconds */
    agree_with_the_model(UINT64_MAX / 1000000 - 500000); /* nanoseconds inside */
}

static void time_may_stand_still_or_go_back(void **state) {
    (void)state;
    struct buckets *b = buckets_new(NULL);
    uint64_t retry_ms = 0;
    assert_int_equal(burst(b, BUCKET_USER, 4, 1000000, &retry_ms), 200);
    for (unsigned i = 0; i < 1000; i++) {
        assert_false(take(b, BUCKET_USER, "somebody", 4, 1000000, &retry_ms));
        assert_int_equal(retry_ms, 25);
    }
    /* Another worker's clock is a little behind: nothing more, and nearly the same answer. */
    assert_false(take(b, BUCKET_USER, "somebody", 4, 999990, &retry_ms));
    assert_in_range(retry_ms, 25, 35);
    /* A jump back by a quarter of an hour costs one bucket, not a quarter of an hour. */
    assert_false(take(b, BUCKET_USER, "somebody", 4, 100000, &retry_ms));
    assert_in_range(retry_ms, 25, 5000);
    assert_false(take(b, BUCKET_USER, "idle", 4000, 1000000, &retry_ms) &&
                 take(b, BUCKET_USER, "idle", 4, 100000, &retry_ms));
    buckets_free(b);
}

static void memory_is_bounded_and_comes_back(void **state) {
    (void)state;
    struct bucket_options o = {.keys_max = 1024};
    struct buckets *b = buckets_new(&o);
    uint64_t retry_ms = 0;
    char key[24];
    for (unsigned i = 0; i < 100000; i++) {
        assert_true(snprintf(key, sizeof key, "user %u", i) > 0);
        assert_true(take(b, BUCKET_USER, key, 4, 1000, &retry_ms)); /* nobody is turned away */
        assert_true(i % 1000 || buckets_count(b, BUCKET_USER) <= o.keys_max);
    }
    assert_in_range(buckets_count(b, BUCKET_USER), o.keys_max / 2, o.keys_max);
    assert_int_equal(buckets_count(b, BUCKET_JOIN), 0);
    /* All are full again: the few that come now push the many out. */
    for (unsigned i = 0; i < 2000; i++) {
        assert_true(snprintf(key, sizeof key, "late %u", i % 100) > 0);
        assert_true(take(b, BUCKET_USER, key, 4, 100000 + i * 100, &retry_ms));
    }
    assert_true(buckets_count(b, BUCKET_USER) < o.keys_max);
    /* Long keys do not take more than their share. */
    char *big = malloc(100000);
    assert_non_null(big);
    memset(big, 'x', 100000);
    assert_int_equal(bucket_take(b, BUCKET_JOIN, slice_of(big, 100000), 80, 0, &retry_ms), ERR_OK);
    assert_int_equal(bucket_take(b, BUCKET_JOIN, slice_of(big, CAPS_LABEL_BYTES), 4, 0, &retry_ms),
                     ERR_RATE);
    free(big);
    buckets_free(b);
}

/* Somebody who hammers on while a flood of strangers fills the table gets no fresh bucket by it. */
static void who_keeps_asking_is_not_forgotten(void **state) {
    (void)state;
    struct bucket_options o = {.keys_max = 256};
    struct buckets *b = buckets_new(&o);
    uint64_t retry_ms = 0;
    unsigned passed = 0;
    char key[24];
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t now_ms = i / 10; /* ten seconds in all */
        assert_true(snprintf(key, sizeof key, "stranger %u", i) > 0);
        assert_true(take(b, BUCKET_AUTH, key, 4, now_ms, &retry_ms));
        assert_true(i % 2 ||
                    (passed += take(b, BUCKET_AUTH, "abuser", 4, now_ms, &retry_ms)) <= 11);
    }
    assert_int_equal(passed, 11); /* ten, and one that was refilled */
    buckets_free(b);
}

static void counts_are_given_back(void **state) {
    (void)state;
    struct bucket_options o = {.limits = {[BUCKET_CONNECTION] = {.points = 3}}, .keys_max = 1};
    struct buckets *b = buckets_new(&o);
    slice a = slice_str("10.0.0.1");
    uint64_t retry_ms = 0;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 3; i++) {
            assert_true(take(b, BUCKET_CONNECTION, "10.0.0.1", BUCKET_COST_ONE, 0, &retry_ms));
        }
        assert_false(take(b, BUCKET_CONNECTION, "10.0.0.1", BUCKET_COST_ONE, 1u << 30, &retry_ms));
        assert_int_equal(retry_ms, CAPS_RETRY_MS);
        for (unsigned i = 0; i < 200; i++) { /* others neither are hindered nor push it out */
            char key[24];
            assert_true(snprintf(key, sizeof key, "10.0.1.%u", i) > 0);
            assert_true(take(b, BUCKET_CONNECTION, key, BUCKET_COST_ONE, 0, &retry_ms));
        }
        assert_int_equal(buckets_count(b, BUCKET_CONNECTION), 201);
        for (unsigned i = 0; i < 200; i++) {
            char key[24];
            assert_true(snprintf(key, sizeof key, "10.0.1.%u", i) > 0);
            bucket_give(b, BUCKET_CONNECTION, slice_str(key), BUCKET_COST_ONE, 0);
        }
        bucket_give(b, BUCKET_CONNECTION, a, BUCKET_COST_ONE, 0);
        assert_true(take(b, BUCKET_CONNECTION, "10.0.0.1", BUCKET_COST_ONE, 0, &retry_ms));
        for (unsigned i = 0; i < 3; i++) {
            bucket_give(b, BUCKET_CONNECTION, a, BUCKET_COST_ONE, 0);
        }
        assert_int_equal(buckets_count(b, BUCKET_CONNECTION), 0);
    }
    assert_int_equal(bucket_limit_get(b, BUCKET_CONNECTION).points, 3);
    assert_int_equal(bucket_limit_get(b, BUCKET_USER).per_minute, 2400);
    buckets_free(b);
}

static void addresses_become_keys(void **state) {
    (void)state;
    static const struct {
        const char *host;
        const char *key;
    } rows[] = {
        {"127.0.0.1", "127.0.0.1"},
        {"255.255.255.255", "255.255.255.255"},
        {"::1", "::"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
        {"2001:db8:1:2:ffff::1", "2001:db8:1:2::"},
        {"2001:db8:1:3::1", "2001:db8:1:3::"},
        {"::ffff:10.1.2.3", "10.1.2.3"},
        {"?", "?"},
        {"", ""},
        {"a name that is longer than any address in numbers is", "a name that is longer than any "
                                                                 "address in numbe"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char key[BUCKET_ADDRESS_BYTES];
        slice s = bucket_address(rows[i].host, key);
        if (!slice_is(s, rows[i].key)) {
            fail_msg("%s became %.*s", rows[i].host, SLICE_FMT(s));
        }
    }
}

/* ---- threads ---- */

enum { THREADS = 4 };

struct taker {
    struct buckets *b;
    unsigned index;
    unsigned rounds;
    bool own_keys;
    bool counts; /* takes and returns counts as well */
    unsigned passed;
    uint64_t cpu_ns;
};

static uint64_t thread_cpu_ns(void) {
    struct timespec t = {0};
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

enum { TAKER_KEYS = 500 };

static void *take_much(void *ctx) {
    struct taker *t = ctx;
    uint64_t retry_ms = 0;
    char keys[TAKER_KEYS][24];
    for (unsigned i = 0; i < TAKER_KEYS; i++) {
        assert_true(t->own_keys ? snprintf(keys[i], sizeof keys[i], "own key %u %u", t->index, i)
                                : snprintf(keys[i], sizeof keys[i], "the key of all"));
    }
    uint64_t from_ns = thread_cpu_ns();
    for (unsigned i = 0; i < t->rounds; i++) {
        slice k = slice_str(keys[i % TAKER_KEYS]);
        t->passed += bucket_take(t->b, BUCKET_USER, k, 4, 1000, &retry_ms) == ERR_OK;
        if (t->counts && bucket_take(t->b, BUCKET_CONNECTION, k, 4, 1000, &retry_ms) == ERR_OK) {
            bucket_give(t->b, BUCKET_CONNECTION, k, 4, 1000);
        }
    }
    t->cpu_ns = thread_cpu_ns() - from_ns;
    return NULL;
}

/* Returns how many passed; *ret_cpu_ns is what all threads took together. */
static unsigned run_takers(struct buckets *const b[THREADS], struct taker like, unsigned threads,
                           uint64_t *ret_cpu_ns) {
    struct taker takers[THREADS];
    pthread_t ids[THREADS];
    unsigned passed = 0;
    *ret_cpu_ns = 0;
    for (unsigned i = 0; i < threads; i++) {
        takers[i] = like;
        takers[i].b = b[i];
        takers[i].index = i;
        assert_int_equal(pthread_create(&ids[i], NULL, take_much, &takers[i]), 0);
    }
    for (unsigned i = 0; i < threads; i++) {
        assert_int_equal(pthread_join(ids[i], NULL), 0);
        passed += takers[i].passed;
        *ret_cpu_ns += takers[i].cpu_ns;
    }
    return passed;
}

static void threads_share_one_bucket(void **state) {
    (void)state;
    struct buckets *b = buckets_new(NULL);
    struct buckets *all[THREADS] = {b, b, b, b};
    struct taker like = {.rounds = 1000, .counts = true};
    uint64_t cpu_ns = 0;
    assert_int_equal(run_takers(all, like, THREADS, &cpu_ns), 200);
    like.own_keys = true;
    assert_int_equal(run_takers(all, like, THREADS, &cpu_ns), THREADS * 1000);
    assert_int_equal(buckets_count(b, BUCKET_CONNECTION), 0);
    buckets_free(b);
}

/* For people to look at: what it costs that workers share a table. */
static void what_sharing_costs(void **state) {
    (void)state;
    static const struct {
        const char *name;
        unsigned threads;
        bool shared;
        bool own_keys;
    } rows[] = {
        {"one thread, a table of its own", 1, false, true},
        {"two threads, a table each", 2, false, true},
        {"two threads, one table, users of their own", 2, true, true},
        {"two threads, one table, one user", 2, true, false},
        {"four threads, a table each", 4, false, true},
        {"four threads, one table, users of their own", 4, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buckets *b[THREADS] = {0};
        for (unsigned k = 0; k < THREADS; k++) {
            b[k] = k && rows[i].shared ? b[0] : buckets_new(NULL);
        }
        struct taker like = {.rounds = 100000, .own_keys = rows[i].own_keys};
        uint64_t cpu_ns = 0;
        (void)run_takers(b, like, rows[i].threads, &cpu_ns);
        print_message("%-44s %4llu ns of CPU per take\n", rows[i].name,
                      (unsigned long long)(cpu_ns / rows[i].threads / like.rounds));
        for (unsigned k = 0; k < THREADS; k++) {
            buckets_free(k && rows[i].shared ? NULL : b[k]);
        }
    }
}

/* ---- several nodes ---- */

struct asked {
    unsigned count;
    struct bucket_lease last;
};

static void note_lease(void *ctx, const struct bucket_lease *l) {
    struct asked *a = ctx;
    a->count++;
    a->last = *l;
}

static struct buckets *leasing_buckets(struct asked *a, unsigned nodes, bool leasing) {
    struct bucket_options o = {.lease = note_lease, .lease_ctx = a};
    struct buckets *b = buckets_new(&o);
    buckets_nodes(b, nodes, leasing);
    return b;
}

static void grant(struct buckets *b, unsigned owed, unsigned granted, uint64_t wait_ms,
                  uint64_t now_ms) {
    bucket_leased(b, BUCKET_USER, slice_str("somebody"), owed, granted, wait_ms, now_ms);
}

static void a_burst_passes_on_credit_and_asks_once(void **state) {
    (void)state;
    struct asked a = {0};
    struct buckets *b = leasing_buckets(&a, 2, true);
    uint64_t retry = 0;
    assert_int_equal(burst(b, BUCKET_USER, BUCKET_COST_UPDATE, 5000, &retry), 200 / 4);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.last.owed, BUCKET_COST_UPDATE);
    assert_int_equal(a.last.nodes, 2);
    assert_int_equal(a.last.want, 200 * 4 / 8);
    assert_true(retry > 0);
    buckets_free(b);
}

static void a_slice_is_spent_and_the_next_one_asked_for_in_time(void **state) {
    (void)state;
    struct asked a = {0};
    struct buckets *b = leasing_buckets(&a, 2, true);
    uint64_t retry = 0;
    assert_true(take(b, BUCKET_USER, "somebody", BUCKET_COST_UPDATE, 5000, &retry));
    grant(b, a.last.owed, 100, 0, 5001); /* 25 updates, and nothing is owed any more */
    for (unsigned i = 0; i < 12; i++) {
        assert_true(take(b, BUCKET_USER, "somebody", BUCKET_COST_UPDATE, 5001, &retry));
    }
    assert_int_equal(a.count, 1);
    assert_true(take(b, BUCKET_USER, "somebody", BUCKET_COST_UPDATE, 5001, &retry));
    assert_int_equal(a.count, 2); /* half of it is gone */
    assert_int_equal(a.last.owed, 0);
    buckets_free(b);
}

static void who_is_told_to_wait_is_refused_until_then(void **state) {
    (void)state;
    struct asked a = {0};
    struct buckets *b = leasing_buckets(&a, 3, true);
    uint64_t retry = 0;
    assert_true(take(b, BUCKET_USER, "somebody", BUCKET_COST_UPDATE, 5000, &retry));
    grant(b, a.last.owed, 0, 70, 5010);
    assert_false(take(b, BUCKET_USER, "somebody", BUCKET_COST_UPDATE, 5020, &retry));
    assert_int_equal(retry, 60);
    assert_true(take(b, BUCKET_USER, "somebody else", BUCKET_COST_UPDATE, 5020, &retry));
    assert_true(take(b, BUCKET_USER, "somebody", BUCKET_COST_UPDATE, 5080, &retry));
    assert_false(take(b, BUCKET_USER, "somebody", BUCKET_COST_UPDATE, 5080, &retry));
    buckets_free(b);
}

static void without_slices_each_node_lets_its_share_pass(void **state) {
    (void)state;
    struct asked a = {0};
    struct buckets *b = leasing_buckets(&a, 4, false);
    uint64_t retry = 0;
    assert_int_equal(burst(b, BUCKET_USER, BUCKET_COST_UPDATE, 5000, &retry), 200 / 4);
    assert_int_equal(retry, 100);
    assert_int_equal(burst(b, BUCKET_AUTH, BUCKET_COST_ONE, 5000, &retry), 10); /* not shared */
    assert_int_equal(a.count, 0);
    buckets_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_passes_on_credit_and_asks_once),
        cmocka_unit_test(a_slice_is_spent_and_the_next_one_asked_for_in_time),
        cmocka_unit_test(who_is_told_to_wait_is_refused_until_then),
        cmocka_unit_test(without_slices_each_node_lets_its_share_pass),
        cmocka_unit_test(the_table_says_what_passes),
        cmocka_unit_test(who_behaves_never_notices),
        cmocka_unit_test(buckets_agree_with_a_simple_model),
        cmocka_unit_test(time_may_wrap_around),
        cmocka_unit_test(time_may_stand_still_or_go_back),
        cmocka_unit_test(memory_is_bounded_and_comes_back),
        cmocka_unit_test(who_keeps_asking_is_not_forgotten),
        cmocka_unit_test(counts_are_given_back),
        cmocka_unit_test(addresses_become_keys),
        cmocka_unit_test(threads_share_one_bucket),
        cmocka_unit_test(what_sharing_costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
