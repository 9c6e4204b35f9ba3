/* versions.c: the shelf's part of what concerns versions: it reads and writes, and leaves all that
 * takes long to history's thread (history.c).
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/rand.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "store/internal.h"

/* Answers; or does the same once more when only the connection was lost. */
static void finish(struct store *st, struct store_job *job, const struct fault *why) {
    if (!job->work->again && store_once_more(st, st->shelf, job->err, why)) {
        job->work->again = true;
        shelf_settle(st, job->err);
        shelf_serve_version(st, job);
        return;
    }
    if (job->err == ERR_DAMAGED || job->err == ERR_STORE || job->err == ERR_NOMEM) {
        store_complain(job, why);
    }
    shelf_settle(st, job->err);
    store_hand_back(st, job);
}

/* The room's snapshot as it is stored; none when the room has only rows, or nothing. */
static enum err read_now(struct store *st, struct store_job *job, struct fault *why) {
    bool found = false;
    struct snapshot *now = &job->work->now;
    snapshot_fini(now); /* of an earlier try */
    enum err e = st->form->shelf_read(st->shelf, frame_slice(job->room), now, &found, why);
    if (e == ERR_OK && found) {
        uint64_t version = form_version(now->version, now->epoch, st->epoch);
        job->version = version > job->version ? version : job->version;
        job->exists = true;
    }
    return e;
}

/* ---- thinning ---- */

/* The ids, of `n` versions, that may go; how many. */
static size_t choose(const struct store *st, const struct store_version *v, size_t n,
                     uint64_t *ret_ids) {
    struct thin_version *t = mem_new((n + 1) * sizeof *t);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        t[i] = (struct thin_version){
            .at_ms = v[i].at_ms, .bytes = v[i].packed_bytes, .named = !v[i].automatic};
    }
    thin(&st->o.versions, store_now_ms(st), t, n);
    for (size_t i = 0; i < n; i++) {
        if (!t[i].keep) {
            ret_ids[count++] = v[i].id;
        }
    }
    mem_free(t);
    return count;
}

/* Forgets what the rule does not keep. A failure harms nothing: it is tried again after the next
 * version, or in the next round. */
static void thin_room(struct store *st, slice room) {
    struct fault why = {0};
    struct store_version *all = NULL;
    size_t n = 0;
    enum err e =
        st->form->version_list(st->shelf, room, 0, (size_t)2 * CAPS_VERSIONS, &all, &n, &why);
    if (e == ERR_OK) {
        uint64_t *ids = mem_new((n + 1) * sizeof *ids);
        size_t count = choose(st, all, n, ids);
        e = count ? st->form->version_drop(st->shelf, room, ids, count, &why) : ERR_OK;
        metric_add(METRIC_VERSIONS_THINNED, 0, e == ERR_OK ? (int64_t)count : 0);
        mem_free(ids);
    }
    for (size_t i = 0; i < n; i++) {
        store_version_fini(&all[i]);
    }
    mem_free(all);
    if (e != ERR_OK) {
        log_limited(LOG_WARN, "VERSIONS-UNTHINNED", log_str("roomId", room),
                    log_text("detail", why.text));
    }
    shelf_settle(st, e);
}

void shelf_thin_next(struct store *st) {
    struct fault why = {0};
    struct frame *room = NULL;
    enum err e = shelf_ensure_open(st, &why);
    slice last = st->thinned ? frame_slice(st->thinned) : slice_str("");
    e = e ? e : st->form->version_room_after(st->shelf, last, &room, &why);
    bool ours = e == ERR_OK && room;
    if (ours && st->form->shelf_owns) {
        e = st->form->shelf_owns(st->shelf, frame_slice(room), &ours, &why);
    }
    shelf_settle(st, e);
    frame_unref(st->thinned);
    st->thinned = room;
    if (ours) {
        thin_room(st, frame_slice(room));
    }
    uint64_t wait_ms = room ? CAPS_VERSION_NEXT_MS : CAPS_VERSION_ROUND_MS;
    wait_ms = st->o.thin_ms ? st->o.thin_ms : wait_ms;
    st->thin_ns = clock_mono_ns() + wait_ms * 1000000;
}

