/* meta.c: what can be said of an update or a state vector without a document.
 *
 * yjs 13.6: updates.js encodeStateVectorFromUpdate and parseUpdateMeta, encoding.js
 * readStateVector.
 */
#include <stdlib.h>

#include "update.h"

enum yata_status yata_check_update(const uint8_t *update, size_t n, struct yata_error *ret_error) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_update u = {0};
    enum yata_status status = yatai_update_read(&u, &libc, update, n, 0, ret_error);
    yatai_update_fini(&u, &libc);
    return status;
}

/* How far a section goes without a gap from clock 0. */
static uint32_t whole_until(const struct yatai_update *u, const struct yatai_section *s) {
    uint32_t clock = 0;
    if (s->start_clock != 0) {
        return 0;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        const struct yatai_ref *ref = &u->refs.v[s->first + i];
        if (ref->kind == YATAI_SKIP) {
            break;
        }
        clock = ref->clock + ref->len;
    }
    return clock;
}

/* Sections in the order of the update. */
static int section_place(const void *a, const void *b) {
    const struct yatai_section *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static enum yata_status read_in_order(struct yatai_update *u, struct yatai_mem *mem,
                                      const uint8_t *update, size_t n,
                                      struct yata_error *ret_error) {
    enum yata_status status = yatai_update_read(u, mem, update, n, 0, ret_error);
    if (status == YATA_OK && u->sections.n > 1) {
        qsort(u->sections.v, u->sections.n, sizeof *u->sections.v, section_place);
    }
    return status;
}

enum yata_status yata_state_vector_from_update(const uint8_t *update, size_t n,
                                               struct yata_bytes *ret,
                                               struct yata_error *ret_error) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_update u = {0};
    enum yata_status status = read_in_order(&u, &libc, update, n, ret_error);
    if (status == YATA_OK) {
        struct yatai_out out = {.mem = &libc};
        size_t count = 0;
        for (size_t i = 0; i < u.sections.n; i++) {
            count += whole_until(&u, &u.sections.v[i]) > 0;
        }
        yatai_out_uint(&out, count);
        for (size_t i = 0; i < u.sections.n; i++) {
            uint32_t clock = whole_until(&u, &u.sections.v[i]);
            if (clock > 0) {
                yatai_out_uint(&out, u.sections.v[i].client);
                yatai_out_uint(&out, clock);
            }
        }
        status = yatai_out_give(&out, ret);
    }
    yatai_update_fini(&u, &libc);
    return status;
}

enum yata_status yata_update_meta(const uint8_t *update, size_t n, struct yata_update_range **ret,
                                  size_t *ret_n, struct yata_error *ret_error) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_update u = {0};
    enum yata_status status = read_in_order(&u, &libc, update, n, ret_error);
    if (status == YATA_OK) {
        struct yata_update_range *v = malloc((u.sections.n + 1) * sizeof *v);
        if (!v) {
            status = YATA_NOMEM;
        } else {
            size_t count = 0;
            for (size_t i = 0; i < u.sections.n; i++) {
                const struct yatai_section *s = &u.sections.v[i];
                if (s->count > 0) {
                    v[count++] =
                        (struct yata_update_range){s->client, s->start_clock, s->end_clock};
                }
            }
            *ret = v;
            *ret_n = count;
        }
    }
    yatai_update_fini(&u, &libc);
    return status;
}

enum yata_status yata_decode_state_vector(const uint8_t *state_vector, size_t n,
                                          struct yata_clock **ret, size_t *ret_n,
                                          struct yata_error *ret_error) {
    struct yatai_reader r = yatai_reader_on(state_vector, n);
    struct yata_clock *v = NULL;
    const uint8_t *at = r.p;
    uint64_t count = 0;
    if (yatai_read_uint(&r, &count) && count > (size_t)(r.end - r.p) / 2) {
        yatai_reader_fail(&r, at, "state vector says it has more entries than bytes follow");
    }
    if (r.status == YATA_OK) {
        v = malloc((count + 1) * sizeof *v);
        if (!v) {
            return YATA_NOMEM;
        }
        for (uint64_t i = 0; i < count; i++) {
            if (!yatai_read_uint(&r, &v[i].client) || !yatai_read_uint(&r, &v[i].clock)) {
                break;
            }
        }
    }
    if (r.status != YATA_OK) {
        free(v);
        if (ret_error) {
            *ret_error = r.why;
        }
        return r.status;
    }
    *ret = v;
    *ret_n = count;
    return YATA_OK;
}
