#define _GNU_SOURCE 1 /* struct ucred */
#include "control/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/must.h"
#include "control/connect.h"
#include "control/message.h"
#include "limit/caps.h"
#include "observe/log.h"

enum { BACKLOG = 8, READ_BYTES = 64 * 1024, WHY_BYTES = 300 };

struct peer {
    int fd;    /* -1: nobody */
    bool lost; /* does not take answers; its request is still in use, so it goes later */
    struct buf come;
};

struct control {
    struct control_options o;
    char *data;
    int listener;
    int wake; /* eventfd: the end */
    pthread_t thread;
    atomic_bool stop; /* main sets it, the thread and what it waits for look */

    /* the thread's */
    struct peer peers[CAPS_CONTROL_PEERS];
    struct peer *now; /* whose request is served */
    struct store_chore *watched;
};

/* ---- answers ---- */

static void hang_up(struct peer *p) {
    (void)close(p->fd);
    buf_fini(&p->come);
    *p = (struct peer){.fd = -1};
}

/* Sends all of it, as long as the other end reads. */
static void reply(struct peer *p, struct buf *b) {
    size_t at = 0;
    while (!p->lost && !b->failed && at < b->n) {
        ssize_t n = send(p->fd, b->p + at, b->n - at, MSG_NOSIGNAL);
        if (n <= 0 && errno != EINTR) {
            break;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    p->lost |= at < b->n;
    buf_fini(b);
}

static void fail(struct peer *p, enum err e, const char *why) {
    struct buf b;
    buf_init(&b, 0);
    size_t mark = control_begin(&b, CONTROL_FAILED);
    control_put_number(&b, (uint64_t)e);
    control_put_bytes(&b, slice_str(why[0] ? why : err_text(e)));
    control_end(&b, mark);
    reply(p, &b);
}

static size_t begin_done(struct buf *b) {
    buf_init(b, CAPS_CONTROL_BYTES);
    return control_begin(b, CONTROL_DONE);
}

static void end_done(struct peer *p, struct buf *b, size_t mark) {
    control_end(b, mark);
    if (b->failed) {
        buf_fini(b);
        fail(p, ERR_TOO_LARGE, "this is larger than what tools and server say to each other");
    } else {
        reply(p, b);
    }
}

static void done(struct peer *p) {
    struct buf b;
    size_t mark = begin_done(&b);
    end_done(p, &b, mark);
}

static void tell_progress(void *ctx) {
    struct control *c = ctx;
    struct buf b;
    buf_init(&b, 0);
    size_t mark = control_begin(&b, CONTROL_PROGRESS);
    control_put_number(&b, atomic_load_explicit(&c->watched->done, memory_order_relaxed));
    control_put_number(&b, atomic_load_explicit(&c->watched->all, memory_order_relaxed));
    control_end(&b, mark);
    reply(c->now, &b);
}

/* ---- jobs ---- */

/* A job whose complaints go to `chore`, or that is one. */
static struct store_job *job_for(enum store_op op, slice room, struct store_chore *chore) {
    struct frame *name = frame_copy(room);
    struct store_job *job = store_job_new(op, name);
    frame_unref(name);
    job->chore = chore;
    return job;
}

/* Does a job. ERR_OK or why not, in words too. *ret is the caller's, or NULL. */
static enum err ask(struct control *c, struct store_job *job, struct store_job **ret) {
    struct control_patience patience = {.stop = &c->stop, .ctx = c};
    if (job->op == STORE_CHORE && job->chore->kind == CHORE_COPY) {
        c->watched = job->chore;
        patience.look = tell_progress;
    }
    *ret = control_do(c->o.store, job, &patience);
    return *ret ? (*ret)->err : ERR_STORE;
}

static enum err do_chore(struct control *c, struct store_chore *chore) {
    struct store_job *job = NULL;
    enum err e = ask(c, job_for(STORE_CHORE, slice_str(""), chore), &job);
    store_job_free(job);
    return e;
}

/* ---- requests ---- */

static void on_hello(struct control *c, const struct control_request *r) {
    (void)r;
    struct buf b;
    size_t mark = begin_done(&b);
    control_put_number(&b, CONTROL_VERSION);
    control_put_bytes(&b, slice_str(COLLAB_VERSION));
    end_done(c->now, &b, mark);
}

static void on_list(struct control *c, const struct control_request *r) {
    struct store_chore chore = {.kind = CHORE_LIST, .on_shelf = r->number != 0, .after = r->after};
    enum err e = do_chore(c, &chore);
    if (e != ERR_OK) {
        fail(c->now, e, chore.why);
        store_chore_fini(&chore);
        return;
    }
    struct buf b;
    size_t mark = begin_done(&b);
    control_put_number(&b, chore.more);
    control_put_number(&b, chore.after);
    control_put_number(&b, chore.count);
    for (size_t i = 0; i < chore.count; i++) {
        const struct store_listed *one = &chore.rooms[i];
        control_put_bytes(&b, frame_slice(one->room));
        control_put_number(&b, one->version);
        control_put_number(&b, one->at_ms);
        control_put_number(&b, one->rows);
        control_put_number(&b, one->bytes);
    }
    store_chore_fini(&chore);
    end_done(c->now, &b, mark);
}

static void on_read(struct control *c, const struct control_request *r) {
    struct store_chore why = {0};
    struct store_job *job = NULL;
    enum err e = ask(c, job_for(STORE_LOAD, r->name, &why), &job);
    if (e != ERR_OK) {
        fail(c->now, e, why.why);
    } else {
        struct buf b;
        size_t mark = begin_done(&b);
        control_put_number(&b, job->exists);
        control_put_number(&b, job->version);
        control_put_bytes(&b, frame_slice(job->snapshot));
        control_put_number(&b, job->rows_count);
        for (size_t i = 0; i < job->rows_count; i++) {
            control_put_bytes(&b, frame_slice(job->rows[i].update));
        }
        end_done(c->now, &b, mark);
    }
    store_job_free(job);
}

/* Reads one page of the versions below `*before`, and each of them; *before 0: that was the last.
 */
static enum err read_versions(struct control *c, slice room, uint64_t *before, uint64_t *count,
                              struct store_chore *why) {
    struct store_job *page = job_for(STORE_LIST, room, why);
    page->before = *before;
    page->most = CAPS_STORE_LIST;
    enum err e = ask(c, page, &page);
    size_t n = e == ERR_OK ? page->versions_count : 0;
    *before = n == CAPS_STORE_LIST ? page->versions[n - 1].id : 0;
    for (size_t i = 0; e == ERR_OK && i < n; i++) {
        struct store_job *one = job_for(STORE_READ, room, why);
        one->version_id = page->versions[i].id;
        e = ask(c, one, &one);
        *count += e == ERR_OK;
        e = e == ERR_NO_VERSION ? ERR_OK : e; /* thinned meanwhile */
        store_job_free(one);
    }
    store_job_free(page);
    return e;
}

static void on_versions(struct control *c, const struct control_request *r) {
    struct store_chore why = {0};
    uint64_t before = 0;
    uint64_t count = 0;
    enum err e = ERR_OK;
    do {
        e = read_versions(c, r->name, &before, &count, &why);
    } while (e == ERR_OK && before);
    if (e != ERR_OK) {
        fail(c->now, e, why.why);
        return;
    }
    struct buf b;
    size_t mark = begin_done(&b);
    control_put_number(&b, count);
    end_done(c->now, &b, mark);
}

static void on_fold(struct control *c, const struct control_request *r) {
    struct store_chore why = {0};
    struct store_job *job = NULL;
    enum err e = ask(c, job_for(STORE_FOLD, r->name, &why), &job);
    store_job_free(job);
    if (e != ERR_OK) {
        fail(c->now, e, why.why);
    } else {
        done(c->now);
    }
}

static void on_bring(struct control *c, const struct control_request *r) {
    char why[WHY_BYTES] = "";
    bool news = false;
    enum err e = c->o.bring(c->o.ctx, r->name, r->update, &c->stop, &news, why, sizeof why);
    if (e != ERR_OK) {
        fail(c->now, e, why);
        return;
    }
    struct buf b;
    size_t mark = begin_done(&b);
    control_put_number(&b, news);
    end_done(c->now, &b, mark);
}

static void on_each_file(struct control *c, enum store_chore_kind kind) {
    for (int shelf = 0; shelf < 2; shelf++) {
        struct store_chore chore = {.kind = kind, .on_shelf = shelf};
        enum err e = do_chore(c, &chore);
        if (e != ERR_OK) {
            char why[WHY_BYTES];
            (void)snprintf(why, sizeof why, "%s: %s%s", shelf ? "rooms.db" : "journal.db",
                           chore.why, chore.more ? ", and more" : "");
            fail(c->now, e, why);
            return;
        }
    }
    done(c->now);
}

static void on_shrink(struct control *c, const struct control_request *r) {
    (void)r;
    on_each_file(c, CHORE_SHRINK);
}

static void on_check(struct control *c, const struct control_request *r) {
    (void)r;
    on_each_file(c, CHORE_CHECK);
}

/* ---- backups ---- */

/* The files of a store, the journal first: see struct store_chore. */
static const char *const names[] = {"/journal.db", "/rooms.db"};

enum { FILES = sizeof names / sizeof *names };

/* Both texts as one; free with mem_free. */
static char *joined(const char *a, const char *b) {
    size_t n = strlen(a);
    size_t m = strlen(b);
    char *both = mem_new(n + m + 1);
    memcpy(both, a, n);
    memcpy(both + n, b, m);
    return both;
}

static enum err failed(const char *path, char *why) {
    (void)snprintf(why, WHY_BYTES, "%.200s: %s", path, strerror(errno));
    return ERR_IO;
}

static enum err sync_dir(const char *path, char *why) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err e = fd >= 0 && fsync(fd) == 0 ? ERR_OK : failed(path, why);
    if (fd >= 0) {
        (void)close(fd);
    }
    return e;
}

/* The directory that this one is in. */
static enum err sync_parent(const char *path, char *why) {
    char *parent = mem_copy_str(path, strlen(path));
    char *slash = strrchr(parent, '/');
    slash[slash == parent] = 0;
    enum err e = sync_dir(parent, why);
    mem_free(parent);
    return e;
}

static enum err copy_files(struct control *c, const char *dir, char *why) {
    enum err e = ERR_OK;
    for (int i = 0; e == ERR_OK && i < FILES; i++) {
        char *path = joined(dir, names[i]);
        struct store_chore chore = {.kind = CHORE_COPY, .on_shelf = i > 0, .to = path};
        e = do_chore(c, &chore);
        (void)snprintf(why, WHY_BYTES, "%s", chore.why);
        mem_free(path);
    }
    return e ? e : sync_dir(dir, why);
}

static void remove_partial(const char *dir) {
    for (int i = 0; i < FILES; i++) {
        char *path = joined(dir, names[i]);
        (void)unlink(path);
        mem_free(path);
    }
    (void)rmdir(dir);
}

/* It has its name when it is whole, and not before. */
static enum err backup(struct control *c, const char *to, const char *partial, char *why) {
    struct stat st;
    if (to[0] != '/' || lstat(to, &st) == 0) {
        (void)snprintf(why, WHY_BYTES, "%.200s %s", to,
                       to[0] == '/' ? "is there already" : "is not the whole path of a directory");
        return ERR_PARAMS;
    }
    if (mkdir(partial, 0700) != 0) {
        return failed(partial, why);
    }
    enum err e = copy_files(c, partial, why);
    if (e == ERR_OK && rename(partial, to) != 0) {
        e = failed(to, why);
    }
    if (e != ERR_OK) {
        remove_partial(partial);
        return e;
    }
    return sync_parent(to, why);
}

static void on_backup(struct control *c, const struct control_request *r) {
    char why[WHY_BYTES] = "";
    char *to = mem_copy_str(r->name.p, r->name.n);
    char *partial = joined(to, ".partial");
    enum err e = strlen(to) == r->name.n ? backup(c, to, partial, why) : ERR_PARAMS;
    log_info("STORE-BACKUP", log_str("path", r->name), log_text("result", e ? why : "ok"));
    mem_free(to);
    mem_free(partial);
    if (e != ERR_OK) {
        fail(c->now, e, why);
    } else {
        done(c->now);
    }
}

/* ---- the thread ---- */

static void serve(struct control *c, slice body) {
    static const struct {
        enum control_kind kind;
        void (*handle)(struct control *, const struct control_request *);
    } table[] = {
        {CONTROL_HELLO, on_hello},       {CONTROL_LIST, on_list},     {CONTROL_READ, on_read},
        {CONTROL_VERSIONS, on_versions}, {CONTROL_FOLD, on_fold},     {CONTROL_BRING, on_bring},
        {CONTROL_BACKUP, on_backup},     {CONTROL_SHRINK, on_shrink}, {CONTROL_CHECK, on_check}};
    struct control_request r;
    bool good = control_parse(body, &r) && r.name.n <= CAPS_CONTROL_NAME_BYTES;
    for (size_t i = 0; good && i < sizeof table / sizeof *table; i++) {
        if (table[i].kind == r.kind) {
            table[i].handle(c, &r);
            return;
        }
    }
    fail(c->now, ERR_REQUEST, "the server does not understand this tool");
}

static void take_input(struct control *c, struct peer *p) {
    uint8_t *to = buf_reserve(&p->come, READ_BYTES);
    ssize_t n = to ? recv(p->fd, to, READ_BYTES, MSG_DONTWAIT) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        hang_up(p);
        return;
    }
    buf_commit(&p->come, (size_t)n);
    slice body;
    size_t bytes = 0;
    bool wrong = false;
    while (!p->lost && control_frame(buf_slice(&p->come), &body, &bytes, &wrong)) {
        c->now = p;
        serve(c, body);
        buf_consume(&p->come, bytes);
    }
    if (wrong || p->lost) {
        hang_up(p);
    }
}

