/* markup.c: the attributes of XML text as tags: {"b": {"x": 1}} is <b x="1">.
 *
 * Tags and their attributes are sorted, so that equal texts have equal markup. What stands in a tag
 * is what JavaScript enumerates in the value: the keys of an object, the places of an array or of a
 * string, nothing of anything else. (yjs 13.6 types/YXmlText.js toString)
 */
#include <stdio.h>

#include "look.h"
#include "text.h"
#include "value.h"

#define PLACE_DIGITS_MAX 11 /* of a 32-bit number, with its end */

static void word(struct yatai_out *out, const char *text) {
    yatai_out_bytes(out, text, strlen(text));
}

/* What a value enumerates. */
struct inside {
    yatai_members members; /* `of`: which of the values */
    YATAI_VEC(struct yata_value) values;
    struct yatai_out places; /* the digits of the keys that are places */
};

static bool add_value(struct yatai_mem *mem, struct inside *in, struct yata_slice key,
                      struct yata_value value) {
    uint32_t of = (uint32_t)in->values.n;
    return YATAI_PUSH(mem, &in->values, value) && yatai_member_add(mem, &in->members, key, of);
}

/* With a key that is the place; all room for digits is there. */
static bool add_place(struct yatai_mem *mem, struct inside *in, struct yata_value value) {
    char *digits = (char *)in->places.p + in->places.n;
    int n = snprintf(digits, PLACE_DIGITS_MAX, "%u", (unsigned)in->values.n);
    in->places.n += (size_t)n;
    return add_value(mem, in, (struct yata_slice){(const uint8_t *)digits, (size_t)n}, value);
}

static bool inside_string(struct yatai_mem *mem, struct inside *in, struct yata_slice s) {
    static const uint8_t half[] = {0xef, 0xbf, 0xbd};
    if (!yatai_out_room(&in->places, s.n * PLACE_DIGITS_MAX)) {
        return false;
    }
    for (size_t at = 0, next; at < s.n; at = next) {
        uint8_t b = s.p[at];
        next = at + (b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4);
        struct yata_value unit = {.kind = YATA_VALUE_STRING, .bytes = {s.p + at, next - at}};
        if (next - at == 4) { /* two halves */
            unit.bytes = (struct yata_slice){half, sizeof half};
            if (!add_place(mem, in, unit)) {
                return false;
            }
        }
        if (!add_place(mem, in, unit)) {
            return false;
        }
    }
    return true;
}

static bool inside_any(struct yatai_mem *mem, struct inside *in, const struct yata_value *value) {
    struct yata_any elements;
    struct yata_slice key;
    struct yata_value element;
    bool object;
    if (yata_any_begin(value, &elements, &object) != YATA_OK) {
        return true;
    }
    if (!object && !yatai_out_room(&in->places, elements.left * PLACE_DIGITS_MAX)) {
        return false;
    }
    while (yata_any_next(&elements, &key, &element)) {
        if (!(object ? add_value(mem, in, key, element) : add_place(mem, in, element))) {
            return false;
        }
    }
    return true;
}

/* The attributes of one tag. `plain` is a value in the form of object.h. */
static void write_inside(struct yatai_out *out, const struct yatai_out *plain) {
    struct inside in = {.places = {.mem = out->mem}};
    struct yata_value value;
    (void)yatai_value_of_any(plain->p, plain->p + plain->n, &value);
    bool ok = value.kind == YATA_VALUE_STRING ? inside_string(out->mem, &in, value.bytes)
                                              : inside_any(out->mem, &in, &value);
    out->failed |= !ok;
    yatai_members_sort(&in.members);
    for (size_t i = 0; ok && i < in.members.n; i++) {
        const struct yatai_member *m = &in.members.v[i];
        yatai_out_byte(out, ' ');
        yatai_out_bytes(out, m->key.p, m->key.n);
        word(out, "=\"");
        yatai_value_to_text(out, &in.values.v[m->of]);
        yatai_out_byte(out, '"');
    }
    YATAI_VEC_FREE(out->mem, &in.members);
    YATAI_VEC_FREE(out->mem, &in.values);
    yatai_out_fini(&in.places);
}

void yatai_markup_open(struct yatai_out *out, const struct yata_doc *doc,
                       const struct yata_attributes *set, yatai_members *open) {
    if (!yatai_members_of_set(out->mem, open, doc, set)) {
        out->failed = true;
        return;
    }
    yatai_members_sort(open);
    for (size_t i = 0; i < open->n; i++) {
        struct yatai_out plain = {.mem = out->mem};
        struct yatai_val value = yatai_format_value(doc, yatai_item(doc, open->v[i].of));
        yatai_out_byte(out, '<');
        yatai_out_bytes(out, open->v[i].key.p, open->v[i].key.n);
        yatai_plain_value(&plain, &value);
        if (plain.failed) {
            out->failed = true;
        } else {
            write_inside(out, &plain);
        }
        yatai_out_fini(&plain);
        yatai_out_byte(out, '>');
    }
}

void yatai_markup_close(struct yatai_out *out, yatai_members *open) {
    for (size_t i = open->n; i-- > 0;) {
        word(out, "</");
        yatai_out_bytes(out, open->v[i].key.p, open->v[i].key.n);
        yatai_out_byte(out, '>');
    }
    open->n = 0;
}
