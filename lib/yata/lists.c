/* lists.c: the lists of types, and where types stand in them.
 *
 * A list is walked from its start: nothing is kept to find an index faster, since a server hardly
 * ever asks, and what would be kept has to be right after every update. (yjs 13.6
 * types/AbstractType.js typeListGet and the like)
 */
#include "look.h"
#include "text.h"

enum yata_status yata_length(const struct yata_doc *doc, struct yata_type name, uint64_t *ret) {
    uint32_t type;
    enum yata_status status = yatai_type_resolve(doc, name, &type);
    if (status != YATA_OK) {
        return status;
    }
    uint64_t length = 0;
    for (uint32_t h = doc->types.v[type].start; h != 0; h = yatai_item(doc, h)->right) {
        const struct yatai_item *it = yatai_item(doc, h);
        length += yatai_counts(it) ? it->len : 0;
    }
    *ret = length;
    return YATA_OK;
}

/* ---- elements ------------------------------------------------------------------------------- */

/* Goes `units` into the struct of the cursor. */
static void skip(struct yata_list *list, uint32_t units) {
    const struct yatai_item *it = yatai_item(list->doc, list->item);
    struct yata_slice all = yatai_payload(list->doc, it);
    unsigned kind = yatai_kind(it);
    if (kind == YATAI_STRING) {
        list->at = (uint32_t)yatai_text_offset_in(all.p, all.n, it->len, units, &list->half);
    } else if (kind == YATAI_ANY || kind == YATAI_JSON) {
        list->at = (uint32_t)yatai_elements_skip(kind, all.p, all.n, units);
    }
    list->left -= units;
}

static void enter(struct yata_list *list, uint32_t item) {
    list->item = yatai_counting(list->doc, item);
    list->left = list->item != 0 ? yatai_item(list->doc, list->item)->len : 0;
    list->at = 0;
    list->half = false;
}

void yatai_list_at(const struct yata_doc *doc, uint32_t item, uint32_t unit,
                   struct yata_list *ret) {
    *ret = (struct yata_list){.doc = doc};
    enter(ret, item);
    if (unit > 0) {
        skip(ret, unit);
    }
}

enum yata_status yata_list_begin(const struct yata_doc *doc, struct yata_type name, uint64_t index,
                                 struct yata_list *ret) {
    uint32_t type;
    enum yata_status status = yatai_type_resolve(doc, name, &type);
    if (status != YATA_OK) {
        return status;
    }
    struct yata_list list = {.doc = doc};
    enter(&list, doc->types.v[type].start);
    while (index > 0 && list.item != 0 && index >= list.left) {
        index -= list.left;
        enter(&list, yatai_item(doc, list.item)->right);
    }
    if (index > 0 && list.item == 0) {
        return YATA_RANGE;
    }
    if (index > 0) {
        skip(&list, (uint32_t)index);
    }
    *ret = list;
    return YATA_OK;
}

/* One unit of text; the halves of a pair are two. */
static void next_unit(struct yata_list *list, const struct yatai_item *it, struct yata_value *ret) {
    struct yata_slice text = yatai_payload(list->doc, it);
    const uint8_t *p = text.p + list->at, *q = p, *end = text.p + text.n;
    ret->kind = YATA_VALUE_STRING;
    if (*p >= 0xf0 && *p != YATAI_TEXT_SUBST) {
        static const uint8_t half[] = {YATAI_TEXT_SUBST};
        list->at += list->half ? 4 : 0;
        list->half = !list->half;
        q = half;
        ret->bytes = yatai_text_piece(&q, half + 1);
        return;
    }
    uint32_t n = *p < 0x80 || *p == YATAI_TEXT_SUBST ? 1 : *p < 0xe0 ? 2 : 3;
    ret->bytes = yatai_text_piece(&q, p + n < end ? p + n : end);
    list->at += n;
}

bool yata_list_next(struct yata_list *list, struct yata_value *ret) {
    if (list->left == 0) {
        return false;
    }
    const struct yatai_item *it = yatai_item(list->doc, list->item);
    if (yatai_kind(it) == YATAI_STRING) {
        next_unit(list, it, ret);
    } else {
        list->at += yatai_item_value(list->doc, it, list->at, ret);
    }
    if (--list->left == 0) {
        enter(list, it->right);
    }
    return true;
}

