/* revert.c: the edits that bring a document back to what it was.
 *
 * The past is another document. Shared types that both have are gone through in pairs, beginning
 * with the root types: what a list or map has in common with what it was stays (revert_match.c), so
 * that cursors and concurrent edits there survive; what is left over is deleted, and what is
 * missing is inserted as a copy, with all that it holds. All of that is one update of this
 * document's own client, and applied as any edit is.
 *
 * What is copied is not put together again: contents point into the past, which outlives the call.
 * Types wait in a list for their turn, since a peer decides how deep they nest.
 */
#include "revert.h"

#include "edit.h"
#include "look.h"
#include "pending.h"

/* Two types of which one is to become the other. */
struct pair {
    uint32_t past; /* 0: there was none */
    uint32_t now;  /* 0: it is a copy in the making, or a root type without structs */
    uint32_t made; /* the clock of the copy */
};

/* One revert on its way. */
struct revert {
    struct yatai_edit *e;
    struct yata_doc *doc;
    const struct yata_doc *past;
    struct yatai_matching m;
    YATAI_VEC(struct pair) todo;
    struct pair pair; /* at hand: */
    struct yatai_cursor cursor;
    struct yatai_spot spot; /* how far its lists are the same */
    struct yatai_spot now;
    bool joins; /* the struct that was added last is right before the cursor, and may grow */
};

static void add_pair(struct revert *r, struct pair pair) {
    if (!YATAI_PUSH(&r->doc->mem, &r->todo, pair)) {
        (void)yatai_edit_fail(r->e, YATA_NOMEM);
    }
}

static void add_pair_of(struct revert *r, uint32_t past_item, uint32_t item) {
    const struct yatai_item *was = yatai_item(r->past, past_item);
    if (yatai_kind(was) == YATAI_TYPE) {
        add_pair(r, (struct pair){was->content, yatai_item(r->doc, item)->content, 0});
    }
}

/* ---- copies --------------------------------------------------------------------------------- */

/* The content of a struct of the past between two of its places. */
static struct yatai_ref content_of(const struct revert *r, struct yatai_spot from, uint32_t units,
                                   uint32_t bytes) {
    const struct yatai_item *it = yatai_item(r->past, from.item);
    struct yatai_ref view = yatai_item_view(r->past, it);
    return (struct yatai_ref){.len = units,
                              .kind = view.kind,
                              .has = view.has & YATAI_HAS_SUBST,
                              .type_ref = view.type_ref,
                              .any = view.any,
                              .content = view.content + from.at,
                              .content_bytes = bytes};
}

/* Names the parent of a struct without neighbours. */
static void name_parent(const struct revert *r, struct yatai_ref *ref) {
    const struct yatai_type *was = &r->past->types.v[r->pair.past];
    if (was->item == 0) {
        const struct yatai_entry *root = &r->past->entries.v[was->root];
        ref->has |= YATAI_HAS_ROOT;
        ref->root = r->past->heap.v + root->key;
        ref->root_bytes = root->key_bytes;
    } else if (r->pair.now == 0) {
        ref->parent = (struct yatai_id){.client = r->doc->client, .clock = r->pair.made};
    } else {
        const struct yatai_item *holder = yatai_item(r->doc, r->doc->types.v[r->pair.now].item);
        ref->parent = (struct yatai_id){.client = r->doc->clients.v[yatai_slot(holder)].id,
                                        .clock = holder->clock};
    }
}

static void add_copy(struct revert *r, struct yatai_ref *ref, uint32_t past_item) {
    uint32_t clock = r->e->clock;
    size_t n = r->e->update->refs.n;
    yatai_edit_add(r->e, ref);
    r->joins &= r->e->update->refs.n > n;
    if (ref->kind == YATAI_TYPE) {
        add_pair(r, (struct pair){yatai_item(r->past, past_item)->content, 0, clock});
    }
}

/* Content as it goes into updates, at the end of the payload; returns its bytes. */
static uint32_t add_payload(struct revert *r, const struct yatai_ref *ref) {
    struct yatai_out *out = &r->e->payload;
    const uint8_t *p = ref->content, *end = p + ref->content_bytes;
    size_t from = out->n;
    while (ref->has & YATAI_HAS_SUBST && p < end) {
        struct yata_slice piece = yatai_text_piece(&p, end);
        yatai_out_bytes(out, piece.p, piece.n);
    }
    yatai_out_bytes(out, p, (size_t)(end - p));
    return (uint32_t)(out->n - from);
}

