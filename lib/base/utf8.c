#include "base/utf8.h"

/* State: bits 0-1 count the continuation bytes still due, bits 8-15 and 16-23 bound the next one.
 */
static utf8_state expect(uint32_t more, uint32_t low, uint32_t high) {
    return more | low << 8 | high << 16;
}

static bool start(uint8_t c, utf8_state *ret) {
    if (c >= 0xc2 && c <= 0xdf) {
        *ret = expect(1, 0x80, 0xbf);
    } else if (c >= 0xe0 && c <= 0xef) {
        *ret = expect(2, c == 0xe0 ? 0xa0 : 0x80, c == 0xed ? 0x9f : 0xbf);
    } else if (c >= 0xf0 && c <= 0xf4) {
        *ret = expect(3, c == 0xf0 ? 0x90 : 0x80, c == 0xf4 ? 0x8f : 0xbf);
    } else {
        return false;
    }
    return true;
}

bool utf8_feed(utf8_state *state, slice s) {
    utf8_state st = *state;
    size_t i = 0;
    while (i < s.n) {
        if (st == 0) {
            uint64_t word;
            while (s.n - i >= sizeof word) {
                memcpy(&word, s.p + i, sizeof word);
                if (word & 0x8080808080808080u) {
                    break;
                }
                i += sizeof word;
            }
            if (i == s.n) {
                break;
            }
            uint8_t c = s.p[i++];
            if (c >= 0x80 && !start(c, &st)) {
                return false;
            }
            continue;
        }
        uint8_t c = s.p[i++];
        if (c < (st >> 8 & 0xff) || c > (st >> 16 & 0xff)) {
            return false;
        }
        st = (st & 3) == 1 ? 0 : expect((st & 3) - 1, 0x80, 0xbf);
    }
    *state = st;
    return true;
}

bool utf8_valid(slice s) {
    utf8_state st = 0;
    return utf8_feed(&st, s) && utf8_done(st);
}
