/* What waits is left alone by what has nothing to do with it, goes in when what it misses has come,
 * and is neither lost nor kept twice, also where memory runs out. */
#include "testing.h"

/* ---- updates of text that client after client types ------------------------------------------ */

#define A 1
#define B 2
#define C 3

struct update {
    uint8_t p[1024];
    size_t n;
};

static void put(struct update *u, size_t x) {
    for (; x > 127; x >>= 7) {
        u->p[u->n++] = (uint8_t)(x | 128);
    }
    u->p[u->n++] = (uint8_t)x;
}

/* `count` letters of a client from a clock on, each in a struct. */
static struct update section(size_t client, size_t clock, size_t count) {
    struct update u = {0};
    put(&u, 1);
    put(&u, count);
    put(&u, client);
    put(&u, clock);
    return u;
}

/* A letter behind another one; behind nobody's it is the first one of the text. */
static void letter(struct update *u, size_t client, size_t clock) {
    u->p[u->n++] = client == 0 ? 4 : 0x84;
    if (client == 0) {
        memcpy(u->p + u->n, "\x01\x01t", 3);
        u->n += 3;
    } else {
        put(u, client);
        put(u, clock);
    }
    put(u, 1);
    u->p[u->n++] = 'x';
}

static enum yata_status apply(struct yata_doc *doc, struct update u) {
    put(&u, 0);
    return yata_apply(doc, u.p, u.n, NULL, NULL);
}

static size_t pending_bytes(const struct yata_doc *doc) {
    struct yata_stats stats;
    yata_stats(doc, &stats);
    return stats.pending_bytes;
}

/* ---- work ------------------------------------------------------------------------------------ */

/* Memory asked for while client A writes twenty letters, each of which frees one, and one more
 * comes to wait each time; while so many others wait, of one client or of as many. */
static size_t work_of_freeing(size_t waiting, bool strict, bool one) {
    size_t asked = 0;
    struct yata_options options = {
        .strict = strict, .realloc_fn = count_realloc, .alloc_ctx = &asked};
    struct yata_doc *doc = yata_doc_new(&options);
    const size_t first = 1000000, free_each = 20, more = 30; /* ids and clocks of three bytes */
    for (size_t i = 0; i < waiting + more; i++) {
        asked = i == waiting ? 0 : asked;
        struct update b = one ? section(first, i, 1) : section(first + i, 0, 1);
        letter(&b, A, i);
        assert_int_equal(apply(doc, b), YATA_OK);
        if (i >= waiting && i < waiting + free_each) {
            struct update a = section(A, i - waiting, 1);
            letter(&a, i == waiting ? 0 : A, i - waiting - (i > waiting));
            size_t before = pending_bytes(doc);
            assert_int_equal(apply(doc, a), YATA_OK);
            assert_true(pending_bytes(doc) < before);
        }
    }
    yata_doc_free(doc);
    return asked;
}

/* However much waits, the lists aside, which grow a little: to free one costs the same. */
static void to_free_one_of_many_costs_one(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        size_t few = work_of_freeing(200, i % 2 == 0, i < 2);
        size_t many = work_of_freeing(5000, i % 2 == 0, i < 2);
        assert_true(many < few + 5000 * (4 * sizeof(void *)));
    }
}

/* ---- nothing is lost ------------------------------------------------------------------------- */

/* B types behind A's letters, one behind each, in one update and in pieces that overlap; C behind
 * B's. Then come A's letters. */
static enum yata_status step(struct yata_doc *doc, size_t i) {
    static const struct {
        size_t clock, count;
    } of_b[] = {{20, 20}, {0, 5}, {3, 30}, {38, 4}, {36, 6}, {3, 1}, {42, 2}};
    const size_t pieces = sizeof of_b / sizeof *of_b;
    struct update u;
    if (i < pieces) {
        u = section(B, of_b[i].clock, of_b[i].count);
        for (size_t k = 0; k < of_b[i].count; k++) {
            letter(&u, A, of_b[i].clock + k);
        }
    } else if (i < pieces + 4) {
        u = section(C, i - pieces, 1);
        letter(&u, B, 10 * (i - pieces + 1));
    } else {
        u = section(A, (i - pieces - 4) * 11, 11);
        for (size_t k = 0; k < 11; k++) {
            size_t clock = (i - pieces - 4) * 11 + k;
            letter(&u, clock == 0 ? 0 : A, clock == 0 ? 0 : clock - 1);
        }
    }
    return apply(doc, u);
}

#define STEPS 15

static struct yata_bytes state_of(struct yata_doc *doc) {
    struct yata_bytes state = {0};
    assert_int_equal(yata_encode_state(doc, NULL, 0, &state), YATA_OK);
    return state;
}

static void assert_same(struct yata_bytes *a, struct yata_bytes *b) {
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->p, b->p, a->n);
    yata_bytes_fini(b);
}

