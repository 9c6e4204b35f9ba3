#include "access/keys.h"

#include <jose/cfg.h>
#include <jose/openssl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>

#include "access/json.h"
#include "base/alloc.h"
#include "base/must.h"

bool key_may_verify(const struct key *k, enum alg alg) {
    if (k->only != ALG_UNKNOWN && k->only != alg) {
        return false;
    }
    switch (alg) {
    case ALG_HS256:
        return k->kind == KEY_SECRET;
    case ALG_RS256:
    case ALG_PS256:
        return k->kind == KEY_RSA;
    case ALG_ES256:
        return k->kind == KEY_P256;
    case ALG_EDDSA:
        return k->kind == KEY_ED25519;
    case ALG_UNKNOWN:
        break;
    }
    return false;
}

struct key *key_new_secret(slice secret) {
    must(secret.n >= ACCESS_SECRET_BYTES_MIN);
    size_t room = (secret.n * 4 + 2) / 3 + 4;
    char *k = mem_new(room);
    size_t n = base64url_encode(k, secret);
    struct key *key = NEW(struct key);
    key->kind = KEY_SECRET;
    key->jwk = json_pack("{s:s, s:s%}", "kty", "oct", "k", k, n);
    must(key->jwk);
    OPENSSL_cleanse(k, room);
    mem_free(k);
    return key;
}

static void key_fini(struct key *k) {
    mem_free(k->kid);
    json_decref(k->jwk);
    EVP_PKEY_free(k->pkey);
    *k = (struct key){0};
}

void key_free(struct key *k) {
    if (k) {
        key_fini(k);
        mem_free(k);
    }
}

/* ---- one JWK ---- */

enum jwk_result { JWK_USED, JWK_SKIPPED, JWK_WRONG };

/* Room for the largest number of a key, and what decoding may write behind it. */
#define NUMBER_BYTES (ACCESS_RSA_BITS_MAX / 8)

/* Decodes a number of a key, at most `max` bytes. */
static bool number(const json_t *jwk, const char *name, uint8_t *to, size_t max, size_t *ret_n) {
    const json_t *v = json_object_get(jwk, name);
    slice s = slice_of(json_string_value(v), json_string_length(v));
    return s.n && s.n <= (max * 4 + 2) / 3 && base64url_decode(to, s, ret_n) && *ret_n <= max;
}

static size_t bit_count(const uint8_t *p, size_t n) {
    while (n && *p == 0) {
        p++, n--;
    }
    if (!n) {
        return 0;
    }
    size_t bits = n * 8;
    for (uint8_t top = *p; !(top & 0x80); top = (uint8_t)(top << 1)) {
        bits--;
    }
    return bits;
}

/* True when libcrypto takes the key, and, for a point, finds it on its curve. */
static bool libcrypto_takes(const json_t *jwk) {
    jose_cfg_t *cfg = jose_cfg();
    EVP_PKEY *pkey = jose_openssl_jwk_to_EVP_PKEY(cfg, jwk);
    EVP_PKEY_CTX *ctx = pkey ? EVP_PKEY_CTX_new(pkey, NULL) : NULL;
    bool ok = ctx && EVP_PKEY_public_check(ctx) == 1;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    jose_cfg_decref(cfg);
    ERR_clear_error();
    return ok;
}

static enum jwk_result read_rsa(const json_t *jwk, struct key *k) {
    uint8_t n[NUMBER_BYTES + 4];
    uint8_t e[8 + 4];
    size_t n_bytes = 0;
    size_t e_bytes = 0;
    if (!number(jwk, "n", n, NUMBER_BYTES, &n_bytes) || !number(jwk, "e", e, 8, &e_bytes)) {
        return JWK_WRONG;
    }
    bool odd = (n[n_bytes - 1] & 1) && (e[e_bytes - 1] & 1);
    if (!odd || bit_count(e, e_bytes) < 2) { /* an exponent of 1 signs everything */
        return JWK_WRONG;
    }
    if (bit_count(n, n_bytes) < ACCESS_RSA_BITS_MIN) {
        return JWK_SKIPPED;
    }
    k->kind = KEY_RSA;
    k->jwk = json_pack("{s:s, s:s, s:s}", "kty", "RSA", "n", json_text(jwk, "n"), "e",
                       json_text(jwk, "e"));
    return k->jwk && libcrypto_takes(k->jwk) ? JWK_USED : JWK_WRONG;
}

