/* item.c: splitting and merging structs.
 *
 * A struct covers a run of clocks of one client. References into the middle of a run split it; what
 * belongs together is merged again when a transaction ends, so that a document has as few structs
 * as its history allows. Yjs merges in the same way, and since encoded updates show where structs
 * end, the rules are exactly its own (yjs 13.6 structs/Item.js splitItem, mergeWith;
 * Transaction.js).
 */
#include <string.h>

#include "places.h"
#include "text.h"

uint32_t yatai_item_new(struct yata_doc *doc) {
    uint32_t h = doc->free_item;
    if (h != 0) {
        doc->free_item = doc->items.v[h].right;
    } else {
        h = (uint32_t)doc->items.n++;
    }
    doc->struct_count++;
    return h;
}

void yatai_item_drop(struct yata_doc *doc, uint32_t item) {
    doc->items.v[item] = (struct yatai_item){.right = doc->free_item};
    doc->free_item = item;
    doc->struct_count--;
}

/* ---- split ---------------------------------------------------------------------------------- */

/* Parts length and payload of `it`, `units` from its start, between it and `right`. */
static void split_content(struct yata_doc *doc, struct yatai_item *it, struct yatai_item *right,
                          uint32_t units) {
    unsigned kind = yatai_kind(it);
    uint32_t len = it->len, n = yatai_payload_bytes(doc, it), at = units, gap = 0;
    uint32_t from = *yatai_payload_at(doc, it);
    it->len = units;
    right->len = len - units;
    right->wide = false;
    right->content = 0;
    if (kind == YATAI_GC || kind == YATAI_DELETED) {
        return;
    }
    uint8_t *p = doc->heap.v + from;
    if (kind != YATAI_STRING) {
        at = (uint32_t)yatai_elements_skip(kind, p, n, units);
    } else if (it->wide) {
        bool inside;
        at = (uint32_t)yatai_text_offset_in(p, n, len, units, &inside);
        if (inside) {
            /* Both halves of the pair become U+FFFD; two of its four bytes are left over. */
            p[at] = p[at + 3] = YATAI_TEXT_SUBST;
            it->subst = true;
            right->subst = true;
            at++;
            gap = 2;
            doc->heap_live -= gap;
        }
    }
    yatai_payload_set(doc, it, from, at); /* first: it may give back what the other one takes */
    yatai_payload_set(doc, right, from + at + gap, n - at - gap);
}

void yatai_seam_note(struct yata_doc *doc, uint32_t slot, uint32_t clock) {
    if (!YATAI_PUSH(&doc->mem, &doc->seams, (struct yatai_seam){slot, clock})) {
        doc->seams_lost = true;
    }
}

uint32_t yatai_item_split(struct yata_doc *doc, struct yatai_client *c, struct yatai_pos pos,
                          uint32_t units) {
    uint32_t left = yatai_pos_item(c, pos);
    uint32_t h = yatai_item_new(doc);
    struct yatai_item *it = yatai_item(doc, left), *right = yatai_item(doc, h);
    uint32_t slot = yatai_slot(it), clock = it->clock + units;
    *right = *it;
    right->clock = clock;
    right->origin_slot = it->slot;
    right->origin_clock = clock - 1;
    right->left = left;
    split_content(doc, it, right, units);
    it->right = h;
    if (right->right != 0) {
        yatai_item(doc, right->right)->left = h;
    } else if (right->map) {
        doc->entries.v[right->home].current = h;
    }
    yatai_index_insert_after(doc, c, pos, clock, h);
    yatai_seam_note(doc, slot, clock);
    return h;
}

uint32_t yatai_item_at(struct yata_doc *doc, uint32_t slot, uint32_t clock) {
    struct yatai_client *c = &doc->clients.v[slot];
    return yatai_pos_item(c, yatai_index_find(c, clock));
}

uint32_t yatai_item_ending(struct yata_doc *doc, uint32_t slot, uint32_t clock) {
    struct yatai_client *c = &doc->clients.v[slot];
    struct yatai_pos pos = yatai_index_find(c, clock);
    uint32_t h = yatai_pos_item(c, pos);
    const struct yatai_item *it = yatai_item(doc, h);
    if (clock - it->clock != it->len - 1 && yatai_kind(it) != YATAI_GC) {
        (void)yatai_item_split(doc, c, pos, clock - it->clock + 1);
    }
    return h;
}

uint32_t yatai_item_starting(struct yata_doc *doc, uint32_t slot, uint32_t clock) {
    struct yatai_client *c = &doc->clients.v[slot];
    struct yatai_pos pos = yatai_index_find(c, clock);
    uint32_t h = yatai_pos_item(c, pos);
    const struct yatai_item *it = yatai_item(doc, h);
    if (clock != it->clock && yatai_kind(it) != YATAI_GC) {
        h = yatai_item_split(doc, c, pos, clock - it->clock);
    }
    return h;
}

