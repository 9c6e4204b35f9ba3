/* yata_nomem_test.c: memory may run out at any allocation.
 *
 * Promised: the call says YATA_NOMEM and nothing has changed; the same call succeeds once there is
 * memory again, with the same result as if nothing had happened; and a document gives back all that
 * it took. Proof: every scene is played with the first, the second, the third... allocation
 * failing, until one play needs no more allocations than are granted.
 */
#include "yata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* More allocations than any scene makes. */
enum { PLAYS_MAX = 20000 };

static const uint8_t base[] = {
#include "yata_base.inc"
};

/* An allocator that counts and, once the granted allocations are used up, refuses. */
struct purse {
    size_t granted;
    size_t refused;
    size_t live_bytes;
};

union block {
    size_t n;
    max_align_t align;
};

static void *purse_realloc(void *ctx, void *p, size_t n) {
    struct purse *purse = ctx;
    union block *old = p ? (union block *)p - 1 : NULL;
    if (n == 0) {
        purse->live_bytes -= old ? old->n : 0;
        free(old);
        return NULL;
    }
    if (purse->granted == 0) {
        purse->refused++;
        return NULL;
    }
    purse->granted--;
    size_t old_n = old ? old->n : 0;
    union block *grown = realloc(old, sizeof(union block) + n);
    assert_non_null(grown);
    grown->n = n;
    purse->live_bytes += n - old_n;
    return grown + 1;
}

static struct yata_doc *doc_new(struct purse *purse) {
    struct yata_options options = {.realloc_fn = purse_realloc, .alloc_ctx = purse};
    return yata_doc_new(&options);
}

static struct yata_bytes state_of(struct yata_doc *doc) {
    struct yata_bytes state = {0};
    assert_int_equal(yata_encode_state(doc, NULL, 0, &state), YATA_OK);
    return state;
}

static void assert_state(struct yata_doc *doc, struct yata_bytes expected) {
    struct yata_bytes state = state_of(doc);
    assert_int_equal(state.n, expected.n);
    assert_memory_equal(state.p, expected.p, expected.n);
    yata_bytes_fini(&state);
}

static const size_t plenty = SIZE_MAX;

struct scene {
    const uint8_t *before; /* applied with plenty of memory */
    size_t before_bytes;
    const uint8_t *update; /* applied with little */
    size_t update_bytes;
    bool transaction;
};

/* Plays a scene with `granted` allocations. Returns whether they were enough. */
static bool play(const struct scene *scene, size_t granted) {
    struct purse purse = {.granted = plenty};
    struct yata_doc *doc = doc_new(&purse);
    assert_non_null(doc);
    if (scene->before) {
        assert_int_equal(yata_apply(doc, scene->before, scene->before_bytes, NULL, NULL), YATA_OK);
    }
    struct yata_bytes before = state_of(doc);

    purse.granted = granted;
    if (scene->transaction) {
        yata_begin(doc);
    }
    struct yata_error why = {0};
    enum yata_status status = yata_apply(doc, scene->update, scene->update_bytes, NULL, &why);
    struct yata_bytes told = {0};
    if (scene->transaction) {
        enum yata_status committed = yata_commit(doc, &told);
        assert_true(committed == YATA_OK || committed == YATA_NOMEM);
    }
    bool enough = purse.refused == 0;
    purse.granted = plenty;
    if (status == YATA_OK) {
        assert_true(enough || scene->transaction || purse.refused > 0);
    } else {
        assert_int_equal(status, YATA_NOMEM);
        assert_false(enough);
        assert_true(why.what[0] != 0);
        assert_state(doc, before);
    }

    struct purse other_purse = {.granted = plenty};
    struct yata_doc *other = doc_new(&other_purse);
    if (scene->before) {
        assert_int_equal(yata_apply(other, scene->before, scene->before_bytes, NULL, NULL),
                         YATA_OK);
    }
    assert_int_equal(yata_apply(other, scene->update, scene->update_bytes, NULL, NULL), YATA_OK);
    assert_int_equal(yata_apply(doc, scene->update, scene->update_bytes, NULL, NULL), YATA_OK);
    struct yata_bytes expected = state_of(other);
    assert_state(doc, expected);

    yata_bytes_fini(&expected);
    yata_bytes_fini(&before);
    yata_bytes_fini(&told);
    yata_doc_free(doc);
    yata_doc_free(other);
    assert_int_equal(purse.live_bytes, 0);
    assert_int_equal(other_purse.live_bytes, 0);
    return enough;
}

