#include "access/check.h"

#include <openssl/evp.h>

#include "base/alloc.h"

static void refuse(struct access_answer *ret, enum err err, const char *detail) {
    *ret = (struct access_answer){.err = err, .detail = detail};
}

/* The key for this token; NULL with the answer in *ret. The secret is for HS256 and HS256 for the
 * secret: neither is ever looked for in a set. */
static const struct key *find_key(const struct checker *c, const struct jwt *t,
                                  const struct keyset *set, enum check_result *result,
                                  struct access_answer *ret) {
    if (t->alg == ALG_HS256) {
        if (!c->secret) {
            refuse(ret, ERR_UNAUTH, "the token's algorithm is not accepted");
        }
        return c->secret;
    }
    if (!c->has_public) {
        refuse(ret, ERR_UNAUTH, "the token's algorithm is not accepted");
        return NULL;
    }
    if (!set) {
        refuse(ret, ERR_BUSY, "the keys for this token could not be read yet");
        *result = CHECK_NEEDS_KEYS;
        return NULL;
    }
    const struct key *key = NULL;
    switch (keyset_find(set, t, &key)) {
    case KEY_FOUND:
        break;
    case KEY_MISSING:
        refuse(ret, ERR_UNAUTH, "the token's key is not known");
        *result = CHECK_NEEDS_KEYS;
        break;
    case KEY_REFUSED:
        refuse(ret, ERR_UNAUTH, "the token's key and algorithm do not fit each other");
        break;
    }
    return key;
}

static void digest_of(slice token, uint8_t to[DIGEST_BYTES]) {
    unsigned n = 0;
    (void)EVP_Digest(token.p, token.n, to, &n, EVP_sha256(), NULL);
}

/* What an honest token says. */
static void read_claims(const struct checker *c, const struct jwt *t, slice token, uint64_t now_s,
                        struct access_answer *ret) {
    json_t *claims = jwt_claims(t);
    if (!claims) {
        refuse(ret, ERR_UNAUTH, "the token's claims are not a JSON object");
        return;
    }
    const char *why = claims_check(claims, &c->rules, now_s);
    struct identity *id = why ? NULL : claims_identity(claims, now_s, &why);
    json_decref(claims);
    if (!id) {
        refuse(ret, ERR_UNAUTH, why);
        return;
    }
    digest_of(token, id->digest);
    if (c->revoked && revocations_hit(c->revoked, id)) {
        (void)identity_unref(id);
        refuse(ret, ERR_UNAUTH, "the token has been revoked");
        return;
    }
    *ret = (struct access_answer){.err = ERR_OK, .identity = id};
}

enum check_result check_token(const struct checker *c, slice token, const struct keyset *set,
                              uint64_t now_s, struct access_answer *ret) {
    struct jwt t;
    const char *why = jwt_parse(token, &t);
    if (why) {
        refuse(ret, ERR_UNAUTH, why);
        return CHECK_ANSWERED;
    }
    enum check_result result = CHECK_ANSWERED;
    const struct key *key = find_key(c, &t, set, &result, ret);
    if (!key) {
        return result;
    }
    if (!jwt_signed_by(&t, key)) {
        refuse(ret, ERR_UNAUTH, "the token's signature does not hold");
        return CHECK_ANSWERED;
    }
    read_claims(c, &t, token, now_s, ret);
    return CHECK_ANSWERED;
}
