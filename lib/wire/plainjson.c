/* The legacy plain JSON dialect (PROTOCOL 7): {type, roomId, update|payload: number[]}, nothing
 * acknowledged, errors told as {type:"error"}.
 *
 * Arrays of a million numbers would become a million JSON objects in the library, some 50 bytes for
 * each byte of the document. So the arrays of the outermost object are read here, straight to
 * bytes in the arena, and the library parses the rest of the message with each array replaced by
 * `[its index]`. */
#include "base/must.h"
#include "wire/codecs.h"
#include "wire/json_in.h"
#include "wire/json_out.h"

enum { ARRAYS_MAX = 8 }; /* ours have one */

struct number_array {
    slice bytes;
    bool good;     /* all elements were integers of 0 to 255 */
    size_t bad_at; /* index of the first that was not */
};

/* The message without its arrays. */
struct stripped {
    slice text;
    struct number_array arrays[ARRAYS_MAX];
    size_t count;
};

static bool is_space(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_space(slice s, size_t i) {
    while (i < s.n && is_space(s.p[i])) {
        i++;
    }
    return i;
}

/* Reads `123` at `i`, no sign, no leading zero, at most 255; returns the index behind it, or `i`.
 */
static size_t read_byte(slice s, size_t i, uint8_t *ret) {
    size_t start = i;
    unsigned v = 0;
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9' && i - start < 3) {
        v = v * 10 + (s.p[i++] - '0');
    }
    if (i == start || v > 255 || (i - start > 1 && s.p[start] == '0')) {
        return start;
    }
    *ret = (uint8_t)v;
    return i;
}

/* Reads the array whose bracket stands before `i`. Returns the index behind its closing bracket, or
 * 0 with ->bad_at set. `to` has room for every byte that the text may hold. */
static size_t read_array(slice s, size_t i, uint8_t *to, struct number_array *a) {
    size_t n = 0;
    i = skip_space(s, i);
    if (i < s.n && s.p[i] == ']') {
        *a = (struct number_array){.bytes = {to, 0}, .good = true};
        return i + 1;
    }
    while (i < s.n) {
        size_t behind = read_byte(s, i, &to[n]);
        a->bad_at = n;
        if (behind == i) {
            return 0;
        }
        n++;
        i = skip_space(s, behind);
        if (i < s.n && s.p[i] == ']') {
            *a = (struct number_array){.bytes = {to, n}, .good = true};
            return i + 1;
        }
        if (i >= s.n || s.p[i] != ',') {
            return 0;
        }
        i = skip_space(s, i + 1);
    }
    return 0;
}

/* Where the array whose bracket stands before `i` ends, if it holds nothing that nests. */
static size_t skip_flat_array(slice s, size_t i) {
    while (i < s.n && s.p[i] != ']' && s.p[i] != '[' && s.p[i] != '{' && s.p[i] != '"') {
        i++;
    }
    return i < s.n && s.p[i] == ']' ? i + 1 : 0;
}

/* What json_in calls a string's end, copied along. */
static size_t copy_string(slice s, size_t i, uint8_t *to, size_t *n) {
    while (i < s.n) {
        uint8_t c = s.p[i++];
        to[(*n)++] = c;
        if (c == '\\' && i < s.n) {
            to[(*n)++] = s.p[i++];
        } else if (c == '"') {
            break;
        }
    }
    return i;
}

/* False when memory is out. Text that is not JSON comes out as text that is not JSON. */
static bool strip(struct arena *arena, slice s, struct stripped *out) {
    /* No byte of the message gives more than one of text: `[]` is the shortest array, and it may
     * become `[0]`. */
    uint8_t *text = arena_alloc(arena, s.n + ARRAYS_MAX);
    uint8_t *bytes = arena_alloc(arena, s.n / 2 + 1); /* "1," is a byte */
    if (!text || !bytes) {
        return false;
    }
    size_t n = 0;
    size_t depth = 0;
    for (size_t i = 0; i < s.n;) {
        uint8_t c = s.p[i++];
        text[n++] = c;
        if (c == '"') {
            i = copy_string(s, i, text, &n);
        } else if (c == '[' && depth == 1 && out->count < ARRAYS_MAX) {
            struct number_array *a = &out->arrays[out->count];
            size_t behind = read_array(s, i, bytes, a);
            if (behind == 0) {
                behind = skip_flat_array(s, i);
            }
            if (behind == 0) {
                depth++;
                continue;
            }
            bytes += a->good ? a->bytes.n : 0;
            text[n++] = (uint8_t)('0' + out->count++);
            text[n++] = ']';
            i = behind;
        } else if (c == '[' || c == '{') {
            depth++;
        } else if ((c == ']' || c == '}') && depth) {
            depth--;
        }
    }
    out->text = slice_of(text, n);
    return true;
}

static const struct kind {
    const char *type;
    enum op op;
    const char *field;
    bool needed; /* a sync without an update asks only for what the server has */
} kinds[] = {
    {"sync", OP_SYNC, "update", false},
    {"update", OP_UPDATE, "update", true},
    {"awareness", OP_AWARENESS, "payload", true},
};

