/* doc.c: the life of a document and of its transactions.
 *
 * See doc.h for how a document lies in memory, apply.c for what happens to an update. A transaction
 * ends here: what it deleted is collected, what belongs together is merged, and if somebody wants
 * to know, the change is encoded (yjs 13.6 Transaction.js cleanupTransactions).
 */
#include <stdio.h>
#include <string.h>

#include "edit.h"
#include "pending.h"
#include "places.h"

#define SCRATCH_KEPT                                                                               \
    1024              /* structs; what a large update needed is not kept for the next small one */
#define SLACK_KEPT 64 /* elements reserved for an update and not needed */

struct yata_doc *yata_doc_new(const struct yata_options *options) {
    struct yatai_mem mem = yatai_mem_libc();
    if (options && options->realloc_fn) {
        mem.realloc_fn = options->realloc_fn;
        mem.ctx = options->alloc_ctx;
    }
    struct yata_doc *doc = yatai_mem_resize(&mem, NULL, 0, sizeof *doc);
    if (!doc) {
        return NULL;
    }
    memset(doc, 0, sizeof *doc);
    doc->mem = mem;
    if (options) {
        doc->options = *options;
        doc->update.max_refs = options->max_update_structs;
        doc->client = options->client;
    }
    doc->sorted = true;
    return doc;
}

void yatai_scratch_drop(struct yata_doc *doc) {
    yatai_update_fini(&doc->update, &doc->mem);
    yatai_update_fini(&doc->waiting, &doc->mem);
    yatai_plan_fini(&doc->plan, &doc->mem);
    yatai_plan_fini(&doc->plan_waiting, &doc->mem);
    YATAI_VEC_FREE(&doc->mem, &doc->wanted);
}

void yata_doc_free(struct yata_doc *doc) {
    if (!doc) {
        return;
    }
    yatai_scratch_drop(doc);
    yatai_edit_fini(doc);
    yatai_places_fini(doc);
    yatai_store_fini(doc);
    yatai_pending_fini(doc);
    YATAI_VEC_FREE(&doc->mem, &doc->items);
    YATAI_VEC_FREE(&doc->mem, &doc->wides);
    YATAI_VEC_FREE(&doc->mem, &doc->types);
    YATAI_VEC_FREE(&doc->mem, &doc->entries);
    YATAI_VEC_FREE(&doc->mem, &doc->buckets);
    YATAI_VEC_FREE(&doc->mem, &doc->heap);
    YATAI_VEC_FREE(&doc->mem, &doc->touched);
    YATAI_VEC_FREE(&doc->mem, &doc->deleted);
    YATAI_VEC_FREE(&doc->mem, &doc->seams);
    YATAI_VEC_FREE(&doc->mem, &doc->filled);
    YATAI_VEC_FREE(&doc->mem, &doc->vector);
    YATAI_VEC_FREE(&doc->mem, &doc->marks);
    YATAI_VEC_FREE(&doc->mem, &doc->frozen);
    struct yatai_mem mem = doc->mem;
    yatai_mem_resize(&mem, doc, sizeof *doc, 0);
}

/* ---- transactions --------------------------------------------------------------------------- */

static void begin(struct yata_doc *doc, bool told) {
    doc->open = true;
    doc->told = told;
    doc->txn++;
}

void yata_begin(struct yata_doc *doc) {
    begin(doc, true);
}

static void merge_all(struct yata_doc *doc) {
    for (uint32_t slot = 1; slot < doc->clients.n; slot++) {
        if (doc->clients.v[slot].clock > 0) {
            yatai_items_merge(doc, slot, 0, doc->clients.v[slot].clock);
        }
    }
}

/* Not all that could be merged is: of collected structs some have no place among these. Which ones
 * stay apart shows in the bytes, so the places and their order are those of yjs 13.6 Transaction.js
 * cleanupTransactions. The order matters, since a struct that has grown meets other neighbours. */
static void merge_touched(struct yata_doc *doc) {
    if (doc->seams_lost || doc->spans_lost) {
        merge_all(doc);
        return;
    }
    for (size_t i = doc->deleted.n; i-- > 0;) {
        const struct yatai_span *span = &doc->deleted.v[i];
        yatai_items_merge(doc, span->slot, span->clock, span->len);
    }
    for (size_t i = 0; i < doc->touched.n; i++) {
        const struct yatai_client *c = &doc->clients.v[doc->touched.v[i]];
        if (c->fresh != UINT32_MAX) {
            yatai_items_merge(doc, doc->touched.v[i], c->fresh, c->fresh_last - c->fresh);
        }
    }
    for (size_t i = doc->seams.n; i-- > 0;) {
        yatai_item_merge(doc, doc->seams.v[i].slot, doc->seams.v[i].clock);
    }
}

/* Gives back what a large update reserved and did not use. */
#define TRIM(doc, vec)                                                                             \
    do {                                                                                           \
        if ((vec)->cap > (vec)->n + SLACK_KEPT &&                                                  \
            (vec)->cap >                                                                           \
                (vec)->n + SLACK_KEPT + yatai_vec_step((vec)->n, sizeof *(vec)->v) * 3 / 2) {      \
            size_t to_ = (vec)->n + (vec)->n / 64 + 1;                                             \
            void *p_ = yatai_mem_resize(&(doc)->mem, (vec)->v, (vec)->cap * sizeof *(vec)->v,      \
                                        to_ * sizeof *(vec)->v);                                   \
            if (p_) {                                                                              \
                (vec)->v = p_;                                                                     \
                (vec)->cap = to_;                                                                  \
            }                                                                                      \
        }                                                                                          \
    } while (0)

