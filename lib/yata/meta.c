/* meta.c: what can be said of an update or a state vector without a document.
 *
 * yjs 13.6: updates.js encodeStateVectorFromUpdate and parseUpdateMeta, encoding.js
 * readStateVector.
 */
#include <stdlib.h>

#include "update.h"

enum yata_status yata_check_update_as(enum yata_format format, const uint8_t *update, size_t n,
                                      struct yata_error *ret_error) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_update u = {0};
    enum yata_status status = yatai_update_read(&u, &libc, format, update, n, 0, ret_error);
    yatai_update_fini(&u, &libc);
    return status;
}

enum yata_status yata_check_update(const uint8_t *update, size_t n, struct yata_error *ret_error) {
    return yata_check_update_as(YATA_V1, update, n, ret_error);
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

enum yata_status yata_state_vector_from_update_as(enum yata_format format, const uint8_t *update,
                                                  size_t n, struct yata_bytes *ret,
                                                  struct yata_error *ret_error) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_update u = {0};
    enum yata_status status =
        yatai_update_read_in_order(&u, &libc, format, update, n, 0, ret_error);
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

enum yata_status yata_state_vector_from_update(const uint8_t *update, size_t n,
                                               struct yata_bytes *ret,
                                               struct yata_error *ret_error) {
    return yata_state_vector_from_update_as(YATA_V1, update, n, ret, ret_error);
}

enum yata_status yata_update_meta_as(enum yata_format format, const uint8_t *update, size_t n,
                                     struct yata_update_range **ret, size_t *ret_n,
                                     struct yata_error *ret_error) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_update u = {0};
    enum yata_status status =
        yatai_update_read_in_order(&u, &libc, format, update, n, 0, ret_error);
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

enum yata_status yata_update_meta(const uint8_t *update, size_t n, struct yata_update_range **ret,
                                  size_t *ret_n, struct yata_error *ret_error) {
    return yata_update_meta_as(YATA_V1, update, n, ret, ret_n, ret_error);
}

enum yata_status yata_update_structs(enum yata_format format, const uint8_t *update, size_t n,
                                     struct yata_struct **ret, size_t *ret_n,
                                     struct yata_error *ret_error) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_update u = {.verbatim = true};
    enum yata_status status =
        yatai_update_read_in_order(&u, &libc, format, update, n, 0, ret_error);
    struct yata_struct *v = status == YATA_OK ? malloc((u.refs.n + 1) * sizeof *v) : NULL;
    if (status == YATA_OK && !v) {
        status = YATA_NOMEM;
    }
    if (status == YATA_OK) {
        *ret = v;
        *ret_n = u.refs.n;
        for (size_t i = 0; i < u.sections.n; i++) {
            const struct yatai_section *s = &u.sections.v[i];
            for (uint32_t k = 0; k < s->count; k++) {
                const struct yatai_ref *ref = &u.refs.v[s->first + k];
                *v++ = (struct yata_struct){s->client, ref->clock, ref->len,
                                            (enum yata_kind)ref->kind};
            }
        }
    }
    yatai_update_fini(&u, &libc);
    return status;
}

enum yata_status yata_update_deletions(enum yata_format format, const uint8_t *update, size_t n,
                                       struct yata_update_range **ret, size_t *ret_n,
                                       struct yata_error *ret_error) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_update u = {0};
    enum yata_status status = yatai_update_read(&u, &libc, format, update, n, 0, ret_error);
    struct yata_update_range *v = status == YATA_OK ? malloc((u.ranges.n + 1) * sizeof *v) : NULL;
    if (status == YATA_OK && !v) {
        status = YATA_NOMEM;
    }
    if (status == YATA_OK) {
        for (size_t i = 0; i < u.ranges.n; i++) {
            const struct yatai_range *x = &u.ranges.v[i];
            v[i] = (struct yata_update_range){x->client, x->clock, (uint64_t)x->clock + x->len};
        }
        *ret = v;
        *ret_n = u.ranges.n;
    }
    yatai_update_fini(&u, &libc);
    return status;
}

bool yatai_read_vector(struct yatai_reader *r, struct yata_clock **ret, size_t *ret_n) {
    const uint8_t *at = r->p;
    uint64_t count = 0;
    if (!yatai_read_uint(r, &count)) {
        return false;
    }
    if (count > (size_t)(r->end - r->p) / 2) {
        return yatai_reader_fail(r, at, "state vector says it has more entries than bytes follow");
    }
    struct yata_clock *v = malloc((count + 1) * sizeof *v);
    if (!v) {
        r->status = YATA_NOMEM;
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!yatai_read_uint(r, &v[i].client) || !yatai_read_uint(r, &v[i].clock)) {
            free(v);
            return false;
        }
    }
    *ret = v;
    *ret_n = count;
    return true;
}

enum yata_status yata_decode_state_vector(const uint8_t *state_vector, size_t n,
                                          struct yata_clock **ret, size_t *ret_n,
                                          struct yata_error *ret_error) {
    struct yatai_reader r = yatai_reader_on(state_vector, n);
    if (!yatai_read_vector(&r, ret, ret_n) && ret_error) {
        *ret_error = r.why;
    }
    return r.status;
}
