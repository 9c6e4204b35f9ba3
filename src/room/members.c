#include <jansson.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "room/abroad.h"
#include "room/internal.h"
#include "room/rooms.h"
#include "yata.h"

slice member_user(const struct identity *who) {
    return slice_str(identity_user(who));
}

void member_add(struct room *r, struct msg *m, uint64_t now_ms) {
    struct member *who = map_find_u64(&r->members, m->conn);
    if (!who) {
        who = NEW(struct member);
        who->conn = m->conn;
        who->joined_ms = now_ms;
        map_set_u64(&r->members, m->conn, who);
        r->on_worker[conn_worker(m->conn)]++;
        metric_add(METRIC_PARTICIPANTS, 0, 1);
        peers_tell_members(r);
        if (r->members.used == CAPS_ROOM_SOFT) {
            log_limited(LOG_WARN, "ROOM-BUSY", log_str("roomId", frame_slice(r->name)),
                        log_u64("participants", r->members.used));
        }
    }
    who->role = m->join.role;
    identity_unref(who->who);
    who->who = m->join.who;
    m->join.who = NULL;
}

void member_free(struct member *who) {
    identity_unref(who->who);
    mem_free(who);
}

void member_drop(struct room *r, struct member *who, uint64_t now_ms) {
    (void)map_remove_u64(&r->members, who->conn);
    r->on_worker[conn_worker(who->conn)]--;
    metric_add(METRIC_PARTICIPANTS, 0, -1);
    presence_leave(&r->presence, who->conn, now_ms);
    peers_tell_members(r);
    member_free(who);
}

/* ---- what is told of them ---- */

void room_info(struct room *r, struct msg *m, uint64_t now_ms) {
    size_t count[ROLE_ADMIN + 1] = {0};
    struct member_info *list = mem_new(r->members.used * sizeof *list);
    size_t n = 0;
    size_t at = 0;
    for (struct member *who; (who = map_next(&r->members, &at)) != NULL; n++) {
        count[who->role]++;
        list[n].conn = who->conn;
        list[n].role = who->role;
        list[n].who = identity_ref(who->who);
    }
    const struct member *asks = map_find_u64(&r->members, m->conn);
    m->answer.role = asks->role;
    m->answer.members = list;
    m->answer.members_count = n;
    m->answer.readers = count[ROLE_READ];
    m->answer.writers = count[ROLE_WRITE];
    m->answer.admins = count[ROLE_ADMIN];
    abroad_who(r, m, now_ms);
}

static json_t *members_json(const struct room *r) {
    json_t *list = json_array();
    size_t at = 0;
    for (struct member *who; (who = map_next(&r->members, &at)) != NULL;) {
        (void)json_array_append_new(
            list, json_pack("{s:o,s:s,s:s,s:I}", "connectionId",
                            json_sprintf("%llu", (unsigned long long)who->conn), "userId",
                            identity_user(who->who), "role", role_name(who->role), "lastSeq",
                            (json_int_t)who->last_seq));
    }
    return list;
}

void room_state(struct room *r, struct msg *m) {
    struct yata_stats stats;
    yata_stats(r->doc, &stats);
    json_t *o =
        json_pack("{s:s%,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "roomId", r->name->bytes, r->name->n,
                  "version", (json_int_t)r->version, "docBytes", (json_int_t)stats.memory_bytes,
                  "structs", (json_int_t)stats.structs, "pendingBytes",
                  (json_int_t)stats.pending_bytes, "present", (json_int_t)r->presence.live,
                  "backlog", (json_int_t)r->tick_updates, "participants", members_json(r));
    char *text = json_dumps(o, JSON_COMPACT);
    m->payload = frame_copy(slice_str(text ? text : "{}"));
    free(text); /* ban-ok: jansson hands out what free() releases */
    json_decref(o);
    room_answer(r, m, MSG_STATE_IS, ERR_OK);
}
