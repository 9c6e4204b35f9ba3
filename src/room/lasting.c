#include "room/lasting.h"

#include <stdio.h>

#include "limit/caps.h"
#include "base/clock.h"
#include "observe/log.h"
#include "observe/span.h"
#include "room/internal.h"
#include "room/rooms.h"
#include "yata.h"

static const struct rooms_store *store_of(const struct room *r) {
    return &r->parent->o.store;
}

static struct store_job *job_for(const struct room *r, enum store_op op) {
    struct store_job *job = store_job_new(op, r->name);
    job->worker = r->parent->o.worker;
    return job;
}

static void post(const struct room *r, struct store_job *job) {
    store_of(r)->post(store_of(r)->ctx, job);
}

void lasting_init(struct lasting *l) {
    list_init(&l->waiting);
    list_init(&l->acks);
}

static void drop(struct list_node *messages) {
    for (struct list_node *n; (n = list_shift(messages)) != NULL;) {
        msg_free(LIST_ITEM(n, struct msg, node));
    }
}

void lasting_fini(struct lasting *l) {
    drop(&l->waiting);
    drop(&l->acks);
}

/* ---- reading ---- */

void lasting_load(struct room *r) {
    r->lasting.loading = true;
    post(r, job_for(r, STORE_LOAD));
}

bool lasting_wait(struct room *r, struct msg *m) {
    /* who leaves is always heard: a member that nobody takes out would stay for ever */
    bool asks = m->kind != MSG_LEAVE && m->kind != MSG_ROLE;
    if (asks && r->lasting.waiting_count >= CAPS_ROOM_WAITING) {
        return false;
    }
    r->lasting.waiting_count++;
    list_push(&r->lasting.waiting, &m->node);
    return true;
}

static enum yata_status put_together(struct yata_doc *doc, const struct store_job *job,
                                     struct yata_error *why) {
    enum yata_status s = YATA_OK;
    yata_begin(doc);
    if (job->snapshot) {
        s = yata_apply_as(doc, YATA_V2, job->snapshot->bytes, job->snapshot->n, NULL, why);
    }
    for (size_t i = 0; s == YATA_OK && i < job->rows_count; i++) {
        const struct frame *u = job->rows[i].update;
        s = yata_apply(doc, u->bytes, u->n, NULL, why);
    }
    enum yata_status closed = yata_commit(doc, NULL);
    return s ? s : closed;
}

enum err lasting_loaded(struct room *r, const struct store_job *job) {
    struct lasting *l = &r->lasting;
    struct yata_error why = {0};
    if (job->err != ERR_OK) {
        return job->err;
    }
    enum yata_status s = put_together(r->doc, job, &why);
    if (s == YATA_LIMIT) {
        /* What was taken once is read again: a snapshot is a larger update than any of those that
         * it was made of, and a document near a limit may come back a little larger. */
        yata_doc_free(r->doc);
        r->doc = room_doc_new(2);
        r->wide = true;
        s = r->doc ? put_together(r->doc, job, &why) : YATA_NOMEM;
    }
    if (s == YATA_NOMEM) {
        return ERR_NOMEM;
    }
    if (s != YATA_OK) {
        log_limited(LOG_ERROR, "ROOM-DAMAGED", log_str("roomId", frame_slice(r->name)),
                    log_text("detail", why.what));
        return ERR_DAMAGED;
    }
    l->loading = false;
    l->exists = job->exists;
    l->edited = job->rows_count > 0; /* and perhaps not saved before the last end */
    l->rows = job->rows_count;
    l->rows_bytes = job->rows_bytes;
    l->snapshot_bytes = job->snapshot_bytes;
    r->version = job->version;
    return ERR_OK;
}

/* ---- writing ---- */

enum err lasting_admits(const struct room *r, struct msg *m) {
    const struct rooms_store *s = store_of(r);
    const char *why = "the store cannot be written at the moment; nothing was applied";
    if (s->health(s->ctx) == STORE_FAILING) {
        (void)snprintf(m->detail, sizeof m->detail, "%s", why);
        return ERR_STORE;
    }
    /* a version that was seen must never be given again, see STORE_VERSION_GAP */
    bool far_behind = r->lasting.appended - r->lasting.stored >= STORE_VERSION_GAP;
    if (far_behind || s->behind(s->ctx)) {
        (void)snprintf(m->detail, sizeof m->detail, "the store is behind; nothing was applied");
        return ERR_RATE;
    }
    return ERR_OK;
}

