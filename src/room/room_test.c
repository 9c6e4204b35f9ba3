/* What a room promises, shown without a socket: messages in, messages out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "limit/caps.h"
#include "room/room.h"
#include "room/rooms_test.h"

/* An awareness update: one client, one clock, a state or null. */
static slice presence(uint8_t to[64], uint8_t client, uint8_t clock, const char *json) {
    to[0] = 1;
    to[1] = client;
    to[2] = clock;
    to[3] = (uint8_t)strlen(json);
    memcpy(to + 4, json, strlen(json));
    return slice_of(to, 4 + strlen(json));
}

static void show(struct fixture *f, conn_id who, uint8_t client, uint8_t clock, const char *json) {
    uint8_t bytes[64];
    struct msg *m = tell(f, say(MSG_AWARENESS, "r", who, presence(bytes, client, clock, json)));
    assert_int_equal(m->err, ERR_OK);
    msg_free(m);
}

static struct frame *shown(struct fixture *f) {
    f->now_ms += 100;
    turn(f);
    struct msg *m = next(f);
    if (!m) {
        return NULL;
    }
    assert_int_equal(m->kind, MSG_FANOUT);
    assert_true(m->fanout.presence);
    struct frame *payload = frame_ref(m->payload);
    msg_free(m);
    return payload;
}

/* ---- the document ---- */

static void a_lone_update_is_relayed_as_received_at_once_and_not_to_its_writer(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    uint8_t bytes[32];
    slice sent = letter(bytes, 5, 0, 'a');
    struct msg *ack = tell(f, say(MSG_UPDATE, "r", ANN, sent));
    assert_int_equal(ack->answer.version, 1);
    msg_free(ack);
    turn(f);
    struct msg *m = next(f);
    assert_int_equal(m->kind, MSG_FANOUT);
    assert_int_equal(m->fanout.except, ANN);
    assert_true(slice_eq(frame_slice(m->payload), sent));
    msg_free(m);
    assert_null(next(f));
}

/* libc's memory, while there is some. */
static void *granted(void *ctx, void *p, size_t n) {
    if (n == 0) {
        free(p); /* ban-ok: the allocator of a document */
        return NULL;
    }
    return *(bool *)ctx ? realloc(p, n) : NULL; /* ban-ok: likewise */
}

static bool rests(struct room *r) {
    struct yata_stats stats;
    yata_stats(r->doc, &stats);
    return stats.frozen_bytes > 0;
}

static void sweep_after(struct fixture *f, uint64_t ms) {
    f->now_ms += ms;
    turn(f);
    rooms_sweep(&f->rooms, f->now_ms);
}

/* A document that nobody asks for becomes its state, and what it was when somebody writes; when
 * there is no memory for that, the writer is told, and nothing is lost. */
static void a_document_rests_while_nobody_writes(void **state) {
    struct fixture *f = *state;
    bool there_is_memory = true;
    join(f, ANN);
    struct room *r = map_find(&f->rooms.by_name, slice_str("r"));
    assert_non_null(r);
    yata_doc_free(r->doc);
    const struct yata_options options = {
        .strict = true, .realloc_fn = granted, .alloc_ctx = &there_is_memory};
    r->doc = yata_doc_new(&options);
    type_ok(f, ANN, 5, 0, 'a');
    sweep_after(f, CAPS_REST_MS - 1);
    assert_false(rests(r));
    show(f, ANN, 5, 1, "{}"); /* presence is not about the document */
    sweep_after(f, 1);
    assert_true(rests(r));
    for (struct msg *m; (m = next(f)) != NULL;) {
        msg_free(m);
    }
    join(f, BOB); /* who gets the state: it can rest on */
    assert_true(rests(r));
    uint8_t bytes[32];
    there_is_memory = false;
    struct msg *m = tell(f, say(MSG_UPDATE, "r", ANN, letter(bytes, 5, 1, 'b')));
    assert_int_equal(m->err, ERR_NOMEM);
    msg_free(m);
    assert_true(rests(r));
    there_is_memory = true;
    type_ok(f, ANN, 5, 1, 'b');
    assert_false(rests(r));
    sweep_after(f, CAPS_REST_MS - 1);
    assert_false(rests(r));
    sweep_after(f, 1);
    assert_true(rests(r));
}

