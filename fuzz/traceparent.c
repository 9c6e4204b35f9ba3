/* traceparent.c: any bytes as a traceparent. Promised: what is none is no trace; what is one can be
 * written, and what is written is the same again. */
#include <string.h>

#include "base/must.h"
#include "base/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct trace t = {.high = 1, .sampled = true};
    if (!trace_parse(slice_of(data, size), &t)) {
        must(!trace_is_set(&t) && !t.span && !t.sampled);
        return 0;
    }
    must(trace_is_set(&t) && t.span);
    char text[TRACE_PARENT_CHARS + 1];
    trace_write(&t, text);
    must(strlen(text) == TRACE_PARENT_CHARS);
    must(memcmp(text + 3, data + 3, TRACE_PARENT_CHARS - 5) == 0); /* but for version and flags */
    struct trace again;
    must(trace_parse(slice_str(text), &again));
    must(again.high == t.high && again.low == t.low && again.span == t.span &&
         again.sampled == t.sampled);
    return 0;
}
