#include "cluster/bus.h"

#include <hiredis/hiredis.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/must.h"
#include "base/rand.h"
#include "cluster/redis.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"

static const char room_prefix[] = "room:";
static const char node_prefix[] = "node:";
static const char everybody[] = "nodes";

enum { PREFIX = sizeof room_prefix - 1, NAME_BYTES = 32, CLAIM_BYTES = 160 };

/* A room that this node hears of. */
struct channel {
    struct frame *room;
    size_t shard;
    bool heard;            /* Redis has confirmed it */
    uint64_t leave_ms;     /* 0: it is wanted; else when to unsubscribe */
    struct list_node todo; /* in the shard's list of what is to be subscribed */
    size_t name_bytes;
    char name[]; /* "room:<roomId>" */
};

enum shard_state { SHARD_DOWN, SHARD_SUBSCRIBING, SHARD_SERVING };

struct shard {
    struct bus *parent;
    size_t index;
    enum shard_state state;
    uint64_t serves_ms; /* since */
    struct redis *hear;
    struct redis *speak;
    struct list_node todo;   /* channels to be subscribed in this turn */
    size_t unconfirmed;      /* subscriptions sent and not yet confirmed */
    struct bus_mail **asked; /* a ring: what replies that are to come answer; NULL: nothing */
    size_t asked_cap;
    size_t asked_at;
    size_t asked_count;
};

struct node {
    uint64_t id;
    uint64_t heard_ms;
};

struct bus {
    /* fixed after open */
    struct bus_options o;
    struct target *targets;
    size_t count;
    uint64_t id;
    char name[NAME_BYTES];   /* "node:<id>" */
    char script[2 * 20 + 1]; /* the rates' script, as Redis names it */

    /* main */
    pthread_t thread;
    bool running;

    /* any thread */
    pthread_mutex_t lock; /* leaf: held for a list operation */
    struct list_node inbox;
    uv_async_t wake;
    atomic_size_t serving;
    atomic_size_t nodes_alive;

    /* bus thread (before it starts and after it has ended: main) */
    uv_loop_t loop;
    uv_prepare_t before_poll;
    uv_timer_t ticker;
    struct shard *shards;
    struct map channels; /* by room */
    struct map nodes;    /* by id */
    uint64_t beat_ms;
    uint64_t ticked_ms;
    bool stopping;
};

/* ---- speaking ---- */

/* A reply will come for this, which is taken; NULL: nobody wants to know. */
static void remember(struct shard *s, struct bus_mail *m) {
    if (s->asked_count == s->asked_cap) {
        size_t cap = s->asked_cap ? s->asked_cap * 2 : 64;
        struct bus_mail **ring = mem_new(cap * sizeof(struct bus_mail *));
        for (size_t i = 0; i < s->asked_count; i++) {
            ring[i] = s->asked[(s->asked_at + i) % s->asked_cap];
        }
        mem_free(s->asked);
        s->asked = ring;
        s->asked_cap = cap;
        s->asked_at = 0;
    }
    if (m) {
        m->asked_ms = uv_now(&s->parent->loop);
    }
    s->asked[(s->asked_at + s->asked_count++) % s->asked_cap] = m;
}

static struct bus_mail *recall(struct shard *s) {
    struct bus_mail *m = NULL;
    if (s->asked_count) {
        m = s->asked[s->asked_at];
        s->asked_at = (s->asked_at + 1) % s->asked_cap;
        s->asked_count--;
    }
    return m;
}

/* No reply has come, or none will: who waits for a claim is let in by what this node knows. */
static void give_up(struct bus *b, struct bus_mail *m) {
    if (m && m->op == BUS_CLAIM) {
        metric_add(METRIC_BUS_UNCLAIMED, 0, 1);
        m->op = BUS_CLAIMED;
        m->granted = true;
        b->o.deliver(b->o.ctx, m);
    } else if (m && m->op == BUS_TAKE) {
        m->op = BUS_TAKEN;
        m->away = true;
        b->o.deliver(b->o.ctx, m);
    } else {
        bus_mail_free(m);
    }
}

static void forget_asked(struct shard *s) {
    while (s->asked_count) {
        give_up(s->parent, recall(s));
    }
}

