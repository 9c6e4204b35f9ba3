/* yata_support.h: what the fuzz targets of libyata share.
 *
 * `promise` is an assertion that stays on and names the broken promise, so that libFuzzer keeps the
 * input as a crash.
 */
#ifndef FUZZ_YATA_SUPPORT_H
#define FUZZ_YATA_SUPPORT_H

#include "yata.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define promise(what, holds)                                                                       \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, what);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A document with text, formats, maps, nested types and deletions, of clients 1, 2, 3 and of one
 * with a 53-bit id: the seeds of the corpus continue it. */
static const uint8_t base_update[] = {
#include "yata_base.inc"
};

/* Of all documents of a run. A target takes it from its input, so that gaps are met both ways. */
static bool strict_docs;

static inline struct yata_doc *new_doc(void) {
    struct yata_options options = {
        .strict = strict_docs, .max_pending_bytes = 1 << 20, .max_clients = 10000};
    struct yata_doc *doc = yata_doc_new(&options);
    promise("memory for a document", doc);
    return doc;
}

static inline struct yata_doc *base_doc(void) {
    struct yata_doc *doc = new_doc();
    promise("the base document loads",
            yata_apply(doc, base_update, sizeof(base_update), NULL, NULL) == YATA_OK);
    return doc;
}

static inline struct yata_bytes state_of(struct yata_doc *doc) {
    struct yata_bytes state = {0};
    promise("a state can be encoded", yata_encode_state(doc, NULL, 0, &state) == YATA_OK);
    return state;
}

static inline bool same_bytes(struct yata_bytes a, struct yata_bytes b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Whether two documents hold the same: state with deletions, and state vector. */
static inline bool same_docs(struct yata_doc *a, struct yata_doc *b) {
    struct yata_bytes bytes[4] = {state_of(a), state_of(b), {0}, {0}};
    promise("a snapshot can be encoded", yata_encode_snapshot(a, &bytes[2]) == YATA_OK &&
                                             yata_encode_snapshot(b, &bytes[3]) == YATA_OK);
    bool same = same_bytes(bytes[0], bytes[1]) && same_bytes(bytes[2], bytes[3]);
    for (size_t i = 0; i < 4; i++) {
        yata_bytes_fini(&bytes[i]);
    }
    return same;
}

#endif
