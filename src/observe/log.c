/* log.c: lines are made in a buffer on the stack and leave by one write of at most PIPE_BUF bytes,
 * which Linux keeps whole on pipes, files and sockets alike. So no lock is needed. Whether standard
 * error takes a line is asked before: when its reader stalls, lines are dropped and counted, and no
 * event loop waits for it. (Making it non-blocking would do the same to whoever shares it.)
 */
#include "observe/log.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "limit/caps.h"
#include "observe/metrics.h"

_Static_assert(CAPS_LOG_LINE_BYTES <= PIPE_BUF, "longer lines could be torn apart");

static const struct {
    const char *name;
    const char *shown; /* in text, of one width */
    const char *color;
} levels[] = {
    [LOG_DEBUG] = {"debug", "DEBUG", "\033[2m"},
    [LOG_INFO] = {"info", "INFO ", "\033[32m"},
    [LOG_WARN] = {"warn", "WARN ", "\033[33m"},
    [LOG_ERROR] = {"error", "ERROR", "\033[31m"},
};

/* Set at start, read by all; relaxed, as a line more or less around a change is no harm. */
static atomic_int level_now = LOG_INFO;
static atomic_bool as_text = false;
static atomic_bool in_color = false;

void log_open(enum log_level level, enum log_format format) {
    bool terminal = isatty(STDERR_FILENO) == 1;
    atomic_store_explicit(&as_text, format == LOG_TEXT || (format == LOG_AUTO && terminal),
                          memory_order_relaxed);
    atomic_store_explicit(&in_color, terminal && !getenv("NO_COLOR"), memory_order_relaxed);
    log_set_level(level);
}

void log_set_level(enum log_level level) {
    atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level) {
    return (int)level >= atomic_load_explicit(&level_now, memory_order_relaxed);
}

/* A line in the making. What does not fit is left out, whole fields at a time. */
struct line {
    size_t n;
    bool full;
    char p[CAPS_LOG_LINE_BYTES];
};

#define LINE_TAIL 32 /* kept free for what ends a line: "truncated":true, brace, newline */

static void put(struct line *l, const char *s, size_t n) {
    if (l->full || n > sizeof l->p - LINE_TAIL - l->n) {
        l->full = true;
        return;
    }
    memcpy(l->p + l->n, s, n);
    l->n += n;
}

static void put_str(struct line *l, const char *s) {
    put(l, s, strlen(s));
}

static void put_char(struct line *l, char c) {
    put(l, &c, 1);
}

__attribute__((format(printf, 2, 3))) static void put_fmt(struct line *l, const char *fmt, ...) {
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

/* The inside of a JSON string. */
static void put_escaped(struct line *l, slice s) {
    bool cut = s.n > CAPS_LOG_FIELD_BYTES;
    for (size_t i = 0; i < (cut ? CAPS_LOG_FIELD_BYTES : s.n);) {
        uint8_t c = s.p[i];
        size_t n = c < 0x80 ? 1 : character(slice_of(s.p + i, s.n - i));
        if (c == '"' || c == '\\') {
            put_char(l, '\\');
            put_char(l, (char)c);
        } else if (c < 0x20 || c == 0x7f) {
            put_fmt(l, "\\u%04x", c);
        } else if (n == 0) {
            put_str(l, "\xef\xbf\xbd"); /* U+FFFD */
            n = 1;
        } else {
            put(l, (const char *)s.p + i, n);
        }
        i += n;
    }
    if (cut) {
        put_str(l, "...");
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
        put_str(l, quoted ? "\"" : "");
        put_escaped(l, f->str);
        put_str(l, quoted ? "\"" : "");
        break;
    }
    case LOG_FIELD_U64:
        put_fmt(l, "%llu", (unsigned long long)f->u64);
        break;
    case LOG_FIELD_I64:
        put_fmt(l, "%lld", (long long)f->i64);
        break;
    case LOG_FIELD_MS:
        put_fmt(l, "%llu.%03llu", (unsigned long long)(f->u64 / 1000000),
                (unsigned long long)(f->u64 / 1000 % 1000));
        break;
    case LOG_FIELD_BOOL:
        put_str(l, f->u64 ? "true" : "false");
        break;
    }
}

