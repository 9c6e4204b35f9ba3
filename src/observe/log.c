/* log.c: lines are made in a buffer on the stack and leave by one write of at most PIPE_BUF bytes,
 * which Linux keeps whole on pipes, files and sockets alike. So no lock is needed. Whether standard
 * error takes a line is asked before: when its reader stalls, lines are dropped and counted, and no
 * event loop waits for it. (Making it non-blocking would do the same to whoever shares it.)
 */
#include "observe/log.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "limit/caps.h"
#include "observe/line.h"
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

static void begin_json(struct line *l, enum log_level level, const char *event) {
    line_str(l, "{\"ts\":\"");
    line_time(l, false);
    line_fmt(l, "Z\",\"level\":\"%s\",\"event\":\"", levels[level].name);
    line_escaped(l, slice_str(event));
    line_str(l, "\"");
}

static void begin_text(struct line *l, enum log_level level, const char *event) {
    bool color = atomic_load_explicit(&in_color, memory_order_relaxed);
    line_time(l, true);
    line_fmt(l, " %s%s%s ", color ? levels[level].color : "", levels[level].shown,
             color ? "\033[0m" : "");
    line_str(l, event);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields) {
    struct line l;
    l.n = 0;
    l.full = false;
    bool text = atomic_load_explicit(&as_text, memory_order_relaxed);
    (text ? begin_text : begin_json)(&l, level, event);
    line_fields(&l, fields, text);
    slice whole = line_end(&l, text);
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&ready, 1, 0) != 1 || write(STDERR_FILENO, whole.p, whole.n) < 0) {
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
