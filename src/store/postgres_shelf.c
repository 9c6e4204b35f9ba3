/* postgres_shelf.c: the shelf as a table: one packed snapshot per room; its versions are in
 * postgres_versions.c.
 *
 * Several nodes may want to fold a room. One may: it holds the room's lease, for so long by the
 * database's clock and as long as it is connected, and each taking of a lease has a number, its
 * fence, that is never given again. A snapshot is written, and the rows that went into it are
 * deleted, in the one statement that finds that very fence still there; so who was late, whatever
 * delayed it, changes nothing.
 *
 * Who should is the room's owner (owner.h), whether it has the room open or not: the others leave
 * it what they want to have done, in collab_duty, where it looks every now and then. What it does
 * not take up in time, as it hangs or has gone, anybody does.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "limit/caps.h"
#include "store/owner.h"
#include "store/pack.h"
#include "store/postgres_forms.h"

/* Of a row of collab_node: the node is connected, as it holds its lock (postgres_journal.c). */
#define LIVES                                                                                      \
    "EXISTS(SELECT FROM pg_locks WHERE locktype='advisory' AND mode='ShareLock' AND granted"       \
    " AND objsubid=1 AND database=(SELECT oid FROM pg_database WHERE datname=current_database())"  \
    " AND classid::bigint << 32 | objid::bigint = collab_node.lock)"

static const char *const statements[PG_SHELF_STATEMENTS] = {
    [PG_SHELF_READ] =
        "SELECT version, epoch, at_ms, plain_bytes, state, sum, authors FROM collab_room"
        " WHERE name=$1::text",
    [PG_SHELF_NODES] = "SELECT node FROM collab_node WHERE " LIVES " LIMIT $1::bigint",
    [PG_SHELF_LEAVE] =
        "INSERT INTO collab_duty VALUES($1::text, $2::bigint, $3::uuid, clock_timestamp())"
        " ON CONFLICT(room, what) DO UPDATE SET node=EXCLUDED.node", /* not younger by that */
    [PG_SHELF_DUTIES] =
        "DELETE FROM collab_duty WHERE ctid=ANY(ARRAY(SELECT ctid FROM collab_duty"
        " WHERE node=$1::uuid OR since < clock_timestamp() - $2::bigint * interval '1 ms'"
        " LIMIT $3::bigint FOR UPDATE SKIP LOCKED)) RETURNING room, what",
    [PG_SHELF_CLAIM] =
        "WITH done AS (DELETE FROM collab_duty WHERE room=$1::text AND what=$4::bigint)"
        " INSERT INTO collab_lease VALUES($1::text, $2::uuid, nextval('collab_fence'),"
        " clock_timestamp() + $3::bigint * interval '1 ms')"
        " ON CONFLICT(room) DO UPDATE SET node=EXCLUDED.node, fence=EXCLUDED.fence,"
        " expires=EXCLUDED.expires WHERE collab_lease.node=EXCLUDED.node"
        " OR collab_lease.expires < clock_timestamp() OR NOT EXISTS(SELECT FROM collab_node"
        " WHERE collab_node.node=collab_lease.node AND " LIVES ") RETURNING fence",
    [PG_SHELF_WRITE] =
        "WITH mine AS (SELECT room FROM collab_lease WHERE room=$1::text AND node=$2::uuid"
        "  AND fence=$3::bigint FOR UPDATE),"
        " put AS (INSERT INTO collab_room(name, version, epoch, at_ms, plain_bytes, state,"
        "  sum, authors) SELECT room, $4::bigint, $5::bigint, $6::bigint, $7::bigint, $8::bytea,"
        "  $9::bigint, $14::bytea FROM mine ON CONFLICT(name) DO UPDATE SET "
        "version=EXCLUDED.version,"
        "  epoch=EXCLUDED.epoch, at_ms=EXCLUDED.at_ms, plain_bytes=EXCLUDED.plain_bytes,"
        "  state=EXCLUDED.state, sum=EXCLUDED.sum, authors=EXCLUDED.authors RETURNING name),"
        " trimmed AS (DELETE FROM collab_journal USING mine WHERE room_key=$10::bigint"
        "  AND collab_journal.room=mine.room AND (id, sum) IN"
        "  (SELECT i, s FROM unnest($11::bigint[], $12::bigint[]) AS u(i, s))),"
        " released AS (DELETE FROM collab_lease USING mine"
        "  WHERE collab_lease.room=mine.room AND $13::bigint <> 0)"
        " SELECT count(*) FROM put",
    [PG_VERSION_LIST] = "SELECT id, version, at_ms, automatic::int::bigint, label, plain_bytes,"
                        " length(state)::bigint FROM collab_version WHERE room=$1::text"
                        " AND id<$2::bigint ORDER BY id DESC LIMIT $3::bigint",
    [PG_VERSION_READ] = "SELECT id, version, at_ms, automatic::int::bigint, label, plain_bytes,"
                        " sum, state FROM collab_version WHERE room=$1::text"
                        " AND (id=$2::bigint OR $2::bigint=0) ORDER BY id DESC LIMIT 1",
    /* sent again after its connection was lost it finds what the first one has left, and writes
     * that once more for the reason that the journal has */
    [PG_VERSION_WRITE] =
        "INSERT INTO collab_version(room, version, at_ms, automatic, label,"
        " plain_bytes, sum, state, ticket) VALUES($1::text, $2::bigint, $3::bigint,"
        " $4::bigint <> 0, $5::bytea, $6::bigint, $7::bigint, $8::bytea, $9::bigint)"
        " ON CONFLICT(ticket) DO UPDATE SET ticket=EXCLUDED.ticket RETURNING id",
    [PG_VERSION_ROOM] = "SELECT room FROM collab_version WHERE room>$1::text ORDER BY room LIMIT 1",
    [PG_VERSION_DROP] = "DELETE FROM collab_version WHERE room=$1::text AND id=ANY($2::bigint[])",
    [PG_SHELF_TIDY] =
        "DELETE FROM collab_lease WHERE expires < clock_timestamp() - interval '1 hour'",
};