static void a_burst_is_merged_into_one_update_for_everybody(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    type_ok(f, ANN, 5, 0, 'a');
    turn(f);
    msg_free(next(f));
    type_ok(f, ANN, 5, 1, 'b');
    type_ok(f, BOB, 6, 0, 'x');
    type_ok(f, ANN, 5, 2, 'c');
    f->now_ms += 1;
    turn(f);
    assert_null(next(f)); /* the tick is not due yet */
    f->now_ms += 20;
    turn(f);
    struct msg *m = next(f);
    assert_int_equal(m->kind, MSG_FANOUT);
    assert_int_equal(m->fanout.except, 0); /* two writers: both need what the other wrote */
    assert_int_equal(m->fanout.version, 4);
    struct yata_update_range *ranges = NULL;
    size_t n = 0;
    assert_int_equal(yata_update_meta(m->payload->bytes, m->payload->n, &ranges, &n, NULL), 0);
    assert_int_equal(n, 2);
    free(ranges);
    msg_free(m);
    assert_null(next(f));
}

static void type_in(struct fixture *f, const char *room, uint8_t clock) {
    uint8_t bytes[32];
    struct msg *m = tell(f, say(MSG_UPDATE, room, ANN, letter(bytes, 5, clock, 'a')));
    assert_true(m->answer.applied);
    msg_free(m);
}

/* The room of the only message there is; "" for none. */
static void assert_told(struct fixture *f, const char *room) {
    turn(f);
    struct msg *m = next(f);
    assert_true(slice_is(m ? frame_slice(m->room) : (slice){0}, room));
    msg_free(m);
    assert_null(next(f));
}

static void each_busy_room_ticks_an_interval_after_its_own_last_tick(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    msg_free(join_as(f, "q", ANN, ROLE_WRITE));
    type_in(f, "r", 0);
    assert_told(f, "r");
    f->now_ms += 5;
    type_in(f, "r", 1);
    type_in(f, "q", 0);
    assert_told(f, "q");
    type_in(f, "q", 1);
    f->now_ms += CAPS_TICK_MS - 6;
    assert_told(f, "");
    f->now_ms += 1;
    assert_told(f, "r");
    f->now_ms += 4;
    assert_told(f, "");
    f->now_ms += 1;
    assert_told(f, "q");
}

static void a_worker_short_of_time_ticks_less_often(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    rooms_set_load(&f->rooms, 1);
    type_in(f, "r", 0);
    assert_told(f, "r");
    type_in(f, "r", 1);
    f->now_ms += CAPS_TICK_SLOW_MS - 1;
    assert_told(f, "");
    f->now_ms += 1;
    assert_told(f, "r");
    rooms_set_load(&f->rooms, 0.2);
    type_in(f, "r", 2);
    f->now_ms += CAPS_TICK_MS;
    assert_told(f, "r");
}

static void what_changes_nothing_is_relayed_to_nobody(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    type_ok(f, ANN, 5, 0, 'a');
    turn(f);
    msg_free(next(f));
    f->now_ms += 100;
    struct msg *again = type(f, BOB, 5, 0, 'a');
    assert_true(again->answer.applied);
    assert_int_equal(again->answer.version, 1);
    msg_free(again);
    turn(f);
    assert_null(next(f));
}

static void an_update_ahead_of_its_dependencies_waits_and_then_applies_by_itself(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    struct msg *early = type(f, ANN, 5, 1, 'b');
    assert_false(early->answer.applied);
    assert_true(slice_eq(frame_slice(early->extra), slice_of("\0", 1))); /* empty state vector */
    msg_free(early);
    turn(f);
    assert_null(next(f));
    type_ok(f, ANN, 5, 0, 'a');
    f->now_ms += 100;
    turn(f);
    struct msg *m = next(f);
    struct yata_update_range *ranges = NULL;
    size_t n = 0;
    assert_int_equal(yata_update_meta(m->payload->bytes, m->payload->n, &ranges, &n, NULL), 0);
    assert_int_equal(ranges[0].from, 0);
    assert_int_equal(ranges[0].to, 2);
    free(ranges);
    msg_free(m);
}

