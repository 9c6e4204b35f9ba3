/* yata.h: Yjs documents in C.
 *
 * libyata holds Yjs documents, applies updates that Yjs clients produce, and answers with bytes
 * that Yjs clients accept: byte-compatible with npm yjs 13.6, update formats V1 and V2. It has no
 * I/O, no threads, no globals and needs nothing but libc.
 *
 *     struct yata_doc *doc = yata_doc_new(NULL);
 *     struct yata_error why;
 *     if (yata_apply(doc, update, n, NULL, &why) != YATA_OK)
 *         fprintf(stderr, "byte %zu: %s\n", why.at, why.what);
 *     struct yata_bytes state = {0};
 *     if (yata_encode_state(doc, NULL, 0, &state) == YATA_OK)
 *         send(state.p, state.n);
 *     yata_bytes_fini(&state);
 *     yata_doc_free(doc);
 *
 * Units: clocks and lengths of text count UTF-16 code units, as in Yjs. Client ids have 53 bits.
 * Sizes are bytes unless the name says otherwise.
 *
 * Thread: a document belongs to one thread at a time; different documents are independent.
 * Functions that take no document are pure.
 *
 * Memory: arguments are borrowed for the call. What is handed out through `ret_…` belongs to the
 * caller, who releases it as said there; it is untouched when the call fails. The allocator of the
 * options serves everything a document needs; NULL means malloc and free.
 *
 * Differences to yjs: a character that an update of format V2 cuts in two by the border between two
 * structs is U+FFFD twice at once, where yjs keeps the halves and may join them again; by V1, which
 * is what travels, it is that in yjs, too. What Yjs throws on is refused, before anything changes.
 *
 * Formats: yjs 13.6 src/utils/encoding.js, UpdateEncoder.js, DeleteSet.js, structs/; y-protocols
 * awareness.js; lib0 encoding.js.
 */
#ifndef YATA_H
#define YATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define YATA_VERSION "0.1.0"

enum yata_status {
    YATA_OK,
    YATA_MALFORMED, /* the bytes are not what they should be; nothing changed */
    YATA_LIMIT,     /* a limit of the options would be passed; nothing changed */
    YATA_NOMEM,     /* no memory; nothing changed */
    YATA_GONE,      /* the shared type was deleted, or never was; nothing changed */
    YATA_RANGE,     /* an index or length beyond the end, or the wrong kind; nothing changed */
};

/* The two encodings of an update. What Yjs sends on the wire is V1; V2 is smaller and slower.
 * Functions that do not say which mean V1; those that end in _as take either. State vectors are the
 * same in both. */
enum yata_format {
    YATA_V1,
    YATA_V2,
};

/* Says why a call failed, for people. Filled only when a call returns other than YATA_OK. */
struct yata_error {
    size_t at;     /* offset into the input of the byte at which it became wrong */
    char what[96]; /* a sentence fragment: "string runs past the end of the update" */
};

/* Bytes handed in, or to look at. */
struct yata_slice {
    const uint8_t *p;
    size_t n;
};

/* Bytes handed out. */
struct yata_bytes {
    uint8_t *p;
    size_t n;
    size_t cap; /* private */
};

/* Releases the bytes and zeroes the struct; safe on a zeroed one. */
void yata_bytes_fini(struct yata_bytes *);

/* One entry of a state vector, or one end of a range: "client has everything below clock". */
struct yata_clock {
    uint64_t client;
    uint64_t clock;
};

/* ---- documents ------------------------------------------------------------------------------ */

struct yata_doc;

/* What to allow and how; all zero is the default. */
struct yata_options {
    bool no_gc;  /* keep deleted content (yjs: gc:false) */
    bool strict; /* what lies behind a gap in its client's clocks waits for the gap to be
                  * filled, as in yjs 13.6. Else it is there at once, as in yjs 14 */
    size_t max_pending_bytes; /* updates whose dependencies are missing; 0: 16 MiB */
    size_t max_clients; /* distinct client ids in the document; 0: 1,000,000; at most 1,048,575 */
    /* 0: any number of these. Structs are counted before neighbours are joined. Memory is all that
     * the document keeps; what an update needs while it is applied comes on top, in proportion to
     * its size. Updates that only delete may pass it. */
    size_t max_structs;
    size_t max_update_structs;
    size_t max_roots; /* root types that updates may make */
    size_t max_memory_bytes;
    size_t max_depth; /* nesting of JSON-like values; 0: 256, at most 1024. Types may nest
                       * to any depth: they are never walked by recursion */
    uint64_t client;  /* who writes here, see yata_set_client; 0: nobody */
    void *(*realloc_fn)(void *ctx, void *p, size_t n); /* NULL: libc; n 0 frees and returns NULL */
    void *alloc_ctx;
};

