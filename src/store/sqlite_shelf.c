/* sqlite_shelf.c: the shelf's file: one packed snapshot per room; its versions are in
 * sqlite_versions.c. */
#include <stdio.h>

#include "base/alloc.h"
#include "limit/caps.h"
#include "store/sqlite.h"
#include "store/sqlite_forms.h"

static const char *const steps[] = {
    /* the state is last, so that lists of rooms do not read through it */
    "CREATE TABLE room(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " version INTEGER NOT NULL, epoch INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
    " plain_bytes INTEGER NOT NULL, sum INTEGER NOT NULL, state BLOB NOT NULL);",
    "ALTER TABLE room ADD COLUMN authors BLOB;"
    "CREATE TABLE version(id INTEGER PRIMARY KEY AUTOINCREMENT, room TEXT NOT NULL,"
    " version INTEGER NOT NULL, at_ms INTEGER NOT NULL, automatic INTEGER NOT NULL, label TEXT,"
    " plain_bytes INTEGER NOT NULL, sum INTEGER NOT NULL, state BLOB NOT NULL);"
    "CREATE INDEX version_by_room ON version(room, id);",
};

static const char *const statements[SHELF_STATEMENTS] = {
    [SHELF_READ] =
        "SELECT version, epoch, at_ms, plain_bytes, state, sum, authors FROM room WHERE name=?1",
    [SHELF_WRITE] =
        "INSERT INTO room(name, version, epoch, at_ms, plain_bytes, state, sum, authors)"
        " VALUES(?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT(name) DO UPDATE SET"
        " version=?2, epoch=?3, at_ms=?4, plain_bytes=?5, state=?6, sum=?7, authors=?8",
    /* the length of a value is in the row's head: the state itself is not read */
    [SHELF_LIST] = ("SELECT id, name, version, epoch, at_ms, length(state) FROM room WHERE id > ?1"
                    " ORDER BY id LIMIT ?2"),
    [VERSION_LIST] = "SELECT id, version, at_ms, automatic, label, plain_bytes, length(state)"
                     " FROM version WHERE room=?1 AND id<?2 ORDER BY id DESC LIMIT ?3",
    [VERSION_READ] = "SELECT id, version, at_ms, automatic, label, plain_bytes, sum, state"
                     " FROM version WHERE room=?1 AND (id=?2 OR ?2=0) ORDER BY id DESC LIMIT 1",
    [VERSION_WRITE] = "INSERT INTO version(room, version, at_ms, automatic, label, plain_bytes,"
                      " sum, state) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
    [VERSION_ROOM] = "SELECT room FROM version WHERE room>?1 ORDER BY room LIMIT 1",
    [VERSION_DROP] = "DELETE FROM version WHERE room=?1 AND id=?2",
};

const struct sqlite_schema sqlite_shelf_schema = {
    .file = "rooms.db",
    .page_bytes = 4096,
    .steps = steps,
    .step_count = sizeof steps / sizeof *steps,
    .statements = statements,
    .statement_count = SHELF_STATEMENTS,
};

enum err sqlite_shelf_open(const struct form_where *where, void **ret, struct fault *why) {
    struct shelf_file *s = NEW(struct shelf_file);
    enum err e = sqlite_file_open(&s->file, &sqlite_shelf_schema, where, why);
    if (e != ERR_OK) {
        mem_free(s);
        return e;
    }
    *ret = s;
    return ERR_OK;
}

void sqlite_shelf_close(void *shelf, bool clean) {
    struct shelf_file *s = shelf;
    if (s) {
        sqlite_file_close(&s->file, clean);
        mem_free(s);
    }
}

static enum err take_snapshot(sqlite3_stmt *s, slice room, struct snapshot *ret,
                              struct fault *why) {
    struct snapshot head = {.version = sqlite_number(s, 0),
                            .epoch = sqlite_number(s, 1),
                            .at_ms = sqlite_number(s, 2),
                            .plain_bytes = sqlite_number(s, 3)};
    return form_take_snapshot(head, room, sqlite_bytes(s, 4), sqlite_bytes(s, 6),
                              sqlite_number(s, 5), ret, why);
}

