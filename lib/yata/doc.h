/* doc.h: the inside of a document.
 *
 * Structs are records of 40 bytes in one array and know each other by index ("handle"; 0 is none).
 * Clients are interned: a slot stands for the 53-bit id (0 is none). Payloads lie in one heap of
 * bytes and are known by offset; those that are not text of one byte a unit also by length. Each
 * client has a sorted index from clock to handle, in leaves, so that a split moves at most one
 * leaf.
 *
 * Nothing here fails half-way: yatai_doc_reserve makes room for all that an update can need, and
 * what it cannot foresee (long cascades of deletions, joining texts) has a way to go on without.
 *
 * Thread: that of the document. Memory: the document owns all.
 */
#ifndef YATA_DOC_H
#define YATA_DOC_H

#include "update.h"

/* Widths of what shares a word in a record. */
#define YATAI_SLOT_WIDTH 20
#define YATAI_SLOT_MAX   ((UINT32_C(1) << YATAI_SLOT_WIDTH) - 1)
#define YATAI_KIND_WIDTH 4
#define YATAI_KIND_MAX   ((1u << YATAI_KIND_WIDTH) - 1)
#define YATAI_HOME_WIDTH 26
#define YATAI_HOME_MAX   ((UINT32_C(1) << YATAI_HOME_WIDTH) - 1)

struct yatai_item {
    uint64_t slot : YATAI_SLOT_WIDTH; /* its client; 0: free record */
    uint64_t origin_slot : YATAI_SLOT_WIDTH;
    uint64_t right_slot : YATAI_SLOT_WIDTH; /* of the right origin */
    uint64_t kind : YATAI_KIND_WIDTH;
    uint32_t clock;
    uint32_t len;
    uint32_t left, right; /* neighbours in the list; `right` chains free records */
    uint32_t origin_clock, right_clock;
    uint32_t home : YATAI_HOME_WIDTH; /* type, or entry of a map */
    uint32_t map : 1;                 /* a value in a map: `home` is an entry */
    uint32_t deleted : 1;
    uint32_t now : 1;   /* deleted in the open transaction */
    uint32_t subst : 1; /* text holds YATAI_TEXT_SUBST */
    uint32_t any : 1;   /* embed, format: the value is `any`, not JSON text */
    uint32_t wide : 1;  /* `content` is a yatai_wide */
    uint32_t content;   /* text of as many bytes as units: its heap offset; type: its handle */
};

_Static_assert(sizeof(struct yatai_item) == 40, "the record that memory use is made of");

/* Where all other payloads are. */
struct yatai_wide {
    uint32_t at; /* heap offset; chains free records */
    uint32_t bytes;
};

/* A shared type: a root type (item 0) or the content of an item. */
struct yatai_type {
    uint32_t item;
    uint32_t start;   /* first struct of the list */
    uint32_t entries; /* the newest key of the map; all are a ring, oldest after newest */
    uint32_t root;    /* the entry with the name of a root type */
    uint32_t name;    /* heap offset: the name of a nested type, as on the wire */
    uint32_t name_bytes;
    uint32_t next; /* work list of collection; chain of free records */
    uint8_t type_ref;
    bool live;
};

/* One key of a map, or (type 0) the name of a root type. */
struct yatai_entry {
    uint32_t type;
    uint32_t key; /* heap offset */
    uint32_t key_bytes;
    uint32_t hash;
    uint32_t leftmost; /* ends of the list of values */
    uint32_t current;  /* rightmost: the value; for a root name the type */
    uint32_t next_in_type;
    uint32_t next_in_bucket; /* chains free records, too */
};

/* Where a struct of a client starts, and which it is. Packed: the most of what an index takes. */
struct yatai_place {
    uint16_t after; /* the clock, from that of the first place of the leaf on */
    uint32_t item;
} __attribute__((packed, aligned(2)));

_Static_assert(sizeof(struct yatai_place) == 6, "what the index takes for each struct");

