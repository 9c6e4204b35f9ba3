/* history.h: /history/...: the versions of a room, for whoever may read it; saved for those who may
 * write it (PROTOCOL 1 and 5). Everything is JSON, also what is refused: {"ok":false,"error":{...}}
 * with the error object of JSON-RPC.
 *
 * Thread: the worker that has the connection.
 */
#ifndef HTTP_HISTORY_H
#define HTTP_HISTORY_H

#include "gateway/gateway.h"
#include "rpc/rpc.h"

/* Asks the room, unless the answer is a refusal. */
void page_history(struct rpc *, struct conn *, const struct http_request *, struct http_response *);
/* The room has answered; `rpc` is the struct rpc. */
void page_history_answer(void *rpc, struct conn *, const struct msg *, struct http_response *);

#endif
