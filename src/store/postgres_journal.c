/* postgres_journal.c: the journal as a table that every node appends to.
 *
 * A row is known by the node that wrote it and by its number there. When a connection is lost the
 * group is sent again, and what had arrived stays as it is; an insert that meets the same row under
 * way waits for how that ends.
 *
 * A row that is met is written once more all the same. The server may have committed it and gone
 * down before a standby had it, and only a transaction that writes waits for standbys when it
 * commits. For this reason, too, a connection that replaces another begins by writing: what it
 * reads after that has reached the standbys.
 *
 * Who else may have shown versions that did not last is not known of nodes that come and go. So
 * each node counts an epoch when it begins and any other has not ended cleanly so far, whether
 * that one is gone or at work. A node has a row in collab_node, and a lock that goes with its
 * connection, by which the rows of those that are gone are found and deleted.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "store/pack.h"
#include "store/postgres_forms.h"

enum { APPEND, READ, BEGIN_LIFE, GO_ON, END_LIFE, STATEMENTS };

static const char *const statements[STATEMENTS] = {
    [APPEND] = "INSERT INTO collab_journal(node, number, room_key, room, version, epoch, at_ms,"
               " payload, sum, author) SELECT $1::uuid, n, k, r, v, $2::bigint, t, p, s, a"
               " FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[],"
               " $8::bytea[], $9::bigint[], $10::bytea[]) AS u(n, k, r, v, t, p, s, a)"
               " ON CONFLICT(node, number) DO UPDATE SET number=EXCLUDED.number",
    [READ] =
        "SELECT id, version, epoch, at_ms, payload, sum, node, number, author FROM collab_journal"
        " WHERE room_key=$1::bigint AND room=$2::text ORDER BY id",
    [BEGIN_LIFE] = "WITH others AS (SELECT count(*) > 0 AS any_others FROM collab_node),"
                   " gone AS (DELETE FROM collab_node WHERE pg_try_advisory_xact_lock(lock)),"
                   " me AS (INSERT INTO collab_node VALUES($1::uuid, $2::bigint, now()))"
                   " UPDATE collab_life SET epoch=epoch + any_others::int FROM others"
                   " RETURNING epoch, pg_try_advisory_lock_shared($2::bigint)",
    [GO_ON] = "WITH me AS (INSERT INTO collab_node VALUES($1::uuid, $2::bigint, now())"
              " ON CONFLICT(node) DO UPDATE SET lock=EXCLUDED.lock)"
              " SELECT epoch, pg_try_advisory_lock_shared($2::bigint) FROM collab_life",
    [END_LIFE] = "WITH leases AS (DELETE FROM collab_lease WHERE node=$1::uuid)"
                 " DELETE FROM collab_node WHERE node=$1::uuid",
};

struct journal {
    struct pg pg;
    uint8_t node[NODE_BYTES];
};

static uint64_t sum_of(const uint8_t *node, uint64_t number, const struct store_row *row,
                       uint64_t epoch, slice room, slice payload, slice author) {
    uint64_t numbers[] = {0, 0, number, row->version, epoch, row->at_ms, pack_key(author)};
    memcpy(numbers, node, NODE_BYTES);
    return pack_sum(numbers, sizeof numbers / sizeof *numbers, room, payload);
}

/* ---- opening ---- */

static enum err begin_life(struct journal *j, bool first, uint64_t *ret_epoch, struct fault *why) {
    struct pg_params p = {0};
    uint64_t lock = 0;
    memcpy(&lock, j->node, sizeof lock);
    pg_put_bytes(&p, slice_of(j->node, NODE_BYTES));
    pg_put_number(&p, lock);
    PGresult *r = NULL;
    enum err e = pg_write(&j->pg, first ? BEGIN_LIFE : GO_ON, &p, &r, why);
    if (e == ERR_OK && PQntuples(r) != 1) {
        (void)snprintf(why->text, sizeof why->text, "the table collab_life has lost its row");
        e = ERR_DAMAGED;
    }
    if (e == ERR_OK) {
        *ret_epoch = pg_number(r, 0, 0);
    }
    PQclear(r);
    return e;
}

static void warn_unsafe(const struct pg *pg, const struct form_where *where) {
    if (pg->unsafe && !where->relaxed) {
        log_warn("STORE-UNSAFE",
                 log_text("detail", "the database server runs with fsync=off: a crash of its "
                                    "machine loses what was acknowledged"));
    }
}

/* Tokens are judged by this machine's clock, so that somebody should know. */
static void warn_clock(const struct pg *pg) {
    uint64_t own = clock_wall_ms();
    uint64_t off = own > pg->clock_ms ? own - pg->clock_ms : pg->clock_ms - own;
    if (off > CAPS_STORE_CLOCK_MS) {
        log_limited(LOG_WARN, "CLOCK-OFF", log_u64("seconds", off / 1000),
                    log_text("detail", own > pg->clock_ms
                                           ? "this machine's clock is ahead of the database's"
                                           : "this machine's clock is behind the database's"));
    }
}

