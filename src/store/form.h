/* form.h: how a store is kept: one table of operations per kind of database. SQLite's are in
 * sqlite_*.c, PostgreSQL's in postgres_*.c; both promise the same and pass the same tests.
 *
 * The journal's operations are called on one thread, the shelf's on another. An operation returns
 * ERR_OK; ERR_STORE when it could not be done now: the handle is to be closed, and opened anew
 * later; ERR_DAMAGED when what is asked for cannot be read, while the rest can. Each failure leaves
 * words in the fault.
 */
#ifndef STORE_FORM_H
#define STORE_FORM_H

#include <stdatomic.h>

#include "store/store.h"

struct fault {
    char text[240];
};

enum { NODE_BYTES = 16 };

struct form_where {
    const char *data; /* directory; NULL: memory */
    const char *vfs;
    const char *url; /* of a database server; then there is no directory */
    const char *password_file;
    bool relaxed;
    uint8_t node[NODE_BYTES]; /* who writes: random, another at each opening of the store */
    /* The clock of a server that others use, too: how far, in milliseconds, its time since 1970 is
     * beyond this process' monotonic clock. 0: not known, or there is none. Opening sets it. */
    atomic_llong *ahead_ms;
    /* Which server was used last, where others may take over from it. 0: none. Opening sets it, and
     * refuses one that was left behind. */
    atomic_ullong *lineage;
};

/* What the shelf keeps of a room. */
struct snapshot {
    uint64_t version;
    uint64_t epoch; /* in which the version was given */
    uint64_t at_ms;
    size_t plain_bytes;    /* unpacked */
    struct frame *state;   /* packed (pack.h) */
    struct frame *authors; /* who writes with which client id (authors.h), or NULL */

    /* writing only */
    const struct store_row *rows; /* that went into it */
    size_t rows_count;
    uint64_t fence; /* from shelf_claim */
    bool leaving;   /* whoever wants to fold the room next need not wait for our lease to end */
};

void snapshot_fini(struct snapshot *);

/* What one node does for a room, whoever has it open. The numbers are stored. */
enum form_duty { FORM_FOLD = 1, FORM_VERSION = 2 };

/* One that another node has left to this one. */
struct form_left {
    struct frame *room;
    enum form_duty duty;
};

struct store_form {
    const char *name;
    /* A server that others use, too: a connection to it may be lost without anything being wrong,
     * so what failed is tried once more on a fresh one before the store says that it fails; and
     * an empty group is committed now and then, to see that the server is there. */
    bool remote;

    /* Opens, making or migrating it. Everything committed before is there. `*ret_epoch`: how often
     * it was not closed cleanly so far; counted only by the first opening of a process. */
    enum err (*journal_open)(const struct form_where *, bool first, void **ret, uint64_t *ret_epoch,
                             uint64_t *ret_last_id, struct fault *);
    /* `clean`: nothing is missing, and the next opening may know. Accepts NULL. */
    void (*journal_close)(void *, bool clean);
    /* Appends a row for each job with an update, and deletes the rows of each fold unless
     * shelf_write has, in one transaction; durable when it returns. Rows of this node whose id is
     * there already are left alone. */
    enum err (*journal_commit)(void *, const struct list_node *jobs, uint64_t epoch,
                               struct fault *);
    /* The job's rows, and the version of the last, as of this epoch. */
    enum err (*journal_read)(void *, struct store_job *, uint64_t epoch, struct fault *);
    /* Housekeeping that commits should not wait for. */
    void (*journal_rest)(void *);
    /* What tools ask for: a list as of this epoch, one step of a copy (*ret_again: there are more
     * to come), the others at once. The copy ends with the handle. NULL: there are no such things;
     * a database of its own kind has tools of its own. */
    enum err (*journal_chore)(void *, struct store_chore *, uint64_t epoch, bool *ret_again,
                              struct fault *);

