/* encode.c: what a document says of itself: state vector, state, snapshot.
 *
 * What waits for missing updates is part of the state that peers are given, as in yjs 13.6
 * (encoding.js encodeStateAsUpdateV2): state, waiting deletions and waiting structs are merged as
 * updates.
 */
#include <stdlib.h>
#include <string.h>

#include "pending.h"

/* ---- state vectors -------------------------------------------------------------------------- */

static void write_vector(struct yatai_out *out, const struct yata_doc *doc) {
    yatai_clients_sort(doc);
    size_t count = 0;
    for (size_t i = 0; i < doc->by_id.n; i++) {
        count += doc->clients.v[doc->by_id.v[i]].clock > 0;
    }
    yatai_out_uint(out, count);
    for (size_t i = 0; i < doc->by_id.n; i++) {
        const struct yatai_client *c = &doc->clients.v[doc->by_id.v[i]];
        if (c->clock > 0) {
            yatai_out_uint(out, c->id);
            yatai_out_uint(out, yatai_client_known(c));
        }
    }
}

enum yata_status yata_encode_state_vector(const struct yata_doc *doc, struct yata_bytes *ret) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_out out = {.mem = &libc};
    write_vector(&out, doc);
    return yatai_out_give(&out, ret);
}

enum yata_status yata_state_vector(struct yata_doc *doc, const struct yata_clock **ret,
                                   size_t *ret_n) {
    if (!YATAI_RESERVE(&doc->mem, &doc->vector, doc->by_id.n + 1)) {
        return YATA_NOMEM;
    }
    yatai_clients_sort(doc);
    doc->vector.n = 0;
    for (size_t i = 0; i < doc->by_id.n; i++) {
        const struct yatai_client *c = &doc->clients.v[doc->by_id.v[i]];
        if (c->clock > 0) {
            doc->vector.v[doc->vector.n++] = (struct yata_clock){c->id, yatai_client_known(c)};
        }
    }
    *ret = doc->vector.v;
    *ret_n = doc->vector.n;
    return YATA_OK;
}

enum yata_status yata_encode_snapshot_as(struct yata_doc *doc, enum yata_format format,
                                         struct yata_bytes *ret) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_out out = {.mem = &libc};
    if (!yatai_thaw(doc)) {
        return YATA_NOMEM;
    }
    yatai_write_delete_set(&out, format, doc);
    write_vector(&out, doc);
    return yatai_out_give(&out, ret);
}

enum yata_status yata_encode_snapshot(struct yata_doc *doc, struct yata_bytes *ret) {
    return yata_encode_snapshot_as(doc, YATA_V1, ret);
}

/* ---- states --------------------------------------------------------------------------------- */

/* A state vector of a peer, sorted; of a client named twice the last entry counts. */
struct since {
    struct yata_clock clock;
    size_t at;
};

static int since_order(const void *a, const void *b) {
    const struct since *x = a, *y = b;
    if (x->clock.client != y->clock.client) {
        return x->clock.client < y->clock.client ? 1 : -1;
    }
    return (x->at < y->at) - (x->at > y->at);
}

struct yata_clock *yatai_vector_sort(const struct yata_clock *v, size_t n, size_t *ret_n) {
    struct since *all = malloc((n + 1) * sizeof *all);
    struct yata_clock *sorted = malloc((n + 1) * sizeof *sorted);
    if (!all || !sorted) {
        free(all);
        free(sorted);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        all[i] = (struct since){v[i], i};
    }
    qsort(all, n, sizeof *all, since_order);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (count == 0 || sorted[count - 1].client != all[i].clock.client) {
            sorted[count++] = all[i].clock;
        }
    }
    free(all);
    *ret_n = count;
    return sorted;
}

