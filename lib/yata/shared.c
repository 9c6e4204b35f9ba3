/* shared.c: the names by which callers know the shared types of a document.
 *
 * A root type is named by its index, for it never goes away. A nested type is named by the id of
 * the struct that holds it, with its index to find it at once: the record may belong to another
 * type by now, and then the id tells. (yjs 13.6 Doc.js get; types/AbstractType.js)
 */
#include "doc.h"
#include "text.h"

static bool is_named(const struct yata_doc *doc, uint32_t type, struct yata_type name) {
    uint32_t holder = doc->types.v[type].item;
    if (holder == 0) {
        return name.slot == 0;
    }
    const struct yatai_item *it = yatai_item(doc, holder);
    return yatai_slot(it) == name.slot && it->clock == name.clock && !(it->who & YATAI_F_DELETED);
}

enum yata_status yatai_type_resolve(const struct yata_doc *doc, struct yata_type name,
                                    uint32_t *ret) {
    if (name.at == 0 || name.at >= doc->types.n || !doc->types.v[name.at].live ||
        !is_named(doc, name.at, name)) {
        return YATA_GONE;
    }
    *ret = name.at;
    return YATA_OK;
}

struct yata_type yatai_type_name_of(const struct yata_doc *doc, uint32_t type) {
    uint32_t holder = doc->types.v[type].item;
    if (holder == 0) {
        return (struct yata_type){.at = type};
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
