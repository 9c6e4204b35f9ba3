/* redis.h: one connection to a Redis instance on an event loop: it connects, logs in, sends
 * commands and hands out replies; when it is lost it comes back by itself, after a pause that
 * doubles from CAPS_BUS_RETRY_MS to CAPS_BUS_RETRY_MOST_MS and is drawn at random up to that.
 *
 * Replies are read and commands formed by hiredis; the socket is ours (uv_tcp_t), as are TLS,
 * time-outs and bounds. A server that leaves more than CAPS_BUS_OUT_BYTES unread is given up, and
 * so is one that sends more than CAPS_BUS_REPLY_BYTES for one reply.
 *
 * Thread: the loop's. Callbacks come on it, and none within a call but on_down within redis_drop.
 */
#ifndef CLUSTER_REDIS_H
#define CLUSTER_REDIS_H

#include <uv.h>

#include "base/slice.h"
#include "cluster/target.h"

struct redis;
struct redisReply;

struct redis_ops {
    void (*on_up)(void *ctx); /* it takes commands from now on */
    void (*on_reply)(void *ctx, const struct redisReply *);
    void (*on_down)(void *ctx, const char *why); /* was up; nothing that was asked is answered */
};

/* Begins to connect. `target` and `ops` must outlive it. Never NULL. */
struct redis *redis_open(uv_loop_t *, const struct target *, const struct redis_ops *, void *ctx);
/* No callback comes any more; its memory goes once the loop has run. NULL is a no-op. */
void redis_close(struct redis *);

bool redis_is_up(const struct redis *);
/* Queues a command; a no-op when it is not up. */
void redis_send(struct redis *, const slice *words, size_t count);
/* Writes what was queued; call it before the loop sleeps. */
void redis_flush(struct redis *);
/* Gives the connection up, and begins again. */
void redis_drop(struct redis *, const char *why);
/* When the server was last heard of; ms of the loop's clock. */
uint64_t redis_heard_ms(const struct redis *);

#endif
