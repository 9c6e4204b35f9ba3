#include "http/ws_token.h"

#include <jansson.h>
#include <stdlib.h>

#include "access/json.h"
#include "base/clock.h"
#include "gateway/conn.h"
#include "http/caller.h"
#include "http/page.h"
#include "limit/caps.h"

/* The room from the query or a JSON body; false when there is none that is one. */
static bool read_room(const struct http_request *req, char *to, size_t *ret_n) {
    if (http_query(req, "roomId", to, CAPS_ROOM_NAME_BYTES, ret_n)) {
        return room_name_valid(slice_of(to, *ret_n));
    }
    json_t *body = json_strict_object(req->body);
    const json_t *room = json_object_get(body, "roomId");
    size_t n = json_string_length(room);
    bool ok = json_is_string(room) && n <= CAPS_ROOM_NAME_BYTES &&
              room_name_valid(slice_of(json_string_value(room), n));
    if (ok) {
        memcpy(to, json_string_value(room), n);
        *ret_n = n;
    }
    json_decref(body);
    return ok;
}

static void put_answer(const struct rpc *r, const struct http_request *req, slice token,
                       uint64_t expires_s, slice room, struct buf *b) {
    slice host = http_header(req, "Host");
    json_t *o = json_pack(
        "{s:o,s:s%,s:I,s:s%}", "url",
        json_sprintf("%s://%.*s/collab/ws", r->tls ? "wss" : "ws", SLICE_FMT(host)), "token",
        token.p, token.n, "expiresAt", (json_int_t)expires_s * 1000, "roomId", room.p, room.n);
    char *text = json_dumps(o, JSON_COMPACT);
    if (text) {
        buf_put_str(b, text);
        buf_put_u8(b, '\n');
        free(text); /* ban-ok: jansson hands out what free() releases */
    }
    json_decref(o);
}

static void mint(const struct page *p, struct identity *who, slice room) {
    struct buf token;
    buf_init(&token, 0);
    uint64_t expires_s = 0;
    enum err e = access_mint(p->rpc->access, who, room, &token, &expires_s);
    if (e == ERR_OK) {
        p->ret->content_type = "application/json";
        put_answer(p->rpc, p->req, buf_slice(&token), expires_s, room, &p->ret->body);
        struct audit_entry entry = {.user = identity_user(who),
                                    .session = identity_session(who),
                                    .room = room,
                                    .peer = conn_peer(p->conn)};
        audit_write(p->rpc->audit, AUDIT_MINTED, &entry);
    } else if (e == ERR_FORBIDDEN) {
        caller_refuse(p, who, room, "no wsToken is made for this token and room");
    } else {
        page_fail(p->ret, 500, "there is no JWT_SECRET to sign with");
    }
    buf_fini(&token);
}

void page_ws_token(struct rpc *r, struct conn *c, const struct http_request *req,
                   struct http_response *ret) {
    const struct page p = {r, c, req, ret};
    char name[CAPS_ROOM_NAME_BYTES];
    size_t name_bytes = 0;
    if (!slice_is(req->method, "POST")) {
        page_fail(ret, 405, "a wsToken is asked for with POST");
        return;
    }
    struct identity *who = caller_known(&p);
    if (who && !read_room(req, name, &name_bytes)) {
        page_fail(ret, 400, "roomId is missing or is not a room name");
    } else if (who && identity_expires_s(who) * 1000 <= clock_wall_ms()) {
        page_fail(ret, 401, "the token has expired"); /* the leeway is not for making others */
    } else if (who && caller_may(&p, who, slice_of(name, name_bytes), ROLE_READ)) {
        mint(&p, who, slice_of(name, name_bytes));
    }
    identity_unref(who);
}