struct yatai_leaf {
    struct yatai_place *place;
    uint32_t first; /* clock of the first place */
    uint16_t n, cap;
};

struct yatai_client {
    uint64_t id;
    uint8_t id_bytes[YATAI_UINT_MAX_BYTES]; /* as a varUint, and how many they are */
    uint8_t id_bytes_count;
    bool ranges_known;    /* `ranges` is what is deleted now */
    uint32_t range_count; /* of the delete set */
    uint32_t range_bytes;
    uint8_t *ranges; /* as in a delete set of V1, without client and count */
    struct yatai_leaf *leaf;
    uint32_t leaf_count, leaf_cap;
    uint32_t clock; /* where the last struct ends: everything below is known, but holes */
    uint32_t hole;  /* the first of these, or UINT32_MAX; see holes.c */
    uint32_t hit_leaf, hit_at; /* where the last search ended */
    uint32_t want_appends;     /* while reserving: structs that are new, */
    uint32_t want_splits;      /* cuts in the middle, */
    uint32_t want_clock;       /* and the clock it will have at most, if any come */
    uint32_t struct_count;
    uint32_t txn;        /* number of the transaction that touched it last */
    uint32_t before;     /* its clock before that */
    uint32_t fresh;      /* of the structs added in it, the first and */
    uint32_t fresh_last; /* the last that may continue the one before; or UINT32_MAX */
};

/* Set on the structs that a long scan for a place has passed. */
struct yatai_mark {
    uint32_t scan;   /* its number */
    uint32_t number; /* how many were passed until then */
};

/* A range of deleted clocks of the open transaction. */
struct yatai_span {
    uint32_t slot;
    uint32_t clock;
    uint32_t len;
};

/* A list of values to which a transaction added, and how long it was before. */
struct yatai_grown {
    uint32_t txn; /* its number */
    uint32_t slot, clock;
    uint32_t units, bytes;
};

/* A struct to try to merge: it starts here, unless it was merged already. */
struct yatai_seam {
    uint32_t slot;
    uint32_t clock;
};

struct yatai_run;

typedef YATAI_VEC(struct yatai_run *) yatai_runs;

/* What cannot be applied yet; see pending.c. */
struct yatai_pending {
    yatai_runs by_id;    /* structs, by client descending and clock */
    yatai_runs by_need;  /* the same, by what they wait for */
    size_t bytes;        /* of the structs, as updates */
    yatai_ranges ranges; /* deletions; by client descending and clock, disjoint */
};

#define YATAI_RANGE_BYTES 16 /* of a waiting deletion, at most, about what it costs encoded */

/* The order in which the structs of an update are integrated, and where the rest of each section
 * starts that has to wait. */
struct yatai_step {
    uint32_t section, ref;
};

struct yatai_plan {
    YATAI_VEC(struct yatai_step) order;
    YATAI_VEC(uint32_t) stack; /* refs, with their sections */
    YATAI_VEC(uint32_t) rest;  /* sections; their `next` tells from which struct on */
    size_t moves;              /* steps that add something; the others only split, see plan.c */
    bool known;                /* some structs are known already */
    bool holes;                /* the clocks of some clients have holes, or will */
};

struct yatai_edit;
struct yatai_places;

struct yata_doc {
    struct yatai_mem mem;
    struct yata_options options;

    YATAI_VEC(struct yatai_item) items;
    uint32_t free_item;
    YATAI_VEC(struct yatai_wide) wides;
    uint32_t free_wide;
    YATAI_VEC(struct yatai_type) types;
    uint32_t free_type;
    size_t type_count;
    YATAI_VEC(struct yatai_entry) entries;
    uint32_t free_entry;
    size_t entry_count;
    YATAI_VEC(uint32_t) buckets; /* of entries; a power of two */

    YATAI_VEC(struct yatai_client) clients;
    YATAI_VEC(uint32_t) client_hash; /* slots; a power of two */
    uint32_t last_client;            /* slot that was looked up last */
    YATAI_VEC(uint32_t) by_id;       /* slots, by id descending when `sorted` */
    bool sorted;

