#include "store/sqlite.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/must.h"
#include "limit/caps.h"
#include "observe/log.h"

/* "CLBD": what `file` and other programs may know the files by. */
enum { APPLICATION_ID = 0x434c4244, COPY_BYTES = 64 * 1024 };

/* ---- errors ---- */

static enum err err_of(int code) {
    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_TOOBIG:
        return ERR_DAMAGED;
    default:
        return ERR_STORE;
    }
}

enum err sqlite_failed(struct sqlite_file *f, struct fault *why) {
    int code = f->db ? sqlite3_extended_errcode(f->db) : SQLITE_NOMEM;
    (void)snprintf(why->text, sizeof why->text, "%s (SQLite %d)",
                   f->db ? sqlite3_errmsg(f->db) : "no memory", code);
    return err_of(code);
}

enum err sqlite_run(struct sqlite_file *f, const char *sql, struct fault *why) {
    return sqlite3_exec(f->db, sql, NULL, NULL, NULL) == SQLITE_OK ? ERR_OK : sqlite_failed(f, why);
}

enum err sqlite_next(struct sqlite_file *f, sqlite3_stmt *s, bool *ret_row, struct fault *why) {
    int code = sqlite3_step(s);
    enum err e = ERR_OK;
    *ret_row = code == SQLITE_ROW;
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        e = sqlite_failed(f, why);
    }
    if (code != SQLITE_ROW) {
        (void)sqlite3_reset(s);
        (void)sqlite3_clear_bindings(s);
    }
    return e;
}

enum err sqlite_do(struct sqlite_file *f, sqlite3_stmt *s, struct fault *why) {
    bool row = false;
    return sqlite_next(f, s, &row, why);
}

/* ---- values ---- */

void sqlite_bind_text(sqlite3_stmt *s, int at, slice v) {
    must(sqlite3_bind_text(s, at, (const char *)v.p, (int)v.n, SQLITE_STATIC) == SQLITE_OK);
}

void sqlite_bind_bytes(sqlite3_stmt *s, int at, slice v) {
    must(sqlite3_bind_blob64(s, at, v.p ? (const void *)v.p : "", v.n, SQLITE_STATIC) == SQLITE_OK);
}

void sqlite_bind_number(sqlite3_stmt *s, int at, uint64_t v) {
    must(sqlite3_bind_int64(s, at, (sqlite3_int64)v) == SQLITE_OK);
}

uint64_t sqlite_number(sqlite3_stmt *s, int column) {
    return (uint64_t)sqlite3_column_int64(s, column);
}

slice sqlite_bytes(sqlite3_stmt *s, int column) {
    const void *p = sqlite3_column_blob(s, column); /* first: it decides how long the value is */
    return slice_of(p, (size_t)sqlite3_column_bytes(s, column));
}

/* ---- the write-ahead log of an earlier life ---- */

static int copy_over_itself(sqlite3_file *f, uint8_t *bytes) {
    sqlite3_int64 size = 0;
    int e = f->pMethods->xFileSize(f, &size);
    for (sqlite3_int64 at = 0; !e && at < size; at += COPY_BYTES) {
        int n = size - at < COPY_BYTES ? (int)(size - at) : COPY_BYTES;
        e = f->pMethods->xRead(f, bytes, n, at);
        e = e ? e : f->pMethods->xWrite(f, bytes, n, at);
    }
    return e ? e : f->pMethods->xSync(f, SQLITE_SYNC_NORMAL);
}

/* Puts the log on the disk again, whatever an earlier sync of it has said. */
static int refresh_log(sqlite3_vfs *vfs, const char *path) {
    char *log = sqlite3_mprintf("%s-wal", path);
    sqlite3_filename names = sqlite3_create_filename(path, "", log ? log : "", 0, NULL);
    sqlite3_file *f = mem_new((size_t)vfs->szOsFile);
    uint8_t *bytes = mem_new(COPY_BYTES);
    int there = 0;
    int e = log && names ? vfs->xAccess(vfs, log, SQLITE_ACCESS_EXISTS, &there) : SQLITE_NOMEM;
    if (!e && there) {
        e = vfs->xOpen(vfs, sqlite3_filename_wal(names), f, SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL,
                       NULL);
        e = e ? e : copy_over_itself(f, bytes);
    }
    if (f->pMethods) {
        (void)f->pMethods->xClose(f);
    }
    mem_free(bytes);
    mem_free(f);
    sqlite3_free_filename(names);
    sqlite3_free(log);
    return e;
}

/* ---- opening ---- */

static int on_commit(void *ctx, sqlite3 *db, const char *name, int pages) {
    struct sqlite_file *f = ctx;
    (void)db;
    (void)name;
    f->log_pages = pages;
    return SQLITE_OK;
}

