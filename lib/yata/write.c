/* write.c: documents and transactions as updates.
 *
 * The counterpart of update.c: yjs 13.6 encoding.js writeClientsStructs, DeleteSet.js,
 * structs/Item.js write, byte for byte.
 */
#include <string.h>

#include "columns.h"
#include "doc.h"
#include "text.h"
#include "value.h"

/* Info byte, two ids, a length. */
#define STRUCT_HEAD_BYTES (1 + 5 * YATAI_UINT_MAX_BYTES)

/* Content up to this length is copied without asking how long it is. */
#define SHORT_BYTES 16
#define HEAD_ROOM   (STRUCT_HEAD_BYTES + SHORT_BYTES)

/* Structs lie in the order in which they came: they are fetched so many ahead. */
#define AHEAD 8

static const uint8_t replacement[3] = {0xef, 0xbf, 0xbd};

/* ---- contents ------------------------------------------------------------------------------- */

static void write_subst_text(struct yatai_out *out, const uint8_t *p, size_t n) {
    const uint8_t *end = p + n;
    while (p < end) {
        const uint8_t *q = memchr(p, YATAI_TEXT_SUBST, (size_t)(end - p));
        yatai_out_bytes(out, p, (size_t)((q ? q : end) - p));
        if (!q) {
            return;
        }
        yatai_out_bytes(out, replacement, sizeof replacement);
        p = q + 1;
    }
}

/* Text from `skip` units on; `substs`: it may hold YATAI_TEXT_SUBST. */
static void write_text(struct yatai_out *out, const uint8_t *p, size_t n, uint32_t len,
                       uint32_t skip, bool substs) {
    bool inside = false;
    if (skip > 0) {
        size_t at = yatai_text_offset_in(p, n, len, skip, &inside);
        at += inside ? 4 : 0; /* the second half of a pair is written as U+FFFD */
        p += at;
        n -= at;
    }
    size_t count = substs ? yatai_text_substs(p, n) : 0;
    yatai_out_uint(out, n + 2 * count + (inside ? sizeof replacement : 0));
    if (inside) {
        yatai_out_bytes(out, replacement, sizeof replacement);
    }
    if (count > 0) {
        write_subst_text(out, p, n);
    } else {
        yatai_out_bytes(out, p, n);
    }
}

static void write_content(struct yatai_out *out, unsigned kind, const uint8_t *p, size_t n,
                          uint32_t len, uint32_t skip, bool substs) {
    size_t at = 0;
    switch (kind) {
    case YATAI_GC:
    case YATAI_SKIP:
    case YATAI_DELETED:
        yatai_out_uint(out, len - skip);
        break;
    case YATAI_STRING:
        write_text(out, p, n, len, skip, substs);
        break;
    case YATAI_JSON:
    case YATAI_ANY:
        at = yatai_elements_skip(kind, p, n, skip);
        yatai_out_uint(out, len - skip);
        yatai_out_bytes(out, p + at, n - at);
        break;
    default:
        yatai_out_bytes(out, p, n);
        break;
    }
}

/* An embed or a format whose value is `any`, with JSON text instead. */
static void write_any_as_json(struct yatai_out *out, unsigned kind, const uint8_t *p, size_t n) {
    const uint8_t *end = p + n;
    struct yatai_out json = {.mem = out->mem};
    if (kind == YATAI_FORMAT) {
        uint64_t key_bytes;
        const uint8_t *key = yatai_past_uint(p, &key_bytes);
        yatai_out_string(out, key, key_bytes);
        p = key + key_bytes;
    }
    (void)yatai_any_to_json(&json, p, end);
    out->failed |= json.failed;
    yatai_out_string(out, json.p, json.n);
    yatai_out_fini(&json);
}

/* ---- structs -------------------------------------------------------------------------------- */

