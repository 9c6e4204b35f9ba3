/* bench_store.c: what it costs that nothing acknowledged is lost.
 *
 *     bench_store --server COLLABD --dir DIRECTORY [--only latency|sustained|load|start]
 *                 [--seconds 10] [--rounds 3] [--rate 100|1000|5000] [--url postgres://...]
 *
 * latency    keystrokes arrive at random moments, 100, 1,000 and 5,000 a second over 5,000 rooms;
 * from handing one to the store until it is durable. Rooms are folded as the server folds them,
 * each for the first time at a random point of its way there. sustained  as many as the store
 * takes, never more than a queue's worth waiting. load       a room of 10 MB, from asking for it to
 * a document in memory. start      COLLABD from its start until it says where it listens, with
 * 100,000 rooms on the disk and with none, by turns.
 *
 * With --url latency and sustained are of that database; how much its server writes is not known.
 *
 * Prints medians of the rounds, and of each aim whether it is met. All but the start is the store's
 * own interface in this process: no network, no worker. The files are made below DIRECTORY and
 * removed: it decides which disk is measured. The cache of the file system is warm.
 */
#define _GNU_SOURCE 1 /* nftw */
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "base/varuint.h"
#include "limit/caps.h"
#include "store/form.h"
#include "store/pack.h"
#include "yata.h"

enum {
    ROOMS = 5000,
    ROUNDS_MOST = 15,
    WAITING_MOST =
        20000, /* of updates without an acknowledgement, when as many as possible go in */
    STORED_ROOMS = 100000,
    STRETCH_MOST = 2000,
    LARGE_BYTES = 10 * 1000 * 1000,
    SYNCS = 50,
    SAMPLES_MOST = 4000000,
    PATH = 500,
    OF_DATABASES = 2, /* parts: the first two */
};

static struct options {
    const char *server;
    const char *dir;
    const char *only;
    const char *url; /* of a database; NULL: files */
    unsigned seconds;
    unsigned rounds;
    unsigned rate; /* only this one; 0: all */
} options = {.only = "", .seconds = 10, .rounds = 3};

static uint64_t seed = 1;

static double chance(void) { /* 0 to 1, neither of them */
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return ((double)(seed >> 11) + 0.5) / 9007199254740992.0;
}

/* ---- figures ---- */

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double share(double *values, size_t n, double part) {
    qsort(values, n, sizeof *values, by_size);
    return n ? values[(size_t)((double)(n - 1) * part)] : NAN;
}

static double median(double *values, size_t n) {
    return share(values, n, 0.5);
}

static void judge(const char *what, double got, double aim, const char *unit) {
    printf("  aim: %s at most %.0f %s: %s (%.2f %s)\n", what, aim, unit,
           got <= aim ? "met" : "MISSED", got, unit);
}

static bool wanted(const char *name) {
    return !options.only[0] || strcmp(options.only, name) == 0;
}

/* ---- files ---- */

