/* files.c: the commands that read and write other files: export, import, backup.
 *
 * A room's file is called after it, percent-encoded, and then by the format of what is in it:
 * ws%3Aws1%2Fnotes.v1.yjs. Of a name that is longer than a file's may be, each part that is cut off
 * with a % at its end is a directory. */
#define _GNU_SOURCE 1 /* nftw */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "limit/caps.h"
#include "tool/commands.h"
#include "tool/document.h"
#include "tool/progress.h"
#include "wire/dialect.h"

enum { PART = 200, OPEN_DIRECTORIES = 16 }; /* characters of a file's name, which has 255 at most */

static const char *const endings[] = {[YATA_V1] = ".v1.yjs", [YATA_V2] = ".v2.yjs"};

/* ---- names ---- */

static bool stays(uint8_t c, bool first) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || (c == '.' && !first);
}

/* The path below the directory, with its ending and a zero behind it. */
static void put_path(struct buf *b, const char *dir, slice room, enum yata_format format) {
    buf_printf(b, "%s/", dir);
    size_t part = b->n;
    for (size_t i = 0; i < room.n; i++) {
        if (b->n - part >= PART) {
            buf_put_str(b, "%/");
            part = b->n;
        }
        if (stays(room.p[i], b->n == part)) {
            buf_put_u8(b, room.p[i]);
        } else {
            buf_printf(b, "%%%02X", room.p[i]);
        }
    }
    buf_put_str(b, endings[format]);
    buf_put_u8(b, 0);
}

static int hex(char c) {
    const char *digits = "0123456789ABCDEF0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) % 16 : -1;
}

/* The room that a file is of, by its path below the directory; false when it is none. */
static bool room_of(const char *path, struct buf *ret, enum yata_format *ret_format) {
    size_t n = strlen(path);
    size_t end = strlen(endings[YATA_V1]); /* both are as long */
    if (n <= end) {
        return false;
    }
    *ret_format = strcmp(path + n - end, endings[YATA_V2]) == 0 ? YATA_V2 : YATA_V1;
    if (strcmp(path + n - end, endings[*ret_format]) != 0) {
        return false;
    }
    for (const char *p = path; p < path + n - end; p++) {
        if (p[0] == '%' && p[1] == '/') {
            p++;
        } else if (p[0] == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0) {
            buf_put_u8(ret, (uint8_t)(hex(p[1]) * 16 + hex(p[2])));
            p += 2;
        } else if (p[0] == '%' || p[0] == '/') {
            return false;
        } else {
            buf_put_u8(ret, (uint8_t)p[0]);
        }
    }
    return room_name_valid(buf_slice(ret));
}

/* ---- export ---- */

/* The directories of a long name. */
static void make_directories(char *path, size_t from) {
    for (char *p = path + from; (p = strchr(p, '/')) != NULL; p++) {
        *p = 0;
        (void)mkdir(path, 0777);
        *p = '/';
    }
}

/* Under another name first, so that a file that is there is whole. */
static bool write_file(const char *path, const struct yata_bytes *bytes) {
    struct buf partial;
    buf_init(&partial, 0);
    buf_printf(&partial, "%s.partial", path);
    buf_put_u8(&partial, 0);
    const char *name = (const char *)partial.p;
    FILE *f = fopen(name, "we");
    bool good = f && fwrite(bytes->p, 1, bytes->n, f) == bytes->n;
    good = f && fclose(f) == 0 && good;
    good = good && rename(name, path) == 0;
    if (!good) {
        complain("%s: %s", path, strerror(errno));
        (void)unlink(name);
    }
    buf_fini(&partial);
    return good;
}

static bool export_as(struct yata_doc *doc, const char *dir, slice room, enum yata_format format) {
    struct yata_bytes state = {0};
    struct buf path;
    buf_init(&path, 0);
    put_path(&path, dir, room, format);
    bool good = yata_encode_state_as(doc, format, NULL, 0, &state) == YATA_OK;
    if (!good) {
        complain("%.*s: memory is out", SLICE_FMT(room));
    } else {
        make_directories((char *)path.p, strlen(dir) + 1);
        good = write_file((const char *)path.p, &state);
    }
    yata_bytes_fini(&state);
    buf_fini(&path);
    return good;
}

static bool export_room(struct link *l, const struct args *args, slice room) {
    struct stored_room stored;
    char why[300];
    struct yata_doc *doc = document_read(l, room, &stored, why, sizeof why);
    if (!doc) {
        progress_end();
        complain("%.*s: %s", SLICE_FMT(room), why);
        return false;
    }
    bool good = export_as(doc, args->names[0], room, args->v2 ? YATA_V2 : YATA_V1);
    yata_doc_free(doc);
    return good;
}

int run_export(struct link *l, const struct args *args) {
    struct names names;
    size_t failed = 0;
    if (mkdir(args->names[0], 0777) != 0 && errno != EEXIST) {
        complain("%s: %s", args->names[0], strerror(errno));
        return EXIT_BAD;
    }
    enum err e = names_get(l, args, 1, &names);
    for (size_t i = 0; i < names.count; i++) {
        progress("%zu of %zu rooms exported", i, names.count);
        failed += !export_room(l, args, frame_slice(names.rooms[i].room));
    }
    progress_end();
    (void)fprintf(stderr, "%zu rooms exported, %zu failed\n", names.count - failed, failed);
    names_fini(&names);
    return e == ERR_OK && failed == 0 ? EXIT_GOOD : EXIT_BAD;
}

