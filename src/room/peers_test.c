/* Two nodes, or three, without a Redis between them: what one says the others hear when the test
 * hands it over, or never do.
 */
#include "room/peers.h"

#include "base/buf.h"
#include "limit/caps.h"
#include "room/rooms_test.h"

enum { NODES = 3 }; /* the last one has the room open only where a test says so */

struct net {
    struct fixture *at[NODES];
    struct list_node said[NODES]; /* mail for the bus */
    bool open[NODES];             /* room "r" is heard of */
    bool lossy;                   /* what is published is lost */
    size_t asks;                  /* differences that were asked for */
    size_t pieces;                /* parts of differences that were said */
    size_t lost_piece;            /* the one of these that does not arrive; 0: all do */
    bool silent;                  /* Redis does not even say how many heard it */
};

static uint64_t node_id(unsigned n) {
    return ENVELOPE_NODE_BIT | (n + 1);
}

struct line {
    struct net *net;
    unsigned node;
};

static struct line lines[NODES];

static void say_to_bus(void *ctx, struct bus_mail *m) {
    struct line *l = ctx;
    list_push(&l->net->said[l->node], &m->node);
}

static size_t only_shard(void *ctx, slice room) {
    (void)ctx;
    (void)room;
    return 0;
}

static int net_up(void **state) {
    struct net *net = NEW(struct net);
    for (unsigned i = 0; i < NODES; i++) {
        void *f = NULL;
        assert_int_equal(set_up(&f), 0);
        net->at[i] = f;
        list_init(&net->said[i]);
        lines[i] = (struct line){net, i};
        net->at[i]->rooms.o.bus = (struct rooms_bus){.ctx = &lines[i],
                                                     .node = node_id(i),
                                                     .post = say_to_bus,
                                                     .shard = only_shard,
                                                     .compare_ms = 30000};
    }
    *state = net;
    return 0;
}

static int net_down(void **state) {
    struct net *net = *state;
    for (unsigned i = 0; i < NODES; i++) {
        void *f = net->at[i];
        for (struct list_node *n; (n = list_shift(&net->said[i])) != NULL;) {
            bus_mail_free(LIST_ITEM(n, struct bus_mail, node));
        }
        assert_int_equal(tear_down(&f), 0);
    }
    mem_free(net);
    return 0;
}

/* ---- the bus ---- */

static void hand(struct net *net, unsigned node, struct bus_mail *mail) {
    struct msg *m = msg_new(MSG_BUS);
    m->bus = mail;
    rooms_handle(&net->at[node]->rooms, m, net->at[node]->now_ms);
    serve(net->at[node]);
}

/* Whether it gets lost. */
static bool is_lost(struct net *net, const struct bus_mail *m) {
    const char *why = NULL;
    struct envelope e;
    assert_int_equal(envelope_read(frame_slice(m->bytes), &e, &why), ERR_OK);
    net->asks += e.kind == ENVELOPE_ASK;
    net->pieces += e.kind == ENVELOPE_PIECE;
    return net->lossy || (e.kind == ENVELOPE_PIECE && net->pieces == net->lost_piece);
}

static void publish(struct net *net, unsigned from, struct bus_mail *m) {
    const char *why = NULL;
    size_t heard = 0;
    bool lost = is_lost(net, m);
    for (unsigned i = 0; i < NODES && !lost; i++) {
        bool hears =
            m->to == BUS_TO_ROOM ? net->open[i] : m->to == BUS_TO_ALL || m->to == node_id(i);
        if (i != from && hears) {
            struct bus_mail *copy = bus_mail_new(BUS_HEARD, m->room);
            copy->bytes = frame_ref(m->bytes);
            assert_int_equal(envelope_read(frame_slice(m->bytes), &copy->envelope, &why), ERR_OK);
            hand(net, i, copy);
            heard++;
        }
    }
    if (m->counted && !net->silent) {
        struct bus_mail *sent = bus_mail_new(BUS_SENT, m->room);
        sent->receivers = heard;
        hand(net, from, sent);
    }
}

static void carry(struct net *net, unsigned from, struct bus_mail *m) {
    if (m->op == BUS_SUBSCRIBE) {
        net->open[from] = true;
        hand(net, from, bus_mail_new(BUS_SUBSCRIBED, m->room));
    } else if (m->op == BUS_UNSUBSCRIBE) {
        net->open[from] = false;
    } else {
        publish(net, from, m);
    }
    bus_mail_free(m);
}

