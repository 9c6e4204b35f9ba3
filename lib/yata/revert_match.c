/* revert_match.c: what a list has in common with what it was.
 *
 * Structs of a list never change their order, so those that are alive in both are found by one walk
 * and a look at the other document's index for each; the contents are compared nevertheless, since
 * a state comes from outside, and since a pair of surrogates may have been cut. Whatever the two
 * documents say, matches come in the order of both lists: what would cross them is left out.
 *
 * Formats are matched like what they stand between: lists that are the same struct by struct read
 * the same.
 */
#include <string.h>

#include "look.h"
#include "revert.h"
#include "text.h"

/* A gap with more tokens than this is only compared from its start: 20 bytes each. */
#define GAP_TOKENS_MAX (1u << 20)

void yatai_match_init(struct yatai_matching *m, struct yata_doc *doc, const struct yata_doc *past) {
    *m = (struct yatai_matching){.past = past, .doc = doc, .mem = &doc->mem};
    m->left.mem = m->right.mem = &doc->mem;
    if (!YATAI_RESERVE(m->mem, &m->numbers, past->items.n + 1)) {
        m->failed = true;
    }
}

void yatai_match_fini(struct yatai_matching *m) {
    YATAI_VEC_FREE(m->mem, &m->numbers);
    YATAI_VEC_FREE(m->mem, &m->by_id);
    YATAI_VEC_FREE(m->mem, &m->in_gap);
    YATAI_VEC_FREE(m->mem, &m->past_tokens);
    YATAI_VEC_FREE(m->mem, &m->tokens);
    yatai_out_fini(&m->left);
    yatai_out_fini(&m->right);
}

/* ---- contents ------------------------------------------------------------------------------- */

static const uint8_t *content(const struct yata_doc *doc, uint32_t item) {
    return yatai_payload(doc, yatai_item(doc, item)).p;
}

static bool elements(unsigned kind) {
    return kind == YATAI_ANY || kind == YATAI_JSON;
}

/* The bytes of the character at p. */
static uint32_t char_bytes(const uint8_t *p) {
    if (*p < 0x80 || *p == YATAI_TEXT_SUBST) {
        return 1;
    }
    return *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
}

static uint32_t char_units(uint32_t bytes) {
    return bytes == 4 ? 2 : 1;
}

static bool is_replacement(const uint8_t *p, uint32_t n) {
    static const uint8_t replacement[] = {0xef, 0xbf, 0xbd};
    return *p == YATAI_TEXT_SUBST || (n == 3 && memcmp(p, replacement, 3) == 0);
}

static bool same_char(const uint8_t *p, uint32_t n, const uint8_t *q, uint32_t k) {
    return (n == k && memcmp(p, q, n) == 0) || (is_replacement(p, n) && is_replacement(q, k));
}

/* As a Yjs client sees them, numbers in whatever notation. */
static bool same_value(struct yatai_matching *m, struct yatai_val a, struct yatai_val b) {
    if (a.any == b.any && a.n == b.n && memcmp(a.p, b.p, a.n) == 0) {
        return true;
    }
    m->left.n = m->right.n = 0;
    yatai_plain_value(&m->left, &a);
    yatai_plain_value(&m->right, &b);
    m->failed |= m->left.failed || m->right.failed;
    return !m->failed && m->left.n == m->right.n && memcmp(m->left.p, m->right.p, m->left.n) == 0;
}

static bool same_element(struct yatai_matching *m, unsigned kind, const uint8_t *p, uint32_t n,
                         const uint8_t *q, uint32_t k) {
    if (kind == YATAI_ANY) {
        return same_value(m, (struct yatai_val){p, n, true}, (struct yatai_val){q, k, true});
    }
    return n == k && memcmp(p, q, n) == 0;
}

