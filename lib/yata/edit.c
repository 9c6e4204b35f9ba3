/* edit.c: edits of a writer, from what they say to an update of one's own.
 *
 * What is written carries the ids of its neighbours in the list, deleted ones included, as a Yjs
 * client's does (yjs 13.6 types/AbstractType.js typeListInsertGenericsAfter, typeMapSet). Nothing
 * changes before yatai_edit_end, and there the update takes the way of apply.c, which reserves all
 * memory first.
 */
#include "edit.h"

#include <string.h>

#include "places.h"
#include "text.h"

#define PAYLOAD_KEPT 65536 /* bytes; what a large edit needed is not kept for the next one */

static struct yatai_edit *edit_of(struct yata_doc *doc) {
    if (!doc->edit) {
        struct yatai_edit *e = yatai_mem_resize(&doc->mem, NULL, 0, sizeof *e);
        if (!e) {
            return NULL;
        }
        *e = (struct yatai_edit){.doc = doc, .update = &doc->update};
        e->payload.mem = e->root.mem = e->given.mem = &doc->mem;
        e->left.mem = e->right.mem = &doc->mem;
        doc->edit = e;
    }
    return doc->edit;
}

static void reset(struct yatai_out *out) {
    out->n = 0;
    out->failed = false;
}

struct yatai_edit *yatai_edit_begin(struct yata_doc *doc, struct yata_type name,
                                    enum yata_status *ret_status) {
    uint32_t type;
    *ret_status = yatai_type_resolve(doc, name, &type);
    struct yatai_edit *e = *ret_status == YATA_OK ? yatai_edit_begin_any(doc, ret_status) : NULL;
    if (e) {
        e->type = type;
    }
    return e;
}

struct yatai_edit *yatai_edit_begin_any(struct yata_doc *doc, enum yata_status *ret_status) {
    if (doc->client == 0) {
        *ret_status = YATA_RANGE;
        return NULL;
    }
    struct yatai_edit *e = edit_of(doc);
    if (!e) {
        *ret_status = YATA_NOMEM;
        return NULL;
    }
    uint32_t slot = yatai_client_find(doc, doc->client);
    e->type = 0;
    e->clock = slot == 0 ? 0 : doc->clients.v[slot].clock;
    e->status = YATA_OK;
    reset(&e->payload);
    reset(&e->given);
    reset(&e->root);
    reset(&e->left);
    reset(&e->right);
    e->current.n = e->wanted.n = e->negated.n = e->ends.n = e->from.n = 0;
    yatai_update_clear(e->update, &doc->mem);
    return e;
}

bool yatai_edit_fail(struct yatai_edit *e, enum yata_status status) {
    if (e->status == YATA_OK) {
        e->status = status;
    }
    return false;
}

bool yatai_edit_allows(struct yatai_edit *e, unsigned kinds) {
    const struct yatai_type *t = &e->doc->types.v[e->type];
    return t->item == 0 || (kinds >> t->type_ref & 1) || yatai_edit_fail(e, YATA_RANGE);
}

static void drop_large(struct yatai_out *out) {
    if (out->cap > PAYLOAD_KEPT) {
        struct yatai_mem *mem = out->mem;
        yatai_out_fini(out);
        *out = (struct yatai_out){.mem = mem};
    }
}

/* Payloads stay where they are from now on. */
static void point_to_payloads(struct yatai_edit *e) {
    for (size_t i = 0; i < e->update->refs.n; i++) {
        struct yatai_ref *ref = &e->update->refs.v[i];
        if (!ref->content && ref->content_bytes > 0) {
            ref->content = e->payload.p + e->from.v[i];
        }
        if ((ref->has & YATAI_HAS_ROOT) && !ref->root) {
            ref->root = e->root.p;
        }
    }
}

static bool add_section(struct yatai_edit *e) {
    struct yatai_update *u = e->update;
    if (u->refs.n == 0) {
        return true;
    }
    struct yatai_section s = {
        .client = e->doc->client,
        .count = (uint32_t)u->refs.n,
        .start_clock = u->refs.v[0].clock,
        .end_clock = e->clock,
    };
    return YATAI_PUSH(&e->doc->mem, &u->sections, s);
}

enum yata_status yatai_edit_end(struct yatai_edit *e) {
    bool failed =
        e->payload.failed || e->root.failed || e->given.failed || e->left.failed || e->right.failed;
    if (failed || (e->status == YATA_OK && !add_section(e))) {
        (void)yatai_edit_fail(e, YATA_NOMEM);
    }
    if (e->status == YATA_OK && (e->update->refs.n > 0 || e->update->ranges.n > 0)) {
        point_to_payloads(e);
        e->status = yatai_apply_made(e->doc);
    }
    drop_large(&e->payload);
    drop_large(&e->given);
    return e->status;
}

enum yata_status yatai_edit_end_made(struct yatai_edit *e, struct yata_type *ret) {
    struct yata_doc *doc = e->doc;
    enum yata_status status = yatai_edit_end(e);
    if (status == YATA_OK && ret) {
        uint32_t h = yatai_item_at(doc, yatai_client_find(doc, doc->client), e->made);
        *ret = yatai_type_name_of(doc, yatai_item(doc, h)->content);
    }
    return status;
}

