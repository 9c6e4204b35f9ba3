#include "room/peers.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "base/rand.h"
#include "base/varuint.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/span.h"
#include "room/abroad.h"
#include "room/internal.h"
#include "room/rooms.h"
#include "yata.h"

enum { DIGEST_BYTES = 8, ASK_PRESENCE_LOST = 1 };

/* Another node that has the room open. */
struct peer {
    uint64_t node;
    uint64_t epoch;
    uint64_t sequence; /* of the last counted message that is known of */
    uint64_t members;
    bool owes;            /* something of it was missed: it is to be asked */
    bool stranger;        /* what its clients show was dropped, or never known */
    bool told;            /* it was told RETURN: what it said and was not heard is in its answer */
    struct frame *vector; /* what it said it has; NULL: looked at already */
    struct giving giving; /* a large difference that it has asked for */
};

static const struct rooms_bus *bus_of(const struct room *r) {
    return &r->parent->o.bus;
}

bool peers_any(const struct room *r) {
    return r->peers.by_node.used > 0;
}

static void refuse(const struct room *r, const char *why) {
    metric_add(METRIC_BUS_REFUSED, 0, 1);
    log_limited(LOG_WARN, "BUS-REFUSED", log_str("roomId", frame_slice(r->name)),
                log_text("detail", why));
}

/* ---- saying ---- */

static bool counts(enum envelope_kind kind) {
    return kind == ENVELOPE_UPDATE || kind == ENVELOPE_PRESENCE || kind == ENVELOPE_COUNT ||
           kind == ENVELOPE_ORDER;
}

static struct frame *enveloped(const struct envelope *e) {
    struct buf b;
    buf_init(&b, CAPS_BUS_BYTES);
    envelope_write(&b, e);
    struct frame *f = b.failed ? NULL : frame_try_new(b.n);
    if (f) {
        memcpy(f->bytes, b.p, b.n);
    } else {
        metric_add(METRIC_BUS_DROPPED, 0, 1);
        log_limited(LOG_WARN, "BUS-LARGE", log_str("roomId", e->room),
                    log_u64("bytes", e->payload.n));
    }
    buf_fini(&b);
    return f;
}

static void post(const struct rooms_bus *bus, struct frame *room, uint64_t to,
                 const struct envelope *e, bool counted) {
    struct frame *bytes = enveloped(e);
    if (bytes) {
        struct bus_mail *m = bus_mail_new(BUS_PUBLISH, room);
        m->to = to;
        m->bytes = bytes;
        m->counted = counted;
        bus->post(bus->ctx, m);
    }
}

void peers_say(struct room *r, enum envelope_kind kind, uint64_t to, slice payload) {
    struct peers *p = &r->peers;
    p->sequence += counts(kind); /* also when it is too large to be said: then it will be missed */
    struct envelope e = {.kind = kind,
                         .node = bus_of(r)->node,
                         .epoch = p->epoch,
                         .sequence = p->sequence,
                         .version = r->version,
                         .members = r->members.used,
                         .room = frame_slice(r->name),
                         .payload = payload};
    if (kind == ENVELOPE_UPDATE && trace_is_set(&r->trace)) {
        e.traced = true;
        trace_to_bytes(&r->trace, e.trace);
    }
    post(bus_of(r), r->name, to, &e, kind == ENVELOPE_OPEN);
    p->tell_members &= !counts(kind);
}

void peers_none(const struct rooms_bus *bus, struct frame *room, uint64_t to) {
    struct envelope e = {.kind = ENVELOPE_NONE, .node = bus->node, .room = frame_slice(room)};
    post(bus, room, to, &e, false);
}

/* ---- what a room holds, in short ---- */

/* A digest of clocks and deletions, then the state vector; NULL when memory is out. No tick may be
 * open. */
static struct frame *own_vector(struct room *r) {
    struct yata_bytes snapshot = {0};
    struct yata_bytes clocks = {0};
    struct frame *f = NULL;
    if (yata_encode_snapshot(r->doc, &snapshot) == YATA_OK &&
        yata_encode_state_vector(r->doc, &clocks) == YATA_OK) {
        f = frame_try_new(DIGEST_BYTES + clocks.n);
    }
    if (f) {
        uint64_t digest = XXH3_64bits(snapshot.p, snapshot.n);
        for (size_t i = 0; i < DIGEST_BYTES; i++) {
            f->bytes[i] = (uint8_t)(digest >> 8 * i);
        }
        memcpy(f->bytes + DIGEST_BYTES, clocks.p, clocks.n);
    }
    yata_bytes_fini(&snapshot);
    yata_bytes_fini(&clocks);
    return f;
}

