#include "gateway/worker.h"

#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "gateway/conn.h"
#include "gateway/internal.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"

enum { ROUNDS = 8 }; /* of mail to itself in one turn; more waits for the next turn */

void worker_mark_dirty(struct worker *w, struct list_node *node) {
    if (!list_linked(node)) {
        list_push(&w->dirty, node);
    }
}

/* ---- mail ---- */

#ifdef COLLAB_DEBUG
static _Thread_local struct worker *mine; /* the worker that this thread runs */
#define worker_mine(w) must((w) == mine)
#else
#define worker_mine(w) (void)(w)
#endif

void worker_post(void *worker, unsigned to, struct msg *m) {
    struct worker *w = worker;
    worker_mine(w);
    if (to == w->index) {
        list_push(&w->local, &m->node);
    } else {
        mailbox_post(w->parent->workers[to].inbox, m);
    }
}

static bool is_behind(void *worker, unsigned who) {
    struct worker *w = worker;
    return mailbox_depth(w->parent->workers[who].inbox) > CAPS_MAILBOX;
}

static void shut(struct worker *w) {
    uv_close((uv_handle_t *)&w->listener, NULL);
    /* release: pairs with the main thread's look at the count */
    atomic_fetch_add_explicit(&w->parent->shut, 1, memory_order_release);
    (void)uv_async_send(&w->parent->wake);
}

/* The certificate was renewed: new connections get the new one. */
static void take_fresh_tls(struct worker *w) {
    /* acquire: pairs with worker_secure */
    struct tls_context *fresh = atomic_exchange_explicit(&w->fresh_tls, NULL, memory_order_acquire);
    if (fresh) {
        tls_context_unref(w->tls);
        w->tls = fresh;
    }
}

static void drain(struct worker *w) {
    w->draining = true;
    size_t at = 0;
    for (struct conn *c; (c = map_next(&w->conns, &at)) != NULL;) {
        conn_drain(c);
    }
}

/* An operator asks what there is (SIGUSR1). */
static void dump(const struct worker *w) {
    struct conn_load sum = {0};
    size_t at = 0;
    for (struct conn *c; (c = map_next(&w->conns, &at)) != NULL;) {
        conn_weigh(c, &sum);
    }
    log_always("DUMP-WORKER", log_u64("worker", w->index), log_u64("connections", w->conns.used),
               log_u64("rooms", w->rooms.by_name.used), log_u64("mailbox", mailbox_depth(w->inbox)),
               log_u64("outbox", sum.queued), log_u64("outboxBytes", sum.queued_bytes),
               log_u64("outboxDeepest", sum.deepest), log_u64("inputBytes", sum.input_bytes),
               log_u64("tick_ms", w->rooms.tick_ms));
    rooms_dump(&w->rooms);
    slowest_tell(&w->slowest, w->now_ms);
}

static void act(struct worker *w, struct msg *m) {
    if (m->kind < MSG_TO_CONN) {
        rooms_handle(&w->rooms, m, w->now_ms);
        return;
    }
    if (m->kind == MSG_FANOUT) {
        hub_fanout(&w->hub, m);
    } else if (m->kind == MSG_SHUT) {
        shut(w);
    } else if (m->kind == MSG_SECURE) {
        take_fresh_tls(w);
    } else if (m->kind == MSG_DRAIN) {
        drain(w);
    } else if (m->kind == MSG_DUMP) {
        dump(w);
    } else if (m->kind == MSG_STOP) {
        w->stopping = true;
    } else if (m->kind == MSG_BROUGHT) {
        w->parent->ops.on_brought(w->parent->ops.brought, m);
    } else {
        struct conn *c = map_find_u64(&w->conns, m->conn);
        if (c) { /* otherwise it has gone; its room hears of that by a leave of its own */
            conn_mail(c, m);
        }
    }
    msg_free(m);
}

static void take_mail(struct worker *w) {
    worker_mine(w);
    struct list_node mail;
    list_init(&mail);
    (void)mailbox_take(w->inbox, &mail);
    list_splice(&w->local, &mail);
    for (struct list_node *node; (node = list_shift(&w->local)) != NULL;) {
        act(w, LIST_ITEM(node, struct msg, node));
    }
}

/* ---- the turn ---- */

void worker_look_at_clock(struct worker *w) {
    if (w->slept) {
        w->slept = false;
        w->now_ms = clock_mono_ms();
    }
}

static void flush_dirty(struct worker *w) {
    for (struct list_node *node; (node = list_shift(&w->dirty)) != NULL;) {
        conn_flush(conn_of_dirty(node));
    }
}

