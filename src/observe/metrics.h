/* metrics.h: counters, gauges and histograms, one set of cells per thread, summed when scraped.
 *
 * A thread writes only its own cells, with relaxed loads and stores; so counting costs what adding
 * to a plain variable costs. Rows are in metrics.def; no call site spells a metric's name.
 *
 * Thread: any. metrics_thread_init once per thread that counts much; threads without it share one
 * set of cells, where a count may be lost when two of them meet (tests, start-up).
 */
#ifndef OBSERVE_METRICS_H
#define OBSERVE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "wire/dialect.h"

struct buf;

/* What a message to a client is: symbol, name. The first are those of enum event_kind, in order. */
#define METRIC_OUT_TABLE(X)                                                                        \
    X(STATE, "state")         /* what a client lacks */                                            \
    X(UPDATE, "update")       /* what a tick changed */                                            \
    X(AWARENESS, "awareness") /* presence */                                                       \
    X(CLOSED, "closed")       /* a room is closed for this client */                               \
    X(ANSWER, "answer")       /* to a request, or several in a batch */                            \
    X(ERROR, "error")         /* to a request that was refused */

/* Why a queued message was not sent. */
#define METRIC_REASON_TABLE(X)                                                                     \
    X(SLOW, "slow_reader") /* its receiver was cut off, and gets one difference later */           \
    X(STALLED, "stalled")  /* its receiver read nothing for the stall time */                      \
    X(LEFT, "left")        /* its receiver had left the room */                                    \
    X(CLOSED, "closed")    /* its connection was being closed */                                   \
    X(GONE, "gone")        /* its connection had ended */

/* What memory is used for. */
#define METRIC_OWNER_TABLE(X)                                                                      \
    X(DOCUMENTS, "documents") /* open rooms, without the following */                              \
    X(PENDING, "pending")     /* updates kept because what they depend on has not come */          \
    X(OUTBOXES, "outboxes")   /* what waits to be written; shared bytes count for each receiver */ \
    X(INPUT, "input")         /* incomplete messages */                                            \
    X(STORE, "store_queue")   /* updates that wait for their commit */

/* How many participants a room has: symbol, name, most. */
#define METRIC_SIZE_TABLE(X)                                                                       \
    X(NOBODY, "0", 0)                                                                              \
    X(ONE, "1", 1)                                                                                 \
    X(TWO, "2", 2)                                                                                 \
    X(FEW, "5", 5)                                                                                 \
    X(TEN, "10", 10)                                                                               \
    X(SOME, "20", 20)                                                                              \
    X(MANY, "50", 50)                                                                              \
    X(FULL, "100", 100)                                                                            \
    X(MORE, "more", SIZE_MAX)

enum metric_out {
#define X(sym, name) METRIC_OUT_##sym,
    METRIC_OUT_TABLE(X)
#undef X
        METRIC_OUTS
};

enum metric_reason {
#define X(sym, name) METRIC_REASON_##sym,
    METRIC_REASON_TABLE(X)
#undef X
        METRIC_REASONS
};

enum metric_owner {
#define X(sym, name) METRIC_OWNER_##sym,
    METRIC_OWNER_TABLE(X)
#undef X
        METRIC_OWNERS
};

enum metric_size {
#define X(sym, name, most) METRIC_SIZE_##sym,
    METRIC_SIZE_TABLE(X)
#undef X
        METRIC_SIZES
};

enum metric {
#define METRIC(sym, ...) METRIC_##sym,
#include "observe/metrics.def"
#undef METRIC
    METRIC_COUNT
};

/* Gives the calling thread the cells of that index, below CAPS_METRIC_THREADS and used by no other.
 */
void metrics_thread_init(unsigned thread_index);

/* Counters and gauges. `label` is a value of the row's enum (op, dialect_id, err, ...), 0 when it
 * has no labels or one per worker. Gauges may go down, also from another thread than the one that
 * raised them. */
void metric_add(enum metric, unsigned label, int64_t n);
/* Gauges: this thread's share. */
void metric_set(enum metric, unsigned label, int64_t value);
/* Gauges: another thread's share, which that thread itself leaves alone. CAPS_METRIC_THREADS: the
 * share of the process, for what is looked at only when somebody asks. */
void metric_set_thread(enum metric, unsigned label, unsigned thread_index, int64_t value);
/* Where a room with so many participants counts. */
enum metric_size metric_size_of(size_t participants);
/* Histograms. `value` in the metric's unit. */
void metric_observe(enum metric, double value);

/* The label of two tables: a type (op or metric_out) and a dialect. */
static inline unsigned metric_pair(unsigned type, unsigned dialect) {
    return type * DIALECT_COUNT + dialect;
}

/* The sum over all threads. */
int64_t metric_get(enum metric, unsigned label);
/* What one thread has counted. */
int64_t metric_get_thread(enum metric, unsigned label, unsigned thread_index);

/* Appends all metrics in Prometheus' text format 0.0.4. */
void metrics_write(struct buf *);
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif
