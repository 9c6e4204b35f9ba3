/* peers.h: the other nodes that have a room open. Each has its own copy of the document; they tell
 * each other what their clients change, and find out when one has missed something.
 *
 * Opening. A room subscribes to its channel, is read from the store, then says OPEN. Redis says how
 * many nodes that reached; each answers with its state vector, and of those that have something
 * beyond it one after the other is asked for the difference. Only then is anybody served, but after
 * CAPS_BUS_OPEN_MS in any case: what comes later is brought in like everything else.
 *
 * Telling. A tick's changes by clients of this node go out as one update, its presence as one list
 * of entries. Nothing is published while no other node has the room open.
 *
 * Missing. What is published on a room's channel is numbered. Who finds a number missing asks the
 * sender for a difference. Who could not be heard (Redis was away, the process stood still) begins
 * a new epoch and says RETURN. Every now and then a room that is shared says COMPARE. All three
 * carry a digest of what the room holds, and who holds something else answers. A large difference
 * goes in pieces (pieces.h).
 *
 * Lasting. With a store that all nodes share only the node whose client made a change journals it.
 * With a store of its own each node journals all that it hears, and says OPEN to every node, also
 * to those that do not have the room open but may have stored it.
 *
 * Version. It is the highest that has been heard of, and one more for each change made here.
 *
 * Thread: the room's worker. Embed only, in struct room; zero is: no bus.
 */
#ifndef ROOM_PEERS_H
#define ROOM_PEERS_H

#include "base/map.h"
#include "cluster/mail.h"
#include "room/pieces.h"

struct room;
struct rooms;

/* The bus, as rooms see it. */
struct rooms_bus {
    void *ctx;
    uint64_t node;                              /* this one; 0: there is no bus */
    void (*post)(void *ctx, struct bus_mail *); /* takes it */
    size_t (*shard)(void *ctx, slice room);
    bool own_store; /* each node has a store of its own */
    uint64_t compare_ms;
};

enum peers_state { PEERS_OFF, PEERS_OPENING, PEERS_OPEN };

struct peers {
    enum peers_state state;
    struct map by_node; /* struct peer by node id */
    size_t members;     /* of the room, on other nodes */
    uint64_t epoch;
    uint64_t sequence; /* of the last message that was counted */
    bool tell_members; /* others do not know how many there are here now */

    /* opening */
    struct list_node opening; /* in rooms' list, oldest first */
    uint64_t deadline_ms;
    bool subscribed;
    bool away; /* Redis cannot be reached */
    bool loaded;
    bool asked;
    bool counted; /* Redis has said how many were asked */
    size_t expected;
    size_t answers;
    struct list_node early; /* bus_mail: questions that came before the room was read */
    size_t early_count;

    /* repair */
    uint64_t asked_node; /* who owes a difference; 0: nobody */
    uint64_t asked_ms;
    struct taking taking;       /* what has come of a large one */
    uint64_t compare_ms;        /* when to compare next */
    struct list_node returning; /* in rooms' list: to say RETURN, or OPEN, soon */
    bool anew;                  /* RETURN, in a new epoch */

    struct list_node gathers; /* questions under way, see abroad.h */
    uint64_t questions;       /* asked so far */
};

/* A room has been made: hears of others from now on. */
void peers_open(struct room *);
/* It has been read from the store. True: it may be served; else peers_* will call rooms_serve. */
bool peers_loaded(struct room *, uint64_t now_ms);
/* It is not stored, and nobody here wants it: tells whoever asked. */
void peers_unknown(struct room *);
/* What the bus brought; borrows it. */
void peers_mail(struct room *, const struct bus_mail *, uint64_t now_ms);
/* Waited long enough: serves with what there is. */
void peers_late(struct room *, uint64_t now_ms);
/* Says what has waited in rooms' list of those that return. */
void peers_return(struct room *, uint64_t now_ms);
/* Redis serves again, or not; another node has come, or gone. For every room. */
void peers_changed(struct room *, const struct bus_mail *, uint64_t now_ms);
/* About once a second. */
void peers_sweep(struct room *, uint64_t now_ms);
/* The room is let go of. */
void peers_leave(struct room *);
/* Frees what it holds. */
void peers_fini(struct peers *);

/* A question about a room that is not here: answers that it is not. */
void peers_none(const struct rooms_bus *, struct frame *room, uint64_t to);

/* Says something of the room to other nodes: to one, BUS_TO_ROOM or BUS_TO_ALL. */
void peers_say(struct room *, enum envelope_kind, uint64_t to, slice payload);
/* Whether any other node has the room open. */
bool peers_any(const struct room *);
/* A tick's update by clients of this node, or NULL. */
void peers_tell_update(struct room *, const struct frame *update);
/* The same of presence entries, as presence_take_changes hands them out. */
void peers_tell_presence(struct room *, const struct frame *entries);
/* The number of members has changed. */
void peers_tell_members(struct room *);
/* At the end of a tick: tells it if nothing else did. */
void peers_tell_rest(struct room *);

#endif
