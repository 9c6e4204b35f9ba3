/* origin.h: which web pages may connect, and under which names this server may be called.
 *
 * A browser lets any page open a WebSocket to anywhere; it only says, in Origin, which page it was.
 * ALLOWED_ORIGINS is the list of those that may. A page whose own name was made to lead here by its
 * owner's name server (DNS rebinding) gives itself away by Host: ALLOWED_HOSTS is the list of names
 * that are ours.
 *
 * Both are comma-separated. An origin is scheme://host or scheme://host:port; a host is a name, an
 * IPv4 address or an IPv6 address in brackets, with or without a port. *.example.org is everything
 * below example.org, not itself; * is everything; the origin null is what pages without one send
 * (files, sandboxed frames). Names are compared whole and without regard to case; an origin without
 * a port has the port of its scheme; a host in the list without a port is good on all.
 *
 * Thread: any, once made; a list does not change.
 */
#ifndef ACCESS_ORIGIN_H
#define ACCESS_ORIGIN_H

#include "base/err.h"
#include "base/slice.h"

struct origin_list;
struct host_list;

/* ERR_PARAMS when an entry cannot be understood: `why` is a sentence that names ALLOWED_ORIGINS,
 * the entry and what would be right. NULL or "": every origin is allowed. */
NODISCARD enum err origin_list_new(const char *list, struct origin_list **ret, char *why,
                                   size_t why_bytes);
/* NULL is a no-op. */
void origin_list_free(struct origin_list *);
/* Judges the value of an Origin header; to be asked only if there was one. */
bool origin_allowed(const struct origin_list *, slice origin);

/* As origin_list_new, for ALLOWED_HOSTS. NULL or "": localhost, 127.0.0.1, [::1] and
 * `bound`, the address listened on (without brackets), on any port. If that is all addresses
 * (0.0.0.0,
 * ::), any address in numbers is good: only a name can be made to lead here by somebody else. */
NODISCARD enum err host_list_new(const char *list, const char *bound, struct host_list **ret,
                                 char *why, size_t why_bytes);
void host_list_free(struct host_list *);
/* Judges the value of a Host header; `default_port` is that of the scheme: 80, with TLS 443. An
 * empty value is not allowed. */
bool host_allowed(const struct host_list *, slice host, unsigned default_port);

#endif
