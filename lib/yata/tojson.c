/* tojson.c: values, types and documents as JSON.stringify writes them.
 *
 * (ECMA-262 JSON.stringify; yjs 13.6 types: toJSON, toDelta; utils/Doc.js toJSON)
 */
#include <stdio.h>

#include "look.h"
#include "value.h"

static void word(struct yatai_out *out, const char *text) {
    yatai_out_bytes(out, text, strlen(text));
}

/* ---- values --------------------------------------------------------------------------------- */

static void string_to_json(struct yatai_out *out, struct yata_slice s) {
    yatai_out_byte(out, '"');
    yatai_text_to_json(out, s.p, s.n);
    yatai_out_byte(out, '"');
}

static void bytes_to_json(struct yatai_out *out, struct yata_slice s) {
    char text[32];
    yatai_out_byte(out, '{');
    for (size_t i = 0; i < s.n; i++) {
        int n = snprintf(text, sizeof text, "%s\"%zu\":%u", i > 0 ? "," : "", i, s.p[i]);
        yatai_out_bytes(out, text, (size_t)n);
    }
    yatai_out_byte(out, '}');
}

/* An object or JSON text, with its keys as JavaScript has them. */
static void nested_to_json(struct yatai_out *out, const struct yata_value *value) {
    struct yatai_out plain = {.mem = out->mem};
    yatai_plain_value(&plain, &(struct yatai_val){value->bytes.p, (uint32_t)value->bytes.n,
                                                  value->kind == YATA_VALUE_ANY});
    if (plain.failed) {
        out->failed = true;
    } else {
        (void)yatai_any_to_json(out, plain.p, plain.p + plain.n);
    }
    yatai_out_fini(&plain);
}

void yatai_value_to_json(struct yatai_out *out, const struct yata_doc *doc,
                         const struct yata_value *value) {
    char text[24];
    switch (value->kind) {
    case YATA_VALUE_BOOL:
        word(out, value->boolean ? "true" : "false");
        break;
    case YATA_VALUE_INTEGER:
    case YATA_VALUE_BIGINT:
        snprintf(text, sizeof text, "%lld", (long long)value->integer);
        word(out, text);
        break;
    case YATA_VALUE_NUMBER:
        yatai_number_to_json(out, value->number);
        break;
    case YATA_VALUE_STRING:
        string_to_json(out, value->bytes);
        break;
    case YATA_VALUE_BYTES:
        bytes_to_json(out, value->bytes);
        break;
    case YATA_VALUE_ANY:
    case YATA_VALUE_JSON:
        nested_to_json(out, value);
        break;
    case YATA_VALUE_TYPE:
        yatai_type_write(out, doc, value->type.at,
                         (enum yata_type_kind)doc->types.v[value->type.at].type_ref, true);
        break;
    case YATA_VALUE_SUBDOC: /* holds nothing until somebody loads it */
        word(out, "{}");
        break;
    default:
        word(out, "null");
        break;
    }
}

enum yata_status yata_value_to_json(const struct yata_doc *doc, const struct yata_value *value,
                                    struct yata_bytes *ret) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_out out = {.mem = &libc};
    uint32_t type;
    if (value->kind == YATA_VALUE_TYPE && yatai_type_resolve(doc, value->type, &type) != YATA_OK) {
        return YATA_GONE;
    }
    yatai_value_to_json(&out, doc, value);
    return yatai_out_give(&out, ret);
}

void yatai_attributes_to_json(struct yatai_out *out, const struct yata_doc *doc,
                              const struct yata_attributes *set) {
    yatai_members members = {0};
    bool first = true;
    out->failed |= !yatai_members_of_set(out->mem, &members, doc, set);
    yatai_members_order(&members);
    yatai_out_byte(out, '{');
    for (size_t i = 0; i < members.n; i++) {
        struct yata_value value = {.kind = YATA_VALUE_NULL};
        if (members.v[i].of != 0) {
            struct yatai_val val = yatai_format_value(doc, yatai_item(doc, members.v[i].of));
            yatai_value_of(&val, &value);
        }
        if (value.kind == YATA_VALUE_UNDEFINED) {
            continue;
        }
        if (!first) {
            yatai_out_byte(out, ',');
        }
        first = false;
        string_to_json(out, members.v[i].key);
        yatai_out_byte(out, ':');
        yatai_value_to_json(out, doc, &value);
    }
    yatai_out_byte(out, '}');
    YATAI_VEC_FREE(out->mem, &members);
}

/* ---- types ---------------------------------------------------------------------------------- */

static enum yata_status write_type(const struct yata_doc *doc, struct yata_type name,
                                   enum yata_type_kind as, bool json, struct yata_bytes *ret) {
    uint32_t type;
    enum yata_status status = yatai_type_resolve(doc, name, &type);
    if (status != YATA_OK) {
        return status;
    }
    if (doc->types.v[type].item != 0) {
        as = (enum yata_type_kind)doc->types.v[type].type_ref;
    } else if ((unsigned)as > YATA_XML_TEXT) {
        return YATA_MALFORMED;
    }
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_out out = {.mem = &libc};
    yatai_type_write(&out, doc, type, as, json);
    return yatai_out_give(&out, ret);
}

