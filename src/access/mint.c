/* mint.c: makes wsTokens: what the identity may do in one room, for one connection, for minutes. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "access/bounds.h"
#include "access/check.h"
#include "access/json.h"
#include "base/alloc.h"
#include "base/must.h"
#include "base/rand.h"
#include "limit/caps.h"
#include "wire/dialect.h"

static void set(json_t *to, const char *name, json_t *value) {
    must(value && json_object_set_new(to, name, value) == 0);
}

static void set_text(json_t *to, const char *name, const char *text) {
    if (text[0]) {
        set(to, name, json_string(text));
    }
}

static void set_nonce(json_t *to) {
    char hex[33];
    (void)snprintf(hex, sizeof hex, "%016llx%016llx", (unsigned long long)rand_u64(),
                   (unsigned long long)rand_u64());
    set_text(to, "nonce", hex);
}

/* The rights in that room, in both words that other readers of this token may know: `rooms` for the
 * room by name, knowledgeId and scope when its name has the form of one. */
static void set_rights(json_t *to, slice room, enum role role) {
    static const char *const verbs[] = {
        [ROLE_NONE] = "", [ROLE_READ] = "read", [ROLE_WRITE] = "edit", [ROLE_ADMIN] = "admin"};
    char name[CAPS_ROOM_NAME_BYTES + 1] = {0};
    char scope[CAPS_ROOM_NAME_BYTES + 32];
    memcpy(name, room.p, room.n);
    set_text(to, "room", name);
    set(to, "rooms", json_pack("{s:s}", name, role_name(role)));
    const char *slash = strchr(name, '/');
    const char *id = strncmp(name, "kn:", 3) == 0            ? name + 3
                     : strncmp(name, "ws:", 3) == 0 && slash ? slash + 1
                                                             : "";
    if (id[0]) {
        set_text(to, "knowledgeId", id);
        (void)snprintf(scope, sizeof scope, "%s:knowledge:%s", verbs[role], id);
        set_text(to, "scope", scope);
    }
}

/* name, email, picture and color go on, so that presence says the same; id is the sub. */
static void set_presence(json_t *to, const struct identity *id) {
    json_t *presence = json_strict_object(slice_str(id->presence));
    must(presence);
    (void)json_object_del(presence, "id");
    must(json_object_update(to, presence) == 0);
    json_decref(presence);
}

static json_t *make_claims(const struct checker *c, const struct identity *id, slice room,
                           enum role role, uint64_t now_s, uint64_t expires_s) {
    json_t *claims = json_object();
    set_text(claims, "iss", c->rules.issuer ? c->rules.issuer : "");
    set_text(claims, "aud", WS_TOKEN_AUDIENCE);
    set_text(claims, "sub", id->user);
    set_text(claims, "sessionId", id->session);
    set_text(claims, "sid", id->sid);
    set_text(claims, "workspaceId", id->workspace);
    set_text(claims, "jti", id->jti); /* who revokes the token revokes what was minted from it */
    set_nonce(claims);
    set(claims, "iat", json_integer((json_int_t)now_s));
    set(claims, "exp", json_integer((json_int_t)expires_s));
    set_rights(claims, room, role);
    set_presence(claims, id);
    return claims;
}

static void put_base64url(struct buf *b, slice s) {
    size_t n = (s.n * 4 + 2) / 3;
    uint8_t *to = buf_reserve(b, n + 4);
    if (to) {
        buf_commit(b, base64url_encode((char *)to, s));
    }
}

static void sign(const struct checker *c, struct buf *b) {
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    must(HMAC(EVP_sha256(), c->secret_bytes, (int)c->secret_n, b->p, b->n, mac, &n));
    buf_put_u8(b, '.');
    put_base64url(b, slice_of(mac, n));
}

enum err check_mint(const struct checker *c, const struct identity *id, slice room_id,
                    enum role role, uint64_t now_s, struct buf *ret_token,
                    uint64_t *ret_expires_s) {
    if (!c->secret) {
        return ERR_INTERNAL;
    }
    /* A wsToken mints no other: it would live for ever in small pieces. */
    if (role == ROLE_NONE || id->is_ws || id->expires_s <= now_s || !room_name_valid(room_id)) {
        return ERR_FORBIDDEN;
    }
    uint64_t expires_s = now_s + c->ws_token_s;
    if (expires_s > id->expires_s) {
        expires_s = id->expires_s;
    }
    json_t *claims = make_claims(c, id, room_id, role, now_s, expires_s);
    char *text = json_write(claims);
    json_decref(claims);
    struct buf token;
    buf_init(&token, ACCESS_TOKEN_BYTES);
    put_base64url(&token, slice_str("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"));
    buf_put_u8(&token, '.');
    put_base64url(&token, slice_str(text));
    mem_free(text);
    sign(c, &token);
    enum err err = token.failed ? ERR_INTERNAL : ERR_OK;
    if (err == ERR_OK) {
        buf_put_slice(ret_token, buf_slice(&token));
        *ret_expires_s = expires_s;
    }
    buf_fini(&token);
    return err;
}
