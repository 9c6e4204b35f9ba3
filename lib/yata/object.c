/* object.c: values as JavaScript holds them, so that what is written here has the bytes that a Yjs
 * client would write (lib0 encoding.js writeAny, object.js equalFlat; ECMA-262
 * OrdinaryOwnPropertyKeys).
 *
 * Nesting is bounded by YATAI_DEPTH_MAX, and so is recursion.
 */
#include "object.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "value.h"

#define INDEX_DIGITS_MAX 10 /* of an array index */
#define KEYS_FEW         16 /* members of an object for which no memory is asked */

bool yatai_key_index(const uint8_t *p, size_t n, uint32_t *ret) {
    uint64_t x = 0;
    if (n == 0 || n > INDEX_DIGITS_MAX || (p[0] == '0' && n > 1)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') {
            return false;
        }
        x = x * 10 + (p[i] - (unsigned)'0');
    }
    *ret = (uint32_t)x;
    return x < UINT32_MAX;
}

/* ---- order of keys -------------------------------------------------------------------------- */

/* A member of an object. */
struct member {
    const uint8_t *key;
    uint64_t key_bytes;
    const uint8_t *value, *last; /* as it comes, and the value that counts: of a later repetition */
    size_t at;
    uint32_t index;
    bool is_index, repeats;
};

static int by_key(const void *a, const void *b) {
    const struct member *x = a, *y = b;
    if (x->key_bytes != y->key_bytes) {
        return x->key_bytes < y->key_bytes ? -1 : 1;
    }
    int order = x->key_bytes == 0 ? 0 : memcmp(x->key, y->key, x->key_bytes);
    return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

static int by_place(const void *a, const void *b) {
    const struct member *x = a, *y = b;
    if (x->is_index != y->is_index) {
        return x->is_index ? -1 : 1;
    }
    if (x->is_index && x->index != y->index) {
        return x->index < y->index ? -1 : 1;
    }
    return (x->at > y->at) - (x->at < y->at);
}

/* Puts members in the order of JavaScript; returns how many are left. */
static size_t order_members(struct member *m, size_t n) {
    qsort(m, n, sizeof *m, by_key);
    size_t left = n;
    for (size_t i = n; i-- > 1;) {
        struct member *x = &m[i - 1], *y = &m[i];
        if (x->key_bytes == y->key_bytes &&
            (x->key_bytes == 0 || memcmp(x->key, y->key, x->key_bytes) == 0)) {
            x->last = y->last;
            y->repeats = true;
            left--;
        }
    }
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        if (!m[i].repeats) {
            m[to++] = m[i];
        }
    }
    qsort(m, left, sizeof *m, by_place);
    return left;
}

static const uint8_t *plain_object(struct yatai_out *out, const uint8_t *p, const uint8_t *end) {
    struct member few[KEYS_FEW], *m = few;
    uint64_t count;
    p = yatai_past_uint(p, &count);
    if (count > KEYS_FEW) {
        m = yatai_mem_resize(out->mem, NULL, 0, count * sizeof *m);
        if (!m) {
            out->failed = true;
            return end;
        }
    }
    for (size_t i = 0; i < count; i++) {
        m[i] = (struct member){.at = i};
        m[i].key = yatai_past_uint(p, &m[i].key_bytes);
        m[i].is_index = yatai_key_index(m[i].key, m[i].key_bytes, &m[i].index);
        m[i].value = m[i].last = m[i].key + m[i].key_bytes;
        p = m[i].value + yatai_elements_skip(YATAI_ANY, m[i].value, (size_t)(end - m[i].value), 1);
    }
    size_t n = order_members(m, count);
    yatai_out_byte(out, YATAI_ANY_OBJECT);
    yatai_out_uint(out, n);
    for (size_t i = 0; i < n; i++) {
        yatai_out_string(out, m[i].key, m[i].key_bytes);
        (void)yatai_plain_any(out, m[i].last, end);
    }
    if (m != few) {
        yatai_mem_resize(out->mem, m, count * sizeof *m, 0);
    }
    return p;
}

/* ---- plain values --------------------------------------------------------------------------- */

