/* shelf.c: the shelf's thread. Loads before folds: somebody waits for a load. */
#include "base/buf.h"
#include "base/clock.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "store/fold.h"
#include "store/internal.h"
#include "store/pack.h"

/* Where the journal has found another server, the snapshots of the one before are old. */
static void follow_journal(struct store *st) {
    /* relaxed: a wish, nothing is handed over by it */
    bool moved = atomic_exchange_explicit(&st->moved, false, memory_order_relaxed);
    if (moved && st->shelf) {
        st->form->shelf_close(st->shelf, false);
        st->shelf = NULL;
    }
}

enum err shelf_ensure_open(struct store *st, struct fault *why) {
    follow_journal(st);
    return st->shelf ? ERR_OK : st->form->shelf_open(&st->where, &st->shelf, why);
}

void shelf_settle(struct store *st, enum err e) {
    if (e == ERR_STORE && st->shelf) {
        st->form->shelf_close(st->shelf, false);
        st->shelf = NULL;
    }
}

/* Who folds claims the room first. */
static enum err try_read(struct store *st, struct store_job *job, struct snapshot *ret,
                         bool *ret_found, struct fault *why) {
    slice room = frame_slice(job->room);
    enum err e = shelf_ensure_open(st, why);
    if (e == ERR_OK && job->op == STORE_FOLD && st->form->shelf_claim) {
        e = st->form->shelf_claim(st->shelf, room, FORM_FOLD, job->left_to_us, &job->fence, why);
    }
    return e ? e : st->form->shelf_read(st->shelf, room, ret, ret_found, why);
}

/* The room's snapshot, unpacked; *ret NULL when there is none. `ret_authors` may be NULL. */
static enum err read_snapshot(struct store *st, struct store_job *job, struct frame **ret,
                              struct frame **ret_authors, struct fault *why) {
    struct snapshot snap = {0};
    bool found = false;
    enum err e = try_read(st, job, &snap, &found, why);
    if (store_once_more(st, st->shelf, e, why)) {
        shelf_settle(st, e);
        e = try_read(st, job, &snap, &found, why);
    }
    if (e == ERR_OK && found) {
        uint64_t version = form_version(snap.version, snap.epoch, st->epoch);
        job->version = version > job->version ? version : job->version;
        job->exists = true;
        e = unpack(frame_slice(snap.state), snap.plain_bytes, ret);
    }
    if (e == ERR_OK && ret_authors) {
        *ret_authors = snap.authors ? frame_ref(snap.authors) : NULL;
    }
    snapshot_fini(&snap);
    shelf_settle(st, e);
    return e;
}

static void load(struct store *st, struct store_job *job) {
    struct fault why = {.text = "the snapshot cannot be unpacked"};
    job->err = read_snapshot(st, job, &job->snapshot, NULL, &why);
    if (job->err == ERR_OK && !job->exists) {
        /* it may have been told of updates that did not become durable */
        job->version = form_version(0, 0, st->epoch);
    }
    if (job->err != ERR_OK) {
        store_complain(job, &why);
    }
    job->snapshot_bytes = job->snapshot ? job->snapshot->n : 0;
    metric_observe(METRIC_STORE_LOAD, (double)(clock_mono_ns() - job->queued_ns) / 1e9);
    store_hand_back(st, job);
}

static enum err write_folded(struct store *st, struct store_job *job, struct frame *state,
                             slice authors, struct fault *why) {
    struct snapshot snap = {.version = job->version,
                            .epoch = st->epoch,
                            .at_ms = job->rows[job->rows_count - 1].at_ms,
                            .plain_bytes = state->n,
                            .authors = authors.n ? frame_copy(authors) : NULL,
                            .rows = job->rows,
                            .rows_count = job->rows_count,
                            .fence = job->fence,
                            .leaving = job->leaving};
    enum err e = pack(frame_slice(state), &snap.state);
    e = e ? e : shelf_ensure_open(st, why);
    e = e ? e : st->form->shelf_write(st->shelf, frame_slice(job->room), &snap, why);
    snapshot_fini(&snap);
    shelf_settle(st, e);
    return e;
}

static void fold_room(struct store *st, struct store_job *job) {
    struct fault why = {.text = "no memory"};
    struct frame *before = NULL;
    struct frame *known = NULL;
    struct frame *after = NULL;
    struct buf authors;
    buf_init(&authors, 0);
    job->err = read_snapshot(st, job, &before, &known, &why);
    if (job->err == ERR_OK) {
        buf_put_slice(&authors, frame_slice(known));
        job->err = fold(frame_slice(before), job->rows, job->rows_count, &authors, &after, &why);
    }
    if (job->err == ERR_OK) {
        job->err = write_folded(st, job, after, buf_slice(&authors), &why);
    }
    job->snapshot_bytes = after ? after->n : 0;
    buf_fini(&authors);
    frame_unref(before);
    frame_unref(known);
    frame_unref(after);
    if (job->err == ERR_OK) {
        metric_add(METRIC_STORE_FOLDS, 0, 1);
        st->form->shelf_rest(st->shelf);
        queue_put(&st->to_journal, job); /* now its rows may go */
    } else {
        store_complain(job, &why);
        store_hand_back(st, job);
    }
}