void yatai_write_ref(struct yatai_out *out, enum yata_format format, const struct yatai_ref *ref,
                     uint64_t client, uint32_t skip) {
    unsigned has = ref->has, kind = ref->kind;
    bool linked = (has & (YATAI_HAS_ORIGIN | YATAI_HAS_RIGHT)) != 0;
    if (ref->kind == YATAI_GC || ref->kind == YATAI_SKIP) {
        yatai_out_byte(out, ref->kind);
        write_content(out, ref->kind, NULL, 0, ref->len, skip, false);
        return;
    }
    if (ref->any && format == YATAI_KEPT) {
        kind = kind == YATAI_EMBED ? YATAI_ANY_EMBED : YATAI_ANY_FORMAT;
    }
    unsigned info = kind | (has & YATAI_HAS_ON_WIRE);
    yatai_out_byte(out, (uint8_t)(info | (skip > 0 ? YATAI_HAS_ORIGIN : 0)));
    if (skip > 0) {
        yatai_out_uint(out, client);
        yatai_out_uint(out, ref->clock + skip - 1);
    } else if (has & YATAI_HAS_ORIGIN) {
        yatai_out_uint(out, ref->origin.client);
        yatai_out_uint(out, ref->origin.clock);
    }
    if (has & YATAI_HAS_RIGHT) {
        yatai_out_uint(out, ref->right.client);
        yatai_out_uint(out, ref->right.clock);
    }
    if (!linked && skip == 0) {
        yatai_out_uint(out, has & YATAI_HAS_ROOT ? 1 : 0);
        if (has & YATAI_HAS_ROOT) {
            yatai_out_string(out, ref->root, ref->root_bytes);
        } else {
            yatai_out_uint(out, ref->parent.client);
            yatai_out_uint(out, ref->parent.clock);
        }
        if (has & YATAI_HAS_SUB) {
            yatai_out_string(out, ref->sub, ref->sub_bytes);
        }
    }
    if (ref->kind == YATAI_TYPE) {
        yatai_out_uint(out, ref->type_ref);
    }
    if (ref->any && format != YATAI_KEPT) {
        write_any_as_json(out, kind, ref->content, ref->content_bytes);
        return;
    }
    write_content(out, ref->kind, ref->content, ref->content_bytes, ref->len, skip,
                  (has & YATAI_HAS_SUBST) != 0);
}

static void write_parent(struct yatai_out *out, const struct yata_doc *doc,
                         const struct yatai_item *it) {
    const struct yatai_type *type = &doc->types.v[yatai_home_type(doc, it)];
    if (type->item == 0) {
        const struct yatai_entry *name = &doc->entries.v[type->root];
        yatai_out_uint(out, 1);
        yatai_out_string(out, doc->heap.v + name->key, name->key_bytes);
    } else {
        const struct yatai_item *holder = yatai_item(doc, type->item);
        yatai_out_uint(out, 0);
        yatai_out_uint(out, doc->clients.v[yatai_slot(holder)].id);
        yatai_out_uint(out, holder->clock);
    }
    if (it->map) {
        const struct yatai_entry *entry = &doc->entries.v[it->home];
        yatai_out_string(out, doc->heap.v + entry->key, entry->key_bytes);
    }
}

/* An id where twice YATAI_UINT_MAX_BYTES are free. */
static uint8_t *put_id(uint8_t *p, const struct yatai_client *c, uint32_t clock) {
    memcpy(p, c->id_bytes, sizeof c->id_bytes);
    return yatai_put_uint(p + c->id_bytes_count, clock);
}

/* Content from `p` on, where there is room for what is short. That is copied in one piece with what
 * stands behind it. */
static void put_content(struct yatai_out *out, uint8_t *p, const struct yata_doc *doc,
                        struct yata_slice content) {
    if (content.n <= SHORT_BYTES && doc->heap.v + doc->heap.cap - content.p >= SHORT_BYTES) {
        memcpy(p, content.p, SHORT_BYTES);
        out->n = (size_t)(p + content.n - out->p);
    } else {
        out->n = (size_t)(p - out->p);
        yatai_out_bytes(out, content.p, content.n);
    }
}

/* The content of a struct behind its head, which ends at `p`; false for what is not as simple. */
static bool put_simple(struct yatai_out *out, uint8_t *p, const struct yata_doc *doc,
                       const struct yatai_item *it) {
    unsigned kind = yatai_kind(it);
    if (kind == YATAI_STRING && !it->subst) {
        struct yata_slice text = yatai_payload(doc, it);
        put_content(out, yatai_put_uint(p, text.n), doc, text);
        return true;
    }
    if (kind == YATAI_DELETED || kind == YATAI_GC || kind == YATAI_SKIP) {
        out->n = (size_t)(yatai_put_uint(p, it->len) - out->p);
        return true;
    }
    if (kind == YATAI_ANY) {
        put_content(out, yatai_put_uint(p, it->len), doc, yatai_payload(doc, it));
        return true;
    }
    return false;
}

