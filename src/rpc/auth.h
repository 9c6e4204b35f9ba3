/* auth.h: who is on a connection, and for how long: from the token at the upgrade or in subscribe,
 * over renewals, to its expiry or revocation.
 *
 *     UNKNOWN   no token yet; subscribe may bring one, within the time-out
 *     CHECKING  the token of the upgrade is being checked (its key is being fetched); nothing is
 * read KNOWN     has an identity REFUSED   the token was bad: closed with 1008, at once or, from an
 * address that keeps trying, after a pause; nothing is read
 *
 * Thread: the worker of the connection. Embed only.
 */
#ifndef RPC_AUTH_H
#define RPC_AUTH_H

#include "rpc/rpc.h"

enum auth_state { AUTH_UNKNOWN, AUTH_CHECKING, AUTH_KNOWN, AUTH_REFUSED };

struct auth {
    enum auth_state state;
    struct identity *who; /* KNOWN: a count */
    uint64_t opened_ms;
    uint64_t close_ms;    /* REFUSED: when to close */
    const char *reason;   /* REFUSED: static */
    uint64_t revocations; /* of access_revocations, when last looked at */
    bool noted;           /* UNKNOWN: the audit has a line about the missing token */
    char address[BUCKET_ADDRESS_BYTES];
    size_t address_bytes;
};

/* The request numbers of checks that belong to no request of the client. */
enum { REQ_UPGRADE = 0xfffffff0u };

/* The token of the request, from its header or, percent-decoded into `to`, from its query; empty
 * when there is none. */
slice auth_token(const struct http_request *, char *to, size_t cap);
/* Of this connection's address, and nobody yet. */
void auth_init(struct auth *, struct conn *);
/* A new connection: reads the token of the request, if there is one, and checks it. */
void auth_open(struct auth *, const struct rpc *, struct conn *, const struct http_request *);
void auth_fini(struct auth *);
/* The answer to the check of the upgrade's token. */
void auth_checked(struct auth *, const struct rpc *, struct conn *, const struct access_answer *);
/* A token in subscribe held: it becomes the identity, takes the count. ERR_FORBIDDEN, with the
 * count released, when it speaks of another user than before, ERR_UNAUTH when it was used
 * elsewhere. */
NODISCARD enum err auth_renew(struct auth *, const struct rpc *, struct conn *, struct identity *,
                              const char **ret_detail);
/* Charges the address for a bad token; true when it has had too many. */
bool auth_charge(struct auth *, const struct rpc *, uint64_t now_ms, uint64_t *ret_retry_ms);
/* Whether it has had too many already. */
bool auth_exhausted(const struct auth *, const struct rpc *, uint64_t now_ms);
/* About once a second: the reason why the connection is to be closed with 1008 now, or NULL. */
const char *auth_sweep(struct auth *, const struct rpc *, uint64_t now_ms);
/* May this identity work in the room at all (COLLAB_WORKSPACES)? */
bool auth_workspace_open(const struct rpc *, const struct identity *);

#endif
