/* heap.c: the bytes that structs hold: text, values, names, keys.
 *
 * One growing array; a payload is an offset and a length, so that the halves of a split struct
 * share what was one payload, and nothing is allocated per struct. A text to which its author keeps
 * adding is moved once in a while to the end of the heap with room behind it, as much as it is
 * long, and grows into that: typing costs O(1) a character whoever else types meanwhile. Room is
 * filled with YATAI_TEXT_FREE, which is how it is recognised: no text has such a byte, no value of
 * lib0's `any` encoding starts with one, and every other payload has a guard byte before it.
 *
 * What is dropped stays where it is until a fifth of the heap is waste; then all payloads
 * are copied to a new one, if there is memory for it.
 */
#include <string.h>

#include "doc.h"
#include "text.h"

#define WASTE_LEAST 4096
#define WASTE_PART  5
#define ROOM_LEAST  16
#define GUARD       0

bool yatai_heap_reserve(struct yata_doc *doc, size_t bytes) {
    size_t want = doc->heap.n + doc->heap_owed + bytes;
    if (want > UINT32_MAX || !YATAI_RESERVE(&doc->mem, &doc->heap, want)) {
        return false;
    }
    doc->heap_owed += bytes;
    return true;
}

uint32_t yatai_heap_add(struct yata_doc *doc, const uint8_t *p, size_t n, bool guard) {
    if (guard) {
        doc->heap.v[doc->heap.n++] = GUARD;
    }
    uint32_t at = (uint32_t)doc->heap.n;
    if (n > 0) {
        memcpy(doc->heap.v + at, p, n);
    }
    doc->heap.n += n;
    doc->heap_live += n;
    return at;
}

/* Room that no reservation foresaw is not worth passing the limit of memory. */
static bool may_grow(struct yata_doc *doc, size_t want) {
    size_t outer = doc->mem.limit_bytes;
    if (want > UINT32_MAX) {
        return false;
    }
    doc->mem.limit_bytes = outer != 0 ? outer : doc->options.max_memory_bytes;
    bool ok = YATAI_RESERVE(&doc->mem, &doc->heap, want);
    doc->mem.limit_bytes = outer;
    return ok;
}

/* Makes room for `more` bytes behind [*at, *at + n), moving it if need be. */
static bool make_room(struct yata_doc *doc, uint32_t *at, uint32_t n, uint32_t more) {
    size_t end = (size_t)*at + n;
    if (end == doc->heap.n) {
        if (!may_grow(doc, end + doc->heap_owed + more)) {
            return false;
        }
        doc->heap.n += more;
        return true;
    }
    size_t have = 0;
    while (have < more && end + have < doc->heap.n && doc->heap.v[end + have] == YATAI_TEXT_FREE) {
        have++;
    }
    if (have == more) {
        return true;
    }
    size_t room = (size_t)n + more < ROOM_LEAST ? ROOM_LEAST : ((size_t)n + more) * 2;
    if (!may_grow(doc, doc->heap.n + doc->heap_owed + room)) {
        return false;
    }
    uint32_t to = (uint32_t)doc->heap.n;
    memcpy(doc->heap.v + to, doc->heap.v + *at, n);
    memset(doc->heap.v + to + n + more, YATAI_TEXT_FREE, room - n - more);
    doc->heap.n += room;
    *at = to;
    return true;
}

bool yatai_heap_join(struct yata_doc *doc, uint32_t *at, uint32_t n, uint32_t more,
                     uint32_t more_n) {
    if (*at + n == more) {
        return true;
    }
    if (!make_room(doc, at, n, more_n)) {
        return false;
    }
    memcpy(doc->heap.v + *at + n, doc->heap.v + more, more_n);
    return true;
}

bool yatai_heap_extend(struct yata_doc *doc, uint32_t *at, uint32_t n, const uint8_t *more,
                       uint32_t more_n) {
    if (!make_room(doc, at, n, more_n)) {
        return false;
    }
    memcpy(doc->heap.v + *at + n, more, more_n);
    doc->heap_live += more_n;
    return true;
}

