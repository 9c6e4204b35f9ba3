/* slowest.h: the requests of the last CAPS_SLOWEST_MS that took longest, of one worker, to be told
 * when an operator asks.
 *
 * Thread: one owner. Embed only; zero is empty.
 */
#ifndef OBSERVE_SLOWEST_H
#define OBSERVE_SLOWEST_H

#include "base/err.h"
#include "base/trace.h"
#include "limit/caps.h"

struct slow {
    const char *method; /* static */
    char room[CAPS_ROOM_NAME_BYTES];
    size_t room_bytes;
    uint64_t took_ns;
    uint64_t at_ms; /* when it was answered */
    uint64_t connection;
    uint64_t seq;
    enum err err;
    struct trace trace;
};

struct slowest {
    struct slow entry[CAPS_SLOWEST];
    size_t count;
    uint64_t least_ns;  /* of them, once there are that many */
    uint64_t expire_ms; /* when the oldest of them is too old */
};

/* Where one that took so long is to be noted, with took_ns and at_ms filled in and the rest zero;
 * NULL when others took longer. */
struct slow *slowest_place(struct slowest *, uint64_t took_ns, uint64_t now_ms);
/* Writes them to the log, the slowest first. */
void slowest_tell(const struct slowest *, uint64_t now_ms);

#endif