/* Ticks, and hands over, until nobody has anything to say. */
static void settle(struct net *net) {
    for (bool any = true; any;) {
        any = false;
        for (unsigned i = 0; i < NODES; i++) {
            net->at[i]->now_ms += 100;
            turn(net->at[i]);
            struct list_node *n = list_shift(&net->said[i]);
            if (n) {
                any = true;
                carry(net, i, LIST_ITEM(n, struct bus_mail, node));
            }
        }
    }
}

/* ---- looking ---- */

static struct room *room_at(struct net *net, unsigned node) {
    return map_find(&net->at[node]->rooms.by_name, slice_str("r"));
}

/* The room is the same wherever it is open. */
static void assert_same(struct net *net) {
    struct yata_bytes first = {0};
    assert_int_equal(yata_encode_snapshot(room_at(net, 0)->doc, &first), YATA_OK);
    for (unsigned i = 1; i < NODES && room_at(net, i); i++) {
        struct yata_bytes other = {0};
        assert_int_equal(yata_encode_snapshot(room_at(net, i)->doc, &other), YATA_OK);
        assert_int_equal(first.n, other.n);
        assert_memory_equal(first.p, other.p, first.n);
        yata_bytes_fini(&other);
    }
    yata_bytes_fini(&first);
}

static void drop_posted(struct fixture *f) {
    for (struct msg *m; (m = next(f)) != NULL;) {
        msg_free(m);
    }
}

/* Asks to join; the answer comes when it does. */
static void ask_join(struct net *net, unsigned node, conn_id who) {
    struct msg *m = say(MSG_JOIN, "r", who, (slice){0});
    m->join.role = ROLE_WRITE;
    m->join.who = identity_anonymous();
    assert_null(tell(net->at[node], m));
}

/* ANN joins on the first so many nodes. */
static void join_on(struct net *net, unsigned nodes) {
    for (unsigned i = 0; i < nodes; i++) {
        ask_join(net, i, ANN);
        settle(net);
        struct msg *m = next(net->at[i]);
        assert_non_null(m);
        assert_int_equal(m->kind, MSG_JOINED);
        assert_int_equal(m->answer.participants, i + 1);
        msg_free(m);
    }
}

static void both_join(struct net *net) {
    join_on(net, 2);
}

/* Nothing happens but that time goes by. */
static void pass(struct net *net, unsigned seconds) {
    for (unsigned s = 0; s < seconds; s++) {
        for (unsigned i = 0; i < NODES; i++) {
            net->at[i]->now_ms += 1000;
            rooms_sweep(&net->at[i]->rooms, net->at[i]->now_ms);
        }
        settle(net);
    }
}

/* ---- what is promised ---- */

static void a_change_is_told_to_the_other_node_and_to_its_members(void **state) {
    struct net *net = *state;
    both_join(net);
    type_ok(net->at[0], ANN, 7, 0, 'a');
    settle(net);
    assert_same(net);
    struct msg *m = next(net->at[1]);
    assert_non_null(m);
    assert_int_equal(m->kind, MSG_FANOUT);
    assert_int_equal(m->fanout.version, room_at(net, 0)->version);
    msg_free(m);
    m = next(net->at[0]);
    assert_int_equal(m->fanout.except, ANN); /* nobody but its writer is there */
    msg_free(m);
    assert_null(next(net->at[0])); /* and nothing comes back */
}

static void who_misses_a_message_asks_for_a_difference(void **state) {
    struct net *net = *state;
    both_join(net);
    net->lossy = true;
    type_ok(net->at[0], ANN, 7, 0, 'a');
    settle(net);
    net->lossy = false;
    drop_posted(net->at[0]);
    type_ok(net->at[0], ANN, 7, 1, 'b');
    settle(net);
    assert_same(net);
    assert_int_equal(net->asks, 1);
    drop_posted(net->at[1]);
}

/* The third has missed what the other two have: one of them sends it, once. */
static void what_several_have_is_asked_of_one(void **state) {
    struct net *net = *state;
    join_on(net, 3);
    net->open[2] = false;
    type_ok(net->at[0], ANN, 7, 0, 'a');
    type_ok(net->at[1], ANN, 8, 0, 'b');
    settle(net);
    assert_int_equal(net->asks, 0); /* what nobody has missed is not asked for */
    net->open[2] = true;
    hand(net, 2, bus_mail_new(BUS_LOST, NULL));
    hand(net, 2, bus_mail_new(BUS_BACK, NULL));
    settle(net);
    assert_same(net);
    assert_int_equal(net->asks, 1);
    for (unsigned i = 0; i < NODES; i++) {
        drop_posted(net->at[i]);
    }
}

