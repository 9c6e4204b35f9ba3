/* bench_yata.c: what libyata costs on histories of updates.
 *
 *     bench_yata [--apply] HISTORY...
 *     bench_yata --wait BYTES...
 *     bench_yata --pending UPDATES...
 *
 * A history is a file of byte strings, each after its length as a 32-bit little-endian number: the
 * state vector of a peer that has the first 99 %, all updates merged by Y.mergeUpdates, and then
 * the updates. Prints one line of JSON for each: times in microseconds, sizes in bytes. With
 * --apply only the updates are applied. With --wait it measures the machine instead: how long one
 * access takes to a line of memory that is anywhere in so many bytes, and not known before the one
 * before it has been read; no document of that size can do without. With --pending so many updates
 * wait, each for a letter that one client types afterwards. tests/bench/run.ts makes the histories
 * and runs this beside the peers, which measure the same in the same way: bench/peers/yrs and
 * tests/bench/peer.ts.
 *
 * Times are those of the process, not of the clock on the wall, so that others on the machine
 * disturb less. What it does not show: contention, cold caches, network.
 */
#include "yata.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ENOUGH_US  40000.0 /* a measurement is repeated until it took so long, */
#define REPEATS    1000    /* but not more often than this */
#define ENCODES    10      /* repetitions of what is too short to be measured once */
#define VECTORS    100
#define TAIL       2000 /* the last updates, measured apart: what one costs in a full document */
#define MERGED     1000
#define RECORDS    2  /* before the updates */
#define LENGTH     4  /* bytes of a length */
#define LINE       64 /* bytes that memory hands out at once */
#define WAITS      1000000
#define FNV_START  0x811c9dc5u
#define FNV_FACTOR 0x01000193u

struct history {
    uint8_t *bytes;
    struct yata_slice behind, merged;
    struct yata_slice *updates; /* the first is at records + RECORDS */
    struct yata_slice *records;
    size_t n;
};

/* What is measured, and on what. */
struct bench {
    struct history h;
    struct yata_doc *doc;   /* has everything */
    struct yata_doc *other; /* made by a measurement, and dropped after it */
    struct yata_slice load;
    struct yata_bytes out;
    double tail_us;
    size_t applied_bytes; /* of the document to which all was applied one by one */
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

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static uint8_t *read_file(const char *path, size_t *ret_n) {
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0) {
        die("cannot open the history");
    }
    long size = ftell(f);
    rewind(f);
    uint8_t *bytes = size > 0 ? malloc((size_t)size) : NULL;
    if (!bytes || fread(bytes, 1, (size_t)size, f) != (size_t)size) {
        die("cannot read the history");
    }
    fclose(f);
    *ret_n = (size_t)size;
    return bytes;
}

static struct history history_read(const char *path) {
    struct history h = {0};
    size_t size, count = 0;
    h.bytes = read_file(path, &size);
    h.records = malloc((size / LENGTH + 1) * sizeof *h.records);
    for (size_t at = 0; h.records && at + LENGTH <= size;) {
        const uint8_t *p = h.bytes + at;
        size_t n = p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
        if (n > size - at - LENGTH) {
            die("the history is cut short");
        }
        h.records[count++] = (struct yata_slice){.p = p + LENGTH, .n = n};
        at += LENGTH + n;
    }
    if (!h.records || count <= RECORDS) {
        die("the history is empty");
    }
    h.behind = h.records[0];
    h.merged = h.records[1];
    h.updates = h.records + RECORDS;
    h.n = count - RECORDS;
    return h;
}

static struct yata_doc *doc_new(void) {
    struct yata_doc *doc = yata_doc_new(NULL);
    if (!doc) {
        die("out of memory");
    }
    return doc;
}

/* ---- what is measured ----------------------------------------------------------------------- */

static void drop(struct bench *b) {
    yata_doc_free(b->other);
    b->other = NULL;
    yata_bytes_fini(&b->out);
}

static double measure(struct bench *b, void (*body)(struct bench *)) {
    double spent = 0;
    unsigned n = 0;
    do {
        double start = now_us();
        body(b);
        spent += now_us() - start;
        drop(b);
        n++;
    } while (spent < ENOUGH_US && n < REPEATS);
    return spent / n;
}

/* Each update in a transaction of its own. */
static void apply(struct bench *b) {
    const struct history *h = &b->h;
    b->other = doc_new();
    size_t tail = h->n > TAIL ? h->n - TAIL : 0;
    double start = 0;
    for (size_t i = 0; i < h->n; i++) {
        if (i == tail) {
            start = now_us();
        }
        check(yata_apply(b->other, h->updates[i].p, h->updates[i].n, NULL, NULL));
    }
    double us = (now_us() - start) / (double)(h->n - tail);
    b->tail_us = b->tail_us == 0 || us < b->tail_us ? us : b->tail_us;
    struct yata_stats stats = {0};
    yata_stats(b->other, &stats);
    b->applied_bytes = stats.memory_bytes;
}

