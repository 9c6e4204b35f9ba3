/* places.h: finds places in long lists.
 *
 * A list is a chain of structs, so a place is found by walking. For a list in which somebody finds
 * places, and which is long, the document keeps a table of *spots*: structs of the list, not many
 * structs apart, and how much is between them. It follows every change, and is dropped when it is
 * not used or memory is out: it is only ever a shorter way.
 *
 * Thread: that of the document. Memory: the document owns struct yatai_places.
 */
#ifndef YATA_PLACES_H
#define YATA_PLACES_H

#include "doc.h"

/* The struct of a list that holds unit `index` - 1 (an index is above 0), and how many units are
 * before it; 0 when the list ends before. Formats and what is deleted do not count. */
uint32_t yatai_places_find(struct yata_doc *, uint32_t type, size_t index, size_t *ret_before);
/* The last struct of a list, or 0. */
uint32_t yatai_places_last(struct yata_doc *, uint32_t type);

/* A walk over the formats of a list that are in effect. */
struct yatai_walk {
    uint32_t type, at, until;
    size_t spot, last;
};

/* Those before a struct; 0: all. */
struct yatai_walk yatai_formats_before(struct yata_doc *, uint32_t type, uint32_t until);
/* The next one, or 0. */
uint32_t yatai_formats_next(const struct yata_doc *, struct yatai_walk *);

/* ---- what the document reports; only when it has doc->places ----------------------------------
 */

/* `units` of a struct in a list came, in its place already, or went. */
void yatai_places_came(struct yata_doc *, uint32_t item, uint32_t units);
void yatai_places_went(struct yata_doc *, const struct yatai_item *);
/* The struct is about to be taken into its left neighbour. */
void yatai_places_merge(struct yata_doc *, uint32_t item);
/* The type is deleted. */
void yatai_places_drop(struct yata_doc *, uint32_t type);
void yatai_places_fini(struct yata_doc *);

#endif
