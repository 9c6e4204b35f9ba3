/* edit_text.c: what a writer does to text (yjs 13.6 types/YText.js insertText, formatText,
 * deleteText).
 *
 * Formats are structs between the characters: one says that a key has a value from here on. What is
 * in effect somewhere follows from all formats before; it is worked out only where it matters, that
 * is where an edit meets a format or brings attributes. The lists of attributes are JavaScript's
 * Map, or an object where its order differs, since their order is that of the structs.
 */
#include "edit.h"

#include <string.h>

#include "places.h"
#include "text.h"

#define TEXTS (1u << YATA_TEXT | 1u << YATA_XML_TEXT)

static const uint8_t null_any[] = {YATAI_ANY_NULL};
static const struct yatai_val null_val = {null_any, 1, true};

/* ---- attributes ----------------------------------------------------------------------------- */

static size_t find(const yatai_attrs *all, const struct yatai_attr *a) {
    size_t i = 0;
    while (i < all->n && (all->v[i].key_bytes != a->key_bytes ||
                          (a->key_bytes > 0 && memcmp(all->v[i].key, a->key, a->key_bytes) != 0))) {
        i++;
    }
    return i;
}

static bool has(const yatai_attrs *all, const struct yatai_attr *a) {
    return find(all, a) < all->n;
}

/* The value at the key, or null. */
static struct yatai_val get(const yatai_attrs *all, const struct yatai_attr *a) {
    size_t i = find(all, a);
    return i < all->n ? all->v[i].val : null_val;
}

static void set(struct yatai_edit *e, yatai_attrs *all, const struct yatai_attr *a) {
    size_t i = find(all, a);
    if (i < all->n) {
        all->v[i].val = a->val;
        all->v[i].item = a->item;
    } else if (!YATAI_PUSH(&e->doc->mem, all, *a)) {
        (void)yatai_edit_fail(e, YATA_NOMEM);
    }
}

static void remove_key(yatai_attrs *all, const struct yatai_attr *a) {
    size_t i = find(all, a);
    if (i < all->n) {
        all->n--;
        memmove(&all->v[i], &all->v[i + 1], (all->n - i) * sizeof *all->v);
    }
}

/* As in an object: keys that are array indexes stand first, by number. */
static void set_in_object(struct yatai_edit *e, yatai_attrs *all, const struct yatai_attr *a) {
    uint32_t index, other;
    size_t n = all->n, at = 0;
    set(e, all, a);
    if (all->n == n || !yatai_key_index(a->key, a->key_bytes, &index)) {
        return;
    }
    while (at < n && yatai_key_index(all->v[at].key, all->v[at].key_bytes, &other) &&
           other < index) {
        at++;
    }
    memmove(&all->v[at + 1], &all->v[at], (n - at) * sizeof *all->v);
    all->v[at] = *a;
}

static bool is_null(const struct yatai_val *v) {
    return v->any ? *v->p == YATAI_ANY_NULL : v->n == 4 && memcmp(v->p, "null", 4) == 0;
}

/* `flat`: objects with equal members are equal; else only if they are one and the same. */
static bool compare(struct yatai_edit *e, struct yatai_val a, struct yatai_val b, bool flat) {
    if (a.p == b.p) {
        return true;
    }
    e->left.n = e->right.n = 0;
    yatai_plain_value(&e->left, &a);
    yatai_plain_value(&e->right, &b);
    return !e->left.failed && !e->right.failed && yatai_plain_equal(&e->left, &e->right, flat);
}

static bool equal(struct yatai_edit *e, struct yatai_val a, struct yatai_val b) {
    return compare(e, a, b, true);
}

/* What a format says. */
static struct yatai_attr format_of(const struct yatai_edit *e, uint32_t item) {
    const struct yatai_item *it = yatai_item(e->doc, item);
    struct yata_slice format = yatai_payload(e->doc, it);
    const uint8_t *p = format.p, *end = p + format.n;
    struct yatai_attr a = {.item = item};
    uint64_t n;
    a.key = yatai_past_uint(p, &n);
    a.key_bytes = (uint32_t)n;
    a.val.p = a.key + n;
    a.val.any = it->any;
    if (!a.val.any) {
        a.val.p = yatai_past_uint(a.val.p, &n);
    }
    a.val.n = (uint32_t)(end - a.val.p);
    return a;
}

