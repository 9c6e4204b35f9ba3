/* outbox.h: what a connection still has to send: a bounded-by-policy ring of items, oldest first.
 *
 * Bytes leave in whatever portions the socket takes; the item at the front may be half sent, and is
 * then no longer to be dropped. Above its marks the owner cuts off the subscriptions that fill it
 * (room/hub.h); answers still go in, because whoever causes them has stopped being read.
 *
 * Thread: the connection's worker. Embed only; zero is empty.
 */
#ifndef GATEWAY_OUTBOX_H
#define GATEWAY_OUTBOX_H

#include <sys/uio.h>

#include "room/out.h"

struct outbox {
    struct out_item *ring;
    size_t cap; /* a power of two, or 0 */
    size_t head;
    size_t count;
    size_t bytes;     /* not yet sent, all items */
    size_t head_sent; /* of the item at the front */
    bool head_held;   /* the front item's bytes are lent to somebody who writes them later */
    uint8_t held_own[OUT_OWN_MAX]; /* its own bytes meanwhile: the ring may move */
};

void outbox_fini(struct outbox *);
/* Takes the item. */
void outbox_push(struct outbox *, struct out_item *);
/* Fills at most `max` pieces with what is to be sent, front first; returns how many. */
size_t outbox_pieces(const struct outbox *, struct iovec *to, size_t max);
/* Fills `to` with what is left of the front item and holds it: the pieces stay where they are, and
 * the item is not dropped, until outbox_sent. Returns how many pieces. */
size_t outbox_hold(struct outbox *, struct iovec to[2]);
/* `n` bytes have been sent: drops what is done. */
void outbox_sent(struct outbox *, size_t n);
/* Removes the newest items tagged with `tag`, newest first, up to one that may not be dropped or
 * has begun, telling `dropped` of each before its counts are released. */
void outbox_drop(struct outbox *, const void *tag,
                 void (*dropped)(void *ctx, const struct out_item *), void *ctx);

/* Removes everything that has not begun. */
void outbox_clear(struct outbox *);
/* How many messages to clients it holds, one that has begun included. */
size_t outbox_messages(const struct outbox *);

#endif
