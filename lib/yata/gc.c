/* gc.c: what is left of deleted structs when a transaction ends.
 *
 * A deleted struct keeps its place and its neighbours, since others may refer to them, but not its
 * content. What a deleted type held keeps not even that: nobody can refer to it any more, other
 * than by not knowing of the deletion, and then it is collected on arrival. (yjs 13.6
 * Transaction.js tryGcDeleteSet, structs/ContentType.js gc.) Types in types are worked off by a
 * chain.
 */
#include "doc.h"

/* Frees what the struct holds; a type goes on the chain. */
static void drop_content(struct yata_doc *doc, struct yatai_item *it, uint32_t *chain) {
    unsigned kind = yatai_kind(it);
    if (kind == YATAI_TYPE) {
        doc->types.v[it->content].next = *chain;
        *chain = it->content;
    } else {
        doc->heap_live -= yatai_payload_bytes(doc, it);
        yatai_payload_drop(doc, it);
    }
    it->content = 0;
}

/* What came in this transaction was found to merge or not when it came. It may merge now, also with
 * what stands right before it. */
static void look_again(struct yata_doc *doc, const struct yatai_item *it) {
    struct yatai_client *c = &doc->clients.v[yatai_slot(it)];
    uint32_t end = it->clock + it->len;
    if (c->txn != doc->txn || end < c->before) {
        return;
    }
    uint32_t start = it->clock > c->before ? it->clock : c->before;
    if (c->fresh == UINT32_MAX) {
        c->fresh = start;
        c->fresh_last = end;
        return;
    }
    c->fresh = start < c->fresh ? start : c->fresh;
    c->fresh_last = end > c->fresh_last ? end : c->fresh_last;
}

static void collect_list(struct yata_doc *doc, uint32_t h, uint32_t *chain) {
    while (h != 0) {
        struct yatai_item *it = yatai_item(doc, h);
        h = it->right;
        drop_content(doc, it, chain);
        *it = (struct yatai_item){
            .clock = it->clock,
            .len = it->len,
            .slot = it->slot,
            .kind = YATAI_GC,
            .deleted = true,
        };
        look_again(doc, it);
    }
}

static void collect(struct yata_doc *doc, struct yatai_item *it) {
    uint32_t chain = 0;
    if (yatai_kind(it) == YATAI_GC || yatai_kind(it) == YATAI_DELETED) {
        return;
    }
    drop_content(doc, it, &chain);
    it->kind = YATAI_DELETED;
    it->subst = it->any = false;
    while (chain != 0) {
        uint32_t t = chain;
        chain = doc->types.v[t].next;
        collect_list(doc, doc->types.v[t].start, &chain);
        for (uint32_t e = yatai_entry_first(doc, t); e != 0; e = yatai_entry_after(doc, e)) {
            collect_list(doc, doc->entries.v[e].leftmost, &chain);
        }
        yatai_type_drop(doc, t);
    }
}

static void settle(struct yata_doc *doc, struct yatai_item *it) {
    if (it->deleted) {
        it->now = false;
        if (!doc->options.no_gc) {
            collect(doc, it);
        }
    }
}

void yatai_collect(struct yata_doc *doc) {
    if (doc->spans_lost) {
        for (size_t h = 1; h < doc->items.n; h++) {
            if (doc->items.v[h].now) {
                settle(doc, &doc->items.v[h]);
            }
        }
        return;
    }
    for (size_t i = 0; i < doc->deleted.n; i++) {
        const struct yatai_span *span = &doc->deleted.v[i];
        struct yatai_client *c = &doc->clients.v[span->slot];
        struct yatai_pos pos = yatai_index_find(c, span->clock);
        uint32_t end = span->clock + span->len;
        do {
            struct yatai_item *it = yatai_item(doc, yatai_pos_item(c, pos));
            if (it->clock >= end) {
                break;
            }
            settle(doc, it);
        } while (yatai_pos_next(c, &pos));
    }
}
