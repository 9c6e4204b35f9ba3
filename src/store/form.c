/* form.c: what every kind of database does with what it has read. */
#include "store/form.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "store/pack.h"

void snapshot_fini(struct snapshot *snap) {
    frame_unref(snap->state);
    frame_unref(snap->authors);
    *snap = (struct snapshot){0};
}

uint64_t form_snapshot_sum(const struct snapshot *snap, slice room, slice state, slice authors) {
    const uint64_t numbers[] = {snap->version, snap->epoch, snap->at_ms, snap->plain_bytes,
                                pack_key(authors)};
    return pack_sum(numbers, authors.n ? 5 : 4, room, state);
}

uint64_t form_version_sum(const struct store_version *v, slice room, slice state) {
    const uint64_t numbers[] = {v->version, v->at_ms, v->plain_bytes, v->automatic,
                                pack_key(frame_slice(v->label))};
    return pack_sum(numbers, 5, room, state);
}

/* A copy whose size a peer has chosen; NULL with words in the fault. */
static struct frame *try_copy(slice s, struct fault *why) {
    struct frame *f = frame_try_new(s.n);
    if (!f) {
        (void)snprintf(why->text, sizeof why->text, "no memory");
    } else if (s.n) {
        memcpy(f->bytes, s.p, s.n);
    }
    return f;
}

enum err form_take_snapshot(struct snapshot snap, slice room, slice state, slice authors,
                            uint64_t sum, struct snapshot *ret, struct fault *why) {
    if (sum != form_snapshot_sum(&snap, room, state, authors)) {
        (void)snprintf(why->text, sizeof why->text, "the snapshot has a wrong sum");
        return ERR_DAMAGED;
    }
    snap.state = try_copy(state, why);
    if (!snap.state) {
        return ERR_NOMEM;
    }
    snap.authors = authors.n ? frame_copy(authors) : NULL;
    *ret = snap;
    return ERR_OK;
}

enum err form_take_version(struct store_version v, slice room, slice state, uint64_t sum,
                           struct store_version *ret, struct fault *why) {
    enum err e = ERR_OK;
    if (sum != form_version_sum(&v, room, state)) {
        (void)snprintf(why->text, sizeof why->text, "version %llu has a wrong sum",
                       (unsigned long long)v.id);
        e = ERR_DAMAGED;
    } else if (!(v.state = try_copy(state, why))) {
        e = ERR_NOMEM;
    }
    if (e != ERR_OK) {
        store_version_fini(&v);
        return e;
    }
    v.packed_bytes = state.n;
    *ret = v;
    return ERR_OK;
}

enum err form_take_row(struct store_job *job, struct store_row row, slice update,
                       struct fault *why) {
    row.update = try_copy(update, why);
    if (!row.update) {
        frame_unref(row.author);
        return ERR_NOMEM;
    }
    if (!(job->rows_count & (job->rows_count - 1))) { /* grows at powers of two */
        size_t cap = job->rows_count ? job->rows_count * 2 : 1;
        job->rows = mem_resize(job->rows, cap * sizeof *job->rows);
    }
    job->version = row.version > job->version ? row.version : job->version;
    job->rows_bytes += update.n;
    job->rows[job->rows_count++] = row;
    return ERR_OK;
}
