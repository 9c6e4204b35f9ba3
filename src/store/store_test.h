/* store_test.h: a store, and somebody who waits for it; shared by the tests of what it promises.
 * For tests only.
 */
#ifndef STORE_STORE_TEST_H
#define STORE_STORE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/varuint.h"
#include "limit/caps.h"
#include "store/store.h"
#include "yata.h"

struct fixture {
    char dir[40];
    struct store *store;
    pthread_mutex_t lock;
    pthread_cond_t news;
    struct list_node done; /* jobs that came back */
    int failures;          /* how often it said that it fails */
    int recoveries;
    bool on_disk; /* the disk of disk_test.h */
    const char *password_file;
    char url[300];   /* of a database, instead of the directory */
    char schema[16]; /* in it */
    bool relaxed;
    struct thin_rule rule; /* which versions are kept */
    unsigned thin_ms;
    unsigned duties_ms; /* how often it looks what other nodes have left to it */
};

static inline void on_done(void *ctx, struct store_job *job) {
    struct fixture *f = ctx;
    (void)pthread_mutex_lock(&f->lock);
    list_push(&f->done, &job->node);
    (void)pthread_cond_broadcast(&f->news);
    (void)pthread_mutex_unlock(&f->lock);
}

static inline void on_changed(void *ctx, bool serving) {
    struct fixture *f = ctx;
    (void)pthread_mutex_lock(&f->lock);
    f->failures += !serving;
    f->recoveries += serving;
    (void)pthread_cond_broadcast(&f->news);
    (void)pthread_mutex_unlock(&f->lock);
}

static inline struct store *try_open(struct fixture *f, char *why, size_t why_bytes) {
    struct store_options o = {.data = f->dir,
                              .url = f->url[0] ? f->url : NULL,
                              .password_file = f->password_file,
                              .vfs = f->on_disk ? "disk" : NULL,
                              .relaxed = f->relaxed,
                              .metrics_thread = CAPS_WORKERS,
                              .retry_ms = 1,
                              .duties_ms = f->duties_ms,
                              .versions = f->rule,
                              .thin_ms = f->thin_ms,
                              .done = on_done,
                              .changed = on_changed,
                              .ctx = f};
    return store_open(&o, why, why_bytes);
}

static inline void open_store(struct fixture *f) {
    char why[300] = "";
    f->store = try_open(f, why, sizeof why);
    if (!f->store) {
        fail_msg("%s", why);
    }
}

static inline void forget(struct fixture *f) {
    for (struct list_node *n; (n = list_shift(&f->done)) != NULL;) {
        store_job_free(LIST_ITEM(n, struct store_job, node));
    }
}

static inline void close_store(struct fixture *f) {
    store_free(f->store);
    f->store = NULL;
    forget(f);
}

/* ---- asking ---- */

static inline struct store_job *wait_for(struct fixture *f, int ms) {
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    int e = 0;
    (void)pthread_mutex_lock(&f->lock);
    while (list_empty(&f->done) && !e) {
        e = pthread_cond_timedwait(&f->news, &f->lock, &until);
    }
    struct list_node *n = list_shift(&f->done);
    (void)pthread_mutex_unlock(&f->lock);
    return n ? LIST_ITEM(n, struct store_job, node) : NULL;
}

static inline struct store_job *job_for(enum store_op op, const char *room) {
    struct frame *name = frame_copy(slice_str(room));
    struct store_job *job = store_job_new(op, name);
    frame_unref(name);
    return job;
}

static inline struct store_job *ask(struct fixture *f, enum store_op op, const char *room) {
    store_post(f->store, job_for(op, room));
    struct store_job *job = wait_for(f, 10000);
    assert_non_null(job);
    return job;
}

/* The update with which client 5 types one more letter into the text "t". */
static inline struct frame *letter(unsigned clock, char c) {
    uint8_t b[40];
    size_t n = 0;
    b[n++] = 1;
    b[n++] = 1;
    b[n++] = 5;
    n += varuint_write(b + n, clock);
    if (clock == 0) {
        const uint8_t first[] = {0x04, 1, 1, 't'};
        memcpy(b + n, first, sizeof first);
        n += sizeof first;
    } else {
        b[n++] = 0x84;
        b[n++] = 5;
        n += varuint_write(b + n, clock - 1);
    }
    b[n++] = 1;
    b[n++] = (uint8_t)c;
    b[n++] = 0;
    return frame_copy(slice_of(b, n));
}

