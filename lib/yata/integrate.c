/* integrate.c: puts a struct where it belongs, and deletes.
 *
 * The place of a struct among those that were written concurrently follows from ids alone (YATA:
 * Nicolaescu et al., "Near Real-Time Peer-to-Peer Shared Editing on Extensible Data Types", 2016,
 * with the right origins that Yjs added), so every peer finds the same one; yjs 13.6
 * structs/Item.js integrate is the reference, including that membership in the two sets of a scan
 * is that of whole structs. Nothing here allocates what was not reserved: see yata_apply.
 *
 * Deletion cascades into types by walking the tree instead of recursion, since a peer decides how
 * deep types nest.
 */
#include "places.h"
#include "text.h"

/* ---- deletion ------------------------------------------------------------------------------- */

static void note_deleted(struct yata_doc *doc, const struct yatai_item *it) {
    uint32_t slot = yatai_slot(it);
    doc->deletes++;
    doc->clients.v[slot].ranges_known = false;
    if (doc->deleted.n > 0) {
        struct yatai_span *last = &doc->deleted.v[doc->deleted.n - 1];
        if (last->slot == slot && last->clock + last->len == it->clock) {
            last->len += it->len;
            return;
        }
    }
    if (!YATAI_PUSH(&doc->mem, &doc->deleted, (struct yatai_span){slot, it->clock, it->len})) {
        doc->spans_lost = true;
    }
}

/* Whether the struct came in the open transaction. */
static bool is_new(const struct yata_doc *doc, const struct yatai_item *it) {
    const struct yatai_client *c = &doc->clients.v[yatai_slot(it)];
    return c->txn == doc->txn && it->clock >= c->before;
}

static uint32_t first_value(const struct yata_doc *doc, uint32_t e) {
    while (e != 0 && doc->entries.v[e].current == 0) {
        e = yatai_entry_after(doc, e);
    }
    return doc->entries.v[e].current;
}

/* The children of a type in the order in which yjs deletes them: the list, then the current values
 * by the age of their keys. */
static uint32_t first_child(const struct yata_doc *doc, uint32_t t) {
    uint32_t start = doc->types.v[t].start;
    return start != 0 ? start : first_value(doc, yatai_entry_first(doc, t));
}

static uint32_t next_child(const struct yata_doc *doc, const struct yatai_item *it) {
    if (it->map) {
        return first_value(doc, yatai_entry_after(doc, it->home));
    }
    return it->right != 0 ? it->right : first_value(doc, yatai_entry_first(doc, it->home));
}

static void mark_deleted(struct yata_doc *doc, struct yatai_item *it) {
    if (doc->places) {
        yatai_places_went(doc, it);
    }
    it->deleted = it->now = true;
    note_deleted(doc, it);
}

/* Depth first, so that seams are noted in the order of yjs 13.6 structs/ContentType.js delete. */
void yatai_delete(struct yata_doc *doc, uint32_t item) {
    struct yatai_item *it = yatai_item(doc, item);
    if (it->deleted) {
        return;
    }
    mark_deleted(doc, it);
    if (yatai_kind(it) != YATAI_TYPE) {
        return;
    }
    uint32_t top = it->content, t = top, h = first_child(doc, t);
    for (;;) {
        if (h != 0) {
            it = yatai_item(doc, h);
            if (it->deleted) {
                /* It will be collected now, and may be merged. */
                if (!is_new(doc, it)) {
                    yatai_seam_note(doc, yatai_slot(it), it->clock);
                }
            } else {
                mark_deleted(doc, it);
                if (yatai_kind(it) == YATAI_TYPE) {
                    t = it->content;
                    h = first_child(doc, t);
                    continue;
                }
            }
        } else if (t != top) {
            it = yatai_item(doc, doc->types.v[t].item);
            t = yatai_home_type(doc, it);
        } else {
            return;
        }
        h = next_child(doc, it);
    }
}