static void what_waited_reaches_also_the_one_who_set_it_free(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    msg_free(type(f, ANN, 5, 1, 'b'));
    type_ok(f, BOB, 5, 0, 'a'); /* Bob brings what Ann's letter waited for */
    f->now_ms += 100;
    turn(f);
    struct msg *m = next(f);
    assert_int_equal(m->fanout.except, 0);
    msg_free(m);
}

static void a_malformed_update_is_refused_with_its_byte_and_reaches_nobody(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    struct msg *m = tell(f, say(MSG_UPDATE, "r", ANN, slice_of("\1\1\5", 3)));
    assert_int_equal(m->err, ERR_PARAMS);
    assert_non_null(strstr(m->detail, "update, byte "));
    msg_free(m);
    f->now_ms += 100;
    turn(f);
    assert_null(next(f));
}

/* An update that makes one root type too many: client 5 sets a key of each. */
static void what_would_make_the_document_too_large_is_refused(void **state) {
    struct fixture *f = *state;
    enum { ROOTS = CAPS_DOC_ROOTS + 1, EACH = 12 };
    static uint8_t u[16 + EACH * ROOTS];
    size_t n = 0;
    u[n++] = 1;
    u[n++] = ROOTS % 128 + 128;
    u[n++] = ROOTS / 128;
    u[n++] = 5;
    u[n++] = 0;
    for (unsigned i = 0; i < ROOTS; i++) {
        char name[5];
        (void)snprintf(name, sizeof name, "%04u", i);
        memcpy(u + n, "\x28\x01\x04", 3); /* a value, in a root type */
        memcpy(u + n + 3, name, 4);
        memcpy(u + n + 7, "\x01k\x01\x7e", 4); /* null */
        n += 11;
    }
    u[n++] = 0;
    join(f, ANN);
    struct msg *m = tell(f, say(MSG_UPDATE, "r", ANN, slice_of((const char *)u, n)));
    assert_int_equal(m->err, ERR_TOO_LARGE);
    assert_non_null(strstr(m->detail, "too many root types"));
    msg_free(m);
    m = tell(f, say(MSG_SYNC, "r", ANN, slice_of((const char *)u, n)));
    assert_int_equal(m->err, ERR_TOO_LARGE);
    msg_free(m);
    type_ok(f, ANN, 5, 0, 'a'); /* and nothing of it was taken */
}

static void a_joiner_gets_the_state_or_the_difference(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    type_ok(f, ANN, 5, 0, 'a');
    type_ok(f, ANN, 5, 1, 'b');
    turn(f);
    msg_free(next(f));
    struct msg *whole = join_as(f, "r", BOB, ROLE_WRITE);
    struct msg *m = say(MSG_JOIN, "r", EVE, (slice){0});
    m->join.role = ROLE_WRITE;
    m->join.who = identity_anonymous();
    m->extra = frame_copy(slice_of("\1\5\1", 3)); /* has the first letter */
    struct msg *difference = tell(f, m);
    struct yata_update_range *ranges = NULL;
    size_t n = 0;
    assert_int_equal(yata_update_meta(whole->payload->bytes, whole->payload->n, &ranges, &n, NULL),
                     0);
    assert_int_equal(ranges[0].from, 0);
    free(ranges);
    assert_int_equal(
        yata_update_meta(difference->payload->bytes, difference->payload->n, &ranges, &n, NULL), 0);
    assert_int_equal(ranges[0].from, 1);
    free(ranges);
    assert_int_equal(whole->answer.participants, 2);
    assert_int_equal(difference->answer.participants, 3);
    msg_free(whole);
    msg_free(difference);
}

