/* claims.h: from the claims of a token that its key has signed to an identity.
 *
 * Thread: any. An identity is counted and immutable.
 */
#ifndef ACCESS_CLAIMS_H
#define ACCESS_CLAIMS_H

#include <jansson.h>
#include <stdatomic.h>

#include "access/access.h"
#include "access/grants.h"

#define WS_TOKEN_AUDIENCE "collab-ws"
#define DIGEST_BYTES      32

/* What claims must say, from the options. */
struct claim_rules {
    const char *issuer;   /* or NULL: any */
    const char *audience; /* or NULL: any; a wsToken's audience is always WS_TOKEN_AUDIENCE */
    uint64_t leeway_s;
};

struct identity {
    atomic_uint refs;
    bool anonymous; /* dev mode: a writer everywhere */
    char *user;
    char *session;
    char *sid; /* what a revocation may name besides the session; "" if none */
    char *jti; /* "" if none */
    char *workspace;
    uint64_t expires_s;
    struct grants grants;
    char *presence;               /* JSON object */
    char *claims;                 /* JSON object, for AUTHZ_URL */
    uint8_t digest[DIGEST_BYTES]; /* of the token: names it in caches */

    /* A wsToken: for one room and one connection. */
    bool is_ws;
    char *nonce;
    char *room;      /* the only room; "" when knowledge names it */
    char *knowledge; /* else kn:<it> and ws:<workspace>/<it> */
};

/* exp, nbf, iat, iss and aud at that time: NULL when they hold, or a static sentence. */
const char *claims_check(const json_t *claims, const struct claim_rules *, uint64_t now_s);
/* NULL with a static sentence when something that an identity needs is missing or of a wrong type.
 */
struct identity *claims_identity(const json_t *claims, uint64_t now_s, const char **ret_why);
/* False in every room but the one that a wsToken is for. */
bool identity_may_name(const struct identity *, slice room_id);

#endif