void yatai_delete_range(struct yata_doc *doc, uint32_t slot, uint32_t clock, uint32_t len) {
    struct yatai_client *c = &doc->clients.v[slot];
    if (clock >= c->clock) {
        return;
    }
    uint32_t end = clock + len < c->clock ? clock + len : c->clock;
    while (clock < end) {
        struct yatai_pos pos = yatai_index_find(c, clock);
        uint32_t h = yatai_pos_item(c, pos);
        struct yatai_item *it = yatai_item(doc, h);
        uint32_t it_end = it->clock + it->len;
        if (it->deleted) {
            doc->old |= !it->now && !is_new(doc, it);
        } else if (yatai_kind(it) != YATAI_SKIP) {
            if (it->clock < clock) {
                h = yatai_item_split(doc, c, pos, clock - it->clock);
                pos = yatai_index_find(c, clock);
            }
            if (end < it_end) {
                (void)yatai_item_split(doc, c, pos, end - clock);
            }
            yatai_delete(doc, h);
        }
        clock = it_end;
    }
}

/* ---- finding the place ---------------------------------------------------------------------- */

/* A struct on its way into the document: what is worked out about it, one word each, before all is
 * written into the record at once. */
struct entrant {
    uint32_t clock;
    uint32_t offset; /* clocks of it that are known already */
    uint32_t hint;   /* its left neighbour, perhaps */
    uint32_t left, right;
    uint32_t origin_slot, origin_clock, right_slot, right_clock;
    uint32_t home;
    bool map;
};

/* The clients of a transaction and what they had before it. */
static void touch(struct yata_doc *doc, uint32_t slot) {
    struct yatai_client *c = &doc->clients.v[slot];
    if (c->txn == doc->txn) {
        return;
    }
    c->txn = doc->txn;
    c->before = c->clock;
    c->fresh = c->fresh_last = UINT32_MAX;
    doc->touched.v[doc->touched.n++] = slot;
}

/* Whether the two may be merged when the transaction ends, if nothing comes in between. */
static bool may_merge(const struct yatai_item *l, const struct yatai_item *r) {
    unsigned kind = yatai_kind(l);
    if (kind != yatai_kind(r)) {
        return false;
    }
    return kind == YATAI_GC || (yatai_kind_merges(kind) && r->origin_clock == r->clock - 1 &&
                                r->origin_slot == yatai_slot(l) && l->right_slot == r->right_slot &&
                                l->right_clock == r->right_clock);
}

static void add_to_client(struct yata_doc *doc, uint32_t slot, uint32_t item) {
    struct yatai_client *c = &doc->clients.v[slot];
    const struct yatai_item *it = yatai_item(doc, item);
    c->ranges_known &= yatai_kind(it) != YATAI_GC;
    touch(doc, slot);
    if (it->clock < c->clock) {
        doc->filled.v[doc->filled.n++] = (struct yatai_span){slot, it->clock, it->len};
        yatai_hole_fill(doc, slot, item);
        yatai_seam_note(doc, slot, it->clock);
        return;
    }
    /* Most that stands elsewhere can be told by itself: what came last need not be fetched. */
    bool follows = it->origin_clock == it->clock - 1 && it->origin_slot == slot;
    uint32_t tail = follows || yatai_kind(it) == YATAI_GC ? yatai_client_tail(c) : 0;
    if (tail != 0 && may_merge(yatai_item(doc, tail), it)) {
        c->fresh_last = it->clock;
        c->fresh = c->fresh == UINT32_MAX ? it->clock : c->fresh;
    }
    yatai_index_append(doc, c, it->clock, item);
    c->clock += it->len;
}

static void add_collected(struct yata_doc *doc, uint32_t slot, uint32_t h, uint32_t clock,
                          uint32_t len) {
    *yatai_item(doc, h) = (struct yatai_item){
        .clock = clock,
        .len = len,
        .slot = slot & YATAI_SLOT_MAX,
        .kind = YATAI_GC,
        .deleted = true,
    };
    add_to_client(doc, slot, h);
}

