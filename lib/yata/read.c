/* read.c: the primitives of the wire: varUint, strings, lib0's `any`, JSON text.
 *
 * Everything a peer sends passes through here before anything of a document changes, so these
 * functions check all that the other side of the library relies on. Values may nest; the nesting is
 * walked with a stack of bounded size, never by recursion, since input decides its depth.
 */
#include <stdio.h>
#include <string.h>

#include "text.h"
#include "update.h"

struct yatai_reader yatai_reader_on(const uint8_t *p, size_t n) {
    return (struct yatai_reader){
        .start = p, .p = p, .end = p ? p + n : p, .max_depth = YATAI_DEPTH_DEFAULT};
}

bool yatai_reader_fail(struct yatai_reader *r, const uint8_t *at, const char *what) {
    if (r->status == YATA_OK) {
        r->status = YATA_MALFORMED;
        r->why.at = (size_t)(at - r->start);
        snprintf(r->why.what, sizeof r->why.what, "%s", what);
    }
    return false;
}

bool yatai_read_uint_slow(struct yatai_reader *r, uint64_t *ret) {
    uint64_t x = 0;
    const uint8_t *at = r->p;
    for (unsigned i = 0; i < YATAI_UINT_MAX_BYTES; i++) {
        if (r->p == r->end) {
            return yatai_reader_fail(r, r->p, "update ends inside a number");
        }
        uint8_t b = *r->p++;
        x |= (uint64_t)(b & 0x7f) << (7 * i);
        if (b < 0x80) {
            if (x > YATAI_CLIENT_MAX) {
                break;
            }
            *ret = x;
            return true;
        }
    }
    return yatai_reader_fail(r, at, "number has more than 53 bits");
}

bool yatai_fail_u32(struct yatai_reader *r, const uint8_t *at, const char *what) {
    char text[sizeof r->why.what];
    snprintf(text, sizeof text, "%s has more than 32 bits", what);
    return yatai_reader_fail(r, at, text);
}

bool yatai_read_blob(struct yatai_reader *r, const uint8_t **ret, uint32_t *ret_n) {
    const uint8_t *at = r->p;
    uint64_t n;
    if (!yatai_read_uint(r, &n)) {
        return false;
    }
    if (n > (uint64_t)(r->end - r->p)) {
        return yatai_reader_fail(r, at, "string or bytes run past the end of the update");
    }
    *ret = r->p;
    *ret_n = (uint32_t)n;
    r->p += n;
    return true;
}

bool yatai_read_string(struct yatai_reader *r, const uint8_t **ret, uint32_t *ret_n,
                       uint32_t *ret_units) {
    const uint8_t *text = NULL;
    uint32_t n = 0;
    if (!yatai_read_blob(r, &text, &n)) {
        return false;
    }
    *ret = text;
    *ret_n = n;
    const uint8_t *bad = yatai_text_check(text, n, ret_units);
    return !bad || yatai_reader_fail(r, bad, "string is not UTF-8");
}

/* ---- any ------------------------------------------------------------------------------------ */

static bool skip_bytes(struct yatai_reader *r, size_t n) {
    if ((size_t)(r->end - r->p) < n) {
        return yatai_reader_fail(r, r->p, "value runs past the end of the update");
    }
    r->p += n;
    return true;
}

bool yatai_read_int(struct yatai_reader *r, uint64_t *ret, bool *ret_negative) {
    const uint8_t *at = r->p;
    uint64_t x = 0;
    for (unsigned i = 0, shift = 0; i < 9; i++) {
        if (r->p == r->end) {
            return yatai_reader_fail(r, r->p, "update ends inside a number");
        }
        uint8_t b = *r->p++;
        uint64_t bits = i == 0 ? b & 0x3fu : b & 0x7fu;
        if (i == 0) {
            *ret_negative = (b & 0x40) != 0;
        }
        if (shift > 53 && bits != 0) {
            break;
        }
        x |= bits << shift;
        shift += i == 0 ? 6 : 7;
        if (b < 0x80) {
            if (x > YATAI_CLIENT_MAX) {
                break;
            }
            *ret = x;
            return true;
        }
    }
    return yatai_reader_fail(r, at, "number has more than 53 bits");
}

