/* dir.h: the data directory: there, ours, and nobody else's at the same time.
 *
 * The lock is on a file of its own, for the life of the process; the kernel lets go of it whatever
 * way the process ends. Thread: main.
 */
#ifndef STORE_DIR_H
#define STORE_DIR_H

#include <stddef.h>

#include "base/err.h"

/* Makes the directory if need be and takes the lock. On failure a sentence is left in `why`. The
 * descriptor holds the lock; close it to let go. */
NODISCARD enum err dir_take(const char *path, int *ret_lock, char *why, size_t why_bytes);

#endif
