#include "tool/local.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "control/control.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "tool/document.h"
#include "wire/dialect.h"

struct local {
    struct store *store;
    struct control *control;
};

static void on_done(void *ctx, struct store_job *job) {
    (void)ctx;
    store_job_free(job); /* of somebody who did not wait */
}

static void on_changed(void *ctx, bool serving) {
    (void)ctx;
    (void)serving; /* the store says so itself, and control_do looks */
}

/* ---- bringing in ---- */

static struct store_job *job_for(enum store_op op, slice room) {
    struct frame *name = frame_copy(room);
    struct store_job *job = store_job_new(op, name);
    frame_unref(name);
    return job;
}

/* Whether a room as it was read has the update already. */
static enum err knows(const struct store_job *read, slice update, bool *ret_known, char *why,
                      size_t why_bytes) {
    struct yata_doc *doc = document_new();
    struct yata_error at = {0};
    enum err e = document_apply(doc, YATA_V2, frame_slice(read->snapshot), why, why_bytes);
    for (size_t i = 0; e == ERR_OK && i < read->rows_count; i++) {
        e = document_apply(doc, YATA_V1, frame_slice(read->rows[i].update), why, why_bytes);
    }
    if (e == ERR_OK && yata_is_known(doc, update.p, update.n, ret_known, &at) != YATA_OK) {
        (void)snprintf(why, why_bytes, "update, byte %zu: %s", at.at, at.what);
        e = ERR_PARAMS;
    }
    yata_doc_free(doc);
    return e;
}

static enum err append(struct store *store, slice room, slice update, uint64_t version,
                       const struct control_patience *patience, char *why, size_t why_bytes) {
    struct store_job *job = job_for(STORE_APPEND, room);
    job->row.version = version;
    job->row.update = frame_copy(update);
    job = control_do(store, job, patience);
    enum err e = job ? ERR_OK : ERR_STORE;
    if (!job) {
        (void)snprintf(why, why_bytes, "the store cannot be written at the moment");
    }
    store_job_free(job);
    return e;
}

static enum err bring(void *ctx, slice room, slice update, const atomic_bool *stop, bool *ret_news,
                      char *why, size_t why_bytes) {
    struct local *l = ctx;
    struct control_patience patience = {.stop = stop};
    struct store_chore complaint = {0};
    bool known = false;
    if (!room_name_valid(room)) {
        (void)snprintf(why, why_bytes, "%.*s is no room name", SLICE_FMT(room));
        return ERR_PARAMS;
    }
    struct store_job *read = job_for(STORE_LOAD, room);
    read->chore = &complaint;
    read = control_do(l->store, read, &patience);
    enum err e = read ? read->err : ERR_STORE;
    if (e != ERR_OK) {
        (void)snprintf(why, why_bytes, "%s", complaint.why);
    } else {
        e = knows(read, update, &known, why, why_bytes);
    }
    if (e == ERR_OK && !known) {
        e = append(l->store, room, update, read->version + 1, &patience, why, why_bytes);
    }
    *ret_news = e == ERR_OK && !known;
    store_job_free(read);
    return e;
}

/* ---- beginning and end ---- */

struct local *local_open(const char *data, char *why, size_t why_bytes) {
    struct local *l = NEW(struct local);
    struct store_options o = {.data = data,
                              .metrics_thread = CAPS_WORKERS,
                              .done = on_done,
                              .changed = on_changed,
                              .ctx = l};
    log_open(LOG_WARN, LOG_TEXT);
    l->store = store_open(&o, why, why_bytes);
    if (l->store) {
        struct control_options c = {.store = l->store, .data = data, .bring = bring, .ctx = l};
        l->control = control_open(&c, why, why_bytes);
    }
    if (!l->control) {
        (void)local_close(l);
        return NULL;
    }
    return l;
}

bool local_close(struct local *l) {
    control_close(l->control);
    bool kept = !l->store || store_close(l->store, CAPS_STORE_CLOSE_MS) == STORE_CLOSED;
    store_free(l->store);
    mem_free(l);
    return kept;
}
