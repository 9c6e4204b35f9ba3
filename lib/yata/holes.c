/* holes.c: gaps in the clocks of a client.
 *
 * Updates of a client can arrive out of order. Yjs 14 integrates what lies behind a gap at once and
 * keeps the gap as a struct of its own, a Skip, until something fills it; Yjs 13 lets all of it
 * wait (option `strict`). A hole is an item like any other in the index of its client, in no list,
 * never the last one, and never beside another hole. So a client's clock is where its last struct
 * ends, its state vector entry is its first hole, and whatever walks the index meets holes as
 * structs of a kind that nothing merges with (@y/y 14 StructStore.js add, encoding.js
 * integrateStructs).
 *
 * An update is cut before it is planned: where a client has holes, what is known of a struct is
 * taken away, so that the rest fills a part of one hole or stands at the end (BlockSet.js exclude).
 */
#include "doc.h"
#include "text.h"

static const uint8_t replacement[3] = {0xef, 0xbf, 0xbd};

/* ---- what is known -------------------------------------------------------------------------- */

bool yatai_is_hole(struct yata_doc *doc, struct yatai_client *c, uint32_t clock) {
    if (clock < c->hole || clock >= c->clock) {
        return false;
    }
    uint32_t item = yatai_pos_item(c, yatai_index_find(c, clock));
    return yatai_kind(yatai_item(doc, item)) == YATAI_SKIP;
}

/* Takes in what one source says of a clock: known until `end`, or not known until there. */
static bool say(bool known, uint32_t end, uint32_t *unknown_end, uint32_t *ret_end) {
    if (known) {
        *ret_end = end;
    } else if (end < *unknown_end) {
        *unknown_end = end;
    }
    return known;
}

/* The structs of a section that a plan has come past. */
static uint32_t planned(const struct yatai_section *s) {
    return s->count == 0 ? s->next : s->next - s->stacked;
}

static bool section_knows(const struct yatai_update *u, uint64_t client, uint32_t clock,
                          uint32_t *unknown_end, uint32_t *ret_end) {
    const struct yatai_section *s = u ? yatai_update_section(u, client) : NULL;
    uint32_t low = 0, high = s ? planned(s) : 0;
    if (high == 0 || clock < s->start_clock) {
        return say(false, high == 0 ? UINT32_MAX : s->start_clock, unknown_end, ret_end);
    }
    const struct yatai_ref *refs = u->refs.v + s->first;
    while (high - low > 1) {
        uint32_t mid = (low + high) / 2;
        low = refs[mid].clock <= clock ? mid : low;
        high = refs[mid].clock <= clock ? high : mid;
    }
    uint32_t end = refs[low].clock + refs[low].len;
    bool within = clock < end;
    return say(within && refs[low].kind != YATAI_SKIP, within ? end : UINT32_MAX, unknown_end,
               ret_end);
}

bool yatai_plan_knows(struct yata_doc *doc, const struct yatai_update *u,
                      const struct yatai_update *earlier, struct yatai_id id, uint32_t *ret_end) {
    uint32_t slot = yatai_client_find(doc, id.client), unknown_end = UINT32_MAX;
    if (slot != 0 && id.clock < doc->clients.v[slot].clock) {
        const struct yatai_item *it = yatai_item(doc, yatai_item_at(doc, slot, id.clock));
        if (say(yatai_kind(it) != YATAI_SKIP, it->clock + it->len, &unknown_end, ret_end)) {
            return true;
        }
    }
    if (section_knows(earlier, id.client, id.clock, &unknown_end, ret_end) ||
        section_knows(u, id.client, id.clock, &unknown_end, ret_end)) {
        return true;
    }
    *ret_end = unknown_end;
    return false;
}

/* ---- cutting updates ------------------------------------------------------------------------ */

