/* clock.h: two clocks. Thread: any. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds that never go back; for durations and deadlines. */
uint64_t clock_mono_ns(void);
/* The same in milliseconds. */
uint64_t clock_mono_ms(void);
/* Milliseconds since 1970; for people and log lines only. */
uint64_t clock_wall_ms(void);

#endif
