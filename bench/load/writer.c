#include "writer.h"

#include <string.h>

#include "base/must.h"

enum {
    TEXT_MOST = 400,
    PAGE_MOST = 2000,
    REPLACED = 60,
    PAGE_WORDS = 400, /* some 2,000 characters */
    TYPED_MOST = PAGE_WORDS * 16,
};

static const char *const words[] = {"the ",      "edit ",   "of ",           "a ",
                                    "document ", "and ",    "in ",           "f\xc3\xbcr ",
                                    "people ",   "write ",  "while ",        "others",
                                    ", ",        "read.\n", "na\xc3\xafve ", "\xf0\x9f\x99\x82 "};

static void must_ok(enum yata_status s) {
    must(s == YATA_OK);
}

static struct yata_type root(struct yata_doc *doc, const char *name) {
    struct yata_type t;
    must_ok(yata_root(doc, name, strlen(name), &t));
    return t;
}

static void begin_text(struct writer *w, struct yata_doc *doc) {
    if (!w->begun) {
        must_ok(yata_map_set_type(doc, root(doc, "notes"), w->key, strlen(w->key), YATA_TEXT, NULL,
                                  0, &w->text));
        w->begun = true;
    }
}

/* Some words; returns how many bytes. */
static size_t compose(char to[TYPED_MOST], uint64_t count, struct dice *dice) {
    size_t n = 0;
    for (uint64_t i = 0; i < count; i++) {
        const char *word = words[dice_below(dice, sizeof words / sizeof *words)];
        memcpy(to + n, word, strlen(word));
        n += strlen(word);
    }
    return n;
}

/* A word or two at `at`, or a page, in place of some text when there is too much. */
static uint64_t type_at(struct yata_doc *doc, struct yata_type text, uint64_t at, uint64_t length,
                        uint64_t most, struct dice *dice, bool page) {
    char typed[TYPED_MOST];
    if (length > most) {
        uint64_t gone = length - most > REPLACED ? length - most : REPLACED;
        at = dice_below(dice, length - gone);
        must_ok(yata_text_delete(doc, text, (size_t)at, (size_t)gone));
        length -= gone;
    }
    size_t n = compose(typed, page ? PAGE_WORDS : 1 + dice_below(dice, 2), dice);
    must_ok(yata_text_insert(doc, text, (size_t)at, typed, n, NULL));
    uint64_t after = 0;
    must_ok(yata_length(doc, text, &after));
    return at + after - length;
}

void writer_edit(struct writer *w, struct yata_doc *doc, const struct writing *how,
                 struct dice *dice, struct yata_bytes *ret) {
    uint64_t length = 0;
    must_ok(yata_set_client(doc, w->client));
    yata_begin(doc);
    bool paste = dice_below(dice, 100) < how->paste;
    if (how->anywhere && dice_below(dice, 3) == 0) {
        struct yata_type page = root(doc, "page");
        must_ok(yata_length(doc, page, &length));
        (void)type_at(doc, page, dice_below(dice, length + 1), length, PAGE_MOST, dice, paste);
    } else {
        begin_text(w, doc);
        must_ok(yata_length(doc, w->text, &length));
        if (dice_below(dice, 8) == 0 || w->cursor > length) { /* a click somewhere else */
            w->cursor = dice_below(dice, length + 1);
        }
        w->cursor = type_at(doc, w->text, w->cursor, length, TEXT_MOST, dice, paste);
    }
    *ret = (struct yata_bytes){0};
    must_ok(yata_commit(doc, ret));
    must(ret->n > 2);
}

/* ---- comparing ---- */

static bool same_bytes(struct yata_bytes *a, struct yata_bytes *b) {
    bool same = a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0);
    yata_bytes_fini(a);
    yata_bytes_fini(b);
    return same;
}

static bool same_snapshot(struct yata_doc *a, struct yata_doc *b) {
    struct yata_bytes of_a = {0};
    struct yata_bytes of_b = {0};
    must_ok(yata_encode_snapshot(a, &of_a));
    must_ok(yata_encode_snapshot(b, &of_b));
    return same_bytes(&of_a, &of_b);
}

static bool same_page(struct yata_doc *a, struct yata_doc *b) {
    struct yata_bytes of_a = {0};
    struct yata_bytes of_b = {0};
    must_ok(yata_text_string(a, root(a, "page"), &of_a));
    must_ok(yata_text_string(b, root(b, "page"), &of_b));
    return same_bytes(&of_a, &of_b);
}

static bool same_note(struct yata_doc *a, struct yata_value *va, struct yata_doc *b,
                      struct yata_value *vb) {
    struct yata_bytes of_a = {0};
    struct yata_bytes of_b = {0};
    must_ok(yata_text_string(a, va->type, &of_a));
    must_ok(yata_text_string(b, vb->type, &of_b));
    return same_bytes(&of_a, &of_b);
}

/* Keys come in the order in which each document learnt of them, so each is looked up. */
static bool same_notes(struct yata_doc *a, struct yata_doc *b) {
    struct yata_map walk;
    struct yata_slice key;
    struct yata_value of_a;
    struct yata_value of_b;
    uint64_t keys_a = 0;
    uint64_t keys_b = 0;
    struct yata_type in_a = root(a, "notes");
    struct yata_type in_b = root(b, "notes");
    must_ok(yata_map_size(a, in_a, &keys_a));
    must_ok(yata_map_size(b, in_b, &keys_b));
    must_ok(yata_map_begin(a, in_a, &walk));
    bool same = keys_a == keys_b;
    while (same && yata_map_next(&walk, &key, &of_a)) {
        same = yata_map_get(b, in_b, (const char *)key.p, key.n, &of_b) == YATA_OK &&
               of_a.kind == YATA_VALUE_TYPE && of_b.kind == YATA_VALUE_TYPE &&
               same_note(a, &of_a, b, &of_b);
    }
    return same;
}

bool writer_same(struct yata_doc *a, struct yata_doc *b) {
    return same_snapshot(a, b) && same_page(a, b) && same_notes(a, b);
}
