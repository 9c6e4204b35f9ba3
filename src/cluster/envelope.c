#include "cluster/envelope.h"

#include "base/varuint.h"
#include "limit/caps.h"

enum { MARK = 'c', FORMAT = 1, FLAG_TRACED = 1, FIXED_BYTES = 4 + 3 * 8 };

/* Whether such a kind exists, and whether it is about a room. */
static bool known_kind(uint8_t kind, bool *ret_room) {
    switch (kind) {
#define X(sym, number, room, what)                                                                 \
    case number:                                                                                   \
        *ret_room = room;                                                                          \
        return true;
        ENVELOPE_TABLE(X)
#undef X
    default:
        return false;
    }
}

static void put_u64(struct buf *b, uint64_t v) {
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(v >> 8 * i);
    }
    buf_put(b, bytes, sizeof bytes);
}

static uint64_t get_u64(const uint8_t *p) {
    uint64_t v = 0;
    for (size_t i = 0; i < 8; i++) {
        v |= (uint64_t)p[i] << 8 * i;
    }
    return v;
}

void envelope_write(struct buf *b, const struct envelope *e) {
    const uint8_t start[] = {MARK, FORMAT, (uint8_t)e->kind, e->traced ? FLAG_TRACED : 0};
    buf_put(b, start, sizeof start);
    put_u64(b, e->node);
    put_u64(b, e->epoch);
    put_u64(b, e->sequence);
    if (e->traced) {
        buf_put(b, e->trace, sizeof e->trace);
    }
    buf_put_varuint(b, e->version);
    buf_put_varuint(b, e->members);
    buf_put_varuint(b, e->room.n);
    buf_put_slice(b, e->room);
    buf_put_slice(b, e->payload);
}

static bool take(slice *s, size_t n, slice *ret) {
    if (s->n < n) {
        return false;
    }
    *ret = slice_of(s->p, n);
    *s = slice_of(s->p + n, s->n - n);
    return true;
}

static const char *read_rest(slice s, bool about_room, struct envelope *e) {
    slice trace;
    uint64_t room_bytes = 0;
    if (e->traced) {
        if (!take(&s, ENVELOPE_TRACE_BYTES, &trace)) {
            return "it ends within its trace";
        }
        memcpy(e->trace, trace.p, sizeof e->trace);
    }
    if (!varuint_take(&s, &e->version) || !varuint_take(&s, &e->members) ||
        !varuint_take(&s, &room_bytes)) {
        return "it ends within its numbers";
    }
    if (room_bytes > CAPS_ROOM_NAME_BYTES || (room_bytes > 0) != about_room) {
        return "its room's name has an impossible length";
    }
    if (!take(&s, (size_t)room_bytes, &e->room)) {
        return "it ends within its room's name";
    }
    e->payload = s;
    return NULL;
}

enum err envelope_read(slice s, struct envelope *ret, const char **ret_why) {
    bool about_room = false;
    slice fixed;
    *ret = (struct envelope){0};
    *ret_why = NULL;
    if (s.n > CAPS_BUS_BYTES) {
        *ret_why = "it is larger than a message between nodes may be";
        return ERR_TOO_LARGE;
    }
    if (!take(&s, FIXED_BYTES, &fixed) || fixed.p[0] != MARK) {
        *ret_why = "it is no message between nodes";
    } else if (fixed.p[1] != FORMAT || fixed.p[3] & ~FLAG_TRACED) {
        *ret_why = "it is of a format that this version does not know";
    } else if (!known_kind(fixed.p[2], &about_room)) {
        *ret_why = "it is of a kind that this version does not know";
    } else {
        ret->kind = (enum envelope_kind)fixed.p[2];
        ret->traced = fixed.p[3] & FLAG_TRACED;
        ret->node = get_u64(fixed.p + 4);
        ret->epoch = get_u64(fixed.p + 12);
        ret->sequence = get_u64(fixed.p + 20);
        *ret_why =
            ret->node & ENVELOPE_NODE_BIT ? read_rest(s, about_room, ret) : "its sender is no node";
    }
    return *ret_why ? ERR_PARAMS : ERR_OK;
}
