/* wait.c: one job of the store, waited for. The wait may be given up before the job comes back, so
 * both ends count on what they share. */
#define _GNU_SOURCE 1 /* pthread_cond_clockwait */
#include <pthread.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "control/control.h"

enum { LOOK_MS = 50 };

struct wait {
    pthread_mutex_t lock; /* leaf: held for an assignment */
    pthread_cond_t news;
    struct store_job *job; /* come back */
    int ends;              /* who still knows of this */
};

static void let_go(struct wait *w) {
    (void)pthread_mutex_lock(&w->lock);
    bool last = --w->ends == 0;
    (void)pthread_mutex_unlock(&w->lock);
    if (last) {
        store_job_free(w->job);
        (void)pthread_cond_destroy(&w->news);
        (void)pthread_mutex_destroy(&w->lock);
        mem_free(w);
    }
}

static void on_done(void *ctx, struct store_job *job) {
    struct wait *w = ctx;
    (void)pthread_mutex_lock(&w->lock);
    w->job = job;
    (void)pthread_cond_signal(&w->news);
    (void)pthread_mutex_unlock(&w->lock);
    let_go(w);
}

/* A chore is always waited for, as it lies with who asks; it ends soon when it is called off. */
static bool give_up(struct store *store, struct store_chore *chore, bool append,
                    const atomic_bool *stop) {
    bool stopping = atomic_load_explicit(stop, memory_order_relaxed); /* a wish */
    if (chore) {
        atomic_store_explicit(&chore->cancel, stopping, memory_order_relaxed);
        return false;
    }
    return stopping || (append && store_health(store) == STORE_FAILING);
}

struct store_job *control_do(struct store *store, struct store_job *job,
                             const struct control_patience *patience) {
    struct wait *w = NEW(struct wait);
    struct store_chore *chore = job->chore;
    bool append = job->op == STORE_APPEND;
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->news, NULL);
    w->ends = 2;
    job->done = on_done;
    job->done_ctx = w;
    store_post(store, job);
    (void)pthread_mutex_lock(&w->lock);
    while (!w->job && !give_up(store, chore, append, patience->stop)) {
        struct timespec until = clock_mono_after(LOOK_MS);
        (void)pthread_cond_clockwait(&w->news, &w->lock, CLOCK_MONOTONIC, &until);
        if (patience->look && !w->job) {
            patience->look(patience->ctx);
        }
    }
    job = w->job;
    w->job = NULL;
    (void)pthread_mutex_unlock(&w->lock);
    let_go(w);
    return job;
}