static enum err set_up(struct sqlite_file *f, const struct sqlite_schema *schema,
                       const struct form_where *where, struct fault *why) {
    char sql[512];
    (void)snprintf(sql, sizeof sql,
                   "PRAGMA page_size=%u; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=%s;"
                   "PRAGMA synchronous=%s; PRAGMA mmap_size=0; PRAGMA trusted_schema=OFF;"
                   "PRAGMA wal_autocheckpoint=0; BEGIN EXCLUSIVE; COMMIT;",
                   schema->page_bytes, where->data ? "WAL" : "MEMORY",
                   where->relaxed ? "NORMAL" : "FULL");
    enum err e = sqlite_run(f, sql, why);
    (void)sqlite3_wal_hook(f->db, on_commit, f);
    return e;
}

static enum err get_pragma(struct sqlite_file *f, const char *sql, uint64_t *ret,
                           struct fault *why) {
    sqlite3_stmt *s = NULL;
    bool row = false;
    if (sqlite3_prepare_v2(f->db, sql, -1, &s, NULL) != SQLITE_OK) {
        return sqlite_failed(f, why);
    }
    enum err e = sqlite_next(f, s, &row, why);
    if (row) {
        *ret = sqlite_number(s, 0);
    }
    (void)sqlite3_finalize(s);
    return e;
}

/* One step of the schema, wholly or not at all. */
static enum err migrate(struct sqlite_file *f, const char *step, unsigned to, struct fault *why) {
    char sql[100];
    (void)snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%u; COMMIT;",
                   APPLICATION_ID, to);
    enum err e = sqlite_run(f, "BEGIN IMMEDIATE", why);
    e = e ? e : sqlite_run(f, step, why);
    return e ? e : sqlite_run(f, sql, why);
}

static enum err bring_up_to_date(struct sqlite_file *f, const struct sqlite_schema *schema,
                                 struct fault *why) {
    uint64_t version = 0;
    enum err e = get_pragma(f, "PRAGMA user_version", &version, why);
    if (e == ERR_OK && version > schema->step_count) {
        (void)snprintf(why->text, sizeof why->text,
                       "it was written by a newer collabd (format %u, known here: %u)",
                       (unsigned)version, schema->step_count);
        return ERR_DAMAGED;
    }
    for (; e == ERR_OK && version < schema->step_count; version++) {
        e = migrate(f, schema->steps[version], (unsigned)version + 1, why);
    }
    return e;
}

static enum err prepare(struct sqlite_file *f, const struct sqlite_schema *schema,
                        struct fault *why) {
    must(schema->statement_count <= SQLITE_FILE_STATEMENTS);
    for (unsigned i = 0; i < schema->statement_count; i++) {
        if (sqlite3_prepare_v3(f->db, schema->statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &f->statements[i], NULL) != SQLITE_OK) {
            return sqlite_failed(f, why);
        }
        f->statement_count = i + 1;
    }
    return ERR_OK;
}

static enum err connect(struct sqlite_file *f, const char *path, const char *vfs,
                        struct fault *why) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW;
    if (sqlite3_open_v2(path, &f->db, flags, vfs) != SQLITE_OK ||
        sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) != SQLITE_OK) {
        return sqlite_failed(f, why);
    }
    return ERR_OK;
}

enum err sqlite_file_open(struct sqlite_file *f, const struct sqlite_schema *schema,
                          const struct form_where *where, struct fault *why) {
    *f = (struct sqlite_file){0};
    sqlite3_vfs *vfs = sqlite3_vfs_find(where->vfs);
    char *path = where->data ? sqlite3_mprintf("%s/%s", where->data, schema->file)
                             : sqlite3_mprintf(":memory:");
    must(vfs && path);
    int refreshed = where->data ? refresh_log(vfs, path) : SQLITE_OK;
    enum err e = err_of(refreshed);
    if (refreshed != SQLITE_OK) {
        (void)snprintf(why->text, sizeof why->text, "its write-ahead log: %s (SQLite %d)",
                       sqlite3_errstr(refreshed), refreshed);
    } else {
        e = connect(f, path, where->vfs, why);
        e = e ? e : set_up(f, schema, where, why);
        e = e ? e : bring_up_to_date(f, schema, why);
        e = e ? e : prepare(f, schema, why);
    }
    sqlite3_free(path);
    if (e != ERR_OK) {
        sqlite_file_close(f, false);
    }
    return e;
}

void sqlite_file_close(struct sqlite_file *f, bool tidy) {
    sqlite_copy_end(f);
    for (unsigned i = 0; i < f->statement_count; i++) {
        (void)sqlite3_finalize(f->statements[i]);
    }
    if (f->db && tidy) {
        (void)sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    }
    must(sqlite3_close(f->db) == SQLITE_OK);
    *f = (struct sqlite_file){0};
}

/* ---- housekeeping ---- */

void sqlite_rest(struct sqlite_file *f) {
    if (f->log_pages < CAPS_STORE_LOG_PAGES) {
        return;
    }
    /* a failure harms nothing: the log stays, and is folded as a whole the next time */
    if (sqlite3_wal_checkpoint_v2(f->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) !=
        SQLITE_OK) {
        log_limited(LOG_WARN, "STORE-CHECKPOINT", log_text("detail", sqlite3_errmsg(f->db)));
    }
    f->log_pages = 0;
}
