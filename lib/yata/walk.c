/* walk.c: a type with all that is nested in it, as JSON or as text.
 *
 * Types may nest to any depth, so the walk keeps its own stack. JSON turns to text where an XML
 * type stands: its toJSON is its toString, a JSON string. Within text nothing becomes JSON again:
 * other types are "[object Object]" there. (yjs 13.6 types: toJSON, toString)
 */
#include "look.h"
#include "text.h"
#include "value.h"

/* A type that has been begun and not ended. */
struct frame {
    uint32_t type;
    enum yata_type_kind kind;
    bool some;          /* something stands between its brackets */
    bool quoted;        /* it is a JSON string, to be closed when it ends */
    bool in_attribute;  /* an attribute's value was begun, and its quote has to be closed */
    bool head;          /* of an element: its attributes are being written */
    size_t key;         /* which is next */
    yatai_members keys; /* of a map or an element; XML text: open tags */
    struct yata_list list;
    struct yata_delta *delta; /* of XML text */
};

struct walk {
    const struct yata_doc *doc;
    struct yatai_out *out;
    YATAI_VEC(struct frame) stack;
    bool text;             /* otherwise JSON */
    bool escape;           /* the text is within a JSON string */
    struct yatai_out part; /* text on its way to be escaped */
};

/* ---- output --------------------------------------------------------------------------------- */

static void put(struct walk *w, const void *p, size_t n) {
    if (w->escape) {
        yatai_text_to_json(w->out, p, n);
    } else {
        yatai_out_bytes(w->out, p, n);
    }
}

static void put_word(struct walk *w, const char *text) {
    put(w, text, strlen(text));
}

/* Where text is to be written by those who do not escape. */
static struct yatai_out *part(struct walk *w) {
    w->part.n = 0;
    return w->escape ? &w->part : w->out;
}

static void part_done(struct walk *w) {
    if (w->escape) {
        w->out->failed |= w->part.failed;
        put(w, w->part.p, w->part.n);
    }
}

static void put_value(struct walk *w, const struct yata_value *value) {
    yatai_value_to_text(part(w), value);
    part_done(w);
}

/* ---- beginning and ending a type ------------------------------------------------------------ */

static bool is_xml(enum yata_type_kind kind) {
    return kind == YATA_XML_ELEMENT || kind == YATA_XML_FRAGMENT || kind == YATA_XML_TEXT;
}

/* The text of a text. */
static void plain_text(struct walk *w, uint32_t type) {
    bool json = !w->text;
    if (json) {
        yatai_out_byte(w->out, '"');
        w->escape = true;
    }
    for (uint32_t h = w->doc->types.v[type].start; h != 0; h = yatai_item(w->doc, h)->right) {
        const struct yatai_item *it = yatai_item(w->doc, h);
        if (yatai_kind(it) != YATAI_STRING || it->deleted) {
            continue;
        }
        struct yata_slice text = yatai_payload(w->doc, it);
        const uint8_t *p = text.p, *end = p + text.n;
        while (p < end) {
            struct yata_slice piece = yatai_text_piece(&p, end);
            put(w, piece.p, piece.n);
        }
    }
    if (json) {
        w->escape = false;
        yatai_out_byte(w->out, '"');
    }
}

/* The node name in small letters; a root type has none of its own. */
static void put_name(struct walk *w, uint32_t type) {
    struct yata_slice name = {(const uint8_t *)"undefined", strlen("undefined")};
    (void)yata_xml_name(w->doc, yatai_type_name_of(w->doc, type), &name);
    for (size_t i = 0; i < name.n; i++) {
        uint8_t b = name.p[i];
        b = b >= 'A' && b <= 'Z' ? (uint8_t)(b | 0x20) : b;
        put(w, &b, 1);
    }
}

static void frame_fini(struct walk *w, struct frame *f) {
    YATAI_VEC_FREE(w->out->mem, &f->keys);
    if (f->delta) {
        yata_delta_fini(f->delta);
        yatai_mem_resize(w->out->mem, f->delta, sizeof *f->delta, 0);
    }
}

/* What a type needs to be walked. */
static bool frame_init(struct walk *w, struct frame *f) {
    struct yata_type name = yatai_type_name_of(w->doc, f->type);
    struct yatai_mem *mem = w->out->mem;
    bool keyed = f->kind == YATA_MAP || f->kind == YATA_XML_HOOK || f->kind == YATA_XML_ELEMENT;
    if (keyed && !yatai_members_of_type(mem, &f->keys, w->doc, f->type)) {
        return false;
    }
    if (f->kind == YATA_XML_TEXT) {
        f->delta = yatai_mem_resize(mem, NULL, 0, sizeof *f->delta);
        return f->delta && yata_delta_begin(w->doc, name, f->delta) == YATA_OK;
    }
    return yata_list_begin(w->doc, name, 0, &f->list) == YATA_OK;
}

