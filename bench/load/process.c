#include "process.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Reads /proc/PID/NAME, one line. */
static bool read_line(uint64_t pid, const char *name, char *to, size_t n) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%llu/%s", (unsigned long long)pid, name);
    FILE *f = fopen(path, "re");
    if (!f) {
        return false;
    }
    bool ok = fgets(to, (int)n, f) != NULL;
    (void)fclose(f);
    return ok;
}

bool process_look(uint64_t pid, struct process *ret) {
    char line[1024];
    unsigned long long user = 0;
    unsigned long long system = 0;
    unsigned long long resident = 0;
    unsigned long long shared = 0;
    if (!read_line(pid, "stat", line, sizeof line)) {
        return false;
    }
    const char *behind = strrchr(line, ')'); /* the name may hold anything */
    if (!behind || sscanf(behind + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
                          &user, &system) != 2) {
        return false;
    }
    if (!read_line(pid, "statm", line, sizeof line) ||
        sscanf(line, "%*u %llu %llu", &resident, &shared) != 2) {
        return false;
    }
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    ret->cpu_s = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    ret->resident_bytes = resident * page;
    ret->private_bytes = (resident - shared) * page;
    return true;
}

double process_own_cpu_s(void) {
    struct rusage r = {0};
    (void)getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}
