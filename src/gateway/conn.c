#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "gateway/conn_internal.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/probe.h"

/* ---- ending ---- */

static void on_closed(uv_handle_t *h) {
    struct conn *c = h->data;
    list_push(&c->worker->dead, &c->dead);
}

void conn_abort(struct conn *c) {
    if (c->state == CONN_GONE) {
        return;
    }
    conn_to_state(c, CONN_GONE);
    list_remove(&c->dirty);
    (void)map_remove_u64(&c->worker->conns, c->id);
    if (c->refused) {
        c->worker->refused--;
    } else {
        atomic_fetch_sub_explicit(&c->worker->parent->connections, 1, memory_order_relaxed);
    }
    if (c->counted) {
        conn_ops(c)->on_gone(conn_ops(c)->ctx, c->host, c->worker->now_ms);
    }
    if (c->session) {
        metric_add(METRIC_CONNECTIONS, 0, -1);
        conn_ops(c)->on_close(c->session);
        c->session = NULL;
    }
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_alloc(uv_handle_t *h, size_t want, uv_buf_t *ret);
static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b);

static void start_reading(struct conn *c) {
    (void)uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

void conn_close(struct conn *c, unsigned code, const char *reason) {
    if (c->state != CONN_OPEN) {
        return;
    }
    uint8_t payload[125];
    size_t n = ws_close_payload(payload, code, reason);
    log_limited(LOG_INFO, "CLOSE", log_u64("connectionId", c->id), log_u64("code", code),
                log_str("reason", slice_str(reason)));
    conn_queue_control(c, WS_CLOSE, slice_of(payload, n));
    conn_to_state(c, CONN_CLOSING);
    if (c->paused) { /* the peer's close frame must be heard */
        c->paused = false;
        start_reading(c);
    }
}

/* ---- the WebSocket part ---- */

static void on_data(struct conn *c, const struct ws_frame *f) {
    slice payload = slice_of(f->payload, f->n);
    if (!f->fin || f->op == WS_CONT) {
        buf_put_slice(&c->message, payload);
        if (c->message.failed) {
            conn_close(c, 1009, "the message is longer than this server takes");
            return;
        }
        if (!f->fin) {
            return;
        }
        payload = buf_slice(&c->message);
    }
    conn_ops(c)->on_message(c->session, c->parser.message_op == WS_TEXT, payload);
    if (c->message.cap) {
        buf_fini(&c->message);
    }
}

static void on_close_frame(struct conn *c, const struct ws_frame *f) {
    unsigned code = 0;
    slice reason = {0};
    bool ok = ws_close_parse(slice_of(f->payload, f->n), &code, &reason);
    must(ok);                              /* ws_parse lets no other through */
    conn_close(c, f->n ? code : 1000, ""); /* the answer, unless ours was first */
    c->shut = true;
    conn_mark_dirty(c);
}

/* Which ping it answers is clear only when there was one. */
static void on_pong(struct conn *c) {
    if (c->pings_out == 1) {
        metric_observe(METRIC_RTT, (double)(clock_mono_ns() - c->ping_ns) / 1e6);
    }
    c->pings_out = 0;
}

static void on_frame(struct conn *c, const struct ws_frame *f) {
    switch (f->op) {
    case WS_CONT:
    case WS_TEXT:
    case WS_BIN:
        if (c->state == CONN_OPEN) {
            on_data(c, f);
        }
        break;
    case WS_PING:
        if (c->state == CONN_OPEN) {
            conn_queue_pong(c, slice_of(f->payload, f->n));
        }
        break;
    case WS_PONG:
        on_pong(c);
        break;
    case WS_CLOSE:
        on_close_frame(c, f);
        break;
    }
}

static size_t consume_frames(struct conn *c, uint8_t *bytes, size_t n) {
    size_t used = 0;
    while (used < n && !c->paused && !c->shut &&
           (c->state == CONN_OPEN || c->state == CONN_CLOSING)) {
        struct ws_frame f;
        enum ws_result r = ws_parse(&c->parser, bytes + used, n - used, &f);
        if (r == WS_NEED_MORE) {
            break;
        }
        if (r == WS_ERROR) {
            conn_close(c, c->parser.close_code, c->parser.detail);
            c->shut = true; /* whatever follows cannot be understood */
            conn_mark_dirty(c);
            return n;
        }
        used += f.consumed;
        on_frame(c, &f);
    }
    return used;
}

/* Takes what can be taken off the front of the bytes; returns how many. */
static size_t consume(struct conn *c, uint8_t *bytes, size_t n) {
    c->consuming = true;
    size_t used = 0;
    if (c->state == CONN_HTTP) {
        used = conn_consume_http(c, slice_of(bytes, n));
    }
    used += consume_frames(c, bytes + used, n - used);
    c->consuming = false;
    bool deaf =
        c->shut || c->state == CONN_FLUSHING || c->state == CONN_ASKING || c->state == CONN_GONE;
    return deaf ? n : used;
}

static size_t input_limit(const struct conn *c) {
    return c->state == CONN_HTTP
               ? HTTP_HEAD_MAX + CAPS_HTTP_BODY_BYTES + RX_BYTES
               : conn_options(c)->max_frame_bytes + RX_BYTES + OUT_HEADER_ROOM + 4;
}

static void take_input(struct conn *c, uint8_t *bytes, size_t n) {
    metric_add(METRIC_BYTES_IN, 0, (int64_t)n);
    if (c->in.n == 0) {
        size_t used = consume(c, bytes, n);
        if (used == n) {
            return;
        }
        bytes += used;
        n -= used;
        c->in.max = input_limit(c);
        buf_put(&c->in, bytes, n);
    } else {
        c->in.max = input_limit(c);
        buf_put(&c->in, bytes, n);
        if (!c->in.failed) {
            buf_consume(&c->in, consume(c, c->in.p, c->in.n));
        }
    }
    if (c->in.failed) {
        conn_abort(c); /* no memory: the caps above are checked by the parsers before this */
    } else if (c->in.n == 0) {
        buf_fini(&c->in);
    }
}

/* ---- sockets ---- */

static void on_alloc(uv_handle_t *h, size_t want, uv_buf_t *ret) {
    (void)want;
    struct conn *c = h->data;
    *ret = uv_buf_init((char *)c->worker->rx, RX_BYTES);
}

/* Ciphertext: what it says goes the way of plain input. */
static void take_sealed(struct conn *c, slice cipher) {
    struct buf *plain = &c->worker->plain;
    buf_clear(plain);
    enum err e = tls_read(c->tls, cipher, plain);
    if (plain->n) {
        take_input(c, plain->p, plain->n);
    }
    if (c->state == CONN_GONE) {
        return;
    }
    if (tls_owes(c->tls)) {
        conn_mark_dirty(c);
    }
    if (e != ERR_OK) {
        log_limited(LOG_INFO, "TLS-REFUSED", log_u64("connectionId", c->id),
                    log_text("peer", c->peer), log_text("detail", tls_detail(c->tls)));
        outbox_fini(&c->outbox);
        c->shut = true;
        conn_to_state(c, CONN_FLUSHING); /* the alert still leaves */
        conn_mark_dirty(c);
    } else if (tls_ended(c->tls)) {
        conn_abort(c);
    }
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b) {
    struct conn *c = s->data;
    worker_look_at_clock(c->worker);
    if (n < 0) {
        conn_abort(c);
    } else if (n > 0 && c->tls) {
        take_sealed(c, slice_of(b->base, (size_t)n));
    } else if (n > 0) {
        take_input(c, (uint8_t *)b->base, (size_t)n);
    }
}

void conn_pause(struct conn *c) {
    if (!c->paused && c->state == CONN_OPEN) {
        c->paused = true;
        (void)uv_read_stop((uv_stream_t *)&c->tcp);
    }
}

void conn_resume(struct conn *c) {
    if (!c->paused || c->state != CONN_OPEN) {
        return;
    }
    c->paused = false;
    if (!c->consuming && c->in.n) { /* what came before reading stopped */
        buf_consume(&c->in, consume(c, c->in.p, c->in.n));
        if (c->in.n == 0) {
            buf_fini(&c->in);
        }
    }
    if (!c->paused && c->state == CONN_OPEN) {
        start_reading(c);
    }
}

/* ---- time ---- */

/* Notes whether the peer has taken anything since the last look. */
static void look_at_queue(struct conn *c, uint64_t now_ms) {
    size_t queue = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
    if (c->writing && queue < c->last_queue) {
        c->moved_ms = now_ms;
    }
    c->last_queue = queue;
}

/* A page is read as fast as the peer can; who takes nothing is waited for as on a WebSocket. */
static void sweep_flushing(struct conn *c, uint64_t now_ms, uint64_t age) {
    look_at_queue(c, now_ms);
    uint64_t patience = c->writing || c->outbox.count ? conn_options(c)->stall_ms : CAPS_CLOSE_MS;
    bool stands = age > patience && now_ms - c->moved_ms > patience;
    if (stands || age > CAPS_PAGE_MS) {
        conn_abort(c);
    }
}

static void sweep_open(struct conn *c, uint64_t now_ms) {
    look_at_queue(c, now_ms);
    if (c->outbox.count && now_ms - c->moved_ms > conn_options(c)->stall_ms) {
        metric_add(METRIC_STALLED, 0, 1);
        log_limited(LOG_WARN, "STALLED", log_u64("connectionId", c->id),
                    log_u64("queued", c->outbox.bytes));
        size_t before = outbox_messages(&c->outbox);
        outbox_clear(&c->outbox); /* so that the close frame is the next thing to be read */
        metric_add(METRIC_DROPPED, METRIC_REASON_STALLED,
                   (int64_t)(before - outbox_messages(&c->outbox)));
        conn_close(c, 1013, "nothing has been read for too long");
        return;
    }
    if (now_ms < c->ping_at_ms) {
        return;
    }
    if (c->pings_out >= CAPS_PINGS_MISSED) {
        log_limited(LOG_INFO, "SILENT", log_u64("connectionId", c->id));
        conn_abort(c);
        return;
    }
    c->pings_out++;
    c->ping_ns = clock_mono_ns();
    c->ping_at_ms = now_ms + conn_options(c)->ping_ms;
    conn_queue_control(c, WS_PING, (slice){0});
}

void conn_sweep(struct conn *c, uint64_t now_ms) {
    uint64_t age = now_ms - c->since_ms;
    switch (c->state) {
    case CONN_HTTP:
        if (age > conn_options(c)->header_ms && c->tls && !tls_ready(c->tls)) {
            conn_abort(c); /* no page could be read by it */
        } else if (age > conn_options(c)->header_ms) {
            conn_refuse(c, 408, "the request took too long to arrive");
        }
        break;
    case CONN_OPEN:
        conn_ops(c)->on_sweep(c->session);
        if (c->state == CONN_OPEN) {
            sweep_open(c, now_ms);
        }
        break;
    case CONN_ASKING:
        if (age > CAPS_ASK_MS) {
            conn_abort(c);
        }
        break;
    case CONN_FLUSHING:
        sweep_flushing(c, now_ms, age);
        break;
    case CONN_CLOSING:
        if (age > CAPS_CLOSE_MS) {
            conn_abort(c);
        }
        break;
    case CONN_GONE:
        break;
    }
}

void conn_weigh(const struct conn *c, struct conn_load *sum) {
    sum->queued += c->outbox.count;
    sum->queued_bytes += c->outbox.bytes;
    sum->input_bytes += c->in.cap + c->message.cap;
    sum->deepest = c->outbox.count > sum->deepest ? c->outbox.count : sum->deepest;
}

void conn_drain(struct conn *c) {
    if (c->state == CONN_HTTP || c->state == CONN_ASKING) {
        conn_abort(c);
    } else if (c->state == CONN_OPEN) {
        conn_ops(c)->on_drain(c->session);
    }
}

void conn_mail(struct conn *c, struct msg *m) {
    if (c->session) {
        conn_ops(c)->on_mail(c->session, m);
    } else if (c->state == CONN_ASKING && (m->kind == MSG_STATE_IS || m->kind == MSG_HISTORY_IS)) {
        conn_page(c, m);
    }
}

/* ---- life ---- */

struct conn *conn_new(struct worker *w, conn_id id) {
    struct conn *c = NEW(struct conn);
    c->worker = w;
    c->id = id;
    must(uv_tcp_init(&w->loop, &c->tcp) == 0);
    c->tcp.data = c;
    conn_to_state(c, CONN_HTTP);
    buf_init(&c->message, w->parent->o.max_frame_bytes);
    map_set_u64(&w->conns, id, c);
    atomic_fetch_add_explicit(&w->parent->connections, 1, memory_order_relaxed);
    return c;
}

struct conn *conn_of_dirty(struct list_node *node) {
    return LIST_ITEM(node, struct conn, dirty);
}

struct conn *conn_of_dead(struct list_node *node) {
    return LIST_ITEM(node, struct conn, dead);
}

void conn_free(struct conn *c) {
    buf_fini(&c->in);
    buf_fini(&c->message);
    metric_add(METRIC_DROPPED, METRIC_REASON_GONE, (int64_t)outbox_messages(&c->outbox));
    outbox_fini(&c->outbox);
    frame_unref(c->pong);
    tls_free(c->tls);
    mem_free(c);
}

void *conn_stream(struct conn *c) {
    return &c->tcp;
}

static void read_peer(struct conn *c) {
    struct sockaddr_storage a = {0};
    int n = (int)sizeof a;
    unsigned port = 0;
    (void)snprintf(c->host, sizeof c->host, "?");
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&a, &n) == 0) {
        const struct sockaddr *sa = (const struct sockaddr *)&a;
        (void)uv_ip_name(sa, c->host, sizeof c->host);
        port = ntohs(sa->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)sa)->sin6_port
                                               : ((const struct sockaddr_in *)sa)->sin_port);
    }
    (void)snprintf(c->peer, sizeof c->peer, "%s:%u", c->host, port);
}

