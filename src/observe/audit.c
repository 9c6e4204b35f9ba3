#define _GNU_SOURCE /* dup3, strerrordesc_np */
#include "observe/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "observe/line.h"
#include "observe/log.h"
#include "observe/metrics.h"

struct audit {
    /* fixed after audit_open */
    int fd; /* the number; what is behind it is replaced by audit_reopen */
    char *path;
    /* any thread, atomic, relaxed: counts and hints, no memory hangs on them */
    atomic_bool losing;
    atomic_ullong lost; /* since it began */
    atomic_bool torn;   /* the last line did not get its end */
};

static const char *const names[AUDIT_EVENTS] = {
#define X(sym, name) name,
    AUDIT_TABLE(X)
#undef X
};

/* Non-blocking, which for a file means nothing and for a pipe that a line is lost, not waited for.
 */
static int open_file(const char *path) {
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
}

static enum err complain(const char *path, const char *end, char *why, size_t why_bytes) {
    const char *reason = errno == ENXIO ? "nobody reads this pipe" : strerrordesc_np(errno);
    (void)snprintf(why, why_bytes, "COLLAB_AUDIT_FILE=%s: %s. %s", path, reason, end);
    return ERR_IO;
}

enum err audit_open(const char *path, struct audit **ret, char *why, size_t why_bytes) {
    if (!path || !*path) {
        *ret = NULL;
        return ERR_OK;
    }
    int fd = open_file(path);
    if (fd < 0) {
        return complain(path, "It must name a file that this process may write.", why, why_bytes);
    }
    struct audit *a = NEW(struct audit);
    a->fd = fd;
    a->path = mem_copy_str(path, strlen(path));
    *ret = a;
    return ERR_OK;
}

enum err audit_reopen(struct audit *a, char *why, size_t why_bytes) {
    if (!a) {
        return ERR_OK;
    }
    static const char kept[] = "The file that was open stays in use.";
    int fd = open_file(a->path);
    if (fd < 0) {
        return complain(a->path, kept, why, why_bytes);
    }
    /* Puts the new file behind the old number in one step, so writers need not be kept out. */
    enum err e = ERR_OK;
    if (dup3(fd, a->fd, O_CLOEXEC) < 0) {
        e = complain(a->path, kept, why, why_bytes);
    }
    (void)close(fd);
    return e;
}

void audit_close(struct audit *a) {
    if (a) {
        (void)close(a->fd);
        mem_free(a->path);
        mem_free(a);
    }
}

static void count_lost(struct audit *a, const char *reason) {
    metric_add(METRIC_AUDIT_LOST, 0, 1);
    atomic_fetch_add_explicit(&a->lost, 1, memory_order_relaxed);
    if (!atomic_exchange_explicit(&a->losing, true, memory_order_relaxed)) {
        log_error("AUDIT-LOST", log_text("file", a->path), log_text("reason", reason));
    }
}

static void tell_recovered(struct audit *a) {
    if (atomic_load_explicit(&a->losing, memory_order_relaxed) &&
        atomic_exchange_explicit(&a->losing, false, memory_order_relaxed)) {
        log_warn("AUDIT-RESUMED", log_text("file", a->path),
                 log_u64("lost", atomic_exchange_explicit(&a->lost, 0, memory_order_relaxed)));
    }
}

static void send_line(struct audit *a, slice line) {
    ssize_t n = write(a->fd, line.p, line.n);
    if (n == (ssize_t)line.n) {
        tell_recovered(a);
    } else if (n < 0) {
        count_lost(a, strerrordesc_np(errno));
    } else {
        atomic_store_explicit(&a->torn, true, memory_order_relaxed);
        count_lost(a, "only a part was written");
    }
}

/* Only what is known. */
static void add(struct log_field **next, const char *key, slice value) {
    if (value.n) {
        *(*next)++ = log_str(key, value);
    }
}

void audit_write(struct audit *a, enum audit_event event, const struct audit_entry *e) {
    if (!a) {
        return;
    }
    struct log_field fields[LOG_FIELDS_MAX + 1] = {0};
    struct log_field *next = fields;
    add(&next, "userId", slice_str(e->user));
    add(&next, "sessionId", slice_str(e->session));
    add(&next, "peer", slice_str(e->peer));
    add(&next, "roomId", e->room);
    add(&next, "role", slice_str(e->role));
    add(&next, "by", slice_str(e->by));
    if (e->connection) {
        *next++ = log_u64("connectionId", e->connection);
    }
    add(&next, "reason", slice_str(e->reason));

    struct line l;
    l.n = 0;
    l.full = false;
    if (atomic_exchange_explicit(&a->torn, false, memory_order_relaxed)) {
        line_str(&l, "\n"); /* ends what stayed unfinished, so that this line can be read */
    }
    line_str(&l, "{\"ts\":\"");
    line_time(&l, false);
    line_fmt(&l, "Z\",\"event\":\"%s\"", names[event]);
    line_fields(&l, fields, false);
    send_line(a, line_end(&l, false));
}
