#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "base/varuint.h"
#include "load.h"

enum {
    TRIES = 3,                  /* PROTOCOL 3: then reconnects */
    PRESENCE_BYTES_MOST = 7000, /* of a message with all states: the server takes 8 KiB */
    SLOW_RECEIVE_BYTES = 16 * 1024,
    RATE_LIMIT = 429,
};

#define SECOND_NS   UINT64_C(1000000000)
#define ENTRY_BYTES (3 * (size_t)VARUINT_MAX_BYTES) /* beside the state */
#define RESEND_NS   (2 * SECOND_NS)                 /* PROTOCOL 3: backoff to 2 s */
#define RETRY_MS    1000                            /* when a refusal does not say how long */
#define NOT_SENT    UINT64_MAX

static struct dice *dice(const struct user *u) {
    return &u->load->dice;
}

static const struct dialect_ops *pick_dialect(const struct load *l, uint32_t turn) {
    static const struct dialect_ops *const known[] = {DIALECTS};
    const struct dialect_ops *wanted[8];
    size_t n = 0;
    const char *p = l->o.dialects;
    while (p && n < 8) {
        size_t length = strcspn(p, ",");
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            if (strlen(known[i]->name) == length && memcmp(known[i]->name, p, length) == 0) {
                wanted[n++] = known[i];
            }
        }
        p = p[length] ? p + length + 1 : NULL;
    }
    return n ? wanted[turn % n] : NULL;
}

/* Sampled are the first and the last, so that a slow one is among them, then those between. */
static bool is_sampled(const struct load *l, uint32_t member) {
    uint64_t last = l->o.users - 1;
    return l->o.sample && (member < (l->o.sample + 1) / 2 || member > last - l->o.sample / 2);
}

void user_init(struct user *u, struct room *r, uint32_t member) {
    struct load *l = r->load;
    *u = (struct user){.load = l, .room = r, .member = member};
    list_init(&u->pending);
    u->speaker.room = r->name;
    u->witness = member == r->members;
    u->dialect = pick_dialect(l, member);
    must(u->dialect != NULL);
    u->clocks = mem_new(r->members * sizeof *u->clocks);
    u->state_clocks = mem_new(r->members * sizeof *u->state_clocks);
    u->writer.client = r->first_client + member;
    (void)snprintf(u->writer.key, sizeof u->writer.key, "u%u", member);
    /* the slow ones are the last; who sends all states is spread over the rest */
    u->slow = !u->witness && member >= l->o.users - l->o.users * l->o.slow / 100;
    u->sends_all = (member + 1) * l->o.send_all / 100 > member * l->o.send_all / 100;
    if (u->witness || is_sampled(l, member)) {
        const struct yata_options options = {.strict = true};
        u->doc = yata_doc_new(&options);
        must(u->doc != NULL);
    }
}

static void drop(struct message *m) {
    list_remove(&m->node);
    frame_unref(m->payload);
    mem_free(m);
}

void user_fini(struct user *u) {
    conn_close(&u->conn, true);
    for (struct list_node *n; (n = list_shift(&u->pending)) != NULL;) {
        drop(LIST_ITEM(n, struct message, node));
    }
    yata_doc_free(u->doc);
    mem_free(u->clocks);
    mem_free(u->state_clocks);
}

/* ---- sending ---- */

static struct buf *scratch(void) {
    static struct buf b;
    buf_clear(&b);
    return &b;
}

/* What this user has, as a state vector: who holds the document says it as editors do. */
static slice state_vector(const struct user *u, struct buf *b) {
    const struct room *r = u->room;
    struct yata_bytes vector = {0};
    uint64_t n = 0;
    if (u->doc) {
        must(yata_encode_state_vector(u->doc, &vector) == YATA_OK);
        buf_clear(b);
        buf_put_slice(b, slice_of(vector.p, vector.n));
        yata_bytes_fini(&vector);
        return buf_slice(b);
    }
    for (uint32_t i = 0; i < r->members; i++) {
        n += (i == u->member ? u->clock : u->clocks[i]) > 0;
    }
    buf_clear(b);
    buf_put_varuint(b, n);
    for (uint32_t i = 0; i < r->members; i++) {
        uint32_t clock = i == u->member ? u->clock : u->clocks[i];
        if (clock) {
            buf_put_varuint(b, r->first_client + i);
            buf_put_varuint(b, clock);
        }
    }
    return n ? buf_slice(b) : (slice){0};
}

static const enum count sent_as[] = {[MESSAGE_UPDATE] = COUNT_UPDATES,
                                     [MESSAGE_SYNC] = COUNT_SYNCS,
                                     [MESSAGE_PRESENCE] = COUNT_PRESENCES};

static void transmit(struct user *u, struct message *m, uint64_t now_ns) {
    static struct buf vector;
    struct buf *b = scratch();
    slice payload = frame_slice(m->payload);
    bool text = false;
    m->seq = m->seq ? m->seq : ++u->seq;
    m->tries++;
    m->again_ns = now_ns + RESEND_NS + dice_below(dice(u), RESEND_NS / 4);
    if (m->kind == MESSAGE_PRESENCE) {
        text = u->dialect->awareness(&u->speaker, m->seq, payload, b);
    } else if (m->kind == MESSAGE_SYNC && u->dialect->sync) {
        text = u->dialect->sync(&u->speaker, m->seq, payload, state_vector(u, &vector), b);
    } else {
        text = u->dialect->update(&u->speaker, m->seq, payload, b);
    }
    u->load->counts[sent_as[m->kind]]++;
    conn_send(&u->conn, text, b);
}

static struct message *push(struct user *u, int kind, struct frame *payload, uint64_t due_ns) {
    struct message *m = NEW(struct message);
    m->kind = kind;
    m->payload = payload;
    m->due_ns = due_ns;
    m->again_ns = NOT_SENT;
    list_push(&u->pending, &m->node);
    return m;
}

/* Where its own units end, after an edit of it. */
static uint32_t end_of(const struct user *u, const struct yata_bytes *update) {
    struct yata_update_range *ranges = NULL;
    size_t n = 0;
    uint32_t end = u->clock;
    must(yata_update_meta(update->p, update->n, &ranges, &n, NULL) == YATA_OK);
    for (size_t i = 0; i < n; i++) {
        if (ranges[i].client == u->writer.client) {
            end = (uint32_t)ranges[i].to;
        }
    }
    free(ranges);
    return end;
}

void user_edit(struct user *u, uint64_t due_ns) {
    struct yata_bytes update = {0};
    struct yata_doc *doc = u->doc ? u->doc : room_doc(u->room);
    const struct writing how = {.anywhere = u->doc != NULL, .paste = u->load->o.paste};
    writer_edit(&u->writer, doc, &how, dice(u), &update);
    uint32_t from = u->clock;
    u->clock = end_of(u, &update);
    u->sends[u->sends_at++ % SENDS_KEPT] = (struct told_send){u->clock, due_ns};
    struct message *m = push(u, MESSAGE_UPDATE, frame_copy(slice_of(update.p, update.n)), due_ns);
    m->from = from;
    m->end = u->clock;
    yata_bytes_fini(&update);
    if (load_spoils(u->load, SPOIL_SEND)) {
        u->acked = u->clock; /* as if it had been sent and acknowledged */
        drop(m);
    } else if (u->state == USER_LIVE) {
        transmit(u, m, clock_mono_ns());
    }
}