/* Info and ids of a struct that has some; `p` has room for them. */
static uint8_t *put_head(uint8_t *p, const struct yata_doc *doc, const struct yatai_item *it,
                         uint32_t skip) {
    const struct yatai_client *clients = doc->clients.v;
    bool origin = skip > 0 || it->origin_slot != 0, right = it->right_slot != 0;
    *p++ = (uint8_t)(yatai_kind(it) | YATAI_HAS_ORIGIN * origin | YATAI_HAS_RIGHT * right |
                     YATAI_HAS_SUB * it->map);
    if (skip > 0) {
        p = put_id(p, &clients[yatai_slot(it)], it->clock + skip - 1);
    } else if (origin) {
        p = put_id(p, &clients[it->origin_slot], it->origin_clock);
    }
    return right ? put_id(p, &clients[it->right_slot], it->right_clock) : p;
}

/* Content that is not simple, or not whole. Apart, so that the others need not save its registers.
 */
static __attribute__((noinline)) void write_rest(struct yatai_out *out, const struct yata_doc *doc,
                                                 const struct yatai_item *it, uint32_t skip) {
    unsigned kind = yatai_kind(it);
    if (kind == YATAI_TYPE) {
        const struct yatai_type *type = &doc->types.v[it->content];
        yatai_out_uint(out, type->type_ref);
        yatai_out_bytes(out, doc->heap.v + type->name, type->name_bytes);
        return;
    }
    struct yata_slice content = yatai_payload(doc, it);
    if (it->any && (kind == YATAI_EMBED || kind == YATAI_FORMAT)) {
        write_any_as_json(out, kind, content.p, content.n);
        return;
    }
    const struct yatai_grown *g = &doc->grown;
    if (skip > 0 && kind == YATAI_ANY && g->units == skip && g->txn == doc->txn &&
        g->slot == yatai_slot(it) && g->clock == it->clock) {
        yatai_out_uint(out, it->len - skip); /* what came behind: it need not be looked for */
        yatai_out_bytes(out, content.p + g->bytes, content.n - g->bytes);
        return;
    }
    write_content(out, kind, content.p, content.n, it->len, skip, it->subst);
}

static void write_item(struct yatai_out *out, const struct yata_doc *doc,
                       const struct yatai_item *it, uint32_t skip) {
    unsigned kind = yatai_kind(it);
    if (out->cap - out->n < HEAD_ROOM && !yatai_out_room(out, HEAD_ROOM)) {
        return;
    }
    uint8_t *p = out->p + out->n;
    bool bare = kind == YATAI_GC || kind == YATAI_SKIP;
    if (bare) {
        *p++ = (uint8_t)kind;
    } else {
        p = put_head(p, doc, it, skip);
    }
    bool linked = bare || skip > 0 || it->origin_slot != 0 || it->right_slot != 0;
    if (skip == 0 && linked && put_simple(out, p, doc, it)) {
        return;
    }
    out->n = (size_t)(p - out->p);
    if (!linked) {
        write_parent(out, doc, it);
    }
    write_rest(out, doc, it, skip);
}

static void view_parent(const struct yata_doc *doc, const struct yatai_item *it,
                        struct yatai_ref *ref) {
    const struct yatai_type *type = &doc->types.v[yatai_home_type(doc, it)];
    if (type->item == 0) {
        const struct yatai_entry *name = &doc->entries.v[type->root];
        ref->has |= YATAI_HAS_ROOT;
        ref->root = doc->heap.v + name->key;
        ref->root_bytes = name->key_bytes;
    } else {
        const struct yatai_item *holder = yatai_item(doc, type->item);
        ref->parent.client = doc->clients.v[yatai_slot(holder)].id;
        ref->parent.clock = holder->clock;
    }
    if (it->map) {
        const struct yatai_entry *entry = &doc->entries.v[it->home];
        ref->sub = doc->heap.v + entry->key;
        ref->sub_bytes = entry->key_bytes;
    }
}

