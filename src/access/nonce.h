/* nonce.h: which wsTokens have been used, and by which connection.
 *
 * Bounded: when more unexpired nonces are in use than ACCESS_NONCES, new ones are refused. That
 * fails closed, and only who can have tokens signed can bring it about.
 *
 * Thread: any; a leaf lock inside.
 */
#ifndef ACCESS_NONCE_H
#define ACCESS_NONCE_H

#include <stdbool.h>
#include <stdint.h>

struct nonces;

struct nonces *nonces_new(void);
void nonces_free(struct nonces *);
/* True for the first connection that comes with this nonce, and for the same one again. It is
 * remembered until `forget_s`, seconds since 1970. */
bool nonces_claim(struct nonces *, const char *nonce, uint64_t conn, uint64_t forget_s,
                  uint64_t now_s);

#endif