/* Who waits for so long waits no more; the reply, should it come, answers nothing. */
static void look_at_asked(struct shard *s, uint64_t now_ms) {
    for (size_t i = 0; i < s->asked_count; i++) {
        struct bus_mail **at = &s->asked[(s->asked_at + i) % s->asked_cap];
        if (*at && now_ms >= (*at)->asked_ms + CAPS_BUS_CLAIM_MS) {
            struct bus_mail *m = *at;
            *at = NULL;
            give_up(s->parent, m);
        }
    }
}

/* Publishes; `counted`, which is taken, will tell how many heard it; NULL: nobody wants to know. */
static void say(struct shard *s, slice channel, slice bytes, struct bus_mail *counted) {
    if (s->state != SHARD_SERVING) {
        metric_add(METRIC_BUS_DROPPED, 0, 1);
        bus_mail_free(counted);
        return;
    }
    const slice words[] = {slice_str("PUBLISH"), channel, bytes};
    remember(s, counted);
    redis_send(s->speak, words, 3);
    metric_add(METRIC_BUS_PUBLISHED, 0, 1);
    metric_add(METRIC_BUS_BYTES_OUT, 0, (int64_t)bytes.n);
}

static size_t channel_of(const struct bus_mail *m, char *to, size_t cap) {
    int n;
    if (m->to == BUS_TO_ROOM) {
        n = snprintf(to, cap, "%s%.*s", room_prefix, SLICE_FMT(frame_slice(m->room)));
    } else if (m->to == BUS_TO_ALL) {
        n = snprintf(to, cap, "%s", everybody);
    } else {
        n = snprintf(to, cap, "%s%016llx", node_prefix, (unsigned long long)m->to);
    }
    return (size_t)n;
}

/* What is about a room goes by the room's instance; anything else by all, as any may be away. */
static void publish(struct bus *b, const struct bus_mail *m) {
    char name[PREFIX + CAPS_ROOM_NAME_BYTES + 1];
    slice channel = slice_of(name, channel_of(m, name, sizeof name));
    if (m->room) {
        struct shard *s = &b->shards[bus_shard(b, frame_slice(m->room))];
        say(s, channel, frame_slice(m->bytes), m->counted ? bus_mail_new(BUS_SENT, m->room) : NULL);
        return;
    }
    for (size_t i = 0; i < b->count; i++) {
        if (b->shards[i].state == SHARD_SERVING) {
            say(&b->shards[i], channel, frame_slice(m->bytes), NULL);
        }
    }
}

/* Takes the mail. The value says whose it is, so that the same one may claim again. */
static void claim(struct bus *b, struct bus_mail *m) {
    struct shard *s = &b->shards[bus_shard(b, frame_slice(m->bytes))];
    char key[CLAIM_BYTES];
    char value[NAME_BYTES * 2];
    char seconds[NAME_BYTES];
    (void)snprintf(key, sizeof key, "claim:%.*s", SLICE_FMT(frame_slice(m->bytes)));
    (void)snprintf(value, sizeof value, "%s:%llu", b->name, (unsigned long long)m->conn);
    (void)snprintf(seconds, sizeof seconds, "%llu", (unsigned long long)m->seconds);
    if (s->state != SHARD_SERVING) {
        give_up(b, m);
        return;
    }
    const slice words[] = {slice_str("SET"), slice_str(key),     slice_str(value), slice_str("NX"),
                           slice_str("EX"),  slice_str(seconds), slice_str("GET")};
    remember(s, m);
    redis_send(s->speak, words, 7);
}

static void on_claim_reply(struct bus *b, struct bus_mail *m, const redisReply *r) {
    char value[NAME_BYTES * 2];
    (void)snprintf(value, sizeof value, "%s:%llu", b->name, (unsigned long long)m->conn);
    if (r->type == REDIS_REPLY_ERROR) {
        log_limited(LOG_WARN, "BUS-COMMAND", log_text("detail", r->str));
        give_up(b, m);
        return;
    }
    bool mine = r->type == REDIS_REPLY_STRING && slice_is(slice_of(r->str, r->len), value);
    m->op = BUS_CLAIMED;
    m->granted = r->type == REDIS_REPLY_NIL || mine;
    b->o.deliver(b->o.ctx, m);
}

/* ---- rates ---- */

/* A bucket is one number: when it will be full again, in microseconds of Redis' clock (the generic
 * cell rate algorithm, as in access/bucket.c). What was spent is charged, also below nothing. Of
 * what is left the asker gets what it wants, or its share when that is more: a bucket that is full
 * is handed out in few slices, one that is nearly empty in small ones. In whole points, of four
 * quarters: a part of one would lie idle with a node. */
