#include "store/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAY(...) (void)snprintf(why, why_bytes, __VA_ARGS__)

static enum err make(const char *path, char *why, size_t why_bytes) {
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        SAY("data directory %s (--data) cannot be made: %s", path, strerror(errno));
        return ERR_IO;
    }
    return ERR_OK;
}

/* Files that root or another user has made are not to be mixed with ours: whoever runs the service
 * next could not open them. */
static enum err check_owner(int dir, const char *path, char *why, size_t why_bytes) {
    static const char *const names[] = {"lock", "journal.db", "rooms.db"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct stat st;
        if (fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid != geteuid()) {
            SAY("data directory %s (--data): %s belongs to user %u, but this runs as user %u; run "
                "it as that user, or chown the files",
                path, names[i], (unsigned)st.st_uid, (unsigned)geteuid());
            return ERR_IO;
        }
    }
    return ERR_OK;
}

static enum err lock(int dir, const char *path, int *ret_lock, char *why, size_t why_bytes) {
    int fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        SAY("data directory %s (--data) is not writable: %s", path, strerror(errno));
        return ERR_IO;
    }
    char pid[24] = "";
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
        pid[n > 0 ? n : 0] = 0;
        pid[strcspn(pid, "\n")] = 0;
        SAY("data directory %s (--data) is in use by another collabd (process %s)", path, pid);
        (void)close(fd);
        return ERR_IO;
    }
    int n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n) {
        SAY("data directory %s (--data) cannot be written: %s", path, strerror(errno));
        (void)close(fd);
        return ERR_IO;
    }
    *ret_lock = fd;
    return ERR_OK;
}

enum err dir_take(const char *path, int *ret_lock, char *why, size_t why_bytes) {
    if (make(path, why, why_bytes) != ERR_OK) {
        return ERR_IO;
    }
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        SAY("data directory %s (--data) cannot be opened: %s", path, strerror(errno));
        return ERR_IO;
    }
    enum err e = check_owner(dir, path, why, why_bytes);
    e = e ? e : lock(dir, path, ret_lock, why, why_bytes);
    (void)close(dir);
    return e;
}
