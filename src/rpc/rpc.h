/* rpc.h: what every session shares: the options they need, and the operations that the gateway
 * calls. One session is one WebSocket connection as the protocol sees it (session.h).
 *
 * Thread: rpc_ops from main before the workers start; struct rpc is fixed afterwards.
 */
#ifndef RPC_RPC_H
#define RPC_RPC_H

#include "gateway/gateway.h"

struct rpc {
    struct wire_limits limits; /* as subscribe states them, and as decoders enforce them */
    struct decode_caps caps;
    bool dev; /* everybody is an anonymous writer */
};

/* Fills in the operations that concern WebSockets; `rpc` must outlive the gateway. */
void rpc_ops(struct rpc *, struct gateway_ops *ret);

#endif
