/* hist.h: a histogram of whole numbers, log-linear: exact below 256, then 128 slots for each power
 * of two, so what is read back is at most 0.8 % above what was put in.
 *
 * Thread: one owner. Embed only; zero is empty.
 */
#ifndef LOAD_HIST_H
#define LOAD_HIST_H

#include <stddef.h>
#include <stdint.h>

enum {
    HIST_FINE_BITS = 7,
    HIST_BITS = 40, /* of the largest value; in microseconds that is 12 days */
    HIST_SLOTS = (HIST_BITS - HIST_FINE_BITS + 1) << HIST_FINE_BITS,
};

struct hist {
    uint64_t count;
    uint64_t sum;
    uint64_t most;
    uint64_t slots[HIST_SLOTS];
};

/* Values above the largest are counted as it. */
void hist_add(struct hist *, uint64_t value);
/* The least value that `share` (0 to 1) of all do not pass; 0 when there are none. */
uint64_t hist_at(const struct hist *, double share);
double hist_mean(const struct hist *);

#endif
