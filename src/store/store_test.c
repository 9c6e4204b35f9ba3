/* What the store promises: what it has handed back is there again, whatever happened. As it is, on
 * SQLite; with the argument "postgres", on a PostgreSQL server.
 */
#include "store/store_test.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "store/disk_test.h"
#include "store/server_test.h"

static bool on_postgres;

static int set_up(void **state) {
    struct fixture *f = NEW(struct fixture);
    if (on_postgres) {
        server_schema(f->schema);
        server_url(f->url, sizeof f->url, server.dir, f->schema);
    }
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/store_test.XXXXXX");
    (void)pthread_mutex_init(&f->lock, NULL);
    (void)pthread_cond_init(&f->news, NULL);
    list_init(&f->done);
    *state = f;
    return mkdtemp(f->dir) ? 0 : -1;
}

static int set_up_disk(void **state) {
    int e = set_up(state);
    ((struct fixture *)*state)->on_disk = !on_postgres;
    disk_register();
    disk_clear(1);
    return e;
}

static int tear_down(void **state) {
    static const char *const files[] = {"lock", "journal.db", "journal.db-wal", "rooms.db",
                                        "rooms.db-wal"};
    struct fixture *f = *state;
    close_store(f);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[80];
        (void)snprintf(path, sizeof path, "%s/%s", f->dir, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(f->dir);
    disk_clear(1);
    mem_free(f);
    return 0;
}

/* There is no room for more, or there is again. */
static void fill(const struct fixture *f, bool full) {
    if (!on_postgres) {
        disk_fill(full);
    } else if (full) {
        (void)server_sql(f->schema,
                         "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
                         " $$BEGIN RAISE 'No space left' USING ERRCODE='disk_full'; END$$;"
                         "CREATE TRIGGER full_disk BEFORE INSERT ON collab_journal"
                         " EXECUTE FUNCTION full_disk()");
    } else {
        (void)server_sql(f->schema, "DROP FUNCTION full_disk CASCADE");
    }
}

/* ---- what lasts ---- */

static void what_was_handed_back_is_there_in_the_next_life(void **state) {
    struct fixture *f = *state;
    open_store(f);
    expect_room(f, "r", 0, 0);
    type(f, "r", 0, 5);
    type(f, "other", 0, 2);
    expect_room(f, "r", 5, 5);
    close_store(f);
    open_store(f);
    expect_room(f, "r", 5, 5);
    expect_room(f, "other", 2, 2);
    expect_room(f, "nobody's", 0, 0);
}

static void many_at_once_come_back_in_order_and_are_there(void **state) {
    struct fixture *f = *state;
    open_store(f);
    for (unsigned i = 0; i < 100; i++) {
        post_letter(f, "r", i);
    }
    uint64_t last = 0;
    for (unsigned i = 0; i < 100; i++) {
        struct store_job *job = wait_for(f, 10000);
        assert_int_equal(job->row.version, i + 1);
        assert_true(job->row.id > last);
        last = job->row.id;
        store_job_free(job);
    }
    assert_false(store_behind(f->store));
    expect_room(f, "r", 100, 100);
}

static void what_is_queued_at_the_end_is_committed_first(void **state) {
    struct fixture *f = *state;
    open_store(f);
    for (unsigned i = 0; i < 50; i++) {
        post_letter(f, "r", i);
    }
    assert_int_equal(store_close(f->store, 10000), STORE_CLOSED);
    close_store(f);
    open_store(f);
    expect_room(f, "r", 50, 50);
}

static void folding_keeps_everything_and_empties_the_journal(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "r", 0, 10);
    fold_room(f, "r");
    struct store_job *job = ask(f, STORE_LOAD, "r");
    assert_int_equal(job->rows_count, 0);
    assert_non_null(job->snapshot);
    assert_int_equal(letters(job), 10);
    store_job_free(job);
    type(f, "r", 10, 20);
    expect_room(f, "r", 20, 20);
    fold_room(f, "r"); /* onto the snapshot that is there */
    fold_room(f, "r"); /* nothing to do */
    expect_room(f, "r", 20, 20);
    close_store(f);
    open_store(f);
    expect_room(f, "r", 20, 20);
}

