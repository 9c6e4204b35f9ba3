/* ops.c: what a transaction did to a list, as a delta.
 *
 * The list is walked with all that is deleted in it. A struct, or the part of one that is new, was
 * added, was deleted now, is kept, or does not matter: it was deleted before, or came and went. For
 * text the attributes as they were and as they are go along: where a format changed, kept text
 * changes its attributes. Steps begin and end exactly where those of yjs do. (yjs 13.6 YEvent.js
 * changes, YText.js YTextEvent delta)
 *
 * A step ends only when what ends it is seen; that is looked at again for the next one. The walk is
 * done twice, since the steps at the end that change nothing are not told.
 */
#include "look.h"
#include "text.h"

enum doing { NOTHING, RETAINING, INSERTING, DELETING };

enum fate { IGNORED, KEPT, ADDED, DELETED };

/* A part of a struct that had one fate. */
struct segment {
    const struct yatai_item *it;
    uint32_t item, from, len;
    enum fate fate;
};

static bool next_segment(const struct yata_ops *ops, struct segment *ret) {
    if (ops->item == 0) {
        return false;
    }
    const struct yatai_item *it = yatai_item(ops->doc, ops->item);
    uint32_t old = yatai_old_units(ops->doc, it);
    bool is_old = ops->unit < old, deleted = it->deleted;
    *ret = (struct segment){.it = it, .item = ops->item, .from = ops->unit};
    ret->len = (is_old ? old : it->len) - ops->unit;
    if (!deleted) {
        ret->fate = is_old ? KEPT : ADDED;
    } else {
        ret->fate = is_old && it->now ? DELETED : IGNORED;
    }
    return true;
}

static void consume(struct yata_ops *ops, const struct segment *s) {
    ops->unit = s->from + s->len;
    if (ops->unit == s->it->len) {
        ops->unit = 0;
        ops->item = s->it->right;
    }
}

/* Ends the step at hand; true when it is one to be handed out. */
static bool flush(struct yata_ops *ops, struct yata_op *ret) {
    enum doing doing = (enum doing)ops->doing;
    ops->doing = NOTHING;
    ops->joins = false;
    if (doing != RETAINING && doing != DELETING) {
        return false;
    }
    *ret = (struct yata_op){.kind = doing == RETAINING ? YATA_RETAIN : YATA_DELETE,
                            .length = ops->length};
    ops->last = (uint8_t)doing;
    return true;
}

/* Goes on with a retain or a delete, or flushes what is not one. */
static bool count(struct yata_ops *ops, const struct segment *s, enum doing doing,
                  struct yata_op *ret) {
    if (ops->doing != doing && flush(ops, ret)) {
        return true;
    }
    ops->length = ops->doing == doing ? ops->length + s->len : s->len;
    ops->doing = (uint8_t)doing;
    ops->joins = false;
    consume(ops, s);
    return false;
}

/* ---- lists ---------------------------------------------------------------------------------- */

static bool list_segment(struct yata_ops *ops, const struct segment *s, struct yata_op *ret) {
    if (s->fate == KEPT || s->fate == DELETED) {
        return count(ops, s, s->fate == KEPT ? RETAINING : DELETING, ret);
    }
    if (s->fate == ADDED) {
        if (ops->doing != INSERTING && flush(ops, ret)) {
            return true;
        }
        ops->doing = INSERTING;
        if (yatai_counts(s->it)) {
            yatai_list_at(ops->doc, s->item, s->from, &ops->list);
            ops->inserting = s->len;
        }
    }
    consume(ops, s);
    return false;
}

static bool insert_element(struct yata_ops *ops, struct yata_op *ret) {
    ops->inserting--;
    *ret = (struct yata_op){.kind = YATA_INSERT, .length = 1, .joins = ops->joins};
    ops->joins = true;
    ops->last = INSERTING;
    return yata_list_next(&ops->list, &ret->value);
}

/* ---- text ----------------------------------------------------------------------------------- */

static bool is_null(const struct yata_doc *doc, uint32_t format) {
    if (format == 0) {
        return true;
    }
    struct yatai_val value = yatai_format_value(doc, yatai_item(doc, format));
    return yatai_val_is_null(&value);
}

/* Whether two formats (0: null) have equal values (yjs: equalAttrs). */
static bool equal(struct yata_ops *ops, uint32_t a, uint32_t b, enum yata_status *status) {
    const struct yata_doc *doc = ops->doc;
    bool a_null = is_null(doc, a), b_null = is_null(doc, b);
    if (a == b || a_null || b_null) {
        return a == b || (a_null && b_null);
    }
    struct yatai_out x = {.mem = &yatai_caches(doc)->mem}, y = {.mem = x.mem};
    struct yatai_val x_value = yatai_format_value(doc, yatai_item(doc, a));
    struct yatai_val y_value = yatai_format_value(doc, yatai_item(doc, b));
    yatai_plain_value(&x, &x_value);
    yatai_plain_value(&y, &y_value);
    bool same = false;
    if (x.failed || y.failed) {
        *status = YATA_NOMEM;
    } else {
        same = yatai_plain_equal(&x, &y, true);
    }
    yatai_out_fini(&x);
    yatai_out_fini(&y);
    return same;
}

