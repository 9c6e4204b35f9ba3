#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { BAD = 0xff };

static uint8_t value_of(uint8_t c) {
    if (c >= 'A' && c <= 'Z') {
        return (uint8_t)(c - 'A');
    }
    if (c >= 'a' && c <= 'z') {
        return (uint8_t)(c - 'a' + 26);
    }
    if (c >= '0' && c <= '9') {
        return (uint8_t)(c - '0' + 52);
    }
    if (c == '+' || c == '-') {
        return 62;
    }
    return c == '/' || c == '_' ? 63 : BAD;
}

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
    uint32_t acc = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t v = value_of(s.p[i]);
        if (v == BAD) {
            return false;
        }
        acc = acc << 6 | v;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *out++ = (uint8_t)(acc >> bits);
        }
    }
    if (acc & ((1u << bits) - 1)) {
        return false;
    }
    *ret_n = (size_t)(out - to);
    return true;
}
