/* sanctions.h: who may not enter a room, or not write in it, for a while. They end with the room.
 *
 * Each has a stamp, by which nodes that have the room open agree: the highest stamp holds, so one
 * that was lifted is kept for a while, as one that holds nobody.
 *
 * Thread: the room's worker.
 */
#ifndef ROOM_SANCTIONS_H
#define ROOM_SANCTIONS_H

#include "base/slice.h"

enum sanction { SANCTION_BAN, SANCTION_MUTE };

struct sanctions;

struct sanctions *sanctions_new(void);
/* NULL is a no-op. */
void sanctions_free(struct sanctions *);
struct sanction_row {
    enum sanction kind;
    slice user;
    uint64_t until_ms; /* 0: lifted; UINT64_MAX: until it is */
    uint64_t stamp;
};

/* A stamp above all there are. */
uint64_t sanctions_next(const struct sanctions *);
/* Replaces an earlier one of that kind and user, if its stamp is higher. The oldest goes when there
 * are too many. */
void sanctions_set(struct sanctions *, const struct sanction_row *);
/* The n-th, or false. Points into it. */
bool sanctions_nth(const struct sanctions *, size_t n, struct sanction_row *ret);
/* Whether it holds anybody. */
bool sanctions_any(const struct sanctions *, uint64_t now_ms);
/* NULL holds nobody. */
bool sanctions_hold(const struct sanctions *, enum sanction, slice user, uint64_t now_ms);

#endif