/* Text between two code units; halves of pairs become U+FFFD, for which a copy is made. */
static bool cut_text(struct yatai_update *u, struct yatai_mem *mem, struct yatai_ref *ref,
                     uint32_t from, uint32_t to) {
    bool before = false, after = false;
    const uint8_t *p = ref->content;
    size_t start = yatai_text_offset(p, ref->content_bytes, from, &before);
    size_t end = yatai_text_offset(p, ref->content_bytes, to, &after);
    start += before ? 4 : 0;
    size_t n = end - start, ends = (size_t)before + after;
    ref->content = p + start;
    ref->content_bytes = (uint32_t)n;
    if (ends == 0) {
        return true;
    }
    size_t cap = n + ends * sizeof replacement;
    struct yatai_chunk *chunk = yatai_mem_resize(mem, NULL, 0, sizeof *chunk + cap);
    if (!chunk) {
        return false;
    }
    *chunk = (struct yatai_chunk){.next = u->chunk, .n = cap, .cap = cap};
    u->chunk = chunk;
    uint8_t *q = chunk->bytes;
    if (before) {
        memcpy(q, replacement, sizeof replacement);
        q += sizeof replacement;
    }
    if (n > 0) {
        memcpy(q, p + start, n);
    }
    if (after) {
        memcpy(q + n, replacement, sizeof replacement);
    }
    ref->content = chunk->bytes;
    ref->content_bytes = (uint32_t)cap;
    return true;
}

/* The part of a struct from `from` to `to`, counted from its start. */
static bool cut(struct yatai_update *u, struct yatai_mem *mem, struct yatai_ref *ref,
                uint64_t client, uint32_t from, uint32_t to) {
    uint32_t len = ref->len;
    ref->clock += from;
    ref->len = to - from;
    if (ref->kind == YATAI_GC || ref->kind == YATAI_SKIP) {
        return true;
    }
    if (from > 0) {
        ref->has = (ref->has & YATAI_HAS_RIGHT) | YATAI_HAS_ORIGIN;
        ref->origin = (struct yatai_id){.client = client, .clock = ref->clock - 1};
    }
    if (ref->kind == YATAI_STRING) {
        return (from == 0 && to == len) || cut_text(u, mem, ref, from, to);
    }
    if (ref->kind == YATAI_JSON || ref->kind == YATAI_ANY) {
        size_t start = yatai_elements_skip(ref->kind, ref->content, ref->content_bytes, from);
        size_t end = yatai_elements_skip(ref->kind, ref->content, ref->content_bytes, to);
        ref->content += start;
        ref->content_bytes = (uint32_t)(end - start);
    }
    return true;
}

/* Room for the update in a new array, while the old one is read. */
struct cutter {
    struct yata_doc *doc;
    struct yatai_update *u;
    const struct yatai_update *earlier;
    struct yatai_update made; /* its refs only */
    bool known;               /* something was left out */
};

/* Adds the parts of a struct that are not known, and Skips for those that are. */
static bool cut_ref(struct cutter *k, const struct yatai_section *s, const struct yatai_ref *ref) {
    struct yatai_mem *mem = &k->doc->mem;
    uint32_t end = ref->clock + ref->len;
    for (uint32_t clock = ref->clock, until = 0; clock < end; clock = until) {
        struct yatai_ref part = *ref;
        struct yatai_id id = {.client = s->client, .clock = clock};
        bool known = yatai_plan_knows(k->doc, NULL, k->earlier, id, &until), more = known;
        while (more && until < end) { /* several structs in a row */
            id.clock = until;
            more = yatai_plan_knows(k->doc, NULL, k->earlier, id, &until);
            until = more ? until : id.clock;
        }
        until = until < end ? until : end;
        if (known && (clock > ref->clock || until < end)) { /* the plan sees what is known whole */
            part.kind = YATAI_SKIP;
            k->known = true;
        }
        if (!cut(k->u, mem, &part, s->client, clock - ref->clock, until - ref->clock) ||
            !YATAI_PUSH(mem, &k->made.refs, part)) {
            return false;
        }
        /* A part has bytes of its own: a guard, and halves of pairs that were cut. */
        k->u->content_bytes += 1 + 2 * sizeof replacement;
    }
    return true;
}

/* Whether the client has holes that the section may meet. */
static bool meets_holes(const struct cutter *k, const struct yatai_section *s) {
    uint32_t slot = yatai_client_find(k->doc, s->client);
    if (slot != 0 && k->doc->clients.v[slot].hole < s->end_clock &&
        s->start_clock < k->doc->clients.v[slot].clock) {
        return true;
    }
    const struct yatai_section *e = k->earlier ? yatai_update_section(k->earlier, s->client) : NULL;
    return e && s->start_clock < e->state;
}

