/* text.c: checking UTF-8 and finding UTF-16 positions in it.
 *
 * Yjs counts text in UTF-16 code units while the wire has UTF-8. Most text is ASCII, where both
 * agree; runs of it are taken eight bytes at a time. What counts as UTF-8 is what the decoder of
 * the browsers accepts (WHATWG encoding, "UTF-8 decoder", fatal): no overlong forms, no surrogates,
 * nothing above U+10FFFF.
 */
#include "text.h"

#include <string.h>

static bool ascii8(const uint8_t *p) {
    uint64_t w;
    memcpy(&w, p, 8);
    return (w & UINT64_C(0x8080808080808080)) == 0;
}

static bool tail(uint8_t b) {
    return (b & 0xc0) == 0x80;
}

/* The bytes of the character at p, or 0 when it is not one. */
static unsigned char_bytes(const uint8_t *p, const uint8_t *end) {
    uint8_t a = *p;
    size_t left = (size_t)(end - p);
    if (a < 0x80) {
        return 1;
    }
    if (a < 0xc2) {
        return 0;
    }
    if (a < 0xe0) {
        return left >= 2 && tail(p[1]) ? 2 : 0;
    }
    if (a < 0xf0) {
        if (left < 3 || !tail(p[1]) || !tail(p[2])) {
            return 0;
        }
        bool overlong = a == 0xe0 && p[1] < 0xa0;
        bool surrogate = a == 0xed && p[1] >= 0xa0;
        return overlong || surrogate ? 0 : 3;
    }
    if (a > 0xf4 || left < 4 || !tail(p[1]) || !tail(p[2]) || !tail(p[3])) {
        return 0;
    }
    bool overlong = a == 0xf0 && p[1] < 0x90;
    bool beyond = a == 0xf4 && p[1] >= 0x90;
    return overlong || beyond ? 0 : 4;
}

const uint8_t *yatai_text_check(const uint8_t *p, size_t n, uint32_t *ret_units) {
    const uint8_t *end = p + n;
    uint32_t units = 0;
    while (p < end) {
        while (end - p >= 8 && ascii8(p)) {
            p += 8;
            units += 8;
        }
        while (p < end && *p < 0x80) {
            p++;
            units++;
        }
        if (p == end) {
            break;
        }
        unsigned k = char_bytes(p, end);
        if (k == 0) {
            return p;
        }
        p += k;
        units += k == 4 ? 2 : 1;
    }
    *ret_units = units;
    return NULL;
}

size_t yatai_text_offset(const uint8_t *p, size_t n, uint32_t units, bool *ret_inside) {
    const uint8_t *start = p, *end = p + n;
    *ret_inside = false;
    while (units > 0 && p < end) {
        while (units >= 8 && end - p >= 8 && ascii8(p)) {
            p += 8;
            units -= 8;
        }
        if (units == 0 || p == end) {
            break;
        }
        if (*p < 0x80 || *p == YATAI_TEXT_SUBST) {
            p++;
        } else if (*p < 0xe0) {
            p += 2;
        } else if (*p < 0xf0) {
            p += 3;
        } else {
            if (units == 1) {
                *ret_inside = true;
                break;
            }
            p += 4;
            units--;
        }
        units--;
    }
    return (size_t)(p - start);
}

size_t yatai_text_offset_in(const uint8_t *p, size_t n, uint32_t len, uint32_t units,
                            bool *ret_inside) {
    *ret_inside = false;
    if (n == len) {
        return units; /* a byte each */
    }
    if (units <= len / 2) {
        return yatai_text_offset(p, n, units, ret_inside);
    }
    const uint8_t *at = p + n;
    for (uint32_t left = len - units; left > 0;) {
        do {
            at--;
        } while (tail(*at));
        unsigned k = *at >= 0xf0 && *at != YATAI_TEXT_SUBST ? 2 : 1;
        if (k > left) {
            *ret_inside = true;
            break;
        }
        left -= k;
    }
    return (size_t)(at - p);
}

size_t yatai_text_substs(const uint8_t *p, size_t n) {
    size_t count = 0;
    const uint8_t *end = p + n;
    while ((p = memchr(p, YATAI_TEXT_SUBST, (size_t)(end - p))) != NULL) {
        count++;
        p++;
    }
    return count;
}
