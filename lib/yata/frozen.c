/* frozen.c: a document of which nobody wants anything at the moment.
 *
 * Most documents of a server are idle most of the time, and as bytes they take a third or a quarter
 * of the memory. A frozen document is its own encoded state, and its clients: what peers ask when
 * they connect and have everything already (state vector, difference) is answered from that, as is
 * a wish for all of it. For anything else the document thaws: the bytes are applied to a new one,
 * and that takes the place of the old one at the end, so that when memory is out nothing has
 * happened.
 *
 * Clients keep their slots, by which the names of nested types know them; see shared.c.
 */
#include "edit.h"
#include "look.h"
#include "places.h"

/* ---- freezing ------------------------------------------------------------------------------- */

/* What is empty outside of transactions, or can be made again. */
static void drop_lists(struct yata_doc *doc) {
    YATAI_VEC_FREE(&doc->mem, &doc->marks);
    YATAI_VEC_FREE(&doc->mem, &doc->touched);
    YATAI_VEC_FREE(&doc->mem, &doc->deleted);
    YATAI_VEC_FREE(&doc->mem, &doc->seams);
    YATAI_VEC_FREE(&doc->mem, &doc->filled);
    yatai_scratch_drop(doc);
    yatai_edit_fini(doc);
    yatai_places_fini(doc);
}

/* Everything that the bytes say as well. */
static void drop_structs(struct yata_doc *doc) {
    for (size_t i = 1; i < doc->clients.n; i++) {
        yatai_index_drop(doc, &doc->clients.v[i]);
    }
    for (size_t i = 0; i < doc->spare.n; i++) {
        yatai_leaf_free(doc, doc->spare.v[i]);
    }
    doc->free_item = doc->free_wide = doc->free_type = doc->free_entry = 0;
    doc->heap_live = doc->entry_count = 0;
    YATAI_VEC_FREE(&doc->mem, &doc->spare);
    YATAI_VEC_FREE(&doc->mem, &doc->items);
    YATAI_VEC_FREE(&doc->mem, &doc->wides);
    YATAI_VEC_FREE(&doc->mem, &doc->types);
    YATAI_VEC_FREE(&doc->mem, &doc->entries);
    YATAI_VEC_FREE(&doc->mem, &doc->buckets);
    YATAI_VEC_FREE(&doc->mem, &doc->heap);
    drop_lists(doc);
}

/* The state, and what does not show in it: root types that are empty, and their order. */
static void write_all(struct yatai_out *out, struct yata_doc *doc) {
    struct yatai_out deletions = {.mem = &doc->mem};
    yatai_write_state(out, YATA_V1, doc, NULL, 0);
    yatai_write_delete_set(&deletions, YATA_V1, doc);
    doc->frozen_deletions = out->n - deletions.n;
    doc->frozen_roots = out->n;
    out->failed |= deletions.failed;
    yatai_out_fini(&deletions);
    uint32_t e = doc->types.n > 0 ? yatai_entry_first(doc, 0) : 0;
    for (; e != 0; e = yatai_entry_after(doc, e)) {
        struct yata_slice name = yatai_entry_key(doc, e);
        yatai_out_string(out, name.p, name.n);
    }
}

enum yata_status yata_doc_freeze(struct yata_doc *doc) {
    /* What waits, and holes, are more than the bytes of the state can say. */
    if (doc->frozen.n > 0 || doc->open || doc->hole_count > 0 || yatai_pending_any(doc)) {
        return YATA_OK;
    }
    struct yatai_out out = {.mem = &doc->mem};
    write_all(&out, doc);
    if (out.failed) {
        yatai_out_fini(&out);
        return YATA_NOMEM;
    }
    uint8_t *fitting = yatai_mem_resize(&doc->mem, out.p, out.cap, out.n);
    doc->frozen.v = fitting ? fitting : out.p;
    doc->frozen.cap = fitting ? out.n : out.cap;
    doc->frozen.n = out.n;
    drop_structs(doc);
    return YATA_OK;
}

/* ---- answers -------------------------------------------------------------------------------- */

static bool has_all(const struct yata_doc *doc, const struct yata_clock *since, size_t n) {
    for (size_t i = 1; i < doc->clients.n; i++) {
        const struct yatai_client *c = &doc->clients.v[i];
        if (c->clock > yatai_since(since, n, c->id)) {
            return false;
        }
    }
    return true;
}

