#include "store/fold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/authors.h"
#include "yata.h"

static enum err failed(enum yata_status s, const struct yata_error *at, const char *where,
                       struct fault *why) {
    (void)snprintf(why->text, sizeof why->text, "%s, byte %zu: %s", where, at->at,
                   s == YATA_MALFORMED ? at->what : "no memory");
    return s == YATA_MALFORMED ? ERR_DAMAGED : ERR_NOMEM;
}

static uint64_t clock_of(const struct yata_clock *known, size_t n, uint64_t client) {
    for (size_t i = 0; i < n; i++) {
        if (known[i].client == client) {
            return known[i].clock;
        }
    }
    return 0;
}

/* Of each client id by which the row has something new, notes who brought it. Best effort: without
 * memory it stays unknown. */
static void note_author(struct yata_doc *doc, const struct store_row *row, struct buf *authors) {
    const struct yata_clock *known = NULL;
    size_t known_count = 0;
    struct yata_update_range *of = NULL;
    size_t n = 0;
    if (yata_state_vector(doc, &known, &known_count) == YATA_OK &&
        yata_update_meta(row->update->bytes, row->update->n, &of, &n, NULL) == YATA_OK) {
        for (size_t i = 0; i < n; i++) {
            if (of[i].to > clock_of(known, known_count, of[i].client)) {
                authors_note(authors, of[i].client, frame_slice(row->author));
            }
        }
    }
    free(of); /* ban-ok: yata hands out what free() releases */
}

static enum err apply_all(struct yata_doc *doc, slice before, const struct store_row *rows,
                          size_t count, struct buf *authors, struct fault *why) {
    struct yata_error at = {0};
    enum yata_status s = YATA_OK;
    if (before.n) {
        s = yata_apply_as(doc, YATA_V2, before.p, before.n, NULL, &at);
    }
    if (s != YATA_OK) {
        return failed(s, &at, "the snapshot", why);
    }
    for (size_t i = 0; i < count; i++) {
        if (authors && rows[i].author) {
            note_author(doc, &rows[i], authors);
        }
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

enum err fold(slice before, const struct store_row *rows, size_t count, struct buf *authors,
              struct frame **ret, struct fault *why) {
    /* what waits was let in under the room's limit; here nothing may be turned away */
    const struct yata_options options = {.strict = true, .max_pending_bytes = SIZE_MAX / 4};
    struct yata_doc *doc = yata_doc_new(&options);
    if (!doc) {
        return ERR_NOMEM;
    }
    yata_begin(doc);
    enum err e = apply_all(doc, before, rows, count, authors, why);
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
