/* line.h: one line of a log in the making, as JSON or as text for people. For log.c and audit.c.
 *
 * What does not fit is left out, whole fields at a time, and the line says so. Whatever bytes a
 * peer sent, the result is one line of valid UTF-8 without control characters.
 *
 * Thread: one owner; usually it lives on the stack. Embed only; `n` 0 and `full` false is empty.
 */
#ifndef OBSERVE_LINE_H
#define OBSERVE_LINE_H

#include "base/slice.h"
#include "limit/caps.h"

struct log_field;

struct line {
    size_t n;
    bool full;
    char p[CAPS_LOG_LINE_BYTES];
};

void line_str(struct line *, const char *);
/* At most 63 characters. */
void line_fmt(struct line *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The inside of a JSON string. */
void line_escaped(struct line *, slice);
/* Now: UTC and the date for machines, local time of day for people. */
void line_time(struct line *, bool text);
/* Each with what stands before it: a comma, a space. */
void line_fields(struct line *, const struct log_field *, bool text);
/* Ends the line, also one that is full; what is to be written. */
slice line_end(struct line *, bool text);

#endif
