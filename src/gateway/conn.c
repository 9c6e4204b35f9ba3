#include "gateway/conn.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/must.h"
#include "gateway/internal.h"
#include "gateway/outbox.h"
#include "gateway/tls.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "wire/ws.h"

enum conn_state { CONN_HTTP, CONN_ASKING, CONN_FLUSHING, CONN_OPEN, CONN_CLOSING, CONN_GONE };

struct conn {
    struct worker *worker;
    conn_id id;
    enum conn_state state;
    uv_tcp_t tcp;
    struct tls *tls;  /* NULL: none */
    uv_write_t write; /* for the rest of what the socket did not take at once */
    bool writing;
    size_t write_bytes;
    uv_shutdown_t goodbye;
    bool goodbye_said;
    bool tls_closed;
    bool paused;    /* by the session */
    bool consuming; /* inside the loop that takes messages off the input */
    bool pages_only;
    bool counted; /* among those of its address */
    bool refused; /* for its address: no longer among all */
    bool shut;    /* close frame sent or received */

    struct buf in; /* bytes of an incomplete head or frame */
    struct ws_parser parser;
    struct buf message; /* fragments so far */

    struct outbox outbox;
    void *session;

    uint64_t since_ms; /* when it came into this state */
    uint64_t ping_at_ms;
    unsigned pings_out; /* sent and not answered */
    uint64_t moved_ms;  /* when the outbox last made progress */
    size_t last_queue;  /* libuv's write queue then */

    struct list_node dirty;
    struct list_node dead;
    char host[48];
    char peer[64];
};

static const struct gateway_ops *ops(const struct conn *c) {
    return &c->worker->parent->ops;
}

static const struct gateway_options *options(const struct conn *c) {
    return &c->worker->parent->o;
}

static void to_state(struct conn *c, enum conn_state state) {
    c->state = state;
    c->since_ms = c->worker->now_ms;
}

/* ---- ending ---- */

static void on_closed(uv_handle_t *h) {
    struct conn *c = h->data;
    list_push(&c->worker->dead, &c->dead);
}

void conn_abort(struct conn *c) {
    if (c->state == CONN_GONE) {
        return;
    }
    to_state(c, CONN_GONE);
    list_remove(&c->dirty);
    (void)map_remove_u64(&c->worker->conns, c->id);
    if (!c->refused) {
        atomic_fetch_sub_explicit(&c->worker->parent->connections, 1, memory_order_relaxed);
    }
    if (c->counted) {
        ops(c)->on_gone(ops(c)->ctx, c->host, c->worker->now_ms);
    }
    if (c->session) {
        metric_add(METRIC_CONNECTIONS, 0, -1);
        ops(c)->on_close(c->session);
        c->session = NULL;
    }
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_alloc(uv_handle_t *h, size_t want, uv_buf_t *ret);
static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b);

