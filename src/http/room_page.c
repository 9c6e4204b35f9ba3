#include "http/room_page.h"

#include "gateway/conn.h"
#include "http/caller.h"
#include "http/page.h"
#include "limit/caps.h"
#include "room/rooms.h"

static const char prefix[] = "/collab/room/";

bool page_is_room(const struct http_request *req) {
    const size_t n = sizeof prefix - 1;
    return req->path.n > n && memcmp(req->path.p, prefix, n) == 0;
}

/* An admin of the room by this token; false after answering. In development mode without keys
 * everybody on this machine may look. */
static bool may_look(const struct page *p, slice room) {
    if (!p->rpc->access) {
        return true;
    }
    struct identity *who = caller_known(p);
    bool may = who && caller_may(p, who, room, ROLE_ADMIN);
    identity_unref(who);
    return may;
}

void page_room(struct rpc *r, struct conn *c, const struct http_request *req,
               struct http_response *ret) {
    const size_t n = sizeof prefix - 1;
    char name[CAPS_ROOM_NAME_BYTES];
    size_t name_bytes = 0;
    slice encoded = slice_of(req->path.p + n, req->path.n - n);
    if (!http_percent_decode(encoded, name, sizeof name, &name_bytes) ||
        !room_name_valid(slice_of(name, name_bytes))) {
        page_fail(ret, 400, "the path does not end in a room name");
        return;
    }
    slice room = slice_of(name, name_bytes);
    if (!slice_is(req->method, "GET")) {
        page_fail(ret, 405, "pages are read with GET");
    } else if (may_look(&(struct page){r, c, req, ret}, room)) {
        struct msg *m = msg_new(MSG_STATE);
        m->conn = conn_get_id(c);
        m->room = frame_copy(room);
        conn_post(c, room_owner(room, conn_worker_count(c)), m);
        ret->later = true;
    }
}