const uint8_t *yatai_plain_any(struct yatai_out *out, const uint8_t *p, const uint8_t *end) {
    uint64_t n;
    double x;
    const uint8_t *from = p;
    if (out->failed) {
        return end;
    }
    switch (*p) {
    case YATAI_ANY_INTEGER:
    case YATAI_ANY_FLOAT32:
    case YATAI_ANY_FLOAT64:
        p = yatai_any_number(p, &x);
        yatai_number_to_any(out, x);
        return p;
    case YATAI_ANY_OBJECT:
        return plain_object(out, p + 1, end);
    case YATAI_ANY_ARRAY:
        p = yatai_past_uint(p + 1, &n);
        yatai_out_bytes(out, from, (size_t)(p - from));
        for (; n > 0; n--) {
            p = yatai_plain_any(out, p, end);
        }
        return p;
    default:
        p += yatai_elements_skip(YATAI_ANY, p, (size_t)(end - p), 1);
        yatai_out_bytes(out, from, (size_t)(p - from));
        return p;
    }
}

void yatai_plain_value(struct yatai_out *out, const struct yatai_val *v) {
    if (v->any) {
        (void)yatai_plain_any(out, v->p, v->p + v->n);
        return;
    }
    struct yatai_out any = {.mem = out->mem};
    yatai_json_to_any(&any, v->p, v->n);
    if (any.failed) {
        out->failed = true;
    } else {
        (void)yatai_plain_any(out, any.p, any.p + any.n);
    }
    yatai_out_fini(&any);
}

static enum yata_status given_json(struct yatai_out *out, struct yatai_reader *r,
                                   const struct yata_slice *text) {
    uint32_t units;
    if (yatai_text_check(text->p, text->n, &units) ||
        !yatai_json_check(r, text->p, (uint32_t)text->n)) {
        return r->status == YATA_OK ? YATA_MALFORMED : r->status;
    }
    yatai_plain_value(out, &(struct yatai_val){text->p, (uint32_t)text->n, false});
    return YATA_OK;
}

static enum yata_status given_any(struct yatai_out *out, struct yatai_reader *r) {
    if (!yatai_read_any(r)) {
        return r->status;
    }
    if (r->p != r->end) {
        return YATA_MALFORMED;
    }
    (void)yatai_plain_any(out, r->start, r->end);
    return YATA_OK;
}

/* Strings and bytes. */
static enum yata_status given_blob(struct yatai_out *out, const struct yata_slice *s, bool text) {
    uint32_t units;
    if (text && yatai_text_check(s->p, s->n, &units)) {
        return YATA_MALFORMED;
    }
    yatai_out_byte(out, text ? YATAI_ANY_STRING : YATAI_ANY_BYTES);
    yatai_out_string(out, s->p, s->n);
    return YATA_OK;
}

static void given_bigint(struct yatai_out *out, int64_t x) {
    yatai_out_byte(out, YATAI_ANY_BIGINT);
    for (unsigned shift = 64; shift > 0; shift -= 8) {
        yatai_out_byte(out, (uint8_t)((uint64_t)x >> (shift - 8)));
    }
}

enum yata_status yatai_plain_given(struct yatai_out *out, const struct yata_value *v,
                                   size_t max_depth) {
    bool blob = v->kind == YATA_VALUE_STRING || v->kind == YATA_VALUE_BYTES ||
                v->kind == YATA_VALUE_ANY || v->kind == YATA_VALUE_JSON;
    if (blob && v->bytes.n > UINT32_MAX / 2) {
        return YATA_LIMIT;
    }
    struct yatai_reader r = yatai_reader_on(blob ? v->bytes.p : NULL, blob ? v->bytes.n : 0);
    r.max_depth = max_depth > 0 ? max_depth : r.max_depth;
    switch (v->kind) {
    case YATA_VALUE_UNDEFINED:
        yatai_out_byte(out, YATAI_ANY_UNDEFINED);
        return YATA_OK;
    case YATA_VALUE_NULL:
        yatai_out_byte(out, YATAI_ANY_NULL);
        return YATA_OK;
    case YATA_VALUE_BOOL:
        yatai_out_byte(out, v->boolean ? YATAI_ANY_TRUE : YATAI_ANY_FALSE);
        return YATA_OK;
    case YATA_VALUE_INTEGER:
        yatai_number_to_any(out, (double)v->integer);
        return YATA_OK;
    case YATA_VALUE_NUMBER:
        yatai_number_to_any(out, v->number);
        return YATA_OK;
    case YATA_VALUE_BIGINT:
        given_bigint(out, v->integer);
        return YATA_OK;
    case YATA_VALUE_STRING:
        return given_blob(out, &v->bytes, true);
    case YATA_VALUE_BYTES:
        return given_blob(out, &v->bytes, false);
    case YATA_VALUE_ANY:
        return given_any(out, &r);
    case YATA_VALUE_JSON:
        return given_json(out, &r, &v->bytes);
    default:
        return YATA_RANGE;
    }
}

