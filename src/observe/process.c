#include "observe/process.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

static void put(struct buf *b, const char *type, const char *name, const char *help, double value) {
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, help, name, type, name, value);
}

static double cpu_seconds(void) {
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The beginning of a file of /proc, as text; empty when it cannot be read. */
static void read_text(const char *path, char *to, size_t bytes) {
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(to, 1, bytes - 1, f) : 0;
    if (f) {
        (void)fclose(f);
    }
    to[n] = 0;
}

/* The n-th of the numbers or words that spaces separate, counted from 0; 0 when it is none. */
static unsigned long long field(const char *text, unsigned n) {
    for (; n > 0 && text; n--) {
        text = strchr(text, ' ');
        text += text != NULL;
    }
    return text ? strtoull(text, NULL, 10) : 0;
}

static double resident_bytes(void) {
    char text[200];
    read_text("/proc/self/statm", text, sizeof text);
    return (double)field(text, 1) * (double)sysconf(_SC_PAGESIZE);
}

static double open_files(void) {
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    if (d) {
        while (readdir(d)) {
            n++;
        }
        (void)closedir(d);
    }
    return n > 3 ? n - 3 : 0; /* without ".", ".." and the directory itself */
}

static double files_limit(void) {
    struct rlimit r = {0};
    (void)getrlimit(RLIMIT_NOFILE, &r);
    return (double)r.rlim_cur;
}

/* Seconds since 1970 at which the process began: now, less its age. Computed once, as the two
 * clocks drift. Field 22 of /proc/self/stat is the start in ticks since boot (proc(5)); the name in
 * field 2 may hold anything, so counting starts after its closing bracket. */
static double start_seconds(void) {
    static _Atomic double known = 0;
    double start = atomic_load_explicit(&known, memory_order_relaxed);
    if (start > 0) {
        return start;
    }
    char text[1024];
    read_text("/proc/self/stat", text, sizeof text);
    const char *after = strrchr(text, ')');
    unsigned long long ticks = after ? field(after, 20) : 0; /* `after` begins with field 2 */
    if (ticks == 0) {
        return 0;
    }
    struct timespec boot = {0};
    (void)clock_gettime(CLOCK_BOOTTIME, &boot);
    double age = (double)boot.tv_sec + (double)boot.tv_nsec / 1e9 -
                 (double)ticks / (double)sysconf(_SC_CLK_TCK);
    start = (double)clock_wall_ms() / 1000 - age;
    atomic_store_explicit(&known, start, memory_order_relaxed);
    return start;
}

void process_write(struct buf *b) {
    put(b, "gauge", "process_start_time_seconds", "Start of the process, in seconds since 1970.",
        start_seconds());
    put(b, "counter", "process_cpu_seconds_total", "User and system CPU time.", cpu_seconds());
    put(b, "gauge", "process_resident_memory_bytes", "Memory that is in RAM.", resident_bytes());
    put(b, "gauge", "process_open_fds", "Open file descriptors.", open_files());
    put(b, "gauge", "process_max_fds", "Allowed file descriptors.", files_limit());
}
