/* stateless.c: updates in, update out, without a document.
 *
 * A relay, a log or a compactor handles updates whose dependencies it need not have, so none of
 * this integrates anything (yjs 13.6 updates.js).
 */
#include <stdlib.h>
#include <string.h>

#include "doc.h"

static enum yata_status copy(const struct yata_slice *x, struct yata_bytes *ret) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_out out = {.mem = &libc};
    yatai_out_bytes(&out, x->p, x->n);
    return yatai_out_give(&out, ret);
}

enum yata_status yata_merge_updates(enum yata_format format, const struct yata_slice *updates,
                                    size_t count, struct yata_bytes *ret,
                                    struct yata_error *ret_error) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_out out = {.mem = &libc};
    if (count == 1) {
        return copy(updates, ret);
    }
    struct yatai_update *u = calloc(count + 1, sizeof *u);
    const struct yatai_update **all = calloc(count + 1, sizeof *all);
    enum yata_status status = u && all ? YATA_OK : YATA_NOMEM;
    for (size_t i = 0; i < count && status == YATA_OK; i++) {
        all[i] = &u[i];
        u[i].verbatim = true;
        status = yatai_update_read(&u[i], &libc, format, updates[i].p, updates[i].n, 0, ret_error);
    }
    if (status == YATA_OK) {
        out.failed = !yatai_updates_merge(&out, format, &libc, all, count);
        status = yatai_out_give(&out, ret);
    }
    for (size_t i = 0; u && i < count; i++) {
        yatai_update_fini(&u[i], &libc);
    }
    free(u);
    free(all);
    return status;
}

enum yata_status yata_diff_update(enum yata_format format, const uint8_t *update, size_t n,
                                  const uint8_t *state_vector, size_t state_vector_bytes,
                                  struct yata_bytes *ret, struct yata_error *ret_error) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_out out = {.mem = &libc};
    struct yatai_update u = {.verbatim = true};
    struct yata_clock *clocks = NULL, *since = NULL;
    size_t count = 0;
    enum yata_status status = YATA_OK;
    if (state_vector_bytes > 0) {
        status =
            yata_decode_state_vector(state_vector, state_vector_bytes, &clocks, &count, ret_error);
    }
    if (status == YATA_OK) {
        since = yatai_vector_sort(clocks, count, &count);
        status = since ? YATA_OK : YATA_NOMEM;
    }
    if (status == YATA_OK) {
        status = yatai_update_read_in_order(&u, &libc, format, update, n, 0, ret_error);
    }
    if (status == YATA_OK) {
        out.failed = !yatai_update_diff(&out, format, &libc, &u, since, count);
        status = yatai_out_give(&out, ret);
    }
    yatai_update_fini(&u, &libc);
    free(since);
    free(clocks);
    return status;
}

enum yata_status yata_convert_update(enum yata_format from, enum yata_format to,
                                     const uint8_t *update, size_t n, struct yata_bytes *ret,
                                     struct yata_error *ret_error) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_out out = {.mem = &libc};
    struct yatai_update u = {.verbatim = true};
    enum yata_status status = yatai_update_read_in_order(&u, &libc, from, update, n, 0, ret_error);
    if (status == YATA_OK) {
        out.failed = !yatai_update_convert(&out, to, &libc, &u);
        status = yatai_out_give(&out, ret);
    }
    yatai_update_fini(&u, &libc);
    return status;
}