void lasting_append(struct room *r, struct frame *update, struct frame *author,
                    const struct trace *trace) {
    struct store_job *job = job_for(r, STORE_APPEND);
    job->number = ++r->lasting.appended;
    job->row.version = r->version;
    job->row.update = frame_ref(update);
    job->row.author = author ? frame_ref(author) : NULL;
    r->lasting.edited = true;
    job->trace = trace ? *trace : (struct trace){0};
    r->lasting.rows++;
    r->lasting.rows_bytes += update->n;
    post(r, job);
}

void lasting_take(struct room *r, struct frame *update) {
    if (!r->parent->o.bus.own_store) {
        return; /* its own node has written it where all read */
    }
    if (store_of(r)->behind(store_of(r)->ctx)) {
        log_limited(LOG_WARN, "STORE-SKIPPED", log_str("roomId", frame_slice(r->name)));
        return; /* it lasts at its own node, who will be asked for it */
    }
    lasting_append(r, update, NULL, NULL);
}

uint64_t lasting_now(const struct room *r) {
    return store_of(r)->relaxed ? 0 : r->lasting.appended;
}

/* ---- acknowledgements ---- */

static void send(struct room *r, struct msg *m) {
    room_post(r, conn_worker(m->conn), m);
}

/* In place of an acknowledgement. */
static void send_unstored(struct room *r, struct msg *m) {
    m->err = ERR_STORE;
    if (m->kind != MSG_HISTORY_IS) {
        m->answer.applied = false;
    }
    m->extra = frame_unref(m->extra);
    (void)snprintf(m->detail, sizeof m->detail,
                   "the store cannot be written at the moment; send it again later");
    send(r, m);
}

void lasting_answer(struct room *r, struct msg *m) {
    const struct rooms_store *s = store_of(r);
    bool early = m->after > r->lasting.stored;
    if (m->kind != MSG_ANSWER && m->kind != MSG_SYNCED && m->kind != MSG_BROUGHT &&
        m->kind != MSG_HISTORY_IS) {
        send(r, m); /* a join's must not be overtaken by what it is the beginning of */
    } else if (early && s->health(s->ctx) == STORE_FAILING) {
        send_unstored(r, m);
    } else if (early || !list_empty(&r->lasting.acks)) {
        list_push(&r->lasting.acks, &m->node);
    } else {
        send(r, m);
    }
}

static void release(struct room *r) {
    LIST_FOR_EACH (node, &r->lasting.acks) {
        struct msg *m = LIST_ITEM(node, struct msg, node);
        if (m->after > r->lasting.stored) {
            break;
        }
        list_remove(node);
        send(r, m);
    }
}

void lasting_failing(struct room *r) {
    LIST_FOR_EACH (node, &r->lasting.acks) {
        struct msg *m = LIST_ITEM(node, struct msg, node);
        list_remove(node);
        if (m->after > r->lasting.stored) {
            send_unstored(r, m);
        } else {
            send(r, m);
        }
    }
}

/* ---- folding ---- */

/* What a load has to go through besides the snapshot: a row costs about as much as bytes. */
static size_t weight(const struct lasting *l) {
    return l->rows_bytes + l->rows * CAPS_FOLD_ROW_BYTES;
}

static void fold(struct room *r, bool leaving) {
    if (!r->lasting.folding && r->lasting.rows) {
        struct store_job *job = job_for(r, STORE_FOLD);
        job->leaving = leaving;
        r->lasting.folding = true;
        post(r, job);
    }
}

/* A large room may have a longer journal, so that it is not written anew all the time. */
static void fold_if_heavy(struct room *r) {
    const struct lasting *l = &r->lasting;
    size_t limit = l->snapshot_bytes / 4;
    limit = limit > CAPS_FOLD_BYTES ? limit : CAPS_FOLD_BYTES;
    limit = limit > l->fold_again ? limit : l->fold_again;
    if (weight(l) >= limit) {
        fold(r, false);
    }
}