static inline void post_letter(struct fixture *f, const char *room, unsigned clock) {
    struct store_job *job = job_for(STORE_APPEND, room);
    job->row.version = clock + 1;
    job->row.update = letter(clock, (char)('a' + clock % 26));
    store_post(f->store, job);
}

static inline void type(struct fixture *f, const char *room, unsigned from, unsigned to) {
    for (unsigned i = from; i < to; i++) {
        post_letter(f, room, i);
        struct store_job *job = wait_for(f, 10000);
        assert_non_null(job);
        assert_int_equal(job->op, STORE_APPEND);
        store_job_free(job);
    }
}

static inline void put_together(const struct store_job *job, struct yata_doc *doc) {
    if (job->snapshot) {
        assert_int_equal(
            yata_apply_as(doc, YATA_V2, job->snapshot->bytes, job->snapshot->n, NULL, NULL),
            YATA_OK);
    }
    for (size_t i = 0; i < job->rows_count; i++) {
        const struct frame *u = job->rows[i].update;
        assert_int_equal(yata_apply(doc, u->bytes, u->n, NULL, NULL), YATA_OK);
    }
}

/* How many letters the loaded room has. */
static inline unsigned letters(const struct store_job *job) {
    struct yata_doc *doc = yata_doc_new(NULL);
    put_together(job, doc);
    const struct yata_clock *clocks = NULL;
    size_t n = 0;
    assert_int_equal(yata_state_vector(doc, &clocks, &n), YATA_OK);
    unsigned all = n ? (unsigned)clocks[0].clock : 0;
    yata_doc_free(doc);
    return all;
}

static inline void expect_room(struct fixture *f, const char *room, unsigned count,
                               uint64_t version) {
    struct store_job *job = ask(f, STORE_LOAD, room);
    assert_int_equal(job->err, ERR_OK);
    assert_int_equal(job->exists, version > 0);
    assert_int_equal(letters(job), count);
    assert_int_equal(job->version, version);
    store_job_free(job);
}

static inline void fold_room(struct fixture *f, const char *room) {
    struct store_job *job = ask(f, STORE_FOLD, room);
    assert_int_equal(job->err, ERR_OK);
    store_job_free(job);
}

/* ---- versions ---- */

static inline struct store_job *save_job(const char *room, const char *label) {
    struct frame *name = frame_copy(slice_str(room));
    struct store_job *job = store_job_save(name, slice_str(label), label[0] == 0);
    frame_unref(name);
    return job;
}

/* Saves one and returns its id; 0 when that failed. */
static inline uint64_t save(struct fixture *f, const char *room, const char *label) {
    store_post(f->store, save_job(room, label));
    struct store_job *job = wait_for(f, 10000);
    assert_non_null(job);
    assert_int_equal(job->op, STORE_SAVE);
    uint64_t id = job->err == ERR_OK ? job->versions->id : 0;
    store_job_free(job);
    return id;
}

static inline struct store_job *list(struct fixture *f, const char *room, uint64_t before,
                                     size_t most) {
    struct store_job *job = job_for(STORE_LIST, room);
    job->before = before;
    job->most = most;
    store_post(f->store, job);
    job = wait_for(f, 10000);
    assert_non_null(job);
    return job;
}

static inline struct store_job *get(struct fixture *f, const char *room, uint64_t id) {
    struct store_job *job = job_for(STORE_READ, room);
    job->version_id = id;
    store_post(f->store, job);
    job = wait_for(f, 10000);
    assert_non_null(job);
    return job;
}

/* How many letters the version has. */
static inline unsigned version_letters(const struct store_job *job) {
    const struct yata_clock *clocks = NULL;
    size_t n = 0;
    const struct frame *state = job->versions->state;
    struct yata_doc *doc = yata_doc_new(NULL);
    assert_int_equal(yata_apply(doc, state->bytes, state->n, NULL, NULL), YATA_OK);
    assert_int_equal(yata_state_vector(doc, &clocks, &n), YATA_OK);
    unsigned all = n ? (unsigned)clocks[0].clock : 0;
    yata_doc_free(doc);
    return all;
}

static inline void expect_version(struct fixture *f, const char *room, uint64_t id,
                                  unsigned count) {
    struct store_job *job = get(f, room, id);
    assert_int_equal(job->err, ERR_OK);
    assert_int_equal(version_letters(job), count);
    store_job_free(job);
}

static inline void expect_no_version(struct fixture *f, const char *room, uint64_t id, enum err e) {
    struct store_job *job = get(f, room, id);
    assert_int_equal(job->err, e);
    store_job_free(job);
}

#endif
