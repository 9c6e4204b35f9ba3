#include "http/health.h"

#include "base/alloc.h"
#include "gateway/conn.h"
#include "http/caller.h"
#include "http/page.h"
#include "limit/caps.h"
#include "observe/metrics.h"
#include "rpc/auth.h"
#include "wire/json_out.h"

const char *health_of_store(enum store_health h) {
    static const char *const names[] = {
        [STORE_SERVING] = "serving", [STORE_SLOW] = "slow", [STORE_FAILING] = "failing"};
    return names[h];
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

static void put_busiest(const struct gateway *g, bool with_names, struct buf *b) {
    struct busy_list list = {0};
    for (unsigned w = 0; w < gateway_workers(g); w++) {
        gateway_busiest(g, w, &list);
    }
    buf_put_str(b, ",\"busiest\":[");
    for (size_t i = 0; i < list.count; i++) {
        const struct busy_room *r = &list.room[i];
        buf_put_str(b, i ? ",{" : "{");
        if (with_names) {
            buf_put_str(b, "\"roomId\":");
            json_put_string(b, slice_of(r->name, r->name_bytes));
            buf_put_u8(b, ',');
        }
        buf_printf(b, "\"messagesPerSecond\":%.1f,\"participants\":%zu,\"shard\":%u}",
                   r->per_second, r->participants, r->worker);
    }
    buf_put_u8(b, ']');
}

/* Who is to see names; false in *ret_ok after answering: his token is bad. */
static bool may_see_names(const struct page *p, bool *ret_ok) {
    char *text = mem_new(CAPS_TOKEN_BYTES);
    bool token = auth_token(p->req, text, CAPS_TOKEN_BYTES).n != 0;
    mem_free(text);
    *ret_ok = true;
    if (!p->rpc->access || conn_is_for_operators(p->conn)) {
        return true;
    }
    if (!token) {
        return false;
    }
    struct identity *who = caller_known(p);
    *ret_ok = who != NULL;
    /* with AUTHZ_URL claims give no right */
    bool may = who && !p->rpc->authz && identity_administers_all(who);
    identity_unref(who);
    return may;
}

void page_health(struct rpc *rpc, struct conn *c, const struct http_request *req,
                 struct http_response *ret) {
    const struct gateway *g = rpc->gateway;
    bool ok = true;
    if (!slice_is(req->method, "GET")) {
        page_fail(ret, 405, "pages are read with GET");
        return;
    }
    bool names = may_see_names(&(struct page){rpc, c, req, ret}, &ok);
    if (!ok) {
        return;
    }
    ret->content_type = "application/json";
    buf_printf(&ret->body, "{\"status\":\"%s\",\"shards\":[",
               gateway_draining(g) ? "draining" : "ok");
    for (unsigned w = 0; w < gateway_workers(g); w++) {
        buf_put_str(&ret->body, w ? "," : "");
        put_shard(g, w, &ret->body);
    }
    buf_printf(&ret->body, "],\"store\":\"%s\",\"storeState\":\"%s\",\"storeQueued\":%lld,",
               store_name(rpc->store), health_of_store(store_health(rpc->store)),
               (long long)metric_get(METRIC_STORE_QUEUED, 0));
    put_cluster(rpc->bus, &ret->body);
    put_busiest(g, names, &ret->body);
    buf_put_str(&ret->body, "}\n");
}
