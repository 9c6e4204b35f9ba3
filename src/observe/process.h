/* process.h: what the kernel knows about this process, as metrics.
 *
 * Inside observe/ only. Thread: any.
 */
#ifndef OBSERVE_PROCESS_H
#define OBSERVE_PROCESS_H

struct buf;

/* Appends the process_ metrics that Prometheus' own client libraries have. */
void process_write(struct buf *);

#endif