/* Makes the content a part of the copy before it, if the two would be merged anyway. */
static bool extend_copy(struct revert *r, const struct yatai_ref *more) {
    struct yatai_edit *e = r->e;
    struct yatai_ref *last = r->joins ? &e->update->refs.v[e->update->refs.n - 1] : NULL;
    if (!last || last->kind != more->kind || more->len > UINT32_MAX - e->clock ||
        e->payload.n > UINT32_MAX / 2) {
        return false;
    }
    uint32_t bytes = add_payload(r, more);
    last->len += more->len;
    last->content_bytes += bytes;
    e->update->content_bytes += bytes;
    e->clock += more->len;
    return true;
}

/* The content of a struct that may grow lies in the payload of the edit. */
static void open_copy(struct revert *r, struct yatai_ref *ref) {
    uint32_t from = (uint32_t)r->e->payload.n;
    ref->content_bytes = add_payload(r, ref);
    ref->content = NULL;
    ref->clock = from;
    ref->has &= (uint8_t)~YATAI_HAS_SUBST;
}

static void insert_copy(struct revert *r, struct yatai_spot from, uint32_t units, uint32_t bytes) {
    struct yatai_ref ref = content_of(r, from, units, bytes);
    struct yatai_cursor *at = &r->cursor;
    if (extend_copy(r, &ref)) {
        at->left.clock = r->e->clock - 1;
        return;
    }
    r->joins = yatai_kind_merges(ref.kind);
    if (r->joins) {
        open_copy(r, &ref);
    }
    if (at->has_left) {
        ref.has |= YATAI_HAS_ORIGIN;
        ref.origin = at->left;
    }
    if (at->item != 0) {
        const struct yatai_item *next = yatai_item(r->doc, at->item);
        ref.has |= YATAI_HAS_RIGHT;
        ref.right = (struct yatai_id){.client = r->doc->clients.v[yatai_slot(next)].id,
                                      .clock = next->clock + at->offset};
    }
    if (!(ref.has & (YATAI_HAS_ORIGIN | YATAI_HAS_RIGHT))) {
        name_parent(r, &ref);
    }
    add_copy(r, &ref, from.item);
    at->has_left = true;
    at->left = (struct yatai_id){.client = r->doc->client, .clock = r->e->clock - 1};
}

/* ---- lists ---------------------------------------------------------------------------------- */

/* Inserts what the past has up to a place, */
static void bring_back(struct revert *r, struct yatai_spot until) {
    while (r->spot.item != 0 && r->e->status == YATA_OK) {
        const struct yatai_item *it = yatai_item(r->past, r->spot.item);
        bool last = r->spot.item == until.item;
        uint32_t end = last ? until.unit : it->len;
        if (!yatai_is_deleted(it) && r->spot.unit < end) {
            uint32_t end_at = last ? until.at : yatai_item_view(r->past, it).content_bytes;
            insert_copy(r, r->spot, end - r->spot.unit, end_at - r->spot.at);
        }
        r->spot = last ? until : (struct yatai_spot){.item = it->right};
        if (last) {
            return;
        }
    }
}

/* and deletes what there is up to one. */
static void clear_away(struct revert *r, uint32_t item, uint32_t unit) {
    struct yatai_cursor *at = &r->cursor;
    while (at->item != 0 && (at->item != item || at->offset < unit)) {
        const struct yatai_item *it = yatai_item(r->doc, at->item);
        uint32_t units = (at->item == item ? unit : it->len) - at->offset;
        r->joins = false;
        if (!yatai_is_deleted(it)) {
            yatai_edit_delete(r->e, at->item, at->offset, units);
        }
        yatai_edit_pass_units(r->e, at, units);
    }
}