/* An empty document, or NULL when memory is out. `options` may be NULL and is copied. */
struct yata_doc *yata_doc_new(const struct yata_options *options);
/* Frees the document and all it holds; NULL is a no-op. */
void yata_doc_free(struct yata_doc *);

/* Holds the document as its encoded state, a fraction of the memory, until it is wanted: every
 * function works as before. The state vector, the whole state and the difference for a peer that
 * has all (V1) are answered as it is; others thaw it first, once, as if it had been loaded from its
 * state, and say YATA_NOMEM, or find nothing where they cannot, when there is no memory for that:
 * then it stays frozen. Names of shared types remain good; cursors, values and strings that point
 * into the document do not. Does nothing in a transaction, or while anything waits or is missing.
 * YATA_NOMEM: the document stays as it is. */
enum yata_status yata_doc_freeze(struct yata_doc *);
/* Thaws it now. */
enum yata_status yata_doc_thaw(struct yata_doc *);

/* What applying one update did. */
struct yata_applied {
    bool changed; /* the document now holds something that it did not hold before */
    bool whole;   /* all of the update was new and was integrated, and nothing else was: the
                   * received bytes say exactly what changed and may be relayed as they are */
    bool pending; /* a part of this update waits for others that have not arrived */
    bool gap;     /* a part of it lies behind a gap in its client's clocks; never with `strict` */
    bool freed;   /* it set free, and brought in, parts of earlier updates that were waiting */
    bool taken;   /* it brought structs of the client id that this document writes with: somebody
                   * else does, too, and another id has to be set before the next edit. Also what
                   * the writer's own saved state does. (yjs takes another id by itself) */
};

/* Applies an update (format V1). Wholly or not at all: a malformed one is refused before anything
 * changes. Parts whose dependencies are missing are kept and applied by themselves, by a later
 * call, as soon as these arrive; applying the same update again is harmless. Outside a transaction
 * the call is a transaction of its own. `ret_applied` and `ret_error` may be NULL. (yjs:
 * Y.applyUpdate) */
enum yata_status yata_apply(struct yata_doc *, const uint8_t *update, size_t n,
                            struct yata_applied *ret_applied, struct yata_error *ret_error);

/* (yjs: Y.applyUpdateV2) */
enum yata_status yata_apply_as(struct yata_doc *, enum yata_format, const uint8_t *update, size_t n,
                               struct yata_applied *ret_applied, struct yata_error *ret_error);

/* Whether an update (V1) holds nothing that is new: applying it would change nothing and leave
 * nothing waiting. Refuses what yata_apply would refuse as malformed. Changes nothing. */
enum yata_status yata_is_known(const struct yata_doc *, const uint8_t *update, size_t n,
                               bool *ret_known, struct yata_error *ret_error);
enum yata_status yata_is_known_as(const struct yata_doc *, enum yata_format, const uint8_t *update,
                                  size_t n, bool *ret_known, struct yata_error *ret_error);

/* Opens a transaction: the updates applied until yata_commit are one. Garbage collection and
 * merging of structs wait for the commit, so do not encode in between; reading is fine.
 * Transactions do not nest. */
void yata_begin(struct yata_doc *);
/* Closes the transaction and hands out one update (V1) that takes a document from the state at
 * yata_begin to the state now, or zero bytes if nothing changed: what yjs emits as its `update`
 * event. `ret_update` may be NULL when nobody wants it. YATA_NOMEM leaves the transaction closed
 * and the document right, only the update is missing. */
enum yata_status yata_commit(struct yata_doc *, struct yata_bytes *ret_update);
enum yata_status yata_commit_as(struct yata_doc *, enum yata_format, struct yata_bytes *ret_update);

