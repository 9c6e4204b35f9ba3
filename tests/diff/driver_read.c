/* driver_read.c: reading by command. What the cursors show is told as JSON, so that the judge can
 * tell the same from what yjs shows. */
#include "driver_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver_input.h"

enum what {
    READ_ROOTS,     /* roots -> per root: JSON, string, delta JSON, and all that the cursors show */
    READ_POSITIONS, /* (u32 n, end of a type, u32 index, u8 assoc + 128)... -> positions in hex */
    READ_RESOLVED,  /* (u32 n, position)... -> end of its type in hex, index; or "gone" */
    READ_EVENTS, /* u8 in one transaction, u8 count, roots, (u32 n, update)... -> what an observer
                  * is told, a part for each changed type, and an empty one after each call */
};

/* ---- output --------------------------------------------------------------------------------- */

static void put(struct yata_bytes *b, const void *p, size_t n) {
    if (b->cap - b->n < n) {
        b->cap = (b->n + n) * 2;
        b->p = realloc(b->p, b->cap);
        if (!b->p) {
            die("out of memory");
        }
    }
    if (n > 0) {
        memcpy(b->p + b->n, p, n);
    }
    b->n += n;
}

static void put_word(struct yata_bytes *b, const char *word) {
    put(b, word, strlen(word));
}

static void put_number(struct yata_bytes *b, uint64_t x) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)x);
    put_word(b, text);
}

static void must(enum yata_status status, const char *what) {
    if (status != YATA_OK) {
        die(what);
    }
}

/* Text as a JSON string. */
static void put_string(struct yata_bytes *b, const struct yata_doc *doc, struct yata_slice text) {
    struct yata_bytes json = {0};
    struct yata_value value = {.kind = YATA_VALUE_STRING, .bytes = text};
    must(yata_value_to_json(doc, &value, &json), "a string is no JSON");
    put(b, json.p, json.n);
    yata_bytes_fini(&json);
}

/* A part of the answer, which is released. */
static void put_part(struct yata_bytes *ret, struct yata_bytes *part) {
    uint8_t n[4] = {(uint8_t)part->n, (uint8_t)(part->n >> 8), (uint8_t)(part->n >> 16),
                    (uint8_t)(part->n >> 24)};
    put(ret, n, sizeof n);
    put(ret, part->p, part->n);
    yata_bytes_fini(part);
}

/* ---- what the cursors show ------------------------------------------------------------------ */

static void put_type(struct yata_bytes *b, const struct yata_doc *doc, struct yata_type type);

/* An array or object by its cursor; numbers and the like as JSON. */
static void put_value(struct yata_bytes *b, const struct yata_doc *doc,
                      const struct yata_value *value) {
    struct yata_bytes json = {0};
    switch (value->kind) {
    case YATA_VALUE_TYPE:
        put_type(b, doc, value->type);
        return;
    case YATA_VALUE_SUBDOC:
        put_word(b, "{\"guid\":");
        put_string(b, doc, value->bytes);
        put_word(b, "}");
        return;
    default:
        must(yata_value_to_json(doc, value, &json), "a value is no JSON");
        put(b, json.p, json.n);
        yata_bytes_fini(&json);
    }
}

static bool same_value(const struct yata_value *a, const struct yata_value *b) {
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case YATA_VALUE_UNDEFINED:
    case YATA_VALUE_NULL:
        return true;
    case YATA_VALUE_BOOL:
        return a->boolean == b->boolean;
    case YATA_VALUE_TYPE:
        return memcmp(&a->type, &b->type, sizeof a->type) == 0;
    case YATA_VALUE_NUMBER:
        return memcmp(&a->number, &b->number, sizeof a->number) == 0;
    case YATA_VALUE_INTEGER:
    case YATA_VALUE_BIGINT:
        return a->integer == b->integer;
    default:
        return a->bytes.p == b->bytes.p && a->bytes.n == b->bytes.n;
    }
}

/* Elements, each also by its index. */
static void put_list(struct yata_bytes *b, const struct yata_doc *doc, struct yata_type type) {
    struct yata_list list;
    struct yata_value value, again;
    uint64_t length = 0, at = 0;
    must(yata_length(doc, type, &length), "a type has no length");
    must(yata_list_begin(doc, type, 0, &list), "a type has no list");
    put_word(b, "[");
    for (; yata_list_next(&list, &value); at++) {
        must(yata_list_get(doc, type, at, &again), "an element is not there");
        if (!same_value(&value, &again)) {
            die("an element by its index is another one");
        }
        put_word(b, at > 0 ? "," : "");
        put_value(b, doc, &value);
    }
    put_word(b, "]");
    if (at != length || yata_list_get(doc, type, at, &again) != YATA_RANGE ||
        yata_list_begin(doc, type, at + 1, &list) != YATA_RANGE) {
        die("a list does not end where it should");
    }
}

