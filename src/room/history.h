/* history.h: the versions of rooms: what is asked about them, and those that are saved while a room
 * is edited. Both are jobs of the store, which makes versions of what it has; a room and its
 * writers are not held up. Who asks need not be in the room, and the room need not be open.
 *
 * Going back to a version is an edit: the store works it out from what it has, and the room takes
 * it like one of a member. What others have written meanwhile stays.
 *
 * Thread: the worker that the room belongs to. Embed only, in struct rooms.
 */
#ifndef ROOM_HISTORY_H
#define ROOM_HISTORY_H

#include "room/msg.h"

struct room;
struct rooms;

struct history {
    struct list_node asked; /* messages whose job is under way */
    size_t asked_count;
    uint64_t number; /* of the last of them */
    size_t saving;   /* automatic versions under way */
};

void history_init(struct history *);
/* Frees what waits. */
void history_fini(struct history *);

/* Asks the store what a MSG_HISTORY wants, and takes the message. `room` NULL: it is not open. */
void history_ask(struct rooms *, struct room *, struct msg *, uint64_t now_ms);
/* Answers it with an error, and takes it. */
void history_refuse(struct rooms *, struct msg *, enum err, const char *detail);
/* A job of the store that is about versions. */
bool history_owns(enum store_op);
/* Such a job has been done; takes it. */
void history_stored(struct rooms *, struct room *, struct store_job *);

/* About once a second: saves a version of a room that has been edited for long enough. */
void history_sweep(struct room *, uint64_t now_ms);
/* The room is let go of: saves what has been edited. */
void history_leave(struct room *);

#endif
