/* event.h: what the server tells a client, in one form for all dialects: events go to everybody in
 * a room, replies answer one intent.
 *
 * Thread: any. Plain data; slices are borrowed for the call.
 */
#ifndef WIRE_EVENT_H
#define WIRE_EVENT_H

#include "wire/intent.h"

enum event_kind {
    EVENT_STATE,     /* what a client lacks on attaching or after a sync: a Yjs update */
    EVENT_UPDATE,    /* a change that somebody made: a Yjs update */
    EVENT_AWARENESS, /* presence: an awareness update */
    EVENT_CLOSED,    /* the room is gone for this client: code and message */
};

struct event {
    enum event_kind kind;
    slice room_id;
    slice sid;        /* names the room's stream on this server */
    uint32_t channel; /* the same as a number, for binary frames */
    uint64_t version;
    slice payload;
    int code; /* EVENT_CLOSED */
    const char *message;
};

enum role { ROLE_NONE, ROLE_READ, ROLE_WRITE, ROLE_ADMIN };

/* "read", "write", "admin", "none". */
const char *role_name(enum role);

/* The limits that subscribe's result states. */
struct wire_limits {
    size_t update_bytes;
    size_t awareness_bytes;
    size_t sync_bytes;
    size_t frame_bytes;
    size_t batch_count;
    size_t rooms_per_connection;
};

struct user_info {
    slice user_id;
    uint64_t connection_id;
    enum role role;
};

/* What a room was at one time; see docs/storage.md. */
struct version_info {
    uint64_t id;
    uint64_t size_bytes;
    uint64_t created_ms; /* since 1970 */
    uint64_t version;    /* of the room, then */
    bool automatic;
    slice label; /* empty: none */
};

/* What happened between two versions: to a root type, in characters and elements, */
struct root_change {
    slice name;
    uint64_t characters_in;
    uint64_t characters_out;
    uint64_t items_in;
    uint64_t items_out;
    uint64_t formatted;
};

/* and by a client id. */
struct client_change {
    uint64_t client;
    slice user; /* empty: not known */
    uint64_t characters;
    uint64_t items;
};

struct changes {
    const struct root_change *roots;
    size_t roots_count;
    const struct client_change *clients;
    size_t clients_count;
    size_t clients_left; /* not listed */
};

/* The answer to one intent: first what is answered, then either an error or the result fields of
 * that op. */
struct reply {
    enum op op;
    slice id; /* as in the intent; empty for dialects and frames without ids */
    bool binary;
    bool mux;
    uint32_t channel;
    uint64_t seq;

    enum err err;
    const char *detail;
    size_t limit_bytes; /* ERR_TOO_LARGE */
    size_t size_bytes;
    uint64_t retry_after_ms; /* ERR_RATE */
    const char *bucket;
    struct trace trace; /* told in acknowledgements and errors, if set */

    slice room_id; /* subscribe, room.info */
    slice sid;
    uint64_t connection_id;
    enum role role;
    uint64_t version; /* subscribe, sync, update, room.info */
    size_t participants;
    const struct wire_limits *limits;

    bool applied; /* sync, update */
    bool duplicate;
    slice state_vector; /* sync; update when not applied */

    double ts; /* heartbeat */
    uint64_t server_ts;
    slice protocol_version; /* initialize: as in the intent; empty or unknown: ours is answered */

    size_t kicked; /* room.kick */

    size_t readers; /* room.info: how many of each role */
    size_t writers;
    size_t admins;
    unsigned rate_points;
    unsigned rate_seconds;
    const struct user_info *users; /* for admins */
    size_t users_count;

    /* history.list: all; get, save: one; restore: what was before; compare: from, and to unless
     * that is now */
    const struct version_info *versions;
    size_t versions_count;
    slice data;                    /* history.get: a Yjs update */
    uint64_t restored;             /* history.restore: the id */
    const struct changes *changes; /* history.compare */
};

#endif