static void settle(struct yata_doc *doc) {
    yatai_spans_normalise(doc->deleted.v, &doc->deleted.n);
    if (doc->observer) {
        yatai_notify(doc);
    }
    yatai_collect(doc);
    merge_touched(doc);
    for (size_t i = 0; i < doc->touched.n; i++) {
        yatai_index_fit(doc, &doc->clients.v[doc->touched.v[i]]);
    }
    yatai_heap_compact(doc);
    TRIM(doc, &doc->items);
    TRIM(doc, &doc->wides);
    TRIM(doc, &doc->heap);
    TRIM(doc, &doc->types);
    TRIM(doc, &doc->entries);
}

static void close_transaction(struct yata_doc *doc) {
    doc->touched.n = doc->deleted.n = doc->seams.n = doc->filled.n = 0;
    doc->spans_lost = doc->seams_lost = false;
    TRIM(doc, &doc->touched);
    TRIM(doc, &doc->deleted);
    TRIM(doc, &doc->seams);
    TRIM(doc, &doc->filled);
    doc->open = false;
}

enum yata_status yata_commit_as(struct yata_doc *doc, enum yata_format format,
                                struct yata_bytes *ret_update) {
    enum yata_status status = YATA_OK;
    bool lost = doc->spans_lost;
    settle(doc);
    if (ret_update && lost) {
        status = YATA_NOMEM;
    } else if (ret_update) {
        struct yatai_mem libc = yatai_mem_libc();
        struct yatai_out out = {.mem = &libc};
        if (doc->touched.n > 0 || doc->deleted.n > 0) {
            yatai_write_transaction(&out, format, doc);
        }
        status = yatai_out_give(&out, ret_update);
    }
    close_transaction(doc);
    return status;
}

enum yata_status yata_commit(struct yata_doc *doc, struct yata_bytes *ret_update) {
    return yata_commit_as(doc, YATA_V1, ret_update);
}

/* What is in doc->update, in a transaction of its own if none is open. */
static enum yata_status apply_decoded(struct yata_doc *doc, struct yata_applied *ret_applied,
                                      struct yata_error *ret_error) {
    bool own = !doc->open;
    if (own) {
        begin(doc, false);
    }
    enum yata_status status = yatai_apply_read(doc, ret_applied, ret_error);
    if (own) {
        settle(doc);
        close_transaction(doc);
    }
    return status;
}

static void trim_scratch(struct yata_doc *doc) {
    if (doc->update.refs.cap > SCRATCH_KEPT || doc->update.ranges.cap > SCRATCH_KEPT ||
        doc->waiting.refs.cap > 0 || doc->update.chunk) {
        yatai_scratch_drop(doc);
    }
}

/* What is known of the client that writes here. */
static uint64_t own_clock(struct yata_doc *doc) {
    uint32_t slot = doc->client == 0 ? 0 : yatai_client_find(doc, doc->client);
    const struct yatai_client *c = slot == 0 ? NULL : &doc->clients.v[slot];
    return c ? (uint64_t)c->clock << 32 | c->hole : 0;
}

enum yata_status yata_apply_as(struct yata_doc *doc, enum yata_format format, const uint8_t *update,
                               size_t n, struct yata_applied *ret_applied,
                               struct yata_error *ret_error) {
    if (!yatai_thaw(doc)) {
        return yatai_refuse(YATA_NOMEM, "out of memory", ret_error);
    }
    uint64_t own = own_clock(doc);
    if (format == YATA_V1 && yatai_apply_quick(doc, update, n)) {
        if (ret_applied) {
            *ret_applied = (struct yata_applied){.changed = true, .whole = true};
            ret_applied->taken = own_clock(doc) != own;
        }
        return YATA_OK;
    }
    enum yata_status status = yatai_update_read(&doc->update, &doc->mem, format, update, n,
                                                doc->options.max_depth, ret_error);
    if (status == YATA_OK) {
        status = apply_decoded(doc, ret_applied, ret_error);
    }
    if (status == YATA_OK && ret_applied) {
        ret_applied->taken = own_clock(doc) != own;
    }
    trim_scratch(doc);
    return status;
}

enum yata_status yatai_apply_made(struct yata_doc *doc) {
    enum yata_status status = apply_decoded(doc, NULL, NULL);
    trim_scratch(doc);
    return status;
}

enum yata_status yata_apply(struct yata_doc *doc, const uint8_t *update, size_t n,
                            struct yata_applied *ret_applied, struct yata_error *ret_error) {
    return yata_apply_as(doc, YATA_V1, update, n, ret_applied, ret_error);
}

void yata_stats(const struct yata_doc *doc, struct yata_stats *ret) {
    *ret = (struct yata_stats){
        .structs = doc->struct_count - doc->hole_count,
        .types = doc->type_count,
        .memory_bytes = doc->mem.used_bytes,
        .frozen_bytes = doc->frozen.n,
    };
    for (size_t i = 1; i < doc->clients.n; i++) {
        ret->clients += doc->clients.v[i].clock > 0;
    }
    ret->pending_bytes = doc->pending.bytes + doc->pending.ranges.n * YATAI_RANGE_BYTES;
}
