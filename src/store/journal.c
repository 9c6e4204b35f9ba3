/* journal.c: the journal's thread. It commits whatever has arrived as one group, hands it back, and
 * reads for the shelf in between. A group that fails stays queued, in order, and is tried again.
 */
#include <stdio.h>

#include "base/clock.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/probe.h"
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
static void drop_handle(struct store *st) {
    st->form->journal_close(st->journal, false);
    st->journal = NULL;
}

static void fail(struct store *st, enum err e, const struct fault *why) {
    drop_handle(st);
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
    if (st->journal) {
        return ERR_OK;
    }
    enum err e = st->form->journal_open(&st->where, false, &st->journal, &epoch, &last_id, why);
    if (e != ERR_OK) {
        st->reopen_ns = clock_mono_ns() + CAPS_STORE_REOPEN_MS * 1000000ull;
    }
    /* relaxed: a wish, nothing is handed over by it */
    atomic_store_explicit(&st->moved, e == ERR_OK && st->form->remote, memory_order_relaxed);
    return e;
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

static enum err try_commit(struct store *st, const struct list_node *group, struct fault *why) {
    enum err e = ensure_open(st, why);
    return e ? e : st->form->journal_commit(st->journal, group, st->epoch, why);
}

static enum err commit(struct store *st, const struct list_node *group, size_t rows,
                       struct fault *why) {
    uint64_t start = clock_mono_ns();
    enum err e = try_commit(st, group, why);
    if (!st->wait_ms && store_once_more(st, st->journal, e, why)) {
        drop_handle(st);
        e = try_commit(st, group, why);
    }
    if (e == ERR_OK) {
        st->seen_ns = clock_mono_ns();
    }
    PROBE3(commit, rows, clock_mono_ns() - start, e);
    if (e == ERR_OK && !list_empty(group)) {
        metric_observe(METRIC_STORE_COMMIT, (double)(st->seen_ns - start) / 1e9);
        metric_observe(METRIC_STORE_GROUP, (double)rows);
    }
    return e;
}

/* Commits what is unstored, group by group, until that fails. The first group may be empty. */
static void commit_all(struct store *st) {
    do {
        struct list_node group;
        list_init(&group);
        struct fault why = {0};
        enum err e = commit(st, &group, take_group(st, &group), &why);
        if (e != ERR_OK) {
            list_splice(&group, &st->unstored); /* back to the front */
            list_splice(&st->unstored, &group);
            fail(st, e, &why);
            return;
        }
        recovered(st);
        for (struct list_node *n; (n = list_shift(&group)) != NULL;) {
            hand_back(st, job_of(n));
        }
        st->form->journal_rest(st->journal);
    } while (!list_empty(&st->unstored));
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
        drop_handle(st);
    }
    store_end_chore(st, job, e, &why, &again);
    if (again) {
        queue_put(&st->to_journal, job);
    }
}

/* Connecting to a server that is away may take seconds, for which many that ask cannot wait. */
static enum err read_rows(struct store *st, struct store_job *job, struct fault *why) {
    if (!st->journal && st->form->remote && clock_mono_ns() < st->reopen_ns) {
        (void)snprintf(why->text, sizeof why->text, "the database is away");
        return ERR_STORE;
    }
    enum err e = ensure_open(st, why);
    return e ? e : st->form->journal_read(st->journal, job, st->epoch, why);
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
    job->err = read_rows(st, job, &why);
    if (store_once_more(st, st->journal, job->err, &why)) {
        drop_handle(st);
        job->err = read_rows(st, job, &why);
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

/* A server is looked for also while nobody wants anything of it. */
static bool should_look(const struct store *st) {
    uint64_t unseen_ns = clock_mono_ns() - st->seen_ns;
    return st->form->remote && (st->wait_ms || unseen_ns >= CAPS_STORE_LOOK_MS * 1000000ull);
}

static void turn(struct store *st, bool may_write) {
    if (may_write && (!list_empty(&st->unstored) || should_look(st))) {
        commit_all(st);
    }
    for (struct list_node *n; (n = list_shift(&st->asks)) != NULL;) {
        read_for(st, job_of(n));
    }
}

static int ms_until(uint64_t ns) {
    uint64_t now = clock_mono_ns();
    return ns > now ? (int)((ns - now) / 1000000) + 1 : 0;
}

/* How long the thread may sleep: until the next try, or the next look. */
static int patience(const struct store *st) {
    if (st->wait_ms) {
        return ms_until(st->retry_ns);
    }
    return st->form->remote ? ms_until(st->seen_ns + CAPS_STORE_LOOK_MS * 1000000ull)
                            : QUEUE_FOR_EVER;
}

void *journal_run(void *store) {
    struct store *st = store;
    struct list_node jobs;
    list_init(&jobs);
    metrics_thread_init(st->o.metrics_thread);
    bool open = true;
    st->seen_ns = clock_mono_ns();
    while (open) {
        atomic_store_explicit(&st->busy_since_ns, 0, memory_order_relaxed); /* a figure */
        open = queue_take(&st->to_journal, &jobs, patience(st));
        atomic_store_explicit(&st->busy_since_ns, clock_mono_ns(), memory_order_relaxed);
        sort_in(st, &jobs);
        /* those who only read, and keep coming, do not put the next try off */
        bool due = !st->wait_ms || ms_until(st->retry_ns) == 0;
        turn(st, due || !open);
    }
    return NULL;
}
