#include "wire/json_in.h"

#include <stdarg.h>
#include <stdio.h>

const char *detail_printf(struct arena *arena, const char *fmt, ...) {
    enum { DETAIL_MAX = 256 }; /* a sentence */
    char *to = arena_alloc(arena, DETAIL_MAX);
    if (!to) {
        return "out of memory";
    }
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(to, DETAIL_MAX, fmt, ap);
    va_end(ap);
    return to;
}

/* The index after the string whose opening quote stands before `i`. */
static size_t skip_string(slice text, size_t i) {
    while (i < text.n && text.p[i] != '"') {
        i += text.p[i] == '\\' ? 2 : 1;
    }
    return i < text.n ? i + 1 : text.n;
}

/* Counts, does not judge syntax: that is the library's part. */
static bool small_enough(struct arena *arena, slice text, const char **ret_detail) {
    size_t depth = 0;
    size_t values = 1;
    for (size_t i = 0; i < text.n;) {
        uint8_t c = text.p[i++];
        if (c == '"') {
            i = skip_string(text, i);
        } else if (c == '[' || c == '{') {
            depth++;
            values++;
        } else if ((c == ']' || c == '}') && depth) {
            depth--;
        } else if (c == ',') {
            values++;
        }
        if (depth > JSON_DEPTH_MAX) {
            *ret_detail = detail_printf(arena, "nested deeper than %d levels", JSON_DEPTH_MAX);
            return false;
        }
        if (values > JSON_VALUES_MAX) {
            *ret_detail =
                detail_printf(arena, "more than %d values in one message", JSON_VALUES_MAX);
            return false;
        }
    }
    return true;
}

/* The library's own words quote the message; these do not. */
static const char *problem(enum json_error_code code) {
    switch (code) {
    case json_error_invalid_utf8:
        return "invalid UTF-8";
    case json_error_premature_end_of_input:
        return "the text ends too early";
    case json_error_end_of_input_expected:
        return "text after the end of the value";
    case json_error_duplicate_key:
        return "a name stands twice in one object";
    case json_error_numeric_overflow:
        return "a number is too big";
    case json_error_null_byte_in_key:
        return "U+0000 in a name";
    default:
        return "not JSON";
    }
}

json_t *json_read(struct arena *arena, slice text, enum err *ret_err, const char **ret_detail) {
    if (!small_enough(arena, text, ret_detail)) {
        *ret_err = ERR_REQUEST;
        return NULL;
    }
    json_error_t e;
    json_t *value = json_loadb((const char *)text.p, text.n,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (value) {
        return value;
    }
    enum json_error_code code = json_error_code(&e);
    *ret_err = code == json_error_out_of_memory ? ERR_NOMEM : ERR_PARSE;
    *ret_detail = code == json_error_out_of_memory
                      ? "out of memory"
                      : detail_printf(arena, "%s, near byte %d", problem(code), e.position);
    return NULL;
}

bool json_copy_string(struct arena *arena, const json_t *string, slice *ret) {
    size_t n = json_string_length(string);
    uint8_t *to = arena_alloc(arena, n + 1);
    if (!to) {
        return false;
    }
    memcpy(to, json_string_value(string), n);
    to[n] = 0;
    *ret = slice_of(to, n);
    return true;
}
