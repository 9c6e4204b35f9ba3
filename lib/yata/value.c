/* value.c: JSON text into lib0's `any` and back.
 *
 * Embeds and formats are JSON text in format V1 and `any` in V2. A document keeps what it received;
 * only an update of the other format makes a conversion necessary, and its bytes are those of a Yjs
 * client, which parses the one and writes the other: shortest decimal numbers that read back the
 * same (ECMA-262 Number::toString), integers up to 31 bits, else 32-bit floats where they are exact
 * (lib0 encoding.js writeAny). Objects keep the order and the repetitions of their keys.
 *
 * Values are checked before they come here, so nesting is at most YATAI_DEPTH_MAX; recursion is
 * bounded by that.
 */
#include "value.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTEGER_MAX 0x7fffffff /* lib0: BITS31 */

/* ---- numbers as text ------------------------------------------------------------------------ */

/* The shortest digits that read back as x > 0, and the power of ten of the first one. Digits are
 * picked from what printf writes, since its decimal point depends on the locale. */
static unsigned shortest(double x, char digits[18], int *ret_power) {
    char text[40];
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, x);
        if (precision == 16 || strtod(text, NULL) == x) {
            break;
        }
    }
    unsigned n = 0;
    const char *p = text;
    for (; *p != 'e'; p++) {
        if (*p >= '0' && *p <= '9') {
            digits[n++] = *p;
        }
    }
    while (n > 1 && digits[n - 1] == '0') {
        n--;
    }
    *ret_power = (int)strtol(p + 1, NULL, 10);
    return n;
}

static void zeros(struct yatai_out *out, int n) {
    for (; n > 0; n--) {
        yatai_out_byte(out, '0');
    }
}

/* ECMA-262 Number::toString. */
void yatai_number_to_json(struct yatai_out *out, double x) {
    char digits[18] = "", text[24] = "";
    int power = 0;
    if (isnan(x) || isinf(x)) {
        yatai_out_bytes(out, "null", 4);
        return;
    }
    if (x < 0) {
        yatai_out_byte(out, '-');
        x = -x;
    }
    if (x < 9007199254740992.0 && x == (double)(uint64_t)x) {
        int n = snprintf(text, sizeof text, "%llu", (unsigned long long)x);
        yatai_out_bytes(out, text, (size_t)n);
        return;
    }
    int n = (int)shortest(x, digits, &power);
    if (power >= 21 || power < -6) {
        yatai_out_byte(out, (uint8_t)digits[0]);
        if (n > 1) {
            yatai_out_byte(out, '.');
            yatai_out_bytes(out, digits + 1, (size_t)n - 1);
        }
        int k = snprintf(text, sizeof text, "e%+d", power);
        yatai_out_bytes(out, text, (size_t)k);
    } else if (power < 0) {
        yatai_out_bytes(out, "0.", 2);
        zeros(out, -power - 1);
        yatai_out_bytes(out, digits, (size_t)n);
    } else {
        int whole = power + 1 < n ? power + 1 : n;
        yatai_out_bytes(out, digits, (size_t)whole);
        zeros(out, power + 1 - n);
        if (whole < n) {
            yatai_out_byte(out, '.');
            yatai_out_bytes(out, digits + whole, (size_t)(n - whole));
        }
    }
}

/* ---- any to JSON ---------------------------------------------------------------------------- */

void yatai_text_to_json(struct yatai_out *out, const uint8_t *p, size_t n) {
    static const char escaped[] = "btn?fr"; /* of \b (8) to \r (13); 11 has none */
    if (n == 0) {
        return; /* and then there may be no text at all */
    }
    const uint8_t *end = p + n, *from = p;
    for (; p < end; p++) {
        if (*p >= 0x20 && *p != '"' && *p != '\\') {
            continue;
        }
        yatai_out_bytes(out, from, (size_t)(p - from));
        from = p + 1;
        yatai_out_byte(out, '\\');
        if (*p >= 0x20) {
            yatai_out_byte(out, *p);
        } else if (*p >= 8 && *p <= 13 && *p != 11) {
            yatai_out_byte(out, (uint8_t)escaped[*p - 8]);
        } else {
            char text[8];
            snprintf(text, sizeof text, "u%04x", *p);
            yatai_out_bytes(out, text, 5);
        }
    }
    yatai_out_bytes(out, from, (size_t)(p - from));
}

