/* yata_update.c: any bytes as an update to a document that already has content.
 *
 * Promised: a refused update leaves the document as it was, and yata_check_update refuses it too.
 * An accepted one changes nothing when it comes again; the update that its transaction hands out
 * has the same effect as itself; and the state that results loads into an empty document and is the
 * same there.
 *
 * While something is pending, or when the structs name neighbours that no Yjs client would name,
 * the last two promises are not made: the order of arrival then matters in Yjs as well. The target
 * cannot see the second case, so it only asks that such a state loads and is stable.
 */
#include "yata_support.h"

static void expect_refused(struct yata_doc *doc, const uint8_t *data, size_t size,
                           enum yata_status status) {
    struct yata_doc *untouched = base_doc();
    promise("a refused update changes nothing", same_docs(doc, untouched));
    promise("check and apply agree",
            status != YATA_MALFORMED || yata_check_update(data, size, NULL) == YATA_MALFORMED);
    yata_doc_free(untouched);
}

static void expect_same_again(struct yata_doc *doc, const uint8_t *data, size_t size) {
    struct yata_bytes before = state_of(doc);
    struct yata_applied again = {0};
    promise("what was accepted is accepted again",
            yata_apply(doc, data, size, &again, NULL) == YATA_OK);
    promise("nothing is new the second time", !again.changed && !again.whole);
    struct yata_bytes after = state_of(doc);
    promise("the second time changes nothing", same_bytes(before, after));
    yata_bytes_fini(&before);
    yata_bytes_fini(&after);
}

/* Loads the state into an empty document, and that one's state into another. */
static void expect_loads(struct yata_doc *doc, bool pending) {
    struct yata_bytes state = state_of(doc);
    promise("a state is a valid update", yata_check_update(state.p, state.n, NULL) == YATA_OK);
    struct yata_update_range *ranges = NULL;
    size_t n = 0;
    promise("a state has a range for each client",
            yata_update_meta(state.p, state.n, &ranges, &n, NULL) == YATA_OK);
    free(ranges);
    struct yata_doc *second = new_doc();
    promise("a state loads", yata_apply(second, state.p, state.n, NULL, NULL) == YATA_OK);
    struct yata_bytes vectors[2] = {{0}, {0}};
    promise("state vectors", yata_encode_state_vector(doc, &vectors[0]) == YATA_OK &&
                                 yata_encode_state_vector(second, &vectors[1]) == YATA_OK);
    /* What waits is cut at what is known when it is merged into the state, and may then be free. */
    promise("a loaded state has the same state vector",
            pending || same_bytes(vectors[0], vectors[1]));
    yata_bytes_fini(&vectors[0]);
    yata_bytes_fini(&vectors[1]);
    yata_doc_free(second);
    yata_bytes_fini(&state);
}

/* The same update inside a transaction, and what the transaction hands out on a third document. */
static void expect_commit_tells_all(struct yata_doc *doc, const uint8_t *data, size_t size) {
    struct yata_doc *teller = base_doc();
    struct yata_doc *listener = base_doc();
    struct yata_bytes told = {0};
    yata_begin(teller);
    promise("accepted outside, accepted inside",
            yata_apply(teller, data, size, NULL, NULL) == YATA_OK);
    promise("a transaction commits", yata_commit(teller, &told) == YATA_OK);
    promise("a transaction of one is the same as none", same_docs(doc, teller));
    if (told.n > 0) {
        promise("what is told is a valid update",
                yata_apply(listener, told.p, told.n, NULL, NULL) == YATA_OK);
    }
    struct yata_bytes vectors[2] = {{0}, {0}};
    promise("state vectors", yata_encode_state_vector(doc, &vectors[0]) == YATA_OK &&
                                 yata_encode_state_vector(listener, &vectors[1]) == YATA_OK);
    promise("the listener knows as much", same_bytes(vectors[0], vectors[1]));
    yata_bytes_fini(&vectors[0]);
    yata_bytes_fini(&vectors[1]);
    yata_bytes_fini(&told);
    yata_doc_free(teller);
    yata_doc_free(listener);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    strict_docs = size % 2 != 0;
    struct yata_doc *doc = base_doc();
    struct yata_applied applied = {0};
    enum yata_status status = yata_apply(doc, data, size, &applied, NULL);
    if (status != YATA_OK) {
        expect_refused(doc, data, size, status);
    } else {
        promise("check and apply agree", yata_check_update(data, size, NULL) == YATA_OK);
        expect_same_again(doc, data, size);
        struct yata_stats stats = {0};
        yata_stats(doc, &stats);
        expect_loads(doc, stats.pending_bytes > 0);
        if (!applied.pending) {
            expect_commit_tells_all(doc, data, size);
        }
    }
    yata_doc_free(doc);
    return 0;
}