static enum jwk_result read_ec(const json_t *jwk, struct key *k) {
    const char *crv = json_text(jwk, "crv");
    if (!crv) {
        return JWK_WRONG;
    }
    if (strcmp(crv, "P-256") != 0) {
        return JWK_SKIPPED;
    }
    enum { COORDINATE = 32 };
    uint8_t bytes[COORDINATE + 4];
    size_t x = 0;
    size_t y = 0;
    if (!number(jwk, "x", bytes, COORDINATE, &x) || !number(jwk, "y", bytes, COORDINATE, &y) ||
        x != COORDINATE || y != COORDINATE) {
        return JWK_WRONG;
    }
    k->kind = KEY_P256;
    k->jwk = json_pack("{s:s, s:s, s:s, s:s}", "kty", "EC", "crv", crv, "x", json_text(jwk, "x"),
                       "y", json_text(jwk, "y"));
    return k->jwk && libcrypto_takes(k->jwk) ? JWK_USED : JWK_WRONG;
}

static enum jwk_result read_okp(const json_t *jwk, struct key *k) {
    const char *crv = json_text(jwk, "crv");
    if (!crv) {
        return JWK_WRONG;
    }
    if (strcmp(crv, "Ed25519") != 0) {
        return JWK_SKIPPED;
    }
    enum { PUBLIC = 32 };
    uint8_t x[PUBLIC + 4];
    size_t n = 0;
    if (!number(jwk, "x", x, PUBLIC, &n) || n != PUBLIC) {
        return JWK_WRONG;
    }
    k->kind = KEY_ED25519;
    k->pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, n);
    ERR_clear_error();
    return k->pkey ? JWK_USED : JWK_WRONG;
}

/* A public key set with one of these is a leak or a lie. */
static bool has_private_part(const json_t *jwk) {
    static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (json_object_get(jwk, names[i])) {
            return true;
        }
    }
    return false;
}

/* The members that confine a key (RFC 7517 4.2 to 4.5): absent, or strings. */
static bool has_right_types(const json_t *jwk) {
    static const char *const names[] = {"use", "alg", "kid"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_t *v = json_object_get(jwk, names[i]);
        if (v && !json_is_string(v)) {
            return false;
        }
    }
    const json_t *ops = json_object_get(jwk, "key_ops");
    const json_t *kid = json_object_get(jwk, "kid");
    return (!ops || json_is_array(ops)) && json_string_length(kid) <= ACCESS_KID_BYTES;
}

static bool is_for_verifying(const json_t *jwk) {
    const char *use = json_text(jwk, "use");
    if (use && strcmp(use, "sig") != 0) {
        return false;
    }
    const json_t *ops = json_object_get(jwk, "key_ops");
    bool found = !ops;
    for (size_t i = 0; i < json_array_size(ops); i++) {
        const char *op = json_string_value(json_array_get(ops, i));
        found |= op && strcmp(op, "verify") == 0;
    }
    return found;
}

/* RFC 9864 gives EdDSA over this curve a name of its own; key sets have either. */
static enum alg alg_of_jwk(const char *name) {
    return strcmp(name, "Ed25519") == 0 ? ALG_EDDSA : alg_find(name);
}