static void what_waits_for_others_survives_folding(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "r", 1, 3); /* the second and third letter, without the first */
    fold_room(f, "r");
    expect_room(f, "r", 0, 3);
    type(f, "r", 0, 1);
    fold_room(f, "r");
    expect_room(f, "r", 3, 3);
}

static void a_version_never_goes_back_when_the_end_was_not_clean(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "r", 0, 5);
    type(f, "folded", 0, 5);
    fold_room(f, "folded");
    struct disk_image image;
    disk_cut(&image);
    close_store(f);
    disk_wake(&image, 1);
    open_store(f);
    expect_room(f, "r", 5, 5 + STORE_VERSION_GAP);
    expect_room(f, "folded", 5, 5 + STORE_VERSION_GAP);
    /* of which others may have seen versions, though nothing came to last */
    struct store_job *job = ask(f, STORE_LOAD, "unheard of");
    assert_false(job->exists);
    assert_int_equal(job->version, STORE_VERSION_GAP);
    store_job_free(job);
    close_store(f);
    open_store(f); /* cleanly this time */
    expect_room(f, "r", 5, 5 + STORE_VERSION_GAP);
}

/* ---- versions ---- */

static void a_version_is_what_the_room_was_and_stays_so(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "r", 0, 3);
    uint64_t of_rows = save(f, "r", "three");
    fold_room(f, "r");
    uint64_t of_snapshot = save(f, "r", "");
    type(f, "r", 3, 5);
    uint64_t of_both = save(f, "r", "f\xc3\xbcnf");
    type(f, "r", 5, 9);
    type(f, "other", 0, 1);
    uint64_t others = save(f, "other", "");
    assert_true(0 < of_rows && of_rows < of_snapshot && of_snapshot < of_both && of_both < others);
    expect_room(f, "r", 9, 9); /* nothing of that touched the room */
    close_store(f);
    open_store(f);
    expect_version(f, "r", of_rows, 3);
    expect_version(f, "r", of_snapshot, 3);
    expect_version(f, "r", of_both, 5);
    expect_version(f, "r", 0, 5); /* the newest */
    expect_no_version(f, "r", others, ERR_NO_VERSION);
    expect_no_version(f, "r", others + 1, ERR_NO_VERSION);
    struct store_job *job = list(f, "r", 0, 10);
    assert_int_equal(job->err, ERR_OK);
    assert_int_equal(job->versions_count, 3);
    const struct store_version *v = job->versions;
    assert_true(v[0].id == of_both && v[1].id == of_snapshot && v[2].id == of_rows);
    assert_true(slice_is(frame_slice(v[0].label), "f\xc3\xbcnf") && !v[0].automatic);
    assert_true(!v[1].label && v[1].automatic);
    assert_int_equal(v[0].version, 5);
    assert_int_equal(v[2].version, 3);
    assert_true(v[0].plain_bytes > 0 && v[0].packed_bytes > 0 && v[0].at_ms >= v[2].at_ms);
    store_job_free(job);
    job = list(f, "r", of_both, 1);
    assert_true(job->versions_count == 1 && job->versions->id == of_snapshot);
    store_job_free(job);
}

static struct store_job *restore(struct fixture *f, const char *room, uint64_t id) {
    struct frame *name = frame_copy(slice_str(room));
    store_post(f->store, store_job_restore(name, id));
    frame_unref(name);
    struct store_job *job = wait_for(f, 10000);
    assert_non_null(job);
    return job;
}

/* Letters that can be seen in the room once the edit has been made. */
static uint64_t length_with(struct fixture *f, const char *room, const struct frame *edit) {
    struct store_job *job = ask(f, STORE_LOAD, room);
    struct yata_doc *doc = yata_doc_new(NULL);
    struct yata_type text = {0};
    uint64_t n = 0;
    put_together(job, doc);
    assert_int_equal(yata_apply(doc, edit->bytes, edit->n, NULL, NULL), YATA_OK);
    assert_int_equal(yata_root(doc, "t", 1, &text), YATA_OK);
    assert_int_equal(yata_length(doc, text, &n), YATA_OK);
    yata_doc_free(doc);
    store_job_free(job);
    return n;
}

