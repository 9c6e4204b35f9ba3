/* What of a room lasts, and when its writers are told. */
#include <stdlib.h>

#include "room/internal.h"
#include "room/rooms_test.h"

/* ---- saying things ---- */

static void send_letter(struct fixture *f, conn_id who, uint8_t clock, char c) {
    uint8_t bytes[32];
    rooms_handle(&f->rooms, say(MSG_UPDATE, "r", who, letter(bytes, 5, clock, c)), f->now_ms);
}

/* The next message, which is of this kind and result. */
static struct msg *expect(struct fixture *f, enum msg_kind kind, enum err err) {
    struct msg *m = next(f);
    assert_non_null(m);
    assert_int_equal(m->kind, kind);
    assert_int_equal(m->err, err);
    return m;
}

static void expect_ack(struct fixture *f, uint64_t version) {
    struct msg *m = expect(f, MSG_ANSWER, ERR_OK);
    assert_true(m->answer.applied);
    assert_int_equal(m->answer.version, version);
    msg_free(m);
}

static struct msg *sync_of(conn_id who, uint8_t clock, char c) {
    uint8_t bytes[32];
    return say(MSG_SYNC, "r", who, letter(bytes, 5, clock, c));
}

/* The store can write no more, and rooms are told. */
static void break_store(struct fixture *f) {
    f->health = STORE_FAILING;
    rooms_handle(&f->rooms, msg_new(MSG_STORE), f->now_ms);
}

static void hush(struct fixture *f) {
    for (struct msg *m; (m = next(f)) != NULL;) {
        msg_free(m);
    }
}

static void leave(struct fixture *f, conn_id who) {
    turn(f);
    hush(f);
    msg_free(tell(f, say(MSG_LEAVE, "r", who, (slice){0})));
    turn(f);
    hush(f);
}

static void sweep_after(struct fixture *f, uint64_t ms) {
    rooms_sweep(&f->rooms, f->now_ms);
    f->now_ms += ms;
    turn(f);
    rooms_sweep(&f->rooms, f->now_ms);
}

/* ---- acknowledgements ---- */

static void others_see_an_update_before_its_writer_is_told_that_it_lasts(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    send_letter(f, ANN, 0, 'a');
    turn(f);
    msg_free(expect(f, MSG_FANOUT, ERR_OK));
    assert_null(next(f));
    serve(f);
    expect_ack(f, 1);
    assert_null(next(f));
}

static void what_repeats_an_update_waits_for_it_too(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    send_letter(f, ANN, 0, 'a');
    send_letter(f, ANN, 0, 'a'); /* a resend: it changes nothing, and is not durable yet either */
    rooms_handle(&f->rooms, sync_of(ANN, 0, 'a'), f->now_ms);
    msg_free(expect(f, MSG_FANOUT, ERR_OK));
    assert_null(next(f));
    serve(f);
    assert_int_equal(f->rows_count, 1);
    expect_ack(f, 1);
    expect_ack(f, 1);
    msg_free(expect(f, MSG_SYNCED, ERR_OK));
    send_letter(f, ANN, 0, 'a');
    expect_ack(f, 1); /* now it is */
}

static void answers_keep_their_order_and_a_join_waits_for_nobody(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    send_letter(f, ANN, 0, 'a');
    rooms_handle(&f->rooms, say(MSG_INFO, "r", ANN, (slice){0}), f->now_ms);
    assert_null(next(f));
    f->store_waits = true;
    msg_free(join_as(f, "r", BOB, ROLE_WRITE)); /* its tick comes before it */
    struct msg *joined = expect(f, MSG_JOINED, ERR_OK);
    assert_non_null(joined->payload);
    msg_free(joined);
    serve(f);
    expect_ack(f, 1);
    struct msg *info = expect(f, MSG_ANSWER, ERR_OK);
    assert_int_equal(info->answer.writers, 1);
    msg_free(info);
}