/* The same, and each transaction hands out its update, as a server needs it that cannot relay the
 * received bytes. */
static void relay(struct bench *b) {
    b->other = doc_new();
    for (size_t i = 0; i < b->h.n; i++) {
        struct yata_bytes out = {0};
        yata_begin(b->other);
        check(yata_apply(b->other, b->h.updates[i].p, b->h.updates[i].n, NULL, NULL));
        check(yata_commit(b->other, &out));
        yata_bytes_fini(&out);
    }
}

static void load(struct bench *b) {
    b->other = doc_new();
    check(yata_apply(b->other, b->load.p, b->load.n, NULL, NULL));
}

static void encode(struct bench *b) {
    for (int i = 0; i < ENCODES; i++) {
        yata_bytes_fini(&b->out);
        check(yata_encode_state(b->doc, NULL, 0, &b->out));
    }
}

static void difference(struct bench *b) {
    for (int i = 0; i < ENCODES; i++) {
        yata_bytes_fini(&b->out);
        check(yata_encode_state(b->doc, b->h.behind.p, b->h.behind.n, &b->out));
    }
}

static void vector(struct bench *b) {
    for (int i = 0; i < VECTORS; i++) {
        yata_bytes_fini(&b->out);
        check(yata_encode_state_vector(b->doc, &b->out));
    }
}

static void merge(struct bench *b) {
    size_t n = b->h.n < MERGED ? b->h.n : MERGED;
    check(yata_merge_updates(YATA_V1, b->h.updates + b->h.n - n, n, &b->out, NULL));
}

/* ---- printing ------------------------------------------------------------------------------- */

/* FNV-1a, to compare states with what the other side has. */
static unsigned fnv1a(struct yata_bytes bytes) {
    uint32_t hash = FNV_START;
    for (size_t i = 0; i < bytes.n; i++) {
        hash = (hash ^ bytes.p[i]) * FNV_FACTOR;
    }
    return hash;
}

static void report(struct bench *b) {
    struct yata_bytes state = {0}, sv = {0};
    b->doc = doc_new();
    for (size_t i = 0; i < b->h.n; i++) {
        check(yata_apply(b->doc, b->h.updates[i].p, b->h.updates[i].n, NULL, NULL));
    }
    check(yata_encode_state(b->doc, NULL, 0, &state));
    check(yata_encode_state_vector(b->doc, &sv));
    struct yata_stats stats = {0};
    yata_stats(b->doc, &stats);
    printf(",\"stateBytes\":%zu,\"stateHash\":%u,\"vectorBytes\":%zu", state.n, fnv1a(state), sv.n);
    printf(",\"structs\":%zu,\"memory\":%zu", stats.structs, stats.memory_bytes);
    printf(",\"relay\":%.4f", measure(b, relay) / (double)b->h.n);
    b->load = b->h.merged;
    printf(",\"loadMerged\":%.3f", measure(b, load));
    b->load = (struct yata_slice){.p = state.p, .n = state.n};
    printf(",\"load\":%.3f", measure(b, load));
    load(b);
    yata_stats(b->other, &stats);
    drop(b);
    printf(",\"memoryLoaded\":%zu", stats.memory_bytes);
    printf(",\"encode\":%.3f", measure(b, encode) / ENCODES);
    printf(",\"difference\":%.3f", measure(b, difference) / ENCODES);
    printf(",\"vector\":%.4f", measure(b, vector) / VECTORS);
    printf(",\"merge\":%.3f", measure(b, merge));
    yata_bytes_fini(&state);
    yata_bytes_fini(&sv);
    yata_doc_free(b->doc);
}

/* ---- the machine ---------------------------------------------------------------------------- */

/* Links all lines of a block into one ring, in random order (Sattolo's shuffle). */
static uint32_t *ring_new(size_t lines) {
    uint32_t *block = malloc(lines * LINE), *order = malloc(lines * sizeof *order);
    uint64_t random = 1;
    if (!block || !order) {
        die("out of memory");
    }
    for (size_t i = 0; i < lines; i++) {
        order[i] = (uint32_t)i;
    }
    for (size_t i = lines - 1; i > 0; i--) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        size_t k = (size_t)(random >> 33) % i;
        uint32_t x = order[i];
        order[i] = order[k];
        order[k] = x;
    }
    for (size_t i = 0; i < lines; i++) {
        block[order[i] * (LINE / sizeof *block)] = order[(i + 1) % lines];
    }
    free(order);
    return block;
}

