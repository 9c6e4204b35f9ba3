/* jwks.h: where public keys come from: a file, or an address that is asked again and again.
 *
 * The last good set stays in force whatever the source does: down, slow, lying, or all of them.
 *
 * Thread: jwks_now and jwks_wait are for any; the rest belongs to the access thread, and to main
 * before that one starts.
 */
#ifndef ACCESS_JWKS_H
#define ACCESS_JWKS_H

#include "access/fetch.h"
#include "access/keys.h"
#include "access/tuning.h"

struct jwks;

/* A token that waited for keys is to be looked at again: the set in force, or NULL, and whether the
 * source is down. */
typedef void jwks_settled_cb(void *ctx, slice token, uint64_t conn, uint32_t req,
                             const struct keyset *set, bool down);

struct jwks_source {
    const char *url; /* or NULL: sets come by jwks_load */
    unsigned timeout_ms;
    struct access_tuning tuning;
    struct fetcher *fetcher;
    jwks_settled_cb *settled;
    void *ctx;
};

struct jwks *jwks_new(const struct jwks_source *);
void jwks_free(struct jwks *);
/* The set in force, counted, or NULL when none was read yet. */
struct keyset *jwks_now(struct jwks *);

enum jwks_wait {
    JWKS_WAITING, /* `settled` will be called */
    JWKS_NEWER,   /* there is another set than the one seen: look again */
    JWKS_NO,      /* no fetch now: one that did not help was just made */
    JWKS_DOWN,    /* the last fetch failed, and it is too early for the next */
    JWKS_FULL,    /* too many wait already */
};

/* The set `seen` (or NULL) does not have the key of this token: would a newer one? */
enum jwks_wait jwks_wait(struct jwks *, const struct keyset *seen, slice token, uint64_t conn,
                         uint32_t req);
/* Puts a set in force that was read elsewhere. False with a sentence when it is none. */
bool jwks_load(struct jwks *, slice json, char *why, size_t why_bytes);
/* Starts what is due; returns when to call again, in milliseconds of the monotonic clock. */
uint64_t jwks_step(struct jwks *, uint64_t now_ms);

#endif