static void a_sync_brings_both_sides_to_the_same_state(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    type_ok(f, ANN, 5, 0, 'a');
    turn(f);
    msg_free(next(f));
    uint8_t bytes[32];
    rooms_handle(&f->rooms, say(MSG_SYNC, "r", BOB, letter(bytes, 6, 0, 'x')), f->now_ms);
    struct msg *relayed = next(f);
    assert_int_equal(relayed->kind, MSG_FANOUT);
    assert_int_equal(relayed->fanout.except, BOB);
    assert_null(next(f)); /* the others see it before it is durable; its writer is not told yet */
    serve(f);
    struct msg *answer = next(f);
    assert_int_equal(answer->kind, MSG_SYNCED);
    assert_true(answer->answer.applied);
    assert_true(slice_eq(frame_slice(answer->extra), slice_of("\2\6\1\5\1", 5)));
    struct yata_update_range *ranges = NULL;
    size_t n = 0;
    assert_int_equal(
        yata_update_meta(answer->payload->bytes, answer->payload->n, &ranges, &n, NULL), 0);
    assert_int_equal(n, 1); /* only what Bob lacked */
    assert_int_equal(ranges[0].client, 5);
    free(ranges);
    msg_free(relayed);
    msg_free(answer);
}

static void a_cut_receiver_is_served_from_where_it_was_cut(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    for (uint8_t i = 0; i < 10; i++) {
        type_ok(f, ANN, 5, i, (char)('a' + i));
    }
    struct msg *m = say(MSG_REPAIR, "r", BOB, (slice){0});
    m->repair.clocks = mem_new(sizeof *m->repair.clocks);
    m->repair.clocks[0] = (struct yata_clock){.client = 5, .clock = 4};
    m->repair.count = 1;
    rooms_handle(&f->rooms, m, f->now_ms);
    msg_free(next(f)); /* the tick that was open */
    struct msg *repaired = next(f);
    assert_int_equal(repaired->kind, MSG_REPAIRED);
    struct yata_update_range *ranges = NULL;
    size_t n = 0;
    assert_int_equal(
        yata_update_meta(repaired->payload->bytes, repaired->payload->n, &ranges, &n, NULL), 0);
    assert_int_equal(ranges[0].from, 4);
    assert_int_equal(ranges[0].to, 10);
    free(ranges);
    msg_free(repaired);
}

static void ticks_wait_while_a_receiving_worker_is_behind(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    f->behind = true;
    type_ok(f, ANN, 5, 0, 'a');
    for (int i = 0; i < 10; i++) {
        f->now_ms += 50;
        turn(f);
        assert_null(next(f));
    }
    f->behind = false;
    f->now_ms += 50;
    turn(f);
    msg_free(next(f));
    assert_null(next(f));
}

/* ---- who may ---- */

static void strangers_and_readers_may_not_write(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    uint8_t bytes[32];
    struct msg *stranger = type(f, EVE, 9, 0, 'e');
    assert_int_equal(stranger->err, ERR_FORBIDDEN);
    msg_free(stranger);
    struct msg *reader = join_as(f, "r", BOB, ROLE_READ);
    assert_int_equal(reader->err, ERR_OK);
    msg_free(reader);
    struct msg *m = say(MSG_UPDATE, "r", BOB, letter(bytes, 9, 0, 'e'));
    m->needs = ROLE_WRITE;
    m = tell(f, m);
    assert_int_equal(m->err, ERR_FORBIDDEN);
    msg_free(m);
}

static void a_reader_may_repeat_what_is_known_and_is_sent_what_it_lacks(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    type_ok(f, ANN, 5, 0, 'a');
    type_ok(f, ANN, 5, 1, 'b');
    turn(f);
    msg_free(next(f));
    msg_free(join_as(f, "r", BOB, ROLE_READ));
    uint8_t bytes[32];
    struct msg *known = tell(f, say(MSG_SYNC, "r", BOB, letter(bytes, 5, 0, 'a')));
    assert_int_equal(known->err, ERR_OK);
    assert_non_null(known->payload);
    msg_free(known);
    struct msg *new = tell(f, say(MSG_SYNC, "r", BOB, letter(bytes, 6, 0, 'x')));
    assert_int_equal(new->kind, MSG_SYNCED);
    assert_int_equal(new->err, ERR_FORBIDDEN);
    assert_non_null(new->payload);
    msg_free(new);
    f->now_ms += 100;
    turn(f);
    assert_null(next(f));
}