static void free_dead(struct worker *w) {
    for (struct list_node *node; (node = list_shift(&w->dead)) != NULL;) {
        conn_free(conn_of_dead(node));
    }
}

static void on_tick(uv_timer_t *t) {
    (void)t; /* the turn that follows does the work */
}

static void arm_ticker(struct worker *w, uint64_t next_ms) {
    if (next_ms == UINT64_MAX) {
        (void)uv_timer_stop(&w->ticker);
        return;
    }
    uint64_t wait = next_ms > w->now_ms ? next_ms - w->now_ms : 1;
    (void)uv_timer_start(&w->ticker, on_tick, wait, 0);
}

static void stop_loop(struct worker *w) {
    size_t at = 0;
    for (struct conn *c; (c = map_next(&w->conns, &at)) != NULL;) {
        conn_abort(c);
    }
    uv_stop(&w->loop);
}

static void report_drained(struct worker *w) {
    if (w->draining && w->conns.used == 0 && !w->reported) {
        w->reported = true;
        /* release: pairs with the main thread's look at the count */
        atomic_fetch_add_explicit(&w->parent->drained, 1, memory_order_release);
        (void)uv_async_send(&w->parent->wake);
    }
}

/* How busy the loop was, every now and then: sets the tick. */
static void weigh_load(struct worker *w) {
    uint64_t now = clock_mono_ns();
    uint64_t span = now - w->load_ns;
    if (span < CAPS_LOAD_SPAN_NS) {
        return;
    }
    uint64_t idle = uv_metrics_idle_time(&w->loop);
    uint64_t slept = idle - w->idle_ns;
    uint64_t busy = span > slept ? span - slept : 0;
    rooms_set_load(&w->rooms, (double)busy / (double)span);
    metric_add(METRIC_LOOP_BUSY, 0, (int64_t)busy);
    w->idle_ns = idle;
    w->load_ns = now;
}

/* Runs before the loop goes to sleep: after every batch of I/O events, timers and wake-ups. */
static void worker_turn(uv_prepare_t *p) {
    struct worker *w = p->data;
    w->now_ms = clock_mono_ms();
    uint64_t next_ms = UINT64_MAX;
    int rounds = 0;
    do {
        take_mail(w);
        next_ms = rooms_turn(&w->rooms, w->now_ms);
        take_mail(w);
        flush_dirty(w);
        hub_written(&w->hub);
    } while (!list_empty(&w->local) && ++rounds < ROUNDS);
    free_dead(w);
    arm_ticker(w, list_empty(&w->local) ? next_ms : w->now_ms);
    report_drained(w);
    weigh_load(w);
    if (w->stopping) {
        stop_loop(w);
    }
    w->slept = true; /* it will have, when the next event is handled */
}

static void on_wake(uv_async_t *a) {
    (void)a; /* the turn that follows takes the mail */
}

static void weigh_conns(struct worker *w) {
    struct conn_load sum = {0};
    size_t at = 0;
    for (struct conn *c; (c = map_next(&w->conns, &at)) != NULL;) {
        conn_weigh(c, &sum);
    }
    metric_set(METRIC_OUTBOX_DEPTH, 0, (int64_t)sum.queued);
    metric_set(METRIC_OUTBOX_FULL, 0, (int64_t)sum.deepest);
    metric_set(METRIC_MEMORY, METRIC_OWNER_OUTBOXES, (int64_t)sum.queued_bytes);
    metric_set(METRIC_MEMORY, METRIC_OWNER_INPUT, (int64_t)sum.input_bytes);
}

static void on_sweep(uv_timer_t *t) {
    struct worker *w = t->data;
    worker_look_at_clock(w);
    size_t at = 0;
    for (struct conn *c; (c = map_next(&w->conns, &at)) != NULL;) {
        conn_sweep(c, w->now_ms);
    }
    weigh_conns(w);
    rooms_sweep(&w->rooms, w->now_ms);
    if (w->parent->tickets) {
        tls_tickets_turn(w->parent->tickets, w->now_ms);
    }
}

/* ---- accepting ---- */

static void on_connection(uv_stream_t *listener, int status) {
    struct worker *w = listener->data;
    worker_look_at_clock(w);
    if (status < 0) {
        log_limited(LOG_WARN, "ACCEPT", log_str("error", slice_str(uv_strerror(status))));
        return;
    }
    take_fresh_tls(w); /* its message may still be in the mailbox */
    conn_id id = (conn_id)w->index << CONN_WORKER_SHIFT | ++w->conns_made;
    struct conn *c = conn_new(w, id);
    bool pages_only = (void *)listener == (void *)&w->pages;
    bool ok = uv_accept(listener, conn_stream(c)) == 0 && conn_start(c, pages_only);
    /* far over the limit there is not even a handshake: nothing is to be spent on it */
    size_t open = atomic_load_explicit(&w->parent->connections, memory_order_relaxed);
    if (!ok || open > w->parent->o.max_connections * 2) {
        conn_abort(c);
    }
}