bool conn_start(struct conn *c, bool pages_only) {
    c->pages_only = pages_only;
    PROBE1(accept, c->id);
    if (c->worker->parent->tickets && !pages_only) {
        c->tls = tls_new(c->worker->tls); /* which is there since before the first was accepted */
    }
    (void)uv_tcp_nodelay(&c->tcp, 1);
    read_peer(c);
    c->counted = pages_only || conn_ops(c)->on_accept(conn_ops(c)->ctx, c->host, c->worker->now_ms);
    if (!c->counted && (c->tls || c->worker->refused == CAPS_REFUSED)) {
        return false;
    }
    if (!c->counted) { /* at once, and without a place that others may need */
        c->refused = true;
        c->worker->refused++;
        atomic_fetch_sub_explicit(&c->worker->parent->connections, 1, memory_order_relaxed);
        conn_refuse(c, 503, "this address has as many connections as one may have");
    }
    c->counted &= !pages_only;
    return uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0;
}

static size_t at_most(size_t n, size_t max) {
    return n < max ? n : max;
}

void conn_trust(struct conn *c, bool trusted) {
    const struct gateway_options *o = conn_options(c);
    size_t most = trusted ? SIZE_MAX : CAPS_STRANGER_BYTES;
    c->parser.max_frame_bytes = at_most(o->max_frame_bytes, most);
    c->parser.max_message_bytes = c->message.max = c->parser.max_frame_bytes;
    c->outbox_bytes = at_most(o->outbox_bytes, most);
}

conn_id conn_get_id(const struct conn *c) {
    return c->id;
}

struct hub *conn_hub(struct conn *c) {
    return &c->worker->hub;
}

struct buf *conn_scratch(struct conn *c) {
    return &c->worker->scratch;
}

struct arena *conn_arena(struct conn *c) {
    return &c->worker->arena;
}

bool conn_is_for_operators(const struct conn *c) {
    return c->pages_only;
}

struct slowest *conn_slowest(struct conn *c) {
    return &c->worker->slowest;
}

uint64_t conn_now_ms(const struct conn *c) {
    return c->worker->now_ms;
}

const char *conn_peer(const struct conn *c) {
    return c->peer;
}

const char *conn_host(const struct conn *c) {
    return c->host;
}

const struct gateway *conn_gateway(const struct conn *c) {
    return c->worker->parent;
}

unsigned conn_worker_count(const struct conn *c) {
    return c->worker->parent->o.workers;
}

void conn_post(struct conn *c, unsigned worker, struct msg *m) {
    m->from = c->worker->index;
    worker_post(c->worker, worker, m);
}
