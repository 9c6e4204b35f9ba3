/* sqlite_journal.c: the journal's file. Rows are appended by a key that rises over all rooms, so
 * that a commit writes few pages whatever number of rooms it is about; the index finds a room's. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "limit/caps.h"
#include "store/pack.h"
#include "store/sqlite.h"
#include "store/sqlite_forms.h"

static const char *const steps[] = {
    "CREATE TABLE journal(id INTEGER PRIMARY KEY, room_key INTEGER NOT NULL, room TEXT NOT NULL,"
    " version INTEGER NOT NULL, epoch INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
    " payload BLOB NOT NULL, sum INTEGER NOT NULL);"
    "CREATE INDEX journal_by_room ON journal(room_key);"
    "CREATE TABLE life(only INTEGER PRIMARY KEY CHECK(only = 1), epoch INTEGER NOT NULL,"
    " clean INTEGER NOT NULL, last_id INTEGER NOT NULL);"
    "INSERT INTO life VALUES(1, 0, 1, 0);",
    "ALTER TABLE journal ADD COLUMN author TEXT;",
};

enum { APPEND, READ, TRIM, LAST, LIST, STATEMENTS };

static const char *const statements[STATEMENTS] = {
    [APPEND] = "INSERT INTO journal VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9) ON CONFLICT(id) DO NOTHING",
    [READ] = "SELECT id, version, epoch, at_ms, payload, sum, author FROM journal"
             " WHERE room_key=?1 AND room=?2 ORDER BY id",
    [TRIM] = "DELETE FROM journal WHERE room_key=?1 AND room=?2 AND id<=?3",
    [LAST] = "SELECT epoch, clean, max(last_id, coalesce((SELECT max(id) FROM journal), 0))"
             " FROM life",
    /* keys in the order of the index, so that each page begins where the last one ended; they are
     * compared as they are stored, with a sign */
    [LIST] = "SELECT room_key, room, max(version + (?3 - epoch) * ?4), max(at_ms), count(*),"
             " sum(length(payload)) FROM journal WHERE room_key IN (SELECT DISTINCT room_key"
             " FROM journal WHERE room_key > ?1 ORDER BY room_key LIMIT ?2)"
             " GROUP BY room_key, room ORDER BY room_key",
};

const struct sqlite_schema sqlite_journal_schema = {
    .file = "journal.db",
    .page_bytes = 2048, /* rows are small, and a commit writes whole pages */
    .steps = steps,
    .step_count = sizeof steps / sizeof *steps,
    .statements = statements,
    .statement_count = STATEMENTS,
};

struct journal {
    struct sqlite_file file;
};

static uint64_t sum_of(const struct store_row *row, uint64_t epoch, slice room, slice payload,
                       slice author) {
    const uint64_t numbers[] = {row->id, row->version, epoch, row->at_ms, pack_key(author)};
    return pack_sum(numbers, author.n ? 5 : 4, room, payload);
}

/* ---- opening ---- */

/* An end that was not clean is counted by the next beginning. */
static enum err begin_life(struct journal *j, bool first, uint64_t *ret_epoch,
                           uint64_t *ret_last_id, struct fault *why) {
    sqlite3_stmt *s = j->file.statements[LAST];
    bool row = false;
    enum err e = sqlite_next(&j->file, s, &row, why);
    if (e != ERR_OK) {
        return e;
    }
    uint64_t epoch = sqlite_number(s, 0);
    bool clean = sqlite_number(s, 1) != 0;
    *ret_last_id = sqlite_number(s, 2);
    (void)sqlite3_reset(s);
    *ret_epoch = epoch + (first && !clean);
    if (!first) {
        return ERR_OK;
    }
    char sql[80];
    (void)snprintf(sql, sizeof sql, "UPDATE life SET epoch=%llu, clean=0",
                   (unsigned long long)*ret_epoch);
    return sqlite_run(&j->file, sql, why);
}

enum err sqlite_journal_open(const struct form_where *where, bool first, void **ret,
                             uint64_t *ret_epoch, uint64_t *ret_last_id, struct fault *why) {
    struct journal *j = NEW(struct journal);
    enum err e = sqlite_file_open(&j->file, &sqlite_journal_schema, where, why);
    if (e == ERR_OK) {
        e = begin_life(j, first, ret_epoch, ret_last_id, why);
    }
    if (e != ERR_OK) {
        sqlite_journal_close(j, false);
        return e;
    }
    *ret = j;
    return ERR_OK;
}

void sqlite_journal_close(void *journal, bool clean) {
    struct journal *j = journal;
    if (!j) {
        return;
    }
    struct fault ignored = {0};
    if (clean) {
        clean = sqlite_run(&j->file,
                           "UPDATE life SET clean=1, last_id=max(last_id,"
                           " coalesce((SELECT max(id) FROM journal), 0))",
                           &ignored) == ERR_OK;
    }
    sqlite_file_close(&j->file, clean);
    mem_free(j);
}

/* ---- writing ---- */

