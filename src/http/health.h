/* health.h: GET /collab/health: how the server is, worker by worker, and which rooms are busiest
 * (PROTOCOL 1). Their names are for operators: at the address of --metrics-addr, to whoever shows a
 * token of an admin of all rooms, and in development mode; others see how busy they are.
 *
 * Thread: the worker that has the connection.
 */
#ifndef HTTP_HEALTH_H
#define HTTP_HEALTH_H

#include "gateway/gateway.h"
#include "rpc/rpc.h"
#include "store/store.h"

/* "serving", "slow" or "failing". */
const char *health_of_store(enum store_health);
void page_health(struct rpc *, struct conn *, const struct http_request *, struct http_response *);

#endif
