/* ranges.c: delete sets as sorted, disjoint ranges.
 *
 * Peers send delete sets in any order and with overlaps, Yjs writes them by client descending,
 * sorted and joined (yjs 13.6 DeleteSet.js sortAndMergeDeleteSet, writeDeleteSet); so does
 * everything that leaves this library.
 */
#include <stdlib.h>

#include "doc.h"

static int range_order(const void *a, const void *b) {
    const struct yatai_range *x = a, *y = b;
    if (x->client != y->client) {
        return x->client < y->client ? 1 : -1;
    }
    return (x->clock > y->clock) - (x->clock < y->clock);
}

void yatai_ranges_normalise(yatai_ranges *ranges) {
    struct yatai_range *v = ranges->v;
    if (ranges->n < 2) {
        return;
    }
    qsort(v, ranges->n, sizeof *v, range_order);
    size_t n = 1;
    for (size_t i = 1; i < ranges->n; i++) {
        struct yatai_range *last = &v[n - 1];
        uint32_t end = last->clock + last->len;
        if (v[i].client != last->client || v[i].clock > end) {
            v[n++] = v[i];
        } else if (v[i].clock + v[i].len > end) {
            last->len = v[i].clock + v[i].len - last->clock;
        }
    }
    ranges->n = n;
}

/* By slot and clock: enough to join; the order of the clients on the wire is made when writing. */
static int span_order(const void *a, const void *b) {
    const struct yatai_span *x = a, *y = b;
    if (x->slot != y->slot) {
        return x->slot < y->slot ? -1 : 1;
    }
    return (x->clock > y->clock) - (x->clock < y->clock);
}

void yatai_spans_normalise(struct yatai_span *v, size_t *n) {
    size_t count = 1;
    if (*n < 2) {
        return;
    }
    qsort(v, *n, sizeof *v, span_order);
    for (size_t i = 1; i < *n; i++) {
        struct yatai_span *last = &v[count - 1];
        uint32_t end = last->clock + last->len;
        if (v[i].slot != last->slot || v[i].clock > end) {
            v[count++] = v[i];
        } else if (v[i].clock + v[i].len > end) {
            last->len = v[i].clock + v[i].len - last->clock;
        }
    }
    *n = count;
}