static void going_back_is_an_edit_and_what_was_before_is_a_version(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "r", 0, 3);
    uint64_t id = save(f, "r", "three");
    struct store_job *job = restore(f, "r", id);
    assert_int_equal(job->err, ERR_OK);
    assert_null(job->edit); /* all is as it was */
    store_job_free(job);
    type(f, "r", 3, 7);
    fold_room(f, "r");
    type(f, "r", 7, 9);
    job = restore(f, "r", id);
    assert_int_equal(job->err, ERR_OK);
    assert_int_equal(length_with(f, "r", job->edit), 3);
    expect_version(f, "r", job->versions->id, 9);
    assert_true(job->versions->automatic && job->versions->label);
    store_job_free(job);
    expect_room(f, "r", 9, 9); /* the edit is for the room to make */
    job = restore(f, "r", 999);
    assert_int_equal(job->err, ERR_NO_VERSION);
    store_job_free(job);
    job = restore(f, "nobody's", 1);
    assert_true(job->err == ERR_NO_VERSION || job->err == ERR_NOT_FOUND);
    store_job_free(job);
}

static void a_comparison_knows_who_wrote_as_the_journal_and_the_snapshot_say(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "r", 0, 3);
    uint64_t id = save(f, "r", "three");
    for (int folded = 0; folded < 2; folded++) {
        struct store_job *append = job_for(STORE_APPEND, "r");
        append->row.version = 4 + (unsigned)folded;
        append->row.update = letter(3 + (unsigned)folded, 'x');
        append->row.author = folded ? frame_copy(slice_str("bob")) : frame_copy(slice_str("ann"));
        store_post(f->store, append);
        store_job_free(wait_for(f, 10000));
        struct store_job *job = job_for(STORE_COMPARE, "r");
        job->version_id = id;
        store_post(f->store, job);
        job = wait_for(f, 10000);
        assert_int_equal(job->err, ERR_OK);
        assert_int_equal(job->changes.roots[0].characters_in, 1 + folded);
        assert_int_equal(job->changes.clients_count, 1);
        assert_int_equal(job->changes.clients[0].client, 5);
        assert_true(slice_is(frame_slice(job->changes.clients[0].user), "ann")); /* the first */
        assert_true(job->versions_count == 1 && job->versions->id == id);
        store_job_free(job);
        fold_room(f, "r");
    }
}

static void a_room_without_versions_and_no_room_are_told_apart(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "rows", 0, 1);
    type(f, "folded", 0, 1);
    fold_room(f, "folded");
    const char *const rooms[] = {"rows", "folded", "nobody's"};
    for (size_t i = 0; i < 3; i++) {
        struct store_job *job = list(f, rooms[i], 0, 10);
        assert_int_equal(job->err, ERR_OK);
        assert_int_equal(job->versions_count, 0);
        assert_int_equal(job->exists, i < 2);
        store_job_free(job);
        expect_no_version(f, rooms[i], 0, ERR_NO_VERSION);
    }
    assert_int_equal(save(f, "nobody's", "x"), 0);
}

static void more_versions_than_the_rule_allows_go_the_oldest_first(void **state) {
    struct fixture *f = *state;
    f->rule.most = 3;
    f->rule.named = 1;
    open_store(f);
    type(f, "r", 0, 1);
    uint64_t ids[6];
    for (int i = 0; i < 6; i++) {
        ids[i] = save(f, "r", i == 1 ? "kept" : "");
    }
    struct store_job *job = list(f, "r", 0, 10);
    assert_int_equal(job->versions_count, 3);
    assert_true(job->versions[0].id == ids[5] && job->versions[1].id == ids[4]);
    assert_true(job->versions[2].id == ids[1]);
    store_job_free(job);
}

static void rooms_that_nobody_edits_are_thinned_as_well(void **state) {
    struct fixture *f = *state;
    open_store(f);
    const char *const rooms[] = {"one", "other"};
    for (size_t i = 0; i < 2; i++) {
        type(f, rooms[i], 0, 1);
        for (int j = 0; j < 4; j++) {
            assert_true(save(f, rooms[i], "") > 0);
        }
    }
    close_store(f);
    f->rule.most = 2; /* the rule has changed, as time does */
    f->thin_ms = 1;
    open_store(f);
    for (size_t i = 0; i < 2; i++) {
        size_t left = 0;
        for (int tries = 0; left != 2 && tries < 10000; tries++) {
            struct store_job *job = list(f, rooms[i], 0, 10);
            left = job->versions_count;
            store_job_free(job);
        }
        assert_int_equal(left, 2);
    }
}

