#include "store/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "limit/caps.h"
#include "store/authors.h"
#include "yata.h"

/* A shared type that is looked at, and the root type that it stands in. */
struct place {
    struct yata_type type;
    size_t root;
    uint64_t characters; /* it had before, without what is nested in it */
    uint64_t items;
};

struct places {
    struct place *v;
    size_t n;
    size_t cap;
};

/* One comparison under way. */
struct work {
    struct yata_doc *doc;
    struct store_changes *out;
    struct places before; /* all types there were */
    struct map by_type;   /* of these, struct place */
    struct places came;   /* types that came, still to be looked into */
    bool nomem;
};

/* ---- small things ---- */

static slice key_of(const struct yata_type *type) {
    return slice_of(type, sizeof *type);
}

/* Peers decide how many there are, so memory may be out. */
static struct place *add_place(struct work *w, struct places *p, struct yata_type type,
                               size_t root) {
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 64;
        struct place *more = mem_try_resize(p->v, cap * sizeof *more);
        if (!more) {
            w->nomem = true;
            return NULL;
        }
        p->v = more;
        p->cap = cap;
    }
    p->v[p->n] = (struct place){.type = type, .root = root};
    return &p->v[p->n++];
}

/* UTF-16 code units of UTF-8. */
static uint64_t units(struct yata_slice text) {
    uint64_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        n += ((text.p[i] & 0xc0) != 0x80) + (text.p[i] >= 0xf0);
    }
    return n;
}

static bool is_text(const struct yata_doc *doc, struct yata_type type) {
    enum yata_type_kind kind = YATA_ARRAY;
    if (yata_type_kind_of(doc, type, &kind) == YATA_RANGE) {
        (void)yata_root_guess(doc, type, &kind);
    }
    return kind == YATA_TEXT || kind == YATA_XML_TEXT;
}

/* The root of that name, added if it is new here; SIZE_MAX: no memory, or too many. */
static size_t root_of(struct work *w, struct yata_slice name) {
    struct store_changes *out = w->out;
    for (size_t i = 0; i < out->roots_count; i++) {
        if (slice_eq(frame_slice(out->roots[i].name), slice_of(name.p, name.n))) {
            return i;
        }
    }
    struct store_root_change *more =
        mem_try_resize(out->roots, (out->roots_count + 1) * sizeof *more);
    struct frame *copy = more ? frame_try_new(name.n) : NULL;
    out->roots = more ? more : out->roots;
    if (!copy) {
        w->nomem = true;
        return SIZE_MAX;
    }
    memcpy(copy->bytes, name.p ? name.p : copy->bytes, name.n);
    out->roots[out->roots_count] = (struct store_root_change){.name = copy};
    return out->roots_count++;
}

/* ---- what a type holds ---- */

struct held {
    uint64_t characters;
    uint64_t items;
};

static void hold(struct work *w, struct places *nested, size_t root, const struct yata_value *v,
                 struct held *to) {
    to->items++;
    if (v->kind == YATA_VALUE_TYPE) {
        (void)add_place(w, nested, v->type, root);
    }
}

static void look_into_text(struct work *w, struct places *nested, size_t root,
                           struct yata_type type, struct held *to) {
    struct yata_delta cursor;
    struct yata_run run;
    bool more = true;
    if (yata_delta_begin(w->doc, type, &cursor) != YATA_OK) {
        return;
    }
    for (;;) {
        w->nomem |= yata_delta_next(&cursor, &run, &more) != YATA_OK;
        if (w->nomem || !more) {
            break;
        }
        if (run.embed) {
            hold(w, nested, root, &run.value, to);
        } else {
            to->characters += units(run.value.bytes);
        }
    }
    yata_delta_fini(&cursor);
}

static void look_into_list(struct work *w, struct places *nested, size_t root,
                           struct yata_type type, struct held *to) {
    struct yata_list cursor;
    struct yata_value v;
    if (yata_list_begin(w->doc, type, 0, &cursor) == YATA_OK) {
        while (!w->nomem && yata_list_next(&cursor, &v)) {
            hold(w, nested, root, &v, to);
        }
    }
}

static void look_into_map(struct work *w, struct places *nested, size_t root, struct yata_type type,
                          struct held *to) {
    struct yata_map cursor;
    struct yata_slice key;
    struct yata_value v;
    if (yata_map_begin(w->doc, type, &cursor) == YATA_OK) {
        while (!w->nomem && yata_map_next(&cursor, &key, &v)) {
            hold(w, nested, root, &v, to);
        }
    }
}

/* What it holds itself; types in it are added to `nested`. */
static struct held look_into(struct work *w, struct places *nested, size_t root,
                             struct yata_type type) {
    struct held to = {0};
    if (is_text(w->doc, type)) {
        look_into_text(w, nested, root, type, &to);
    } else {
        look_into_list(w, nested, root, type, &to);
    }
    look_into_map(w, nested, root, type, &to);
    return to;
}

