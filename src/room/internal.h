/* internal.h: what the files of this folder share about a room. */
#ifndef ROOM_INTERNAL_H
#define ROOM_INTERNAL_H

#include "room/room.h"

struct member {
    conn_id conn;
    enum role role;
    uint64_t joined_ms;
    uint64_t last_seq;
    uint64_t writes_as;   /* the client id noted for this user, plus one; 0: none */
    struct identity *who; /* counted */
};

/* ---- room.c ---- */

/* Hands a message to a worker and takes it. */
void room_post(struct room *, unsigned worker, struct msg *);
/* Turns a request into its answer, in place, and sends it; its payload has been used. */
void room_answer(struct room *, struct msg *, enum msg_kind, enum err);

/* An empty document, with so many times the usual limits; NULL when memory is out. */
struct yata_doc *room_doc_new(unsigned times);

/* Takes an update of another node into the tick, or refuses it. Limits are twice as wide here: what
 * two nodes have let in while they could not hear each other may be more than one would have. */
void room_take(struct room *, slice update, uint64_t now_ms);

/* ---- members.c ---- */

slice member_user(const struct identity *);
/* The sender of a join, in its role; takes the identity of the message. */
void member_add(struct room *, struct msg *, uint64_t now_ms);
/* Everything that ends with a membership. */
void member_drop(struct room *, struct member *, uint64_t now_ms);
void member_free(struct member *);
/* Who is here, for a member. */
void room_info(struct room *, struct msg *, uint64_t now_ms);
/* Who and how much is here, for a page. */
void room_state(struct room *, struct msg *);

/* ---- order.c ---- */

void room_kick(struct room *, struct msg *, uint64_t now_ms);
void room_mute(struct room *, struct msg *, uint64_t now_ms);
/* A ban or mute holds from now on. */
struct sanction_row;
void room_sanction(struct room *, const struct sanction_row *);
/* Puts the user's connections out; returns how many there were. */
size_t room_put_out(struct room *, slice user, slice reason, uint64_t now_ms);

#endif
