/* update_v2.c: decodes an update of format V2.
 *
 * V2 has the same structs as V1, each field in a column of its own with run-length encoding. What
 * V1 bounds by itself has to be bounded here: a run of millions of structs takes a few bytes, and a
 * key is written once and used often. So structs and what is put together of columns are limited in
 * proportion to the size of the update, generously beside what Yjs writes. (yjs 13.6
 * UpdateDecoder.js; lib0 decoding.js RleDecoder, UintOptRleDecoder, IntDiffOptRleDecoder,
 * StringDecoder.)
 *
 * Strings are one text, cut by lengths in UTF-16 units. Where a cut parts a surrogate pair, each
 * half is read as U+FFFD.
 */
#include <stdio.h>
#include <string.h>

#include "text.h"
#include "update.h"

#define STRUCTS_FREE      100000 /* an update of any size may have so many structs */
#define STRUCTS_PER_BYTE  16
#define ARENA_FREE        65536 /* bytes put together from several columns */
#define ARENA_PER_BYTE    32
#define CHUNK_BYTES       4096
#define TYPE_REF_MAX      6
#define TYPE_REF_ELEMENT  3
#define TYPE_REF_HOOK     5
#define INFO_ENDLESS      UINT64_MAX
#define RANGE_BYTES_LEAST 2

static const uint8_t replacement[3] = {0xef, 0xbf, 0xbd};

/* A run-length encoded column, and the run that is being read. */
struct column {
    const uint8_t *p, *end;
    uint64_t value; /* of IntDiffOptRle the last one */
    int64_t step;
    uint64_t left; /* of the run */
};

struct text {
    const uint8_t *p, *end;
    uint64_t units; /* that are left */
    bool half;      /* the last string ended inside the pair at `p` */
};

/* A string, without its length. */
struct piece {
    const uint8_t *p;
    uint32_t n;
};

struct decoder {
    struct yatai_reader *r; /* on what is behind the columns */
    struct yatai_mem *mem;
    struct yatai_update *u;
    struct column key_clock, client, left_clock, right_clock, info, parent_info, type_ref, len;
    struct column string_len;
    struct text text;
    YATAI_VEC(struct piece) keys;
    uint64_t structs;
    size_t arena_bytes;
};

static bool limit(struct decoder *d, const uint8_t *at, const char *what) {
    if (d->r->status == YATA_OK) {
        yatai_reader_fail(d->r, at, what);
        d->r->status = YATA_LIMIT;
    }
    return false;
}

/* ---- columns -------------------------------------------------------------------------------- */

/* Lets the reader stand in a column; the result goes to leave(). */
static struct yatai_reader enter(struct decoder *d, const struct column *c) {
    struct yatai_reader rest = *d->r;
    d->r->p = c->p;
    d->r->end = c->end;
    return rest;
}

static void leave(struct decoder *d, struct column *c, const struct yatai_reader *rest) {
    c->p = d->r->p;
    d->r->p = rest->p;
    d->r->end = rest->end;
}

static bool read_count(struct yatai_reader *r, uint64_t *ret) {
    if (!yatai_read_uint(r, ret)) {
        return false;
    }
    *ret += 2;
    return true;
}

/* UintOptRle: a negative number is a run, and so is -0. */
static bool next_run(struct decoder *d, struct column *c) {
    struct yatai_reader rest = enter(d, c);
    bool negative = false;
    bool ok = yatai_read_int(d->r, &c->value, &negative);
    c->left = 1;
    ok = ok && (!negative || read_count(d->r, &c->left));
    leave(d, c, &rest);
    return ok;
}

static bool read_number(struct decoder *d, struct column *c, uint64_t *ret) {
    if (c->left == 0 && !next_run(d, c)) {
        return false;
    }
    c->left--;
    *ret = c->value;
    return true;
}

static bool read_u32(struct decoder *d, struct column *c, uint32_t *ret, const char *what) {
    const uint8_t *at = c->p;
    uint64_t x = 0;
    if (!read_number(d, c, &x)) {
        return false;
    }
    if (x > UINT32_MAX) {
        char text[sizeof d->r->why.what];
        snprintf(text, sizeof text, "%s has more than 32 bits", what);
        return yatai_reader_fail(d->r, at, text);
    }
    *ret = (uint32_t)x;
    return true;
}

