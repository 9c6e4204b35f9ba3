/* presence.h: who is in a room and what they show of themselves: y-protocols awareness, latest
 * wins.
 *
 * Rules. Only entries newer than what is known are kept and forwarded, so clients that repeat all
 * they know cause nothing. An entry belongs to the connection that last renewed it; only that
 * connection may remove it, and only others of the same user may take it over (a tab that returns
 * before its old line is known to be dead). When it goes, or is silent for the time to live, the
 * entry is removed for everyone: its state becomes null at the same clock, as y-protocols does.
 *
 * A client that comes back on a new connection often announces the very clock at which it was
 * removed, which its peers ignore (yjs/y-websocket#122). The entry is then relayed with its clock
 * raised by `shift`, and stays raised until the client's own has come up to it.
 *
 * A client that hears of itself at a raised clock takes over clock and state, as y-protocols does,
 * and most say so at once. That is no news, and must not undo what the client said before it heard.
 *
 * Entries of other nodes' clients are merged with them (see below).
 *
 * States are opaque JSON text, unless they are stamped. Thread: the room's worker. Embed only; zero
 * is empty.
 */
#ifndef ROOM_PRESENCE_H
#define ROOM_PRESENCE_H

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "room/msg.h"

struct presence {
    struct map entries; /* by client id */
    size_t live;        /* entries with a state */
    size_t changed;     /* entries not yet told to the room */
    uint64_t sweep_ms;  /* when to look for silent ones again */
};

/* Where an awareness update comes from. */
struct presence_source {
    conn_id conn;
    uint64_t joined_ms;
    uint64_t now_ms;
    slice user;  /* who the connection's token speaks of */
    slice stamp; /* JSON object laid over the `user` of each state; empty: none */
};

void presence_fini(struct presence *);
/* Merges an awareness update. ERR_PARAMS, with nothing changed, when it is malformed; `detail` (of
 * `detail_bytes`) then says why. */
NODISCARD enum err presence_apply(struct presence *, const struct presence_source *, slice update,
                                  char *detail, size_t detail_bytes);
/* Removes the entries of a connection that has gone. */
void presence_leave(struct presence *, conn_id, uint64_t now_ms);
/* Removes entries not renewed for `ttl_ms`, and forgets those long removed. */
void presence_expire(struct presence *, uint64_t now_ms, uint64_t ttl_ms);
/* What changed since the last call, as one awareness update; NULL when nothing did. Of it, what
 * connections of this node changed, as entries for others; NULL when that is nothing. */
struct frame *presence_take_changes(struct presence *, struct frame **ret_own);
/* Everyone who is present, but for `except`'s own entries; NULL when nobody is. */
struct frame *presence_all(const struct presence *, conn_id except);
/* The same with those who have gone, for one who may not have heard of it. */
struct frame *presence_all_and_gone(const struct presence *, conn_id except);

/* ---- other nodes ---- */

/* Entries for other nodes are an awareness update, its length before it, and of each entry the user
 * to whom it belongs. Those of another node belong to it as if it were one connection, but are not
 * renewed: it says when one has gone. */

/* All that connections of this node show; never NULL. */
struct frame *presence_own(const struct presence *);
/* Merges what another node says; `all`: it is all that it has. ERR_PARAMS, with nothing changed,
 * when it is malformed. */
NODISCARD enum err presence_take(struct presence *, uint64_t node, slice entries, bool all,
                                 uint64_t now_ms);
/* Raises the clocks of what connections of this node show: others have removed it at the present
 * ones, and would ignore it. */
void presence_renew(struct presence *);

#endif
