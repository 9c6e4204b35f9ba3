/* room.h: one shared document, its members, and the order in which they see changes.
 *
 * Messages in, messages out (msg.h): a room knows workers and connection ids, never sockets, so it
 * is tested without any. What arrives within a tick is applied in one transaction; at the tick one
 * merged update goes to each worker that has members. A lone update that integrated whole is handed
 * on as it was received; what changed nothing is handed to nobody.
 *
 * Thread: the worker that owns the room. Memory: owned by struct rooms (rooms.h); members are ids,
 * never pointers.
 */
#ifndef ROOM_ROOM_H
#define ROOM_ROOM_H

#include "base/map.h"
#include "room/lasting.h"
#include "room/msg.h"
#include "room/peers.h"
#include "room/presence.h"

struct rooms;
struct sanctions;
struct yata_doc;

struct room {
    struct rooms *parent;
    struct frame *name;
    uint32_t channel; /* unique on this server while it runs */
    struct yata_doc *doc;
    bool wide;           /* it has been given wider limits, see room_take */
    uint64_t version;    /* accepted changes */
    struct frame *state; /* the whole state as last encoded, or NULL when it has changed since */

    struct map members;  /* struct member by conn_id */
    uint16_t *on_worker; /* members on each worker */
    struct presence presence;
    struct lasting lasting;
    struct peers peers;
    struct sanctions *sanctions; /* bans and mutes; NULL while there are none */

    /* the open tick */
    struct list_node dirty; /* in rooms' list of rooms with something to tell */
    bool in_tick;           /* a transaction is open */
    size_t tick_updates;    /* updates that changed something */
    struct frame *lone;     /* the only one so far, if it may be relayed as received */
    conn_id writer;         /* the only writer so far */
    bool many_writers;
    struct frame **local; /* updates by clients of this node, when there are others to tell */
    size_t local_count;
    size_t local_cap;
    bool told_apart;      /* what other nodes are told is not what members are: merge `local` */
    uint64_t received_ns; /* when the first of them came from its client */
    struct trace trace;   /* of the first of them that is told of */
    uint64_t presence_received_ns; /* the same of presence that is still to be told */
    uint64_t ticked_ms;            /* when updates were last told */
    uint64_t presence_ms;          /* when presence was last told */

    uint64_t asked_ms; /* when somebody last wanted something of the document */
    uint64_t handled;  /* messages of its members since its worker last counted them */
};

/* An empty room of this name (a counted frame, shared). */
struct room *room_new(struct rooms *parent, struct frame *name, uint32_t channel);
/* Frees it; the list it is in must have let go of it. */
void room_free(struct room *);

/* Acts on one message addressed to this room and takes it: it comes back as the answer or is freed.
 */
void room_handle(struct room *, struct msg *, uint64_t now_ms);

/* Tells members what has changed in the document since the last tick. */
void room_tick(struct room *, uint64_t now_ms);
/* Tells members what has changed in presence. */
void room_tick_presence(struct room *, uint64_t now_ms);

/* Nobody is in it, and nothing would be lost with it. */
bool room_is_idle(const struct room *, uint64_t now_ms);
/* Holds the document as its state if nobody has asked for it for a while, until somebody does;
 * returns how many bytes it had then, or 0. */
size_t room_rest(struct room *, uint64_t now_ms);
/* Memory of the document, and of updates in it that wait for others. */
size_t room_bytes(const struct room *);
size_t room_pending_bytes(const struct room *);
/* Asked for by nobody but those who were refused: it may go at once. */
bool room_is_void(const struct room *);
/* Makes an edit for whoever sent the message; all members hear of it, also the one who asked. On
 * refusal `detail` says why. */
NODISCARD enum err room_edit(struct room *, struct msg *, struct frame *update,
                             const struct identity *by);
/* Answers with an error what asks for an answer, and takes the message. */
void room_refuse(struct room *, struct msg *, enum err, const char *detail);

#endif
