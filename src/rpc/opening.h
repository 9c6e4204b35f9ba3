/* opening.h: what a connection asks for before it is a session: its place among those of its
 * address, and what its request says.
 *
 * Thread: any; the counts of addresses guard themselves.
 */
#ifndef RPC_OPENING_H
#define RPC_OPENING_H

#include "limit/caps.h"
#include "rpc/rpc.h"

/* What the request for a WebSocket says, but for the token (auth.h). */
struct opening {
    enum dialect_id dialect;
    bool binary_agreed;                /* mcp-binary */
    const char *subprotocol;           /* to be confirmed, or NULL; static */
    char session_id[CAPS_LABEL_BYTES]; /* what the client calls itself; "" */
    char room[CAPS_ROOM_NAME_BYTES];   /* where the URL names one */
    size_t room_bytes;
};

/* Operations of the gateway (gateway.h); `ctx` is the struct rpc. */
bool opening_accept(void *ctx, const char *host, uint64_t now_ms);
void opening_gone(void *ctx, const char *host, uint64_t now_ms);
bool opening_is_socket(void *ctx, const struct http_request *);

/* Of a request for which opening_is_socket holds: 101, or the status of a refusal. */
unsigned opening_read(const struct http_request *, struct opening *ret, const char **ret_reason);

#endif
