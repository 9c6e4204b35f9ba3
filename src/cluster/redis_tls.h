/* redis_tls.h: TLS of one connection to Redis, by OpenSSL, without touching the socket. The
 * server's certificate must be good for its name and signed by somebody whom this machine trusts
 * (SSL_CERT_FILE and SSL_CERT_DIR may say whom).
 *
 * Thread: one owner.
 */
#ifndef CLUSTER_REDIS_TLS_H
#define CLUSTER_REDIS_TLS_H

#include "base/buf.h"
#include "base/err.h"

struct redis_tls;

/* Begins a handshake; `host` is a name or an address. NULL with a sentence. */
struct redis_tls *redis_tls_new(const char *host, const char **ret_why);
/* NULL is a no-op. */
void redis_tls_free(struct redis_tls *);
/* Takes what the socket brought; what it says is appended to `plain`. ERR_PROTOCOL with a sentence
 * when the connection must end. */
NODISCARD enum err redis_tls_read(struct redis_tls *, slice cipher, struct buf *plain,
                                  const char **ret_why);
/* Seals what is in `plain` once the handshake is done, and empties it. */
NODISCARD enum err redis_tls_write(struct redis_tls *, struct buf *plain, const char **ret_why);
/* Moves what the socket shall get to the end of `cipher`. */
void redis_tls_out(struct redis_tls *, struct buf *cipher);

#endif
