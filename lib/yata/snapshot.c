/* snapshot.c: what a document held at one time, and going back there.
 *
 * A snapshot is a state vector and a delete set. A document that keeps what is deleted has all
 * structs of then, so its past is an update: structs below the clocks, and the delete set of then
 * (yjs 13.6 Snapshot.js). The last struct of a client may have grown since; it is cut on the way
 * out, and the document is not touched.
 */
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "pending.h"

void yata_snapshot_fini(struct yata_snapshot *snapshot) {
    free(snapshot->clocks);
    free(snapshot->deletions);
    *snapshot = (struct yata_snapshot){0};
}

/* ---- bytes ---------------------------------------------------------------------------------- */

/* Ranges of the library as those of the caller. */
static bool hand_ranges(const yatai_ranges *ranges, struct yata_snapshot *ret) {
    ret->deletions = malloc((ranges->n + 1) * sizeof *ret->deletions);
    if (!ret->deletions) {
        return false;
    }
    for (size_t i = 0; i < ranges->n; i++) {
        const struct yatai_range *x = &ranges->v[i];
        ret->deletions[i] =
            (struct yata_update_range){x->client, x->clock, (uint64_t)x->clock + x->len};
    }
    ret->deletion_count = ranges->n;
    return true;
}

enum yata_status yata_snapshot_decode(enum yata_format format, const uint8_t *snapshot, size_t n,
                                      struct yata_snapshot *ret, struct yata_error *ret_error) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_reader r = yatai_reader_on(snapshot, n);
    struct yatai_update u = {0};
    struct yata_snapshot made = {0};
    struct yata_clock *clocks = NULL;
    size_t count = 0;
    bool ok = n <= UINT32_MAX / 2 &&
              (format == YATA_V2 ? yatai_delete_set_read_v2 : yatai_delete_set_read)(&r, &libc, &u);
    ok = ok && yatai_read_vector(&r, &clocks, &count);
    if (ok) {
        yatai_ranges_normalise(&u.ranges);
        made.clocks = yatai_vector_sort(clocks, count, &made.clock_count);
        if (!made.clocks || !hand_ranges(&u.ranges, &made)) {
            r.status = YATA_NOMEM;
        }
    }
    free(clocks);
    yatai_update_fini(&u, &libc);
    if (r.status != YATA_OK) {
        yata_snapshot_fini(&made);
        return yatai_refuse(r.status, r.status == YATA_NOMEM ? "out of memory" : r.why.what,
                            ret_error);
    }
    *ret = made;
    return YATA_OK;
}

enum yata_status yata_snapshot_take(struct yata_doc *doc, struct yata_snapshot *ret) {
    struct yata_bytes bytes = {0};
    enum yata_status status = yata_encode_snapshot(doc, &bytes);
    if (status == YATA_OK) {
        status = yata_snapshot_decode(YATA_V1, bytes.p, bytes.n, ret, NULL);
    }
    yata_bytes_fini(&bytes);
    return status;
}

/* Ranges of the caller as those of the library. False when memory is out, or one is none. */
static bool take_ranges(const struct yata_snapshot *snapshot, struct yatai_mem *mem,
                        yatai_ranges *ret) {
    bool ok = YATAI_RESERVE(mem, ret, snapshot->deletion_count);
    for (size_t i = 0; i < snapshot->deletion_count && ok; i++) {
        const struct yata_update_range *x = &snapshot->deletions[i];
        ok = x->from < x->to && x->to <= UINT32_MAX;
        if (ok) {
            ret->v[ret->n++] = (struct yatai_range){.client = x->client,
                                                    .clock = (uint32_t)x->from,
                                                    .len = (uint32_t)(x->to - x->from)};
        }
    }
    yatai_ranges_normalise(ret);
    return ok;
}

enum yata_status yata_snapshot_encode(const struct yata_snapshot *snapshot, enum yata_format format,
                                      struct yata_bytes *ret) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_out out = {.mem = &libc};
    yatai_ranges ranges = {0};
    out.failed = !take_ranges(snapshot, &libc, &ranges);
    yatai_ranges_write(&out, format, &ranges);
    yatai_out_uint(&out, snapshot->clock_count);
    for (size_t i = 0; i < snapshot->clock_count; i++) {
        yatai_out_uint(&out, snapshot->clocks[i].client);
        yatai_out_uint(&out, snapshot->clocks[i].clock);
    }
    YATAI_VEC_FREE(&libc, &ranges);
    return yatai_out_give(&out, ret);
}

bool yata_snapshot_equal(const struct yata_snapshot *a, const struct yata_snapshot *b) {
    if (a->clock_count != b->clock_count || a->deletion_count != b->deletion_count) {
        return false;
    }
    for (size_t i = 0; i < a->clock_count; i++) {
        const struct yata_clock *x = &a->clocks[i], *y = &b->clocks[i];
        if (x->client != y->client || x->clock != y->clock) {
            return false;
        }
    }
    for (size_t i = 0; i < a->deletion_count; i++) {
        const struct yata_update_range *x = &a->deletions[i], *y = &b->deletions[i];
        if (x->client != y->client || x->from != y->from || x->to != y->to) {
            return false;
        }
    }
    return true;
}

