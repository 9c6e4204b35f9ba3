/* echo.h: how long it takes from the arrival of an update, or of presence, until the last receiver
 * of its tick was written to. A room makes one for each tick and counts the workers that have
 * receivers; each of them tells when it has written, and the last one to do so measures.
 *
 * Written means: handed to the kernel, or, where a socket is full, queued behind what it still has
 * to take. Whoever is cut off for being slow is not waited for.
 *
 * Thread: made by the room's worker; echo_written by any of those counted, once each.
 */
#ifndef ROOM_ECHO_H
#define ROOM_ECHO_H

#include <stdint.h>

#include "base/frame.h"
#include "base/trace.h"
#include "observe/metrics.h"

struct echo;

/* METRIC_ECHO or METRIC_AWARENESS_DELAY, from `received_ns` on, over so many workers. With a trace
 * that is told of, it is a span of that, too, named by the room; else both may be NULL. */
struct echo *echo_new(enum metric, uint64_t received_ns, unsigned workers, const struct trace *,
                      struct frame *room);
/* One of the workers has written. NULL is a no-op. */
void echo_written(struct echo *, uint64_t now_ns);

#endif
