/* yata_write.h: edits, a part of yata.h.
 *
 * Edits are those of a Yjs client: the same edits with the same client id make the same bytes. An
 * edit is a transaction of its own, or a part of the open one: who wants its update uses yata_begin
 * and yata_commit. It takes place wholly or not at all, and answers
 *
 *   YATA_GONE       the type is deleted,
 *   YATA_RANGE      an index or a length beyond the end, a type of the wrong kind, a value that may
 *                   not stand there, or no client id to write with,
 *   YATA_MALFORMED  text or a key that is not UTF-8, a value that is not JSON or not `any`,
 *   YATA_LIMIT      values nest too deep, clocks have no more than 32 bits,
 *   YATA_NOMEM.
 *
 * Indexes and lengths of text count UTF-16 code units; in the middle of a surrogate pair, both
 * halves become U+FFFD, as in yjs. Texts, keys and names are UTF-8 and of the length given; values
 * are borrowed for the call. Numbers and objects become what they are in JavaScript: integers
 * beyond 2^53 lose digits, keys that are array indexes come first.
 *
 * Thread, memory: as in yata.h.
 */
#ifndef YATA_WRITE_H
#define YATA_WRITE_H

#include "yata.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sets the client id to write with: 53 bits, random, and of one writer at a time (yjs:
 * doc.clientID). 0: nobody writes here. YATA_RANGE when it has more bits. */
enum yata_status yata_set_client(struct yata_doc *, uint64_t client);

/* Formats of text. With a value of null a key is not set. */
struct yata_mark {
    struct yata_slice key;
    struct yata_value value; /* of any kind but UNDEFINED, BIGINT, TYPE and SUBDOC */
};

struct yata_marks {
    const struct yata_mark *v;
    size_t n;
};

/* Inserts text. `attributes` NULL: it takes those that are in effect there; else it has these and
 * no others. Root types and nested ones that are YATA_TEXT or YATA_XML_TEXT. (yjs: YText.insert) */
enum yata_status yata_text_insert(struct yata_doc *, struct yata_type text, size_t index,
                                  const char *utf8, size_t n, const struct yata_marks *attributes);
/* Inserts a value that counts as one character: anything but a string, null, undefined or a big
 * integer. `attributes` NULL: none. (yjs: YText.insertEmbed) */
enum yata_status yata_text_embed(struct yata_doc *, struct yata_type text, size_t index,
                                 const struct yata_value *, const struct yata_marks *);
/* The same for a new shared type, as in yata_list_insert_type. */
enum yata_status yata_text_embed_type(struct yata_doc *, struct yata_type text, size_t index,
                                      enum yata_type_kind kind, const char *name, size_t n,
                                      const struct yata_marks *attributes, struct yata_type *ret);
/* Deletes characters and embeds, and the formats among them that have become useless (yjs:
 * YText.delete). */
enum yata_status yata_text_delete(struct yata_doc *, struct yata_type text, size_t index,
                                  size_t length);
/* Sets attributes of a range; those not named stay (yjs: YText.format). */
enum yata_status yata_text_format(struct yata_doc *, struct yata_type text, size_t index,
                                  size_t length, const struct yata_marks *);

/* As an index: behind everything, also behind what is deleted (yjs: YArray.push). XML knows no such
 * place; use its length. */
#define YATA_END SIZE_MAX

/* Inserts values into an array: all kinds but UNDEFINED, BIGINT and TYPE. Root types and nested
 * ones that are YATA_ARRAY, YATA_XML_ELEMENT or YATA_XML_FRAGMENT. (yjs: YArray.insert) */
enum yata_status yata_list_insert(struct yata_doc *, struct yata_type list, size_t index,
                                  const struct yata_value *values, size_t n);
/* Inserts a new shared type, empty, and names it. `name`: that of an element or hook, else unused.
 * (yjs: YArray.insert, YXmlFragment.insert) */
enum yata_status yata_list_insert_type(struct yata_doc *, struct yata_type list, size_t index,
                                       enum yata_type_kind kind, const char *name, size_t n,
                                       struct yata_type *ret);
/* Deletes values and all that they hold (yjs: YArray.delete, YXmlFragment.delete). */
enum yata_status yata_list_delete(struct yata_doc *, struct yata_type list, size_t index,
                                  size_t length);

/* Sets a key of a map or an attribute of an XML element: all kinds of values but TYPE. All root
 * types and all nested ones but YATA_ARRAY and YATA_XML_FRAGMENT. (yjs: YMap.set,
 * YXmlElement.setAttribute, YText.setAttribute) */
enum yata_status yata_map_set(struct yata_doc *, struct yata_type map, const char *key, size_t n,
                              const struct yata_value *);
/* Sets it to a new shared type, as in yata_list_insert_type. */
enum yata_status yata_map_set_type(struct yata_doc *, struct yata_type map, const char *key,
                                   size_t n, enum yata_type_kind kind, const char *name,
                                   size_t name_bytes, struct yata_type *ret);
/* Deletes a key; that of none is a no-op (yjs: YMap.delete, YXmlElement.removeAttribute). */
enum yata_status yata_map_delete(struct yata_doc *, struct yata_type map, const char *key,
                                 size_t n);

/* ---- going back ----------------------------------------------------------------------------- */

/* Brings the document back to what another one holds: as one edit, which every Yjs client takes,
 * and which another revert can undo. Roots, texts with attributes and embeds, arrays, maps, XML and
 * all that nests in them read as they did. What is still there stays where it is, so that cursors
 * and concurrent edits there survive; what has come since is deleted; what is gone is inserted
 * again, as a copy with ids of this client. Nothing happens when all is as it was. Only what is
 * there counts, not what waits for updates or was deleted: the past may have been collected. It
 * needs memory in proportion to both documents; none of the two is walked by recursion. Answers
 * like other edits. */
enum yata_status yata_revert(struct yata_doc *, const struct yata_doc *past);
/* The same for a whole state (yata_encode_state, Y.encodeStateAsUpdate), read with the limits of
 * the document. Also YATA_MALFORMED, when it is no update, or all of it waits for others. */
enum yata_status yata_revert_to_state(struct yata_doc *, enum yata_format, const uint8_t *state,
                                      size_t n, struct yata_error *ret_error);
/* The same for a snapshot of this document, which has to keep what is deleted: see yata_doc_at. */
enum yata_status yata_revert_to_snapshot(struct yata_doc *, const struct yata_snapshot *,
                                         struct yata_error *ret_error);

#ifdef __cplusplus
}
#endif

#endif