static void die(const char *what) {
    (void)fprintf(stderr, "bench_store: %s\n", what);
    exit(1);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static void remove_all(const char *path) {
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void place(char to[PATH], const char *name) {
    (void)snprintf(to, PATH, "%s/%s", options.dir, name);
}

/* Bytes that this process has given to write calls so far. */
static double written(void) {
    FILE *f = fopen("/proc/self/io", "re");
    unsigned long long bytes = 0;
    must(f && fscanf(f, "rchar: %*u wchar: %llu", &bytes) == 1);
    (void)fclose(f);
    return (double)bytes;
}

/* What one write of a page and its sync cost here: below that no acknowledgement can be. */
static double bare_sync_ms(void) {
    char path[PATH];
    char page[4096] = "";
    double ms[SYNCS];
    place(path, "sync");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    must(fd >= 0);
    for (int i = 0; i < SYNCS; i++) {
        uint64_t start = clock_mono_ns();
        must(pwrite(fd, page, sizeof page, (off_t)i * (off_t)sizeof page) == (ssize_t)sizeof page);
        must(fdatasync(fd) == 0);
        ms[i] = (double)(clock_mono_ns() - start) / 1e6;
    }
    (void)close(fd);
    (void)unlink(path);
    return median(ms, SYNCS);
}

/* ---- rooms that are typed in ---- */

struct typed_room {
    struct frame *name;
    uint64_t clock;
    atomic_size_t weight; /* of the journal, as room/lasting.c counts it */
    atomic_bool folding;
};

static struct typist {
    struct store *store;
    struct typed_room rooms[ROOMS];
    atomic_size_t durable;
    atomic_size_t folds;
    size_t bytes; /* of updates */
    double *ms;   /* written by the journal's thread */
    pthread_mutex_t lock;
    pthread_cond_t news;
    struct store_job *loaded;
} typist = {.lock = PTHREAD_MUTEX_INITIALIZER, .news = PTHREAD_COND_INITIALIZER};

static size_t put(uint8_t *to, size_t n, uint64_t v) {
    return n + varuint_write(to + n, v);
}

/* The update with which a client types one more letter behind its last. */
static struct frame *keystroke(struct typed_room *room) {
    const uint64_t client = 3000000000u + (uint64_t)(room - typist.rooms);
    uint8_t b[64] = {1, 1};
    size_t n = put(b, 2, client);
    n = put(b, n, room->clock);
    if (room->clock == 0) {
        const uint8_t first[] = {0x04, 1, 4, 't', 'e', 'x', 't'};
        memcpy(b + n, first, sizeof first);
        n += sizeof first;
    } else {
        b[n++] = 0x84;
        n = put(b, n, client);
        n = put(b, n, room->clock - 1);
    }
    b[n++] = 1;
    b[n++] = (uint8_t)('a' + room->clock % 26);
    b[n++] = 0;
    room->clock++;
    return frame_copy(slice_of(b, n));
}

static void on_done(void *ctx, struct store_job *job) {
    (void)ctx;
    struct typed_room *room = &typist.rooms[job->number];
    if (job->op == STORE_APPEND) {
        size_t at = atomic_fetch_add(&typist.durable, 1);
        if (typist.ms && at < SAMPLES_MOST) {
            typist.ms[at] = (double)(clock_mono_ns() - job->queued_ns) / 1e6;
        }
    } else if (job->op == STORE_FOLD) {
        must(job->err == ERR_OK);
        atomic_fetch_sub(&room->weight, job->rows_bytes + job->rows_count * CAPS_FOLD_ROW_BYTES);
        atomic_fetch_add(&typist.folds, 1);
        atomic_store(&room->folding, false);
    } else {
        (void)pthread_mutex_lock(&typist.lock);
        typist.loaded = job;
        (void)pthread_cond_signal(&typist.news);
        (void)pthread_mutex_unlock(&typist.lock);
        return;
    }
    store_job_free(job);
}

static void on_changed(void *ctx, bool serving) {
    (void)ctx;
    if (!serving) {
        die("the store fails");
    }
}

static void open_store(const char *path, bool relaxed) {
    char why[300] = "";
    struct store_options o = {.data = path,
                              .url = options.url,
                              .relaxed = relaxed,
                              .metrics_thread = CAPS_WORKERS,
                              .done = on_done,
                              .changed = on_changed};
    typist.store = store_open(&o, why, sizeof why);
    if (!typist.store) {
        die(why);
    }
}

static void close_store(void) {
    store_free(typist.store);
    typist.store = NULL;
}

static void post_fold(struct typed_room *room) {
    atomic_store(&room->folding, true);
    struct store_job *job = store_job_new(STORE_FOLD, room->name);
    job->number = (uint64_t)(room - typist.rooms);
    store_post(typist.store, job);
}

static void type_into(struct typed_room *room) {
    struct store_job *job = store_job_new(STORE_APPEND, room->name);
    job->number = (uint64_t)(room - typist.rooms);
    job->row.update = keystroke(room);
    job->row.version = room->clock;
    typist.bytes += job->row.update->n;
    size_t more = job->row.update->n + CAPS_FOLD_ROW_BYTES;
    store_post(typist.store, job);
    if (atomic_fetch_add(&room->weight, more) + more >= CAPS_FOLD_BYTES &&
        !atomic_load(&room->folding)) {
        post_fold(room);
    }
}

static void begin_rooms(void) {
    static unsigned runs; /* a database still has the rooms of the one before */
    runs++;
    for (unsigned i = 0; i < ROOMS; i++) {
        char name[40];
        int n = snprintf(name, sizeof name, "documents/%u/%u", runs, i);
        typist.rooms[i] = (struct typed_room){.name = frame_copy(slice_of(name, (size_t)n)),
                                              .weight = (size_t)(chance() * CAPS_FOLD_BYTES)};
    }
    typist.bytes = 0;
    atomic_store(&typist.durable, 0);
    atomic_store(&typist.folds, 0);
}

static void end_rooms(void) {
    for (unsigned i = 0; i < ROOMS; i++) {
        typist.rooms[i].name = frame_unref(typist.rooms[i].name);
    }
}

static void sleep_until(uint64_t ns) {
    struct timespec at = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0) {
    }
}

static void wait_for_all(size_t sent) {
    while (atomic_load(&typist.durable) < sent) {
        sleep_until(clock_mono_ns() + 1000000);
    }
}

/* ---- latency ---- */

struct latency {
    double p50, p95, p99, amplification, folds;
};

static struct latency type_at(unsigned rate) {
    char path[PATH];
    place(path, "typed");
    remove_all(path);
    open_store(path, false);
    begin_rooms();
    typist.ms = mem_new(SAMPLES_MOST * sizeof *typist.ms);
    double before = written();
    uint64_t start = clock_mono_ns();
    double due = 0; /* seconds from the start */
    size_t sent = 0;
    while ((due -= log(chance()) / rate) < options.seconds) {
        sleep_until(start + (uint64_t)(due * 1e9));
        type_into(&typist.rooms[(size_t)(chance() * ROOMS)]);
        sent++;
    }
    wait_for_all(sent);
    struct latency l = {.folds = (double)atomic_load(&typist.folds)};
    close_store(); /* what is still in the logs is written once more */
    l.amplification = options.url ? NAN : (written() - before) / (double)typist.bytes;
    l.p50 = share(typist.ms, sent, 0.5);
    l.p95 = share(typist.ms, sent, 0.95);
    l.p99 = share(typist.ms, sent, 0.99);
    mem_free(typist.ms);
    typist.ms = NULL;
    end_rooms();
    remove_all(path);
    return l;
}

static void bench_latency(void) {
    static const unsigned rates[] = {100, 1000, 5000};
    printf("\nacknowledgement%s, %d rooms, %u s each; one page written and synced: %.2f ms\n",
           options.url ? " of PostgreSQL" : "", ROOMS, options.seconds, bare_sync_ms());
    printf("  updates/s    p50 ms    p95 ms    p99 ms   written/update bytes   folds\n");
    double at_most = NAN;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        if (options.rate && options.rate != rates[i]) {
            continue;
        }
        double v[5][ROUNDS_MOST];
        for (unsigned r = 0; r < options.rounds; r++) {
            struct latency l = type_at(rates[i]);
            v[0][r] = l.p50;
            v[1][r] = l.p95;
            v[2][r] = l.p99;
            v[3][r] = l.amplification;
            v[4][r] = l.folds;
        }
        printf("  %9u", rates[i]);
        for (int k = 0; k < 3; k++) {
            printf("%10.2f", median(v[k], options.rounds));
        }
        printf("%23.1f%8.0f\n", median(v[3], options.rounds), median(v[4], options.rounds));
        at_most = rates[i] == 5000 ? median(v[1], options.rounds) : NAN;
    }
    if (isnan(at_most)) {
        return;
    }
    judge("p95 at 5,000 updates/s", at_most, 10, "ms");
}

