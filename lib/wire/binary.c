/* mcp-binary (PROTOCOL 4): data frames `tag payload`, or `tag|0x80 channel seq payload`; control
 * stays JSON-RPC text. Both forms are read by both rows of the table; they differ in what they
 * send.
 *
 *   message              short form            long form
 *   update               01 payload            81 channel seq payload
 *   awareness            02 payload            82 channel seq payload
 *   sync                 03 state vector       83 channel seq state vector
 *   heartbeat, to us     10 ts                 90 channel seq ts
 *   heartbeat, from us   10 ts serverTs        90 channel seq ts serverTs
 *   acknowledged         -                     84 channel seq version
 *   refused              JSON-RPC error        85 channel seq code text
 *
 * What answers a message (83, 84, 85, 90 from us) repeats that message's seq; 81 and 82 carry the
 * stream's own. Refusal codes are those of JSON-RPC, negative ones without their sign. */
#include "base/varuint.h"
#include "wire/codecs.h"
#include "wire/json_in.h"

enum {
    TAG_UPDATE = 0x01,
    TAG_AWARENESS = 0x02,
    TAG_SYNC = 0x03,
    TAG_ACK = 0x04,    /* long form only */
    TAG_REFUSE = 0x05, /* long form only */
    TAG_HEARTBEAT = 0x10,
    TAG_LONG = 0x80,
    TS_BYTES = 8,
};

static void bad(struct intent *in, enum err err, const char *detail) {
    intent_fail(in, err, detail);
}

static bool take_header(struct arena *arena, slice *s, struct intent *in, uint8_t *ret_tag) {
    if (s->n == 0) {
        bad(in, ERR_REQUEST, "empty binary frame");
        return false;
    }
    uint8_t tag = s->p[0];
    *s = slice_of(s->p + 1, s->n - 1);
    if (tag & TAG_LONG) {
        uint64_t channel = 0;
        uint64_t seq = 0;
        if (!varuint_take(s, &channel) || !varuint_take(s, &seq) || channel > UINT32_MAX) {
            bad(in, ERR_REQUEST,
                detail_printf(arena, "channel or seq after tag 0x%02x cannot be read", tag));
            return false;
        }
        in->mux = true;
        in->channel = (uint32_t)channel;
        in->seq = seq;
        in->present |= 1u << FIELD_SEQ;
    }
    *ret_tag = tag;
    return true;
}

static uint64_t read_le64(const uint8_t *p) {
    uint64_t v = 0;
    for (int i = TS_BYTES - 1; i >= 0; i--) {
        v = v << 8 | p[i];
    }
    return v;
}

static void read_heartbeat(struct intent *in, slice s) {
    uint64_t ts = s.n == TS_BYTES ? read_le64(s.p) : UINT64_MAX;
    in->op = OP_HEARTBEAT;
    if (ts > VARUINT_MAX) {
        bad(in, ERR_PARAMS, "a heartbeat holds 8 bytes: milliseconds up to 2^53-1, little-endian");
        return;
    }
    in->ts = (double)ts;
    in->present |= 1u << FIELD_TS;
}

static void read_data(const struct decode_caps *caps, struct arena *arena, enum op op,
                      const char *name, slice s, struct intent *in) {
    in->op = op;
    size_t cap = caps_payload_bytes(caps, op);
    if (s.n > cap) {
        intent_too_large(arena, in, name, s.n, cap);
    } else if (op == OP_SYNC) {
        in->state_vector = s;
        in->present |= 1u << FIELD_STATE_VECTOR;
    } else {
        in->payload = s;
        in->present |= 1u << FIELD_PAYLOAD;
    }
}

static void decode(const struct decode_caps *caps, struct arena *arena, bool text, slice message,
                   const struct intent_sink *sink) {
    if (text) {
        jsonrpc_decode(caps, arena, message, sink);
        return;
    }
    struct intent in = {.binary = true};
    uint8_t tag = 0;
    if (take_header(arena, &message, &in, &tag)) {
        switch (tag & ~TAG_LONG) {
        case TAG_UPDATE:
            read_data(caps, arena, OP_UPDATE, "update", message, &in);
            break;
        case TAG_AWARENESS:
            read_data(caps, arena, OP_AWARENESS, "awareness", message, &in);
            break;
        case TAG_SYNC:
            read_data(caps, arena, OP_SYNC, "state vector", message, &in);
            break;
        case TAG_HEARTBEAT:
            read_heartbeat(&in, message);
            break;
        default:
            bad(&in, ERR_REQUEST, detail_printf(arena, "unknown tag 0x%02x", tag));
        }
    }
    sink->intent(sink->ctx, &in);
}

static uint8_t event_tag(const struct event *e) {
    return e->kind == EVENT_AWARENESS ? TAG_AWARENESS : TAG_UPDATE;
}