/* ---- when the disk suffers ---- */

static void nothing_is_handed_back_before_it_is_durable(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "r", 0, 3);
    fill(f, true);
    for (unsigned i = 3; i < 60; i++) {
        post_letter(f, "r", i);
    }
    (void)pthread_mutex_lock(&f->lock);
    while (!f->failures) {
        (void)pthread_cond_wait(&f->news, &f->lock);
    }
    (void)pthread_mutex_unlock(&f->lock);
    assert_int_equal(store_health(f->store), STORE_FAILING);
    expect_room(f, "r", 3, 3); /* reading goes on */
    expect_room(f, "other", 0, 0);
    fill(f, false);
    for (unsigned i = 3; i < 60; i++) {
        struct store_job *job = wait_for(f, 10000);
        assert_int_equal(job->row.version, i + 1);
        store_job_free(job);
    }
    (void)pthread_mutex_lock(&f->lock);
    assert_int_equal(f->recoveries, 1);
    (void)pthread_mutex_unlock(&f->lock);
    assert_int_equal(store_health(f->store), STORE_SERVING);
    expect_room(f, "r", 60, 60);
}

static void an_end_while_it_fails_says_that_something_is_lost(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "r", 0, 3);
    fill(f, true);
    for (unsigned i = 3; i < 60; i++) {
        post_letter(f, "r", i);
    }
    assert_int_equal(store_close(f->store, 10000), STORE_CLOSED_LOSING);
    close_store(f);
    fill(f, false);
    open_store(f);
    expect_room(f, "r", 3, 3 + STORE_VERSION_GAP);
}

/* A short life in which one write or sync fails, then a power cut. Returns false when it was over
 * before that one came. */
static bool live_through(struct fixture *f, long fail_at, unsigned seed) {
    disk_clear(seed);
    disk_fail_at(fail_at);
    char why[300] = "";
    f->store = try_open(f, why, sizeof why);
    if (!f->store) { /* the first opening may fail, and says so */
        assert_true(disk_has_failed() && why[0]);
        disk_fail_at(0);
        open_store(f);
    }
    unsigned handed_back = 0;
    uint64_t versions[2] = {0};
    for (unsigned i = 0; i < 6; i++) {
        type(f, "r", i, i + 1);
        handed_back++;
        if (i == 1 || i == 4) {
            versions[i / 4] = save(f, "r", "mine"); /* may fail, and says so */
        } else if (i == 3) {
            store_job_free(ask(f, STORE_FOLD, "r")); /* may fail: then the rows stay */
        }
    }
    struct store_job *back = restore(f, "r", versions[0]); /* may fail; else "before" is kept */
    uint64_t before = back->err == ERR_OK ? back->versions->id : 0;
    store_job_free(back);
    store_post(f->store, save_job("r", "late"));
    store_post(f->store, job_for(STORE_FOLD, "r")); /* perhaps under way at the cut */
    struct disk_image image;
    disk_cut(&image);
    bool came = disk_has_failed();
    disk_fail_at(0);
    close_store(f);
    disk_wake(&image, seed);
    open_store(f);
    struct store_job *job = ask(f, STORE_LOAD, "r");
    assert_int_equal(job->err, ERR_OK);
    assert_int_equal(letters(job), handed_back);
    assert_true(job->version >= handed_back);
    store_job_free(job);
    for (unsigned i = 0; i < 2; i++) {
        if (versions[i]) {
            expect_version(f, "r", versions[i], i ? 5 : 2);
        }
    }
    if (before) {
        expect_version(f, "r", before, 6);
    }
    job = list(f, "r", 0, 10); /* whatever else is there is whole */
    for (size_t i = 0; i < job->versions_count; i++) {
        expect_version(f, "r", job->versions[i].id, (unsigned)job->versions[i].version);
    }
    store_job_free(job);
    close_store(f);
    return came;
}