/* However many clients change and show something within a tick, other nodes hear of it once. */
static void a_tick_is_told_in_one_message(void **state) {
    struct net *net = *state;
    both_join(net);
    join(net->at[0], BOB);
    settle(net);
    type_ok(net->at[0], ANN, 7, 0, 'a');
    type_ok(net->at[0], BOB, 8, 0, 'b');
    type_ok(net->at[0], ANN, 7, 1, 'c');
    assert_true(list_empty(&net->said[0]));
    net->at[0]->now_ms += 100;
    turn(net->at[0]);
    struct list_node *n = list_shift(&net->said[0]);
    assert_non_null(n);
    assert_true(list_empty(&net->said[0]));
    struct bus_mail *m = LIST_ITEM(n, struct bus_mail, node);
    struct envelope e;
    const char *why = NULL;
    assert_int_equal(envelope_read(frame_slice(m->bytes), &e, &why), ERR_OK);
    assert_int_equal(e.kind, ENVELOPE_UPDATE);
    assert_int_equal(e.version, 3);
    carry(net, 0, m);
    settle(net);
    assert_same(net);
    drop_posted(net->at[0]);
    drop_posted(net->at[1]);
}

/* What happens meanwhile is heard, so nothing falls between what the store has and what is asked.
 */
static void a_room_that_opens_subscribes_then_is_read_then_asks(void **state) {
    struct net *net = *state;
    net->at[0]->store_waits = true;
    ask_join(net, 0, ANN);
    struct list_node *n = list_shift(&net->said[0]);
    struct bus_mail *m = LIST_ITEM(n, struct bus_mail, node);
    assert_int_equal(m->op, BUS_SUBSCRIBE);
    struct bus_mail *heard = bus_mail_new(BUS_SUBSCRIBED, m->room);
    bus_mail_free(m);
    struct msg *mail = msg_new(MSG_BUS);
    mail->bus = heard;
    rooms_handle(&net->at[0]->rooms, mail, net->at[0]->now_ms);
    assert_true(list_empty(&net->said[0])); /* it has not been read yet */
    serve(net->at[0]);
    n = list_shift(&net->said[0]);
    assert_non_null(n);
    m = LIST_ITEM(n, struct bus_mail, node);
    assert_true(m->op == BUS_PUBLISH && m->counted);
    assert_null(next(net->at[0])); /* nobody is served before the others have answered */
    publish(net, 0, m);
    bus_mail_free(m);
    struct msg *joined = next(net->at[0]);
    assert_non_null(joined);
    assert_int_equal(joined->kind, MSG_JOINED);
    msg_free(joined);
}

/* The last word of a conversation is missed, as it is when a worker was too far behind: nobody says
 * anything after it, and still all agree when nodes have compared what they have.
 */
static void a_missed_last_message_is_found_by_comparing(void **state) {
    struct net *net = *state;
    both_join(net);
    for (unsigned writer = 0; writer < 2; writer++) {
        net->lossy = true;
        type_ok(net->at[writer], ANN, 7 + writer, 0, 'a');
        settle(net);
        net->lossy = false;
        pass(net, 1);
        assert_int_equal(room_at(net, 1 - writer)->version, writer);
        pass(net, 38); /* the 30 s between comparisons, and as much as chance adds */
        assert_int_equal(room_at(net, 1 - writer)->version, writer + 1);
        assert_same(net);
        drop_posted(net->at[0]);
        drop_posted(net->at[1]);
    }
}

/* ANN pastes so many bytes on the first node, which the other does not hear. */
static void paste_unheard(struct net *net, size_t bytes) {
    static const uint8_t head[] = {1, 1, 7, 0, 0x04, 1, 1, 't'}; /* a string in root "t" */
    struct buf b;
    buf_init(&b, 0);
    buf_put(&b, head, sizeof head);
    buf_put_varuint(&b, bytes);
    uint8_t *text = buf_reserve(&b, bytes);
    memset(text, 'x', bytes);
    buf_commit(&b, bytes);
    buf_put_u8(&b, 0);
    net->lossy = true;
    struct msg *m = tell(net->at[0], say(MSG_UPDATE, "r", ANN, buf_slice(&b)));
    assert_int_equal(m->err, ERR_OK);
    msg_free(m);
    settle(net);
    drop_posted(net->at[0]);
    net->lossy = false;
    buf_fini(&b);
}

