#include "room/echo.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "observe/span.h"

struct echo {
    enum metric metric;
    uint64_t received_ns;
    atomic_uint left; /* workers that have not written yet */
    struct trace trace;
    struct frame *room; /* when it is told of; or NULL */
};

struct echo *echo_new(enum metric metric, uint64_t received_ns, unsigned workers,
                      const struct trace *trace, struct frame *room) {
    struct echo *e = NEW(struct echo);
    e->metric = metric;
    e->received_ns = received_ns;
    atomic_init(&e->left, workers);
    if (trace && span_wanted(trace)) {
        e->trace = *trace;
        e->room = frame_ref(room);
    }
    return e;
}

void echo_written(struct echo *e, uint64_t now_ns) {
    /* acq_rel: whoever comes last frees what the others have read */
    if (!e || atomic_fetch_sub_explicit(&e->left, 1, memory_order_acq_rel) > 1) {
        return;
    }
    uint64_t took = now_ns > e->received_ns ? now_ns - e->received_ns : 0;
    metric_observe(e->metric, (double)took / 1e6);
    if (e->room) {
        span_end(&(struct span){.trace = e->trace,
                                .id = span_id(),
                                .name = "echo",
                                .start_ns = e->received_ns,
                                .end_ns = e->received_ns + took,
                                .room = frame_slice(e->room)});
    }
    frame_unref(e->room);
    mem_free(e);
}