/* The type or entry of a struct that names its parent; 0 when there is no such type any more. */
static uint32_t named_home(struct yata_doc *doc, const struct yatai_ref *ref, bool *ret_map) {
    uint32_t type;
    if (ref->has & YATAI_HAS_ROOT) {
        type = yatai_root_get(doc, ref->root, ref->root_bytes);
    } else {
        uint32_t h = yatai_item_at(doc, ref->parent.slot, ref->parent.clock);
        const struct yatai_item *parent = yatai_item(doc, h);
        if (yatai_kind(parent) != YATAI_TYPE) {
            return 0;
        }
        type = parent->content;
    }
    *ret_map = (ref->has & YATAI_HAS_SUB) != 0;
    return *ret_map ? yatai_entry_get(doc, type, ref->sub, ref->sub_bytes) : type;
}

/* The struct that ends with the origin. */
static uint32_t find_left(struct yata_doc *doc, const struct entrant *e) {
    const struct yatai_client *c = &doc->clients.v[e->origin_slot];
    if (e->origin_clock + 1 == c->clock) {
        return yatai_client_tail(c);
    }
    const struct yatai_item *h = yatai_item(doc, e->hint);
    if (e->hint != 0 && yatai_slot(h) == e->origin_slot &&
        h->clock + h->len - 1 == e->origin_clock) {
        return e->hint;
    }
    return yatai_item_ending(doc, e->origin_slot, e->origin_clock);
}

/* The struct that starts with the right origin: mostly the one behind the left neighbour. */
static uint32_t find_right(struct yata_doc *doc, const struct entrant *e) {
    uint32_t next = yatai_item(doc, e->left)->right;
    const struct yatai_item *n = yatai_item(doc, next);
    return next != 0 && n->clock == e->right_clock && yatai_slot(n) == e->right_slot
               ? next
               : yatai_item_starting(doc, e->right_slot, e->right_clock);
}

/* Neighbours and home. False when the struct has no home and so can only be collected. */
static bool resolve(struct yata_doc *doc, uint32_t slot, const struct yatai_ref *ref,
                    struct entrant *e) {
    bool lost = false;
    if (ref->has & YATAI_HAS_ORIGIN) {
        e->origin_slot = ref->origin.slot;
        e->origin_clock = ref->origin.clock;
        e->left = find_left(doc, e);
    }
    if (ref->has & YATAI_HAS_RIGHT) {
        e->right_slot = ref->right.slot;
        e->right_clock = ref->right.clock;
        e->right = find_right(doc, e);
    }
    if (e->left != 0 || e->right != 0) {
        const struct yatai_item *l = yatai_item(doc, e->left), *r = yatai_item(doc, e->right);
        lost = (e->left != 0 && yatai_kind(l) == YATAI_GC) ||
               (e->right != 0 && yatai_kind(r) == YATAI_GC);
        const struct yatai_item *from = e->left != 0 ? l : r;
        e->home = from->home;
        e->map = from->map;
    } else {
        e->home = named_home(doc, ref, &e->map);
    }
    if (e->offset > 0) {
        e->origin_slot = slot;
        e->origin_clock = e->clock - 1;
        e->left = yatai_item_at(doc, slot, e->clock - 1);
        /* Left and home always belong together, whatever two updates say of the same clocks. */
        const struct yatai_item *left = yatai_item(doc, e->left);
        e->home = left->home;
        e->map = left->map;
        lost |= yatai_kind(left) == YATAI_GC;
    }
    return !lost && e->home != 0;
}

/* The first struct of the list, or of the values of the key. */
static uint32_t *list_head(struct yata_doc *doc, const struct yatai_item *it) {
    return it->map ? &doc->entries.v[it->home].leftmost : &doc->types.v[it->home].start;
}

/* A walk over the structs that were put at the same place concurrently. */
struct scan {
    uint32_t all;  /* structs passed, with the one at hand */
    uint32_t open; /* those since the place last moved */
    bool marked;   /* the structs passed have their numbers in doc->marks */
};

/* Walks longer than this number what they pass. */
#define SCAN_UNMARKED 32

