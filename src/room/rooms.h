/* rooms.h: one worker's share of the rooms: found by name, made on demand, ticked.
 *
 * Rooms are spread over the workers by hash; room_owner says which. A tick is immediate in a room
 * that was idle, and otherwise comes an interval after the last, of each room by itself, so that a
 * worker with many busy rooms sends all the time a little and not all at once. The interval
 * stretches when the worker is short of time.
 *
 * Thread: the worker that owns them; room_owner is pure.
 */
#ifndef ROOM_ROOMS_H
#define ROOM_ROOMS_H

#include "room/history.h"
#include "room/room.h"

struct rooms_options {
    unsigned worker;  /* this worker */
    unsigned workers; /* how many there are */
    post_fn post;
    void *post_ctx;
    struct rooms_store store;
    struct rooms_bus bus;
    /* True while a worker is so far behind that ticks should wait and merge meanwhile. */
    bool (*behind)(void *ctx, unsigned worker);
    size_t max_rooms; /* on this worker */
    size_t room_cap;  /* members of one room */
    bool auto_create;
    bool stamp_presence; /* entries carry the user of the token, whatever they say */
    unsigned presence_hz;
    uint64_t presence_ttl_ms;
    uint64_t room_ttl_ms; /* a room that nobody is in leaves memory after so long */
    size_t memory_bytes;  /* over it, at once; 0: no bound */
    uint64_t version_ms;  /* a room that is edited gets a version after so long; 0: none */
};

struct rooms {
    struct rooms_options o;
    struct map by_name;
    struct list_node dirty;     /* rooms with a document or presence change to tell */
    uint64_t tick_ms;           /* the interval of a busy room */
    uint32_t channels;          /* numbers handed out */
    struct busiest *busiest;    /* what pages are told */
    uint64_t busiest_ms;        /* when it was worked out */
    struct list_node opening;   /* rooms that other nodes are asked about, see peers.h */
    struct list_node returning; /* rooms that have to say that they are back */
    uint64_t epochs;            /* counted out to rooms */
    struct history history;
};

void rooms_init(struct rooms *, const struct rooms_options *);
void rooms_fini(struct rooms *);
/* Which of `workers` owns the room of this name. */
unsigned room_owner(slice name, unsigned workers);
/* Acts on a message of a kind below MSG_TO_CONN, and takes it. */
void rooms_handle(struct rooms *, struct msg *, uint64_t now_ms);
/* Ticks what is due. Returns when to call again, in ms of the same clock; UINT64_MAX: not needed.
 */
uint64_t rooms_turn(struct rooms *, uint64_t now_ms);
/* Expires presence, lets go of rooms that nobody is in; call about once a second. */
void rooms_sweep(struct rooms *, uint64_t now_ms);
/* Writes the rooms to the log, one line each, as far as CAPS_DUMP_ROOMS. */
void rooms_dump(const struct rooms *);
/* How busy the worker is, 0 to 1: sets the tick interval. */
void rooms_set_load(struct rooms *, double busy);
/* The room is there: whoever waits for it is served. */
void rooms_serve(struct rooms *, struct room *, uint64_t now_ms);
/* Remembers that a room has something to tell. */
void rooms_mark(struct rooms *, struct room *);

#endif