    YATAI_VEC(uint8_t) heap;
    size_t heap_live;                      /* bytes that structs, names and keys use */
    size_t heap_owed;                      /* bytes promised to the update that is being applied */
    YATAI_VEC(struct yatai_place *) spare; /* empty leaves */
    size_t spare_owed;
    bool halving; /* there are spare leaves for cuts in the middle of leaves only */
    size_t struct_count;
    size_t hole_count; /* of these structs; none while `strict` */

    bool open;                   /* in a transaction */
    bool told;                   /* whose update may be asked for */
    uint32_t txn;                /* its number */
    bool spans_lost;             /* a range was not noted for lack of memory; look at YATAI_F_NOW */
    bool seams_lost;             /* likewise a place to merge */
    YATAI_VEC(uint32_t) touched; /* slots with a new clock */
    YATAI_VEC(struct yatai_span) deleted;
    YATAI_VEC(struct yatai_seam) seams;
    struct yatai_grown grown;            /* the last one */
    YATAI_VEC(struct yatai_span) filled; /* what came into holes */
    size_t fills_owed;                   /* places there that are promised to the update */

    struct yatai_pending pending;
    struct yatai_update update, waiting; /* scratch: the update, and what waited before */
    struct yatai_plan plan, plan_waiting;
    YATAI_VEC(uint32_t) wanted; /* scratch: slots that want places */
    YATAI_VEC(struct yata_clock) vector;
    size_t state_bytes;                 /* what the state took when it was written last */
    YATAI_VEC(struct yatai_mark) marks; /* by handle; only where many wrote at one place */
    uint32_t scan;                      /* the number of the last long scan */
    bool apart;                         /* the update has been merged before */
    bool old;         /* the update that is being applied has something that is known */
    uint64_t deletes; /* counts structs that were deleted */

    uint64_t client;             /* who writes here; 0: nobody */
    struct yatai_edit *edit;     /* scratch of the writer, or NULL */
    struct yatai_places *places; /* see places.h; mostly NULL */

    yata_observer *observer; /* or NULL */
    void *observer_ctx;

    /* The state in V1, instead of structs, and the names of root types; see frozen.c. */
    YATAI_VEC(uint8_t) frozen;
    size_t frozen_deletions; /* where the delete set starts, */
    size_t frozen_roots;     /* and these */
};

/* A document as what it may remember for itself while it is only read: no document is ever a const
 * object. */
static inline struct yata_doc *yatai_caches(const struct yata_doc *doc) {
    union {
        const struct yata_doc *given;
        struct yata_doc *used;
    } both = {doc};
    return both.used;
}

/* ---- doc.c ---------------------------------------------------------------------------------- */

/* Frees what applying an update took in passing. */
void yatai_scratch_drop(struct yata_doc *);
/* Applies what a writer put into doc->update, as yata_apply does. */
enum yata_status yatai_apply_made(struct yata_doc *);

/* ---- apply.c -------------------------------------------------------------------------------- */

/* Applies the update in doc->update, inside a transaction. */
enum yata_status yatai_apply_read(struct yata_doc *, struct yata_applied *ret_applied,
                                  struct yata_error *ret_error);

/* ---- frozen.c ------------------------------------------------------------------------------- */

bool yatai_thaw_slow(const struct yata_doc *);
/* What a frozen document can answer as it is. False, with nothing written, for all else. `since` is
 * sorted by client descending. */
bool yatai_frozen_write(struct yatai_out *, enum yata_format, const struct yata_doc *,
                        const struct yata_clock *since, size_t n);

/* Comes first in every public function that looks at structs, types or keys. False when memory is
 * out: the document stays frozen. */
static inline bool yatai_thaw(const struct yata_doc *doc) {
    return doc->frozen.n == 0 || yatai_thaw_slow(doc);
}