static slice clocks_of(slice vector) {
    return slice_of(vector.p + DIGEST_BYTES, vector.n - DIGEST_BYTES);
}

static void say_vector(struct room *r, enum envelope_kind kind, uint64_t to, uint64_t now_ms) {
    room_tick(r, now_ms);
    struct frame *vector = own_vector(r);
    if (vector) {
        peers_say(r, kind, to, frame_slice(vector));
        frame_unref(vector);
    }
}

static uint64_t clock_of(const struct yata_clock *clocks, size_t n, uint64_t client) {
    for (size_t i = 0; i < n; i++) { /* highest client first */
        if (clocks[i].client <= client) {
            return clocks[i].client == client ? clocks[i].clock : 0;
        }
    }
    return 0;
}

enum standing { STANDS_EQUAL, STANDS_BEYOND, STANDS_BEHIND };

/* Where a peer stands: beyond us when it has what we lack. Where clocks are equal and the digest is
 * not, it may have deletions that we lack. */
static enum standing compare(struct room *r, slice vector, bool *ret_ok) {
    struct yata_clock *theirs = NULL;
    size_t theirs_n = 0;
    const struct yata_clock *ours = NULL;
    size_t ours_n = 0;
    struct frame *own = own_vector(r);
    enum standing result = STANDS_EQUAL;
    *ret_ok = vector.n > DIGEST_BYTES &&
              yata_decode_state_vector(clocks_of(vector).p, clocks_of(vector).n, &theirs, &theirs_n,
                                       NULL) == YATA_OK;
    if (*ret_ok && own && memcmp(own->bytes, vector.p, DIGEST_BYTES) != 0 &&
        yata_state_vector(r->doc, &ours, &ours_n) == YATA_OK) {
        bool same = slice_eq(clocks_of(frame_slice(own)), clocks_of(vector));
        result = same ? STANDS_BEYOND : STANDS_BEHIND;
        for (size_t i = 0; i < theirs_n && result == STANDS_BEHIND; i++) {
            if (theirs[i].clock > clock_of(ours, ours_n, theirs[i].client)) {
                result = STANDS_BEYOND;
            }
        }
    }
    free(theirs); /* ban-ok: yata hands out what free() releases */
    frame_unref(own);
    return result;
}

/* ---- asking ---- */

static void ask(struct room *r, struct peer *who, uint64_t now_ms) {
    struct peers *p = &r->peers;
    struct yata_bytes clocks = {0};
    struct buf b;
    room_tick(r, now_ms);
    if (yata_encode_state_vector(r->doc, &clocks) != YATA_OK) {
        return;
    }
    buf_init(&b, 0);
    buf_put_u8(&b, who->stranger ? ASK_PRESENCE_LOST : 0);
    buf_put(&b, clocks.p, clocks.n);
    p->asked_node = who->node;
    p->asked_ms = now_ms;
    who->owes = false;
    who->stranger = false;
    who->vector = frame_unref(who->vector);
    peers_say(r, ENVELOPE_ASK, who->node, buf_slice(&b));
    buf_fini(&b);
    yata_bytes_fini(&clocks);
}

/* Asks one of those who have what is lacking here; one at a time. */
static void ask_next(struct room *r, uint64_t now_ms) {
    struct peers *p = &r->peers;
    size_t at = 0;
    for (struct peer *who; !p->asked_node && (who = map_next(&p->by_node, &at)) != NULL;) {
        bool ok = true;
        room_tick(r, now_ms);
        if (who->owes ||
            (who->vector && compare(r, frame_slice(who->vector), &ok) == STANDS_BEYOND)) {
            ask(r, who, now_ms);
        }
        who->vector = frame_unref(who->vector);
    }
}

/* ---- opening ---- */