static bool next_steps(struct decoder *d, struct column *c) {
    struct yatai_reader rest = enter(d, c);
    uint64_t x = 0;
    bool negative = false;
    bool ok = yatai_read_int(d->r, &x, &negative);
    /* Half of it, rounded down. */
    c->step = negative ? -(int64_t)((x + 1) / 2) : (int64_t)(x / 2);
    c->left = 1;
    ok = ok && ((x & 1) == 0 || read_count(d->r, &c->left));
    leave(d, c, &rest);
    return ok;
}

/* IntDiffOptRle. */
static bool read_clock(struct decoder *d, struct column *c, uint32_t *ret) {
    const uint8_t *at = c->p;
    if (c->left == 0 && !next_steps(d, c)) {
        return false;
    }
    c->left--;
    int64_t x = (int64_t)c->value + c->step;
    if (x < 0 || x > UINT32_MAX) {
        return yatai_reader_fail(d->r, at, "clock has more than 32 bits");
    }
    c->value = (uint64_t)x;
    *ret = (uint32_t)x;
    return true;
}

/* Rle of bytes: the last run has no count and never ends. */
static bool read_byte(struct decoder *d, struct column *c, unsigned *ret) {
    if (c->left == 0) {
        struct yatai_reader rest = enter(d, c);
        bool ok = d->r->p < d->r->end;
        if (!ok) {
            yatai_reader_fail(d->r, d->r->p, "column ends too early");
        } else {
            c->value = *d->r->p++;
            c->left = INFO_ENDLESS;
            if (d->r->p < d->r->end) {
                ok = yatai_read_uint(d->r, &c->left);
                c->left++;
            }
        }
        leave(d, c, &rest);
        if (!ok) {
            return false;
        }
    }
    c->left -= c->left != INFO_ENDLESS;
    *ret = (unsigned)c->value;
    return true;
}

/* ---- strings -------------------------------------------------------------------------------- */

/* Bytes of the arena, or NULL. */
static uint8_t *arena(struct decoder *d, size_t n, const uint8_t *at) {
    size_t all = (size_t)(d->r->end - d->r->start);
    if (n > ARENA_FREE + ARENA_PER_BYTE * all - d->arena_bytes) {
        limit(d, at, "update says too much for its size");
        return NULL;
    }
    d->arena_bytes += n;
    struct yatai_chunk *chunk = d->u->chunk;
    if (!chunk || chunk->cap - chunk->n < n) {
        size_t cap = n > CHUNK_BYTES ? n : CHUNK_BYTES;
        chunk = yatai_mem_resize(d->mem, NULL, 0, sizeof *chunk + cap);
        if (!chunk) {
            d->r->status = YATA_NOMEM;
            return NULL;
        }
        chunk->cap = cap;
        chunk->n = 0;
        chunk->next = d->u->chunk;
        d->u->chunk = chunk;
    }
    uint8_t *p = chunk->bytes + chunk->n;
    chunk->n += n;
    return p;
}

/* A string with the halves of pairs at its ends replaced. */
static bool mend(struct decoder *d, struct piece *s, bool before, bool after) {
    size_t n = s->n + (before ? sizeof replacement : 0) + (after ? sizeof replacement : 0);
    uint8_t *to = arena(d, n, s->p), *q = to;
    if (!to) {
        return false;
    }
    if (before) {
        memcpy(q, replacement, sizeof replacement);
        q += sizeof replacement;
    }
    if (s->n > 0) {
        memcpy(q, s->p, s->n);
    }
    if (after) {
        memcpy(q + s->n, replacement, sizeof replacement);
    }
    *s = (struct piece){to, (uint32_t)n};
    return true;
}

static bool read_string(struct decoder *d, struct piece *ret, uint32_t *ret_units) {
    const uint8_t *at = d->string_len.p;
    struct text *t = &d->text;
    if (!read_u32(d, &d->string_len, ret_units, "length")) {
        return false;
    }
    if (*ret_units > t->units) {
        return yatai_reader_fail(d->r, at, "string runs past the end of the strings");
    }
    t->units -= *ret_units;
    bool before = t->half && *ret_units > 0, after = false;
    const uint8_t *from = before ? t->p + 4 : t->p;
    size_t n = yatai_text_offset(from, (size_t)(t->end - from), *ret_units - before, &after);
    *ret = (struct piece){from, (uint32_t)n};
    if (*ret_units > 0) {
        t->p = from + n;
        t->half = after;
    }
    return !(before || after) || mend(d, ret, before, after);
}

