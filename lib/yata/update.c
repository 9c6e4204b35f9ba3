/* update.c: decodes a whole update of format V1 and checks it before anything is applied.
 *
 * An update must change a document wholly or not at all, while Yjs itself notices a fault only when
 * half of it is integrated. So decoding is a step of its own, and its rules are those of a careful
 * receiver: what Yjs would throw on is refused with the offset of the fault, and the few oddities
 * that real data contains (structs of length zero, delete sets in any order, long varints) are let
 * through and normalised. The rules: yjs 13.6 src/utils/encoding.js readClientsStructRefs,
 * UpdateDecoder.js, DeleteSet.js, structs/Content*.js.
 */
#include "update.h"

#include <stdio.h>
#include <stdlib.h>

#define TYPE_REF_MAX       6
#define TYPE_REF_ELEMENT   3
#define TYPE_REF_HOOK      5
#define GUARD_BYTES        1 /* what a document stores besides a payload, see heap.h */
#define STRUCT_BYTES_LEAST 2
#define STRUCT_BYTES_USUAL 8

/* ---- contents ------------------------------------------------------------------------------- */

static bool read_elements(struct yatai_reader *r, struct yatai_ref *ref) {
    const uint8_t *at = r->p;
    if (!yatai_read_u32(r, &ref->len, "element count")) {
        return false;
    }
    if (ref->len > (size_t)(r->end - r->p)) {
        return yatai_reader_fail(r, at, "content says it has more elements than bytes follow");
    }
    ref->content = r->p;
    for (uint32_t i = 0; i < ref->len; i++) {
        const uint8_t *s;
        uint32_t n, units;
        if (ref->kind == YATAI_ANY) {
            if (!yatai_read_any(r)) {
                return false;
            }
            continue;
        }
        if (!yatai_read_string(r, &s, &n, &units)) {
            return false;
        }
        static const char undefined[] = "undefined";
        bool is_undefined = n == sizeof undefined - 1;
        for (uint32_t k = 0; is_undefined && k < n; k++) {
            is_undefined = s[k] == (uint8_t)undefined[k];
        }
        if (!is_undefined && !yatai_json_check(r, s, n)) {
            return false;
        }
    }
    return true;
}

static bool read_type(struct yatai_reader *r, struct yatai_ref *ref) {
    const uint8_t *at = r->p;
    uint64_t type_ref;
    if (!yatai_read_uint(r, &type_ref)) {
        return false;
    }
    if (type_ref > TYPE_REF_MAX) {
        return yatai_reader_fail(r, at, "unknown kind of shared type");
    }
    ref->type_ref = (uint8_t)type_ref;
    ref->content = r->p;
    const uint8_t *s;
    uint32_t n, units;
    bool named = type_ref == TYPE_REF_ELEMENT || type_ref == TYPE_REF_HOOK;
    return !named || yatai_read_string(r, &s, &n, &units);
}

static bool read_json_string(struct yatai_reader *r) {
    const uint8_t *s;
    uint32_t n, units;
    return yatai_read_string(r, &s, &n, &units) && yatai_json_check(r, s, n);
}

static bool read_doc(struct yatai_reader *r) {
    const uint8_t *s;
    uint32_t n, units;
    if (!yatai_read_string(r, &s, &n, &units)) {
        return false;
    }
    if (r->p < r->end && (*r->p == YATAI_ANY_NULL || *r->p == YATAI_ANY_UNDEFINED)) {
        return yatai_reader_fail(r, r->p, "options of a sub-document are not an object");
    }
    return yatai_read_any(r);
}

