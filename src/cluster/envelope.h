/* envelope.h: a message between nodes, as it stands on a channel of Redis: who sent it, as the how
 * manieth of what, about which room, and the bytes it is about.
 *
 *     'c' 1 kind flags node(8) epoch(8) sequence(8) [trace(25)] varuint(version) varuint(members)
 *     varuint(n) room(n) payload
 *
 * Numbers are little-endian, varuints those of lib0. `trace` stands there when bit 0 of flags is
 * set: the bytes of a W3C traceparent without its version. Other bits are 0; a reader refuses what
 * it does not know, and a change of the layout gets another number after the 'c'.
 *
 * Thread: any. Pure.
 */
#ifndef CLUSTER_ENVELOPE_H
#define CLUSTER_ENVELOPE_H

#include "base/buf.h"
#include "base/err.h"

/* symbol, number on the wire, must name a room, what the payload is */
#define ENVELOPE_TABLE(X)                                                                          \
    X(OPEN, 1, 1, "I open this room, who has it? my digest and state vector")                      \
    X(COMPARE, 2, 1, "the same from one who has it for long: answer if yours differs")             \
    X(RETURN, 3, 1, "the same after a time in which nothing could be heard of me")                 \
    X(HERE, 4, 1, "answer to these: my digest and state vector")                                   \
    X(NONE, 5, 1, "answer to OPEN: I do not have it")                                              \
    X(ASK, 6, 1, "send me what lies beyond this state vector")                                     \
    X(DIFF, 7, 1, "answer to ASK: an update")                                                      \
    X(UPDATE, 8, 1, "what my clients changed within a tick: an update")                            \
    X(PRESENCE, 9, 1, "what my clients showed within a tick: entries")                             \
    X(EVERYONE, 10, 1, "all that my clients show: entries")                                        \
    X(COUNT, 11, 1, "nothing: the header says how many members I have now")                        \
    X(GONE, 12, 1, "nothing: I have let go of the room")                                           \
    X(ORDER, 13, 1, "an admin's order: kick, ban, mute")                                           \
    X(BEAT, 14, 0, "nothing, or when it was sent: I live")                                         \
    X(BYE, 15, 0, "nothing: I end")                                                                \
    X(ORDERED, 16, 1, "answer to ORDER: how many it put out")                                      \
    X(WHO, 17, 1, "who is in the room at yours?")                                                  \
    X(WHO_IS, 18, 1, "answer to WHO: members")                                                     \
    X(SANCTION, 19, 1, "a ban or mute that holds here")                                            \
    X(REVOKED, 20, 0, "what has been revoked, a line each")                                        \
    X(PIECE, 21, 1, "answer to ASK and MORE: a part of an update, see room/pieces.h")              \
    X(MORE, 22, 1, "send me the next part")

enum envelope_kind {
#define X(sym, number, room, what) ENVELOPE_##sym = (number),
    ENVELOPE_TABLE(X)
#undef X
};

enum { ENVELOPE_TRACE_BYTES = 25 };

/* Node ids have the top bit set, which no connection's id has: a room can tell the two apart. */
#define ENVELOPE_NODE_BIT (1ull << 63)

struct envelope {
    enum envelope_kind kind;
    uint64_t node;     /* who sent it */
    uint64_t epoch;    /* of the sender's count: rises when it begins anew */
    uint64_t sequence; /* in the room's channel, from 1 on; 0: not counted */
    uint64_t version;  /* of the room, as far as the sender knows */
    uint64_t members;  /* of the room, at the sender */
    bool traced;
    uint8_t trace[ENVELOPE_TRACE_BYTES];
    slice room;    /* borrowed */
    slice payload; /* borrowed */
};

/* Appends it. */
void envelope_write(struct buf *, const struct envelope *);
/* Reads one; slices point into the bytes. ERR_PARAMS with *ret_why a static sentence when it is not
 * one, ERR_TOO_LARGE when it is over CAPS_BUS_BYTES. */
NODISCARD enum err envelope_read(slice, struct envelope *ret, const char **ret_why);

#endif
