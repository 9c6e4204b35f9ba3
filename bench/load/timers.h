/* timers.h: what is to happen when, earliest first: a heap of plain values.
 *
 * Thread: one. Embed only; zero is empty.
 */
#ifndef LOAD_TIMERS_H
#define LOAD_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
    uint64_t due_ns;
    unsigned kind; /* the owner's own */
    void *subject;
};

struct timers {
    struct timer *v;
    size_t n, cap;
};

void timers_fini(struct timers *);
void timers_add(struct timers *, uint64_t due_ns, unsigned kind, void *subject);
/* Takes the earliest, if its time has come. */
bool timers_take(struct timers *, uint64_t now_ns, struct timer *ret);
/* When the earliest is due; UINT64_MAX when there is none. */
uint64_t timers_next(const struct timers *);

#endif