/* ---- whose it is ---------------------------------------------------------------------------- */

bool yatai_wides_reserve(struct yata_doc *doc, size_t n) {
    if (n == 0) {
        return true;
    }
    if (doc->wides.n + n + 1 > UINT32_MAX ||
        !YATAI_RESERVE(&doc->mem, &doc->wides, doc->wides.n + n + 1)) {
        return false;
    }
    if (doc->wides.n == 0) {
        doc->wides.v[doc->wides.n++] = (struct yatai_wide){0};
    }
    return true;
}

static void wide_take(struct yata_doc *doc, struct yatai_item *it) {
    uint32_t w = doc->free_wide;
    if (w != 0) {
        doc->free_wide = doc->wides.v[w].at;
    } else {
        w = (uint32_t)doc->wides.n++;
    }
    it->content = w;
    it->wide = true;
}

void yatai_payload_drop(struct yata_doc *doc, struct yatai_item *it) {
    if (it->wide) {
        doc->wides.v[it->content] = (struct yatai_wide){.at = doc->free_wide};
        doc->free_wide = it->content;
        it->wide = false;
    }
    it->content = 0;
}

void yatai_payload_set_slow(struct yata_doc *doc, struct yatai_item *it, uint32_t at,
                            uint32_t bytes) {
    if (it->kind == YATAI_STRING && bytes == it->len) {
        yatai_payload_drop(doc, it);
        it->content = at;
        return;
    }
    if (!it->wide) {
        wide_take(doc, it);
    }
    doc->wides.v[it->content] = (struct yatai_wide){at, bytes};
}

/* ---- waste ---------------------------------------------------------------------------------- */

/* Copies a payload to the new heap and re-points it. */
static void move(const struct yata_doc *doc, uint8_t *to, size_t *top, uint32_t *at, uint32_t n,
                 bool guard) {
    if (guard) {
        to[(*top)++] = GUARD;
    }
    if (n > 0) {
        memcpy(to + *top, doc->heap.v + *at, n);
    }
    *at = (uint32_t)*top;
    *top += n;
}

static bool stores_bytes(unsigned kind) {
    return kind != YATAI_GC && kind != YATAI_DELETED && kind != YATAI_TYPE && kind != YATAI_SKIP;
}

void yatai_heap_compact(struct yata_doc *doc) {
    size_t cap = doc->heap_live + doc->wides.n + doc->types.n + doc->entries.n; /* with guards */
    if (doc->heap.n < WASTE_LEAST || doc->heap.n / WASTE_PART * (WASTE_PART - 1) < cap) {
        return;
    }
    cap += yatai_vec_step(cap, 1);
    uint8_t *to = yatai_mem_resize(&doc->mem, NULL, 0, cap);
    if (!to) {
        return;
    }
    size_t top = 0;
    for (size_t i = 1; i < doc->items.n; i++) {
        struct yatai_item *it = &doc->items.v[i];
        unsigned kind = yatai_kind(it);
        if (it->slot != 0 && stores_bytes(kind)) {
            bool guard = kind != YATAI_STRING && kind != YATAI_ANY;
            move(doc, to, &top, yatai_payload_at(doc, it), yatai_payload_bytes(doc, it), guard);
        }
    }
    for (size_t i = 1; i < doc->types.n; i++) {
        struct yatai_type *t = &doc->types.v[i];
        if (t->live) {
            move(doc, to, &top, &t->name, t->name_bytes, true);
        }
    }
    for (size_t i = 1; i < doc->entries.n; i++) {
        struct yatai_entry *e = &doc->entries.v[i];
        if (e->key_bytes > 0) {
            move(doc, to, &top, &e->key, e->key_bytes, true);
        }
    }
    YATAI_VEC_FREE(&doc->mem, &doc->heap);
    doc->heap.v = to;
    doc->heap.n = top;
    doc->heap.cap = cap;
}