/* From here on it is in effect. */
static void take_effect(struct yatai_edit *e, yatai_attrs *current, const struct yatai_attr *a) {
    if (is_null(&a->val)) {
        remove_key(current, a);
    } else {
        set(e, current, a);
    }
}

static bool is_format(const struct yatai_item *it) {
    return yatai_kind(it) == YATAI_FORMAT;
}

/* Finds the attributes in effect at the cursor. */
static void find_current(struct yatai_edit *e, const struct yatai_cursor *at) {
    e->current.n = 0;
    struct yatai_walk w = yatai_formats_before(e->doc, e->type, at->item);
    for (uint32_t h; (h = yatai_formats_next(e->doc, &w)) != 0;) {
        struct yatai_attr a = format_of(e, h);
        take_effect(e, &e->current, &a);
    }
}

/* Past the next struct, and what it says takes effect. */
static void forward(struct yatai_edit *e, struct yatai_cursor *at) {
    const struct yatai_item *it = yatai_item(e->doc, at->item);
    if (is_format(it) && !yatai_is_deleted(it)) {
        struct yatai_attr a = format_of(e, at->item);
        take_effect(e, &e->current, &a);
    }
    yatai_edit_pass(e, at);
}

/* The attributes of the caller, as an object. */
static bool take_given(struct yatai_edit *e, const struct yata_marks *given) {
    size_t from = 0;
    for (size_t i = 0; i < given->n; i++) {
        const struct yata_mark *a = &given->v[i];
        uint32_t units;
        if (a->value.kind == YATA_VALUE_UNDEFINED || a->value.kind == YATA_VALUE_BIGINT) {
            return yatai_edit_fail(e, YATA_RANGE);
        }
        if (a->key.n > UINT32_MAX / 2 || yatai_text_check(a->key.p, a->key.n, &units)) {
            return yatai_edit_fail(e, YATA_MALFORMED);
        }
        enum yata_status status =
            yatai_plain_given(&e->given, &a->value, e->doc->options.max_depth);
        if (status != YATA_OK) {
            return yatai_edit_fail(e, status);
        }
    }
    if (e->given.failed) {
        return yatai_edit_fail(e, YATA_NOMEM);
    }
    for (size_t i = 0; i < given->n; i++) {
        const uint8_t *p = e->given.p + from;
        size_t n = yatai_elements_skip(YATAI_ANY, p, e->given.n - from, 1);
        struct yatai_attr a = {.key = given->v[i].key.p,
                               .key_bytes = (uint32_t)given->v[i].key.n,
                               .val = {p, (uint32_t)n, true}};
        set_in_object(e, &e->wanted, &a);
        from += n;
    }
    return e->status == YATA_OK;
}

/* ---- insertion ------------------------------------------------------------------------------ */

static void insert_format(struct yatai_edit *e, struct yatai_cursor *at,
                          const struct yatai_attr *a) {
    size_t from = e->payload.n;
    yatai_out_string(&e->payload, a->key, a->key_bytes);
    if (a->val.any) {
        yatai_out_bytes(&e->payload, a->val.p, a->val.n);
    } else {
        yatai_out_string(&e->payload, a->val.p, a->val.n);
    }
    yatai_edit_insert(e, at,
                      (struct yatai_ref){.kind = YATAI_FORMAT,
                                         .len = 1,
                                         .clock = (uint32_t)from,
                                         .any = a->val.any,
                                         .content_bytes = (uint32_t)(e->payload.n - from)});
    take_effect(e, &e->current, a);
}

