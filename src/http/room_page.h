/* room_page.h: GET /collab/room/R: who is in a room, and what it is like; for its admins (PROTOCOL
 * 1).
 *
 * Thread: the worker that has the connection.
 */
#ifndef HTTP_ROOM_PAGE_H
#define HTTP_ROOM_PAGE_H

#include "gateway/gateway.h"
#include "rpc/rpc.h"

bool page_is_room(const struct http_request *);
/* Asks the room, unless the answer is a refusal. */
void page_room(struct rpc *, struct conn *, const struct http_request *, struct http_response *);

#endif