/* ---- observe.c ------------------------------------------------------------------------------ */

/* Calls the observer at the end of a transaction, before anything is collected. */
void yatai_notify(struct yata_doc *);

/* ---- quick.c -------------------------------------------------------------------------------- */

/* Applies an update that only continues what its client wrote last. False, with nothing changed,
 * for all others, and then it is not known whether they are well-formed. */
bool yatai_apply_quick(struct yata_doc *, const uint8_t *update, size_t n);

/* ---- store.c: clients and their indexes ----------------------------------------------------- */

struct yatai_pos {
    uint32_t leaf, at;
};

#define YATAI_LEAF_MAX 128

uint32_t yatai_client_find(struct yata_doc *, uint64_t id);
/* The slot of a client, made if new; 0 when memory is out. */
uint32_t yatai_client_intern(struct yata_doc *, uint64_t id);
/* Sorts slots by the ids of their clients, descending. */
void yatai_slots_sort(const struct yata_doc *, uint32_t *v, size_t n);
/* Makes by_id sorted. The cache of a document that is otherwise not changed. */
void yatai_clients_sort(const struct yata_doc *);
/* Room for the places that the client wants. */
bool yatai_index_reserve(struct yata_doc *, struct yatai_client *);
/* Gives back what was reserved for all clients, and for one, and not used. */
void yatai_index_trim(struct yata_doc *);
void yatai_index_fit(struct yata_doc *, struct yatai_client *);
/* Frees what is known of the client's structs. */
void yatai_index_drop(struct yata_doc *, struct yatai_client *);
void yatai_leaf_free(struct yata_doc *, struct yatai_place *);
/* Where the struct with a known clock is. */
struct yatai_pos yatai_index_find(struct yatai_client *, uint32_t clock);
void yatai_index_append(struct yata_doc *, struct yatai_client *, uint32_t clock, uint32_t item);
void yatai_index_insert_after(struct yata_doc *, struct yatai_client *, struct yatai_pos,
                              uint32_t clock, uint32_t item);
void yatai_index_remove(struct yata_doc *, struct yatai_client *, struct yatai_pos);
void yatai_store_fini(struct yata_doc *);

static inline bool yatai_pos_next(const struct yatai_client *c, struct yatai_pos *pos) {
    if (++pos->at < c->leaf[pos->leaf].n) {
        return true;
    }
    pos->at = 0;
    return ++pos->leaf < c->leaf_count;
}

static inline uint32_t yatai_pos_item(const struct yatai_client *c, struct yatai_pos pos) {
    return c->leaf[pos.leaf].place[pos.at].item;
}

static inline uint32_t yatai_pos_clock(const struct yatai_client *c, struct yatai_pos pos) {
    const struct yatai_leaf *leaf = &c->leaf[pos.leaf];
    return leaf->first + leaf->place[pos.at].after;
}

/* The last struct of a client, or 0. */
static inline uint32_t yatai_client_tail(const struct yatai_client *c) {
    if (c->leaf_count == 0) {
        return 0;
    }
    const struct yatai_leaf *leaf = &c->leaf[c->leaf_count - 1];
    return leaf->place[leaf->n - 1].item;
}

/* What a state vector says of a client. */
static inline uint32_t yatai_client_known(const struct yatai_client *c) {
    return c->clock < c->hole ? c->clock : c->hole;
}

/* ---- holes.c -------------------------------------------------------------------------------- */

/* Whether the clock is in a hole. */
bool yatai_is_hole(struct yata_doc *, struct yatai_client *, uint32_t clock);
/* Whether an id will be known once what was planned of the updates (NULL: none) is integrated;
 * until *ret_end the answer is the same. */
bool yatai_plan_knows(struct yata_doc *, const struct yatai_update *,
                      const struct yatai_update *earlier, struct yatai_id id, uint32_t *ret_end);
/* Leaves of each struct what is not known, where its client has holes; *ret_known becomes true when
 * that is less than all. False when memory is out. */
