#include "access/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

void file_init(struct file *f, const char *path) {
    *f = (struct file){.path = mem_copy_str(path, strlen(path))};
}

void file_fini(struct file *f) {
    mem_free(f->path);
    *f = (struct file){0};
}

static bool same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool file_changed(const struct file *f) {
    struct stat now = {0};
    if (stat(f->path, &now) != 0) {
        now = (struct stat){0};
    }
    return !same(&now, &f->seen);
}

static bool read_all(int fd, struct buf *text) {
    enum { CHUNK = 16 * 1024 };
    for (;;) {
        uint8_t chunk[CHUNK];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0) {
            return true;
        }
        if (n < 0 && errno != EINTR) {
            return false;
        }
        buf_put(text, chunk, n > 0 ? (size_t)n : 0);
        if (text->failed) {
            errno = EFBIG;
            return false;
        }
    }
}

bool file_read(struct file *f, struct buf *text, char *why, size_t why_bytes) {
    f->seen = (struct stat){0};
    /* A pipe of that name must not make us wait for its writer. */
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool ok = fd >= 0 && fstat(fd, &f->seen) == 0;
    if (ok && !S_ISREG(f->seen.st_mode)) {
        errno = EINVAL;
        ok = false;
    }
    ok = ok && read_all(fd, text);
    if (!ok) {
        char reason[128] = "it is not a regular file";
        if (errno != EINVAL && strerror_r(errno, reason, sizeof reason) != 0) {
            reason[0] = 0;
        }
        (void)snprintf(why, why_bytes, "it cannot be read: %s", reason);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}
