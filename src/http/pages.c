#include "http/pages.h"

#include "gateway/conn.h"
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

static const char *const healths[] = {
    [STORE_SERVING] = "serving", [STORE_SLOW] = "slow", [STORE_FAILING] = "failing"};

static void on_ready(const struct rpc *rpc, struct http_response *r) {
    enum store_health store = store_health(rpc->store);
    if (gateway_draining(rpc->gateway)) {
        r->status = 503;
        buf_put_str(&r->body, "draining\n");
    } else if (store != STORE_SERVING) {
        r->status = 503;
        buf_printf(&r->body, "the store is %s\n", healths[store]);
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

static void put_shard(const struct gateway *g, unsigned w, struct buf *b) {
    buf_printf(b,
               "{\"shard\":%u,\"rooms\":%lld,\"participants\":%lld,\"connections\":%lld,"
               "\"mailbox\":%zu}",
               w, (long long)metric_get_thread(METRIC_ROOMS, 0, w),
               (long long)metric_get_thread(METRIC_PARTICIPANTS, 0, w),
               (long long)metric_get_thread(METRIC_CONNECTIONS, 0, w), gateway_mailbox_depth(g, w));
}

/* "single", "serving", or "cut off": some or all of Redis cannot be reached, and each room there is
 * on its own until it returns. */
static void put_cluster(const struct bus *bus, struct buf *b) {
    if (!bus) {
        buf_put_str(b, "\"cluster\":\"single\"");
        return;
    }
    size_t serving = bus_serving(bus);
    buf_printf(b, "\"cluster\":\"%s\",\"redis\":{\"instances\":%zu,\"serving\":%zu},\"nodes\":%zu",
               serving == bus_instances(bus) ? "serving" : "cut off", bus_instances(bus), serving,
               bus_nodes(bus));
}

static void on_health(const struct rpc *rpc, struct http_response *r) {
    const struct gateway *g = rpc->gateway;
    r->content_type = "application/json";
    buf_printf(&r->body, "{\"status\":\"%s\",\"shards\":[",
               gateway_draining(g) ? "draining" : "ok");
    for (unsigned w = 0; w < gateway_workers(g); w++) {
        buf_put_str(&r->body, w ? "," : "");
        put_shard(g, w, &r->body);
    }
    buf_printf(&r->body, "],\"store\":\"%s\",\"storeState\":\"%s\",\"storeQueued\":%lld,",
               store_name(rpc->store), healths[store_health(rpc->store)],
               (long long)metric_get(METRIC_STORE_QUEUED, 0));
    put_cluster(rpc->bus, &r->body);
    buf_put_str(&r->body, "}\n");
}

static const struct {
    const char *path;
    page_fn serve;
} pages[] = {
    {"/healthz", on_live},
    {"/readyz", on_ready},
    {"/metrics", on_metrics},
    {"/collab/health", on_health},
};

void page_serve(void *rpc, struct conn *c, const struct http_request *req,
                struct http_response *ret) {
    const char *reason = NULL;
    ret->status = rpc_border(rpc, req, &reason);
    if (ret->status) {
        buf_printf(&ret->body, "%s\n", reason);
        return;
    }
    ret->status = 200;
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
    buf_put_str(&ret->body, "no such page; there are /collab/ws (WebSocket), /ws (WebSocket)");
    for (size_t i = 0; i < n; i++) {
        buf_printf(&ret->body, ", %s", pages[i].path);
    }
    buf_put_u8(&ret->body, '\n');
}
