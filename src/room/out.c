#include "room/out.h"

#include "base/must.h"
#include "wire/ws.h"

#define X(sym, name) _Static_assert((int)METRIC_OUT_##sym == (int)EVENT_##sym, "one order");
X(STATE, )
X(UPDATE, )
X(AWARENESS, )
X(CLOSED, )
#undef X

static enum ws_op op_of(enum wire_kind kind) {
    return kind == WIRE_TEXT ? WS_TEXT : WS_BIN;
}

/* The bytes of scratch after the room for the header, with a header for them and `more` bytes. */
static struct frame *framed(enum wire_kind kind, struct buf *scratch, size_t more) {
    must(scratch->n >= OUT_HEADER_ROOM);
    size_t n = scratch->n - OUT_HEADER_ROOM;
    uint8_t header[OUT_HEADER_ROOM];
    size_t header_n = ws_header(header, op_of(kind), n + more);
    uint8_t *start = scratch->p + OUT_HEADER_ROOM - header_n;
    memcpy(start, header, header_n);
    return frame_copy(slice_of(start, header_n + n));
}

void out_event_init(struct out_event *e, const struct dialect *d, const struct event *event,
                    struct buf *scratch) {
    *e = (struct out_event){.dialect = d, .event = event};
    buf_clear(scratch);
    (void)buf_reserve(scratch, OUT_HEADER_ROOM);
    buf_commit(scratch, OUT_HEADER_ROOM);
    e->kind = d->encode_event(event, scratch);
    if (e->kind == WIRE_NOTHING) {
        return;
    }
    must(!scratch->failed);
    if (d->stamp_place == STAMP_FIRST) {
        e->frame = frame_copy(slice_of(scratch->p + OUT_HEADER_ROOM, scratch->n - OUT_HEADER_ROOM));
    } else {
        size_t more = d->stamp_place == STAMP_LAST ? STAMP_LAST_BYTES : 0;
        e->frame = framed(e->kind, scratch, more);
    }
}

void out_event_fini(struct out_event *e) {
    e->frame = frame_unref(e->frame);
}

struct out_item out_event_item(const struct out_event *e, uint64_t seq, enum out_class class,
                               struct frame *source, const void *tag) {
    struct out_item it = {
        .frame = frame_ref(e->frame), .tag = tag, .class = class, .type = (uint8_t)e->event->kind};
    if (source) {
        it.source = frame_ref(source);
    }
    if (e->dialect->stamp_place == STAMP_LAST) {
        it.own_bytes = (uint8_t)e->dialect->stamp(e->event, seq, it.own);
    } else if (e->dialect->stamp_place == STAMP_FIRST) {
        uint8_t stamp[STAMP_MAX];
        size_t n = e->dialect->stamp(e->event, seq, stamp);
        size_t header_n = ws_header(it.own, op_of(e->kind), n + e->frame->n);
        memcpy(it.own + header_n, stamp, n);
        it.own_bytes = (uint8_t)(header_n + n);
        it.own_first = true;
    }
    return it;
}

struct out_item out_message(enum wire_kind kind, struct buf *scratch, enum metric_out type) {
    return (struct out_item){
        .frame = framed(kind, scratch, 0), .class = OUT_CONTROL, .type = (uint8_t)type};
}

/* The payload of a frame of so many bytes, RFC 6455 5.2. */
static size_t payload_bytes(size_t frame) {
    enum { SHORT = 2, MEDIUM = 4, LONG = 10, SHORT_MOST = 125, MEDIUM_MOST = 65535 };
    return frame <= SHORT + SHORT_MOST     ? frame - SHORT
           : frame <= MEDIUM + MEDIUM_MOST ? frame - MEDIUM
                                           : frame - LONG;
}

void out_count(struct out_item *it, enum dialect_id dialect) {
    unsigned label = metric_pair(it->type, dialect);
    it->counted = true;
    metric_add(METRIC_MSG_OUT, label, 1);
    metric_add(METRIC_MSG_OUT_BYTES, label, (int64_t)payload_bytes(out_item_bytes(it)));
}