bool yatai_update_cut(struct yata_doc *, struct yatai_update *, const struct yatai_update *earlier,
                      bool *ret_known);
/* Leaves a hole from the client's clock to this one. Room was reserved, here and below. */
void yatai_hole_open(struct yata_doc *, uint32_t slot, uint32_t clock);
/* Puts a struct into the index in the place of a hole, or of a part of one. */
void yatai_hole_fill(struct yata_doc *, uint32_t slot, uint32_t item);

/* ---- heap.c: payloads ----------------------------------------------------------------------- */

/* Room for `bytes` more; counts them as promised. */
bool yatai_heap_reserve(struct yata_doc *, size_t bytes);
/* Stores bytes for which room was reserved; `guard`: anything but text and `any`. */
uint32_t yatai_heap_add(struct yata_doc *, const uint8_t *p, size_t n, bool guard);
/* Makes [at, at + n) and the bytes [more, more + more_n) of the heap one; *at may change. False
 * when memory is out. */
bool yatai_heap_join(struct yata_doc *, uint32_t *at, uint32_t n, uint32_t more, uint32_t more_n);
/* The same with bytes from outside. */
bool yatai_heap_extend(struct yata_doc *, uint32_t *at, uint32_t n, const uint8_t *more,
                       uint32_t more_n);
/* Room for the payloads of so many structs that are not text of one byte a unit. */
bool yatai_wides_reserve(struct yata_doc *, size_t n);
void yatai_payload_set_slow(struct yata_doc *, struct yatai_item *, uint32_t at, uint32_t bytes);
/* Makes a struct one without payload. */
void yatai_payload_drop(struct yata_doc *, struct yatai_item *);

/* The heap offset of a struct's payload. */
static inline uint32_t *yatai_payload_at(const struct yata_doc *doc, struct yatai_item *it) {
    return it->wide ? &doc->wides.v[it->content].at : &it->content;
}

static inline uint32_t yatai_payload_bytes(const struct yata_doc *doc,
                                           const struct yatai_item *it) {
    if (it->wide) {
        return doc->wides.v[it->content].bytes;
    }
    return it->kind == YATAI_STRING ? it->len : 0;
}

/* The payload; nothing for a struct that has none. */
static inline struct yata_slice yatai_payload(const struct yata_doc *doc,
                                              const struct yatai_item *it) {
    if (it->wide) {
        struct yatai_wide wide = doc->wides.v[it->content];
        return (struct yata_slice){doc->heap.v + wide.at, wide.bytes};
    }
    return it->kind == YATAI_STRING ? (struct yata_slice){doc->heap.v + it->content, it->len}
                                    : (struct yata_slice){doc->heap.v, 0};
}

/* Says where the payload of a struct is, whose kind and length are right. Takes, keeps or gives
 * back a yatai_wide; room was reserved. */
static inline void yatai_payload_set(struct yata_doc *doc, struct yatai_item *it, uint32_t at,
                                     uint32_t bytes) {
    if (it->kind == YATAI_STRING && bytes == it->len && !it->wide) {
        it->content = at;
    } else {
        yatai_payload_set_slow(doc, it, at, bytes);
    }
}

/* Drops the waste when there is much of it and memory allows. */
void yatai_heap_compact(struct yata_doc *);

/* ---- types.c: types, map entries, root names ------------------------------------------------ */

bool yatai_types_reserve(struct yata_doc *, size_t types, size_t entries);
uint32_t yatai_type_new(struct yata_doc *, uint32_t item, unsigned type_ref);
void yatai_type_drop(struct yata_doc *, uint32_t type);
/* The entry of a key (type 0: of a root name), made if new. Room was reserved. */
uint32_t yatai_entry_get(struct yata_doc *, uint32_t type, const uint8_t *key, uint32_t n);
uint32_t yatai_root_get(struct yata_doc *, const uint8_t *name, uint32_t n);
/* The entry of a key, or 0. */
uint32_t yatai_entry_find(const struct yata_doc *, uint32_t type, const uint8_t *key, uint32_t n);