static void finish(struct room *r, uint64_t now_ms) {
    struct peers *p = &r->peers;
    p->state = PEERS_OPEN;
    list_remove(&p->opening);
    p->compare_ms = now_ms + bus_of(r)->compare_ms;
    rooms_serve(r->parent, r, now_ms);
}

/* Does what can be done next; a room that has all answers is served. */
static void step(struct room *r, uint64_t now_ms) {
    struct peers *p = &r->peers;
    if (p->state != PEERS_OPENING || !p->loaded) {
        return;
    }
    if (p->subscribed && !p->away && !p->asked) {
        p->asked = true;
        say_vector(r, ENVELOPE_OPEN, bus_of(r)->own_store ? BUS_TO_ALL : BUS_TO_ROOM, now_ms);
    }
    if (p->away || (p->counted && p->answers >= p->expected && !p->asked_node)) {
        finish(r, now_ms);
    }
}

void peers_open(struct room *r) {
    struct peers *p = &r->peers;
    const struct rooms_bus *bus = bus_of(r);
    list_init(&p->early);
    list_init(&p->gathers);
    if (!bus->node) {
        return;
    }
    p->state = PEERS_OPENING;
    p->epoch = ++r->parent->epochs;
    list_push(&r->parent->opening, &p->opening);
    bus->post(bus->ctx, bus_mail_new(BUS_SUBSCRIBE, r->name));
}

static void answer(struct room *r, const struct envelope *e, uint64_t now_ms);

bool peers_loaded(struct room *r, uint64_t now_ms) {
    struct peers *p = &r->peers;
    if (p->state == PEERS_OFF) {
        return true;
    }
    p->loaded = true;
    p->deadline_ms = now_ms + CAPS_BUS_OPEN_MS;
    list_remove(&p->opening); /* deadlines rise along the list */
    list_push(&r->parent->opening, &p->opening);
    for (struct list_node *n; (n = list_shift(&p->early)) != NULL;) {
        struct bus_mail *m = LIST_ITEM(n, struct bus_mail, node);
        answer(r, &m->envelope, now_ms);
        bus_mail_free(m);
    }
    p->early_count = 0;
    step(r, now_ms);
    return false; /* step has seen to it */
}

void peers_unknown(struct room *r) {
    for (struct list_node *n; (n = list_shift(&r->peers.early)) != NULL;) {
        struct bus_mail *m = LIST_ITEM(n, struct bus_mail, node);
        peers_none(bus_of(r), r->name, m->envelope.node);
        bus_mail_free(m);
    }
}

void peers_late(struct room *r, uint64_t now_ms) {
    metric_add(METRIC_BUS_LATE, 0, 1);
    log_limited(LOG_WARN, "ROOM-LATE", log_str("roomId", frame_slice(r->name)),
                log_u64("nodes", r->peers.expected), log_u64("answers", r->peers.answers));
    finish(r, now_ms);
    r->peers.compare_ms = now_ms; /* whoever has not answered is told once more */
}

/* ---- who is there ---- */

static void peer_free(struct room *r, struct peer *who) {
    r->peers.members -= who->members;
    (void)map_remove_u64(&r->peers.by_node, who->node);
    frame_unref(who->vector);
    giving_fini(&who->giving);
    mem_free(who);
}

static struct peer *peer_of(struct room *r, const struct envelope *e) {
    struct peers *p = &r->peers;
    struct peer *who = map_find_u64(&p->by_node, e->node);
    if (!who && p->by_node.used < CAPS_BUS_NODES) {
        who = NEW(struct peer);
        who->node = e->node;
        who->epoch = e->epoch;
        who->sequence = e->sequence - counts(e->kind);
        /* who begins says so, and who is asked answers; of others something has been missed */
        who->owes = who->stranger =
            counts(e->kind) || e->kind == ENVELOPE_COMPARE || e->kind == ENVELOPE_ASK;
        (void)map_set_u64(&p->by_node, who->node, who);
    }
    return who;
}