/* ---- what a document holds ------------------------------------------------------------------ */

/* The state vector (yjs: Y.encodeStateVector). */
enum yata_status yata_encode_state_vector(const struct yata_doc *, struct yata_bytes *ret);
/* The same as an array of *ret_n entries, highest client first, in memory that the document owns
 * and keeps until the next call with this document. */
enum yata_status yata_state_vector(struct yata_doc *, const struct yata_clock **ret, size_t *ret_n);
/* Everything that a peer with the given state vector (V1 bytes; NULL, 0: an empty peer) lacks, as
 * an update; the delete set is always whole, as in yjs, and what is pending is included (yjs:
 * Y.encodeStateAsUpdate). YATA_MALFORMED when the state vector is not one. */
enum yata_status yata_encode_state(struct yata_doc *, const uint8_t *state_vector, size_t n,
                                   struct yata_bytes *ret);
/* The same for a state vector given as an array in any order; clients not named count as clock 0.
 */
enum yata_status yata_encode_since(struct yata_doc *, const struct yata_clock *since, size_t n,
                                   struct yata_bytes *ret);
/* Both as V1 or V2 (yjs: Y.encodeStateAsUpdateV2). */
enum yata_status yata_encode_state_as(struct yata_doc *, enum yata_format,
                                      const uint8_t *state_vector, size_t n,
                                      struct yata_bytes *ret);
enum yata_status yata_encode_since_as(struct yata_doc *, enum yata_format,
                                      const struct yata_clock *since, size_t n,
                                      struct yata_bytes *ret);
/* Delete set and state vector (yjs: Y.encodeSnapshot(Y.snapshot(doc)), Y.encodeSnapshotV2). */
enum yata_status yata_encode_snapshot(struct yata_doc *, struct yata_bytes *ret);
enum yata_status yata_encode_snapshot_as(struct yata_doc *, enum yata_format,
                                         struct yata_bytes *ret);

/* Figures for metrics and limits. */
struct yata_stats {
    size_t clients;
    size_t structs;
    size_t types;         /* root types and nested types */
    size_t memory_bytes;  /* all that the document has allocated */
    size_t frozen_bytes;  /* of these, the state as which it is frozen; 0 when it is not */
    size_t pending_bytes; /* encoded size of what waits for missing updates */
};

void yata_stats(const struct yata_doc *, struct yata_stats *ret);

/* ---- updates without a document ------------------------------------------------------------- */

/* Checks that the bytes are a well-formed update (V1), with exactly the rules of yata_apply. */
enum yata_status yata_check_update(const uint8_t *update, size_t n, struct yata_error *ret_error);
enum yata_status yata_check_update_as(enum yata_format, const uint8_t *update, size_t n,
                                      struct yata_error *ret_error);

/* One update with all that the updates have. Nothing is integrated, joined or collected; what is
 * missing between them becomes a hole (Skip). The bytes depend on the order of the arguments. A
 * single one is handed back as it is, unchecked; none make the empty update. `ret_error` speaks of
 * the first bad one. (yjs: Y.mergeUpdates, Y.mergeUpdatesV2) */
enum yata_status yata_merge_updates(enum yata_format, const struct yata_slice *updates,
                                    size_t count, struct yata_bytes *ret,
                                    struct yata_error *ret_error);
/* The part of an update that a peer with the state vector (NULL, 0: an empty peer) lacks; the
 * delete set stays whole (yjs: Y.diffUpdate, Y.diffUpdateV2). */
enum yata_status yata_diff_update(enum yata_format, const uint8_t *update, size_t n,
                                  const uint8_t *state_vector, size_t state_vector_bytes,
                                  struct yata_bytes *ret, struct yata_error *ret_error);
/* The update in the format `to` (yjs: Y.convertUpdateFormatV1ToV2, Y.convertUpdateFormatV2ToV1). */
enum yata_status yata_convert_update(enum yata_format from, enum yata_format to,
                                     const uint8_t *update, size_t n, struct yata_bytes *ret,
                                     struct yata_error *ret_error);

/* The state vector of an update's own content: what a document built from it alone would have
 * without gaps (yjs: Y.encodeStateVectorFromUpdate). */