static void write_json_string(struct yatai_out *out, const uint8_t *p, size_t n) {
    yatai_out_byte(out, '"');
    yatai_text_to_json(out, p, n);
    yatai_out_byte(out, '"');
}

static const uint8_t *bytes_to_json(struct yatai_out *out, const uint8_t *p) {
    uint64_t n;
    char text[24];
    p = yatai_past_uint(p, &n);
    yatai_out_byte(out, '{');
    for (uint64_t i = 0; i < n; i++) {
        int k = snprintf(text, sizeof text, "%s\"%llu\":%u", i > 0 ? "," : "",
                         (unsigned long long)i, p[i]);
        yatai_out_bytes(out, text, (size_t)k);
    }
    yatai_out_byte(out, '}');
    return p + n;
}

static uint64_t big_endian(const uint8_t *p, unsigned n) {
    uint64_t x = 0;
    for (unsigned i = 0; i < n; i++) {
        x = x << 8 | p[i];
    }
    return x;
}

static double read_float(const uint8_t *p, bool wide) {
    uint64_t bits = big_endian(p, wide ? 8 : 4);
    uint32_t narrow_bits = (uint32_t)bits;
    double x;
    float y;
    if (wide) {
        memcpy(&x, &bits, sizeof x);
        return x;
    }
    memcpy(&y, &narrow_bits, sizeof y);
    return (double)y;
}

const uint8_t *yatai_any_number(const uint8_t *p, double *ret) {
    uint64_t n;
    bool negative;
    if (*p == YATAI_ANY_INTEGER) {
        p = yatai_past_int(p + 1, &n, &negative);
        *ret = negative ? -(double)n : (double)n;
        return p;
    }
    bool wide = *p == YATAI_ANY_FLOAT64;
    *ret = read_float(p + 1, wide);
    return p + 1 + (wide ? 8 : 4);
}

static void word(struct yatai_out *out, const char *text) {
    yatai_out_bytes(out, text, strlen(text));
}

static const uint8_t *object_to_json(struct yatai_out *out, const uint8_t *p, const uint8_t *end) {
    uint64_t count, n;
    bool first = true;
    p = yatai_past_uint(p, &count);
    yatai_out_byte(out, '{');
    for (; count > 0; count--) {
        const uint8_t *key = yatai_past_uint(p, &n);
        p = key + n;
        if (*p == YATAI_ANY_UNDEFINED) {
            p++;
            continue;
        }
        if (!first) {
            yatai_out_byte(out, ',');
        }
        first = false;
        write_json_string(out, key, n);
        yatai_out_byte(out, ':');
        p = yatai_any_to_json(out, p, end);
    }
    yatai_out_byte(out, '}');
    return p;
}

static const uint8_t *array_to_json(struct yatai_out *out, const uint8_t *p, const uint8_t *end) {
    uint64_t count;
    p = yatai_past_uint(p, &count);
    yatai_out_byte(out, '[');
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0) {
            yatai_out_byte(out, ',');
        }
        p = yatai_any_to_json(out, p, end);
    }
    yatai_out_byte(out, ']');
    return p;
}