/* A closed room is control, hence JSON; it takes the stamp along that JSON-RPC would add. */
static enum wire_kind encode_closed(const struct event *e, struct buf *b) {
    uint8_t stamp[STAMP_MAX];
    (void)jsonrpc_encode_event(e, b);
    buf_put(b, stamp, jsonrpc_stamp(e, 0, stamp));
    return WIRE_TEXT;
}

static enum wire_kind encode_event_short(const struct event *e, struct buf *b) {
    if (e->kind == EVENT_CLOSED) {
        return encode_closed(e, b);
    }
    buf_put_u8(b, event_tag(e));
    buf_put_slice(b, e->payload);
    return WIRE_BINARY;
}

static enum wire_kind encode_event_long(const struct event *e, struct buf *b) {
    if (e->kind == EVENT_CLOSED) {
        return encode_closed(e, b);
    }
    if (e->payload.n) {
        buf_put_slice(b, e->payload);
    }
    return WIRE_BINARY;
}

static size_t stamp_long(const struct event *e, uint64_t seq, uint8_t to[STAMP_MAX]) {
    if (e->kind == EVENT_CLOSED) {
        return 0;
    }
    to[0] = event_tag(e) | TAG_LONG;
    size_t n = 1 + varuint_write(to + 1, e->channel);
    return n + varuint_write(to + n, seq);
}

static void put_long_header(const struct reply *r, uint8_t tag, struct buf *b) {
    buf_put_u8(b, tag | TAG_LONG);
    buf_put_varuint(b, r->channel);
    buf_put_varuint(b, r->seq);
}

static void put_le64(struct buf *b, uint64_t v) {
    for (int i = 0; i < TS_BYTES; i++) {
        buf_put_u8(b, (uint8_t)(v >> (8 * i)));
    }
}

static void put_times(const struct reply *r, struct buf *b) {
    put_le64(b, (uint64_t)r->ts);
    put_le64(b, r->server_ts);
}

static enum wire_kind encode_short(const struct reply *r, struct buf *b) {
    if (r->err != ERR_OK) {
        /* The short form has no refusal; one without id tells at least that and why. */
        struct reply as_json = *r;
        as_json.id = slice_str("null");
        return jsonrpc_encode_reply(&as_json, b);
    }
    if (r->op == OP_HEARTBEAT) {
        buf_put_u8(b, TAG_HEARTBEAT);
        put_times(r, b);
        return WIRE_BINARY;
    }
    /* After a sync, and when an update waits for others: say what we have, and be sent the rest. */
    if (r->op == OP_SYNC || (r->op == OP_UPDATE && r->state_vector.n)) {
        buf_put_u8(b, TAG_SYNC);
        buf_put_slice(b, r->state_vector);
        return WIRE_BINARY;
    }
    return WIRE_NOTHING;
}

static enum wire_kind encode_long(const struct reply *r, struct buf *b) {
    if (r->err != ERR_OK) {
        int code = err_rpc_code(r->err);
        put_long_header(r, TAG_REFUSE, b);
        buf_put_varuint(b, (uint64_t)(code < 0 ? -code : code));
        buf_put_str(b, err_text(r->err));
        if (r->detail) {
            buf_put_str(b, ": ");
            buf_put_str(b, r->detail);
        }
    } else if (r->op == OP_HEARTBEAT) {
        put_long_header(r, TAG_HEARTBEAT, b);
        put_times(r, b);
    } else {
        put_long_header(r, TAG_ACK, b);
        buf_put_varuint(b, r->version);
    }
    return WIRE_BINARY;
}

static enum wire_kind encode_prelude(const struct reply *r, struct buf *b) {
    bool says_state = r->op == OP_SYNC || (r->op == OP_UPDATE && r->state_vector.n);
    if (!r->binary || !r->mux || r->err != ERR_OK || !says_state) {
        return WIRE_NOTHING;
    }
    put_long_header(r, TAG_SYNC, b);
    buf_put_slice(b, r->state_vector);
    return WIRE_BINARY;
}

/* The form of an answer is that of its question, whatever events are sent in. */
static enum wire_kind encode_reply(const struct reply *r, struct buf *b) {
    if (!r->binary) {
        return jsonrpc_encode_reply(r, b);
    }
    return r->mux ? encode_long(r, b) : encode_short(r, b);
}

const struct dialect dialect_binary = {
    .name = "binary",
    .decode = decode,
    .encode_event = encode_event_short,
    .stamp_place = STAMP_NONE,
    .encode_prelude = encode_prelude,
    .encode_reply = encode_reply,
};

const struct dialect dialect_mux = {
    .name = "mux",
    .decode = decode,
    .encode_event = encode_event_long,
    .stamp_place = STAMP_FIRST,
    .stamp = stamp_long,
    .encode_prelude = encode_prelude,
    .encode_reply = encode_reply,
};
