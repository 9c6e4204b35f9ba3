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

#include <stdint.h>

struct buf;

enum metric {
#define METRIC(sym, ...) METRIC_##sym,
#include "observe/metrics.def"
#undef METRIC
    METRIC_COUNT
};

/* Gives the calling thread the cells of that index, below CAPS_METRIC_THREADS and used by no other.
 */
void metrics_thread_init(unsigned thread_index);

/* Counters and gauges. `label` is a value of the row's enum (op, dialect_id, err), 0 when it has no
 * labels. Gauges may go down, also from another thread than the one that raised them. */
void metric_add(enum metric, unsigned label, int64_t n);
/* Gauges: this thread's share. */
void metric_set(enum metric, unsigned label, int64_t value);
/* Histograms. `value` in the metric's unit. */
void metric_observe(enum metric, double value);

/* The sum over all threads. */
int64_t metric_get(enum metric, unsigned label);
/* What one thread has counted. */
int64_t metric_get_thread(enum metric, unsigned label, unsigned thread_index);

/* Appends all metrics in Prometheus' text format 0.0.4. */
void metrics_write(struct buf *);
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif
