#include "room/hub.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "observe/metrics.h"
#include "room/echo.h"
#include "yata.h"

struct hub_room {
    struct frame *name;
    uint32_t channel;
    char sid[16];
    size_t sid_bytes;
    struct list_node subs;
};

size_t hub_sid(uint32_t channel, char to[16]) {
    return (size_t)snprintf(to, 16, "s%x", channel);
}

uint32_t hub_channel(const struct subscription *s) {
    return s->room ? s->room->channel : 0;
}

void hub_init(struct hub *h, const struct hub_ops *ops) {
    *h = (struct hub){.ops = ops};
    buf_init(&h->scratch, 0);
}

void hub_written(struct hub *h) {
    uint64_t now = h->echoes_count ? clock_mono_ns() : 0;
    for (size_t i = 0; i < h->echoes_count; i++) {
        echo_written(h->echoes[i], now);
    }
    h->echoes_count = 0;
}

/* Until hub_written. */
static void keep_echo(struct hub *h, struct echo *e) {
    if (h->echoes_count == h->echoes_cap) {
        h->echoes_cap = h->echoes_cap ? h->echoes_cap * 2 : 8;
        h->echoes = mem_resize(h->echoes, h->echoes_cap * sizeof *h->echoes);
    }
    h->echoes[h->echoes_count++] = e;
}

void hub_fini(struct hub *h) {
    must(h->rooms.used == 0);
    hub_written(h);
    mem_free(h->echoes);
    map_fini(&h->rooms);
    buf_fini(&h->scratch);
}

void sub_init(struct subscription *s, void *owner, conn_id conn, struct frame *name,
              enum dialect_id out) {
    *s = (struct subscription){.name = frame_ref(name), .owner = owner, .conn = conn, .out = out};
}

static void forget_missed(struct subscription *s) {
    mem_free(s->missed);
    s->missed = NULL;
    s->missed_count = 0;
}

static void detach(struct hub *h, struct subscription *s) {
    struct hub_room *r = s->room;
    if (!r) {
        return;
    }
    list_remove(&s->in_room);
    s->room = NULL;
    if (list_empty(&r->subs)) {
        (void)map_remove(&h->rooms, frame_slice(r->name));
        frame_unref(r->name);
        mem_free(r);
    }
}

void sub_fini(struct hub *h, struct subscription *s) {
    detach(h, s);
    forget_missed(s);
    s->name = frame_unref(s->name);
}

static struct hub_room *room_of(struct hub *h, struct frame *name, uint32_t channel) {
    struct hub_room *r = map_find(&h->rooms, frame_slice(name));
    if (!r) {
        r = NEW(struct hub_room);
        r->name = frame_ref(name);
        list_init(&r->subs);
        map_set(&h->rooms, frame_slice(r->name), r);
    }
    r->channel = channel;
    r->sid_bytes = hub_sid(channel, r->sid);
    return r;
}

void hub_attach(struct hub *h, struct subscription *s, uint32_t channel) {
    if (!s->room) {
        s->room = room_of(h, s->name, channel);
        list_push(&s->room->subs, &s->in_room);
        s->state = SUB_LIVE;
    }
}

static struct event event_of(const struct hub_room *r, enum event_kind kind, struct frame *payload,
                             uint64_t version) {
    return (struct event){.kind = kind,
                          .room_id = frame_slice(r->name),
                          .sid = slice_of(r->sid, r->sid_bytes),
                          .channel = r->channel,
                          .version = version,
                          .payload = frame_slice(payload)};
}

/* ---- what a cut receiver misses ---- */

static void note_missed(struct subscription *s, const struct yata_update_range *ranges, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t j = 0;
        while (j < s->missed_count && s->missed[j].client != ranges[i].client) {
            j++;
        }
        if (j == s->missed_count) {
            s->missed = mem_resize(s->missed, (j + 1) * sizeof *s->missed);
            s->missed[s->missed_count++] = (struct yata_clock){ranges[i].client, ranges[i].from};
        } else if (ranges[i].from < s->missed[j].clock) {
            s->missed[j].clock = ranges[i].from;
        }
    }
}

