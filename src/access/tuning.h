/* tuning.h: how patient this folder is. Operators have no say in it; tests have.
 *
 * Thread: any. Plain data.
 */
#ifndef ACCESS_TUNING_H
#define ACCESS_TUNING_H

#include <stddef.h>
#include <stdint.h>

struct access;
struct access_options;

struct access_tuning {
    uint64_t cool_down_ms;   /* between fetches for the sake of a kid that nobody knows */
    uint64_t retry_ms;       /* after a fetch that failed; doubled each time */
    uint64_t retry_max_ms;   /* up to this */
    uint64_t age_min_ms;     /* bounds for what Cache-Control says */
    uint64_t age_max_ms;     /* */
    uint64_t age_default_ms; /* when it says nothing */
    uint64_t watch_ms;       /* between looks at files */
};

extern const struct access_tuning access_tuning_default;

/* As access_open, but so patient. */
struct access *access_open_tuned(const struct access_options *, const struct access_tuning *,
                                 char *why, size_t why_bytes);

#endif