static void put_map(struct yata_bytes *b, const struct yata_doc *doc, struct yata_type type) {
    struct yata_map map;
    struct yata_slice key;
    struct yata_value value, again;
    uint64_t size = 0, at = 0;
    must(yata_map_size(doc, type, &size), "a type has no size");
    must(yata_map_begin(doc, type, &map), "a type has no map");
    put_word(b, "[");
    for (; yata_map_next(&map, &key, &value); at++) {
        must(yata_map_get(doc, type, (const char *)key.p, key.n, &again), "a key is not there");
        if (!same_value(&value, &again)) {
            die("a value by its key is another one");
        }
        put_word(b, at > 0 ? ",[" : "[");
        put_string(b, doc, key);
        put_word(b, ",");
        put_value(b, doc, &value);
        put_word(b, "]");
    }
    put_word(b, "]");
    if (at != size) {
        die("a map has another size");
    }
}

static void put_place(struct yata_bytes *b, const struct yata_doc *doc, struct yata_type type) {
    struct yata_place place;
    struct yata_type parent;
    struct yata_slice name;
    if (yata_type_place(doc, type, &place) == YATA_RANGE) {
        must(yata_root_name(doc, type, &name), "a root has no name");
        put_string(b, doc, name);
        return;
    }
    must(yata_type_parent(doc, type, &parent), "a type has no parent");
    if (memcmp(&parent, &place.parent, sizeof parent) != 0) {
        die("a type has two parents");
    }
    if (place.in_map) {
        put_string(b, doc, place.key);
    } else {
        put_number(b, place.index);
    }
}

/* The children by the ways of XML; they must be those of the list, when all are types. */
static uint64_t count_children(const struct yata_doc *doc, struct yata_type type) {
    struct yata_type child, next, back;
    uint64_t n = 0;
    must(yata_xml_first(doc, type, &child), "a type has no first child");
    for (; child.at != 0; child = next, n++) {
        must(yata_xml_next(doc, child, &next), "a child has no sibling");
        if (next.at != 0) {
            must(yata_xml_previous(doc, next, &back), "a child has no sibling before it");
            if (memcmp(&back, &child, sizeof back) != 0) {
                die("siblings do not agree");
            }
        }
    }
    return n;
}

static void put_type(struct yata_bytes *b, const struct yata_doc *doc, struct yata_type type) {
    enum yata_type_kind kind;
    struct yata_slice name;
    put_word(b, "{\"kind\":");
    if (yata_type_kind_of(doc, type, &kind) == YATA_OK) {
        put_number(b, kind);
    } else {
        put_word(b, "null");
    }
    put_word(b, ",\"name\":");
    if (yata_xml_name(doc, type, &name) == YATA_OK) {
        put_string(b, doc, name);
    } else {
        put_word(b, "null");
    }
    put_word(b, ",\"place\":");
    put_place(b, doc, type);
    put_word(b, ",\"children\":");
    put_number(b, count_children(doc, type));
    put_word(b, ",\"list\":");
    put_list(b, doc, type);
    put_word(b, ",\"map\":");
    put_map(b, doc, type);
    put_word(b, "}");
}

static void read_root(struct yata_doc *doc, struct input *in, struct yata_bytes *ret) {
    enum yata_type_kind kind = (enum yata_type_kind)take_uint(in, 1);
    struct yata_slice name = take_blob(in);
    struct yata_type type;
    struct yata_bytes part = {0};
    must(yata_root(doc, (const char *)name.p, name.n, &type), "no root");
    must(yata_type_to_json(doc, type, kind, &part), "no JSON");
    put_part(ret, &part);
    must(yata_type_to_string(doc, type, kind, &part), "no string");
    put_part(ret, &part);
    must(yata_text_to_delta_json(doc, type, &part), "no delta");
    put_part(ret, &part);
    put_type(&part, doc, type);
    put_part(ret, &part);
}

/* ---- positions ------------------------------------------------------------------------------ */