/* Goes past formats that say what is wanted anyway. */
static void minimize(struct yatai_edit *e, struct yatai_cursor *at) {
    while (at->item != 0) {
        const struct yatai_item *it = yatai_item(e->doc, at->item);
        if (!yatai_is_deleted(it)) {
            if (!is_format(it)) {
                return;
            }
            struct yatai_attr a = format_of(e, at->item);
            if (!equal(e, get(&e->wanted, &a), a.val)) {
                return;
            }
        }
        forward(e, at);
    }
}

/* Brings about what is wanted, and notes what was before. */
static void insert_wanted(struct yatai_edit *e, struct yatai_cursor *at) {
    for (size_t i = 0; i < e->wanted.n; i++) {
        struct yatai_attr a = e->wanted.v[i], was = a;
        was.val = get(&e->current, &a);
        if (!equal(e, was.val, a.val)) {
            set(e, &e->negated, &was);
            insert_format(e, at, &a);
        }
    }
}

/* Brings back what was before, unless formats do that which are there. */
static void insert_negated(struct yatai_edit *e, struct yatai_cursor *at) {
    while (at->item != 0) {
        const struct yatai_item *it = yatai_item(e->doc, at->item);
        if (!yatai_is_deleted(it)) {
            if (!is_format(it)) {
                break;
            }
            struct yatai_attr a = format_of(e, at->item);
            if (!has(&e->negated, &a) || !equal(e, get(&e->negated, &a), a.val)) {
                break;
            }
            remove_key(&e->negated, &a);
        }
        forward(e, at);
    }
    for (size_t i = 0; i < e->negated.n; i++) {
        insert_format(e, at, &e->negated.v[i]);
    }
}

/* Whether only what is deleted is between the cursor and what counts; goes there. */
static bool skip_deleted(struct yatai_edit *e, struct yatai_cursor *at) {
    struct yatai_cursor to = *at;
    while (to.item != 0 && yatai_is_deleted(yatai_item(e->doc, to.item))) {
        yatai_edit_pass(e, &to);
    }
    if (to.item != 0 && is_format(yatai_item(e->doc, to.item))) {
        return false;
    }
    *at = to;
    return true;
}

/* `given` NULL: with the attributes that are in effect. */
static void insert(struct yatai_edit *e, struct yatai_cursor at, struct yatai_ref content,
                   const struct yata_marks *given) {
    if (!given && skip_deleted(e, &at)) {
        yatai_edit_insert(e, &at, content);
        return;
    }
    find_current(e, &at);
    for (size_t i = 0; i < e->current.n; i++) {
        struct yatai_attr a = e->current.v[i];
        if (!has(&e->wanted, &a)) {
            a.val = given ? null_val : a.val;
            set_in_object(e, &e->wanted, &a);
        }
    }
    minimize(e, &at);
    insert_wanted(e, &at);
    yatai_edit_insert(e, &at, content);
    insert_negated(e, &at);
}

enum yata_status yata_text_insert(struct yata_doc *doc, struct yata_type text, size_t index,
                                  const char *utf8, size_t n, const struct yata_marks *attributes) {
    enum yata_status status;
    struct yatai_cursor at;
    struct yatai_edit *e = yatai_edit_begin(doc, text, &status);
    if (!e) {
        return status;
    }
    struct yatai_ref ref = {
        .kind = YATAI_STRING, .content = (const uint8_t *)utf8, .content_bytes = (uint32_t)n};
    if (n > UINT32_MAX / 2) {
        (void)yatai_edit_fail(e, YATA_LIMIT);
    } else if (yatai_text_check(ref.content, n, &ref.len)) {
        (void)yatai_edit_fail(e, YATA_MALFORMED);
    } else if (yatai_edit_allows(e, TEXTS) && (!attributes || take_given(e, attributes)) &&
               yatai_edit_seek(e, index, &at) && n > 0) {
        insert(e, at, ref, attributes);
    }
    return yatai_edit_end(e);
}

/* ---- embeds --------------------------------------------------------------------------------- */

/* Without attributes it has none, unlike text. */
static void embed(struct yatai_edit *e, size_t index, struct yatai_ref ref,
                  const struct yata_marks *attributes) {
    static const struct yata_marks none;
    const struct yata_marks *given = attributes ? attributes : &none;
    struct yatai_cursor at;
    if (take_given(e, given) && yatai_edit_seek(e, index, &at)) {
        insert(e, at, ref, given);
    }
}

