/* The index of a client with many structs: cut at random places and merged again, in whatever
 * order, it finds everything, and ends as small as it began. */
#include "testing.h"

#define SEED 20240917u

enum { TEXT = 20000 };

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void put_uint(uint8_t *p, size_t *n, uint32_t x) {
    while (x > 0x7f) {
        p[(*n)++] = (uint8_t)(x | 0x80);
        x >>= 7;
    }
    p[(*n)++] = (uint8_t)x;
}

/* Client 1 writes a long text at once. */
static struct yata_doc *long_text(const struct yata_options *options) {
    static uint8_t u[TEXT + 32] = {1, 1, 1, 0, 4, 1, 1, 't'};
    size_t n = 8;
    put_uint(u, &n, TEXT);
    memset(u + n, 'x', TEXT);
    n += TEXT;
    u[n++] = 0;
    struct yata_doc *doc = yata_doc_new(options);
    assert_int_equal(yata_apply(doc, u, n, NULL, NULL), YATA_OK);
    return doc;
}

static void delete_range(struct yata_doc *doc, uint32_t clock, uint32_t len) {
    uint8_t u[16] = {0, 1, 1, 1};
    size_t n = 4;
    put_uint(u, &n, clock);
    put_uint(u, &n, len);
    assert_int_equal(yata_apply(doc, u, n, NULL, NULL), YATA_OK);
}

/* The deleted ranges that the document says are those of the model. */
static void assert_deleted(struct yata_doc *doc, const bool *gone) {
    struct yata_snapshot s = {0};
    assert_int_equal(yata_snapshot_take(doc, &s), YATA_OK);
    size_t at = 0;
    for (uint32_t i = 0; i < TEXT;) {
        if (!gone[i]) {
            i++;
            continue;
        }
        uint32_t end = i;
        while (end < TEXT && gone[end]) {
            end++;
        }
        assert_true(at < s.deletion_count);
        assert_int_equal(s.deletions[at].from, i);
        assert_int_equal(s.deletions[at].to, end);
        at++;
        i = end;
    }
    assert_int_equal(at, s.deletion_count);
    yata_snapshot_fini(&s);
}

static void cut_everywhere_and_merged_again(void **state) {
    (void)state;
    static bool gone[TEXT];
    uint32_t rnd = SEED;
    print_message("seed %u\n", SEED);
    /* How the places are chosen decides which leaves are full and which have room. */
    for (int order = 0; order < 4; order++) {
        struct yata_doc *doc = long_text(NULL);
        struct yata_stats stats;
        memset(gone, 0, sizeof gone);
        for (uint32_t i = 0; i < TEXT / 4; i++) {
            uint32_t clock = order == 0   ? next_random(&rnd) % TEXT
                             : order == 1 ? 2 * i
                             : order == 2 ? TEXT - 1 - 2 * i
                                          : (i * 2 + (i % 7) * 900) % TEXT;
            delete_range(doc, clock, 1);
            gone[clock] = true;
        }
        assert_deleted(doc, gone);
        yata_stats(doc, &stats);
        assert_true(stats.structs > TEXT / 10);
        for (uint32_t i = 0; i < TEXT; i += 250) { /* and in longer parts, from both ends */
            uint32_t clock = i / 250 % 2 == 0 ? i / 2 : TEXT - i / 2 - 250;
            delete_range(doc, clock, 250);
            memset(gone + clock, true, 250);
        }
        assert_deleted(doc, gone);
        delete_range(doc, 0, TEXT);
        yata_stats(doc, &stats);
        assert_int_equal(stats.structs, 1);
        assert_state(doc, "010101000101017"
                          "4a09c01"
                          "01010100a09c01");
        yata_doc_free(doc);
    }
}

/* Insertions of others cut as well, and nothing of that is ever merged. */
static void others_write_into_it(void **state) {
    (void)state;
    struct yata_options keep = {.no_gc = true};
    struct yata_doc *doc = long_text(&keep);
    uint32_t rnd = SEED;
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t clock = i % 3 == 0 ? 5000 + i : next_random(&rnd) % (TEXT - 1);
        uint8_t u[32] = {1, 1, 2};
        size_t n = 3;
        put_uint(u, &n, i);
        u[n++] = 0xc4;
        u[n++] = 1;
        put_uint(u, &n, clock);
        u[n++] = 1;
        put_uint(u, &n, clock + 1);
        u[n++] = 1;
        u[n++] = 'y';
        u[n++] = 0;
        assert_int_equal(yata_apply(doc, u, n, NULL, NULL), YATA_OK);
    }
    struct yata_bytes first = {0}, second = {0};
    struct yata_doc *again = yata_doc_new(&keep);
    assert_int_equal(yata_encode_state(doc, NULL, 0, &first), YATA_OK);
    assert_int_equal(yata_apply(again, first.p, first.n, NULL, NULL), YATA_OK);
    assert_int_equal(yata_encode_state(again, NULL, 0, &second), YATA_OK);
    assert_int_equal(first.n, second.n);
    assert_memory_equal(first.p, second.p, first.n);
    yata_bytes_fini(&first);
    yata_bytes_fini(&second);
    yata_doc_free(again);
    yata_doc_free(doc);
}

/* While it is stingy, gives no memory to leaves of the index that are not of full size, nor to
 * whatever else happens to ask for as much. */
static void *stingy_realloc(void *ctx, void *p, size_t n) {
    const bool *stingy = ctx;
    if (n == 0) {
        free(p);
        return NULL;
    }
    return *stingy && n < 1024 && n % 64 == 0 ? NULL : realloc(p, n);
}

static void assert_same_state(struct yata_doc *a, struct yata_doc *b) {
    struct yata_bytes x = {0}, y = {0};
    assert_int_equal(yata_encode_state(a, NULL, 0, &x), YATA_OK);
    assert_int_equal(yata_encode_state(b, NULL, 0, &y), YATA_OK);
    assert_int_equal(x.n, y.n);
    assert_memory_equal(x.p, y.p, x.n);
    yata_bytes_fini(&x);
    yata_bytes_fini(&y);
}

/* Where leaves cannot grow, or be parted into smaller ones, the spare ones suffice: also when many
 * cuts come at once, and all in one place. */
static void goes_on_with_spare_leaves(void **state) {
    (void)state;
    bool stingy = false;
    struct yata_options options = {.realloc_fn = stingy_realloc, .alloc_ctx = &stingy};
    struct yata_doc *doc = long_text(NULL), *tight = long_text(&options);
    size_t refused = 0;
    for (uint32_t i = 0; i < 400; i++) {
        uint8_t u[2048] = {0, 1, 1};
        size_t n = 3;
        uint32_t count = i % 20 == 0 ? 200 : 3;
        put_uint(u, &n, count);
        for (uint32_t k = 0, at = i % 2 == 0 ? i * 40 : TEXT - i * 40; k < count; k++, at += 2) {
            put_uint(u, &n, at % TEXT);
            put_uint(u, &n, 1);
        }
        assert_int_equal(yata_apply(doc, u, n, NULL, NULL), YATA_OK);
        stingy = true;
        enum yata_status status = yata_apply(tight, u, n, NULL, NULL);
        stingy = false;
        if (status == YATA_NOMEM) { /* before anything was done */
            refused++;
            status = yata_apply(tight, u, n, NULL, NULL);
        }
        assert_int_equal(status, YATA_OK);
    }
    assert_true(refused < 40);
    assert_same_state(doc, tight);
    yata_doc_free(doc);
    yata_doc_free(tight);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_everywhere_and_merged_again),
        cmocka_unit_test(others_write_into_it),
        cmocka_unit_test(goes_on_with_spare_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
