/* tls.h: TLS between a socket and a connection, by OpenSSL, without touching the socket.
 *
 * A connection under TLS has a struct tls between what libuv reads and take_input, and between its
 * outbox and what libuv writes. There are no memory BIOs that grow: what was read is lent to
 * OpenSSL for the length of one call, and what is to be written is appended to a buffer of the
 * connection that is freed whenever it has left. An idle connection therefore holds OpenSSL's own
 * state and nothing of ours; one that has not sent its first byte does not even have that.
 *
 * Reading. All of what was read is taken, always; at most 16 KiB (an incomplete record) stay
 * inside. `plain` is the worker's: its contents last until the next connection reads.
 *
 *     on_read(n bytes at b):
 *         if (!c->tls) { take_input(c, b, n); return; }
 *         buf_clear(&w->plain);
 *         enum err e = tls_read(c->tls, slice_of(b, n), &w->plain);
 *         if (w->plain.n) take_input(c, w->plain.p, w->plain.n);     // may end the connection
 *         if (tls_owes(c->tls)) mark_dirty(c);                       // handshake, alerts, answers
 *         if (e) { log tls_detail(c->tls); drop the outbox, to FLUSHING: the alert still leaves }
 *         else if (tls_ended(c->tls)) as at the end of the stream
 *
 * Writing. tls_write takes plaintext as far as the ciphertext not yet sent stays under
 * CAPS_TLS_OUT_BYTES, so the outbox keeps counting what a slow reader leaves lying. It gathers
 * small pieces into whole records. Before the handshake is done it takes nothing.
 *
 *     write_now:
 *         while (!c->writing && c->state != CONN_GONE) {
 *             slice out = tls_out(c->tls);
 *             if (!out.n) {                                  // first what is owed, an alert maybe
 *                 size_t n = outbox_pieces(&c->outbox, piece, PIECES), taken = 0;
 *                 if (n && tls_write(c->tls, piece, n, &taken)) { conn_abort(c); return; }
 *                 outbox_sent(&c->outbox, taken);
 *                 out = tls_out(c->tls);
 *                 if (!out.n) return;
 *             }
 *             int sent = uv_try_write(out);
 *             if (sent >= 0) tls_sent(c->tls, sent);
 *             else if (sent == UV_EAGAIN) uv_write(out); in on_written: tls_sent(c->tls, out.n)
 *             else conn_abort(c);
 *         }
 *
 * Bytes that tls_out returned stay where they are until tls_sent has counted them all, also when
 * tls_read adds to what is owed meanwhile: they may be lent to uv_write. Whatever asks whether
 * something is still to be sent (conn_idle, conn_flush) asks tls_owes as well.
 *
 * Ending. In say_goodbye, before uv_shutdown: tls_close(c->tls), then write until nothing is owed.
 * A stream that ends without the peer's close_notify is no error here: WebSocket has a close frame,
 * and HTTP requests have lengths.
 *
 * Time. This module knows none: a handshake that does not come to its end is ended by the
 * connection's own header time-out, without a page (tls_ready is false, so none could be sent).
 * What it may cost until then is bounded by CAPS_TLS_HANDSHAKE_BYTES.
 *
 * Reload. Open a new context and give new connections that one; each struct tls holds a count on
 * the context it began with. If opening fails, keep the old one. Tickets outlive contexts: a client
 * resumes on another worker, and after a reload.
 *
 * Thread: tickets any; contexts are opened by any one thread and then belong to one worker; struct
 * tls belongs to its context's worker.
 */
#ifndef GATEWAY_TLS_H
#define GATEWAY_TLS_H

#include <sys/uio.h>

#include "base/buf.h"
#include "base/err.h"

struct tls_tickets;
struct tls_context;
struct tls;

/* ---- tickets: one of the process ---- */

/* Keys that seal what clients bring back to resume a session. Aborts without memory or random. */
struct tls_tickets *tls_tickets_new(uint64_t now_ms);
/* After all contexts that use it; NULL is a no-op. */
void tls_tickets_free(struct tls_tickets *);
/* Makes a new key when the newest is CAPS_TLS_TICKET_MS old; the two before are still understood.
 * To be called now and then, by whom does not matter. Any thread. */
void tls_tickets_turn(struct tls_tickets *, uint64_t now_ms);

/* ---- contexts: one of each worker ---- */

/* Reads a PEM certificate chain and its key. Otherwise ERR_PARAMS or ERR_IO, and `why` is a
 * sentence that names TLS_CERT or TLS_KEY and the fix. With ERR_OK `why` is empty or a warning: a
 * certificate that has expired serves all the same. Reads files, so it may block for a moment. */
NODISCARD enum err tls_context_open(const char *cert_path, const char *key_path,
                                    struct tls_tickets *, struct tls_context **ret_context,
                                    char *why, size_t why_bytes);
/* When its certificate expires, in seconds since 1970; 0: not known. */
int64_t tls_context_expires_s(const struct tls_context *);
struct tls_context *tls_context_ref(struct tls_context *);
/* Drops one count; accepts NULL; returns NULL. Any thread. */
struct tls_context *tls_context_unref(struct tls_context *);

/* ---- connections ---- */

/* Takes a count of the context. Aborts without memory. */
struct tls *tls_new(struct tls_context *);
/* NULL is a no-op. */
void tls_free(struct tls *);

/* Takes what the socket brought and appends what it says to `plain`, which needs no maximum: it
 * grows by at most the input and 16 KiB. ERR_PROTOCOL: what came is not TLS as we speak it;
 * ERR_TOO_LARGE: too much before the handshake was done, or too many answers owed; ERR_NOMEM. Then
 * tls_detail tells, what is owed (an alert, or a page for who speaks plain HTTP) is still to be
 * sent, and every later call returns the same. `plain` may have got bytes before the error. */
NODISCARD enum err tls_read(struct tls *, slice cipher, struct buf *plain);
/* Seals as much of the pieces as there is room for; *ret_taken bytes of them, 0 before the
 * handshake is done and after tls_close. Errors as tls_read. */
NODISCARD enum err tls_write(struct tls *, const struct iovec *pieces, size_t count,
                             size_t *ret_taken);
/* Queues close_notify, once; nothing more can be written, reading goes on. */
void tls_close(struct tls *);

/* What the socket should get next; empty if nothing. Stays valid until tls_sent counted it all. */
slice tls_out(struct tls *);
/* The socket took the first `n` bytes of that. */
void tls_sent(struct tls *, size_t n);

/* ---- inspection ---- */

/* Whether something is still to be sent, not counting what was never given to tls_write. */
bool tls_owes(const struct tls *);
/* The handshake is done. */
bool tls_ready(const struct tls *);
/* The peer's close_notify has come: nothing more will. */
bool tls_ended(const struct tls *);
/* After an error: a static sentence; else NULL. */
const char *tls_detail(const struct tls *);
/* For logs, once ready: "TLSv1.3", and whether the session was resumed. */
const char *tls_version(const struct tls *);
bool tls_resumed(const struct tls *);

#endif