enum err postgres_journal_open(const struct form_where *where, bool first, void **ret,
                               uint64_t *ret_epoch, uint64_t *ret_last_id, struct fault *why) {
    struct journal *j = NEW(struct journal);
    memcpy(j->node, where->node, NODE_BYTES);
    enum err e = pg_open(&j->pg, where, statements, STATEMENTS, why);
    e = e ? e : begin_life(j, first, ret_epoch, why);
    if (e != ERR_OK) {
        postgres_journal_close(j, false);
        return e;
    }
    warn_clock(&j->pg);
    if (first) {
        *ret_last_id = 0; /* the node is new */
        warn_unsafe(&j->pg, where);
    }
    *ret = j;
    return ERR_OK;
}

void postgres_journal_close(void *journal, bool clean) {
    struct journal *j = journal;
    if (!j) {
        return;
    }
    if (clean) {
        struct fault ignored = {0};
        struct pg_params p = {0};
        pg_put_bytes(&p, slice_of(j->node, NODE_BYTES));
        (void)pg_write(&j->pg, END_LIFE, &p, NULL, &ignored); /* else it counts as not clean */
    }
    pg_close(&j->pg);
    mem_free(j);
}

/* ---- writing ---- */

enum { NUMBER, KEY, ROOM, VERSION, AT, PAYLOAD, SUM, AUTHOR, COLUMNS };

static void append(const struct journal *j, const struct store_job *job, uint64_t epoch,
                   struct pg_array *to) {
    const struct store_row *row = &job->row;
    slice room = frame_slice(job->room);
    slice payload = frame_slice(row->update);
    pg_array_number(&to[NUMBER], row->id);
    pg_array_number(&to[KEY], pack_key(room));
    pg_array_bytes(&to[ROOM], room);
    pg_array_number(&to[VERSION], row->version);
    pg_array_number(&to[AT], row->at_ms);
    pg_array_bytes(&to[PAYLOAD], payload);
    slice author = frame_slice(row->author);
    pg_array_number(&to[SUM], sum_of(j->node, row->id, row, epoch, room, payload, author));
    pg_array_bytes(&to[AUTHOR], author);
}

static enum err send(struct journal *j, struct pg_array *columns, uint64_t epoch,
                     struct fault *why) {
    struct pg_params p = {0};
    bool memory = true;
    pg_put_bytes(&p, slice_of(j->node, NODE_BYTES));
    pg_put_number(&p, epoch);
    for (int i = 0; i < COLUMNS; i++) {
        pg_put_array(&p, &columns[i]);
        memory = memory && !columns[i].b.failed;
    }
    if (!memory) {
        (void)snprintf(why->text, sizeof why->text, "no memory");
        return ERR_STORE;
    }
    return pg_write(&j->pg, APPEND, &p, NULL, why);
}

enum err postgres_journal_commit(void *journal, const struct list_node *jobs, uint64_t epoch,
                                 struct fault *why) {
    static const enum pg_type types[COLUMNS] = {PG_INT8, PG_INT8,  PG_TEXT, PG_INT8,
                                                PG_INT8, PG_BYTEA, PG_INT8, PG_BYTEA};
    struct journal *j = journal;
    struct pg_array columns[COLUMNS];
    for (int i = 0; i < COLUMNS; i++) {
        pg_array_init(&columns[i], types[i]);
    }
    for (struct list_node *n = jobs->next; n != jobs; n = n->next) {
        const struct store_job *job = LIST_ITEM(n, struct store_job, node);
        if (job->op == STORE_APPEND) { /* the rows of folds went with the snapshot's writing */
            append(j, job, epoch, columns);
        }
    }
    enum err e = columns[0].count ? send(j, columns, epoch, why) : pg_ping(&j->pg, why);
    for (int i = 0; i < COLUMNS; i++) {
        pg_array_fini(&columns[i]);
    }
    return e;
}

/* ---- reading ---- */

static enum err take_row(struct store_job *job, const PGresult *r, int at, uint64_t epoch_now,
                         struct fault *why) {
    struct store_row row = {.id = pg_number(r, at, 0),
                            .version = pg_number(r, at, 1),
                            .at_ms = pg_number(r, at, 3),
                            .sum = pg_number(r, at, 5)};
    uint64_t epoch = pg_number(r, at, 2);
    slice payload = pg_bytes(r, at, 4);
    slice author = pg_bytes(r, at, 8);
    uint64_t sum = sum_of(pg_bytes(r, at, 6).p, pg_number(r, at, 7), &row, epoch,
                          frame_slice(job->room), payload, author);
    if (sum != row.sum) {
        (void)snprintf(why->text, sizeof why->text, "row %llu of the journal has a wrong sum",
                       (unsigned long long)row.id);
        return ERR_DAMAGED;
    }
    row.author = author.n ? frame_copy(author) : NULL;
    row.version = form_version(row.version, epoch, epoch_now);
    return form_take_row(job, row, payload, why);
}

enum err postgres_journal_read(void *journal, struct store_job *job, uint64_t epoch,
                               struct fault *why) {
    struct journal *j = journal;
    struct pg_params p = {0};
    pg_put_number(&p, pack_key(frame_slice(job->room)));
    pg_put_bytes(&p, frame_slice(job->room));
    PGresult *r = NULL;
    enum err e = pg_read(&j->pg, READ, &p, &r, why);
    int n = e == ERR_OK ? PQntuples(r) : 0;
    for (int i = 0; e == ERR_OK && i < n; i++) {
        e = take_row(job, r, i, epoch, why);
    }
    PQclear(r);
    job->exists |= job->rows_count > 0;
    return e;
}

void postgres_journal_rest(void *journal) {
    (void)journal; /* the server's own autovacuum does it */
}
