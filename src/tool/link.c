#include "tool/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "control/control.h"
#include "control/message.h"
#include "limit/caps.h"
#include "tool/local.h"
#include "tool/progress.h"

enum { READ_BYTES = 64 * 1024 };

struct link {
    int fd;
    struct local *local; /* NULL: a server has the store */
    struct buf come;
    size_t used; /* of what has come, by the last answer */
    char why[300];
};

/* ---- answers ---- */

static enum err lost(struct link *l) {
    (void)snprintf(l->why, sizeof l->why, "the connection to the server is lost: it has ended?");
    return ERR_IO;
}

/* The next frame. */
static enum err receive(struct link *l, slice *ret_body) {
    size_t bytes = 0;
    bool wrong = false;
    buf_consume(&l->come, l->used);
    l->used = 0;
    while (!control_frame(buf_slice(&l->come), ret_body, &bytes, &wrong)) {
        uint8_t *to = wrong ? NULL : buf_reserve(&l->come, READ_BYTES);
        ssize_t n = to ? recv(l->fd, to, READ_BYTES, 0) : 0;
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return lost(l);
        }
        buf_commit(&l->come, (size_t)n);
    }
    l->used = bytes;
    return ERR_OK;
}

static enum err refused(struct link *l, slice fields) {
    uint64_t e = 0;
    slice text = slice_str("");
    bool good = control_take_number(&fields, &e) && control_take_bytes(&fields, &text);
    (void)snprintf(l->why, sizeof l->why, "%.*s", SLICE_FMT(text));
    return good && e > ERR_OK && e < ERR_COUNT ? (enum err)e : ERR_INTERNAL;
}

static void show_progress(slice fields) {
    uint64_t done = 0;
    uint64_t all = 0;
    if (control_take_number(&fields, &done) && control_take_number(&fields, &all) && all) {
        progress("%llu of %llu pages copied", (unsigned long long)done, (unsigned long long)all);
    }
}

/* Sends a request and reads its answer; the fields are borrowed until the next one. */
static enum err ask(struct link *l, const struct control_request *r, slice *ret_fields) {
    struct buf b;
    buf_init(&b, CAPS_CONTROL_BYTES);
    control_put(&b, r);
    size_t at = 0;
    for (ssize_t n; at < b.n && !b.failed; at += (size_t)n) {
        n = send(l->fd, b.p + at, b.n - at, MSG_NOSIGNAL);
        if (n <= 0) {
            break;
        }
    }
    bool sent = at == b.n && !b.failed;
    buf_fini(&b);
    enum err e = sent ? ERR_OK : lost(l);
    while (e == ERR_OK) {
        slice body;
        e = receive(l, &body);
        if (e != ERR_OK) {
            break;
        }
        *ret_fields = slice_of(body.p + 1, body.n - 1);
        if (body.p[0] == CONTROL_DONE) {
            return ERR_OK;
        }
        if (body.p[0] != CONTROL_PROGRESS) {
            return refused(l, *ret_fields);
        }
        show_progress(*ret_fields);
    }
    return e;
}

static enum err nonsense(struct link *l) {
    (void)snprintf(l->why, sizeof l->why, "the server's answer is not to be understood");
    return ERR_PROTOCOL;
}

/* ---- beginning and end ---- */

static bool same_version(struct link *l) {
    const struct control_request hello = {.kind = CONTROL_HELLO, .number = CONTROL_VERSION};
    slice f;
    slice program = slice_str("?");
    uint64_t version = 0;
    if (ask(l, &hello, &f) != ERR_OK) {
        return false;
    }
    bool same = control_take_number(&f, &version) && control_take_bytes(&f, &program) &&
                version == CONTROL_VERSION;
    if (!same) {
        (void)snprintf(l->why, sizeof l->why,
                       "the running server is collabd %.*s; use the tools of that version",
                       SLICE_FMT(program));
    }
    return same;
}

/* There is something to open. */
static bool has_store(const char *data, char *why, size_t why_bytes) {
    char *path = mem_new(strlen(data) + sizeof "/journal.db");
    struct stat st;
    (void)memcpy(path, data, strlen(data));
    (void)memcpy(path + strlen(data), "/journal.db", sizeof "/journal.db");
    bool there = stat(path, &st) == 0;
    if (!there) {
        (void)snprintf(why, why_bytes, "there is no store in %.200s (--data): %s", data,
                       strerror(errno));
    }
    mem_free(path);
    return there;
}

