/* ws_token.h: POST /collab/ws-token: a Bearer token in, a short-lived token for one connection out
 * (PROTOCOL 1 and 5). For pages that may not hand their access token to a URL.
 *
 * Thread: the worker that has the connection.
 */
#ifndef HTTP_WS_TOKEN_H
#define HTTP_WS_TOKEN_H

#include "gateway/gateway.h"
#include "rpc/rpc.h"

void page_ws_token(struct rpc *, struct conn *, const struct http_request *,
                   struct http_response *);

#endif