/* One step of it; a copy comes round again behind whatever waits. */
static void do_chore(struct store *st, struct store_job *job) {
    struct fault why = {.text = "this kind of store has tools of its own"};
    bool again = false;
    enum err e = st->form->shelf_chore ? shelf_ensure_open(st, &why) : ERR_INTERNAL;
    e = e ? e : st->form->shelf_chore(st->shelf, job->chore, st->epoch, &again, &why);
    shelf_settle(st, job->chore->kind == CHORE_SHRINK ? e : ERR_OK);
    store_end_chore(st, job, e, &why, &again);
    if (again) {
        list_push(&st->folds, &job->node);
    }
}

static void do_later(struct store *st, struct store_job *job) {
    if (job->op == STORE_CHORE) {
        do_chore(st, job);
    } else if (job->op == STORE_FOLD) {
        fold_room(st, job);
    } else {
        shelf_serve_version(st, job);
    }
}

/* ---- what other nodes have left to this one ---- */

static void forget(void *ctx, struct store_job *job) {
    (void)ctx;
    store_job_free(job);
}

static void take_up(struct store *st, const struct form_left *left) {
    bool folds = left->duty == FORM_FOLD;
    struct store_job *job = folds ? store_job_new(STORE_FOLD, left->room)
                                  : store_job_save(left->room, (slice){0}, true);
    job->left_to_us = true;
    job->leaving = true; /* whoever has it open asks again */
    job->done = forget;
    queue_put(&st->to_journal, job);
}

static void look_for_duties(struct store *st) {
    struct form_left left[CAPS_STORE_DUTIES];
    size_t n = 0;
    struct fault why = {0};
    if (atomic_load_explicit(&st->failing, memory_order_relaxed)) { /* only to spare the tries */
        return;
    }
    enum err e = shelf_ensure_open(st, &why);
    e = e ? e : st->form->shelf_duties(st->shelf, left, CAPS_STORE_DUTIES, &n, &why);
    for (size_t i = 0; i < n; i++) {
        take_up(st, &left[i]);
        frame_unref(left[i].room);
    }
    shelf_settle(st, e);
}

/* How long the thread may sleep; does first what is due. */
static int look_and_rest(struct store *st) {
    if (st->form->shelf_duties && clock_mono_ns() >= st->duties_ns) {
        look_for_duties(st);
        st->duties_ns = clock_mono_ns() + st->o.duties_ms * UINT64_C(1000000);
    }
    if (clock_mono_ns() >= st->thin_ns) {
        shelf_thin_next(st);
    }
    uint64_t now = clock_mono_ns();
    uint64_t next =
        st->form->shelf_duties && st->duties_ns < st->thin_ns ? st->duties_ns : st->thin_ns;
    return next > now ? (int)((next - now) / 1000000) + 1 : 0;
}

/* Nothing of that is due at the very beginning. */
static void begin_rounds(struct store *st) {
    uint64_t thin_ms = st->o.thin_ms ? st->o.thin_ms : CAPS_VERSION_ROUND_MS / 60;
    st->duties_ns = clock_mono_ns() + st->o.duties_ms * UINT64_C(1000000);
    st->thin_ns = clock_mono_ns() + thin_ms * 1000000;
}

void *shelf_run(void *store) {
    struct store *st = store;
    struct list_node jobs;
    list_init(&jobs);
    metrics_thread_init(st->o.metrics_thread + 1);
    begin_rounds(st);
    for (;;) {
        int rest_ms = look_and_rest(st);
        bool idle = list_empty(&st->loads) && list_empty(&st->folds);
        if (!queue_take(&st->to_shelf, &jobs, idle ? rest_ms : 0)) {
            break;
        }
        for (struct list_node *n; (n = list_shift(&jobs)) != NULL;) {
            bool is_load = LIST_ITEM(n, struct store_job, node)->op == STORE_LOAD;
            list_push(is_load ? &st->loads : &st->folds, n);
        }
        struct list_node *n = list_shift(&st->loads);
        if (n) {
            load(st, LIST_ITEM(n, struct store_job, node));
        } else if ((n = list_shift(&st->folds)) != NULL) {
            do_later(st, LIST_ITEM(n, struct store_job, node));
        }
    }
    st->thinned = frame_unref(st->thinned);
    list_splice(&st->folds, &jobs); /* nobody waits for them any more; store_free has the list */
    return NULL;
}
