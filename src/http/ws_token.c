#include "http/ws_token.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"
#include "gateway/conn.h"
#include "http/page.h"
#include "limit/caps.h"
#include "rpc/auth.h"

/* The room from the query or a JSON body; false when there is none that is one. */
static bool read_room(const struct http_request *req, char *to, size_t *ret_n) {
    if (http_query(req, "roomId", to, CAPS_ROOM_NAME_BYTES, ret_n)) {
        return room_name_valid(slice_of(to, *ret_n));
    }
    json_t *body = json_loadb((const char *)req->body.p, req->body.n, 0, NULL);
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

static void mint(struct rpc *r, struct conn *c, struct identity *who,
                 const struct http_request *req, slice room, struct http_response *ret) {
    struct access_answer role = {0};
    if (!access_role(r->access, who, room, 0, 0, &role) || role.err == ERR_BUSY) {
        page_fail(ret, 503, "rights are being asked for; try again in a second");
        return;
    }
    struct buf token;
    buf_init(&token, 0);
    uint64_t expires_s = 0;
    enum err e = access_mint(r->access, who, room, &token, &expires_s);
    if (e == ERR_OK) {
        ret->content_type = "application/json";
        put_answer(r, req, buf_slice(&token), expires_s, room, &ret->body);
        struct audit_entry entry = {.user = identity_user(who),
                                    .session = identity_session(who),
                                    .room = room,
                                    .peer = conn_peer(c)};
        audit_write(r->audit, AUDIT_MINTED, &entry);
    } else if (e == ERR_FORBIDDEN) {
        page_fail(ret, 403, "no right in this room");
    } else {
        page_fail(ret, 500, "there is no JWT_SECRET to sign with");
    }
    buf_fini(&token);
}

/* A bad token costs its address as it does at the upgrade. */
static void refuse_token(struct rpc *r, struct auth *from, struct conn *c, const char *why,
                         struct http_response *ret) {
    uint64_t retry_ms = 0;
    (void)auth_charge(from, r, conn_now_ms(c), &retry_ms);
    struct audit_entry entry = {.peer = conn_peer(c), .reason = why};
    audit_write(r->audit, AUDIT_REFUSED, &entry);
    page_fail(ret, 401, why);
}

void page_ws_token(struct rpc *r, struct conn *c, const struct http_request *req,
                   struct http_response *ret) {
    char room[CAPS_ROOM_NAME_BYTES];
    size_t room_bytes = 0;
    struct access_answer answer = {0};
    struct auth from;
    auth_init(&from, c);
    slice token = page_bearer(req);
    if (!slice_is(req->method, "POST")) {
        page_fail(ret, 405, "a wsToken is asked for with POST");
    } else if (!r->access || !token.n) {
        page_fail(ret, 401, "no token: give one as Authorization: Bearer");
    } else if (!read_room(req, room, &room_bytes)) {
        page_fail(ret, 400, "roomId is missing or is not a room name");
    } else if (auth_exhausted(&from, r, conn_now_ms(c))) {
        page_fail(ret, 429, "too many bad tokens from this address; try again in a minute");
    } else if (!access_check(r->access, token, 0, 0, &answer) || answer.err == ERR_BUSY) {
        page_fail(ret, 503, "keys are being fetched; try again in a second");
    } else if (answer.err != ERR_OK) {
        refuse_token(r, &from, c, answer.detail, ret);
    } else if (identity_expires_s(answer.identity) * 1000 <= clock_wall_ms()) {
        page_fail(ret, 401, "the token has expired"); /* the leeway is not for making others */
    } else {
        mint(r, c, answer.identity, req, slice_of(room, room_bytes), ret);
    }
    identity_unref(answer.identity);
}