static void set(struct yata_ops *ops, struct yata_attributes *to, uint32_t format, uint32_t value,
                enum yata_status *status) {
    if (!yatai_attribute_set(ops->doc, to, format, value)) {
        *status = YATA_NOMEM;
    }
}

static void unset(struct yata_ops *ops, struct yata_attributes *from, uint32_t format) {
    struct yata_attribute *a = yatai_attribute_find(ops->doc, from, format);
    if (a) {
        yatai_attribute_remove(from, a);
    }
}

static uint32_t value_in(struct yata_ops *ops, struct yata_attributes *in, uint32_t format) {
    const struct yata_attribute *a = yatai_attribute_find(ops->doc, in, format);
    return a ? a->value : 0;
}

/* A format takes three steps: does it change what kept text has, then the step at hand ends, and is
 * the format looked at again; the change; and what it means for new text. */

/* Of a format that came: true when it says what is said already, and yjs would delete it. */
static bool format_added(struct yata_ops *ops, uint32_t f, bool *flushes, enum yata_status *st) {
    if (equal(ops, value_in(ops, &ops->current, f), f, st)) {
        return !is_null(ops->doc, f);
    }
    if (ops->doing == RETAINING) {
        *flushes = true;
    } else if (equal(ops, f, value_in(ops, &ops->old, f), st)) {
        unset(ops, &ops->changed, f);
    } else {
        set(ops, &ops->changed, f, f, st);
    }
    return false;
}

static void format_deleted(struct yata_ops *ops, uint32_t f, bool *flushes, enum yata_status *st) {
    uint32_t now = value_in(ops, &ops->current, f);
    set(ops, &ops->old, f, f, st);
    if (equal(ops, now, f, st)) {
        return;
    }
    if (ops->doing == RETAINING) {
        *flushes = true;
    } else {
        set(ops, &ops->changed, f, now, st);
    }
}

static bool format_kept(struct yata_ops *ops, uint32_t f, bool *flushes, enum yata_status *st) {
    const struct yata_attribute *a = yatai_attribute_find(ops->doc, &ops->changed, f);
    set(ops, &ops->old, f, f, st);
    if (!a) {
        return false;
    }
    if (equal(ops, a->value, f, st)) {
        return !is_null(ops->doc, a->value);
    }
    if (ops->doing == RETAINING) {
        *flushes = true;
    } else if (is_null(ops->doc, f)) {
        unset(ops, &ops->changed, f);
    } else {
        set(ops, &ops->changed, f, f, st);
    }
    return false;
}

static bool format_segment(struct yata_ops *ops, const struct segment *s, struct yata_op *ret,
                           enum yata_status *status) {
    bool flushes = false, needless = s->fate == DELETED || s->fate == IGNORED;
    if (s->fate == ADDED) {
        needless = format_added(ops, s->item, &flushes, status);
    } else if (s->fate == KEPT) {
        needless = format_kept(ops, s->item, &flushes, status);
    } else if (s->fate == DELETED) {
        format_deleted(ops, s->item, &flushes, status);
    }
    if (*status != YATA_OK) {
        return false;
    }
    if (flushes) {
        return flush(ops, ret);
    }
    if (!needless) {
        if (ops->doing == INSERTING) {
            (void)flush(ops, ret);
        }
        if (!yatai_attributes_take(ops->doc, &ops->current, s->item)) {
            *status = YATA_NOMEM;
            return false;
        }
    }
    consume(ops, s);
    return false;
}

/* Text, embeds and types that came. */
static bool insert_segment(struct yata_ops *ops, const struct segment *s, struct yata_op *ret) {
    bool text = yatai_kind(s->it) == YATAI_STRING;
    if ((ops->doing != INSERTING || !text) && flush(ops, ret)) {
        return true;
    }
    consume(ops, s);
    if (text) {
        struct yata_slice all = yatai_payload(ops->doc, s->it);
        bool inside;
        ops->doing = INSERTING;
        ops->end = all.p + all.n;
        ops->p = all.p + yatai_text_offset_in(all.p, all.n, s->it->len, s->from, &inside);
        return false;
    }
    *ret = (struct yata_op){.kind = YATA_INSERT, .length = 1, .embed = true};
    (void)yatai_item_value(ops->doc, s->it, 0, &ret->value);
    ops->last = INSERTING;
    return true;
}

