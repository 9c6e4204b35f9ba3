/* server_test.h: a small HTTP server in a thread of its own, on a port that the kernel chooses. It
 * answers as it is told, keeps requests waiting if it is told so, and counts. For tests only.
 *
 * Thread: server_* are the test's; the struct is guarded by its lock.
 */
#ifndef ACCESS_SERVER_TEST_H
#define ACCESS_SERVER_TEST_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/must.h"

#define DEADLINE_S 20 /* longer than any honest wait, also under a sanitizer */
#define HELD_MAX   256

struct server {
    int fd;
    char url[64];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned status;
    char headers[256]; /* whole lines */
    char *body;
    bool hold; /* requests wait for server_release */
    int held[HELD_MAX];
    size_t held_count;
    size_t requests;
    char last[16384]; /* the last request */
};

static inline void server_write(int fd, const char *p, size_t n) {
    for (ssize_t w = 0; n && (w = send(fd, p, n, MSG_NOSIGNAL)) > 0;) {
        p += w, n -= (size_t)w;
    }
}

/* Under the lock. */
static inline void server_answer(struct server *s, int fd) {
    char head[512];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %u Whatever\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n",
                     s->status, strlen(s->body), s->headers);
    server_write(fd, head, (size_t)n);
    server_write(fd, s->body, strlen(s->body));
    (void)close(fd);
}

/* Reads a whole request into `to`; false when the peer left before. */
static inline bool server_read(int fd, char *to, size_t max) {
    size_t n = 0;
    for (;;) {
        ssize_t r = recv(fd, to + n, max - 1 - n, 0);
        if (r <= 0) {
            return false;
        }
        n += (size_t)r;
        to[n] = 0;
        const char *end = strstr(to, "\r\n\r\n");
        const char *length = strstr(to, "\r\nContent-Length: ");
        size_t body = length ? strtoul(length + strlen("\r\nContent-Length: "), NULL, 10) : 0;
        if (end && n >= (size_t)(end + 4 - to) + body) {
            return true;
        }
    }
}

static inline void *server_run(void *arg) {
    struct server *s = arg;
    char request[sizeof s->last];
    for (int fd; (fd = accept(s->fd, NULL, NULL)) >= 0;) {
        if (!server_read(fd, request, sizeof request)) {
            (void)close(fd);
            continue;
        }
        (void)pthread_mutex_lock(&s->lock);
        memcpy(s->last, request, sizeof request);
        s->requests++;
        if (s->hold) {
            must(s->held_count < HELD_MAX);
            s->held[s->held_count++] = fd;
        } else {
            server_answer(s, fd);
        }
        (void)pthread_cond_broadcast(&s->changed);
        (void)pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

/* What it says from now on. */
static inline void server_says(struct server *s, unsigned status, const char *headers,
                               const char *body) {
    (void)pthread_mutex_lock(&s->lock);
    free(s->body);
    s->body = strdup(body);
    s->status = status;
    (void)snprintf(s->headers, sizeof s->headers, "%s", headers);
    (void)pthread_mutex_unlock(&s->lock);
}

static inline struct server *server_new(unsigned status, const char *headers, const char *body) {
    struct server *s = calloc(1, sizeof *s);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof at;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(s->fd >= 0 && bind(s->fd, (struct sockaddr *)&at, n) == 0 && listen(s->fd, 128) == 0);
    must(getsockname(s->fd, (struct sockaddr *)&at, &n) == 0);
    (void)snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u/x", ntohs(at.sin_port));
    must(pthread_mutex_init(&s->lock, NULL) == 0 && pthread_cond_init(&s->changed, NULL) == 0);
    server_says(s, status, headers, body);
    must(pthread_create(&s->thread, NULL, server_run, s) == 0);
    return s;
}

static inline void server_hold(struct server *s) {
    (void)pthread_mutex_lock(&s->lock);
    s->hold = true;
    (void)pthread_mutex_unlock(&s->lock);
}

/* Answers what waits, and from now on at once. */
static inline void server_release(struct server *s) {
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->held_count; i++) {
        server_answer(s, s->held[i]);
    }
    s->held_count = 0;
    s->hold = false;
    (void)pthread_mutex_unlock(&s->lock);
}

/* Takes no connections any more. */
static inline void server_close(struct server *s) {
    if (s->fd >= 0) {
        (void)shutdown(s->fd, SHUT_RDWR);
        must(pthread_join(s->thread, NULL) == 0);
        (void)close(s->fd);
        s->fd = -1;
    }
}

static inline void server_free(struct server *s) {
    server_close(s);
    server_release(s);
    (void)pthread_cond_destroy(&s->changed);
    (void)pthread_mutex_destroy(&s->lock);
    free(s->body);
    free(s);
}

static inline struct timespec deadline(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += DEADLINE_S;
    return t;
}

/* Waits until it has had so many requests in all; returns how many those are. */
static inline size_t server_wait(struct server *s, size_t requests) {
    const struct timespec end = deadline();
    (void)pthread_mutex_lock(&s->lock);
    while (s->requests < requests && pthread_cond_timedwait(&s->changed, &s->lock, &end) == 0) {
    }
    size_t n = s->requests;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

#endif
