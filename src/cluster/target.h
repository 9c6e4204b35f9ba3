/* target.h: where the Redis instances are, as REDIS_URL says, and which of them a room is on.
 *
 *     redis://[[user]:password@]host[:port][/database][,...]     rediss:// is the same over TLS
 *
 * Rooms are spread over the instances by jump hash: when one is added at the end of the list, only
 * the share of rooms that it takes over moves. All nodes must be given the same list.
 *
 * Thread: any. Pure, but for memory.
 */
#ifndef CLUSTER_TARGET_H
#define CLUSTER_TARGET_H

#include "base/err.h"
#include "base/slice.h"

struct target {
    bool tls;
    char *host;     /* without brackets */
    unsigned port;  /* 6379 when not said */
    char *user;     /* NULL: none */
    char *password; /* NULL: none */
    unsigned database;
};

/* Reads the list: *ret_targets is an array of *ret_count, to be released with targets_free.
 * Otherwise ERR_PARAMS with a sentence that does not tell the password. */
NODISCARD enum err targets_parse(const char *urls, struct target **ret_targets, size_t *ret_count,
                                 char *why, size_t why_bytes);
/* NULL is a no-op. */
void targets_free(struct target *, size_t count);

/* Which of `count` instances a room is on (Lamping and Veach, A Fast, Minimal Memory, Consistent
 * Hash Algorithm). */
size_t target_of(slice room, size_t count);

#endif
