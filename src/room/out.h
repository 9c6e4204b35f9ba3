/* out.h: what stands in a connection's outbox: a shared frame and, beside it, the few bytes that
 * are this receiver's own (its stamp, and the frame header when that depends on it).
 *
 * Thread: the connection's worker. Plain data; the item holds counts on its frames.
 */
#ifndef ROOM_OUT_H
#define ROOM_OUT_H

#include "base/frame.h"
#include "observe/metrics.h"
#include "wire/dialect.h"

/* What may happen to it when the receiver is slow. */
enum out_class {
    OUT_CONTROL,  /* answers, pings, closes, whole states: always sent */
    OUT_UPDATE,   /* dropped, and made up for by one difference */
    OUT_PRESENCE, /* dropped, and made up for by everyone's newest state */
};

#define OUT_OWN_MAX (10 + STAMP_MAX) /* WebSocket header and stamp */

struct out_item {
    struct frame *frame; /* shared bytes */
    struct frame
        *source;     /* OUT_UPDATE: the Yjs update inside, to know what was missed if dropped */
    const void *tag; /* the subscription it belongs to, or NULL */
    uint8_t own[OUT_OWN_MAX];
    uint8_t own_bytes;
    bool own_first; /* own bytes before the shared ones, or after */
    bool counted;   /* among the messages to clients; pings, handshakes and pages are not */
    uint8_t type;   /* enum metric_out */
    enum out_class class;
};

static inline size_t out_item_bytes(const struct out_item *it) {
    return it->frame->n + it->own_bytes;
}

static inline void out_item_fini(struct out_item *it) {
    it->frame = frame_unref(it->frame);
    it->source = frame_unref(it->source);
}

/* One event in the form of one dialect: encoded once, stamped for each receiver. */
struct out_event {
    const struct dialect *dialect;
    const struct event *event;
    struct frame *frame; /* NULL: the dialect has no form for this event */
    enum wire_kind kind;
};

/* Encodes; `scratch` is a buffer to work in. Release with out_event_fini. */
void out_event_init(struct out_event *, const struct dialect *, const struct event *,
                    struct buf *scratch);
void out_event_fini(struct out_event *);
/* The item for a receiver whose stream has come to `seq`; it holds counts of its own. */
struct out_item out_event_item(const struct out_event *, uint64_t seq, enum out_class,
                               struct frame *source, const void *tag);
/* A message of one receiver alone: the bytes in `scratch` after OUT_HEADER_ROOM, of this kind. */
struct out_item out_message(enum wire_kind, struct buf *scratch, enum metric_out);
/* Counts it as a message queued in this dialect. */
void out_count(struct out_item *, enum dialect_id);

#define OUT_HEADER_ROOM 10 /* bytes left free at the front of scratch for the frame header */

#endif
