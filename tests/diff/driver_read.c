/* driver_read.c: reading by command. What the cursors show is told as JSON, so that the judge can
 * tell the same from what yjs shows. */
#include "driver_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum what {
    READ_ROOTS,     /* roots -> per root: JSON, string, delta JSON, and all that the cursors show */
    READ_POSITIONS, /* (u32 n, end of a type, u32 index, u8 assoc + 128)... -> positions in hex */
    READ_RESOLVED,  /* (u32 n, position)... -> end of its type in hex, index; or "gone" */
};

static _Noreturn void die(const char *why) {
    fprintf(stderr, "yata_driver: %s\n", why);
    exit(2);
}

/* ---- input ---------------------------------------------------------------------------------- */

struct input {
    const uint8_t *p;
    size_t n;
};

static const uint8_t *take(struct input *in, size_t n) {
    if (in->n < n) {
        die("arguments too short");
    }
    const uint8_t *p = in->p;
    in->p += n;
    in->n -= n;
    return p;
}

static uint64_t take_uint(struct input *in, size_t n) {
    const uint8_t *p = take(in, n);
    uint64_t x = 0;
    while (n-- > 0) {
        x = x << 8 | p[n];
    }
    return x;
}

static struct yata_slice take_blob(struct input *in) {
    size_t n = (size_t)take_uint(in, 4);
    return (struct yata_slice){take(in, n), n};
}

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

enum yata_status driver_read(struct yata_doc *doc, const uint8_t *p, size_t n,
                             struct yata_bytes *ret) {
    struct input in = {p, n};
    static void (*const ways[])(struct yata_doc *, struct input *, struct yata_bytes *) = {
        [READ_ROOTS] = read_root,
        [READ_POSITIONS] = read_position,
        [READ_RESOLVED] = read_resolved,
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
