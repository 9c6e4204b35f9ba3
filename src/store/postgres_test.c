/* What the store promises on a PostgreSQL server that others use, too, and to which connections are
 * lost. What it promises besides is in store_test.c.
 */
#include "store/store_test.h"

#include "base/clock.h"
#include "store/form.h"
#include "store/server_test.h"

static struct fixture *new_fixture(void) {
    struct fixture *f = NEW(struct fixture);
    (void)pthread_mutex_init(&f->lock, NULL);
    (void)pthread_cond_init(&f->news, NULL);
    list_init(&f->done);
    return f;
}

static int set_up(void **state) {
    struct fixture *f = new_fixture();
    server_schema(f->schema);
    server_url(f->url, sizeof f->url, server.dir, f->schema);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    close_store(f);
    mem_free(f);
    return 0;
}

/* Another node on the same tables. */
static struct fixture *neighbour(const struct fixture *of) {
    struct fixture *f = new_fixture();
    memcpy(f->schema, of->schema, sizeof f->schema);
    memcpy(f->url, of->url, sizeof f->url);
    f->duties_ms = of->duties_ms;
    return f;
}

static void drop(struct fixture *f) {
    void *state = f;
    (void)tear_down(&state);
}

static enum err try_fold(struct fixture *f, const char *room, bool leaving) {
    struct store_job *job = job_for(STORE_FOLD, room);
    job->leaving = leaving;
    store_post(f->store, job);
    job = wait_for(f, 10000);
    assert_non_null(job);
    enum err e = job->err;
    store_job_free(job);
    return e;
}

static long rows_of(const struct fixture *f, const char *room) {
    return server_sql(f->schema, "SELECT count(*) FROM collab_journal WHERE room='%s'", room);
}

/* ---- lost connections ---- */

static void connections_that_were_cut_are_replaced_and_nobody_notices(void **state) {
    struct fixture *f = *state;
    open_store(f);
    for (unsigned i = 0; i < 10; i++) {
        type(f, "r", i, i + 1);
        assert_in_range(server_cut(), 1, 3); /* of both threads, and one on its way out */
        if (i % 3 == 0) {
            expect_room(f, "r", i + 1, i + 1);
        } else if (i % 3 == 1) {
            fold_room(f, "r");
        }
        assert_int_equal(store_health(f->store), STORE_SERVING);
    }
    expect_room(f, "r", 10, 10);
    assert_int_equal(f->failures, 0);
}

/* A short life in which one piece of what is said is lost, with its connection. Returns false when
 * it was over before that one came. */
static bool live_through(struct fixture *f, long cut_at) {
    server_schema(f->schema);
    server_url(f->url, sizeof f->url, between.dir, f->schema);
    between_cut_at(cut_at);
    char why[300] = "";
    f->store = try_open(f, why, sizeof why);
    if (!f->store) { /* the first opening may fail, and says so */
        assert_true(between_has_cut() && why[0]);
        open_store(f);
    }
    for (unsigned i = 0; i < 6; i++) {
        type(f, "r", i, i + 1);
        if (i == 3) {
            store_job_free(ask(f, STORE_FOLD, "r")); /* may fail: then the rows stay */
        }
    }
    uint64_t version = save(f, "r", "named");
    struct store_job *job = ask(f, STORE_LOAD, "r");
    assert_int_equal(job->err, ERR_OK);
    assert_int_equal(letters(job), 6);
    assert_true(job->version >= 6);
    store_job_free(job);
    close_store(f);
    assert_int_equal(server_sql(f->schema, "SELECT count(*) FROM collab_version"), 1);
    assert_int_equal(server_sql(f->schema, "SELECT id FROM collab_version"), version);
    bool came = between_has_cut();
    between_cut_at(0);
    /* whatever was sent twice is there once */
    assert_in_range(rows_of(f, "r"), 2, 6);
    assert_int_equal(server_sql(f->schema, "SELECT count(*) - count(DISTINCT number) FROM"
                                           " collab_journal"),
                     0);
    return came;
}

static void whichever_piece_is_lost_with_its_connection_everything_is_there_once(void **state) {
    struct fixture *f = *state;
    between_start();
    long at = 1;
    while (live_through(f, at)) {
        at++;
    }
    between_stop();
    print_message("%ld pieces, each lost once\n", at - 1);
    assert_true(at > 40);
}

static void wait_until(struct fixture *f, const int *count, int at_least) {
    (void)pthread_mutex_lock(&f->lock);
    while (*count < at_least) {
        (void)pthread_cond_wait(&f->news, &f->lock);
    }
    (void)pthread_mutex_unlock(&f->lock);
}

