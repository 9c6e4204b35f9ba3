#include "conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"

enum { EVENTS = 256, IN_BYTES = 256 * 1024, MESSAGE_MAX = 64 * 1024 * 1024 };

static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";

void net_init(struct net *net, const struct net_events *events) {
    *net = (struct net){.events = events, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    must(net->epoll >= 0);
}

void net_fini(struct net *net) {
    (void)close(net->epoll);
}

static void watch(struct conn *c) {
    bool waits = c->blocked || c->state == CONN_CONNECTING;
    uint32_t mask = (c->deaf ? 0 : (uint32_t)EPOLLIN) | (waits ? (uint32_t)EPOLLOUT : 0);
    if (mask != c->mask) {
        struct epoll_event e = {.events = mask, .data.ptr = c};
        must(epoll_ctl(c->net->epoll, EPOLL_CTL_MOD, c->fd, &e) == 0);
        c->mask = mask;
    }
}

static void shut(struct conn *c) {
    if (c->state != CONN_CLOSED) {
        (void)close(c->fd);
        buf_fini(&c->in);
        buf_fini(&c->out);
        c->state = CONN_CLOSED;
    }
}

static void end(struct conn *c, unsigned code, slice reason) {
    shut(c);
    c->net->events->end(c->owner, code, reason);
}

/* ---- out ---- */

static void flush(struct conn *c) {
    while (c->out.n) {
        ssize_t n = send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EINTR) {
            break; /* full; what is broken is heard of by reading */
        }
        if (n > 0) {
            c->net->bytes_out += (uint64_t)n;
            buf_consume(&c->out, (size_t)n);
        }
    }
    c->blocked = c->out.n > 0;
    watch(c);
}

static void send_frame(struct conn *c, enum ws_op op, uint8_t *payload, size_t n) {
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    uint8_t head[WS_MASKED_HEADER_MAX];
    if (c->state != CONN_OPEN) {
        return;
    }
    size_t head_bytes = ws_header_masked(head, op, n, mask);
    ws_mask(payload, n, mask);
    buf_put(&c->out, head, head_bytes);
    buf_put(&c->out, payload, n);
    must(!c->out.failed);
    if (!c->blocked) {
        flush(c);
    }
}

void conn_send(struct conn *c, bool text, struct buf *payload) {
    must(!payload->failed);
    c->net->frames_out++;
    send_frame(c, text ? WS_TEXT : WS_BIN, payload->p, payload->n);
}

void conn_close(struct conn *c, bool abrupt) {
    uint8_t payload[2] = {1000 >> 8, 1000 & 0xff};
    if (!abrupt) {
        send_frame(c, WS_CLOSE, payload, sizeof payload);
    }
    shut(c);
}

void conn_deafen(struct conn *c, bool deaf) {
    c->deaf = deaf;
    if (c->state != CONN_CLOSED) {
        watch(c);
    }
}

/* ---- in ---- */

/* Returns how many bytes were used; SIZE_MAX when the connection has ended by them. */
static size_t take_upgrade(struct conn *c, const uint8_t *bytes, size_t n, uint64_t now_ns) {
    char accept[WS_ACCEPT_BYTES];
    const uint8_t *stop = memmem(bytes, n, "\r\n\r\n", 4);
    if (!stop) {
        return 0;
    }
    size_t head = (size_t)(stop - bytes) + 4;
    ws_accept_key(slice_str(key), accept);
    if (head < 12 || memcmp(bytes, "HTTP/1.1 101", 12) != 0 ||
        !memmem(bytes, head, accept, sizeof accept)) {
        end(c, 0, slice_of(bytes, head < 12 ? head : 12));
        return SIZE_MAX;
    }
    c->state = CONN_OPEN;
    c->net->opened++;
    ws_parser_init(&c->parser, MESSAGE_MAX, MESSAGE_MAX, false);
    c->net->events->open(c->owner, now_ns);
    return c->state == CONN_OPEN ? head : SIZE_MAX;
}

/* False when the connection has ended. */
static bool take_frame(struct conn *c, const struct ws_frame *f, uint64_t now_ns) {
    unsigned code = 0;
    slice reason = {0};
    c->net->frames_in++;
    switch (f->op) {
    case WS_TEXT:
    case WS_BIN:
        if (!f->fin) {
            end(c, 0, slice_str("a message in fragments"));
            return false;
        }
        c->net->events->message(c->owner, f->op == WS_TEXT, slice_of(f->payload, f->n), now_ns);
        break;
    case WS_PING:
        send_frame(c, WS_PONG, f->payload, f->n);
        break;
    case WS_CLOSE:
        (void)ws_close_parse(slice_of(f->payload, f->n), &code, &reason);
        end(c, code, reason);
        return false;
    case WS_CONT:
    case WS_PONG:
        break;
    }
    return c->state == CONN_OPEN;
}

