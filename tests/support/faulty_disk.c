/* faulty_disk.c: a disk that fails when a test says so. Preloaded into the server (LD_PRELOAD), it
 * stands before the calls that write and sync, for the store's files below FAULTY_DISK_DATA.
 *
 * The test and the server share FAULTY_DISK_STATE, a file of four numbers, 64 bits, little-endian:
 * what is wrong (enum fault), its argument, how many writes and syncs there were, and how many of
 * them failed. A sync that fails has not reached the disk.
 */
#define _GNU_SOURCE 1 /* RTLD_NEXT */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum fault {
    FAULT_NONE,
    FAULT_ONE,       /* the operation of that number fails: EIO */
    FAULT_FULL,      /* every write: ENOSPC */
    FAULT_READ_ONLY, /* every write: EROFS */
    FAULT_WRITES,    /* every write: EIO */
    FAULT_SYNCS,     /* every sync: EIO */
    FAULT_SLOW,      /* every sync takes so many milliseconds */
};

struct state {
    _Atomic int64_t fault, argument, operations, failed;
};

static struct state *state;
static const char *data;
static size_t data_bytes;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTY_DISK_STATE");
    data = getenv("FAULTY_DISK_DATA");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *p =
        fd >= 0 ? mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (!data || p == MAP_FAILED) {
        (void)fprintf(stderr, "faulty_disk: needs FAULTY_DISK_DATA and FAULTY_DISK_STATE\n");
        abort();
    }
    (void)close(fd);
    data_bytes = strlen(data);
    state = p;
}

/* Is it a file of the store? The lock and the socket are not. */
static int ours(int fd) {
    char link[40];
    char path[4096];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 4 || (size_t)n <= data_bytes || memcmp(path, data, data_bytes) != 0) {
        return 0;
    }
    path[n] = 0;
    return strcmp(path + n - 3, ".db") == 0 || strcmp(path + n - 4, "-wal") == 0;
}

static void wait_ms(int64_t ms) {
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

/* 0, or with what the operation fails. */
static int wrong(int fd, int sync) {
    if (!state || !ours(fd)) {
        return 0;
    }
    int64_t number = atomic_fetch_add(&state->operations, 1) + 1;
    int64_t argument = atomic_load(&state->argument);
    int e = 0;
    switch ((enum fault)atomic_load(&state->fault)) {
    case FAULT_NONE:
        break;
    case FAULT_ONE:
        e = number == argument ? EIO : 0;
        break;
    case FAULT_FULL:
        e = sync ? 0 : ENOSPC;
        break;
    case FAULT_READ_ONLY:
        e = sync ? 0 : EROFS;
        break;
    case FAULT_WRITES:
        e = sync ? 0 : EIO;
        break;
    case FAULT_SYNCS:
        e = sync ? EIO : 0;
        break;
    case FAULT_SLOW:
        wait_ms(sync ? argument : 0);
        break;
    }
    if (e) {
        (void)atomic_fetch_add(&state->failed, 1);
        errno = e;
    }
    return e;
}

/* The function that this one stands before. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int fd, const void *p, size_t n, off_t at) {
    return wrong(fd, 0) ? -1 : NEXT(pwrite)(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at) {
    return wrong(fd, 0) ? -1 : NEXT(pwrite64)(fd, p, n, at);
}

ssize_t write(int fd, const void *p, size_t n) {
    return wrong(fd, 0) ? -1 : NEXT(write)(fd, p, n);
}

int fsync(int fd) {
    return wrong(fd, 1) ? -1 : NEXT(fsync)(fd);
}

int fdatasync(int fd) {
    return wrong(fd, 1) ? -1 : NEXT(fdatasync)(fd);
}
