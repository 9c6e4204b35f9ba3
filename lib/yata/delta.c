/* delta.c: text as a string, and as runs of equal attributes.
 *
 * A format in the list of a text changes the attributes of all that follows. A run ends where a
 * format stands, also when that changes nothing, as in yjs. (yjs 13.6 types/YText.js toString,
 * toDelta, updateCurrentAttributes)
 */
#include "look.h"

enum yata_status yata_text_string(const struct yata_doc *doc, struct yata_type name,
                                  struct yata_bytes *ret) {
    uint32_t type;
    enum yata_status status = yatai_type_resolve(doc, name, &type);
    if (status != YATA_OK) {
        return status;
    }
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_out out = {.mem = &libc};
    for (uint32_t h = doc->types.v[type].start; h != 0; h = yatai_item(doc, h)->right) {
        const struct yatai_item *it = yatai_item(doc, h);
        if (yatai_kind(it) != YATAI_STRING || it->deleted) {
            continue;
        }
        struct yata_slice text = yatai_payload(doc, it);
        const uint8_t *p = text.p, *end = p + text.n;
        while (p < end) {
            struct yata_slice piece = yatai_text_piece(&p, end);
            yatai_out_bytes(&out, piece.p, piece.n);
        }
    }
    return yatai_out_give(&out, ret);
}

enum yata_status yata_delta_begin(const struct yata_doc *doc, struct yata_type name,
                                  struct yata_delta *ret) {
    uint32_t type;
    enum yata_status status = yatai_type_resolve(doc, name, &type);
    if (status != YATA_OK) {
        return status;
    }
    *ret = (struct yata_delta){.doc = doc, .item = doc->types.v[type].start};
    yatai_attributes_init(&ret->set);
    return YATA_OK;
}

void yata_delta_fini(struct yata_delta *delta) {
    if (delta->doc) {
        yatai_attributes_fini(delta->doc, &delta->set);
    }
}

/* Takes in one struct; true when it is, or begins, a run. */
static bool take(struct yata_delta *delta, const struct yatai_item *it, uint32_t h,
                 struct yata_run *ret, enum yata_status *status) {
    const struct yata_doc *doc = delta->doc;
    struct yata_slice payload = yatai_payload(doc, it);
    switch (yatai_kind(it)) {
    case YATAI_STRING:
        delta->p = payload.p;
        delta->end = payload.p + payload.n;
        return false;
    case YATAI_FORMAT:
        delta->joins = false;
        if (!yatai_attributes_take(doc, &delta->set, h)) {
            *status = YATA_NOMEM;
        }
        return false;
    case YATAI_EMBED:
    case YATAI_TYPE:
        delta->joins = false;
        *ret = (struct yata_run){.embed = true};
        (void)yatai_item_value(doc, it, 0, &ret->value);
        return true;
    default:
        return false;
    }
}

enum yata_status yata_delta_next(struct yata_delta *delta, struct yata_run *ret, bool *ret_more) {
    enum yata_status status = YATA_OK;
    *ret_more = true;
    for (;;) {
        if (delta->p < delta->end) {
            *ret = (struct yata_run){.joins = delta->joins};
            ret->value.kind = YATA_VALUE_STRING;
            ret->value.bytes = yatai_text_piece(&delta->p, delta->end);
            delta->joins = true;
            return YATA_OK;
        }
        if (delta->item == 0) {
            *ret_more = false;
            return YATA_OK;
        }
        uint32_t h = delta->item;
        const struct yatai_item *it = yatai_item(delta->doc, h);
        if (!it->deleted && take(delta, it, h, ret, &status)) {
            delta->item = it->right;
            return YATA_OK;
        }
        if (status != YATA_OK) {
            *ret_more = false;
            return status; /* the format is still ahead */
        }
        delta->item = it->right;
    }
}

bool yata_delta_attribute(const struct yata_delta *delta, size_t *at, struct yata_slice *ret_key,
                          struct yata_value *ret) {
    const struct yata_attribute *a = yatai_attribute_next(&delta->set, at);
    if (!a) {
        return false;
    }
    struct yatai_val value = yatai_format_value(delta->doc, yatai_item(delta->doc, a->value));
    *ret_key = yatai_format_key(delta->doc, yatai_item(delta->doc, a->key));
    yatai_value_of(&value, ret);
    return true;
}