static void whichever_write_or_sync_fails_nothing_handed_back_is_lost(void **state) {
    struct fixture *f = *state;
    long at = 1;
    while (live_through(f, at, (unsigned)at * 7919u)) {
        at++;
    }
    print_message("%ld operations, each failed once\n", at - 1);
    assert_true(at > 40);
}

/* ---- damage ---- */

/* Changes what is stored behind the store's back: a file by the first SQL, or a database by the
 * second. */
static void spoil(const struct fixture *f, const char *file, const char *sql,
                  const char *postgres_sql) {
    if (on_postgres) {
        (void)server_sql(f->schema, "%s", postgres_sql);
        return;
    }
    char path[80];
    sqlite3 *db = NULL;
    (void)snprintf(path, sizeof path, "%s/%s", f->dir, file);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_damaged_room_is_refused_and_the_others_serve(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "row", 0, 3);
    type(f, "snapshot", 0, 3);
    type(f, "whole", 0, 3);
    fold_room(f, "snapshot");
    fold_room(f, "whole");
    close_store(f);
    spoil(f, "journal.db",
          "UPDATE journal SET payload=x'0101050004010174016200' WHERE room='row' AND version=1",
          "UPDATE collab_journal SET payload='\\x0101050004010174016200'"
          " WHERE room='row' AND version=1");
    spoil(f, "rooms.db", "UPDATE room SET version=9 WHERE name='snapshot'",
          "UPDATE collab_room SET version=9 WHERE name='snapshot'");
    open_store(f);
    const char *const damaged[] = {"row", "snapshot"};
    for (size_t i = 0; i < 2; i++) {
        struct store_job *job = ask(f, STORE_LOAD, damaged[i]);
        assert_int_equal(job->err, ERR_DAMAGED);
        store_job_free(job);
    }
    type(f, "whole", 3, 4);
    expect_room(f, "whole", 4, 4);
}

static void a_damaged_version_is_refused_and_the_others_and_the_room_serve(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "r", 0, 2);
    const uint64_t ids[] = {save(f, "r", "state"), save(f, "r", "label"), save(f, "r", "size"),
                            save(f, "r", "whole")};
    close_store(f);
    spoil(f, "rooms.db",
          "UPDATE version SET state=x'28b52ffd0000' WHERE label='state';"
          "UPDATE version SET label='other' WHERE label='label';"
          "UPDATE version SET plain_bytes=plain_bytes+1 WHERE label='size'",
          "UPDATE collab_version SET state='\\x28b52ffd0000' WHERE label='state';"
          "UPDATE collab_version SET label='other' WHERE label='label';"
          "UPDATE collab_version SET plain_bytes=plain_bytes+1 WHERE label='size'");
    open_store(f);
    for (size_t i = 0; i < 3; i++) {
        expect_no_version(f, "r", ids[i], ERR_DAMAGED);
    }
    expect_version(f, "r", ids[3], 2);
    struct store_job *job = list(f, "r", 0, 10);
    assert_int_equal(job->versions_count, 4);
    store_job_free(job);
    expect_room(f, "r", 2, 2);
}

static void versions_of_a_damaged_room_are_there(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "r", 0, 2);
    uint64_t id = save(f, "r", "before");
    close_store(f);
    spoil(f, "journal.db", "UPDATE journal SET version=9", "UPDATE collab_journal SET version=9");
    open_store(f);
    assert_int_equal(save(f, "r", "after"), 0);
    struct store_job *job = list(f, "r", 0, 10);
    assert_int_equal(job->err, ERR_OK);
    assert_int_equal(job->versions_count, 1);
    store_job_free(job);
    expect_version(f, "r", id, 2);
}

/* What a collabd of schema 1 has written is read and brought up to date. */
static void files_of_schema_1_are_brought_up_to_date(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "folded", 0, 3);
    fold_room(f, "folded");
    type(f, "folded", 3, 4);
    type(f, "rows", 0, 2);
    close_store(f);
    spoil(f, "journal.db", "ALTER TABLE journal DROP COLUMN author; PRAGMA user_version=1", "");
    spoil(f, "rooms.db",
          "DROP TABLE version; ALTER TABLE room DROP COLUMN authors; PRAGMA user_version=1", "");
    open_store(f);
    expect_room(f, "folded", 4, 4);
    expect_room(f, "rows", 2, 2);
    expect_version(f, "rows", save(f, "rows", "first"), 2);
    type(f, "rows", 2, 3);
    fold_room(f, "rows");
    expect_room(f, "rows", 3, 3);
}