struct yatai_ref yatai_item_view(const struct yata_doc *doc, const struct yatai_item *it) {
    const struct yatai_client *clients = doc->clients.v;
    struct yatai_ref ref = {.clock = it->clock, .len = it->len, .kind = (uint8_t)yatai_kind(it)};
    if (ref.kind == YATAI_GC || ref.kind == YATAI_SKIP) {
        return ref;
    }
    ref.has = it->map ? YATAI_HAS_SUB : 0;
    if (it->origin_slot != 0) {
        ref.has |= YATAI_HAS_ORIGIN;
        ref.origin = (struct yatai_id){clients[it->origin_slot].id, it->origin_clock, 0};
    }
    if (it->right_slot != 0) {
        ref.has |= YATAI_HAS_RIGHT;
        ref.right = (struct yatai_id){clients[it->right_slot].id, it->right_clock, 0};
    }
    if (!(ref.has & (YATAI_HAS_ORIGIN | YATAI_HAS_RIGHT))) {
        view_parent(doc, it, &ref);
    }
    if (ref.kind == YATAI_TYPE) {
        const struct yatai_type *type = &doc->types.v[it->content];
        ref.type_ref = type->type_ref;
        ref.content = doc->heap.v + type->name;
        ref.content_bytes = type->name_bytes;
    } else {
        ref.any = (ref.kind == YATAI_EMBED || ref.kind == YATAI_FORMAT) && it->any;
        ref.has |= ref.kind == YATAI_STRING && it->subst ? YATAI_HAS_SUBST : 0;
        struct yata_slice content = yatai_payload(doc, it);
        ref.content = content.p;
        ref.content_bytes = (uint32_t)content.n;
    }
    return ref;
}

struct yatai_ref yatai_ref_beginning(const struct yatai_ref *whole, uint32_t units,
                                     struct yatai_out *mended) {
    struct yatai_ref ref = *whole;
    ref.len = units;
    if (ref.kind == YATAI_JSON || ref.kind == YATAI_ANY) {
        ref.content_bytes =
            (uint32_t)yatai_elements_skip(ref.kind, ref.content, ref.content_bytes, units);
    } else if (ref.kind == YATAI_STRING) {
        bool inside;
        size_t n = yatai_text_offset(ref.content, ref.content_bytes, units, &inside);
        if (inside) {
            yatai_out_bytes(mended, ref.content, n);
            yatai_out_byte(mended, YATAI_TEXT_SUBST);
            ref.has |= YATAI_HAS_SUBST;
            ref.content = mended->p;
            n = mended->failed ? 0 : mended->n;
        }
        ref.content_bytes = (uint32_t)n;
    }
    return ref;
}

/* An update on its way: structs go to columns in V2, everything else to `out`. */
struct sink {
    struct yatai_out *out;
    struct yatai_columns *columns; /* NULL: V1 */
};

/* How many structs a client has from there on. Peers mostly lack little: counted from the end. */
static size_t count_from(const struct yatai_client *c, struct yatai_pos pos) {
    size_t count = 0;
    if (pos.leaf == 0) {
        return c->struct_count - pos.at;
    }
    for (uint32_t i = pos.leaf; i < c->leaf_count; i++) {
        count += c->leaf[i].n;
    }
    return count - pos.at;
}

/* The structs of a client from a clock on, as a section of an update. */
static void write_section(struct sink sink, const struct yata_doc *doc, uint32_t slot,
                          uint32_t clock) {
    struct yatai_out *out = sink.out;
    struct yatai_client *c = &doc->clients.v[slot];
    struct yatai_pos pos = yatai_index_find(c, clock);
    yatai_out_uint(out, count_from(c, pos));
    if (sink.columns) {
        yatai_columns_client(sink.columns, c->id);
    } else {
        yatai_out_uint(out, c->id);
    }
    yatai_out_uint(out, clock);
    const struct yatai_item *it = yatai_item(doc, yatai_pos_item(c, pos));
    if (sink.columns) {
        uint32_t skip = clock - it->clock;
        do {
            struct yatai_ref ref = yatai_item_view(doc, yatai_item(doc, yatai_pos_item(c, pos)));
            yatai_columns_ref(sink.columns, &ref, c->id, skip);
            skip = 0;
        } while (yatai_pos_next(c, &pos));
        return;
    }
    write_item(out, doc, it, clock - it->clock);
    while (yatai_pos_next(c, &pos)) {
        const struct yatai_leaf *leaf = &c->leaf[pos.leaf];
        uint32_t later = pos.at + AHEAD < leaf->n ? pos.at + AHEAD : pos.at;
        __builtin_prefetch(yatai_item(doc, leaf->place[later].item));
        write_item(out, doc, yatai_item(doc, leaf->place[pos.at].item), 0);
    }
}