bool yatai_update_cut(struct yata_doc *doc, struct yatai_update *u,
                      const struct yatai_update *earlier, bool *ret_known) {
    struct cutter k = {.doc = doc, .u = u, .earlier = earlier};
    bool any = false, ok = true;
    for (size_t i = 0; i < u->sections.n; i++) {
        any |= meets_holes(&k, &u->sections.v[i]);
    }
    if (!any) {
        return true;
    }
    for (size_t i = 0; i < u->sections.n && ok; i++) {
        struct yatai_section *s = &u->sections.v[i];
        uint32_t first = (uint32_t)k.made.refs.n;
        bool cuts = meets_holes(&k, s);
        for (uint32_t n = 0; n < s->count && ok; n++) {
            const struct yatai_ref *ref = &u->refs.v[s->first + n];
            ok = cuts && ref->kind != YATAI_SKIP ? cut_ref(&k, s, ref)
                                                 : YATAI_PUSH(&doc->mem, &k.made.refs, *ref);
        }
        s->first = first;
        s->count = (uint32_t)k.made.refs.n - first;
    }
    YATAI_VEC_FREE(&doc->mem, &u->refs);
    u->refs.v = k.made.refs.v;
    u->refs.n = k.made.refs.n;
    u->refs.cap = k.made.refs.cap;
    *ret_known |= k.known;
    return ok;
}

/* ---- the index ------------------------------------------------------------------------------ */

static uint32_t hole_new(struct yata_doc *doc, uint32_t slot, uint32_t clock, uint32_t len) {
    uint32_t h = yatai_item_new(doc);
    *yatai_item(doc, h) = (struct yatai_item){
        .clock = clock, .len = len, .slot = slot & YATAI_SLOT_MAX, .kind = YATAI_SKIP};
    doc->hole_count++;
    return h;
}

void yatai_hole_open(struct yata_doc *doc, uint32_t slot, uint32_t clock) {
    struct yatai_client *c = &doc->clients.v[slot];
    yatai_index_append(doc, c, c->clock, hole_new(doc, slot, c->clock, clock - c->clock));
    c->hole = c->clock < c->hole ? c->clock : c->hole;
    c->clock = clock;
}

/* The next hole from a place in the index on. */
static uint32_t next_hole(const struct yata_doc *doc, const struct yatai_client *c,
                          struct yatai_pos pos) {
    do {
        const struct yatai_item *it = yatai_item(doc, yatai_pos_item(c, pos));
        if (yatai_kind(it) == YATAI_SKIP) {
            return it->clock;
        }
    } while (yatai_pos_next(c, &pos));
    return UINT32_MAX;
}

void yatai_hole_fill(struct yata_doc *doc, uint32_t slot, uint32_t item) {
    struct yatai_client *c = &doc->clients.v[slot];
    uint32_t clock = yatai_item(doc, item)->clock, end = clock + yatai_item(doc, item)->len;
    struct yatai_pos pos = yatai_index_find(c, clock);
    uint32_t h = yatai_pos_item(c, pos), start = yatai_item(doc, h)->clock;
    uint32_t hole_end = start + yatai_item(doc, h)->len;
    if (start < clock) {
        yatai_item(doc, h)->len = clock - start;
        yatai_index_insert_after(doc, c, pos, clock, item);
        if (end < hole_end) {
            pos = yatai_index_find(c, clock);
            yatai_index_insert_after(doc, c, pos, end, hole_new(doc, slot, end, hole_end - end));
        }
        return;
    }
    c->leaf[pos.leaf].place[pos.at].item = item;
    if (end < hole_end) {
        *yatai_item(doc, h) = (struct yatai_item){
            .clock = end, .len = hole_end - end, .slot = slot & YATAI_SLOT_MAX, .kind = YATAI_SKIP};
        yatai_index_insert_after(doc, c, pos, end, h);
    } else {
        yatai_item_drop(doc, h);
        doc->hole_count--;
    }
    if (c->hole == start) {
        c->hole = next_hole(doc, c, yatai_index_find(c, clock));
    }
}