static void start_reading(struct conn *c) {
    (void)uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

static void mark_dirty(struct conn *c) {
    if (c->state != CONN_GONE) {
        worker_mark_dirty(c->worker, &c->dirty);
    }
}

/* Takes the item. The clock of a stall starts when something has to wait at all. */
static void enqueue(struct conn *c, struct out_item *it) {
    if (!c->outbox.count) {
        c->moved_ms = c->worker->now_ms;
    }
    outbox_push(&c->outbox, it);
    mark_dirty(c);
}

/* Queues bytes of our own making: handshakes, control frames. */
static void push_bytes(struct conn *c, slice bytes) {
    struct out_item it = {.frame = frame_copy(bytes), .class = OUT_CONTROL};
    enqueue(c, &it);
}

static void push_control(struct conn *c, enum ws_op op, slice payload) {
    uint8_t bytes[OUT_HEADER_ROOM + 125];
    size_t n = ws_header(bytes, op, payload.n);
    if (payload.n) {
        memcpy(bytes + n, payload.p, payload.n);
    }
    push_bytes(c, slice_of(bytes, n + payload.n));
}

void conn_close(struct conn *c, unsigned code, const char *reason) {
    if (c->state != CONN_OPEN) {
        return;
    }
    uint8_t payload[125];
    size_t n = ws_close_payload(payload, code, reason);
    log_limited(LOG_INFO, "CLOSE", log_u64("connectionId", c->id), log_u64("code", code),
                log_str("reason", slice_str(reason)));
    push_control(c, WS_CLOSE, slice_of(payload, n));
    to_state(c, CONN_CLOSING);
    if (c->paused) { /* the peer's close frame must be heard */
        c->paused = false;
        start_reading(c);
    }
}

/* ---- the HTTP part ---- */

static void respond(struct conn *c, struct http_response *r, const char *extra) {
    struct buf head;
    buf_init(&head, 0);
    buf_printf(&head,
               "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
               "Cache-Control: no-store\r\n%sConnection: close\r\n\r\n",
               r->status, http_status_text(r->status),
               r->content_type ? r->content_type : "text/plain; charset=utf-8", r->body.n, extra);
    push_bytes(c, buf_slice(&head));
    if (r->body.n) {
        push_bytes(c, buf_slice(&r->body));
    }
    buf_fini(&head);
    to_state(c, CONN_FLUSHING);
}

static void refuse(struct conn *c, unsigned status, const char *reason) {
    struct http_response r = {.status = status};
    buf_init(&r.body, 0);
    buf_put_str(&r.body, reason);
    buf_put_u8(&r.body, '\n');
    respond(c, &r, status == 426 ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" : "");
    buf_fini(&r.body);
}

static void accept_upgrade(struct conn *c, slice key, const struct upgrade *up) {
    char accept[WS_ACCEPT_BYTES];
    ws_accept_key(key, accept);
    struct buf head;
    buf_init(&head, 0);
    buf_printf(&head,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %.*s\r\n",
               (int)sizeof accept, accept);
    if (up->subprotocol) {
        buf_printf(&head, "Sec-WebSocket-Protocol: %s\r\n", up->subprotocol);
    }
    buf_put_str(&head, "\r\n");
    push_bytes(c, buf_slice(&head));
    buf_fini(&head);
    size_t max = options(c)->max_frame_bytes;
    ws_parser_init(&c->parser, max, max, true);
    c->session = up->session;
    metric_add(METRIC_CONNECTIONS, 0, 1);
    metric_add(METRIC_CONNECTIONS_ACCEPTED, 0, 1);
    c->ping_at_ms = c->worker->now_ms + options(c)->ping_ms;
    to_state(c, CONN_OPEN);
}

static void upgrade(struct conn *c, const struct http_request *req) {
    slice key = {0};
    unsigned status = 0;
    const char *reason = NULL;
    if (!http_wants_websocket(req, &key, &status, &reason)) {
        refuse(c, status, reason);
        return;
    }
    struct upgrade up = {.status = 101};
    ops(c)->on_upgrade(ops(c)->ctx, c, req, &up);
    if (up.status != 101) {
        refuse(c, up.status, up.reason);
        return;
    }
    accept_upgrade(c, key, &up);
    size_t open = atomic_load_explicit(&c->worker->parent->connections, memory_order_relaxed);
    if (c->worker->draining) {
        conn_close(c, 1013, "the server is going down");
    } else if (open > options(c)->max_connections) {
        conn_close(c, 1013, "the server has as many connections as it may hold");
    } else {
        ops(c)->on_open(c->session);
    }
}

static void on_head(struct conn *c, const struct http_request *req) {
    if (!c->pages_only && ops(c)->is_socket(ops(c)->ctx, req)) {
        upgrade(c, req);
        return;
    }
    struct http_response r = {.status = 200};
    buf_init(&r.body, 0);
    if (c->pages_only && !slice_is(req->path, "/metrics")) {
        r.status = 404;
        buf_put_str(&r.body, "only /metrics is served on this address\n");
    } else {
        ops(c)->on_request(ops(c)->pages, c, req, &r);
    }
    if (r.later) {
        to_state(c, CONN_ASKING);
    } else {
        respond(c, &r, "");
    }
    buf_fini(&r.body);
}

/* The room has answered what a page is about. */
static void page_answer(struct conn *c, const struct msg *m) {
    struct http_response r = {.status = m->err == ERR_OK ? 200 : 404,
                              .content_type = m->err == ERR_OK ? "application/json" : NULL};
    buf_init(&r.body, 0);
    if (m->err == ERR_OK) {
        buf_put_slice(&r.body, frame_slice(m->payload));
    } else {
        buf_put_str(&r.body, m->detail);
    }
    buf_put_u8(&r.body, '\n');
    respond(c, &r, "");
    buf_fini(&r.body);
}

/* Returns how many bytes it used. */
static size_t consume_http(struct conn *c, slice bytes) {
    struct http_request req;
    size_t used = 0;
    unsigned status = 0;
    const char *reason = NULL;
    switch (http_parse(bytes, &req, &used, &status, &reason)) {
    case HTTP_PARSE_MORE:
        return 0;
    case HTTP_PARSE_BAD:
        refuse(c, status, reason);
        return bytes.n;
    case HTTP_PARSE_OK:
        on_head(c, &req);
        break;
    }
    return used;
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
    ops(c)->on_message(c->session, c->parser.message_op == WS_TEXT, payload);
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
    mark_dirty(c);
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
            push_control(c, WS_PONG, slice_of(f->payload, f->n));
        }
        break;
    case WS_PONG:
        c->pings_out = 0;
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
            mark_dirty(c);
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
        used = consume_http(c, slice_of(bytes, n));
    }
    used += consume_frames(c, bytes + used, n - used);
    c->consuming = false;
    bool deaf =
        c->shut || c->state == CONN_FLUSHING || c->state == CONN_ASKING || c->state == CONN_GONE;
    return deaf ? n : used;
}