enum yata_status yata_list_get(const struct yata_doc *doc, struct yata_type type, uint64_t index,
                               struct yata_value *ret) {
    struct yata_list list;
    enum yata_status status = yata_list_begin(doc, type, index, &list);
    if (status == YATA_OK && !yata_list_next(&list, ret)) {
        status = YATA_RANGE;
    }
    return status;
}

/* ---- places --------------------------------------------------------------------------------- */

/* The struct that holds a nested type. */
static enum yata_status holder_of(const struct yata_doc *doc, struct yata_type name,
                                  const struct yatai_item **ret) {
    uint32_t type;
    enum yata_status status = yatai_type_resolve(doc, name, &type);
    if (status != YATA_OK) {
        return status;
    }
    if (doc->types.v[type].item == 0) {
        return YATA_RANGE;
    }
    *ret = yatai_item(doc, doc->types.v[type].item);
    return YATA_OK;
}

enum yata_status yata_type_parent(const struct yata_doc *doc, struct yata_type name,
                                  struct yata_type *ret) {
    const struct yatai_item *it;
    enum yata_status status = holder_of(doc, name, &it);
    if (status == YATA_OK) {
        *ret = yatai_type_name_of(doc, yatai_home_type(doc, it));
    }
    return status;
}

enum yata_status yata_type_place(const struct yata_doc *doc, struct yata_type name,
                                 struct yata_place *ret) {
    const struct yatai_item *it;
    enum yata_status status = holder_of(doc, name, &it);
    if (status != YATA_OK) {
        return status;
    }
    struct yata_place place = {.parent = yatai_type_name_of(doc, yatai_home_type(doc, it))};
    if (it->map) {
        const struct yatai_entry *entry = &doc->entries.v[it->home];
        place.in_map = true;
        place.key = (struct yata_slice){doc->heap.v + entry->key, entry->key_bytes};
    } else {
        for (uint32_t h = it->left; h != 0; h = yatai_item(doc, h)->left) {
            const struct yatai_item *before = yatai_item(doc, h);
            place.index += yatai_counts(before) ? before->len : 0;
        }
    }
    *ret = place;
    return YATA_OK;
}

/* ---- XML ------------------------------------------------------------------------------------ */

enum yata_status yata_xml_name(const struct yata_doc *doc, struct yata_type name,
                               struct yata_slice *ret) {
    uint32_t type;
    enum yata_status status = yatai_type_resolve(doc, name, &type);
    if (status != YATA_OK) {
        return status;
    }
    const struct yatai_type *t = &doc->types.v[type];
    if (t->item == 0 || (t->type_ref != YATA_XML_ELEMENT && t->type_ref != YATA_XML_HOOK)) {
        return YATA_RANGE;
    }
    uint64_t n;
    ret->p = yatai_past_uint(doc->heap.v + t->name, &n);
    ret->n = n;
    return YATA_OK;
}

/* The first struct that is there, from `item` on; all zero when it is not a type. */
static struct yata_type seen_type(const struct yata_doc *doc, uint32_t item, bool leftwards) {
    while (item != 0 && yatai_item(doc, item)->deleted) {
        item = leftwards ? yatai_item(doc, item)->left : yatai_item(doc, item)->right;
    }
    if (item == 0 || yatai_kind(yatai_item(doc, item)) != YATAI_TYPE) {
        return (struct yata_type){0};
    }
    return yatai_type_name_of(doc, yatai_item(doc, item)->content);
}

enum yata_status yata_xml_first(const struct yata_doc *doc, struct yata_type name,
                                struct yata_type *ret) {
    uint32_t type;
    enum yata_status status = yatai_type_resolve(doc, name, &type);
    if (status == YATA_OK) {
        *ret = seen_type(doc, doc->types.v[type].start, false);
    }
    return status;
}

enum yata_status yata_xml_next(const struct yata_doc *doc, struct yata_type name,
                               struct yata_type *ret) {
    const struct yatai_item *it;
    enum yata_status status = holder_of(doc, name, &it);
    if (status == YATA_OK) {
        *ret = seen_type(doc, it->right, false);
    }
    return status;
}

enum yata_status yata_xml_previous(const struct yata_doc *doc, struct yata_type name,
                                   struct yata_type *ret) {
    const struct yatai_item *it;
    enum yata_status status = holder_of(doc, name, &it);
    if (status == YATA_OK) {
        *ret = seen_type(doc, it->left, true);
    }
    return status;
}
