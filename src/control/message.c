#include "control/message.h"

#include <string.h>

#include "limit/caps.h"

enum { LENGTH = 4, NUMBER = 8, BITS = 8 };

static uint64_t get(const uint8_t *p, size_t n) {
    uint64_t v = 0;
    while (n-- > 0) {
        v = v << BITS | p[n];
    }
    return v;
}

static void set(uint8_t *p, size_t n, uint64_t v) {
    for (size_t i = 0; i < n; i++, v >>= BITS) {
        p[i] = (uint8_t)v;
    }
}

static slice rest(slice s, size_t n) {
    return slice_of(s.p + n, s.n - n);
}

/* ---- fields ---- */

void control_put_number(struct buf *b, uint64_t v) {
    uint8_t bytes[NUMBER];
    set(bytes, NUMBER, v);
    buf_put(b, bytes, NUMBER);
}

void control_put_bytes(struct buf *b, slice s) {
    uint8_t length[LENGTH];
    set(length, LENGTH, s.n);
    buf_put(b, length, LENGTH);
    buf_put_slice(b, s);
}

bool control_take_number(slice *s, uint64_t *ret) {
    if (s->n < NUMBER) {
        return false;
    }
    *ret = get(s->p, NUMBER);
    *s = rest(*s, NUMBER);
    return true;
}

bool control_take_bytes(slice *s, slice *ret) {
    size_t n = s->n < LENGTH ? 0 : (size_t)get(s->p, LENGTH);
    if (s->n < LENGTH || s->n - LENGTH < n) {
        return false;
    }
    *ret = slice_of(s->p + LENGTH, n);
    *s = rest(*s, LENGTH + n);
    return true;
}

/* ---- frames ---- */

bool control_frame(slice come, slice *ret_body, size_t *ret_bytes, bool *ret_wrong) {
    size_t n = come.n < LENGTH ? 1 : (size_t)get(come.p, LENGTH);
    *ret_wrong = n == 0 || n > CAPS_CONTROL_BYTES;
    if (*ret_wrong || come.n < LENGTH || come.n - LENGTH < n) {
        return false;
    }
    *ret_body = slice_of(come.p + LENGTH, n);
    *ret_bytes = LENGTH + n;
    return true;
}

size_t control_begin(struct buf *b, enum control_kind kind) {
    size_t mark = b->n;
    buf_put(b, "\0\0\0", LENGTH);
    buf_put_u8(b, (uint8_t)kind);
    return mark;
}

void control_end(struct buf *b, size_t mark) {
    if (!b->failed) {
        set(b->p + mark, LENGTH, b->n - mark - LENGTH);
    }
}

/* ---- requests ---- */

bool control_parse(slice body, struct control_request *ret) {
    *ret = (struct control_request){0};
    if (body.n == 0) {
        return false;
    }
    ret->kind = (enum control_kind)body.p[0];
    slice s = rest(body, 1);
    bool good = false;
    switch (ret->kind) {
    case CONTROL_HELLO:
        good = control_take_number(&s, &ret->number);
        break;
    case CONTROL_LIST:
        good = control_take_number(&s, &ret->number) && control_take_number(&s, &ret->after);
        break;
    case CONTROL_READ:
    case CONTROL_VERSIONS:
    case CONTROL_FOLD:
    case CONTROL_BACKUP:
        good = control_take_bytes(&s, &ret->name);
        break;
    case CONTROL_BRING:
        good = control_take_bytes(&s, &ret->name) && control_take_bytes(&s, &ret->update);
        break;
    case CONTROL_SHRINK:
    case CONTROL_CHECK:
        good = true;
        break;
    case CONTROL_PROGRESS:
    case CONTROL_DONE:
    case CONTROL_FAILED:
        break;
    }
    return good && s.n == 0;
}

void control_put(struct buf *b, const struct control_request *r) {
    size_t mark = control_begin(b, r->kind);
    if (r->kind == CONTROL_HELLO || r->kind == CONTROL_LIST) {
        control_put_number(b, r->number);
    }
    if (r->kind == CONTROL_LIST) {
        control_put_number(b, r->after);
    }
    if (r->name.p) {
        control_put_bytes(b, r->name);
    }
    if (r->kind == CONTROL_BRING) {
        control_put_bytes(b, r->update);
    }
    control_end(b, mark);
}