static size_t input_limit(const struct conn *c) {
    return c->state == CONN_HTTP ? HTTP_HEAD_MAX + CAPS_HTTP_BODY_BYTES + RX_BYTES
                                 : options(c)->max_frame_bytes + RX_BYTES + OUT_HEADER_ROOM + 4;
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
        mark_dirty(c);
    }
    if (e != ERR_OK) {
        log_limited(LOG_INFO, "TLS-REFUSED", log_u64("connectionId", c->id),
                    log_text("peer", c->peer), log_text("detail", tls_detail(c->tls)));
        outbox_fini(&c->outbox);
        c->shut = true;
        to_state(c, CONN_FLUSHING); /* the alert still leaves */
        mark_dirty(c);
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

static void on_written(uv_write_t *w, int status) {
    struct conn *c = w->data;
    worker_look_at_clock(c->worker);
    c->writing = false;
    if (c->state == CONN_GONE) {
        return;
    }
    if (status < 0) {
        conn_abort(c);
        return;
    }
    if (c->tls) {
        tls_sent(c->tls, c->write_bytes);
    } else {
        outbox_sent(&c->outbox, c->write_bytes);
    }
    c->moved_ms = c->worker->now_ms;
    mark_dirty(c);
}

/* The socket is full: leave these bytes to libuv, which waits for room. They stay where they are
 * until on_written. */
static void write_later(struct conn *c, const uv_buf_t *bufs, unsigned n) {
    size_t bytes = 0;
    for (unsigned i = 0; i < n; i++) {
        bytes += bufs[i].len;
    }
    c->write.data = c;
    c->write_bytes = bytes;
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, bufs, n, on_written) != 0) {
        conn_abort(c);
        return;
    }
    c->writing = true;
    c->last_queue = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
}

enum { PIECES = 128 };

static unsigned as_bufs(uv_buf_t *to, const struct iovec *piece, size_t n) {
    for (size_t i = 0; i < n; i++) {
        to[i] = uv_buf_init(piece[i].iov_base, (unsigned)piece[i].iov_len);
    }
    return (unsigned)n;
}

