/* audit.h: who did what, when and from where, as JSON lines in a file of its own.
 *
 *     {"ts":"2031-05-01T09:30:00.000Z","event":"kicked","userId":"u7","sessionId":"s1",
 *      "peer":"192.0.2.4:51000","roomId":"ws:acme/42","role":"write","by":"u1","reason":"spam"}
 *
 * What is not known is left out. Never a token, never document text: there is no field for them,
 * and reasons are sentences of ours or of an admin.
 *
 * A line is written by one write call to the end of the file, so lines of several threads and
 * processes do not mix. A file that does not take a line at once (a pipe that nobody reads, a full
 * disk) loses it: collab_audit_lost_total counts, and the log tells once when it begins and once
 * when it is over. Whoever must not lose any watches that.
 *
 * Thread: any, but for open and close. There is no lock.
 */
#ifndef OBSERVE_AUDIT_H
#define OBSERVE_AUDIT_H

#include "base/err.h"
#include "base/slice.h"

/* symbol, name */
#define AUDIT_TABLE(X)                                                                             \
    X(SUBSCRIBED, "subscribed") /* somebody joined a room */                                       \
    X(REFUSED, "refused")       /* somebody was not let in, or may not do that */                  \
    X(KICKED, "kicked")         /* `by` an admin; also banned, then the reason says how long */    \
    X(MUTED, "muted")           /* `by` an admin; or unmuted, then the reason says so */           \
    X(MINTED, "minted")         /* a wsToken was made for them */                                  \
    X(REVOKED, "revoked")       /* their token or session is good no more */                       \
    X(SAVED, "saved")           /* they saved a version of the room; the reason says which */      \
    X(RESTORED, "restored")     /* they took the room back to a version; the reason says which */  \
    X(CLOSED, "closed")         /* the server closed their connection, not they */

enum audit_event {
#define X(sym, name) AUDIT_##sym,
    AUDIT_TABLE(X)
#undef X
        AUDIT_EVENTS
};

/* NULL, empty and 0 mean not known. */
struct audit_entry {
    const char *user;    /* whom it is about */
    const char *session; /* mcp-session-id, sid, sessionId */
    const char *peer;    /* address and port */
    slice room;
    const char *role;
    const char *by; /* the user who did it, if another */
    const char *reason;
    uint64_t connection;
};

struct audit;

/* Opens the file, makes it if need be, readable for its owner and group only. `path` NULL or empty:
 * no audit, *ret is NULL. Else ERR_IO, and `why` is a sentence that names COLLAB_AUDIT_FILE. */
NODISCARD enum err audit_open(const char *path, struct audit **ret, char *why, size_t why_bytes);
/* Opens the path anew, for whoever moved the file away (SIGHUP); others may write meanwhile. If
 * that fails the old file stays in use, and `why` says so. NULL is a no-op. */
NODISCARD enum err audit_reopen(struct audit *, char *why, size_t why_bytes);
/* When nobody writes any more; NULL is a no-op. */
void audit_close(struct audit *);

/* NULL is a no-op: there is no audit. */
void audit_write(struct audit *, enum audit_event, const struct audit_entry *);

#endif