/* ---- equality ------------------------------------------------------------------------------- */

static bool is_number(uint8_t tag) {
    return tag == YATAI_ANY_INTEGER || tag == YATAI_ANY_FLOAT32 || tag == YATAI_ANY_FLOAT64;
}

/* JavaScript's === of two values; objects are never the same. */
static bool scalars_equal(const uint8_t *a, size_t a_n, const uint8_t *b, size_t b_n) {
    if (is_number(*a) && is_number(*b)) {
        double x, y;
        (void)yatai_any_number(a, &x);
        (void)yatai_any_number(b, &y);
        return x == y;
    }
    bool object = *a == YATAI_ANY_OBJECT || *a == YATAI_ANY_ARRAY || *a == YATAI_ANY_BYTES;
    return !object && a_n == b_n && memcmp(a, b, a_n) == 0;
}

/* The members of an object or array one by one. */
struct members {
    const uint8_t *p, *end;
    uint64_t count, at;
    bool array;
    const uint8_t *key, *value;
    uint64_t key_bytes;
    size_t value_bytes;
};

static struct members members_of(const uint8_t *p, const uint8_t *end) {
    struct members m = {.array = *p == YATAI_ANY_ARRAY, .end = end};
    m.p = yatai_past_uint(p + 1, &m.count);
    return m;
}

static bool next_member(struct members *m) {
    if (m->at == m->count) {
        return false;
    }
    m->at++;
    if (!m->array) {
        m->key = yatai_past_uint(m->p, &m->key_bytes);
        m->p = m->key + m->key_bytes;
    }
    m->value = m->p;
    m->value_bytes = yatai_elements_skip(YATAI_ANY, m->p, (size_t)(m->end - m->p), 1);
    m->p += m->value_bytes;
    return true;
}

/* Whether the two are at the same key; that of an array is the place. */
static bool same_key(const struct members *a, const struct members *b) {
    uint32_t x = (uint32_t)a->at - 1, y = (uint32_t)b->at - 1;
    bool ia = a->array || yatai_key_index(a->key, a->key_bytes, &x);
    bool ib = b->array || yatai_key_index(b->key, b->key_bytes, &y);
    if (ia || ib) {
        return ia && ib && x == y;
    }
    return a->key_bytes == b->key_bytes &&
           (a->key_bytes == 0 || memcmp(a->key, b->key, a->key_bytes) == 0);
}

static bool flat_equal(const uint8_t *a, const uint8_t *a_end, const uint8_t *b,
                       const uint8_t *b_end) {
    struct members x = members_of(a, a_end), start = members_of(b, b_end);
    if (x.count != start.count) {
        return false;
    }
    while (next_member(&x)) {
        struct members y = start;
        bool found = false;
        while (!found && next_member(&y)) {
            found = same_key(&x, &y);
        }
        if (!found || !scalars_equal(x.value, x.value_bytes, y.value, y.value_bytes)) {
            return false;
        }
    }
    return true;
}

bool yatai_plain_equal(const struct yatai_out *a, const struct yatai_out *b, bool flat) {
    bool x = *a->p == YATAI_ANY_OBJECT || *a->p == YATAI_ANY_ARRAY;
    bool y = *b->p == YATAI_ANY_OBJECT || *b->p == YATAI_ANY_ARRAY;
    if (x && y) {
        return flat && flat_equal(a->p, a->p + a->n, b->p, b->p + b->n);
    }
    return scalars_equal(a->p, a->n, b->p, b->n);
}