/* ---- before ---- */

static void note_before(struct work *w) {
    struct yata_roots roots = {0};
    struct yata_slice name;
    struct yata_type type;
    while (!w->nomem && yata_roots_next(w->doc, &roots, &name, &type)) {
        size_t root = root_of(w, name);
        if (root != SIZE_MAX) {
            (void)add_place(w, &w->before, type, root);
        }
    }
    for (size_t i = 0; i < w->before.n && !w->nomem; i++) { /* it grows meanwhile */
        size_t root = w->before.v[i].root;
        struct held held = look_into(w, &w->before, root, w->before.v[i].type);
        w->before.v[i].characters = held.characters;
        w->before.v[i].items = held.items;
    }
    for (size_t i = 0; i < w->before.n && !w->nomem; i++) {
        struct place *p = &w->before.v[i];
        (void)map_set(&w->by_type, key_of(&p->type), p);
    }
}

/* ---- what changed ---- */

static void count_insert(struct work *w, size_t root, const struct yata_op *op, bool text) {
    struct store_root_change *to = &w->out->roots[root];
    if (text && !op->embed) {
        to->characters_in += units(op->value.bytes);
        return;
    }
    struct held held = {0};
    hold(w, &w->came, root, &op->value, &held);
    to->items_in += held.items;
}

static void count_list(struct work *w, size_t root, struct yata_type type) {
    struct store_root_change *to = &w->out->roots[root];
    bool text = is_text(w->doc, type);
    struct yata_ops ops;
    struct yata_op op;
    bool more = true;
    if (yata_ops_begin(w->doc, type, text, &ops) != YATA_OK) {
        w->nomem = true;
        return;
    }
    for (;;) {
        w->nomem |= yata_ops_next(&ops, &op, &more) != YATA_OK;
        if (w->nomem || !more) {
            break;
        }
        size_t at = 0;
        struct yata_slice key;
        struct yata_value value;
        if (op.kind == YATA_INSERT) {
            count_insert(w, root, &op, text);
        } else if (op.kind == YATA_DELETE) {
            to->characters_out += text ? op.length : 0;
            to->items_out += text ? 0 : op.length;
        } else if (text && yata_ops_attribute(&ops, &at, &key, &value)) {
            to->formatted += op.length;
        }
    }
    yata_ops_fini(&ops);
}

static void count_keys(struct work *w, size_t root, struct yata_changes *changes) {
    struct store_root_change *to = &w->out->roots[root];
    struct yata_key_change key;
    while (!w->nomem && yata_changes_next_key(changes, &key)) {
        to->items_out += key.action != YATA_KEY_ADDED;
        if (key.action != YATA_KEY_DELETED) {
            struct held held = {0};
            hold(w, &w->came, root, &key.value, &held);
            to->items_in += held.items;
        }
    }
}

static void on_change(void *ctx, const struct yata_doc *doc, struct yata_changes *changes) {
    struct work *w = ctx;
    struct yata_change change;
    while (!w->nomem && yata_changes_next(changes, &change)) {
        const struct place *known = map_find(&w->by_type, key_of(&change.type));
        struct yata_slice name;
        size_t root = known ? known->root : SIZE_MAX;
        if (!known && yata_root_name(doc, change.type, &name) == YATA_OK) {
            root = root_of(w, name);
        }
        if (root == SIZE_MAX) {
            continue;
        }
        if (change.list) {
            count_list(w, root, change.type);
        }
        if (change.map) {
            count_keys(w, root, changes);
        }
    }
    w->nomem |= yata_changes_lost(changes);
}

/* What stood in types that came or went counts as well. */
static void count_nested(struct work *w) {
    for (size_t i = 0; i < w->came.n && !w->nomem; i++) { /* it grows meanwhile */
        size_t root = w->came.v[i].root;
        struct held held = look_into(w, &w->came, root, w->came.v[i].type);
        w->out->roots[root].characters_in += held.characters;
        w->out->roots[root].items_in += held.items;
    }
    for (size_t i = 0; i < w->before.n; i++) {
        const struct place *p = &w->before.v[i];
        enum yata_type_kind kind;
        if (yata_type_kind_of(w->doc, p->type, &kind) == YATA_GONE) {
            w->out->roots[p->root].characters_out += p->characters;
            w->out->roots[p->root].items_out += p->items;
        }
    }
}

/* Roots in which nothing happened are not told of. */
static void drop_quiet_roots(struct store_changes *out) {
    size_t n = 0;
    for (size_t i = 0; i < out->roots_count; i++) {
        const struct store_root_change *r = &out->roots[i];
        if (r->characters_in || r->characters_out || r->items_in || r->items_out || r->formatted) {
            out->roots[n++] = *r;
        } else {
            frame_unref(r->name);
        }
    }
    out->roots_count = n;
}

