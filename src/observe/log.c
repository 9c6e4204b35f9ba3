/* log.c: lines are made in a buffer on the stack and leave by one write of at most PIPE_BUF bytes,
 * which Linux keeps whole on pipes, files and sockets alike. So no lock is needed. Whether standard
 * error takes a line is asked before: when its reader stalls, lines are dropped and counted, and no
 * event loop waits for it. (Making it non-blocking would do the same to whoever shares it.)
 */
#define _GNU_SOURCE /* dup3, strerrordesc_np */
#include "observe/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
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
static atomic_int levels_now[LOG_AREAS] = {
#define X(name) [LOG_AREA_##name] = LOG_INFO,
    LOG_AREA_TABLE(X)
#undef X
};
static atomic_bool as_text = false;
static atomic_bool in_color = false;
static atomic_uint sample = 1;
static atomic_int fd_now = STDERR_FILENO; /* of a file: what is behind it is replaced */
static char *file_path;                   /* main thread */

/* ---- where lines go ---- */

static int open_path(const char *path) {
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
}

static enum err complain(const char *path, const char *end, char *why, size_t why_bytes) {
    const char *reason = errno == ENXIO ? "nobody reads this pipe" : strerrordesc_np(errno);
    (void)snprintf(why, why_bytes, "COLLAB_LOG_FILE=%s: %s. %s", path, reason, end);
    return ERR_IO;
}

enum err log_open_file(const char *path, char *why, size_t why_bytes) {
    if (!path) {
        return ERR_OK;
    }
    int fd = open_path(path);
    if (fd < 0) {
        return complain(path, "It must name a file that this process may write.", why, why_bytes);
    }
    file_path = mem_copy_str(path, strlen(path));
    atomic_store_explicit(&fd_now, fd, memory_order_relaxed);
    return ERR_OK;
}

enum err log_reopen(char *why, size_t why_bytes) {
    static const char kept[] = "The file that was open stays in use.";
    if (!file_path) {
        return ERR_OK;
    }
    int fd = open_path(file_path);
    if (fd < 0) {
        return complain(file_path, kept, why, why_bytes);
    }
    /* Puts the new file behind the old number in one step, so writers need not be kept out. */
    enum err e = ERR_OK;
    if (dup3(fd, atomic_load_explicit(&fd_now, memory_order_relaxed), O_CLOEXEC) < 0) {
        e = complain(file_path, kept, why, why_bytes);
    }
    (void)close(fd);
    return e;
}

void log_close_file(void) {
    if (file_path) {
        (void)close(atomic_exchange_explicit(&fd_now, STDERR_FILENO, memory_order_relaxed));
        mem_free(file_path);
        file_path = NULL;
    }
}

/* ---- what is written ---- */

void log_open(enum log_level level, enum log_format format) {
    bool terminal = isatty(atomic_load_explicit(&fd_now, memory_order_relaxed)) == 1;
    atomic_store_explicit(&as_text, format == LOG_TEXT || (format == LOG_AUTO && terminal),
                          memory_order_relaxed);
    atomic_store_explicit(&in_color, terminal && !getenv("NO_COLOR"), memory_order_relaxed);
    log_set_level(level);
}

void log_set_level(enum log_level level) {
    for (size_t i = 0; i < LOG_AREAS; i++) {
        atomic_store_explicit(&levels_now[i], (int)level, memory_order_relaxed);
    }
}

bool log_enabled(enum log_area area, enum log_level level) {
    return (int)level >= atomic_load_explicit(&levels_now[area], memory_order_relaxed);
}

/* One "area=level"; false when it is none. */
static bool read_area(slice s, size_t *ret_area, int *ret_level) {
    static const char *const areas[LOG_AREAS] = {
#define X(name) #name,
        LOG_AREA_TABLE(X)
#undef X
    };
    const uint8_t *equals = s.n ? memchr(s.p, '=', s.n) : NULL;
    if (!equals) {
        return false;
    }
    slice area = slice_of(s.p, (size_t)(equals - s.p));
    slice level = slice_of(equals + 1, s.n - area.n - 1);
    *ret_area = 0;
    *ret_level = 0;
    while (*ret_area < LOG_AREAS && !slice_is(area, areas[*ret_area])) {
        ++*ret_area;
    }
    while (*ret_level <= LOG_ERROR && !slice_is(level, levels[*ret_level].name)) {
        ++*ret_level;
    }
    return *ret_area < LOG_AREAS && *ret_level <= LOG_ERROR;
}

enum err log_set_areas(const char *list, char *why, size_t why_bytes) {
    static const char right[] =
        "Right would be areas and levels, such as room=debug,rpc=warn. Areas:"
#define X(name) " " #name
        LOG_AREA_TABLE(X)
#undef X
            "; levels: debug info warn error.";
    int wanted[LOG_AREAS];
    memset(wanted, -1, sizeof wanted);
    for (const char *p = list; p; p = *p ? p + 1 : NULL) {
        size_t n = strcspn(p, ",");
        size_t area = 0;
        int level = 0;
        if (!read_area(slice_of(p, n), &area, &level)) {
            (void)snprintf(why, why_bytes, "COLLAB_LOG_AREAS=%.100s: %s", list, right);
            return ERR_PARAMS;
        }
        wanted[area] = level;
        p += n;
        if (!*p) {
            break;
        }
    }
    for (size_t i = 0; i < LOG_AREAS; i++) {
        if (wanted[i] >= 0) {
            atomic_store_explicit(&levels_now[i], wanted[i], memory_order_relaxed);
        }
    }
    return ERR_OK;
}

void log_set_sample(unsigned n) {
    atomic_store_explicit(&sample, n ? n : 1, memory_order_relaxed);
}

bool log_is_sampled(void) {
    static _Thread_local unsigned count = 0;
    return count++ % atomic_load_explicit(&sample, memory_order_relaxed) == 0;
}

struct log_field log_sample_field(void) {
    unsigned n = atomic_load_explicit(&sample, memory_order_relaxed);
    return n > 1 ? log_u64("sampled", n)
                 : (struct log_field){.key = "sampled", .type = LOG_FIELD_NONE};
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
    struct pollfd ready = {.fd = atomic_load_explicit(&fd_now, memory_order_relaxed),
                           .events = POLLOUT};
    if (poll(&ready, 1, 0) != 1 || write(ready.fd, whole.p, whole.n) < 0) {
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
