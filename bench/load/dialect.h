/* dialect.h: what the generator can speak. A dialect is one file with a `struct dialect_ops` and a
 * row of DIALECTS.
 *
 * Operations write one message to an empty buffer and return whether it is text; `read` tells what
 * one message says. They keep nothing but what stands in struct speaker.
 *
 * Thread: one.
 */
#ifndef LOAD_DIALECT_H
#define LOAD_DIALECT_H

#include "base/buf.h"

/* What a dialect needs to know of a connection. */
struct speaker {
    const char *room;
    uint64_t join_id; /* of the subscribe under way, or done */
    uint64_t channel; /* what the server called the room */
};

enum heard_kind {
    HEARD_NOTHING,
    HEARD_JOINED,
    HEARD_UPDATE,
    HEARD_AWARENESS,
    HEARD_ANSWER,  /* `seq` was taken */
    HEARD_REFUSED, /* or was not */
    HEARD_CLOSED,  /* the room */
    HEARD_STRANGE, /* no message of this dialect */
};

struct heard {
    enum heard_kind kind;
    uint64_t seq; /* answers: of the request; else of the stream, if `numbered` */
    bool numbered;
    bool waits;     /* answers: it is kept until others come */
    bool duplicate; /* answers: it had been answered before */
    uint64_t code;
    uint64_t retry_ms;
    slice text;    /* of a refusal */
    slice payload; /* as it stands in the message */
    bool base64;   /* it stands there in base64 */
};

struct dialect_ops {
    const char *name;
    const char *path;
    const char *subprotocol; /* or NULL */
    /* `state_vector` empty: wants all. */
    bool (*subscribe)(const struct speaker *, slice state_vector, struct buf *);
    bool (*update)(const struct speaker *, uint64_t seq, slice payload, struct buf *);
    bool (*awareness)(const struct speaker *, uint64_t seq, slice payload, struct buf *);
    /* Brings an update of any size; NULL: `update` does. */
    bool (*sync)(const struct speaker *, uint64_t seq, slice payload, slice state_vector,
                 struct buf *);
    void (*read)(struct speaker *, bool text, slice message, struct heard *ret);
};

extern const struct dialect_ops speak_mcp_json;
extern const struct dialect_ops speak_mcp_binary;

#define DIALECTS &speak_mcp_json, &speak_mcp_binary

/* What mcp-json and mcp-binary share: control is JSON in both. */
bool mcp_subscribe(const struct speaker *, const char *capabilities, slice state_vector,
                   struct buf *);
void mcp_read_json(struct speaker *, slice message, struct heard *ret);

#endif
