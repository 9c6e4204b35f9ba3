#include "access/access.h"

#include <openssl/crypto.h>
#include <stdio.h>

#include "access/bounds.h"
#include "access/check.h"
#include "access/nonce.h"
#include "base/alloc.h"
#include "base/clock.h"

struct access {
    struct checker checker;
    struct revocations *revoked;
    struct nonces *nonces;
    char *issuer; /* the checker's */
    char *audience;
};

static uint64_t now_s(void) {
    return clock_wall_ms() / 1000;
}

static char *copy_or_null(const char *s) {
    return s ? mem_copy_str(s, strlen(s)) : NULL;
}

/* ---- life ---- */

static bool open_secret(struct checker *c, const char *secret, char *why, size_t why_bytes) {
    if (!secret) {
        return true;
    }
    size_t n = strlen(secret);
    if (n < ACCESS_SECRET_BYTES_MIN) {
        (void)snprintf(why, why_bytes,
                       "JWT_SECRET has %zu bytes, and HS256 needs at least %d: generate one, for "
                       "instance by: openssl rand -hex 32",
                       n, ACCESS_SECRET_BYTES_MIN);
        return false;
    }
    c->secret_bytes = mem_copy_str(secret, n);
    c->secret_n = n;
    c->secret = key_new_secret(slice_of(secret, n));
    return true;
}

static uint64_t ws_token_s(unsigned wanted) {
    enum { DEFAULT_S = 300 }; /* PROTOCOL 5 */
    uint64_t s = wanted ? wanted : DEFAULT_S;
    return s < ACCESS_WS_TOKEN_S ? s : ACCESS_WS_TOKEN_S;
}

struct access *access_open(const struct access_options *o, char *why, size_t why_bytes) {
    struct access *a = NEW(struct access);
    a->revoked = revocations_new();
    a->nonces = nonces_new();
    a->issuer = copy_or_null(o->issuer);
    a->audience = copy_or_null(o->audience);
    a->checker.rules = (struct claim_rules){a->issuer, a->audience, o->leeway_s};
    a->checker.revoked = a->revoked;
    a->checker.ws_token_s = ws_token_s(o->ws_token_s);
    if (!open_secret(&a->checker, o->jwt_secret, why, why_bytes)) {
        access_free(a);
        return NULL;
    }
    return a;
}

void access_free(struct access *a) {
    if (!a) {
        return;
    }
    key_free(a->checker.secret);
    if (a->checker.secret_bytes) {
        OPENSSL_cleanse(a->checker.secret_bytes, a->checker.secret_n);
    }
    mem_free(a->checker.secret_bytes);
    revocations_free(a->revoked);
    nonces_free(a->nonces);
    mem_free(a->issuer);
    mem_free(a->audience);
    mem_free(a);
}

void access_reload(struct access *a) {
    (void)a;
}

/* ---- tokens ---- */

bool access_check(struct access *a, slice token, uint64_t conn, uint32_t req,
                  struct access_answer *ret) {
    (void)conn, (void)req;
    (void)check_token(&a->checker, token, NULL, now_s(), ret);
    return true;
}

bool access_claim_nonce(struct access *a, const struct identity *id, uint64_t conn) {
    return !id->is_ws || nonces_claim(a->nonces, id->nonce, conn,
                                      id->expires_s + a->checker.rules.leeway_s, now_s());
}

enum err access_mint(struct access *a, const struct identity *id, slice room_id,
                     struct buf *ret_token, uint64_t *ret_expires_s) {
    return check_mint(&a->checker, id, room_id, identity_role(id, room_id), now_s(), ret_token,
                      ret_expires_s);
}

void access_revoke(struct access *a, const char *kind, slice value) {
    revocations_add(a->revoked, kind, value);
}

uint64_t access_revocations(const struct access *a) {
    return revocations_count(a->revoked);
}

bool access_revoked(const struct access *a, const struct identity *id) {
    return revocations_hit(a->revoked, id);
}

/* ---- roles ---- */

bool access_role(struct access *a, struct identity *id, slice room_id, uint64_t conn, uint32_t req,
                 struct access_answer *ret) {
    (void)a, (void)conn, (void)req;
    *ret = (struct access_answer){.role = identity_role(id, room_id)};
    if (ret->role == ROLE_NONE) {
        ret->err = ERR_FORBIDDEN;
        ret->detail = "the token grants nothing in this room";
    }
    return true;
}