static bool read_content(struct yatai_reader *r, struct yatai_ref *ref) {
    const uint8_t *s;
    uint32_t n, units;
    bool ok = false;
    ref->len = 1;
    ref->content = r->p;
    switch (ref->kind) {
    case YATAI_DELETED:
        ok = yatai_read_u32(r, &ref->len, "length");
        ref->content = r->p;
        break;
    case YATAI_STRING:
        ok = yatai_read_string(r, &ref->content, &ref->content_bytes, &ref->len);
        return ok;
    case YATAI_JSON:
    case YATAI_ANY:
        ok = read_elements(r, ref);
        break;
    case YATAI_BINARY:
        ok = yatai_read_blob(r, &s, &n);
        break;
    case YATAI_EMBED:
        ok = ref->any ? yatai_read_any(r) : read_json_string(r);
        break;
    case YATAI_FORMAT:
        ok = yatai_read_string(r, &s, &n, &units) &&
             (ref->any ? yatai_read_any(r) : read_json_string(r));
        break;
    case YATAI_TYPE:
        ok = read_type(r, ref);
        break;
    case YATAI_DOC:
        ok = read_doc(r);
        break;
    default:
        break;
    }
    ref->content_bytes = (uint32_t)(r->p - ref->content);
    return ok;
}

/* ---- structs -------------------------------------------------------------------------------- */

#define WORD_BYTES 8

static bool word_at(const struct yatai_reader *r, const uint8_t *p, uint64_t *ret) {
    if (r->end - p < WORD_BYTES) {
        return false;
    }
    memcpy(ret, p, WORD_BYTES);
    return true;
}

/* Reads the id of a client and remembers how it is spelled. */
static bool spell_client(struct yatai_reader *r, struct yatai_spelled *ret) {
    const uint8_t *at = r->p;
    uint64_t word;
    *ret = (struct yatai_spelled){0};
    if (!yatai_read_uint(r, &ret->client)) {
        return false;
    }
    if (word_at(r, at, &word)) {
        uint8_t used[WORD_BYTES] = {0};
        ret->n = (unsigned)(r->p - at);
        memset(used, UINT8_MAX, ret->n);
        memcpy(&ret->mask, used, WORD_BYTES);
        ret->bytes = word & ret->mask;
    }
    return true;
}

static bool is_spelled(const struct yatai_spelled *x, uint64_t word) {
    return x->mask != 0 && (word & x->mask) == x->bytes;
}

/* Most structs name their own client, or the one that was named last. */
static inline bool read_client(struct yatai_reader *r, uint64_t *ret) {
    uint64_t word;
    const struct yatai_spelled *x = &r->other;
    if (word_at(r, r->p, &word)) {
        x = is_spelled(&r->own, word) ? &r->own : x;
        if (x == &r->own || is_spelled(x, word)) {
            r->p += x->n;
            *ret = x->client;
            return true;
        }
    }
    bool ok = spell_client(r, &r->other);
    *ret = r->other.client;
    return ok;
}

/* An id that a struct of the section's client at `clock` refers to. */
static bool read_id(struct yatai_reader *r, struct yatai_id *ret, uint32_t clock) {
    const uint8_t *at = r->p;
    ret->slot = 0;
    if (!read_client(r, &ret->client) || !yatai_read_u32(r, &ret->clock, "clock")) {
        return false;
    }
    if (ret->client == r->own.client && ret->clock >= clock) {
        return yatai_reader_fail(r, at, "struct refers to its own client's future");
    }
    return true;
}

static bool read_parent(struct yatai_reader *r, struct yatai_ref *ref, unsigned info) {
    uint64_t parent_info;
    uint32_t units;
    if (!yatai_read_uint(r, &parent_info)) {
        return false;
    }
    if (parent_info == 1) {
        ref->has |= YATAI_HAS_ROOT;
        if (!yatai_read_string(r, &ref->root, &ref->root_bytes, &units)) {
            return false;
        }
    } else if (!read_id(r, &ref->parent, ref->clock)) {
        return false;
    }
    if (info & YATAI_HAS_SUB) {
        ref->has |= YATAI_HAS_SUB;
        return yatai_read_string(r, &ref->sub, &ref->sub_bytes, &units);
    }
    return true;
}

