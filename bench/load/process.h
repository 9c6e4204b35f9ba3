/* process.h: what the kernel tells of a process: its time and its memory.
 *
 * Thread: any.
 */
#ifndef LOAD_PROCESS_H
#define LOAD_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct process {
    double cpu_s; /* user and system, all threads */
    uint64_t resident_bytes;
    uint64_t private_bytes; /* of these its own and no file's */
};

/* False when there is no such process, or none that may be looked at. */
bool process_look(uint64_t pid, struct process *ret);
/* Our own time. */
double process_own_cpu_s(void);

#endif