/* ---- as many as it takes ---- */

static double type_flat_out(double *ret_amplification) {
    char path[PATH];
    place(path, "typed");
    remove_all(path);
    open_store(path, false);
    begin_rooms();
    double before = written();
    uint64_t start = clock_mono_ns();
    uint64_t end = start + options.seconds * UINT64_C(1000000000);
    size_t sent = 0;
    for (uint64_t now = start; now < end; now = clock_mono_ns()) {
        if (sent - atomic_load(&typist.durable) < WAITING_MOST) {
            type_into(&typist.rooms[(size_t)(chance() * ROOMS)]);
            sent++;
        } else {
            sleep_until(now + 200000);
        }
    }
    wait_for_all(sent);
    double seconds = (double)(clock_mono_ns() - start) / 1e9;
    close_store();
    *ret_amplification = options.url ? NAN : (written() - before) / (double)typist.bytes;
    end_rooms();
    remove_all(path);
    return (double)sent / seconds;
}

static void bench_sustained(void) {
    double rate[ROUNDS_MOST];
    double amplification[ROUNDS_MOST];
    for (unsigned r = 0; r < options.rounds; r++) {
        rate[r] = type_flat_out(&amplification[r]);
    }
    printf("\nsustained, %d rooms: %.0f updates/s, %.1f bytes written per byte of updates\n", ROOMS,
           median(rate, options.rounds), median(amplification, options.rounds));
}

