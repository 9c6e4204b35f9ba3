/* pending.h: what cannot be applied yet, and what an update changes about it.
 *
 * Thread: that of the document. Memory: the document owns what waits; a yatai_waits belongs to the
 * call that applies an update.
 */
#ifndef YATA_PENDING_H
#define YATA_PENDING_H

#include "doc.h"

/* What one update does to what waits. Embed only; zeroed but for `doc`. */
struct yatai_waits {
    struct yata_doc *doc;
    struct yatai_out freed; /* bytes of what goes in now, though it could not by itself */
    bool retry;             /* there is such: doc->waiting and doc->plan_waiting say how */
    bool earlier;           /* of earlier updates, too */
    bool some;              /* something of this update waits */
    bool ranges_freed;      /* deletions that waited can be applied */
    yatai_runs queue;       /* to be looked at */
    yatai_runs taken;       /* what goes in */
    yatai_runs gone;        /* what others have by now */
    yatai_runs fresh;       /* what is new, */
    size_t filed;           /* of which so many are in the document's lists */
    size_t moved;           /* places that runs have moved by in these */
    struct yatai_update read;
    yatai_ranges ranges;
    bool ranges_stay;   /* `ranges` come to those that wait, which nothing of the update is about */
    yatai_ranges again; /* of a retry: all deletions that may have something to do by it */
};

/* Works it out, for the update and the plan in the document. False when memory is out. */
bool yatai_pending_plan(struct yatai_waits *);
/* The bytes that will be waiting. */
size_t yatai_pending_bytes_after(const struct yatai_waits *);
/* Makes it so. */
void yatai_pending_commit(struct yatai_waits *);
void yatai_waits_fini(struct yatai_waits *);

/* ---- limits.c ------------------------------------------------------------------------------- */

#define YATAI_TOO_LARGE "the document would take more memory than it may"

/* Says what is wrong with a call; returns the status. */
enum yata_status yatai_refuse(enum yata_status, const char *what, struct yata_error *ret_error);
/* Whether the limits allow what is planned; puts the one of memory into force. */
enum yata_status yatai_limits_check(const struct yatai_waits *, struct yata_error *ret_error);

/* ---- the document's side -------------------------------------------------------------------- */

/* All structs that wait as one update. */
void yatai_pending_write(struct yatai_out *, const struct yata_doc *);
bool yatai_pending_any(const struct yata_doc *);
void yatai_pending_fini(struct yata_doc *);

#endif
