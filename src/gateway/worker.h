/* worker.h: one thread, one event loop: its connections, its share of the rooms.
 *
 * A turn of the loop, once after every batch of I/O events (worker_turn):
 *     take mail, act on it, tick rooms, flush connections, free the dead.
 *
 * Thread: its own, but for worker_post_from_outside.
 */
#ifndef GATEWAY_WORKER_H
#define GATEWAY_WORKER_H

#include <stdatomic.h>
#include <uv.h>

#include "base/arena.h"
#include "gateway/gateway.h"
#include "gateway/tls.h"
#include "observe/slowest.h"
#include "room/mailbox.h"
#include "room/rooms.h"

enum { RX_BYTES = 64 * 1024 };

struct worker {
    /* fixed after start */
    struct gateway *parent;
    unsigned index;
    struct mailbox *inbox;
    uv_thread_t thread;

    /* any thread, atomic */
    _Atomic(struct tls_context *) fresh_tls; /* not yet taken; counted, or NULL */

    /* worker */
    uv_loop_t loop;
    uv_async_t wake;
    uv_prepare_t before_poll;
    uv_timer_t ticker;  /* next room tick */
    uv_timer_t sweeper; /* pings, time-outs, presence */
    uv_tcp_t listener;
    uv_tcp_t pages; /* second address, worker 0 only */
    bool has_pages;
    bool draining;
    bool stopping;
    bool reported; /* that it has drained */

    struct list_node local; /* mail to itself */
    struct list_node dirty; /* connections with something to send */
    struct list_node dead;  /* connections to be freed */
    struct map conns;
    uint64_t conns_made;
    unsigned refused; /* connections that are still told why they have no place */

    struct rooms rooms;
    struct hub hub;
    struct buf scratch;
    struct tls_context *tls; /* for new connections; NULL: no TLS */
    struct buf plain;        /* what the last ciphertext said */
    struct arena arena;      /* of the message being handled */
    struct slowest slowest;  /* requests */
    uint64_t now_ms;
    bool slept;       /* since now_ms was read */
    uint64_t idle_ns; /* slept in all, when load was last worked out */
    uint64_t load_ns; /* when that was */
    uint8_t rx[RX_BYTES];
};

/* Sets up the loop and its handles; the listening sockets are taken over. 0, or a libuv error. */
int worker_open(struct worker *, struct gateway *, unsigned index, int listen_fd, int pages_fd);
/* Connections that are accepted from now on get this context; takes it. The main thread. */
void worker_secure(struct worker *, struct tls_context *);
/* The thread's main function. */
void worker_run(void *worker);
/* Frees what worker_open made; the thread has ended. */
void worker_fini(struct worker *);
/* Hands over a message; from the worker's own thread it stays on a list of its own. */
void worker_post(void *worker, unsigned to, struct msg *);
/* After the loop has slept: whoever handles an event first looks at the clock, once a turn. */
void worker_look_at_clock(struct worker *);
/* For connections: at the end of this turn they are flushed. */
void worker_mark_dirty(struct worker *, struct list_node *);

#endif
