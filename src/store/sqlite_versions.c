/* sqlite_versions.c: the versions of rooms, in the shelf's file. */
#include <stdio.h>

#include "base/alloc.h"
#include "store/sqlite_forms.h"

/* What both lists and single ones begin with. */
static struct store_version take_head(sqlite3_stmt *s) {
    slice label = sqlite_bytes(s, 4);
    return (struct store_version){.id = sqlite_number(s, 0),
                                  .version = sqlite_number(s, 1),
                                  .at_ms = sqlite_number(s, 2),
                                  .automatic = sqlite_number(s, 3) != 0,
                                  .label = label.n ? frame_copy(label) : NULL,
                                  .plain_bytes = sqlite_number(s, 5)};
}

enum err sqlite_version_list(void *shelf, slice room, uint64_t before, size_t most,
                             struct store_version **ret, size_t *ret_count, struct fault *why) {
    struct shelf_file *f = shelf;
    sqlite3_stmt *s = f->file.statements[VERSION_LIST];
    struct store_version *all = mem_new(most * sizeof *all);
    size_t n = 0;
    bool row = false;
    sqlite_bind_text(s, 1, room);
    sqlite_bind_number(s, 2, before ? before : INT64_MAX);
    sqlite_bind_number(s, 3, most);
    enum err e = sqlite_next(&f->file, s, &row, why);
    while (e == ERR_OK && row && n < most) {
        all[n] = take_head(s);
        all[n++].packed_bytes = sqlite_number(s, 6);
        e = sqlite_next(&f->file, s, &row, why);
    }
    (void)sqlite3_reset(s);
    if (e != ERR_OK) {
        for (size_t i = 0; i < n; i++) {
            store_version_fini(&all[i]);
        }
        mem_free(all);
        return e;
    }
    *ret = all;
    *ret_count = n;
    return ERR_OK;
}

enum err sqlite_version_read(void *shelf, slice room, uint64_t id, struct store_version *ret,
                             bool *ret_found, struct fault *why) {
    struct shelf_file *f = shelf;
    sqlite3_stmt *s = f->file.statements[VERSION_READ];
    sqlite_bind_text(s, 1, room);
    sqlite_bind_number(s, 2, id);
    bool row = false;
    enum err e = sqlite_next(&f->file, s, &row, why);
    if (e == ERR_OK && row) {
        e = form_take_version(take_head(s), room, sqlite_bytes(s, 7), sqlite_number(s, 6), ret,
                              why);
    }
    (void)sqlite3_reset(s);
    *ret_found = row && e == ERR_OK;
    return e;
}

enum err sqlite_version_write(void *shelf, slice room, const struct store_version *v,
                              uint64_t *ret_id, struct fault *why) {
    struct shelf_file *f = shelf;
    sqlite3_stmt *s = f->file.statements[VERSION_WRITE];
    slice state = frame_slice(v->state);
    sqlite_bind_text(s, 1, room);
    sqlite_bind_number(s, 2, v->version);
    sqlite_bind_number(s, 3, v->at_ms);
    sqlite_bind_number(s, 4, v->automatic);
    if (v->label) {
        sqlite_bind_text(s, 5, frame_slice(v->label));
    }
    sqlite_bind_number(s, 6, v->plain_bytes);
    sqlite_bind_number(s, 7, form_version_sum(v, room, state));
    sqlite_bind_bytes(s, 8, state);
    enum err e = sqlite_do(&f->file, s, why);
    if (e == ERR_OK) {
        *ret_id = (uint64_t)sqlite3_last_insert_rowid(f->file.db);
    }
    return e;
}

enum err sqlite_version_room_after(void *shelf, slice room, struct frame **ret, struct fault *why) {
    struct shelf_file *f = shelf;
    sqlite3_stmt *s = f->file.statements[VERSION_ROOM];
    bool row = false;
    sqlite_bind_text(s, 1, room);
    enum err e = sqlite_next(&f->file, s, &row, why);
    *ret = e == ERR_OK && row ? frame_copy(sqlite_bytes(s, 0)) : NULL;
    (void)sqlite3_reset(s);
    return e;
}

enum err sqlite_version_drop(void *shelf, slice room, const uint64_t *ids, size_t count,
                             struct fault *why) {
    struct shelf_file *f = shelf;
    sqlite3_stmt *s = f->file.statements[VERSION_DROP];
    enum err e = sqlite_run(&f->file, "BEGIN IMMEDIATE", why);
    for (size_t i = 0; e == ERR_OK && i < count; i++) {
        sqlite_bind_text(s, 1, room);
        sqlite_bind_number(s, 2, ids[i]);
        e = sqlite_do(&f->file, s, why);
    }
    e = e ? e : sqlite_run(&f->file, "COMMIT", why);
    if (e != ERR_OK) {
        struct fault ignored = {0}; /* the first one counts */
        (void)sqlite_run(&f->file, "ROLLBACK", &ignored);
    }
    return e;
}
