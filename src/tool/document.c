#include "tool/document.h"

#include <stdint.h>
#include <stdio.h>

#include "base/must.h"
#include "control/message.h"

struct yata_doc *document_new(void) {
    const struct yata_options options = {.strict = true, .max_pending_bytes = SIZE_MAX / 4};
    struct yata_doc *doc = yata_doc_new(&options);
    must(doc != NULL);
    return doc;
}

enum err document_apply(struct yata_doc *doc, enum yata_format format, slice update, char *why,
                        size_t why_bytes) {
    struct yata_error at = {0};
    enum yata_status s =
        update.n ? yata_apply_as(doc, format, update.p, update.n, NULL, &at) : YATA_OK;
    if (s != YATA_OK) {
        (void)snprintf(why, why_bytes, "byte %zu: %s", at.at,
                       s == YATA_MALFORMED ? at.what : "no memory");
    }
    return s == YATA_OK ? ERR_OK : s == YATA_MALFORMED ? ERR_DAMAGED : ERR_NOMEM;
}

static struct yata_doc *put_together(const struct stored_room *room, char *why, size_t why_bytes) {
    struct yata_doc *doc = document_new();
    slice rows = room->rows;
    slice row;
    yata_begin(doc);
    enum err e = document_apply(doc, YATA_V2, room->snapshot, why, why_bytes);
    for (uint64_t i = 0; e == ERR_OK && i < room->rows_count; i++) {
        e = control_take_bytes(&rows, &row) ? document_apply(doc, YATA_V1, row, why, why_bytes)
                                            : ERR_PROTOCOL;
    }
    enum yata_status s = yata_commit(doc, NULL);
    if (e != ERR_OK || s != YATA_OK) {
        yata_doc_free(doc);
        return NULL;
    }
    return doc;
}

struct yata_doc *document_read(struct link *l, slice room, struct stored_room *ret, char *why,
                               size_t why_bytes) {
    (void)snprintf(why, why_bytes, "memory is out");
    if (link_read(l, room, ret) != ERR_OK) {
        (void)snprintf(why, why_bytes, "%s", link_why(l));
        return NULL;
    }
    if (!ret->exists) {
        (void)snprintf(why, why_bytes, "there is no such room");
        return NULL;
    }
    return put_together(ret, why, why_bytes);
}
