/* lasting.h: what of a room lasts, and the acknowledgements that wait for it. A room is read from
 * the store when somebody first asks for it; every update that it takes goes to the store at once;
 * answers to writers leave when what they acknowledge is durable, in order. Everybody else has seen
 * the update by then.
 *
 * Thread: the room's worker. Embed only, in struct room.
 */
#ifndef ROOM_LASTING_H
#define ROOM_LASTING_H

#include "room/msg.h"
#include "store/store.h"

struct room;

/* The store, as rooms see it. */
struct rooms_store {
    void *ctx;
    void (*post)(void *ctx, struct store_job *); /* takes it; it comes back in a MSG_STORED */
    enum store_health (*health)(void *ctx);
    bool (*behind)(void *ctx);
    bool relaxed; /* nothing waits for what is durable */
};

struct lasting {
    bool loading;
    bool exists;              /* the store knows it, or a writer has made it */
    struct list_node waiting; /* messages that came while it was loading */
    size_t waiting_count;

    uint64_t appended;     /* updates given to the store */
    uint64_t stored;       /* of these, durable */
    struct list_node acks; /* answers that wait */

    size_t rows; /* in the journal, since the snapshot */
    size_t rows_bytes;
    size_t snapshot_bytes;
    bool folding;
    size_t fold_again;  /* after one that failed: not before so much */
    bool edited;        /* since the last version that was saved by itself */
    uint64_t edited_ms; /* about when that began; 0: not looked at yet */
    bool saving;
    unsigned restoring; /* edits under way that lead back to a version */
    uint64_t idle_ms;   /* since when nobody has been here; 0: somebody is */
};

void lasting_init(struct lasting *);
/* Frees what waits. */
void lasting_fini(struct lasting *);

/* Asks the store for the room. */
void lasting_load(struct room *);
/* Keeps a message until it is there; false when there are too many, and the message is still the
 * caller's. */
bool lasting_wait(struct room *, struct msg *);
/* The store has answered: makes the room what it was. ERR_OK, or why nobody can be let in. */
enum err lasting_loaded(struct room *, const struct store_job *);

/* May an update be taken now? `detail` of the message says why not. */
enum err lasting_admits(const struct room *, struct msg *);
/* The update is to last. `author`: the user to be noted for its client ids, or NULL; `trace`: what
 * it is a part of, or NULL. */
void lasting_append(struct room *, struct frame *update, struct frame *author,
                    const struct trace *);
/* An update of another node: it is to last here, too, when this node has a store of its own. */
void lasting_take(struct room *, struct frame *update);
/* A number for msg.after: everything that the room has taken so far. */
uint64_t lasting_now(const struct room *);
/* Sends an answer, at once or when what it acknowledges is durable; takes it. */
void lasting_answer(struct room *, struct msg *);

/* Reads the room from the store once more: another node may have written there and died; or died
 * before it wrote what it had told of, which is then written here. */
void lasting_read_again(struct room *);
/* Something has come back from the store, other than the first load. */
void lasting_stored(struct room *, const struct store_job *, uint64_t now_ms);
/* The store cannot write: those who wait are told. */
void lasting_failing(struct room *);

/* Nothing is under way that a later reading of the store would not bring back. */
bool lasting_at_rest(const struct room *);
/* Folds the journal's rows, and saves a version if there is need, before the room is let go of. */
void lasting_leave(struct room *);

#endif