static void a_server_that_is_away_is_noticed_and_what_waits_is_committed_later(void **state) {
    struct fixture *f = *state;
    between_start();
    server_url(f->url, sizeof f->url, between.dir, f->schema);
    open_store(f);
    type(f, "r", 0, 3);
    atomic_store(&between.refusing, true);
    for (unsigned i = 3; i < 20; i++) {
        post_letter(f, "r", i);
    }
    wait_until(f, &f->failures, 1);
    assert_int_equal(store_health(f->store), STORE_FAILING);
    struct store_job *job = ask(f, STORE_LOAD, "r");
    assert_int_equal(job->err, ERR_STORE);
    store_job_free(job);
    atomic_store(&between.refusing, false);
    for (unsigned i = 3; i < 20; i++) {
        job = wait_for(f, 10000);
        assert_int_equal(job->row.version, i + 1);
        store_job_free(job);
    }
    wait_until(f, &f->recoveries, 1);
    assert_int_equal(store_health(f->store), STORE_SERVING);
    expect_room(f, "r", 20, 20);
    close_store(f);
    between_stop();
}

/* Something that happens at each insert into the journal; `tries` counts them. */
static void at_each_insert(const struct fixture *f, const char *when, const char *body) {
    (void)server_sql(f->schema,
                     "CREATE SEQUENCE tries; CREATE FUNCTION at_insert() RETURNS trigger LANGUAGE"
                     " plpgsql AS $$BEGIN %s RETURN NULL; END$$; CREATE TRIGGER at_insert %s"
                     " INSERT ON collab_journal EXECUTE FUNCTION at_insert()",
                     body, when);
}

#define GIVE_UP_BUT(nth)                                                                           \
    "IF nextval('tries') % " nth " <> 0 THEN RAISE 'not now' USING ERRCODE="                       \
    "'serialization_failure'; END IF;"

static void a_transaction_that_the_server_gives_up_is_run_again(void **state) {
    struct fixture *f = *state;
    open_store(f);
    at_each_insert(f, "BEFORE", GIVE_UP_BUT("3"));
    type(f, "r", 0, 4);
    expect_room(f, "r", 4, 4);
    assert_int_equal(server_sql(f->schema, "SELECT last_value FROM tries"), 12);
    assert_int_equal(f->failures, 0);
}

static void one_that_it_gives_up_again_and_again_is_done_when_it_lasts_and_once(void **state) {
    struct fixture *f = *state;
    open_store(f);
    at_each_insert(f, "BEFORE", GIVE_UP_BUT("20"));
    type(f, "r", 0, 1);
    assert_int_equal(server_sql(f->schema, "SELECT last_value FROM tries"), 20);
    wait_until(f, &f->failures, 1);
    wait_until(f, &f->recoveries, 1);
    assert_int_equal(rows_of(f, "r"), 1);
    expect_room(f, "r", 1, 1);
}

/* Until a session of the store waits for that. */
static long whose_wait(const char *event) {
    for (int i = 0; i < 1000; i++) {
        long pid = server_sql(NULL,
                              "SELECT pid FROM pg_stat_activity WHERE application_name='collabd'"
                              " AND wait_event='%s'",
                              event);
        if (pid) {
            return pid;
        }
        (void)poll(NULL, 0, 10); /* the server does not tell */
    }
    fail_msg("nobody waits for %s", event);
    return 0;
}

/* Until the server has seen that the sessions of closed stores are over. */
static void everybody_has_left(void) {
    for (int i = 0; i < 1000; i++) {
        if (!server_sql(NULL, "SELECT count(*) FROM pg_stat_activity"
                              " WHERE application_name='collabd'")) {
            return;
        }
        (void)poll(NULL, 0, 10); /* the server does not tell */
    }
    fail_msg("a session does not end");
}

/* The store's transaction holds 1 and wants 2, the other's the other way round. */
static void a_transaction_that_is_in_a_deadlock_with_another_is_run_again(void **state) {
    struct fixture *f = *state;
    char options[60]; /* of its sessions: who finds it is given up, and that is ours */
    (void)snprintf(options, sizeof options, "%s%%20-cdeadlock_timeout%%3D100", f->schema);
    server_url(f->url, sizeof f->url, server.dir, options);
    open_store(f);
    at_each_insert(f, "BEFORE",
                   "PERFORM pg_advisory_xact_lock(1); IF nextval('tries') = 1 THEN WHILE NOT"
                   " EXISTS(SELECT FROM pg_locks WHERE locktype='advisory' AND NOT granted) LOOP"
                   " PERFORM pg_sleep(0.01); END LOOP; END IF; PERFORM pg_advisory_xact_lock(2);");
    (void)server_sql(NULL, "SET deadlock_timeout='1 h'");
    (void)server_sql(NULL, "BEGIN");
    (void)server_sql(NULL, "SELECT pg_advisory_xact_lock(2)");
    post_letter(f, "r", 0);
    (void)whose_wait("PgSleep");
    (void)server_sql(NULL, "SELECT pg_advisory_xact_lock(1)"); /* it gets it, as ours is given up */
    assert_null(wait_for(f, 0));
    (void)server_sql(NULL, "COMMIT");
    struct store_job *job = wait_for(f, 10000);
    assert_non_null(job);
    store_job_free(job);
    assert_int_equal(server_sql(f->schema, "SELECT last_value FROM tries"), 2);
    assert_int_equal(rows_of(f, "r"), 1);
    assert_int_equal(f->failures, 0);
}