static bool embed_value(struct yatai_edit *e, const struct yata_value *v, struct yatai_ref *ret) {
    *ret = (struct yatai_ref){.kind = YATAI_EMBED, .len = 1, .any = true};
    enum yata_status status = yatai_plain_given(&e->payload, v, e->doc->options.max_depth);
    if (status != YATA_OK || e->payload.failed) {
        return yatai_edit_fail(e, status != YATA_OK ? status : YATA_NOMEM);
    }
    switch (*e->payload.p) {
    case YATAI_ANY_UNDEFINED:
    case YATAI_ANY_NULL:
    case YATAI_ANY_STRING: /* that would be text */
    case YATAI_ANY_BIGINT:
        return yatai_edit_fail(e, YATA_RANGE);
    default:
        ret->content_bytes = (uint32_t)e->payload.n;
        return true;
    }
}

enum yata_status yata_text_embed(struct yata_doc *doc, struct yata_type text, size_t index,
                                 const struct yata_value *value,
                                 const struct yata_marks *attributes) {
    enum yata_status status;
    struct yatai_ref ref;
    struct yatai_edit *e = yatai_edit_begin(doc, text, &status);
    if (!e) {
        return status;
    }
    if (yatai_edit_allows(e, TEXTS) && embed_value(e, value, &ref)) {
        embed(e, index, ref, attributes);
    }
    return yatai_edit_end(e);
}

enum yata_status yata_text_embed_type(struct yata_doc *doc, struct yata_type text, size_t index,
                                      enum yata_type_kind kind, const char *name, size_t n,
                                      const struct yata_marks *attributes, struct yata_type *ret) {
    enum yata_status status;
    struct yatai_ref ref;
    struct yatai_edit *e = yatai_edit_begin(doc, text, &status);
    if (!e) {
        return status;
    }
    if (yatai_edit_allows(e, TEXTS) && yatai_edit_new_type(e, kind, name, n, &ref)) {
        embed(e, index, ref, attributes);
    }
    return yatai_edit_end_made(e, ret);
}

/* ---- formats -------------------------------------------------------------------------------- */

/* What a format inside of the range says is overruled; what it said holds again behind it. False
 * when the formats behind the range need no more looking at. */
static bool overrule(struct yatai_edit *e, struct yatai_cursor *at, bool inside) {
    struct yatai_attr a = format_of(e, at->item);
    if (!has(&e->wanted, &a)) {
        forward(e, at);
        return true;
    }
    if (equal(e, get(&e->wanted, &a), a.val)) {
        remove_key(&e->negated, &a);
    } else if (!inside) {
        return false;
    } else {
        set(e, &e->negated, &a);
    }
    yatai_edit_delete(e, at->item, 0, 1);
    yatai_edit_pass(e, at);
    return true;
}

static void format(struct yatai_edit *e, struct yatai_cursor at, size_t length) {
    find_current(e, &at);
    minimize(e, &at);
    insert_wanted(e, &at);
    while (at.item != 0) {
        const struct yatai_item *it = yatai_item(e->doc, at.item);
        bool deleted = yatai_is_deleted(it);
        if (length == 0 && (e->negated.n == 0 || !(deleted || is_format(it)))) {
            break;
        }
        if (deleted) {
            yatai_edit_pass(e, &at);
        } else if (is_format(it)) {
            if (!overrule(e, &at, length > 0)) {
                break;
            }
        } else {
            uint32_t units = it->len - at.offset;
            units = units < length ? units : (uint32_t)length;
            yatai_edit_pass_units(e, &at, units);
            length -= units;
        }
    }
    if (length > 0) {
        (void)yatai_edit_fail(e, YATA_RANGE);
    }
    insert_negated(e, &at);
}