static const char rate_script[] =
    "local t = redis.call('TIME')\n"
    "local now = t[1] * 1000000 + t[2]\n"
    "local unit, whole, charge = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])\n"
    "local want, nodes = tonumber(ARGV[4]), tonumber(ARGV[5])\n"
    "local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0)) + charge * unit\n"
    "local left = math.floor((now + whole - full) / unit)\n"
    "local give = math.max(0, math.min(left, math.max(want, math.floor(left / nodes))))\n"
    "give = give - give % 4\n"
    "full = full + give * unit\n"
    "local ms = math.ceil((full - now) / 1000) + 1\n"
    "redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', ms)\n"
    "local wait = 0\n"
    "if give < want then\n"
    "  wait = math.ceil((full + math.min(want, 4 * nodes) * unit - now - whole) / 1000)\n"
    "end\n"
    "return {give, math.max(wait, 0)}\n";

enum { SHA_BYTES = 20 };

/* The name by which Redis knows the script: its SHA-1 in hexadecimal. */
static void name_script(char to[2 * SHA_BYTES + 1]) {
    uint8_t digest[EVP_MAX_MD_SIZE];
    must(EVP_Digest(rate_script, sizeof rate_script - 1, digest, NULL, EVP_sha1(), NULL) == 1);
    for (size_t i = 0; i < SHA_BYTES; i++) {
        (void)snprintf(to + 2 * i, 3, "%02x", digest[i]);
    }
}

/* Takes the mail. */
static void take(struct bus *b, struct bus_mail *m) {
    struct shard *s = &b->shards[bus_shard(b, frame_slice(m->bytes))];
    if (s->state != SHARD_SERVING) {
        give_up(b, m);
        return;
    }
    const struct bus_rate *r = &m->rate;
    char key[CLAIM_BYTES * 2];
    char numbers[5][NAME_BYTES];
    (void)snprintf(key, sizeof key, "rate:%.*s", SLICE_FMT(frame_slice(m->bytes)));
    (void)snprintf(numbers[0], NAME_BYTES, "%.3f", (double)r->unit_ns / 1000);
    (void)snprintf(numbers[1], NAME_BYTES, "%.3f", (double)r->whole_ns / 1000);
    (void)snprintf(numbers[2], NAME_BYTES, "%u", r->charge);
    (void)snprintf(numbers[3], NAME_BYTES, "%u", r->want);
    (void)snprintf(numbers[4], NAME_BYTES, "%u", r->nodes);
    slice words[9] = {slice_str("EVALSHA"), slice_str(b->script), slice_str("1"), slice_str(key)};
    for (size_t i = 0; i < 5; i++) {
        words[4 + i] = slice_str(numbers[i]);
    }
    remember(s, m);
    redis_send(s->speak, words, 9);
}

static void on_take_reply(struct bus *b, struct bus_mail *m, const redisReply *r) {
    bool ok = r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
              r->element[0]->type == REDIS_REPLY_INTEGER &&
              r->element[1]->type == REDIS_REPLY_INTEGER;
    if (!ok) {
        log_limited(LOG_WARN, "BUS-COMMAND",
                    log_text("detail", r->type == REDIS_REPLY_ERROR ? r->str : "no pair"));
        give_up(b, m);
        return;
    }
    m->op = BUS_TAKEN;
    m->rate.granted = (unsigned)r->element[0]->integer;
    m->rate.wait_ms = (uint64_t)r->element[1]->integer;
    b->o.deliver(b->o.ctx, m);
}

/* What this node says of itself, to all that can hear it. */
static void say_everywhere(struct bus *b, enum envelope_kind kind) {
    struct buf bytes;
    uint64_t now = clock_mono_ns();
    struct envelope e = {.kind = kind, .node = b->id, .payload = slice_of(&now, sizeof now)};
    buf_init(&bytes, 0);
    envelope_write(&bytes, &e);
    for (size_t i = 0; i < b->count; i++) {
        if (b->shards[i].state == SHARD_SERVING) {
            say(&b->shards[i], slice_str(everybody), buf_slice(&bytes), NULL);
        }
    }
    buf_fini(&bytes);
}

/* ---- what is to be heard ---- */

static void tell_all(struct bus *b, enum bus_op op, size_t shard, uint64_t node) {
    struct bus_mail *m = bus_mail_new(op, NULL);
    m->shard = shard;
    m->to = node;
    b->o.deliver(b->o.ctx, m);
}

