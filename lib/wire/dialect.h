/* dialect.h: a dialect is a codec. Bytes in, intents out; events in, bytes out. It does no I/O,
 * keeps no state and knows no rooms: who the bytes belong to is the session's business.
 *
 * One row of the table is one dialect. A connection reads with one row and writes with one row;
 * they differ while an mcp-binary client has not yet said that it reads binary frames.
 *
 * Stamps. An event is encoded once per room, tick and dialect and shared by all receivers. What
 * differs by receiver (its seq) is a stamp of a few bytes, written before or after the shared bytes
 * and of a size that the sender of the frame knows beforehand.
 *
 * Thread: any. Pure.
 */
#ifndef WIRE_DIALECT_H
#define WIRE_DIALECT_H

#include "base/arena.h"
#include "base/buf.h"
#include "wire/event.h"
#include "wire/intent.h"

/* What an encoder produced: nothing at all, a text message or a binary message. */
enum wire_kind { WIRE_NOTHING, WIRE_TEXT, WIRE_BINARY };

enum stamp_place { STAMP_NONE, STAMP_FIRST, STAMP_LAST };

#define STAMP_MAX                                                                                  \
    24 /* bytes a stamp may take: tag, channel and seq as varuints, or a padded number */

/* Caps a decoder enforces, so that an oversized message is refused with its sizes named. */
struct decode_caps {
    size_t update_bytes;
    size_t awareness_bytes;
    size_t sync_bytes;
    size_t batch_count;
};

struct dialect {
    const char *name;

    /* Decodes one whole message. `text` is the WebSocket opcode. Every problem is reported as an
     * intent with `err` set; nothing is refused silently. */
    void (*decode)(const struct decode_caps *, struct arena *, bool text, slice message,
                   const struct intent_sink *);

    /* Appends the shared part of an event. WIRE_NOTHING when the dialect has no form for it. */
    enum wire_kind (*encode_event)(const struct event *, struct buf *);
    enum stamp_place stamp_place;
    /* Writes the stamp and returns its length, which for STAMP_LAST is always STAMP_LAST_BYTES.
     * NULL when stamp_place is STAMP_NONE. */
    size_t (*stamp)(const struct event *, uint64_t seq, uint8_t to[STAMP_MAX]);

    /* Appends what goes to the client as a message of its own before the answer: the long binary
     * form's 0x83 with the server's state vector. NULL or WIRE_NOTHING: no such thing. */
    enum wire_kind (*encode_prelude)(const struct reply *, struct buf *);
    /* Appends an answer. WIRE_NOTHING when this dialect does not acknowledge, or when the request
     * was a notification: the caller need not look at the id itself. */
    enum wire_kind (*encode_reply)(const struct reply *, struct buf *);
};

#define STAMP_LAST_BYTES 18 /* a number of up to 16 digits, right-aligned with spaces, and "}}" */

/* symbol, name */
#define DIALECT_TABLE(X)                                                                           \
    X(JSONRPC, jsonrpc)     /* text frames, JSON-RPC 2.0 (PROTOCOL 3) */                           \
    X(BINARY, binary)       /* mcp-binary, short form: one subscription (PROTOCOL 4) */            \
    X(MUX, mux)             /* mcp-binary, long form: channel and seq (PROTOCOL 4) */              \
    X(PLAINJSON, plainjson) /* legacy plain JSON (PROTOCOL 7) */

enum dialect_id {
#define X(sym, name) DIALECT_##sym,
    DIALECT_TABLE(X)
#undef X
        DIALECT_COUNT
};

/* The row; a static object. */
const struct dialect *dialect_get(enum dialect_id);

/* What JSON-RPC answers, without the envelope: the result, or the error object. For pages that say
 * the same. */
void reply_put_json(const struct reply *, struct buf *);

/* PROTOCOL 2: 1-200 bytes of A-Z a-z 0-9 _ . : / @ - */
bool room_name_valid(slice);

#endif
