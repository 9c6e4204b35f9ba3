#include "access/jwt.h"

#include <jose/cfg.h>
#include <jose/jws.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <strings.h>

#include "access/json.h"
#include "access/keys.h"
#include "base/alloc.h"
#include "base/must.h"

static const struct {
    const char *name;
    enum alg alg;
} algs[] = {
    {"HS256", ALG_HS256}, {"RS256", ALG_RS256}, {"PS256", ALG_PS256},
    {"ES256", ALG_ES256}, {"EdDSA", ALG_EDDSA},
};

enum alg alg_find(const char *name) {
    for (size_t i = 0; name && i < sizeof algs / sizeof *algs; i++) {
        if (strcmp(name, algs[i].name) == 0) {
            return algs[i].alg;
        }
    }
    return ALG_UNKNOWN;
}

/* Header parameters that change what the signature means or where the key comes from. None is ever
 * needed here, and a token that has one wants something that it does not get. */
static const char *const refused[] = {"crit", "jku", "jwk", "x5u", "x5c", "zip", "b64", "enc"};

/* RFC 8725 3.11: a token of another kind from the same issuer (logout, proof of possession) is not
 * an access token. */
static bool is_access_token_type(const char *typ) {
    if (strncasecmp(typ, "application/", strlen("application/")) == 0) {
        typ += strlen("application/");
    }
    return strcasecmp(typ, "JWT") == 0 || strcasecmp(typ, "at+jwt") == 0;
}

static const char *read_header(const json_t *header, struct jwt *t) {
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (json_object_get(header, refused[i])) {
            return "the token's header has a parameter that is not accepted";
        }
    }
    t->alg = alg_find(json_text(header, "alg"));
    if (t->alg == ALG_UNKNOWN) {
        return "the token's algorithm is not accepted";
    }
    const json_t *typ = json_object_get(header, "typ");
    if (typ && (!json_is_string(typ) || !is_access_token_type(json_string_value(typ)))) {
        return "the token's type is not accepted";
    }
    const json_t *kid = json_object_get(header, "kid");
    if (kid) {
        if (!json_is_string(kid) || json_string_length(kid) > ACCESS_KID_BYTES) {
            return "the token's kid is not a short string";
        }
        t->has_kid = true;
        memcpy(t->kid, json_string_value(kid), json_string_length(kid));
    }
    return NULL;
}

/* Cuts off what stands before the next dot; false when there is none. */
static bool cut(slice *rest, slice *ret_part) {
    const uint8_t *dot = rest->n ? memchr(rest->p, '.', rest->n) : NULL;
    if (!dot) {
        return false;
    }
    *ret_part = slice_of(rest->p, (size_t)(dot - rest->p));
    *rest = slice_of(dot + 1, rest->n - ret_part->n - 1);
    return true;
}

static json_t *decode_object(slice part) {
    if (part.n > ACCESS_TOKEN_BYTES) {
        return NULL;
    }
    uint8_t *bytes = mem_new(part.n / 4 * 3 + 3);
    size_t n = 0;
    json_t *v = NULL;
    if (base64url_decode(bytes, part, &n)) {
        v = json_strict_object(slice_of(bytes, n));
    }
    mem_free(bytes);
    return v;
}

const char *jwt_parse(slice token, struct jwt *ret) {
    *ret = (struct jwt){.alg = ALG_UNKNOWN};
    if (token.n == 0) {
        return "the token is empty";
    }
    if (token.n > ACCESS_TOKEN_BYTES) {
        return "the token is longer than 8 KiB";
    }
    slice rest = token;
    if (!cut(&rest, &ret->header) || !cut(&rest, &ret->payload) || rest.n == 0 ||
        memchr(rest.p, '.', rest.n)) {
        return "the token does not have three parts";
    }
    ret->signature = rest;
    ret->signed_part = slice_of(token.p, token.n - rest.n - 1);
    uint8_t bytes[ACCESS_TOKEN_BYTES];
    size_t n = 0;
    if (!base64url_decode(bytes, ret->signature, &n)) {
        return "the token's signature is not base64url";
    }
    json_t *header = decode_object(ret->header);
    if (!header) {
        return "the token's header is not a JSON object in base64url";
    }
    const char *why = read_header(header, ret);
    json_decref(header);
    return why;
}

json_t *jwt_claims(const struct jwt *t) {
    return decode_object(t->payload);
}

/* ---- signatures ---- */

/* libjose says on standard error what it finds wrong, unless told otherwise. */
static void say_nothing(void *misc, const char *file, int line, uint64_t err, const char *fmt,
                        va_list ap) {
    (void)misc, (void)file, (void)line, (void)err, (void)fmt, (void)ap;
}

static json_t *json_of(slice s) {
    return json_stringn((const char *)s.p, s.n);
}

static bool verify_by_libjose(const struct jwt *t, const struct key *k) {
    bool ok = false;
    jose_cfg_t *cfg = jose_cfg();
    json_t *jws = json_pack("{s:o, s:o, s:o}", "protected", json_of(t->header), "payload",
                            json_of(t->payload), "signature", json_of(t->signature));
    if (cfg && jws) {
        jose_cfg_set_err_func(cfg, say_nothing, NULL);
        ok = jose_jws_ver(cfg, jws, NULL, k->jwk, false);
    }
    json_decref(jws);
    jose_cfg_decref(cfg);
    return ok;
}

static bool verify_eddsa(const struct jwt *t, const struct key *k) {
    enum { SIGNATURE_BYTES = 64, SIGNATURE_CHARS = 86 };
    uint8_t sig[SIGNATURE_BYTES + 4];
    size_t n = 0;
    if (t->signature.n != SIGNATURE_CHARS || !base64url_decode(sig, t->signature, &n)) {
        return false;
    }
    must(n == SIGNATURE_BYTES);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k->pkey) == 1 &&
              EVP_DigestVerify(ctx, sig, n, t->signed_part.p, t->signed_part.n) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

bool jwt_signed_by(const struct jwt *t, const struct key *k) {
    if (!key_may_verify(k, t->alg)) {
        return false;
    }
    bool ok = k->kind == KEY_ED25519 ? verify_eddsa(t, k) : verify_by_libjose(t, k);
    /* What failed here must not be found by the next TLS call of this thread. */
    ERR_clear_error();
    return ok;
}
