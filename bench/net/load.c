/* load.c: many editors at once, from one thread: opens rooms full of clients, lets each send small
 * Yjs updates at an even rate, and measures the time until every other client of the room has each.
 *
 *     bench_load --port N --mode binary|json|bare|bare-json [--rooms 5] [--clients 100] [--rate 1]
 *                [--seconds 10] [--warmup 2] [--pid SERVER] [--seed 1]
 *
 * Updates are what a Yjs editor produces when its user types a few words behind the own last ones:
 * one string struct of 60 to 200 bytes. Its text holds the time of sending, so a receiver knows the
 * latency, also from a merged update. The bare modes send the same frames to bench_bare.
 *
 * Prints one JSON line: deliveries (updates times receivers), latencies, and with --pid the CPU
 * time of that process per delivery. What it does not show: presence, late joiners, large
 * documents, a network. Clients answer no pings, as a run is shorter than the time between two.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/varuint.h"
#include "wire/ws.h"

enum {
    IN_BYTES = 256 * 1024,
    EVENTS = 512,
    TEXT_LEAST = 38, /* with some 22 bytes around it: updates of 60 to 200 bytes */
    TEXT_MOST = 178,
    MARK_BYTES = 22, /* "~T", 16 digits of nanoseconds, 4 of the sender, all hexadecimal */
    SLOTS = 2000000, /* of a histogram in microseconds; the last also counts what is longer */
};

#define QUIET_NS UINT64_C(5000000000) /* nothing for so long: nothing more will come */

enum mode { MODE_BINARY, MODE_JSON, MODE_BARE, MODE_BARE_JSON };

static const char *const mode_names[] = {"binary", "json", "bare", "bare-json"};

struct client {
    int fd;
    unsigned number;
    unsigned room;
    uint64_t yjs_id;
    uint64_t clock; /* characters typed so far */
    uint64_t seq;
    struct ws_parser parser;
    uint8_t *left;
    size_t left_bytes;
};

static struct options {
    unsigned port;
    enum mode mode;
    unsigned rooms;
    unsigned clients;
    double rate;
    double seconds;
    double warmup;
    long pid;
    uint64_t seed;
} o = {.rooms = 5, .clients = 100, .rate = 1, .seconds = 10, .warmup = 2, .seed = 1};

static struct client *clients;
static size_t clients_count;
static uint32_t *slots;
static uint64_t measure_from; /* sent from then on counts */
static uint64_t measure_to;
static unsigned long long sent, deliveries, frames, acks, refusals;
static uint64_t latest_lag;