static void wait_for_memory(size_t bytes) {
    size_t lines = bytes / LINE > 2 ? bytes / LINE : 2;
    uint32_t *block = ring_new(lines), at = 0;
    double best = 0;
    for (int turn = 0; turn < 3; turn++) {
        double start = now_us();
        for (int i = 0; i < WAITS; i++) {
            at = block[at * (LINE / sizeof *block)];
        }
        double us = (now_us() - start) / WAITS;
        best = turn == 0 || us < best ? us : best;
    }
    /* Where it ended is told, so that it has to be walked. */
    printf("{\"bytes\":%zu,\"wait\":%.5f,\"at\":%u}\n", bytes, best, (unsigned)at);
    free(block);
}

static int wait_all(int argc, char **argv) {
    for (int i = 2; i < argc; i++) {
        unsigned long long bytes = strtoull(argv[i], NULL, 10);
        if (bytes > (unsigned long long)UINT32_MAX * LINE) {
            die("too many bytes");
        }
        wait_for_memory((size_t)bytes);
    }
    return 0;
}

/* ---- what waits ----------------------------------------------------------------------------- */

#define TYPIST 1
#define OTHERS 1000 /* the first of those who write behind the typist's letters */

static uint8_t *put_uint(uint8_t *p, uint64_t x) {
    for (; x > 127; x >>= 7) {
        *p++ = (uint8_t)(x | 128);
    }
    *p++ = (uint8_t)x;
    return p;
}

/* A letter of a client in text t, behind a letter of the typist, or the first one. */
static void type_letter(struct yata_doc *doc, uint64_t client, uint64_t clock, bool first,
                        uint64_t behind) {
    static const uint8_t start[] = {4, 1, 1, 't'}, follows[] = {0x84, TYPIST}, x[] = {1, 'x', 0};
    uint8_t u[64] = {1, 1}, *p = put_uint(put_uint(u + 2, client), clock);
    if (first) {
        memcpy(p, start, sizeof start);
        p += sizeof start;
    } else {
        memcpy(p, follows, sizeof follows);
        p = put_uint(p + sizeof follows, behind);
    }
    memcpy(p, x, sizeof x);
    p += sizeof x;
    if (yata_apply(doc, u, (size_t)(p - u), NULL, NULL) != YATA_OK) {
        die("cannot apply");
    }
}

static void free_one_by_one(uint64_t n, bool own_clients) {
    struct yata_doc *doc = yata_doc_new(&(struct yata_options){.strict = true});
    if (!doc) {
        die("out of memory");
    }
    double start = now_us();
    for (uint64_t i = 0; i < n; i++) {
        type_letter(doc, own_clients ? OTHERS + i : OTHERS, own_clients ? 0 : i, false, i);
    }
    double all_wait = now_us();
    for (uint64_t i = 0; i < n; i++) {
        type_letter(doc, TYPIST, i, i == 0, i - 1);
    }
    struct yata_stats stats;
    yata_stats(doc, &stats);
    if (stats.pending_bytes > 0) {
        die("something still waits");
    }
    double each = (double)n;
    printf("{\"pending\":%llu,\"own_clients\":%s,\"wait\":%.3f,\"free\":%.3f}\n",
           (unsigned long long)n, own_clients ? "true" : "false", (all_wait - start) / each,
           (now_us() - all_wait) / each);
    yata_doc_free(doc);
}

static int free_all(int argc, char **argv) {
    for (int i = 2; i < argc; i++) {
        uint64_t n = strtoull(argv[i], NULL, 10);
        free_one_by_one(n, false);
        free_one_by_one(n, true);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 2 && strcmp(argv[1], "--wait") == 0) {
        return wait_all(argc, argv);
    }
    if (argc > 2 && strcmp(argv[1], "--pending") == 0) {
        return free_all(argc, argv);
    }
    bool all = argc < 2 || strcmp(argv[1], "--apply") != 0;
    if (argc < (all ? 2 : 3)) {
        die("usage: bench_yata [--apply] HISTORY... | --wait BYTES... | --pending UPDATES...");
    }
    for (int i = all ? 1 : 2; i < argc; i++) {
        struct bench b = {.h = history_read(argv[i])};
        double us = measure(&b, apply) / (double)b.h.n;
        printf("{\"updates\":%zu,\"apply\":%.4f,\"tail\":%.4f", b.h.n, us, b.tail_us);
        if (all) {
            report(&b);
        } else {
            printf(",\"memory\":%zu", b.applied_bytes);
        }
        printf("}\n");
        fflush(stdout);
        free(b.h.records);
        free(b.h.bytes);
    }
    return 0;
}