static struct msg *order(struct fixture *f, enum msg_kind kind, conn_id who, uint64_t seconds) {
    struct msg *m = say(kind, "r", who, slice_str("anonymous"));
    m->needs = ROLE_ADMIN;
    m->sanction.on = true;
    m->sanction.seconds = seconds;
    rooms_handle(&f->rooms, m, f->now_ms);
    return next(f);
}

static void an_admin_mutes_and_the_muted_still_read(void **state) {
    struct fixture *f = *state;
    msg_free(join_as(f, "r", EVE, ROLE_ADMIN));
    join(f, ANN);
    struct msg *m = order(f, MSG_MUTE, ANN, 10);
    assert_int_equal(m->err, ERR_FORBIDDEN); /* a writer is no admin */
    msg_free(m);
    m = order(f, MSG_MUTE, EVE, 10);
    assert_int_equal(m->err, ERR_OK);
    msg_free(m);
    m = type(f, ANN, 5, 0, 'a');
    assert_int_equal(m->err, ERR_FORBIDDEN);
    assert_string_equal(m->detail, "muted in this room");
    msg_free(m);
    show(f, ANN, 5, 1, "{}");
    frame_unref(shown(f));
    f->now_ms += 10001;
    type_ok(f, ANN, 5, 0, 'a');
}

static void an_admin_kicks_and_bans_for_a_while(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    msg_free(join_as(f, "r", EVE, ROLE_ADMIN));
    struct msg *closed = order(f, MSG_KICK, EVE, 60); /* all are anonymous here, Eve too */
    assert_int_equal(closed->kind, MSG_CLOSED);
    assert_int_equal(closed->err, ERR_FORBIDDEN);
    msg_free(closed);
    msg_free(next(f));
    struct msg *answer = next(f);
    assert_int_equal(answer->answer.kicked, 2);
    msg_free(answer);
    struct msg *m = join_as(f, "r", ANN, ROLE_WRITE);
    assert_int_equal(m->err, ERR_FORBIDDEN);
    msg_free(m);
    f->now_ms += 60001;
    join(f, ANN);
}

static void rights_that_shrink_hold_at_once(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    type_ok(f, ANN, 5, 0, 'a');
    struct msg *m = say(MSG_ROLE, "r", ANN, (slice){0});
    m->join.role = ROLE_READ;
    rooms_handle(&f->rooms, m, f->now_ms);
    m = type(f, ANN, 5, 1, 'b');
    assert_int_equal(m->err, ERR_FORBIDDEN);
    msg_free(m);
    m = say(MSG_ROLE, "r", ANN, (slice){0});
    m->join.role = ROLE_NONE;
    rooms_handle(&f->rooms, m, f->now_ms);
    m = tell(f, say(MSG_INFO, "r", ANN, (slice){0}));
    assert_int_equal(m->err, ERR_FORBIDDEN);
    msg_free(m);
}

static void rooms_are_made_by_writers_and_counted(void **state) {
    struct fixture *f = *state;
    struct msg *m = join_as(f, "none", ANN, ROLE_READ);
    assert_int_equal(m->err, ERR_NOT_FOUND);
    msg_free(m);
    const char *names[] = {"one", "two", "three"};
    for (int i = 0; i < 3; i++) {
        m = join_as(f, names[i], ANN, ROLE_WRITE);
        assert_int_equal(m->err, i < 2 ? ERR_OK : ERR_RATE);
        msg_free(m);
    }
    m = tell(f, say(MSG_UPDATE, "three", ANN, slice_of("\0\0", 2)));
    assert_int_equal(m->err, ERR_NOT_FOUND);
    msg_free(m);
}

static void a_full_room_refuses_one_more_but_not_a_member(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    join(f, EVE);
    join(f, BOB);
    struct msg *m = join_as(f, "r", 99, ROLE_WRITE);
    assert_int_equal(m->err, ERR_RATE);
    msg_free(m);
}