/* Numbers the `all` structs that end with `o`, so that passed() need not walk back. */
static void mark_passed(struct yata_doc *doc, struct scan *s, uint32_t o) {
    if (!s->marked) {
        if (!YATAI_RESERVE(&doc->mem, &doc->marks, doc->items.n)) {
            return;
        }
        while (doc->marks.n < doc->items.n) {
            doc->marks.v[doc->marks.n++] = (struct yatai_mark){0};
        }
        doc->scan++;
        s->marked = true;
        for (uint32_t number = s->all; number > 0; number--) {
            doc->marks.v[o] = (struct yatai_mark){doc->scan, number};
            o = yatai_item(doc, o)->left;
        }
        return;
    }
    doc->marks.v[o] = (struct yatai_mark){doc->scan, s->all};
}

/* How far before `o` was `wanted` passed? 0 when it was not. */
static uint32_t passed(const struct yata_doc *doc, const struct scan *s, uint32_t o,
                       uint32_t wanted) {
    if (s->marked) {
        struct yatai_mark mark = doc->marks.v[wanted];
        return mark.scan == doc->scan ? s->all - mark.number : 0;
    }
    for (uint32_t back = 1; back < s->all; back++) {
        o = yatai_item(doc, o)->left;
        if (o == wanted) {
            return back;
        }
    }
    return 0;
}

/* Walks the structs that were put at the same place concurrently and returns the one to stand right
 * of. */
static uint32_t find_place(struct yata_doc *doc, const struct yatai_item *it) {
    const struct yatai_client *clients = doc->clients.v;
    uint64_t id = clients[yatai_slot(it)].id;
    uint32_t place = it->left;
    struct scan s = {0};
    uint32_t o = it->left != 0 ? yatai_item(doc, it->left)->right : *list_head(doc, it);
    for (; o != 0 && o != it->right; o = yatai_item(doc, o)->right) {
        const struct yatai_item *other = yatai_item(doc, o);
        s.all++;
        s.open++;
        if (s.all > SCAN_UNMARKED) {
            mark_passed(doc, &s, o);
        }
        if (other->origin_slot == it->origin_slot && other->origin_clock == it->origin_clock) {
            if (clients[yatai_slot(other)].id < id) {
                place = o;
                s.open = 0;
            } else if (other->right_slot == it->right_slot &&
                       other->right_clock == it->right_clock) {
                break;
            }
            continue;
        }
        if (other->origin_slot == 0) {
            break;
        }
        uint32_t origin = yatai_item_at(doc, other->origin_slot, other->origin_clock);
        uint32_t back = passed(doc, &s, o, origin);
        if (back == 0) {
            break;
        }
        if (back >= s.open) {
            place = o;
            s.open = 0;
        }
    }
    return place;
}

static void link_in(struct yata_doc *doc, uint32_t h) {
    struct yatai_item *it = yatai_item(doc, h);
    if (it->left != 0) {
        it->right = yatai_item(doc, it->left)->right;
        yatai_item(doc, it->left)->right = h;
    } else {
        uint32_t *head = list_head(doc, it);
        it->right = *head;
        *head = h;
    }
    if (it->right != 0) {
        yatai_item(doc, it->right)->left = h;
    } else if (it->map) {
        doc->entries.v[it->home].current = h;
        if (it->left != 0) {
            yatai_delete(doc, it->left);
        }
    }
}

/* ---- contents ------------------------------------------------------------------------------- */

static void store_text(struct yata_doc *doc, struct yatai_item *it, const struct yatai_ref *ref,
                       uint32_t offset) {
    const uint8_t *p = ref->content;
    size_t n = ref->content_bytes;
    bool inside = false;
    size_t at = offset == 0 ? 0 : yatai_text_offset(p, n, offset, &inside);
    if (inside) {
        static const uint8_t subst = YATAI_TEXT_SUBST;
        uint32_t start = yatai_heap_add(doc, &subst, 1, false);
        (void)yatai_heap_add(doc, p + at + 4, n - at - 4, false);
        yatai_payload_set(doc, it, start, (uint32_t)(n - at - 3));
        it->subst = true;
        return;
    }
    yatai_payload_set(doc, it, yatai_heap_add(doc, p + at, n - at, false), (uint32_t)(n - at));
}