static void a_statement_that_the_server_stops_for_its_slowness_is_sent_again(void **state) {
    struct fixture *f = *state;
    open_store(f);
    at_each_insert(f, "AFTER", "IF nextval('tries') = 1 THEN PERFORM pg_sleep(1000); END IF;");
    post_letter(f, "r", 0);
    long pid = whose_wait("PgSleep");
    assert_null(wait_for(f, 0));
    /* what statement_timeout does, without waiting for it */
    (void)server_sql(NULL, "SELECT pg_cancel_backend(%ld)", pid);
    struct store_job *job = wait_for(f, 10000);
    assert_non_null(job);
    store_job_free(job);
    assert_int_equal(rows_of(f, "r"), 1);
    assert_int_equal(f->failures, 0);
}

static void a_slow_commit_that_is_given_up_here_and_succeeds_there_has_one_effect(void **state) {
    struct fixture *f = *state;
    between_start();
    server_url(f->url, sizeof f->url, between.dir, f->schema);
    open_store(f);
    at_each_insert(f, "AFTER", "PERFORM nextval('tries'), pg_advisory_xact_lock(1);");
    (void)server_sql(NULL, "SELECT pg_advisory_lock(1)");
    post_letter(f, "r", 0);
    (void)whose_wait("advisory");
    between_cut();                     /* its session does not notice */
    (void)whose_wait("transactionid"); /* the second sending, for how the first one ends */
    (void)server_sql(NULL, "SELECT pg_advisory_unlock(1)"); /* it commits */
    struct store_job *job = wait_for(f, 10000);
    assert_non_null(job);
    store_job_free(job);
    assert_int_equal(rows_of(f, "r"), 1);
    assert_int_equal(server_sql(f->schema, "SELECT last_value FROM tries"), 2); /* sent twice */
    expect_room(f, "r", 1, 1);
    close_store(f);
    between_stop();
}

/* ---- standbys, and servers that are none any more ---- */

static void set_server(const char *setting) {
    (void)server_sql(NULL, "SET synchronous_commit=local"); /* for whoever says this */
    (void)server_sql(NULL, "ALTER SYSTEM %s", setting);
    (void)server_sql(NULL, "SELECT pg_reload_conf()");
}

/* Whose commit waits for a standby; 0: nobody's. */
static long who_waits(void) {
    return server_sql(NULL, "SELECT pid FROM pg_stat_activity WHERE wait_event='SyncRep'");
}

static long somebody_waits_besides(long pid) {
    for (int i = 0; i < 1000; i++) {
        long who = who_waits();
        if (who && who != pid) {
            return who;
        }
        (void)poll(NULL, 0, 10); /* the server does not tell */
    }
    fail_msg("no commit waits for a standby");
    return 0;
}

/* Whether the job that was posted has come back; if not, its commit waits for a standby. */
static bool came_back(struct fixture *f) {
    for (;;) {
        struct store_job *job = wait_for(f, 50);
        store_job_free(job);
        if (job || who_waits()) {
            return job != NULL;
        }
    }
}

/* The setting has come into force when a commit waits. Returns how many letters there are. */
static unsigned type_until_nothing_returns(struct fixture *f, unsigned from) {
    do {
        post_letter(f, "r", from++);
    } while (came_back(f));
    return from;
}

static void what_no_standby_has_is_not_done_whoever_stops_the_server_from_waiting(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "r", 0, 3);
    set_server("SET synchronous_standby_names='nobody'");
    unsigned n = type_until_nothing_returns(f, 3);
    long pid = somebody_waits_besides(0);
    (void)server_sql(NULL, "SELECT pg_cancel_backend(%ld)", pid); /* COMMIT, and a warning */
    pid = somebody_waits_besides(pid);
    (void)server_sql(NULL, "SELECT pg_terminate_backend(%ld)", pid); /* no answer */
    (void)somebody_waits_besides(pid);
    assert_null(wait_for(f, 0));
    set_server("RESET synchronous_standby_names");
    struct store_job *job = wait_for(f, 10000);
    assert_int_equal(job->row.version, n);
    store_job_free(job);
    assert_int_equal(rows_of(f, "r"), n);
    expect_room(f, "r", n, n);
}