static void tell_subscribed(struct bus *b, struct channel *c, bool away) {
    struct bus_mail *m = bus_mail_new(BUS_SUBSCRIBED, c->room);
    m->away = away;
    b->o.deliver(b->o.ctx, m);
}

static void want(struct shard *s, struct channel *c) {
    if (!list_linked(&c->todo)) {
        list_push(&s->todo, &c->todo);
    }
}

static void subscribe(struct bus *b, struct bus_mail *m) {
    struct channel *c = map_find(&b->channels, frame_slice(m->room));
    if (!c) {
        size_t n = PREFIX + m->room->n;
        c = mem_new(sizeof *c + n + 1);
        c->room = frame_ref(m->room);
        c->shard = bus_shard(b, frame_slice(c->room));
        c->name_bytes = n;
        memcpy(c->name, room_prefix, PREFIX);
        memcpy(c->name + PREFIX, m->room->bytes, m->room->n);
        (void)map_set(&b->channels, frame_slice(c->room), c);
        metric_add(METRIC_BUS_CHANNELS, 0, 1);
        if (b->shards[c->shard].state != SHARD_DOWN) {
            want(&b->shards[c->shard], c);
        }
    }
    c->leave_ms = 0;
    if (c->heard || b->shards[c->shard].state == SHARD_DOWN) {
        tell_subscribed(b, c, !c->heard);
    }
}

static void unsubscribe(struct bus *b, struct bus_mail *m) {
    struct channel *c = map_find(&b->channels, frame_slice(m->room));
    if (c) {
        c->leave_ms = uv_now(&b->loop) + CAPS_BUS_LINGER_MS;
    }
}

static void channel_free(struct bus *b, struct channel *c) {
    (void)map_remove(&b->channels, frame_slice(c->room));
    metric_add(METRIC_BUS_CHANNELS, 0, -1);
    list_remove(&c->todo);
    frame_unref(c->room);
    mem_free(c);
}

/* Lets go of the channels that nobody has wanted for a while. */
static void leave_channels(struct bus *b, uint64_t now_ms) {
    size_t at = 0;
    for (struct channel *c; (c = map_next(&b->channels, &at)) != NULL;) {
        struct shard *s = &b->shards[c->shard];
        if (!c->leave_ms || now_ms < c->leave_ms || list_linked(&c->todo)) {
            continue;
        }
        if (s->state != SHARD_DOWN) {
            const slice words[] = {slice_str("UNSUBSCRIBE"), slice_of(c->name, c->name_bytes)};
            s->unconfirmed -= !c->heard;
            redis_send(s->hear, words, 2);
        }
        channel_free(b, c);
    }
}

/* Subscribes what is to be heard, in batches. */
static void subscribe_todo(struct shard *s) {
    while (!list_empty(&s->todo)) {
        slice words[1 + CAPS_BUS_BATCH] = {slice_str("SUBSCRIBE")};
        size_t n = 1;
        while (n <= CAPS_BUS_BATCH && !list_empty(&s->todo)) {
            struct channel *c = LIST_ITEM(list_shift(&s->todo), struct channel, todo);
            words[n++] = slice_of(c->name, c->name_bytes);
            s->unconfirmed++;
        }
        redis_send(s->hear, words, n);
    }
}

/* ---- instances that come and go ---- */

static void count_serving(struct bus *b) {
    size_t n = 0;
    for (size_t i = 0; i < b->count; i++) {
        n += b->shards[i].state == SHARD_SERVING;
    }
    /* relaxed: pages look at it, it orders nothing */
    atomic_store_explicit(&b->serving, n, memory_order_relaxed);
    metric_set(METRIC_BUS_UP, 0, (int64_t)n);
}

static void shard_serves(struct shard *s) {
    struct bus *b = s->parent;
    s->state = SHARD_SERVING;
    s->serves_ms = uv_now(&b->loop);
    count_serving(b);
    const slice load[] = {slice_str("SCRIPT"), slice_str("LOAD"), slice_str(rate_script)};
    remember(s, NULL);
    redis_send(s->speak, load, 3);
    log_info("BUS-UP", log_text("host", b->targets[s->index].host),
             log_u64("port", b->targets[s->index].port));
    b->beat_ms = 0; /* the others hear of this node at once */
    tell_all(b, BUS_BACK, s->index, 0);
}

