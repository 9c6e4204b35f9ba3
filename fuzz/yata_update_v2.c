/* yata_update_v2.c: any bytes as an update of format V2.
 *
 * Promised: a refused update leaves the document as it was, and the check refuses it too; an
 * accepted one is known afterwards unless something waits; what it says survives conversion to V1
 * and back, merging with nothing new and cutting at nothing; all functions without a document take
 * what the check takes.
 *
 * Structs of length zero are dropped by conversion, so only the second conversion has to give the
 * same bytes.
 */
#include "yata_support.h"

static struct yata_bytes converted(enum yata_format from, enum yata_format to,
                                   struct yata_slice update) {
    struct yata_bytes ret = {0};
    promise("what is checked can be converted",
            yata_convert_update(from, to, update.p, update.n, &ret, NULL) == YATA_OK);
    return ret;
}

/* V2 to V1 to V2 to V1: the two of V1 are the same. */
static void expect_converts(struct yata_slice update) {
    struct yata_bytes v1 = converted(YATA_V2, YATA_V1, update);
    struct yata_bytes v2 = converted(YATA_V1, YATA_V2, (struct yata_slice){v1.p, v1.n});
    struct yata_bytes again = converted(YATA_V2, YATA_V1, (struct yata_slice){v2.p, v2.n});
    promise("a converted update is valid", yata_check_update(v1.p, v1.n, NULL) == YATA_OK);
    struct yata_bytes third = converted(YATA_V1, YATA_V2, (struct yata_slice){again.p, again.n});
    promise("conversion settles", same_bytes(v2, third));
    yata_bytes_fini(&v1);
    yata_bytes_fini(&v2);
    yata_bytes_fini(&again);
    yata_bytes_fini(&third);
}

static void expect_stateless(struct yata_slice update) {
    struct yata_slice two[2] = {update, {base_update, sizeof(base_update)}};
    struct yata_bytes base = {0}, merged = {0}, cut = {0}, vector = {0};
    struct yata_struct *structs = NULL;
    struct yata_update_range *ranges = NULL;
    size_t n = 0;
    promise("the base converts",
            yata_convert_update(YATA_V1, YATA_V2, two[1].p, two[1].n, &base, NULL) == YATA_OK);
    two[1] = (struct yata_slice){base.p, base.n};
    promise("merges", yata_merge_updates(YATA_V2, two, 2, &merged, NULL) == YATA_OK);
    promise("a merged update is valid",
            yata_check_update_as(YATA_V2, merged.p, merged.n, NULL) == YATA_OK);
    promise("has a state vector", yata_state_vector_from_update_as(YATA_V2, update.p, update.n,
                                                                   &vector, NULL) == YATA_OK);
    promise("is cut", yata_diff_update(YATA_V2, merged.p, merged.n, vector.p, vector.n, &cut,
                                       NULL) == YATA_OK);
    promise("a cut update is valid", yata_check_update_as(YATA_V2, cut.p, cut.n, NULL) == YATA_OK);
    promise("has structs",
            yata_update_structs(YATA_V2, update.p, update.n, &structs, &n, NULL) == YATA_OK);
    promise("has deletions",
            yata_update_deletions(YATA_V2, update.p, update.n, &ranges, &n, NULL) == YATA_OK);
    free(structs);
    free(ranges);
    yata_bytes_fini(&base);
    yata_bytes_fini(&merged);
    yata_bytes_fini(&cut);
    yata_bytes_fini(&vector);
}

static void expect_applied(struct yata_doc *doc, const uint8_t *data, size_t size) {
    struct yata_stats stats = {0};
    struct yata_bytes state = {0};
    bool known = false;
    yata_stats(doc, &stats);
    if (stats.pending_bytes == 0) {
        promise("known once applied",
                yata_is_known_as(doc, YATA_V2, data, size, &known, NULL) == YATA_OK && known);
    }
    promise("a state in V2", yata_encode_state_as(doc, YATA_V2, NULL, 0, &state) == YATA_OK);
    promise("a state in V2 is valid",
            yata_check_update_as(YATA_V2, state.p, state.n, NULL) == YATA_OK);
    yata_bytes_fini(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    strict_docs = size % 2 != 0;
    struct yata_doc *doc = base_doc();
    struct yata_applied applied = {0};
    struct yata_slice update = {.p = data, .n = size};
    enum yata_status status = yata_apply_as(doc, YATA_V2, data, size, &applied, NULL);
    enum yata_status checked = yata_check_update_as(YATA_V2, data, size, NULL);
    if (status != YATA_OK) {
        struct yata_doc *untouched = base_doc();
        promise("a refused update changes nothing", same_docs(doc, untouched));
        promise("check and apply agree", status != YATA_MALFORMED || checked == YATA_MALFORMED);
        yata_doc_free(untouched);
    } else {
        promise("check and apply agree", checked == YATA_OK);
        expect_applied(doc, data, size);
        expect_stateless(update);
        expect_converts(update);
    }
    yata_doc_free(doc);
    return 0;
}