/* ---- the past ------------------------------------------------------------------------------- */

/* The first `units` of a struct of the document. */
static void write_beginning(struct yatai_columns *columns, const struct yatai_ref *whole,
                            uint64_t client, uint32_t units) {
    struct yatai_out mended = {.mem = columns->rest.mem};
    struct yatai_ref ref = yatai_ref_beginning(whole, units, &mended);
    columns->rest.failed |= mended.failed;
    yatai_columns_ref(columns, &ref, client, 0);
    yatai_out_fini(&mended);
}

/* The structs of a client below a clock. */
static void write_client(struct yatai_columns *columns, struct yata_doc *doc, uint32_t slot,
                         uint32_t clock) {
    struct yatai_client *c = &doc->clients.v[slot];
    struct yatai_pos last = yatai_index_find(c, clock - 1), pos = {0, 0};
    size_t count = last.at + 1;
    for (uint32_t i = 0; i < last.leaf; i++) {
        count += c->leaf[i].n;
    }
    yatai_out_uint(&columns->rest, count);
    yatai_columns_client(columns, c->id);
    yatai_out_uint(&columns->rest, 0);
    for (; count > 0; count--) {
        const struct yatai_item *it = yatai_item(doc, yatai_pos_item(c, pos));
        struct yatai_ref ref = yatai_item_view(doc, it);
        /* Like yjs, leaves collected structs whole. */
        if (it->clock + it->len > clock && ref.kind != YATAI_GC) {
            write_beginning(columns, &ref, c->id, clock - it->clock);
        } else {
            yatai_columns_ref(columns, &ref, c->id, 0);
        }
        (void)yatai_pos_next(c, &pos);
    }
}

static bool knows_more(struct yata_doc *doc, const struct yata_snapshot *snapshot) {
    for (size_t i = 0; i < snapshot->clock_count; i++) {
        uint64_t clock = snapshot->clocks[i].clock;
        uint32_t slot = yatai_client_find(doc, snapshot->clocks[i].client);
        if (clock > 0 && (slot == 0 || clock > yatai_client_known(&doc->clients.v[slot]))) {
            return true;
        }
    }
    return false;
}

static bool write_past(struct yatai_out *out, struct yata_doc *doc,
                       const struct yata_snapshot *snapshot) {
    struct yatai_columns columns;
    yatai_ranges ranges = {0};
    size_t clients = 0;
    bool ok = take_ranges(snapshot, out->mem, &ranges);
    yatai_columns_init(&columns, out->mem);
    for (size_t i = 0; i < snapshot->clock_count; i++) {
        clients += snapshot->clocks[i].clock > 0;
    }
    yatai_out_uint(&columns.rest, clients);
    for (size_t i = 0; i < snapshot->clock_count; i++) {
        const struct yata_clock *x = &snapshot->clocks[i];
        if (x->clock > 0) {
            write_client(&columns, doc, yatai_client_find(doc, x->client), (uint32_t)x->clock);
        }
    }
    yatai_ranges_write(&columns.rest, YATA_V2, &ranges);
    yatai_columns_finish(&columns, out);
    yatai_out_bytes(out, columns.rest.p, columns.rest.n);
    yatai_out_fini(&columns.rest);
    YATAI_VEC_FREE(out->mem, &ranges);
    return ok && !out->failed;
}

enum yata_status yata_doc_at(struct yata_doc *doc, const struct yata_snapshot *snapshot,
                             const struct yata_options *options, struct yata_doc **ret,
                             struct yata_error *ret_error) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_out out = {.mem = &libc};
    if (!yatai_thaw(doc)) {
        return yatai_refuse(YATA_NOMEM, "out of memory", ret_error);
    }
    if (!doc->options.no_gc) {
        return yatai_refuse(YATA_MALFORMED, "the document does not keep what is deleted",
                            ret_error);
    }
    if (knows_more(doc, snapshot)) {
        return yatai_refuse(YATA_MALFORMED, "the snapshot knows more than the document", ret_error);
    }
    struct yata_doc *past = yata_doc_new(options);
    enum yata_status status = past && write_past(&out, doc, snapshot) ? YATA_OK : YATA_NOMEM;
    if (status == YATA_OK) {
        status = yata_apply_as(past, YATA_V2, out.p, out.n, NULL, ret_error);
    } else {
        (void)yatai_refuse(YATA_NOMEM, "out of memory", ret_error);
    }
    yatai_out_fini(&out);
    if (status != YATA_OK) {
        yata_doc_free(past);
        return status;
    }
    *ret = past;
    return YATA_OK;
}