static bool read_key(struct decoder *d, struct piece *ret) {
    uint32_t clock = 0, units = 0;
    if (!read_clock(d, &d->key_clock, &clock)) {
        return false;
    }
    if (clock < d->keys.n) {
        *ret = d->keys.v[clock];
        return true;
    }
    if (!read_string(d, ret, &units)) {
        return false;
    }
    if (!YATAI_PUSH(d->mem, &d->keys, *ret)) {
        d->r->status = YATA_NOMEM;
        return false;
    }
    return true;
}

/* Makes a payload of a string with its length, and `more`. */
static bool put_together(struct decoder *d, struct yatai_ref *ref, struct piece s,
                         struct piece more) {
    uint8_t number[YATAI_UINT_MAX_BYTES];
    size_t n = (size_t)(yatai_put_uint(number, s.n) - number);
    uint8_t *to = arena(d, n + s.n + more.n, s.p);
    if (!to) {
        return false;
    }
    memcpy(to, number, n);
    if (s.n > 0) {
        memcpy(to + n, s.p, s.n);
    }
    if (more.n > 0) {
        memcpy(to + n + s.n, more.p, more.n);
    }
    ref->content = to;
    ref->content_bytes = (uint32_t)(n + s.n + more.n);
    return true;
}

/* ---- contents ------------------------------------------------------------------------------- */

static bool read_any(struct decoder *d, struct piece *ret) {
    ret->p = d->r->p;
    if (!yatai_read_any(d->r)) {
        return false;
    }
    ret->n = (uint32_t)(d->r->p - ret->p);
    return true;
}

static bool read_values(struct decoder *d, struct yatai_ref *ref) {
    const uint8_t *at = d->len.p;
    struct piece ignored = {0};
    if (!read_u32(d, &d->len, &ref->len, "element count")) {
        return false;
    }
    if (ref->len > (size_t)(d->r->end - d->r->p)) {
        return yatai_reader_fail(d->r, at, "content says it has more elements than bytes follow");
    }
    for (uint32_t i = 0; i < ref->len; i++) {
        if (!read_any(d, &ignored)) {
            return false;
        }
    }
    ref->content_bytes = (uint32_t)(d->r->p - ref->content);
    return true;
}

static bool is_undefined(struct piece s) {
    static const char undefined[] = "undefined";
    return s.n == sizeof undefined - 1 && memcmp(s.p, undefined, s.n) == 0;
}

/* Legacy JSON: strings one after the other, each behind its length. */
static bool read_json(struct decoder *d, struct yatai_ref *ref) {
    const uint8_t *at = d->len.p, *start = d->text.p;
    struct column lengths = d->string_len;
    struct text text = d->text;
    struct piece s = {0};
    uint32_t units = 0;
    size_t n = 0;
    if (!read_u32(d, &d->len, &ref->len, "element count")) {
        return false;
    }
    if (ref->len > d->text.units) {
        return yatai_reader_fail(d->r, at, "content says it has more elements than bytes follow");
    }
    for (uint32_t i = 0; i < ref->len; i++) {
        if (!read_string(d, &s, &units) ||
            (!is_undefined(s) && !yatai_json_check(d->r, s.p, s.n))) {
            return false;
        }
        uint8_t number[YATAI_UINT_MAX_BYTES];
        n += (size_t)(yatai_put_uint(number, s.n) - number) + s.n;
    }
    uint8_t *to = arena(d, n, start);
    if (!to) {
        return false;
    }
    ref->content = to;
    ref->content_bytes = (uint32_t)n;
    d->string_len = lengths;
    d->text = text;
    for (uint32_t i = 0; i < ref->len; i++) {
        if (!read_string(d, &s, &units)) {
            return false;
        }
        to = yatai_put_uint(to, s.n);
        memcpy(to, s.p, s.n);
        to += s.n;
    }
    return true;
}

static bool read_type(struct decoder *d, struct yatai_ref *ref) {
    const uint8_t *at = d->type_ref.p;
    uint64_t type_ref;
    struct piece name = {0};
    if (!read_number(d, &d->type_ref, &type_ref)) {
        return false;
    }
    if (type_ref > TYPE_REF_MAX) {
        return yatai_reader_fail(d->r, at, "unknown kind of shared type");
    }
    ref->type_ref = (uint8_t)type_ref;
    bool named = type_ref == TYPE_REF_ELEMENT || type_ref == TYPE_REF_HOOK;
    return !named || (read_key(d, &name) && put_together(d, ref, name, (struct piece){0}));
}

