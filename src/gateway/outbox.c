#include "gateway/outbox.h"

#include "base/alloc.h"
#include "base/must.h"

static struct out_item *at(const struct outbox *o, size_t i) {
    return &o->ring[(o->head + i) & (o->cap - 1)];
}

void outbox_fini(struct outbox *o) {
    for (size_t i = 0; i < o->count; i++) {
        out_item_fini(at(o, i));
    }
    mem_free(o->ring);
    *o = (struct outbox){0};
}

static void grow(struct outbox *o) {
    size_t cap = o->cap ? o->cap * 2 : 8;
    struct out_item *ring = mem_new(cap * sizeof *ring);
    for (size_t i = 0; i < o->count; i++) {
        ring[i] = *at(o, i);
    }
    mem_free(o->ring);
    o->ring = ring;
    o->cap = cap;
    o->head = 0;
}

void outbox_push(struct outbox *o, struct out_item *it) {
    if (o->count == o->cap) {
        grow(o);
    }
    *at(o, o->count) = *it;
    o->count++;
    o->bytes += out_item_bytes(it);
    *it = (struct out_item){0};
}

/* Adds one run of bytes to the list, less what of it has been sent already. */
static void add_piece(struct iovec *to, size_t *n, const void *p, size_t bytes, size_t *skip) {
    size_t gone = *skip < bytes ? *skip : bytes;
    *skip -= gone;
    if (bytes > gone) {
        const uint8_t *start = (const uint8_t *)p + gone;
        /* iov_base is not const, though writing never writes to it */
        memcpy(&to[*n].iov_base, &start, sizeof start);
        to[*n].iov_len = bytes - gone;
        (*n)++;
    }
}

/* Adds the pieces of one item, whose own bytes stand at `own`. */
static void add_item(struct iovec *to, size_t *n, const struct out_item *it, const uint8_t *own,
                     size_t skip) {
    if (it->own_first) {
        add_piece(to, n, own, it->own_bytes, &skip);
    }
    add_piece(to, n, it->frame->bytes, it->frame->n, &skip);
    if (!it->own_first) {
        add_piece(to, n, own, it->own_bytes, &skip);
    }
}

size_t outbox_pieces(const struct outbox *o, struct iovec *to, size_t max) {
    size_t n = 0;
    for (size_t i = 0; i < o->count && n + 2 <= max; i++) {
        const struct out_item *it = at(o, i);
        add_item(to, &n, it, it->own, i == 0 ? o->head_sent : 0);
    }
    return n;
}

size_t outbox_hold(struct outbox *o, struct iovec to[2]) {
    must(o->count && !o->head_held);
    const struct out_item *it = at(o, 0);
    size_t n = 0;
    memcpy(o->held_own, it->own, sizeof o->held_own);
    add_item(to, &n, it, o->held_own, o->head_sent);
    o->head_held = true;
    return n;
}

void outbox_sent(struct outbox *o, size_t n) {
    must(n <= o->bytes);
    o->head_held = false;
    o->bytes -= n;
    n += o->head_sent;
    while (o->count && n >= out_item_bytes(at(o, 0))) {
        n -= out_item_bytes(at(o, 0));
        out_item_fini(at(o, 0));
        o->head = (o->head + 1) & (o->cap - 1);
        o->count--;
    }
    o->head_sent = n;
    if (!o->count && o->cap > 64) { /* a burst is over: give its memory back */
        outbox_fini(o);
    }
}

void outbox_drop(struct outbox *o, const void *tag,
                 void (*dropped)(void *ctx, const struct out_item *), void *ctx) {
    size_t begun = o->head_sent || o->head_held ? 1 : 0;
    size_t from = o->count; /* items at `from` and above are settled */
    size_t kept = 0;        /* how many of those stay; they are moved to the end */
    while (from > begun) {
        struct out_item *it = at(o, from - 1);
        if (it->tag == tag && it->class == OUT_CONTROL) {
            break;
        }
        from--;
        if (it->tag == tag) {
            o->bytes -= out_item_bytes(it);
            dropped(ctx, it);
            out_item_fini(it);
        } else {
            kept++;
            struct out_item moved = *it;
            *at(o, o->count - kept) = moved;
        }
    }
    /* close the hole between the untouched front and the kept tail */
    for (size_t i = 0; i < kept; i++) {
        struct out_item moved = *at(o, o->count - kept + i);
        *at(o, from + i) = moved;
    }
    o->count = from + kept;
}

void outbox_clear(struct outbox *o) {
    size_t begun = o->head_sent || o->head_held ? 1 : 0;
    while (o->count > begun) {
        struct out_item *it = at(o, --o->count);
        o->bytes -= out_item_bytes(it);
        out_item_fini(it);
    }
}

size_t outbox_messages(const struct outbox *o) {
    size_t n = 0;
    for (size_t i = 0; i < o->count; i++) {
        n += at(o, i)->counted;
    }
    return n;
}