void yatai_edit_fini(struct yata_doc *doc) {
    struct yatai_edit *e = doc->edit;
    if (!e) {
        return;
    }
    yatai_out_fini(&e->payload);
    yatai_out_fini(&e->root);
    yatai_out_fini(&e->given);
    yatai_out_fini(&e->left);
    yatai_out_fini(&e->right);
    YATAI_VEC_FREE(&doc->mem, &e->current);
    YATAI_VEC_FREE(&doc->mem, &e->wanted);
    YATAI_VEC_FREE(&doc->mem, &e->negated);
    YATAI_VEC_FREE(&doc->mem, &e->ends);
    YATAI_VEC_FREE(&doc->mem, &e->from);
    yatai_mem_resize(&doc->mem, e, sizeof *e, 0);
    doc->edit = NULL;
}

/* ---- places --------------------------------------------------------------------------------- */

static struct yatai_id id_in(const struct yata_doc *doc, const struct yatai_item *it,
                             uint32_t offset) {
    return (struct yatai_id){.client = doc->clients.v[yatai_slot(it)].id,
                             .clock = it->clock + offset};
}

static void set_left(const struct yatai_edit *e, struct yatai_cursor *at, uint32_t item,
                     uint32_t offset) {
    at->has_left = true;
    at->left = id_in(e->doc, yatai_item(e->doc, item), offset);
}

static struct yatai_cursor before_item(const struct yatai_edit *e, uint32_t item) {
    struct yatai_cursor at = {.item = item};
    uint32_t left = yatai_item(e->doc, item)->left;
    if (left != 0) {
        set_left(e, &at, left, yatai_item(e->doc, left)->len - 1);
    }
    return at;
}

struct yatai_cursor yatai_edit_start(const struct yatai_edit *e) {
    return (struct yatai_cursor){.item = e->doc->types.v[e->type].start};
}

void yatai_edit_pass_units(const struct yatai_edit *e, struct yatai_cursor *at, uint32_t units) {
    const struct yatai_item *it = yatai_item(e->doc, at->item);
    at->offset += units;
    set_left(e, at, at->item, at->offset - 1);
    if (at->offset == it->len) {
        at->item = it->right;
        at->offset = 0;
    }
}

void yatai_edit_pass(const struct yatai_edit *e, struct yatai_cursor *at) {
    yatai_edit_pass_units(e, at, yatai_item(e->doc, at->item)->len - at->offset);
}

bool yatai_edit_seek(struct yatai_edit *e, size_t index, struct yatai_cursor *ret) {
    size_t before;
    if (index == 0) {
        *ret = yatai_edit_start(e);
        return true;
    }
    uint32_t h = yatai_places_find(e->doc, e->type, index, &before);
    if (h == 0) {
        return yatai_edit_fail(e, YATA_RANGE);
    }
    *ret = before_item(e, h);
    yatai_edit_pass_units(e, ret, (uint32_t)(index - before));
    return true;
}

struct yatai_cursor yatai_edit_last(const struct yatai_edit *e) {
    struct yatai_cursor at = {0};
    uint32_t last = yatai_places_last(e->doc, e->type);
    if (last != 0) {
        set_left(e, &at, last, yatai_item(e->doc, last)->len - 1);
    }
    return at;
}

/* ---- new structs and deletions -------------------------------------------------------------- */

/* Names the parent of a struct without neighbours. */
static void name_parent(struct yatai_edit *e, struct yatai_ref *ref) {
    const struct yata_doc *doc = e->doc;
    const struct yatai_type *t = &doc->types.v[e->type];
    if (t->item != 0) {
        ref->parent = id_in(doc, yatai_item(doc, t->item), 0);
        return;
    }
    const struct yatai_entry *root = &doc->entries.v[t->root];
    ref->has |= YATAI_HAS_ROOT;
    ref->root = NULL;
    ref->root_bytes = root->key_bytes;
    reset(&e->root);
    yatai_out_bytes(&e->root, doc->heap.v + root->key, root->key_bytes);
}

void yatai_edit_add(struct yatai_edit *e, struct yatai_ref *ref) {
    if (ref->len > UINT32_MAX - e->clock || e->payload.n > UINT32_MAX / 2) {
        (void)yatai_edit_fail(e, YATA_LIMIT);
        return;
    }
    uint32_t from = ref->clock;
    ref->clock = e->clock;
    if (!YATAI_PUSH(&e->doc->mem, &e->from, from) ||
        !YATAI_PUSH(&e->doc->mem, &e->update->refs, *ref)) {
        (void)yatai_edit_fail(e, YATA_NOMEM);
        return;
    }
    yatai_ref_account(e->update, ref);
    e->made = ref->kind == YATAI_TYPE ? ref->clock : e->made;
    e->clock += ref->len;
}