static size_t take(struct conn *c, uint8_t *bytes, size_t n, uint64_t now_ns) {
    size_t used = c->state == CONN_UPGRADING ? take_upgrade(c, bytes, n, now_ns) : 0;
    while (used < n && c->state == CONN_OPEN) {
        struct ws_frame f;
        enum ws_result r = ws_parse(&c->parser, bytes + used, n - used, &f);
        if (r == WS_ERROR) {
            end(c, 0, slice_str(c->parser.detail));
            return SIZE_MAX;
        }
        if (r == WS_NEED_MORE) {
            break;
        }
        used += f.consumed;
        if (!take_frame(c, &f, now_ns)) {
            return SIZE_MAX;
        }
    }
    return used;
}

static void read_some(struct conn *c) {
    static uint8_t in[IN_BYTES];
    ssize_t got = recv(c->fd, in, sizeof in, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        end(c, 0, slice_str(got ? strerror(errno) : "the end of the stream"));
        return;
    }
    uint64_t now_ns = clock_mono_ns();
    c->net->bytes_in += (uint64_t)got;
    uint8_t *bytes = in;
    size_t n = (size_t)got;
    if (c->in.n) {
        buf_put(&c->in, in, n);
        must(!c->in.failed);
        bytes = c->in.p;
        n = c->in.n;
    }
    size_t used = take(c, bytes, n, now_ns);
    if (used == SIZE_MAX) {
        return;
    }
    if (c->in.n) {
        buf_consume(&c->in, used);
    } else if (used < n) {
        buf_put(&c->in, bytes + used, n - used);
    }
    if (!c->in.n && c->in.cap) {
        buf_fini(&c->in);
    }
}

static void on_connected(struct conn *c) {
    int error = 0;
    socklen_t n = sizeof error;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error) {
        end(c, 0, slice_str(strerror(error)));
        return;
    }
    c->state = CONN_UPGRADING;
    flush(c);
}

void net_wait(struct net *net, uint64_t nanoseconds) {
    struct epoll_event events[EVENTS];
    struct timespec timeout = {(time_t)(nanoseconds / 1000000000),
                               (long)(nanoseconds % 1000000000)};
    int n = epoll_pwait2(net->epoll, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        uint32_t what = events[i].events;
        /* its socket may have been closed, or opened anew, by an event before this one */
        if (c->state == CONN_CONNECTING && what & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
            on_connected(c);
            continue;
        }
        if (c->state >= CONN_UPGRADING && c->blocked && what & EPOLLOUT) {
            flush(c);
        }
        if (c->state >= CONN_UPGRADING && what & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
            read_some(c);
        }
    }
}

/* ---- opening ---- */

static void put_request(struct conn *c, const struct request *r) {
    buf_printf(&c->out,
               "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
               r->path, key);
    if (r->subprotocol) {
        buf_printf(&c->out, "Sec-WebSocket-Protocol: %s\r\n", r->subprotocol);
    }
    if (r->token) {
        buf_printf(&c->out, "Authorization: Bearer %s\r\n", r->token);
    }
    buf_put_str(&c->out, "\r\n");
}

static bool connect_from(int fd, const struct address *a) {
    int one = 1;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = a->from};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = a->port, .sin_addr.s_addr = a->to};
    /* the port is chosen when both ends are known: else an address has 28,000 in all */
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (a->receive_bytes) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &a->receive_bytes, sizeof a->receive_bytes);
    }
    return bind(fd, (struct sockaddr *)&from, sizeof from) == 0 &&
           (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS);
}

bool conn_open(struct conn *c, struct net *net, void *owner, const struct address *a,
               const struct request *r) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    *c = (struct conn){.net = net, .owner = owner, .fd = fd, .state = CONN_CONNECTING};
    c->mask = EPOLLOUT | EPOLLIN;
    struct epoll_event e = {.events = c->mask, .data.ptr = c};
    if (!connect_from(fd, a) || epoll_ctl(net->epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
        (void)close(fd);
        c->state = CONN_CLOSED;
        return false;
    }
    buf_init(&c->in, 2 * (size_t)MESSAGE_MAX);
    buf_init(&c->out, 2 * (size_t)MESSAGE_MAX);
    put_request(c, r);
    return true;
}
