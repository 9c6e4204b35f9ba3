/* connect.c: where the socket is, for both ends. */
#define _GNU_SOURCE 1 /* O_PATH */
#include "control/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/control.h"

/* An address holds 107 characters; a longer path goes by a descriptor of the directory. */
static bool fill(struct sockaddr_un *address, const char *data, int dir) {
    int n = snprintf(address->sun_path, sizeof address->sun_path, "%s/%s", data, CONTROL_SOCKET);
    if (n < 0 || (size_t)n >= sizeof address->sun_path) {
        n = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", dir,
                     CONTROL_SOCKET);
    }
    address->sun_family = AF_UNIX;
    return n > 0 && (size_t)n < sizeof address->sun_path;
}

int control_at(const char *data, int (*use)(int fd, const struct sockaddr *, socklen_t)) {
    struct sockaddr_un address = {0};
    int dir = open(data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = dir >= 0 ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    bool good = fd >= 0 && fill(&address, data, dir) &&
                use(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    int e = errno;
    if (!good && fd >= 0) {
        (void)close(fd);
    }
    if (dir >= 0) {
        (void)close(dir);
    }
    errno = e;
    return good ? fd : -1;
}

int control_connect(const char *data) {
    return control_at(data, connect);
}