/* Larger than a message can be, so also when it was a single edit. */
static void a_large_difference_arrives_in_pieces(void **state) {
    struct net *net = *state;
    const size_t bytes = CAPS_BUS_BYTES + CAPS_BUS_PIECE_BYTES / 2;
    both_join(net);
    paste_unheard(net, bytes);
    assert_int_equal(room_at(net, 1)->version, 0);
    type_ok(net->at[0], ANN, 8, 0, 'b');
    settle(net);
    assert_int_equal(net->pieces, 1 + bytes / CAPS_BUS_PIECE_BYTES);
    assert_same(net);
    assert_int_equal(room_at(net, 1)->version, 2);
    drop_posted(net->at[1]);
}

static void a_large_difference_of_which_a_piece_is_lost_is_asked_for_anew(void **state) {
    struct net *net = *state;
    both_join(net);
    paste_unheard(net, 3 * CAPS_BUS_PIECE_BYTES);
    net->lost_piece = 2;
    type_ok(net->at[0], ANN, 8, 0, 'b');
    settle(net);
    assert_int_equal(net->pieces, 2);
    pass(net, 39); /* until the next comparison */
    assert_same(net);
    assert_int_equal(net->pieces, 2 + 4);
    drop_posted(net->at[1]);
}

/* Goes on until what a node says next is of this kind. */
static void settle_until(struct net *net, unsigned node, enum envelope_kind kind) {
    for (unsigned turns = 0; turns < 1000; turns++) {
        for (unsigned i = 0; i < NODES; i++) {
            net->at[i]->now_ms += 100;
            turn(net->at[i]);
            struct list_node *n = net->said[i].next;
            if (n == &net->said[i]) {
                continue;
            }
            struct bus_mail *m = LIST_ITEM(n, struct bus_mail, node);
            struct envelope e = {0};
            const char *why = NULL;
            if (m->bytes) {
                assert_int_equal(envelope_read(frame_slice(m->bytes), &e, &why), ERR_OK);
            }
            if (i == node && m->bytes && e.kind == kind) {
                return;
            }
            list_remove(n);
            carry(net, i, m);
        }
    }
    fail();
}

/* The node that was asked takes so long that it is given up, and then it answers. */
static void a_large_difference_that_comes_late_is_taken(void **state) {
    struct net *net = *state;
    both_join(net);
    paste_unheard(net, 3 * CAPS_BUS_PIECE_BYTES);
    type_ok(net->at[0], ANN, 8, 0, 'b');
    settle_until(net, 0, ENVELOPE_PIECE);
    net->at[1]->now_ms += CAPS_BUS_ASK_MS;
    rooms_sweep(&net->at[1]->rooms, net->at[1]->now_ms);
    assert_true(room_at(net, 1)->peers.asked_node == 0);
    settle(net);
    assert_same(net);
    assert_int_equal(net->pieces, 4);
    assert_int_equal(net->asks, 1);
    drop_posted(net->at[1]);
}

/* Of each client a key in so many root types, of which `from` is the first. */
static void make_roots(struct net *net, unsigned node, uint8_t client, unsigned from,
                       unsigned count) {
    struct buf b;
    buf_init(&b, 0);
    buf_put_u8(&b, 1);
    buf_put_varuint(&b, count);
    buf_put_u8(&b, client);
    buf_put_u8(&b, 0);
    for (unsigned i = 0; i < count; i++) {
        buf_put(&b, "\x28\x01\x04", 3); /* a value, in a root type */
        buf_printf(&b, "%04u", from + i);
        buf_put(&b, "\x01k\x01\x7e", 4); /* null */
    }
    buf_put_u8(&b, 0);
    struct msg *m = tell(net->at[node], say(MSG_UPDATE, "r", ANN, buf_slice(&b)));
    assert_int_equal(m->err, ERR_OK);
    msg_free(m);
    buf_fini(&b);
}

/* Each has let in what its own limits allow: together it is more than either would have. */
static void what_two_parted_nodes_have_let_in_is_taken_by_both(void **state) {
    struct net *net = *state;
    enum { MANY = CAPS_DOC_ROOTS * 2 / 3 };
    both_join(net);
    net->lossy = true;
    make_roots(net, 0, 7, 0, MANY);
    make_roots(net, 1, 8, MANY, MANY);
    settle(net);
    net->lossy = false;
    for (unsigned i = 0; i < NODES; i++) {
        hand(net, i, bus_mail_new(BUS_LOST, NULL));
        hand(net, i, bus_mail_new(BUS_BACK, NULL));
    }
    settle(net);
    assert_same(net);
    drop_posted(net->at[0]);
    drop_posted(net->at[1]);
}