/* Brings about what is between the last match and this one; then they are the same so far. */
static void take_match(struct revert *r, const struct yatai_match *x) {
    bring_back(r, x->past);
    clear_away(r, x->now.item, x->now.unit);
    if (x->units == 0) {
        return; /* the end */
    }
    yatai_edit_pass_units(r->e, &r->cursor, x->units);
    r->joins = false;
    r->spot = x->past;
    r->spot.unit += x->units;
    r->spot.at += x->past_bytes;
    r->now = x->now;
    r->now.unit += x->units;
    r->now.at += x->now_bytes;
    add_pair_of(r, x->past.item, x->now.item);
}

/* Up to a match by id, or the end. */
static void take_gap(struct revert *r, const struct yatai_match *until) {
    if (r->pair.now != 0 && r->pair.past != 0) {
        yatai_match_gap(&r->m, r->spot, until->past, r->now, until->now);
        for (size_t i = 0; i < r->m.in_gap.n && r->e->status == YATA_OK; i++) {
            take_match(r, &r->m.in_gap.v[i]);
        }
    }
    take_match(r, until);
}

static void revert_list(struct revert *r) {
    static const struct yatai_match end;
    uint32_t start = r->pair.now == 0 ? 0 : r->doc->types.v[r->pair.now].start;
    r->cursor = (struct yatai_cursor){.item = start};
    r->joins = false;
    r->now = (struct yatai_spot){.item = start};
    r->spot =
        (struct yatai_spot){.item = r->pair.past == 0 ? 0 : r->past->types.v[r->pair.past].start};
    yatai_match_lists(&r->m, r->pair.past, r->pair.now);
    for (size_t i = 0; i < r->m.by_id.n && r->e->status == YATA_OK; i++) {
        take_gap(r, &r->m.by_id.v[i]);
    }
    take_gap(r, &end);
}

/* ---- maps ----------------------------------------------------------------------------------- */

/* The struct that was set last at a key, deleted or not; or 0. */
static uint32_t last_set(const struct yata_doc *doc, uint32_t type, struct yata_slice key) {
    uint32_t e = type == 0 ? 0 : yatai_entry_find(doc, type, key.p, (uint32_t)key.n);
    return e == 0 ? 0 : doc->entries.v[e].current;
}

static bool is_there(const struct yata_doc *doc, uint32_t item) {
    return item != 0 && !yatai_is_deleted(yatai_item(doc, item));
}

static void revert_value(struct revert *r, struct yata_slice key, uint32_t was) {
    uint32_t now = last_set(r->doc, r->pair.now, key);
    if (is_there(r->doc, now) && yatai_match_items(&r->m, was, now)) {
        add_pair_of(r, was, now);
        return;
    }
    struct yatai_ref view = yatai_item_view(r->past, yatai_item(r->past, was));
    struct yatai_ref ref =
        content_of(r, (struct yatai_spot){.item = was}, view.len, view.content_bytes);
    open_copy(r, &ref);
    if (now != 0) {
        const struct yatai_item *it = yatai_item(r->doc, now);
        ref.has |= YATAI_HAS_ORIGIN;
        ref.origin = (struct yatai_id){.client = r->doc->clients.v[yatai_slot(it)].id,
                                       .clock = it->clock + it->len - 1};
    } else {
        name_parent(r, &ref);
        ref.has |= YATAI_HAS_SUB;
        ref.sub = key.p;
        ref.sub_bytes = (uint32_t)key.n;
    }
    add_copy(r, &ref, was);
}

/* Deletes what was set at keys that had no value. */
static void clear_keys(struct revert *r) {
    uint32_t e = r->pair.now == 0 ? 0 : yatai_entry_first(r->doc, r->pair.now);
    for (; e != 0 && r->e->status == YATA_OK; e = yatai_entry_after(r->doc, e)) {
        uint32_t now = yatai_entry_value(r->doc, e);
        uint32_t was = now == 0 ? 0 : last_set(r->past, r->pair.past, yatai_entry_key(r->doc, e));
        if (now != 0 && !is_there(r->past, was)) {
            yatai_edit_delete(r->e, now, 0, yatai_item(r->doc, now)->len);
        }
    }
}

static void revert_map(struct revert *r) {
    uint32_t e = r->pair.past == 0 ? 0 : yatai_entry_first(r->past, r->pair.past);
    for (; e != 0 && r->e->status == YATA_OK; e = yatai_entry_after(r->past, e)) {
        uint32_t was = yatai_entry_value(r->past, e);
        if (was != 0) {
            revert_value(r, yatai_entry_key(r->past, e), was);
        }
    }
    clear_keys(r);
}