static bool read_struct(struct yatai_reader *r, struct yatai_ref *ref) {
    const uint8_t *at = r->p;
    if (r->p == r->end) {
        return yatai_reader_fail(r, at, "update ends where a struct should be");
    }
    unsigned info = *r->p++;
    ref->kind = info & YATAI_KIND_BITS;
    ref->has = 0;
    ref->any = false;
    ref->content_bytes = 0;
    if (ref->kind == YATAI_GC || ref->kind == YATAI_SKIP) {
        return yatai_read_u32(r, &ref->len, "length");
    }
    if (r->format == YATAI_KEPT && ref->kind > YATAI_SKIP) {
        ref->any = true;
        ref->kind = ref->kind == YATAI_ANY_EMBED ? YATAI_EMBED : YATAI_FORMAT;
    }
    if (ref->kind > YATAI_SKIP) {
        return yatai_reader_fail(r, at, "unknown kind of content");
    }
    ref->has = (uint8_t)(info & (YATAI_HAS_ORIGIN | YATAI_HAS_RIGHT));
    if ((info & YATAI_HAS_ORIGIN) && !read_id(r, &ref->origin, ref->clock)) {
        return false;
    }
    if ((info & YATAI_HAS_RIGHT) && !read_id(r, &ref->right, ref->clock)) {
        return false;
    }
    if (!ref->has && !read_parent(r, ref, info)) {
        return false;
    }
    return read_content(r, ref);
}

void yatai_ref_account(struct yatai_update *u, const struct yatai_ref *ref) {
    u->content_bytes += ref->content_bytes + GUARD_BYTES;
    u->type_count += ref->kind == YATAI_TYPE;
    u->skips |= ref->kind == YATAI_SKIP;
    if (ref->has & YATAI_HAS_ROOT) {
        u->content_bytes += ref->root_bytes + GUARD_BYTES;
    }
    if (ref->has & YATAI_HAS_SUB) {
        u->content_bytes += ref->sub_bytes + GUARD_BYTES;
    }
}

struct yatai_ref *yatai_ref_new(struct yatai_mem *mem, struct yatai_update *u,
                                const struct yatai_section *s) {
    if (!YATAI_RESERVE(mem, &u->refs, u->refs.n + 1)) {
        return NULL;
    }
    struct yatai_ref *ref = &u->refs.v[u->refs.n];
    ref->clock = s->end_clock;
    return ref;
}

/* Whether the struct may be merged with the one before it, as far as the two know. */
static bool continues(const struct yatai_ref *l, const struct yatai_ref *r, uint64_t client) {
    return r->kind == YATAI_STRING && l->kind == YATAI_STRING && (r->has & YATAI_HAS_ORIGIN) &&
           r->origin.client == client && r->origin.clock + 1 == r->clock &&
           ((r->has ^ l->has) & YATAI_HAS_RIGHT) == 0 &&
           (!(r->has & YATAI_HAS_RIGHT) ||
            (l->right.client == r->right.client && l->right.clock == r->right.clock));
}

bool yatai_ref_add(struct yatai_reader *r, struct yatai_update *u, struct yatai_section *s,
                   const uint8_t *at) {
    struct yatai_ref *ref = &u->refs.v[u->refs.n];
    if (ref->len > UINT32_MAX - s->end_clock) {
        return yatai_reader_fail(r, at, "clock has more than 32 bits");
    }
    s->end_clock += ref->len;
    bool joins =
        !u->verbatim && ref->kind == YATAI_GC && u->refs.n > s->first && ref[-1].kind == YATAI_GC;
    if (joins) {
        ref[-1].len += ref->len;
    } else if (u->max_refs > 0 && u->refs.n >= u->max_refs) {
        yatai_reader_fail(r, at, "update has too many structs");
        r->status = YATA_LIMIT;
        return false;
    } else if (ref->len > 0) {
        yatai_ref_account(u, ref);
        u->continued += u->refs.n > s->first && continues(ref - 1, ref, s->client);
        u->refs.n++;
    }
    return true;
}

bool yatai_section_add(struct yatai_reader *r, struct yatai_mem *mem, struct yatai_update *u,
                       struct yatai_section *s) {
    s->count = (uint32_t)u->refs.n - s->first;
    if (!YATAI_PUSH(mem, &u->sections, *s)) {
        r->status = YATA_NOMEM;
        return false;
    }
    return true;
}

