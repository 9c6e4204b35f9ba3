/* link.h: whoever has the store: the running server, or, when there is none, this process. What can
 * be asked is that of control/message.h. A failure leaves a sentence in `why`.
 *
 * Inside tool/ only. Thread: main.
 */
#ifndef TOOL_LINK_H
#define TOOL_LINK_H

#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

struct link;

/* `make`: a directory without a store becomes one. NULL with a sentence in `why`. */
struct link *link_open(const char *data, bool make, char *why, size_t why_bytes);
/* False when what was written could not all be kept. NULL is a no-op. */
bool link_close(struct link *);
/* A server has the store, and goes on serving. */
bool link_is_running(const struct link *);
/* What is wrong, after a failure. */
const char *link_why(const struct link *);

/* One page of a list; free it with store_chore_fini. */
enum err link_list(struct link *, struct store_chore *);

/* A room as it is stored. */
struct stored_room {
    bool exists;
    uint64_t version;
    slice snapshot; /* Yjs update, V2; empty: none */
    slice rows;     /* so many updates, V1, to be taken by control_take_bytes */
    uint64_t rows_count;
};

/* Borrowed until the next question. ERR_DAMAGED: it cannot be read. */
enum err link_read(struct link *, slice room, struct stored_room *ret);
/* Reads all versions of it: ERR_DAMAGED when one of them cannot be read. */
enum err link_versions(struct link *, slice room, uint64_t *ret_count);
enum err link_fold(struct link *, slice room);
enum err link_bring(struct link *, slice room, slice update, bool *ret_news);
/* `to` is a whole path. Shows how far it is. */
enum err link_backup(struct link *, const char *to);
enum err link_shrink(struct link *);
enum err link_check(struct link *);

#endif
