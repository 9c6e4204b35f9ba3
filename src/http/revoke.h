/* revoke.h: POST /collab/revoke: a token, a user or a session is good no more, from now on and on
 * open connections. For who administers all rooms by the claims of his token.
 *
 * Thread: the worker that has the connection.
 */
#ifndef HTTP_REVOKE_H
#define HTTP_REVOKE_H

#include "gateway/gateway.h"
#include "rpc/rpc.h"

void page_revoke(struct rpc *, struct conn *, const struct http_request *, struct http_response *);

#endif
