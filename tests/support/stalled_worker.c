/* stalled_worker.c: workers that stand still while a test wants it. Preloaded into the server
 * (LD_PRELOAD): as long as the file STALLED_WORKER is there, threads that have accepted a
 * connection do not go on with their event loop. The others do: the bus hears, the store writes.
 */
#define _GNU_SOURCE 1 /* RTLD_NEXT */
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static _Thread_local int is_worker;

/* The function that this one stands before. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void stand_still(void) {
    const char *path = is_worker ? getenv("STALLED_WORKER") : NULL;
    while (path && access(path, F_OK) == 0) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

int accept4(int fd, struct sockaddr *address, socklen_t *n, int flags) {
    is_worker = 1;
    return NEXT(accept4)(fd, address, n, flags);
}

int epoll_wait(int fd, struct epoll_event *events, int n, int ms) {
    stand_still();
    return NEXT(epoll_wait)(fd, events, n, ms);
}

int epoll_pwait(int fd, struct epoll_event *events, int n, int ms, const sigset_t *mask) {
    stand_still();
    return NEXT(epoll_pwait)(fd, events, n, ms, mask);
}