/* Own presence, and of those who do so all that is known of others. */
static struct frame *presence_of(const struct user *u) {
    static struct yata_presence list[1001];
    char state[128];
    size_t bytes =
        (size_t)snprintf(state, sizeof state, "{\"user\":{\"name\":\"%s\"},\"cursor\":%u}",
                         u->writer.key, (unsigned)u->writer.cursor);
    size_t n = 0;
    list[n++] = (struct yata_presence){.client = u->writer.client,
                                       .clock = u->state_clock,
                                       .state = (const uint8_t *)state,
                                       .state_bytes = bytes};
    for (uint32_t i = 0; u->sends_all && i < u->room->members; i++) {
        const struct frame *s = u->room->states[i];
        bool known = s && i != u->member && u->state_clocks[i] == u->room->state_clocks[i];
        if (known && bytes + s->n < PRESENCE_BYTES_MOST) {
            bytes += s->n + ENTRY_BYTES;
            list[n++] = (struct yata_presence){.client = u->room->first_client + i,
                                               .clock = u->state_clocks[i],
                                               .state = s->bytes,
                                               .state_bytes = s->n};
        }
    }
    struct yata_bytes out = {0};
    must(yata_awareness_encode(list, n, &out) == YATA_OK);
    struct frame *f = frame_copy(slice_of(out.p, out.n));
    yata_bytes_fini(&out);
    return f;
}

void user_show(struct user *u, uint64_t due_ns) {
    if (u->state != USER_LIVE) {
        return;
    }
    u->state_clock++;
    u->state_due[u->state_clock % STATES_KEPT] = due_ns;
    transmit(u, push(u, MESSAGE_PRESENCE, presence_of(u), due_ns), clock_mono_ns());
}

void user_sweep(struct user *u, uint64_t now_ns) {
    LIST_FOR_EACH (node, &u->pending) {
        struct message *m = LIST_ITEM(node, struct message, node);
        if (u->state != USER_LIVE || m->again_ns == NOT_SENT) {
            continue;
        }
        if (u->deaf && m->again_ns < now_ns + RESEND_NS) {
            m->again_ns = now_ns + RESEND_NS; /* the answer may be there already */
        }
        if (now_ns < m->again_ns) {
            continue;
        }
        if (m->tries > TRIES) {
            user_reconnect(u, now_ns, true);
            return;
        }
        u->load->counts[m->tries ? COUNT_RESENDS : COUNT_DELAYED]++;
        transmit(u, m, now_ns);
    }
}

/* ---- coming and going ---- */

static void rejoin_soon(struct user *u, uint64_t now_ns) {
    u->state = USER_AWAY;
    timers_add(&u->load->timers, now_ns + SECOND_NS / 10 + dice_below(dice(u), SECOND_NS),
               TIMER_JOIN, u);
}

void user_join(struct user *u, uint64_t now_ns) {
    struct load *l = u->load;
    char token[TOKEN_MAX];
    char name[64];
    const char *secret = getenv("JWT_SECRET");
    uint64_t place = (uint64_t)(u - l->users);
    place = u->witness ? (uint64_t)(u->room - l->rooms) : place;
    (void)snprintf(name, sizeof name, "%s%llu", u->witness ? "witness" : "user",
                   (unsigned long long)place);
    struct request request = {.path = u->dialect->path, .subprotocol = u->dialect->subprotocol};
    request.token = l->token;
    if (!l->token && secret && *secret) {
        token_mint(secret, name, token);
        request.token = token;
    }
    struct address a = {.to = htonl(l->address_to),
                        .port = htons((uint16_t)l->o.port),
                        .from = htonl(l->address_from + (uint32_t)(place % l->o.addresses)),
                        .receive_bytes = u->slow ? SLOW_RECEIVE_BYTES : 0};
    u->began_ns = now_ns;
    u->state = USER_CONNECTING;
    u->deaf = false;
    if (!conn_open(&u->conn, &l->net, u, &a, &request)) {
        load_fault(l, FAULT_ENDED, u, "no socket", slice_str(strerror(errno)));
        rejoin_soon(u, now_ns);
    }
}

static void out_of_room(struct user *u) {
    u->load->live -= u->state == USER_LIVE;
    /* who is out of the room sees nobody, and repeats nobody when it is back */
    memset(u->state_clocks, 0, u->room->members * sizeof *u->state_clocks);
    LIST_FOR_EACH (node, &u->pending) {
        struct message *m = LIST_ITEM(node, struct message, node);
        if (m->kind == MESSAGE_PRESENCE) {
            drop(m); /* the next one says it all */
        } else {
            m->seq = 0;
            m->tries = 0;
            m->again_ns = NOT_SENT;
        }
    }
}