static void what_no_standby_has_is_not_read_after_the_server_was_away(void **state) {
    struct fixture *f = *state;
    struct fixture *reader = neighbour(f);
    open_store(f);
    open_store(reader);
    type(f, "r", 0, 3);
    set_server("SET synchronous_standby_names='nobody'");
    unsigned n = type_until_nothing_returns(f, 3);
    (void)somebody_waits_besides(0);
    assert_true(server_cut() >= 4); /* the letter is there now, and with nobody else */
    store_post(reader->store, job_for(STORE_LOAD, "r"));
    assert_null(wait_for(reader, 300));
    set_server("RESET synchronous_standby_names");
    struct store_job *job = wait_for(reader, 10000);
    assert_int_equal(letters(job), n);
    store_job_free(job);
    drop(reader);
}

static void a_version_that_no_standby_has_is_not_saved_and_then_once(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "r", 0, 3);
    set_server("SET synchronous_standby_names='nobody'");
    do {
        (void)server_sql(f->schema, "DELETE FROM collab_version");
        store_post(f->store, save_job("r", "named"));
    } while (came_back(f));
    long pid = somebody_waits_besides(0);
    (void)server_sql(NULL, "SELECT pg_cancel_backend(%ld)", pid);
    (void)somebody_waits_besides(pid);
    assert_null(wait_for(f, 0));
    set_server("RESET synchronous_standby_names");
    struct store_job *job = wait_for(f, 10000);
    assert_int_equal(job->err, ERR_OK);
    store_job_free(job);
    assert_int_equal(server_sql(f->schema, "SELECT count(*) FROM collab_version"), 1);
}

static void a_server_that_becomes_read_only_is_neither_written_nor_read(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "r", 0, 3);
    expect_room(f, "r", 3, 3);
    set_server("SET default_transaction_read_only=on");
    enum err e = ERR_OK;
    while (e == ERR_OK) { /* until it is in force */
        struct store_job *job = ask(f, STORE_LOAD, "r");
        e = job->err;
        store_job_free(job);
    }
    assert_int_equal(e, ERR_STORE);
    post_letter(f, "r", 3);
    wait_until(f, &f->failures, 1);
    assert_null(wait_for(f, 0));
    set_server("RESET default_transaction_read_only");
    struct store_job *job = wait_for(f, 10000);
    assert_int_equal(job->row.version, 4);
    store_job_free(job);
    expect_room(f, "r", 4, 4);
}

static void of_several_servers_the_next_is_tried_also_when_one_hangs_up_or_refuses(void **state) {
    struct fixture *f = *state;
    between_start();
    atomic_store(&between.refusing, true);
    (void)snprintf(f->url, sizeof f->url,
                   "postgres://admin@/postgres?host=%s,/nowhere,%s&target_session_attrs=any"
                   "&options=-csearch_path%%3D%s",
                   between.dir, server.dir, f->schema);
    open_store(f);
    type(f, "r", 0, 1);
    assert_true(server_cut() >= 1);
    type(f, "r", 1, 2);
    assert_int_equal(f->failures, 0);
    close_store(f);
    between_stop();
}

/* ---- several nodes ---- */

static void wait_until_folded(const struct fixture *f, const char *room) {
    for (int i = 0; i < 1000 && rows_of(f, room); i++) {
        (void)poll(NULL, 0, 10); /* who does it for another does not tell */
    }
    assert_int_equal(rows_of(f, room), 0);
}

/* Finds a room that this node is the owner of, with three letters, folded. */
static void own_room(struct fixture *f, char *room, size_t bytes) {
    unsigned i = 0;
    do {
        (void)snprintf(room, bytes, "room-%u", i++);
        type(f, room, 0, 3);
    } while (try_fold(f, room, false) != ERR_OK);
}

static void nodes_on_one_database_write_one_room_and_each_loads_all(void **state) {
    struct fixture *a = *state;
    a->duties_ms = 10;
    struct fixture *b = neighbour(a);
    open_store(a);
    open_store(b);
    for (unsigned i = 0; i < 10; i++) {
        type(i % 2 ? a : b, "r", i, i + 1);
    }
    struct fixture *both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        struct store_job *job = ask(both[i], STORE_LOAD, "r");
        assert_int_equal(letters(job), 10);
        assert_int_equal(job->rows_count, 10);
        assert_true(job->version >= 10);
        store_job_free(job);
    }
    (void)try_fold(a, "r", false);
    wait_until_folded(a, "r");
    struct store_job *job = ask(b, STORE_LOAD, "r");
    assert_int_equal(letters(job), 10);
    store_job_free(job);
    drop(b);
}

static long automatic_versions(const struct fixture *f, const char *room) {
    return server_sql(f->schema,
                      "SELECT count(*) FROM collab_version WHERE automatic AND room='%s'", room);
}

