/* access.h: who comes in, and what they may do (PROTOCOL 5).
 *
 * A token becomes an identity: counted, immutable, all that its claims say. An identity has a role
 * in a room, by its claims or by asking AUTHZ_URL. Keys come from JWT_SECRET, JWKS_FILE or
 * JWKS_URL; the type of a key alone fixes with which algorithm it may verify.
 *
 * Nothing here blocks a worker: what needs the network is done by one thread of this module, and
 * its answer comes by the `done` callback. All that is known already is answered at once.
 *
 * Thread: any for functions that take a const or counted object and for those that say so; open,
 * reload and free are main's. `done` is called on this module's thread.
 */
#ifndef ACCESS_ACCESS_H
#define ACCESS_ACCESS_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/event.h"

struct access;
struct identity;

/* What a check came to. */
struct access_answer {
    enum err err; /* ERR_UNAUTH, ERR_FORBIDDEN, ERR_BUSY (the key source or AUTHZ_URL is down) */
    const char *detail;        /* a static sentence that says what is wrong, never the token */
    struct identity *identity; /* of a token that holds: the receiver's count */
    enum role role;            /* of a question for a role */
};

struct access_options {
    const char *jwt_secret;      /* HS256; at least 32 bytes, or NULL */
    const char *jwks_file;       /* or NULL */
    const char *jwks_url;        /* https, or http on loopback; or NULL */
    const char *issuer;          /* `iss` must be this, or NULL: any */
    const char *audience;        /* `aud` must contain this (wsTokens: "collab-ws"), or NULL: any */
    const char *revocation_file; /* or NULL; see access_reload */
    const char *authz_url;       /* or NULL: claims decide */
    unsigned leeway_s;
    unsigned ws_token_s;      /* life of a minted wsToken; 0: 300, at most 3600 */
    unsigned authz_cache_ms;  /* how long an answer of AUTHZ_URL holds */
    unsigned http_timeout_ms; /* from a question to its answer; 0: 5 s */
    /* A check that could not be answered at once has been: `conn` and `req` as given, and the
     * answer, whose identity the callee takes. Called on the access thread, perhaps before the call
     * that asked has returned; must not block. */
    void (*done)(void *ctx, uint64_t conn, uint32_t req, const struct access_answer *);
    void *done_ctx;
    /* Asks other nodes whether a nonce is new. True: it takes the identity, and calls
     * access_claimed. NULL: there are none. */
    bool (*claim)(void *ctx, slice nonce, uint64_t seconds, uint64_t conn, uint32_t req,
                  struct identity *);
    void *claim_ctx;
};

/* Loads keys and lists and starts the thread. NULL with a sentence that names the option and the
 * fix: a secret that is too short, a file that is no key set, a URL that is not one. A JWKS_URL
 * that does not answer yet is no reason to fail: tokens are then answered ERR_BUSY until it does.
 */
struct access *access_open(const struct access_options *, char *why, size_t why_bytes);
/* Ends the thread and frees everything but identities that others hold; checks under way are not
 * answered any more. NULL is a no-op. */
void access_free(struct access *);
/* Has the key file and the revocation list read again at once, by this module's thread (SIGHUP;
 * they are also looked at every few seconds). A file that has become unreadable or wrong leaves
 * what was read before in force. */
void access_reload(struct access *);

/* ---- tokens ---- */

/* Checks a token: signature, exp, nbf, iss, aud, revocation. True: *ret is the answer. False: the
 * key is being fetched, or other nodes are asked about a nonce (not when `conn` is 0): `done` will
 * tell (an unknown kid causes one fetch per cool-down, not per
 * token). */
bool access_check(struct access *, slice token, uint64_t conn, uint32_t req,
                  struct access_answer *ret);
/* A wsToken may open one connection only: true when this one may use it (or it is no wsToken). The
 * same connection may ask again. Any thread. */
bool access_claim_nonce(struct access *, const struct identity *, uint64_t conn);
/* The answer to options.claim; takes the identity. Any thread. */
void access_claimed(struct access *, uint64_t conn, uint32_t req, struct identity *, bool granted);
/* Mints a wsToken (HS256) for this identity and room; appends it. ERR_FORBIDDEN when the identity
 * may not even read there, ERR_INTERNAL when there is no JWT_SECRET to sign with. With AUTHZ_URL
 * the role is the one that access_role was answered last, so ask that first. A wsToken mints no
 * other, and none outlives the token it was minted for. Any thread. */
NODISCARD enum err access_mint(struct access *, const struct identity *, slice room_id,
                               struct buf *ret_token, uint64_t *ret_expires_s);
/* Revokes from now on: kind is "jti", "sub" or "sid". Any thread. */
void access_revoke(struct access *, const char *kind, slice value);
/* What other nodes have revoked, and what this one has: a line each, as in the file. Any thread. */
void access_revoke_lines(struct access *, slice lines);
void access_list_revoked(struct access *, struct buf *);
/* Counts every change of the revocation list: whoever holds identities looks at them again when it
 * has moved. Any thread. */
uint64_t access_revocations(const struct access *);
bool access_revoked(const struct access *, const struct identity *);

/* ---- identities ---- */

struct identity *identity_ref(struct identity *);
/* Drops one count; accepts NULL; returns NULL. */
struct identity *identity_unref(struct identity *);
/* Everybody in dev mode: user "anonymous", a writer everywhere, never expires. */
struct identity *identity_anonymous(void);
const char *identity_user(const struct identity *);      /* sub; at most 200 bytes */
const char *identity_session(const struct identity *);   /* sessionId or sid; "" if none */
const char *identity_workspace(const struct identity *); /* workspaceId; "" if none */
uint64_t identity_expires_s(const struct identity *);    /* seconds since 1970; UINT64_MAX: never */
/* JSON object to stamp into presence: {"id":…,"name":…,…} from sub, name, email, picture, color. */
slice identity_presence(const struct identity *);
/* The role by claims alone, PROTOCOL 5: the highest of rooms, scope or permissions, and roles. */
enum role identity_role(const struct identity *, slice room_id);

/* Its claims make it an admin of every room there can be. */
bool identity_administers_all(const struct identity *);

/* The role in force: by claims, or by AUTHZ_URL (cached, fails closed). As access_check. */
bool access_role(struct access *, struct identity *, slice room_id, uint64_t conn, uint32_t req,
                 struct access_answer *ret);

#endif