/* The state with what waits. `n` and `since`: sorted. */
static bool write_with_pending(struct yatai_out *out, enum yata_format format,
                               const struct yata_doc *doc, const struct yata_clock *since,
                               size_t n) {
    struct yatai_mem *mem = out->mem;
    struct yatai_out state = {.mem = mem}, rest = {.mem = mem}, structs = {.mem = mem};
    struct yatai_update a = {0}, b = {0}, waiting = {0};
    const struct yatai_update *inputs[3] = {&a, &b};
    size_t count = 1, depth = YATAI_DEPTH_MAX;
    bool ok = false;
    yatai_write_state(&state, format, doc, since, n);
    if (state.failed ||
        yatai_update_read(&a, mem, format, state.p, state.n, depth, NULL) != YATA_OK) {
        goto out;
    }
    struct yatai_update deletions = {.ranges = doc->pending.ranges};
    if (deletions.ranges.n > 0) {
        inputs[count++] = &deletions;
    }
    if (doc->pending.by_id.n > 0) {
        yatai_pending_write(&structs, doc);
        if (structs.failed || yatai_update_read(&waiting, mem, YATAI_KEPT, structs.p, structs.n,
                                                depth, NULL) != YATA_OK) {
            goto out;
        }
        if (!yatai_update_diff(&rest, YATAI_KEPT, mem, &waiting, since, n) ||
            yatai_update_read(&b, mem, YATAI_KEPT, rest.p, rest.n, depth, NULL) != YATA_OK) {
            goto out;
        }
        inputs[count++] = &b;
    }
    ok = yatai_updates_merge(out, format, mem, inputs, count);
out:
    yatai_update_fini(&a, mem);
    yatai_update_fini(&b, mem);
    yatai_update_fini(&waiting, mem);
    yatai_out_fini(&state);
    yatai_out_fini(&rest);
    yatai_out_fini(&structs);
    return ok;
}

enum yata_status yata_encode_since_as(struct yata_doc *doc, enum yata_format format,
                                      const struct yata_clock *since, size_t n,
                                      struct yata_bytes *ret) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_out out = {.mem = &libc};
    struct yata_clock *sorted = NULL;
    size_t count = 0;
    if (n > 0) {
        sorted = yatai_vector_sort(since, n, &count);
        if (!sorted) {
            return YATA_NOMEM;
        }
    }
    if (yatai_frozen_write(&out, format, doc, sorted, count)) {
        ;
    } else if (!yatai_thaw(doc)) {
        out.failed = true;
    } else if (!yatai_pending_any(doc)) {
        if (count == 0) { /* about as much as the last time */
            (void)yatai_out_room(&out, doc->state_bytes + doc->state_bytes / 64 + 64);
        }
        yatai_write_state(&out, format, doc, sorted, count);
        doc->state_bytes = count == 0 ? out.n : doc->state_bytes;
    } else if (!write_with_pending(&out, format, doc, sorted, count)) {
        out.failed = true;
    }
    free(sorted);
    return yatai_out_give(&out, ret);
}

enum yata_status yata_encode_since(struct yata_doc *doc, const struct yata_clock *since, size_t n,
                                   struct yata_bytes *ret) {
    return yata_encode_since_as(doc, YATA_V1, since, n, ret);
}

enum yata_status yata_encode_state_as(struct yata_doc *doc, enum yata_format format,
                                      const uint8_t *state_vector, size_t n,
                                      struct yata_bytes *ret) {
    struct yata_clock *since = NULL;
    size_t count = 0;
    if (n > 0) {
        enum yata_status status = yata_decode_state_vector(state_vector, n, &since, &count, NULL);
        if (status != YATA_OK) {
            return status;
        }
    }
    enum yata_status status = yata_encode_since_as(doc, format, since, count, ret);
    free(since);
    return status;
}

enum yata_status yata_encode_state(struct yata_doc *doc, const uint8_t *state_vector, size_t n,
                                   struct yata_bytes *ret) {
    return yata_encode_state_as(doc, YATA_V1, state_vector, n, ret);
}
