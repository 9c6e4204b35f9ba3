/* hub.h: one worker's receivers. For each room that connections of this worker have joined, who is
 * to get what the room sends, and in which dialect.
 *
 * A room sends each worker one message a tick; the hub encodes it once per dialect in use here and
 * queues the shared frame for every receiver. A receiver whose outbox is over its mark is cut off:
 * what was queued for it and not yet begun is dropped, and of everything it misses only the lowest
 * clock per client is kept. When its outbox is empty again it is live again, and the room is asked
 * for one difference from those clocks on. What the room sends meanwhile overtakes the difference;
 * Yjs clients keep what comes early until it fits, so nothing has to be held back here.
 *
 * Thread: one worker. The subscription is embedded in its session.
 */
#ifndef ROOM_HUB_H
#define ROOM_HUB_H

#include "base/map.h"
#include "room/msg.h"
#include "room/out.h"

struct hub_room;

enum sub_state {
    SUB_JOINING, /* join is under way; nothing is delivered yet */
    SUB_LIVE,    /* gets everything */
    SUB_CUT,     /* too slow: gets nothing, what it misses is noted */
};

struct subscription {
    struct list_node in_room;
    struct hub_room *room; /* NULL while joining */
    struct frame *name;
    void *owner; /* the session */
    conn_id conn;
    enum dialect_id out; /* how this receiver wants its events */
    enum sub_state state;
    uint64_t seq;              /* of the last message queued in this stream */
    struct yata_clock *missed; /* while cut: lowest clock missed, per client */
    size_t missed_count;
};

struct hub_ops {
    /* Queues and takes the item. True when the outbox is now over its mark. */
    bool (*push)(void *owner, struct out_item *);
    /* Calls hub_dropped for each item tagged with this subscription that is not yet begun, newest
     * first, and removes it. */
    void (*drop)(void *owner, struct subscription *);
};

struct hub {
    struct map rooms; /* struct hub_room by name */
    const struct hub_ops *ops;
    struct buf scratch;
    struct echo **echoes; /* of what was queued and is not written yet */
    size_t echoes_count;
    size_t echoes_cap;
};

void hub_init(struct hub *, const struct hub_ops *);
/* All subscriptions must have been detached. */
void hub_fini(struct hub *);

/* A subscription of this owner to this room, joining. */
void sub_init(struct subscription *, void *owner, conn_id, struct frame *name, enum dialect_id out);
/* Detaches and empties it; safe on zeroed memory. */
void sub_fini(struct hub *, struct subscription *);

/* The channel of the room it is in; 0 while joining. */
uint32_t hub_channel(const struct subscription *);

/* The room has let it in: from now on it receives. Idempotent. */
void hub_attach(struct hub *, struct subscription *, uint32_t channel);
/* Queues one event for this receiver alone. OUT_UPDATE and OUT_PRESENCE count as of the room. */
void hub_send(struct hub *, struct subscription *, enum event_kind, struct frame *payload,
              uint64_t version, enum out_class);
/* Queues word that the room is closed for this receiver. */
void hub_send_closed(struct hub *, struct subscription *, int code, const char *message);
/* Queues what a room sends to all. Does not take the message, but its echo. */
void hub_fanout(struct hub *, struct msg *);
/* All that was queued has been written, as far as the sockets take it. */
void hub_written(struct hub *);
/* Cuts the receiver off. */
void hub_cut(struct hub *, struct subscription *);
/* An item of this subscription was taken back out of the outbox; releases nothing. */
void hub_dropped(struct subscription *, const struct out_item *);
/* The message that asks the room for what a cut receiver misses; from now on it is live. */
struct msg *hub_ask_repair(struct subscription *);

/* The stream's name, as in subscribe's result: "<channel in hexadecimal>". */
size_t hub_sid(uint32_t channel, char to[16]);

#endif
