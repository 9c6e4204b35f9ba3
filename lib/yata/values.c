/* values.c: the content of structs as values.
 *
 * Payloads are as on the wire and were checked when they came (see update.c), so nothing is checked
 * again. (yjs 13.6 structs/Content*.js getContent)
 */
#include "look.h"
#include "text.h"
#include "value.h"

static const uint8_t replacement[] = {0xef, 0xbf, 0xbd};

static uint64_t big_endian(const uint8_t *p) {
    uint64_t x = 0;
    for (unsigned i = 0; i < 8; i++) {
        x = x << 8 | p[i];
    }
    return x;
}

static const uint8_t *number_of_any(const uint8_t *p, struct yata_value *ret) {
    uint64_t n;
    bool negative;
    if (*p != YATAI_ANY_INTEGER) {
        ret->kind = YATA_VALUE_NUMBER;
        return yatai_any_number(p, &ret->number);
    }
    p = yatai_past_int(p + 1, &n, &negative);
    if (negative && n == 0) { /* -0 is no integer */
        *ret = (struct yata_value){.kind = YATA_VALUE_NUMBER, .number = -0.0};
    } else {
        *ret = (struct yata_value){.kind = YATA_VALUE_INTEGER,
                                   .integer = negative ? -(int64_t)n : (int64_t)n};
    }
    return p;
}

const uint8_t *yatai_value_of_any(const uint8_t *p, const uint8_t *end, struct yata_value *ret) {
    uint64_t n;
    const uint8_t *from = p;
    switch (*p) {
    case YATAI_ANY_UNDEFINED:
    case YATAI_ANY_NULL:
        ret->kind = *p == YATAI_ANY_NULL ? YATA_VALUE_NULL : YATA_VALUE_UNDEFINED;
        return p + 1;
    case YATAI_ANY_TRUE:
    case YATAI_ANY_FALSE:
        *ret = (struct yata_value){.kind = YATA_VALUE_BOOL, .boolean = *p == YATAI_ANY_TRUE};
        return p + 1;
    case YATAI_ANY_INTEGER:
    case YATAI_ANY_FLOAT32:
    case YATAI_ANY_FLOAT64:
        return number_of_any(p, ret);
    case YATAI_ANY_BIGINT:
        *ret =
            (struct yata_value){.kind = YATA_VALUE_BIGINT, .integer = (int64_t)big_endian(p + 1)};
        return p + 9;
    case YATAI_ANY_STRING:
    case YATAI_ANY_BYTES:
        ret->kind = *p == YATAI_ANY_STRING ? YATA_VALUE_STRING : YATA_VALUE_BYTES;
        p = yatai_past_uint(p + 1, &n);
        ret->bytes = (struct yata_slice){p, n};
        return p + n;
    default:
        p += yatai_elements_skip(YATAI_ANY, p, (size_t)(end - p), 1);
        ret->kind = YATA_VALUE_ANY;
        ret->bytes = (struct yata_slice){from, (size_t)(p - from)};
        return p;
    }
}

/* JSON text without the blanks around it. */
static struct yata_slice trimmed(const uint8_t *p, size_t n) {
    while (n > 0 && (*p == ' ' || (*p >= '\t' && *p <= '\r'))) {
        p++;
        n--;
    }
    while (n > 0 && (p[n - 1] == ' ' || (p[n - 1] >= '\t' && p[n - 1] <= '\r'))) {
        n--;
    }
    return (struct yata_slice){p, n};
}

static bool is_word(struct yata_slice s, const char *word) {
    return s.n == strlen(word) && memcmp(s.p, word, s.n) == 0;
}

static void value_of_json(const uint8_t *p, size_t n, struct yata_value *ret) {
    struct yata_slice s = trimmed(p, n);
    if (is_word(s, "null")) {
        ret->kind = YATA_VALUE_NULL;
    } else if (is_word(s, "true") || is_word(s, "false")) {
        *ret = (struct yata_value){.kind = YATA_VALUE_BOOL, .boolean = s.n == strlen("true")};
    } else if (is_word(s, "undefined")) { /* not JSON, but the word of old arrays */
        ret->kind = YATA_VALUE_UNDEFINED;
    } else {
        ret->kind = YATA_VALUE_JSON;
        ret->bytes = s;
    }
}

void yatai_value_of(const struct yatai_val *v, struct yata_value *ret) {
    if (v->any) {
        (void)yatai_value_of_any(v->p, v->p + v->n, ret);
    } else {
        value_of_json(v->p, v->n, ret);
    }
}

bool yatai_val_is_null(const struct yatai_val *v) {
    return v->any ? *v->p == YATAI_ANY_NULL : is_word(trimmed(v->p, v->n), "null");
}

/* A varUint length and so many bytes. */
static struct yata_slice blob(const uint8_t *p) {
    uint64_t n;
    p = yatai_past_uint(p, &n);
    return (struct yata_slice){p, n};
}

/* What is left of a payload from `p` on: the value of an embed or a format. */
static struct yatai_val val_at(const struct yatai_item *it, const uint8_t *p, const uint8_t *end) {
    if (it->any) {
        return (struct yatai_val){p, (uint32_t)(end - p), true};
    }
    struct yata_slice json = blob(p);
    return (struct yatai_val){json.p, (uint32_t)json.n, false};
}

struct yata_slice yatai_format_key(const struct yata_doc *doc, const struct yatai_item *it) {
    return blob(yatai_payload(doc, it).p);
}

