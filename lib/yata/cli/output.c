/* output.c: results. A file gets its new content all at once, so that `yata merge a b -o a` loses
 * nothing when the disk is full or somebody pulls the plug. */
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *path_of(const struct args *args) {
    const char *path = args->values[OPTION_OUTPUT];
    return path && strcmp(path, "-") != 0 ? path : NULL;
}

bool output_takes_bytes(const struct args *args) {
    if (path_of(args) || !isatty(STDOUT_FILENO)) {
        return true;
    }
    complain("bytes are nothing for a terminal: give --output FILE, or send them on by > or |");
    return false;
}

static bool cannot_write(const char *name) {
    complain("%s: cannot be written: %s", name, strerror(errno));
    return false;
}

/* Devices, pipes and links are written to; a file is replaced. */
static bool is_replaced(const char *path) {
    struct stat st;
    return lstat(path, &st) != 0 ? errno == ENOENT : S_ISREG(st.st_mode);
}

static bool write_to(FILE *f, const char *name, const void *p, size_t n) {
    bool good = fwrite(p, 1, n, f) == n && fflush(f) == 0;
    return good || cannot_write(name);
}

static bool write_file(const char *path, const void *p, size_t n) {
    char part[PATH_MAX];
    bool replaced = is_replaced(path);
    int length = snprintf(part, sizeof part, replaced ? "%s.part" : "%s", path);
    if (length < 0 || (size_t)length >= sizeof part) {
        errno = ENAMETOOLONG;
        return cannot_write(path);
    }
    FILE *f = fopen(part, replaced ? "wbx" : "wb");
    if (!f) {
        return cannot_write(part);
    }
    bool good = write_to(f, part, p, n);
    if (good && replaced) {
        good = fsync(fileno(f)) == 0 || cannot_write(part);
    }
    if (fclose(f) != 0 && good) {
        good = cannot_write(part);
    }
    if (good && replaced && rename(part, path) != 0) {
        good = cannot_write(path);
    }
    if (!good && replaced) {
        (void)unlink(part);
    }
    return good;
}

bool output_write(const struct args *args, const void *p, size_t n) {
    const char *path = path_of(args);
    return path ? write_file(path, p, n) : write_to(stdout, "standard output", p, n);
}

void put_json_string(FILE *f, const char *s) {
    (void)fputc('"', f);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') {
            (void)fprintf(f, "\\%c", c);
        } else if (c < ' ') {
            (void)fprintf(f, "\\u%04x", c);
        } else {
            (void)fputc(c, f);
        }
    }
    (void)fputc('"', f);
}
