/* msg.h: everything that one worker tells another. One tagged union; the tag says who sends, who
 * receives and what is in it.
 *
 * A connection lives on one worker, a room on one worker (room_hash(name) % workers), often not the
 * same. They never share memory but counted, immutable frames; what they have to say to each other
 * is one of these messages, handed over by post_fn and freed by the receiver with msg_free.
 *
 * Thread: plain data; belongs to the sender until posted, to the receiver afterwards.
 */
#ifndef ROOM_MSG_H
#define ROOM_MSG_H

#include "access/access.h"
#include "base/err.h"
#include "base/frame.h"
#include "base/list.h"
#include "cluster/mail.h"
#include "base/trace.h"
#include "store/store.h"
#include "wire/event.h"
#include "yata.h"

/* A connection: the worker's index above, below it a number never used again. 0 is nobody. */
typedef uint64_t conn_id;

#define CONN_WORKER_SHIFT 46 /* 64 workers keep conn_id below 2^53: JavaScript can hold it */

static inline unsigned conn_worker(conn_id id) {
    return (unsigned)(id >> CONN_WORKER_SHIFT);
}

enum msg_kind {
    /* connection's worker -> room's worker */
    MSG_JOIN,      /* attach: role, capabilities, state vector in `extra` */
    MSG_LEAVE,     /* detach; no answer unless `req` is set */
    MSG_UPDATE,    /* payload: update */
    MSG_SYNC,      /* payload: update or NULL; extra: state vector or NULL */
    MSG_AWARENESS, /* payload: awareness update */
    MSG_INFO,      /* who is there */
    MSG_REPAIR,    /* a receiver was cut off and has drained: clocks[] it must be served from */
    MSG_STATE,     /* what the room is like, for an admin's page; no membership is needed */
    MSG_ROLE,      /* the member's rights have changed: join.role; no answer */
    MSG_BRING,     /* payload: an update that the operator brings; no membership is needed */
    MSG_KICK,      /* payload: user; extra: reason or NULL; sanction */
    MSG_MUTE,      /* payload: user; sanction */
    MSG_HISTORY,   /* about versions: history; payload: a label or NULL */

    /* the store's threads -> room's worker */
    MSG_STORED, /* job has been done for the room */
    MSG_STORE,  /* the store fails, or serves again: store.serving */

    /* the bus's thread -> room's worker, or every worker */
    MSG_BUS, /* what other nodes say: bus */

    MSG_TO_CONN, /* border: kinds below go to the connection's worker */

    /* room's worker -> connection's worker */
    MSG_JOINED,     /* answer to join; payload: state, extra: everyone's presence */
    MSG_ANSWER,     /* answer to leave, update, awareness, info; extra: state vector if it helps */
    MSG_SYNCED,     /* answer to sync; payload: what the client lacks; extra: state vector */
    MSG_REPAIRED,   /* payload: the difference; extra: everyone's presence */
    MSG_FANOUT,     /* to all members on this worker but `except`; payload; presence or update */
    MSG_STATE_IS,   /* answer to state; payload: JSON text */
    MSG_HISTORY_IS, /* answer to history; history.job has it, unless there was an error */
    MSG_BROUGHT, /* answer to bring; answer.applied: it was news. To nobody's connection: `seq` says
                    whose it is */
    MSG_CLOSED,  /* this connection is in the room no longer: err, detail */

    /* access thread -> connection's worker */
    MSG_CHECKED, /* a token or a role has been checked: err, detail, checked */

    /* app -> every worker */
    MSG_SECURE, /* there is a new certificate */
    MSG_SHUT,   /* close the listeners */
    MSG_DRAIN,  /* all listeners are closed: close the connections, when answered */
    MSG_DUMP,   /* tell the log what you have */
    MSG_STOP,   /* leave the loop */
};

/* req of a message whose sender wants no answer */
#define REQ_NONE UINT32_MAX

struct member_info {
    conn_id conn;
    enum role role;
    struct identity *who; /* counted; NULL: on another node, then */
    struct frame *user;   /* counted: its name */
};

struct echo;

struct msg {
    struct list_node node;
    enum msg_kind kind;
    unsigned from; /* worker that sent it */
    conn_id conn;  /* whose request or answer this is */
    uint32_t req;  /* the connection's own number for the request; comes back in the answer */
    uint64_t seq;  /* requests: the client's own number, 0 if it has none */
    uint64_t received_ns;  /* requests: when it came from the client; 0: not known */
    struct trace trace;    /* what it is a part of, if it is traced; what comes of it has it, too */
    enum role needs;       /* requests: what the sender must be allowed in the room */
    struct frame *room;    /* the room's name */
    struct frame *payload; /* Yjs bytes, see the kinds */
    struct frame *extra;
    enum err err; /* answers */
    char detail[120];
    uint64_t after; /* answers, room only: not before so many of its updates are durable */
    union {
        struct {
            enum role role;
            unsigned capabilities;
            bool state_always;    /* send the state even when it is empty */
            struct identity *who; /* counted */
        } join;
        struct {
            uint32_t channel;
            uint64_t version;
            size_t participants;
            enum role role;
            bool applied;
            size_t readers;
            size_t writers;
            size_t admins;
            size_t kicked;
            struct member_info *members; /* info, for admins */
            size_t members_count;
        } answer;
        struct {
            struct identity *who; /* counted, or NULL */
            enum role role;
            const char *why; /* static; when err */
        } checked;
        struct {
            bool on;          /* mute: false lifts it */
            uint64_t seconds; /* how long; kick: 0 is no ban, mute: 0 is until lifted */
        } sanction;
        struct {
            enum store_op op;    /* list, read, save, compare, restore */
            uint64_t version_id; /* 0: the newest */
            uint64_t to_id;      /* 0: now */
            uint64_t before;
            uint64_t most;
            struct identity *who; /* counted: a page's reader, whose right has been checked; NULL: a
                                   * member */
            uint64_t number;      /* history.c only */
            struct store_job *job; /* answer; ours */
        } history;
        struct store_job *job; /* ours */
        struct bus_mail *bus;  /* ours */
        struct {
            bool serving;
        } store;
        struct {
            conn_id except; /* the only writer of this tick, or 0 */
            uint64_t version;
            bool presence;
            struct echo *echo; /* to be told when it is written; or NULL */
        } fanout;
        struct {
            struct yata_clock *clocks; /* lowest clock missed, per client */
            size_t count;
        } repair;
    };
};

/* The kind that answers a request of this kind. */
enum msg_kind msg_answer_kind(enum msg_kind);

/* A zeroed message of this kind. */
struct msg *msg_new(enum msg_kind);
/* Frees it with all it holds; NULL is a no-op. */
void msg_free(struct msg *);

/* Hands a message over to a worker and takes it; always succeeds. */
typedef void (*post_fn)(void *ctx, unsigned worker, struct msg *);

#endif
