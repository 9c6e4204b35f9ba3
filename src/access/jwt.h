/* jwt.h: a token as three parts of base64url (RFC 7515 7.1), what its header says, and whether a
 * key has signed it.
 *
 * The header is read here and nowhere else: by the time libjose sees a token, the algorithm is one
 * of ours and fits the key. libjose's own comparison of the two lets half of all mismatches pass.
 *
 * Thread: any. Pure.
 */
#ifndef ACCESS_JWT_H
#define ACCESS_JWT_H

#include <jansson.h>

#include "access/bounds.h"
#include "base/slice.h"

struct key;

enum alg { ALG_UNKNOWN, ALG_HS256, ALG_RS256, ALG_PS256, ALG_ES256, ALG_EDDSA };

struct jwt {
    slice signed_part; /* header.payload: slices of the token, which the caller keeps */
    slice header;
    slice payload;
    slice signature;
    enum alg alg;
    bool has_kid;
    char kid[ACCESS_KID_BYTES + 1];
};

/* The algorithm of that name as a token spells it; ALG_UNKNOWN for all we do not speak. */
enum alg alg_find(const char *name);
/* NULL when `token` is a token, or a static sentence that says why it is none. */
const char *jwt_parse(slice token, struct jwt *ret);
/* True when this key signed it. A key that may not verify this algorithm signed nothing. */
bool jwt_signed_by(const struct jwt *, const struct key *);
/* The claims, or NULL when the payload is not a JSON object. Not to be believed before
 * jwt_signed_by. The caller drops the count. */
json_t *jwt_claims(const struct jwt *);

#endif