/* ---- delete sets ---------------------------------------------------------------------------- */

/* A delete set of either format on its way. */
struct range_writer {
    struct yatai_out *out; /* NULL: only count */
    enum yata_format format;
    uint32_t end; /* of the last range */
    size_t count;
};

static void write_range(struct range_writer *w, uint32_t clock, uint32_t len) {
    w->count++;
    if (w->out && w->format == YATA_V2) {
        yatai_out_uint(w->out, clock - w->end);
        yatai_out_uint(w->out, len - 1);
        w->end = clock + len;
    } else if (w->out) {
        yatai_out_uint(w->out, clock);
        yatai_out_uint(w->out, len);
    }
}

void yatai_ranges_write(struct yatai_out *out, enum yata_format format,
                        const yatai_ranges *ranges) {
    const struct yatai_range *v = ranges->v;
    size_t clients = 0;
    for (size_t i = 0; i < ranges->n; i++) {
        clients += i == 0 || v[i].client != v[i - 1].client;
    }
    yatai_out_uint(out, clients);
    for (size_t i = 0; i < ranges->n;) {
        size_t end = i + 1;
        while (end < ranges->n && v[end].client == v[i].client) {
            end++;
        }
        yatai_out_uint(out, v[i].client);
        yatai_out_uint(out, end - i);
        struct range_writer w = {.out = out, .format = format};
        for (; i < end; i++) {
            write_range(&w, v[i].clock, v[i].len);
        }
    }
}

/* What is deleted of one client. */
static void scan_ranges(struct range_writer *w, const struct yata_doc *doc,
                        const struct yatai_client *c) {
    uint32_t start = 0, end = 0;
    bool open = false;
    for (uint32_t l = 0; l < c->leaf_count; l++) {
        const struct yatai_place *place = c->leaf[l].place;
        for (uint32_t i = 0; i < c->leaf[l].n; i++) {
            const struct yatai_item *it = yatai_item(doc, place[i].item);
            bool deleted = it->deleted;
            if (deleted && !open) {
                start = it->clock;
            } else if (!deleted && open) {
                write_range(w, start, end - start);
            }
            open = deleted;
            end = it->clock + it->len;
        }
    }
    if (open) {
        write_range(w, start, end - start);
    }
}

/* Remembers the ranges of a client, which most clients of an old document never change again. What
 * there is no memory for is only counted. */
static void keep_ranges(struct yata_doc *doc, struct yatai_client *c, struct yatai_out *scratch) {
    struct range_writer w = {.out = scratch, .format = YATA_V1};
    scratch->n = 0;
    scan_ranges(&w, doc, c);
    yatai_mem_resize(&doc->mem, c->ranges, c->range_bytes, 0);
    c->ranges = NULL;
    c->range_bytes = 0;
    c->range_count = (uint32_t)w.count;
    c->ranges_known = w.count == 0;
    if (w.count > 0 && !scratch->failed) {
        c->ranges = yatai_mem_resize(&doc->mem, NULL, 0, scratch->n);
    }
    if (c->ranges) {
        memcpy(c->ranges, scratch->p, scratch->n);
        c->range_bytes = (uint32_t)scratch->n;
        c->ranges_known = true;
    }
}

static void write_client_ranges(struct yatai_out *out, enum yata_format format,
                                const struct yata_doc *doc, const struct yatai_client *c) {
    struct range_writer w = {.out = out, .format = format};
    yatai_out_uint(out, c->id);
    yatai_out_uint(out, c->range_count);
    if (!c->ranges_known) {
        scan_ranges(&w, doc, c);
    } else if (format != YATA_V2) {
        yatai_out_bytes(out, c->ranges, c->range_bytes);
    } else {
        const uint8_t *p = c->ranges, *end = p + c->range_bytes;
        while (p < end) {
            uint64_t clock, len;
            p = yatai_past_uint(p, &clock);
            p = yatai_past_uint(p, &len);
            write_range(&w, (uint32_t)clock, (uint32_t)len);
        }
    }
}