/* The keys of a type (0: the names of the root types) in the order in which they came; 0 ends. */
static inline uint32_t yatai_entry_first(const struct yata_doc *doc, uint32_t type) {
    return doc->entries.n == 0 ? 0 : doc->entries.v[doc->types.v[type].entries].next_in_type;
}

static inline uint32_t yatai_entry_after(const struct yata_doc *doc, uint32_t e) {
    const struct yatai_entry *entry = &doc->entries.v[e];
    return e == doc->types.v[entry->type].entries ? 0 : entry->next_in_type;
}

/* ---- shared.c ------------------------------------------------------------------------------- */

/* The type that a name stands for, or YATA_GONE. */
enum yata_status yatai_type_resolve(const struct yata_doc *, struct yata_type, uint32_t *ret);
/* The name to hand out for a live type. */
struct yata_type yatai_type_name_of(const struct yata_doc *, uint32_t type);

/* ---- item.c: structs ------------------------------------------------------------------------ */

uint32_t yatai_item_new(struct yata_doc *);
void yatai_item_drop(struct yata_doc *, uint32_t item);
/* The struct that holds a known id; the two others split it if need be so that it ends, or starts,
 * at that id (collected structs stay whole). */
uint32_t yatai_item_at(struct yata_doc *, uint32_t slot, uint32_t clock);
uint32_t yatai_item_ending(struct yata_doc *, uint32_t slot, uint32_t clock);
uint32_t yatai_item_starting(struct yata_doc *, uint32_t slot, uint32_t clock);
/* Splits the struct at `pos`, `units` after its start; returns the right half. */
uint32_t yatai_item_split(struct yata_doc *, struct yatai_client *, struct yatai_pos,
                          uint32_t units);
/* Notes a struct that might be merged when the transaction ends. */
void yatai_seam_note(struct yata_doc *, uint32_t slot, uint32_t clock);
/* Merges what can be merged from `clock` to the end of the struct that holds the last of the `len`
 * clocks, both ends included; what grows to the left there goes on as far as it can. */
void yatai_items_merge(struct yata_doc *, uint32_t slot, uint32_t clock, uint32_t len);
/* The same for the one struct that holds the clock. */
void yatai_item_merge(struct yata_doc *, uint32_t slot, uint32_t clock);

static inline struct yatai_item *yatai_item(const struct yata_doc *doc, uint32_t item) {
    return &doc->items.v[item];
}

static inline unsigned yatai_kind(const struct yatai_item *it) {
    return (unsigned)it->kind;
}

static inline uint32_t yatai_slot(const struct yatai_item *it) {
    return (uint32_t)it->slot;
}

static inline uint32_t yatai_home_type(const struct yata_doc *doc, const struct yatai_item *it) {
    return it->map ? doc->entries.v[it->home].type : it->home;
}

static inline bool yatai_kind_merges(unsigned kind) {
    return kind == YATAI_STRING || kind == YATAI_DELETED || kind == YATAI_ANY || kind == YATAI_JSON;
}

/* ---- integrate.c ---------------------------------------------------------------------------- */

/* Integrates a struct whose dependencies are there. `hint`: a struct that had its origin lately. */
void yatai_integrate(struct yata_doc *, uint32_t slot, const struct yatai_ref *, uint32_t hint);
/* The usual case of typing: the struct continues the last one of its client, and nobody else wrote
 * in between. The two would be merged when the transaction ends, so they are one at once. False
 * when it is not like that, or when memory is out. Ids have their slots, `clock` is the client's,
 * and the client has a struct. */
bool yatai_extend_tail(struct yata_doc *, uint32_t slot, const struct yatai_ref *);
/* Deletes a struct and all that it holds. */
void yatai_delete(struct yata_doc *, uint32_t item);
/* Deletes what is known of a range. */
void yatai_delete_range(struct yata_doc *, uint32_t slot, uint32_t clock, uint32_t len);