static void shard_begins(struct shard *s) {
    struct bus *b = s->parent;
    s->state = SHARD_SUBSCRIBING;
    s->unconfirmed = 2;
    const slice own[] = {slice_str("SUBSCRIBE"), slice_str(everybody), slice_str(b->name)};
    redis_send(s->hear, own, 3);
    size_t at = 0;
    for (struct channel *c; (c = map_next(&b->channels, &at)) != NULL;) {
        if (c->shard == s->index) {
            c->heard = false;
            want(s, c);
        }
    }
    subscribe_todo(s);
}

static void shard_lost(struct shard *s) {
    struct bus *b = s->parent;
    bool served = s->state == SHARD_SERVING;
    s->state = SHARD_DOWN;
    while (list_shift(&s->todo)) {
        continue;
    }
    size_t at = 0;
    for (struct channel *c; (c = map_next(&b->channels, &at)) != NULL;) {
        if (c->shard == s->index && !c->heard) {
            tell_subscribed(b, c, true);
        }
        c->heard &= c->shard != s->index;
    }
    count_serving(b);
    if (served) {
        tell_all(b, BUS_LOST, s->index, 0);
    }
}

static void on_up(void *shard) {
    struct shard *s = shard;
    if (redis_is_up(s->hear) && redis_is_up(s->speak)) {
        shard_begins(s);
    }
}

static void on_deaf(void *shard, const char *why) {
    struct shard *s = shard;
    (void)why; /* redis.c has said so */
    if (s->state != SHARD_DOWN) {
        shard_lost(s);
    }
}

static void on_mute(void *shard, const char *why) {
    forget_asked(shard); /* replies that will not come */
    on_deaf(shard, why);
}

/* ---- nodes ---- */

static void count_nodes(struct bus *b) {
    atomic_store_explicit(&b->nodes_alive, b->nodes.used + 1, memory_order_relaxed);
    metric_set(METRIC_BUS_NODES, 0, (int64_t)b->nodes.used + 1);
}

static void node_lives(struct bus *b, uint64_t id) {
    struct node *n = map_find_u64(&b->nodes, id);
    if (!n) {
        if (b->nodes.used >= CAPS_BUS_NODES) {
            return;
        }
        n = NEW(struct node);
        n->id = id;
        (void)map_set_u64(&b->nodes, id, n);
        count_nodes(b);
        log_info("NODE-UP", log_u64("nodes", b->nodes.used + 1));
        b->beat_ms = 0; /* it hears of this one at once */
        tell_all(b, BUS_NODE_UP, 0, id);
    }
    n->heard_ms = uv_now(&b->loop);
}

static void node_ends(struct bus *b, struct node *n, const char *why) {
    (void)map_remove_u64(&b->nodes, n->id);
    count_nodes(b);
    log_info("NODE-DOWN", log_u64("nodes", b->nodes.used + 1), log_text("detail", why));
    tell_all(b, BUS_NODE_DOWN, 0, n->id);
    mem_free(n);
}

/* A loop that stood still has heard nobody, which is nobody's fault but its own. */
static void look_at_nodes(struct bus *b, uint64_t now_ms) {
    uint64_t gap = now_ms - b->ticked_ms;
    bool stalled = b->ticked_ms && gap > 2ull * CAPS_BUS_TICK_MS;
    size_t at = 0;
    for (struct node *n; (n = map_next(&b->nodes, &at)) != NULL;) {
        n->heard_ms += stalled ? gap : 0;
        if (now_ms > n->heard_ms + CAPS_BUS_DEAD_MS) {
            node_ends(b, n, "it was silent for too long");
        }
    }
    b->ticked_ms = now_ms;
    /* and the others may have taken this one for dead: it begins anew */
    for (size_t i = 0; stalled && gap > CAPS_BUS_SILENT_MS && i < b->count; i++) {
        if (b->shards[i].state == SHARD_SERVING) {
            tell_all(b, BUS_BACK, i, 0);
        }
    }
}

/* ---- hearing ---- */

static void refuse(slice channel, const char *why) {
    metric_add(METRIC_BUS_REFUSED, 0, 1);
    log_limited(LOG_WARN, "BUS-REFUSED", log_str("channel", channel), log_text("detail", why));
}

static void on_own(const struct envelope *e) {
    uint64_t sent = 0;
    if (e->kind == ENVELOPE_BEAT && e->payload.n == sizeof sent) {
        memcpy(&sent, e->payload.p, sizeof sent);
        uint64_t now = clock_mono_ns();
        metric_observe(METRIC_BUS_LAG, now > sent ? (double)(now - sent) / 1e9 : 0);
    }
}

