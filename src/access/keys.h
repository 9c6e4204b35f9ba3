/* keys.h: keys that verify tokens, and sets of them.
 *
 * The kind of a key fixes with which algorithms it verifies. The one secret (JWT_SECRET) is never
 * in a set, and a set holds public keys only, so that neither can be taken for the other.
 *
 * A set is immutable and counted: whoever verifies holds a count, and a newer set replaces the
 * older one as a whole.
 *
 * Thread: any.
 */
#ifndef ACCESS_KEYS_H
#define ACCESS_KEYS_H

#include <jansson.h>
#include <openssl/evp.h>
#include <stdatomic.h>

#include "access/jwt.h"

enum key_kind { KEY_SECRET, KEY_RSA, KEY_P256, KEY_ED25519 };

struct key {
    enum key_kind kind;
    enum alg only;  /* what the JWK's `alg` confines it to, or ALG_UNKNOWN */
    char *kid;      /* or NULL */
    json_t *jwk;    /* kty and numbers only, for libjose; NULL for KEY_ED25519 */
    EVP_PKEY *pkey; /* KEY_ED25519 */
};

struct keyset {
    atomic_uint refs;
    size_t count;
    size_t skipped; /* keys of no use here: encryption, other curves, RSA that is too short */
    struct key keys[ACCESS_JWKS_KEYS];
};

/* True on the diagonal of kinds and algorithms only. */
bool key_may_verify(const struct key *, enum alg);

/* A key for HS256; the caller has checked that it is long enough. */
struct key *key_new_secret(slice);
void key_free(struct key *);

/* Reads a JWK set (RFC 7517 5). NULL with a sentence when it is not one, when it holds something
 * that has no place in public (private keys, secrets), or no key of use. */
struct keyset *keyset_parse(slice text, char *why, size_t why_bytes);
struct keyset *keyset_ref(struct keyset *);
/* Drops one count; accepts NULL; returns NULL. */
struct keyset *keyset_unref(struct keyset *);

enum key_found {
    KEY_FOUND,
    KEY_MISSING, /* a newer set might have it */
    KEY_REFUSED, /* it is there and does not fit, or the choice is not clear */
};

/* The one key for a token: by kid, or, if the token has none, the only key that may verify this
 * algorithm. */
enum key_found keyset_find(const struct keyset *, const struct jwt *, const struct key **ret_key);

#endif