enum err postgres_shelf_open(const struct form_where *where, void **ret, struct fault *why) {
    struct pg_shelf *s = NEW(struct pg_shelf);
    const struct pg_params none = {0};
    memcpy(s->node, where->node, NODE_BYTES);
    enum err e = pg_open(&s->pg, where, statements, PG_SHELF_STATEMENTS, why);
    e = e ? e : pg_write(&s->pg, PG_SHELF_TIDY, &none, NULL, why);
    if (e != ERR_OK) {
        postgres_shelf_close(s, false);
        return e;
    }
    *ret = s;
    return ERR_OK;
}

void postgres_shelf_close(void *shelf, bool clean) {
    struct pg_shelf *s = shelf;
    (void)clean;
    if (s) {
        pg_close(&s->pg);
        mem_free(s);
    }
}

/* ---- reading ---- */

static enum err take_snapshot(const PGresult *r, slice room, struct snapshot *ret,
                              struct fault *why) {
    struct snapshot head = {.version = pg_number(r, 0, 0),
                            .epoch = pg_number(r, 0, 1),
                            .at_ms = pg_number(r, 0, 2),
                            .plain_bytes = pg_number(r, 0, 3)};
    return form_take_snapshot(head, room, pg_bytes(r, 0, 4), pg_bytes(r, 0, 6), pg_number(r, 0, 5),
                              ret, why);
}

