/* Versions, as a room and its worker see them: what the store is asked when, and what its answers
 * become. What it does itself is tested in src/store. */
#include <stdlib.h>

#include "limit/caps.h"
#include "room/rooms_test.h"

enum { EVERY_MS = 10000 };

static int set_up_versions(void **state) {
    int e = set_up(state);
    struct fixture *f = *state;
    f->rooms.o.version_ms = EVERY_MS;
    return e;
}

/* ---- asking ---- */

static void ask(struct fixture *f, enum store_op op, const char *room, conn_id who, bool page) {
    struct msg *m = say(MSG_HISTORY, room, who, (slice){0});
    m->needs = op == STORE_SAVE || op == STORE_RESTORE ? ROLE_WRITE : ROLE_READ;
    m->history.op = op;
    m->history.most = 20;
    m->history.who = page ? identity_anonymous() : NULL;
    rooms_handle(&f->rooms, m, f->now_ms);
}

/* The next job of this kind that the store has been asked for; NULL when there is none. */
static struct store_job *job(struct fixture *f, enum store_op op) {
    LIST_FOR_EACH (node, &f->jobs) {
        struct store_job *j = LIST_ITEM(node, struct store_job, node);
        if (j->op == op) {
            list_remove(node);
            return j;
        }
    }
    return NULL;
}

static void done(struct fixture *f, struct store_job *j) {
    struct msg *m = msg_new(MSG_STORED);
    m->job = j;
    rooms_handle(&f->rooms, m, f->now_ms);
}

static struct msg *expect(struct fixture *f, enum err e) {
    struct msg *m = next(f);
    assert_non_null(m);
    assert_int_equal(m->kind, MSG_HISTORY_IS);
    assert_int_equal(m->err, e);
    return m;
}

static void expect_refusal(struct fixture *f, enum err e) {
    struct msg *m = expect(f, e);
    assert_true(m->detail[0] != 0);
    msg_free(m);
    assert_null(next(f));
}

static void hush(struct fixture *f) {
    turn(f);
    for (struct msg *m; (m = next(f)) != NULL;) {
        msg_free(m);
    }
}

/* What the store hands back for a restore: somebody else's letter as the edit. */
static void restored(struct fixture *f, struct store_job *j, uint8_t client) {
    uint8_t bytes[32];
    assert_non_null(j);
    j->edit = frame_copy(letter(bytes, client, 0, 'R'));
    done(f, j);
}

/* ---- who may ---- */

static void a_member_asks_by_his_right_and_somebody_else_by_what_his_page_has_found(void **state) {
    struct fixture *f = *state;
    f->store_waits = true;
    ask(f, STORE_LIST, "r", ANN, false);
    expect_refusal(f, ERR_NOT_FOUND);
    ask(f, STORE_LIST, "r", ANN, true); /* the room is not opened for that */
    struct store_job *j = job(f, STORE_LIST);
    assert_non_null(j);
    assert_int_equal(f->rooms.by_name.used, 0);
    j->exists = true;
    done(f, j);
    msg_free(expect(f, ERR_OK));
    f->store_waits = false;
    msg_free(join_as(f, "r", ANN, ROLE_WRITE));
    msg_free(join_as(f, "r", BOB, ROLE_READ));
    f->store_waits = true;
    ask(f, STORE_SAVE, "r", BOB, false);
    expect_refusal(f, ERR_FORBIDDEN);
    ask(f, STORE_LIST, "r", EVE, false);
    expect_refusal(f, ERR_FORBIDDEN);
    ask(f, STORE_LIST, "r", BOB, false);
    done(f, job(f, STORE_LIST));
    expect_refusal(f, ERR_NOT_FOUND); /* the store knows nothing of the room */
}

static void so_many_ask_at_once_and_no_more(void **state) {
    struct fixture *f = *state;
    f->store_waits = true;
    for (int i = 0; i < CAPS_HISTORY_ASKED; i++) {
        ask(f, STORE_READ, "r", ANN, true);
    }
    assert_null(next(f));
    ask(f, STORE_READ, "r", ANN, true);
    expect_refusal(f, ERR_RATE);
    struct store_job *j = job(f, STORE_READ);
    j->err = ERR_NO_VERSION;
    done(f, j);
    expect_refusal(f, ERR_NO_VERSION);
    ask(f, STORE_READ, "r", ANN, true);
    assert_null(next(f));
}