static void put_hex(struct yata_bytes *b, const struct yata_position *position) {
    struct yata_bytes bytes = {0};
    char text[3];
    must(yata_position_encode(position, &bytes), "a position cannot be written");
    for (size_t i = 0; i < bytes.n; i++) {
        snprintf(text, sizeof text, "%02x", bytes.p[i]);
        put_word(b, text);
    }
    yata_bytes_fini(&bytes);
}

static enum yata_status take_position(struct yata_doc *doc, struct input *in, struct yata_type *ret,
                                      uint64_t *ret_index) {
    struct yata_slice bytes = take_blob(in);
    struct yata_position position;
    must(yata_position_decode(bytes.p, bytes.n, &position, NULL), "a position cannot be read");
    return yata_position_resolve(doc, &position, ret, ret_index);
}

static void read_position(struct yata_doc *doc, struct input *in, struct yata_bytes *ret) {
    struct yata_type type;
    struct yata_position position;
    struct yata_bytes part = {0};
    uint64_t end;
    must(take_position(doc, in, &type, &end), "no such type");
    uint64_t index = take_uint(in, 4);
    int64_t assoc = (int64_t)take_uint(in, 1) - 128;
    must(yata_position_at(doc, type, index, assoc, &position), "no such place");
    put_hex(&part, &position);
    put_part(ret, &part);
}

static void read_resolved(struct yata_doc *doc, struct input *in, struct yata_bytes *ret) {
    struct yata_type type;
    struct yata_position end;
    struct yata_bytes part = {0};
    uint64_t index;
    enum yata_status status = take_position(doc, in, &type, &index);
    if (status == YATA_GONE) {
        put_word(&part, "gone");
    } else {
        must(status, "a position cannot be found");
        must(yata_position_at(doc, type, UINT32_MAX, 0, &end), "a type has no end");
        put_hex(&part, &end);
        put_word(&part, " ");
        put_number(&part, index);
    }
    put_part(ret, &part);
}

/* ---- events --------------------------------------------------------------------------------- */

#define ROOTS_MAX 16

struct watcher {
    struct yata_bytes *ret;
    struct yata_root_as roots[ROOTS_MAX];
    size_t n;
};

static bool is_text(const struct watcher *w, const struct yata_doc *doc, struct yata_type type) {
    enum yata_type_kind kind = YATA_ARRAY;
    if (yata_type_kind_of(doc, type, &kind) != YATA_OK) {
        for (size_t i = 0; i < w->n; i++) {
            kind = w->roots[i].type.at == type.at ? w->roots[i].as : kind;
        }
    }
    return kind == YATA_TEXT || kind == YATA_XML_TEXT;
}

static void put_path(struct yata_bytes *b, const struct yata_doc *doc, struct yata_type type) {
    struct yata_type parent;
    if (yata_type_parent(doc, type, &parent) == YATA_OK) {
        put_path(b, doc, parent);
        put_word(b, ",");
    }
    put_place(b, doc, type);
}

static void put_old(struct yata_bytes *b, const struct yata_doc *doc,
                    const struct yata_value *value) {
    if (value->kind == YATA_VALUE_TYPE) {
        put_word(b, "\"type\"");
    } else {
        put_value(b, doc, value);
    }
}

static void put_keys(struct yata_bytes *b, const struct yata_doc *doc,
                     struct yata_changes *changes) {
    static const char *const actions[] = {"add", "update", "delete"};
    struct yata_key_change key;
    bool some = false;
    put_word(b, "[");
    for (; yata_changes_next_key(changes, &key); some = true) {
        put_word(b, some ? ",[" : "[");
        put_string(b, doc, key.key);
        put_word(b, ",\"");
        put_word(b, actions[key.action]);
        put_word(b, "\",");
        put_old(b, doc, &key.old_value);
        put_word(b, ",");
        put_value(b, doc, &key.value);
        put_word(b, "]");
    }
    put_word(b, "]");
}

static void put_attributes(struct yata_bytes *b, const struct yata_ops *ops) {
    struct yata_slice key;
    struct yata_value value;
    bool some = false;
    for (size_t at = 0; yata_ops_attribute(ops, &at, &key, &value); some = true) {
        put_word(b, some ? "," : ",\"attributes\":{");
        put_string(b, ops->doc, key);
        put_word(b, ":");
        put_value(b, ops->doc, &value);
    }
    put_word(b, some ? "}" : "");
}

/* Ends an insert: with the attributes that it had when it began. */
static void end_insert(struct yata_bytes *b, bool text, bool embed, struct yata_bytes *attributes) {
    put_word(b, !text ? "]" : embed ? "" : "\"");
    put(b, attributes->p, attributes->n);
    attributes->n = 0;
    put_word(b, "}");
}