static bool read_section(struct yatai_reader *r, struct yatai_mem *mem, struct yatai_update *u) {
    struct yatai_section s = {.first = (uint32_t)u->refs.n};
    uint64_t count;
    const uint8_t *count_at = r->p;
    if (!yatai_read_uint(r, &count)) {
        return false;
    }
    s.at = (uint32_t)(r->p - r->start);
    if (!spell_client(r, &r->own) || !yatai_read_u32(r, &s.start_clock, "clock")) {
        return false;
    }
    s.client = r->own.client;
    if (count > (size_t)(r->end - r->p) / STRUCT_BYTES_LEAST) {
        return yatai_reader_fail(r, count_at, "client says it has more structs than bytes follow");
    }
    /* Room for as many as can be meant in earnest; for more than that it grows. */
    size_t likely = (size_t)(r->end - r->p) / STRUCT_BYTES_USUAL;
    likely = count < likely ? (size_t)count : likely;
    if (!YATAI_RESERVE(mem, &u->refs, u->refs.n + likely)) {
        r->status = YATA_NOMEM;
        return false;
    }
    s.end_clock = s.start_clock;
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *at = r->p;
        struct yatai_ref *ref = yatai_ref_new(mem, u, &s);
        if (!ref) {
            r->status = YATA_NOMEM;
            return false;
        }
        if (!read_struct(r, ref) || !yatai_ref_add(r, u, &s, at)) {
            return false;
        }
    }
    return yatai_section_add(r, mem, u, &s);
}

static int section_order(const void *a, const void *b) {
    const struct yatai_section *x = a, *y = b;
    return x->client < y->client   ? 1
           : x->client > y->client ? -1
                                   : (x->at > y->at) - (x->at < y->at);
}

bool yatai_sections_order(struct yatai_reader *r, struct yatai_update *u) {
    bool sorted = true;
    for (size_t i = 1; i < u->sections.n; i++) {
        sorted &= u->sections.v[i - 1].client > u->sections.v[i].client;
    }
    if (sorted) {
        return true;
    }
    qsort(u->sections.v, u->sections.n, sizeof *u->sections.v, section_order);
    for (size_t i = 1; i < u->sections.n; i++) {
        if (u->sections.v[i - 1].client == u->sections.v[i].client) {
            return yatai_reader_fail(r, r->start + u->sections.v[i].at,
                                     "update has a client twice");
        }
    }
    return true;
}

static bool read_structs(struct yatai_reader *r, struct yatai_mem *mem, struct yatai_update *u) {
    const uint8_t *at = r->p;
    uint64_t clients;
    if (!yatai_read_uint(r, &clients)) {
        return false;
    }
    if (clients > (size_t)(r->end - r->p) / 3) { /* count, client, clock */
        return yatai_reader_fail(r, at, "update says it has more clients than bytes follow");
    }
    for (uint64_t i = 0; i < clients; i++) {
        if (!read_section(r, mem, u)) {
            return false;
        }
    }
    return yatai_sections_order(r, u);
}

/* ---- delete set ----------------------------------------------------------------------------- */

bool yatai_range_add(struct yatai_reader *r, struct yatai_mem *mem, struct yatai_update *u,
                     struct yatai_range x, const uint8_t *at) {
    if (x.len > UINT32_MAX - x.clock) {
        return yatai_reader_fail(r, at, "clock has more than 32 bits");
    }
    if (x.len > 0 && !YATAI_PUSH(mem, &u->ranges, x)) {
        r->status = YATA_NOMEM;
        return false;
    }
    return true;
}