static void a_room_is_folded_and_its_versions_made_by_its_owner_whoever_asks(void **state) {
    struct fixture *a = *state;
    a->duties_ms = 10;
    struct fixture *b = neighbour(a);
    char room[20];
    open_store(a);
    open_store(b);
    own_room(a, room, sizeof room);
    type(b, room, 3, 6);
    assert_int_equal(try_fold(b, room, true), ERR_BUSY);
    wait_until_folded(a, room);
    assert_int_equal(save(b, room, ""), 0);
    assert_true(save(b, room, "named") > 0); /* what somebody has asked for is made at once */
    for (int i = 0; i < 1000 && !automatic_versions(a, room); i++) {
        (void)poll(NULL, 0, 10);
    }
    assert_int_equal(automatic_versions(a, room), 1);
    assert_int_equal(
        server_sql(a->schema, "SELECT count(*) FROM collab_duty WHERE room='%s'", room), 0);
    close_store(a); /* the next is */
    type(b, room, 6, 7);
    assert_int_equal(try_fold(b, room, false), ERR_OK);
    assert_int_equal(rows_of(b, room), 0);
    struct store_job *job = ask(b, STORE_LOAD, room);
    assert_int_equal(letters(job), 7);
    store_job_free(job);
    drop(b);
}

static void what_an_owner_does_not_take_up_in_time_anybody_does(void **state) {
    struct fixture *f = *state;
    f->duties_ms = 10;
    open_store(f);
    type(f, "new", 0, 3);
    type(f, "old", 0, 3);
    (void)server_sql(f->schema, "INSERT INTO collab_duty VALUES"
                                "('new', 1, gen_random_uuid(), now()),"
                                "('old', 1, gen_random_uuid(), now() - interval '1 minute'),"
                                "('none', 2, gen_random_uuid(), now() - interval '1 minute')");
    wait_until_folded(f, "old");
    assert_int_equal(rows_of(f, "new"), 3);
    assert_int_equal(server_sql(f->schema, "SELECT count(*) FROM collab_duty"), 1);
}

/* A node that lives, as far as the tables tell: the administrator holds its lock. */
#define ANOTHER "00000000-0000-0000-0000-000000000000"

static void another_node(const struct fixture *f) {
    (void)server_sql(f->schema, "INSERT INTO collab_node VALUES('" ANOTHER "', 77, now())");
    (void)server_sql(NULL, "SELECT pg_advisory_lock_shared(77)");
}

static void who_finds_another_at_the_room_comes_later(void **state) {
    struct fixture *f = *state;
    f->duties_ms = 10;
    char room[20];
    open_store(f);
    another_node(f);
    own_room(f, room, sizeof room);
    type(f, room, 3, 6);
    (void)server_sql(f->schema, "UPDATE collab_lease SET node='" ANOTHER "', expires=now()"
                                " + interval '1 hour'");
    assert_int_equal(try_fold(f, room, true), ERR_BUSY);
    assert_int_equal(rows_of(f, room), 3);
    (void)server_sql(f->schema, "UPDATE collab_lease SET expires=now() - interval '1 s'");
    wait_until_folded(f, room);
    (void)server_sql(NULL, "SELECT pg_advisory_unlock_all()");
}

static long versions_of(const struct fixture *f, const char *room) {
    return server_sql(f->schema, "SELECT count(*) FROM collab_version WHERE room='%s'", room);
}

static void get_versions(const struct fixture *f, const char *room, int count) {
    (void)server_sql(f->schema,
                     "INSERT INTO collab_version(room, version, at_ms, automatic, label,"
                     " plain_bytes, sum, state, ticket) SELECT '%s', n,"
                     " extract(epoch FROM now())::bigint * 1000 - 3600000 * n, true, '', 0, 0, '',"
                     " (random() * 1e15)::bigint FROM generate_series(1, %d) AS n",
                     room, count);
}

static void old_versions_are_dropped_by_the_owner_of_the_room(void **state) {
    struct fixture *f = *state;
    char ours[20];
    char theirs[20];
    f->rule.most = 2;
    f->thin_ms = 1;
    open_store(f);
    another_node(f);
    own_room(f, ours, sizeof ours);
    unsigned i = 0;
    do {
        (void)snprintf(theirs, sizeof theirs, "other-%u", i++);
        type(f, theirs, 0, 1);
    } while (try_fold(f, theirs, false) != ERR_BUSY);
    get_versions(f, theirs, 4);
    for (int round = 0; round < 2; round++) { /* the second one has passed by the other room */
        get_versions(f, ours, 4);
        for (int tries = 0; versions_of(f, ours) > 2 && tries < 1000; tries++) {
            (void)poll(NULL, 0, 10);
        }
        assert_int_equal(versions_of(f, ours), 2);
    }
    assert_int_equal(versions_of(f, theirs), 4);
    (void)server_sql(NULL, "SELECT pg_advisory_unlock_all()"); /* the other node goes */
    for (int tries = 0; versions_of(f, theirs) > 2 && tries < 1000; tries++) {
        (void)poll(NULL, 0, 10);
    }
    assert_int_equal(versions_of(f, theirs), 2);
}

enum { MANY_ROOMS = 30 };