struct link *link_open(const char *data, bool make, char *why, size_t why_bytes) {
    struct link *l = NEW(struct link);
    buf_init(&l->come, CAPS_CONTROL_BYTES + READ_BYTES);
    l->fd = control_connect(data);
    if (l->fd < 0 && errno == EACCES) {
        (void)snprintf(why, why_bytes, "%.200s (--data): %s", data, strerror(errno));
    } else if (l->fd < 0 && (make || has_store(data, why, why_bytes))) {
        l->local = local_open(data, why, why_bytes);
        l->fd = l->local ? control_connect(data) : -1;
    }
    if (l->fd >= 0 && !same_version(l)) {
        (void)snprintf(why, why_bytes, "%s", l->why);
        (void)close(l->fd);
        l->fd = -1;
    }
    if (l->fd < 0) {
        (void)link_close(l);
        return NULL;
    }
    return l;
}

bool link_close(struct link *l) {
    if (!l) {
        return true;
    }
    if (l->fd >= 0) {
        (void)close(l->fd);
    }
    bool kept = !l->local || local_close(l->local);
    buf_fini(&l->come);
    mem_free(l);
    return kept;
}

bool link_is_running(const struct link *l) {
    return !l->local;
}

const char *link_why(const struct link *l) {
    return l->why;
}

/* ---- questions ---- */

static bool take_listed(slice *f, struct store_listed *ret) {
    slice room;
    *ret = (struct store_listed){0};
    if (!control_take_bytes(f, &room) || !control_take_number(f, &ret->version) ||
        !control_take_number(f, &ret->at_ms) || !control_take_number(f, &ret->rows) ||
        !control_take_number(f, &ret->bytes)) {
        return false;
    }
    ret->room = frame_copy(room);
    return true;
}

enum err link_list(struct link *l, struct store_chore *chore) {
    const struct control_request r = {
        .kind = CONTROL_LIST, .number = chore->on_shelf, .after = chore->after};
    slice f;
    uint64_t more = 0;
    uint64_t count = 0;
    enum err e = ask(l, &r, &f);
    if (e != ERR_OK) {
        return e;
    }
    if (!control_take_number(&f, &more) || !control_take_number(&f, &chore->after) ||
        !control_take_number(&f, &count) || count > f.n) {
        return nonsense(l);
    }
    chore->more = more != 0;
    chore->rooms = mem_new((count + 1) * sizeof *chore->rooms);
    for (chore->count = 0; chore->count < count; chore->count++) {
        if (!take_listed(&f, &chore->rooms[chore->count])) {
            return nonsense(l);
        }
    }
    return ERR_OK;
}

enum err link_read(struct link *l, slice room, struct stored_room *ret) {
    const struct control_request r = {.kind = CONTROL_READ, .name = room};
    slice f;
    uint64_t exists = 0;
    enum err e = ask(l, &r, &f);
    if (e != ERR_OK) {
        return e;
    }
    bool good = control_take_number(&f, &exists) && control_take_number(&f, &ret->version) &&
                control_take_bytes(&f, &ret->snapshot) && control_take_number(&f, &ret->rows_count);
    ret->exists = exists != 0;
    ret->rows = f;
    return good ? ERR_OK : nonsense(l);
}

enum err link_versions(struct link *l, slice room, uint64_t *ret_count) {
    const struct control_request r = {.kind = CONTROL_VERSIONS, .name = room};
    slice f;
    enum err e = ask(l, &r, &f);
    if (e != ERR_OK) {
        return e;
    }
    return control_take_number(&f, ret_count) ? ERR_OK : nonsense(l);
}

enum err link_fold(struct link *l, slice room) {
    const struct control_request r = {.kind = CONTROL_FOLD, .name = room};
    slice f;
    return ask(l, &r, &f);
}

enum err link_bring(struct link *l, slice room, slice update, bool *ret_news) {
    const struct control_request r = {.kind = CONTROL_BRING, .name = room, .update = update};
    slice f;
    uint64_t news = 0;
    enum err e = ask(l, &r, &f);
    if (e == ERR_OK && !control_take_number(&f, &news)) {
        e = nonsense(l);
    }
    *ret_news = news != 0;
    return e;
}

enum err link_backup(struct link *l, const char *to) {
    const struct control_request r = {.kind = CONTROL_BACKUP, .name = slice_str(to)};
    slice f;
    enum err e = ask(l, &r, &f);
    progress_end();
    return e;
}

enum err link_shrink(struct link *l) {
    const struct control_request r = {.kind = CONTROL_SHRINK};
    slice f;
    return ask(l, &r, &f);
}

enum err link_check(struct link *l) {
    const struct control_request r = {.kind = CONTROL_CHECK};
    slice f;
    return ask(l, &r, &f);
}