/* What the socket took at once; 0 when it is full, or the connection has ended by this. */
static size_t try_write(struct conn *c, const uv_buf_t *bufs, unsigned n, bool *ret_full) {
    int sent = uv_try_write((uv_stream_t *)&c->tcp, bufs, n);
    *ret_full = sent == UV_EAGAIN;
    if (sent < 0 && sent != UV_EAGAIN) {
        conn_abort(c);
    }
    if (sent <= 0) {
        return 0;
    }
    metric_add(METRIC_BYTES_OUT, 0, sent);
    c->moved_ms = c->worker->now_ms;
    return (size_t)sent;
}

static void write_plain(struct conn *c) {
    while (c->outbox.count && !c->writing && c->state != CONN_GONE) {
        struct iovec piece[PIECES];
        uv_buf_t bufs[PIECES];
        bool full = false;
        size_t pieces = outbox_pieces(&c->outbox, piece, PIECES);
        size_t sent = try_write(c, bufs, as_bufs(bufs, piece, pieces), &full);
        if (full) {
            write_later(c, bufs, as_bufs(bufs, piece, outbox_hold(&c->outbox, piece)));
        } else if (c->state != CONN_GONE) {
            outbox_sent(&c->outbox, sent);
        }
    }
}

/* Has TLS seal what is queued, unless it owes something already (an alert, maybe); false when the
 * connection has ended by that. */
static bool seal(struct conn *c) {
    struct iovec piece[PIECES];
    size_t n = outbox_pieces(&c->outbox, piece, PIECES);
    size_t taken = 0;
    if (tls_out(c->tls).n || !n) {
        return true;
    }
    if (tls_write(c->tls, piece, n, &taken) != ERR_OK) {
        conn_abort(c);
        return false;
    }
    outbox_sent(&c->outbox, taken);
    return true;
}

/* The same through TLS: what it has sealed is what the socket gets. */
static void write_sealed(struct conn *c) {
    while (!c->writing && c->state != CONN_GONE && seal(c)) {
        slice out = tls_out(c->tls);
        if (!out.n) {
            return;
        }
        struct iovec sealed;
        memcpy(&sealed.iov_base, &out.p, sizeof out.p); /* not const, though never written */
        sealed.iov_len = out.n;
        uv_buf_t buf;
        bool full = false;
        size_t sent = try_write(c, &buf, as_bufs(&buf, &sealed, 1), &full);
        if (full) {
            write_later(c, &buf, 1);
        } else if (c->state != CONN_GONE) {
            tls_sent(c->tls, sent);
        }
    }
}

/* Writes until all has left or the socket is full. */
static void write_now(struct conn *c) {
    if (c->tls) {
        write_sealed(c);
    } else {
        write_plain(c);
    }
}

static bool all_sent(const struct conn *c) {
    return !c->outbox.count && !(c->tls && tls_owes(c->tls));
}

static void on_goodbye(uv_shutdown_t *req, int status) {
    (void)req; /* the peer's end of stream, an error or conn_sweep ends it */
    (void)status;
}

/* All is sent: end our half and wait for the peer to end its own. Closing at once while bytes of
 * the peer are still unread would reset the connection and destroy what it has not read yet. */
static void say_goodbye(struct conn *c) {
    if (c->tls && !c->tls_closed) {
        c->tls_closed = true;
        tls_close(c->tls);
        mark_dirty(c); /* its farewell leaves first */
        return;
    }
    if (!c->goodbye_said) {
        c->goodbye_said = true;
        if (uv_shutdown(&c->goodbye, (uv_stream_t *)&c->tcp, on_goodbye) != 0) {
            conn_abort(c);
        }
    }
}

void conn_flush(struct conn *c) {
    write_now(c);
    if (c->state == CONN_GONE || !all_sent(c)) {
        return;
    }
    if (c->state == CONN_FLUSHING || (c->state == CONN_CLOSING && c->shut)) {
        say_goodbye(c);
    } else if (c->session) { /* also when nothing was left to send because it was dropped */
        ops(c)->on_drained(c->session);
    }
}

