/* rpc.h: what every session shares: the options they need, and the operations that the gateway
 * calls. One session is one WebSocket connection as the protocol sees it (session.h).
 *
 * Thread: rpc_ops from main before the workers start; struct rpc is fixed afterwards, and what it
 * points to may be used by any thread.
 */
#ifndef RPC_RPC_H
#define RPC_RPC_H

#include "access/access.h"
#include "access/bucket.h"
#include "access/origin.h"
#include "cluster/bus.h"
#include "gateway/gateway.h"
#include "observe/audit.h"

struct rpc {
    struct wire_limits limits; /* as subscribe states them, and as decoders enforce them */
    struct decode_caps caps;
    bool dev;                /* no token: an anonymous writer; no rates */
    struct access *access;   /* NULL in development mode without keys */
    struct buckets *buckets; /* NULL: no rates */
    struct origin_list *origins;
    struct host_list *hosts;
    struct audit *audit; /* NULL: no audit */
    struct store *store;
    struct bus *bus;         /* NULL: a node of its own */
    struct gateway *gateway; /* set before the workers start */
    const char *workspaces;  /* comma-separated, or NULL: all */
    unsigned auth_timeout_ms;
    unsigned token_grace_ms;
    bool authz;              /* rights are asked of AUTHZ_URL, */
    unsigned authz_cache_ms; /* and asked again */
    bool tls;
};

/* Fills in the operations that concern WebSockets; `rpc` must outlive the gateway. */
void rpc_ops(struct rpc *, struct gateway_ops *ret);
/* What access calls when a check has been made that could not be answered at once; `ctx` is the
 * struct rpc. Any thread. */
void rpc_checked(void *ctx, uint64_t conn, uint32_t req, const struct access_answer *);
/* 0, or the HTTP status with which a request of this Host and Origin is refused. */
unsigned rpc_border(const struct rpc *, const struct http_request *, const char **ret_reason);

#endif
