/* gateway.h: the door: worker threads with an event loop each, all listening on one port, and what
 * the layers above are asked about whatever comes in. Nothing above this folder sees libuv.
 *
 * Thread: gateway_* from the main thread. The operations are called on the worker that has the
 * connection.
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "base/buf.h"
#include "gateway/http.h"
#include "room/busiest.h"
#include "room/hub.h"
#include "room/rooms.h"

struct conn;
struct gateway;

/* The answer to a plain HTTP request. */
struct http_response {
    unsigned status;
    const char *content_type; /* NULL: text/plain; charset=utf-8 */
    bool later;               /* a message to this connection will bring the body: MSG_STATE_IS as
                               * JSON, MSG_HISTORY_IS by on_answer */
    struct buf body;
};

/* How to answer an upgrade. */
struct upgrade {
    unsigned status;         /* 101, or why not */
    const char *reason;      /* a sentence, when not 101 */
    const char *subprotocol; /* to be confirmed, or NULL */
    void *session;           /* whose connection it will be; freed by on_close */
};

struct gateway_ops {
    /* A request that asks for a page. */
    void *pages;
    void (*on_request)(void *pages, struct conn *, const struct http_request *,
                       struct http_response *);
    /* What such a request has asked of a room has been answered by it. */
    void (*on_answer)(void *pages, struct conn *, const struct msg *, struct http_response *);
    void *ctx; /* of the operations that follow */
    /* A connection comes from this address; false: it has too many, and gets a 503. */
    bool (*on_accept)(void *ctx, const char *host, uint64_t now_ms);
    /* One that was accepted has gone. */
    void (*on_gone)(void *ctx, const char *host, uint64_t now_ms);
    /* Does this path speak WebSocket at all? */
    bool (*is_socket)(void *ctx, const struct http_request *);
    /* A valid upgrade request for such a path. */
    void (*on_upgrade)(void *ctx, struct conn *, const struct http_request *, struct upgrade *ret);
    /* The connection is open: now the session may send. */
    void (*on_open)(void *session);
    /* One whole message; the bytes are borrowed. */
    void (*on_message)(void *session, bool text, slice message);
    /* A message of a room to this session. Borrowed. */
    void (*on_mail)(void *session, struct msg *);
    void *brought;
    /* An update that was brought in has become part of its room, or not: a MSG_BROUGHT. Borrowed;
     * on any worker. */
    void (*on_brought)(void *brought, const struct msg *);
    /* Everything queued has left, after conn_push had said that it is too much. */
    void (*on_drained)(void *session);
    /* The server is going down: finish what is under way, then close. */
    void (*on_drain)(void *session);
    /* About once a second. */
    void (*on_sweep)(void *session);
    /* SIGHUP, on the main thread. */
    void (*on_reload)(void *ctx);
    /* The connection has gone. Frees the session. */
    void (*on_close)(void *session);
    struct hub_ops hub;
};

struct gateway_options {
    const char *host;
    unsigned port;            /* 0: any free one */
    const char *metrics_host; /* NULL: no second address */
    unsigned metrics_port;
    const char *tls_cert; /* with tls_key: every connection is TLS; NULL: none */
    const char *tls_key;
    unsigned workers;
    size_t max_frame_bytes;
    size_t max_connections;
    size_t outbox_bytes;
    size_t outbox_frames;
    unsigned header_ms; /* from accept to the end of the request */
    unsigned ping_ms;
    unsigned stall_ms;
    unsigned drain_ms;
    struct rooms_options rooms; /* worker, post and behind are filled in here */
};

/* Binds. On failure returns NULL and fills `why` with a sentence that names
 * the address and the fix. */
struct gateway *gateway_open(const struct gateway_options *, const struct gateway_ops *, char *why,
                             size_t why_bytes);
/* Starts the workers: from now on connections are served. */
void gateway_start(struct gateway *);
/* Hands a message to the worker of its connection and takes it. Any thread. */
void gateway_post(struct gateway *, struct msg *);
/* The port that it listens on. */
unsigned gateway_port(const struct gateway *);
/* The port of the second address; 0: there is none. */
unsigned gateway_metrics_port(const struct gateway *);
/* Runs until SIGTERM or SIGINT, then drains: no new connections, what is under way is answered,
 * connections are closed with 1013, at most drain_ms; a second signal cuts that short. Blocks. */
void gateway_run(struct gateway *);
/* Waits until no worker runs any more; messages may still be posted, to nobody. NULL is a no-op. */
void gateway_stop(struct gateway *);
/* Stops, and frees everything; NULL is a no-op. */
void gateway_free(struct gateway *);
/* Whether it drains. Any thread. */
bool gateway_draining(const struct gateway *);
/* Messages waiting for a worker. Any thread. */
size_t gateway_mailbox_depth(const struct gateway *, unsigned worker);
/* Adds a worker's busiest rooms. Any thread. */
void gateway_busiest(const struct gateway *, unsigned worker, struct busy_list *);
unsigned gateway_workers(const struct gateway *);

#endif