static bool read_doc(struct decoder *d, struct yatai_ref *ref) {
    struct piece guid = {0}, options = {0};
    uint32_t units = 0;
    const uint8_t *at = d->r->p;
    if (!read_string(d, &guid, &units) || !read_any(d, &options)) {
        return false;
    }
    if (*options.p == YATAI_ANY_NULL || *options.p == YATAI_ANY_UNDEFINED) {
        return yatai_reader_fail(d->r, at, "options of a sub-document are not an object");
    }
    return put_together(d, ref, guid, options);
}

static bool read_content(struct decoder *d, struct yatai_ref *ref) {
    struct piece s = {0}, value = {0};
    uint32_t n = 0;
    ref->len = 1;
    ref->content = d->r->p;
    switch (ref->kind) {
    case YATAI_DELETED:
        return read_u32(d, &d->len, &ref->len, "length");
    case YATAI_STRING:
        if (!read_string(d, &s, &ref->len)) {
            return false;
        }
        ref->content = s.p;
        ref->content_bytes = s.n;
        return true;
    case YATAI_JSON:
        return read_json(d, ref);
    case YATAI_ANY:
        return read_values(d, ref);
    case YATAI_BINARY:
        if (!yatai_read_blob(d->r, &s.p, &n)) {
            return false;
        }
        ref->content_bytes = (uint32_t)(d->r->p - ref->content);
        return true;
    case YATAI_EMBED:
        ref->any = true;
        if (!read_any(d, &value)) {
            return false;
        }
        ref->content_bytes = value.n;
        return true;
    case YATAI_FORMAT:
        ref->any = true;
        return read_key(d, &s) && read_any(d, &value) && put_together(d, ref, s, value);
    case YATAI_TYPE:
        return read_type(d, ref);
    default: /* YATAI_DOC */
        return read_doc(d, ref);
    }
}

/* ---- structs -------------------------------------------------------------------------------- */

static bool read_id(struct decoder *d, struct column *clocks, struct yatai_id *ret, uint64_t client,
                    uint32_t clock) {
    const uint8_t *at = clocks->p;
    ret->slot = 0;
    if (!read_number(d, &d->client, &ret->client) || !read_clock(d, clocks, &ret->clock)) {
        return false;
    }
    if (ret->client == client && ret->clock >= clock) {
        return yatai_reader_fail(d->r, at, "struct refers to its own client's future");
    }
    return true;
}

static bool read_parent(struct decoder *d, struct yatai_ref *ref, unsigned info, uint64_t client) {
    unsigned is_root;
    uint32_t units = 0;
    struct piece s = {0};
    if (!read_byte(d, &d->parent_info, &is_root)) {
        return false;
    }
    if (is_root == 1) {
        if (!read_string(d, &s, &units)) {
            return false;
        }
        ref->has |= YATAI_HAS_ROOT;
        ref->root = s.p;
        ref->root_bytes = s.n;
    } else if (!read_id(d, &d->left_clock, &ref->parent, client, ref->clock)) {
        return false;
    }
    if (info & YATAI_HAS_SUB) {
        if (!read_string(d, &s, &units)) {
            return false;
        }
        ref->has |= YATAI_HAS_SUB;
        ref->sub = s.p;
        ref->sub_bytes = s.n;
    }
    return true;
}

static bool read_struct(struct decoder *d, struct yatai_ref *ref, uint64_t client) {
    const uint8_t *at = d->info.p;
    unsigned info;
    if (!read_byte(d, &d->info, &info)) {
        return false;
    }
    ref->kind = info & YATAI_KIND_BITS;
    ref->has = 0;
    ref->any = false;
    ref->content_bytes = 0;
    if (ref->kind == YATAI_GC) {
        return read_u32(d, &d->len, &ref->len, "length");
    }
    if (ref->kind == YATAI_SKIP) {
        return yatai_read_u32(d->r, &ref->len, "length");
    }
    if (ref->kind > YATAI_SKIP) {
        return yatai_reader_fail(d->r, at, "unknown kind of content");
    }
    ref->has = (uint8_t)(info & (YATAI_HAS_ORIGIN | YATAI_HAS_RIGHT));
    if ((info & YATAI_HAS_ORIGIN) &&
        !read_id(d, &d->left_clock, &ref->origin, client, ref->clock)) {
        return false;
    }
    if ((info & YATAI_HAS_RIGHT) && !read_id(d, &d->right_clock, &ref->right, client, ref->clock)) {
        return false;
    }
    if (!ref->has && !read_parent(d, ref, info, client)) {
        return false;
    }
    return read_content(d, ref);
}