static void refuses_to_open(struct fixture *f, const char *word) {
    char why[300] = "";
    assert_null(try_open(f, why, sizeof why));
    assert_non_null(strstr(why, word));
    assert_non_null(strstr(why, f->dir));
}

static void what_is_no_store_of_ours_ends_the_start_with_a_sentence(void **state) {
    struct fixture *f = *state;
    open_store(f);
    struct store *first = f->store;
    refuses_to_open(f, "in use by another collabd (process ");
    f->store = first;
    close_store(f);
    spoil(f, "journal.db", "PRAGMA user_version=99", "");
    refuses_to_open(f, "newer collabd");
    char path[80];
    (void)snprintf(path, sizeof path, "%s/journal.db", f->dir);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 1000; i++) {
        (void)fputs("no database ", file);
    }
    (void)fclose(file);
    refuses_to_open(f, "not a database");
    (void)unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    refuses_to_open(f, "cannot be opened");
    (void)rmdir(path);
    if (geteuid() == 0) {
        open_store(f);
        close_store(f);
        assert_int_equal(chown(path, 65534, 65534), 0);
        refuses_to_open(f, "belongs to user 65534");
        (void)unlink(path);
    }
    struct fixture nowhere = {.dir = "/proc/self/nowhere"};
    refuses_to_open(&nowhere, "cannot be made");
    struct fixture file_not_dir = {.dir = "/proc/version"};
    refuses_to_open(&file_not_dir, "cannot be opened");
}

static void memory_leaves_nothing_behind(void **state) {
    struct fixture *f = *state;
    struct fixture m = {.dir = "memory", .lock = f->lock, .news = f->news};
    list_init(&m.done);
    open_store(&m);
    assert_string_equal(store_name(m.store), "memory");
    type(&m, "r", 0, 3);
    fold_room(&m, "r");
    uint64_t id = save(&m, "r", "three");
    type(&m, "r", 3, 5);
    expect_room(&m, "r", 5, 5);
    expect_version(&m, "r", id, 3);
    close_store(&m);
    open_store(&m);
    expect_room(&m, "r", 0, 0);
    close_store(&m);
    assert_int_equal(access("memory", F_OK), -1);
}

/* ---- what tools ask for ---- */

static enum err do_chore(struct fixture *f, struct store_chore *chore) {
    struct store_job *job = job_for(STORE_CHORE, "");
    job->chore = chore;
    store_post(f->store, job);
    while ((job = wait_for(f, 10000)) != NULL && job->op != STORE_CHORE) {
        store_job_free(job); /* somebody types meanwhile */
    }
    assert_non_null(job);
    enum err e = job->err;
    store_job_free(job);
    return e;
}

/* Lists one of the files page by page; how many rooms, and their rows together. */
static unsigned list_all(struct fixture *f, bool shelf, uint64_t *ret_rows) {
    struct store_chore chore = {.kind = CHORE_LIST, .on_shelf = shelf};
    unsigned rooms = 0;
    *ret_rows = 0;
    do {
        store_chore_fini(&chore);
        assert_int_equal(do_chore(f, &chore), ERR_OK);
        for (size_t i = 0; i < chore.count; i++, rooms++) {
            assert_memory_equal(chore.rooms[i].room->bytes, "room ", 5);
            assert_int_equal(chore.rooms[i].version, 2);
            assert_true(chore.rooms[i].at_ms > 0 && chore.rooms[i].bytes > 0);
            *ret_rows += chore.rooms[i].rows;
        }
    } while (chore.more);
    store_chore_fini(&chore);
    return rooms;
}

