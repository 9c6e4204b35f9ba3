/* span.h: what happened to a traced request, and when, told to whoever collects traces.
 *
 * A span is one step of one request: which trace it is a part of, which span it is a part of, from
 * when until when. Ended spans wait in a queue of CAPS_SPANS_QUEUED and are sent about once a
 * second, as OTLP over HTTP in JSON (OpenTelemetry Protocol 1.3, ExportTraceServiceRequest), by a
 * thread of this module; what the queue cannot take, and what the collector does not take, is
 * dropped and counted. Nobody waits for it.
 *
 * Without a collector (span_open was given no URL) spans go nowhere and no trace is begun here;
 * those that clients began are still handed on.
 *
 * Thread: any, but for open and close. One leaf lock, around the queue.
 */
#ifndef OBSERVE_SPAN_H
#define OBSERVE_SPAN_H

#include "base/err.h"
#include "base/trace.h"

struct span {
    struct trace trace; /* `span` of it: the one that this is a part of; 0: none */
    uint64_t id;
    const char *name;  /* static */
    bool serves;       /* it answers a client; else it is a step inside */
    uint64_t start_ns; /* of clock_mono_ns */
    uint64_t end_ns;
    slice room;
    uint64_t connection; /* 0: none */
    uint64_t seq;        /* 0: none */
    enum err err;
};

struct span_options {
    const char *url; /* http or https; without a path /v1/traces is meant. NULL: no collector */
    unsigned sample; /* of so many requests that come without a trace one begins one; 0: none */
};

/* Starts the thread. ERR_PARAMS with a sentence in `why` when the URL is none. */
NODISCARD enum err span_open(const struct span_options *, char *why, size_t why_bytes);
/* Sends what is left, for CAPS_SPAN_POST_MS at most twice, and ends the thread. A no-op when there
 * is none. */
void span_close(void);

/* An id that no other span has. */
uint64_t span_id(void);
/* Whether spans of this trace are to be told. */
bool span_wanted(const struct trace *);
/* Begins a trace for one in so many requests that have none. */
void span_sample(struct trace *);
/* A trace of its own for something that went wrong, so that it can be found in the log. */
struct trace span_new_trace(void);
/* Tells of a span that has ended; no-op unless it is wanted. Copies. */
void span_end(const struct span *);

#endif