/* One value without what is nested in it; *ret_children values follow, with keys if *ret_keys. */
static bool any_flat(struct yatai_reader *r, uint64_t *ret_children, bool *ret_keys) {
    const uint8_t *at = r->p, *s;
    uint32_t n, units;
    uint64_t integer;
    bool negative;
    *ret_children = 0;
    *ret_keys = false;
    if (r->p == r->end) {
        return yatai_reader_fail(r, r->p, "update ends where a value should be");
    }
    switch (*r->p++) {
    case YATAI_ANY_UNDEFINED:
    case YATAI_ANY_NULL:
    case YATAI_ANY_TRUE:
    case YATAI_ANY_FALSE:
        return true;
    case YATAI_ANY_INTEGER:
        return yatai_read_int(r, &integer, &negative);
    case YATAI_ANY_FLOAT32:
        return skip_bytes(r, 4);
    case YATAI_ANY_FLOAT64:
    case YATAI_ANY_BIGINT:
        return skip_bytes(r, 8);
    case YATAI_ANY_STRING:
        return yatai_read_string(r, &s, &n, &units);
    case YATAI_ANY_BYTES:
        return yatai_read_blob(r, &s, &n);
    case YATAI_ANY_OBJECT:
        *ret_keys = true;
        break;
    case YATAI_ANY_ARRAY:
        break;
    default:
        return yatai_reader_fail(r, at, "value has an unknown tag");
    }
    const uint8_t *count_at = r->p;
    if (!yatai_read_uint(r, ret_children)) {
        return false;
    }
    uint64_t least = *ret_keys ? 2 : 1; /* bytes of an element */
    if (*ret_children > (uint64_t)(r->end - r->p) / least) {
        return yatai_reader_fail(r, count_at, "value says it has more elements than bytes follow");
    }
    return true;
}

/* The values that lists are mostly made of, where enough bytes follow to look at all of one at
 * once. */
static inline bool any_short(struct yatai_reader *r) {
    uint64_t w;
    if (r->end - r->p <= (ptrdiff_t)sizeof w) {
        return false;
    }
    switch (*r->p) {
    case YATAI_ANY_UNDEFINED:
    case YATAI_ANY_NULL:
    case YATAI_ANY_TRUE:
    case YATAI_ANY_FALSE:
        r->p++;
        return true;
    case YATAI_ANY_FLOAT64:
        r->p += 1 + sizeof w;
        return true;
    case YATAI_ANY_INTEGER:
        for (unsigned i = 1; i < sizeof w; i++) { /* so many bytes are 48 bits */
            if (r->p[i] < 0x80) {
                r->p += i + 1;
                return true;
            }
        }
        return false;
    default:
        return false;
    }
}

static bool read_any_deep(struct yatai_reader *r) {
    struct {
        uint32_t left;
        bool keys;
    } level[YATAI_DEPTH_MAX];
    size_t depth = 0, most = r->max_depth < YATAI_DEPTH_MAX ? r->max_depth : YATAI_DEPTH_MAX;
    for (;;) {
        uint64_t children;
        bool keys;
        const uint8_t *at = r->p;
        if (!any_flat(r, &children, &keys)) {
            return false;
        }
        if (children > 0) {
            if (depth == most) {
                yatai_reader_fail(r, at, "value nests too deep");
                r->status = YATA_LIMIT;
                return false;
            }
            level[depth].left = (uint32_t)children;
            level[depth++].keys = keys;
        }
        while (depth > 0 && level[depth - 1].left == 0) {
            depth--;
        }
        if (depth == 0) {
            return true;
        }
        level[depth - 1].left--;
        const uint8_t *s;
        uint32_t n, units;
        if (level[depth - 1].keys && !yatai_read_string(r, &s, &n, &units)) {
            return false;
        }
    }
}

bool yatai_read_any(struct yatai_reader *r) {
    return any_short(r) || read_any_deep(r);
}

const uint8_t *yatai_past_uint(const uint8_t *p, uint64_t *ret) {
    uint64_t x = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t b = *p++;
        x |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *ret = x;
            return p;
        }
    }
}

const uint8_t *yatai_past_int(const uint8_t *p, uint64_t *ret, bool *ret_negative) {
    uint8_t b = *p++;
    uint64_t more = 0;
    *ret_negative = (b & 0x40) != 0;
    if (b & 0x80) {
        p = yatai_past_uint(p, &more);
    }
    *ret = (b & 0x3fu) | more << 6;
    return p;
}

/* Past one checked `any` that ends before `end`. */
static const uint8_t *past_any(const uint8_t *p, const uint8_t *end) {
    uint64_t n;
    switch (*p) {
    case YATAI_ANY_UNDEFINED:
    case YATAI_ANY_NULL:
    case YATAI_ANY_TRUE:
    case YATAI_ANY_FALSE:
        return p + 1;
    case YATAI_ANY_INTEGER:
        return yatai_past_uint(p + 1, &n);
    case YATAI_ANY_FLOAT32:
        return p + 5;
    case YATAI_ANY_FLOAT64:
    case YATAI_ANY_BIGINT:
        return p + 9;
    case YATAI_ANY_STRING:
    case YATAI_ANY_BYTES:
        p = yatai_past_uint(p + 1, &n);
        return p + n;
    default: {
        struct yatai_reader r = {.start = p, .p = p, .end = end, .max_depth = YATAI_DEPTH_MAX};
        (void)yatai_read_any(&r);
        return r.p;
    }
    }
}

size_t yatai_elements_skip(unsigned kind, const uint8_t *p, size_t n, uint32_t count) {
    const uint8_t *start = p, *end = p + n;
    for (; count > 0; count--) {
        if (kind == YATAI_ANY) {
            p = past_any(p, end);
        } else {
            uint64_t bytes;
            p = yatai_past_uint(p, &bytes);
            p += bytes;
        }
    }
    return (size_t)(p - start);
}