static void every_room_is_listed_once_in_each_file_it_is_in(void **state) {
    struct fixture *f = *state;
    uint64_t rows = 0;
    f->relaxed = true; /* so many folds would be as many syncs */
    open_store(f);
    assert_int_equal(list_all(f, false, &rows), 0);
    assert_int_equal(list_all(f, true, &rows), 0);
    for (unsigned i = 0; i < 300; i++) {
        char name[20];
        (void)snprintf(name, sizeof name, "room %u", i);
        post_letter(f, name, 0);
        post_letter(f, name, 1);
    }
    for (unsigned i = 0; i < 600; i++) {
        store_job_free(wait_for(f, 10000));
    }
    assert_int_equal(list_all(f, false, &rows), 300);
    assert_int_equal(rows, 600);
    for (unsigned i = 0; i < 270; i++) {
        char name[20];
        (void)snprintf(name, sizeof name, "room %u", i);
        fold_room(f, name);
    }
    assert_int_equal(list_all(f, false, &rows), 30);
    assert_int_equal(rows, 60);
    assert_int_equal(list_all(f, true, &rows), 270);
}

/* Copies one file beside the store. */
static void copy_to(struct fixture *f, bool shelf, const char *dir, enum err expected) {
    char path[80];
    (void)snprintf(path, sizeof path, "%s/%s", dir, shelf ? "rooms.db" : "journal.db");
    struct store_chore chore = {.kind = CHORE_COPY, .on_shelf = shelf, .to = path};
    assert_int_equal(do_chore(f, &chore), expected);
    assert_true(expected == ERR_OK ? chore.done == chore.all && chore.all > 0 : chore.why[0] != 0);
}

static void a_copy_taken_while_people_type_has_all_that_was_acknowledged_before(void **state) {
    struct fixture *f = *state;
    void *other = NULL;
    assert_int_equal(set_up(&other), 0);
    struct fixture *copy = other;
    open_store(f);
    type(f, "r", 0, 50);
    type(f, "folded", 0, 50);
    fold_room(f, "folded");
    for (unsigned i = 50; i < 2000; i++) { /* many steps' worth, and a fold among them */
        post_letter(f, "r", i);
        post_letter(f, "folded", i);
    }
    store_post(f->store, job_for(STORE_FOLD, "folded"));
    copy_to(f, false, copy->dir, ERR_OK);
    copy_to(f, true, copy->dir, ERR_OK);
    copy_to(f, true, copy->dir, ERR_STORE); /* there is a file already: it stays as it is */
    open_store(copy);
    const char *const rooms[] = {"r", "folded"};
    for (size_t i = 0; i < 2; i++) {
        struct store_job *job = ask(copy, STORE_LOAD, rooms[i]);
        assert_int_equal(job->err, ERR_OK);
        assert_true(letters(job) >= 50);
        store_job_free(job);
    }
    assert_int_equal(tear_down(&other), 0);
}

static void a_copy_that_is_called_off_or_cut_short_ends_without_harm(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "r", 0, 5);
    char path[80];
    (void)snprintf(path, sizeof path, "%s/copy", f->dir);
    struct store_chore chore = {.kind = CHORE_COPY, .to = path, .cancel = true};
    assert_int_equal(do_chore(f, &chore), ERR_STORE);
    assert_non_null(strstr(chore.why, "called off"));
    (void)unlink(path);
    struct store_chore nowhere = {.kind = CHORE_COPY, .to = "/proc/self/nowhere/copy"};
    assert_int_equal(do_chore(f, &nowhere), ERR_STORE);
    assert_non_null(strstr(nowhere.why, "/proc/self/nowhere/copy"));
    type(f, "r", 5, 10);
    expect_room(f, "r", 10, 10);
}

static void shrinking_gives_space_back_and_checking_finds_what_is_wrong(void **state) {
    struct fixture *f = *state;
    char path[80];
    (void)snprintf(path, sizeof path, "%s/journal.db", f->dir);
    open_store(f);
    for (unsigned i = 0; i < 5000; i++) {
        post_letter(f, "r", i);
    }
    for (unsigned i = 0; i < 5000; i++) {
        store_job_free(wait_for(f, 10000));
    }
    fold_room(f, "r");
    for (int shelf = 0; shelf < 2; shelf++) {
        struct store_chore shrink = {.kind = CHORE_SHRINK, .on_shelf = shelf};
        struct store_chore check = {.kind = CHORE_CHECK, .on_shelf = shelf};
        assert_int_equal(do_chore(f, &shrink), ERR_OK);
        assert_int_equal(do_chore(f, &check), ERR_OK);
    }
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 32L * 1024); /* it had some 400 KiB */
    expect_room(f, "r", 5000, 5000);
    close_store(f);
    spoil(f, "journal.db",
          "PRAGMA writable_schema=1; DELETE FROM sqlite_schema WHERE name='journal_by_room'", "");
    open_store(f);
    struct store_chore check = {.kind = CHORE_CHECK};
    assert_int_equal(do_chore(f, &check), ERR_DAMAGED);
    assert_non_null(strstr(check.why, "is never used")); /* the index's page */
}