/* One node is asked to fold all; all nodes do it. */
static void fold_many(struct fixture *by, unsigned from) {
    char room[20];
    for (unsigned i = 0; i < MANY_ROOMS; i++) {
        (void)snprintf(room, sizeof room, "many-%u", i);
        type(by, room, from, from + 1);
        (void)try_fold(by, room, true);
    }
    for (unsigned i = 0; i < MANY_ROOMS; i++) {
        (void)snprintf(room, sizeof room, "many-%u", i);
        wait_until_folded(by, room);
    }
}

static void duties_are_spread_over_the_nodes_and_those_of_one_that_goes_move(void **state) {
    struct fixture *f[3] = {*state, NULL, NULL};
    f[0]->duties_ms = 10;
    for (int i = 0; i < 3; i++) {
        f[i] = i ? neighbour(f[0]) : f[0];
        open_store(f[i]);
    }
    (void)server_sql(f[0]->schema,
                     "CREATE TABLE took(round int, room text, node uuid);"
                     "CREATE TABLE round AS SELECT 1 AS n;"
                     "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
                     " INSERT INTO %s.took SELECT n, NEW.room, NEW.node FROM %s.round;"
                     " RETURN NULL; END$$; CREATE TRIGGER note AFTER INSERT ON collab_lease"
                     " FOR EACH ROW EXECUTE FUNCTION note()",
                     f[0]->schema, f[0]->schema);
    fold_many(f[0], 0);
    assert_int_equal(server_sql(f[0]->schema, "SELECT count(DISTINCT node) FROM took"), 3);
    drop(f[2]);
    (void)server_sql(f[0]->schema, "UPDATE round SET n=2");
    fold_many(f[0], 1);
    const char *by = "SELECT count(DISTINCT node) FROM took WHERE round=2";
    assert_int_equal(server_sql(f[0]->schema, "%s", by), 2);
    const char *moved = "SELECT count(*) FROM took x JOIN took y USING(room) WHERE x.round=1 AND"
                        " y.round=2 AND x.node<>y.node AND x.node IN (SELECT node FROM"
                        " collab_node)";
    assert_int_equal(server_sql(f[0]->schema, "%s", moved), 0);
    drop(f[1]);
}

static void tables_of_the_format_before_are_brought_up_to_date(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "r", 0, 3);
    close_store(f);
    (void)server_sql(f->schema, "DROP TABLE collab_duty");
    (void)server_sql(f->schema, "UPDATE collab_schema SET version=1");
    open_store(f);
    expect_room(f, "r", 3, 3);
    fold_room(f, "r");
    assert_int_equal(server_sql(f->schema, "SELECT version FROM collab_schema"), 2);
}

/* Without asking who is the owner, as somebody does who does not know better. */
static enum err claim(void *shelf, uint64_t *ret_fence) {
    struct fault why = {0};
    return store_postgres.shelf_claim(shelf, slice_str("r"), FORM_FOLD, true, ret_fence, &why);
}

static void who_was_late_to_fold_changes_nothing(void **state) {
    struct fixture *f = *state;
    const struct store_form *form = &store_postgres;
    const slice room = slice_str("r");
    open_store(f); /* makes the tables */
    type(f, "r", 0, 2);
    another_node(f); /* that is shelf[0] */
    atomic_llong ahead_ms = 0;
    atomic_ullong lineage = 0;
    struct form_where where = {.url = f->url, .ahead_ms = &ahead_ms, .lineage = &lineage};
    struct fault why = {0};
    void *shelf[2] = {NULL, NULL};
    uint64_t fence[2] = {0, 0};
    struct snapshot snap = {.version = 7, .state = frame_copy(slice_str("early"))};
    for (int i = 0; i < 2; i++) {
        where.node[0] = (uint8_t)i;
        assert_int_equal(form->shelf_open(&where, &shelf[i], &why), ERR_OK);
    }
    assert_int_equal(claim(shelf[0], &fence[0]), ERR_OK);
    assert_int_equal(claim(shelf[1], &fence[1]), ERR_BUSY);
    (void)server_sql(NULL, "SELECT pg_advisory_unlock_all()"); /* it is gone */
    assert_int_equal(claim(shelf[1], &fence[1]), ERR_OK);
    assert_true(fence[1] > fence[0]);
    struct store_job *read = ask(f, STORE_LOAD, "r");
    snap.rows = read->rows;
    snap.rows_count = read->rows_count;
    snap.fence = fence[0];
    assert_int_equal(form->shelf_write(shelf[0], room, &snap, &why), ERR_BUSY);
    assert_int_equal(rows_of(f, "r"), 2);
    assert_int_equal(server_sql(f->schema, "SELECT count(*) FROM collab_room"), 0);
    snap.fence = fence[1];
    assert_int_equal(form->shelf_write(shelf[1], room, &snap, &why), ERR_OK);
    assert_int_equal(rows_of(f, "r"), 0);
    assert_int_equal(server_sql(f->schema, "SELECT version FROM collab_room"), 7);
    /* the same number in the hand of another is no key */
    assert_int_equal(form->shelf_write(shelf[0], room, &snap, &why), ERR_BUSY);
    store_job_free(read);
    frame_unref(snap.state);
    form->shelf_close(shelf[0], true);
    form->shelf_close(shelf[1], true);
}