const uint8_t *yatai_any_to_json(struct yatai_out *out, const uint8_t *p, const uint8_t *end) {
    uint64_t n;
    bool negative;
    char text[24];
    switch (*p++) {
    case YATAI_ANY_TRUE:
        word(out, "true");
        return p;
    case YATAI_ANY_FALSE:
        word(out, "false");
        return p;
    case YATAI_ANY_INTEGER:
        p = yatai_past_int(p, &n, &negative);
        yatai_number_to_json(out, negative ? -(double)n : (double)n);
        return p;
    case YATAI_ANY_FLOAT32:
        yatai_number_to_json(out, read_float(p, false));
        return p + 4;
    case YATAI_ANY_FLOAT64:
        yatai_number_to_json(out, read_float(p, true));
        return p + 8;
    case YATAI_ANY_BIGINT:
        snprintf(text, sizeof text, "%lld", (long long)big_endian(p, 8));
        word(out, text);
        return p + 8;
    case YATAI_ANY_STRING:
        p = yatai_past_uint(p, &n);
        write_json_string(out, p, n);
        return p + n;
    case YATAI_ANY_BYTES:
        return bytes_to_json(out, p);
    case YATAI_ANY_OBJECT:
        return object_to_json(out, p, end);
    case YATAI_ANY_ARRAY:
        return array_to_json(out, p, end);
    default: /* null, and undefined, for which JSON has no word */
        word(out, "null");
        return p;
    }
}

/* ---- JSON to any ---------------------------------------------------------------------------- */

static const uint8_t *past_blanks(const uint8_t *p, const uint8_t *end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) {
        p++;
    }
    return p;
}

static void write_big_endian(struct yatai_out *out, uint64_t bits, unsigned n) {
    for (unsigned i = n; i-- > 0;) {
        yatai_out_byte(out, (uint8_t)(bits >> (8 * i)));
    }
}

void yatai_number_to_any(struct yatai_out *out, double x) {
    bool negative = signbit(x) != 0;
    double magnitude = negative ? -x : x;
    if (magnitude <= INTEGER_MAX && magnitude == (double)(uint32_t)magnitude) {
        yatai_out_byte(out, YATAI_ANY_INTEGER);
        yatai_out_int(out, (uint32_t)magnitude, negative);
    } else if (isinf(x) || (magnitude <= FLT_MAX && (double)(float)x == x)) {
        float y = (float)x;
        uint32_t bits;
        memcpy(&bits, &y, sizeof bits);
        yatai_out_byte(out, YATAI_ANY_FLOAT32);
        write_big_endian(out, bits, 4);
    } else {
        uint64_t bits;
        memcpy(&bits, &x, sizeof bits);
        yatai_out_byte(out, YATAI_ANY_FLOAT64);
        write_big_endian(out, bits, 8);
    }
}

/* strtod with the decimal point that it expects here. */
static double parse_number(struct yatai_out *out, const uint8_t *p, size_t n) {
    char point[8], small[64], *text = small;
    snprintf(point, sizeof point, "%.1f", 0.5);
    size_t cap = n + sizeof point + 1, at = 0;
    if (cap > sizeof small) {
        text = yatai_mem_resize(out->mem, NULL, 0, cap);
        if (!text) {
            out->failed = true;
            return 0;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i] != '.') {
            text[at++] = (char)p[i];
            continue;
        }
        for (const char *c = point + 1; *c != '5'; c++) {
            text[at++] = *c;
        }
    }
    text[at] = 0;
    double x = strtod(text, NULL);
    if (text != small) {
        yatai_mem_resize(out->mem, text, cap, 0);
    }
    return x;
}

static const uint8_t *json_number(struct yatai_out *out, const uint8_t *p, const uint8_t *end) {
    const uint8_t *start = p;
    while (p < end && ((*p >= '0' && *p <= '9') || *p == '-' || *p == '+' || *p == '.' ||
                       *p == 'e' || *p == 'E')) {
        p++;
    }
    yatai_number_to_any(out, parse_number(out, start, (size_t)(p - start)));
    return p;
}

static unsigned hex4(const uint8_t *p) {
    unsigned x = 0;
    for (unsigned i = 0; i < 4; i++) {
        unsigned c = p[i];
        x = x * 16 + (c <= '9' ? c - '0' : (c | 0x20u) - 'a' + 10);
    }
    return x;
}

