/* conn_internal.h: what the files of a connection share: conn.c has its life and its input,
 * conn_http.c its request, conn_send.c what leaves. */
#ifndef GATEWAY_CONN_INTERNAL_H
#define GATEWAY_CONN_INTERNAL_H

#include "gateway/conn.h"
#include "gateway/internal.h"
#include "gateway/outbox.h"
#include "gateway/tls.h"
#include "wire/ws.h"

enum conn_state { CONN_HTTP, CONN_ASKING, CONN_FLUSHING, CONN_OPEN, CONN_CLOSING, CONN_GONE };

struct conn {
    struct worker *worker;
    conn_id id;
    enum conn_state state;
    uv_tcp_t tcp;
    struct tls *tls;  /* NULL: none */
    uv_write_t write; /* for the rest of what the socket did not take at once */
    bool writing;
    size_t write_bytes;
    uv_shutdown_t goodbye;
    bool goodbye_said;
    bool tls_closed;
    bool paused;    /* by the session */
    bool consuming; /* inside the loop that takes messages off the input */
    bool pages_only;
    bool counted; /* among those of its address */
    bool refused; /* for its address: no longer among all */
    bool shut;    /* close frame sent or received */

    struct buf in; /* bytes of an incomplete head or frame */
    struct ws_parser parser;
    struct buf message; /* fragments so far */

    struct outbox outbox;
    size_t outbox_bytes; /* its mark; frames have the one of the options */
    bool over;           /* has passed a mark since it was last empty */
    struct frame *pong;  /* owed since the outbox was over its mark; or NULL */
    void *session;

    uint64_t since_ms; /* when it came into this state */
    uint64_t ping_at_ms;
    unsigned pings_out; /* sent and not answered */
    uint64_t ping_ns;   /* when the last one was */
    uint64_t moved_ms;  /* when the outbox last made progress */
    size_t last_queue;  /* libuv's write queue then */

    struct list_node dirty;
    struct list_node dead;
    char host[48];
    char peer[64];
};

static inline const struct gateway_ops *conn_ops(const struct conn *c) {
    return &c->worker->parent->ops;
}

static inline const struct gateway_options *conn_options(const struct conn *c) {
    return &c->worker->parent->o;
}

static inline void conn_to_state(struct conn *c, enum conn_state state) {
    c->state = state;
    c->since_ms = c->worker->now_ms;
}

/* ---- conn_send.c ---- */

/* It has something to send, or may have come to its end: conn_flush looks at the end of the turn.
 */
void conn_mark_dirty(struct conn *);
/* Takes the item, whatever the state. */
void conn_queue(struct conn *, struct out_item *);
/* Bytes of our own making: handshakes, pages. */
void conn_queue_bytes(struct conn *, slice);
void conn_queue_control(struct conn *, enum ws_op, slice payload);
/* Answers a ping, later when much is queued: who does not read is owed one answer, not many. */
void conn_queue_pong(struct conn *, slice payload);

/* ---- conn_http.c ---- */

/* Takes a request off the front of the bytes and acts on it; returns how many it used. */
size_t conn_consume_http(struct conn *, slice);
/* Answers with a status and a sentence, and ends. */
void conn_refuse(struct conn *, unsigned status, const char *reason);
/* The room has answered what a page is about. */
void conn_page(struct conn *, const struct msg *);

#endif
