/* The index of a client with many structs: cut at random places and merged again, in whatever
 * order, it finds everything, and ends as small as it began. */
#include "testing.h"

#define SEED 20240917u

/* Texts, and how often each is cut. A leaf of the index spans 65,535 clocks at most: of the longer
 * ones several are needed for that alone, and with few cuts most leaves hold next to nothing. */
enum { TEXT_MOST = 5000000 };

static const struct text {
    uint32_t units, cuts;
    const char *gone; /* the state when all is deleted */
} texts[] = {
    {20000, 5000, "0101010001010174a09c0101010100a09c01"},
    {300000, 75000, "0101010001010174e0a71201010100e0a712"},
    {TEXT_MOST, 2000, "0101010001010174c096b10201010100c096b102"},
};

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
static struct yata_doc *long_text(uint32_t units, const struct yata_options *options) {
    static uint8_t u[TEXT_MOST + 32] = {1, 1, 1, 0, 4, 1, 1, 't'};
    size_t n = 8;
    put_uint(u, &n, units);
    memset(u + n, 'x', units);
    n += units;
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
static void assert_deleted(struct yata_doc *doc, const bool *gone, uint32_t units) {
    struct yata_snapshot s = {0};
    assert_int_equal(yata_snapshot_take(doc, &s), YATA_OK);
    size_t at = 0;
    for (uint32_t i = 0; i < units;) {
        if (!gone[i]) {
            i++;
            continue;
        }
        uint32_t end = i;
        while (end < units && gone[end]) {
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

static void cut_and_merge(const struct text *t, uint32_t order) {
    static bool gone[TEXT_MOST];
    uint32_t rnd = SEED, step = t->units / t->cuts / 2;
    struct yata_doc *doc = long_text(t->units, NULL);
    struct yata_stats stats;
    memset(gone, 0, sizeof gone);
    for (uint32_t i = 0; i < t->cuts; i++) {
        uint32_t clock = order == 0   ? next_random(&rnd) % t->units
                         : order == 1 ? step * i
                         : order == 2 ? t->units - 1 - step * i
                                      : (i * step + (i % 7) * 900) % t->units;
        delete_range(doc, clock, 1);
        gone[clock] = true;
    }
    assert_deleted(doc, gone, t->units);
    yata_stats(doc, &stats);
    assert_true(stats.structs > t->cuts / 3);
    uint32_t part = t->units / 80;
    for (uint32_t i = 0; i < t->units; i += part) { /* and in longer parts, from both ends */
        uint32_t clock = i / part % 2 == 0 ? i / 2 : t->units - i / 2 - part;
        delete_range(doc, clock, part);
        memset(gone + clock, true, part);
    }
    assert_deleted(doc, gone, t->units);
    delete_range(doc, 0, t->units);
    yata_stats(doc, &stats);
    assert_int_equal(stats.structs, 1);
    assert_state(doc, t->gone);
    yata_doc_free(doc);
}

static void cut_everywhere_and_merged_again(void **state) {
    (void)state;
    print_message("seed %u\n", SEED);
    /* How the places are chosen decides which leaves are full and which have room. */
    for (uint32_t i = 0; i < 4 * sizeof texts / sizeof *texts; i++) {
        cut_and_merge(&texts[i / 4], i % 4);
    }
}

/* Insertions of others cut as well, and nothing of that is ever merged. */
static void others_write_into(uint32_t units) {
    struct yata_options keep = {.no_gc = true};
    struct yata_doc *doc = long_text(units, &keep);
    uint32_t rnd = SEED;
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t clock = i % 3 == 0 ? 5000 + i : next_random(&rnd) % (units - 1);
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

static void others_write_into_it(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        others_write_into(texts[i].units);
    }
}

/* While it is stingy, gives no memory to leaves of the index that are not of full size, nor to
 * whatever else happens to ask for as much. */
static void *stingy_realloc(void *ctx, void *p, size_t n) {
    const bool *stingy = ctx;
    if (n == 0) {
        free(p);
        return NULL;
    }
    return *stingy && n < 768 && n % 48 == 0 ? NULL : realloc(p, n);
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
static void with_spare_leaves(uint32_t units, uint32_t step) {
    bool stingy = false;
    struct yata_options options = {.realloc_fn = stingy_realloc, .alloc_ctx = &stingy};
    struct yata_doc *doc = long_text(units, NULL), *tight = long_text(units, &options);
    size_t refused = 0;
    for (uint32_t i = 0; i < 400; i++) {
        uint8_t u[2048] = {0, 1, 1};
        size_t n = 3;
        uint32_t count = i % 20 == 0 ? 200 : 3;
        put_uint(u, &n, count);
        for (uint32_t k = 0, at = i % 2 == 0 ? i * 40 : units - i * 40; k < count;
             k++, at += step) {
            put_uint(u, &n, at % units);
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

static void goes_on_with_spare_leaves(void **state) {
    (void)state;
    with_spare_leaves(20000, 2);
    with_spare_leaves(300000, 1000);
    with_spare_leaves(TEXT_MOST, 20000);
    with_spare_leaves(TEXT_MOST, TEXT_MOST - 20000); /* each before the last one */
}

/* Words typed all over a text leave two structs each. These take, with all that finds them and what
 * they say, what docs/yata.md promises: also words of two bytes a letter, which have a record for
 * their length. */
static void structs_are_small(void **state) {
    (void)state;
    static const struct {
        const char *word;
        size_t most; /* bytes a struct */
    } kinds[] = {{"hello ", 64}, {"\u043f\u0440\u0438\u0432\u0435\u0442", 80}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct yata_options options = {.client = 7};
        struct yata_doc *doc = yata_doc_new(&options);
        struct yata_type text;
        uint32_t rnd = SEED;
        assert_int_equal(yata_root(doc, "t", 1, &text), YATA_OK);
        for (uint32_t n = 0; n < 20000; n++) {
            assert_int_equal(yata_text_insert(doc, text, next_random(&rnd) % (6 * n + 1),
                                              kinds[i].word, strlen(kinds[i].word), NULL),
                             YATA_OK);
        }
        struct yata_stats stats;
        yata_stats(doc, &stats);
        assert_true(stats.structs > 30000);
        print_message("%.1f bytes a struct\n", (double)stats.memory_bytes / stats.structs);
        assert_true(stats.memory_bytes <= kinds[i].most * stats.structs);
        yata_doc_free(doc);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_everywhere_and_merged_again),
        cmocka_unit_test(others_write_into_it),
        cmocka_unit_test(goes_on_with_spare_leaves),
        cmocka_unit_test(structs_are_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