static void die(const char *what) {
    (void)fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t random_next(void) { /* splitmix64 */
    uint64_t z = (o.seed += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static bool json_mode(void) {
    return o.mode == MODE_JSON || o.mode == MODE_BARE_JSON;
}

static bool bare_mode(void) {
    return o.mode == MODE_BARE || o.mode == MODE_BARE_JSON;
}

/* ---- what is sent ---- */

/* A Yjs update (V1): one ContentString behind the client's own last character. */
static size_t write_update(uint8_t *to, struct client *c, const char *text, size_t text_bytes) {
    enum { HAS_ORIGIN = 0x80, CONTENT_STRING = 4 };
    size_t n = 0;
    to[n++] = 1; /* one client */
    to[n++] = 1; /* one struct */
    n += varuint_write(to + n, c->yjs_id);
    n += varuint_write(to + n, c->clock);
    to[n++] = CONTENT_STRING | (c->clock ? HAS_ORIGIN : 0);
    if (c->clock) {
        n += varuint_write(to + n, c->yjs_id);
        n += varuint_write(to + n, c->clock - 1);
    } else {
        to[n++] = 1; /* the parent is a type of the document, by name */
        to[n++] = 1;
        to[n++] = 't';
    }
    n += varuint_write(to + n, text_bytes);
    memcpy(to + n, text, text_bytes);
    n += text_bytes;
    to[n++] = 0; /* nothing deleted */
    c->clock += text_bytes;
    return n;
}

static void send_frame(struct client *c, enum ws_op op, const void *payload, size_t n) {
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    static uint8_t out[WS_MASKED_HEADER_MAX + 4096];
    size_t head = ws_header_masked(out, op, n, mask);
    memcpy(out + head, payload, n);
    ws_mask(out + head, n, mask);
    if (send(c->fd, out, head + n, MSG_NOSIGNAL) != (ssize_t)(head + n)) {
        die("send");
    }
}

static void send_update(struct client *c) {
    char text[TEXT_MOST + 1];
    size_t text_bytes = TEXT_LEAST + random_next() % (TEXT_MOST - TEXT_LEAST + 1);
    memset(text, 'x', sizeof text);
    uint64_t t = now_ns();
    (void)snprintf(text, sizeof text, "~T%016llx%04x", (unsigned long long)t, c->number);
    text[MARK_BYTES] = 'x';
    uint8_t update[512];
    update[0] = 0x01; /* the tag of mcp-binary */
    size_t n = 1 + write_update(update + 1, c, text, text_bytes);
    c->seq++;
    if (json_mode()) {
        char message[1024];
        int head = snprintf(message, sizeof message,
                            "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"collab/update\","
                            "\"params\":{\"roomId\":\"ws:bench/%u\",\"seq\":%llu,\"payloadB64\":\"",
                            (unsigned long long)c->seq + 1, c->room, (unsigned long long)c->seq);
        slice raw = slice_of(update + 1, n - 1);
        base64_encode(message + head, raw);
        size_t m = (size_t)head + base64_encoded_len(raw.n);
        memcpy(message + m, "\"}}", 3);
        send_frame(c, WS_TEXT, message, m + 3);
    } else {
        send_frame(c, WS_BIN, update, n);
    }
    sent += t >= measure_from && t < measure_to;
}

/* ---- what arrives ---- */

static uint64_t hex(const uint8_t *p, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v = v << 4 | (uint64_t)(p[i] <= '9' ? p[i] - '0' : p[i] - 'a' + 10);
    }
    return v;
}

static void count_marks(const struct client *c, const uint8_t *p, size_t n, uint64_t now) {
    const uint8_t *end = p + n;
    const uint8_t *mark;
    while ((mark = memmem(p, (size_t)(end - p), "~T", 2)) && end - mark >= MARK_BYTES) {
        uint64_t t = hex(mark + 2, 16);
        if (hex(mark + 18, 4) != c->number && t >= measure_from && t < measure_to) {
            uint64_t us = (now - t) / 1000;
            slots[us < SLOTS ? us : SLOTS - 1]++;
            deliveries++;
        }
        p = mark + MARK_BYTES;
    }
}

static void on_text(const struct client *c, const uint8_t *p, size_t n, uint64_t now) {
    static const char field[] = "\"payloadB64\":\"";
    static uint8_t raw[IN_BYTES];
    const uint8_t *start = memmem(p, n, field, sizeof field - 1);
    if (!start) {
        refusals += memmem(p, n, "\"error\"", 7) != NULL;
        acks++;
        return;
    }
    start += sizeof field - 1;
    const uint8_t *end = memchr(start, '"', (size_t)(p + n - start));
    size_t raw_bytes = 0;
    if (!end || !base64_decode(raw, slice_of(start, (size_t)(end - start)), &raw_bytes)) {
        refusals++;
        return;
    }
    count_marks(c, raw, raw_bytes, now);
}

static size_t consume(struct client *c, uint8_t *bytes, size_t n) {
    uint64_t now = now_ns();
    size_t used = 0;
    struct ws_frame f;
    while (used < n && ws_parse(&c->parser, bytes + used, n - used, &f) == WS_FRAME) {
        used += f.consumed;
        frames += now >= measure_from && now < measure_to;
        if (f.op == WS_BIN) {
            count_marks(c, f.payload, f.n, now);
        } else if (f.op == WS_TEXT) {
            on_text(c, f.payload, f.n, now);
        } else if (f.op == WS_CLOSE) {
            errno = 0;
            die("the server closed a connection");
        }
    }
    return used;
}

static bool on_readable(struct client *c, int flags) {
    static uint8_t in[2 * IN_BYTES];
    memcpy(in, c->left, c->left_bytes);
    ssize_t got = recv(c->fd, in + c->left_bytes, IN_BYTES, flags);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (got <= 0) {
        die("a connection ended");
    }
    size_t n = c->left_bytes + (size_t)got;
    size_t used = consume(c, in, n);
    if (n - used > IN_BYTES || c->parser.close_code) {
        die("a frame that cannot be read");
    }
    c->left_bytes = n - used;
    if (c->left_bytes) {
        c->left = c->left ? c->left : malloc(IN_BYTES);
        if (!c->left) {
            die("malloc");
        }
        memcpy(c->left, in + used, c->left_bytes);
    }
    return true;
}

/* ---- connecting ---- */

static void upgrade(struct client *c) {
    char head[1024];
    int n = snprintf(head, sizeof head,
                     "GET %s?room=%u HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                     "Sec-WebSocket-Version: 13\r\n%s\r\n",
                     bare_mode() ? "/" : "/collab/ws", c->room,
                     o.mode == MODE_BINARY ? "Sec-WebSocket-Protocol: mcp-binary\r\n" : "");
    if (send(c->fd, head, (size_t)n, MSG_NOSIGNAL) != n) {
        die("send");
    }
    size_t got = 0;
    while (got < 4 || memcmp(head + got - 4, "\r\n\r\n", 4) != 0) {
        if (got == sizeof head || recv(c->fd, head + got, 1, 0) != 1) {
            die("upgrade");
        }
        got++;
    }
    if (memcmp(head, "HTTP/1.1 101", 12) != 0) {
        errno = 0;
        die("no upgrade");
    }
}

static void subscribe(struct client *c) {
    char message[256];
    int n = snprintf(message, sizeof message,
                     "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"collab/subscribe\",\"params\":{"
                     "\"roomId\":\"ws:bench/%u\",\"capabilities\":[\"yjs.sync.v1\"%s]}}",
                     c->room, o.mode == MODE_BINARY ? ",\"binary.v1\"" : "");
    unsigned long long before = acks;
    send_frame(c, WS_TEXT, message, (size_t)n);
    while (acks == before) {
        (void)on_readable(c, 0);
    }
}

static void open_client(struct client *c, unsigned number) {
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)o.port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    *c = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                         .number = number,
                         .room = number % o.rooms,
                         .yjs_id = 1 + (random_next() & 0xffffffff)};
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a) != 0) {
        die("connect");
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ws_parser_init(&c->parser, IN_BYTES, IN_BYTES, false);
    upgrade(c);
    if (!bare_mode()) {
        subscribe(c);
    }
}

