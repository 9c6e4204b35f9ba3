#define _GNU_SOURCE 1 /* pthread_timedjoin_np */
#include "store/store.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "base/rand.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "store/dir.h"
#include "store/internal.h"

#define NO_DEADLINE UINT_MAX

/* ---- opening ---- */

static bool in_memory(const char *data) {
    return strcmp(data, "memory") == 0;
}

static char *copy(const char *text) {
    return text ? mem_copy_str(text, strlen(text)) : NULL;
}

static struct store *make(const struct store_options *o) {
    struct store *st = NEW(struct store);
    st->o = *o;
    st->o.retry_ms = o->retry_ms ? o->retry_ms : CAPS_STORE_RETRY_MS;
    st->o.duties_ms = o->duties_ms ? o->duties_ms : CAPS_STORE_LOOK_MS;
    st->form = o->form ? o->form : o->url ? &store_postgres : &store_sqlite;
    st->lock = -1;
    st->data = copy(o->url || in_memory(o->data) ? NULL : o->data);
    st->url = copy(o->url);
    st->password_file = copy(o->password_file);
    st->where = (struct form_where){.data = st->data,
                                    .vfs = o->vfs,
                                    .url = st->url,
                                    .password_file = st->password_file,
                                    .relaxed = o->relaxed,
                                    .ahead_ms = &st->ahead_ms,
                                    .lineage = &st->lineage};
    for (size_t i = 0; i < NODE_BYTES; i += sizeof(uint64_t)) {
        uint64_t random = rand_u64();
        memcpy(st->where.node + i, &random, sizeof random);
    }
    st->o.data = st->o.url = st->o.password_file = NULL; /* `where` has them */
    queue_init(&st->to_journal);
    queue_init(&st->to_shelf);
    queue_init(&st->to_history);
    list_init(&st->unstored);
    list_init(&st->asks);
    list_init(&st->loads);
    list_init(&st->folds);
    return st;
}

/* The thread's first opening is made here, so that what is wrong ends the start. */
static bool open_files(struct store *st, char *why, size_t why_bytes) {
    struct fault fault = {0};
    const char *file = "journal";
    enum err e =
        st->form->journal_open(&st->where, true, &st->journal, &st->epoch, &st->last_id, &fault);
    if (e == ERR_OK) {
        file = "shelf of rooms";
        e = st->form->shelf_open(&st->where, &st->shelf, &fault);
    }
    if (e != ERR_OK && st->form->remote) {
        (void)snprintf(why, why_bytes, "the database (--store) cannot be used: %s", fault.text);
    } else if (e != ERR_OK) {
        (void)snprintf(why, why_bytes, "the %s in %s (--data) cannot be opened: %s", file,
                       st->data ? st->data : "memory", fault.text);
    }
    return e == ERR_OK;
}

struct store *store_open(const struct store_options *o, char *why, size_t why_bytes) {
    struct store *st = make(o);
    if ((st->data && dir_take(st->data, &st->lock, why, why_bytes) != ERR_OK) ||
        !open_files(st, why, why_bytes)) {
        store_free(st);
        return NULL;
    }
    must(pthread_create(&st->journal_thread, NULL, journal_run, st) == 0);
    must(pthread_create(&st->shelf_thread, NULL, shelf_run, st) == 0);
    must(pthread_create(&st->history_thread, NULL, history_run, st) == 0);
    st->open = true;
    return st;
}

/* ---- use ---- */

uint64_t store_now_ms(const struct store *st) {
    /* relaxed: a number by itself */
    long long ahead = atomic_load_explicit(&st->ahead_ms, memory_order_relaxed);
    return ahead ? clock_mono_ms() + (uint64_t)ahead : clock_wall_ms();
}

void store_post(struct store *st, struct store_job *job) {
    job->queued_ns = clock_mono_ns();
    if (job->op == STORE_APPEND) {
        job->row.at_ms = store_now_ms(st);
        /* relaxed: a measure of how much waits, it orders nothing */
        atomic_fetch_add_explicit(&st->queued_rows, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&st->queued_bytes, job->row.update->n, memory_order_relaxed);
        metric_add(METRIC_STORE_QUEUED, 0, 1);
    }
    queue_put(&st->to_journal, job);
}

enum store_health store_health(const struct store *st) {
    uint64_t since = atomic_load_explicit(&st->busy_since_ns, memory_order_relaxed);
    /* acquire: pairs with tell(), so that who sees it failing sees why */
    if (atomic_load_explicit(&st->failing, memory_order_acquire)) {
        return STORE_FAILING;
    }
    uint64_t now = clock_mono_ns();
    bool slow = since && now > since && now - since > CAPS_STORE_SLOW_MS * 1000000ull;
    return slow ? STORE_SLOW : STORE_SERVING;
}

bool store_behind(const struct store *st) {
    return atomic_load_explicit(&st->queued_bytes, memory_order_relaxed) > CAPS_STORE_QUEUE_BYTES ||
           atomic_load_explicit(&st->queued_rows, memory_order_relaxed) > CAPS_STORE_QUEUE_ROWS;
}

