#include "observe/metrics.h"

#include <stdatomic.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/must.h"
#include "limit/caps.h"
#include "observe/process.h"
#include "wire/dialect.h"
#include "wire/intent.h"

/* Upper borders of histogram buckets; +Inf follows by itself. */
/* A delay that people notice begins at 150 ms; a round trip over 300 ms is an alert. */
static const double bounds_ms[] = {0.1, 0.2, 0.5, 1,   2,   5,    10,   20,  50,
                                   100, 150, 200, 300, 500, 1000, 2000, 5000};
/* An update takes 1 us to apply when typed, milliseconds when it is a whole document. */
static const double bounds_ms_fine[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5,
                                        1,     2,     5,     10,   20,   50,   100, 500};
/* A commit takes one sync of the disk: 0.1 ms on good ones, seconds on one that hangs. */
static const double bounds_s[] = {0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02,
                                  0.05,   0.1,    0.2,    0.5,   1,     2,     5};
/* 1: a lone update; a full room of 100 writers reaches some dozens. */
static const double bounds_count[] = {1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233};

enum kind {
    KIND_COUNTER,
    KIND_COUNTER_BYTES,
    KIND_COUNTER_NS,
    KIND_GAUGE,
    KIND_GAUGE_BYTES,
    KIND_GAUGE_AGE,
    KIND_GAUGE_UNTIL,
    KIND_HISTOGRAM_MS,
    KIND_HISTOGRAM_MS_FINE,
    KIND_HISTOGRAM_S,
    KIND_HISTOGRAM_COUNT
};

#define LABELS_NONE         1
#define LABELS_KNOWN        1
#define LABELS_WORKER       1
#define LABELS_TYPE         OP_COUNT
#define LABELS_DIALECT      DIALECT_COUNT
#define LABELS_TYPE_DIALECT (OP_COUNT * DIALECT_COUNT)
#define LABELS_OUT_DIALECT  (METRIC_OUTS * DIALECT_COUNT)
#define LABELS_CODE         ERR_COUNT
#define LABELS_REASON       METRIC_REASONS
#define LABELS_OWNER        METRIC_OWNERS
#define LABELS_SIZE         METRIC_SIZES

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* A histogram's cells: one per bucket and one for +Inf; the sum stands in a table of its own. */
#define CELLS_COUNTER(labels)           (labels)
#define CELLS_COUNTER_BYTES(labels)     (labels)
#define CELLS_COUNTER_NS(labels)        (labels)
#define CELLS_GAUGE(labels)             (labels)
#define CELLS_GAUGE_BYTES(labels)       (labels)
#define CELLS_GAUGE_AGE(labels)         (labels)
#define CELLS_GAUGE_UNTIL(labels)       (labels)
#define CELLS_HISTOGRAM_MS(labels)      (COUNT_OF(bounds_ms) + 1)
#define CELLS_HISTOGRAM_MS_FINE(labels) (COUNT_OF(bounds_ms_fine) + 1)
#define CELLS_HISTOGRAM_S(labels)       (COUNT_OF(bounds_s) + 1)
#define CELLS_HISTOGRAM_COUNT(labels)   (COUNT_OF(bounds_count) + 1)

/* One thread's cells. Aligned, so that no two threads write one cache line. */
struct cells {
#define METRIC(sym, kind, name, labels, help) _Atomic int64_t sym[CELLS_##kind(LABELS_##labels)];
#include "observe/metrics.def"
#undef METRIC
    _Atomic double sums[METRIC_COUNT]; /* histograms */
    atomic_bool known[METRIC_COUNT];   /* gauges: set once at least */
    atomic_bool used;                  /* a thread has these as its own */
} __attribute__((aligned(64)));

/* ---- labels ---- */

/* A name; NULL: there is no line with it. */
typedef const char *label_fn(unsigned);

