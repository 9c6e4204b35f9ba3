/* yata_revert.c: a document goes back to another one, both from updates that may contradict each
 * other. Promised: what cannot be done leaves no trace; afterwards the document reads like the
 * past, going back once more changes nothing, and a peer that hears the update has the
 * same, if nothing waits.
 *
 * Input: a byte of flags, the length of the past's update in two bytes, that update, and the other.
 */
#include "yata_support.h"

enum { STRICT = 1, V2 = 2, PAST_ON_BASE = 4, NOW_ON_BASE = 8 };

/* An id that no input will guess. */
#define WRITER UINT64_C(0x15ab37c9e20f61)

static struct yata_doc *load(bool on_base, enum yata_format format, const uint8_t *p, size_t n) {
    struct yata_doc *doc = on_base ? base_doc() : new_doc();
    (void)yata_apply_as(doc, format, p, n, NULL, NULL);
    return doc;
}

static struct yata_bytes text_of(struct yata_doc *doc, struct yata_type type) {
    struct yata_bytes text = {0};
    promise("a text can be read", yata_text_string(doc, type, &text) == YATA_OK);
    return text;
}

static void assert_reads_like(struct yata_doc *doc, struct yata_doc *past) {
    struct yata_roots roots = {0};
    struct yata_slice name;
    struct yata_type was, now;
    while (yata_roots_next(past, &roots, &name, &was)) {
        uint64_t lengths[4];
        promise("the root type is there",
                yata_root(doc, (const char *)name.p, name.n, &now) == YATA_OK);
        promise("lengths can be read", yata_length(past, was, &lengths[0]) == YATA_OK &&
                                           yata_length(doc, now, &lengths[1]) == YATA_OK &&
                                           yata_map_size(past, was, &lengths[2]) == YATA_OK &&
                                           yata_map_size(doc, now, &lengths[3]) == YATA_OK);
        promise("lists are as long", lengths[0] == lengths[1]);
        promise("maps are as large", lengths[2] == lengths[3]);
        struct yata_bytes a = text_of(past, was), b = text_of(doc, now);
        promise("texts are the same", same_bytes(a, b));
        yata_bytes_fini(&a);
        yata_bytes_fini(&b);
    }
}

static struct yata_bytes revert(struct yata_doc *doc, const struct yata_doc *past,
                                enum yata_status *ret_status) {
    struct yata_bytes update = {0};
    yata_begin(doc);
    *ret_status = yata_revert(doc, past);
    promise("an update can be had", yata_commit(doc, &update) == YATA_OK);
    return update;
}

static bool waits_for_others(const struct yata_doc *doc) {
    struct yata_stats stats;
    yata_stats(doc, &stats);
    return stats.pending_bytes > 0;
}

/* Who has what was before, and hears the update. */
static void assert_told(const struct yata_bytes *before, const struct yata_bytes *update,
                        struct yata_doc *past) {
    struct yata_doc *peer = new_doc();
    promise("a peer takes it",
            yata_apply(peer, before->p, before->n, NULL, NULL) == YATA_OK &&
                (update->n == 0 || yata_apply(peer, update->p, update->n, NULL, NULL) == YATA_OK));
    assert_reads_like(peer, past);
    yata_doc_free(peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3) {
        return 0;
    }
    unsigned flags = data[0];
    size_t n = (size_t)data[1] << 8 | data[2];
    n = n < size - 3 ? n : size - 3;
    strict_docs = (flags & STRICT) != 0;
    enum yata_format format = flags & V2 ? YATA_V2 : YATA_V1;
    struct yata_doc *past = load((flags & PAST_ON_BASE) != 0, format, data + 3, n);
    struct yata_doc *doc = load((flags & NOW_ON_BASE) != 0, format, data + 3 + n, size - 3 - n);
    struct yata_bytes before = state_of(doc), after;
    enum yata_status status;
    bool waits = waits_for_others(doc); /* a peer may be able to take some of that */
    promise("a client id is taken", yata_set_client(doc, WRITER) == YATA_OK);
    struct yata_bytes update = revert(doc, past, &status);
    if (status == YATA_OK) {
        assert_reads_like(doc, past);
        struct yata_bytes again = revert(doc, past, &status);
        promise("once more is nothing", status == YATA_OK && again.n == 0);
        if (!waits) {
            assert_told(&before, &update, past);
        }
        yata_bytes_fini(&again);
    } else {
        after = state_of(doc);
        promise("nothing changed", same_bytes(before, after));
        yata_bytes_fini(&after);
    }
    yata_bytes_fini(&update);
    yata_bytes_fini(&before);
    yata_doc_free(past);
    yata_doc_free(doc);
    return 0;
}
