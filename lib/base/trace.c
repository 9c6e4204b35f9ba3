#include "base/trace.h"

#include <inttypes.h>
#include <stdio.h>

enum { AT_ID = 3, AT_SPAN = 36, AT_FLAGS = 53, HALF = 16, SAMPLED = 1 };

/* Lower case only, as the standard has it. */
static bool read_hex(const uint8_t *p, size_t n, uint64_t *ret) {
    *ret = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = p[i];
        bool digit = c >= '0' && c <= '9';
        if (!digit && (c < 'a' || c > 'f')) {
            return false;
        }
        *ret = *ret << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
    }
    return true;
}

static bool has_shape(slice s) {
    return s.n >= TRACE_PARENT_CHARS && s.p[AT_ID - 1] == '-' && s.p[AT_SPAN - 1] == '-' &&
           s.p[AT_FLAGS - 1] == '-' &&
           (s.n == TRACE_PARENT_CHARS || s.p[TRACE_PARENT_CHARS] == '-');
}

bool trace_parse(slice s, struct trace *ret) {
    struct trace t = {0};
    uint64_t version = 0;
    uint64_t flags = 0;
    bool ok = has_shape(s) && read_hex(s.p, 2, &version) && read_hex(s.p + AT_ID, HALF, &t.high) &&
              read_hex(s.p + AT_ID + HALF, HALF, &t.low) &&
              read_hex(s.p + AT_SPAN, HALF, &t.span) && read_hex(s.p + AT_FLAGS, 2, &flags);
    /* 255 is no version; 0 has nothing behind the flags; ids of zeros are none */
    ok = ok && version != 0xff && (version != 0 || s.n == TRACE_PARENT_CHARS) && trace_is_set(&t) &&
         t.span != 0;
    t.sampled = (flags & SAMPLED) != 0;
    *ret = ok ? t : (struct trace){0};
    return ok;
}

void trace_write_id(const struct trace *t, char to[TRACE_ID_CHARS + 1]) {
    (void)snprintf(to, TRACE_ID_CHARS + 1, "%016" PRIx64 "%016" PRIx64, t->high, t->low);
}

void trace_write_span(uint64_t span, char to[TRACE_SPAN_CHARS + 1]) {
    (void)snprintf(to, TRACE_SPAN_CHARS + 1, "%016" PRIx64, span);
}

void trace_write(const struct trace *t, char to[TRACE_PARENT_CHARS + 1]) {
    (void)snprintf(to, TRACE_PARENT_CHARS + 1,
                   "00-%016" PRIx64 "%016" PRIx64 "-%016" PRIx64 "-%02x", t->high, t->low, t->span,
                   t->sampled ? SAMPLED : 0u);
}

static void put_u64(uint8_t *to, uint64_t v) {
    for (size_t i = 0; i < sizeof v; i++) {
        to[i] = (uint8_t)(v >> (8 * (sizeof v - 1 - i)));
    }
}

static uint64_t get_u64(const uint8_t *from) {
    uint64_t v = 0;
    for (size_t i = 0; i < sizeof v; i++) {
        v = v << 8 | from[i];
    }
    return v;
}

void trace_to_bytes(const struct trace *t, uint8_t to[TRACE_BYTES]) {
    put_u64(to, t->high);
    put_u64(to + 8, t->low);
    put_u64(to + 16, t->span);
    to[24] = t->sampled ? SAMPLED : 0;
}

void trace_from_bytes(const uint8_t from[TRACE_BYTES], struct trace *ret) {
    struct trace t = {.high = get_u64(from),
                      .low = get_u64(from + 8),
                      .span = get_u64(from + 16),
                      .sampled = (from[24] & SAMPLED) != 0};
    *ret = trace_is_set(&t) && t.span ? t : (struct trace){0};
}
