/* history.c: history's thread. What versions need that takes long: merging, unpacking, comparing.
 * It has no file; what it works on the shelf has read, and what it makes the shelf writes.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "observe/metrics.h"
#include "store/fold.h"
#include "store/internal.h"
#include "store/pack.h"
#include "yata.h"

/* An update as yata hands it out, as a frame; it is released. */
static struct frame *take(struct yata_bytes *b) {
    struct frame *f = frame_try_new(b->n);
    if (f) {
        memcpy(f->bytes, b->p, b->n);
    }
    yata_bytes_fini(b);
    return f;
}

/* Unpacks the state of a version in place, as an update V1. */
static enum err to_v1(struct store_version *v, struct fault *why) {
    struct frame *plain = NULL;
    struct yata_bytes out = {0};
    struct yata_error at = {0};
    (void)snprintf(why->text, sizeof why->text, "version %llu cannot be unpacked",
                   (unsigned long long)v->id);
    enum err e = unpack(frame_slice(v->state), v->plain_bytes, &plain);
    if (e == ERR_OK) {
        enum yata_status s =
            yata_convert_update(YATA_V2, YATA_V1, plain->bytes, plain->n, &out, &at);
        e = s == YATA_OK ? ERR_OK : s == YATA_MALFORMED ? ERR_DAMAGED : ERR_NOMEM;
    }
    frame_unref(plain);
    if (e == ERR_OK) {
        frame_unref(v->state);
        v->state = take(&out);
        e = v->state ? ERR_OK : ERR_NOMEM;
    }
    return e;
}

/* What is stored of the room, merged and packed. */
static enum err merge(struct store_job *job, struct store_version *v, struct fault *why) {
    struct snapshot *now = &job->work->now;
    struct frame *before = NULL;
    struct frame *after = NULL;
    if (!job->rows_count && now->state) { /* as it is */
        v->state = frame_ref(now->state);
        v->plain_bytes = now->plain_bytes;
        return ERR_OK;
    }
    (void)snprintf(why->text, sizeof why->text, "the snapshot cannot be unpacked");
    enum err e = now->state ? unpack(frame_slice(now->state), now->plain_bytes, &before) : ERR_OK;
    e = e ? e : fold(frame_slice(before), job->rows, job->rows_count, NULL, &after, why);
    e = e ? e : pack(frame_slice(after), &v->state);
    v->plain_bytes = after ? after->n : 0;
    frame_unref(before);
    frame_unref(after);
    return e;
}

/* Makes the version that is to be written. Its label is there already. */
static enum err save(struct store_job *job, struct fault *why) {
    struct store_version *v = job->versions;
    v->version = job->version;
    v->at_ms = clock_wall_ms();
    return merge(job, v, why);
}

static void serve(struct store *st, struct store_job *job) {
    struct fault why = {0};
    job->err = job->op == STORE_READ ? to_v1(job->versions, &why) : save(job, &why);
    if (job->err != ERR_OK) {
        store_complain(job, &why);
        store_hand_back(st, job);
    } else if (job->op == STORE_READ) {
        store_hand_back(st, job);
    } else {
        job->work->made = true;
        queue_put(&st->to_shelf, job);
    }
}

void *history_run(void *store) {
    struct store *st = store;
    struct list_node jobs;
    list_init(&jobs);
    metrics_thread_init(st->o.metrics_thread + 2);
    while (queue_take(&st->to_history, &jobs, QUEUE_FOR_EVER)) {
        for (struct list_node *n; (n = list_shift(&jobs)) != NULL;) {
            serve(st, LIST_ITEM(n, struct store_job, node));
        }
    }
    for (struct list_node *n; (n = list_shift(&jobs)) != NULL;) {
        store_job_free(LIST_ITEM(n, struct store_job, node)); /* nobody waits for it any more */
    }
    return NULL;
}