/* ---- a large room ---- */

static void check(enum yata_status s) {
    must(s == YATA_OK);
}

static struct frame *take_state(struct yata_doc *doc) {
    struct yata_bytes state = {0};
    check(yata_encode_state(doc, NULL, 0, &state));
    struct frame *f = frame_copy(slice_of(state.p, state.n));
    yata_bytes_fini(&state);
    return f;
}

/* How a document of that size came to be. */
struct habit {
    const char *name;
    double stretch; /* characters typed at one place, on average */
    double near;    /* how often the next place is close to the last one */
    bool judged;
};

/* Moves the cursor, and types a stretch there as one of twenty people. */
static void type_stretch(struct yata_doc *doc, struct yata_type text, const struct habit *habit,
                         size_t *length, size_t *cursor) {
    char words[STRETCH_MOST];
    size_t n = (size_t)(-log(chance()) * habit->stretch) + 1;
    n = n < sizeof words ? n : sizeof words;
    for (size_t c = 0; c < n; c++) {
        words[c] = chance() < 0.17 ? ' ' : (char)('a' + (int)(chance() * chance() * 26));
    }
    bool near = chance()<habit->near && * length> 2000;
    size_t at = near ? *cursor + (size_t)(chance() * 2000) : (size_t)(chance() * (double)*length);
    at = near && at > 1000 ? at - 1000 : at;
    at = at < *length ? at : *length;
    check(yata_set_client(doc, 1000 + (uint64_t)(chance() * 20)));
    check(yata_text_insert(doc, text, at, words, n, NULL));
    *length += n;
    *cursor = at + n;
}

static struct frame *large_state(const struct habit *habit) {
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_type text;
    must(doc != NULL);
    check(yata_root(doc, "text", 4, &text));
    size_t length = 0;
    size_t cursor = 0;
    struct frame *state = NULL;
    for (size_t bytes = 0; bytes < LARGE_BYTES; bytes = state->n) {
        frame_unref(state);
        yata_begin(doc);
        for (size_t end = length + (LARGE_BYTES - bytes) / 2 + 100; length < end;) {
            type_stretch(doc, text, habit, &length, &cursor);
        }
        check(yata_commit(doc, NULL));
        state = take_state(doc);
    }
    yata_doc_free(doc);
    return state;
}

