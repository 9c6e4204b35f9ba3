/* sqlite_forms.h: the operations of form.h on SQLite files. Inside store/ only. Thread: as there.
 */
#ifndef STORE_SQLITE_FORMS_H
#define STORE_SQLITE_FORMS_H

#include "store/sqlite.h"

/* The statements of the shelf's file. */
enum {
    SHELF_READ,
    SHELF_WRITE,
    SHELF_LIST,
    VERSION_LIST,
    VERSION_READ,
    VERSION_WRITE,
    VERSION_ROOM,
    VERSION_DROP,
    SHELF_STATEMENTS
};

struct shelf_file {
    struct sqlite_file file;
};

extern const struct sqlite_schema sqlite_journal_schema;
extern const struct sqlite_schema sqlite_shelf_schema;

enum err sqlite_journal_open(const struct form_where *, bool first, void **ret, uint64_t *ret_epoch,
                             uint64_t *ret_last_id, struct fault *);
void sqlite_journal_close(void *, bool clean);
enum err sqlite_journal_commit(void *, const struct list_node *jobs, uint64_t epoch,
                               struct fault *);
enum err sqlite_journal_read(void *, struct store_job *, uint64_t epoch, struct fault *);
void sqlite_journal_rest(void *);
enum err sqlite_journal_chore(void *, struct store_chore *, uint64_t epoch, bool *ret_again,
                              struct fault *);

enum err sqlite_shelf_open(const struct form_where *, void **ret, struct fault *);
void sqlite_shelf_close(void *, bool clean);
enum err sqlite_shelf_read(void *, slice room, struct snapshot *ret, bool *ret_found,
                           struct fault *);
enum err sqlite_shelf_write(void *, slice room, const struct snapshot *, struct fault *);
void sqlite_shelf_rest(void *);
enum err sqlite_shelf_chore(void *, struct store_chore *, uint64_t epoch, bool *ret_again,
                            struct fault *);

enum err sqlite_version_list(void *, slice room, uint64_t before, size_t most,
                             struct store_version **ret, size_t *ret_count, struct fault *);
enum err sqlite_version_read(void *, slice room, uint64_t id, struct store_version *ret,
                             bool *ret_found, struct fault *);
enum err sqlite_version_write(void *, slice room, const struct store_version *, uint64_t *ret_id,
                              struct fault *);
enum err sqlite_version_room_after(void *, slice room, struct frame **ret, struct fault *);
enum err sqlite_version_drop(void *, slice room, const uint64_t *ids, size_t count, struct fault *);

#endif