static void store_content(struct yata_doc *doc, uint32_t h, const struct yatai_ref *ref,
                          uint32_t offset) {
    struct yatai_item *it = yatai_item(doc, h);
    const uint8_t *p = ref->content;
    size_t n = ref->content_bytes, skip = 0;
    uint32_t at;
    switch (ref->kind) {
    case YATAI_DELETED:
        it->deleted = true;
        if (doc->told) {
            it->now = true;
            note_deleted(doc, it);
        } else { /* nothing to collect, and nobody to tell */
            doc->clients.v[yatai_slot(it)].ranges_known = false;
            doc->deletes++;
        }
        break;
    case YATAI_STRING:
        store_text(doc, it, ref, offset);
        break;
    case YATAI_TYPE:
        it->content = yatai_type_new(doc, h, ref->type_ref);
        doc->types.v[it->content].name = yatai_heap_add(doc, p, n, true);
        doc->types.v[it->content].name_bytes = (uint32_t)n;
        break;
    case YATAI_JSON:
    case YATAI_ANY:
        skip = yatai_elements_skip(ref->kind, p, n, offset);
        at = yatai_heap_add(doc, p + skip, n - skip, ref->kind == YATAI_JSON);
        yatai_payload_set(doc, it, at, (uint32_t)(n - skip));
        break;
    default:
        it->any = ref->any;
        at = yatai_heap_add(doc, p, n, true);
        yatai_payload_set(doc, it, at, (uint32_t)n);
        break;
    }
}

bool yatai_extend_tail(struct yata_doc *doc, uint32_t slot, const struct yatai_ref *ref) {
    if (!(ref->has & YATAI_HAS_ORIGIN) || ref->origin.slot != slot ||
        ref->origin.clock + 1 != ref->clock || !yatai_kind_merges(ref->kind)) {
        return false;
    }
    struct yatai_client *c = &doc->clients.v[slot];
    struct yatai_item *tail = yatai_item(doc, yatai_client_tail(c));
    if (yatai_kind(tail) != ref->kind || tail->deleted || tail->map) {
        return false;
    }
    uint32_t right_slot = 0, right_clock = 0;
    if (ref->has & YATAI_HAS_RIGHT) {
        right_slot = ref->right.slot;
        right_clock = ref->right.clock;
    }
    if (tail->right_slot != right_slot || tail->right_clock != right_clock) {
        return false;
    }
    if (tail->right != 0) {
        const struct yatai_item *right = yatai_item(doc, tail->right);
        if (yatai_slot(right) != right_slot || right->clock != right_clock) {
            return false;
        }
    } else if (right_slot != 0) {
        return false;
    }
    struct yatai_wide *wide = tail->wide ? &doc->wides.v[tail->content] : NULL;
    uint32_t bytes = wide ? wide->bytes : tail->len;
    struct yatai_grown *g = &doc->grown;
    if (ref->kind == YATAI_ANY &&
        (g->txn != doc->txn || g->slot != slot || g->clock != tail->clock)) {
        *g = (struct yatai_grown){doc->txn, slot, tail->clock, tail->len, bytes};
    }
    if (!yatai_heap_extend(doc, wide ? &wide->at : &tail->content, bytes, ref->content,
                           ref->content_bytes)) {
        return false;
    }
    touch(doc, slot);
    tail->len += ref->len;
    if (wide) {
        wide->bytes += ref->content_bytes;
    } else if (ref->content_bytes != ref->len) {
        yatai_payload_set(doc, tail, tail->content, bytes + ref->content_bytes);
    }
    if (doc->places) {
        yatai_places_came(doc, yatai_client_tail(c), ref->len);
    }
    c->clock += ref->len;
    return true;
}

/* Splits the struct that holds a clock before it, but no surrogate pair: that would be for good.
 * What came in this transaction is merged wherever that is possible, and no room is reserved. */