bool yatai_frozen_write(struct yatai_out *out, enum yata_format format, const struct yata_doc *doc,
                        const struct yata_clock *since, size_t n) {
    if (doc->frozen.n == 0 || format != YATA_V1) {
        return false;
    }
    if (n == 0) {
        yatai_out_bytes(out, doc->frozen.v, doc->frozen_roots);
        return true;
    }
    if (!has_all(doc, since, n)) {
        return false;
    }
    yatai_out_uint(out, 0); /* no structs, and all deletions */
    yatai_out_bytes(out, doc->frozen.v + doc->frozen_deletions,
                    doc->frozen_roots - doc->frozen_deletions);
    return true;
}

/* ---- thawing -------------------------------------------------------------------------------- */

/* The same clients in the same slots, the same root types in the same order, and the state. */
static bool fill(struct yata_doc *warm, const struct yata_doc *doc) {
    for (uint32_t slot = 1; slot < doc->clients.n; slot++) {
        if (yatai_client_intern(warm, doc->clients.v[slot].id) != slot) {
            return false;
        }
    }
    const uint8_t *p = doc->frozen.v + doc->frozen_roots, *end = doc->frozen.v + doc->frozen.n;
    for (uint64_t n; p < end; p += n) {
        struct yata_type type;
        p = yatai_past_uint(p, &n);
        if (yata_root(warm, (const char *)p, (size_t)n, &type) != YATA_OK) {
            return false;
        }
    }
    return yata_apply(warm, doc->frozen.v, doc->frozen_roots, NULL, NULL) == YATA_OK;
}

static struct yata_doc *warm_up(const struct yata_doc *doc) {
    struct yata_options options = doc->options;
    options.max_clients = SIZE_MAX; /* what was let in once is not judged again */
    options.max_structs = options.max_update_structs = 0;
    options.max_roots = options.max_memory_bytes = 0;
    struct yata_doc *warm = yata_doc_new(&options);
    if (warm && !fill(warm, doc)) {
        yata_doc_free(warm);
        warm = NULL;
    }
    return warm;
}

/* Moves the content of `warm`; all else that is known of the document stays. */
static void take(struct yata_doc *doc, struct yata_doc *warm) {
    drop_lists(warm);
    YATAI_VEC_FREE(&doc->mem, &doc->frozen);
    YATAI_VEC_FREE(&doc->mem, &doc->clients);
    YATAI_VEC_FREE(&doc->mem, &doc->client_hash);
    YATAI_VEC_FREE(&doc->mem, &doc->by_id);
    doc->mem.used_bytes += warm->mem.used_bytes - sizeof *warm;
    doc->items = warm->items;
    doc->free_item = warm->free_item;
    doc->wides = warm->wides;
    doc->free_wide = warm->free_wide;
    doc->types = warm->types;
    doc->free_type = warm->free_type;
    doc->type_count = warm->type_count;
    doc->entries = warm->entries;
    doc->free_entry = warm->free_entry;
    doc->entry_count = warm->entry_count;
    doc->buckets = warm->buckets;
    doc->clients = warm->clients;
    doc->client_hash = warm->client_hash;
    doc->last_client = warm->last_client;
    doc->by_id = warm->by_id;
    doc->sorted = warm->sorted;
    doc->heap = warm->heap;
    doc->heap_live = warm->heap_live;
    doc->spare = warm->spare;
    doc->struct_count = warm->struct_count;
    for (size_t i = 1; i < doc->clients.n; i++) {
        doc->clients.v[i].txn = 0; /* nothing came in a transaction of this document */
    }
    doc->mem.realloc_fn(doc->mem.ctx, warm, 0); /* the shell: nothing is left in it */
}

enum yata_status yata_doc_thaw(struct yata_doc *doc) {
    return yatai_thaw(doc) ? YATA_OK : YATA_NOMEM;
}

bool yatai_thaw_slow(const struct yata_doc *frozen) {
    struct yata_doc *doc = yatai_caches(frozen), *warm = warm_up(doc);
    if (warm) {
        take(doc, warm);
    }
    return warm != NULL;
}