/* The files' owner and root could do what they like to them anyway. */
static bool may_come_in(int fd) {
    struct ucred who;
    socklen_t n = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 &&
           (who.uid == 0 || who.uid == geteuid());
}

static void accept_one(struct control *c) {
    int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC);
    struct timeval patience = {.tv_sec = CAPS_CONTROL_SEND_MS / 1000};
    for (size_t i = 0; fd >= 0 && may_come_in(fd) && i < CAPS_CONTROL_PEERS; i++) {
        if (c->peers[i].fd < 0) {
            (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
            c->peers[i].fd = fd;
            buf_init(&c->peers[i].come, CAPS_CONTROL_BYTES + READ_BYTES);
            return;
        }
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

static void *run(void *control) {
    struct control *c = control;
    while (!atomic_load_explicit(&c->stop, memory_order_acquire)) {
        struct pollfd on[CAPS_CONTROL_PEERS + 2] = {{.fd = c->wake, .events = POLLIN},
                                                    {.fd = c->listener, .events = POLLIN}};
        for (size_t i = 0; i < CAPS_CONTROL_PEERS; i++) {
            on[i + 2] = (struct pollfd){.fd = c->peers[i].fd, .events = POLLIN};
        }
        if (poll(on, CAPS_CONTROL_PEERS + 2, -1) <= 0) {
            continue;
        }
        if (on[1].revents) {
            accept_one(c);
        }
        for (size_t i = 0; i < CAPS_CONTROL_PEERS; i++) {
            if (on[i + 2].revents && c->peers[i].fd == on[i + 2].fd) {
                take_input(c, &c->peers[i]);
            }
        }
    }
    return NULL;
}

/* ---- from beginning to end ---- */

/* The socket is its owner's alone from the moment it is there. */
static int bind_privately(int fd, const struct sockaddr *address, socklen_t n) {
    int e = fchmod(fd, 0600);
    return e ? e : bind(fd, address, n);
}

static void unlink_socket(const char *data) {
    int dir = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0) {
        (void)unlinkat(dir, CONTROL_SOCKET, 0);
        (void)close(dir);
    }
}

struct control *control_open(const struct control_options *o, char *why, size_t why_bytes) {
    unlink_socket(o->data); /* of a life that ended suddenly: the directory is ours */
    int fd = control_at(o->data, bind_privately);
    if (fd < 0 || listen(fd, BACKLOG) != 0) {
        (void)snprintf(why, why_bytes, "%s/%s: %s", o->data, CONTROL_SOCKET, strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        return NULL;
    }
    struct control *c = NEW(struct control);
    c->o = *o;
    c->data = mem_copy_str(o->data, strlen(o->data));
    c->listener = fd;
    c->wake = eventfd(0, EFD_CLOEXEC);
    must(c->wake >= 0);
    for (size_t i = 0; i < CAPS_CONTROL_PEERS; i++) {
        c->peers[i].fd = -1;
    }
    must(pthread_create(&c->thread, NULL, run, c) == 0);
    return c;
}

void control_close(struct control *c) {
    if (!c) {
        return;
    }
    atomic_store_explicit(&c->stop, true, memory_order_release);
    must(eventfd_write(c->wake, 1) == 0);
    must(pthread_join(c->thread, NULL) == 0);
    for (size_t i = 0; i < CAPS_CONTROL_PEERS; i++) {
        if (c->peers[i].fd >= 0) {
            hang_up(&c->peers[i]);
        }
    }
    unlink_socket(c->data);
    (void)close(c->listener);
    (void)close(c->wake);
    mem_free(c->data);
    mem_free(c);
}