enum err sqlite_shelf_read(void *shelf, slice room, struct snapshot *ret, bool *ret_found,
                           struct fault *why) {
    struct shelf_file *f = shelf;
    sqlite3_stmt *s = f->file.statements[SHELF_READ];
    sqlite_bind_text(s, 1, room);
    bool row = false;
    enum err e = sqlite_next(&f->file, s, &row, why);
    if (e == ERR_OK && row) {
        e = take_snapshot(s, room, ret, why);
    }
    (void)sqlite3_reset(s);
    *ret_found = row && e == ERR_OK;
    return e;
}

enum err sqlite_shelf_write(void *shelf, slice room, const struct snapshot *snap,
                            struct fault *why) {
    struct shelf_file *f = shelf;
    sqlite3_stmt *s = f->file.statements[SHELF_WRITE];
    slice state = frame_slice(snap->state);
    sqlite_bind_text(s, 1, room);
    sqlite_bind_number(s, 2, snap->version);
    sqlite_bind_number(s, 3, snap->epoch);
    sqlite_bind_number(s, 4, snap->at_ms);
    sqlite_bind_number(s, 5, snap->plain_bytes);
    sqlite_bind_bytes(s, 6, state);
    sqlite_bind_number(s, 7, form_snapshot_sum(snap, room, state, frame_slice(snap->authors)));
    if (snap->authors) {
        sqlite_bind_bytes(s, 8, frame_slice(snap->authors));
    }
    return sqlite_do(&f->file, s, why);
}

void sqlite_shelf_rest(void *shelf) {
    sqlite_rest(&((struct shelf_file *)shelf)->file);
}

static enum err list(struct shelf_file *f, struct store_chore *chore, uint64_t epoch_now,
                     struct fault *why) {
    sqlite3_stmt *s = f->file.statements[SHELF_LIST];
    sqlite_bind_number(s, 1, chore->after);
    sqlite_bind_number(s, 2, CAPS_STORE_LIST);
    bool row = false;
    enum err e = sqlite_next(&f->file, s, &row, why);
    while (e == ERR_OK && row) {
        chore->after = sqlite_number(s, 0);
        uint64_t epoch = sqlite_number(s, 3);
        sqlite_list_add(
            chore, sqlite_bytes(s, 1),
            form_version(sqlite_number(s, 2), epoch < epoch_now ? epoch : epoch_now, epoch_now),
            sqlite_number(s, 4), 0, sqlite_number(s, 5));
        e = sqlite_next(&f->file, s, &row, why);
    }
    (void)sqlite3_reset(s);
    chore->more = chore->count == CAPS_STORE_LIST;
    return e;
}

enum err sqlite_shelf_chore(void *shelf, struct store_chore *chore, uint64_t epoch, bool *ret_again,
                            struct fault *why) {
    struct shelf_file *f = shelf;
    return chore->kind == CHORE_LIST ? list(f, chore, epoch, why)
                                     : sqlite_chore(&f->file, chore, ret_again, why);
}

const struct store_form store_sqlite = {
    .name = "sqlite",
    .journal_open = sqlite_journal_open,
    .journal_close = sqlite_journal_close,
    .journal_commit = sqlite_journal_commit,
    .journal_read = sqlite_journal_read,
    .journal_rest = sqlite_journal_rest,
    .journal_chore = sqlite_journal_chore,
    .shelf_open = sqlite_shelf_open,
    .shelf_close = sqlite_shelf_close,
    .shelf_read = sqlite_shelf_read,
    .shelf_write = sqlite_shelf_write,
    .shelf_rest = sqlite_shelf_rest,
    .shelf_chore = sqlite_shelf_chore,
    .version_list = sqlite_version_list,
    .version_read = sqlite_version_read,
    .version_write = sqlite_version_write,
    .version_room_after = sqlite_version_room_after,
    .version_drop = sqlite_version_drop,
};