void user_reconnect(struct user *u, uint64_t now_ns, bool abrupt) {
    u->load->counts[COUNT_RECONNECTS]++;
    conn_close(&u->conn, abrupt);
    out_of_room(u);
    rejoin_soon(u, now_ns);
}

static void on_open(void *owner, uint64_t now_ns) {
    static struct buf vector;
    struct user *u = owner;
    struct buf *b = scratch();
    (void)now_ns;
    u->state = USER_JOINING;
    u->seq = 1;
    u->stream_seq = 0;
    u->speaker.channel = 0;
    u->speaker.join_id = u->seq;
    u->load->counts[COUNT_SUBSCRIBES]++;
    bool text = u->dialect->subscribe(&u->speaker, state_vector(u, &vector), b);
    conn_send(&u->conn, text, b);
}

/* Where the first of its edits begins that is not answered. */
static uint32_t unanswered_from(const struct user *u) {
    LIST_FOR_EACH (node, &u->pending) {
        const struct message *m = LIST_ITEM(node, struct message, node);
        if (m->kind != MESSAGE_PRESENCE) {
            return m->from;
        }
    }
    return u->clock;
}

/* All edits that are not acknowledged, as one. */
static struct message *one_sync(struct user *u) {
    size_t n = 0;
    uint64_t due_ns = 0;
    LIST_FOR_EACH (node, &u->pending) {
        n++;
    }
    struct yata_slice *list = mem_new((n + 1) * sizeof *list);
    struct yata_bytes merged = {0};
    uint32_t from = unanswered_from(u);
    n = 0;
    LIST_FOR_EACH (node, &u->pending) {
        const struct message *m = LIST_ITEM(node, struct message, node);
        due_ns = n ? due_ns : m->due_ns;
        list[n++] = (struct yata_slice){m->payload->bytes, m->payload->n};
    }
    must(yata_merge_updates(YATA_V1, list, n, &merged, NULL) == YATA_OK);
    mem_free(list);
    struct frame *payload = frame_copy(slice_of(merged.p, merged.n));
    yata_bytes_fini(&merged);
    for (struct list_node *node; (node = list_shift(&u->pending)) != NULL;) {
        drop(LIST_ITEM(node, struct message, node));
    }
    struct message *m = push(u, MESSAGE_SYNC, payload, due_ns);
    m->from = from;
    m->end = u->clock;
    return m;
}

/* In the room: what was written meanwhile goes out. */
static void catch_up(struct user *u, uint64_t now_ns) {
    if (!list_empty(&u->pending) && u->dialect->sync) {
        (void)one_sync(u);
    }
    LIST_FOR_EACH (node, &u->pending) {
        transmit(u, LIST_ITEM(node, struct message, node), now_ns);
    }
}

static void on_joined(struct user *u, uint64_t now_ns) {
    struct load *l = u->load;
    if (u->witness) {
        u->state = USER_LIVE;
        verify_joined(u);
        return;
    }
    hist_add(&l->join, (now_ns - u->began_ns) / 1000);
    l->live++;
    u->state = USER_LIVE;
    u->joined_ns = now_ns;
    catch_up(u, now_ns);
    if (l->o.presence > 0) {
        user_show(u, now_ns);
    }
}

/* ---- hearing ---- */

static struct message *find(const struct user *u, uint64_t seq) {
    LIST_FOR_EACH (node, &u->pending) {
        struct message *m = LIST_ITEM(node, struct message, node);
        if (m->seq == seq) {
            return m;
        }
    }
    return NULL;
}