static bool read_section(struct decoder *d) {
    struct yatai_reader *r = d->r;
    struct yatai_section s = {.first = (uint32_t)d->u->refs.n};
    const uint8_t *count_at = r->p;
    uint64_t count;
    if (!yatai_read_uint(r, &count) || !read_number(d, &d->client, &s.client)) {
        return false;
    }
    s.at = (uint32_t)(r->p - r->start);
    if (!yatai_read_u32(r, &s.start_clock, "clock")) {
        return false;
    }
    size_t all = (size_t)(r->end - r->start);
    if (count > STRUCTS_FREE + STRUCTS_PER_BYTE * (uint64_t)all - d->structs) {
        return limit(d, count_at, "update says it has too many structs for its size");
    }
    d->structs += count;
    s.end_clock = s.start_clock;
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *at = r->p;
        struct yatai_ref *ref = yatai_ref_new(d->mem, d->u, &s);
        if (!ref) {
            r->status = YATA_NOMEM;
            return false;
        }
        if (!read_struct(d, ref, s.client) || !yatai_ref_add(r, d->u, &s, at)) {
            return false;
        }
    }
    return yatai_section_add(r, d->mem, d->u, &s);
}

static bool read_structs(struct decoder *d) {
    struct yatai_reader *r = d->r;
    const uint8_t *at = r->p;
    uint64_t clients;
    if (!yatai_read_uint(r, &clients)) {
        return false;
    }
    if (clients > (size_t)(r->end - r->p) / 2) { /* count, clock */
        return yatai_reader_fail(r, at, "update says it has more clients than bytes follow");
    }
    for (uint64_t i = 0; i < clients; i++) {
        if (!read_section(d)) {
            return false;
        }
    }
    return yatai_sections_order(r, d->u);
}

/* ---- delete set ----------------------------------------------------------------------------- */

static bool read_ranges(struct yatai_reader *r, struct yatai_mem *mem, struct yatai_update *u) {
    struct yatai_range x;
    uint64_t count, end = 0, skipped, len;
    const uint8_t *at;
    if (!yatai_read_uint(r, &x.client)) {
        return false;
    }
    at = r->p;
    if (!yatai_read_uint(r, &count)) {
        return false;
    }
    if (count > (size_t)(r->end - r->p) / RANGE_BYTES_LEAST) {
        return yatai_reader_fail(r, at, "delete set says it has more than the bytes that follow");
    }
    for (uint64_t i = 0; i < count; i++) {
        at = r->p;
        if (!yatai_read_uint(r, &skipped) || !yatai_read_uint(r, &len)) {
            return false;
        }
        if (skipped > UINT32_MAX - end || len >= UINT32_MAX - end - skipped) {
            return yatai_reader_fail(r, at, "clock has more than 32 bits");
        }
        x.clock = (uint32_t)(end + skipped);
        x.len = (uint32_t)len + 1;
        end = (uint64_t)x.clock + x.len;
        if (!yatai_range_add(r, mem, u, x, at)) {
            return false;
        }
    }
    return true;
}

bool yatai_delete_set_read_v2(struct yatai_reader *r, struct yatai_mem *mem,
                              struct yatai_update *u) {
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

static bool find_column(struct yatai_reader *r, struct column *c) {
    uint32_t n = 0;
    if (!yatai_read_blob(r, &c->p, &n)) {
        return false;
    }
    c->end = c->p + n;
    return true;
}

/* One text, and behind it the lengths of the strings in it. */
static bool find_strings(struct decoder *d) {
    uint32_t n = 0, units = 0;
    if (!find_column(d->r, &d->string_len)) {
        return false;
    }
    struct yatai_reader rest = enter(d, &d->string_len);
    bool ok = yatai_read_string(d->r, &d->text.p, &n, &units);
    leave(d, &d->string_len, &rest);
    if (ok) {
        d->text.end = d->text.p + n;
        d->text.units = units;
    }
    return ok;
}

void yatai_update_read_v2(struct yatai_reader *r, struct yatai_mem *mem, struct yatai_update *u) {
    struct decoder d = {.r = r, .mem = mem, .u = u};
    uint64_t features;
    bool ok = yatai_read_uint(r, &features) && find_column(r, &d.key_clock) &&
              find_column(r, &d.client) && find_column(r, &d.left_clock) &&
              find_column(r, &d.right_clock) && find_column(r, &d.info) && find_strings(&d) &&
              find_column(r, &d.parent_info) && find_column(r, &d.type_ref) &&
              find_column(r, &d.len) && read_structs(&d);
    if (ok) {
        (void)yatai_delete_set_read_v2(r, mem, u);
    }
    YATAI_VEC_FREE(mem, &d.keys);
}
