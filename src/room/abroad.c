#include "room/abroad.h"

#include "base/alloc.h"
#include "base/varuint.h"
#include "limit/caps.h"
#include "room/internal.h"
#include "room/rooms.h"

enum { KICK = 1, SANCTIONED = 2, MUTE = 4 };

#define FOR_EVER VARUINT_MAX

/* A question under way. */
struct gather {
    struct list_node node;
    uint64_t number;
    size_t missing; /* answers */
    uint64_t deadline_ms;
    struct msg *answer;
};

/* ---- questions ---- */

static uint64_t gather_new(struct room *r, struct msg *answer, uint64_t now_ms) {
    struct gather *g = NEW(struct gather);
    g->number = ++r->peers.questions;
    g->missing = r->peers.by_node.used;
    g->deadline_ms = now_ms + CAPS_BUS_GATHER_MS;
    g->answer = answer;
    list_push(&r->peers.gathers, &g->node);
    return g->number;
}

static struct gather *gather_find(struct room *r, uint64_t number) {
    LIST_FOR_EACH (n, &r->peers.gathers) {
        struct gather *g = LIST_ITEM(n, struct gather, node);
        if (g->number == number) {
            return g;
        }
    }
    return NULL;
}

static void gather_end(struct room *r, struct gather *g) {
    struct msg *m = g->answer;
    list_remove(&g->node);
    mem_free(g);
    room_answer(r, m, MSG_ANSWER, ERR_OK);
}

static void gather_answered(struct room *r, struct gather *g) {
    if (--g->missing == 0) {
        gather_end(r, g);
    }
}

void abroad_sweep(struct room *r, uint64_t now_ms, bool gone) {
    LIST_FOR_EACH (n, &r->peers.gathers) {
        struct gather *g = LIST_ITEM(n, struct gather, node);
        if (gone || now_ms >= g->deadline_ms) {
            gather_end(r, g);
        }
    }
}

void abroad_fini(struct room *r) {
    for (struct list_node *n; (n = list_shift(&r->peers.gathers)) != NULL;) {
        struct gather *g = LIST_ITEM(n, struct gather, node);
        msg_free(g->answer);
        mem_free(g);
    }
}

/* ---- orders ---- */

static bool take_text(slice *s, slice *ret) {
    uint64_t n = 0;
    if (!varuint_take(s, &n) || n > s->n) {
        return false;
    }
    *ret = slice_of(s->p, (size_t)n);
    *s = slice_of(s->p + n, s->n - (size_t)n);
    return true;
}

static void put_text(struct buf *b, slice s) {
    buf_put_varuint(b, s.n);
    buf_put_slice(b, s);
}

/* varuint(question) flags varuint(stamp) varuint(milliseconds left) text(user) text(reason): time
 * is told as a span, as clocks of nodes differ. */
static void put_order(struct buf *b, uint64_t question, const struct order *o, uint64_t now_ms) {
    const struct sanction_row *row = &o->row;
    uint64_t left = row->until_ms > now_ms ? row->until_ms - now_ms : 0;
    buf_put_varuint(b, question);
    buf_put_u8(b, (uint8_t)((o->kick ? KICK : 0) | (o->sanctioned ? SANCTIONED : 0) |
                            (row->kind == SANCTION_MUTE ? MUTE : 0)));
    buf_put_varuint(b, row->stamp);
    buf_put_varuint(b, row->until_ms == UINT64_MAX ? FOR_EVER : left);
    put_text(b, row->user);
    put_text(b, o->reason);
}

static bool take_order(slice s, uint64_t *ret_question, struct order *o, uint64_t now_ms) {
    uint64_t left = 0;
    if (!varuint_take(&s, ret_question) || !s.n) {
        return false;
    }
    uint8_t flags = s.p[0];
    s = slice_of(s.p + 1, s.n - 1);
    *o = (struct order){.kick = flags & KICK, .sanctioned = flags & SANCTIONED};
    o->row.kind = flags & MUTE ? SANCTION_MUTE : SANCTION_BAN;
    bool ok = varuint_take(&s, &o->row.stamp) && varuint_take(&s, &left) &&
              take_text(&s, &o->row.user) && take_text(&s, &o->reason) && !s.n &&
              o->row.user.n <= CAPS_LABEL_BYTES && !(flags & ~(KICK | SANCTIONED | MUTE));
    o->row.until_ms = left == FOR_EVER ? UINT64_MAX : left ? now_ms + left : 0;
    return ok;
}

void abroad_order(struct room *r, const struct order *o, struct msg *m, uint64_t now_ms) {
    if (!peers_any(r)) {
        m->payload = frame_unref(m->payload);
        m->extra = frame_unref(m->extra);
        room_answer(r, m, MSG_ANSWER, ERR_OK);
        return;
    }
    struct buf b;
    buf_init(&b, 0);
    put_order(&b, gather_new(r, m, now_ms), o, now_ms);
    peers_say(r, ENVELOPE_ORDER, BUS_TO_ROOM, buf_slice(&b));
    buf_fini(&b);
    m->payload = frame_unref(m->payload); /* what the order points into */
    m->extra = frame_unref(m->extra);
}