/* ---- import ---- */

/* What a walk over files works on; nftw hands nothing on. */
static struct {
    struct link *link;
    const struct args *args;
    size_t from; /* of a path: behind the directory that was named */
    size_t brought, known, failed;
} walk;

static bool read_file(const char *path, struct buf *ret) {
    FILE *f = fopen(path, "re");
    size_t n = 0;
    while (f && !ret->failed) {
        uint8_t *to = buf_reserve(ret, 64 * CAPS_KIB);
        n = to ? fread(to, 1, 64 * CAPS_KIB, f) : 0;
        if (n == 0) {
            break;
        }
        buf_commit(ret, n);
    }
    bool good = f && !ferror(f) && !ret->failed;
    if (!good) {
        complain("%s: %s", path, ret->failed ? "too large" : strerror(errno));
    }
    if (f) {
        (void)fclose(f);
    }
    return good;
}

/* As an update of V1, which rooms take. */
static bool as_v1(const char *path, enum yata_format format, const struct buf *file,
                  struct yata_bytes *ret) {
    struct yata_error at = {0};
    enum yata_status s = yata_check_update_as(format, file->p, file->n, &at);
    if (s == YATA_OK && format == YATA_V2) {
        s = yata_convert_update(YATA_V2, YATA_V1, file->p, file->n, ret, &at);
    }
    if (s != YATA_OK) {
        complain("%s: byte %zu: %s", path, at.at, s == YATA_MALFORMED ? at.what : "memory is out");
    }
    return s == YATA_OK;
}

static bool import_file(const char *path, slice room, enum yata_format format) {
    struct buf file;
    struct yata_bytes v1 = {0};
    bool news = false;
    buf_init(&file, CAPS_CONTROL_BYTES);
    bool good = read_file(path, &file) && as_v1(path, format, &file, &v1);
    slice update = v1.n ? slice_of(v1.p, v1.n) : buf_slice(&file);
    if (good && link_bring(walk.link, room, update, &news) != ERR_OK) {
        complain("%s: %s", path, link_why(walk.link));
        good = false;
    }
    walk.brought += good && news;
    walk.known += good && !news;
    yata_bytes_fini(&v1);
    buf_fini(&file);
    return good;
}

static int on_file(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st;
    (void)at;
    struct buf room;
    enum yata_format format = YATA_V1;
    buf_init(&room, CAPS_CONTROL_NAME_BYTES);
    if (kind == FTW_F && room_of(path + walk.from, &room, &format)) {
        progress("%zu rooms imported", walk.brought + walk.known);
        walk.failed += !import_file(path, buf_slice(&room), format);
    } else if (kind != FTW_D && kind != FTW_DP) {
        progress_end();
        complain("%s: passed over: not ROOM.v1.yjs or ROOM.v2.yjs, percent-encoded", path);
        walk.failed++;
    }
    buf_fini(&room);
    return 0;
}

/* A directory as a whole, or one file. */
static void import_from(const char *path) {
    struct stat st;
    const char *slash = strrchr(path, '/');
    if (stat(path, &st) != 0) {
        complain("%s: %s", path, strerror(errno));
        walk.failed++;
    } else if (walk.args->room) {
        walk.failed +=
            !import_file(path, slice_str(walk.args->room), walk.args->v2 ? YATA_V2 : YATA_V1);
    } else {
        walk.from = S_ISDIR(st.st_mode) ? strlen(path) + 1 : slash ? (size_t)(slash - path) + 1 : 0;
        (void)nftw(path, on_file, OPEN_DIRECTORIES, FTW_PHYS);
    }
}

int run_import(struct link *l, const struct args *args) {
    walk.link = l;
    walk.args = args;
    for (unsigned i = 0; i < args->count; i++) {
        import_from(args->names[i]);
    }
    progress_end();
    (void)fprintf(stderr, "%zu rooms imported, %zu had it all, %zu failed\n", walk.brought,
                  walk.known, walk.failed);
    return walk.failed == 0 ? EXIT_GOOD : EXIT_BAD;
}

/* ---- backup ---- */

int run_backup(struct link *l, const struct args *args) {
    char here[PATH_MAX] = "";
    struct buf to;
    buf_init(&to, 0);
    if (args->names[0][0] != '/' && getcwd(here, sizeof here)) {
        buf_printf(&to, "%s/", here);
    }
    buf_put_str(&to, args->names[0]);
    while (to.n > 1 && to.p[to.n - 1] == '/') {
        to.n--;
    }
    buf_put_u8(&to, 0);
    bool good = link_backup(l, (const char *)to.p) == ERR_OK;
    if (good) {
        (void)fprintf(stderr, "backed up to %s\n", (const char *)to.p);
    } else {
        complain("no backup was made: %s", link_why(l));
    }
    buf_fini(&to);
    return good ? EXIT_GOOD : EXIT_BAD;
}
