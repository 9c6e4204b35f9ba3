/* yata_observe.h: what a transaction changed, type by type.
 *
 * A part of yata.h, which includes it. An observer is called once at the end of each transaction
 * that changed something: by yata_commit, and by yata_apply outside a transaction. It is told which
 * types changed, which keys of their maps, and what happened to their lists as a delta: the same
 * that yjs tells in its events. Nothing is worked out before it is asked for, and a document that
 * nobody observes pays nothing.
 *
 * While the observer runs, deleted content is still there, so that old values can be read;
 * everything it is handed holds until it returns. It must not change the document.
 *
 * Types that came in the transaction, or were deleted, are not told of: what changed is that of
 * their parent. (yjs 13.6 utils/YEvent.js, types/YText.js YTextEvent, utils/Transaction.js)
 *
 * Thread: that of the document.
 */
#ifndef YATA_OBSERVE_H
#define YATA_OBSERVE_H

#include "yata_read.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The changes of one transaction; only for the time of a call. */
struct yata_changes;

typedef void(yata_observer)(void *ctx, const struct yata_doc *, struct yata_changes *);

/* Who is told from now on; there is one at a time, NULL for nobody. */
void yata_observe(struct yata_doc *, yata_observer *, void *ctx);

/* A type whose content changed, though perhaps not visibly: what came may have been deleted at
 * once. All of its path is there, see yata_type_place. */
struct yata_change {
    struct yata_type type;
    bool list; /* in its list: ask yata_ops_begin */
    bool map;  /* in its map: ask yata_changes_next_key */
};

/* The next changed type; no order is promised. */
bool yata_changes_next(struct yata_changes *, struct yata_change *ret);
/* Memory was out while the changes were collected: some are not told of, and what was read before
 * is to be read again. */
bool yata_changes_lost(const struct yata_changes *);

enum yata_key_action {
    YATA_KEY_ADDED,
    YATA_KEY_UPDATED,
    YATA_KEY_DELETED,
};

struct yata_key_change {
    struct yata_slice key;
    enum yata_key_action action;
    struct yata_value old_value; /* unless added; a type is gone already and only has its name */
    struct yata_value value;     /* unless deleted */
};

/* The next changed key of the type that yata_changes_next handed out last. */
bool yata_changes_next_key(struct yata_changes *, struct yata_key_change *ret);

/* ---- deltas --------------------------------------------------------------------------------- */

enum yata_op_kind {
    YATA_RETAIN,
    YATA_INSERT,
    YATA_DELETE,
};

/* A step of the way from the list as it was to the list as it is. */
struct yata_op {
    enum yata_op_kind kind;
    uint64_t length;         /* retain, delete: elements or units. Insert: 1, or bytes of text */
    struct yata_value value; /* insert: an element, a piece of text, an embed */
    bool embed;              /* insert into text: not text */
    bool joins;              /* insert: goes on with the one before it */
};

/* A cursor over the steps. */
struct yata_ops {
    const struct yata_doc *doc; /* all private */
    bool text, joins;
    uint8_t doing, last;
    uint32_t start, item, unit, inserting;
    uint64_t length, left;
    struct yata_list list;
    const uint8_t *p, *end;
    struct yata_attributes current, old, changed;
};

/* The delta of a type that changed, only while the observer runs: of a text with attributes, else
 * of plain elements. Costs a walk over its list. YATA_NOMEM only for texts where more than
 * YATA_ATTRIBUTES_FEW attributes meet, or attributes have to be compared. (yjs: event.delta) */
enum yata_status yata_ops_begin(const struct yata_doc *, struct yata_type, bool text,
                                struct yata_ops *ret);
/* *ret_more false at the end. A retain at the end that changes no attribute is left out. */
enum yata_status yata_ops_next(struct yata_ops *, struct yata_op *ret, bool *ret_more);
/* The attributes of the step that was handed out last, start with *at 0: those of an insert, or
 * what a retain sets, where null takes away. */
bool yata_ops_attribute(const struct yata_ops *, size_t *at, struct yata_slice *ret_key,
                        struct yata_value *ret);
void yata_ops_fini(struct yata_ops *);

#ifdef __cplusplus
}
#endif

#endif
