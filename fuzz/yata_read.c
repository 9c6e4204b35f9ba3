/* yata_read.c: everything is read of a document that is built from updates, and an observer asks
 * for all that they change. The input is a list of updates in turns of V1 and V2, each after its
 * length in two bytes. */
#include <stdlib.h>

#include "yata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_type(const struct yata_doc *doc, struct yata_type type) {
    struct yata_bytes text = {0};
    for (int as = YATA_ARRAY; as <= YATA_XML_TEXT; as++) {
        if (yata_type_to_json(doc, type, (enum yata_type_kind)as, &text) == YATA_OK) {
            yata_bytes_fini(&text);
        }
    }
    if (yata_text_to_delta_json(doc, type, &text) == YATA_OK) {
        yata_bytes_fini(&text);
    }
}

/* The elements, each found again by its index, and the members. */
static void read_elements(const struct yata_doc *doc, struct yata_type type) {
    struct yata_list list;
    struct yata_map map;
    struct yata_slice key;
    struct yata_value value, again;
    struct yata_place place;
    uint64_t length = 0, at = 0;
    if (yata_length(doc, type, &length) != YATA_OK ||
        yata_list_begin(doc, type, 0, &list) != YATA_OK ||
        yata_map_begin(doc, type, &map) != YATA_OK) {
        abort();
    }
    for (; yata_list_next(&list, &value); at++) {
        if (at < 64 &&
            (yata_list_get(doc, type, at, &again) != YATA_OK || again.kind != value.kind)) {
            abort();
        }
        if (value.kind == YATA_VALUE_TYPE &&
            (yata_type_place(doc, value.type, &place) != YATA_OK || place.index != at)) {
            abort();
        }
    }
    if (at != length) {
        abort();
    }
    while (yata_map_next(&map, &key, &value)) {
        if (yata_map_get(doc, type, (const char *)key.p, key.n, &again) != YATA_OK ||
            again.kind != value.kind) {
            abort();
        }
    }
}

/* A delta, of text or of elements. */
static void read_delta(const struct yata_doc *doc, struct yata_type type, bool text) {
    struct yata_ops ops;
    struct yata_op op;
    struct yata_slice key;
    struct yata_value value;
    bool more = true;
    if (yata_ops_begin(doc, type, text, &ops) != YATA_OK) {
        abort();
    }
    while (yata_ops_next(&ops, &op, &more) == YATA_OK && more) {
        for (size_t at = 0; yata_ops_attribute(&ops, &at, &key, &value);) {
        }
    }
    yata_ops_fini(&ops);
}

static void observe(void *ctx, const struct yata_doc *doc, struct yata_changes *changes) {
    struct yata_change change;
    struct yata_key_change key;
    (void)ctx;
    while (yata_changes_next(changes, &change)) {
        if (change.list) {
            read_delta(doc, change.type, true);
            read_delta(doc, change.type, false);
        }
        while (yata_changes_next_key(changes, &key)) {
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct yata_doc *doc = yata_doc_new(NULL);
    yata_observe(doc, observe, NULL);
    for (int format = YATA_V1; size >= 2; format ^= YATA_V1 ^ YATA_V2) {
        size_t n = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        n = n < size ? n : size;
        (void)yata_apply_as(doc, (enum yata_format)format, data, n, NULL, NULL);
        data += n;
        size -= n;
    }
    struct yata_roots roots = {0};
    struct yata_subdocs subdocs = {0};
    struct yata_subdoc subdoc;
    struct yata_slice name;
    struct yata_type type;
    while (yata_roots_next(doc, &roots, &name, &type)) {
        read_type(doc, type);
        read_elements(doc, type);
    }
    while (yata_subdocs_next(doc, &subdocs, &subdoc)) {
    }
    yata_doc_free(doc);
    return 0;
}
