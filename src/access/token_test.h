/* token_test.h: keys and tokens made while a test runs, honest ones and others. For tests only.
 *
 * Thread: one test program, one thread; makers may be shared once they are made.
 */
#ifndef ACCESS_TOKEN_TEST_H
#define ACCESS_TOKEN_TEST_H

#include <jose/cfg.h>
#include <jose/openssl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>

#include "access/json.h"
#include "access/keys.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/must.h"

#define TEST_SECRET "0123456789abcdef0123456789abcdef"

enum made { MADE_SECRET, MADE_RSA, MADE_P256, MADE_ED25519, MADE_P384, MADE_KINDS };

/* How bytes are signed, whatever the header says. */
enum signer { SIGN_HMAC, SIGN_RSA, SIGN_PSS, SIGN_EC, SIGN_ED };

struct maker {
    enum made kind;
    EVP_PKEY *pkey; /* but for MADE_SECRET */
    slice secret;   /* the bytes that SIGN_HMAC uses */
};

static inline struct maker maker_new(enum made kind) {
    struct maker m = {.kind = kind, .secret = slice_str(TEST_SECRET)};
    switch (kind) {
    case MADE_RSA:
        m.pkey = EVP_RSA_gen(2048);
        break;
    case MADE_P256:
        m.pkey = EVP_EC_gen("P-256");
        break;
    case MADE_P384:
        m.pkey = EVP_EC_gen("P-384");
        break;
    case MADE_ED25519:
        m.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        break;
    default:
        return m;
    }
    must(m.pkey);
    return m;
}

static inline void maker_fini(struct maker *m) {
    EVP_PKEY_free(m->pkey);
}

/* The public JWK, or with `with_private` all of it. */
static inline json_t *maker_jwk(const struct maker *m, const char *kid, bool with_private) {
    json_t *jwk = NULL;
    if (m->kind == MADE_SECRET) {
        jwk = json_pack("{s:s, s:s}", "kty", "oct", "k",
                        "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY");
    } else if (m->kind == MADE_ED25519) {
        uint8_t raw[32];
        char x[48];
        size_t n = sizeof raw;
        must(EVP_PKEY_get_raw_public_key(m->pkey, raw, &n) == 1);
        size_t chars = base64url_encode(x, slice_of(raw, n));
        jwk = json_pack("{s:s, s:s, s:s%}", "kty", "OKP", "crv", "Ed25519", "x", x, chars);
    } else {
        jose_cfg_t *cfg = jose_cfg();
        jwk = jose_openssl_jwk_from_EVP_PKEY(cfg, m->pkey);
        jose_cfg_decref(cfg);
        static const char *const parts[] = {"d", "p", "q", "dp", "dq", "qi"};
        for (size_t i = 0; !with_private && i < sizeof parts / sizeof *parts; i++) {
            (void)json_object_del(jwk, parts[i]);
        }
    }
    must(jwk);
    if (kid) {
        must(json_object_set_new(jwk, "kid", json_string(kid)) == 0);
    }
    return jwk;
}

static inline void put_b64(struct buf *b, slice s) {
    uint8_t *to = buf_reserve(b, s.n * 2 + 8);
    must(to);
    buf_commit(b, base64url_encode((char *)to, s));
}

/* R and S as JOSE wants them, out of what libcrypto gives. */
static inline size_t ec_signature(const struct maker *m, uint8_t *sig, size_t n) {
    const size_t half = m->kind == MADE_P384 ? 48 : 32;
    const uint8_t *p = sig;
    ECDSA_SIG *ec = d2i_ECDSA_SIG(NULL, &p, (long)n);
    must(ec && BN_bn2binpad(ECDSA_SIG_get0_r(ec), sig, (int)half) == (int)half);
    must(BN_bn2binpad(ECDSA_SIG_get0_s(ec), sig + half, (int)half) == (int)half);
    ECDSA_SIG_free(ec);
    return half * 2;
}

static inline void put_signature(struct buf *b, const struct maker *m, enum signer how) {
    uint8_t sig[1024];
    size_t n = sizeof sig;
    if (how == SIGN_HMAC) {
        unsigned mac = 0;
        must(HMAC(EVP_sha256(), m->secret.p, (int)m->secret.n, b->p, b->n, sig, &mac));
        n = mac;
    } else {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        EVP_PKEY_CTX *pctx = NULL;
        must(EVP_DigestSignInit(ctx, &pctx, how == SIGN_ED ? NULL : EVP_sha256(), NULL, m->pkey) ==
             1);
        if (how == SIGN_PSS) {
            must(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1);
            must(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1);
        }
        must(EVP_DigestSign(ctx, sig, &n, b->p, b->n) == 1);
        EVP_MD_CTX_free(ctx);
    }
    if (how == SIGN_EC) {
        n = ec_signature(m, sig, n);
    }
    buf_put_u8(b, '.');
    put_b64(b, slice_of(sig, n));
}

/* header.claims.signature into `b`, which is emptied first. */
static inline slice make_token(struct buf *b, const char *header, const char *claims,
                               const struct maker *m, enum signer how) {
    buf_clear(b);
    put_b64(b, slice_str(header));
    buf_put_u8(b, '.');
    put_b64(b, slice_str(claims));
    put_signature(b, m, how);
    return buf_slice(b);
}

/* Claims that hold for an hour, with `more` behind: "" or ",\"name\":…". Lives until the next. */
static inline const char *claims_with(const char *more) {
    static _Thread_local char text[8192];
    (void)snprintf(text, sizeof text, "{\"sub\":\"ann\",\"exp\":%llu%s}",
                   (unsigned long long)(clock_wall_ms() / 1000 + 3600), more);
    return text;
}

/* {"keys":[…]}, whose members are taken; free with mem_free. */
static inline char *make_jwks(json_t *const *jwks, size_t count) {
    json_t *keys = json_array();
    for (size_t i = 0; i < count; i++) {
        must(json_array_append_new(keys, jwks[i]) == 0);
    }
    json_t *set = json_pack("{s:o}", "keys", keys);
    char *text = json_write(set);
    json_decref(set);
    return text;
}

#endif