/* Keeps count of what it says. */
static void note(struct room *r, struct peer *who, const struct envelope *e) {
    bool same = who->epoch == e->epoch;
    uint64_t expected = same ? who->sequence + counts(e->kind) : 0;
    bool begins = e->kind == ENVELOPE_OPEN || e->kind == ENVELOPE_RETURN;
    if (e->sequence != expected && !(begins && !same) && !who->told) {
        metric_add(METRIC_BUS_GAPS, 0, 1);
        who->owes = true;
    }
    who->told = false;
    who->epoch = e->epoch;
    who->sequence = e->sequence;
    r->peers.members += e->members - who->members;
    who->members = e->members;
    r->version = e->version > r->version ? e->version : r->version;
    r->lasting.exists |= e->version > 0 || e->members > 0;
}

static void drop_peer(struct room *r, uint64_t node, uint64_t now_ms) {
    struct peers *p = &r->peers;
    struct peer *who = map_find_u64(&p->by_node, node);
    if (who) {
        peer_free(r, who);
        presence_leave(&r->presence, node, now_ms);
        rooms_mark(r->parent, r);
    }
    abroad_sweep(r, now_ms, who != NULL);
    if (p->asked_node == node) {
        p->asked_node = 0;
        taking_fini(&p->taking);
        ask_next(r, now_ms);
    }
}

/* Not all nodes at the same time: who hears a comparison puts its own off. */
static void compare_later(struct room *r, uint64_t now_ms) {
    uint64_t ms = bus_of(r)->compare_ms;
    r->peers.compare_ms = now_ms + ms - ms / 4 + rand_u64() % (ms / 2);
}

/* ---- answering ---- */

static void say_everyone(struct room *r, uint64_t to) {
    struct frame *all = presence_own(&r->presence);
    if (all) {
        peers_say(r, ENVELOPE_EVERYONE, to, frame_slice(all));
        frame_unref(all);
    }
}

/* To OPEN, COMPARE and RETURN. What is shown goes first, so that who opens has it when it serves.
 */
static void answer(struct room *r, const struct envelope *e, uint64_t now_ms) {
    bool ok = true;
    room_tick(r, now_ms);
    enum standing it = compare(r, e->payload, &ok);
    if (!ok) {
        refuse(r, "its state vector is not one");
        return;
    }
    if (e->kind == ENVELOPE_RETURN) {
        presence_renew(&r->presence);
        rooms_mark(r->parent, r);
    }
    if (e->kind != ENVELOPE_COMPARE) {
        say_everyone(r, e->node);
        abroad_say_sanctions(r, e->node, now_ms);
    }
    if (e->kind == ENVELOPE_OPEN || it != STANDS_EQUAL) {
        say_vector(r, ENVELOPE_HERE, e->node, now_ms);
    }
    struct peer *who = map_find_u64(&r->peers.by_node, e->node);
    if (who && it == STANDS_BEYOND) {
        frame_unref(who->vector);
        who->vector = frame_copy(e->payload);
    }
    compare_later(r, now_ms); /* one comparison serves all who hear it */
}

static void say_piece(struct room *r, struct peer *to, size_t at) {
    struct buf b;
    buf_init(&b, 0);
    giving_piece(&to->giving, at, &b);
    peers_say(r, ENVELOPE_PIECE, to->node, buf_slice(&b));
    buf_fini(&b);
}

/* `to` is NULL when there are more nodes than are kept count of. */
static void say_difference(struct room *r, struct peer *to, uint64_t node, slice difference,
                           uint64_t now_ms) {
    if (difference.n <= CAPS_BUS_PIECE_BYTES || !to) {
        peers_say(r, ENVELOPE_DIFF, node, difference);
        return;
    }
    struct frame *whole = frame_try_new(difference.n);
    if (whole) {
        memcpy(whole->bytes, difference.p, difference.n);
        giving_begin(&to->giving, whole, ++r->peers.questions, now_ms);
        say_piece(r, to, 0);
    }
}

static void on_more(struct room *r, struct peer *who, const struct envelope *e, uint64_t now_ms) {
    size_t at = 0;
    enum err err = who ? giving_asked(&who->giving, e->payload, now_ms, &at) : ERR_NOT_FOUND;
    if (err == ERR_OK) {
        say_piece(r, who, at);
    } else if (err == ERR_PARAMS) {
        refuse(r, "its question for more is malformed");
    }
}