static const char *label_type(unsigned i) {
    static const char *const names[OP_COUNT] = {
        "invalid",
#define METHOD(op, name, right, cost, required, allowed) name,
#include "wire/methods.def"
#undef METHOD
    };
    /* "collab/update" is "update" here: the prefix is the same for all of ours. */
    const char *slash = strrchr(names[i], '/');
    return slash ? slash + 1 : names[i];
}

static const char *label_dialect(unsigned i) {
    static const char *const names[DIALECT_COUNT] = {
#define X(sym, name, ...) #name,
        DIALECT_TABLE(X)
#undef X
    };
    return names[i];
}

static const char *label_code(unsigned i) {
    return i == ERR_OK ? NULL : err_label((enum err)i);
}

static const char *label_out(unsigned i) {
    static const char *const names[METRIC_OUTS] = {
#define X(sym, name) name,
        METRIC_OUT_TABLE(X)
#undef X
    };
    return names[i];
}

static const char *label_reason(unsigned i) {
    static const char *const names[METRIC_REASONS] = {
#define X(sym, name) name,
        METRIC_REASON_TABLE(X)
#undef X
    };
    return names[i];
}

static const char *label_owner(unsigned i) {
    static const char *const names[METRIC_OWNERS] = {
#define X(sym, name) name,
        METRIC_OWNER_TABLE(X)
#undef X
    };
    return names[i];
}

static const char *label_size(unsigned i) {
    static const char *const names[METRIC_SIZES] = {
#define X(sym, name, most) name,
        METRIC_SIZE_TABLE(X)
#undef X
    };
    return names[i];
}

/* How the lines of a metric are told apart: by a first label, and by a second within it. */
struct labels {
    const char *name; /* NULL: one line */
    label_fn *of;
    const char *inner_name; /* NULL: no second */
    label_fn *inner;
    unsigned inner_count;
    bool by_worker; /* each thread's own cell is a line */
    bool late;      /* no line before it is set */
};

#define LABEL_NONE                                                                                 \
    { 0 }
#define LABEL_KNOWN                                                                                \
    { .late = true }
#define LABEL_WORKER                                                                               \
    { .by_worker = true }
#define LABEL_TYPE                                                                                 \
    { .name = "type", .of = label_type }
#define LABEL_DIALECT                                                                              \
    { .name = "dialect", .of = label_dialect }
#define LABEL_TYPE_DIALECT                                                                         \
    { "type", label_type, "dialect", label_dialect, DIALECT_COUNT, false, false }
#define LABEL_OUT_DIALECT                                                                          \
    { "type", label_out, "dialect", label_dialect, DIALECT_COUNT, false, false }
#define LABEL_CODE                                                                                 \
    { .name = "code", .of = label_code }
#define LABEL_REASON                                                                               \
    { .name = "reason", .of = label_reason }
#define LABEL_OWNER                                                                                \
    { .name = "owner", .of = label_owner }
#define LABEL_SIZE                                                                                 \
    { .name = "up_to", .of = label_size }

/* ---- rows ---- */

struct row {
    enum kind kind;
    const char *name;
    struct labels by;
    unsigned labels;
    size_t offset; /* of the first cell, in struct cells */
    const char *help;
};

