/* edit.h: one edit of a writer in the making.
 *
 * An edit is worked out by walking the document without changing it: new structs and deletions are
 * collected as an update, with the ids of the structs that will stand beside them. Only when all is
 * known it is applied, by the way that every update takes: wholly or not at all.
 *
 * Thread: that of the document. Memory: the document owns its one struct yatai_edit and keeps it
 * for the next edit.
 */
#ifndef YATA_EDIT_H
#define YATA_EDIT_H

#include "doc.h"
#include "object.h"

/* An attribute of text. The key points into the document or to the caller. */
struct yatai_attr {
    const uint8_t *key;
    uint32_t key_bytes;
    struct yatai_val val;
    uint32_t item; /* the format that says so, or 0 */
};

typedef YATAI_VEC(struct yatai_attr) yatai_attrs;

/* Between two units of a list. */
struct yatai_cursor {
    uint32_t item;   /* what comes next is this struct, */
    uint32_t offset; /* from so many units on; 0, 0: nothing */
    bool has_left;
    struct yatai_id left; /* the last id before */
};

struct yatai_edit {
    struct yata_doc *doc;
    struct yatai_update *update; /* that of the document */
    uint32_t type;
    uint32_t clock; /* of the next new struct */
    uint32_t made;  /* of the last new struct that holds a type */
    enum yata_status status;
    struct yatai_out payload;     /* contents of the new structs, one after another */
    struct yatai_out root;        /* name of the root type */
    struct yatai_out given;       /* values of the caller as `any` */
    struct yatai_out left, right; /* of a comparison */
    YATAI_VEC(uint32_t) from;     /* where in it that of each new struct starts */
    yatai_attrs current;          /* in effect at the cursor */
    yatai_attrs wanted;           /* as a JavaScript object */
    yatai_attrs negated;
    yatai_attrs ends;
};

/* ---- edit.c --------------------------------------------------------------------------------- */

/* Starts an edit of a type; NULL when that cannot be, *ret_status says why. */
struct yatai_edit *yatai_edit_begin(struct yata_doc *, struct yata_type,
                                    enum yata_status *ret_status);
/* The same for an edit of more than one type; `type` is left to the caller. */
struct yatai_edit *yatai_edit_begin_any(struct yata_doc *, enum yata_status *ret_status);
/* Applies what was collected if all went well; the second says what type it made last. */
enum yata_status yatai_edit_end(struct yatai_edit *);
enum yata_status yatai_edit_end_made(struct yatai_edit *, struct yata_type *ret);
/* Notes the first thing that went wrong; returns false. */
bool yatai_edit_fail(struct yatai_edit *, enum yata_status);
void yatai_edit_fini(struct yata_doc *);

/* Whether the type may be one of these kinds, a bit for each; root types may be all. */
bool yatai_edit_allows(struct yatai_edit *, unsigned kinds);

/* The beginning of the list, the place right behind the first `index` units, the very end. */
struct yatai_cursor yatai_edit_start(const struct yatai_edit *);
bool yatai_edit_seek(struct yatai_edit *, size_t index, struct yatai_cursor *ret);
struct yatai_cursor yatai_edit_last(const struct yatai_edit *);
/* Past the next struct, or `units` of it. */
void yatai_edit_pass(const struct yatai_edit *, struct yatai_cursor *);
void yatai_edit_pass_units(const struct yatai_edit *, struct yatai_cursor *, uint32_t units);

/* Adds a struct whose neighbours or parent are known. Where `content` or `root` are NULL, they are
 * in `payload` from `clock` on, and in `root`. */
void yatai_edit_add(struct yatai_edit *, struct yatai_ref *);
/* Inserts a struct with the kind, length and payload of `ref`; the cursor stands behind it then.
 * Where `content` is NULL, `clock` is the offset of its payload in `payload`. */
void yatai_edit_insert(struct yatai_edit *, struct yatai_cursor *, struct yatai_ref);
/* The same for a value of a map. */
void yatai_edit_set(struct yatai_edit *, const uint8_t *key, uint32_t n, struct yatai_ref);
/* Deletes `units` of a struct from `offset` on. */
void yatai_edit_delete(struct yatai_edit *, uint32_t item, uint32_t offset, uint32_t units);

/* Adds the payload of a value to `payload`; *ret is what holds it. `list`: for an array, where yjs
 * takes no big integers. */
bool yatai_edit_value(struct yatai_edit *, const struct yata_value *, bool list,
                      struct yatai_ref *ret);
/* The same for a new type. */
bool yatai_edit_new_type(struct yatai_edit *, enum yata_type_kind, const char *name, size_t n,
                         struct yatai_ref *ret);

static inline bool yatai_countable(unsigned kind) {
    return kind != YATAI_DELETED && kind != YATAI_FORMAT && kind != YATAI_GC;
}

static inline bool yatai_is_deleted(const struct yatai_item *it) {
    return it->deleted;
}

#endif
