/* sanctions.h: who may not enter a room, or not write in it, for a while. They end with the room.
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
/* Until `until_ms`; replaces an earlier one of that kind. The oldest goes when there are too many.
 */
void sanctions_set(struct sanctions *, enum sanction, slice user, uint64_t until_ms);
void sanctions_lift(struct sanctions *, enum sanction, slice user);
/* Whether it holds anybody. */
bool sanctions_any(const struct sanctions *, uint64_t now_ms);
/* NULL holds nobody. */
bool sanctions_hold(const struct sanctions *, enum sanction, slice user, uint64_t now_ms);

#endif
