/* postgres_versions.c: the versions of rooms, as a table. */
#include "base/alloc.h"
#include "store/postgres_forms.h"

/* What both lists and single ones begin with. */
static struct store_version take_head(const PGresult *r, int at) {
    slice label = pg_bytes(r, at, 4);
    return (struct store_version){.id = pg_number(r, at, 0),
                                  .version = pg_number(r, at, 1),
                                  .at_ms = pg_number(r, at, 2),
                                  .automatic = pg_number(r, at, 3) != 0,
                                  .label = label.n ? frame_copy(label) : NULL,
                                  .plain_bytes = pg_number(r, at, 5)};
}

enum err postgres_version_list(void *shelf, slice room, uint64_t before, size_t most,
                               struct store_version **ret, size_t *ret_count, struct fault *why) {
    struct pg_shelf *s = shelf;
    struct pg_params p = {0};
    pg_put_bytes(&p, room);
    pg_put_number(&p, before ? before : INT64_MAX);
    pg_put_number(&p, most);
    PGresult *r = NULL;
    enum err e = pg_read(&s->pg, PG_VERSION_LIST, &p, &r, why);
    if (e == ERR_OK) {
        size_t n = (size_t)PQntuples(r);
        *ret = mem_new((n + 1) * sizeof **ret);
        *ret_count = n;
        for (size_t i = 0; i < n; i++) {
            (*ret)[i] = take_head(r, (int)i);
            (*ret)[i].packed_bytes = pg_number(r, (int)i, 6);
        }
    }
    PQclear(r);
    return e;
}

enum err postgres_version_read(void *shelf, slice room, uint64_t id, struct store_version *ret,
                               bool *ret_found, struct fault *why) {
    struct pg_shelf *s = shelf;
    struct pg_params p = {0};
    pg_put_bytes(&p, room);
    pg_put_number(&p, id);
    PGresult *r = NULL;
    enum err e = pg_read(&s->pg, PG_VERSION_READ, &p, &r, why);
    bool found = e == ERR_OK && PQntuples(r) > 0;
    if (found) {
        e = form_take_version(take_head(r, 0), room, pg_bytes(r, 0, 7), pg_number(r, 0, 6), ret,
                              why);
    }
    PQclear(r);
    *ret_found = found && e == ERR_OK;
    return e;
}

enum err postgres_version_write(void *shelf, slice room, const struct store_version *v,
                                uint64_t *ret_id, struct fault *why) {
    struct pg_shelf *s = shelf;
    struct pg_params p = {0};
    slice state = frame_slice(v->state);
    pg_put_bytes(&p, room);
    pg_put_number(&p, v->version);
    pg_put_number(&p, v->at_ms);
    pg_put_number(&p, v->automatic);
    pg_put_bytes(&p, frame_slice(v->label));
    pg_put_number(&p, v->plain_bytes);
    pg_put_number(&p, form_version_sum(v, room, state));
    pg_put_bytes(&p, state);
    pg_put_number(&p, v->ticket);
    PGresult *r = NULL;
    enum err e = pg_write(&s->pg, PG_VERSION_WRITE, &p, &r, why);
    if (e == ERR_OK) {
        *ret_id = pg_number(r, 0, 0);
    }
    PQclear(r);
    return e;
}

enum err postgres_version_room_after(void *shelf, slice room, struct frame **ret,
                                     struct fault *why) {
    struct pg_shelf *s = shelf;
    struct pg_params p = {0};
    pg_put_bytes(&p, room);
    PGresult *r = NULL;
    enum err e = pg_read(&s->pg, PG_VERSION_ROOM, &p, &r, why);
    *ret = e == ERR_OK && PQntuples(r) > 0 ? frame_copy(pg_bytes(r, 0, 0)) : NULL;
    PQclear(r);
    return e;
}

enum err postgres_version_drop(void *shelf, slice room, const uint64_t *ids, size_t count,
                               struct fault *why) {
    struct pg_shelf *s = shelf;
    struct pg_params p = {0};
    struct pg_array which;
    pg_array_init(&which, PG_INT8);
    for (size_t i = 0; i < count; i++) {
        pg_array_number(&which, ids[i]);
    }
    pg_put_bytes(&p, room);
    pg_put_array(&p, &which);
    enum err e = which.b.failed ? ERR_NOMEM : pg_write(&s->pg, PG_VERSION_DROP, &p, NULL, why);
    pg_array_fini(&which);
    return e;
}