void yatai_edit_insert(struct yatai_edit *e, struct yatai_cursor *at, struct yatai_ref ref) {
    if (at->has_left) {
        ref.has |= YATAI_HAS_ORIGIN;
        ref.origin = at->left;
    }
    if (at->item != 0) {
        ref.has |= YATAI_HAS_RIGHT;
        ref.right = id_in(e->doc, yatai_item(e->doc, at->item), at->offset);
    }
    if (ref.has == 0) {
        name_parent(e, &ref);
    }
    yatai_edit_add(e, &ref);
    at->has_left = true;
    at->left = (struct yatai_id){.client = e->doc->client, .clock = e->clock - 1};
}

void yatai_edit_set(struct yatai_edit *e, const uint8_t *key, uint32_t n, struct yatai_ref ref) {
    uint32_t entry = yatai_entry_find(e->doc, e->type, key, n);
    uint32_t now = entry == 0 ? 0 : e->doc->entries.v[entry].current;
    if (now != 0) {
        const struct yatai_item *it = yatai_item(e->doc, now);
        ref.has |= YATAI_HAS_ORIGIN;
        ref.origin = id_in(e->doc, it, it->len - 1);
    } else {
        name_parent(e, &ref);
        ref.has |= YATAI_HAS_SUB;
        ref.sub = key;
        ref.sub_bytes = n;
    }
    yatai_edit_add(e, &ref);
}

void yatai_edit_delete(struct yatai_edit *e, uint32_t item, uint32_t offset, uint32_t units) {
    const struct yatai_item *it = yatai_item(e->doc, item);
    struct yatai_id id = id_in(e->doc, it, offset);
    if (!YATAI_PUSH(&e->doc->mem, &e->update->ranges,
                    (struct yatai_range){id.client, id.clock, units})) {
        (void)yatai_edit_fail(e, YATA_NOMEM);
    }
}

/* ---- contents ------------------------------------------------------------------------------- */

static bool subdoc(struct yatai_edit *e, const struct yata_slice *guid, struct yatai_ref *ret) {
    uint32_t units;
    if (guid->n > UINT32_MAX / 2 || yatai_text_check(guid->p, guid->n, &units)) {
        return yatai_edit_fail(e, YATA_MALFORMED);
    }
    yatai_out_string(&e->payload, guid->p, guid->n);
    yatai_out_byte(&e->payload, YATAI_ANY_OBJECT);
    yatai_out_uint(&e->payload, 0);
    ret->kind = YATAI_DOC;
    return true;
}

bool yatai_edit_value(struct yatai_edit *e, const struct yata_value *v, bool list,
                      struct yatai_ref *ret) {
    size_t from = e->payload.n;
    *ret = (struct yatai_ref){.kind = YATAI_ANY, .len = 1, .clock = (uint32_t)from};
    if (v->kind == YATA_VALUE_SUBDOC) {
        if (!subdoc(e, &v->bytes, ret)) {
            return false;
        }
    } else {
        enum yata_status status = yatai_plain_given(&e->payload, v, e->doc->options.max_depth);
        if (status != YATA_OK) {
            return yatai_edit_fail(e, status);
        }
        if (e->payload.failed) {
            return yatai_edit_fail(e, YATA_NOMEM);
        }
        uint8_t tag = e->payload.p[from];
        if (list && (tag == YATAI_ANY_UNDEFINED || tag == YATAI_ANY_BIGINT)) {
            return yatai_edit_fail(e, YATA_RANGE);
        }
        if (tag == YATAI_ANY_BYTES) { /* a struct of their own, without the tag */
            memmove(e->payload.p + from, e->payload.p + from + 1, e->payload.n - from - 1);
            e->payload.n--;
            ret->kind = YATAI_BINARY;
        }
    }
    ret->content_bytes = (uint32_t)(e->payload.n - from);
    return true;
}

bool yatai_edit_new_type(struct yatai_edit *e, enum yata_type_kind kind, const char *name, size_t n,
                         struct yatai_ref *ret) {
    size_t from = e->payload.n;
    uint32_t units;
    *ret = (struct yatai_ref){
        .kind = YATAI_TYPE, .len = 1, .type_ref = (uint8_t)kind, .clock = (uint32_t)from};
    if (kind > YATA_XML_TEXT) {
        return yatai_edit_fail(e, YATA_RANGE);
    }
    if (kind == YATA_XML_ELEMENT || kind == YATA_XML_HOOK) {
        if (n > UINT32_MAX / 2 || yatai_text_check((const uint8_t *)name, n, &units)) {
            return yatai_edit_fail(e, YATA_MALFORMED);
        }
        yatai_out_string(&e->payload, name, n);
    }
    ret->content_bytes = (uint32_t)(e->payload.n - from);
    return true;
}

/* ---- who writes ----------------------------------------------------------------------------- */

enum yata_status yata_set_client(struct yata_doc *doc, uint64_t client) {
    if (client > YATAI_CLIENT_MAX) {
        return YATA_RANGE;
    }
    doc->client = client;
    return YATA_OK;
}
