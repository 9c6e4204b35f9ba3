#include "process.h"

#include <stdio.h>
#include <stdlib.h>
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

/* The number that stands after so many words. */
static uint64_t number_after(const char *line, unsigned words) {
    for (; words && *line; words--) {
        line += strcspn(line, " ");
        line += *line == ' ';
    }
    return strtoull(line, NULL, 10);
}

bool process_look(uint64_t pid, struct process *ret) {
    char line[1024];
    if (!read_line(pid, "stat", line, sizeof line)) {
        return false;
    }
    const char *behind = strrchr(line, ')'); /* the name may hold anything */
    if (!behind) {
        return false;
    }
    uint64_t ticks = number_after(behind, 12) + number_after(behind, 13); /* user, system */
    ret->cpu_s = (double)ticks / (double)sysconf(_SC_CLK_TCK);
    if (!read_line(pid, "statm", line, sizeof line)) {
        return false;
    }
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t resident = number_after(line, 1);
    ret->resident_bytes = resident * page;
    ret->private_bytes = (resident - number_after(line, 2)) * page;
    return true;
}

double process_own_cpu_s(void) {
    struct rusage r = {0};
    (void)getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}
