#include "store/fold.h"

#include <stdio.h>
#include <string.h>

#include "yata.h"

static enum err failed(enum yata_status s, const struct yata_error *at, const char *where,
                       struct fault *why) {
    (void)snprintf(why->text, sizeof why->text, "%s, byte %zu: %s", where, at->at,
                   s == YATA_MALFORMED ? at->what : "no memory");
    return s == YATA_MALFORMED ? ERR_DAMAGED : ERR_NOMEM;
}

static enum err apply_all(struct yata_doc *doc, slice before, const struct store_row *rows,
                          size_t count, struct fault *why) {
    struct yata_error at = {0};
    enum yata_status s = YATA_OK;
    if (before.n) {
        s = yata_apply_as(doc, YATA_V2, before.p, before.n, NULL, &at);
    }
    if (s != YATA_OK) {
        return failed(s, &at, "the snapshot", why);
    }
    for (size_t i = 0; i < count; i++) {
        s = yata_apply(doc, rows[i].update->bytes, rows[i].update->n, NULL, &at);
        if (s != YATA_OK) {
            char where[60];
            (void)snprintf(where, sizeof where, "row %llu of the journal",
                           (unsigned long long)rows[i].id);
            return failed(s, &at, where, why);
        }
    }
    return ERR_OK;
}

enum err fold(slice before, const struct store_row *rows, size_t count, struct frame **ret,
              struct fault *why) {
    /* what waits was let in under the room's limit; here nothing may be turned away */
    const struct yata_options options = {.strict = true, .max_pending_bytes = SIZE_MAX / 4};
    struct yata_doc *doc = yata_doc_new(&options);
    if (!doc) {
        return ERR_NOMEM;
    }
    yata_begin(doc);
    enum err e = apply_all(doc, before, rows, count, why);
    enum yata_status s = yata_commit(doc, NULL);
    struct yata_bytes state = {0};
    if (e == ERR_OK) {
        s = s ? s : yata_encode_state_as(doc, YATA_V2, NULL, 0, &state);
        *ret = s == YATA_OK ? frame_try_new(state.n) : NULL;
        e = *ret ? ERR_OK : ERR_NOMEM;
    }
    if (e == ERR_OK) {
        memcpy((*ret)->bytes, state.p, state.n);
    }
    yata_bytes_fini(&state);
    yata_doc_free(doc);
    return e;
}
