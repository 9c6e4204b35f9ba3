/* awareness.c: any bytes as an awareness update, alone and cut in two.
 *
 * Promised: what is read can be written and reads the same; a merge of two updates succeeds if and
 * only if both can be read, names each client once, and holds the newest entry of each.
 */
#include "yata_support.h"

enum { ENTRIES_MAX = 4096 };

/* Reads an update to the end. */
static bool read_all(const uint8_t *data, size_t size, struct yata_presence *entries,
                     size_t *ret_n) {
    struct yata_awareness_reader reader = {.p = data, .n = size};
    size_t n = 0;
    for (;;) {
        struct yata_presence entry = {0};
        bool more = false;
        if (yata_awareness_next(&reader, &entry, &more, NULL) != YATA_OK) {
            return false;
        }
        if (!more) {
            *ret_n = n;
            return true;
        }
        if (entry.state) {
            promise("a state lies inside the input",
                    entry.state >= data && entry.state + entry.state_bytes <= data + size);
        }
        promise("entries fit the target's table", n < ENTRIES_MAX);
        entries[n++] = entry;
    }
}

static bool same_entry(const struct yata_presence *a, const struct yata_presence *b) {
    return a->client == b->client && a->clock == b->clock && !a->state == !b->state &&
           a->state_bytes == b->state_bytes &&
           (a->state_bytes == 0 || memcmp(a->state, b->state, a->state_bytes) == 0);
}

static void expect_round_trip(const struct yata_presence *entries, size_t n) {
    static struct yata_presence again[ENTRIES_MAX];
    size_t again_n = 0;
    struct yata_bytes bytes = {0};
    promise("entries can be written", yata_awareness_encode(entries, n, &bytes) == YATA_OK);
    promise("what was written can be read", read_all(bytes.p, bytes.n, again, &again_n));
    promise("as many entries", again_n == n);
    for (size_t i = 0; i < n; i++) {
        promise("the same entries", same_entry(&entries[i], &again[i]));
    }
    yata_bytes_fini(&bytes);
}

static void expect_newest(const struct yata_presence *merged, size_t n,
                          const struct yata_presence *entry) {
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        if (merged[i].client == entry->client) {
            found++;
            promise("nothing newer was left out",
                    !yata_awareness_is_news(merged[i].clock, merged[i].state != NULL, entry));
        }
    }
    promise("each client once", found == 1);
}

static void expect_merge(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes) {
    static struct yata_presence entries[3][ENTRIES_MAX];
    size_t n[3] = {0};
    struct yata_bytes merged = {0};
    bool a_good = read_all(a, a_bytes, entries[0], &n[0]);
    bool b_good = read_all(b, b_bytes, entries[1], &n[1]);
    enum yata_status status = yata_awareness_merge(a, a_bytes, b, b_bytes, &merged, NULL);
    promise("merging needs two good updates", (status == YATA_OK) == (a_good && b_good));
    if (status == YATA_OK) {
        promise("a merge can be read", read_all(merged.p, merged.n, entries[2], &n[2]));
        for (size_t side = 0; side < 2; side++) {
            for (size_t i = 0; i < n[side]; i++) {
                expect_newest(entries[2], n[2], &entries[side][i]);
            }
        }
    }
    yata_bytes_fini(&merged);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct yata_presence entries[ENTRIES_MAX];
    size_t n = 0;
    if (size > ENTRIES_MAX) { /* an entry takes at least three bytes */
        return 0;
    }
    if (read_all(data, size, entries, &n)) {
        expect_round_trip(entries, n);
    }
    expect_merge(data, size, data, size);
    if (size > 1) { /* the first byte says where to cut */
        size_t cut = data[0] % size;
        expect_merge(data + 1, cut, data + 1 + cut, size - 1 - cut);
    }
    return 0;
}