static void on_node_says(struct bus *b, const struct envelope *e) {
    struct node *n = map_find_u64(&b->nodes, e->node);
    if (e->kind == ENVELOPE_BYE && n) {
        node_ends(b, n, "it has ended");
    } else if (e->kind != ENVELOPE_BYE) {
        node_lives(b, e->node);
    }
}

/* The room that a channel is about, or nothing when it is about more than one. */
static slice channel_room(slice channel) {
    bool room = channel.n > PREFIX && memcmp(channel.p, room_prefix, PREFIX) == 0;
    return room ? slice_of(channel.p + PREFIX, channel.n - PREFIX) : (slice){0};
}

static void on_message(struct bus *b, slice channel, slice bytes) {
    struct envelope e;
    const char *why = NULL;
    metric_add(METRIC_BUS_RECEIVED, 0, 1);
    metric_add(METRIC_BUS_BYTES_IN, 0, (int64_t)bytes.n);
    slice room = channel_room(channel);
    if (envelope_read(bytes, &e, &why) != ERR_OK) {
        refuse(channel, why);
        return;
    }
    if (room.n && !slice_eq(room, e.room)) {
        refuse(channel, "it is about another room than its channel");
        return;
    }
    if (e.node == b->id) {
        on_own(&e);
        return;
    }
    on_node_says(b, &e);
    if (e.room.n || e.kind == ENVELOPE_REVOKED) {
        struct frame *name = e.room.n ? frame_copy(e.room) : NULL;
        struct bus_mail *m = bus_mail_new(name ? BUS_HEARD : BUS_REVOKED, name);
        frame_unref(name);
        m->bytes = frame_copy(bytes);
        must(envelope_read(frame_slice(m->bytes), &m->envelope, &why) == ERR_OK);
        b->o.deliver(b->o.ctx, m);
    }
}

static void on_confirmed(struct shard *s, slice channel) {
    slice room = channel_room(channel);
    struct channel *c = room.n ? map_find(&s->parent->channels, room) : NULL;
    if (room.n && (!c || c->heard)) {
        return; /* it was let go of meanwhile */
    }
    s->unconfirmed -= s->unconfirmed > 0;
    if (c) {
        c->heard = true;
        tell_subscribed(s->parent, c, false);
    }
    if (s->state == SHARD_SUBSCRIBING && !s->unconfirmed) {
        shard_serves(s);
    }
}

static slice text_of(const redisReply *r) {
    bool text = r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS ||
                r->type == REDIS_REPLY_ERROR;
    return text ? slice_of(r->str, r->len) : (slice){0};
}

static void on_heard(void *shard, const redisReply *r) {
    struct shard *s = shard;
    if (r->type == REDIS_REPLY_ERROR) {
        redis_drop(s->hear, r->str);
    } else if (r->type == REDIS_REPLY_ARRAY && r->elements == 3) {
        slice what = text_of(r->element[0]);
        if (slice_is(what, "message")) {
            on_message(s->parent, text_of(r->element[1]), text_of(r->element[2]));
        } else if (slice_is(what, "subscribe")) {
            on_confirmed(s, text_of(r->element[1]));
        }
    }
}

/* Of those whom Redis has sent it to, how many other nodes may answer. Redis keeps a subscriber
 * that a silent network has cut off until TCP gives up, which takes a quarter of an hour; so not
 * more than are alive, once each has had the time to say so. */
static size_t answerers(const struct shard *s, const redisReply *r) {
    const struct bus *b = s->parent;
    size_t others = r->type == REDIS_REPLY_INTEGER && r->integer > 0 ? (size_t)r->integer - 1 : 0;
    bool known = uv_now(&b->loop) > s->serves_ms + (uint64_t)2 * CAPS_BUS_BEAT_MS &&
                 b->nodes.used < CAPS_BUS_NODES;
    return known && others > b->nodes.used ? b->nodes.used : others;
}

static void on_spoken(void *shard, const redisReply *r) {
    struct shard *s = shard;
    struct bus *b = s->parent;
    struct bus_mail *m = recall(s);
    if (m && m->op == BUS_CLAIM) {
        on_claim_reply(b, m, r);
    } else if (m && m->op == BUS_TAKE) {
        on_take_reply(b, m, r);
    } else if (r->type == REDIS_REPLY_ERROR && !m) {
        log_limited(LOG_WARN, "BUS-COMMAND", log_text("detail", r->str));
    } else if (m) {
        m->receivers = answerers(s, r);
        b->o.deliver(b->o.ctx, m);
    }
}