static void begin_type(struct walk *w, uint32_t type, enum yata_type_kind kind) {
    struct frame f = {.type = type, .kind = kind};
    if (kind == YATA_TEXT) {
        plain_text(w, type);
        return;
    }
    if (w->text && !is_xml(kind)) {
        put_word(w, "[object Object]");
        return;
    }
    if (!frame_init(w, &f)) {
        w->out->failed = true;
        frame_fini(w, &f);
        return;
    }
    if (!w->text && is_xml(kind)) {
        yatai_out_byte(w->out, '"');
        w->text = w->escape = f.quoted = true;
    }
    if (kind == YATA_XML_ELEMENT) {
        yatai_members_sort(&f.keys);
        f.head = true;
        put_word(w, "<");
        put_name(w, type);
    } else if (!is_xml(kind)) {
        yatai_members_order(&f.keys);
        yatai_out_byte(w->out, kind == YATA_ARRAY ? '[' : '{');
    }
    if (!YATAI_PUSH(w->out->mem, &w->stack, f)) {
        w->out->failed = true;
        frame_fini(w, &f);
    }
}

static void end_type(struct walk *w) {
    struct frame *f = &w->stack.v[--w->stack.n];
    if (f->kind == YATA_XML_ELEMENT) {
        put_word(w, "</");
        put_name(w, f->type);
        put_word(w, ">");
    } else if (!is_xml(f->kind)) {
        yatai_out_byte(w->out, f->kind == YATA_ARRAY ? ']' : '}');
    }
    if (f->quoted) {
        w->text = w->escape = false;
        yatai_out_byte(w->out, '"');
    }
    frame_fini(w, f);
}

/* ---- steps ---------------------------------------------------------------------------------- */

/* A nested type or another value. What `w->stack` holds may move. */
static void begin_value(struct walk *w, const struct yata_value *value) {
    if (value->kind == YATA_VALUE_TYPE) {
        uint32_t type = value->type.at;
        begin_type(w, type, (enum yata_type_kind)w->doc->types.v[type].type_ref);
    } else if (w->text) {
        put_value(w, value);
    } else {
        yatai_value_to_json(w->out, w->doc, value);
    }
}

static void step_list(struct walk *w, struct frame *f) {
    struct yata_value value;
    if (!yata_list_next(&f->list, &value)) {
        end_type(w);
        return;
    }
    if (!w->text && f->some) {
        yatai_out_byte(w->out, ',');
    }
    f->some = true;
    begin_value(w, &value);
}

/* The next member of a map or an element; false at the end. */
static bool next_key(struct walk *w, struct frame *f, struct yata_slice *ret_key,
                     struct yata_value *ret) {
    if (f->key == f->keys.n) {
        return false;
    }
    const struct yatai_member *m = &f->keys.v[f->key++];
    *ret_key = m->key;
    yatai_item_last(w->doc, yatai_item(w->doc, yatai_entry_value(w->doc, m->of)), ret);
    return true;
}

static void step_map(struct walk *w, struct frame *f) {
    struct yata_slice key;
    struct yata_value value;
    if (!next_key(w, f, &key, &value)) {
        end_type(w);
        return;
    }
    if (value.kind == YATA_VALUE_UNDEFINED) {
        return;
    }
    yatai_out_bytes(w->out, ",\"", f->some ? 2 : 0);
    yatai_out_bytes(w->out, "\"", f->some ? 0 : 1);
    f->some = true;
    yatai_text_to_json(w->out, key.p, key.n);
    yatai_out_bytes(w->out, "\":", 2);
    begin_value(w, &value);
}

static void step_element(struct walk *w, struct frame *f) {
    struct yata_slice key;
    struct yata_value value;
    if (f->in_attribute) {
        f->in_attribute = false;
        put_word(w, "\"");
    }
    if (!f->head) {
        step_list(w, f);
    } else if (next_key(w, f, &key, &value)) {
        f->in_attribute = true;
        put_word(w, " ");
        put(w, key.p, key.n);
        put_word(w, "=\"");
        begin_value(w, &value);
    } else {
        f->head = false;
        put_word(w, ">");
    }
}

static void step_xml_text(struct walk *w, struct frame *f) {
    struct yata_run run;
    bool more;
    if (yata_delta_next(f->delta, &run, &more) != YATA_OK) {
        w->out->failed = true;
        return;
    }
    if (!more || !run.joins) {
        yatai_markup_close(part(w), &f->keys);
        part_done(w);
    }
    if (!more) {
        end_type(w);
        return;
    }
    if (!run.joins) {
        yatai_markup_open(part(w), w->doc, &f->delta->set, &f->keys);
        part_done(w);
    }
    begin_value(w, &run.value);
}

static void step(struct walk *w, struct frame *f) {
    switch (f->kind) {
    case YATA_MAP:
    case YATA_XML_HOOK:
        step_map(w, f);
        break;
    case YATA_XML_ELEMENT:
        step_element(w, f);
        break;
    case YATA_XML_TEXT:
        step_xml_text(w, f);
        break;
    default:
        step_list(w, f);
        break;
    }
}

void yatai_type_write(struct yatai_out *out, const struct yata_doc *doc, uint32_t type,
                      enum yata_type_kind kind, bool json) {
    struct walk w = {.doc = doc, .out = out, .text = !json, .part = {.mem = out->mem}};
    begin_type(&w, type, kind);
    while (w.stack.n > 0 && !out->failed) {
        step(&w, &w.stack.v[w.stack.n - 1]);
    }
    while (w.stack.n > 0) {
        frame_fini(&w, &w.stack.v[--w.stack.n]);
    }
    YATAI_VEC_FREE(out->mem, &w.stack);
    yatai_out_fini(&w.part);
}