static void reading_does_not_put_recovery_off(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "r", 0, 3);
    fill(f, true);
    for (unsigned i = 3; i < 60; i++) {
        post_letter(f, "r", i);
    }
    unsigned stored = 0;
    for (unsigned loads = 0; stored < 57; loads++) { /* one after the other, without a pause */
        if (loads == 20) {
            fill(f, false);
        }
        store_post(f->store, job_for(STORE_LOAD, "r"));
        struct store_job *job = NULL;
        do {
            store_job_free(job);
            job = wait_for(f, 10000);
            assert_non_null(job);
            stored += job->op == STORE_APPEND;
        } while (job->op != STORE_LOAD);
        store_job_free(job);
        assert_true(loads < 100000);
    }
    expect_room(f, "r", 60, 60);
}

#define ON_DISK(test)  cmocka_unit_test_setup_teardown(test, set_up_disk, tear_down)
#define ON_FILES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv) {
    const struct CMUnitTest everywhere[] = {
        ON_FILES(what_was_handed_back_is_there_in_the_next_life),
        ON_FILES(many_at_once_come_back_in_order_and_are_there),
        ON_FILES(what_is_queued_at_the_end_is_committed_first),
        ON_FILES(folding_keeps_everything_and_empties_the_journal),
        ON_FILES(what_waits_for_others_survives_folding),
        ON_FILES(a_damaged_room_is_refused_and_the_others_serve),
        ON_FILES(a_version_is_what_the_room_was_and_stays_so),
        ON_FILES(going_back_is_an_edit_and_what_was_before_is_a_version),
        ON_FILES(a_comparison_knows_who_wrote_as_the_journal_and_the_snapshot_say),
        ON_FILES(a_room_without_versions_and_no_room_are_told_apart),
        ON_FILES(a_damaged_version_is_refused_and_the_others_and_the_room_serve),
        ON_FILES(versions_of_a_damaged_room_are_there),
        ON_FILES(more_versions_than_the_rule_allows_go_the_oldest_first),
        ON_FILES(rooms_that_nobody_edits_are_thinned_as_well),
        ON_DISK(nothing_is_handed_back_before_it_is_durable),
        ON_DISK(an_end_while_it_fails_says_that_something_is_lost),
        ON_DISK(reading_does_not_put_recovery_off),
    };
    const struct CMUnitTest of_files[] = {
        ON_DISK(a_version_never_goes_back_when_the_end_was_not_clean),
        ON_DISK(whichever_write_or_sync_fails_nothing_handed_back_is_lost),
        ON_FILES(files_of_schema_1_are_brought_up_to_date),
        ON_FILES(what_is_no_store_of_ours_ends_the_start_with_a_sentence),
        ON_FILES(memory_leaves_nothing_behind),
        ON_FILES(every_room_is_listed_once_in_each_file_it_is_in),
        ON_FILES(a_copy_taken_while_people_type_has_all_that_was_acknowledged_before),
        ON_FILES(a_copy_that_is_called_off_or_cut_short_ends_without_harm),
        ON_FILES(shrinking_gives_space_back_and_checking_finds_what_is_wrong),
    };
    on_postgres = argc > 1 && strcmp(argv[1], "postgres") == 0;
    if (!on_postgres) {
        return cmocka_run_group_tests(everywhere, NULL, NULL) +
               cmocka_run_group_tests(of_files, NULL, NULL);
    }
    server_start();
    int failed = cmocka_run_group_tests(everywhere, NULL, NULL);
    server_stop();
    return failed;
}