static void a_server_that_was_left_behind_is_refused(void **state) {
    struct fixture *f = *state;
    const struct store_form *form = &store_postgres;
    atomic_llong ahead_ms = 0;
    atomic_ullong lineage = 0;
    struct form_where where = {.url = f->url, .ahead_ms = &ahead_ms, .lineage = &lineage};
    struct fault why = {0};
    void *shelf = NULL;
    open_store(f); /* makes the tables */
    assert_int_equal(form->shelf_open(&where, &shelf, &why), ERR_OK);
    form->shelf_close(shelf, true);
    assert_int_equal((uint32_t)lineage, 1);
    lineage++; /* a standby of it has been promoted, and used */
    assert_int_equal(form->shelf_open(&where, &shelf, &why), ERR_STORE);
    assert_non_null(strstr(why.text, "another server has taken over"));
    lineage += (uint64_t)1 << 32; /* it has nothing to do with that one */
    assert_int_equal(form->shelf_open(&where, &shelf, &why), ERR_OK);
    form->shelf_close(shelf, true);
}

static void rows_that_came_meanwhile_stay_when_a_room_is_folded(void **state) {
    struct fixture *f = *state;
    open_store(f);
    type(f, "r", 0, 2);
    /* a row that was numbered before those that are folded, and committed after they were read */
    (void)server_sql(f->schema,
                     "CREATE FUNCTION another() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
                     " INSERT INTO %s.collab_journal(id, node, number, room_key, room, version,"
                     " epoch, at_ms, author, payload, sum) OVERRIDING SYSTEM VALUE SELECT 0,"
                     " gen_random_uuid(), 1, room_key, room, 1, 0, 0, '', '', 0"
                     " FROM %s.collab_journal LIMIT 1; RETURN NULL; END$$;"
                     "CREATE TRIGGER another AFTER INSERT ON collab_lease"
                     " EXECUTE FUNCTION another()",
                     f->schema, f->schema);
    fold_room(f, "r");
    assert_int_equal(rows_of(f, "r"), 1);
    assert_int_equal(server_sql(f->schema, "SELECT id FROM collab_journal"), 0);
}

static void versions_go_on_above_what_anybody_can_have_seen(void **state) {
    struct fixture *f = *state;
    between_start();
    server_url(f->url, sizeof f->url, between.dir, f->schema);
    open_store(f);
    type(f, "r", 0, 5);
    type(f, "folded", 0, 5);
    fold_room(f, "folded");
    atomic_store(&between.refusing, true);
    close_store(f); /* the database does not hear of its end */
    everybody_has_left();
    atomic_store(&between.refusing, false);
    open_store(f);
    expect_room(f, "r", 5, 5 + STORE_VERSION_GAP);
    expect_room(f, "folded", 5, 5 + STORE_VERSION_GAP);
    close_store(f);
    everybody_has_left(); /* or they count as another node's */
    open_store(f);        /* cleanly this time, and who did not end so is forgotten */
    expect_room(f, "r", 5, 5 + STORE_VERSION_GAP);
    struct fixture *b = neighbour(f);
    open_store(b); /* beside another: who knows what that one has shown */
    expect_room(b, "r", 5, 5 + 2 * STORE_VERSION_GAP);
    type(b, "r", 5, 6);
    struct store_job *job = ask(f, STORE_LOAD, "r"); /* from somebody who began later */
    assert_int_equal(job->version, 5 + STORE_VERSION_GAP);
    store_job_free(job);
    drop(b);
    close_store(f);
    assert_int_equal(server_sql(f->schema, "SELECT count(*) FROM collab_node"), 0);
    between_stop();
}

static void *open_at_once(void *fixture) {
    open_store(fixture);
    return NULL;
}

static void nodes_that_begin_at_once_on_an_empty_database_all_begin(void **state) {
    struct fixture *f[4] = {*state, neighbour(*state), neighbour(*state), neighbour(*state)};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, open_at_once, f[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < 4; i++) {
        type(f[i], "r", i, i + 1);
    }
    struct store_job *job = ask(f[0], STORE_LOAD, "r");
    assert_int_equal(letters(job), 4);
    store_job_free(job);
    for (int i = 1; i < 4; i++) {
        drop(f[i]);
    }
}

/* ---- what ends the start ---- */

static void refuses(struct fixture *f, const char *url, const char *word) {
    char why[300] = "";
    (void)snprintf(f->url, sizeof f->url, "%s", url);
    assert_null(try_open(f, why, sizeof why));
    assert_non_null(strstr(why, "--store"));
    if (!strstr(why, word)) {
        fail_msg("no \"%s\" in: %s", word, why);
    }
    assert_null(strstr(why, "geheim")); /* passwords of these URLs are like this */
}

