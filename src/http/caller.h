/* caller.h: who asks for a page, and what he may do in a room (PROTOCOL 5).
 *
 * What is not good enough is answered here: with a status, a sentence, and a line in the audit. A
 * bad token costs its address as it does at an upgrade.
 *
 * Thread: the worker that has the connection.
 */
#ifndef HTTP_CALLER_H
#define HTTP_CALLER_H

#include "gateway/gateway.h"
#include "rpc/rpc.h"

/* A page that has been asked for. */
struct page {
    struct rpc *rpc;
    struct conn *conn;
    const struct http_request *req;
    struct http_response *ret;
};

/* The identity that the request's token has; the receiver's count. NULL after answering. */
struct identity *caller_known(const struct page *);
/* Whether it has at least this role in the room; false after answering. */
bool caller_may(const struct page *, struct identity *, slice room, enum role least);
/* Answers 403 with this sentence, and notes it. */
void caller_refuse(const struct page *, const struct identity *, slice room, const char *why);

#endif