static void a_room_that_never_held_anything_is_forgotten(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    msg_free(tell(f, say(MSG_LEAVE, "r", ANN, (slice){0})));
    turn(f);
    rooms_sweep(&f->rooms, f->now_ms);
    assert_int_equal(f->rooms.by_name.used, 0);
    join(f, ANN);
    type_ok(f, ANN, 5, 0, 'a');
    msg_free(tell(f, say(MSG_LEAVE, "r", ANN, (slice){0})));
    f->now_ms += 100;
    turn(f);
    rooms_sweep(&f->rooms, f->now_ms);
    assert_int_equal(f->rooms.by_name.used, 1);
}

/* ---- presence ---- */

static void assert_shown(struct fixture *f, uint8_t client, uint8_t clock, const char *json) {
    uint8_t bytes[64];
    struct frame *got = shown(f);
    assert_non_null(got);
    assert_true(slice_eq(frame_slice(got), presence(bytes, client, clock, json)));
    frame_unref(got);
}

static void presence_is_told_once_and_repeats_of_it_to_nobody(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    show(f, ANN, 5, 1, "{}");
    assert_shown(f, 5, 1, "{}");
    for (int i = 0; i < 5; i++) {
        show(f, BOB, 5, 1, "{}"); /* clients repeat all they know */
    }
    assert_null(shown(f));
    show(f, ANN, 5, 0, "{\"old\":1}");
    assert_null(shown(f));
}

static void only_its_owner_removes_an_entry_and_leaving_does(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    show(f, ANN, 5, 1, "{}");
    assert_shown(f, 5, 1, "{}");
    show(f, BOB, 5, 1, "null");
    show(f, BOB, 5, 9, "null");
    assert_null(shown(f));
    msg_free(tell(f, say(MSG_LEAVE, "r", ANN, (slice){0})));
    assert_shown(f, 5, 1, "null");
}

static void one_that_returns_at_its_old_clock_is_seen_again(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    show(f, ANN, 5, 3, "{}");
    assert_shown(f, 5, 3, "{}");
    msg_free(tell(f, say(MSG_LEAVE, "r", ANN, (slice){0})));
    assert_shown(f, 5, 3, "null");
    show(f, BOB, 5, 3, "{}"); /* a late repeat by one who was there must not bring it back */
    assert_null(shown(f));
    f->now_ms += 1;
    join(f, EVE); /* the same client on a new connection */
    show(f, EVE, 5, 3, "{}");
    assert_shown(f, 5, 4, "{}");
    show(f, EVE, 5, 4, "{\"x\":1}"); /* its own next clock stays above what peers have */
    assert_shown(f, 5, 5, "{\"x\":1}");
}

/* Clients take over what they hear of themselves at a clock above their own, and say so. */
static void what_somebody_says_again_of_itself_is_no_news_and_undoes_nothing(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    show(f, ANN, 5, 6, "{}");
    assert_shown(f, 5, 6, "{}");
    msg_free(tell(f, say(MSG_LEAVE, "r", ANN, (slice){0})));
    assert_shown(f, 5, 6, "null");
    f->now_ms += 1;
    join(f, EVE); /* the same client, which has lost count */
    show(f, EVE, 5, 3, "{}");
    assert_shown(f, 5, 7, "{}");
    show(f, EVE, 5, 4, "{\"x\":1}"); /* said before that is heard */
    assert_shown(f, 5, 8, "{\"x\":1}");
    show(f, EVE, 5, 7, "{}");
    assert_null(shown(f));
    show(f, EVE, 5, 8, "{\"x\":1}");
    assert_null(shown(f));
    show(f, EVE, 5, 9, "{}"); /* from there it goes on by its own clock */
    assert_shown(f, 5, 9, "{}");
    show(f, EVE, 5, 9, "{}");
    assert_null(shown(f));
}

static void the_silent_are_removed_after_their_time(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    join(f, BOB);
    show(f, ANN, 5, 1, "{}");
    show(f, BOB, 6, 1, "{}");
    frame_unref(shown(f));
    f->now_ms += 20000;
    show(f, BOB, 6, 2, "{}");
    frame_unref(shown(f));
    f->now_ms += 12000;
    rooms_sweep(&f->rooms, f->now_ms);
    assert_shown(f, 5, 1, "null");
}

