/* quick.c: the short way for the update that typing makes.
 *
 * Most updates of a busy document are one struct of text right behind the text that the same client
 * sent last, and no deletions. Such an update needs no plan, no reservations and no end of a
 * transaction: its text is appended to the struct. All that has to be checked is checked here while
 * reading; whatever is the least bit different goes the long way from its first byte on.
 */
#include "doc.h"
#include "text.h"

/* Client, struct, two ids, info, a character and its length, no deletions. */
#define TYPING_BYTES_LEAST 10

static bool read_id(struct yatai_reader *r, struct yatai_id *ret) {
    uint64_t clock;
    if (!yatai_read_uint(r, &ret->client) || !yatai_read_uint(r, &clock) || clock > UINT32_MAX) {
        return false;
    }
    ret->clock = (uint32_t)clock;
    return true;
}

/* One client, one struct of text with an origin, no deletions. */
static bool read_typing(struct yatai_reader *r, struct yatai_id *id, struct yatai_ref *ref) {
    uint32_t units;
    if (r->p[0] != 1 || r->p[1] != 1) {
        return false;
    }
    r->p += 2;
    if (!read_id(r, id) || r->p == r->end) {
        return false;
    }
    unsigned info = *r->p++;
    if ((info & ~YATAI_HAS_RIGHT) != (YATAI_HAS_ORIGIN | YATAI_STRING)) {
        return false;
    }
    ref->kind = YATAI_STRING;
    ref->has = (uint8_t)(info & (YATAI_HAS_ORIGIN | YATAI_HAS_RIGHT));
    if (!read_id(r, &ref->origin) || ref->origin.client != id->client ||
        ref->origin.clock + 1 != id->clock) {
        return false;
    }
    if ((info & YATAI_HAS_RIGHT) && !read_id(r, &ref->right)) {
        return false;
    }
    if (!yatai_read_string(r, &ref->content, &ref->content_bytes, &units) || units == 0 ||
        r->p == r->end || *r->p != 0) {
        return false;
    }
    ref->clock = id->clock;
    ref->len = units;
    return ref->len <= UINT32_MAX - ref->clock;
}

bool yatai_apply_quick(struct yata_doc *doc, const uint8_t *update, size_t n) {
    if (n < TYPING_BYTES_LEAST || n > UINT32_MAX / 2) {
        return false;
    }
    struct yatai_reader r = {.start = update, .p = update, .end = update + n};
    struct yatai_id id;
    struct yatai_ref ref;
    if (!read_typing(&r, &id, &ref) || doc->pending.by_id.n > 0 || doc->pending.ranges.n > 0) {
        return false;
    }
    uint32_t slot = yatai_client_find(doc, id.client);
    if (slot == 0 || doc->clients.v[slot].clock != id.clock) {
        return false;
    }
    ref.origin.slot = slot;
    if (ref.has & YATAI_HAS_RIGHT) {
        ref.right.slot =
            ref.right.client == id.client ? slot : yatai_client_find(doc, ref.right.client);
        if (ref.right.slot == 0) {
            return false;
        }
    }
    bool wide = ref.content_bytes != ref.len;
    if (!YATAI_RESERVE(&doc->mem, &doc->touched, doc->touched.n + 1) ||
        (wide && !yatai_wides_reserve(doc, 1))) {
        return false;
    }
    if (doc->open) {
        return yatai_extend_tail(doc, slot, &ref);
    }
    if (doc->observer) {
        return false; /* there is an end of a transaction after all */
    }
    doc->txn++;
    bool done = yatai_extend_tail(doc, slot, &ref);
    doc->touched.n = 0;
    return done;
}