static void on_answer(struct user *u, const struct heard *h, uint64_t now_ns) {
    struct load *l = u->load;
    struct message *m = find(u, h->seq);
    l->counts[COUNT_ANSWERS]++;
    l->counts[COUNT_DUPLICATES] += h->duplicate;
    l->counts[COUNT_WAITING] += h->waits;
    if (!m) {
        return; /* of something sent twice */
    }
    if (m->kind == MESSAGE_UPDATE && load_counts(l, m->due_ns) && !u->slow) {
        hist_add(&l->ack, (now_ns - m->due_ns) / 1000);
    }
    bool promised = m->kind != MESSAGE_PRESENCE && !h->waits;
    drop(m);
    uint32_t until = unanswered_from(u); /* what lies beyond builds on what is still on its way */
    u->acked = promised && until > u->acked ? until : u->acked;
}

static void on_refused(struct user *u, const struct heard *h, uint64_t now_ns) {
    struct load *l = u->load;
    struct message *m = find(u, h->seq);
    if (h->code == RATE_LIMIT) {
        uint64_t ms = h->retry_ms ? h->retry_ms : RETRY_MS;
        l->counts[COUNT_RATE_LIMITED]++;
        if (m) {
            m->tries = 0;
            m->again_ns = now_ns + ms * 1000000;
        } else if (h->seq == u->speaker.join_id) {
            user_reconnect(u, now_ns + ms * 1000000, false);
        }
        return;
    }
    load_fault(l, FAULT_REFUSED, u, "refused", h->text);
    if (m) {
        drop(m);
    }
}

/* The server numbers what it sends to a subscription without gaps. */
static void check_stream(struct user *u, const struct heard *h) {
    if (!h->numbered) {
        return;
    }
    if (u->stream_seq && h->seq != u->stream_seq + 1) {
        load_fault(u->load, FAULT_STREAM_GAP, u, "a gap in its stream", (slice){0});
    }
    u->stream_seq = h->seq;
}

static void on_event(struct user *u, const struct heard *h, uint64_t now_ns) {
    bool update = h->kind == HEARD_UPDATE;
    if (update && load_spoils(u->load, SPOIL_RECEIVE)) {
        return;
    }
    check_stream(u, h);
    u->load->counts[update ? COUNT_UPDATE_FRAMES : COUNT_PRESENCE_FRAMES]++;
    if (u->witness) {
        if (update) {
            struct told t = {0};
            told_read(&t, u->room, false, h->payload, h->base64);
            verify_told(u, frame_slice(t.bytes));
            told_fini(&t);
        }
    } else if (update) {
        room_hear_update(u, h, now_ns);
    } else {
        room_hear_presence(u, h, now_ns);
    }
}

static void on_message(void *owner, bool text, slice message, uint64_t now_ns) {
    struct user *u = owner;
    struct heard h;
    u->dialect->read(&u->speaker, text, message, &h);
    switch (h.kind) {
    case HEARD_NOTHING:
        break;
    case HEARD_JOINED:
        on_joined(u, now_ns);
        break;
    case HEARD_UPDATE:
    case HEARD_AWARENESS:
        on_event(u, &h, now_ns);
        break;
    case HEARD_ANSWER:
        on_answer(u, &h, now_ns);
        break;
    case HEARD_REFUSED:
        on_refused(u, &h, now_ns);
        break;
    case HEARD_CLOSED:
        load_fault(u->load, FAULT_ENDED, u, "the room was closed", h.text);
        break;
    case HEARD_STRANGE:
        load_fault(u->load, FAULT_STRANGE, u, "a strange message", message);
        break;
    }
}

static void on_end(void *owner, unsigned code, slice reason) {
    struct user *u = owner;
    char why[48];
    if (u->witness) {
        u->state = USER_AWAY;
        verify_ended(u);
        return;
    }
    (void)snprintf(why, sizeof why, "its connection was ended with code %u", code);
    load_fault(u->load, FAULT_ENDED, u, why, reason);
    out_of_room(u);
    rejoin_soon(u, clock_mono_ns());
}

const struct net_events user_events = {
    .open = on_open,
    .message = on_message,
    .end = on_end,
};
