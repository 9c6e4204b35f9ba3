/* position.c: places in a list that stay where they are while others edit.
 *
 * A relative position names a struct by its id, or the end of a type, so it means the same in every
 * replica and at all times. (yjs 13.6 utils/RelativePosition.js)
 */
#include "look.h"

static struct yata_position position_in(const struct yata_doc *doc, uint32_t type, int64_t assoc) {
    uint32_t holder = doc->types.v[type].item;
    struct yata_position ret = {.assoc = assoc};
    if (holder == 0) {
        ret.where = YATA_AT_ROOT;
        ret.name = yatai_entry_key(doc, doc->types.v[type].root);
    } else {
        const struct yatai_item *it = yatai_item(doc, holder);
        ret.where = YATA_AT_TYPE;
        ret.client = doc->clients.v[yatai_slot(it)].id;
        ret.clock = it->clock;
    }
    return ret;
}

static struct yata_position position_of(const struct yata_doc *doc, const struct yatai_item *it,
                                        uint64_t units, int64_t assoc) {
    return (struct yata_position){.where = YATA_AT_ITEM,
                                  .client = doc->clients.v[yatai_slot(it)].id,
                                  .clock = it->clock + units,
                                  .assoc = assoc};
}

enum yata_status yata_position_at(const struct yata_doc *doc, struct yata_type name, uint64_t index,
                                  int64_t assoc, struct yata_position *ret) {
    uint32_t type;
    enum yata_status status = yatai_type_resolve(doc, name, &type);
    if (status != YATA_OK) {
        return status;
    }
    *ret = position_in(doc, type, assoc);
    if (assoc < 0 && index-- == 0) {
        return YATA_OK;
    }
    for (uint32_t h = doc->types.v[type].start; h != 0; h = yatai_item(doc, h)->right) {
        const struct yatai_item *it = yatai_item(doc, h);
        if (yatai_counts(it)) {
            if (it->len > index) {
                *ret = position_of(doc, it, index, assoc);
                return YATA_OK;
            }
            index -= it->len;
        }
        if (it->right == 0 && assoc < 0) { /* the last there is, be it deleted */
            *ret = position_of(doc, it, it->len - 1, assoc);
        }
    }
    return YATA_OK;
}

/* The struct with an id, if it is there and more than a length is left of it. */
static const struct yatai_item *item_of(const struct yata_doc *doc, const struct yata_position *p) {
    struct yata_doc *cached = yatai_caches(doc);
    uint32_t slot = yatai_client_find(cached, p->client);
    if (slot == 0 || p->clock >= doc->clients.v[slot].clock) {
        return NULL;
    }
    const struct yatai_item *it = yatai_item(doc, yatai_item_at(cached, slot, (uint32_t)p->clock));
    unsigned kind = yatai_kind(it);
    return kind == YATAI_GC || kind == YATAI_SKIP ? NULL : it;
}

static enum yata_status resolve_item(const struct yata_doc *doc, const struct yata_position *p,
                                     struct yata_type *ret, uint64_t *ret_index) {
    const struct yatai_item *it = item_of(doc, p);
    if (!it) {
        return YATA_GONE;
    }
    uint32_t type;
    struct yata_type name = yatai_type_name_of(doc, yatai_home_type(doc, it));
    enum yata_status status = yatai_type_resolve(doc, name, &type);
    if (status != YATA_OK) {
        return status;
    }
    uint64_t index = yatai_counts(it) ? p->clock - it->clock + (p->assoc < 0 ? 1 : 0) : 0;
    for (uint32_t h = it->left; h != 0; h = yatai_item(doc, h)->left) {
        const struct yatai_item *before = yatai_item(doc, h);
        index += yatai_counts(before) ? before->len : 0;
    }
    *ret = name;
    *ret_index = index;
    return YATA_OK;
}

enum yata_status yata_position_resolve(const struct yata_doc *doc, const struct yata_position *p,
                                       struct yata_type *ret, uint64_t *ret_index) {
    struct yata_type type;
    uint64_t length = 0;
    if (!yatai_thaw(doc)) {
        return YATA_NOMEM;
    }
    if (p->where == YATA_AT_ITEM) {
        return resolve_item(doc, p, ret, ret_index);
    }
    if (p->where == YATA_AT_ROOT) {
        uint32_t n = (uint32_t)p->name.n;
        uint32_t e = n == p->name.n ? yatai_entry_find(doc, 0, p->name.p, n) : 0;
        if (e == 0) {
            return YATA_GONE;
        }
        type = yatai_type_name_of(doc, doc->entries.v[e].current);
    } else {
        const struct yatai_item *it = item_of(doc, p);
        if (!it || yatai_kind(it) != YATAI_TYPE) {
            return YATA_GONE;
        }
        type = yatai_type_name_of(doc, it->content);
    }
    enum yata_status status = yata_length(doc, type, &length);
    if (status == YATA_OK) {
        *ret = type;
        *ret_index = p->assoc >= 0 ? length : 0;
    }
    return status;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

enum yata_status yata_position_encode(const struct yata_position *p, struct yata_bytes *ret) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_out out = {.mem = &libc};
    if (p->client > YATAI_CLIENT_MAX || p->clock > YATAI_CLIENT_MAX) {
        return YATA_MALFORMED;
    }
    yatai_out_uint(&out, p->where);
    if (p->where == YATA_AT_ROOT) {
        yatai_out_string(&out, p->name.p, p->name.n);
    } else {
        yatai_out_uint(&out, p->client);
        yatai_out_uint(&out, p->clock);
    }
    bool negative = p->assoc < 0;
    yatai_out_int(&out, negative ? 0 - (uint64_t)p->assoc : (uint64_t)p->assoc, negative);
    return yatai_out_give(&out, ret);
}

static bool decode(struct yatai_reader *r, struct yata_position *p) {
    uint64_t where, assoc = 0;
    bool negative = false;
    const uint8_t *at = r->p;
    uint32_t n = 0, units;
    if (!yatai_read_uint(r, &where)) {
        return false;
    }
    if (where > YATA_AT_TYPE) {
        return yatai_reader_fail(r, at, "position is of no known kind");
    }
    p->where = (enum yata_position_where)where;
    bool ok = p->where == YATA_AT_ROOT
                  ? yatai_read_string(r, &p->name.p, &n, &units)
                  : yatai_read_uint(r, &p->client) && yatai_read_uint(r, &p->clock);
    if (!ok) {
        return false;
    }
    p->name.n = n;
    if (r->p < r->end && !yatai_read_int(r, &assoc, &negative)) {
        return false;
    }
    p->assoc = negative ? -(int64_t)assoc : (int64_t)assoc;
    return true;
}

enum yata_status yata_position_decode(const uint8_t *position, size_t n, struct yata_position *ret,
                                      struct yata_error *ret_error) {
    struct yatai_reader r = yatai_reader_on(position, n);
    struct yata_position p = {0};
    if (!decode(&r, &p)) {
        if (ret_error) {
            *ret_error = r.why;
        }
        return r.status;
    }
    *ret = p;
    return YATA_OK;
}
