#include "observe/line.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "observe/log.h"

enum { LINE_TAIL = 32 }; /* kept free for what ends a line: "truncated":true, brace, newline */

static void put(struct line *l, const char *s, size_t n) {
    if (l->full || n > sizeof l->p - LINE_TAIL - l->n) {
        l->full = true;
        return;
    }
    memcpy(l->p + l->n, s, n);
    l->n += n;
}

void line_str(struct line *l, const char *s) {
    put(l, s, strlen(s));
}

static void put_char(struct line *l, char c) {
    put(l, &c, 1);
}

void line_fmt(struct line *l, const char *fmt, ...) {
    char text[64];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    put(l, text, n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

/* How many bytes at the front of `s` are one UTF-8 character; 0 when they are none. */
static size_t character(slice s) {
    for (size_t n = 1; n <= 4 && n <= s.n; n++) {
        if (utf8_valid(slice_of(s.p, n))) {
            return n;
        }
    }
    return 0;
}

void line_escaped(struct line *l, slice s) {
    bool cut = s.n > CAPS_LOG_FIELD_BYTES;
    for (size_t i = 0; i < (cut ? CAPS_LOG_FIELD_BYTES : s.n);) {
        uint8_t c = s.p[i];
        size_t n = c < 0x80 ? 1 : character(slice_of(s.p + i, s.n - i));
        if (c == '"' || c == '\\') {
            put_char(l, '\\');
            put_char(l, (char)c);
        } else if (c < 0x20 || c == 0x7f) {
            line_fmt(l, "\\u%04x", c);
        } else if (n == 0) {
            line_str(l, "\xef\xbf\xbd"); /* U+FFFD */
            n = 1;
        } else {
            put(l, (const char *)s.p + i, n);
        }
        i += n;
    }
    if (cut) {
        line_str(l, "...");
    }
}

/* Values that need no quotes in text. */
static bool is_plain(slice s) {
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\' || s.p[i] >= 0x7f) {
            return false;
        }
    }
    return s.n > 0 && s.n <= CAPS_LOG_FIELD_BYTES;
}

static void put_value(struct line *l, const struct log_field *f, bool text) {
    switch (f->type) {
    case LOG_FIELD_STR: {
        bool quoted = !text || !is_plain(f->str);
        line_str(l, quoted ? "\"" : "");
        line_escaped(l, f->str);
        line_str(l, quoted ? "\"" : "");
        break;
    }
    case LOG_FIELD_U64:
        line_fmt(l, "%llu", (unsigned long long)f->u64);
        break;
    case LOG_FIELD_I64:
        line_fmt(l, "%lld", (long long)f->i64);
        break;
    case LOG_FIELD_MS:
        line_fmt(l, "%llu.%03llu", (unsigned long long)(f->u64 / 1000000),
                 (unsigned long long)(f->u64 / 1000 % 1000));
        break;
    case LOG_FIELD_BOOL:
        line_str(l, f->u64 ? "true" : "false");
        break;
    case LOG_FIELD_TRACE: {
        char id[TRACE_ID_CHARS + 1];
        trace_write_id(f->trace, id);
        line_fmt(l, text ? "%s" : "\"%s\"", id);
        break;
    }
    case LOG_FIELD_NONE:
        break;
    }
}

void line_time(struct line *l, bool text) {
    uint64_t ms = clock_wall_ms();
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm = {0};
    char time_text[40];
    size_t n = 0;
    if (text) {
        (void)localtime_r(&seconds, &tm);
        n = strftime(time_text, sizeof time_text, "%H:%M:%S", &tm);
    } else {
        (void)gmtime_r(&seconds, &tm);
        n = strftime(time_text, sizeof time_text, "%Y-%m-%dT%H:%M:%S", &tm);
    }
    put(l, time_text, n);
    line_fmt(l, ".%03u", (unsigned)(ms % 1000));
}

void line_fields(struct line *l, const struct log_field *fields, bool text) {
    for (const struct log_field *f = fields; f->key; f++) {
        if (f->type == LOG_FIELD_NONE) {
            continue;
        }
        size_t before = l->n;
        line_str(l, text ? " " : ",\"");
        line_str(l, f->key);
        line_str(l, text ? "=" : "\":");
        put_value(l, f, text);
        if (l->full) {
            l->n = before;
            break;
        }
    }
}

slice line_end(struct line *l, bool text) {
    /* The tail was kept free, so it can be written past the limit that put observes. */
    const char *end = text      ? l->full ? " truncated=true\n" : "\n"
                      : l->full ? ",\"truncated\":true}\n"
                                : "}\n";
    size_t n = strlen(end);
    memcpy(l->p + l->n, end, n);
    return slice_of(l->p, l->n + n);
}
