/* yata_position.c: relative positions. What is read can be written, and reads the same again; and
 * it is found in a document, or not, without harm. */
#include <stdlib.h>
#include <string.h>

#include "yata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t base[] = {
#include "yata_base.inc"
};

/* Only read, so it is made once. */
static struct yata_doc *doc;

static void make_doc(void) {
    doc = yata_doc_new(NULL);
    if (!doc || yata_apply(doc, base, sizeof base, NULL, NULL) != YATA_OK) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct yata_position position, again;
    struct yata_bytes bytes = {0}, twice = {0};
    struct yata_type type;
    uint64_t index;
    if (yata_position_decode(data, size, &position, NULL) != YATA_OK) {
        return 0;
    }
    if (yata_position_encode(&position, &bytes) != YATA_OK ||
        yata_position_decode(bytes.p, bytes.n, &again, NULL) != YATA_OK ||
        yata_position_encode(&again, &twice) != YATA_OK || bytes.n != twice.n ||
        memcmp(bytes.p, twice.p, bytes.n) != 0) {
        abort();
    }
    if (!doc) {
        make_doc();
    }
    if (yata_position_resolve(doc, &position, &type, &index) == YATA_OK) {
        (void)yata_position_at(doc, type, index, position.assoc, &again);
    }
    yata_bytes_fini(&bytes);
    yata_bytes_fini(&twice);
    return 0;
}