static void on_ask(struct room *r, struct peer *who, const struct envelope *e, uint64_t now_ms) {
    struct yata_bytes out = {0};
    room_tick(r, now_ms);
    slice clocks = e->payload.n ? slice_of(e->payload.p + 1, e->payload.n - 1) : (slice){0};
    if (!clocks.n || yata_encode_state(r->doc, clocks.p, clocks.n, &out) != YATA_OK) {
        refuse(r, "its state vector is not one");
        return;
    }
    if (e->payload.p[0] & ASK_PRESENCE_LOST) {
        presence_renew(&r->presence);
        rooms_mark(r->parent, r);
    }
    say_everyone(r, e->node);
    abroad_say_sanctions(r, e->node, now_ms);
    say_difference(r, who, e->node, slice_of(out.p, out.n), now_ms);
    yata_bytes_fini(&out);
}

/* ---- hearing ---- */

static void on_presence(struct room *r, struct peer *who, const struct envelope *e,
                        uint64_t now_ms) {
    bool all = e->kind == ENVELOPE_EVERYONE;
    if (presence_take(&r->presence, e->node, e->payload, all, now_ms) != ERR_OK) {
        refuse(r, "its presence is malformed");
    } else if (all && who) {
        who->stranger = false;
    }
    if (r->presence.changed) {
        rooms_mark(r->parent, r);
    }
}

static void on_here(struct room *r, struct peer *who, const struct envelope *e) {
    struct peers *p = &r->peers;
    p->answers += p->state == PEERS_OPENING;
    if (e->kind == ENVELOPE_HERE && who) {
        frame_unref(who->vector);
        who->vector = frame_copy(e->payload);
    }
}

static void on_diff(struct room *r, uint64_t from, slice difference, uint64_t now_ms) {
    struct peers *p = &r->peers;
    metric_add(METRIC_BUS_REPAIRS, 0, 1);
    p->asked_node = p->asked_node == from ? 0 : p->asked_node;
    room_take(r, difference, now_ms);
    if (p->state == PEERS_OPENING) {
        room_tick(r, now_ms);
    }
}

/* A part of a difference. One that comes late is taken, too, unless another node has been asked
 * meanwhile: a node that is slow would never get to the end otherwise. */
static void on_piece(struct room *r, const struct envelope *e, uint64_t now_ms) {
    struct peers *p = &r->peers;
    bool whole = false;
    if (p->asked_node && p->asked_node != e->node) {
        return;
    }
    enum err err = taking_piece(&p->taking, e->payload, &whole);
    if (err == ERR_PARAMS) {
        refuse(r, "its part of a difference is malformed");
    } else if (err == ERR_OK && whole) {
        on_diff(r, e->node, buf_slice(&p->taking.bytes), now_ms);
        taking_fini(&p->taking);
    } else if (err == ERR_OK) {
        struct buf b;
        buf_init(&b, 0);
        taking_more(&p->taking, &b);
        p->asked_node = e->node;
        p->asked_ms = now_ms;
        peers_say(r, ENVELOPE_MORE, e->node, buf_slice(&b));
        buf_fini(&b);
    }
}

/* What another node's clients changed. A trace that one of them began goes on here. */
static void on_update(struct room *r, const struct envelope *e, uint64_t now_ms) {
    uint64_t start = clock_mono_ns();
    struct trace trace = {0};
    if (e->traced) {
        trace_from_bytes(e->trace, &trace);
    }
    r->received_ns = r->received_ns ? r->received_ns : start;
    r->trace = r->trace.sampled || !trace_is_set(&trace) ? r->trace : trace;
    room_take(r, e->payload, now_ms);
    if (span_wanted(&trace)) {
        span_end(&(struct span){.trace = trace,
                                .id = span_id(),
                                .name = "heard",
                                .start_ns = start,
                                .end_ns = clock_mono_ns(),
                                .room = frame_slice(r->name)});
    }
}