static const struct redis_ops hear_ops = {on_up, on_heard, on_deaf};
static const struct redis_ops speak_ops = {on_up, on_spoken, on_mute};

/* ---- the loop ---- */

static void act(struct bus *b, struct bus_mail *m) {
    switch (m->op) {
    case BUS_SUBSCRIBE:
        subscribe(b, m);
        break;
    case BUS_UNSUBSCRIBE:
        unsubscribe(b, m);
        break;
    case BUS_PUBLISH:
        publish(b, m);
        break;
    case BUS_CLAIM:
        claim(b, m);
        return;
    case BUS_TAKE:
        take(b, m);
        return;
    case BUS_STOP:
        b->stopping = true;
        break;
    default:
        must(!"mail for the bus");
    }
    bus_mail_free(m);
}

static void take_mail(struct bus *b) {
    struct list_node mail;
    list_init(&mail);
    (void)pthread_mutex_lock(&b->lock);
    list_splice(&mail, &b->inbox);
    (void)pthread_mutex_unlock(&b->lock);
    for (struct list_node *n; (n = list_shift(&mail)) != NULL;) {
        act(b, LIST_ITEM(n, struct bus_mail, node));
    }
}

/* Before the loop sleeps: mail, subscriptions, writes. */
static void bus_turn(uv_prepare_t *p) {
    struct bus *b = p->data;
    take_mail(b);
    if (b->stopping) {
        say_everywhere(b, ENVELOPE_BYE);
    }
    for (size_t i = 0; i < b->count; i++) {
        struct shard *s = &b->shards[i];
        if (s->state != SHARD_DOWN) {
            subscribe_todo(s);
        }
        redis_flush(s->hear);
        redis_flush(s->speak);
    }
    if (b->stopping) {
        uv_stop(&b->loop);
    }
}

/* The last channel that it waited for may have been let go of. */
static void look_at_shard(struct shard *s) {
    if (s->state == SHARD_SUBSCRIBING && !s->unconfirmed && list_empty(&s->todo)) {
        shard_serves(s);
    }
}

static void ping(struct redis *r, uint64_t now_ms) {
    const slice words[] = {slice_str("PING")};
    if (redis_is_up(r) && now_ms > redis_heard_ms(r) + CAPS_BUS_SILENT_MS) {
        redis_drop(r, "it is silent");
    } else {
        redis_send(r, words, 1);
    }
}

static void on_tick(uv_timer_t *t) {
    struct bus *b = t->data;
    uint64_t now_ms = uv_now(&b->loop);
    look_at_nodes(b, now_ms);
    leave_channels(b, now_ms);
    for (size_t i = 0; i < b->count; i++) {
        struct shard *s = &b->shards[i];
        ping(s->hear, now_ms);
        if (redis_is_up(s->speak)) {
            remember(s, NULL);
        }
        ping(s->speak, now_ms);
        look_at_asked(s, now_ms);
        look_at_shard(s);
    }
    if (now_ms >= b->beat_ms + CAPS_BUS_BEAT_MS) {
        b->beat_ms = now_ms;
        say_everywhere(b, ENVELOPE_BEAT);
    }
}

static void on_wake(uv_async_t *a) {
    (void)a; /* the turn that follows takes the mail */
}

static void close_handle(uv_handle_t *h, void *arg) {
    (void)arg;
    if (!uv_is_closing(h)) {
        uv_close(h, NULL);
    }
}

static void *run(void *bus) {
    struct bus *b = bus;
    metrics_thread_init(b->o.metrics_thread);
    count_nodes(b);
    count_serving(b);
    metric_set(METRIC_BUS_INSTANCES, 0, (int64_t)b->count);
    for (size_t i = 0; i < b->count; i++) {
        b->shards[i].hear = redis_open(&b->loop, &b->targets[i], &hear_ops, &b->shards[i]);
        b->shards[i].speak = redis_open(&b->loop, &b->targets[i], &speak_ops, &b->shards[i]);
    }
    (void)uv_prepare_start(&b->before_poll, bus_turn);
    (void)uv_timer_start(&b->ticker, on_tick, CAPS_BUS_TICK_MS, CAPS_BUS_TICK_MS);
    (void)uv_run(&b->loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < b->count; i++) {
        redis_close(b->shards[i].hear);
        redis_close(b->shards[i].speak);
        forget_asked(&b->shards[i]);
    }
    (void)uv_prepare_stop(&b->before_poll);
    (void)uv_timer_stop(&b->ticker);
    return NULL;
}