void yatai_write_delete_set(struct yatai_out *out, enum yata_format format,
                            const struct yata_doc *doc) {
    struct yatai_out scratch = {.mem = out->mem};
    size_t clients = 0;
    yatai_clients_sort(doc);
    for (size_t i = 0; i < doc->by_id.n; i++) {
        struct yatai_client *c = &doc->clients.v[doc->by_id.v[i]];
        if (!c->ranges_known) {
            keep_ranges(yatai_caches(doc), c, &scratch);
        }
        clients += c->range_count > 0;
    }
    yatai_out_fini(&scratch);
    yatai_out_uint(out, clients);
    for (size_t i = 0; i < doc->by_id.n; i++) {
        const struct yatai_client *c = &doc->clients.v[doc->by_id.v[i]];
        if (c->range_count > 0) {
            write_client_ranges(out, format, doc, c);
        }
    }
}

/* ---- states --------------------------------------------------------------------------------- */

uint64_t yatai_since(const struct yata_clock *since, size_t n, uint64_t client) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (since[mid].client > client) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < n && since[low].client == client ? since[low].clock : 0;
}

/* All structs of the document at and after the clocks. */
static void write_structs(struct sink sink, const struct yata_doc *doc,
                          const struct yata_clock *since, size_t n) {
    yatai_clients_sort(doc);
    size_t clients = 0;
    for (size_t i = 0; i < doc->by_id.n; i++) {
        const struct yatai_client *c = &doc->clients.v[doc->by_id.v[i]];
        clients += c->clock > yatai_since(since, n, c->id);
    }
    yatai_out_uint(sink.out, clients);
    for (size_t i = 0; i < doc->by_id.n; i++) {
        uint32_t slot = doc->by_id.v[i];
        const struct yatai_client *c = &doc->clients.v[slot];
        uint64_t clock = yatai_since(since, n, c->id);
        if (c->clock > clock) {
            write_section(sink, doc, slot, (uint32_t)clock);
        }
    }
}

/* Puts columns and rest together. */
static void finish(struct yatai_out *out, struct yatai_columns *columns) {
    yatai_columns_finish(columns, out);
    yatai_out_bytes(out, columns->rest.p, columns->rest.n);
    yatai_out_fini(&columns->rest);
}

void yatai_write_state(struct yatai_out *out, enum yata_format format, const struct yata_doc *doc,
                       const struct yata_clock *since, size_t n) {
    if (format == YATA_V2) {
        struct yatai_columns columns;
        yatai_columns_init(&columns, out->mem);
        write_structs((struct sink){&columns.rest, &columns}, doc, since, n);
        yatai_write_delete_set(&columns.rest, format, doc);
        finish(out, &columns);
    } else {
        write_structs((struct sink){out, NULL}, doc, since, n);
        yatai_write_delete_set(out, format, doc);
    }
}

static void write_transaction_ranges(struct yatai_out *out, enum yata_format format,
                                     struct yata_doc *doc) {
    yatai_ranges ranges = {0};
    struct yatai_mem *mem = out->mem;
    if (!YATAI_RESERVE(mem, &ranges, doc->deleted.n)) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < doc->deleted.n; i++) {
        const struct yatai_span *span = &doc->deleted.v[i];
        ranges.v[ranges.n++] = (struct yatai_range){
            .client = doc->clients.v[span->slot].id, .clock = span->clock, .len = span->len};
    }
    yatai_ranges_normalise(&ranges);
    yatai_ranges_write(out, format, &ranges);
    YATAI_VEC_FREE(mem, &ranges);
}

/* ---- transactions that met holes ------------------------------------------------------------ */

typedef YATAI_VEC(struct yatai_span) spans;

/* What came of a client: into holes, and at its end, where there may be new holes. */
static bool new_spans(struct yatai_mem *mem, struct yata_doc *doc, uint32_t slot, spans *ret) {
    struct yatai_client *c = &doc->clients.v[slot];
    bool ok = true;
    ret->n = 0;
    for (size_t i = 0; i < doc->filled.n && ok; i++) {
        const struct yatai_span *x = &doc->filled.v[i];
        ok = x->slot != slot || x->clock >= c->before || YATAI_PUSH(mem, ret, *x);
    }
    if (ok && c->before < c->clock) {
        struct yatai_pos pos = yatai_index_find(c, c->before);
        do {
            const struct yatai_item *it = yatai_item(doc, yatai_pos_item(c, pos));
            uint32_t from = it->clock > c->before ? it->clock : c->before;
            ok = yatai_kind(it) == YATAI_SKIP ||
                 YATAI_PUSH(mem, ret, (struct yatai_span){slot, from, it->clock + it->len - from});
        } while (ok && yatai_pos_next(c, &pos));
    }
    yatai_spans_normalise(ret->v, &ret->n);
    return ok;
}