static bool same_bytes(struct yata_slice a, struct yata_slice b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static bool same_text(struct yata_slice a, struct yata_slice b) {
    const uint8_t *p = a.p, *q = b.p, *end = p + a.n, *stop = q + b.n;
    while (p < end && q < stop) {
        uint32_t n = char_bytes(p), k = char_bytes(q);
        if (!same_char(p, n, q, k)) {
            return false;
        }
        p += n;
        q += k;
    }
    return p == end && q == stop;
}

static bool same_type(const struct yatai_matching *m, const struct yatai_item *a,
                      const struct yatai_item *b) {
    const struct yatai_type *s = &m->past->types.v[a->content], *t = &m->doc->types.v[b->content];
    return s->type_ref == t->type_ref &&
           same_bytes((struct yata_slice){m->past->heap.v + s->name, s->name_bytes},
                      (struct yata_slice){m->doc->heap.v + t->name, t->name_bytes});
}

static struct yatai_val embedded(const struct yata_doc *doc, const struct yatai_item *it) {
    struct yata_slice all = yatai_payload(doc, it);
    const uint8_t *p = all.p, *end = p + all.n;
    bool any = it->any;
    uint64_t n;
    p = any ? p : yatai_past_uint(p, &n);
    return (struct yatai_val){p, (uint32_t)(end - p), any};
}

bool yatai_match_items(struct yatai_matching *m, uint32_t past_item, uint32_t item) {
    const struct yatai_item *a = yatai_item(m->past, past_item), *b = yatai_item(m->doc, item);
    unsigned kind = yatai_kind(a);
    if (kind != yatai_kind(b) || a->len != b->len) {
        return false;
    }
    struct yata_slice was = yatai_payload(m->past, a), is = yatai_payload(m->doc, b);
    switch (kind) {
    case YATAI_STRING:
        return same_text(was, is);
    case YATAI_TYPE:
        return same_type(m, a, b);
    case YATAI_EMBED:
        return same_value(m, embedded(m->past, a), embedded(m->doc, b));
    case YATAI_FORMAT:
        return same_bytes(yatai_format_key(m->past, a), yatai_format_key(m->doc, b)) &&
               same_value(m, yatai_format_value(m->past, a), yatai_format_value(m->doc, b));
    default:
        return same_bytes(was, is);
    }
}

/* ---- matches by id -------------------------------------------------------------------------- */

/* Makes it a part of the match before it, if it goes on there. */
static bool extend(struct yatai_match *last, const struct yatai_match *x) {
    if (last->past.item != x->past.item || last->now.item != x->now.item ||
        last->past.unit + last->units != x->past.unit ||
        last->now.unit + last->units != x->now.unit) {
        return false;
    }
    last->units += x->units;
    last->past_bytes += x->past_bytes;
    last->now_bytes += x->now_bytes;
    return true;
}

static void add(struct yatai_matching *m, yatai_matches *to, const struct yatai_match *x) {
    if (to->n > 0 && extend(&to->v[to->n - 1], x)) {
        return;
    }
    if (!YATAI_RESERVE(m->mem, to, to->n + 1)) {
        m->failed = true;
        return;
    }
    to->v[to->n++] = *x;
}

/* Unless it would cross the one before. */
static void add_by_id(struct yatai_matching *m, struct yatai_match *x) {
    if (x->units > 0 && m->by_id.n > 0) {
        const struct yatai_spot *last = &m->by_id.v[m->by_id.n - 1].past;
        uint32_t was = m->numbers.v[last->item], is = m->numbers.v[x->past.item];
        if (was < is || (was == is && last->unit < x->past.unit)) {
            add(m, &m->by_id, x);
        }
    } else if (x->units > 0) {
        add(m, &m->by_id, x);
    }
    x->units = x->past_bytes = x->now_bytes = 0;
}

/* Goes to a unit of a struct, from where the last search ended if that helps. In the middle of a
 * pair it stands before that. */
static struct yatai_spot seek(const struct yata_doc *doc, struct yatai_spot *hit, uint32_t item,
                              uint32_t unit) {
    const struct yatai_item *it = yatai_item(doc, item);
    unsigned kind = yatai_kind(it);
    if (hit->item != item || hit->unit > unit) {
        *hit = (struct yatai_spot){.item = item};
    }
    struct yata_slice all = yatai_payload(doc, it);
    const uint8_t *p = all.p + hit->at;
    size_t n = all.n - hit->at;
    bool inside = false;
    if (kind == YATAI_STRING) {
        hit->at +=
            (uint32_t)yatai_text_offset_in(p, n, it->len - hit->unit, unit - hit->unit, &inside);
    } else if (elements(kind)) {
        hit->at += (uint32_t)yatai_elements_skip(kind, p, n, unit - hit->unit);
    }
    hit->unit = inside ? unit - 1 : unit;
    return *hit;
}

/* Past units of one struct. */
static void step(struct yatai_spot *spot, const uint8_t **p, uint32_t units, uint32_t bytes) {
    spot->unit += units;
    spot->at += bytes;
    *p += bytes;
}

static void grow(struct yatai_match *x, struct yatai_spot past, struct yatai_spot now,
                 uint32_t units, uint32_t past_bytes, uint32_t now_bytes) {
    if (x->units == 0) {
        x->past = past;
        x->now = now;
    }
    x->units += units;
    x->past_bytes += past_bytes;
    x->now_bytes += now_bytes;
}

/* Eight letters at once. */
static bool same_ascii(const uint8_t *p, const uint8_t *q) {
    uint64_t a, b;
    memcpy(&a, p, sizeof a);
    memcpy(&b, q, sizeof b);
    return a == b && (a & UINT64_C(0x8080808080808080)) == 0;
}

/* Text with the same ids up to unit `end` of past's struct; either may start one unit early, on the
 * pair that the ids start in. `skew`: what is added to a unit of past to have that of now. */
static void match_text(struct yatai_matching *m, struct yatai_spot a, struct yatai_spot b,
                       uint32_t end, int64_t skew) {
    const uint8_t *p = content(m->past, a.item) + a.at, *q = content(m->doc, b.item) + b.at;
    struct yatai_match x = {0};
    while (a.unit < end && b.unit < end + skew) {
        bool level = a.unit + skew == b.unit;
        if (level && end - a.unit >= 8 && same_ascii(p, q)) {
            grow(&x, a, b, 8, 8, 8);
            step(&a, &p, 8, 8);
            step(&b, &q, 8, 8);
            continue;
        }
        uint32_t n = char_bytes(p), k = char_bytes(q), units = char_units(n);
        if (level && end - a.unit >= units && same_char(p, n, q, k)) {
            grow(&x, a, b, units, n, k);
            step(&a, &p, units, n);
            step(&b, &q, units, k);
            continue;
        }
        add_by_id(m, &x);
        if (a.unit + skew <= b.unit) {
            step(&a, &p, units, n);
        } else {
            step(&b, &q, char_units(k), k);
        }
    }
    add_by_id(m, &x);
}

static void match_elements(struct yatai_matching *m, unsigned kind, struct yatai_spot a,
                           struct yatai_spot b, uint32_t count) {
    struct yata_slice s = yatai_payload(m->past, yatai_item(m->past, a.item));
    struct yata_slice t = yatai_payload(m->doc, yatai_item(m->doc, b.item));
    const uint8_t *p = s.p + a.at, *q = t.p + b.at;
    struct yatai_match x = {0};
    for (; count > 0; count--) {
        uint32_t n = (uint32_t)yatai_elements_skip(kind, p, s.n - a.at, 1);
        uint32_t k = (uint32_t)yatai_elements_skip(kind, q, t.n - b.at, 1);
        if (same_element(m, kind, p, n, q, k)) {
            grow(&x, a, b, 1, n, k);
        } else {
            add_by_id(m, &x);
        }
        step(&a, &p, 1, n);
        step(&b, &q, 1, k);
    }
    add_by_id(m, &x);
}

/* Units with the same ids. */
static void match_units(struct yatai_matching *m, uint32_t past_item, uint32_t past_unit,
                        uint32_t item, uint32_t unit, uint32_t count) {
    const struct yatai_item *it = yatai_item(m->past, past_item);
    unsigned kind = yatai_kind(it);
    if (kind == YATAI_STRING || elements(kind)) {
        struct yatai_spot a = seek(m->past, &m->past_hit, past_item, past_unit);
        struct yatai_spot b = seek(m->doc, &m->hit, item, unit);
        if (kind != YATAI_STRING) {
            match_elements(m, kind, a, b, count);
        } else {
            match_text(m, a, b, past_unit + count, (int64_t)unit - past_unit);
        }
    } else if (yatai_match_items(m, past_item, item)) {
        struct yatai_match x = {
            .past = {.item = past_item}, .now = {.item = item}, .units = it->len};
        add_by_id(m, &x);
    }
}

/* A live struct of the list, with what is alive of its ids in the past. */
static void match_item(struct yatai_matching *m, uint32_t past_type, uint32_t item) {
    const struct yatai_item *it = yatai_item(m->doc, item);
    struct yata_doc *past = yatai_caches(m->past);
    uint32_t slot = yatai_client_find(past, m->doc->clients.v[yatai_slot(it)].id);
    uint32_t clock = it->clock, end = it->clock + it->len;
    if (slot == 0) {
        return;
    }
    struct yatai_client *c = &past->clients.v[slot];
    end = end < c->clock ? end : c->clock;
    while (clock < end) {
        uint32_t h = yatai_pos_item(c, yatai_index_find(c, clock));
        const struct yatai_item *was = yatai_item(past, h);
        uint32_t stop = was->clock + was->len < end ? was->clock + was->len : end;
        if (yatai_kind(was) == yatai_kind(it) && !was->deleted && !was->map &&
            was->home == past_type) {
            match_units(m, h, clock - was->clock, item, clock - it->clock, stop - clock);
        }
        clock = stop;
    }
}

void yatai_match_lists(struct yatai_matching *m, uint32_t past_type, uint32_t type) {
    uint32_t number = 0;
    m->by_id.n = 0;
    m->past_hit = m->hit = (struct yatai_spot){0};
    if (past_type == 0 || type == 0 || m->failed) {
        return;
    }
    for (uint32_t h = m->past->types.v[past_type].start; h != 0;
         h = yatai_item(m->past, h)->right) {
        m->numbers.v[h] = ++number;
    }
    for (uint32_t h = m->doc->types.v[type].start; h != 0; h = yatai_item(m->doc, h)->right) {
        if (!yatai_item(m->doc, h)->deleted) {
            match_item(m, past_type, h);
        }
    }
}

/* ---- matches by content --------------------------------------------------------------------- */

/* The next token before `end`; the spot moves past it. */
static bool next_token(const struct yata_doc *doc, struct yatai_spot *at,
                       const struct yatai_spot *end, struct yatai_token *ret) {
    for (;;) {
        if (at->item == 0 || (at->item == end->item && at->unit >= end->unit)) {
            return false;
        }
        const struct yatai_item *it = yatai_item(doc, at->item);
        if (!it->deleted && at->unit < it->len) {
            struct yata_slice all = yatai_payload(doc, it);
            const uint8_t *p = all.p + at->at;
            unsigned kind = yatai_kind(it);
            *ret = (struct yatai_token){.spot = *at};
            if (kind == YATAI_STRING) {
                ret->bytes = char_bytes(p);
                at->unit += char_units(ret->bytes);
            } else {
                ret->bytes =
                    elements(kind) ? (uint32_t)yatai_elements_skip(kind, p, all.n - at->at, 1) : 0;
                at->unit += elements(kind) ? 1 : it->len;
            }
            at->at += ret->bytes;
            return true;
        }
        *at = (struct yatai_spot){.item = it->right};
    }
}

static bool same_token(struct yatai_matching *m, const struct yatai_token *a,
                       const struct yatai_token *b) {
    unsigned kind = yatai_kind(yatai_item(m->past, a->spot.item));
    if (kind != yatai_kind(yatai_item(m->doc, b->spot.item))) {
        return false;
    }
    const uint8_t *p = content(m->past, a->spot.item) + a->spot.at;
    const uint8_t *q = content(m->doc, b->spot.item) + b->spot.at;
    if (kind == YATAI_STRING) {
        return same_char(p, a->bytes, q, b->bytes);
    }
    return elements(kind) ? same_element(m, kind, p, a->bytes, q, b->bytes)
                          : yatai_match_items(m, a->spot.item, b->spot.item);
}

static void add_token(struct yatai_matching *m, const struct yatai_token *a,
                      const struct yatai_token *b) {
    const struct yatai_item *it = yatai_item(m->past, a->spot.item);
    unsigned kind = yatai_kind(it);
    struct yatai_match x = {a->spot, b->spot, it->len, a->bytes, b->bytes};
    if (kind == YATAI_STRING) {
        x.units = char_units(a->bytes);
    } else if (elements(kind)) {
        x.units = 1;
    }
    add(m, &m->in_gap, &x);
}

/* All tokens up to a place; false when there are too many, or memory is out. */
static bool collect(struct yatai_matching *m, const struct yata_doc *doc, struct yatai_spot at,
                    const struct yatai_spot *end, yatai_tokens *to) {
    struct yatai_token token;
    to->n = 0;
    while (next_token(doc, &at, end, &token)) {
        if (to->n == GAP_TOKENS_MAX) {
            return false;
        }
        if (!YATAI_PUSH(m->mem, to, token)) {
            m->failed = true;
            return false;
        }
    }
    return true;
}

void yatai_match_gap(struct yatai_matching *m, struct yatai_spot past, struct yatai_spot past_end,
                     struct yatai_spot now, struct yatai_spot now_end) {
    struct yatai_token a, b;
    struct yatai_spot from = past, now_from = now;
    m->in_gap.n = 0;
    for (;;) {
        if (m->failed || !next_token(m->past, &past, &past_end, &a) ||
            !next_token(m->doc, &now, &now_end, &b)) {
            return;
        }
        if (!same_token(m, &a, &b)) {
            break;
        }
        add_token(m, &a, &b);
        from = past;
        now_from = now;
    }
    if (m->failed || !collect(m, m->past, from, &past_end, &m->past_tokens) ||
        !collect(m, m->doc, now_from, &now_end, &m->tokens)) {
        return;
    }
    size_t i = m->past_tokens.n, k = m->tokens.n;
    while (i > 0 && k > 0 && same_token(m, &m->past_tokens.v[i - 1], &m->tokens.v[k - 1])) {
        i--;
        k--;
    }
    while (i < m->past_tokens.n) {
        add_token(m, &m->past_tokens.v[i++], &m->tokens.v[k++]);
    }
}