static const struct row rows[METRIC_COUNT] = {
#define METRIC(sym, kind, name, labels, help)                                                      \
    {KIND_##kind, name, LABEL_##labels, LABELS_##labels, offsetof(struct cells, sym), help},
#include "observe/metrics.def"
#undef METRIC
};

#define SPARE CAPS_METRIC_THREADS /* the set of threads that have none of their own */
static struct cells cells[CAPS_METRIC_THREADS + 1];
static _Thread_local struct cells *mine = &cells[SPARE];

void metrics_thread_init(unsigned thread_index) {
    must(thread_index < CAPS_METRIC_THREADS);
    mine = &cells[thread_index];
    atomic_store_explicit(&mine->used, true, memory_order_relaxed);
}

static _Atomic int64_t *cell(struct cells *of, const struct row *r, size_t i) {
    return (_Atomic int64_t *)(void *)((char *)of + r->offset) + i;
}

static bool is_histogram(const struct row *r) {
    return r->kind >= KIND_HISTOGRAM_MS;
}

static bool is_gauge(const struct row *r) {
    return r->kind >= KIND_GAUGE && !is_histogram(r);
}

/* A second of the wall clock, shown as how far away that is. */
static bool is_moment(const struct row *r) {
    return r->kind == KIND_GAUGE_AGE || r->kind == KIND_GAUGE_UNTIL;
}

/* Relaxed throughout: cells are counters, and each has one writer. */
static void bump(_Atomic int64_t *at, int64_t n) {
    atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

void metric_add(enum metric m, unsigned label, int64_t n) {
    const struct row *r = &rows[m];
    must(label < r->labels && !is_histogram(r));
    bump(cell(mine, r, label), n);
}

static void set(struct cells *of, enum metric m, unsigned label, int64_t value) {
    const struct row *r = &rows[m];
    must(label < r->labels && is_gauge(r));
    atomic_store_explicit(cell(of, r, label), value, memory_order_relaxed);
    atomic_store_explicit(&of->known[m], true, memory_order_relaxed);
}

void metric_set(enum metric m, unsigned label, int64_t value) {
    set(mine, m, label, value);
}

void metric_set_thread(enum metric m, unsigned label, unsigned thread_index, int64_t value) {
    must(thread_index <= SPARE);
    set(&cells[thread_index], m, label, value);
}

enum metric_size metric_size_of(size_t participants) {
    static const size_t most[METRIC_SIZES] = {
#define X(sym, name, most) most,
        METRIC_SIZE_TABLE(X)
#undef X
    };
    unsigned i = 0;
    while (participants > most[i]) {
        i++;
    }
    return (enum metric_size)i;
}

static const double *bounds_of(const struct row *r, size_t *ret_count) {
    switch (r->kind) {
    case KIND_HISTOGRAM_MS:
        *ret_count = COUNT_OF(bounds_ms);
        return bounds_ms;
    case KIND_HISTOGRAM_MS_FINE:
        *ret_count = COUNT_OF(bounds_ms_fine);
        return bounds_ms_fine;
    case KIND_HISTOGRAM_S:
        *ret_count = COUNT_OF(bounds_s);
        return bounds_s;
    default:
        *ret_count = COUNT_OF(bounds_count);
        return bounds_count;
    }
}

void metric_observe(enum metric m, double value) {
    const struct row *r = &rows[m];
    must(is_histogram(r));
    size_t count = 0;
    const double *bounds = bounds_of(r, &count);
    size_t i = 0;
    while (i < count && value > bounds[i]) {
        i++;
    }
    bump(cell(mine, r, i), 1);
    _Atomic double *sum = &mine->sums[m];
    atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + value,
                          memory_order_relaxed);
}

static int64_t total(const struct row *r, size_t i) {
    int64_t sum = 0;
    for (size_t t = 0; t <= SPARE; t++) {
        sum += atomic_load_explicit(cell(&cells[t], r, i), memory_order_relaxed);
    }
    return sum;
}

/* The latest moment that any thread has set; 0: none has. */
static int64_t latest(const struct row *r) {
    int64_t most = 0;
    for (size_t t = 0; t <= SPARE; t++) {
        int64_t v = atomic_load_explicit(cell(&cells[t], r, 0), memory_order_relaxed);
        most = v > most ? v : most;
    }
    return most;
}

static bool is_known(enum metric m) {
    bool known = false;
    for (size_t t = 0; t <= SPARE && !known; t++) {
        known = atomic_load_explicit(&cells[t].known[m], memory_order_relaxed);
    }
    return known;
}

int64_t metric_get(enum metric m, unsigned label) {
    must(label < rows[m].labels && !is_histogram(&rows[m]));
    return total(&rows[m], label);
}

int64_t metric_get_thread(enum metric m, unsigned label, unsigned thread_index) {
    must(label < rows[m].labels && !is_histogram(&rows[m]) && thread_index < CAPS_METRIC_THREADS);
    return atomic_load_explicit(cell(&cells[thread_index], &rows[m], label), memory_order_relaxed);
}

/* ---- the page ---- */

static void put_number(struct buf *b, const struct row *r, int64_t v) {
    if (r->kind == KIND_COUNTER_NS) {
        buf_printf(b, " %lld.%09lld\n", (long long)(v / 1000000000), (long long)(v % 1000000000));
    } else {
        buf_printf(b, " %lld\n", (long long)v);
    }
}

static void write_moment(struct buf *b, const struct row *r) {
    int64_t at = latest(r);
    int64_t now = (int64_t)(clock_wall_ms() / 1000);
    if (at) {
        buf_put_str(b, r->name);
        put_number(b, r, r->kind == KIND_GAUGE_AGE ? now - at : at - now);
    }
}

static void write_workers(struct buf *b, const struct row *r) {
    for (unsigned t = 0; t < CAPS_WORKERS; t++) {
        if (atomic_load_explicit(&cells[t].used, memory_order_relaxed)) {
            buf_printf(b, "%s{worker=\"%u\"}", r->name, t);
            put_number(b, r, atomic_load_explicit(cell(&cells[t], r, 0), memory_order_relaxed));
        }
    }
}

/* One line; what has two labels and was never counted has none: there are too many of them. */
static void write_line(struct buf *b, const struct row *r, unsigned i) {
    const struct labels *by = &r->by;
    unsigned first = by->inner ? i / by->inner_count : i;
    const char *name = by->name ? by->of(first) : "";
    int64_t v = total(r, i);
    if (!name || (by->inner && v == 0)) {
        return;
    }
    buf_put_str(b, r->name);
    if (by->inner) {
        buf_printf(b, "{%s=\"%s\",%s=\"%s\"}", by->name, name, by->inner_name,
                   by->inner(i % by->inner_count));
    } else if (by->name) {
        buf_printf(b, "{%s=\"%s\"}", by->name, name);
    }
    put_number(b, r, v);
}

static void write_plain(struct buf *b, const struct row *r) {
    if (r->by.late && !is_known((enum metric)(r - rows))) {
        return;
    }
    if (is_moment(r)) {
        write_moment(b, r);
        return;
    }
    if (r->by.by_worker) {
        write_workers(b, r);
        return;
    }
    for (unsigned i = 0; i < r->labels; i++) {
        write_line(b, r, i);
    }
}

static void write_histogram(struct buf *b, const struct row *r) {
    size_t count = 0;
    const double *bounds = bounds_of(r, &count);
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += total(r, i);
        buf_printf(b, "%s_bucket{le=\"%g\"} %lld\n", r->name, bounds[i], (long long)sum);
    }
    sum += total(r, count);
    double values = 0;
    for (size_t t = 0; t <= SPARE; t++) {
        values += atomic_load_explicit(&cells[t].sums[r - rows], memory_order_relaxed);
    }
    buf_printf(b, "%s_bucket{le=\"+Inf\"} %lld\n%s_sum %.9g\n%s_count %lld\n", r->name,
               (long long)sum, r->name, values, r->name, (long long)sum);
}

static const char *type_of(const struct row *r) {
    return is_histogram(r) ? "histogram" : is_gauge(r) ? "gauge" : "counter";
}

void metrics_write(struct buf *b) {
    for (size_t m = 0; m < METRIC_COUNT; m++) {
        const struct row *r = &rows[m];
        buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", r->name, r->help, r->name, type_of(r));
        (is_histogram(r) ? write_histogram : write_plain)(b, r);
    }
    buf_put_str(b, "# HELP collab_build_info Always 1; the label says which version this is.\n"
                   "# TYPE collab_build_info gauge\n"
                   "collab_build_info{version=\"" COLLAB_VERSION "\"} 1\n");
    process_write(b);
}