static unsigned put_utf8(uint8_t *to, uint32_t c) {
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (uint8_t)(0xc0 | c >> 6);
        to[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (uint8_t)(0xe0 | c >> 12);
        to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        to[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (uint8_t)(0xf0 | c >> 18);
    to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    to[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

/* The character after a backslash; half a surrogate pair becomes U+FFFD. */
static const uint8_t *unescape(const uint8_t *p, uint32_t *ret) {
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    uint32_t c = *p++;
    if (c != 'u') {
        const char *at = strchr(from, (int)c);
        *ret = at ? (uint32_t)to[at - from] : c;
        return p;
    }
    c = hex4(p);
    p += 4;
    if (c >= 0xd800 && c < 0xdc00 && p[0] == '\\' && p[1] == 'u') {
        uint32_t low = hex4(p + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            *ret = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
            return p + 6;
        }
    }
    *ret = c >= 0xd800 && c < 0xe000 ? 0xfffd : c;
    return p;
}

/* A string from its opening quote on, as a varString. */
static const uint8_t *json_string(struct yatai_out *out, const uint8_t *p) {
    const uint8_t *q = ++p;
    size_t bytes = 0;
    uint8_t utf8[4];
    uint32_t c;
    while (*q != '"') {
        if (*q == '\\') {
            q = unescape(q + 1, &c);
            bytes += put_utf8(utf8, c);
        } else {
            q++;
            bytes++;
        }
    }
    yatai_out_uint(out, bytes);
    while (*p != '"') {
        const uint8_t *from = p;
        while (*p != '"' && *p != '\\') {
            p++;
        }
        yatai_out_bytes(out, from, (size_t)(p - from));
        if (*p == '\\') {
            p = unescape(p + 1, &c);
            yatai_out_bytes(out, utf8, put_utf8(utf8, c));
        }
    }
    return p + 1;
}

static const uint8_t *json_value(struct yatai_out *out, const uint8_t *p, const uint8_t *end);

/* Puts a count before what was written from `at` on, where one byte was left for it. */
static void set_count(struct yatai_out *out, size_t at, uint64_t count) {
    uint8_t number[YATAI_UINT_MAX_BYTES];
    size_t n = (size_t)(yatai_put_uint(number, count) - number);
    if (!yatai_out_room(out, n)) {
        return;
    }
    if (n > 1) {
        memmove(out->p + at + n, out->p + at + 1, out->n - at - 1);
        out->n += n - 1;
    }
    memcpy(out->p + at, number, n);
}

static const uint8_t *json_elements(struct yatai_out *out, const uint8_t *p, const uint8_t *end) {
    bool keys = *p++ == '{';
    uint64_t count = 0;
    yatai_out_byte(out, keys ? YATAI_ANY_OBJECT : YATAI_ANY_ARRAY);
    size_t at = out->n;
    yatai_out_byte(out, 0);
    for (;;) {
        p = past_blanks(p, end);
        if (*p == '}' || *p == ']') {
            break;
        }
        if (*p == ',') {
            p = past_blanks(p + 1, end);
        }
        if (keys) {
            p = past_blanks(json_string(out, p), end) + 1;
        }
        p = json_value(out, p, end);
        count++;
    }
    set_count(out, at, count);
    return p + 1;
}

static const uint8_t *json_value(struct yatai_out *out, const uint8_t *p, const uint8_t *end) {
    p = past_blanks(p, end);
    switch (*p) {
    case '{':
    case '[':
        return json_elements(out, p, end);
    case '"':
        yatai_out_byte(out, YATAI_ANY_STRING);
        return json_string(out, p);
    case 't':
        yatai_out_byte(out, YATAI_ANY_TRUE);
        return p + 4;
    case 'f':
        yatai_out_byte(out, YATAI_ANY_FALSE);
        return p + 5;
    case 'n':
        yatai_out_byte(out, YATAI_ANY_NULL);
        return p + 4;
    default:
        return json_number(out, p, end);
    }
}

void yatai_json_to_any(struct yatai_out *out, const uint8_t *p, size_t n) {
    (void)json_value(out, p, p + n);
}
