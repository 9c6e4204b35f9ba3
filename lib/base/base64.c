#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { BAD = 0xff };

#define B4(c)  (c), (c) + 1, (c) + 2, (c) + 3
#define B16(c) B4(c), B4((c) + 4), B4((c) + 8), B4((c) + 12)
#define BAD4   BAD, BAD, BAD, BAD
#define BAD16  BAD4, BAD4, BAD4, BAD4

/* The value of each character; both alphabets. */
static const uint8_t value_of[256] = {
    BAD16,  BAD16,                                                        /* 00 */
    BAD4,   BAD4,   BAD,   BAD,   BAD,    62,     BAD,    62,    BAD, 63, /* 20: + - / */
    B4(52), B4(56), 60,    61,    BAD,    BAD,    BAD4,                   /* 30: 0-9 */
    BAD,    0,      1,     2,     B4(3),  B4(7),  B4(11),                 /* 40: A-O */
    B4(15), B4(19), 23,    24,    25,     BAD,    BAD,    BAD,   BAD, 63, /* 50: P-Z _ */
    BAD,    26,     27,    28,    B4(29), B4(33), B4(37),                 /* 60: a-o */
    B4(41), B4(45), 49,    50,    51,     BAD,    BAD4,                   /* 70: p-z */
    BAD16,  BAD16,  BAD16, BAD16, BAD16,  BAD16,  BAD16,  BAD16,          /* 80 */
};

void base64_encode(char *to, slice s) {
    size_t i = 0;
    for (; i + 3 <= s.n; i += 3) {
        uint32_t v = (uint32_t)s.p[i] << 16 | (uint32_t)s.p[i + 1] << 8 | s.p[i + 2];
        *to++ = alphabet[v >> 18];
        *to++ = alphabet[v >> 12 & 63];
        *to++ = alphabet[v >> 6 & 63];
        *to++ = alphabet[v & 63];
    }
    if (i < s.n) {
        bool two = s.n - i == 2;
        uint32_t v = (uint32_t)s.p[i] << 16 | (two ? (uint32_t)s.p[i + 1] << 8 : 0);
        *to++ = alphabet[v >> 18];
        *to++ = alphabet[v >> 12 & 63];
        *to++ = two ? alphabet[v >> 6 & 63] : '=';
        *to++ = '=';
    }
}

bool base64_decode(uint8_t *to, slice s, size_t *ret_n) {
    size_t n = s.n;
    if (n % 4 == 0 && n && s.p[n - 1] == '=') {
        n -= s.p[n - 2] == '=' ? 2 : 1;
    }
    if (n % 4 == 1) {
        return false;
    }
    uint8_t *out = to;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        uint8_t a = value_of[s.p[i]];
        uint8_t b = value_of[s.p[i + 1]];
        uint8_t c = value_of[s.p[i + 2]];
        uint8_t d = value_of[s.p[i + 3]];
        if ((a | b | c | d) == BAD) { /* values have six bits, BAD has eight */
            return false;
        }
        *out++ = (uint8_t)(a << 2 | b >> 4);
        *out++ = (uint8_t)(b << 4 | c >> 2);
        *out++ = (uint8_t)(c << 6 | d);
    }
    if (i < n) { /* two or three characters are left; their last bits must be zero */
        uint8_t a = value_of[s.p[i]];
        uint8_t b = value_of[s.p[i + 1]];
        uint8_t c = i + 2 < n ? value_of[s.p[i + 2]] : 0;
        if ((a | b | c) == BAD || (i + 2 < n ? c & 3 : b & 15)) {
            return false;
        }
        *out++ = (uint8_t)(a << 2 | b >> 4);
        if (i + 2 < n) {
            *out++ = (uint8_t)(b << 4 | c >> 2);
        }
    }
    *ret_n = (size_t)(out - to);
    return true;
}
