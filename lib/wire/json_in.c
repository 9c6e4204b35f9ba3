#include "wire/json_in.h"

#include <stdarg.h>
#include <assert.h>
#include <stdio.h>

#include "base/must.h"

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

/* What the walk over a message knows. */
struct walk {
    slice text;
    size_t depth;
    size_t values;
    size_t request_depth; /* of a request's members: 1, or 2 in a batch */
    slice last;           /* the string before, if nothing but a colon has come since */
    bool has_nul;         /* as an escape; JSON has no other way */
};

/* The index of the quote that ends the string whose opening quote stands before `i`, or text.n. */
static size_t string_end(struct walk *w, size_t i, bool *ret_plain) {
    const uint8_t *p = w->text.p;
    *ret_plain = true;
    while (i < w->text.n && p[i] != '"') {
        if (p[i] == '\\') {
            w->has_nul |= w->text.n - i >= 6 && memcmp(p + i, "\\u0000", 6) == 0;
            *ret_plain = false;
            i++;
        } else if (p[i] < 0x20 || p[i] >= 0x7f) {
            *ret_plain = false;
        }
        i++;
    }
    return i < w->text.n ? i : w->text.n;
}

static bool is_named(const struct json_cuts *cuts, slice name) {
    for (size_t i = 0; cuts->names[i]; i++) {
        if (slice_is(name, cuts->names[i])) {
            return true;
        }
    }
    return false;
}

static size_t walk_string(struct walk *w, size_t i, struct json_cuts *cuts) {
    bool plain = false;
    size_t end = string_end(w, i, &plain);
    slice s = slice_of(w->text.p + i, end - i);
    if (cuts && plain && end < w->text.n && s.n >= JSON_CUT_BYTES &&
        w->depth == w->request_depth + 1 && cuts->count < JSON_CUTS_MAX &&
        is_named(cuts, w->last)) {
        cuts->found[cuts->count++] = s;
    }
    w->last = s;
    return end < w->text.n ? end + 1 : end;
}

static void walk_mark(struct walk *w, uint8_t c) {
    if (c == '[' || c == '{') {
        if (w->depth == 0) {
            w->request_depth = c == '[' ? 2 : 1;
        }
        w->depth++;
        w->values++;
    } else if ((c == ']' || c == '}') && w->depth) {
        w->depth--;
    } else if (c == ',') {
        w->values++;
    } else if (c == ':') {
        return;
    }
    w->last = (slice){0};
}

static bool is_space(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Counts, does not judge syntax: that is the library's part. */
static bool walk_text(struct arena *arena, slice text, struct json_cuts *cuts,
                      const char **ret_detail) {
    struct walk w = {.text = text, .values = 1};
    for (size_t i = 0; i < text.n;) {
        uint8_t c = text.p[i++];
        if (c == '"') {
            i = walk_string(&w, i, cuts);
        } else if (!is_space(c)) {
            walk_mark(&w, c);
        }
        if (w.depth > JSON_DEPTH_MAX) {
            *ret_detail = detail_printf(arena, "nested deeper than %d levels", JSON_DEPTH_MAX);
            return false;
        }
        if (w.values > JSON_VALUES_MAX) {
            *ret_detail =
                detail_printf(arena, "more than %d values in one message", JSON_VALUES_MAX);
            return false;
        }
    }
    if (cuts && w.has_nul) {
        cuts->count = 0;
    }
    return true;
}

/* The text with stand-ins for what was cut; the text itself when memory is out. */
static slice without_cuts(struct arena *arena, slice text, struct json_cuts *cuts) {
    enum { STAND_IN_MAX = 10 }; /* \u0000127 */
    uint8_t *to = cuts->count ? arena_alloc(arena, text.n) : NULL;
    if (!to) {
        cuts->count = 0;
        return text;
    }
    static_assert((int)STAND_IN_MAX < (int)JSON_CUT_BYTES, "a stand-in must be the shorter one");
    size_t n = 0;
    const uint8_t *from = text.p;
    for (size_t i = 0; i < cuts->count; i++) {
        size_t before = (size_t)(cuts->found[i].p - from);
        memcpy(to + n, from, before);
        n += before;
        n += (size_t)snprintf((char *)to + n, STAND_IN_MAX, "\\u0000%zu", i);
        from = cuts->found[i].p + cuts->found[i].n;
    }
    size_t rest = (size_t)(text.p + text.n - from);
    memcpy(to + n, from, rest);
    return slice_of(to, n + rest);
}

slice json_cut_out(const struct json_cuts *cuts, const json_t *string) {
    slice s = slice_of(json_string_value(string), json_string_length(string));
    if (cuts->count == 0 || s.n < 2 || s.p[0] != 0) {
        return s;
    }
    size_t i = 0;
    for (size_t k = 1; k < s.n; k++) {
        i = i * 10 + (size_t)(s.p[k] - '0');
    }
    must(i < cuts->count);
    return cuts->found[i];
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

/* The byte of the whole text that is byte `at` of the text without cuts. */
static size_t uncut_position(slice text, const struct json_cuts *cuts, size_t at) {
    size_t removed = 0;
    for (size_t i = 0; cuts && i < cuts->count; i++) {
        size_t stand_in = (size_t)snprintf(NULL, 0, "\\u0000%zu", i);
        if (at + removed < (size_t)(cuts->found[i].p - text.p) + stand_in) {
            break;
        }
        removed += cuts->found[i].n - stand_in;
    }
    return at + removed;
}

json_t *json_read(struct arena *arena, slice text, struct json_cuts *cuts, enum err *ret_err,
                  const char **ret_detail) {
    if (!walk_text(arena, text, cuts, ret_detail)) {
        *ret_err = ERR_REQUEST;
        return NULL;
    }
    slice rest = cuts ? without_cuts(arena, text, cuts) : text;
    json_error_t e = {0}; /* the library leaves it alone when memory is out in some places */
    json_t *value = json_loadb((const char *)rest.p, rest.n,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (value) {
        return value;
    }
    enum json_error_code code = json_error_code(&e);
    if (code == json_error_unknown || code == json_error_out_of_memory) {
        *ret_err = ERR_NOMEM;
        *ret_detail = "out of memory";
    } else {
        *ret_err = ERR_PARSE;
        *ret_detail = detail_printf(arena, "%s, near byte %zu", problem(code),
                                    uncut_position(text, cuts, (size_t)e.position));
    }
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