enum yata_status yata_type_to_json(const struct yata_doc *doc, struct yata_type type,
                                   enum yata_type_kind as, struct yata_bytes *ret) {
    return write_type(doc, type, as, true, ret);
}

enum yata_status yata_type_to_string(const struct yata_doc *doc, struct yata_type type,
                                     enum yata_type_kind as, struct yata_bytes *ret) {
    return write_type(doc, type, as, false, ret);
}

/* ---- delta ---------------------------------------------------------------------------------- */

/* An operation that is being written. */
struct op {
    bool some, text;
    struct yatai_out attributes; /* as they were when it began */
};

static void end_op(struct yatai_out *out, struct op *op) {
    if (!op->some) {
        return;
    }
    if (op->text) {
        yatai_out_byte(out, '"');
    }
    if (op->attributes.n > 0) {
        const char *end = out->n > 0 ? (const char *)out->p + out->n - 1 : "";
        word(out, *end == '{' ? "\"attributes\":" : ",\"attributes\":");
        yatai_out_bytes(out, op->attributes.p, op->attributes.n);
    }
    yatai_out_byte(out, '}');
}

static void begin_op(struct yatai_out *out, struct op *op, const struct yata_delta *delta,
                     const struct yata_run *run) {
    word(out, op->some ? ",{" : "{");
    op->some = true;
    op->text = !run->embed;
    op->attributes.n = 0;
    if (yatai_attributes_count(&delta->set) > 0) {
        yatai_attributes_to_json(&op->attributes, delta->doc, &delta->set);
        out->failed |= op->attributes.failed;
    }
    if (op->text) {
        word(out, "\"insert\":\"");
    } else if (run->value.kind != YATA_VALUE_UNDEFINED) {
        word(out, "\"insert\":");
        yatai_value_to_json(out, delta->doc, &run->value);
    }
}

enum yata_status yata_text_to_delta_json(const struct yata_doc *doc, struct yata_type type,
                                         struct yata_bytes *ret) {
    struct yata_delta delta;
    struct yata_run run;
    bool more = true;
    enum yata_status status = yata_delta_begin(doc, type, &delta);
    if (status != YATA_OK) {
        return status;
    }
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_out out = {.mem = &libc};
    struct op op = {.attributes = {.mem = &libc}};
    yatai_out_byte(&out, '[');
    while (more && status == YATA_OK) {
        status = yata_delta_next(&delta, &run, &more);
        if (!more || !run.joins) {
            end_op(&out, &op);
        }
        if (more && !run.joins) {
            begin_op(&out, &op, &delta, &run);
        }
        if (more && !run.embed) {
            yatai_text_to_json(&out, run.value.bytes.p, run.value.bytes.n);
        }
    }
    yatai_out_byte(&out, ']');
    out.failed |= status != YATA_OK;
    yata_delta_fini(&delta);
    yatai_out_fini(&op.attributes);
    return yatai_out_give(&out, ret);
}

/* ---- documents ------------------------------------------------------------------------------ */

static bool kind_of_root(const struct yata_doc *doc, struct yata_type type,
                         const struct yata_root_as *roots, size_t n, enum yata_type_kind *ret) {
    if (!roots) {
        return yata_root_guess(doc, type, ret) == YATA_OK;
    }
    for (size_t i = 0; i < n; i++) {
        if (roots[i].type.at == type.at) {
            *ret = roots[i].as;
            return true;
        }
    }
    return false;
}

enum yata_status yata_doc_to_json(const struct yata_doc *doc, const struct yata_root_as *roots,
                                  size_t n, struct yata_bytes *ret) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_out out = {.mem = &libc};
    yatai_members members = {0};
    struct yata_roots walk = {0};
    struct yata_slice name;
    struct yata_type type;
    enum yata_type_kind kind;
    bool first = true;
    for (size_t i = 0; i < n; i++) {
        if ((unsigned)roots[i].as > YATA_XML_TEXT) {
            return YATA_MALFORMED;
        }
    }
    if (!yatai_thaw(doc)) {
        return YATA_NOMEM;
    }
    while (yata_roots_next(doc, &walk, &name, &type)) {
        out.failed |= !yatai_member_add(&libc, &members, name, type.at);
    }
    yatai_members_order(&members);
    yatai_out_byte(&out, '{');
    for (size_t i = 0; i < members.n; i++) {
        type = (struct yata_type){.at = members.v[i].of};
        if (kind_of_root(doc, type, roots, n, &kind)) {
            word(&out, first ? "" : ",");
            first = false;
            string_to_json(&out, members.v[i].key);
            yatai_out_byte(&out, ':');
            yatai_type_write(&out, doc, type.at, kind, true);
        }
    }
    yatai_out_byte(&out, '}');
    YATAI_VEC_FREE(&libc, &members);
    return yatai_out_give(&out, ret);
}
