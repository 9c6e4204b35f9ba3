/* rooms_test.h: a worker without a loop, and a store without a disk: what rooms post is kept, and
 * what they ask of the store is done at once, or when the test says so.
 *
 * For tests only.
 */
#ifndef ROOM_ROOMS_TEST_H
#define ROOM_ROOMS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "room/rooms.h"
#include "yata.h"

enum { ANN = 1, BOB = 2, EVE = 3, WORKERS = 2 };

struct fixture {
    struct rooms rooms;
    struct list_node posted;
    uint64_t now_ms;
    bool behind;

    /* a store that does what it is asked when it is told to */
    struct list_node jobs;
    bool store_waits; /* until serve() is called by the test itself */
    enum store_health health;
    struct store_row rows[64]; /* of room "r" */
    size_t rows_count;
    struct frame *snapshot;
    size_t folds;
};

static inline void keep(void *ctx, unsigned worker, struct msg *m) {
    struct fixture *f = ctx;
    (void)worker;
    list_push(&f->posted, &m->node);
}

static inline bool is_behind(void *ctx, unsigned worker) {
    (void)worker;
    return ((struct fixture *)ctx)->behind;
}

static inline void keep_job(void *ctx, struct store_job *job) {
    struct fixture *f = ctx;
    list_push(&f->jobs, &job->node);
}

static inline enum store_health health(void *ctx) {
    return ((struct fixture *)ctx)->health;
}

static inline bool never_behind(void *ctx) {
    (void)ctx;
    return false;
}

static inline int set_up(void **state) {
    struct fixture *f = NEW(struct fixture);
    list_init(&f->posted);
    list_init(&f->jobs);
    f->now_ms = 1000;
    struct rooms_options o = {
        .workers = WORKERS,
        .post = keep,
        .post_ctx = f,
        .behind = is_behind,
        .max_rooms = 2,
        .room_cap = 3,
        .auto_create = true,
        .presence_hz = 20,
        .presence_ttl_ms = 30000,
        .room_ttl_ms = 60000,
        .store = {.ctx = f, .post = keep_job, .health = health, .behind = never_behind}};
    rooms_init(&f->rooms, &o);
    *state = f;
    return 0;
}

static inline struct msg *next(struct fixture *f) {
    struct list_node *node = list_shift(&f->posted);
    return node ? LIST_ITEM(node, struct msg, node) : NULL;
}

static inline int tear_down(void **state) {
    struct fixture *f = *state;
    for (struct msg *m; (m = next(f)) != NULL;) {
        msg_free(m);
    }
    rooms_fini(&f->rooms);
    for (struct list_node *n; (n = list_shift(&f->jobs)) != NULL;) {
        store_job_free(LIST_ITEM(n, struct store_job, node));
    }
    for (size_t i = 0; i < f->rows_count; i++) {
        frame_unref(f->rows[i].update);
    }
    mem_free(f);
    return 0;
}

/* ---- saying things ---- */

static inline struct msg *say(enum msg_kind kind, const char *room, conn_id who, slice payload) {
    struct msg *m = msg_new(kind);
    m->conn = who;
    m->req = 7;
    m->room = frame_copy(slice_str(room));
    m->payload = payload.p ? frame_copy(payload) : NULL;
    return m;
}

static inline void do_job(struct fixture *f, struct store_job *job) {
    if (job->op == STORE_APPEND) {
        assert_true(f->rows_count < 64);
        f->rows[f->rows_count] = job->row;
        f->rows[f->rows_count].author = NULL;
        f->rows[f->rows_count++].update = frame_ref(job->row.update);
    } else {
        bool known = slice_is(frame_slice(job->room), "r");
        job->rows_count = known ? f->rows_count : 0;
        job->exists = job->rows_count > 0;
        job->rows = mem_new((job->rows_count + 1) * sizeof *job->rows);
        for (size_t i = 0; i < job->rows_count; i++) {
            job->rows[i] = f->rows[i];
            (void)frame_ref(f->rows[i].update);
            job->version = f->rows[i].version;
        }
        f->folds += job->op == STORE_FOLD; /* its rows stay: that is allowed */
    }
    struct msg *m = msg_new(MSG_STORED);
    m->job = job;
    rooms_handle(&f->rooms, m, f->now_ms);
}

static inline void serve(struct fixture *f) {
    for (struct list_node *n; (n = list_shift(&f->jobs)) != NULL;) {
        do_job(f, LIST_ITEM(n, struct store_job, node));
    }
}

static inline struct msg *tell(struct fixture *f, struct msg *m) {
    rooms_handle(&f->rooms, m, f->now_ms);
    if (!f->store_waits) {
        serve(f);
    }
    return next(f);
}

static inline void turn(struct fixture *f) {
    (void)rooms_turn(&f->rooms, f->now_ms);
}

static inline struct msg *join_as(struct fixture *f, const char *room, conn_id who,
                                  enum role role) {
    struct msg *m = say(MSG_JOIN, room, who, (slice){0});
    m->join.role = role;
    m->join.who = identity_anonymous();
    return tell(f, m);
}

static inline void join(struct fixture *f, conn_id who) {
    struct msg *m = join_as(f, "r", who, ROLE_WRITE);
    assert_int_equal(m->kind, MSG_JOINED);
    assert_int_equal(m->err, ERR_OK);
    msg_free(m);
}

/* An update of one client that appends one letter to the root text "t", as yjs encodes it. */
static inline slice letter(uint8_t to[32], uint8_t client, uint8_t clock, char c) {
    size_t n = 0;
    to[n++] = 1; /* clients */
    to[n++] = 1; /* structs */
    to[n++] = client;
    to[n++] = clock;
    if (clock == 0) {
        const uint8_t first[] = {0x04, 1, 1, 't'}; /* string in root "t" */
        memcpy(to + n, first, sizeof first);
        n += sizeof first;
    } else {
        const uint8_t next_one[] = {0x84, client, (uint8_t)(clock - 1)}; /* origin: the last one */
        memcpy(to + n, next_one, sizeof next_one);
        n += sizeof next_one;
    }
    to[n++] = 1;
    to[n++] = (uint8_t)c;
    to[n++] = 0; /* delete set */
    return slice_of(to, n);
}

static inline struct msg *type(struct fixture *f, conn_id who, uint8_t client, uint8_t clock,
                               char c) {
    uint8_t bytes[32];
    return tell(f, say(MSG_UPDATE, "r", who, letter(bytes, client, clock, c)));
}

static inline void type_ok(struct fixture *f, conn_id who, uint8_t client, uint8_t clock, char c) {
    struct msg *m = type(f, who, client, clock, c);
    assert_int_equal(m->err, ERR_OK);
    assert_true(m->answer.applied);
    msg_free(m);
}

#endif
