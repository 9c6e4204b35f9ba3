/* disk_test.h: a disk that tells the truth about what it lost. A file system for SQLite in memory
 * that knows, for each sector, what programs read and what would be there after a power cut.
 *
 * A sync carries over what was written since; one that fails leaves it marked as written, as Linux
 * does: no later sync carries it over, only writing it anew. The nth write or sync can be made to
 * fail, or all writes for want of room.
 *
 * Thread: any; one lock around everything.
 */
#ifndef STORE_DISK_TEST_H
#define STORE_DISK_TEST_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512, DISK_FILES = 16, DISK_FILE_BYTES = 1024 * 1024 };

struct disk_file {
    char name[256]; /* "": none */
    unsigned char *now;
    unsigned char *durable;
    unsigned char *written; /* per sector: not yet carried over */
    sqlite3_int64 size;
    sqlite3_int64 durable_size;
};

static struct {
    pthread_mutex_t lock;
    struct disk_file files[DISK_FILES];
    long operations; /* writes and syncs so far */
    long fail_at;    /* that one fails; 0: none */
    bool failed;     /* it has */
    bool full;       /* every write that makes a file longer fails */
    unsigned random;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct disk_handle {
    sqlite3_file base; /* first: SQLite's view */
    struct disk_file *file;
};

static unsigned disk_random(void) {
    disk.random = disk.random * 1664525u + 1013904223u;
    return disk.random >> 16;
}

/* ---- one file ---- */

static struct disk_file *disk_find(const char *name, bool make) {
    struct disk_file *unused = NULL;
    for (int i = 0; i < DISK_FILES; i++) {
        struct disk_file *f = &disk.files[i];
        if (strcmp(f->name, name) == 0) {
            return f;
        }
        unused = !unused && !f->name[0] ? f : unused;
    }
    if (make && unused) {
        (void)snprintf(unused->name, sizeof unused->name, "%s", name);
        unused->now = calloc(1, DISK_FILE_BYTES);
        unused->durable = calloc(1, DISK_FILE_BYTES);
        unused->written = calloc(1, DISK_FILE_BYTES / SECTOR);
        return unused;
    }
    return NULL;
}

static void disk_forget(struct disk_file *f) {
    free(f->now);
    free(f->durable);
    free(f->written);
    memset(f, 0, sizeof *f);
}

static void disk_mark(struct disk_file *f, sqlite3_int64 at, sqlite3_int64 n) {
    for (sqlite3_int64 s = at / SECTOR; n > 0 && s <= (at + n - 1) / SECTOR; s++) {
        f->written[s] = 1;
    }
}

static bool disk_fails(void) {
    bool fails = ++disk.operations == disk.fail_at;
    disk.failed |= fails;
    return fails;
}

/* Carries sectors over: all that were written, or each with a chance of one half. */
static void disk_carry(struct disk_file *f, bool all) {
    for (int s = 0; s < DISK_FILE_BYTES / SECTOR; s++) {
        if (f->written[s] && (all || disk_random() & 1)) {
            memcpy(f->durable + s * SECTOR, f->now + s * SECTOR, SECTOR);
        }
    }
    if (all || disk_random() & 1) {
        f->durable_size = f->size;
    }
    memset(f->written, 0, DISK_FILE_BYTES / SECTOR);
}

/* ---- what SQLite calls ---- */

#define DISK_FILE(handle) (((struct disk_handle *)(void *)(handle))->file)

static int disk_close(sqlite3_file *h) {
    (void)h;
    return SQLITE_OK;
}

static int disk_read(sqlite3_file *h, void *to, int n, sqlite3_int64 at) {
    (void)pthread_mutex_lock(&disk.lock);
    struct disk_file *f = DISK_FILE(h);
    sqlite3_int64 there = f->size - at;
    int have = there < 0 ? 0 : there < n ? (int)there : n;
    memcpy(to, f->now + at, (size_t)have);
    memset((char *)to + have, 0, (size_t)(n - have));
    (void)pthread_mutex_unlock(&disk.lock);
    return have < n ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int disk_write(sqlite3_file *h, const void *from, int n, sqlite3_int64 at) {
    (void)pthread_mutex_lock(&disk.lock);
    struct disk_file *f = DISK_FILE(h);
    bool longer = at + n > f->size;
    int e = disk_fails()                                        ? SQLITE_IOERR_WRITE
            : (disk.full && longer) || at + n > DISK_FILE_BYTES ? SQLITE_FULL
                                                                : SQLITE_OK;
    if (e == SQLITE_OK) {
        memcpy(f->now + at, from, (size_t)n);
        disk_mark(f, at, n);
        f->size = longer ? at + n : f->size;
    }
    (void)pthread_mutex_unlock(&disk.lock);
    return e;
}

static int disk_truncate(sqlite3_file *h, sqlite3_int64 size) {
    (void)pthread_mutex_lock(&disk.lock);
    struct disk_file *f = DISK_FILE(h);
    if (size < f->size) {
        memset(f->now + size, 0, (size_t)(f->size - size));
        disk_mark(f, size, f->size - size);
        f->size = size;
    }
    (void)pthread_mutex_unlock(&disk.lock);
    return SQLITE_OK;
}

static int disk_sync(sqlite3_file *h, int flags) {
    (void)flags;
    (void)pthread_mutex_lock(&disk.lock);
    struct disk_file *f = DISK_FILE(h);
    bool fails = disk_fails();
    disk_carry(f, !fails); /* a failed one has carried over some, and forgets about the rest */
    (void)pthread_mutex_unlock(&disk.lock);
    return fails ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int disk_size(sqlite3_file *h, sqlite3_int64 *ret) {
    (void)pthread_mutex_lock(&disk.lock);
    *ret = DISK_FILE(h)->size;
    (void)pthread_mutex_unlock(&disk.lock);
    return SQLITE_OK;
}

static int disk_lock(sqlite3_file *h, int level) {
    (void)h;
    (void)level;
    return SQLITE_OK;
}

static int disk_reserved(sqlite3_file *h, int *ret) {
    (void)h;
    *ret = 0;
    return SQLITE_OK;
}

static int disk_control(sqlite3_file *h, int op, void *arg) {
    (void)h;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int disk_sector(sqlite3_file *h) {
    (void)h;
    return SECTOR;
}

static int disk_traits(sqlite3_file *h) {
    (void)h;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int disk_open(sqlite3_vfs *v, const char *name, sqlite3_file *h, int flags, int *ret) {
    static const sqlite3_io_methods methods = {
        .iVersion = 1, /* no shared memory: whoever needs that has more than one connection */
        .xClose = disk_close,
        .xRead = disk_read,
        .xWrite = disk_write,
        .xTruncate = disk_truncate,
        .xSync = disk_sync,
        .xFileSize = disk_size,
        .xLock = disk_lock,
        .xUnlock = disk_lock,
        .xCheckReservedLock = disk_reserved,
        .xFileControl = disk_control,
        .xSectorSize = disk_sector,
        .xDeviceCharacteristics = disk_traits,
    };
    (void)v;
    (void)pthread_mutex_lock(&disk.lock);
    struct disk_file *f = disk_find(name ? name : "temporary", (flags & SQLITE_OPEN_CREATE) != 0);
    ((struct disk_handle *)(void *)h)->file = f;
    h->pMethods = f ? &methods : NULL;
    if (ret) {
        *ret = flags;
    }
    (void)pthread_mutex_unlock(&disk.lock);
    return f ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int disk_delete(sqlite3_vfs *v, const char *name, int sync_dir) {
    (void)v;
    (void)sync_dir;
    (void)pthread_mutex_lock(&disk.lock);
    struct disk_file *f = disk_find(name, false);
    if (f) {
        disk_forget(f);
    }
    (void)pthread_mutex_unlock(&disk.lock);
    return f ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
}

static int disk_access(sqlite3_vfs *v, const char *name, int flags, int *ret) {
    (void)v;
    (void)flags;
    (void)pthread_mutex_lock(&disk.lock);
    *ret = disk_find(name, false) != NULL;
    (void)pthread_mutex_unlock(&disk.lock);
    return SQLITE_OK;
}

static int disk_full_path(sqlite3_vfs *v, const char *name, int n, char *to) {
    (void)v;
    (void)snprintf(to, (size_t)n, "%s", name);
    return SQLITE_OK;
}

static int disk_randomness(sqlite3_vfs *v, int n, char *to) {
    (void)v;
    for (int i = 0; i < n; i++) {
        to[i] = (char)disk_random();
    }
    return n;
}

static int disk_time(sqlite3_vfs *v, sqlite3_int64 *ret) {
    (void)v;
    *ret = 0;
    return SQLITE_OK;
}

/* ---- what tests call ---- */

static void disk_register(void) {
    static sqlite3_vfs vfs = {.iVersion = 2,
                              .szOsFile = (int)sizeof(struct disk_handle),
                              .mxPathname = 255,
                              .zName = "disk",
                              .xOpen = disk_open,
                              .xDelete = disk_delete,
                              .xAccess = disk_access,
                              .xFullPathname = disk_full_path,
                              .xRandomness = disk_randomness,
                              .xCurrentTimeInt64 = disk_time};
    (void)sqlite3_vfs_register(&vfs, 0);
}

static void disk_clear(unsigned seed) {
    for (int i = 0; i < DISK_FILES; i++) {
        disk_forget(&disk.files[i]);
    }
    disk.operations = disk.fail_at = 0;
    disk.failed = disk.full = false;
    disk.random = seed;
}

/* The nth write or sync from now on fails; 0: none does. */
static void disk_fail_at(long n) {
    (void)pthread_mutex_lock(&disk.lock);
    disk.fail_at = n ? disk.operations + n : 0;
    (void)pthread_mutex_unlock(&disk.lock);
}

static bool disk_has_failed(void) {
    (void)pthread_mutex_lock(&disk.lock);
    bool has = disk.failed;
    (void)pthread_mutex_unlock(&disk.lock);
    return has;
}

static void disk_fill(bool full) {
    (void)pthread_mutex_lock(&disk.lock);
    disk.full = full;
    (void)pthread_mutex_unlock(&disk.lock);
}

/* What a power cut at this moment leaves: what nobody has synced is there, or not, sector by
 * sector.
 */
struct disk_image {
    struct disk_file files[DISK_FILES]; /* `durable` is ours */
};

static void disk_cut(struct disk_image *to) {
    (void)pthread_mutex_lock(&disk.lock);
    memset(to, 0, sizeof *to);
    for (int i = 0; i < DISK_FILES; i++) {
        const struct disk_file *f = &disk.files[i];
        if (!f->name[0]) {
            continue;
        }
        to->files[i] = *f;
        to->files[i].durable = malloc(DISK_FILE_BYTES);
        memcpy(to->files[i].durable, f->durable, DISK_FILE_BYTES);
        to->files[i].written = malloc(DISK_FILE_BYTES / SECTOR);
        memcpy(to->files[i].written, f->written, DISK_FILE_BYTES / SECTOR);
        disk_carry(&to->files[i], false);
        free(to->files[i].written);
    }
    (void)pthread_mutex_unlock(&disk.lock);
}

/* The next life begins with that; takes the image. Nothing may have files open. */
static void disk_wake(struct disk_image *from, unsigned seed) {
    disk_clear(seed);
    for (int i = 0; i < DISK_FILES; i++) {
        struct disk_file *f = &from->files[i];
        if (f->name[0]) {
            struct disk_file *to = disk_find(f->name, true);
            to->size = to->durable_size = f->durable_size;
            memcpy(to->now, f->durable, (size_t)to->size);
            memcpy(to->durable, f->durable, (size_t)to->size);
            free(f->durable);
        }
    }
}

#endif