/* ---- merge ---------------------------------------------------------------------------------- */

/* Whether `r`, the next struct of the same client, continues `l`. */
static bool continues(const struct yatai_item *l, const struct yatai_item *r, uint32_t right) {
    unsigned kind = yatai_kind(l);
    if (kind != yatai_kind(r)) {
        return false;
    }
    if (kind == YATAI_GC) {
        return true;
    }
    return l->right == right && r->origin_slot == yatai_slot(l) &&
           r->origin_clock == r->clock - 1 && l->right_slot == r->right_slot &&
           l->right_clock == r->right_clock && l->deleted == r->deleted && yatai_kind_merges(kind);
}

/* Adds length and payload of `r` to those of `l`. */
static bool join_content(struct yata_doc *doc, struct yatai_item *l, struct yatai_item *r) {
    if (l->kind == YATAI_GC || l->kind == YATAI_DELETED) {
        l->len += r->len;
        return true;
    }
    uint32_t n = yatai_payload_bytes(doc, l), more = yatai_payload_bytes(doc, r);
    uint32_t *at = yatai_payload_at(doc, l);
    if (!yatai_heap_join(doc, at, n, *yatai_payload_at(doc, r), more)) {
        return false;
    }
    yatai_payload_drop(doc, r);
    l->len += r->len;
    yatai_payload_set(doc, l, *at, n + more);
    return true;
}

/* Takes the struct at `pos` into the one before it, if that may be. */
static bool merge_left(struct yata_doc *doc, struct yatai_client *c, struct yatai_pos before,
                       struct yatai_pos pos) {
    uint32_t left = yatai_pos_item(c, before), right = yatai_pos_item(c, pos);
    struct yatai_item *l = yatai_item(doc, left), *r = yatai_item(doc, right);
    if (!continues(l, r, right) || !join_content(doc, l, r)) {
        return false;
    }
    if (doc->places) {
        yatai_places_merge(doc, right);
    }
    l->subst |= r->subst;
    l->now |= r->now;
    if (l->kind != YATAI_GC) {
        l->right = r->right;
        if (r->right != 0) {
            yatai_item(doc, r->right)->left = left;
        } else if (r->map) {
            doc->entries.v[r->home].current = left;
        }
    }
    yatai_item_drop(doc, right);
    yatai_index_remove(doc, c, pos);
    return true;
}

static bool pos_previous(const struct yatai_client *c, struct yatai_pos *pos) {
    if (pos->at > 0) {
        pos->at--;
        return true;
    }
    if (pos->leaf == 0) {
        return false;
    }
    pos->leaf--;
    pos->at = c->leaf[pos->leaf].n - 1u;
    return true;
}

/* What has taken in its right neighbour may fit to the left now: the chain of collected structs
 * that it belongs to may be older than the transaction. */
static void merge_leftwards(struct yata_doc *doc, struct yatai_client *c, uint32_t clock) {
    for (;;) {
        struct yatai_pos pos = yatai_index_find(c, clock), before = pos;
        if (!pos_previous(c, &before)) {
            return;
        }
        clock = yatai_pos_clock(c, before);
        if (!merge_left(doc, c, before, pos)) {
            return;
        }
    }
}

void yatai_items_merge(struct yata_doc *doc, uint32_t slot, uint32_t clock, uint32_t len) {
    struct yatai_client *c = &doc->clients.v[slot];
    const struct yatai_item *last = yatai_item(doc, yatai_item_at(doc, slot, clock + len - 1));
    uint32_t end = last->clock + last->len;
    struct yatai_pos before = yatai_index_find(c, clock > 0 ? clock - 1 : 0);
    uint32_t first = yatai_pos_clock(c, before);
    bool first_grew = false;
    for (;;) {
        struct yatai_pos pos = before;
        if (!yatai_pos_next(c, &pos) || yatai_pos_clock(c, pos) > end) {
            break;
        }
        uint32_t leaves = c->leaf_count;
        uint32_t at = yatai_pos_clock(c, before);
        if (!merge_left(doc, c, before, pos)) {
            before = pos;
            continue;
        }
        first_grew |= at == first;
        if (c->leaf_count != leaves) {
            before = yatai_index_find(c, at);
        }
    }
    if (first_grew) {
        merge_leftwards(doc, c, first);
    }
}

void yatai_item_merge(struct yata_doc *doc, uint32_t slot, uint32_t clock) {
    const struct yatai_item *it = yatai_item(doc, yatai_item_at(doc, slot, clock));
    yatai_items_merge(doc, slot, it->clock, it->len);
}