static bool text_segment(struct yata_ops *ops, const struct segment *s, struct yata_op *ret,
                         enum yata_status *status) {
    unsigned kind = yatai_kind(s->it);
    if (kind == YATAI_FORMAT) {
        return format_segment(ops, s, ret, status);
    }
    if (kind == YATAI_STRING || kind == YATAI_EMBED || kind == YATAI_TYPE) {
        if (s->fate == ADDED) {
            return insert_segment(ops, s, ret);
        }
        if (s->fate != IGNORED) {
            return count(ops, s, s->fate == KEPT ? RETAINING : DELETING, ret);
        }
    }
    consume(ops, s);
    return false;
}

static void insert_piece(struct yata_ops *ops, struct yata_op *ret) {
    *ret = (struct yata_op){.kind = YATA_INSERT, .joins = ops->joins};
    ret->value.kind = YATA_VALUE_STRING;
    ret->value.bytes = yatai_text_piece(&ops->p, ops->end);
    ret->length = ret->value.bytes.n;
    ops->joins = true;
    ops->last = INSERTING;
}

/* ---- steps ---------------------------------------------------------------------------------- */

/* The next step, also of those at the end that change nothing; false at the end. */
static bool step(struct yata_ops *ops, struct yata_op *ret, enum yata_status *status) {
    struct segment s;
    for (;;) {
        if (ops->inserting > 0) {
            return insert_element(ops, ret);
        }
        if (ops->p < ops->end) {
            insert_piece(ops, ret);
            return true;
        }
        if (!next_segment(ops, &s)) {
            return flush(ops, ret);
        }
        if (ops->text ? text_segment(ops, &s, ret, status) : list_segment(ops, &s, ret)) {
            return true;
        }
        if (*status != YATA_OK) {
            return false;
        }
    }
}

static void restart(struct yata_ops *ops) {
    struct yata_ops to = {.doc = ops->doc, .text = ops->text, .start = ops->start};
    yata_ops_fini(ops);
    to.item = to.start;
    yatai_attributes_init(&to.current);
    yatai_attributes_init(&to.old);
    yatai_attributes_init(&to.changed);
    *ops = to;
}

/* Counts the steps up to the last that changes something. */
static enum yata_status count_steps(struct yata_ops *ops, uint64_t *ret) {
    enum yata_status status = YATA_OK;
    struct yata_op op;
    uint64_t n = 0;
    *ret = 0;
    while (step(ops, &op, &status)) {
        n++;
        bool attributed = ops->text && yatai_attributes_count(&ops->changed) > 0;
        if (op.kind != YATA_RETAIN || attributed) {
            *ret = n;
        }
    }
    return status;
}

enum yata_status yata_ops_begin(const struct yata_doc *doc, struct yata_type name, bool text,
                                struct yata_ops *ret) {
    uint32_t type;
    enum yata_status status = yatai_type_resolve(doc, name, &type);
    if (status != YATA_OK) {
        return status;
    }
    struct yata_ops ops = {.doc = doc, .text = text, .start = doc->types.v[type].start};
    uint64_t left;
    restart(&ops);
    status = count_steps(&ops, &left);
    if (status != YATA_OK) {
        yata_ops_fini(&ops);
        return status;
    }
    restart(&ops);
    ops.left = left;
    *ret = ops;
    return YATA_OK;
}

void yata_ops_fini(struct yata_ops *ops) {
    yatai_attributes_fini(ops->doc, &ops->current);
    yatai_attributes_fini(ops->doc, &ops->old);
    yatai_attributes_fini(ops->doc, &ops->changed);
}

enum yata_status yata_ops_next(struct yata_ops *ops, struct yata_op *ret, bool *ret_more) {
    enum yata_status status = YATA_OK;
    *ret_more = ops->left > 0;
    if (ops->left > 0) {
        ops->left--;
        *ret_more = step(ops, ret, &status);
    }
    return status;
}

bool yata_ops_attribute(const struct yata_ops *ops, size_t *at, struct yata_slice *ret_key,
                        struct yata_value *ret) {
    const struct yata_doc *doc = ops->doc;
    if (!ops->text || ops->last == DELETING) {
        return false;
    }
    const struct yata_attribute *a =
        yatai_attribute_next(ops->last == RETAINING ? &ops->changed : &ops->current, at);
    if (!a) {
        return false;
    }
    *ret_key = yatai_format_key(doc, yatai_item(doc, a->key));
    *ret = (struct yata_value){.kind = YATA_VALUE_NULL};
    if (a->value != 0) {
        struct yatai_val value = yatai_format_value(doc, yatai_item(doc, a->value));
        yatai_value_of(&value, ret);
    }
    return true;
}