static void what_waits_for_others_is_kept_too(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    send_letter(f, ANN, 1, 'b');
    assert_null(next(f));
    serve(f);
    struct msg *m = expect(f, MSG_ANSWER, ERR_OK);
    assert_false(m->answer.applied);
    assert_non_null(m->extra);
    msg_free(m);
    assert_int_equal(f->rows_count, 1);
}

static void relaxed_means_that_nothing_waits(void **state) {
    struct fixture *f = *state;
    f->rooms.o.store.relaxed = true;
    join(f, ANN);
    send_letter(f, ANN, 0, 'a');
    expect_ack(f, 1);
    serve(f);
    assert_int_equal(f->rows_count, 1);
}

/* ---- when the store suffers ---- */

static void a_failing_store_acknowledges_nothing_and_is_read_on(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    send_letter(f, ANN, 0, 'a');
    break_store(f);
    struct msg *m = expect(f, MSG_ANSWER, ERR_STORE);
    assert_false(m->answer.applied);
    msg_free(m);
    turn(f);
    msg_free(expect(f, MSG_FANOUT, ERR_OK));
    send_letter(f, ANN, 1, 'b');
    msg_free(expect(f, MSG_ANSWER, ERR_STORE)); /* and it was not applied */
    send_letter(f, ANN, 0, 'a');
    msg_free(expect(f, MSG_ANSWER, ERR_STORE)); /* known, but not durable */
    rooms_handle(&f->rooms, sync_of(BOB, 1, 'b'), f->now_ms);
    m = expect(f, MSG_SYNCED, ERR_STORE);
    assert_non_null(m->payload); /* what Bob lacks he gets */
    msg_free(m);
    f->health = STORE_SERVING;
    serve(f); /* what was queued is durable in the end */
    assert_int_equal(f->rows_count, 1);
    assert_null(next(f));
    send_letter(f, ANN, 1, 'b');
    serve(f);
    expect_ack(f, 2);
}

/* ---- coming and going ---- */

static void messages_wait_while_a_room_is_read(void **state) {
    struct fixture *f = *state;
    f->store_waits = true;
    assert_null(join_as(f, "r", ANN, ROLE_WRITE));
    send_letter(f, ANN, 0, 'a');
    assert_null(next(f));
    serve(f);
    msg_free(expect(f, MSG_JOINED, ERR_OK));
    expect_ack(f, 1);
}

static void a_room_is_what_it_was_after_it_has_been_let_go_of(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    send_letter(f, ANN, 0, 'a');
    send_letter(f, ANN, 1, 'b');
    serve(f);
    expect_ack(f, 1);
    expect_ack(f, 2);
    sweep_after(f, 100000);
    assert_int_equal(f->rooms.by_name.used, 1); /* somebody is in it */
    leave(f, ANN);
    sweep_after(f, 100000);
    assert_int_equal(f->rooms.by_name.used, 0);
    serve(f);
    assert_int_equal(f->folds, 1);
    struct msg *joined = join_as(f, "r", BOB, ROLE_READ);
    assert_int_equal(joined->err, ERR_OK);
    assert_int_equal(joined->answer.version, 2);
    assert_non_null(joined->payload);
    msg_free(joined);
}

static void a_room_that_is_not_at_rest_stays(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    send_letter(f, ANN, 0, 'a');
    f->store_waits = true;
    rooms_handle(&f->rooms, say(MSG_LEAVE, "r", ANN, (slice){0}), f->now_ms);
    sweep_after(f, 100000);
    sweep_after(f, 100000);
    assert_int_equal(f->rooms.by_name.used, 1); /* its update is not durable */
    serve(f);
    expect_ack(f, 1);
    msg_free(expect(f, MSG_ANSWER, ERR_OK));
    sweep_after(f, 100000);
    assert_int_equal(f->rooms.by_name.used, 0);
}

