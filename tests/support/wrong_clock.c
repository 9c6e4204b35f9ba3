/* wrong_clock.c: a machine whose wall clock is wrong. Preloaded into the server (LD_PRELOAD), it
 * stands before the calls that tell the time since 1970; the monotonic clock stays right.
 *
 * WRONG_CLOCK is a file of one number, 64 bits, little-endian, which the test may change at any
 * time: by how many milliseconds the clock is ahead.
 */
#define _GNU_SOURCE 1 /* RTLD_NEXT, pthread_timedjoin_np */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MS_PER_S = 1000, NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

static _Atomic int64_t *ahead_ms;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("WRONG_CLOCK");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *p = fd >= 0 ? mmap(NULL, sizeof *ahead_ms, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (p == MAP_FAILED) {
        (void)fprintf(stderr, "wrong_clock: needs WRONG_CLOCK\n");
        abort();
    }
    (void)close(fd);
    ahead_ms = p;
}

/* The time `t`, of the right clock, as the wrong one has it (sign 1), or the other way round. */
static void shift(struct timespec *t, int sign) {
    int64_t ms = ahead_ms ? sign * atomic_load(ahead_ms) : 0;
    t->tv_sec += ms / MS_PER_S;
    t->tv_nsec += ms % MS_PER_S * NS_PER_MS;
    if (t->tv_nsec < 0 || t->tv_nsec >= NS_PER_S) {
        int64_t carry = t->tv_nsec < 0 ? -1 : 1;
        t->tv_sec += carry;
        t->tv_nsec -= carry * NS_PER_S;
    }
}

/* The function that this one stands before. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int clock_gettime(clockid_t id, struct timespec *t) {
    static __typeof__(&clock_gettime) _Atomic next; /* asked for often, by any thread */
    __typeof__(&clock_gettime) known = atomic_load_explicit(&next, memory_order_relaxed);
    if (!known) {
        known = NEXT(clock_gettime);
        atomic_store_explicit(&next, known, memory_order_relaxed);
    }
    int e = known(id, t);
    if (e == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        shift(t, 1);
    }
    return e;
}

time_t time(time_t *ret) {
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_REALTIME, &t);
    if (ret) {
        *ret = t.tv_sec;
    }
    return t.tv_sec;
}

int gettimeofday(struct timeval *ret, void *zone) {
    struct timespec t = {0};
    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    *ret = (struct timeval){.tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000};
    return 0;
}

/* The kernel's clock is right, so a deadline by the wrong one is told to it by the right one. */
int pthread_timedjoin_np(pthread_t thread, void **ret, const struct timespec *until) {
    struct timespec t = *until;
    shift(&t, -1);
    return NEXT(pthread_timedjoin_np)(thread, ret, &t);
}
