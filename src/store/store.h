/* store.h: what lasts. Every accepted update is a row of the journal; a room's rows are folded into
 * one snapshot on the shelf when they have become many; named and automatic versions stand beside
 * it.
 *
 * Whoever wants something posts a job and gets it back, done, by the `done` callback. Three
 * threads work: the journal's commits whatever has arrived as one group and then hands it back, so
 * a commit is shared by all who wait for it; the shelf's reads, merges and compresses, so that no
 * writer waits for a large room; both have a file, and one connection to it, of their own.
 * History's has none: it works out what versions need, so that nobody who loads a room waits for
 * that.
 *
 *     append  journal: commit -> done
 *     load    journal: read the rows -> shelf: read the snapshot -> done
 *     fold    journal: read the rows -> shelf: merge, write -> journal: delete those rows -> done
 *     save    journal: read the rows -> shelf: read -> history: merge -> shelf: write -> done
 *     list    journal: read the rows -> shelf: read -> done
 *     read    shelf: read -> history: unpack -> done
 *     compare journal: read the rows -> shelf: read -> history: compare -> done
 *     restore journal: read the rows -> shelf: read -> history: merge, work out the edit
 *             -> shelf: write the version before -> done
 *
 * A version is a copy of what a room was at one time, made of what is stored like a snapshot, and
 * beside it; saving one touches neither the snapshot nor the rows, and no writer waits for it.
 *
 * Rows are read before the snapshot, and deleted after it is durable: whatever happens in between,
 * a load finds each update at least once, and an update applied twice changes nothing.
 *
 * When the journal cannot write (disk full, a failed sync) the store is failing: rows that are not
 * known to be durable stay queued and are written again, by a fresh connection, until that works;
 * nothing of them is handed back before. `changed` tells; reading goes on as far as it can.
 *
 * A version never goes back: others see it before it is durable, so after an end that was not clean
 * each room goes on STORE_VERSION_GAP above what was stored; no room may have as many updates
 * queued.
 *
 * Thread: store_post and the looks at its state from any; open, close, free from main. Callbacks
 * come on the store's threads. Memory: a job belongs to whoever made it, from store_post on to the
 * store, from `done` on to the receiver.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdatomic.h>

#include "base/err.h"
#include "base/frame.h"
#include "base/list.h"
#include "base/trace.h"
#include "store/thin.h"

struct store;
struct store_form;

#define STORE_VERSION_GAP 10000

enum store_op {
    STORE_APPEND,  /* an update is to last */
    STORE_LOAD,    /* what is known of a room */
    STORE_FOLD,    /* a room's rows are to become one snapshot */
    STORE_SAVE,    /* what is stored of a room is to be kept as a version */
    STORE_LIST,    /* which versions of a room there are */
    STORE_READ,    /* one of them */
    STORE_COMPARE, /* what happened between one and another, or now */
    STORE_RESTORE, /* the edit that leads from now back to one; now is kept as a version first */
    STORE_CHORE,   /* what tools ask for, see struct store_chore */
};

/* What there is of a room in one of the two files. */
struct store_listed {
    struct frame *room;
    uint64_t version;
    uint64_t at_ms; /* of the last change */
    uint64_t rows;  /* in the journal */
    uint64_t bytes; /* of these, or of the snapshot as it is stored */
};

enum store_chore_kind {
    CHORE_LIST,   /* a page of the rooms that are in it */
    CHORE_COPY,   /* everything in it to another file, some pages at a time */
    CHORE_SHRINK, /* its free space back to the file system; whoever needs it waits */
    CHORE_CHECK,  /* whether it is well-formed, however long that takes */
};

/* Something about a file of the store as a whole. A copy is begun by a job, goes on as often as
 * the job comes round, and lets all other jobs by in between. Copy the journal first: rows that are
 * folded meanwhile are then in both copies, and in none of them otherwise. */
struct store_chore {
    enum store_chore_kind kind;
    bool on_shelf;              /* else in the journal */
    const char *to;             /* copy: the file; it must not be there. Borrowed */
    bool begun;                 /* copy: the store's */
    atomic_uint_least64_t done; /* copy: pages so far; any thread may look */
    atomic_uint_least64_t all;  /* of so many */
    atomic_bool cancel;         /* any thread: end it soon, with ERR_STORE */
    uint64_t after;             /* list: 0, and then as it comes back */
    bool more;                  /* list: there are; check: what is wrong is more than `why` says */
    struct store_listed *rooms;
    size_t count;
    char why[240]; /* when the job comes back with an error */
};

/* A row of the journal. */
struct store_row {
    uint64_t id;          /* rises over all rooms; 0: not yet given */
    uint64_t version;     /* of the room, after this */
    uint64_t at_ms;       /* wall clock */
    uint64_t sum;         /* as it was read; where several nodes write, it tells rows apart */
    struct frame *update; /* Yjs update, V1 */
    struct frame *author; /* the user it came from; NULL: as for this client id before */
};

/* What a room was at one time. */
struct store_version {
    uint64_t id;         /* rises over all rooms, is never given twice; 0: not yet given */
    uint64_t version;    /* of the room, then */
    uint64_t at_ms;      /* wall clock */
    size_t plain_bytes;  /* of the state as a Yjs update, V2 */
    size_t packed_bytes; /* as it is stored */
    bool automatic;      /* nobody asked for it */
    uint64_t ticket;     /* saving: random; it is known by that when it is written a second time */
    struct frame *label; /* UTF-8; NULL: none */
    struct frame *state; /* NULL in lists */
};

/* Empties it. */
void store_version_fini(struct store_version *);

/* What was put into a root type and taken out of it, counted in UTF-16 code units of text and in
 * elements of lists, keys of maps, embeds. */
