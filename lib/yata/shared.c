/* shared.c: the names by which callers know the shared types of a document.
 *
 * A root type is named by its index, for it never goes away, and by the hash of its name, for a
 * document that was frozen counts its types anew. A nested type is named by the id of
 * the struct that holds it, with its index to find it at once: the record may belong to another
 * type by now, and then the id tells. (yjs 13.6 Doc.js get; types/AbstractType.js)
 */
#include "doc.h"
#include "text.h"

/* What a root type is known by when its index has changed. */
static uint32_t root_hash(const struct yata_doc *doc, uint32_t type) {
    return doc->entries.v[doc->types.v[type].root].hash;
}

static bool is_named(const struct yata_doc *doc, uint32_t type, struct yata_type name) {
    uint32_t holder = doc->types.v[type].item;
    if (holder == 0) {
        return name.slot == 0 && (name.clock == 0 || name.clock == root_hash(doc, type));
    }
    const struct yatai_item *it = yatai_item(doc, holder);
    return yatai_slot(it) == name.slot && it->clock == name.clock && !it->deleted;
}

/* The type whose index has changed, since the document was frozen meanwhile; or 0. */
static uint32_t moved(const struct yata_doc *doc, struct yata_type name) {
    if (name.slot == 0) {
        uint32_t e = name.clock != 0 && doc->types.n > 0 ? yatai_entry_first(doc, 0) : 0;
        while (e != 0 && doc->entries.v[e].hash != name.clock) {
            e = yatai_entry_after(doc, e);
        }
        return e != 0 ? doc->entries.v[e].current : 0;
    }
    struct yata_doc *d = yatai_caches(doc);
    if (name.slot >= d->clients.n || name.clock >= d->clients.v[name.slot].clock) {
        return 0;
    }
    const struct yatai_item *it = yatai_item(d, yatai_item_at(d, name.slot, name.clock));
    bool is = it->clock == name.clock && yatai_kind(it) == YATAI_TYPE && !it->deleted;
    return is ? it->content : 0;
}

enum yata_status yatai_type_resolve(const struct yata_doc *doc, struct yata_type name,
                                    uint32_t *ret) {
    if (!yatai_thaw(doc)) {
        return YATA_NOMEM;
    }
    bool at_hand = name.at > 0 && name.at < doc->types.n && doc->types.v[name.at].live &&
                   is_named(doc, name.at, name);
    uint32_t type = at_hand ? name.at : moved(doc, name);
    if (type == 0) {
        return YATA_GONE;
    }
    *ret = type;
    return YATA_OK;
}

struct yata_type yatai_type_name_of(const struct yata_doc *doc, uint32_t type) {
    uint32_t holder = doc->types.v[type].item;
    if (holder == 0) {
        return (struct yata_type){.at = type, .clock = root_hash(doc, type)};
    }
    const struct yatai_item *it = yatai_item(doc, holder);
    return (struct yata_type){.at = type, .slot = yatai_slot(it), .clock = it->clock};
}

enum yata_status yata_root(struct yata_doc *doc, const char *name, size_t n,
                           struct yata_type *ret) {
    const uint8_t *p = (const uint8_t *)name;
    uint32_t units, e;
    if (n > UINT32_MAX / 2 || yatai_text_check(p, n, &units)) {
        return YATA_MALFORMED;
    }
    if (!yatai_thaw(doc)) {
        return YATA_NOMEM;
    }
    e = yatai_entry_find(doc, 0, p, (uint32_t)n);
    if (e == 0) {
        size_t bytes = n + 1; /* and a guard */
        if (!yatai_types_reserve(doc, 1, 1) || !yatai_heap_reserve(doc, bytes)) {
            return YATA_NOMEM;
        }
        (void)yatai_root_get(doc, p, (uint32_t)n);
        doc->heap_owed -= bytes;
        e = yatai_entry_find(doc, 0, p, (uint32_t)n);
    }
    *ret = yatai_type_name_of(doc, doc->entries.v[e].current);
    return YATA_OK;
}

enum yata_status yata_type_kind_of(const struct yata_doc *doc, struct yata_type name,
                                   enum yata_type_kind *ret) {
    uint32_t type;
    enum yata_status status = yatai_type_resolve(doc, name, &type);
    if (status != YATA_OK) {
        return status;
    }
    if (doc->types.v[type].item == 0) {
        return YATA_RANGE;
    }
    *ret = (enum yata_type_kind)doc->types.v[type].type_ref;
    return YATA_OK;
}
