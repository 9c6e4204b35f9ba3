/* conn.h: a client's WebSocket: connecting, the upgrade, messages both ways, all without waiting.
 *
 * What happens is told through net_events; `owner` is what conn_open was given. During a call of
 * `message` the connection may be ended; it is not touched afterwards.
 *
 * Thread: one. struct conn is embedded in its owner; zero is closed.
 */
#ifndef LOAD_CONN_H
#define LOAD_CONN_H

#include "base/buf.h"
#include "wire/ws.h"

struct net_events {
    void (*open)(void *owner, uint64_t now_ns);
    void (*message)(void *owner, bool text, slice message, uint64_t now_ns);
    /* It is closed already. `code` is that of the close frame, 0 without one. */
    void (*end)(void *owner, unsigned code, slice reason);
};

/* All connections together. */
struct net {
    int epoll;
    const struct net_events *events;
    uint64_t bytes_in, bytes_out; /* of sockets */
    uint64_t frames_in, frames_out;
    uint64_t opened; /* upgrades done */
};

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_UPGRADING, CONN_OPEN };

struct conn {
    struct net *net;
    void *owner;
    enum conn_state state;
    int fd;
    bool deaf;     /* told not to read */
    bool blocked;  /* the socket takes nothing at the moment */
    uint32_t mask; /* what epoll was asked for */
    struct ws_parser parser;
    struct buf in;  /* of an incomplete frame */
    struct buf out; /* what the socket has not taken */
};

struct address {
    uint32_t to; /* network order, as the others */
    uint16_t port;
    uint32_t from;
    int receive_bytes; /* of the socket's buffer; 0: as the kernel likes */
};

struct request {
    const char *path;
    const char *subprotocol; /* or NULL */
    const char *token;       /* or NULL */
};

void net_init(struct net *, const struct net_events *);
void net_fini(struct net *);
/* Waits until something can be done, at most so long, and does it. */
void net_wait(struct net *, uint64_t nanoseconds);

/* False, with errno, when there cannot be a socket. */
bool conn_open(struct conn *, struct net *, void *owner, const struct address *,
               const struct request *);
/* Sends one message. `payload` is masked, that is changed. */
void conn_send(struct conn *, bool text, struct buf *payload);
/* Closes without a word (`abrupt`) or after a close frame; `end` is not called. */
void conn_close(struct conn *, bool abrupt);
/* Stops reading, or reads again. */
void conn_deafen(struct conn *, bool deaf);

#endif