size_t store_queued_bytes(const struct store *st) {
    return atomic_load_explicit(&st->queued_bytes, memory_order_relaxed);
}

const char *store_name(const struct store *st) {
    return st->data || st->form->remote ? st->form->name : "memory";
}

bool store_once_more(const struct store *st, const void *handle, enum err e,
                     const struct fault *why) {
    bool again = e == ERR_STORE && st->form->remote && handle;
    if (again) {
        log_limited(LOG_WARN, "STORE-RECONNECT", log_text("detail", why->text));
    }
    return again;
}

void store_hand_back(struct store *st, struct store_job *job) {
    if (job->done) {
        job->done(job->done_ctx, job);
    } else {
        st->o.done(st->o.ctx, job);
    }
}

void store_end_chore(struct store *st, struct store_job *job, enum err e, const struct fault *why,
                     bool *again) {
    struct store_chore *chore = job->chore;
    bool cancelled = atomic_load_explicit(&chore->cancel, memory_order_relaxed); /* a wish */
    if (e == ERR_OK && *again && !cancelled) {
        return;
    }
    *again = false;
    job->err = e ? e : cancelled ? ERR_STORE : ERR_OK;
    (void)snprintf(chore->why, sizeof chore->why, "%s", e ? why->text : "it was called off");
    store_hand_back(st, job);
}

void store_complain(const struct store_job *job, const struct fault *why) {
    if (job->chore) { /* a tool reads, and tells somebody */
        (void)snprintf(job->chore->why, sizeof job->chore->why, "%s", why->text);
    }
    struct log_field room = log_str("roomId", frame_slice(job->room));
    struct log_field detail = log_text("detail", why->text);
    if (job->err == ERR_DAMAGED) {
        log_limited(LOG_ERROR, "STORE-DAMAGED", room, detail);
    } else if (job->err == ERR_BUSY) {
        log_limited(LOG_DEBUG, "STORE-OTHERS", room, detail);
    } else {
        log_limited(LOG_ERROR, "STORE-UNREAD", room, detail);
    }
}

/* ---- the end ---- */

static size_t drop_all(struct list_node *jobs) {
    size_t updates = 0;
    for (struct list_node *n; (n = list_shift(jobs)) != NULL;) {
        struct store_job *job = LIST_ITEM(n, struct store_job, node);
        updates += job->op == STORE_APPEND;
        store_job_free(job);
    }
    return updates;
}

static bool joined(pthread_t thread, unsigned ms) {
    struct timespec until;
    must(clock_gettime(CLOCK_REALTIME, &until) == 0); /* the clock that joining knows */
    until.tv_sec += ms / 1000 + 1;
    int e =
        ms == NO_DEADLINE ? pthread_join(thread, NULL) : pthread_timedjoin_np(thread, NULL, &until);
    return e == 0;
}

enum store_end store_close(struct store *st, unsigned ms) {
    if (!st->open) {
        return STORE_CLOSED;
    }
    queue_close(&st->to_shelf); /* first: what it has folded goes through the journal's queue */
    if (!joined(st->shelf_thread, ms)) {
        log_error("STORE-STUCK", log_str("thread", slice_str("shelf")));
        return STORE_STUCK;
    }
    queue_close(&st->to_history); /* nobody writes what it would make now */
    if (!joined(st->history_thread, ms)) {
        log_error("STORE-STUCK", log_str("thread", slice_str("history")));
        return STORE_STUCK;
    }
    queue_close(&st->to_journal);
    if (!joined(st->journal_thread, ms)) {
        log_error("STORE-STUCK", log_str("thread", slice_str("journal")));
        return STORE_STUCK;
    }
    st->open = false;
    bool all = list_empty(&st->unstored) && st->journal;
    if (!all) {
        log_error("STORE-LOST", log_u64("updates", drop_all(&st->unstored)));
    }
    st->form->journal_close(st->journal, all);
    st->form->shelf_close(st->shelf, st->shelf != NULL);
    st->journal = st->shelf = NULL;
    return all ? STORE_CLOSED : STORE_CLOSED_LOSING;
}

void store_free(struct store *st) {
    if (!st) {
        return;
    }
    (void)store_close(st, NO_DEADLINE);
    st->form->journal_close(st->journal, false);
    st->form->shelf_close(st->shelf, false);
    (void)drop_all(&st->asks);
    (void)drop_all(&st->loads);
    (void)drop_all(&st->folds);
    queue_fini(&st->to_journal);
    queue_fini(&st->to_shelf);
    queue_fini(&st->to_history);
    if (st->lock >= 0) {
        (void)close(st->lock);
    }
    mem_free(st->data);
    if (st->url) {
        explicit_bzero(st->url, strlen(st->url));
    }
    mem_free(st->url);
    mem_free(st->password_file);
    mem_free(st);
}