static const struct kind *find_kind(const json_t *type) {
    for (size_t i = 0; json_is_string(type) && i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(json_string_value(type), kinds[i].type) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

static bool read_room(struct arena *arena, const json_t *v, struct intent *in) {
    if (!v || json_is_null(v)) {
        return true; /* then the connection's room is meant */
    }
    slice name = {0};
    if (!json_is_string(v) ||
        !room_name_valid(slice_of(json_string_value(v), json_string_length(v)))) {
        intent_fail(in, ERR_PARAMS,
                    "roomId must be 1 to 200 characters of A-Z a-z 0-9 _ . : / @ -");
        return false;
    }
    if (!json_copy_string(arena, v, &name)) {
        intent_fail(in, ERR_NOMEM, "out of memory");
        return false;
    }
    in->room_id = name;
    in->present |= 1u << FIELD_ROOM_ID;
    return true;
}

static void read_numbers(const struct decode_caps *caps, struct arena *arena,
                         const struct kind *kind, const struct stripped *s, const json_t *v,
                         struct intent *in) {
    size_t index = (size_t)json_integer_value(json_array_get(v, 0));
    if (!json_is_array(v) || json_array_size(v) != 1 || index >= s->count) {
        intent_fail(in, ERR_PARAMS,
                    detail_printf(arena, "%s must be an array of numbers", kind->field));
        return;
    }
    const struct number_array *a = &s->arrays[index];
    size_t cap = caps_payload_bytes(caps, kind->op);
    if (!a->good) {
        intent_fail(
            in, ERR_PARAMS,
            detail_printf(arena, "%s[%zu] must be an integer of 0 to 255", kind->field, a->bad_at));
    } else if (a->bytes.n > cap) {
        intent_too_large(arena, in, kind->field, a->bytes.n, cap);
    } else {
        in->payload = a->bytes;
        in->present |= 1u << FIELD_PAYLOAD;
    }
}

static void read_message(const struct decode_caps *caps, struct arena *arena,
                         const struct stripped *s, const json_t *v, struct intent *in) {
    if (!json_is_object(v)) {
        intent_fail(in, ERR_REQUEST, "a message must be an object");
        return;
    }
    const struct kind *kind = find_kind(json_object_get(v, "type"));
    if (!kind) {
        intent_fail(in, ERR_REQUEST, "type must be \"sync\", \"update\" or \"awareness\"");
        return;
    }
    in->op = kind->op;
    const json_t *numbers = json_object_get(v, kind->field);
    if (!read_room(arena, json_object_get(v, "roomId"), in)) {
        return;
    }
    if (numbers) {
        read_numbers(caps, arena, kind, s, numbers, in);
    } else if (kind->needed) {
        intent_fail(in, ERR_PARAMS, detail_printf(arena, "%s is missing", kind->field));
    }
}

static void decode(const struct decode_caps *caps, struct arena *arena, bool text, slice message,
                   const struct intent_sink *sink) {
    struct intent in = {0};
    struct stripped s = {0};
    json_t *v = NULL;
    if (!text) {
        intent_fail(&in, ERR_REQUEST, "this dialect has no binary frames");
    } else if (!strip(arena, message, &s)) {
        intent_fail(&in, ERR_NOMEM, "out of memory");
    } else if ((v = json_read(arena, s.text, NULL, &in.err, &in.detail))) {
        read_message(caps, arena, &s, v, &in);
    }
    json_decref(v);
    sink->intent(sink->ctx, &in);
}

static enum wire_kind encode_event(const struct event *e, struct buf *b) {
    static const struct {
        const char *type;
        const char *field;
    } forms[] = {
        [EVENT_STATE] = {"sync", "update"},
        [EVENT_UPDATE] = {"update", "update"},
        [EVENT_AWARENESS] = {"awareness", "payload"},
        [EVENT_CLOSED] = {"closed", "code"},
    };
    json_put_lit(b, "{\"type\":\"");
    buf_put_str(b, forms[e->kind].type);
    json_put_lit(b, "\",\"roomId\":");
    json_put_string(b, e->room_id);
    json_put_lit(b, ",\"");
    buf_put_str(b, forms[e->kind].field);
    json_put_lit(b, "\":");
    if (e->kind == EVENT_CLOSED) {
        buf_put_i64(b, e->code);
        json_put_lit(b, ",\"message\":");
        json_put_string(b, slice_str(e->message));
    } else {
        json_put_bytes(b, e->payload);
    }
    buf_put_u8(b, '}');
    return WIRE_TEXT;
}

static enum wire_kind encode_reply(const struct reply *r, struct buf *b) {
    if (r->err == ERR_OK) {
        return WIRE_NOTHING;
    }
    json_put_lit(b, "{\"type\":\"error\",\"code\":");
    buf_put_i64(b, err_rpc_code(r->err));
    json_put_lit(b, ",\"message\":");
    json_put_string(b, slice_str(err_text(r->err)));
    json_put_lit(b, ",\"detail\":");
    jsonrpc_put_error_data(r, b);
    buf_put_u8(b, '}');
    return WIRE_TEXT;
}

const struct dialect dialect_plainjson = {
    .name = "plainjson",
    .decode = decode,
    .encode_event = encode_event,
    .stamp_place = STAMP_NONE,
    .encode_reply = encode_reply,
};