bool conn_push(struct conn *c, struct out_item *it) {
    if (c->state != CONN_OPEN) {
        out_item_fini(it);
        return false;
    }
    enqueue(c, it);
    return c->outbox.bytes > options(c)->outbox_bytes ||
           c->outbox.count > options(c)->outbox_frames;
}

void conn_drop(struct conn *c, const void *tag, void (*dropped)(void *ctx, const struct out_item *),
               void *ctx) {
    outbox_drop(&c->outbox, tag, dropped, ctx);
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

static void sweep_open(struct conn *c, uint64_t now_ms) {
    size_t queue = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
    if (c->writing && queue < c->last_queue) {
        c->moved_ms = now_ms;
    }
    c->last_queue = queue;
    if (c->outbox.count && now_ms - c->moved_ms > options(c)->stall_ms) {
        metric_add(METRIC_STALLED, 0, 1);
        log_limited(LOG_WARN, "STALLED", log_u64("connectionId", c->id),
                    log_u64("queued", c->outbox.bytes));
        outbox_clear(&c->outbox); /* so that the close frame is the next thing to be read */
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
    c->ping_at_ms = now_ms + options(c)->ping_ms;
    push_control(c, WS_PING, (slice){0});
}

void conn_sweep(struct conn *c, uint64_t now_ms) {
    uint64_t age = now_ms - c->since_ms;
    switch (c->state) {
    case CONN_HTTP:
        if (age > CAPS_HTTP_HEADER_MS && c->tls && !tls_ready(c->tls)) {
            conn_abort(c); /* no page could be read by it */
        } else if (age > CAPS_HTTP_HEADER_MS) {
            refuse(c, 408, "the request took too long to arrive");
        }
        break;
    case CONN_OPEN:
        ops(c)->on_sweep(c->session);
        if (c->state == CONN_OPEN) {
            sweep_open(c, now_ms);
        }
        break;
    case CONN_ASKING:
    case CONN_FLUSHING:
    case CONN_CLOSING:
        if (age > CAPS_CLOSE_MS) {
            conn_abort(c);
        }
        break;
    case CONN_GONE:
        break;
    }
}

void conn_drain(struct conn *c) {
    if (c->state == CONN_HTTP || c->state == CONN_ASKING) {
        conn_abort(c);
    } else if (c->state == CONN_OPEN) {
        ops(c)->on_drain(c->session);
    }
}

void conn_mail(struct conn *c, struct msg *m) {
    if (c->session) {
        ops(c)->on_mail(c->session, m);
    } else if (c->state == CONN_ASKING && m->kind == MSG_STATE_IS) {
        page_answer(c, m);
    }
}

/* ---- life ---- */

struct conn *conn_new(struct worker *w, conn_id id) {
    struct conn *c = NEW(struct conn);
    c->worker = w;
    c->id = id;
    must(uv_tcp_init(&w->loop, &c->tcp) == 0);
    c->tcp.data = c;
    to_state(c, CONN_HTTP);
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
    outbox_fini(&c->outbox);
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
    if (c->worker->parent->tickets && !pages_only) {
        c->tls = tls_new(c->worker->tls); /* which is there since before the first listened */
    }
    (void)uv_tcp_nodelay(&c->tcp, 1);
    read_peer(c);
    c->counted = pages_only || ops(c)->on_accept(ops(c)->ctx, c->host, c->worker->now_ms);
    if (!c->counted && c->tls) {
        return false;
    }
    if (!c->counted) { /* at once, and without a place that others may need */
        c->refused = true;
        atomic_fetch_sub_explicit(&c->worker->parent->connections, 1, memory_order_relaxed);
        refuse(c, 503, "this address has as many connections as one may have");
    }
    c->counted &= !pages_only;
    return uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0;
}

void conn_limit_message(struct conn *c, size_t bytes) {
    c->parser.max_frame_bytes = bytes;
    c->parser.max_message_bytes = bytes;
    c->message.max = bytes;
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