static enum err append(struct journal *j, const struct store_job *job, uint64_t epoch,
                       struct fault *why) {
    sqlite3_stmt *s = j->file.statements[APPEND];
    const struct store_row *row = &job->row;
    slice room = frame_slice(job->room);
    slice payload = frame_slice(row->update);
    sqlite_bind_number(s, 1, row->id);
    sqlite_bind_number(s, 2, pack_key(room));
    sqlite_bind_text(s, 3, room);
    sqlite_bind_number(s, 4, row->version);
    sqlite_bind_number(s, 5, epoch);
    sqlite_bind_number(s, 6, row->at_ms);
    sqlite_bind_bytes(s, 7, payload);
    sqlite_bind_number(s, 8, sum_of(row, epoch, room, payload, frame_slice(row->author)));
    if (row->author) {
        sqlite_bind_text(s, 9, frame_slice(row->author));
    }
    return sqlite_do(&j->file, s, why);
}

static enum err trim(struct journal *j, const struct store_job *job, struct fault *why) {
    sqlite3_stmt *s = j->file.statements[TRIM];
    sqlite_bind_number(s, 1, pack_key(frame_slice(job->room)));
    sqlite_bind_text(s, 2, frame_slice(job->room));
    sqlite_bind_number(s, 3, job->rows[job->rows_count - 1].id);
    return sqlite_do(&j->file, s, why);
}

enum err sqlite_journal_commit(void *journal, const struct list_node *jobs, uint64_t epoch,
                               struct fault *why) {
    struct journal *j = journal;
    enum err e = sqlite_run(&j->file, "BEGIN IMMEDIATE", why);
    for (struct list_node *n = jobs->next; e == ERR_OK && n != jobs; n = n->next) {
        const struct store_job *job = LIST_ITEM(n, struct store_job, node);
        e = job->op == STORE_APPEND ? append(j, job, epoch, why) : trim(j, job, why);
    }
    return e ? e : sqlite_run(&j->file, "COMMIT", why);
}

/* ---- reading ---- */

static enum err take_row(struct store_job *job, sqlite3_stmt *s, uint64_t epoch_now,
                         struct fault *why) {
    struct store_row row = {
        .id = sqlite_number(s, 0), .version = sqlite_number(s, 1), .at_ms = sqlite_number(s, 3)};
    uint64_t epoch = sqlite_number(s, 2);
    slice payload = sqlite_bytes(s, 4);
    slice author = sqlite_bytes(s, 6);
    uint64_t sum = sum_of(&row, epoch, frame_slice(job->room), payload, author);
    if (sum != sqlite_number(s, 5) || epoch > epoch_now) {
        (void)snprintf(why->text, sizeof why->text, "row %llu of the journal has a wrong sum",
                       (unsigned long long)row.id);
        return ERR_DAMAGED;
    }
    row.author = author.n ? frame_copy(author) : NULL;
    row.version = form_version(row.version, epoch, epoch_now);
    return form_take_row(job, row, payload, why);
}

enum err sqlite_journal_read(void *journal, struct store_job *job, uint64_t epoch,
                             struct fault *why) {
    struct journal *j = journal;
    sqlite3_stmt *s = j->file.statements[READ];
    sqlite_bind_number(s, 1, pack_key(frame_slice(job->room)));
    sqlite_bind_text(s, 2, frame_slice(job->room));
    bool row = false;
    enum err e = sqlite_next(&j->file, s, &row, why);
    while (e == ERR_OK && row) {
        e = take_row(job, s, epoch, why);
        e = e ? e : sqlite_next(&j->file, s, &row, why);
    }
    (void)sqlite3_reset(s);
    job->exists |= job->rows_count > 0;
    return e;
}

void sqlite_journal_rest(void *journal) {
    sqlite_rest(&((struct journal *)journal)->file);
}

/* ---- chores ---- */

/* `after` counts from the lowest key there can be, so that 0 is before all of them but one, which
 * no name has had yet. */
static uint64_t key_after(uint64_t after) {
    return after + (UINT64_C(1) << 63);
}

static enum err list(struct journal *j, struct store_chore *chore, uint64_t epoch,
                     struct fault *why) {
    sqlite3_stmt *s = j->file.statements[LIST];
    sqlite_bind_number(s, 1, key_after(chore->after));
    sqlite_bind_number(s, 2, CAPS_STORE_LIST_JOURNAL);
    sqlite_bind_number(s, 3, epoch);
    sqlite_bind_number(s, 4, STORE_VERSION_GAP);
    bool row = false;
    enum err e = sqlite_next(&j->file, s, &row, why);
    while (e == ERR_OK && row) {
        chore->after = sqlite_number(s, 0) - (UINT64_C(1) << 63);
        sqlite_list_add(chore, sqlite_bytes(s, 1), sqlite_number(s, 2), sqlite_number(s, 3),
                        sqlite_number(s, 4), sqlite_number(s, 5));
        e = sqlite_next(&j->file, s, &row, why);
    }
    (void)sqlite3_reset(s);
    chore->more = chore->count >= CAPS_STORE_LIST_JOURNAL;
    return e;
}

enum err sqlite_journal_chore(void *journal, struct store_chore *chore, uint64_t epoch,
                              bool *ret_again, struct fault *why) {
    struct journal *j = journal;
    return chore->kind == CHORE_LIST ? list(j, chore, epoch, why)
                                     : sqlite_chore(&j->file, chore, ret_again, why);
}
