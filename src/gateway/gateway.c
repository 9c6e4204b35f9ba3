#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "gateway/internal.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"

/* ---- sockets ---- */

static int bound_port(int fd) {
    struct sockaddr_storage a = {0};
    socklen_t n = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &n) != 0) {
        return 0;
    }
    const struct sockaddr *sa = (const struct sockaddr *)&a;
    return ntohs(sa->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)sa)->sin6_port
                                           : ((const struct sockaddr_in *)sa)->sin_port);
}

static struct addrinfo *resolve(const char *host, unsigned port, char *why, size_t why_bytes) {
    char service[16];
    (void)snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int e = getaddrinfo(host, service, &hints, &found);
    if (e) {
        (void)snprintf(why, why_bytes, "host %s: %s", host, gai_strerror(e));
    }
    return found;
}

/* A bound socket, -1 with errno. `shared`: others may bind the same port too. */
static int bind_to(const struct addrinfo *a, bool shared) {
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    int option = shared ? SO_REUSEPORT : SO_REUSEADDR;
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
                    setsockopt(fd, SOL_SOCKET, option, &on, sizeof on) != 0 ||
                    bind(fd, a->ai_addr, a->ai_addrlen) != 0)) {
        int e = errno;
        (void)close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

/* A socket bound to host and port, -1 with a sentence in `why`. */
static int open_socket(const char *host, unsigned port, bool shared, char *why, size_t why_bytes) {
    struct addrinfo *a = resolve(host, port, why, why_bytes);
    if (!a) {
        return -1;
    }
    int fd = bind_to(a, shared);
    if (fd < 0) {
        const char *hint = errno == EADDRINUSE ? "; another program has it, choose another port"
                           : errno == EACCES   ? "; ports below 1024 need root or a capability"
                                               : "";
        (void)snprintf(why, why_bytes, "cannot listen on %s port %u (--host, --port): %s%s", host,
                       port, strerror(errno), hint);
    }
    freeaddrinfo(a);
    return fd;
}

/* SO_REUSEPORT would let a second server of the same user share our port silently: ask once without
 * it. */
static bool port_is_free(const char *host, unsigned port, char *why, size_t why_bytes) {
    int fd = open_socket(host, port, false, why, why_bytes);
    if (fd >= 0) {
        (void)close(fd);
    }
    return fd >= 0;
}

/* ---- main loop ---- */

static void post_all(struct gateway *g, enum msg_kind kind) {
    for (unsigned i = 0; i < g->started; i++) {
        mailbox_post(g->workers[i].inbox, msg_new(kind));
    }
}

static void on_deadline(uv_timer_t *t) {
    struct gateway *g = t->data;
    log_warn("DRAIN-DEADLINE", log_u64("connections", atomic_load(&g->connections)));
    uv_stop(&g->loop);
}

static void on_signal(uv_signal_t *s, int number) {
    struct gateway *g = s->data;
    if (atomic_exchange(&g->draining, true)) {
        log_warn("STOP-NOW", log_u64("signal", (uint64_t)number));
        uv_stop(&g->loop);
        return;
    }
    log_info("DRAIN", log_u64("signal", (uint64_t)number),
             log_u64("connections", atomic_load(&g->connections)));
    (void)uv_timer_start(&g->deadline, on_deadline, g->o.drain_ms, 0);
    post_all(g, MSG_SHUT);
}

/* Reads certificate and key, once for each worker, and hands them over: all get them or none does.
 * A warning is logged, an error is left in `why`. */
static bool renew_tls(struct gateway *g, char *why, size_t why_bytes) {
    struct tls_context *fresh[CAPS_WORKERS];
    unsigned n = 0;
    while (n < g->opened && tls_context_open(g->o.tls_cert, g->o.tls_key, g->tickets, &fresh[n],
                                             why, why_bytes) == ERR_OK) {
        n++;
    }
    bool ok = n == g->opened;
    if (ok && n) {
        metric_set(METRIC_CERTIFICATE_EXPIRY, 0, tls_context_expires_s(fresh[0]));
    }
    for (unsigned i = 0; i < n; i++) {
        if (ok) {
            worker_secure(&g->workers[i], fresh[i]);
        } else {
            tls_context_unref(fresh[i]);
        }
    }
    if (ok && why[0]) {
        log_warn("TLS-FILES", log_text("detail", why));
    }
    return ok;
}

static void on_sighup(uv_signal_t *s, int number) {
    struct gateway *g = s->data;
    char why[300] = "";
    (void)number;
    if (g->tickets && !renew_tls(g, why, sizeof why)) {
        log_error("TLS-FILES", log_text("detail", why));
    }
    g->ops.on_reload(g->ops.ctx);
    log_info("RELOAD"); /* when it is done, so that who waits for this line need not wait longer */
}

/* What there is goes to the log: of the process here, of its workers by themselves. */
static void on_sigusr1(uv_signal_t *s, int number) {
    struct gateway *g = s->data;
    (void)number;
    log_always("DUMP", log_u64("workers", g->started),
               log_u64("connections", atomic_load_explicit(&g->connections, memory_order_relaxed)),
               log_i64("storeQueued", metric_get(METRIC_STORE_QUEUED, 0)),
               log_bool("draining", gateway_draining(g)));
    post_all(g, MSG_DUMP);
}

static void on_worker_drained(uv_async_t *a) {
    struct gateway *g = a->data;
    /* Only when no worker listens any more is the first connection closed: a client that comes back
     * at once finds the port shut, and goes elsewhere. acquire: pairs with the workers' reports */
    if (!g->drain_told && atomic_load_explicit(&g->shut, memory_order_acquire) == g->started) {
        g->drain_told = true;
        post_all(g, MSG_DRAIN);
    }
    if (atomic_load_explicit(&g->drained, memory_order_acquire) == g->started) {
        uv_stop(&g->loop);
    }
}

static void on_housekeeping(uv_timer_t *t) {
    (void)t;
    log_flush_suppressed();
}

static void open_main_loop(struct gateway *g) {
    must(uv_loop_init(&g->loop) == 0);
    must(uv_signal_init(&g->loop, &g->sigterm) == 0);
    must(uv_signal_init(&g->loop, &g->sigint) == 0);
    must(uv_signal_init(&g->loop, &g->sighup) == 0);
    must(uv_signal_init(&g->loop, &g->sigusr1) == 0);
    must(uv_timer_init(&g->loop, &g->deadline) == 0);
    must(uv_timer_init(&g->loop, &g->housekeeping) == 0);
    must(uv_async_init(&g->loop, &g->wake, on_worker_drained) == 0);
    g->sigterm.data = g->sigint.data = g->sighup.data = g->sigusr1.data = g->deadline.data =
        g->wake.data = g;
    (void)uv_timer_start(&g->housekeeping, on_housekeeping, CAPS_HOUSEKEEPING_MS,
                         CAPS_HOUSEKEEPING_MS);
    (void)uv_signal_start(&g->sigterm, on_signal, SIGTERM);
    (void)uv_signal_start(&g->sigint, on_signal, SIGINT);
    (void)uv_signal_start(&g->sighup, on_sighup, SIGHUP);
    (void)uv_signal_start(&g->sigusr1, on_sigusr1, SIGUSR1);
    g->loop_open = true;
}

void gateway_run(struct gateway *g) {
    (void)uv_run(&g->loop, UV_RUN_DEFAULT);
    post_all(g, MSG_STOP);
}

/* ---- life ---- */

static bool open_worker(struct gateway *g, unsigned i, char *why, size_t why_bytes) {
    int fd = open_socket(g->o.host, g->port, true, why, why_bytes);
    if (fd < 0) {
        return false;
    }
    g->port = (unsigned)bound_port(fd);
    int pages = -1;
    if (i == 0 && g->o.metrics_host) {
        pages = open_socket(g->o.metrics_host, g->o.metrics_port, false, why, why_bytes);
        if (pages < 0) {
            (void)close(fd);
            return false;
        }
    }
    g->pages_port = pages >= 0 ? (unsigned)bound_port(pages) : g->pages_port;
    int e = worker_open(&g->workers[i], g, i, fd, pages);
    if (e) {
        (void)snprintf(why, why_bytes, "cannot listen on %s port %u: %s", g->o.host, g->port,
                       uv_strerror(e));
        worker_fini(&g->workers[i]);
        return false;
    }
    return true;
}

struct gateway *gateway_open(const struct gateway_options *o, const struct gateway_ops *ops,
                             char *why, size_t why_bytes) {
    if (!port_is_free(o->host, o->port, why, why_bytes)) {
        return NULL;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    struct gateway *g = NEW(struct gateway);
    g->o = *o;
    g->ops = *ops;
    g->port = o->port;
    g->workers = mem_new(o->workers * sizeof *g->workers);
    open_main_loop(g);
    if (o->tls_cert) {
        g->tickets = tls_tickets_new(clock_mono_ms());
    }
    while (g->opened < o->workers && open_worker(g, g->opened, why, why_bytes)) {
        g->opened++;
    }
    if (g->opened < o->workers || (g->tickets && !renew_tls(g, why, why_bytes))) {
        gateway_free(g);
        return NULL;
    }
    return g;
}

void gateway_start(struct gateway *g) {
    for (; g->started < g->o.workers; g->started++) {
        struct worker *w = &g->workers[g->started];
        must(uv_thread_create(&w->thread, worker_run, w) == 0);
    }
}

void gateway_post(struct gateway *g, struct msg *m) {
    mailbox_post(g->workers[conn_worker(m->conn)].inbox, m);
}

static void close_handle(uv_handle_t *h, void *arg) {
    (void)arg;
    uv_close(h, NULL);
}

void gateway_stop(struct gateway *g) {
    while (g && g->started) {
        (void)uv_thread_join(&g->workers[--g->started].thread);
    }
}

void gateway_free(struct gateway *g) {
    if (!g) {
        return;
    }
    gateway_stop(g);
    for (unsigned i = 0; i < g->opened; i++) {
        worker_fini(&g->workers[i]);
    }
    if (g->loop_open) {
        uv_walk(&g->loop, close_handle, NULL);
        (void)uv_run(&g->loop, UV_RUN_DEFAULT);
        must(uv_loop_close(&g->loop) == 0);
    }
    tls_tickets_free(g->tickets);
    mem_free(g->workers);
    mem_free(g);
}

unsigned gateway_port(const struct gateway *g) {
    return g->port;
}

unsigned gateway_metrics_port(const struct gateway *g) {
    return g->pages_port;
}

bool gateway_draining(const struct gateway *g) {
    return atomic_load_explicit(&g->draining, memory_order_relaxed);
}

size_t gateway_mailbox_depth(const struct gateway *g, unsigned worker) {
    return mailbox_depth(g->workers[worker].inbox);
}

void gateway_busiest(const struct gateway *g, unsigned worker, struct busy_list *to) {
    busiest_get(g->workers[worker].rooms.busiest, to);
}

unsigned gateway_workers(const struct gateway *g) {
    return g->o.workers;
}
