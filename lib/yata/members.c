/* members.c: keys in the order of JavaScript, which shows in JSON and in markup: an object has its
 * array indexes first (ECMA-262 OrdinaryOwnPropertyKeys), and strings are compared by UTF-16 code
 * units.
 */
#include "look.h"

#include <stdlib.h>

bool yatai_member_add(struct yatai_mem *mem, yatai_members *members, struct yata_slice key,
                      uint32_t of) {
    struct yatai_member m = {.key = key, .of = of, .at = (uint32_t)members->n};
    m.is_index = yatai_key_index(key.p, key.n, &m.index);
    return YATAI_PUSH(mem, members, m);
}

static int by_place(const void *a, const void *b) {
    const struct yatai_member *x = a, *y = b;
    if (x->is_index != y->is_index) {
        return x->is_index ? -1 : 1;
    }
    if (x->is_index && x->index != y->index) {
        return x->index < y->index ? -1 : 1;
    }
    return (x->at > y->at) - (x->at < y->at);
}

void yatai_members_order(yatai_members *members) {
    if (members->n > 1) {
        qsort(members->v, members->n, sizeof *members->v, by_place);
    }
}

/* In UTF-8, characters beyond U+FFFF come after all others; in UTF-16 their halves are below
 * U+E000. */
static unsigned weight(uint8_t b) {
    return b == 0xee || b == 0xef ? b + 0x10u : b;
}

static int by_text(const void *a, const void *b) {
    const struct yata_slice *x = &((const struct yatai_member *)a)->key;
    const struct yata_slice *y = &((const struct yatai_member *)b)->key;
    for (size_t i = 0; i < x->n && i < y->n; i++) {
        if (x->p[i] != y->p[i]) {
            return weight(x->p[i]) < weight(y->p[i]) ? -1 : 1;
        }
    }
    return (x->n > y->n) - (x->n < y->n);
}

void yatai_members_sort(yatai_members *members) {
    if (members->n > 1) {
        qsort(members->v, members->n, sizeof *members->v, by_text);
    }
}

bool yatai_members_of_type(struct yatai_mem *mem, yatai_members *members,
                           const struct yata_doc *doc, uint32_t type) {
    for (uint32_t e = yatai_entry_first(doc, type); e != 0; e = yatai_entry_after(doc, e)) {
        if (yatai_entry_value(doc, e) != 0 &&
            !yatai_member_add(mem, members, yatai_entry_key(doc, e), e)) {
            return false;
        }
    }
    return true;
}

bool yatai_members_of_set(struct yatai_mem *mem, yatai_members *members, const struct yata_doc *doc,
                          const struct yata_attributes *set) {
    size_t at = 0;
    const struct yata_attribute *a;
    while ((a = yatai_attribute_next(set, &at)) != NULL) {
        struct yata_slice key = yatai_format_key(doc, yatai_item(doc, a->key));
        if (!yatai_member_add(mem, members, key, a->value)) {
            return false;
        }
    }
    return true;
}