static void hear(struct room *r, struct peer *who, const struct envelope *e, uint64_t now_ms) {
    switch (e->kind) {
    case ENVELOPE_OPEN:
    case ENVELOPE_COMPARE:
    case ENVELOPE_RETURN:
        answer(r, e, now_ms);
        break;
    case ENVELOPE_HERE:
    case ENVELOPE_NONE:
        on_here(r, who, e);
        break;
    case ENVELOPE_ASK:
        on_ask(r, who, e, now_ms);
        break;
    case ENVELOPE_MORE:
        on_more(r, who, e, now_ms);
        break;
    case ENVELOPE_DIFF:
        on_diff(r, e->node, e->payload, now_ms);
        break;
    case ENVELOPE_PIECE:
        on_piece(r, e, now_ms);
        break;
    case ENVELOPE_UPDATE:
        on_update(r, e, now_ms);
        break;
    case ENVELOPE_PRESENCE:
    case ENVELOPE_EVERYONE:
        on_presence(r, who, e, now_ms);
        break;
    case ENVELOPE_ORDER:
    case ENVELOPE_ORDERED:
    case ENVELOPE_SANCTION:
    case ENVELOPE_WHO:
    case ENVELOPE_WHO_IS:
        if (abroad_hear(r, e, now_ms) != ERR_OK) {
            refuse(r, "its order or answer is malformed");
        }
        break;
    case ENVELOPE_GONE:
        drop_peer(r, e->node, now_ms);
        break;
    case ENVELOPE_COUNT:
    case ENVELOPE_BEAT: /* these are never about a room: see envelope.h */
    case ENVELOPE_BYE:
    case ENVELOPE_REVOKED:
        break;
    }
}

/* What a question before the room was read is about is answered afterwards; anything else is in
 * what the answers bring. */
static void keep_early(struct room *r, const struct bus_mail *m) {
    struct peers *p = &r->peers;
    if (m->envelope.kind == ENVELOPE_OPEN && p->early_count < CAPS_BUS_NODES) {
        struct bus_mail *kept = bus_mail_new(BUS_HEARD, m->room);
        const char *why = NULL;
        kept->bytes = frame_ref(m->bytes);
        must(envelope_read(frame_slice(kept->bytes), &kept->envelope, &why) == ERR_OK);
        list_push(&p->early, &kept->node);
        p->early_count++;
    }
}

static void on_heard(struct room *r, const struct bus_mail *m, uint64_t now_ms) {
    const struct envelope *e = &m->envelope;
    if (e->version > VARUINT_MAX / 2 || e->members > VARUINT_MAX / CAPS_BUS_NODES) {
        refuse(r, "its numbers cannot be");
        return;
    }
    struct peer *who = e->kind == ENVELOPE_NONE ? NULL : peer_of(r, e);
    if (who) {
        note(r, who, e);
    }
    if (!r->peers.loaded) {
        if (who) {
            who->owes = false; /* what is missed now is in the answer to OPEN */
        }
        keep_early(r, m);
        return;
    }
    hear(r, who, e, now_ms);
    ask_next(r, now_ms);
}

void peers_mail(struct room *r, const struct bus_mail *m, uint64_t now_ms) {
    struct peers *p = &r->peers;
    if (m->op == BUS_SUBSCRIBED) {
        p->subscribed = true;
        p->away = m->away;
    } else if (m->op == BUS_SENT) {
        p->counted = true;
        p->expected = m->receivers;
    } else {
        on_heard(r, m, now_ms);
    }
    step(r, now_ms);
}

/* ---- after an absence ---- */

static void return_soon(struct room *r, bool anew) {
    r->peers.anew |= anew;
    if (!list_linked(&r->peers.returning)) {
        list_push(&r->parent->returning, &r->peers.returning);
    }
}

void peers_return(struct room *r, uint64_t now_ms) {
    struct peers *p = &r->peers;
    if (p->anew) {
        room_tick(r, now_ms);
        p->anew = false;
        p->epoch = ++r->parent->epochs;
        p->sequence = 0;
        presence_renew(&r->presence);
        rooms_mark(r->parent, r);
        say_vector(r, ENVELOPE_RETURN, BUS_TO_ROOM, now_ms);
        size_t at = 0;
        for (struct peer *who; (who = map_next(&p->by_node, &at)) != NULL;) {
            who->told = true;
        }
        say_everyone(r, BUS_TO_ROOM);
        abroad_say_sanctions(r, BUS_TO_ROOM, now_ms);
    }
    if (bus_of(r)->own_store) {
        say_vector(r, ENVELOPE_OPEN, BUS_TO_ALL, now_ms);
    }
}