static bool read_ranges(struct yatai_reader *r, struct yatai_mem *mem, struct yatai_update *u) {
    const uint8_t *at;
    struct yatai_range x;
    uint64_t count;
    if (!yatai_read_uint(r, &x.client)) {
        return false;
    }
    const uint8_t *count_at = r->p;
    if (!yatai_read_uint(r, &count)) {
        return false;
    }
    if (count > (size_t)(r->end - r->p) / 2) { /* clock, length */
        return yatai_reader_fail(r, count_at,
                                 "delete set says it has more than the bytes that follow");
    }
    for (uint64_t i = 0; i < count; i++) {
        at = r->p;
        if (!yatai_read_u32(r, &x.clock, "clock") || !yatai_read_u32(r, &x.len, "length")) {
            return false;
        }
        if (!yatai_range_add(r, mem, u, x, at)) {
            return false;
        }
    }
    return true;
}

bool yatai_delete_set_read(struct yatai_reader *r, struct yatai_mem *mem, struct yatai_update *u) {
    const uint8_t *at = r->p;
    uint64_t clients;
    if (!yatai_read_uint(r, &clients)) {
        return false;
    }
    if (clients > (size_t)(r->end - r->p) / 2) {
        return yatai_reader_fail(r, at, "delete set says it has more than the bytes that follow");
    }
    for (uint64_t i = 0; i < clients; i++) {
        if (!read_ranges(r, mem, u)) {
            return false;
        }
    }
    return true;
}

/* ---- updates -------------------------------------------------------------------------------- */

static void drop_chunks(struct yatai_update *u, struct yatai_mem *mem) {
    while (u->chunk) {
        struct yatai_chunk *chunk = u->chunk;
        u->chunk = chunk->next;
        yatai_mem_resize(mem, chunk, sizeof *chunk + chunk->cap, 0);
    }
}

void yatai_update_clear(struct yatai_update *u, struct yatai_mem *mem) {
    u->refs.n = u->sections.n = u->ranges.n = 0;
    u->content_bytes = u->type_count = u->continued = 0;
    u->skips = false;
    drop_chunks(u, mem);
}

enum yata_status yatai_update_read(struct yatai_update *u, struct yatai_mem *mem,
                                   enum yata_format format, const uint8_t *p, size_t n,
                                   size_t max_depth, struct yata_error *ret_error) {
    struct yatai_reader r = yatai_reader_on(p, n);
    r.format = format;
    if (max_depth > 0) {
        r.max_depth = max_depth;
    }
    yatai_update_clear(u, mem);
    if (n > UINT32_MAX / 2) {
        yatai_reader_fail(&r, p, "update is larger than 2 GiB");
    } else if (format == YATA_V2) {
        yatai_update_read_v2(&r, mem, u);
    } else if (read_structs(&r, mem, u)) {
        (void)yatai_delete_set_read(&r, mem, u);
    }
    if (r.status == YATA_NOMEM) {
        snprintf(r.why.what, sizeof r.why.what, "out of memory");
    }
    if (r.status != YATA_OK && ret_error) {
        *ret_error = r.why;
    }
    return r.status;
}

static int section_place(const void *a, const void *b) {
    const struct yatai_section *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

enum yata_status yatai_update_read_in_order(struct yatai_update *u, struct yatai_mem *mem,
                                            enum yata_format format, const uint8_t *p, size_t n,
                                            size_t max_depth, struct yata_error *ret_error) {
    enum yata_status status = yatai_update_read(u, mem, format, p, n, max_depth, ret_error);
    if (status == YATA_OK && u->sections.n > 1) {
        qsort(u->sections.v, u->sections.n, sizeof *u->sections.v, section_place);
    }
    return status;
}

void yatai_update_fini(struct yatai_update *u, struct yatai_mem *mem) {
    YATAI_VEC_FREE(mem, &u->refs);
    YATAI_VEC_FREE(mem, &u->sections);
    YATAI_VEC_FREE(mem, &u->ranges);
    drop_chunks(u, mem);
}

struct yatai_section *yatai_update_section(const struct yatai_update *u, uint64_t client) {
    size_t low = 0, high = u->sections.n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (u->sections.v[mid].client > client) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < u->sections.n && u->sections.v[low].client == client ? &u->sections.v[low] : NULL;
}