enum err postgres_shelf_read(void *shelf, slice room, struct snapshot *ret, bool *ret_found,
                             struct fault *why) {
    struct pg_shelf *s = shelf;
    struct pg_params p = {0};
    pg_put_bytes(&p, room);
    PGresult *r = NULL;
    enum err e = pg_read(&s->pg, PG_SHELF_READ, &p, &r, why);
    bool found = e == ERR_OK && PQntuples(r) > 0;
    if (found) {
        e = take_snapshot(r, room, ret, why);
    }
    PQclear(r);
    *ret_found = found && e == ERR_OK;
    return e;
}

/* ---- folding ---- */

/* Whose duty the room is: ours, too, when no other node lives. */
static enum err find_owner(struct pg_shelf *s, slice room, uint8_t *ret, struct fault *why) {
    uint8_t nodes[CAPS_STORE_NODES][NODE_BYTES];
    struct pg_params p = {0};
    pg_put_number(&p, CAPS_STORE_NODES);
    PGresult *r = NULL;
    enum err e = pg_read(&s->pg, PG_SHELF_NODES, &p, &r, why);
    size_t n = 0;
    for (int i = 0; e == ERR_OK && i < PQntuples(r); i++) {
        slice node = pg_bytes(r, i, 0);
        if (node.n == NODE_BYTES) {
            memcpy(nodes[n++], node.p, NODE_BYTES);
        }
    }
    PQclear(r);
    memcpy(ret, n ? nodes[owner_of(nodes, n, room)] : s->node, NODE_BYTES);
    return e;
}

/* ERR_BUSY when that went well. */
static enum err leave_to(struct pg_shelf *s, slice room, enum form_duty duty, const uint8_t *node,
                         const char *words, struct fault *why) {
    struct pg_params p = {0};
    pg_put_bytes(&p, room);
    pg_put_number(&p, duty);
    pg_put_bytes(&p, slice_of(node, NODE_BYTES));
    enum err e = pg_write(&s->pg, PG_SHELF_LEAVE, &p, NULL, why);
    if (e == ERR_OK) {
        (void)snprintf(why->text, sizeof why->text, "%s", words);
        e = ERR_BUSY;
    }
    return e;
}

static enum err take_lease(struct pg_shelf *s, slice room, enum form_duty duty, uint64_t *ret_fence,
                           struct fault *why) {
    struct pg_params p = {0};
    pg_put_bytes(&p, room);
    pg_put_bytes(&p, slice_of(s->node, NODE_BYTES));
    pg_put_number(&p, CAPS_STORE_LEASE_MS);
    pg_put_number(&p, duty);
    PGresult *r = NULL;
    enum err e = pg_write(&s->pg, PG_SHELF_CLAIM, &p, &r, why);
    bool free = e == ERR_OK && PQntuples(r) > 0;
    if (free) {
        *ret_fence = pg_number(r, 0, 0);
    }
    PQclear(r);
    return e || free ? e : leave_to(s, room, duty, s->node, "another node is at this room", why);
}

enum err postgres_shelf_owns(void *shelf, slice room, bool *ret, struct fault *why) {
    struct pg_shelf *s = shelf;
    uint8_t owner[NODE_BYTES];
    enum err e = find_owner(s, room, owner, why);
    *ret = e == ERR_OK && memcmp(owner, s->node, NODE_BYTES) == 0;
    return e;
}

enum err postgres_shelf_claim(void *shelf, slice room, enum form_duty duty, bool left_to_us,
                              uint64_t *ret_fence, struct fault *why) {
    struct pg_shelf *s = shelf;
    uint8_t owner[NODE_BYTES];
    memcpy(owner, s->node, NODE_BYTES);
    enum err e = left_to_us ? ERR_OK : find_owner(s, room, owner, why);
    if (e != ERR_OK) {
        return e;
    }
    if (memcmp(owner, s->node, NODE_BYTES) != 0) {
        return leave_to(s, room, duty, owner, "this room is another node's duty", why);
    }
    return take_lease(s, room, duty, ret_fence, why);
}

