/* driver_write.c: edits by command. Types are named by the id of the struct that holds them, as the
 * judge knows them; that takes a look inside. */
#include "driver_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/yata/doc.h"
#include "driver_input.h"

#define FEW 64 /* values or attributes of one command */

enum what {
    WRITE_TEXT_INSERT, /* u32 index, u32 n, text, attributes */
    WRITE_TEXT_EMBED,  /* u32 index, value, attributes */
    WRITE_TEXT_TYPE,   /* u32 index, u8 kind, u32 n, name, attributes */
    WRITE_TEXT_DELETE, /* u32 index, u32 length */
    WRITE_TEXT_FORMAT, /* u32 index, u32 length, attributes */
    WRITE_LIST_INSERT, /* u32 index or UINT32_MAX, u32 count, values */
    WRITE_LIST_TYPE,   /* u32 index, u8 kind, u32 n, name */
    WRITE_LIST_DELETE, /* u32 index, u32 length */
    WRITE_MAP_SET,     /* u32 n, key, value */
    WRITE_MAP_TYPE,    /* u32 n, key, u8 kind, u32 n, name */
    WRITE_MAP_DELETE,  /* u32 n, key */
};

static size_t take_u32(struct input *in) {
    return (size_t)take_uint(in, 4);
}

static enum yata_status take_type(struct yata_doc *doc, struct input *in, struct yata_type *ret) {
    if (take_uint(in, 1) == 0) {
        struct yata_slice name = take_blob(in);
        return yata_root(doc, (const char *)name.p, name.n, ret);
    }
    uint64_t client = take_uint(in, 8);
    uint32_t clock = (uint32_t)take_u32(in), slot = yatai_client_find(doc, client);
    if (slot == 0 || clock >= doc->clients.v[slot].clock) {
        return YATA_GONE;
    }
    const struct yatai_item *it = yatai_item(doc, yatai_item_at(doc, slot, clock));
    if (yatai_kind(it) != YATAI_TYPE) {
        return YATA_GONE;
    }
    *ret = yatai_type_name_of(doc, it->content);
    return YATA_OK;
}

static struct yata_value take_value(struct input *in) {
    struct yata_value v = {.kind = (enum yata_value_kind)take_uint(in, 1)};
    uint64_t bits;
    switch (v.kind) {
    case YATA_VALUE_BOOL:
        v.boolean = take_uint(in, 1) != 0;
        break;
    case YATA_VALUE_INTEGER:
    case YATA_VALUE_BIGINT:
        v.integer = (int64_t)take_uint(in, 8);
        break;
    case YATA_VALUE_NUMBER:
        bits = take_uint(in, 8);
        memcpy(&v.number, &bits, sizeof bits);
        break;
    case YATA_VALUE_UNDEFINED:
    case YATA_VALUE_NULL:
    case YATA_VALUE_TYPE:
        break;
    default:
        v.bytes = take_blob(in);
        break;
    }
    return v;
}

/* Attributes in the caller's array; NULL when none are given. */
static const struct yata_marks *take_attributes(struct input *in, struct yata_mark *v,
                                                struct yata_marks *ret) {
    bool given = take_uint(in, 1) != 0;
    size_t n = take_u32(in);
    for (size_t i = 0; i < n && i < FEW; i++) {
        v[i].key = take_blob(in);
        v[i].value = take_value(in);
    }
    *ret = (struct yata_marks){v, n};
    return given ? ret : NULL;
}

static enum yata_status write_text(struct yata_doc *doc, enum what what, struct yata_type type,
                                   struct input *in) {
    struct yata_mark v[FEW];
    struct yata_marks attributes;
    size_t index = take_u32(in);
    struct yata_slice s;
    struct yata_value value;
    enum yata_type_kind kind;
    size_t n;
    switch (what) {
    case WRITE_TEXT_INSERT:
        s = take_blob(in);
        return yata_text_insert(doc, type, index, (const char *)s.p, s.n,
                                take_attributes(in, v, &attributes));
    case WRITE_TEXT_EMBED:
        value = take_value(in);
        return yata_text_embed(doc, type, index, &value, take_attributes(in, v, &attributes));
    case WRITE_TEXT_TYPE:
        kind = (enum yata_type_kind)take_uint(in, 1);
        s = take_blob(in);
        return yata_text_embed_type(doc, type, index, kind, (const char *)s.p, s.n,
                                    take_attributes(in, v, &attributes), NULL);
    case WRITE_TEXT_DELETE:
        return yata_text_delete(doc, type, index, take_u32(in));
    default:
        n = take_u32(in);
        return yata_text_format(doc, type, index, n, take_attributes(in, v, &attributes));
    }
}

static enum yata_status write_list(struct yata_doc *doc, enum what what, struct yata_type type,
                                   struct input *in) {
    struct yata_value values[FEW];
    size_t index = take_u32(in), n;
    index = index == UINT32_MAX ? YATA_END : index;
    if (what == WRITE_LIST_DELETE) {
        return yata_list_delete(doc, type, index, take_u32(in));
    }
    if (what == WRITE_LIST_TYPE) {
        enum yata_type_kind kind = (enum yata_type_kind)take_uint(in, 1);
        struct yata_slice name = take_blob(in);
        return yata_list_insert_type(doc, type, index, kind, (const char *)name.p, name.n, NULL);
    }
    n = take_u32(in);
    for (size_t i = 0; i < n && i < FEW; i++) {
        values[i] = take_value(in);
    }
    return yata_list_insert(doc, type, index, values, n < FEW ? n : FEW);
}

static enum yata_status write_map(struct yata_doc *doc, enum what what, struct yata_type type,
                                  struct input *in) {
    struct yata_slice key = take_blob(in);
    const char *k = (const char *)key.p;
    if (what == WRITE_MAP_DELETE) {
        return yata_map_delete(doc, type, k, key.n);
    }
    if (what == WRITE_MAP_SET) {
        struct yata_value value = take_value(in);
        return yata_map_set(doc, type, k, key.n, &value);
    }
    enum yata_type_kind kind = (enum yata_type_kind)take_uint(in, 1);
    struct yata_slice name = take_blob(in);
    return yata_map_set_type(doc, type, k, key.n, kind, (const char *)name.p, name.n, NULL);
}

enum yata_status driver_write(struct yata_doc *doc, const uint8_t *p, size_t n) {
    struct input in = {p, n};
    struct yata_type type;
    enum what what = (enum what)take_uint(&in, 1);
    enum yata_status status = take_type(doc, &in, &type);
    if (status != YATA_OK) {
        return status;
    }
    if (what <= WRITE_TEXT_FORMAT) {
        return write_text(doc, what, type, &in);
    }
    return what <= WRITE_LIST_DELETE ? write_list(doc, what, type, &in)
                                     : write_map(doc, what, type, &in);
}
