/* mailbox.h: where threads meet. Many producers, one consumer; a list swapped out whole under a
 * short lock; the consumer is woken only when the box was empty.
 *
 * It is bounded by its users, not by itself: a connection has a bounded number of requests under
 * way (its reads pause beyond that), and a room whose receivers' mailboxes are deep waits with its
 * tick, merging meanwhile. mailbox_depth is what they look at.
 *
 * Thread: mailbox_post and mailbox_depth from any; mailbox_take from the consumer only.
 */
#ifndef ROOM_MAILBOX_H
#define ROOM_MAILBOX_H

#include "room/msg.h"

struct mailbox;

/* `wake` is called by a producer, outside the lock, after it put something into an empty box. */
struct mailbox *mailbox_new(void (*wake)(void *ctx), void *ctx);
/* Frees the box and the messages in it; NULL is a no-op. */
void mailbox_free(struct mailbox *);
/* Takes the message. */
void mailbox_post(struct mailbox *, struct msg *);
/* Moves everything to the end of `to`; returns how many. */
size_t mailbox_take(struct mailbox *, struct list_node *to);
/* How many wait now; a glance, not a promise. */
size_t mailbox_depth(const struct mailbox *);

#endif