struct yatai_val yatai_format_value(const struct yata_doc *doc, const struct yatai_item *it) {
    struct yata_slice all = yatai_payload(doc, it), key = blob(all.p);
    return val_at(it, key.p + key.n, all.p + all.n);
}

uint32_t yatai_item_value(const struct yata_doc *doc, const struct yatai_item *it, uint32_t at,
                          struct yata_value *ret) {
    unsigned kind = yatai_kind(it);
    if (kind == YATAI_TYPE) {
        *ret = (struct yata_value){.kind = YATA_VALUE_TYPE,
                                   .type = yatai_type_name_of(doc, it->content)};
        return 0;
    }
    struct yata_slice s = yatai_payload(doc, it);
    const uint8_t *p = s.p + at, *end = s.p + s.n;
    switch (kind) {
    case YATAI_ANY:
        return (uint32_t)(yatai_value_of_any(p, end, ret) - p);
    case YATAI_JSON:
        s = blob(p);
        value_of_json(s.p, s.n, ret);
        return (uint32_t)(s.p + s.n - p);
    case YATAI_EMBED: {
        struct yatai_val v = val_at(it, p, end);
        yatai_value_of(&v, ret);
        break;
    }
    case YATAI_BINARY:
    case YATAI_DOC:
        *ret = (struct yata_value){.kind = kind == YATAI_DOC ? YATA_VALUE_SUBDOC : YATA_VALUE_BYTES,
                                   .bytes = blob(p)};
        break;
    default:
        ret->kind = YATA_VALUE_UNDEFINED;
        break;
    }
    return 0;
}

/* The last unit of text, as an element of its own. */
static void last_unit(const uint8_t *p, uint32_t n, struct yata_value *ret) {
    uint32_t at = n - 1;
    while (at > 0 && (p[at] & 0xc0) == 0x80) {
        at--;
    }
    bool half = n - at == 4 || p[at] == YATAI_TEXT_SUBST;
    *ret = (struct yata_value){.kind = YATA_VALUE_STRING,
                               .bytes = {half ? replacement : p + at, half ? 3 : n - at}};
}

void yatai_item_last(const struct yata_doc *doc, const struct yatai_item *it,
                     struct yata_value *ret) {
    struct yata_slice all = yatai_payload(doc, it);
    unsigned kind = yatai_kind(it);
    uint32_t at = 0;
    if (kind == YATAI_STRING) {
        last_unit(all.p, (uint32_t)all.n, ret);
        return;
    }
    if (kind == YATAI_ANY || kind == YATAI_JSON) {
        at = (uint32_t)yatai_elements_skip(kind, all.p, all.n, it->len - 1);
    }
    (void)yatai_item_value(doc, it, at, ret);
}

struct yata_slice yatai_text_piece(const uint8_t **p, const uint8_t *end) {
    const uint8_t *from = *p;
    if (*from == YATAI_TEXT_SUBST) {
        *p = from + 1;
        return (struct yata_slice){replacement, sizeof replacement};
    }
    const uint8_t *subst = memchr(from, YATAI_TEXT_SUBST, (size_t)(end - from));
    *p = subst ? subst : end;
    return (struct yata_slice){from, (size_t)(*p - from)};
}

/* ---- values that nest ----------------------------------------------------------------------- */

enum yata_status yata_any_begin(const struct yata_value *value, struct yata_any *ret,
                                bool *ret_object) {
    if (value->kind != YATA_VALUE_ANY) {
        return YATA_RANGE;
    }
    struct yatai_reader r = yatai_reader_on(value->bytes.p, value->bytes.n);
    r.max_depth = YATAI_DEPTH_MAX;
    if (!yatai_read_any(&r)) {
        return r.status;
    }
    bool object = *value->bytes.p == YATAI_ANY_OBJECT;
    if (!object && *value->bytes.p != YATAI_ANY_ARRAY) {
        return YATA_RANGE;
    }
    *ret = (struct yata_any){.end = r.p, .keys = object};
    ret->p = yatai_past_uint(value->bytes.p + 1, &ret->left);
    if (ret_object) {
        *ret_object = object;
    }
    return YATA_OK;
}

bool yata_any_next(struct yata_any *any, struct yata_slice *ret_key, struct yata_value *ret) {
    struct yata_slice key = {0};
    if (any->left == 0) {
        return false;
    }
    any->left--;
    if (any->keys) {
        key = blob(any->p);
        any->p = key.p + key.n;
    }
    if (ret_key) {
        *ret_key = key;
    }
    any->p = yatai_value_of_any(any->p, any->end, ret);
    return true;
}

enum yata_status yata_json_to_any(struct yata_slice json, struct yata_bytes *ret,
                                  struct yata_error *ret_error) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_out out = {.mem = &libc};
    struct yatai_reader r = yatai_reader_on(json.p, json.n);
    r.max_depth = YATAI_DEPTH_MAX;
    uint32_t units;
    const uint8_t *bad = json.n > UINT32_MAX ? json.p : yatai_text_check(json.p, json.n, &units);
    if (bad) {
        yatai_reader_fail(&r, bad, "text is not UTF-8");
    } else if (yatai_json_check(&r, json.p, (uint32_t)json.n)) {
        yatai_json_to_any(&out, json.p, json.n);
        return yatai_out_give(&out, ret);
    }
    if (ret_error) {
        *ret_error = r.why;
    }
    return r.status;
}
