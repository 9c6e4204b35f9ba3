/* yata_read.h: what shared types hold: lists, maps, text, XML trees, as values or as JSON.
 *
 * A part of yata.h, which includes it.
 *
 * Everything here only looks: the document, its bytes and its names stay as they are. It may be
 * called at any time, also inside a transaction; then it shows what has been applied so far. What
 * was deleted is not there. Cursors allocate nothing unless they say so, are copied freely, and
 * hold until the document changes; so do slices, which point into the document.
 *
 * Any type may be read in any way, as in yjs: a type has a list and a map, and an array, a text or
 * an XML element are views of them. YATA_GONE: the type was deleted.
 *
 * Units: lists count elements, text counts UTF-16 code units, and both count as one in the list of
 * a text with embeds. Text comes out as UTF-8, with U+FFFD for each half of a surrogate pair that
 * stands alone.
 *
 * Thread: that of the document. Sources: yjs 13.6 src/types/, src/utils/.
 */
#ifndef YATA_READ_H
#define YATA_READ_H

#include "yata.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- where types are ------------------------------------------------------------------------ */

/* Walks the root types, oldest first: those that updates named and those asked for by yata_root.
 * Start with all zero. (yjs: doc.share) */
struct yata_roots {
    uint32_t at;  /* private */
    bool started; /* private */
};

bool yata_roots_next(const struct yata_doc *, struct yata_roots *, struct yata_slice *ret_name,
                     struct yata_type *ret);

/* The name of a root type; YATA_RANGE for a nested one. */
enum yata_status yata_root_name(const struct yata_doc *, struct yata_type, struct yata_slice *ret);
/* A guess at what a root type is meant to be, from what it holds; for tools that cannot know. */
enum yata_status yata_root_guess(const struct yata_doc *, struct yata_type,
                                 enum yata_type_kind *ret);

/* Where a nested type stands in its parent. */
struct yata_place {
    struct yata_type parent;
    bool in_map;
    struct yata_slice key; /* in_map */
    uint64_t index;        /* otherwise: what stands before it */
};

/* Costs a walk to the start of the list. YATA_RANGE for a root type. Repeated until the parent is a
 * root type it is the path, backwards. (yjs: getPathTo of YEvent.js) */
enum yata_status yata_type_place(const struct yata_doc *, struct yata_type, struct yata_place *ret);
/* The same without the index, at once. (yjs: type.parent) */
enum yata_status yata_type_parent(const struct yata_doc *, struct yata_type, struct yata_type *ret);

/* The node name of an XML element, the name of an XML hook; else YATA_RANGE. */
enum yata_status yata_xml_name(const struct yata_doc *, struct yata_type, struct yata_slice *ret);
/* The neighbour of a nested type: what stands right after it, or before; all zero when there is
 * nothing, or no type. (yjs: nextSibling, prevSibling) */
enum yata_status yata_xml_next(const struct yata_doc *, struct yata_type, struct yata_type *ret);
enum yata_status yata_xml_previous(const struct yata_doc *, struct yata_type,
                                   struct yata_type *ret);
/* The first child, or all zero. (yjs: firstChild) */
enum yata_status yata_xml_first(const struct yata_doc *, struct yata_type, struct yata_type *ret);

/* ---- lists: arrays, children of XML --------------------------------------------------------- */

/* Elements, or for text units; costs a walk. (yjs: length) */
enum yata_status yata_length(const struct yata_doc *, struct yata_type, uint64_t *ret);

struct yata_list {
    const struct yata_doc *doc; /* all private */
    uint32_t item, left, at;
    bool half;
};

/* A cursor that starts at an index; YATA_RANGE beyond the end. Each unit of text is an element. */
enum yata_status yata_list_begin(const struct yata_doc *, struct yata_type, uint64_t index,
                                 struct yata_list *ret);
bool yata_list_next(struct yata_list *, struct yata_value *ret);
/* One element; YATA_RANGE beyond the end. Costs a walk. (yjs: YArray.get) */
enum yata_status yata_list_get(const struct yata_doc *, struct yata_type, uint64_t index,
                               struct yata_value *ret);

