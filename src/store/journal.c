/* journal.c: the journal's thread. It commits whatever has arrived as one group, hands it back, and
 * reads for the shelf in between. A group that fails stays queued, in order, and is tried again.
 */
#include "base/clock.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "store/internal.h"

static struct store_job *job_of(struct list_node *n) {
    return LIST_ITEM(n, struct store_job, node);
}

/* ---- trouble ---- */

static void tell(struct store *st, bool serving) {
    atomic_store_explicit(&st->failing, !serving, memory_order_release);
    st->o.changed(st->o.ctx, serving);
}

/* What is on the disk is not known any more: only a fresh opening may say. */
static void fail(struct store *st, enum err e, const struct fault *why) {
    st->form->journal_close(st->journal, false);
    st->journal = NULL;
    metric_add(METRIC_STORE_FAILURES, 0, 1);
    if (!st->wait_ms) {
        st->wait_ms = st->o.retry_ms;
        log_error("STORE-FAILING", log_err("errCode", e), log_text("detail", why->text));
        tell(st, false);
    } else {
        log_limited(LOG_WARN, "STORE-STILL-FAILING", log_text("detail", why->text));
        st->wait_ms =
            st->wait_ms * 2 < CAPS_STORE_RETRY_MOST_MS ? st->wait_ms * 2 : CAPS_STORE_RETRY_MOST_MS;
    }
    st->retry_ns = clock_mono_ns() + st->wait_ms * UINT64_C(1000000);
}

static void recovered(struct store *st) {
    if (st->wait_ms) {
        st->wait_ms = 0;
        log_warn("STORE-RECOVERED");
        tell(st, true);
    }
}

static enum err ensure_open(struct store *st, struct fault *why) {
    uint64_t epoch = 0; /* they are known from the first opening */
    uint64_t last_id = 0;
    return st->journal
               ? ERR_OK
               : st->form->journal_open(&st->where, false, &st->journal, &epoch, &last_id, why);
}

/* ---- writing ---- */

static void hand_back(struct store *st, struct store_job *job) {
    if (job->op == STORE_APPEND) {
        /* relaxed: a measure of how much waits, it orders nothing */
        atomic_fetch_sub_explicit(&st->queued_rows, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&st->queued_bytes, job->row.update->n, memory_order_relaxed);
        metric_add(METRIC_STORE_QUEUED, 0, -1);
    }
    store_hand_back(st, job);
}

/* As much as is committed at once: moved from what is unstored. */
static size_t take_group(struct store *st, struct list_node *group) {
    size_t rows = 0;
    for (size_t bytes = 0; bytes < CAPS_STORE_GROUP_BYTES && !list_empty(&st->unstored);) {
        struct store_job *job = job_of(list_shift(&st->unstored));
        list_push(group, &job->node);
        bytes += job->op == STORE_APPEND ? job->row.update->n : 0;
        rows += job->op == STORE_APPEND;
    }
    return rows;
}

static enum err commit(struct store *st, const struct list_node *group, size_t rows,
                       struct fault *why) {
    uint64_t start = clock_mono_ns();
    enum err e = ensure_open(st, why);
    e = e ? e : st->form->journal_commit(st->journal, group, st->epoch, why);
    if (e == ERR_OK) {
        metric_observe(METRIC_STORE_COMMIT, (double)(clock_mono_ns() - start) / 1e9);
        metric_observe(METRIC_STORE_GROUP, (double)rows);
    }
    return e;
}

/* Commits what is unstored, group by group; false when that failed. */
static bool commit_all(struct store *st) {
    while (!list_empty(&st->unstored)) {
        struct list_node group;
        list_init(&group);
        struct fault why = {0};
        enum err e = commit(st, &group, take_group(st, &group), &why);
        if (e != ERR_OK) {
            list_splice(&group, &st->unstored); /* back to the front */
            list_splice(&st->unstored, &group);
            fail(st, e, &why);
            return false;
        }
        recovered(st);
        for (struct list_node *n; (n = list_shift(&group)) != NULL;) {
            hand_back(st, job_of(n));
        }
        st->form->journal_rest(st->journal);
    }
    return true;
}

/* ---- reading ---- */

/* One step of it; a copy comes round again behind whatever has arrived. */
static void do_chore(struct store *st, struct store_job *job) {
    struct fault why = {.text = "this kind of store has tools of its own"};
    bool again = false;
    if (job->chore->on_shelf) {
        queue_put(&st->to_shelf, job);
        return;
    }
    enum err e = st->form->journal_chore ? ensure_open(st, &why) : ERR_INTERNAL;
    e = e ? e : st->form->journal_chore(st->journal, job->chore, st->epoch, &again, &why);
    if (e == ERR_STORE && job->chore->kind == CHORE_SHRINK) { /* as after any failed write */
        st->form->journal_close(st->journal, false);
        st->journal = NULL;
    }
    store_end_chore(st, job, e, &why, &again);
    if (again) {
        queue_put(&st->to_journal, job);
    }
}

static void read_for(struct store *st, struct store_job *job) {
    struct fault why = {0};
    if (job->op == STORE_CHORE) {
        do_chore(st, job);
        return;
    }
    if (job->op == STORE_READ) { /* a version has all that belongs to it */
        queue_put(&st->to_shelf, job);
        return;
    }
    job->err = ensure_open(st, &why);
    if (job->err == ERR_OK) {
        job->err = st->form->journal_read(st->journal, job, st->epoch, &why);
    }
    if (job->op == STORE_LIST && job->err == ERR_DAMAGED) {
        job->err = ERR_OK; /* its versions are what one wants to see then */
        job->exists = true;
    }
    if (job->err != ERR_OK) {
        store_complain(job, &why);
        store_hand_back(st, job);
    } else if (job->op == STORE_FOLD && !job->rows_count) {
        store_hand_back(st, job);
    } else {
        queue_put(&st->to_shelf, job);
    }
}

/* ---- the thread ---- */

static void sort_in(struct store *st, struct list_node *jobs) {
    for (struct list_node *n; (n = list_shift(jobs)) != NULL;) {
        struct store_job *job = job_of(n);
        bool folded = job->op == STORE_FOLD && job->rows_count;
        if (job->op == STORE_APPEND) {
            job->row.id = ++st->last_id;
        }
        list_push(job->op == STORE_APPEND || folded ? &st->unstored : &st->asks, n);
    }
}

static void turn(struct store *st, bool may_write) {
    if (may_write) {
        (void)commit_all(st);
    }
    for (struct list_node *n; (n = list_shift(&st->asks)) != NULL;) {
        read_for(st, job_of(n));
    }
}

/* Milliseconds until the next try, when something waits for one. */
static int patience(const struct store *st) {
    uint64_t now = clock_mono_ns();
    if (!st->wait_ms) {
        return QUEUE_FOR_EVER;
    }
    return st->retry_ns > now ? (int)((st->retry_ns - now) / 1000000) + 1 : 0;
}

void *journal_run(void *store) {
    struct store *st = store;
    struct list_node jobs;
    list_init(&jobs);
    metrics_thread_init(st->o.metrics_thread);
    bool open = true;
    while (open) {
        atomic_store_explicit(&st->busy_since_ns, 0, memory_order_relaxed); /* a figure */
        open = queue_take(&st->to_journal, &jobs, patience(st));
        atomic_store_explicit(&st->busy_since_ns, clock_mono_ns(), memory_order_relaxed);
        sort_in(st, &jobs);
        /* those who only read, and keep coming, do not put the next try off */
        turn(st, patience(st) <= 0 || !open);
    }
    return NULL;
}
