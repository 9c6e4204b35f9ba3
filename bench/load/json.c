#include "json.h"

static bool is_space(uint8_t c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void skip_space(slice *s) {
    while (s->n && is_space(s->p[0])) {
        *s = slice_of(s->p + 1, s->n - 1);
    }
}

static bool take_char(slice *s, uint8_t c) {
    skip_space(s);
    if (!s->n || s->p[0] != c) {
        return false;
    }
    *s = slice_of(s->p + 1, s->n - 1);
    return true;
}

/* A string with its quotes off the front. */
static bool take_string(slice *s, slice *ret) {
    size_t at = 1;
    if (!s->n || s->p[0] != '"') {
        return false;
    }
    for (;;) {
        const uint8_t *end = at < s->n ? memchr(s->p + at, '"', s->n - at) : NULL;
        if (!end) {
            return false;
        }
        size_t slashes = 0;
        while (end[-1 - (ptrdiff_t)slashes] == '\\') { /* ends at the opening quote at the latest */
            slashes++;
        }
        at = (size_t)(end - s->p) + 1;
        if (slashes % 2 == 0) {
            break;
        }
    }
    *ret = slice_of(s->p, at);
    *s = slice_of(s->p + at, s->n - at);
    return true;
}

/* What is between brackets, strings in it respected; their kinds are not compared. */
static bool take_nested(slice *s, slice *ret) {
    slice rest = *s;
    size_t depth = 0;
    do {
        slice text;
        uint8_t c = rest.n ? rest.p[0] : 0;
        if (!rest.n) {
            return false;
        }
        if (c == '"') {
            if (!take_string(&rest, &text)) {
                return false;
            }
            continue;
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        rest = slice_of(rest.p + 1, rest.n - 1);
    } while (depth);
    *ret = slice_of(s->p, (size_t)(rest.p - s->p));
    *s = rest;
    return true;
}

static bool take_value(slice *s, slice *ret) {
    skip_space(s);
    if (s->n && s->p[0] == '"') {
        return take_string(s, ret);
    }
    if (s->n && (s->p[0] == '{' || s->p[0] == '[')) {
        return take_nested(s, ret);
    }
    size_t n = 0;
    while (n < s->n && !is_space(s->p[n]) && !memchr(",}]:\"{[", s->p[n], 7)) {
        n++;
    }
    *ret = slice_of(s->p, n);
    *s = slice_of(s->p + n, s->n - n);
    return n > 0;
}

bool json_member(slice object, const char *name, slice *ret) {
    size_t length = strlen(name);
    if (!take_char(&object, '{')) {
        return false;
    }
    do {
        slice key;
        slice value;
        skip_space(&object);
        if (!take_string(&object, &key) || !take_char(&object, ':') ||
            !take_value(&object, &value)) {
            return false;
        }
        if (key.n == length + 2 && memcmp(key.p + 1, name, length) == 0) {
            *ret = value;
            return true;
        }
    } while (take_char(&object, ','));
    return false;
}

bool json_member_text(slice object, const char *name, slice *ret) {
    slice v;
    if (!json_member(object, name, &v) || v.p[0] != '"' || memchr(v.p, '\\', v.n)) {
        return false;
    }
    *ret = slice_of(v.p + 1, v.n - 2);
    return true;
}

bool json_member_number(slice object, const char *name, uint64_t *ret) {
    slice v;
    uint64_t n = 0;
    if (!json_member(object, name, &v) || v.n > 19) {
        return false;
    }
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9') {
            return false;
        }
        n = n * 10 + (uint64_t)(v.p[i] - '0');
    }
    *ret = n;
    return true;
}

bool json_member_true(slice object, const char *name) {
    slice v;
    return json_member(object, name, &v) && slice_is(v, "true");
}
