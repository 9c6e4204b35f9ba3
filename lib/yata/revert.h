/* revert.h: what two documents have in common, so that one can be made what the other was.
 *
 * `past` is the document as it was, `doc` what it became. What both hold is found list by list: by
 * ids first, which never change places, then by content in the gaps between, since what was brought
 * back once before has new ids.
 *
 * Thread: that of both documents. Memory: counted to `doc`; freed by yatai_match_fini.
 */
#ifndef YATA_REVERT_H
#define YATA_REVERT_H

#include "doc.h"

/* A place in a list: before that unit of a struct; item 0 is the end. */
struct yatai_spot {
    uint32_t item;
    uint32_t unit;
    uint32_t at; /* in bytes of its content */
};

/* Units that both lists have, within one struct of each. */
struct yatai_match {
    struct yatai_spot past, now;
    uint32_t units, past_bytes, now_bytes;
};

typedef YATAI_VEC(struct yatai_match) yatai_matches;

/* A unit of a list, or the two of a surrogate pair. */
struct yatai_token {
    struct yatai_spot spot;
    uint32_t bytes;
};

typedef YATAI_VEC(struct yatai_token) yatai_tokens;

struct yatai_matching {
    const struct yata_doc *past, *doc;
    struct yatai_mem *mem;
    bool failed;                      /* memory is out */
    YATAI_VEC(uint32_t) numbers;      /* of past's structs: the how many-th of its list each is */
    struct yatai_spot past_hit, hit;  /* where the last search ended */
    yatai_matches by_id;              /* of two lists, in their order */
    yatai_matches in_gap;             /* of one gap between these */
    yatai_tokens past_tokens, tokens; /* of a gap */
    struct yatai_out left, right;     /* of a comparison */
};

void yatai_match_init(struct yatai_matching *, struct yata_doc *doc, const struct yata_doc *past);
void yatai_match_fini(struct yatai_matching *);
/* Finds what two lists have in common by id, and leaves it in `by_id`. */
void yatai_match_lists(struct yatai_matching *, uint32_t past_type, uint32_t type);
/* Finds what the lists have in common between two places of each, and leaves it in `in_gap`. */
void yatai_match_gap(struct yatai_matching *, struct yatai_spot past, struct yatai_spot past_end,
                     struct yatai_spot now, struct yatai_spot now_end);
/* Whether two structs hold the same; shared types do when they are of one kind and name. */
bool yatai_match_items(struct yatai_matching *, uint32_t past_item, uint32_t item);

#endif
