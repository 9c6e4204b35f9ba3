/* known.c: is there anything in an update that the document does not hold?
 *
 * A peer that may only read still sends what it knows when it connects again, and Yjs clients
 * repeat the whole delete set whenever they ask for a state. Whether that is news is seen from
 * clocks and deleted flags alone, so nothing is planned, reserved or changed.
 */
#include "doc.h"

/* Whether the client has all of a struct, though it has holes. */
static bool struct_known(struct yata_doc *doc, uint64_t client, const struct yatai_ref *ref) {
    uint32_t end = ref->clock + ref->len;
    for (uint32_t clock = ref->clock; clock < end;) {
        struct yatai_id id = {.client = client, .clock = clock};
        if (!yatai_plan_knows(doc, NULL, NULL, id, &clock)) {
            return false;
        }
    }
    return true;
}

static bool structs_known(struct yata_doc *doc, const struct yatai_update *u) {
    for (size_t i = 0; i < u->sections.n; i++) {
        const struct yatai_section *s = &u->sections.v[i];
        uint32_t slot = yatai_client_find(doc, s->client);
        uint32_t known = slot != 0 ? yatai_client_known(&doc->clients.v[slot]) : 0;
        bool holes = slot != 0 && doc->clients.v[slot].clock > known;
        for (uint32_t k = s->count; k > 0; k--) {
            /* A Skip says nothing of what it covers. */
            const struct yatai_ref *ref = &u->refs.v[s->first + k - 1];
            if (ref->kind == YATAI_SKIP) {
                continue;
            }
            if (ref->clock + ref->len > known && !(holes && struct_known(doc, s->client, ref))) {
                return false;
            }
            if (!holes) {
                break; /* what comes before it is known, too */
            }
        }
    }
    return true;
}

static bool range_known(struct yata_doc *doc, const struct yatai_range *x) {
    uint32_t slot = yatai_client_find(doc, x->client), end = x->clock + x->len;
    if (slot == 0 || end > doc->clients.v[slot].clock) {
        return false;
    }
    struct yatai_client *c = &doc->clients.v[slot];
    struct yatai_pos pos = yatai_index_find(c, x->clock);
    do {
        const struct yatai_item *it = yatai_item(doc, yatai_pos_item(c, pos));
        if (it->clock >= end) {
            break;
        }
        if (!it->deleted) {
            return false;
        }
    } while (yatai_pos_next(c, &pos));
    return true;
}

enum yata_status yata_is_known_as(const struct yata_doc *doc, enum yata_format format,
                                  const uint8_t *update, size_t n, bool *ret_known,
                                  struct yata_error *ret_error) {
    struct yata_doc *d = yatai_caches(doc);
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_update u = {.max_refs = doc->options.max_update_structs};
    enum yata_status status =
        yatai_update_read(&u, &libc, format, update, n, doc->options.max_depth, ret_error);
    if (status == YATA_OK && !yatai_thaw(doc)) {
        status = YATA_NOMEM;
    }
    if (status == YATA_OK) {
        bool known = structs_known(d, &u);
        for (size_t i = 0; i < u.ranges.n && known; i++) {
            known = range_known(d, &u.ranges.v[i]);
        }
        *ret_known = known;
    }
    yatai_update_fini(&u, &libc);
    return status;
}

enum yata_status yata_is_known(const struct yata_doc *doc, const uint8_t *update, size_t n,
                               bool *ret_known, struct yata_error *ret_error) {
    return yata_is_known_as(doc, YATA_V1, update, n, ret_known, ret_error);
}
