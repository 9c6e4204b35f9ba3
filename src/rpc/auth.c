#include "rpc/auth.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "gateway/conn.h"
#include "limit/caps.h"

slice auth_token(const struct http_request *req, char *to, size_t cap) {
    slice h = http_header(req, "Authorization");
    static const char bearer[] = "Bearer ";
    const size_t skip = sizeof bearer - 1;
    if (h.n > skip && strncasecmp((const char *)h.p, bearer, skip) == 0) {
        return slice_of(h.p + skip, h.n - skip);
    }
    size_t n = 0;
    if (http_query(req, "token", to, cap, &n) || http_query(req, "auth", to, cap, &n)) {
        return slice_of(to, n);
    }
    return (slice){0};
}

static slice address(const struct auth *a) {
    return slice_of(a->address, a->address_bytes);
}

bool auth_exhausted(const struct auth *a, const struct rpc *r, uint64_t now_ms) {
    uint64_t retry = 0;
    if (!r->buckets) {
        return false;
    }
    if (bucket_take(r->buckets, BUCKET_AUTH, address(a), BUCKET_COST_ONE, now_ms, &retry) !=
        ERR_OK) {
        return true;
    }
    bucket_give(r->buckets, BUCKET_AUTH, address(a), BUCKET_COST_ONE, now_ms);
    return false;
}

bool auth_charge(struct auth *a, const struct rpc *r, uint64_t now_ms, uint64_t *ret_retry_ms) {
    *ret_retry_ms = 0;
    return r->buckets && bucket_take(r->buckets, BUCKET_AUTH, address(a), BUCKET_COST_ONE, now_ms,
                                     ret_retry_ms) != ERR_OK;
}

/* An address that keeps sending bad tokens waits for its refusal: who retries at once is slowed
 * down by that, not served faster. */
static void refuse(struct auth *a, const struct rpc *r, struct conn *c, const char *why) {
    uint64_t now_ms = conn_now_ms(c);
    uint64_t retry_ms = 0;
    bool slow = auth_charge(a, r, now_ms, &retry_ms);
    retry_ms = retry_ms < CAPS_PARK_MS ? retry_ms : CAPS_PARK_MS;
    a->state = AUTH_REFUSED;
    a->reason = why;
    a->close_ms = slow ? now_ms + retry_ms : now_ms;
}

static void know(struct auth *a, const struct rpc *r, struct identity *who) {
    identity_unref(a->who);
    a->who = who;
    a->state = AUTH_KNOWN;
    a->revocations = r->access ? access_revocations(r->access) : 0;
}

void auth_checked(struct auth *a, const struct rpc *r, struct conn *c,
                  const struct access_answer *answer) {
    if (answer->err != ERR_OK) {
        refuse(a, r, c, answer->detail);
    } else if (!access_claim_nonce(r->access, answer->identity, conn_get_id(c))) {
        identity_unref(answer->identity);
        refuse(a, r, c, "the token has opened another connection");
    } else {
        know(a, r, answer->identity);
    }
}

void auth_init(struct auth *a, struct conn *c) {
    *a = (struct auth){.opened_ms = conn_now_ms(c)};
    slice key = bucket_address(conn_host(c), a->address);
    if (key.p != (const uint8_t *)a->address) {
        memcpy(a->address, key.p, key.n);
    }
    a->address_bytes = key.n;
}

void auth_open(struct auth *a, const struct rpc *r, struct conn *c,
               const struct http_request *req) {
    auth_init(a, c);
    char *text = mem_new(CAPS_TOKEN_BYTES);
    slice token = auth_token(req, text, CAPS_TOKEN_BYTES);
    struct access_answer answer = {0};
    if (r->access && token.n) {
        if (auth_exhausted(a, r, a->opened_ms)) {
            refuse(a, r, c, "too many bad tokens from this address");
        } else if (access_check(r->access, token, conn_get_id(c), REQ_UPGRADE, &answer)) {
            auth_checked(a, r, c, &answer);
        } else {
            a->state = AUTH_CHECKING;
        }
    } else if (r->dev) {
        know(a, r, identity_anonymous());
    }
    mem_free(text);
}

void auth_fini(struct auth *a) {
    a->who = identity_unref(a->who);
}

/* In development mode a token may name the one who was anonymous so far. */
static bool other_user(const struct auth *a, const struct identity *who) {
    return a->who && identity_expires_s(a->who) != UINT64_MAX &&
           strcmp(identity_user(a->who), identity_user(who)) != 0;
}

enum err auth_renew(struct auth *a, const struct rpc *r, struct conn *c, struct identity *who,
                    const char **ret_detail) {
    enum err e = ERR_OK;
    if (other_user(a, who)) {
        e = ERR_FORBIDDEN;
        *ret_detail = "the token speaks of another user than this connection's";
    } else if (!access_claim_nonce(r->access, who, conn_get_id(c))) {
        e = ERR_UNAUTH;
        *ret_detail = "the token has opened another connection";
    }
    if (e != ERR_OK) {
        identity_unref(who);
        return e;
    }
    know(a, r, who);
    return ERR_OK;
}

static const char *sweep_known(struct auth *a, const struct rpc *r) {
    uint64_t expires_s = identity_expires_s(a->who);
    if (expires_s != UINT64_MAX && clock_wall_ms() > expires_s * 1000 + r->token_grace_ms) {
        return "Token expired";
    }
    if (r->access && access_revocations(r->access) != a->revocations) {
        a->revocations = access_revocations(r->access);
        if (access_revoked(r->access, a->who)) {
            return "Token revoked";
        }
    }
    return NULL;
}

const char *auth_sweep(struct auth *a, const struct rpc *r, uint64_t now_ms) {
    switch (a->state) {
    case AUTH_UNKNOWN:
        return now_ms - a->opened_ms > r->auth_timeout_ms ? "Auth timeout" : NULL;
    case AUTH_CHECKING:
        return NULL; /* the check has a time-out of its own */
    case AUTH_KNOWN:
        return sweep_known(a, r);
    case AUTH_REFUSED:
        return now_ms >= a->close_ms ? a->reason : NULL;
    }
    return NULL;
}

bool auth_workspace_open(const struct rpc *r, const struct identity *who) {
    const char *mine = identity_workspace(who);
    size_t n = strlen(mine);
    for (const char *p = r->workspaces; p && *p;) {
        const char *end = strchr(p, ',');
        size_t len = end ? (size_t)(end - p) : strlen(p);
        if (n && len == n && memcmp(p, mine, n) == 0) {
            return true;
        }
        p += len + (end != NULL);
    }
    return !r->workspaces;
}