struct store_root_change {
    struct frame *name;
    uint64_t characters_in;
    uint64_t characters_out;
    uint64_t items_in;
    uint64_t items_out;
    uint64_t formatted; /* characters that got other formats */
};

/* What of it came by one client id, and is still there. */
struct store_client_change {
    uint64_t client;
    struct frame *user; /* who writes with it; NULL: not known */
    uint64_t characters;
    uint64_t items;
};

/* What happened between two versions of a room. */
struct store_changes {
    struct store_root_change *roots; /* those in which something did */
    size_t roots_count;
    struct store_client_change *clients; /* who wrote most first */
    size_t clients_count;
    size_t clients_left; /* so many more, who wrote less */
};

void store_changes_fini(struct store_changes *);

struct store_work; /* what the store's threads hand each other */

struct store_job {
    struct list_node node; /* the store's */
    enum store_op op;
    unsigned worker; /* who asks; the store only hands it back */
    uint64_t number; /* likewise */
    struct frame *room;
    uint64_t queued_ns;
    struct trace trace; /* what the update is a part of; the store only hands it back */

    struct store_row row; /* append: version and update; the store takes the count on it */
    bool leaving;         /* fold: nobody is in the room here any more */
    uint64_t fence;       /* fold: the store's */
    bool left_to_us;      /* fold, save: the store's; another node would have it done */

    uint64_t version_id; /* read, compare, restore: which; 0: the newest */
    uint64_t to_id;      /* compare: with which; 0: with now */
    uint64_t before;     /* list: below this id; 0: all */
    size_t most;         /* list: so many, newest first */

    /* filled by the store */
    enum err err; /* ERR_DAMAGED: it cannot be read; ERR_STORE: not now; ERR_NO_VERSION;
                   * ERR_BUSY: not by this node, as another does it */
    bool exists;  /* anything is known of the room */
    uint64_t version;
    struct frame *snapshot; /* Yjs update, V2; NULL: none */
    struct store_row *rows; /* since then, in order */
    size_t rows_count;
    size_t rows_bytes;
    size_t snapshot_bytes; /* its size, before or after folding */

    /* Of a chore; of others NULL, or where to say what is wrong. Borrowed: whoever asked keeps it
     * until the job is done. */
    struct store_chore *chore;

    /* NULL: the store's own. Takes the job, on one of the store's threads. */
    void (*done)(void *ctx, struct store_job *);
    void *done_ctx;
    /* save, restore: label and automatic by who asks, the rest by the store. list: newest first.
     * read: the state is an update, V1. compare: one or both, without their states */
    struct store_version *versions;
    size_t versions_count;
    struct store_changes changes; /* compare */
    struct frame *edit;           /* restore: an update, V1; NULL: all is as it was then */
    struct store_work *work;      /* the store's */
};

struct store_job *store_job_new(enum store_op, struct frame *room);
/* STORE_SAVE, with a label (UTF-8; empty: none). */
struct store_job *store_job_save(struct frame *room, slice label, bool automatic);
/* STORE_RESTORE of that version; 0: of the newest. */
struct store_job *store_job_restore(struct frame *room, uint64_t version_id);
/* Frees it with all it holds; NULL is a no-op. */
void store_job_free(struct store_job *);
/* Frees what a list has brought. */
void store_chore_fini(struct store_chore *);

struct store_options {
    const char *data;              /* directory; "memory": nothing is written anywhere */
    const char *url;               /* of a PostgreSQL database, instead of a directory; or NULL */
    const char *password_file;     /* has its password, read at each connecting; or NULL */
    bool relaxed;                  /* a commit need not reach the disk at once */
    const struct store_form *form; /* NULL: by what is given above */
    const char *vfs;               /* tests: the file system of SQLite to use; NULL: its own */
    unsigned metrics_thread;       /* this index and the next two are the store's, see metrics.h */
    struct thin_rule versions;     /* which are kept; all zero: as caps.h says */
    unsigned duties_ms;            /* tests: how often to look for them; 0: CAPS_STORE_LOOK_MS */
    unsigned retry_ms;             /* tests: first wait after a failure; 0: CAPS_STORE_RETRY_MS */
    unsigned thin_ms;              /* tests: a room's versions in that time; 0: as caps.h says */
    void (*done)(void *ctx, struct store_job *); /* takes the job */
    void (*changed)(void *ctx, bool serving);
    void *ctx;
};

/* Opens, or makes, what is in the directory, and starts the threads. On failure returns NULL with
 * a sentence in `why` that names the directory and the fix. */
struct store *store_open(const struct store_options *, char *why, size_t why_bytes);
/* Takes the job. */
void store_post(struct store *, struct store_job *);
enum store_end {
    STORE_CLOSED,
    STORE_CLOSED_LOSING, /* something could not be written; none of it has been handed back */
    STORE_STUCK,         /* a thread does not end, and nothing may be freed */
};
/* Commits what is queued and ends the threads; nothing may be posted any more. Waits so long for
 * each of them. A second call is a no-op. */
enum store_end store_close(struct store *, unsigned ms);
/* Closes, waiting as long as it takes, and frees; NULL is a no-op. */
void store_free(struct store *);

enum store_health {
    STORE_SERVING,
    STORE_SLOW,    /* something waits for its commit longer than CAPS_STORE_SLOW_MS */
    STORE_FAILING, /* the journal cannot be written */
};
enum store_health store_health(const struct store *);
/* So much waits that nothing should be added: bytes or rows. */
bool store_behind(const struct store *);
/* Bytes of updates that wait for their commit. */
size_t store_queued_bytes(const struct store *);
/* "sqlite", "memory" or "postgres", for the health page. */
const char *store_name(const struct store *);

#endif