/* ---- life ---- */

struct bus *bus_open(const struct bus_options *o, char *why, size_t why_bytes) {
    struct target *targets = NULL;
    size_t count = 0;
    if (targets_parse(o->urls, &targets, &count, why, why_bytes) != ERR_OK) {
        return NULL;
    }
    struct bus *b = NEW(struct bus);
    b->o = *o;
    b->targets = targets;
    b->count = count;
    b->id = rand_u64() | ENVELOPE_NODE_BIT;
    (void)snprintf(b->name, sizeof b->name, "%s%016llx", node_prefix, (unsigned long long)b->id);
    name_script(b->script);
    must(pthread_mutex_init(&b->lock, NULL) == 0);
    list_init(&b->inbox);
    atomic_store_explicit(&b->nodes_alive, 1, memory_order_relaxed);
    must(uv_loop_init(&b->loop) == 0);
    must(uv_async_init(&b->loop, &b->wake, on_wake) == 0);
    must(uv_prepare_init(&b->loop, &b->before_poll) == 0);
    must(uv_timer_init(&b->loop, &b->ticker) == 0);
    b->before_poll.data = b->ticker.data = b;
    b->shards = mem_new(count * sizeof *b->shards);
    for (size_t i = 0; i < count; i++) {
        b->shards[i] = (struct shard){.parent = b, .index = i};
        list_init(&b->shards[i].todo);
    }
    return b;
}

/* Signals are main's. */
void bus_start(struct bus *b) {
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    must(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    must(pthread_create(&b->thread, NULL, run, b) == 0);
    must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    b->running = true;
}

void bus_close(struct bus *b) {
    if (b && b->running) {
        bus_post(b, bus_mail_new(BUS_STOP, NULL));
        must(pthread_join(b->thread, NULL) == 0);
        b->running = false;
    }
}

static void free_tables(struct bus *b) {
    size_t at = 0;
    for (struct channel *c; (c = map_next(&b->channels, &at)) != NULL;) {
        channel_free(b, c);
    }
    at = 0;
    for (struct node *n; (n = map_next(&b->nodes, &at)) != NULL;) {
        mem_free(n);
    }
    map_fini(&b->channels);
    map_fini(&b->nodes);
    for (struct list_node *n; (n = list_shift(&b->inbox)) != NULL;) {
        bus_mail_free(LIST_ITEM(n, struct bus_mail, node));
    }
}

void bus_free(struct bus *b) {
    if (!b) {
        return;
    }
    bus_close(b);
    uv_walk(&b->loop, close_handle, NULL);
    (void)uv_run(&b->loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&b->loop) == 0);
    free_tables(b);
    for (size_t i = 0; i < b->count; i++) {
        mem_free(b->shards[i].asked);
    }
    mem_free(b->shards);
    targets_free(b->targets, b->count);
    (void)pthread_mutex_destroy(&b->lock);
    mem_free(b);
}

void bus_post(struct bus *b, struct bus_mail *m) {
    (void)pthread_mutex_lock(&b->lock);
    bool was_empty = list_empty(&b->inbox);
    list_push(&b->inbox, &m->node);
    (void)pthread_mutex_unlock(&b->lock);
    if (was_empty) {
        (void)uv_async_send(&b->wake);
    }
}

void bus_tell_revoked(struct bus *b, uint64_t to, slice lines) {
    struct buf bytes;
    struct envelope e = {.kind = ENVELOPE_REVOKED, .node = b->id, .payload = lines};
    buf_init(&bytes, CAPS_BUS_BYTES);
    envelope_write(&bytes, &e);
    struct bus_mail *m = bus_mail_new(BUS_PUBLISH, NULL);
    m->to = to;
    m->bytes = frame_copy(buf_slice(&bytes));
    buf_fini(&bytes);
    bus_post(b, m);
}

uint64_t bus_node(const struct bus *b) {
    return b->id;
}

size_t bus_shard(const struct bus *b, slice room) {
    return target_of(room, b->count);
}

size_t bus_instances(const struct bus *b) {
    return b->count;
}

size_t bus_serving(const struct bus *b) {
    return atomic_load_explicit(&b->serving, memory_order_relaxed);
}

size_t bus_nodes(const struct bus *b) {
    return atomic_load_explicit(&b->nodes_alive, memory_order_relaxed);
}
