#include "room/pieces.h"

#include "base/varuint.h"
#include "limit/caps.h"

/* ---- giving ---- */

void giving_begin(struct giving *g, struct frame *whole, uint64_t number, uint64_t now_ms) {
    frame_unref(g->whole);
    *g = (struct giving){.whole = whole, .number = number, .asked_ms = now_ms};
}

void giving_piece(struct giving *g, size_t at, struct buf *to) {
    size_t left = g->whole->n - at;
    size_t n = left < CAPS_BUS_PIECE_BYTES ? left : CAPS_BUS_PIECE_BYTES;
    buf_put_varuint(to, g->number);
    buf_put_varuint(to, at);
    buf_put_varuint(to, g->whole->n);
    buf_put(to, g->whole->bytes + at, n);
    if (n == left) {
        giving_fini(g);
    }
}

enum err giving_asked(struct giving *g, slice more, uint64_t now_ms, size_t *ret_at) {
    uint64_t number = 0;
    uint64_t at = 0;
    if (!varuint_take(&more, &number) || !varuint_take(&more, &at) || more.n) {
        return ERR_PARAMS;
    }
    if (!g->whole || number != g->number || at >= g->whole->n) {
        return ERR_NOT_FOUND;
    }
    g->asked_ms = now_ms;
    *ret_at = (size_t)at;
    return ERR_OK;
}

void giving_sweep(struct giving *g, uint64_t now_ms) {
    if (g->whole && now_ms >= g->asked_ms + CAPS_BUS_GIVE_MS) {
        giving_fini(g);
    }
}

void giving_fini(struct giving *g) {
    g->whole = frame_unref(g->whole);
}

/* ---- taking ---- */

enum err taking_piece(struct taking *t, slice piece, bool *ret_whole) {
    uint64_t number = 0;
    uint64_t at = 0;
    uint64_t whole = 0;
    if (!varuint_take(&piece, &number) || !varuint_take(&piece, &at) ||
        !varuint_take(&piece, &whole) || whole > CAPS_BUS_DIFF_BYTES || at > whole || !piece.n ||
        piece.n > whole - at) {
        return ERR_PARAMS;
    }
    if (at == 0) {
        taking_fini(t);
        buf_init(&t->bytes, CAPS_BUS_DIFF_BYTES);
        t->number = number;
        t->whole = (size_t)whole;
    }
    if (number != t->number || at != t->bytes.n || whole != t->whole) {
        return ERR_NOT_FOUND;
    }
    buf_put_slice(&t->bytes, piece);
    if (t->bytes.failed) {
        return ERR_NOMEM;
    }
    *ret_whole = t->bytes.n == t->whole;
    return ERR_OK;
}

void taking_more(const struct taking *t, struct buf *to) {
    buf_put_varuint(to, t->number);
    buf_put_varuint(to, t->bytes.n);
}

void taking_fini(struct taking *t) {
    buf_fini(&t->bytes);
    *t = (struct taking){0};
}
