/* conn.h: one connection: an HTTP request, then perhaps a WebSocket.
 *
 *      accept -> HTTP -> OPEN -> CLOSING -> gone
 *                  |-> ASKING --\         ^
 *                  \---------> FLUSHING --/
 *
 * HTTP      reads one request
 * ASKING    waits for a room's word on what the request is about
 * FLUSHING  has answered it with a page or a refusal, waits until that has left
 * OPEN      WebSocket messages both ways
 * CLOSING   has queued its close frame, waits for the peer's (RFC 6455 7.1.1), not for long
 *
 * Nothing is freed inside its own callback: a connection that ends is closed by libuv first and
 * freed from the worker's list of the dead.
 *
 * Thread: its worker.
 */
#ifndef GATEWAY_CONN_H
#define GATEWAY_CONN_H

#include "gateway/gateway.h"
#include "room/msg.h"

struct arena;
struct slowest;

/* ---- for sessions ---- */

conn_id conn_get_id(const struct conn *);
struct hub *conn_hub(struct conn *);
/* A buffer to encode into, this worker's; contents last until the next user. */
struct buf *conn_scratch(struct conn *);
/* Memory for the message being handled, this worker's; whoever handles it resets it. */
struct arena *conn_arena(struct conn *);
uint64_t conn_now_ms(const struct conn *);
/* The peer's address and port, for logs. */
const char *conn_peer(const struct conn *);
/* The peer's address alone, numbers only. */
const char *conn_host(const struct conn *);
unsigned conn_worker_count(const struct conn *);
const struct gateway *conn_gateway(const struct conn *);

/* Queues and takes the item; it leaves at the end of this turn of the loop. True when the outbox is
 * now over its mark. After conn_close items are dropped. */
bool conn_push(struct conn *, struct out_item *);
/* See outbox_drop. */
void conn_drop(struct conn *, const void *tag, void (*dropped)(void *ctx, const struct out_item *),
               void *ctx);
/* It came to the address of --metrics-addr. */
bool conn_is_for_operators(const struct conn *);
/* Where this worker's slow requests are remembered. */
struct slowest *conn_slowest(struct conn *);
/* Hands a message to a worker and takes it. */
void conn_post(struct conn *, unsigned worker, struct msg *);
/* How much is held for it from now on, in and out: what the options say, or, while it is not known
 * who it is, CAPS_STRANGER_BYTES. It begins as a stranger. */
void conn_trust(struct conn *, bool trusted);
/* Stops and resumes reading. Both idempotent; a message being handled is finished first. */
void conn_pause(struct conn *);
void conn_resume(struct conn *);
/* Sends what is queued, then a close frame. Idempotent; `reason` is cut to 123 bytes. */
void conn_close(struct conn *, unsigned code, const char *reason);

/* ---- for the worker ---- */

struct worker;

struct conn *conn_new(struct worker *, conn_id);
/* From the worker's lists back to the connection. */
struct conn *conn_of_dirty(struct list_node *);
struct conn *conn_of_dead(struct list_node *);
/* Frees one whose handle has been closed. */
void conn_free(struct conn *);
/* libuv's stream of this connection, for accept. */
void *conn_stream(struct conn *);
/* After accept: reads the peer's address and starts reading. False: it is already gone, or it is
 * one too many of its address and cannot be told so. */
bool conn_start(struct conn *, bool pages_only);
/* Writes what is queued. */
void conn_flush(struct conn *);
/* Pings, time-outs. */
void conn_sweep(struct conn *, uint64_t now_ms);
/* What connections hold, summed. */
struct conn_load {
    size_t queued; /* messages to be written */
    size_t queued_bytes;
    size_t deepest;     /* the most of one */
    size_t input_bytes; /* memory of what has not come to its end */
};
/* Adds this one. */
void conn_weigh(const struct conn *, struct conn_load *sum);
/* Asks the session to finish, or ends what has none. */
void conn_drain(struct conn *);
/* Ends it at once, without a word. */
void conn_abort(struct conn *);
void conn_mail(struct conn *, struct msg *);

#endif