static struct store_job *wait_for_load(struct frame *name) {
    store_post(typist.store, store_job_new(STORE_LOAD, name));
    (void)pthread_mutex_lock(&typist.lock);
    while (!typist.loaded) {
        (void)pthread_cond_wait(&typist.news, &typist.lock);
    }
    struct store_job *job = typist.loaded;
    typist.loaded = NULL;
    (void)pthread_mutex_unlock(&typist.lock);
    must(job->err == ERR_OK && job->snapshot);
    return job;
}

/* Puts one large room on the disk. Returns its size as an update, V1. */
static size_t store_large(const char *path, const struct habit *habit) {
    remove_all(path);
    open_store(path, false);
    begin_rooms();
    struct store_job *job = store_job_new(STORE_APPEND, typist.rooms[0].name);
    job->row.update = large_state(habit);
    job->row.version = 1;
    size_t bytes = job->row.update->n;
    store_post(typist.store, job);
    wait_for_all(1);
    post_fold(&typist.rooms[0]);
    while (atomic_load(&typist.folds) == 0) {
        sleep_until(clock_mono_ns() + 1000000);
    }
    return bytes;
}

static double cpu_ms(void) {
    struct timespec t;
    must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void load_one(const struct habit *habit) {
    enum { READ, APPLY, ALL, CPU, FIGURES };
    char path[PATH];
    place(path, "large");
    size_t bytes = store_large(path, habit);
    double ms[FIGURES][ROUNDS_MOST];
    struct yata_stats stats = {0};
    unsigned loads = options.rounds * 3 < ROUNDS_MOST ? options.rounds * 3 : ROUNDS_MOST;
    for (unsigned i = 0; i < loads; i++) {
        double cpu = cpu_ms();
        uint64_t start = clock_mono_ns();
        struct store_job *job = wait_for_load(typist.rooms[0].name);
        uint64_t there = clock_mono_ns();
        struct yata_doc *doc = yata_doc_new(NULL);
        check(yata_apply_as(doc, YATA_V2, job->snapshot->bytes, job->snapshot->n, NULL, NULL));
        uint64_t end = clock_mono_ns();
        ms[CPU][i] = cpu_ms() - cpu;
        ms[READ][i] = (double)(there - start) / 1e6;
        ms[APPLY][i] = (double)(end - there) / 1e6;
        ms[ALL][i] = (double)(end - start) / 1e6;
        yata_stats(doc, &stats);
        yata_doc_free(doc);
        store_job_free(job);
    }
    close_store();
    end_rooms();
    remove_all(path);
    printf("\na room of %.1f MB, %s: %zu structs, %u loads\n", (double)bytes / 1e6, habit->name,
           stats.structs, loads);
    printf("  reading and unpacking %.1f ms, applying %.1f ms, together %.1f ms (CPU %.1f ms)\n",
           median(ms[READ], loads), median(ms[APPLY], loads), median(ms[ALL], loads),
           median(ms[CPU], loads));
    if (habit->judged) {
        judge("loading it", median(ms[ALL], loads), 50, "ms");
    }
}

static void bench_load(void) {
    static const struct habit habits[] = {
        {"written in stretches of 100 characters, mostly close together", 100, 0.9, true},
        {"written in stretches of 50 characters all over the place", 50, 0, false},
    };
    for (size_t i = 0; i < sizeof habits / sizeof *habits; i++) {
        load_one(&habits[i]);
    }
}

/* ---- the start ---- */

/* 100,000 small rooms, written as folding writes them. */
static void fill(const char *path) {
    struct fault why = {{0}};
    void *shelf = NULL;
    struct form_where where = {.data = path, .relaxed = true};
    open_store(path, true); /* makes both files */
    close_store();
    must(store_sqlite.shelf_open(&where, &shelf, &why) == ERR_OK);
    begin_rooms();
    struct frame *update = keystroke(&typist.rooms[0]);
    struct yata_doc *doc = yata_doc_new(NULL);
    check(yata_apply(doc, update->bytes, update->n, NULL, NULL));
    struct yata_bytes state = {0};
    check(yata_encode_state_as(doc, YATA_V2, NULL, 0, &state));
    struct snapshot snap = {.version = 1, .at_ms = 1, .plain_bytes = state.n};
    must(pack(slice_of(state.p, state.n), &snap.state) == ERR_OK);
    for (unsigned i = 0; i < STORED_ROOMS; i++) {
        char name[40];
        int n = snprintf(name, sizeof name, "documents/%u", i);
        must(store_sqlite.shelf_write(shelf, slice_of(name, (size_t)n), &snap, &why) == ERR_OK);
        store_sqlite.shelf_rest(shelf);
    }
    store_sqlite.shelf_close(shelf, true);
    frame_unref(snap.state);
    frame_unref(update);
    yata_bytes_fini(&state);
    yata_doc_free(doc);
    end_rooms();
}

static double start_ms(const char *path) {
    int out[2];
    must(pipe2(out, O_CLOEXEC) == 0);
    uint64_t start = clock_mono_ns();
    pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        (void)dup2(out[1], STDOUT_FILENO);
        (void)dup2(null, STDERR_FILENO);
        (void)execl(options.server, options.server, "--dev", "--host", "127.0.0.1", "--port", "0",
                    "--data", path, (char *)NULL);
        _exit(127);
    }
    (void)close(out[1]);
    char line[200];
    bool serves = read(out[0], line, sizeof line) > 0;
    double ms = (double)(clock_mono_ns() - start) / 1e6;
    (void)close(out[0]);
    (void)kill(pid, SIGTERM);
    int status = 0;
    must(waitpid(pid, &status, 0) == pid);
    if (!serves || status != 0) {
        die("the server did not start, or did not end well");
    }
    return ms;
}