static enum err status(enum yata_status s) {
    return s == YATA_OK ? ERR_OK : s == YATA_MALFORMED ? ERR_DAMAGED : ERR_NOMEM;
}

static enum err compare_roots(slice from, slice to, struct store_changes *ret) {
    const struct yata_options options = {.strict = true, .max_pending_bytes = SIZE_MAX / 4};
    struct work w = {.doc = yata_doc_new(&options), .out = ret};
    enum err e =
        w.doc ? status(yata_apply_as(w.doc, YATA_V2, from.p, from.n, NULL, NULL)) : ERR_NOMEM;
    if (e == ERR_OK) {
        note_before(&w);
        yata_observe(w.doc, on_change, &w);
        e = status(yata_apply_as(w.doc, YATA_V2, to.p, to.n, NULL, NULL));
    }
    if (e == ERR_OK) {
        count_nested(&w);
        drop_quiet_roots(ret);
    }
    map_fini(&w.by_type);
    mem_free(w.before.v);
    mem_free(w.came.v);
    yata_doc_free(w.doc);
    return e ? e : w.nomem ? ERR_NOMEM : ERR_OK;
}

/* ---- who wrote ---- */

static void count_struct(const struct yata_struct *s, struct store_client_change *to) {
    switch (s->kind) {
    case YATA_STRING:
        to->characters += s->length;
        break;
    case YATA_JSON:
    case YATA_BINARY:
    case YATA_EMBED:
    case YATA_TYPE:
    case YATA_ANY:
    case YATA_SUBDOC:
        to->items += s->length;
        break;
    case YATA_GC:
    case YATA_DELETED:
    case YATA_FORMAT:
    case YATA_SKIP:
        break;
    }
}

static int by_amount(const void *a, const void *b) {
    const struct store_client_change *x = a;
    const struct store_client_change *y = b;
    uint64_t m = x->characters + x->items;
    uint64_t n = y->characters + y->items;
    return m != n ? (m < n ? 1 : -1) : (x->client > y->client) - (x->client < y->client);
}

/* Sums up structs by client, which stand together in an update. */
static enum err sum_up(const struct yata_struct *structs, size_t n, struct store_changes *ret) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += i == 0 || structs[i].client != structs[i - 1].client;
    }
    struct store_client_change *all = mem_try_new((count + 1) * sizeof *all);
    if (!all) {
        return ERR_NOMEM;
    }
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        at += i > 0 && structs[i].client != structs[i - 1].client;
        all[at].client = structs[i].client;
        count_struct(&structs[i], &all[at]);
    }
    qsort(all, count, sizeof *all, by_amount);
    ret->clients = all;
    ret->clients_count = count < CAPS_COMPARE_CLIENTS ? count : CAPS_COMPARE_CLIENTS;
    ret->clients_left = count - ret->clients_count;
    return ERR_OK;
}

static enum err compare_clients(slice from, slice to, slice authors, struct store_changes *ret) {
    struct yata_bytes vector = {0};
    struct yata_bytes news = {0};
    struct yata_struct *structs = NULL;
    size_t n = 0;
    enum yata_status s = yata_state_vector_from_update_as(YATA_V2, from.p, from.n, &vector, NULL);
    s = s ? s : yata_diff_update(YATA_V2, to.p, to.n, vector.p, vector.n, &news, NULL);
    s = s ? s : yata_update_structs(YATA_V2, news.p, news.n, &structs, &n, NULL);
    enum err e = status(s);
    e = e ? e : sum_up(structs, n, ret);
    for (size_t i = 0; i < ret->clients_count; i++) {
        slice user = authors_find(authors, ret->clients[i].client);
        ret->clients[i].user = user.n ? frame_copy(user) : NULL;
    }
    free(structs); /* ban-ok: yata hands out what free() releases */
    yata_bytes_fini(&news);
    yata_bytes_fini(&vector);
    return e;
}

/* ---- both ---- */

void store_changes_fini(struct store_changes *c) {
    for (size_t i = 0; i < c->roots_count; i++) {
        frame_unref(c->roots[i].name);
    }
    for (size_t i = 0; i < c->clients_count; i++) {
        frame_unref(c->clients[i].user);
    }
    mem_free(c->roots);
    mem_free(c->clients);
    *c = (struct store_changes){0};
}

enum err compare(slice from, slice to, slice authors, struct store_changes *ret,
                 struct fault *why) {
    struct store_changes c = {0};
    enum err e = compare_roots(from, to, &c);
    e = e ? e : compare_clients(from, to, authors, &c);
    if (e != ERR_OK) {
        (void)snprintf(why->text, sizeof why->text, "%s",
                       e == ERR_DAMAGED ? "a state is no update" : "no memory");
        store_changes_fini(&c);
        return e;
    }
    *ret = c;
    return ERR_OK;
}