/* UTC and the date for machines, local time of day for people. */
static void put_time(struct line *l, bool text) {
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
    put_fmt(l, ".%03u", (unsigned)(ms % 1000));
}

static void begin_json(struct line *l, enum log_level level, const char *event) {
    put_str(l, "{\"ts\":\"");
    put_time(l, false);
    put_fmt(l, "Z\",\"level\":\"%s\",\"event\":\"", levels[level].name);
    put_escaped(l, slice_str(event));
    put_char(l, '"');
}

static void begin_text(struct line *l, enum log_level level, const char *event) {
    bool color = atomic_load_explicit(&in_color, memory_order_relaxed);
    put_time(l, true);
    put_fmt(l, " %s%s%s ", color ? levels[level].color : "", levels[level].shown,
            color ? "\033[0m" : "");
    put_str(l, event);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields) {
    struct line l;
    l.n = 0;
    l.full = false;
    bool text = atomic_load_explicit(&as_text, memory_order_relaxed);
    (text ? begin_text : begin_json)(&l, level, event);
    for (const struct log_field *f = fields; f->key; f++) {
        size_t before = l.n;
        put_str(&l, text ? " " : ",\"");
        put_str(&l, f->key);
        put_str(&l, text ? "=" : "\":");
        put_value(&l, f, text);
        if (l.full) {
            l.n = before;
            break;
        }
    }
    /* The tail was kept free, so it can be written past the limit that put observes. */
    const char *end = text     ? l.full ? " truncated=true\n" : "\n"
                      : l.full ? ",\"truncated\":true}\n"
                               : "}\n";
    size_t n = strlen(end);
    memcpy(l.p + l.n, end, n);
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&ready, 1, 0) != 1 || write(STDERR_FILENO, l.p, l.n + n) < 0) {
        metric_add(METRIC_LOG_DROPPED, 0, 1);
    }
}

/* One event id under the limit. */
struct limited {
    const char *event; /* a literal, NULL: slot is free */
    uint64_t second;
    uint64_t suppressed;
    unsigned lines;
    enum log_level level;
};

static pthread_mutex_t limit_lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf; see docs/threads.md */
static struct limited limited[CAPS_LOG_EVENTS];

/* The slot of an event; the last one is shared by all that come when the table is full. */
static struct limited *find_slot(const char *event) {
    size_t i = 0;
    while (i < CAPS_LOG_EVENTS - 1 && limited[i].event && strcmp(limited[i].event, event) != 0) {
        i++;
    }
    if (!limited[i].event) {
        limited[i].event = event;
    }
    return &limited[i];
}

/* Begins a new second; returns what the past one suppressed. */
static uint64_t turn(struct limited *s, uint64_t second) {
    uint64_t total = s->suppressed;
    s->second = second;
    s->lines = 0;
    s->suppressed = 0;
    return total;
}

static void tell_suppressed(enum log_level level, const char *event, uint64_t total) {
    if (total > 0) {
        log_write(level, event, LOG_FIELDS(log_u64("suppressed", total)));
    }
}

void log_write_limited(enum log_level level, const char *event, const struct log_field *fields) {
    uint64_t second = clock_mono_ms() / 1000;
    uint64_t total = 0;
    (void)pthread_mutex_lock(&limit_lock);
    struct limited *s = find_slot(event);
    if (s->second != second) {
        total = turn(s, second);
    }
    s->level = level;
    bool write_it = s->lines < CAPS_LOG_PER_SECOND;
    s->lines += write_it;
    s->suppressed += !write_it;
    (void)pthread_mutex_unlock(&limit_lock);

    tell_suppressed(level, event, total);
    if (write_it) {
        log_write(level, event, fields);
    }
}

void log_flush_suppressed(void) {
    uint64_t second = clock_mono_ms() / 1000;
    for (size_t i = 0; i < CAPS_LOG_EVENTS; i++) {
        (void)pthread_mutex_lock(&limit_lock);
        struct limited s = limited[i];
        bool over = s.event && s.second != second;
        uint64_t total = over ? turn(&limited[i], second) : 0;
        (void)pthread_mutex_unlock(&limit_lock);
        if (total > 0) {
            tell_suppressed(s.level, s.event, total);
        }
    }
}