enum yata_status yata_text_format(struct yata_doc *doc, struct yata_type text, size_t index,
                                  size_t length, const struct yata_marks *attributes) {
    enum yata_status status;
    struct yatai_cursor at;
    struct yatai_edit *e = yatai_edit_begin(doc, text, &status);
    if (!e) {
        return status;
    }
    if (yatai_edit_allows(e, TEXTS) && take_given(e, attributes) &&
        yatai_edit_seek(e, index, &at) && length > 0) {
        format(e, at, length);
    }
    return yatai_edit_end(e);
}

/* ---- deletion ------------------------------------------------------------------------------- */

static bool is_text(const struct yatai_item *it) {
    unsigned kind = yatai_kind(it);
    return kind == YATAI_STRING || kind == YATAI_EMBED || kind == YATAI_TYPE;
}

/* A walk over the gap that a deletion leaves: what it deletes counts as deleted already. */
struct gap {
    struct yatai_cursor at, until; /* `until`: where the deletion ends */
    bool reached;
};

static bool in_gap(struct gap *g, const struct yatai_edit *e) {
    g->reached |= g->at.item == g->until.item && g->at.offset == g->until.offset;
    if (g->at.item == 0) {
        return false;
    }
    const struct yatai_item *it = yatai_item(e->doc, g->at.item);
    bool deleted = yatai_is_deleted(it) || (!g->reached && is_text(it));
    return deleted || !yatai_countable(yatai_kind(it));
}

static void next_in_gap(struct gap *g, const struct yatai_edit *e) {
    if (!g->reached && g->at.item == g->until.item) {
        g->at = g->until;
    } else {
        yatai_edit_pass(e, &g->at);
    }
}

/* The format at hand, if it is in effect. */
static bool format_in_gap(const struct gap *g, const struct yatai_edit *e, struct yatai_attr *ret) {
    const struct yatai_item *it = yatai_item(e->doc, g->at.item);
    if (!is_format(it) || yatai_is_deleted(it)) {
        return false;
    }
    *ret = format_of(e, g->at.item);
    return true;
}

/* Deletes the formats in a gap that are overruled in it, or say what held before it anyway (yjs:
 * cleanupFormattingGap). */
static void clean_gap(struct yatai_edit *e, struct gap g) {
    struct yatai_attr a;
    struct yatai_cursor start = g.at;
    for (; in_gap(&g, e); next_in_gap(&g, e)) {
        if (format_in_gap(&g, e, &a)) {
            set(e, &e->ends, &a);
        }
    }
    if (e->ends.n == 0) {
        return;
    }
    find_current(e, &start);
    for (g.at = start, g.reached = false; in_gap(&g, e); next_in_gap(&g, e)) {
        if (format_in_gap(&g, e, &a) && (e->ends.v[find(&e->ends, &a)].item != a.item ||
                                         compare(e, get(&e->current, &a), a.val, false))) {
            yatai_edit_delete(e, g.at.item, 0, 1);
        }
    }
}

static void delete_text(struct yatai_edit *e, struct yatai_cursor at, size_t length) {
    struct gap g = {.at = at};
    while (length > 0 && at.item != 0) {
        const struct yatai_item *it = yatai_item(e->doc, at.item);
        uint32_t units = it->len - at.offset;
        if (!yatai_is_deleted(it) && is_text(it)) {
            units = units < length ? units : (uint32_t)length;
            yatai_edit_delete(e, at.item, at.offset, units);
            length -= units;
        }
        yatai_edit_pass_units(e, &at, units);
    }
    if (length > 0) {
        (void)yatai_edit_fail(e, YATA_RANGE);
        return;
    }
    g.until = at;
    clean_gap(e, g);
}

enum yata_status yata_text_delete(struct yata_doc *doc, struct yata_type text, size_t index,
                                  size_t length) {
    enum yata_status status;
    struct yatai_cursor at;
    struct yatai_edit *e = yatai_edit_begin(doc, text, &status);
    if (!e) {
        return status;
    }
    if (yatai_edit_allows(e, TEXTS) && yatai_edit_seek(e, index, &at) && length > 0) {
        delete_text(e, at, length);
    }
    return yatai_edit_end(e);
}
