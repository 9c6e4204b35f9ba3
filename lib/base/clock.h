/* clock.h: two clocks. Thread: any. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds that never go back; for durations and deadlines. */
uint64_t clock_mono_ns(void);
/* The same in milliseconds. */
uint64_t clock_mono_ms(void);
/* So many milliseconds from now, as pthread_cond_clockwait takes it with CLOCK_MONOTONIC. */
struct timespec clock_mono_after(uint64_t ms);
/* Milliseconds since 1970, by this machine: for people, log lines and tokens. */
uint64_t clock_wall_ms(void);

#endif
