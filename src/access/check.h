/* check.h: the whole way of a token: parse, find its key, verify, read its claims, look whether it
 * is revoked. And the way back: a wsToken is made.
 *
 * Thread: any; nothing here waits or changes.
 */
#ifndef ACCESS_CHECK_H
#define ACCESS_CHECK_H

#include "access/access.h"
#include "access/claims.h"
#include "access/keys.h"
#include "access/revoke.h"

/* What a check needs besides the token. Fixed after start; `revoked` guards itself. */
struct checker {
    struct key *secret; /* or NULL */
    char *secret_bytes; /* the same, to sign with */
    size_t secret_n;
    bool has_public; /* there is a source of public keys */
    struct claim_rules rules;
    struct revocations *revoked; /* or NULL */
    uint64_t ws_token_s;
};

enum check_result {
    CHECK_ANSWERED,
    CHECK_NEEDS_KEYS, /* the set is NULL, or does not have the key; *ret says what that means if
                         there is no newer one */
};

/* `set` may be NULL: none has been read yet. */
enum check_result check_token(const struct checker *, slice token, const struct keyset *set,
                              uint64_t now_s, struct access_answer *ret);
/* Mints a wsToken that lets the identity into this room with this role. */
NODISCARD enum err check_mint(const struct checker *, const struct identity *, slice room_id,
                              enum role, uint64_t now_s, struct buf *ret_token,
                              uint64_t *ret_expires_s);

#endif