static void folded(struct room *r, const struct store_job *job) {
    struct lasting *l = &r->lasting;
    l->folding = false;
    if (job->err != ERR_OK && job->err != ERR_BUSY) {
        l->fold_again = weight(l) * 2;
    } else if (job->rows_count) { /* done, or another node does it */
        l->fold_again = 0;
        /* one that was begun before the room was last let go of may know of more */
        l->rows -= job->rows_count < l->rows ? job->rows_count : l->rows;
        l->rows_bytes -= job->rows_bytes < l->rows_bytes ? job->rows_bytes : l->rows_bytes;
        l->snapshot_bytes = job->err == ERR_OK ? job->snapshot_bytes : l->snapshot_bytes;
    }
}

void lasting_read_again(struct room *r) {
    post(r, job_for(r, STORE_LOAD));
}

static bool same(struct yata_doc *a, struct yata_doc *b) {
    struct yata_bytes of_a = {0};
    struct yata_bytes of_b = {0};
    bool is = yata_encode_snapshot(a, &of_a) == YATA_OK &&
              yata_encode_snapshot(b, &of_b) == YATA_OK &&
              slice_eq(slice_of(of_a.p, of_a.n), slice_of(of_b.p, of_b.n));
    yata_bytes_fini(&of_a);
    yata_bytes_fini(&of_b);
    return is;
}

/* Writes what is here and was not stored: the node whose clients made it may have told of it, and
 * died before it was. What has been acknowledged here since may build on that. No tick may be open.
 */
static void append_unstored(struct room *r, const struct store_job *job) {
    struct yata_doc *stored = room_doc_new(2);
    struct yata_bytes clocks = {0};
    struct yata_bytes lacking = {0};
    if (stored && put_together(stored, job, NULL) == YATA_OK && !same(stored, r->doc) &&
        yata_encode_state_vector(stored, &clocks) == YATA_OK &&
        yata_encode_state(r->doc, clocks.p, clocks.n, &lacking) == YATA_OK) {
        struct frame *update = frame_try_new(lacking.n);
        if (update) {
            memcpy(update->bytes, lacking.p, lacking.n);
            lasting_append(r, update, NULL, NULL);
        }
        frame_unref(update);
    }
    yata_bytes_fini(&clocks);
    yata_bytes_fini(&lacking);
    yata_doc_free(stored);
}

static void read_again(struct room *r, const struct store_job *job, uint64_t now_ms) {
    struct yata_bytes update = {0};
    if (job->err != ERR_OK) {
        return; /* the store has said so; the next who opens the room reads it */
    }
    if (job->snapshot && yata_convert_update(YATA_V2, YATA_V1, job->snapshot->bytes,
                                             job->snapshot->n, &update, NULL) == YATA_OK) {
        room_take(r, slice_of(update.p, update.n), now_ms);
        yata_bytes_fini(&update);
    }
    for (size_t i = 0; i < job->rows_count; i++) {
        room_take(r, frame_slice(job->rows[i].update), now_ms);
    }
    r->version = job->version > r->version ? job->version : r->version;
    room_tick(r, now_ms);
    append_unstored(r, job);
}

static void tell_commit(const struct room *r, const struct store_job *job) {
    if (span_wanted(&job->trace)) {
        span_end(&(struct span){.trace = job->trace,
                                .id = span_id(),
                                .name = "commit",
                                .start_ns = job->queued_ns,
                                .end_ns = clock_mono_ns(),
                                .room = frame_slice(r->name),
                                .err = job->err});
    }
}

void lasting_stored(struct room *r, const struct store_job *job, uint64_t now_ms) {
    if (job->op == STORE_LOAD) {
        read_again(r, job, now_ms);
    } else if (job->op == STORE_FOLD) {
        folded(r, job);
    } else {
        tell_commit(r, job);
        r->lasting.stored = job->number;
        release(r);
        fold_if_heavy(r);
    }
}

/* ---- rest ---- */

bool lasting_at_rest(const struct room *r) {
    const struct lasting *l = &r->lasting;
    return !l->loading && !l->folding && !l->restoring && l->appended == l->stored &&
           list_empty(&l->acks);
}

void lasting_leave(struct room *r) {
    fold(r, true);
    history_leave(r);
}
