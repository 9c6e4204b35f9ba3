/* intent.h: what a client wants, in one form for all dialects.
 *
 * A dialect's decoder turns the bytes of one WebSocket message into one or more intents. Slices
 * point into the message or the arena: they live until the decoder's caller resets the arena.
 *
 * Thread: any. Plain data.
 */
#ifndef WIRE_INTENT_H
#define WIRE_INTENT_H

#include "base/err.h"
#include "base/slice.h"
#include "base/trace.h"

enum op {
    OP_NONE, /* nothing to do but to answer with `err` */
#define METHOD(op, name, right, cost, required, allowed) OP_##op,
#include "wire/methods.def"
#undef METHOD
    OP_COUNT
};

/* The fields that params may carry: symbol, name on the wire, type as the decoder checks it. */
#define INTENT_FIELDS(X)                                                                           \
    X(ROOM_ID, "roomId", ROOM) /* a room name, PROTOCOL 2 */                                       \
    X(SESSION_ID, "sessionId", STRING)                                                             \
    X(SID, "sid", STRING)                                                                          \
    X(TOKEN, "token", STRING)                                                                      \
    X(CAPABILITIES, "capabilities",                                                                \
      CAPABILITIES)                  /* array of strings, or object with those keys */             \
    X(CLIENT, "client", ANY)         /* free form, for logs */                                     \
    X(SEQ, "seq", UINT)              /* integer, 0 .. 2^53-1 */                                    \
    X(PAYLOAD, "payloadB64", BASE64) /* or payload: "base64:..." */                                \
    X(STATE_VECTOR, "stateVectorB64", BASE64)                                                      \
    X(TS, "ts", NUMBER)                                                                            \
    X(RTT_MS, "rttMs", NUMBER)                                                                     \
    X(USER_ID, "userId", STRING)                                                                   \
    X(REASON, "reason", STRING)                                                                    \
    X(BAN_SEC, "banSec", UINT)                                                                     \
    X(MUTED, "muted", BOOL)                                                                        \
    X(DURATION_SEC, "durationSec", UINT)                                                           \
    X(VERSION_ID, "versionId", UINT)                                                               \
    X(TO_ID, "toId", UINT) /* of a version */                                                      \
    X(LIMIT, "limit", UINT)                                                                        \
    X(BEFORE, "before", UINT) /* the id of a version */                                            \
    X(LABEL, "label", STRING)                                                                      \
    X(PROTOCOL_VERSION, "protocolVersion", STRING) /* of MCP, with initialize */

enum intent_field {
#define X(sym, name, type) FIELD_##sym,
    INTENT_FIELDS(X)
#undef X
        FIELD_COUNT
};

#define INTENT_HAS(intent, sym) (((intent)->present >> FIELD_##sym & 1) != 0)

enum capability {
    CAP_YJS_SYNC_V1 = 1, /* "yjs.sync.v1": drives its own sync, wants no unasked state */
    CAP_BINARY_V1 = 2,   /* "binary.v1": reads binary data frames */
};

struct intent {
    enum op op;
    slice id;    /* JSON text of the request's id, to be repeated; empty: no answer is wanted */
    bool binary; /* came as a binary data frame */
    bool mux;    /* ... in the long form, with channel and seq */
    uint32_t channel; /* when mux */

    /* When not ERR_OK the message was bad: do nothing but answer. */
    enum err err;
    const char *detail; /* a sentence, static or in the arena */
    size_t limit_bytes; /* with ERR_TOO_LARGE */
    size_t size_bytes;

    uint32_t present; /* bit per enum intent_field */
    slice room_id;
    slice session_id;
    slice sid;
    slice token;
    slice client;
    unsigned capabilities; /* of enum capability */
    uint64_t seq;
    slice payload;
    slice state_vector;
    double ts;
    double rtt_ms;
    slice user_id;
    slice reason;
    uint64_t ban_sec;
    bool muted;
    uint64_t duration_sec;
    uint64_t version_id;
    uint64_t to_id;
    uint64_t limit;
    uint64_t before;
    slice label;
    slice protocol_version;
    struct trace trace; /* of params._meta.traceparent; any method may have it */
};

/* Receives intents while a message is decoded. `batch` (may be NULL) is called with the number of
 * requests in a JSON-RPC batch before its first intent, and with 0 after its last: the answers
 * between belong into one array. */
struct intent_sink {
    void *ctx;
    void (*batch)(void *ctx, size_t requests);
    void (*intent)(void *ctx, const struct intent *);
};

#endif
