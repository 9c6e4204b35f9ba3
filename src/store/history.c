/* history.c: history's thread. What versions need that takes long: merging, unpacking, comparing.
 * It has no file; what it works on the shelf has read, and what it makes the shelf writes.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/rand.h"
#include "observe/metrics.h"
#include "store/compare.h"
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

static enum err unpack_version(const struct store_version *v, struct frame **ret,
                               struct fault *why) {
    (void)snprintf(why->text, sizeof why->text, "version %llu cannot be unpacked",
                   (unsigned long long)v->id);
    return unpack(frame_slice(v->state), v->plain_bytes, ret);
}

/* Unpacks the state of a version in place, as an update V1. */
static enum err to_v1(struct store_version *v, struct fault *why) {
    struct frame *plain = NULL;
    struct yata_bytes out = {0};
    struct yata_error at = {0};
    enum err e = unpack_version(v, &plain, why);
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

/* What is stored of the room, merged: an update, V2. `authors` may be NULL. */
static enum err merge(const struct store_job *job, struct buf *authors, struct frame **ret,
                      struct fault *why) {
    const struct snapshot *now = &job->work->now;
    struct frame *before = NULL;
    (void)snprintf(why->text, sizeof why->text, "the snapshot cannot be unpacked");
    enum err e = now->state ? unpack(frame_slice(now->state), now->plain_bytes, &before) : ERR_OK;
    if (e != ERR_OK || (!job->rows_count && before)) { /* as it is */
        *ret = before;
        return e;
    }
    e = fold(frame_slice(before), job->rows, job->rows_count, authors, ret, why);
    frame_unref(before);
    return e;
}

/* Makes the version that is to be written, of what is stored now. Its label is there already, and
 * its time comes when it is done. */
static enum err save(struct store_job *job, slice now, struct fault *why) {
    struct store_version *v = job->versions;
    v->version = job->version;
    v->plain_bytes = now.n;
    (void)snprintf(why->text, sizeof why->text, "no memory");
    return pack(now, &v->state);
}

static enum err serve_save(struct store_job *job, struct fault *why) {
    const struct snapshot *snap = &job->work->now;
    struct frame *now = NULL;
    if (!job->rows_count && snap->state) { /* nothing to merge, and packed already */
        *job->versions = (struct store_version){.version = job->version,
                                                .plain_bytes = snap->plain_bytes,
                                                .automatic = job->versions->automatic,
                                                .label = job->versions->label,
                                                .state = frame_ref(snap->state)};
        return ERR_OK;
    }
    enum err e = merge(job, NULL, &now, why);
    e = e ? e : save(job, frame_slice(now), why);
    frame_unref(now);
    return e;
}

/* ---- going back ---- */

/* A client id that the document does not have: 32 bits, as Yjs' own. */
static uint64_t fresh_client(struct yata_doc *doc) {
    const struct yata_clock *known = NULL;
    size_t n = 0;
    uint64_t client = 0;
    bool taken = yata_state_vector(doc, &known, &n) == YATA_OK;
    do {
        client = (uint32_t)rand_u64();
        taken = client == 0;
        for (size_t i = 0; i < n; i++) {
            taken |= known[i].client == client;
        }
    } while (taken);
    return client;
}

/* The edit that leads from one state to what an older one shows; none when they show the same. */
static enum err work_out(slice now, slice past, struct frame **ret, struct fault *why) {
    const struct yata_options options = {.strict = true, .max_pending_bytes = SIZE_MAX / 4};
    struct yata_doc *doc = yata_doc_new(&options);
    struct yata_error at = {.what = "no memory"};
    struct yata_bytes edit = {0};
    enum yata_status s = doc ? yata_apply_as(doc, YATA_V2, now.p, now.n, NULL, &at) : YATA_NOMEM;
    if (s == YATA_OK) {
        (void)yata_set_client(doc, fresh_client(doc));
        yata_begin(doc);
        s = yata_revert_to_state(doc, YATA_V2, past.p, past.n, &at);
        enum yata_status closed = yata_commit(doc, &edit);
        s = s ? s : closed;
    }
    yata_doc_free(doc);
    if (s != YATA_OK) {
        yata_bytes_fini(&edit);
        (void)snprintf(why->text, sizeof why->text, "going back: %s", at.what);
        return s == YATA_MALFORMED ? ERR_DAMAGED : s == YATA_LIMIT ? ERR_TOO_LARGE : ERR_NOMEM;
    }
    *ret = edit.n ? take(&edit) : NULL;
    return edit.n && !*ret ? ERR_NOMEM : ERR_OK;
}

static enum err serve_restore(struct store_job *job, struct fault *why) {
    struct frame *now = NULL;
    struct frame *past = NULL;
    enum err e = merge(job, NULL, &now, why);
    e = e ? e : unpack_version(&job->work->from, &past, why);
    e = e ? e : work_out(frame_slice(now), frame_slice(past), &job->edit, why);
    char label[60];
    int n = snprintf(label, sizeof label, "before version %llu was restored",
                     (unsigned long long)job->work->from.id);
    job->version_id = job->work->from.id;
    frame_unref(job->versions->label);
    job->versions->label = frame_copy(slice_of(label, (size_t)n));
    e = e ? e : save(job, frame_slice(now), why);
    frame_unref(now);
    frame_unref(past);
    return e;
}

/* ---- comparing ---- */

/* The versions themselves are told of without their states. */
static void tell_versions(struct store_job *job) {
    struct store_version *v = mem_new(2 * sizeof *v);
    struct store_work *work = job->work;
    v[0] = work->from;
    v[1] = work->to;
    work->from = work->to = (struct store_version){0};
    for (size_t i = 0; i < 2; i++) {
        v[i].state = frame_unref(v[i].state);
    }
    job->versions = v;
    job->versions_count = job->to_id ? 2 : 1;
}

static enum err serve_compare(struct store_job *job, struct fault *why) {
    struct store_work *work = job->work;
    struct frame *now = NULL;
    struct frame *from = NULL;
    struct frame *to = NULL;
    struct buf authors;
    buf_init(&authors, 0);
    buf_put_slice(&authors, frame_slice(work->now.authors));
    enum err e = merge(job, &authors, &now, why);
    e = e ? e : unpack_version(&work->from, &from, why);
    if (e == ERR_OK && job->to_id) {
        e = unpack_version(&work->to, &to, why);
    }
    slice later = frame_slice(job->to_id ? to : now);
    e = e ? e : compare(frame_slice(from), later, buf_slice(&authors), &job->changes, why);
    if (e == ERR_OK) {
        tell_versions(job);
    }
    buf_fini(&authors);
    frame_unref(now);
    frame_unref(from);
    frame_unref(to);
    return e;
}

/* ---- the thread ---- */

static enum err work(struct store_job *job, struct fault *why) {
    switch (job->op) {
    case STORE_READ:
        return to_v1(job->versions, why);
    case STORE_SAVE:
        return serve_save(job, why);
    case STORE_RESTORE:
        return serve_restore(job, why);
    case STORE_COMPARE:
        return serve_compare(job, why);
    default:
        return ERR_INTERNAL;
    }
}

static void serve(struct store *st, struct store_job *job) {
    struct fault why = {.text = "no memory"};
    job->err = work(job, &why);
    if (job->err != ERR_OK) {
        store_complain(job, &why);
        store_hand_back(st, job);
    } else if (job->op == STORE_SAVE || job->op == STORE_RESTORE) {
        job->work->made = true;
        job->versions->at_ms = store_now_ms(st);
        queue_put(&st->to_shelf, job);
    } else {
        store_hand_back(st, job);
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
