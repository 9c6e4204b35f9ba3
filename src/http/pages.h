/* pages.h: the pages that operators and their machines look at (PROTOCOL 1).
 *
 * Thread: page_serve on any worker.
 */
#ifndef HTTP_PAGES_H
#define HTTP_PAGES_H

#include "gateway/gateway.h"

/* `rpc` is the struct rpc. Answers a request for a page; 404 with a list of what there is when
 * there is none. */
void page_serve(void *rpc, struct conn *, const struct http_request *, struct http_response *);

#endif