static void split_before(struct yata_doc *doc, uint32_t slot, uint32_t clock) {
    struct yatai_client *c = &doc->clients.v[slot];
    if (clock >= (c->txn == doc->txn ? c->before : c->clock)) {
        return;
    }
    struct yatai_pos pos = yatai_index_find(c, clock);
    const struct yatai_item *it = yatai_item(doc, yatai_pos_item(c, pos));
    uint32_t units = clock - it->clock;
    if (units == 0 || yatai_kind(it) == YATAI_GC) {
        return;
    }
    bool inside = false;
    if (yatai_kind(it) == YATAI_STRING && it->wide) {
        struct yata_slice text = yatai_payload(doc, it);
        (void)yatai_text_offset(text.p, text.n, units, &inside);
    }
    if (inside) {
        yatai_seam_note(doc, slot, clock);
    } else {
        (void)yatai_item_split(doc, c, pos, units);
    }
}

/* What yjs does with a struct that it knows; see plan.c. */
static void integrate_known(struct yata_doc *doc, const struct yatai_ref *ref) {
    if (ref->has & YATAI_HAS_ORIGIN) {
        split_before(doc, ref->origin.slot, ref->origin.clock + 1);
    }
    if (ref->has & YATAI_HAS_RIGHT) {
        split_before(doc, ref->right.slot, ref->right.clock);
    }
}

/* A struct that does not start at its client's clock: behind a gap, in a hole, or known from its
 * start on. Returns for how long. */
static uint32_t integrate_apart(struct yata_doc *doc, uint32_t slot, const struct yatai_ref *ref) {
    struct yatai_client *c = &doc->clients.v[slot];
    if (ref->clock > c->clock) {
        touch(doc, slot);
        yatai_hole_open(doc, slot, ref->clock);
        return 0;
    }
    if (yatai_is_hole(doc, c, ref->clock)) {
        return 0;
    }
    doc->old = true;
    return c->clock - ref->clock;
}

void yatai_integrate(struct yata_doc *doc, uint32_t slot, const struct yatai_ref *ref,
                     uint32_t hint) {
    struct yatai_client *c = &doc->clients.v[slot];
    uint32_t offset = ref->clock == c->clock ? 0 : integrate_apart(doc, slot, ref);
    if (offset >= ref->len) {
        integrate_known(doc, ref);
        return;
    }
    uint32_t clock = ref->clock + offset;
    if (ref->kind == YATAI_GC) {
        add_collected(doc, slot, yatai_item_new(doc), clock, ref->len - offset);
        return;
    }
    if (ref->clock == c->clock && !doc->apart && yatai_extend_tail(doc, slot, ref)) {
        return;
    }
    uint32_t h = yatai_item_new(doc);
    struct entrant e = {.clock = clock, .offset = offset, .hint = hint};
    if (!resolve(doc, slot, ref, &e)) {
        add_collected(doc, slot, h, clock, ref->len - offset);
        return;
    }
    struct yatai_item *it = yatai_item(doc, h);
    *it = (struct yatai_item){
        .slot = slot & YATAI_SLOT_MAX,
        .origin_slot = e.origin_slot & YATAI_SLOT_MAX,
        .right_slot = e.right_slot & YATAI_SLOT_MAX,
        .kind = ref->kind & YATAI_KIND_MAX,
        .clock = clock,
        .len = ref->len - offset,
        .left = e.left,
        .right = e.right,
        .origin_clock = e.origin_clock,
        .right_clock = e.right_clock,
        .home = e.home & YATAI_HOME_MAX,
        .map = e.map,
    };
    if (e.left != 0 ? yatai_item(doc, e.left)->right != e.right
                    : e.right == 0 || yatai_item(doc, e.right)->left != 0) {
        it->left = find_place(doc, it);
    }
    link_in(doc, h);
    store_content(doc, h, ref, offset);
    add_to_client(doc, slot, h);
    if (doc->places) {
        yatai_places_came(doc, h, it->len);
    }
    uint32_t holder = doc->types.v[yatai_home_type(doc, it)].item;
    bool orphan = holder != 0 && yatai_item(doc, holder)->deleted;
    if (orphan || (it->map && it->right != 0)) {
        yatai_delete(doc, h);
    }
}
