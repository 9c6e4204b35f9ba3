/* mail.h: what rooms and the bus hand each other.
 *
 * Thread: plain data; belongs to the sender until posted, to the receiver afterwards.
 */
#ifndef CLUSTER_MAIL_H
#define CLUSTER_MAIL_H

#include <stdatomic.h>

#include "base/frame.h"
#include "base/list.h"
#include "cluster/envelope.h"

enum bus_op {
    /* to the bus */
    BUS_SUBSCRIBE,   /* hear of the room; answered by SUBSCRIBED */
    BUS_UNSUBSCRIBE, /* no more */
    BUS_PUBLISH,     /* bytes, an envelope, to the channel that `to` says */
    BUS_CLAIM, /* `bytes` is a key that one connection of one node may have: CLAIMED answers */
    BUS_TAKE,  /* `bytes` is the key of a rate, `rate` what is asked of it: TAKEN answers */
    BUS_STOP,  /* internal */

    /* from the bus, to the room's worker */
    BUS_SUBSCRIBED, /* the room is heard of from now on, or `away` */
    BUS_SENT,       /* answer to a publish that was `counted` */
    BUS_HEARD,      /* envelope */

    /* from the bus, to nobody in particular */
    BUS_CLAIMED, /* the claim, with `granted`; granted, too, when Redis does not answer in time */
    BUS_TAKEN,   /* the rate: granted and wait_ms; `away` when there was no answer */
    BUS_REVOKED, /* another node says what has been revoked: envelope */

    /* from the bus, to every worker */
    BUS_LOST,      /* the instance `shard`: nothing is heard or said there */
    BUS_BACK,      /* it serves again: what was said meanwhile was not heard */
    BUS_NODE_UP,   /* `to` has been heard of for the first time */
    BUS_NODE_DOWN, /* `to` has ended, or was silent for too long */
};

#define BUS_TO_ROOM 0u /* the room's channel; a node's id: that node's; */
#define BUS_TO_ALL  1u /* the channel that every node hears */

/* A rate that all nodes share: a bucket that refills a unit each `unit_ns`. */
struct bus_rate {
    unsigned class;  /* the asker's */
    unsigned charge; /* spent already */
    unsigned want;
    unsigned nodes; /* among how many what is there is shared */
    uint64_t unit_ns;
    uint64_t whole_ns;
    unsigned granted;
    uint64_t wait_ms; /* until as much as was wanted is there */
};

struct bus_mail {
    struct list_node node;
    enum bus_op op;
    struct frame *room; /* counted, or NULL */
    uint64_t to;
    size_t shard;
    bool away;     /* subscribed: Redis cannot be reached */
    bool granted;  /* claimed */
    uint64_t conn; /* claim: whose; comes back, as do these: */
    uint32_t req;
    void *tag;
    uint64_t seconds; /* claim: how long it holds */
    struct bus_rate rate;
    uint64_t asked_ms;        /* the bus's */
    bool counted;             /* publish: tell how many nodes it went to */
    size_t receivers;         /* sent: nodes that may answer */
    struct frame *bytes;      /* publish, heard: the envelope */
    struct envelope envelope; /* heard: points into bytes */
    atomic_size_t *waiting;   /* counts it until it is freed; or NULL */
};

/* A zeroed one. `room` is shared, and may be NULL. */
struct bus_mail *bus_mail_new(enum bus_op, struct frame *room);
/* Frees it with all it holds; NULL is a no-op. */
void bus_mail_free(struct bus_mail *);

/* Adds what it takes in memory to what waits for a worker, until it is freed; the count outlives
 * it. False, and not counted, when the worker is so far behind that this is better dropped: what
 * clients changed or showed within a tick, whose loss the room finds out and has repaired by one
 * difference, however much it was (room/peers.h). Everything else is counted in any case. */
NODISCARD bool bus_mail_wait(struct bus_mail *, atomic_size_t *waiting);

#endif
