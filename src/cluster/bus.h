/* bus.h: this node among others: what they say of the rooms that are open here comes in, what is
 * said here goes out, over the channels of one or several Redis instances.
 *
 *     room:<roomId>   what happens in a room; heard by the nodes that have it open
 *     node:<id>       what is for one node alone: answers
 *     nodes           what every node hears: signs of life
 *
 * Redis delivers at most once and keeps nothing, and neither does the bus: what is published while
 * an instance cannot be reached is dropped. Rooms number what they say, so that whoever missed
 * something knows, and asks for a difference (room/peers.h).
 *
 * An instance serves when its two connections are up and all that is to be heard has been
 * subscribed. Each node says every CAPS_BUS_BEAT_MS that it lives; who is silent for
 * CAPS_BUS_DEAD_MS is taken for dead.
 *
 * Thread: bus_open, start, close, free from main; the others any. `deliver` is called on the bus's
 * thread.
 */
#ifndef CLUSTER_BUS_H
#define CLUSTER_BUS_H

#include "cluster/mail.h"

struct bus;

struct bus_options {
    const char *urls;        /* see target.h */
    unsigned metrics_thread; /* index that is the bus's, see metrics.h */
    /* Hands it to the room's worker, or to every worker, see mail.h; takes it. */
    void (*deliver)(void *ctx, struct bus_mail *);
    void *ctx;
};

/* NULL with a sentence when the addresses are wrong. Redis need not be there. */
struct bus *bus_open(const struct bus_options *, char *why, size_t why_bytes);
/* Starts the thread. */
void bus_start(struct bus *);
/* Says good-bye and ends the thread; nothing is delivered any more. NULL, or a second call, is a
 * no-op. */
void bus_close(struct bus *);
/* Closes and frees; NULL is a no-op. */
void bus_free(struct bus *);

/* Takes the mail. */
void bus_post(struct bus *, struct bus_mail *);
/* Tells other nodes what has been revoked, a line each: one node, or BUS_TO_ALL. */
void bus_tell_revoked(struct bus *, uint64_t to, slice lines);
/* This node's name: drawn anew at each start. */
uint64_t bus_node(const struct bus *);
/* The instance that a room is on. */
size_t bus_shard(const struct bus *, slice room);

/* ---- inspection ---- */

/* Instances that there are, and that serve now. */
size_t bus_instances(const struct bus *);
size_t bus_serving(const struct bus *);
/* Nodes that live, this one included. */
size_t bus_nodes(const struct bus *);

#endif
