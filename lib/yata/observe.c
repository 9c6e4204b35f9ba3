/* observe.c: which types and keys a transaction changed.
 *
 * Found at its end from what it added and deleted, so that nothing has to be noted on the way. What
 * is told is what yjs tells: types that were there before and still are. (yjs 13.6
 * Transaction.js addChangedTypeToTransaction, YEvent.js keys)
 */
#include <stdlib.h>

#include "look.h"

/* A type of which the list (entry 0) or a key has changed. */
struct change {
    uint32_t type, entry;
};

struct yata_changes {
    struct yata_doc *doc;
    YATAI_VEC(struct change) all; /* sorted, each once */
    size_t next;                  /* of the types */
    size_t key, key_end;          /* of the one at hand */
    bool lost;
};

void yata_observe(struct yata_doc *doc, yata_observer *observer, void *ctx) {
    doc->observer = observer;
    doc->observer_ctx = ctx;
}

/* ---- what is new ---------------------------------------------------------------------------- */

static bool is_filled(const struct yata_doc *doc, uint32_t slot, uint32_t clock) {
    size_t low = 0, high = doc->filled.n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct yatai_span *x = &doc->filled.v[mid];
        if (x->slot < slot || (x->slot == slot && x->clock + x->len <= clock)) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < doc->filled.n && doc->filled.v[low].slot == slot &&
           doc->filled.v[low].clock <= clock;
}

uint32_t yatai_old_units(const struct yata_doc *doc, const struct yatai_item *it) {
    const struct yatai_client *c = &doc->clients.v[yatai_slot(it)];
    if (doc->filled.n > 0 && is_filled(doc, yatai_slot(it), it->clock)) {
        return 0;
    }
    if (c->txn != doc->txn || it->clock + it->len <= c->before) {
        return it->len;
    }
    return it->clock >= c->before ? 0 : c->before - it->clock;
}

/* ---- collecting ----------------------------------------------------------------------------- */

static void note(struct yata_changes *changes, const struct yatai_item *it) {
    struct yata_doc *doc = changes->doc;
    unsigned kind = yatai_kind(it);
    if (kind == YATAI_GC || kind == YATAI_SKIP) {
        return;
    }
    uint32_t type = yatai_home_type(doc, it), holder = doc->types.v[type].item;
    if (holder != 0) {
        const struct yatai_item *h = yatai_item(doc, holder);
        if (h->deleted || yatai_old_units(doc, h) == 0) {
            return;
        }
    }
    struct change change = {type, it->map ? it->home : 0};
    if (changes->all.n > 0) {
        const struct change *last = &changes->all.v[changes->all.n - 1];
        if (last->type == change.type && last->entry == change.entry) {
            return;
        }
    }
    if (!YATAI_PUSH(&doc->mem, &changes->all, change)) {
        changes->lost = true;
    }
}

/* The structs of a client between two clocks. */
static void note_span(struct yata_changes *changes, uint32_t slot, uint32_t clock, uint32_t end) {
    struct yata_doc *doc = changes->doc;
    struct yatai_client *c = &doc->clients.v[slot];
    if (clock >= end) {
        return;
    }
    struct yatai_pos pos = yatai_index_find(c, clock);
    do {
        const struct yatai_item *it = yatai_item(doc, yatai_pos_item(c, pos));
        if (it->clock >= end) {
            return;
        }
        note(changes, it);
    } while (yatai_pos_next(c, &pos));
}

static int by_type(const void *a, const void *b) {
    const struct change *x = a, *y = b;
    if (x->type != y->type) {
        return x->type < y->type ? -1 : 1;
    }
    return (x->entry > y->entry) - (x->entry < y->entry);
}

static void collect(struct yata_changes *changes) {
    struct yata_doc *doc = changes->doc;
    for (size_t i = 0; i < doc->touched.n; i++) {
        uint32_t slot = doc->touched.v[i];
        note_span(changes, slot, doc->clients.v[slot].before, doc->clients.v[slot].clock);
    }
    for (size_t i = 0; i < doc->filled.n; i++) {
        const struct yatai_span *x = &doc->filled.v[i];
        note_span(changes, x->slot, x->clock, x->clock + x->len);
    }
    for (size_t i = 0; i < doc->deleted.n; i++) {
        const struct yatai_span *x = &doc->deleted.v[i];
        note_span(changes, x->slot, x->clock, x->clock + x->len);
    }
    if (changes->all.n < 2) {
        return;
    }
    struct change *v = changes->all.v;
    size_t n = 1;
    qsort(v, changes->all.n, sizeof *v, by_type);
    for (size_t i = 1; i < changes->all.n; i++) {
        if (by_type(&v[i], &v[n - 1]) != 0) {
            v[n++] = v[i];
        }
    }
    changes->all.n = n;
}

void yatai_notify(struct yata_doc *doc) {
    if (doc->touched.n == 0 && doc->deleted.n == 0 && doc->filled.n == 0) {
        return;
    }
    struct yata_changes changes = {.doc = doc, .lost = doc->spans_lost};
    yatai_spans_normalise(doc->filled.v, &doc->filled.n);
    collect(&changes);
    doc->observer(doc->observer_ctx, doc, &changes);
    YATAI_VEC_FREE(&doc->mem, &changes.all);
}

/* ---- telling -------------------------------------------------------------------------------- */

bool yata_changes_lost(const struct yata_changes *changes) {
    return changes->lost;
}

bool yata_changes_next(struct yata_changes *changes, struct yata_change *ret) {
    const struct change *v = changes->all.v;
    if (changes->next == changes->all.n) {
        return false;
    }
    size_t from = changes->next, to = from;
    while (to < changes->all.n && v[to].type == v[from].type) {
        to++;
    }
    *ret = (struct yata_change){.type = yatai_type_name_of(changes->doc, v[from].type),
                                .list = v[from].entry == 0,
                                .map = v[to - 1].entry != 0};
    changes->key = ret->list ? from + 1 : from;
    changes->key_end = changes->next = to;
    return true;
}

/* The value that a key had before, if it had one: the first to the left of what is new. */
static bool had_value(const struct yata_doc *doc, uint32_t h, struct yata_value *ret) {
    while (h != 0 && yatai_old_units(doc, yatai_item(doc, h)) == 0) {
        h = yatai_item(doc, h)->left;
    }
    if (h == 0 || !yatai_item(doc, h)->now) {
        return false;
    }
    yatai_item_last(doc, yatai_item(doc, h), ret);
    return true;
}

/* What happened to a key; false when nothing that shows. */
static bool tell_key(const struct yata_doc *doc, uint32_t e, struct yata_key_change *ret) {
    uint32_t h = doc->entries.v[e].current;
    if (h == 0) {
        return false;
    }
    const struct yatai_item *it = yatai_item(doc, h);
    bool deleted = it->deleted;
    *ret = (struct yata_key_change){.key = yatai_entry_key(doc, e)};
    bool had = had_value(doc, h, &ret->old_value);
    if (!deleted) {
        yatai_item_last(doc, it, &ret->value);
        ret->action = had ? YATA_KEY_UPDATED : YATA_KEY_ADDED;
        return yatai_old_units(doc, it) == 0;
    }
    ret->action = YATA_KEY_DELETED;
    return had;
}

bool yata_changes_next_key(struct yata_changes *changes, struct yata_key_change *ret) {
    while (changes->key < changes->key_end) {
        if (tell_key(changes->doc, changes->all.v[changes->key++].entry, ret)) {
            return true;
        }
    }
    return false;
}