static void play_all(const struct scene *scene) {
    size_t granted = 0;
    while (!play(scene, granted)) {
        granted++;
        assert_true(granted < PLAYS_MAX);
    }
}

static void loading_a_state(void **unused) {
    (void)unused;
    play_all(&(struct scene){.update = base, .update_bytes = sizeof(base)});
}

static void loading_a_state_in_a_transaction(void **unused) {
    (void)unused;
    play_all(&(struct scene){.update = base, .update_bytes = sizeof(base), .transaction = true});
}

/* Client 9 types into a root text of its own, far ahead of what is known of it. */
static const uint8_t waits[] = {1, 1, 9, 2, 0x84, 9, 1, 3, 'x', 'y', 'z', 0};
static const uint8_t fills[] = {1, 1, 9, 0, 4, 1, 1, 't', 2, 'a', 'b', 0};
/* Deletes the first 9 clocks of clients 1, 2 and 3, known or not. */
static const uint8_t deletes[] = {0, 3, 1, 1, 0, 9, 2, 1, 0, 9, 3, 1, 0, 9};

static void keeping_what_waits(void **unused) {
    (void)unused;
    play_all(&(struct scene){.update = waits, .update_bytes = sizeof(waits)});
    play_all(&(struct scene){.before = base,
                             .before_bytes = sizeof(base),
                             .update = waits,
                             .update_bytes = sizeof(waits)});
}

static void letting_in_what_waits(void **unused) {
    (void)unused;
    play_all(&(struct scene){.before = waits,
                             .before_bytes = sizeof(waits),
                             .update = fills,
                             .update_bytes = sizeof(fills)});
    play_all(&(struct scene){.before = waits,
                             .before_bytes = sizeof(waits),
                             .update = fills,
                             .update_bytes = sizeof(fills),
                             .transaction = true});
}

static void deleting(void **unused) {
    (void)unused;
    play_all(&(struct scene){.before = base,
                             .before_bytes = sizeof(base),
                             .update = deletes,
                             .update_bytes = sizeof(deletes)});
    play_all(&(struct scene){.update = deletes, .update_bytes = sizeof(deletes)});
}

static void making_a_document(void **unused) {
    (void)unused;
    for (size_t granted = 0; granted < PLAYS_MAX; granted++) {
        struct purse purse = {.granted = granted};
        struct yata_doc *doc = doc_new(&purse);
        yata_doc_free(doc);
        assert_int_equal(purse.live_bytes, 0);
        if (doc) {
            return;
        }
    }
    fail_msg("a document needs too many allocations");
}

/* yata_stats is what a server counts on to stay within its memory. */
static void reporting_the_memory_in_use(void **unused) {
    (void)unused;
    struct purse purse = {.granted = plenty};
    struct yata_doc *doc = doc_new(&purse);
    struct yata_stats stats = {0};
    const uint8_t *const updates[] = {waits, base, fills, deletes};
    const size_t sizes[] = {sizeof(waits), sizeof(base), sizeof(fills), sizeof(deletes)};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(yata_apply(doc, updates[i], sizes[i], NULL, NULL), YATA_OK);
        yata_stats(doc, &stats);
        assert_true(stats.memory_bytes <= purse.live_bytes + 64);
        assert_true(stats.memory_bytes + stats.memory_bytes / 8 + 256 >= purse.live_bytes);
    }
    yata_doc_free(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(making_a_document),
        cmocka_unit_test(loading_a_state),
        cmocka_unit_test(loading_a_state_in_a_transaction),
        cmocka_unit_test(keeping_what_waits),
        cmocka_unit_test(letting_in_what_waits),
        cmocka_unit_test(deleting),
        cmocka_unit_test(reporting_the_memory_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