static enum err on_order(struct room *r, const struct envelope *e, uint64_t now_ms) {
    struct order o;
    uint64_t question = 0;
    if (!take_order(e->payload, &question, &o, now_ms)) {
        return ERR_PARAMS;
    }
    if (o.sanctioned) {
        room_sanction(r, &o.row);
    }
    size_t kicked = o.kick ? room_put_out(r, o.row.user, o.reason, now_ms) : 0;
    if (e->kind == ENVELOPE_ORDER) {
        struct buf b;
        buf_init(&b, 0);
        buf_put_varuint(&b, question);
        buf_put_varuint(&b, kicked);
        peers_say(r, ENVELOPE_ORDERED, e->node, buf_slice(&b));
        buf_fini(&b);
    }
    return ERR_OK;
}

static enum err on_ordered(struct room *r, const struct envelope *e) {
    slice s = e->payload;
    uint64_t question = 0;
    uint64_t kicked = 0;
    if (!varuint_take(&s, &question) || !varuint_take(&s, &kicked) || s.n) {
        return ERR_PARAMS;
    }
    struct gather *g = gather_find(r, question);
    if (g) {
        g->answer->answer.kicked += kicked;
        gather_answered(r, g);
    }
    return ERR_OK;
}

void abroad_say_sanctions(struct room *r, uint64_t to, uint64_t now_ms) {
    struct order o = {.sanctioned = true};
    for (size_t i = 0; sanctions_nth(r->sanctions, i, &o.row); i++) {
        struct buf b;
        buf_init(&b, 0);
        put_order(&b, 0, &o, now_ms);
        peers_say(r, ENVELOPE_SANCTION, to, buf_slice(&b));
        buf_fini(&b);
    }
}

/* ---- who is there ---- */

void abroad_who(struct room *r, struct msg *m, uint64_t now_ms) {
    if (!peers_any(r)) {
        room_answer(r, m, MSG_ANSWER, ERR_OK);
        return;
    }
    struct buf b;
    buf_init(&b, 0);
    buf_put_varuint(&b, gather_new(r, m, now_ms));
    peers_say(r, ENVELOPE_WHO, BUS_TO_ROOM, buf_slice(&b));
    buf_fini(&b);
}

/* varuint(question), then of each member varuint(connection) role text(user) */
static enum err on_who(struct room *r, const struct envelope *e) {
    slice s = e->payload;
    uint64_t question = 0;
    if (!varuint_take(&s, &question) || s.n) {
        return ERR_PARAMS;
    }
    struct buf b;
    buf_init(&b, 0);
    buf_put_varuint(&b, question);
    size_t at = 0;
    for (struct member *who; (who = map_next(&r->members, &at)) != NULL;) {
        buf_put_varuint(&b, who->conn);
        buf_put_u8(&b, (uint8_t)who->role);
        put_text(&b, member_user(who->who));
    }
    peers_say(r, ENVELOPE_WHO_IS, e->node, buf_slice(&b));
    buf_fini(&b);
    return ERR_OK;
}

/* Cuts the next member off the front; the user of it is a count of the caller's. */
static bool take_member(slice *s, struct member_info *ret) {
    slice user;
    if (!varuint_take(s, &ret->conn) || !s->n || s->p[0] > ROLE_ADMIN) {
        return false;
    }
    ret->role = (enum role)s->p[0];
    *s = slice_of(s->p + 1, s->n - 1);
    if (!take_text(s, &user) || user.n > CAPS_LABEL_BYTES) {
        return false;
    }
    ret->user = frame_copy(user);
    return true;
}

static void add_member(struct msg *m, const struct member_info *who) {
    size_t n = m->answer.members_count++;
    m->answer.members = mem_resize(m->answer.members, (n + 1) * sizeof *m->answer.members);
    m->answer.members[n] = *who;
    m->answer.readers += who->role == ROLE_READ;
    m->answer.writers += who->role == ROLE_WRITE;
    m->answer.admins += who->role == ROLE_ADMIN;
}

static enum err on_who_is(struct room *r, const struct envelope *e) {
    slice s = e->payload;
    uint64_t question = 0;
    if (!varuint_take(&s, &question)) {
        return ERR_PARAMS;
    }
    struct gather *g = gather_find(r, question);
    while (s.n) {
        struct member_info who = {0};
        if (!take_member(&s, &who)) {
            return ERR_PARAMS;
        }
        if (g && g->answer->answer.members_count < CAPS_BUS_MEMBERS) {
            add_member(g->answer, &who);
        } else {
            frame_unref(who.user);
        }
    }
    if (g) {
        gather_answered(r, g);
    }
    return ERR_OK;
}

enum err abroad_hear(struct room *r, const struct envelope *e, uint64_t now_ms) {
    switch (e->kind) {
    case ENVELOPE_ORDER:
    case ENVELOPE_SANCTION:
        return on_order(r, e, now_ms);
    case ENVELOPE_ORDERED:
        return on_ordered(r, e);
    case ENVELOPE_WHO:
        return on_who(r, e);
    case ENVELOPE_WHO_IS:
        return on_who_is(r, e);
    default:
        return ERR_PARAMS;
    }
}