static void a_room_that_opens_has_all_before_anybody_is_served(void **state) {
    struct net *net = *state;
    ask_join(net, 0, ANN);
    settle(net);
    msg_free(next(net->at[0]));
    type_ok(net->at[0], ANN, 7, 0, 'a');
    settle(net);
    ask_join(net, 1, BOB);
    assert_null(next(net->at[1]));
    settle(net);
    struct msg *m = next(net->at[1]);
    assert_int_equal(m->kind, MSG_JOINED);
    assert_non_null(m->payload);
    assert_true(m->answer.version >= room_at(net, 0)->version);
    msg_free(m);
    assert_same(net);
}

static void a_room_is_served_also_when_nobody_answers(void **state) {
    struct net *net = *state;
    net->silent = true;
    ask_join(net, 0, ANN);
    settle(net);
    assert_null(next(net->at[0]));
    net->at[0]->now_ms += 1000;
    turn(net->at[0]);
    struct msg *m = next(net->at[0]);
    assert_non_null(m);
    assert_int_equal(m->kind, MSG_JOINED);
    msg_free(m);
}

static void nothing_is_published_while_nobody_else_has_the_room(void **state) {
    struct net *net = *state;
    ask_join(net, 0, ANN);
    settle(net);
    msg_free(next(net->at[0]));
    type_ok(net->at[0], ANN, 7, 0, 'a');
    turn(net->at[0]);
    assert_true(list_empty(&net->said[0]));
}

static void after_an_absence_both_agree(void **state) {
    struct net *net = *state;
    both_join(net);
    net->lossy = true;
    type_ok(net->at[0], ANN, 7, 0, 'a');
    type_ok(net->at[1], ANN, 8, 0, 'b');
    settle(net);
    net->lossy = false;
    for (unsigned i = 0; i < NODES; i++) {
        hand(net, i, bus_mail_new(BUS_LOST, NULL));
        hand(net, i, bus_mail_new(BUS_BACK, NULL));
    }
    settle(net);
    assert_same(net);
    drop_posted(net->at[0]);
    drop_posted(net->at[1]);
}

/* Somebody shows client 5 at this clock; all who are to hear of it do. */
static void show(struct net *net, unsigned node, conn_id who, uint8_t clock) {
    const uint8_t bytes[] = {1, 5, clock, 2, '{', '}'};
    drop_posted(net->at[0]);
    drop_posted(net->at[1]);
    msg_free(tell(net->at[node], say(MSG_AWARENESS, "r", who, slice_of(bytes, sizeof bytes))));
    settle(net);
}

/* At which clock a node has told its own of client 5; 0: not at all. */
static unsigned clock_told(struct net *net, unsigned node) {
    unsigned clock = 0;
    for (struct msg *m; (m = next(net->at[node])) != NULL;) {
        if (m->kind == MSG_FANOUT && m->fanout.presence) {
            clock = m->payload->bytes[2];
        }
        msg_free(m);
    }
    return clock;
}

static void who_repeats_what_another_node_shows_does_not_take_it_over(void **state) {
    struct net *net = *state;
    both_join(net);
    drop_posted(net->at[1]);
    join(net->at[1], BOB);
    settle(net);
    show(net, 0, ANN, 1);
    assert_int_equal(clock_told(net, 1), 1);
    show(net, 1, BOB, 1); /* the same user, as nobody has a token here */
    assert_int_equal(clock_told(net, 1), 0);
    assert_int_equal(clock_told(net, 0), 0);
    msg_free(tell(net->at[1], say(MSG_LEAVE, "r", BOB, (slice){0})));
    join(net->at[1], EVE); /* who comes after it may have moved here */
    settle(net);
    show(net, 1, EVE, 1);
    assert_int_equal(clock_told(net, 1), 2);
    assert_int_equal(clock_told(net, 0), 2);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, net_up, net_down)
    const struct CMUnitTest tests[] = {
        TEST(a_change_is_told_to_the_other_node_and_to_its_members),
        TEST(who_misses_a_message_asks_for_a_difference),
        TEST(what_several_have_is_asked_of_one),
        TEST(a_tick_is_told_in_one_message),
        TEST(a_room_that_opens_subscribes_then_is_read_then_asks),
        TEST(a_missed_last_message_is_found_by_comparing),
        TEST(a_large_difference_arrives_in_pieces),
        TEST(a_large_difference_of_which_a_piece_is_lost_is_asked_for_anew),
        TEST(a_large_difference_that_comes_late_is_taken),
        TEST(what_two_parted_nodes_have_let_in_is_taken_by_both),
        TEST(a_room_that_opens_has_all_before_anybody_is_served),
        TEST(a_room_is_served_also_when_nobody_answers),
        TEST(nothing_is_published_while_nobody_else_has_the_room),
        TEST(after_an_absence_both_agree),
        TEST(who_repeats_what_another_node_shows_does_not_take_it_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