enum err postgres_shelf_duties(void *shelf, struct form_left *ret, size_t most, size_t *ret_count,
                               struct fault *why) {
    struct pg_shelf *s = shelf;
    struct pg_params p = {0};
    pg_put_bytes(&p, slice_of(s->node, NODE_BYTES));
    pg_put_number(&p, CAPS_STORE_DUTY_MS);
    pg_put_number(&p, most);
    PGresult *r = NULL;
    enum err e = pg_write(&s->pg, PG_SHELF_DUTIES, &p, &r, why);
    *ret_count = e == ERR_OK ? (size_t)PQntuples(r) : 0;
    for (size_t i = 0; i < *ret_count; i++) {
        bool folds = pg_number(r, (int)i, 1) == FORM_FOLD;
        ret[i] = (struct form_left){.room = frame_copy(pg_bytes(r, (int)i, 0)),
                                    .duty = folds ? FORM_FOLD : FORM_VERSION};
    }
    PQclear(r);
    return e;
}

static enum err write(struct pg_shelf *s, const struct pg_params *p, struct fault *why) {
    PGresult *r = NULL;
    enum err e = pg_write(&s->pg, PG_SHELF_WRITE, p, &r, why);
    if (e == ERR_OK && pg_number(r, 0, 0) == 0) {
        (void)snprintf(why->text, sizeof why->text,
                       "another node has taken the room over while it was folded here");
        e = ERR_BUSY;
    }
    PQclear(r);
    return e;
}

enum err postgres_shelf_write(void *shelf, slice room, const struct snapshot *snap,
                              struct fault *why) {
    struct pg_shelf *s = shelf;
    struct pg_params p = {0};
    struct pg_array ids;
    struct pg_array sums;
    slice state = frame_slice(snap->state);
    pg_array_init(&ids, PG_INT8);
    pg_array_init(&sums, PG_INT8);
    for (size_t i = 0; i < snap->rows_count; i++) {
        pg_array_number(&ids, snap->rows[i].id);
        pg_array_number(&sums, snap->rows[i].sum);
    }
    pg_put_bytes(&p, room);
    pg_put_bytes(&p, slice_of(s->node, NODE_BYTES));
    pg_put_number(&p, snap->fence);
    pg_put_number(&p, snap->version);
    pg_put_number(&p, snap->epoch);
    pg_put_number(&p, snap->at_ms);
    pg_put_number(&p, snap->plain_bytes);
    pg_put_bytes(&p, state);
    pg_put_number(&p, form_snapshot_sum(snap, room, state, frame_slice(snap->authors)));
    pg_put_number(&p, pack_key(room));
    pg_put_array(&p, &ids);
    pg_put_array(&p, &sums);
    pg_put_number(&p, snap->leaving);
    pg_put_bytes(&p, frame_slice(snap->authors));
    enum err e = ids.b.failed || sums.b.failed ? ERR_NOMEM : write(s, &p, why);
    pg_array_fini(&ids);
    pg_array_fini(&sums);
    return e;
}

void postgres_shelf_rest(void *shelf) {
    (void)shelf; /* the server's own autovacuum does it */
}

const struct store_form store_postgres = {
    .name = "postgres",
    .remote = true,
    .journal_open = postgres_journal_open,
    .journal_close = postgres_journal_close,
    .journal_commit = postgres_journal_commit,
    .journal_read = postgres_journal_read,
    .journal_rest = postgres_journal_rest,
    .shelf_open = postgres_shelf_open,
    .shelf_close = postgres_shelf_close,
    .shelf_claim = postgres_shelf_claim,
    .shelf_owns = postgres_shelf_owns,
    .shelf_duties = postgres_shelf_duties,
    .shelf_read = postgres_shelf_read,
    .shelf_write = postgres_shelf_write,
    .shelf_rest = postgres_shelf_rest,
    .version_list = postgres_version_list,
    .version_read = postgres_version_read,
    .version_write = postgres_version_write,
    .version_room_after = postgres_version_room_after,
    .version_drop = postgres_version_drop,
};