/* ---- maps: also attributes of XML and text --------------------------------------------------- */

/* The value of a key (`n` bytes); YATA_RANGE when there is none. (yjs: YMap.get, getAttribute) */
enum yata_status yata_map_get(const struct yata_doc *, struct yata_type, const char *key, size_t n,
                              struct yata_value *ret);
/* How many keys have a value; costs a walk. (yjs: YMap.size) */
enum yata_status yata_map_size(const struct yata_doc *, struct yata_type, uint64_t *ret);

struct yata_map {
    const struct yata_doc *doc; /* all private */
    uint32_t entry;
};

/* A cursor over the keys, in the order in which they were first set. (yjs: YMap.entries) */
enum yata_status yata_map_begin(const struct yata_doc *, struct yata_type, struct yata_map *ret);
bool yata_map_next(struct yata_map *, struct yata_slice *ret_key, struct yata_value *ret);

/* ---- values --------------------------------------------------------------------------------- */

/* A cursor over the elements of a YATA_VALUE_ANY: an array, or an object with its keys. */
struct yata_any {
    const uint8_t *p, *end; /* all private */
    uint64_t left;
    bool keys;
};

/* *ret_object tells which of the two; it may be NULL. YATA_RANGE when the value is not one,
 * YATA_MALFORMED when its bytes were not read from a document and are bad. */
enum yata_status yata_any_begin(const struct yata_value *, struct yata_any *ret, bool *ret_object);
/* `ret_key` may be NULL; it is empty in arrays. */
bool yata_any_next(struct yata_any *, struct yata_slice *ret_key, struct yata_value *ret);
/* A value as JSON text, as JSON.stringify writes it, nested types by their toJSON. `undefined` and
 * a subdocument are "null" and "{}". */
enum yata_status yata_value_to_json(const struct yata_doc *, const struct yata_value *,
                                    struct yata_bytes *ret);
/* The value of a YATA_VALUE_JSON as lib0's `any`, which yata_any_begin reads when it is wrapped in
 * a YATA_VALUE_ANY. */
enum yata_status yata_json_to_any(struct yata_slice json, struct yata_bytes *ret,
                                  struct yata_error *ret_error);

/* ---- subdocuments --------------------------------------------------------------------------- */

struct yata_subdoc {
    struct yata_slice guid;
    struct yata_slice
        options; /* a lib0 `any` object: meta, autoLoad, gc … as its maker gave them */
    struct yata_type parent;
};

/* Walks all subdocuments that are there, in no order; costs a walk over the structs of the
 * document. Start with `at` 0. (yjs: doc.getSubdocs) */
struct yata_subdocs {
    uint32_t at; /* private */
};

bool yata_subdocs_next(const struct yata_doc *, struct yata_subdocs *, struct yata_subdoc *ret);

/* ---- text ----------------------------------------------------------------------------------- */

/* The text without formats and embeds. (yjs: YText.toString) */
enum yata_status yata_text_string(const struct yata_doc *, struct yata_type,
                                  struct yata_bytes *ret);

#define YATA_ATTRIBUTES_FEW 8

/* A set of attributes: private, for embedding. */
struct yata_attributes {
    struct yata_attribute {
        uint32_t key, value, hash;
        bool dead;
    } few[YATA_ATTRIBUTES_FEW], *v;
    uint32_t *table;
    uint32_t n, cap, dead;
};

/* A cursor over a text as runs of equal attributes. */
struct yata_delta {
    const struct yata_doc *doc; /* all private */
    uint32_t item;
    const uint8_t *p, *end; /* what is left of a string */
    bool joins;
    struct yata_attributes set;
};

/* A piece of text, or an embed. */
struct yata_run {
    struct yata_value value; /* a string, when it is text */
    bool embed;
    bool joins; /* text that belongs to the same run as the piece before it */
};

enum yata_status yata_delta_begin(const struct yata_doc *, struct yata_type,
                                  struct yata_delta *ret);
