/* history.h: versions, as methods and pages both tell of them.
 *
 * Thread: the worker of the connection. Pure, but for history_note.
 */
#ifndef RPC_HISTORY_H
#define RPC_HISTORY_H

#include "observe/audit.h"
#include "room/msg.h"

/* What the store is asked for a method. */
enum store_op history_op(enum op);
/* What a reply points to besides the message: private, for embedding. */
struct told {
    struct version_info *versions;
    struct root_change *roots;
    struct client_change *clients;
    struct changes changes;
};

/* The reply that a MSG_HISTORY_IS is; it points into both. */
void history_reply(const struct msg *, struct told *, struct reply *ret);
void told_fini(struct told *);
/* A line in the audit, when something was done; the entry says who did it. */
void history_note(struct audit *, const struct msg *, const struct audit_entry *who);

#endif
