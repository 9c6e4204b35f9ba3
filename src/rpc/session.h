/* session.h: one connection as the protocol sees it: its dialect, its rooms, its requests under
 * way.
 *
 * A message becomes intents (wire/), each intent is handled by its method (methods.c), most of them
 * by a message to the worker of the room; the room's answer finds its request again by number.
 *
 * Flow. At most CAPS_IN_FLIGHT requests are under way at once; then reading pauses until a room has
 * answered. Reading pauses too while the outbox is over its mark.
 *
 * Thread: the worker of the connection. Memory: owned by the connection, freed in on_close.
 */
#ifndef RPC_SESSION_H
#define RPC_SESSION_H

#include "gateway/conn.h"
#include "room/hub.h"
#include "rpc/auth.h"

struct session;

/* A request that waits for its room, or the place where its answer is made at once. */
struct request {
    bool used;
    enum op op;
    struct frame *id; /* JSON text; NULL: no answer by id */
    bool binary;
    bool mux;
    uint32_t channel;
    uint64_t seq;
    bool has_seq;
    bool batched; /* its answer belongs into the open batch */
    struct frame *room;
    struct frame *subject; /* kick and mute: the user it is about; or NULL */
    struct frame *note;    /* kick and mute: what the audit says of it, a text; or NULL */
    uint64_t start_ns;
    struct trace trace; /* as the client says, or as the connection's upgrade did */
    uint64_t span;      /* of this request; 0: it is not told */
};

/* A room that the connection is in, joining, or being let into. */
struct place {
    struct subscription sub;
    bool admitted;            /* its join has been posted, or it is in */
    struct list_node waiting; /* messages for the room that came before that */
    uint32_t req;             /* the subscribe under way; REQ_NONE */
    bool asking_token;        /* access is asked about its token, not yet about a role */
    unsigned capabilities;    /* of that subscribe */
    struct frame *state_vector;
    bool synced;       /* once at least */
    bool returned;     /* the client had a state when it came, and was counted for that */
    uint64_t asked_ms; /* when AUTHZ_URL was last asked for the role */
    uint32_t number;   /* for such questions; never used again on this connection */
};

/* A request of this intent; its index is the `req` of messages about it. */
uint32_t session_request(struct session *, const struct intent *);
struct request *session_get(struct session *, uint32_t req);
/* Answers and ends the request. Fields of `reply` that repeat the request are filled in here. */
void session_answer(struct session *, uint32_t req, struct reply *);
/* The same for an error; `detail` is a sentence. */
void session_refuse(struct session *, uint32_t req, enum err, const char *detail);

/* The rooms that this connection is in or joining. */
struct place *session_find(struct session *, slice room_id);
struct place *session_find_channel(struct session *, uint32_t channel);
struct place *session_find_number(struct session *, uint32_t number);
struct place *session_only(struct session *); /* NULL unless there is exactly one */
size_t session_rooms(const struct session *);
struct place *session_add(struct session *, slice room_id);
/* Stops delivery and forgets it; the room is not told. What waited for it is refused. */
void session_remove(struct session *, struct place *);
/* The n-th, or NULL. */
struct place *session_nth(struct session *, size_t n);

/* Sends a request for a room to its worker and takes it. */
void session_post(struct session *, struct msg *);

/* Who it is; see auth.h. */
struct auth *session_auth(struct session *);
/* It is known now: messages may be as long as the options say. */
void session_known(struct session *);
/* The id that a client gives itself; the first one stays. */
void session_name(struct session *, slice session_id);
/* A line in the audit about this connection. */
void session_audit(struct session *, enum audit_event, slice room, enum role, const char *by,
                   const char *reason);
/* Requests are refused for their rate: reading pauses when it does not stop. */
void session_flooded(struct session *, uint64_t retry_after_ms);

/* A message that no bucket is charged for: reading pauses when there are too many in a second. */
void session_uncharged(struct session *);

/* Was this seq acknowledged on this connection? Then with which version. */
bool session_acknowledged(const struct session *, uint64_t seq, uint64_t *ret_version);

/* The client reads binary frames (and has used the long form): choose how events are encoded. */
void session_reads_binary(struct session *, bool mux);

const struct rpc *session_rpc(const struct session *);
struct conn *session_conn(struct session *);
const char *session_user(const struct session *); /* "" while unknown */
/* The room named in the URL, or an empty slice. */
slice session_default_room(const struct session *);
bool session_is_plain(const struct session *);

/* methods.c: handles one intent; answers to those that went to a room come by methods_mail. */
void methods_handle(struct session *, const struct intent *);
void methods_mail(struct session *, struct msg *);
/* About once a second: asks again for rights that AUTHZ_URL gives. */
void methods_sweep(struct session *);
/* Joins the room of the URL, where the dialect has no subscribe. */
void methods_attach(struct session *, slice room_id);

#endif
