#include "base/clock.h"

static uint64_t read_ns(clockid_t id) {
    struct timespec t = {0};
    (void)clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t clock_mono_ns(void) {
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_mono_ms(void) {
    return clock_mono_ns() / 1000000u;
}

struct timespec clock_mono_after(uint64_t ms) {
    uint64_t ns = clock_mono_ns() + ms * 1000000u;
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
                             .tv_nsec = (long)(ns % 1000000000u)};
}

uint64_t clock_wall_ms(void) {
    return read_ns(CLOCK_REALTIME) / 1000000u;
}
