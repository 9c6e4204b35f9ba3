#include "gateway/conn_internal.h"
#include "observe/metrics.h"
#include "observe/probe.h"

/* ---- queueing ---- */

void conn_mark_dirty(struct conn *c) {
    if (c->state != CONN_GONE) {
        worker_mark_dirty(c->worker, &c->dirty);
    }
}

void conn_queue(struct conn *c, struct out_item *it) {
    if (!c->outbox.count) { /* the clock of a stall starts when something has to wait at all */
        c->moved_ms = c->worker->now_ms;
    }
    outbox_push(&c->outbox, it);
    conn_mark_dirty(c);
}

void conn_queue_bytes(struct conn *c, slice bytes) {
    struct out_item it = {.frame = frame_copy(bytes), .class = OUT_CONTROL};
    conn_queue(c, &it);
}

void conn_queue_control(struct conn *c, enum ws_op op, slice payload) {
    uint8_t bytes[OUT_HEADER_ROOM + 125];
    size_t n = ws_header(bytes, op, payload.n);
    if (payload.n) {
        memcpy(bytes + n, payload.p, payload.n);
    }
    conn_queue_bytes(c, slice_of(bytes, n + payload.n));
}

static bool over_mark(const struct conn *c) {
    return c->outbox.bytes > c->outbox_bytes || c->outbox.count > conn_options(c)->outbox_frames;
}

/* RFC 6455 5.5.3: of several pings only the last need be answered. */
void conn_queue_pong(struct conn *c, slice payload) {
    if (over_mark(c)) {
        frame_unref(c->pong);
        c->pong = frame_copy(payload);
    } else {
        conn_queue_control(c, WS_PONG, payload);
    }
}

static void pay_pong(struct conn *c) {
    if (c->pong && c->state == CONN_OPEN && !over_mark(c)) {
        conn_queue_control(c, WS_PONG, frame_slice(c->pong));
        c->pong = frame_unref(c->pong);
    }
}

/* ---- writing ---- */

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
    conn_mark_dirty(c);
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
    PROBE3(flush, c->id, sent, c->outbox.count);
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
        conn_mark_dirty(c); /* its farewell leaves first */
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
    pay_pong(c);
    write_now(c);
    if (c->state == CONN_GONE || !all_sent(c)) {
        return;
    }
    if (c->state == CONN_FLUSHING || (c->state == CONN_CLOSING && c->shut)) {
        say_goodbye(c);
    } else if (c->session && c->over) { /* also when nothing was left as it was dropped */
        c->over = false;
        conn_ops(c)->on_drained(c->session);
    }
}

bool conn_push(struct conn *c, struct out_item *it) {
    if (c->state != CONN_OPEN) {
        metric_add(METRIC_DROPPED, METRIC_REASON_CLOSED, it->counted);
        out_item_fini(it);
        return false;
    }
    conn_queue(c, it);
    bool over = over_mark(c);
    c->over |= over;
    return over;
}

void conn_drop(struct conn *c, const void *tag, void (*dropped)(void *ctx, const struct out_item *),
               void *ctx) {
    outbox_drop(&c->outbox, tag, dropped, ctx);
}
