#include "gateway/conn_internal.h"
#include "limit/caps.h"
#include "observe/metrics.h"

static void respond(struct conn *c, struct http_response *r, const char *extra) {
    struct buf head;
    buf_init(&head, 0);
    buf_printf(&head,
               "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
               "Cache-Control: no-store\r\n%sConnection: close\r\n\r\n",
               r->status, http_status_text(r->status),
               r->content_type ? r->content_type : "text/plain; charset=utf-8", r->body.n, extra);
    conn_queue_bytes(c, buf_slice(&head));
    if (r->body.n) {
        conn_queue_bytes(c, buf_slice(&r->body));
    }
    buf_fini(&head);
    conn_to_state(c, CONN_FLUSHING);
}

void conn_refuse(struct conn *c, unsigned status, const char *reason) {
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
    conn_queue_bytes(c, buf_slice(&head));
    buf_fini(&head);
    ws_parser_init(&c->parser, CAPS_STRANGER_BYTES, CAPS_STRANGER_BYTES, true);
    conn_trust(c, false);
    c->session = up->session;
    metric_add(METRIC_CONNECTIONS, 0, 1);
    metric_add(METRIC_CONNECTIONS_ACCEPTED, 0, 1);
    c->ping_at_ms = c->worker->now_ms + conn_options(c)->ping_ms;
    conn_to_state(c, CONN_OPEN);
}

static void upgrade(struct conn *c, const struct http_request *req) {
    slice key = {0};
    unsigned status = 0;
    const char *reason = NULL;
    if (!http_wants_websocket(req, &key, &status, &reason)) {
        conn_refuse(c, status, reason);
        return;
    }
    struct upgrade up = {.status = 101};
    conn_ops(c)->on_upgrade(conn_ops(c)->ctx, c, req, &up);
    if (up.status != 101) {
        conn_refuse(c, up.status, up.reason);
        return;
    }
    accept_upgrade(c, key, &up);
    size_t open = atomic_load_explicit(&c->worker->parent->connections, memory_order_relaxed);
    if (c->worker->draining) {
        conn_close(c, 1013, "the server is going down");
    } else if (open > conn_options(c)->max_connections) {
        conn_close(c, 1013, "the server has as many connections as it may hold");
    } else {
        conn_ops(c)->on_open(c->session);
    }
}

/* Pages that the address of --metrics-addr serves, too. */
static bool is_for_operators(slice path) {
    static const char *const paths[] = {"/metrics", "/healthz", "/readyz", "/collab/health"};
    bool found = false;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        found |= slice_is(path, paths[i]);
    }
    return found;
}

static void on_head(struct conn *c, const struct http_request *req) {
    if (!c->pages_only && conn_ops(c)->is_socket(conn_ops(c)->ctx, req)) {
        upgrade(c, req);
        return;
    }
    struct http_response r = {.status = 200};
    buf_init(&r.body, 0);
    if (c->pages_only && !is_for_operators(req->path)) {
        r.status = 404;
        buf_put_str(&r.body, "only /metrics and the health pages are served on this address\n");
    } else {
        conn_ops(c)->on_request(conn_ops(c)->pages, c, req, &r);
    }
    if (r.later) {
        conn_to_state(c, CONN_ASKING);
    } else {
        respond(c, &r, "");
    }
    buf_fini(&r.body);
}

void conn_page(struct conn *c, const struct msg *m) {
    struct http_response r = {.status = m->err == ERR_OK ? 200 : 404,
                              .content_type = m->err == ERR_OK ? "application/json" : NULL};
    buf_init(&r.body, 0);
    if (m->kind == MSG_HISTORY_IS) {
        conn_ops(c)->on_answer(conn_ops(c)->pages, c, m, &r);
        respond(c, &r, "");
        buf_fini(&r.body);
        return;
    }
    if (m->err == ERR_OK) {
        buf_put_slice(&r.body, frame_slice(m->payload));
    } else {
        buf_put_str(&r.body, m->detail);
    }
    buf_put_u8(&r.body, '\n');
    respond(c, &r, "");
    buf_fini(&r.body);
}

size_t conn_consume_http(struct conn *c, slice bytes) {
    struct http_request req;
    size_t used = 0;
    unsigned status = 0;
    const char *reason = NULL;
    switch (http_parse(bytes, &req, &used, &status, &reason)) {
    case HTTP_PARSE_MORE:
        return 0;
    case HTTP_PARSE_BAD:
        conn_refuse(c, status, reason);
        return bytes.n;
    case HTTP_PARSE_OK:
        on_head(c, &req);
        break;
    }
    return used;
}