enum yata_status yata_state_vector_from_update(const uint8_t *update, size_t n,
                                               struct yata_bytes *ret,
                                               struct yata_error *ret_error);
enum yata_status yata_state_vector_from_update_as(enum yata_format, const uint8_t *update, size_t n,
                                                  struct yata_bytes *ret,
                                                  struct yata_error *ret_error);

/* For each client of an update the first clock it speaks of and the clock after the last
 * (yjs: Y.parseUpdateMeta). */
struct yata_update_range {
    uint64_t client;
    uint64_t from;
    uint64_t to;
};

/* Hands out *ret_n ranges in the order of the update; release with free(). */
enum yata_status yata_update_meta(const uint8_t *update, size_t n, struct yata_update_range **ret,
                                  size_t *ret_n, struct yata_error *ret_error);
enum yata_status yata_update_meta_as(enum yata_format, const uint8_t *update, size_t n,
                                     struct yata_update_range **ret, size_t *ret_n,
                                     struct yata_error *ret_error);

/* What a struct holds; the numbers are those of the format. */
enum yata_kind {
    YATA_GC,      /* collected: only its length is left */
    YATA_DELETED, /* its place is left */
    YATA_JSON,    /* legacy values of arrays and maps */
    YATA_BINARY,
    YATA_STRING,
    YATA_EMBED,
    YATA_FORMAT,
    YATA_TYPE,
    YATA_ANY, /* values of arrays and maps */
    YATA_SUBDOC,
    YATA_SKIP, /* nothing: a hole */
};

/* One struct of an update. */
struct yata_struct {
    uint64_t client;
    uint64_t clock;
    uint64_t length; /* in clocks */
    enum yata_kind kind;
};

/* Hands out the *ret_n structs of an update in its order, without those of length zero; release
 * with free(). (yjs: Y.decodeUpdate) */
enum yata_status yata_update_structs(enum yata_format, const uint8_t *update, size_t n,
                                     struct yata_struct **ret, size_t *ret_n,
                                     struct yata_error *ret_error);
/* The deleted ranges of an update in its order; release with free(). */
enum yata_status yata_update_deletions(enum yata_format, const uint8_t *update, size_t n,
                                       struct yata_update_range **ret, size_t *ret_n,
                                       struct yata_error *ret_error);

/* Reads a state vector (V1 bytes) into an array; release with free(). */
enum yata_status yata_decode_state_vector(const uint8_t *state_vector, size_t n,
                                          struct yata_clock **ret, size_t *ret_n,
                                          struct yata_error *ret_error);

/* ---- snapshots ------------------------------------------------------------------------------ */

/* What a document held at one time. */
struct yata_snapshot {
    struct yata_clock *clocks; /* highest client first */
    size_t clock_count;
    struct yata_update_range *deletions; /* highest client first, then by clock, none touch */
    size_t deletion_count;
};

/* Releases the arrays and zeroes the struct; safe on a zeroed one. */
void yata_snapshot_fini(struct yata_snapshot *);
/* The snapshot of now (yjs: Y.snapshot). */
enum yata_status yata_snapshot_take(struct yata_doc *, struct yata_snapshot *ret);
/* Reads and writes what yata_encode_snapshot wrote (yjs: Y.decodeSnapshot, Y.encodeSnapshot). */
enum yata_status yata_snapshot_decode(enum yata_format, const uint8_t *snapshot, size_t n,
                                      struct yata_snapshot *ret, struct yata_error *ret_error);
enum yata_status yata_snapshot_encode(const struct yata_snapshot *, enum yata_format,
                                      struct yata_bytes *ret);
/* (yjs: Y.equalSnapshots) */
bool yata_snapshot_equal(const struct yata_snapshot *, const struct yata_snapshot *);
/* Makes a new document with what the document held at the snapshot. YATA_MALFORMED when the
 * snapshot knows more than the document, or when the document was made without `no_gc`, so that
 * what was deleted since is gone. `options` are those of the new document. Unlike yjs, it never
 * damages the character that a snapshot ends in. (yjs: Y.createDocFromSnapshot) */
enum yata_status yata_doc_at(struct yata_doc *, const struct yata_snapshot *,
                             const struct yata_options *options, struct yata_doc **ret,
                             struct yata_error *ret_error);

