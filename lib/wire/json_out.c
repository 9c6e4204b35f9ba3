#include "wire/json_out.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/utf8.h"

static size_t write_escape(uint8_t *to, uint8_t c) {
    static const char hex[] = "0123456789abcdef";
    static const char plain[] = "\"\\\b\f\n\r\t";
    static const char named[] = "\"\\bfnrt";
    to[0] = '\\';
    const char *at = c ? strchr(plain, c) : NULL;
    if (at) {
        to[1] = (uint8_t)named[at - plain];
        return 2;
    }
    memcpy(to + 1, "u00", 3);
    to[4] = (uint8_t)hex[c >> 4];
    to[5] = (uint8_t)hex[c & 15];
    return 6;
}

size_t json_write_string(uint8_t *to, slice s) {
    bool valid = utf8_valid(s);
    size_t n = 0;
    to[n++] = '"';
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c < 0x20 || c == '"' || c == '\\') {
            n += write_escape(to + n, c);
        } else {
            to[n++] = c >= 0x80 && !valid ? '?' : c;
        }
    }
    to[n++] = '"';
    return n;
}

size_t json_write_double(uint8_t to[JSON_DOUBLE_MAX], double v) {
    if (!isfinite(v)) {
        memcpy(to, "null", 4);
        return 4;
    }
    int n = 0;
    /* 15 digits give the text a person would write; 17 always read back the same. */
    for (int digits = 15; digits <= 17; digits++) {
        n = snprintf((char *)to, JSON_DOUBLE_MAX, "%.*g", digits, v);
        if (strtod((const char *)to, NULL) == v) {
            break;
        }
    }
    return (size_t)n;
}

void json_put_string(struct buf *b, slice s) {
    uint8_t *to = s.n > SIZE_MAX / 8 ? NULL : buf_reserve(b, json_string_max(s.n));
    if (to) {
        buf_commit(b, json_write_string(to, s));
    }
    b->failed = b->failed || !to;
}

void json_put_double(struct buf *b, double v) {
    uint8_t *to = buf_reserve(b, JSON_DOUBLE_MAX);
    if (to) {
        buf_commit(b, json_write_double(to, v));
    }
}

void json_put_base64(struct buf *b, slice s) {
    size_t n = base64_encoded_len(s.n);
    uint8_t *to = buf_reserve(b, n + 2);
    if (to) {
        to[0] = '"';
        base64_encode((char *)to + 1, s);
        to[n + 1] = '"';
        buf_commit(b, n + 2);
    }
}

void json_put_bytes(struct buf *b, slice s) {
    enum { NUMBER_MAX = 4 }; /* "255," */
    uint8_t *start = s.n > SIZE_MAX / 8 ? NULL : buf_reserve(b, s.n * NUMBER_MAX + 2);
    if (!start) {
        b->failed = true;
        return;
    }
    uint8_t *to = start;
    *to++ = '[';
    for (size_t i = 0; i < s.n; i++) {
        uint8_t v = s.p[i];
        if (i) {
            *to++ = ',';
        }
        if (v >= 100) {
            *to++ = (uint8_t)('0' + v / 100);
        }
        if (v >= 10) {
            *to++ = (uint8_t)('0' + v / 10 % 10);
        }
        *to++ = (uint8_t)('0' + v % 10);
    }
    *to++ = ']';
    buf_commit(b, (size_t)(to - start));
}

void json_put_bool(struct buf *b, bool v) {
    buf_put_str(b, v ? "true" : "false");
}
