/* bench_yata.c: what libyata costs on one history of updates.
 *
 *     bench_yata HISTORY
 *
 * HISTORY is a file of updates, each after its length as a 32-bit little-endian number; the last
 * one is all the others merged by Y.mergeUpdates. Prints one JSON object. tests/bench/run.ts makes
 * the history, runs this beside npm yjs and compares.
 *
 * It does not show: contention, cold caches, network, and documents that are edited out of order.
 */
#include "yata.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Repetitions of what is too short to be measured once. */
enum { ENCODES = 50, LOADS = 5 };

struct update {
    const uint8_t *p;
    size_t n;
};

struct history {
    uint8_t *bytes;
    struct update *updates; /* the last one is the merged one */
    size_t n;
};

static _Noreturn void die(const char *why) {
    fprintf(stderr, "bench_yata: %s\n", why);
    exit(1);
}

static void check(enum yata_status status) {
    if (status != YATA_OK) {
        die("libyata refused the history");
    }
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct history history_read(const char *path) {
    struct history h = {0};
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0) {
        die("cannot open the history");
    }
    size_t size = (size_t)ftell(f);
    rewind(f);
    h.bytes = malloc(size);
    h.updates = malloc((size / 4 + 1) * sizeof(*h.updates));
    if (!h.bytes || !h.updates || fread(h.bytes, 1, size, f) != size) {
        die("cannot read the history");
    }
    fclose(f);
    for (size_t at = 0; at + 4 <= size;) {
        const uint8_t *p = h.bytes + at;
        size_t n = p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
        if (n > size - at - 4) {
            die("the history is cut short");
        }
        h.updates[h.n++] = (struct update){.p = p + 4, .n = n};
        at += 4 + n;
    }
    if (h.n < 2) {
        die("the history is empty");
    }
    return h;
}

static struct yata_doc *doc_new(void) {
    struct yata_doc *doc = yata_doc_new(NULL);
    if (!doc) {
        die("out of memory");
    }
    return doc;
}

/* Each update in a transaction of its own. With `relayed`, each transaction also hands out its
 * update, as a server needs it that cannot relay the received bytes. */
static double apply_all(struct yata_doc *doc, const struct history *h, bool relayed) {
    double start = now_ms();
    for (size_t i = 0; i + 1 < h->n; i++) {
        if (!relayed) {
            check(yata_apply(doc, h->updates[i].p, h->updates[i].n, NULL, NULL));
            continue;
        }
        struct yata_bytes out = {0};
        yata_begin(doc);
        check(yata_apply(doc, h->updates[i].p, h->updates[i].n, NULL, NULL));
        check(yata_commit(doc, &out));
        yata_bytes_fini(&out);
    }
    return now_ms() - start;
}

static double load_ms(struct update u) {
    double start = now_ms();
    for (int i = 0; i < LOADS; i++) {
        struct yata_doc *doc = doc_new();
        check(yata_apply(doc, u.p, u.n, NULL, NULL));
        yata_doc_free(doc);
    }
    return (now_ms() - start) / LOADS;
}

/* FNV-1a, to compare states with what the other side has. */
static unsigned fnv1a(struct yata_bytes bytes) {
    uint32_t hash = 0x811c9dc5;
    for (size_t i = 0; i < bytes.n; i++) {
        hash = (hash ^ bytes.p[i]) * 0x01000193;
    }
    return hash;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        die("usage: bench_yata HISTORY");
    }
    struct history h = history_read(argv[1]);
    struct yata_doc *doc = doc_new();
    double apply_ms = apply_all(doc, &h, false);
    struct yata_doc *relay = doc_new();
    double relay_ms = apply_all(relay, &h, true);
    yata_doc_free(relay);

    double start = now_ms();
    struct yata_bytes state = {0};
    for (int i = 0; i < ENCODES; i++) {
        yata_bytes_fini(&state);
        check(yata_encode_state(doc, NULL, 0, &state));
    }
    double encode_ms = (now_ms() - start) / ENCODES;
    start = now_ms();
    for (int i = 0; i < ENCODES; i++) {
        struct yata_bytes sv = {0};
        check(yata_encode_state_vector(doc, &sv));
        yata_bytes_fini(&sv);
    }
    double state_vector_ms = (now_ms() - start) / ENCODES;
    struct yata_stats stats = {0};
    yata_stats(doc, &stats);

    printf("{\"updates\":%zu,\"apply\":%.3f,\"relay\":%.3f,\"encode\":%.4f,\"stateVector\":%.5f,"
           "\"loadMerged\":%.3f,\"loadState\":%.3f,\"stateBytes\":%zu,\"stateHash\":%u,\"structs\":"
           "%zu,"
           "\"memoryBytes\":%zu}\n",
           h.n - 1, apply_ms, relay_ms, encode_ms, state_vector_ms, load_ms(h.updates[h.n - 1]),
           load_ms((struct update){.p = state.p, .n = state.n}), state.n, fnv1a(state),
           stats.structs, stats.memory_bytes);
    yata_bytes_fini(&state);
    yata_doc_free(doc);
    free(h.updates);
    free(h.bytes);
    return 0;
}
