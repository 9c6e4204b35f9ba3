/* postgres_forms.h: the operations of form.h on PostgreSQL. Inside store/ only. Thread: as there.
 */
#ifndef STORE_POSTGRES_FORMS_H
#define STORE_POSTGRES_FORMS_H

#include "store/postgres.h"

enum err postgres_journal_open(const struct form_where *, bool first, void **ret,
                               uint64_t *ret_epoch, uint64_t *ret_last_id, struct fault *);
void postgres_journal_close(void *, bool clean);
enum err postgres_journal_commit(void *, const struct list_node *jobs, uint64_t epoch,
                                 struct fault *);
enum err postgres_journal_read(void *, struct store_job *, uint64_t epoch, struct fault *);
void postgres_journal_rest(void *);

enum err postgres_shelf_open(const struct form_where *, void **ret, struct fault *);
void postgres_shelf_close(void *, bool clean);
enum err postgres_shelf_claim(void *, slice room, enum form_duty duty, bool left_to_us,
                              uint64_t *ret_fence, struct fault *);
enum err postgres_shelf_owns(void *, slice room, bool *ret, struct fault *);
enum err postgres_shelf_duties(void *, struct form_left *ret, size_t most, size_t *ret_count,
                               struct fault *);
enum err postgres_shelf_read(void *, slice room, struct snapshot *ret, bool *ret_found,
                             struct fault *);
enum err postgres_shelf_write(void *, slice room, const struct snapshot *, struct fault *);
void postgres_shelf_rest(void *);

/* The shelf's connection, for those who have a table each in its schema. */
struct pg_shelf {
    struct pg pg;
    uint8_t node[NODE_BYTES];
};

enum {
    PG_SHELF_READ,
    PG_SHELF_CLAIM,
    PG_SHELF_WRITE,
    PG_SHELF_TIDY,
    PG_SHELF_NODES,
    PG_SHELF_LEAVE,
    PG_SHELF_DUTIES,
    PG_VERSION_LIST,
    PG_VERSION_READ,
    PG_VERSION_WRITE,
    PG_VERSION_ROOM,
    PG_VERSION_DROP,
    PG_SHELF_STATEMENTS
};

enum err postgres_version_list(void *, slice room, uint64_t before, size_t most,
                               struct store_version **ret, size_t *ret_count, struct fault *);
enum err postgres_version_read(void *, slice room, uint64_t id, struct store_version *ret,
                               bool *ret_found, struct fault *);
enum err postgres_version_write(void *, slice room, const struct store_version *, uint64_t *ret_id,
                                struct fault *);
enum err postgres_version_room_after(void *, slice room, struct frame **ret, struct fault *);
enum err postgres_version_drop(void *, slice room, const uint64_t *ids, size_t count,
                               struct fault *);

#endif