/* A node that may have stored updates which it did not get to say. */
static void on_node_down(struct room *r, uint64_t node, uint64_t now_ms) {
    bool shared = map_find_u64(&r->peers.by_node, node) != NULL;
    drop_peer(r, node, now_ms);
    if (shared && !bus_of(r)->own_store && r->peers.loaded) {
        lasting_read_again(r);
    }
}

void peers_changed(struct room *r, const struct bus_mail *m, uint64_t now_ms) {
    struct peers *p = &r->peers;
    bool mine =
        p->state != PEERS_OFF && bus_of(r)->shard(bus_of(r)->ctx, frame_slice(r->name)) == m->shard;
    bool about_instance = m->op == BUS_LOST || m->op == BUS_BACK;
    if (p->state == PEERS_OFF || (about_instance && !mine)) {
        return;
    }
    if (m->op == BUS_LOST) {
        p->away = true;
        step(r, now_ms);
    } else if (m->op == BUS_BACK) {
        p->away = false;
        p->asked = p->state == PEERS_OPEN;
        step(r, now_ms);
        if (p->state == PEERS_OPEN) {
            return_soon(r, true);
        }
    } else if (m->op == BUS_NODE_DOWN) {
        on_node_down(r, m->to, now_ms);
        step(r, now_ms);
    } else if (bus_of(r)->own_store && p->state == PEERS_OPEN) {
        return_soon(r, false);
    }
}

void peers_sweep(struct room *r, uint64_t now_ms) {
    struct peers *p = &r->peers;
    if (p->state == PEERS_OFF) {
        return;
    }
    abroad_sweep(r, now_ms, false);
    size_t at = 0;
    for (struct peer *who; (who = map_next(&p->by_node, &at)) != NULL;) {
        giving_sweep(&who->giving, now_ms);
    }
    if (p->asked_node && now_ms >= p->asked_ms + CAPS_BUS_ASK_MS) {
        p->asked_node = 0;
        taking_fini(&p->taking);
        ask_next(r, now_ms);
        step(r, now_ms);
    }
    if (p->state == PEERS_OPEN && now_ms >= p->compare_ms) {
        compare_later(r, now_ms);
        if (peers_any(r)) {
            say_vector(r, ENVELOPE_COMPARE, BUS_TO_ROOM, now_ms);
        }
    }
}

/* ---- the end ---- */

void peers_leave(struct room *r) {
    if (r->peers.state == PEERS_OFF) {
        return;
    }
    if (peers_any(r)) {
        peers_say(r, ENVELOPE_GONE, BUS_TO_ROOM, (slice){0});
    }
    bus_of(r)->post(bus_of(r)->ctx, bus_mail_new(BUS_UNSUBSCRIBE, r->name));
    list_remove(&r->peers.opening);
    list_remove(&r->peers.returning);
}

void peers_fini(struct peers *p) {
    size_t at = 0;
    for (struct peer *who; (who = map_next(&p->by_node, &at)) != NULL;) {
        frame_unref(who->vector);
        giving_fini(&who->giving);
        mem_free(who);
    }
    map_fini(&p->by_node);
    taking_fini(&p->taking);
    for (struct list_node *n; p->early.next && (n = list_shift(&p->early)) != NULL;) {
        bus_mail_free(LIST_ITEM(n, struct bus_mail, node));
    }
    list_remove(&p->opening);
    list_remove(&p->returning);
}

/* ---- telling ---- */

void peers_tell_update(struct room *r, const struct frame *update) {
    if (update && peers_any(r)) {
        peers_say(r, ENVELOPE_UPDATE, BUS_TO_ROOM, frame_slice(update));
    }
}

void peers_tell_presence(struct room *r, const struct frame *entries) {
    if (entries && peers_any(r)) {
        peers_say(r, ENVELOPE_PRESENCE, BUS_TO_ROOM, frame_slice(entries));
    }
}

void peers_tell_members(struct room *r) {
    r->peers.tell_members = true;
    rooms_mark(r->parent, r);
}

void peers_tell_rest(struct room *r) {
    if (r->peers.tell_members) {
        r->peers.tell_members = false;
        if (peers_any(r)) {
            peers_say(r, ENVELOPE_COUNT, BUS_TO_ROOM, (slice){0});
        }
    }
}
