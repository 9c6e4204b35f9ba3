#include "store/authors.h"

#include "base/varuint.h"
#include "limit/caps.h"

bool authors_next(slice *authors, uint64_t *ret_client, slice *ret_user) {
    slice s = *authors;
    uint64_t client = 0;
    uint64_t n = 0;
    if (!varuint_take(&s, &client) || !varuint_take(&s, &n) || n > s.n) {
        return false;
    }
    *ret_client = client;
    *ret_user = slice_of(s.p, (size_t)n);
    *authors = slice_of(s.p + n, s.n - (size_t)n);
    return true;
}

slice authors_find(slice authors, uint64_t client) {
    uint64_t one = 0;
    slice user = {0};
    while (authors_next(&authors, &one, &user)) {
        if (one == client) {
            return user;
        }
    }
    return (slice){0};
}

void authors_note(struct buf *b, uint64_t client, slice user) {
    if (!user.n || user.n > CAPS_LABEL_BYTES || authors_find(buf_slice(b), client).n) {
        return;
    }
    buf_put_varuint(b, client);
    buf_put_varuint(b, user.n);
    buf_put_slice(b, user);
    while (b->n > CAPS_AUTHORS_BYTES) {
        slice rest = buf_slice(b);
        uint64_t oldest = 0;
        slice who = {0};
        if (!authors_next(&rest, &oldest, &who)) {
            buf_clear(b); /* what was there before was no list */
            break;
        }
        buf_consume(b, b->n - rest.n);
    }
}