static enum jwk_result read_jwk(const json_t *jwk, struct key *k) {
    const char *kty = json_text(jwk, "kty");
    if (!kty || strcmp(kty, "oct") == 0 || has_private_part(jwk) || !has_right_types(jwk)) {
        return JWK_WRONG;
    }
    if (!is_for_verifying(jwk)) {
        return JWK_SKIPPED;
    }
    enum jwk_result result = strcmp(kty, "RSA") == 0   ? read_rsa(jwk, k)
                             : strcmp(kty, "EC") == 0  ? read_ec(jwk, k)
                             : strcmp(kty, "OKP") == 0 ? read_okp(jwk, k)
                                                       : JWK_SKIPPED;
    const json_t *kid = json_object_get(jwk, "kid");
    if (result == JWK_USED && kid) {
        k->kid = mem_copy_str(json_string_value(kid), json_string_length(kid));
    }
    const char *alg = json_text(jwk, "alg");
    if (result == JWK_USED && alg) {
        k->only = alg_of_jwk(alg);
        if (!key_may_verify(k, k->only)) {
            return JWK_SKIPPED; /* RS512, or a name that does not fit the key */
        }
    }
    return result;
}

/* ---- sets ---- */

static bool read_keys(struct keyset *set, const json_t *keys, char *why, size_t why_bytes) {
    for (size_t i = 0; i < json_array_size(keys); i++) {
        struct key key = {.only = ALG_UNKNOWN};
        enum jwk_result result = read_jwk(json_array_get(keys, i), &key);
        if (result == JWK_USED) {
            set->keys[set->count++] = key;
            continue;
        }
        key_fini(&key);
        set->skipped++;
        if (result == JWK_WRONG) {
            (void)snprintf(why, why_bytes,
                           "key %zu of the set is not a public key as RFC 7517 has it", i + 1);
            return false;
        }
    }
    if (!set->count) {
        (void)snprintf(why, why_bytes,
                       "none of its %zu keys can verify RS256, PS256, ES256 or EdDSA",
                       set->skipped);
    }
    return set->count > 0;
}

struct keyset *keyset_parse(slice text, char *why, size_t why_bytes) {
    json_t *root = text.n <= ACCESS_JWKS_BYTES ? json_strict_object(text) : NULL;
    const json_t *keys = json_object_get(root, "keys");
    struct keyset *set = NULL;
    if (!json_is_array(keys)) {
        (void)snprintf(why, why_bytes, "it is not a JSON object with an array \"keys\"");
    } else if (json_array_size(keys) > ACCESS_JWKS_KEYS) {
        (void)snprintf(why, why_bytes, "it has more than %d keys", ACCESS_JWKS_KEYS);
    } else {
        set = NEW(struct keyset);
        atomic_init(&set->refs, 1);
        if (!read_keys(set, keys, why, why_bytes)) {
            set = keyset_unref(set);
        }
    }
    json_decref(root);
    return set;
}

struct keyset *keyset_ref(struct keyset *set) {
    /* relaxed: who takes a count has one, or the lock under which the set is found */
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

struct keyset *keyset_unref(struct keyset *set) {
    /* release what was done with it, acquire what others did, before it is freed */
    if (set && atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) == 1) {
        for (size_t i = 0; i < set->count; i++) {
            key_fini(&set->keys[i]);
        }
        mem_free(set);
    }
    return NULL;
}

enum key_found keyset_find(const struct keyset *set, const struct jwt *t,
                           const struct key **ret_key) {
    size_t named = 0;
    size_t fitting = 0;
    const struct key *found = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct key *k = &set->keys[i];
        if (t->has_kid && !(k->kid && strcmp(k->kid, t->kid) == 0)) {
            continue;
        }
        named++;
        if (key_may_verify(k, t->alg)) {
            fitting++;
            found = k;
        }
    }
    if (fitting == 1) {
        *ret_key = found;
        return KEY_FOUND;
    }
    bool missing = t->has_kid ? named == 0 : fitting == 0;
    return missing ? KEY_MISSING : KEY_REFUSED;
}