static void bench_start(void) {
    char full[PATH];
    char empty[PATH];
    double with[ROUNDS_MOST];
    double without[ROUNDS_MOST];
    place(full, "full");
    place(empty, "empty");
    remove_all(full);
    remove_all(empty);
    fill(full);
    (void)start_ms(empty); /* makes it */
    unsigned starts = options.rounds * 3 < ROUNDS_MOST ? options.rounds * 3 : ROUNDS_MOST;
    for (unsigned i = 0; i < starts; i++) {
        with[i] = start_ms(full);
        without[i] = start_ms(empty);
    }
    remove_all(full);
    remove_all(empty);
    printf("\nstart, %u by turns: with %d rooms on the disk %.1f ms, with none %.1f ms\n", starts,
           STORED_ROOMS, median(with, starts), median(without, starts));
    judge("a start with them", median(with, starts), 200, "ms");
}

int main(int argc, char **argv) {
    static const struct option flags[] = {
        {"server", required_argument, NULL, 'p'}, {"dir", required_argument, NULL, 'd'},
        {"only", required_argument, NULL, 'o'},   {"seconds", required_argument, NULL, 's'},
        {"rounds", required_argument, NULL, 'r'}, {"rate", required_argument, NULL, 'u'},
        {"url", required_argument, NULL, 'l'},    {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        switch (c) {
        case 'p':
            options.server = optarg;
            break;
        case 'd':
            options.dir = optarg;
            break;
        case 'o':
            options.only = optarg;
            break;
        case 's':
            options.seconds = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'u':
            options.rate = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            options.rounds = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'l':
            options.url = optarg;
            break;
        default:
            return 2;
        }
    }
    if (!options.server || !options.dir || options.rounds < 1 || options.rounds > ROUNDS_MOST ||
        options.seconds < 1) {
        die("needs --server and --dir; 1 to 15 rounds, a second at least");
    }
    static const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"latency", bench_latency},
                 {"sustained", bench_sustained},
                 {"load", bench_load},
                 {"start", bench_start}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (wanted(parts[i].name) && (!options.url || i < OF_DATABASES)) {
            parts[i].run();
            (void)fflush(stdout);
        }
    }
    return 0;
}
