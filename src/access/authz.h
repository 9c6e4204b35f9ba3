/* authz.h: a service that decides who may do what where (AUTHZ_URL).
 *
 * It is asked by POST {userId, sessionId, roomId, claims} and answers {role}. An answer holds for a
 * while, for this token in this room. Who asks what is being asked already waits with the first.
 * All that goes wrong is a refusal: ERR_BUSY, with the answer to come from somebody who asks later.
 *
 * Thread: authz_ask and authz_known are for any; the rest belongs to the access thread.
 */
#ifndef ACCESS_AUTHZ_H
#define ACCESS_AUTHZ_H

#include "access/access.h"
#include "access/fetch.h"

struct authz;

struct authz_service {
    const char *url;
    unsigned cache_ms;
    unsigned timeout_ms; /* from the question to its answer, waiting for others included */
    struct fetcher *fetcher;
    void (*answered)(void *ctx, uint64_t conn, uint32_t req, const struct access_answer *);
    void *ctx;
};

struct authz *authz_new(const struct authz_service *);
/* Questions that are open are not answered any more; accepts NULL. */
void authz_free(struct authz *);
/* What the service said of this, not too long ago. */
bool authz_known(struct authz *, const struct identity *, slice room_id, enum role *ret);
/* True: *ret is the answer. False: `answered` will be called. */
bool authz_ask(struct authz *, struct identity *, slice room_id, uint64_t conn, uint32_t req,
               struct access_answer *ret);
/* Sends what may be sent, gives up what waited too long. */
void authz_step(struct authz *, uint64_t now_ms);

/* The answer that a role is: ERR_FORBIDDEN for ROLE_NONE. */
struct access_answer authz_answer(enum role, const char *detail);

#endif
