/* trace.h: what a request belongs to, as its caller says by a traceparent (W3C Trace Context level
 * 1, 3.2): a trace of 16 bytes, the caller's span in it of 8, and whether spans are recorded.
 *
 *     00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *
 * Thread: any. Plain data, copied; all zero is no trace.
 */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include "base/slice.h"

struct trace {
    uint64_t high; /* of the trace's id */
    uint64_t low;
    uint64_t span; /* the span that what follows is a part of; 0: none */
    bool sampled;  /* spans are recorded */
};

enum { TRACE_ID_CHARS = 32, TRACE_SPAN_CHARS = 16, TRACE_PARENT_CHARS = 55, TRACE_BYTES = 25 };

static inline bool trace_is_set(const struct trace *t) {
    return (t->high | t->low) != 0;
}

/* Reads a traceparent. False when it is none: *ret is then no trace, and the standard says to go on
 * without. What a later version has behind the flags is skipped. */
bool trace_parse(slice, struct trace *ret);
/* The trace's id in hexadecimal. */
void trace_write_id(const struct trace *, char to[TRACE_ID_CHARS + 1]);
/* Id of a span in hexadecimal. */
void trace_write_span(uint64_t span, char to[TRACE_SPAN_CHARS + 1]);
/* The traceparent, to hand the trace on. */
void trace_write(const struct trace *, char to[TRACE_PARENT_CHARS + 1]);
/* The same as bytes: id, span, flags. */
void trace_to_bytes(const struct trace *, uint8_t to[TRACE_BYTES]);
/* Reads these; what is none becomes no trace, as above. */
void trace_from_bytes(const uint8_t from[TRACE_BYTES], struct trace *ret);

#endif