static void note_missed_update(struct subscription *s, const struct frame *update) {
    struct yata_update_range *ranges = NULL;
    size_t n = 0;
    if (yata_update_meta(update->bytes, update->n, &ranges, &n, NULL) == YATA_OK) {
        note_missed(s, ranges, n);
        free(ranges); /* ban-ok: libyata hands out what free() releases */
    }
}

void hub_dropped(struct subscription *s, const struct out_item *it) {
    s->seq--;
    metric_add(METRIC_DROPPED, METRIC_REASON_SLOW, 1);
    if (it->class == OUT_UPDATE) {
        note_missed_update(s, it->source);
    }
}

void hub_cut(struct hub *h, struct subscription *s) {
    if (s->state == SUB_LIVE) {
        s->state = SUB_CUT;
        h->ops->drop(s->owner, s);
    }
}

struct msg *hub_ask_repair(struct subscription *s) {
    must(s->state == SUB_CUT);
    struct msg *m = msg_new(MSG_REPAIR);
    m->conn = s->conn;
    m->room = frame_ref(s->name);
    m->repair.clocks = s->missed;
    m->repair.count = s->missed_count;
    s->missed = NULL;
    s->missed_count = 0;
    s->state = SUB_LIVE;
    return m;
}

/* ---- sending ---- */

static void push(struct hub *h, struct subscription *s, const struct out_event *e,
                 enum out_class class, struct frame *source) {
    if (!e->frame) {
        return;
    }
    struct out_item it = out_event_item(e, ++s->seq, class, class == OUT_UPDATE ? source : NULL, s);
    if (h->ops->push(s->owner, &it)) {
        hub_cut(h, s);
    }
}

void hub_send(struct hub *h, struct subscription *s, enum event_kind kind, struct frame *payload,
              uint64_t version, enum out_class class) {
    struct event ev = event_of(s->room, kind, payload, version);
    struct out_event e;
    out_event_init(&e, dialect_get(s->out), &ev, &h->scratch);
    push(h, s, &e, class, payload);
    out_event_fini(&e);
}

void hub_send_closed(struct hub *h, struct subscription *s, int code, const char *message) {
    struct event ev = event_of(s->room, EVENT_CLOSED, NULL, 0);
    ev.code = code;
    ev.message = message;
    struct out_event e;
    out_event_init(&e, dialect_get(s->out), &ev, &h->scratch);
    push(h, s, &e, OUT_CONTROL, NULL);
    out_event_fini(&e);
}

void hub_fanout(struct hub *h, struct msg *m) {
    struct hub_room *r = map_find(&h->rooms, frame_slice(m->room));
    if (!r) {
        return; /* the last receiver left while this was on its way */
    }
    if (m->fanout.echo) {
        keep_echo(h, m->fanout.echo);
        m->fanout.echo = NULL;
    }
    enum event_kind kind = m->fanout.presence ? EVENT_AWARENESS : EVENT_UPDATE;
    enum out_class class = m->fanout.presence ? OUT_PRESENCE : OUT_UPDATE;
    struct event ev = event_of(r, kind, m->payload, m->fanout.version);
    struct out_event encoded[DIALECT_COUNT] = {0}; /* filled for dialects in use */
    LIST_FOR_EACH (node, &r->subs) {
        struct subscription *s = LIST_ITEM(node, struct subscription, in_room);
        if (s->conn == m->fanout.except) {
            continue;
        }
        if (s->state == SUB_LIVE) {
            struct out_event *e = &encoded[s->out];
            if (!e->dialect) {
                out_event_init(e, dialect_get(s->out), &ev, &h->scratch);
            }
            push(h, s, e, class, m->payload);
        } else if (s->state == SUB_CUT && class == OUT_UPDATE) {
            note_missed_update(s, m->payload);
        }
    }
    for (size_t i = 0; i < DIALECT_COUNT; i++) {
        out_event_fini(&encoded[i]);
    }
}