/* ---- gc.c ----------------------------------------------------------------------------------- */

/* Collects the content of what the transaction deleted. */
void yatai_collect(struct yata_doc *);

/* ---- plan.c --------------------------------------------------------------------------------- */

/* Finds the order. `earlier` was planned before and counts as applied; or NULL. */
bool yatai_plan_make(struct yata_doc *, struct yatai_plan *, struct yatai_update *,
                     const struct yatai_update *earlier);
/* The same for an update of which nothing waits and nothing is known. False, with nothing said by
 * the plan, when it is not that simple or memory is out. (straight.c) */
bool yatai_plan_straight(struct yata_doc *, struct yatai_plan *, struct yatai_update *);
/* Whether a client's structs below `clock` will all be there. */
uint32_t yatai_plan_state(struct yata_doc *, const struct yatai_update *,
                          const struct yatai_update *earlier, uint64_t client);
void yatai_plan_fini(struct yatai_plan *, struct yatai_mem *);

/* ---- pending.c ------------------------------------------------------------------------------ */

/* Whether anything waits. */
bool yatai_pending_any(const struct yata_doc *);

/* ---- ranges.c: delete sets ------------------------------------------------------------------ */

/* Sorts by client descending and clock, and joins what touches. */
void yatai_ranges_normalise(yatai_ranges *);
/* Sorts the spans of a transaction by slot and clock and joins what touches. */
void yatai_spans_normalise(struct yatai_span *, size_t *n);

/* ---- write.c -------------------------------------------------------------------------------- */

/* A struct as an update's, from `skip` units on; V1 or YATAI_KEPT. */
void yatai_write_ref(struct yatai_out *, enum yata_format, const struct yatai_ref *,
                     uint64_t client, uint32_t skip);
/* The first `units` of a struct; the half of a pair is put into `mended`, which may fail. */
struct yatai_ref yatai_ref_beginning(const struct yatai_ref *, uint32_t units,
                                     struct yatai_out *mended);
/* A struct of a document as one of an update; points into the document. */
struct yatai_ref yatai_item_view(const struct yata_doc *, const struct yatai_item *);
/* Structs at and after the clocks, the delete set of all. `since` is sorted by client descending.
 */
void yatai_write_state(struct yatai_out *, enum yata_format, const struct yata_doc *,
                       const struct yata_clock *since, size_t n);
/* The update of the open transaction. */
void yatai_write_transaction(struct yatai_out *, enum yata_format, struct yata_doc *);
void yatai_write_delete_set(struct yatai_out *, enum yata_format, const struct yata_doc *);
/* Writes normalised ranges as a delete set. */
void yatai_ranges_write(struct yatai_out *, enum yata_format, const yatai_ranges *);

/* ---- encode.c ------------------------------------------------------------------------------- */

/* A copy from malloc, by client descending, each once; or NULL. */
struct yata_clock *yatai_vector_sort(const struct yata_clock *, size_t n, size_t *ret_n);

/* ---- merge.c: updates as bytes -------------------------------------------------------------- */

/* One update with all that the updates have (yjs: mergeUpdates). */
bool yatai_updates_merge(struct yatai_out *, enum yata_format, struct yatai_mem *,
                         const struct yatai_update *const *, size_t count);
/* What a peer with the state vector lacks of an update (yjs: diffUpdate). */
bool yatai_update_diff(struct yatai_out *, enum yata_format, struct yatai_mem *,
                       const struct yatai_update *, const struct yata_clock *since, size_t n);
/* The update as it is, in the other format. Its sections are in the order wanted. */
bool yatai_update_convert(struct yatai_out *, enum yata_format, struct yatai_mem *,
                          const struct yatai_update *);
/* The clock of a client in a sorted state vector. */
uint64_t yatai_since(const struct yata_clock *since, size_t n, uint64_t client);

#endif