/* ---- the run ---- */

/* User and system time of a process, in microseconds. */
static double cpu_us(long pid) {
    char path[64];
    char line[1024];
    unsigned long long user = 0;
    unsigned long long system = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f || !fgets(line, sizeof line, f)) {
        die(path);
    }
    (void)fclose(f);
    const char *behind = strrchr(line, ')'); /* the name may hold anything */
    if (!behind || sscanf(behind + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
                          &user, &system) != 2) {
        die("stat");
    }
    return (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

static double percentile(double p) {
    unsigned long long rank = (unsigned long long)((double)deliveries * p);
    unsigned long long seen = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        seen += slots[i];
        if (seen > rank) {
            return (double)i / 1000;
        }
    }
    return 0;
}

static void wait_and_read(int ep, uint64_t until) {
    struct epoll_event events[EVENTS];
    uint64_t now = now_ns();
    uint64_t left = until > now ? until - now : 0;
    struct timespec timeout = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
    int n = epoll_pwait2(ep, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < n; i++) {
        (void)on_readable(events[i].data.ptr, MSG_DONTWAIT);
    }
}

/* Clients send in a shuffled order, evenly spaced: each at `rate`, all together never in step. */
static void run(int ep, double *ret_cpu) {
    size_t *order = malloc(clients_count * sizeof *order);
    if (!order) {
        die("malloc");
    }
    for (size_t i = 0; i < clients_count; i++) {
        size_t j = random_next() % (i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    double gap = 1e9 / (o.rate * (double)clients_count);
    uint64_t start = now_ns();
    measure_from = start + (uint64_t)(o.warmup * 1e9);
    measure_to = measure_from + (uint64_t)(o.seconds * 1e9);
    double cpu = 0;
    bool measuring = false;
    for (unsigned long long turn = 0;; turn++) {
        uint64_t due = start + (uint64_t)((double)turn * gap);
        while (now_ns() < due) {
            wait_and_read(ep, due);
        }
        if (!measuring && due >= measure_from && o.pid) {
            cpu = cpu_us(o.pid);
        }
        measuring |= due >= measure_from;
        if (due >= measure_to) {
            break;
        }
        uint64_t lag = now_ns() - due;
        latest_lag = lag > latest_lag ? lag : latest_lag;
        send_update(&clients[order[turn % clients_count]]);
    }
    free(order);
    unsigned long long expected = sent * (o.clients - 1);
    /* What is late still counts, what is lost never comes: wait as long as anything arrives. */
    unsigned long long seen = deliveries;
    uint64_t give_up = now_ns() + QUIET_NS;
    while (deliveries < expected && now_ns() < give_up) {
        wait_and_read(ep, now_ns() + 10000000);
        if (deliveries != seen) {
            seen = deliveries;
            give_up = now_ns() + QUIET_NS;
        }
    }
    *ret_cpu = o.pid ? cpu_us(o.pid) - cpu : 0;
}

static void usage(void) {
    (void)fprintf(stderr, "usage: bench_load --port N --mode binary|json|bare|bare-json [--rooms N]"
                          " [--clients N] [--rate N] [--seconds N] [--warmup N] [--pid N]\n");
    exit(2);
}

static void read_options(int argc, char **argv) {
    static const struct option longs[] = {{"port", 1, NULL, 'p'},   {"mode", 1, NULL, 'm'},
                                          {"rooms", 1, NULL, 'r'},  {"clients", 1, NULL, 'c'},
                                          {"rate", 1, NULL, 'u'},   {"seconds", 1, NULL, 's'},
                                          {"warmup", 1, NULL, 'w'}, {"pid", 1, NULL, 'i'},
                                          {"seed", 1, NULL, 'x'},   {0}};
    bool known = false;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 'p':
            o.port = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'm':
            for (unsigned i = 0; i < 4; i++) {
                if (strcmp(optarg, mode_names[i]) == 0) {
                    o.mode = (enum mode)i;
                    known = true;
                }
            }
            break;
        case 'r':
            o.rooms = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'c':
            o.clients = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'u':
            o.rate = strtod(optarg, NULL);
            break;
        case 's':
            o.seconds = strtod(optarg, NULL);
            break;
        case 'w':
            o.warmup = strtod(optarg, NULL);
            break;
        case 'i':
            o.pid = strtol(optarg, NULL, 10);
            break;
        case 'x':
            o.seed = strtoull(optarg, NULL, 10);
            break;
        default:
            usage();
        }
    }
    if (!known || !o.port || !o.rooms || !o.clients || o.rate <= 0 || o.rooms * o.clients > 65535) {
        usage();
    }
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    (void)signal(SIGPIPE, SIG_IGN);
    clients_count = (size_t)o.rooms * o.clients;
    clients = calloc(clients_count, sizeof *clients);
    slots = calloc(SLOTS, sizeof *slots);
    int ep = epoll_create1(EPOLL_CLOEXEC);
    if (!clients || !slots || ep < 0) {
        die("start");
    }
    for (size_t i = 0; i < clients_count; i++) {
        open_client(&clients[i], (unsigned)i);
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &clients[i]};
        if (epoll_ctl(ep, EPOLL_CTL_ADD, clients[i].fd, &ev) != 0) {
            die("epoll_ctl");
        }
    }
    acks = refusals = 0;
    double cpu = 0;
    run(ep, &cpu);
    unsigned long long expected = sent * (o.clients - 1);
    (void)printf("{\"mode\":\"%s\",\"rooms\":%u,\"clients\":%u,\"rate\":%g,\"seconds\":%g,"
                 "\"sent\":%llu,\"deliveries\":%llu,\"missing\":%lld,\"frames\":%llu,"
                 "\"refusals\":%llu,\"p50Ms\":%.3f,\"p95Ms\":%.3f,\"p99Ms\":%.3f,"
                 "\"lagMs\":%.3f,\"cpuUs\":%.0f,\"cpuUsPerDelivery\":%.4f}\n",
                 mode_names[o.mode], o.rooms, o.clients, o.rate, o.seconds, sent, deliveries,
                 (long long)(expected - deliveries), frames, refusals, percentile(0.50),
                 percentile(0.95), percentile(0.99), (double)latest_lag / 1e6, cpu,
                 deliveries ? cpu / (double)deliveries : 0);
    for (size_t i = 0; i < clients_count; i++) {
        close(clients[i].fd);
        free(clients[i].left);
    }
    free(clients);
    free(slots);
    close(ep);
    return refusals || deliveries != expected ? 1 : 0;
}