static void room_is_made_for_others_when_there_are_too_many_or_too_large(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    send_letter(f, ANN, 0, 'a');
    serve(f);
    expect_ack(f, 1);
    leave(f, ANN);
    turn(f);
    msg_free(join_as(f, "second", ANN, ROLE_WRITE)); /* max_rooms is 2 */
    struct msg *third = join_as(f, "third", ANN, ROLE_WRITE);
    assert_int_equal(third->err, ERR_OK);
    msg_free(third);
    assert_null(map_find(&f->rooms.by_name, slice_str("r")));
    struct msg *fourth = join_as(f, "r", BOB, ROLE_WRITE); /* in the others there is somebody */
    assert_int_equal(fourth->err, ERR_RATE);
    msg_free(fourth);
    msg_free(tell(f, say(MSG_LEAVE, "third", ANN, (slice){0})));
    turn(f);
    join(f, BOB);
    assert_int_equal(f->rooms.by_name.used, 2); /* nobody had to go but who was alone */
    leave(f, BOB);
    f->rooms.o.memory_bytes = 2;
    sweep_after(f, 1);
    assert_null(map_find(&f->rooms.by_name, slice_str("r")));
}

static void a_room_that_cannot_be_read_is_refused_to_everybody(void **state) {
    struct fixture *f = *state;
    f->store_waits = true;
    static const enum err errors[] = {ERR_DAMAGED, ERR_STORE};
    for (size_t i = 0; i < 2; i++) {
        assert_null(join_as(f, "r", ANN, ROLE_WRITE));
        assert_null(join_as(f, "r", BOB, ROLE_READ));
        struct store_job *job = LIST_ITEM(list_shift(&f->jobs), struct store_job, node);
        job->err = errors[i];
        struct msg *m = msg_new(MSG_STORED);
        m->job = job;
        rooms_handle(&f->rooms, m, f->now_ms);
        msg_free(expect(f, MSG_JOINED, errors[i]));
        msg_free(expect(f, MSG_JOINED, errors[i]));
        assert_int_equal(f->rooms.by_name.used, 0);
    }
}

/* ---- a store that other nodes write, too ---- */

static unsigned stored_letters(const struct fixture *f) {
    struct yata_doc *doc = yata_doc_new(NULL);
    for (size_t i = 0; i < f->rows_count; i++) {
        const struct frame *u = f->rows[i].update;
        assert_int_equal(yata_apply(doc, u->bytes, u->n, NULL, NULL), YATA_OK);
    }
    const struct yata_clock *clocks = NULL;
    size_t n = 0;
    assert_int_equal(yata_state_vector(doc, &clocks, &n), YATA_OK);
    unsigned letters = n ? (unsigned)clocks[0].clock : 0;
    yata_doc_free(doc);
    return letters;
}

static void what_a_dead_node_had_told_of_and_not_stored_is_stored_by_who_heard_it(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    for (uint8_t i = 0; i < 3; i++) {
        type_ok(f, ANN, 5, i, 'a');
    }
    struct room *r = map_find(&f->rooms.by_name, slice_str("r"));
    lasting_read_again(r);
    serve(f);
    assert_int_equal(f->rows_count, 3); /* all of it is stored: nothing to be done */
    for (; f->rows_count > 1; f->rows_count--) {
        frame_unref(f->rows[f->rows_count - 1].update);
    }
    lasting_read_again(r);
    serve(f);
    assert_int_equal(f->rows_count, 2);
    assert_int_equal(stored_letters(f), 3);
    hush(f);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(others_see_an_update_before_its_writer_is_told_that_it_lasts),
        T(what_repeats_an_update_waits_for_it_too),
        T(answers_keep_their_order_and_a_join_waits_for_nobody),
        T(what_waits_for_others_is_kept_too),
        T(relaxed_means_that_nothing_waits),
        T(a_failing_store_acknowledges_nothing_and_is_read_on),
        T(messages_wait_while_a_room_is_read),
        T(a_room_is_what_it_was_after_it_has_been_let_go_of),
        T(a_room_that_is_not_at_rest_stays),
        T(room_is_made_for_others_when_there_are_too_many_or_too_large),
        T(a_room_that_cannot_be_read_is_refused_to_everybody),
        T(what_a_dead_node_had_told_of_and_not_stored_is_stored_by_who_heard_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
