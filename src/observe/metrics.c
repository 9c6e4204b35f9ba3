#include "observe/metrics.h"

#include <stdatomic.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/must.h"
#include "limit/caps.h"
#include "observe/process.h"
#include "wire/dialect.h"
#include "wire/intent.h"

/* Upper borders of histogram buckets; +Inf follows by itself. */
/* An update takes 1 us to apply when typed, milliseconds when it is a whole document. */
static const double bounds_ms[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5,
                                   1,     2,     5,     10,   20,   50,   100, 500};
/* 1: a lone update; a full room of 100 writers reaches some dozens. */
/* A commit takes one sync of the disk: 0.1 ms on good ones, seconds on one that hangs. */
static const double bounds_s[] = {0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02,
                                  0.05,   0.1,    0.2,    0.5,   1,     2,     5};
static const double bounds_count[] = {1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233};

enum kind {
    KIND_COUNTER,
    KIND_COUNTER_NS,
    KIND_GAUGE,
    KIND_HISTOGRAM_MS,
    KIND_HISTOGRAM_S,
    KIND_HISTOGRAM_COUNT
};

#define LABELS_NONE    1
#define LABELS_OP      OP_COUNT
#define LABELS_DIALECT DIALECT_COUNT
#define LABELS_CODE    ERR_COUNT

/* A histogram's cells: one per bucket and one for +Inf; the sum stands in a table of its own. */
#define CELLS_COUNTER(labels)         (labels)
#define CELLS_COUNTER_NS(labels)      (labels)
#define CELLS_GAUGE(labels)           (labels)
#define CELLS_HISTOGRAM_MS(labels)    (sizeof bounds_ms / sizeof *bounds_ms + 1)
#define CELLS_HISTOGRAM_S(labels)     (sizeof bounds_s / sizeof *bounds_s + 1)
#define CELLS_HISTOGRAM_COUNT(labels) (sizeof bounds_count / sizeof *bounds_count + 1)

/* One thread's cells. Aligned, so that no two threads write one cache line. */
struct cells {
#define METRIC(sym, kind, name, labels, help) _Atomic int64_t sym[CELLS_##kind(LABELS_##labels)];
#include "observe/metrics.def"
#undef METRIC
    _Atomic double sums[METRIC_COUNT]; /* histograms */
} __attribute__((aligned(64)));

struct row {
    enum kind kind;
    const char *name;
    const char *(*label)(unsigned); /* NULL: none */
    const char *label_name;
    unsigned labels;
    size_t offset; /* of the first cell, in struct cells */
    const char *help;
};

static const char *label_op(unsigned i) {
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
    return err_label((enum err)i);
}

#define LABEL_NONE    NULL, ""
#define LABEL_OP      label_op, "op"
#define LABEL_DIALECT label_dialect, "dialect"
#define LABEL_CODE    label_code, "code"

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
}

static _Atomic int64_t *cell(struct cells *of, const struct row *r, size_t i) {
    return (_Atomic int64_t *)(void *)((char *)of + r->offset) + i;
}

static bool is_histogram(const struct row *r) {
    return r->kind >= KIND_HISTOGRAM_MS;
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

void metric_set(enum metric m, unsigned label, int64_t value) {
    const struct row *r = &rows[m];
    must(label < r->labels && r->kind == KIND_GAUGE);
    atomic_store_explicit(cell(mine, r, label), value, memory_order_relaxed);
}

static const double *bounds_of(const struct row *r, size_t *ret_count) {
    switch (r->kind) {
    case KIND_HISTOGRAM_MS:
        *ret_count = sizeof bounds_ms / sizeof *bounds_ms;
        return bounds_ms;
    case KIND_HISTOGRAM_S:
        *ret_count = sizeof bounds_s / sizeof *bounds_s;
        return bounds_s;
    default:
        *ret_count = sizeof bounds_count / sizeof *bounds_count;
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

int64_t metric_get(enum metric m, unsigned label) {
    must(label < rows[m].labels && !is_histogram(&rows[m]));
    return total(&rows[m], label);
}

int64_t metric_get_thread(enum metric m, unsigned label, unsigned thread_index) {
    must(label < rows[m].labels && !is_histogram(&rows[m]) && thread_index < CAPS_METRIC_THREADS);
    return atomic_load_explicit(cell(&cells[thread_index], &rows[m], label), memory_order_relaxed);
}

static void put_number(struct buf *b, const struct row *r, int64_t v) {
    if (r->kind == KIND_COUNTER_NS) {
        buf_printf(b, " %lld.%09lld\n", (long long)(v / 1000000000), (long long)(v % 1000000000));
    } else {
        buf_printf(b, " %lld\n", (long long)v);
    }
}

static void write_plain(struct buf *b, const struct row *r) {
    for (unsigned i = 0; i < r->labels; i++) {
        if (r->label == label_code && i == ERR_OK) {
            continue;
        }
        buf_put_str(b, r->name);
        if (r->label) {
            buf_printf(b, "{%s=\"%s\"}", r->label_name, r->label(i));
        }
        put_number(b, r, total(r, i));
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
    return is_histogram(r) ? "histogram" : r->kind == KIND_GAUGE ? "gauge" : "counter";
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