/* ---- jobs ---- */

static void list(struct store *st, struct store_job *job, struct fault *why) {
    struct snapshot *now = &job->work->now;
    job->err = st->form->version_list(st->shelf, frame_slice(job->room), job->before, job->most,
                                      &job->versions, &job->versions_count, why);
    if (job->err == ERR_OK && !job->versions_count && !job->exists) {
        job->err = read_now(st, job, why); /* is there such a room? */
        job->err = job->err == ERR_DAMAGED ? ERR_OK : job->err;
        snapshot_fini(now);
    }
    job->exists |= job->versions_count > 0;
    finish(st, job, why);
}

/* Finds a version; its state is packed. */
static enum err find(struct store *st, struct store_job *job, uint64_t id,
                     struct store_version *ret, struct fault *why) {
    bool found = false;
    store_version_fini(ret);
    enum err e = st->form->version_read(st->shelf, frame_slice(job->room), id, ret, &found, why);
    return e ? e : found ? ERR_OK : ERR_NO_VERSION;
}

static void read_one(struct store *st, struct store_job *job, struct fault *why) {
    job->versions = job->versions ? job->versions : NEW(struct store_version);
    job->err = find(st, job, job->version_id, job->versions, why);
    job->versions_count = job->err == ERR_OK;
    if (job->err == ERR_OK) {
        queue_put(&st->to_history, job);
    } else {
        finish(st, job, why);
    }
}

/* What history needs for the others. */
static void read_for_work(struct store *st, struct store_job *job, struct fault *why) {
    struct store_work *work = job->work;
    bool unasked = job->op == STORE_SAVE && job->versions->automatic;
    job->err = ERR_OK;
    if (unasked && st->form->shelf_claim) { /* one node makes them */
        job->err = st->form->shelf_claim(st->shelf, frame_slice(job->room), FORM_VERSION,
                                         job->left_to_us, &job->fence, why);
    }
    job->err = job->err ? job->err : read_now(st, job, why);
    if (job->err == ERR_OK && job->op != STORE_SAVE) {
        job->err = find(st, job, job->version_id, &work->from, why);
    }
    if (job->err == ERR_OK && job->op == STORE_COMPARE && job->to_id) {
        job->err = find(st, job, job->to_id, &work->to, why);
    }
    if (job->err == ERR_OK && job->exists) {
        queue_put(&st->to_history, job);
    } else {
        job->err = job->err ? job->err : ERR_NOT_FOUND;
        finish(st, job, why);
    }
}

static void write_saved(struct store *st, struct store_job *job, struct fault *why) {
    struct store_version *v = job->versions;
    v->ticket = v->ticket ? v->ticket : rand_u64();
    job->err = st->form->version_write(st->shelf, frame_slice(job->room), v, &v->id, why);
    v->packed_bytes = v->state->n;
    if (job->err == ERR_OK) {
        v->state = frame_unref(v->state);
        metric_add(METRIC_VERSIONS_SAVED, 0, 1);
        thin_room(st, frame_slice(job->room));
        st->form->shelf_rest(st->shelf);
    }
    finish(st, job, why);
}

void shelf_serve_version(struct store *st, struct store_job *job) {
    struct fault why = {.text = "no memory"};
    if (!job->work) {
        job->work = NEW(struct store_work);
    }
    job->err = shelf_ensure_open(st, &why);
    if (job->err != ERR_OK) {
        finish(st, job, &why);
    } else if (job->work->made) {
        write_saved(st, job, &why);
    } else if (job->op == STORE_LIST) {
        list(st, job, &why);
    } else if (job->op == STORE_READ) {
        read_one(st, job, &why);
    } else {
        read_for_work(st, job, &why);
    }
}
