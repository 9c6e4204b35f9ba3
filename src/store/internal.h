/* internal.h: what the store's threads share. Inside store/ only. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <stdatomic.h>

#include "store/form.h"
#include "store/queue.h"

/* What a job about versions has on its way between shelf and history. */
struct store_work {
    struct snapshot now;       /* the room's, packed; state NULL: none */
    struct store_version from; /* compare, restore: packed */
    struct store_version to;
    bool made;  /* history has done its part */
    bool again; /* it is on a second connection */
};

struct store {
    /* fixed after open */
    struct store_options o;
    const struct store_form *form;
    struct form_where where;
    char *data; /* where.data points here, and so on */
    char *url;
    char *password_file;
    int lock; /* -1: none */
    uint64_t epoch;
    pthread_t journal_thread;
    pthread_t shelf_thread;
    pthread_t history_thread;
    bool open;

    struct queue to_journal;
    struct queue to_shelf;
    struct queue to_history;

    /* any thread, atomic */
    atomic_bool failing;
    atomic_llong ahead_ms;     /* see form_where */
    atomic_ullong lineage;     /* likewise */
    atomic_size_t queued_rows; /* appends not yet handed back */
    atomic_size_t queued_bytes;
    atomic_bool moved; /* the journal is on a fresh connection, and the shelf not yet */
    atomic_uint_least64_t busy_since_ns; /* the journal's thread is at work since; 0: it waits */

    /* journal thread (before it starts and after it has ended: main) */
    void *journal;             /* NULL: to be opened anew */
    uint64_t last_id;          /* given */
    struct list_node unstored; /* appends and folds in order */
    struct list_node asks;     /* loads and folds to be read */
    unsigned wait_ms;          /* between tries, while failing; 0: it does not fail */
    uint64_t retry_ns;         /* the next one */
    uint64_t seen_ns;          /* the last commit that went well */
    uint64_t reopen_ns;        /* not before, only to read */

    /* shelf thread */
    void *shelf;
    struct list_node loads; /* served first */
    struct list_node folds; /* and chores, and all about versions */
    uint64_t duties_ns;     /* when to look for them next */
    struct frame *thinned;  /* whose versions were thinned last in this round; NULL: nobody's yet */
    uint64_t thin_ns;       /* when the next one's are */
};

/* Milliseconds since 1970 as all who share the store count them: by the database server's clock
 * when there is one, as theirs may be wrong. Any thread. */
uint64_t store_now_ms(const struct store *);
/* Gives a job back to whoever wants it. */
void store_hand_back(struct store *, struct store_job *);
/* How a chore ended, or one step of it: gives it back unless *again. */
void store_end_chore(struct store *, struct store_job *, enum err, const struct fault *,
                     bool *again);
/* Is an operation that ended with `e` to be tried once more? When it was remote and had a handle:
 * that one may have been cut without anything being wrong. Logs it. */
bool store_once_more(const struct store *, const void *handle, enum err e, const struct fault *);
/* Logs why a room could not be read. */
void store_complain(const struct store_job *, const struct fault *);

void *journal_run(void *store);
void *shelf_run(void *store);
void *history_run(void *store);

/* The shelf's part of a job about versions: reads for history, writes what it has made, or
 * answers. Takes the job. */
void shelf_serve_version(struct store *, struct store_job *);
/* Thins the next room of the round over all that have versions. */
void shelf_thin_next(struct store *);
/* The shelf's handle, opened if need be. */
enum err shelf_ensure_open(struct store *, struct fault *);
/* After an error only a fresh opening may say what is there. */
void shelf_settle(struct store *, enum err);

#endif
