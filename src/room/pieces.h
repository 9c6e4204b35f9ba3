/* pieces.h: a difference that is too large for one message between nodes. It goes in pieces, each
 * asked for when the one before it has come: so Redis never holds more than one of them for a node,
 * and cuts nobody off for reading slowly. What is lost on the way is asked for anew, whole.
 *
 *     piece: varuint(number) varuint(at) varuint(size of the whole) bytes
 *     more:  varuint(number) varuint(at)
 *
 * `number` is the giver's, for each difference another.
 *
 * Thread: the room's worker. Embed only; zero is: nothing to give, nothing taken.
 */
#ifndef ROOM_PIECES_H
#define ROOM_PIECES_H

#include "base/buf.h"
#include "base/err.h"
#include "base/frame.h"

/* What a peer has been promised. */
struct giving {
    struct frame *whole; /* NULL: nothing */
    uint64_t number;
    uint64_t asked_ms; /* when something of it was last asked for */
};

/* Begins to give this, which is taken, in place of what was given before. */
void giving_begin(struct giving *, struct frame *whole, uint64_t number, uint64_t now_ms);
/* Appends the piece that starts at `at`; what ends with it is forgotten. */
void giving_piece(struct giving *, size_t at, struct buf *to);
/* Reads what is asked for. ERR_PARAMS when it is malformed, ERR_NOT_FOUND when that is not given,
 * or no more. */
NODISCARD enum err giving_asked(struct giving *, slice more, uint64_t now_ms, size_t *ret_at);
/* Forgets what has not been asked for in a while. */
void giving_sweep(struct giving *, uint64_t now_ms);
void giving_fini(struct giving *);

/* What has come of a difference. */
struct taking {
    struct buf bytes;
    uint64_t number;
    size_t whole;
};

/* Takes a piece. True when the difference is whole: `bytes` has it, until taking_fini. ERR_PARAMS
 * when it is malformed, ERR_NOT_FOUND when it does not continue what has come, ERR_NOMEM. */
NODISCARD enum err taking_piece(struct taking *, slice piece, bool *ret_whole);
/* Asks for the next one. */
void taking_more(const struct taking *, struct buf *to);
void taking_fini(struct taking *);

#endif