    enum err (*shelf_open)(const struct form_where *, void **ret, struct fault *);
    void (*shelf_close)(void *, bool clean);
    /* May this node do that for the room? ERR_BUSY: another will, as it has been left to the room's
     * owner (owner.h), unless it was `left_to_us`; or to whoever comes after the one who is at it.
     * NULL: there is no other. Comes before shelf_read; shelf_write is refused with ERR_BUSY when
     * another has claimed the room since. */
    enum err (*shelf_claim)(void *, slice room, enum form_duty, bool left_to_us,
                            uint64_t *ret_fence, struct fault *);
    /* Is the room this node's to look after? NULL with shelf_claim: it is. */
    enum err (*shelf_owns)(void *, slice room, bool *ret, struct fault *);
    /* Takes up what has been left to this node, or to another that has not taken it up for long:
     * at most so many; the rooms' names are the caller's. NULL with shelf_claim. */
    enum err (*shelf_duties)(void *, struct form_left *ret, size_t most, size_t *ret_count,
                             struct fault *);
    /* *ret_found false: there is none. The state is the caller's. */
    enum err (*shelf_read)(void *, slice room, struct snapshot *ret, bool *ret_found,
                           struct fault *);
    /* Where it can, deletes the rows that went into it in the same transaction. */
    enum err (*shelf_write)(void *, slice room, const struct snapshot *, struct fault *);
    void (*shelf_rest)(void *);
    enum err (*shelf_chore)(void *, struct store_chore *, uint64_t epoch, bool *ret_again,
                            struct fault *);

    /* Versions: on the shelf's thread, with its handle. States are packed. */

    /* Those of the room with an id below `before` (0: all), newest first, at most so many, without
     * their states; the array and what is in it are the caller's. */
    enum err (*version_list)(void *, slice room, uint64_t before, size_t most,
                             struct store_version **ret, size_t *ret_count, struct fault *);
    /* The one with this id if it is the room's, or its newest (0). *ret_found false: there is none.
     * What it holds is the caller's. ERR_DAMAGED: this one cannot be read, others can. */
    enum err (*version_read)(void *, slice room, uint64_t id, struct store_version *ret,
                             bool *ret_found, struct fault *);
    /* Keeps one, durably, and says its id: above every other that was ever given. */
    enum err (*version_write)(void *, slice room, const struct store_version *, uint64_t *ret_id,
                              struct fault *);
    /* The next room by name that has versions; *ret NULL: there is none. The caller's. */
    enum err (*version_room_after)(void *, slice room, struct frame **ret, struct fault *);
    /* Forgets these, wholly or not at all; ids that are not the room's are left alone. */
    enum err (*version_drop)(void *, slice room, const uint64_t *ids, size_t count, struct fault *);
};

extern const struct store_form store_sqlite;
extern const struct store_form store_postgres;

/* The version that a room has now, by what was stored in an earlier epoch, or by a node that began
 * in a later one. */
static inline uint64_t form_version(uint64_t stored, uint64_t epoch, uint64_t now_epoch) {
    return now_epoch > epoch ? stored + (now_epoch - epoch) * STORE_VERSION_GAP : stored;
}

/* The sums that are stored with a snapshot and a version, over what is packed
 * (docs/storage-format.md).
 */
uint64_t form_snapshot_sum(const struct snapshot *, slice room, slice state, slice authors);
uint64_t form_version_sum(const struct store_version *, slice room, slice state);
/* Checks what was read against its sum, and completes it with copies of the state and the authors:
 * ERR_DAMAGED, ERR_NOMEM. form_take_version takes the label. */
enum err form_take_snapshot(struct snapshot, slice room, slice state, slice authors, uint64_t sum,
                            struct snapshot *ret, struct fault *);
enum err form_take_version(struct store_version, slice room, slice state, uint64_t sum,
                           struct store_version *ret, struct fault *);
/* Adds a row that was read to the job's, with a copy of its update; takes its author. ERR_NOMEM. */
enum err form_take_row(struct store_job *, struct store_row, slice update, struct fault *);

#endif
