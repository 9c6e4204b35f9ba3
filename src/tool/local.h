/* local.h: a store that nobody uses, opened by this process for as long as a tool works on it.
 * Whoever comes meanwhile finds its socket there, as that of a server.
 *
 * Inside tool/ only. Thread: main; bringing in is done on the control thread.
 */
#ifndef TOOL_LOCAL_H
#define TOOL_LOCAL_H

#include <stdbool.h>
#include <stddef.h>

struct local;

/* NULL with a sentence in `why`. */
struct local *local_open(const char *data, char *why, size_t why_bytes);
/* False when something could not be written. */
bool local_close(struct local *);

#endif
