/* Order in the room: who is sent out, and who is silenced. */
#include <stdio.h>

#include "room/abroad.h"
#include "room/internal.h"
#include "room/rooms.h"
#include "room/sanctions.h"

static uint64_t until(const struct msg *m, uint64_t now_ms) {
    return m->sanction.seconds ? now_ms + m->sanction.seconds * 1000 : UINT64_MAX;
}

static void close_for(struct room *r, conn_id conn, const char *why, slice reason) {
    struct msg *m = msg_new(MSG_CLOSED);
    m->conn = conn;
    m->room = frame_ref(r->name);
    m->err = ERR_FORBIDDEN;
    (void)snprintf(m->detail, sizeof m->detail, reason.n ? "%s: %.*s" : "%s", why,
                   SLICE_FMT(reason));
    room_post(r, conn_worker(conn), m);
}

void room_sanction(struct room *r, const struct sanction_row *row) {
    if (!r->sanctions) {
        r->sanctions = sanctions_new();
    }
    sanctions_set(r->sanctions, row);
}

size_t room_put_out(struct room *r, slice user, slice reason, uint64_t now_ms) {
    size_t kicked = 0;
    size_t at = 0;
    for (struct member *who; (who = map_next(&r->members, &at)) != NULL;) {
        if (slice_eq(member_user(who->who), user)) {
            close_for(r, who->conn, "kicked", reason);
            member_drop(r, who, now_ms);
            kicked++;
        }
    }
    return kicked;
}

void room_kick(struct room *r, struct msg *m, uint64_t now_ms) {
    struct order o = {.kick = true,
                      .sanctioned = m->sanction.seconds > 0,
                      .row = {.kind = SANCTION_BAN,
                              .user = frame_slice(m->payload),
                              .until_ms = until(m, now_ms),
                              .stamp = sanctions_next(r->sanctions)},
                      .reason = frame_slice(m->extra)};
    if (o.sanctioned) {
        room_sanction(r, &o.row);
    }
    size_t kicked = room_put_out(r, o.row.user, o.reason, now_ms);
    memset(&m->answer, 0, sizeof m->answer);
    m->answer.kicked = kicked;
    abroad_order(r, &o, m, now_ms);
}

void room_mute(struct room *r, struct msg *m, uint64_t now_ms) {
    struct order o = {.sanctioned = true,
                      .row = {.kind = SANCTION_MUTE,
                              .user = frame_slice(m->payload),
                              .until_ms = m->sanction.on ? until(m, now_ms) : 0,
                              .stamp = sanctions_next(r->sanctions)}};
    room_sanction(r, &o.row);
    memset(&m->answer, 0, sizeof m->answer);
    abroad_order(r, &o, m, now_ms);
}
