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
#include "rpc/rpc.h"

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
    uint64_t start_ns;
};

/* A request of this intent; its index is the `req` of messages about it. */
uint32_t session_request(struct session *, const struct intent *);
struct request *session_get(struct session *, uint32_t req);
/* Answers and ends the request. Fields of `reply` that repeat the request are filled in here. */
void session_answer(struct session *, uint32_t req, struct reply *);
/* The same for an error; `detail` is a sentence. */
void session_refuse(struct session *, uint32_t req, enum err, const char *detail);

/* The rooms that this connection is in or joining. */
struct subscription *session_find(struct session *, slice room_id);
struct subscription *session_find_channel(struct session *, uint32_t channel);
struct subscription *session_only(struct session *); /* NULL unless there is exactly one */
size_t session_rooms(const struct session *);
struct subscription *session_add(struct session *, slice room_id);
/* Stops delivery and forgets it; the room is not told. */
void session_remove(struct session *, struct subscription *);
/* The n-th, or NULL. */
struct subscription *session_nth(struct session *, size_t n);

/* Sends a request for a room to its worker and takes it. */
void session_post(struct session *, struct msg *);

/* Was this seq acknowledged on this connection? Then with which version. */
bool session_acknowledged(const struct session *, uint64_t seq, uint64_t *ret_version);

/* The client reads binary frames (and has used the long form): choose how events are encoded. */
void session_reads_binary(struct session *, bool mux);

const struct rpc *session_rpc(const struct session *);
struct conn *session_conn(struct session *);
const char *session_user(const struct session *);
/* The room named in the URL, or an empty slice. */
slice session_default_room(const struct session *);
bool session_is_plain(const struct session *);

/* methods.c: handles one intent; answers to those that went to a room come by methods_mail. */
void methods_handle(struct session *, const struct intent *);
void methods_mail(struct session *, struct msg *);
/* Joins the room of the URL, where the dialect has no subscribe. */
void methods_attach(struct session *, slice room_id);

#endif
