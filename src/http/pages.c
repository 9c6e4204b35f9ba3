#include "http/pages.h"

#include <arpa/inet.h>
#include <string.h>

#include "gateway/conn.h"
#include "http/health.h"
#include "http/history.h"
#include "http/history_path.h"
#include "http/revoke.h"
#include "http/room_page.h"
#include "http/ws_token.h"
#include "limit/caps.h"
#include "observe/metrics.h"
#include "rpc/rpc.h"
#include "store/store.h"

typedef void (*page_fn)(const struct rpc *, struct http_response *);

static void on_live(const struct rpc *rpc, struct http_response *r) {
    (void)rpc;
    buf_put_str(&r->body, "ok\n");
}

static void on_ready(const struct rpc *rpc, struct http_response *r) {
    enum store_health store = store_health(rpc->store);
    if (gateway_draining(rpc->gateway)) {
        r->status = 503;
        buf_put_str(&r->body, "draining\n");
    } else if (store != STORE_SERVING) {
        r->status = 503;
        buf_printf(&r->body, "the store is %s\n", health_of_store(store));
    } else {
        buf_put_str(&r->body, "ready\n");
    }
}

/* What nobody counts, but can be looked at. */
static void look(const struct rpc *rpc) {
    const struct gateway *g = rpc->gateway;
    for (unsigned w = 0; w < gateway_workers(g); w++) {
        metric_set_thread(METRIC_MAILBOX_DEPTH, 0, w, (int64_t)gateway_mailbox_depth(g, w));
    }
    const unsigned process = CAPS_METRIC_THREADS;
    metric_set_thread(METRIC_MEMORY, METRIC_OWNER_STORE, process,
                      (int64_t)store_queued_bytes(rpc->store));
    metric_set_thread(METRIC_STORE_UP, 0, process, store_health(rpc->store) == STORE_SERVING);
    metric_set_thread(METRIC_DRAINING, 0, process, gateway_draining(g));
}

static void on_metrics(const struct rpc *rpc, struct http_response *r) {
    look(rpc);
    r->content_type = METRICS_CONTENT_TYPE;
    metrics_write(&r->body);
}

static const struct {
    const char *path;
    page_fn serve;
} pages[] = {
    {"/healthz", on_live},
    {"/readyz", on_ready},
    {"/metrics", on_metrics},
};

/* Numbers, with a port or without: a name is what DNS rebinding needs. */
static bool is_address(slice host) {
    char text[64] = "";
    struct in6_addr ignored;
    bool bracketed = host.n && host.p[0] == '[';
    const uint8_t *end = host.n ? memchr(host.p, bracketed ? ']' : ':', host.n) : NULL;
    size_t n = (end ? (size_t)(end - host.p) : host.n) - bracketed;
    if (!host.n || (bracketed && !end) || n >= sizeof text) {
        return false;
    }
    memcpy(text, host.p + bracketed, n);
    return inet_pton(bracketed ? AF_INET6 : AF_INET, text, &ignored) == 1;
}

/* At the address of --metrics-addr a scraper comes by number, which ALLOWED_HOSTS need not list. */
static unsigned border(const struct rpc *rpc, const struct conn *c, const struct http_request *req,
                       const char **ret_reason) {
    bool scraper = conn_is_for_operators(c) && is_address(http_header(req, "Host"));
    return scraper ? 0 : rpc_border(rpc, req, ret_reason);
}

void page_serve(void *rpc, struct conn *c, const struct http_request *req,
                struct http_response *ret) {
    const char *reason = NULL;
    ret->status = border(rpc, c, req, &reason);
    if (ret->status) {
        buf_printf(&ret->body, "%s\n", reason);
        return;
    }
    ret->status = 200;
    if (slice_is(req->path, "/collab/health")) {
        page_health(rpc, c, req, ret);
        return;
    }
    if (slice_is(req->path, "/collab/ws-token")) {
        page_ws_token(rpc, c, req, ret);
        return;
    }
    if (slice_is(req->path, "/collab/revoke")) {
        page_revoke(rpc, c, req, ret);
        return;
    }
    if (history_is_path(req->path)) {
        page_history(rpc, c, req, ret);
        return;
    }
    if (page_is_room(req)) {
        page_room(rpc, c, req, ret);
        return;
    }
    const size_t n = sizeof pages / sizeof *pages;
    for (size_t i = 0; i < n; i++) {
        if (slice_is(req->path, pages[i].path)) {
            if (slice_is(req->method, "GET")) {
                pages[i].serve(rpc, ret);
            } else {
                ret->status = 405;
                buf_put_str(&ret->body, "pages are read with GET\n");
            }
            return;
        }
    }
    ret->status = 404;
    buf_put_str(&ret->body,
                "no such page; there are /collab/ws (WebSocket), /ws (WebSocket), /collab/health");
    for (size_t i = 0; i < n; i++) {
        buf_printf(&ret->body, ", %s", pages[i].path);
    }
    buf_put_u8(&ret->body, '\n');
}