/* The structs of a span; only counts them when there is no sink. */
static size_t write_span(const struct sink *sink, struct yata_doc *doc,
                         const struct yatai_span *span) {
    struct yatai_client *c = &doc->clients.v[span->slot];
    struct yatai_pos pos = yatai_index_find(c, span->clock);
    uint32_t end = span->clock + span->len;
    size_t count = 0;
    do {
        const struct yatai_item *it = yatai_item(doc, yatai_pos_item(c, pos));
        if (it->clock >= end) {
            break;
        }
        count++;
        if (sink) {
            uint32_t skip = it->clock < span->clock ? span->clock - it->clock : 0;
            struct yatai_out mended = {.mem = sink->out->mem};
            struct yatai_ref ref = yatai_item_view(doc, it);
            if (it->clock + it->len > end) {
                ref = yatai_ref_beginning(&ref, end - it->clock, &mended);
            }
            if (sink->columns) {
                yatai_columns_ref(sink->columns, &ref, c->id, skip);
            } else {
                yatai_write_ref(sink->out, YATA_V1, &ref, c->id, skip);
            }
            sink->out->failed |= mended.failed;
            yatai_out_fini(&mended);
        }
    } while (yatai_pos_next(c, &pos));
    return count;
}

/* A section with Skips between the spans (@y/y 14 encoding-helpers.js writeStructs). */
static void write_spans(struct sink sink, struct yata_doc *doc, const spans *all) {
    struct yatai_client *c = &doc->clients.v[all->v[0].slot];
    size_t count = all->n - 1;
    for (size_t i = 0; i < all->n; i++) {
        count += write_span(NULL, doc, &all->v[i]);
    }
    yatai_out_uint(sink.out, count);
    if (sink.columns) {
        yatai_columns_client(sink.columns, c->id);
    } else {
        yatai_out_uint(sink.out, c->id);
    }
    yatai_out_uint(sink.out, all->v[0].clock);
    for (size_t i = 0; i < all->n; i++) {
        struct yatai_ref skip = {.kind = YATAI_SKIP};
        if (i > 0) {
            skip.clock = all->v[i - 1].clock + all->v[i - 1].len;
            skip.len = all->v[i].clock - skip.clock;
            if (sink.columns) {
                yatai_columns_ref(sink.columns, &skip, c->id, 0);
            } else {
                yatai_write_ref(sink.out, YATA_V1, &skip, c->id, 0);
            }
        }
        (void)write_span(&sink, doc, &all->v[i]);
    }
}

static void write_new_structs(struct sink sink, struct yata_doc *doc) {
    spans all = {0};
    yatai_slots_sort(doc, doc->touched.v, doc->touched.n);
    yatai_out_uint(sink.out, doc->touched.n);
    for (size_t i = 0; i < doc->touched.n; i++) {
        uint32_t slot = doc->touched.v[i];
        const struct yatai_client *c = &doc->clients.v[slot];
        if (c->hole == UINT32_MAX && doc->filled.n == 0) {
            write_section(sink, doc, slot, c->before);
        } else if (new_spans(sink.out->mem, doc, slot, &all)) {
            write_spans(sink, doc, &all);
        } else {
            sink.out->failed = true;
            break;
        }
    }
    YATAI_VEC_FREE(sink.out->mem, &all);
}

void yatai_write_transaction(struct yatai_out *out, enum yata_format format, struct yata_doc *doc) {
    if (format == YATA_V2) {
        struct yatai_columns columns;
        yatai_columns_init(&columns, out->mem);
        write_new_structs((struct sink){&columns.rest, &columns}, doc);
        write_transaction_ranges(&columns.rest, format, doc);
        finish(out, &columns);
    } else {
        write_new_structs((struct sink){out, NULL}, doc);
        write_transaction_ranges(out, format, doc);
    }
}