/* *ret_more false at the end. Allocates, and so may answer YATA_NOMEM, only where more than
 * YATA_ATTRIBUTES_FEW attributes meet. (yjs: YText.toDelta) */
enum yata_status yata_delta_next(struct yata_delta *, struct yata_run *ret, bool *ret_more);
/* The attributes of the run that was handed out last, in the order in which they began: start with
 * *at 0. A value is JSON or plain. */
bool yata_delta_attribute(const struct yata_delta *, size_t *at, struct yata_slice *ret_key,
                          struct yata_value *ret);
void yata_delta_fini(struct yata_delta *);

/* ---- as JSON and XML text ------------------------------------------------------------------- */

/* Attributes are repeated with each run that has them, so what comes out can be far larger than the
 * document: mind that where its writers are not trusted. */

/* What JSON.stringify makes of type.toJSON(). `as` says what a root type is; a nested type knows.
 * YATA_MALFORMED for a kind that there is not. */
enum yata_status yata_type_to_json(const struct yata_doc *, struct yata_type,
                                   enum yata_type_kind as, struct yata_bytes *ret);
/* What type.toString() is: the text of a text, the markup of XML, else "[object Object]". Of node
 * names only ASCII letters become small. */
enum yata_status yata_type_to_string(const struct yata_doc *, struct yata_type,
                                     enum yata_type_kind as, struct yata_bytes *ret);
/* What JSON.stringify makes of ytext.toDelta(). */
enum yata_status yata_text_to_delta_json(const struct yata_doc *, struct yata_type,
                                         struct yata_bytes *ret);

/* What a root type is to be read as. */
struct yata_root_as {
    struct yata_type type;
    enum yata_type_kind as;
};

/* What JSON.stringify makes of doc.toJSON(): an object of the `n` given root types, in the order of
 * the document. `roots` NULL: all, as yata_root_guess sees them. */
enum yata_status yata_doc_to_json(const struct yata_doc *, const struct yata_root_as *roots,
                                  size_t n, struct yata_bytes *ret);

/* ---- relative positions --------------------------------------------------------------------- */

/* What a position is fixed to; the numbers are those of the format. */
enum yata_position_where {
    YATA_AT_ITEM, /* a unit or element, by its id */
    YATA_AT_ROOT, /* the end of a root type, or its start */
    YATA_AT_TYPE, /* the end of a nested type, or its start */
};

/* A place in a list that survives what others edit. */
struct yata_position {
    enum yata_position_where where;
    uint64_t client, clock; /* of the unit, or of the struct that holds the nested type */
    struct yata_slice name; /* of the root type: points into the document or the input */
    int64_t assoc; /* below 0: it belongs to what stands before it, otherwise to what follows; at an
                    * end: the start of the type, otherwise its end */
};

/* The position before the index; an index beyond the end is the end. Costs a walk. (yjs:
 * Y.createRelativePositionFromTypeIndex) */
enum yata_status yata_position_at(const struct yata_doc *, struct yata_type, uint64_t index,
                                  int64_t assoc, struct yata_position *ret);
/* Where a position is now: where what it belongs to was, if that was deleted. YATA_GONE when it, or
 * its type, was deleted altogether, or has not arrived; unlike in yjs also of a root type that
 * neither updates nor the caller named, since positions come from peers. Does not follow what was
 * undone and redone. (yjs: Y.createAbsolutePositionFromRelativePosition) */
enum yata_status yata_position_resolve(const struct yata_doc *, const struct yata_position *,
                                       struct yata_type *ret, uint64_t *ret_index);
/* The bytes that clients exchange (yjs: Y.encodeRelativePosition). YATA_MALFORMED when the ids have
 * more than 53 bits. */
enum yata_status yata_position_encode(const struct yata_position *, struct yata_bytes *ret);
/* (yjs: Y.decodeRelativePosition) */
enum yata_status yata_position_decode(const uint8_t *position, size_t n, struct yata_position *ret,
                                      struct yata_error *ret_error);

#ifdef __cplusplus
}
#endif

#include "yata_observe.h"

#endif