static int listen_on(struct worker *w, uv_tcp_t *tcp, int fd) {
    tcp->data = w;
    int e = uv_tcp_open(tcp, fd);
    return e ? e : uv_listen((uv_stream_t *)tcp, CAPS_BACKLOG, on_connection);
}

/* ---- life ---- */

static uint64_t sweep_interval(const struct gateway_options *o) {
    uint64_t shortest = o->ping_ms < o->stall_ms ? o->ping_ms : o->stall_ms;
    shortest = o->rooms.presence_ttl_ms < shortest ? o->rooms.presence_ttl_ms : shortest;
    uint64_t ms = shortest / 4;
    return ms < 20 ? 20 : ms > 1000 ? 1000 : ms;
}

static void init_handles(struct worker *w) {
    must(uv_loop_init(&w->loop) == 0);
    must(uv_loop_configure(&w->loop, UV_METRICS_IDLE_TIME) == 0);
    must(uv_async_init(&w->loop, &w->wake, on_wake) == 0);
    must(uv_prepare_init(&w->loop, &w->before_poll) == 0);
    must(uv_timer_init(&w->loop, &w->ticker) == 0);
    must(uv_timer_init(&w->loop, &w->sweeper) == 0);
    must(uv_tcp_init(&w->loop, &w->listener) == 0);
    w->before_poll.data = w->sweeper.data = w;
}

static void wake_from_outside(void *async) {
    (void)uv_async_send(async);
}

void worker_secure(struct worker *w, struct tls_context *fresh) {
    /* release: the worker sees all of it; acquire: so do we of one that it never took */
    tls_context_unref(atomic_exchange_explicit(&w->fresh_tls, fresh, memory_order_acq_rel));
    mailbox_post(w->inbox,
                 msg_new(MSG_SECURE)); /* the old key does not stay until the next accept */
}

int worker_open(struct worker *w, struct gateway *parent, unsigned index, int listen_fd,
                int pages_fd) {
    memset(w, 0, sizeof *w);
    w->parent = parent;
    w->index = index;
    list_init(&w->local);
    list_init(&w->dirty);
    list_init(&w->dead);
    init_handles(w);
    w->inbox = mailbox_new(wake_from_outside, &w->wake);
    buf_init(&w->scratch, 0);
    buf_init(&w->plain, 0);
    hub_init(&w->hub, &parent->ops.hub);
    struct rooms_options o = parent->o.rooms;
    o.worker = index;
    o.workers = parent->o.workers;
    o.post = worker_post;
    o.post_ctx = w;
    o.behind = is_behind;
    rooms_init(&w->rooms, &o);
    int e = listen_on(w, &w->listener, listen_fd);
    if (!e && pages_fd >= 0) {
        must(uv_tcp_init(&w->loop, &w->pages) == 0);
        w->has_pages = true;
        e = listen_on(w, &w->pages, pages_fd);
    }
    return e;
}

static void close_handle(uv_handle_t *h, void *arg) {
    (void)arg;
    if (!uv_is_closing(h)) {
        uv_close(h, NULL);
    }
}

void worker_run(void *worker) {
    struct worker *w = worker;
#ifdef COLLAB_DEBUG
    mine = w;
#endif
    metrics_thread_init(w->index);
    uint64_t interval = sweep_interval(&w->parent->o);
    w->now_ms = clock_mono_ms();
    w->load_ns = clock_mono_ns();
    (void)uv_prepare_start(&w->before_poll, worker_turn);
    (void)uv_timer_start(&w->sweeper, on_sweep, interval, interval);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
}

void worker_fini(struct worker *w) {
    uv_walk(&w->loop, close_handle, NULL);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&w->loop) == 0);
    free_dead(w);
    for (struct list_node *node; (node = list_shift(&w->local)) != NULL;) {
        msg_free(LIST_ITEM(node, struct msg, node));
    }
    mailbox_free(w->inbox);
    rooms_fini(&w->rooms);
    hub_fini(&w->hub);
    map_fini(&w->conns);
    buf_fini(&w->scratch);
    arena_fini(&w->arena);
    buf_fini(&w->plain);
    tls_context_unref(atomic_load_explicit(&w->fresh_tls, memory_order_relaxed)); /* alone now */
    tls_context_unref(w->tls);
}
