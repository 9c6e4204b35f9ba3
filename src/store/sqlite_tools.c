/* sqlite_tools.c: what tools ask of a file as a whole. All of it goes by the one connection that
 * the file has: SQLite then keeps a copy that is under way up to date with what is committed
 * between its steps. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "limit/caps.h"
#include "store/sqlite.h"

/* ---- lists ---- */

void sqlite_list_add(struct store_chore *chore, slice room, uint64_t version, uint64_t at_ms,
                     uint64_t rows, uint64_t bytes) {
    if (!(chore->count & (chore->count - 1))) { /* grows at powers of two */
        size_t cap = chore->count ? chore->count * 2 : 1;
        chore->rooms = mem_resize(chore->rooms, cap * sizeof *chore->rooms);
    }
    chore->rooms[chore->count++] = (struct store_listed){
        .room = frame_copy(room), .version = version, .at_ms = at_ms, .rows = rows, .bytes = bytes};
}

/* ---- copies ---- */

/* The copy is nobody's yet: a crash of this machine loses it whole, so it is synced once, at its
 * end. */
static enum err begin_copy(struct sqlite_file *f, const char *to, struct fault *why) {
    int fd = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        (void)snprintf(why->text, sizeof why->text, "%s: %s", to, strerror(errno));
        return ERR_STORE;
    }
    (void)close(fd);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    bool good = sqlite3_open_v2(to, &f->copy_to, flags, NULL) == SQLITE_OK &&
                sqlite3_exec(f->copy_to,
                             "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY;"
                             "PRAGMA locking_mode=EXCLUSIVE",
                             NULL, NULL, NULL) == SQLITE_OK;
    f->copy = good ? sqlite3_backup_init(f->copy_to, "main", f->db, "main") : NULL;
    if (!f->copy) {
        (void)snprintf(why->text, sizeof why->text, "%s: %s", to, sqlite3_errmsg(f->copy_to));
        sqlite_copy_end(f);
        return ERR_STORE;
    }
    return ERR_OK;
}

void sqlite_copy_end(struct sqlite_file *f) {
    (void)sqlite3_backup_finish(f->copy);
    (void)sqlite3_close(f->copy_to);
    f->copy = NULL;
    f->copy_to = NULL;
}

static enum err sync_copy(const char *path, struct fault *why) {
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (!good) {
        (void)snprintf(why->text, sizeof why->text, "%s: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return good ? ERR_OK : ERR_STORE;
}

static enum err copy_step(struct sqlite_file *f, struct store_chore *chore, bool *ret_again,
                          struct fault *why) {
    if (chore->begun && !f->copy) { /* the file was closed in between */
        (void)snprintf(why->text, sizeof why->text, "the store failed meanwhile; begin again");
        return ERR_STORE;
    }
    enum err e = chore->begun ? ERR_OK : begin_copy(f, chore->to, why);
    if (e != ERR_OK) {
        return e;
    }
    chore->begun = true;
    int code = sqlite3_backup_step(f->copy, CAPS_STORE_COPY_PAGES);
    uint64_t all = (uint64_t)sqlite3_backup_pagecount(f->copy);
    atomic_store_explicit(&chore->all, all, memory_order_relaxed); /* figures for people */
    atomic_store_explicit(&chore->done, all - (uint64_t)sqlite3_backup_remaining(f->copy),
                          memory_order_relaxed);
    *ret_again = code == SQLITE_OK;
    if (code == SQLITE_OK && !atomic_load_explicit(&chore->cancel, memory_order_relaxed)) {
        return ERR_OK;
    }
    sqlite_copy_end(f);
    if (code != SQLITE_OK && code != SQLITE_DONE) {
        (void)snprintf(why->text, sizeof why->text, "%s: %s (SQLite %d)", chore->to,
                       sqlite3_errstr(code), code);
        return ERR_STORE;
    }
    return code == SQLITE_DONE ? sync_copy(chore->to, why) : ERR_OK;
}

/* ---- the rest ---- */

static int called_off(void *ctx) {
    struct store_chore *chore = ctx;
    return atomic_load_explicit(&chore->cancel, memory_order_relaxed);
}

static enum err shrink(struct sqlite_file *f, struct fault *why) {
    enum err e = sqlite_run(f, "VACUUM", why);
    e = e ? e : sqlite_run(f, "PRAGMA wal_checkpoint(TRUNCATE)", why);
    f->log_pages = 0;
    return e;
}

static enum err check(struct sqlite_file *f, struct store_chore *chore, struct fault *why) {
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(f->db, "PRAGMA integrity_check(2)", -1, &s, NULL) != SQLITE_OK) {
        return sqlite_failed(f, why);
    }
    bool row = false;
    enum err e = sqlite_next(f, s, &row, why);
    slice said = row ? sqlite_bytes(s, 0) : slice_str("ok");
    if (e == ERR_OK && !slice_is(said, "ok")) {
        const uint8_t *line = memchr(said.p, '\n', said.n); /* the first only names the database */
        said = line ? slice_of(line + 1, said.n - (size_t)(line + 1 - said.p)) : said;
        (void)snprintf(why->text, sizeof why->text, "%.*s", SLICE_FMT(said));
        struct fault second = {0};
        chore->more = sqlite_next(f, s, &row, &second) == ERR_OK && row;
        e = ERR_DAMAGED;
    }
    (void)sqlite3_finalize(s);
    return e;
}

enum err sqlite_chore(struct sqlite_file *f, struct store_chore *chore, bool *ret_again,
                      struct fault *why) {
    enum { OPERATIONS = 100000 }; /* of SQLite's machine, some milliseconds */
    if (chore->kind == CHORE_COPY) {
        return copy_step(f, chore, ret_again, why);
    }
    sqlite3_progress_handler(f->db, OPERATIONS, called_off, chore);
    enum err e = chore->kind == CHORE_SHRINK ? shrink(f, why) : check(f, chore, why);
    sqlite3_progress_handler(f->db, 0, NULL, NULL);
    return e;
}
