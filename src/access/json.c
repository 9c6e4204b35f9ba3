#include "access/json.h"

#include "access/bounds.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "base/must.h"

/* jansson descends by recursion, so the depth is measured before it does. Brackets in strings do
 * not count; what is no JSON at all is left to jansson. */
static bool is_shallow(slice text) {
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > ACCESS_JSON_DEPTH) {
                return false;
            }
        } else if ((c == '}' || c == ']') && depth) {
            depth--;
        }
    }
    return true;
}

json_t *json_strict_object(slice text) {
    if (text.n == 0 || !is_shallow(text)) {
        return NULL;
    }
    json_t *v = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    if (v && !json_is_object(v)) {
        json_decref(v);
        v = NULL;
    }
    return v;
}

const char *json_text(const json_t *object, const char *name) {
    return json_string_value(json_object_get(object, name));
}

char *json_write(const json_t *v) {
    size_t n = json_dumpb(v, NULL, 0, JSON_COMPACT);
    char *text = mem_new(n + 1);
    must(n > 0 && json_dumpb(v, text, n, JSON_COMPACT) == n);
    return text;
}

bool base64url_decode(uint8_t *to, slice s, size_t *ret_n) {
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '+' || s.p[i] == '/' || s.p[i] == '=') {
            return false;
        }
    }
    return base64_decode(to, s, ret_n);
}

size_t base64url_encode(char *to, slice s) {
    base64_encode(to, s);
    size_t n = (s.n * 4 + 2) / 3;
    for (size_t i = 0; i < n; i++) {
        if (to[i] == '+') {
            to[i] = '-';
        } else if (to[i] == '/') {
            to[i] = '_';
        }
    }
    return n;
}
