/* abroad.h: what members ask of a room and what concerns other nodes as well: orders of its admins,
 * and who is there. An order is told to every node that has the room open; a question is put to
 * them, and answered when all have said what they know, or after CAPS_BUS_GATHER_MS.
 *
 * Thread: the room's worker.
 */
#ifndef ROOM_ABROAD_H
#define ROOM_ABROAD_H

#include "cluster/envelope.h"
#include "room/msg.h"
#include "room/sanctions.h"

struct room;

/* Slices are borrowed. */
struct order {
    bool kick;
    bool sanctioned; /* `row` is a sanction, not only a user */
    struct sanction_row row;
    slice reason;
};

/* The order has been carried out here: tells the others, and answers; takes the message, whose
 * answer is filled in. */
void abroad_order(struct room *, const struct order *, struct msg *, uint64_t now_ms);
/* Who is here stands in the message's answer: adds who is elsewhere, and answers; takes it. */
void abroad_who(struct room *, struct msg *, uint64_t now_ms);

/* Something of this that another node says; borrowed. ERR_PARAMS when it is malformed. */
NODISCARD enum err abroad_hear(struct room *, const struct envelope *, uint64_t now_ms);
/* Says which bans and mutes hold here, to a node or to BUS_TO_ROOM. */
void abroad_say_sanctions(struct room *, uint64_t to, uint64_t now_ms);
/* Answers what has waited long enough; when another node has gone, too: `gone`. */
void abroad_sweep(struct room *, uint64_t now_ms, bool gone);
/* Frees questions under way. */
void abroad_fini(struct room *);

#endif
