/* edit_list.c: what a writer does to arrays, XML and maps (yjs 13.6 types/AbstractType.js
 * typeList…, typeMap…).
 */
#include "edit.h"

#include "text.h"

#define LISTS (1u << YATA_ARRAY | 1u << YATA_XML_ELEMENT | 1u << YATA_XML_FRAGMENT)
#define MAPS                                                                                       \
    (1u << YATA_MAP | 1u << YATA_TEXT | 1u << YATA_XML_ELEMENT | 1u << YATA_XML_HOOK |             \
     1u << YATA_XML_TEXT)

static bool seek(struct yatai_edit *e, size_t index, struct yatai_cursor *ret) {
    if (index == YATA_END) {
        *ret = yatai_edit_last(e);
        return true;
    }
    return yatai_edit_seek(e, index, ret);
}

/* ---- lists ---------------------------------------------------------------------------------- */

/* Values that follow each other and can be in one struct are. */
static void insert_values(struct yatai_edit *e, struct yatai_cursor *at,
                          const struct yata_value *values, size_t n) {
    struct yatai_ref run = {.kind = YATAI_ANY}, ref;
    for (size_t i = 0; i < n; i++) {
        if (!yatai_edit_value(e, &values[i], true, &ref)) {
            return;
        }
        if (ref.kind == YATAI_ANY) {
            run.clock = run.len == 0 ? ref.clock : run.clock;
            run.len++;
            run.content_bytes += ref.content_bytes;
            continue;
        }
        if (run.len > 0) {
            yatai_edit_insert(e, at, run);
            run = (struct yatai_ref){.kind = YATAI_ANY};
        }
        yatai_edit_insert(e, at, ref);
    }
    if (run.len > 0) {
        yatai_edit_insert(e, at, run);
    }
}

enum yata_status yata_list_insert(struct yata_doc *doc, struct yata_type list, size_t index,
                                  const struct yata_value *values, size_t n) {
    enum yata_status status;
    struct yatai_cursor at;
    struct yatai_edit *e = yatai_edit_begin(doc, list, &status);
    if (!e) {
        return status;
    }
    if (yatai_edit_allows(e, LISTS) && seek(e, index, &at)) {
        insert_values(e, &at, values, n);
    }
    return yatai_edit_end(e);
}

enum yata_status yata_list_insert_type(struct yata_doc *doc, struct yata_type list, size_t index,
                                       enum yata_type_kind kind, const char *name, size_t n,
                                       struct yata_type *ret) {
    enum yata_status status;
    struct yatai_cursor at;
    struct yatai_ref ref;
    struct yatai_edit *e = yatai_edit_begin(doc, list, &status);
    if (!e) {
        return status;
    }
    if (yatai_edit_allows(e, LISTS) && seek(e, index, &at) &&
        yatai_edit_new_type(e, kind, name, n, &ref)) {
        yatai_edit_insert(e, &at, ref);
    }
    return yatai_edit_end_made(e, ret);
}

static void delete_values(struct yatai_edit *e, struct yatai_cursor at, size_t n) {
    while (n > 0 && at.item != 0) {
        const struct yatai_item *it = yatai_item(e->doc, at.item);
        uint32_t units = it->len - at.offset;
        if (!yatai_is_deleted(it)) {
            units = units < n ? units : (uint32_t)n;
            yatai_edit_delete(e, at.item, at.offset, units);
            n -= units;
        }
        yatai_edit_pass_units(e, &at, units);
    }
    if (n > 0) {
        (void)yatai_edit_fail(e, YATA_RANGE);
    }
}

enum yata_status yata_list_delete(struct yata_doc *doc, struct yata_type list, size_t index,
                                  size_t length) {
    enum yata_status status;
    struct yatai_cursor at;
    struct yatai_edit *e = yatai_edit_begin(doc, list, &status);
    if (!e) {
        return status;
    }
    if (yatai_edit_allows(e, LISTS) && yatai_edit_seek(e, index, &at)) {
        delete_values(e, at, length);
    }
    return yatai_edit_end(e);
}

/* ---- maps ----------------------------------------------------------------------------------- */

static struct yatai_edit *begin_map(struct yata_doc *doc, struct yata_type map, const char *key,
                                    size_t n, enum yata_status *ret_status) {
    uint32_t units;
    if (n > UINT32_MAX / 2 || yatai_text_check((const uint8_t *)key, n, &units)) {
        *ret_status = YATA_MALFORMED;
        return NULL;
    }
    return yatai_edit_begin(doc, map, ret_status);
}

enum yata_status yata_map_set(struct yata_doc *doc, struct yata_type map, const char *key, size_t n,
                              const struct yata_value *value) {
    enum yata_status status;
    struct yatai_ref ref;
    struct yatai_edit *e = begin_map(doc, map, key, n, &status);
    if (!e) {
        return status;
    }
    if (yatai_edit_allows(e, MAPS) && yatai_edit_value(e, value, false, &ref)) {
        yatai_edit_set(e, (const uint8_t *)key, (uint32_t)n, ref);
    }
    return yatai_edit_end(e);
}

enum yata_status yata_map_set_type(struct yata_doc *doc, struct yata_type map, const char *key,
                                   size_t n, enum yata_type_kind kind, const char *name,
                                   size_t name_bytes, struct yata_type *ret) {
    enum yata_status status;
    struct yatai_ref ref;
    struct yatai_edit *e = begin_map(doc, map, key, n, &status);
    if (!e) {
        return status;
    }
    if (yatai_edit_allows(e, MAPS) && yatai_edit_new_type(e, kind, name, name_bytes, &ref)) {
        yatai_edit_set(e, (const uint8_t *)key, (uint32_t)n, ref);
    }
    return yatai_edit_end_made(e, ret);
}

enum yata_status yata_map_delete(struct yata_doc *doc, struct yata_type map, const char *key,
                                 size_t n) {
    enum yata_status status;
    struct yatai_edit *e = begin_map(doc, map, key, n, &status);
    if (!e) {
        return status;
    }
    if (yatai_edit_allows(e, MAPS)) {
        uint32_t entry = yatai_entry_find(doc, e->type, (const uint8_t *)key, (uint32_t)n);
        uint32_t now = entry == 0 ? 0 : doc->entries.v[entry].current;
        if (now != 0 && !yatai_is_deleted(yatai_item(doc, now))) {
            yatai_edit_delete(e, now, 0, yatai_item(doc, now)->len);
        }
    }
    return yatai_edit_end(e);
}
