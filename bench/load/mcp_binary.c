/* mcp_binary.c: binary frames in the long form, which is the one that acknowledges. Until the first
 * of ours the server speaks to us in the short form. */
#include "dialect.h"

#include "base/varuint.h"

enum {
    TAG_UPDATE = 0x01,
    TAG_AWARENESS = 0x02,
    TAG_SYNC = 0x03,
    TAG_LONG = 0x80,
    TAG_ACK = 0x84,
    TAG_REFUSE = 0x85,
};

static bool subscribe(const struct speaker *s, slice state_vector, struct buf *b) {
    return mcp_subscribe(s, "\"binary.v1\"", state_vector, b);
}

static bool put(const struct speaker *s, uint8_t tag, uint64_t seq, slice payload, struct buf *b) {
    buf_put_u8(b, tag | TAG_LONG);
    buf_put_varuint(b, s->channel);
    buf_put_varuint(b, seq);
    buf_put_slice(b, payload);
    return false;
}

static bool update(const struct speaker *s, uint64_t seq, slice payload, struct buf *b) {
    return put(s, TAG_UPDATE, seq, payload, b);
}

static bool awareness(const struct speaker *s, uint64_t seq, slice payload, struct buf *b) {
    return put(s, TAG_AWARENESS, seq, payload, b);
}

static void read_answer(uint8_t tag, slice rest, struct heard *ret) {
    uint64_t number = 0;
    if (!varuint_take(&rest, &number)) {
        return;
    }
    ret->kind = tag == TAG_ACK ? HEARD_ANSWER : HEARD_REFUSED;
    if (tag == TAG_REFUSE) {
        ret->code = number;
        ret->text = rest;
    }
}

static void read_message(struct speaker *s, bool text, slice message, struct heard *ret) {
    if (text) {
        mcp_read_json(s, message, ret);
        return;
    }
    *ret = (struct heard){.kind = HEARD_STRANGE};
    if (!message.n) {
        return;
    }
    uint8_t tag = message.p[0];
    uint64_t channel = s->channel;
    slice rest = slice_of(message.p + 1, message.n - 1);
    if (tag & TAG_LONG) {
        ret->numbered = true;
        if (!varuint_take(&rest, &channel) || !varuint_take(&rest, &ret->seq)) {
            return;
        }
    }
    ret->payload = rest;
    if (channel != s->channel) {
        return;
    }
    if (tag == TAG_ACK || tag == TAG_REFUSE) {
        read_answer(tag, rest, ret);
    } else if ((tag & ~TAG_LONG) == TAG_UPDATE) {
        ret->kind = HEARD_UPDATE;
    } else if ((tag & ~TAG_LONG) == TAG_AWARENESS) {
        ret->kind = HEARD_AWARENESS;
    } else if ((tag & ~TAG_LONG) == TAG_SYNC) {
        ret->kind = HEARD_NOTHING; /* an update waits there: the server tells what it has */
    }
}

const struct dialect_ops speak_mcp_binary = {
    .name = "mcp-binary",
    .path = "/collab/ws",
    .subprotocol = "mcp-binary",
    .subscribe = subscribe,
    .update = update,
    .awareness = awareness,
    .read = read_message,
};