/* What waits is kept once, and handed on: another document that reads it waits for the same. */
static void what_comes_again_is_kept_once(void **state) {
    (void)state;
    for (int strict = 0; strict < 2; strict++) {
        struct yata_options options = {.strict = strict != 0};
        struct yata_doc *doc = yata_doc_new(&options), *other = yata_doc_new(&options);
        for (size_t i = 0; i < 11; i++) {
            assert_int_equal(step(doc, i), YATA_OK);
        }
        size_t bytes = pending_bytes(doc);
        const size_t letters = 48, bare = 5, alone = 16; /* bytes in a run, by itself */
        const size_t more_pieces = 88;                   /* headers of runs that were cut */
        assert_true(bytes > letters * bare && bytes < letters * alone);
        struct yata_bytes waiting = state_of(doc);
        for (size_t i = 0; i < 11; i++) {
            assert_int_equal(step(doc, i), YATA_OK);
        }
        assert_true(pending_bytes(doc) <= bytes + more_pieces);
        struct yata_bytes again = state_of(doc);
        assert_same(&waiting, &again);
        assert_int_equal(yata_apply(other, waiting.p, waiting.n, NULL, NULL), YATA_OK);
        for (size_t i = 11; i < STEPS; i++) {
            assert_int_equal(step(doc, i), YATA_OK);
            assert_int_equal(step(other, i), YATA_OK);
        }
        assert_int_equal(pending_bytes(doc), 0);
        struct yata_bytes a = state_of(doc), b = state_of(other);
        assert_same(&a, &b);
        yata_bytes_fini(&a);
        yata_bytes_fini(&waiting);
        yata_doc_free(doc);
        yata_doc_free(other);
    }
}

/* Letters of many clients that stand between two others: the first of these wakes them all, and has
 * to file them all by the second, which sets them free. */
static void many_may_wait_for_one_and_then_another(void **state) {
    (void)state;
    enum { MANY = 12000 };
    for (int strict = 0; strict < 2; strict++) {
        struct yata_options options = {.strict = strict != 0};
        struct yata_doc *doc = yata_doc_new(&options);
        for (size_t i = 0; i < MANY; i++) {
            struct update u = section(1000 + i, 0, 1);
            u.p[u.n++] = 0xc4;
            put(&u, A);
            put(&u, 0);
            put(&u, B);
            put(&u, 0);
            memcpy(u.p + u.n, "\x01x", 2);
            u.n += 2;
            assert_int_equal(apply(doc, u), YATA_OK);
        }
        size_t bytes = pending_bytes(doc);
        struct update a = section(A, 0, 1), b = section(B, 0, 1);
        letter(&a, 0, 0);
        assert_int_equal(apply(doc, a), YATA_OK);
        assert_int_equal(pending_bytes(doc), bytes);
        letter(&b, A, 0);
        assert_int_equal(apply(doc, b), YATA_OK);
        assert_int_equal(pending_bytes(doc), 0);
        struct yata_stats stats;
        yata_stats(doc, &stats);
        assert_int_equal(stats.clients, MANY + 2);
        yata_doc_free(doc);
    }
}

/* What an earlier update still waits for is no matter of the one that freed a part of it. */
static void the_rest_of_another_is_not_told_as_ones_own(void **state) {
    (void)state;
    for (int strict = 0; strict < 2; strict++) {
        struct yata_options options = {.strict = strict != 0};
        struct yata_doc *doc = yata_doc_new(&options);
        struct update u = section(B, 0, 3);
        for (size_t k = 0; k < 3; k++) {
            letter(&u, A, k);
        }
        assert_int_equal(apply(doc, u), YATA_OK);
        struct update a = section(A, 0, 1);
        letter(&a, 0, 0);
        put(&a, 0);
        struct yata_applied applied;
        assert_int_equal(yata_apply(doc, a.p, a.n, &applied, NULL), YATA_OK);
        assert_true(applied.freed && applied.changed && !applied.pending && !applied.whole);
        assert_true(pending_bytes(doc) > 0);
        yata_doc_free(doc);
    }
}

/* One allocation fails: the update changes nothing, and goes in the next time. */
static bool tell(size_t fail_at, bool strict, struct yata_bytes *expected) {
    struct failing f = {.left = fail_at};
    struct yata_options options = {
        .strict = strict, .realloc_fn = failing_realloc, .alloc_ctx = &f};
    struct yata_doc *doc = yata_doc_new(&options);
    for (size_t i = 0; doc && i < STEPS; i++) {
        struct yata_bytes before = state_of(doc);
        enum yata_status status = step(doc, i);
        if (status == YATA_NOMEM) {
            struct yata_bytes after = state_of(doc);
            assert_same(&before, &after);
            status = step(doc, i);
        }
        assert_int_equal(status, YATA_OK);
        yata_bytes_fini(&before);
    }
    if (doc) {
        struct yata_bytes got = state_of(doc);
        assert_same(expected, &got);
        assert_int_equal(pending_bytes(doc), 0);
    }
    yata_doc_free(doc);
    assert_int_equal(f.blocks, 0);
    return f.failed;
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    struct yata_doc *doc = yata_doc_new(NULL);
    for (size_t i = STEPS; i-- > 0;) { /* A's first: nothing waits, but for a gap */
        assert_int_equal(step(doc, i), YATA_OK);
    }
    struct yata_bytes expected = state_of(doc);
    yata_doc_free(doc);
    for (int strict = 0; strict < 2; strict++) {
        size_t n = 1;
        while (tell(n, strict != 0, &expected)) {
            n++;
        }
        assert_true(n > 100);
    }
    yata_bytes_fini(&expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_free_one_of_many_costs_one),
        cmocka_unit_test(what_comes_again_is_kept_once),
        cmocka_unit_test(many_may_wait_for_one_and_then_another),
        cmocka_unit_test(the_rest_of_another_is_not_told_as_ones_own),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