static void a_joiner_sees_the_others_and_not_itself(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    show(f, ANN, 5, 1, "{}");
    struct msg *bob = join_as(f, "r", BOB, ROLE_READ);
    uint8_t bytes[64];
    assert_true(slice_eq(frame_slice(bob->extra), presence(bytes, 5, 1, "{}")));
    msg_free(bob);
    struct msg *again = join_as(f, "r", ANN, ROLE_WRITE);
    assert_null(again->extra);
    msg_free(again);
}

static void a_stamp_says_who_somebody_is_whatever_they_say(void **state) {
    struct fixture *f = *state;
    f->rooms.o.stamp_presence = true;
    join(f, ANN);
    show(f, ANN, 5, 1, "{\"user\":{\"id\":\"boss\",\"color\":\"red\"},\"x\":1}");
    struct frame *got = shown(f);
    char text[256] = "";
    memcpy(text, got->bytes + 4, got->n - 4 < 255 ? got->n - 4 : 255);
    assert_null(strstr(text, "boss"));
    assert_non_null(strstr(text, "anonymous"));
    assert_non_null(strstr(text, "red"));
    frame_unref(got);
}

static void presence_leaves_with_the_update_that_is_due(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    type_in(f, "r", 0);
    assert_told(f, "r");
    f->now_ms += 1;
    type_in(f, "r", 1);
    show(f, ANN, 5, 1, "{}");
    assert_told(f, "");
    f->now_ms += CAPS_TICK_MS;
    turn(f);
    struct msg *update = next(f);
    struct msg *presence = next(f);
    assert_true(update && !update->fanout.presence);
    assert_true(presence && presence->fanout.presence);
    msg_free(update);
    msg_free(presence);
}

static void malformed_presence_changes_nothing(void **state) {
    struct fixture *f = *state;
    join(f, ANN);
    const uint8_t cut[] = {2, 5, 1, 2, '{', '}', 6};
    struct msg *m = tell(f, say(MSG_AWARENESS, "r", ANN, slice_of(cut, sizeof cut)));
    assert_int_equal(m->err, ERR_PARAMS);
    assert_non_null(strstr(m->detail, "byte"));
    msg_free(m);
    assert_null(shown(f));
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_lone_update_is_relayed_as_received_at_once_and_not_to_its_writer),
        T(a_document_rests_while_nobody_writes),
        T(a_burst_is_merged_into_one_update_for_everybody),
        T(each_busy_room_ticks_an_interval_after_its_own_last_tick),
        T(a_worker_short_of_time_ticks_less_often),
        T(what_changes_nothing_is_relayed_to_nobody),
        T(an_update_ahead_of_its_dependencies_waits_and_then_applies_by_itself),
        T(what_waited_reaches_also_the_one_who_set_it_free),
        T(a_malformed_update_is_refused_with_its_byte_and_reaches_nobody),
        T(what_would_make_the_document_too_large_is_refused),
        T(a_joiner_gets_the_state_or_the_difference),
        T(a_sync_brings_both_sides_to_the_same_state),
        T(a_cut_receiver_is_served_from_where_it_was_cut),
        T(ticks_wait_while_a_receiving_worker_is_behind),
        T(strangers_and_readers_may_not_write),
        T(a_reader_may_repeat_what_is_known_and_is_sent_what_it_lacks),
        T(an_admin_mutes_and_the_muted_still_read),
        T(an_admin_kicks_and_bans_for_a_while),
        T(rights_that_shrink_hold_at_once),
        T(rooms_are_made_by_writers_and_counted),
        T(a_full_room_refuses_one_more_but_not_a_member),
        T(a_room_that_never_held_anything_is_forgotten),
        T(presence_is_told_once_and_repeats_of_it_to_nobody),
        T(only_its_owner_removes_an_entry_and_leaving_does),
        T(one_that_returns_at_its_old_clock_is_seen_again),
        T(what_somebody_says_again_of_itself_is_no_news_and_undoes_nothing),
        T(the_silent_are_removed_after_their_time),
        T(a_joiner_sees_the_others_and_not_itself),
        T(a_stamp_says_who_somebody_is_whatever_they_say),
        T(presence_leaves_with_the_update_that_is_due),
        T(malformed_presence_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