static void what_makes_no_sense_is_refused_at_once(void **state) {
    struct fixture *f = *state;
    f->store_waits = true;
    static const struct {
        enum store_op op;
        uint64_t version_id, to_id, most;
        const char *label;
    } rows[] = {
        {STORE_LIST, 0, 0, 0, NULL},    {STORE_LIST, 0, 0, CAPS_VERSIONS_LISTED + 1, NULL},
        {STORE_SAVE, 0, 0, 1, "a\nb"},  {STORE_SAVE, 0, 0, 1, "\x7f"},
        {STORE_SAVE, 0, 0, 1, "\xff"},  {STORE_COMPARE, 5, 5, 1, NULL},
        {STORE_COMPARE, 5, 4, 1, NULL}, {STORE_COMPARE, 0, 4, 1, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct msg *m = say(MSG_HISTORY, "r", ANN, (slice){0});
        m->payload = rows[i].label ? frame_copy(slice_str(rows[i].label)) : NULL;
        m->history.op = rows[i].op;
        m->history.version_id = rows[i].version_id;
        m->history.to_id = rows[i].to_id;
        m->history.most = rows[i].most;
        m->history.who = identity_anonymous();
        rooms_handle(&f->rooms, m, f->now_ms);
        expect_refusal(f, ERR_PARAMS);
    }
    assert_true(list_empty(&f->jobs));
}

/* ---- going back ---- */

static void going_back_is_told_to_all_with_what_others_wrote_meanwhile_and_answered_when_it_lasts(
    void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    type_ok(f, BOB, 1, 0, 'a');
    hush(f);
    f->store_waits = true;
    ask(f, STORE_RESTORE, "r", ANN, false);
    struct store_job *j = job(f, STORE_RESTORE);
    assert_true(j->versions && j->versions->automatic);
    type(f, BOB, 1, 1, 'b'); /* while the store works it out */
    hush(f);
    restored(f, j, 77);
    size_t told = 0;
    turn(f);
    f->now_ms += 1000;
    turn(f);
    for (struct msg *m; (m = next(f)) != NULL; msg_free(m)) {
        assert_int_equal(m->kind, MSG_FANOUT); /* and no answer yet */
        assert_int_equal(m->fanout.except, 0); /* also to the one who asked */
        told++;
    }
    assert_true(told > 0);
    serve(f); /* now it lasts */
    struct msg *m = NULL;
    while ((m = next(f)) != NULL && m->kind != MSG_HISTORY_IS) {
        msg_free(m);
    }
    assert_non_null(m);
    assert_int_equal(m->err, ERR_OK);
    assert_int_equal(m->history.job->version, 3);
    msg_free(m);
    assert_int_equal(f->rows_count, 3);
    assert_non_null(f->rows[2].update);
}

static void a_room_is_opened_to_go_back_and_stays_until_that_is_done(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    type_ok(f, ANN, 1, 0, 'a');
    hush(f);
    msg_free(tell(f, say(MSG_LEAVE, "r", ANN, (slice){0})));
    hush(f);
    rooms_sweep(&f->rooms, f->now_ms);
    f->now_ms += 100000;
    rooms_sweep(&f->rooms, f->now_ms);
    serve(f);
    assert_int_equal(f->rooms.by_name.used, 0);
    ask(f, STORE_RESTORE, "r", EVE, true);
    struct store_job *load = job(f, STORE_LOAD);
    assert_non_null(load);
    do_job(f, load);
    struct store_job *j = job(f, STORE_RESTORE);
    rooms_sweep(&f->rooms, f->now_ms);
    f->now_ms += 1000000;
    rooms_sweep(&f->rooms, f->now_ms);
    assert_int_equal(f->rooms.by_name.used, 1);
    restored(f, j, 77);
    serve(f);
    msg_free(expect(f, ERR_OK));
}

static void nothing_goes_back_while_the_store_fails_and_what_fails_is_said(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    type_ok(f, ANN, 1, 0, 'a');
    hush(f);
    f->health = STORE_FAILING;
    ask(f, STORE_RESTORE, "r", ANN, false);
    expect_refusal(f, ERR_STORE);
    f->health = STORE_SERVING;
    f->store_waits = true;
    ask(f, STORE_RESTORE, "r", ANN, false);
    struct store_job *j = job(f, STORE_RESTORE);
    j->err = ERR_DAMAGED;
    done(f, j);
    expect_refusal(f, ERR_DAMAGED);
    ask(f, STORE_RESTORE, "r", ANN, false);
    f->health = STORE_FAILING; /* meanwhile */
    restored(f, job(f, STORE_RESTORE), 77);
    expect_refusal(f, ERR_STORE);
    assert_int_equal(f->rows_count, 1);
}

/* ---- by themselves ---- */

static void a_version_is_saved_after_so_long_of_editing_and_not_without(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    f->store_waits = true;
    for (int i = 0; i < 5; i++) {
        f->now_ms += EVERY_MS;
        rooms_sweep(&f->rooms, f->now_ms);
    }
    assert_null(job(f, STORE_SAVE));
    type(f, ANN, 1, 0, 'a');
    serve(f);
    hush(f);
    rooms_sweep(&f->rooms, f->now_ms);
    f->now_ms += EVERY_MS - 1;
    rooms_sweep(&f->rooms, f->now_ms);
    assert_null(job(f, STORE_SAVE));
    f->now_ms++;
    rooms_sweep(&f->rooms, f->now_ms);
    struct store_job *j = job(f, STORE_SAVE);
    assert_true(j && j->versions->automatic);
    f->now_ms += EVERY_MS;
    rooms_sweep(&f->rooms, f->now_ms);
    assert_null(job(f, STORE_SAVE));
    j->err = ERR_STORE; /* it is tried again, after as long */
    done(f, j);
    rooms_sweep(&f->rooms, f->now_ms);
    assert_null(job(f, STORE_SAVE));
    f->now_ms += EVERY_MS;
    rooms_sweep(&f->rooms, f->now_ms);
    j = job(f, STORE_SAVE);
    assert_non_null(j);
    done(f, j);
    f->now_ms += EVERY_MS;
    rooms_sweep(&f->rooms, f->now_ms);
    assert_null(job(f, STORE_SAVE));
}

static void a_room_that_is_let_go_of_leaves_a_version_of_what_was_edited(void **state) {
    struct fixture *f = *state;
    for (int edits = 1; edits >= 0; edits--) {
        join(f, ANN);
        if (edits) {
            type_ok(f, ANN, 1, 0, 'a');
            frame_unref(f->rows[--f->rows_count].update); /* as if it had been folded */
        }
        hush(f);
        msg_free(tell(f, say(MSG_LEAVE, "r", ANN, (slice){0})));
        hush(f);
        rooms_sweep(&f->rooms, f->now_ms);
        f->now_ms += 100000;
        rooms_sweep(&f->rooms, f->now_ms);
        struct store_job *j = job(f, STORE_SAVE);
        assert_int_equal(j != NULL, edits);
        if (j) {
            done(f, j); /* the room is no more */
        }
        serve(f);
        hush(f);
    }
    assert_int_equal(f->rooms.history.saving, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_versions, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_member_asks_by_his_right_and_somebody_else_by_what_his_page_has_found),
        TEST(so_many_ask_at_once_and_no_more),
        TEST(what_makes_no_sense_is_refused_at_once),
        TEST(going_back_is_told_to_all_with_what_others_wrote_meanwhile_and_answered_when_it_lasts),
        TEST(a_room_is_opened_to_go_back_and_stays_until_that_is_done),
        TEST(nothing_goes_back_while_the_store_fails_and_what_fails_is_said),
        TEST(a_version_is_saved_after_so_long_of_editing_and_not_without),
        TEST(a_room_that_is_let_go_of_leaves_a_version_of_what_was_edited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