static void what_cannot_be_used_ends_the_start_with_a_sentence_without_the_password(void **state) {
    struct fixture *f = *state;
    char url[200];
    server_url(url, sizeof url, server.dir, f->schema);
    refuses(f, "postgres://u:geheim@127.0.0.1:1/x", "127.0.0.1");
    refuses(f, "postgres://u:geheim%zz@h/x", "not a URL");
    refuses(f, "postgres://u:ein@geheim@h/x", "not a URL");
    refuses(f, "postgres://u:geheim/1@h/x", "not a URL");
    refuses(f, "postgres://u:geheim@h/x?nonsense=geheim", "not a URL");
    (void)snprintf(url, sizeof url, "postgres:///nowhere?host=%s&user=admin", server.dir);
    refuses(f, url, "does not exist");
    (void)server_sql(NULL, "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    (void)snprintf(url, sizeof url, "postgres:///latin?host=%s&user=admin", server.dir);
    refuses(f, url, "UTF8");
    (void)server_sql(f->schema, "CREATE TABLE collab_schema AS SELECT 99 AS version");
    server_url(url, sizeof url, server.dir, f->schema);
    refuses(f, url, "newer collabd");
}

static void write_password(const char *path, const char *password) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file, "%s\n", password);
    assert_int_equal(fclose(file), 0);
}

static void a_password_comes_from_a_file_which_is_read_anew(void **state) {
    struct fixture *f = *state;
    char path[80];
    (void)snprintf(path, sizeof path, "%s/password", server.dir);
    (void)server_sql(NULL, "CREATE ROLE guarded LOGIN PASSWORD 'geheim1'");
    (void)server_sql(NULL, "GRANT ALL ON SCHEMA %s TO guarded", f->schema);
    f->password_file = path;
    char url[200];
    (void)snprintf(url, sizeof url,
                   "postgres://guarded@/postgres?host=%s&options=-csearch_path%%3D%s", server.dir,
                   f->schema);
    refuses(f, url, "password");
    write_password(path, "geheim-wrong");
    refuses(f, url, "password authentication failed");
    write_password(path, "geheim1");
    open_store(f);
    type(f, "r", 0, 1);
    (void)server_sql(NULL, "ALTER ROLE guarded PASSWORD 'geheim2'");
    write_password(path, "geheim2");
    assert_true(server_cut() >= 1);
    type(f, "r", 1, 2);
    assert_int_equal(f->failures, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(connections_that_were_cut_are_replaced_and_nobody_notices),
        TEST(whichever_piece_is_lost_with_its_connection_everything_is_there_once),
        TEST(a_server_that_is_away_is_noticed_and_what_waits_is_committed_later),
        TEST(a_transaction_that_the_server_gives_up_is_run_again),
        TEST(one_that_it_gives_up_again_and_again_is_done_when_it_lasts_and_once),
        TEST(a_transaction_that_is_in_a_deadlock_with_another_is_run_again),
        TEST(a_statement_that_the_server_stops_for_its_slowness_is_sent_again),
        TEST(a_slow_commit_that_is_given_up_here_and_succeeds_there_has_one_effect),
        TEST(what_no_standby_has_is_not_done_whoever_stops_the_server_from_waiting),
        TEST(what_no_standby_has_is_not_read_after_the_server_was_away),
        TEST(a_version_that_no_standby_has_is_not_saved_and_then_once),
        TEST(a_server_that_becomes_read_only_is_neither_written_nor_read),
        TEST(of_several_servers_the_next_is_tried_also_when_one_hangs_up_or_refuses),
        TEST(a_server_that_was_left_behind_is_refused),
        TEST(nodes_on_one_database_write_one_room_and_each_loads_all),
        TEST(a_room_is_folded_and_its_versions_made_by_its_owner_whoever_asks),
        TEST(what_an_owner_does_not_take_up_in_time_anybody_does),
        TEST(who_finds_another_at_the_room_comes_later),
        TEST(old_versions_are_dropped_by_the_owner_of_the_room),
        TEST(duties_are_spread_over_the_nodes_and_those_of_one_that_goes_move),
        TEST(tables_of_the_format_before_are_brought_up_to_date),
        TEST(who_was_late_to_fold_changes_nothing),
        TEST(rows_that_came_meanwhile_stay_when_a_room_is_folded),
        TEST(versions_go_on_above_what_anybody_can_have_seen),
        TEST(nodes_that_begin_at_once_on_an_empty_database_all_begin),
        TEST(what_cannot_be_used_ends_the_start_with_a_sentence_without_the_password),
        TEST(a_password_comes_from_a_file_which_is_read_anew),
    };
    server_start();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    server_stop();
    return failed;
}