/* A value, or a piece of a string without its quotes. */
static void put_inserted(struct yata_bytes *b, const struct yata_doc *doc, bool text,
                         const struct yata_op *op) {
    struct yata_bytes json = {0};
    if (!text || op->embed) {
        put_value(b, doc, &op->value);
        return;
    }
    must(yata_value_to_json(doc, &op->value, &json), "text is no JSON");
    put(b, json.p + 1, json.n - 2);
    yata_bytes_fini(&json);
}

static void put_delta(struct yata_bytes *b, const struct yata_doc *doc, struct yata_type type,
                      bool text) {
    struct yata_ops ops;
    struct yata_op op;
    struct yata_bytes attributes = {0};
    bool more = true, some = false, inserting = false, embed = false;
    must(yata_ops_begin(doc, type, text, &ops), "no delta");
    put_word(b, "[");
    for (;; some = true) {
        must(yata_ops_next(&ops, &op, &more), "no step");
        bool joins = more && op.kind == YATA_INSERT && op.joins;
        if (inserting && !joins) {
            end_insert(b, text, embed, &attributes);
            inserting = false;
        }
        if (!more) {
            break;
        }
        put_word(b, joins ? (text ? "" : ",") : some ? ",{" : "{");
        if (op.kind != YATA_INSERT) {
            put_word(b, op.kind == YATA_RETAIN ? "\"retain\":" : "\"delete\":");
            put_number(b, op.length);
            put_attributes(b, &ops);
            put_word(b, "}");
            continue;
        }
        if (!joins) {
            put_word(b, !text ? "\"insert\":[" : op.embed ? "\"insert\":" : "\"insert\":\"");
            put_attributes(&attributes, &ops);
        }
        inserting = true;
        embed = op.embed;
        put_inserted(b, doc, text, &op);
    }
    put_word(b, "]");
    yata_ops_fini(&ops);
    yata_bytes_fini(&attributes);
}

static void watch(void *ctx, const struct yata_doc *doc, struct yata_changes *changes) {
    struct watcher *w = ctx;
    struct yata_change change;
    struct yata_bytes part = {0};
    if (yata_changes_lost(changes)) {
        die("changes were lost");
    }
    while (yata_changes_next(changes, &change)) {
        put_word(&part, "{\"path\":[");
        put_path(&part, doc, change.type);
        put_word(&part, "],\"delta\":");
        if (change.list) {
            put_delta(&part, doc, change.type, is_text(w, doc, change.type));
        } else {
            put_word(&part, "[]");
        }
        put_word(&part, ",\"keys\":");
        put_keys(&part, doc, changes);
        put_word(&part, "}");
        put_part(w->ret, &part);
    }
    put_part(w->ret, &part);
}

static void read_events(struct yata_doc *doc, struct input *in, struct yata_bytes *ret) {
    struct watcher w = {.ret = ret};
    bool whole = take_uint(in, 1) != 0;
    for (size_t n = (size_t)take_uint(in, 1); n > 0 && w.n < ROOTS_MAX; n--) {
        struct yata_root_as *as = &w.roots[w.n++];
        as->as = (enum yata_type_kind)take_uint(in, 1);
        struct yata_slice name = take_blob(in);
        must(yata_root(doc, (const char *)name.p, name.n, &as->type), "no root");
    }
    yata_observe(doc, watch, &w);
    if (whole) {
        yata_begin(doc);
    }
    while (in->n > 0) {
        struct yata_slice update = take_blob(in);
        must(yata_apply(doc, update.p, update.n, NULL, NULL), "an update is refused");
    }
    if (whole) {
        must(yata_commit(doc, NULL), "no commit");
    }
    yata_observe(doc, NULL, NULL);
}

enum yata_status driver_read(struct yata_doc *doc, const uint8_t *p, size_t n,
                             struct yata_bytes *ret) {
    struct input in = {p, n};
    static void (*const ways[])(struct yata_doc *, struct input *, struct yata_bytes *) = {
        [READ_ROOTS] = read_root,
        [READ_POSITIONS] = read_position,
        [READ_RESOLVED] = read_resolved,
        [READ_EVENTS] = read_events,
    };
    size_t what = (size_t)take_uint(&in, 1);
    if (what >= sizeof ways / sizeof *ways) {
        die("unknown way to read");
    }
    while (in.n > 0) {
        ways[what](doc, &in, ret);
    }
    return YATA_OK;
}
