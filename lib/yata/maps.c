/* maps.c: the maps of types, the names of root types, subdocuments.
 *
 * The value of a key is the rightmost of its list of values, if that is not deleted. (yjs 13.6
 * types/AbstractType.js typeMapGet and the like; utils/Doc.js)
 */
#include "look.h"

enum yata_status yata_map_get(const struct yata_doc *doc, struct yata_type name, const char *key,
                              size_t n, struct yata_value *ret) {
    uint32_t type;
    enum yata_status status = yatai_type_resolve(doc, name, &type);
    if (status != YATA_OK) {
        return status;
    }
    uint32_t e =
        n > UINT32_MAX ? 0 : yatai_entry_find(doc, type, (const uint8_t *)key, (uint32_t)n);
    uint32_t h = e == 0 ? 0 : yatai_entry_value(doc, e);
    if (h == 0) {
        return YATA_RANGE;
    }
    yatai_item_last(doc, yatai_item(doc, h), ret);
    return YATA_OK;
}

enum yata_status yata_map_begin(const struct yata_doc *doc, struct yata_type name,
                                struct yata_map *ret) {
    uint32_t type;
    enum yata_status status = yatai_type_resolve(doc, name, &type);
    if (status == YATA_OK) {
        *ret = (struct yata_map){.doc = doc, .entry = yatai_entry_first(doc, type)};
    }
    return status;
}

/* The first key with a value, from the one at hand on. */
static uint32_t set_entry(struct yata_map *map) {
    while (map->entry != 0 && yatai_entry_value(map->doc, map->entry) == 0) {
        map->entry = yatai_entry_after(map->doc, map->entry);
    }
    return map->entry;
}

bool yata_map_next(struct yata_map *map, struct yata_slice *ret_key, struct yata_value *ret) {
    uint32_t e = set_entry(map);
    if (e == 0) {
        return false;
    }
    *ret_key = yatai_entry_key(map->doc, e);
    yatai_item_last(map->doc, yatai_item(map->doc, yatai_entry_value(map->doc, e)), ret);
    map->entry = yatai_entry_after(map->doc, e);
    return true;
}

enum yata_status yata_map_size(const struct yata_doc *doc, struct yata_type name, uint64_t *ret) {
    struct yata_map map;
    enum yata_status status = yata_map_begin(doc, name, &map);
    if (status != YATA_OK) {
        return status;
    }
    uint64_t size = 0;
    for (; set_entry(&map) != 0; map.entry = yatai_entry_after(doc, map.entry)) {
        size++;
    }
    *ret = size;
    return YATA_OK;
}

/* ---- root types ----------------------------------------------------------------------------- */

bool yata_roots_next(const struct yata_doc *doc, struct yata_roots *roots,
                     struct yata_slice *ret_name, struct yata_type *ret) {
    if (!yatai_thaw(doc)) {
        return false;
    }
    if (!roots->started) {
        roots->started = true;
        roots->at = yatai_entry_first(doc, 0);
    }
    if (roots->at == 0) {
        return false;
    }
    *ret_name = yatai_entry_key(doc, roots->at);
    *ret = yatai_type_name_of(doc, doc->entries.v[roots->at].current);
    roots->at = yatai_entry_after(doc, roots->at);
    return true;
}

enum yata_status yata_root_name(const struct yata_doc *doc, struct yata_type name,
                                struct yata_slice *ret) {
    uint32_t type;
    enum yata_status status = yatai_type_resolve(doc, name, &type);
    if (status != YATA_OK) {
        return status;
    }
    if (doc->types.v[type].item != 0) {
        return YATA_RANGE;
    }
    *ret = yatai_entry_key(doc, doc->types.v[type].root);
    return YATA_OK;
}

static bool is_xml(unsigned type_ref) {
    return type_ref >= YATA_XML_ELEMENT && type_ref <= YATA_XML_TEXT;
}

enum yata_status yata_root_guess(const struct yata_doc *doc, struct yata_type name,
                                 enum yata_type_kind *ret) {
    uint32_t type;
    enum yata_status status = yatai_type_resolve(doc, name, &type);
    if (status != YATA_OK) {
        return status;
    }
    if (doc->types.v[type].item != 0) {
        return yata_type_kind_of(doc, name, ret);
    }
    for (uint32_t h = doc->types.v[type].start; h != 0; h = yatai_item(doc, h)->right) {
        const struct yatai_item *it = yatai_item(doc, h);
        unsigned kind = yatai_kind(it);
        if (kind == YATAI_DELETED || kind == YATAI_GC) {
            continue;
        }
        if (kind == YATAI_STRING || kind == YATAI_FORMAT || kind == YATAI_EMBED) {
            *ret = YATA_TEXT;
        } else if (kind == YATAI_TYPE && is_xml(doc->types.v[it->content].type_ref)) {
            *ret = YATA_XML_FRAGMENT;
        } else {
            *ret = YATA_ARRAY;
        }
        return YATA_OK;
    }
    bool deleted_list = doc->types.v[type].start != 0 && doc->types.v[type].entries == 0;
    *ret = deleted_list ? YATA_ARRAY : YATA_MAP;
    return YATA_OK;
}

/* ---- subdocuments --------------------------------------------------------------------------- */

bool yata_subdocs_next(const struct yata_doc *doc, struct yata_subdocs *subdocs,
                       struct yata_subdoc *ret) {
    if (!yatai_thaw(doc)) {
        return false;
    }
    while (++subdocs->at < doc->items.n) {
        const struct yatai_item *it = yatai_item(doc, subdocs->at);
        if (it->slot == 0 || yatai_kind(it) != YATAI_DOC || it->deleted) {
            continue;
        }
        struct yata_slice payload = yatai_payload(doc, it);
        const uint8_t *end = payload.p + payload.n;
        uint64_t n;
        ret->guid.p = yatai_past_uint(payload.p, &n);
        ret->guid.n = n;
        ret->options.p = ret->guid.p + n;
        ret->options.n = (size_t)(end - ret->options.p);
        ret->parent = yatai_type_name_of(doc, yatai_home_type(doc, it));
        return true;
    }
    subdocs->at--;
    return false;
}