/* ---- documents ------------------------------------------------------------------------------ */

/* The root type of one document with the name that it has in another; or 0. */
static uint32_t root_like(const struct yata_doc *doc, struct yata_slice name) {
    uint32_t e = yatai_entry_find(doc, 0, name.p, (uint32_t)name.n);
    return e == 0 ? 0 : doc->entries.v[e].current;
}

static void add_roots(struct revert *r) {
    for (uint32_t e = yatai_entry_first(r->past, 0); e != 0; e = yatai_entry_after(r->past, e)) {
        uint32_t now = root_like(r->doc, yatai_entry_key(r->past, e));
        add_pair(r, (struct pair){r->past->entries.v[e].current, now, 0});
    }
    for (uint32_t e = yatai_entry_first(r->doc, 0); e != 0; e = yatai_entry_after(r->doc, e)) {
        if (root_like(r->past, yatai_entry_key(r->doc, e)) == 0) {
            add_pair(r, (struct pair){0, r->doc->entries.v[e].current, 0});
        }
    }
}

enum yata_status yata_revert(struct yata_doc *doc, const struct yata_doc *past) {
    enum yata_status status = YATA_NOMEM;
    if (doc == past) {
        return YATA_OK;
    }
    if (!yatai_thaw(doc) || !yatai_thaw(past)) {
        return status;
    }
    struct revert r = {.doc = doc, .past = past, .e = yatai_edit_begin_any(doc, &status)};
    if (!r.e) {
        return status;
    }
    yatai_match_init(&r.m, doc, past);
    add_roots(&r);
    while (r.todo.n > 0 && r.e->status == YATA_OK && !r.m.failed) {
        r.pair = r.todo.v[--r.todo.n];
        revert_list(&r);
        revert_map(&r);
    }
    if (r.m.failed) {
        (void)yatai_edit_fail(r.e, YATA_NOMEM);
    }
    yatai_match_fini(&r.m);
    YATAI_VEC_FREE(&doc->mem, &r.todo);
    return yatai_edit_end(r.e);
}

/* ---- where the past comes from -------------------------------------------------------------- */

static enum yata_status revert_to(struct yata_doc *doc, const struct yata_doc *past,
                                  struct yata_error *ret_error) {
    enum yata_status status = yata_revert(doc, past);
    switch (status) {
    case YATA_OK:
        return status;
    case YATA_NOMEM:
        return yatai_refuse(status, "out of memory", ret_error);
    case YATA_RANGE:
        return yatai_refuse(status, "there is no client id to write with", ret_error);
    default:
        return yatai_refuse(status, "a limit of the document would be passed", ret_error);
    }
}

/* An empty document with the limits of another. */
static struct yata_doc *new_past(const struct yata_doc *doc) {
    struct yata_options options = doc->options;
    options.client = 0;
    return yata_doc_new(&options);
}

enum yata_status yata_revert_to_state(struct yata_doc *doc, enum yata_format format,
                                      const uint8_t *state, size_t n,
                                      struct yata_error *ret_error) {
    struct yata_doc *past = new_past(doc);
    if (!past) {
        return yatai_refuse(YATA_NOMEM, "out of memory", ret_error);
    }
    enum yata_status status = yata_apply_as(past, format, state, n, NULL, ret_error);
    if (status == YATA_OK && past->struct_count == past->hole_count && yatai_pending_any(past)) {
        status = yatai_refuse(YATA_MALFORMED,
                              "not a whole state: all of it waits for other updates", ret_error);
    }
    if (status == YATA_OK) {
        status = revert_to(doc, past, ret_error);
    }
    yata_doc_free(past);
    return status;
}

enum yata_status yata_revert_to_snapshot(struct yata_doc *doc, const struct yata_snapshot *snapshot,
                                         struct yata_error *ret_error) {
    struct yata_options options = doc->options;
    struct yata_doc *past;
    options.client = 0;
    enum yata_status status = yata_doc_at(doc, snapshot, &options, &past, ret_error);
    if (status == YATA_OK) {
        status = revert_to(doc, past, ret_error);
        yata_doc_free(past);
    }
    return status;
}
