#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "store/internal.h"

#include <time.h>

struct store_job *store_job_new(enum store_op op, struct frame *room) {
    struct store_job *job = NEW(struct store_job);
    job->op = op;
    job->room = frame_ref(room);
    job->queued_ns = clock_mono_ns();
    return job;
}

struct store_job *store_job_save(struct frame *room, slice label, bool automatic) {
    struct store_job *job = store_job_new(STORE_SAVE, room);
    job->versions = NEW(struct store_version);
    job->versions_count = 1;
    job->versions->label = label.n ? frame_copy(label) : NULL;
    job->versions->automatic = automatic;
    return job;
}

struct store_job *store_job_restore(struct frame *room, uint64_t version_id) {
    struct store_job *job = store_job_save(room, (slice){0}, true);
    job->op = STORE_RESTORE;
    job->version_id = version_id;
    return job;
}

void store_version_fini(struct store_version *v) {
    frame_unref(v->label);
    frame_unref(v->state);
    *v = (struct store_version){0};
}

static void free_work(struct store_work *work) {
    if (work) {
        snapshot_fini(&work->now);
        store_version_fini(&work->from);
        store_version_fini(&work->to);
        mem_free(work);
    }
}

void store_job_free(struct store_job *job) {
    if (!job) {
        return;
    }
    frame_unref(job->room);
    frame_unref(job->row.update);
    frame_unref(job->row.author);
    frame_unref(job->snapshot);
    for (size_t i = 0; i < job->rows_count; i++) {
        frame_unref(job->rows[i].update);
        frame_unref(job->rows[i].author);
    }
    mem_free(job->rows);
    for (size_t i = 0; i < job->versions_count; i++) {
        store_version_fini(&job->versions[i]);
    }
    mem_free(job->versions);
    store_changes_fini(&job->changes);
    frame_unref(job->edit);
    free_work(job->work);
    mem_free(job);
}

void store_chore_fini(struct store_chore *chore) {
    for (size_t i = 0; i < chore->count; i++) {
        frame_unref(chore->rooms[i].room);
    }
    mem_free(chore->rooms);
    chore->rooms = NULL;
    chore->count = 0;
}

void queue_init(struct queue *q) {
    pthread_condattr_t attr;
    must(pthread_condattr_init(&attr) == 0);
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    must(pthread_mutex_init(&q->lock, NULL) == 0);
    must(pthread_cond_init(&q->filled, &attr) == 0);
    (void)pthread_condattr_destroy(&attr);
    list_init(&q->jobs);
    q->closed = false;
}

void queue_fini(struct queue *q) {
    for (struct list_node *n; (n = list_shift(&q->jobs)) != NULL;) {
        store_job_free(LIST_ITEM(n, struct store_job, node));
    }
    (void)pthread_cond_destroy(&q->filled);
    (void)pthread_mutex_destroy(&q->lock);
}

void queue_put(struct queue *q, struct store_job *job) {
    (void)pthread_mutex_lock(&q->lock);
    bool was_empty = list_empty(&q->jobs);
    list_push(&q->jobs, &job->node);
    (void)pthread_mutex_unlock(&q->lock);
    if (was_empty) {
        (void)pthread_cond_signal(&q->filled);
    }
}

void queue_close(struct queue *q) {
    (void)pthread_mutex_lock(&q->lock);
    q->closed = true;
    (void)pthread_mutex_unlock(&q->lock);
    (void)pthread_cond_signal(&q->filled);
}

bool queue_take(struct queue *q, struct list_node *to, int wait_ms) {
    struct timespec until = clock_mono_after(wait_ms > 0 ? (uint64_t)wait_ms : 0);
    int timed_out = wait_ms == 0;
    (void)pthread_mutex_lock(&q->lock);
    while (list_empty(&q->jobs) && !q->closed && !timed_out) {
        timed_out = wait_ms == QUEUE_FOR_EVER
                        ? pthread_cond_wait(&q->filled, &q->lock)
                        : pthread_cond_timedwait(&q->filled, &q->lock, &until);
    }
    list_splice(to, &q->jobs);
    bool open = !q->closed;
    (void)pthread_mutex_unlock(&q->lock);
    return open;
}
