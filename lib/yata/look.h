/* look.h: reading what structs hold.
 *
 * Thread: that of the document. Memory: nothing here owns anything, but for struct yata_attributes,
 * which takes memory of the document when it grows.
 */
#ifndef YATA_LOOK_H
#define YATA_LOOK_H

#include "doc.h"
#include "object.h"

/* ---- values.c ------------------------------------------------------------------------------- */

/* Whether a struct counts in the length of its list. */
static inline bool yatai_counts(const struct yatai_item *it) {
    return !it->deleted && yatai_kind(it) != YATAI_FORMAT;
}

/* The first struct that counts, from `item` on; or 0. */
static inline uint32_t yatai_counting(const struct yata_doc *doc, uint32_t item) {
    while (item != 0 && !yatai_counts(yatai_item(doc, item))) {
        item = yatai_item(doc, item)->right;
    }
    return item;
}

/* A checked `any` as a value; returns its end. */
const uint8_t *yatai_value_of_any(const uint8_t *p, const uint8_t *end, struct yata_value *ret);
/* The value of an embed or a format. */
void yatai_value_of(const struct yatai_val *, struct yata_value *ret);
/* The value of a struct of length one that is not text, `at` bytes into its content; returns how
 * many bytes it has there. */
uint32_t yatai_item_value(const struct yata_doc *, const struct yatai_item *, uint32_t at,
                          struct yata_value *ret);
/* The last value of a struct: what a key of a map has. */
void yatai_item_last(const struct yata_doc *, const struct yatai_item *, struct yata_value *ret);
/* Of a format. */
struct yata_slice yatai_format_key(const struct yata_doc *, const struct yatai_item *);
struct yatai_val yatai_format_value(const struct yata_doc *, const struct yatai_item *);
bool yatai_val_is_null(const struct yatai_val *);
/* A piece of text from *p on, up to what is not UTF-8 at rest, or U+FFFD instead of that. */
struct yata_slice yatai_text_piece(const uint8_t **p, const uint8_t *end);

/* ---- lists.c -------------------------------------------------------------------------------- */

/* A cursor from a unit of a struct that counts on. */
void yatai_list_at(const struct yata_doc *, uint32_t item, uint32_t unit, struct yata_list *ret);

/* ---- observe.c ------------------------------------------------------------------------------ */

/* How many units of a struct were there before the transaction: all, none, or those of a text that
 * others were added to. */
uint32_t yatai_old_units(const struct yata_doc *, const struct yatai_item *);

/* ---- attributes.c: a map from keys to formats, in the order in which keys were added -------- */

void yatai_attributes_init(struct yata_attributes *);
void yatai_attributes_fini(const struct yata_doc *, struct yata_attributes *);
/* The attribute with the key of a format, or NULL. */
struct yata_attribute *yatai_attribute_find(const struct yata_doc *, struct yata_attributes *,
                                            uint32_t format);
/* Sets the key of `format` to the value of `value` (0: null). False when memory is out. */
bool yatai_attribute_set(const struct yata_doc *, struct yata_attributes *, uint32_t format,
                         uint32_t value);
void yatai_attribute_remove(struct yata_attributes *, struct yata_attribute *);
/* The attributes one after another, from *at 0 on; NULL ends. */
const struct yata_attribute *yatai_attribute_next(const struct yata_attributes *, size_t *at);
/* What a format does to the attributes of what follows (yjs: updateCurrentAttributes). */
bool yatai_attributes_take(const struct yata_doc *, struct yata_attributes *, uint32_t format);

static inline size_t yatai_attributes_count(const struct yata_attributes *set) {
    return set->n - set->dead;
}

/* ---- members.c: keys as JavaScript orders them ---------------------------------------------- */

struct yatai_member {
    struct yata_slice key;
    uint32_t of; /* what the caller knows it by */
    uint32_t at; /* when it came */
    uint32_t index;
    bool is_index;
};

typedef YATAI_VEC(struct yatai_member) yatai_members;

bool yatai_member_add(struct yatai_mem *, yatai_members *, struct yata_slice key, uint32_t of);
/* As an object enumerates them: array indexes first, by number, then by age. */
void yatai_members_order(yatai_members *);
/* As an array of strings is sorted. */
void yatai_members_sort(yatai_members *);
/* The keys of a type that have a value, with their entries. */
bool yatai_members_of_type(struct yatai_mem *, yatai_members *, const struct yata_doc *,
                           uint32_t type);
/* The keys of a set, with the formats that have the values. */
bool yatai_members_of_set(struct yatai_mem *, yatai_members *, const struct yata_doc *,
                          const struct yata_attributes *);

/* The struct with the value of a key, or 0. */
static inline uint32_t yatai_entry_value(const struct yata_doc *doc, uint32_t e) {
    uint32_t h = doc->entries.v[e].current;
    return h == 0 || yatai_item(doc, h)->deleted ? 0 : h;
}

static inline struct yata_slice yatai_entry_key(const struct yata_doc *doc, uint32_t e) {
    const struct yatai_entry *entry = &doc->entries.v[e];
    return (struct yata_slice){doc->heap.v + entry->key, entry->key_bytes};
}

/* ---- walk.c --------------------------------------------------------------------------------- */

/* Writes what a type's toJSON is, as JSON; or what its toString is, as it is. */
void yatai_type_write(struct yatai_out *, const struct yata_doc *, uint32_t type,
                      enum yata_type_kind, bool json);

/* ---- markup.c ------------------------------------------------------------------------------- */

/* Writes the opening tags of a run of XML text, and leaves the names of its tags in `open`. */
void yatai_markup_open(struct yatai_out *, const struct yata_doc *, const struct yata_attributes *,
                       yatai_members *open);
/* Writes the closing tags, and empties it. */
void yatai_markup_close(struct yatai_out *, yatai_members *open);

/* ---- tojson.c ------------------------------------------------------------------------------- */

/* Writes a value as JSON.stringify does; `undefined` as null. */
void yatai_value_to_json(struct yatai_out *, const struct yata_doc *, const struct yata_value *);
/* The attributes as a JSON object. */
void yatai_attributes_to_json(struct yatai_out *, const struct yata_doc *,
                              const struct yata_attributes *);

/* ---- string.c ------------------------------------------------------------------------------- */

/* Writes a value as JavaScript's String() does; shared types are left to the caller. */
void yatai_value_to_text(struct yatai_out *, const struct yata_value *);

#endif
