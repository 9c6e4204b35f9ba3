/* bare.c: the least that a broadcaster can do, as a yardstick: accepts WebSockets and hands each
 * message to everyone else of its room, as received, one send per receiver. No JSON, no document,
 * no merging, no limits. What a server needs beyond this is the price of what it does beyond this.
 *
 *     bench_bare              prints "bare listening on http://127.0.0.1:PORT", runs until a signal
 *     GET /?room=N            room N, 0 to 63
 *
 * One thread, epoll, level-triggered; blocked receivers lose the frame (loopback never blocks here,
 * and the count of losses is printed at the end).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/ws.h"

enum { ROOMS = 64, FDS = 4096, IN_BYTES = 65536, EVENTS = 256 };

struct peer {
    int fd;
    int room;
    bool open; /* upgraded */
    struct ws_parser parser;
    uint8_t *left; /* an incomplete frame, or request */
    size_t left_bytes;
};

struct room {
    struct peer *peers[FDS];
    size_t count;
};

static struct peer *by_fd[FDS];
static struct room rooms[ROOMS];
static unsigned long long lost;
static volatile sig_atomic_t stopping;

static void on_signal(int n) {
    (void)n;
    stopping = 1;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void leave(struct peer *p) {
    struct room *r = &rooms[p->room];
    for (size_t i = 0; p->open && i < r->count; i++) {
        if (r->peers[i] == p) {
            r->peers[i] = r->peers[--r->count];
            break;
        }
    }
    by_fd[p->fd] = NULL;
    close(p->fd);
    free(p->left);
    free(p);
}

static void relay(struct peer *from, const struct ws_frame *f) {
    static uint8_t out[WS_HEADER_MAX + IN_BYTES];
    size_t n = ws_header(out, f->op, f->n);
    memcpy(out + n, f->payload, f->n);
    n += f->n;
    struct room *r = &rooms[from->room];
    for (size_t i = 0; i < r->count; i++) {
        if (r->peers[i] != from &&
            send(r->peers[i]->fd, out, n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n) {
            lost++;
        }
    }
}

/* Returns how many bytes the request took, 0 while it is incomplete. */
static size_t upgrade(struct peer *p, const uint8_t *bytes, size_t n) {
    static const char field[] = "Sec-WebSocket-Key: ";
    const char *end = memmem(bytes, n, "\r\n\r\n", 4);
    if (!end) {
        return 0;
    }
    size_t head = (size_t)((const uint8_t *)end - bytes) + 4;
    const char *key = memmem(bytes, head, field, sizeof field - 1);
    const char *room = memmem(bytes, head, "room=", 5);
    if (!key) {
        return 0;
    }
    key += sizeof field - 1;
    p->room = room ? (int)(strtoul(room + 5, NULL, 10) % ROOMS) : 0;
    char accept_key[WS_ACCEPT_BYTES];
    ws_accept_key(slice_of(key, 24), accept_key);
    char answer[256];
    int m = snprintf(answer, sizeof answer,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: %.*s\r\n\r\n",
                     WS_ACCEPT_BYTES, accept_key);
    if (send(p->fd, answer, (size_t)m, MSG_NOSIGNAL) != m) {
        lost++;
    }
    ws_parser_init(&p->parser, IN_BYTES, IN_BYTES, true);
    p->open = true;
    struct room *r = &rooms[p->room];
    r->peers[r->count++] = p;
    return head;
}

/* Returns how many bytes were used; SIZE_MAX when the peer is to be dropped. */
static size_t consume(struct peer *p, uint8_t *bytes, size_t n) {
    size_t used = p->open ? 0 : upgrade(p, bytes, n);
    while (p->open && used < n) {
        struct ws_frame f;
        enum ws_result r = ws_parse(&p->parser, bytes + used, n - used, &f);
        if (r == WS_NEED_MORE) {
            break;
        }
        if (r == WS_ERROR || f.op == WS_CLOSE) {
            return SIZE_MAX;
        }
        used += f.consumed;
        if (f.op == WS_TEXT || f.op == WS_BIN) {
            relay(p, &f);
        }
    }
    return used;
}

static void on_readable(struct peer *p) {
    static uint8_t in[2 * IN_BYTES];
    memcpy(in, p->left, p->left_bytes);
    ssize_t got = recv(p->fd, in + p->left_bytes, IN_BYTES, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    size_t n = p->left_bytes + (got > 0 ? (size_t)got : 0);
    size_t used = got > 0 ? consume(p, in, n) : SIZE_MAX;
    if (used == SIZE_MAX || n - used > IN_BYTES) {
        leave(p);
        return;
    }
    p->left_bytes = n - used;
    if (p->left_bytes && !p->left) {
        p->left = malloc(IN_BYTES);
        if (!p->left) {
            die("malloc");
        }
    }
    if (p->left_bytes) {
        memcpy(p->left, in + used, p->left_bytes);
    }
}

static void on_connection(int ep, int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if (fd >= FDS) {
        close(fd);
        return;
    }
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct peer *p = calloc(1, sizeof *p);
    if (!p) {
        die("calloc");
    }
    p->fd = fd;
    by_fd[fd] = p;
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) != 0) {
        die("epoll_ctl");
    }
}

static int listen_anywhere(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) != 0) {
        die("listen");
    }
    (void)printf("bare listening on http://127.0.0.1:%u\n", ntohs(a.sin_port));
    (void)fflush(stdout);
    return fd;
}

int main(void) {
    struct sigaction stop = {.sa_handler = on_signal};
    (void)sigaction(SIGTERM, &stop, NULL);
    (void)sigaction(SIGINT, &stop, NULL);
    int listener = listen_anywhere();
    int ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = listener};
    if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev) != 0) {
        die("epoll");
    }
    while (!stopping) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(ep, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                on_connection(ep, listener);
            } else if (by_fd[fd]) {
                on_readable(by_fd[fd]);
            }
        }
    }
    if (lost) {
        (void)fprintf(stderr, "bare: %llu frames lost\n", lost);
    }
    return lost ? 1 : 0;
}