/* ---- shared types --------------------------------------------------------------------------- */

/* What a nested shared type says it is; the numbers are those of the format. Root types do not say:
 * they are what the caller reads them as, as in yjs. */
enum yata_type_kind {
    YATA_ARRAY,
    YATA_MAP,
    YATA_TEXT,
    YATA_XML_ELEMENT, /* has a node name */
    YATA_XML_FRAGMENT,
    YATA_XML_HOOK, /* has a name */
    YATA_XML_TEXT,
};

/* Names a shared type of a document: a value to copy and keep. Once the type is deleted, calls that
 * are given it answer YATA_GONE. All zero names none. */
struct yata_type {
    uint32_t at, slot, clock; /* private */
};

/* The root type of that name (`n` bytes of UTF-8), made if the document has none; nothing of that
 * is ever encoded. A root type is never deleted. YATA_MALFORMED when the name is not UTF-8. (yjs:
 * doc.get, doc.getText and the like) */
enum yata_status yata_root(struct yata_doc *, const char *name, size_t n, struct yata_type *ret);
/* What a nested type is; YATA_RANGE for a root type. */
enum yata_status yata_type_kind_of(const struct yata_doc *, struct yata_type,
                                   enum yata_type_kind *ret);

/* What a value in an array, map or text is. */
enum yata_value_kind {
    YATA_VALUE_UNDEFINED,
    YATA_VALUE_NULL,
    YATA_VALUE_BOOL,
    YATA_VALUE_INTEGER,
    YATA_VALUE_NUMBER, /* a double */
    YATA_VALUE_BIGINT,
    YATA_VALUE_STRING, /* UTF-8 */
    YATA_VALUE_BYTES,
    YATA_VALUE_ANY,    /* an object or array: the bytes of a lib0 `any` */
    YATA_VALUE_JSON,   /* JSON text: embeds, formats and old arrays of V1 */
    YATA_VALUE_TYPE,   /* a nested shared type */
    YATA_VALUE_SUBDOC, /* a subdocument: its guid */
};

/* A value that points into the document (read) or into the caller's memory (written). Read ones
 * hold until the document changes. */
struct yata_value {
    enum yata_value_kind kind;
    union {
        bool boolean;
        int64_t integer; /* INTEGER, BIGINT */
        double number;
        struct yata_slice bytes; /* STRING, BYTES, ANY, JSON, SUBDOC */
        struct yata_type type;
    };
};

/* ---- awareness ------------------------------------------------------------------------------ */

/* One entry of an awareness update (y-protocols awareness.js). `state` is JSON text, not parsed by
 * this library, or NULL, 0 when the client has gone. */
struct yata_presence {
    uint64_t client;
    uint64_t clock;
    const uint8_t *state;
    size_t state_bytes;
};

/* Walks an awareness update: set `p` and `n` to its bytes and everything else to zero. */
struct yata_awareness_reader {
    const uint8_t *p;
    size_t n;
    size_t at;     /* private */
    uint64_t left; /* private */
    bool started;  /* private */
};

/* YATA_OK and *ret_more true with the next entry (its state points into the input), *ret_more false
 * at the end, or YATA_MALFORMED. Call it to the end before acting, to act wholly or not at all. */
enum yata_status yata_awareness_next(struct yata_awareness_reader *, struct yata_presence *ret,
                                     bool *ret_more, struct yata_error *ret_error);

/* The merge rule: should an entry replace what is known of its client? Known: the clock (0 for an
 * unknown client) and whether a state is present. Newer wins; at an equal clock only a removal of a
 * present state does. */
bool yata_awareness_is_news(uint64_t known_clock, bool known_present, const struct yata_presence *);

/* Encodes entries as one awareness update. */
enum yata_status yata_awareness_encode(const struct yata_presence *entries, size_t n,
                                       struct yata_bytes *ret);

/* Merges two awareness updates into one: of each client the newest entry, in order of first
 * appearance. */
enum yata_status yata_awareness_merge(const uint8_t *a, size_t a_bytes, const uint8_t *b,
                                      size_t b_bytes, struct yata_bytes *ret,
                                      struct yata_error *ret_error);

#ifdef __cplusplus
}
#endif

#include "yata_read.h"
#include "yata_write.h"

#endif
