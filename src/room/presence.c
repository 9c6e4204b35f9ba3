#include "room/presence.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/varuint.h"
#include "cluster/envelope.h"
#include "limit/caps.h"
#include "yata.h"

/* An entry as its owner has heard it. */
struct told {
    uint64_t clock;
    uint64_t state; /* a hash */
};

struct entry {
    uint64_t client;
    uint64_t clock; /* as relayed: the client's own plus shift */
    uint64_t shift;
    conn_id owner;
    uint64_t seen_ms;    /* last renewal, or when it was removed */
    struct frame *user;  /* the owner's */
    struct frame *state; /* JSON text; NULL: removed */
    struct told *told;   /* the last CAPS_PRESENCE_TOLD raised ones; NULL: none */
    unsigned told_count;
    bool changed;
};

/* A node stands for all its connections. */
static bool is_node(conn_id owner) {
    return (owner & ENVELOPE_NODE_BIT) != 0;
}

static void mark(struct presence *p, struct entry *e) {
    if (!e->changed) {
        e->changed = true;
        p->changed++;
    }
}

static void set_state(struct presence *p, struct entry *e, struct frame *state) {
    p->live += (state != NULL) - (size_t)(e->state != NULL);
    frame_unref(e->state);
    e->state = state;
    mark(p, e);
}

static void forget_told(struct entry *e) {
    mem_free(e->told);
    e->told = NULL;
    e->told_count = 0;
}

static void set_shift(struct entry *e, uint64_t shift) {
    e->shift = shift;
    if (!shift) {
        forget_told(e);
    }
}

static void entry_free(struct presence *p, struct entry *e) {
    p->live -= e->state != NULL;
    p->changed -= e->changed;
    frame_unref(e->state);
    frame_unref(e->user);
    forget_told(e);
    mem_free(e);
}

/* A client that returns on a new connection at a clock its peers would ignore: raise it. */
static uint64_t raised_shift(const struct entry *e, const struct yata_presence *in,
                             const struct presence_source *from) {
    bool removed = e->state == NULL && e->clock > 0;
    bool returned = removed && from->conn != e->owner && from->joined_ms >= e->seen_ms && in->state;
    /* or that has moved here from a node which may have died. Who was here already when that node
     * last spoke of it, and is the same user, only repeats what it has heard */
    bool moved = e->state && in->state && is_node(e->owner) && !is_node(from->conn) &&
                 from->joined_ms >= e->seen_ms;
    if ((returned || moved) && in->clock > 0 && in->clock <= e->clock) {
        return e->clock + 1 - in->clock;
    }
    /* beyond what was relayed nothing need be added any more */
    return from->conn == e->owner && in->clock <= e->clock ? e->shift : 0;
}

/* The state with the stamp laid over its `user`; a state that is no object becomes one. */
static struct frame *stamped(slice state, slice stamp) {
    if (!stamp.n) {
        return frame_copy(state);
    }
    json_t *obj = json_loadb((const char *)state.p, state.n, 0, NULL);
    json_t *user = json_loadb((const char *)stamp.p, stamp.n, 0, NULL);
    if (!json_is_object(obj)) {
        json_decref(obj);
        obj = json_object();
    }
    json_t *claimed = json_object_get(obj, "user");
    if (json_is_object(claimed)) { /* colours and the like may stay */
        (void)json_object_update(claimed, user);
        json_decref(user);
    } else {
        (void)json_object_set_new(obj, "user", user);
    }
    char *text = json_dumps(obj, JSON_COMPACT);
    must(text != NULL);
    struct frame *f = frame_copy(slice_str(text));
    free(text); /* ban-ok: jansson hands out what free() releases */
    json_decref(obj);
    return f;
}

/* May this source speak for the entry at all? */
static bool may_speak(const struct entry *e, const struct presence_source *from, bool removal) {
    if (from->conn == e->owner) {
        return true;
    }
    return !removal && (!e->state || slice_eq(frame_slice(e->user), from->user));
}

static void take_over(struct entry *e, const struct presence_source *from) {
    if (e->owner != from->conn) {
        e->owner = from->conn;
        forget_told(e);
        frame_unref(e->user);
        e->user = frame_copy(from->user);
    }
}

/* ---- owners that say what they have heard of themselves ---- */

static void note_told(struct entry *e) {
    if (!e->shift || !e->state || is_node(e->owner)) {
        return;
    }
    if (!e->told) {
        e->told = mem_new(CAPS_PRESENCE_TOLD * sizeof *e->told);
    }
    e->told[e->told_count++ % CAPS_PRESENCE_TOLD] =
        (struct told){.clock = e->clock, .state = XXH3_64bits(e->state->bytes, e->state->n)};
}

/* Is this what its owner has heard of itself, at a clock above its own? It has made that its own
 * clock and state then, and says so. */
static bool is_echo(const struct entry *e, const struct presence_source *from,
                    const struct yata_presence *in) {
    if (!e->told || !e->state || !in->state || from->conn != e->owner) {
        return false;
    }
    struct frame *state = stamped(slice_of(in->state, in->state_bytes), from->stamp);
    uint64_t hash = XXH3_64bits(state->bytes, state->n);
    frame_unref(state);
    for (unsigned i = 0; i < CAPS_PRESENCE_TOLD && i < e->told_count; i++) {
        if (e->told[i].clock == in->clock && e->told[i].state == hash) {
            return true;
        }
    }
    return false;
}

static void take_echo(struct entry *e, const struct yata_presence *in, uint64_t now_ms) {
    e->seen_ms = now_ms;
    if (in->clock == e->clock) {
        set_shift(e, 0); /* it goes on from there */
    }
}

static struct entry *find_or_make(struct presence *p, const struct yata_presence *in) {
    struct entry *e = map_find_u64(&p->entries, in->client);
    if (!e && in->state && yata_awareness_is_news(0, false, in) &&
        p->entries.used < CAPS_AWARENESS_CLIENTS) {
        e = NEW(struct entry);
        e->client = in->client;
        map_set_u64(&p->entries, e->client, e);
    }
    return e;
}

static void merge(struct presence *p, const struct presence_source *from,
                  const struct yata_presence *in) {
    struct entry *e = find_or_make(p, in);
    if (!e || !may_speak(e, from, !in->state)) {
        return;
    }
    if (is_echo(e, from, in)) {
        take_echo(e, in, from->now_ms);
        return;
    }
    uint64_t shift = raised_shift(e, in, from);
    struct yata_presence relayed = *in;
    relayed.clock = in->clock + shift;
    if (!yata_awareness_is_news(e->clock, e->state != NULL, &relayed)) {
        if (from->conn == e->owner && e->state && relayed.clock == e->clock) {
            e->seen_ms = from->now_ms; /* its owner repeats it: a renewal, though no news */
        }
        return;
    }
    e->clock = relayed.clock;
    set_shift(e, shift);
    e->seen_ms = from->now_ms;
    take_over(e, from);
    slice state = slice_of(in->state, in->state_bytes);
    set_state(p, e, in->state ? stamped(state, from->stamp) : NULL);
}

void presence_fini(struct presence *p) {
    size_t at = 0;
    for (struct entry *e; (e = map_next(&p->entries, &at)) != NULL;) {
        entry_free(p, e);
    }
    map_fini(&p->entries);
}

enum err presence_apply(struct presence *p, const struct presence_source *from, slice update,
                        char *detail, size_t detail_bytes) {
    struct yata_error why = {0};
    struct yata_presence in;
    bool more = true;
    struct yata_awareness_reader check = {.p = update.p, .n = update.n};
    while (more) {
        if (yata_awareness_next(&check, &in, &more, &why) != YATA_OK) {
            (void)snprintf(detail, detail_bytes, "awareness update, byte %zu: %s", why.at,
                           why.what);
            return ERR_PARAMS;
        }
    }
    struct yata_awareness_reader again = {.p = update.p, .n = update.n};
    while (yata_awareness_next(&again, &in, &more, NULL) == YATA_OK && more) {
        merge(p, from, &in);
    }
    return ERR_OK;
}

static void remove_entry(struct presence *p, struct entry *e, uint64_t now_ms) {
    e->seen_ms = now_ms;
    set_state(p, e, NULL);
}

void presence_leave(struct presence *p, conn_id conn, uint64_t now_ms) {
    size_t at = 0;
    for (struct entry *e; (e = map_next(&p->entries, &at)) != NULL;) {
        if (e->owner == conn && e->state) {
            remove_entry(p, e, now_ms);
        }
    }
}

void presence_expire(struct presence *p, uint64_t now_ms, uint64_t ttl_ms) {
    if (now_ms < p->sweep_ms) {
        return;
    }
    p->sweep_ms = now_ms + ttl_ms / 10;
    size_t at = 0;
    for (struct entry *e; (e = map_next(&p->entries, &at)) != NULL;) {
        uint64_t silent = now_ms - e->seen_ms;
        if (e->state && silent > ttl_ms && !is_node(e->owner)) {
            remove_entry(p, e, now_ms);
        } else if (!e->state && !e->changed && silent > CAPS_PRESENCE_MEMORY_MS) {
            (void)map_remove_u64(&p->entries, e->client);
            entry_free(p, e);
        }
    }
}

/* Lists the entries that `wanted` picks, and appends their users to `users` unless that is NULL. */
static size_t list_entries(const struct presence *p, struct yata_presence *list, size_t max,
                           bool (*wanted)(const struct entry *, conn_id), conn_id who,
                           struct buf *users) {
    size_t n = 0;
    size_t at = 0;
    for (struct entry *e; n < max && (e = map_next(&p->entries, &at)) != NULL;) {
        if (wanted(e, who)) {
            list[n++] = (struct yata_presence){.client = e->client,
                                               .clock = e->clock,
                                               .state = e->state ? e->state->bytes : NULL,
                                               .state_bytes = e->state ? e->state->n : 0};
            if (users) {
                buf_put_varuint(users, e->user ? e->user->n : 0);
                buf_put_slice(users, frame_slice(e->user));
            }
        }
    }
    return n;
}

/* Encodes the entries that `wanted` picks. */
static struct frame *encode(const struct presence *p, size_t max,
                            bool (*wanted)(const struct entry *, conn_id), conn_id who) {
    if (!max) {
        return NULL;
    }
    struct yata_presence *list = mem_new(max * sizeof *list);
    size_t n = list_entries(p, list, max, wanted, who, NULL);
    struct yata_bytes out = {0};
    struct frame *f = NULL;
    if (n && yata_awareness_encode(list, n, &out) == YATA_OK) {
        f = frame_copy(slice_of(out.p, out.n));
    }
    yata_bytes_fini(&out);
    mem_free(list);
    return f;
}

static bool is_changed(const struct entry *e, conn_id who) {
    (void)who;
    return e->changed;
}

static bool is_someone_else(const struct entry *e, conn_id who) {
    return e->state && e->owner != who;
}

static bool is_not_own(const struct entry *e, conn_id who) {
    return e->owner != who || !e->state;
}

/* Entries for other nodes; NULL when there are none and `some` is asked for. */
static struct frame *encode_for_nodes(const struct presence *p, size_t max,
                                      bool (*wanted)(const struct entry *, conn_id), bool some) {
    struct yata_presence *list = mem_new((max + 1) * sizeof *list);
    struct buf users;
    struct buf b;
    buf_init(&users, 0);
    buf_init(&b, 0);
    size_t n = list_entries(p, list, max, wanted, 0, &users);
    struct yata_bytes out = {0};
    struct frame *f = NULL;
    if ((n || !some) && yata_awareness_encode(list, n, &out) == YATA_OK) {
        buf_put_varuint(&b, out.n);
        buf_put(&b, out.p, out.n);
        buf_put_slice(&b, buf_slice(&users));
        f = frame_copy(buf_slice(&b));
    }
    yata_bytes_fini(&out);
    buf_fini(&b);
    buf_fini(&users);
    mem_free(list);
    return f;
}

static bool is_own_change(const struct entry *e, conn_id who) {
    (void)who;
    return e->changed && !is_node(e->owner);
}

static bool is_own(const struct entry *e, conn_id who) {
    (void)who;
    return e->state && !is_node(e->owner);
}

struct frame *presence_own(const struct presence *p) {
    return encode_for_nodes(p, p->live, is_own, false);
}

struct frame *presence_take_changes(struct presence *p, struct frame **ret_own) {
    struct frame *f = encode(p, p->changed, is_changed, 0);
    *ret_own = encode_for_nodes(p, p->changed, is_own_change, true);
    size_t at = 0;
    for (struct entry *e; p->changed && (e = map_next(&p->entries, &at)) != NULL;) {
        if (e->changed) {
            note_told(e);
        }
        p->changed -= e->changed;
        e->changed = false;
    }
    return f;
}

struct frame *presence_all(const struct presence *p, conn_id except) {
    return encode(p, p->live, is_someone_else, except);
}

struct frame *presence_all_and_gone(const struct presence *p, conn_id except) {
    return encode(p, p->entries.used, is_not_own, except);
}

/* ---- other nodes ---- */

void presence_renew(struct presence *p) {
    size_t at = 0;
    for (struct entry *e; (e = map_next(&p->entries, &at)) != NULL;) {
        if (is_own(e, 0)) {
            e->clock++;
            e->shift++;
            mark(p, e);
        }
    }
}

/* What another node says of one client. It may remove what is its own, and take over what is
 * nobody's or the same user's: then the client has moved there. */
static struct entry *merge_from(struct presence *p, uint64_t node, slice user,
                                const struct yata_presence *in, uint64_t now_ms) {
    struct entry *e = find_or_make(p, in);
    bool own = e && e->owner == node;
    bool may = e && (own || (in->state && (!e->state || slice_eq(frame_slice(e->user), user))));
    if (!may || !yata_awareness_is_news(e->clock, e->state != NULL, in)) {
        return own ? e : NULL;
    }
    const struct presence_source from = {.conn = node, .user = user};
    e->clock = in->clock;
    set_shift(e, 0);
    e->seen_ms = now_ms;
    take_over(e, &from);
    set_state(p, e, in->state ? frame_copy(slice_of(in->state, in->state_bytes)) : NULL);
    return e;
}

/* Cuts the next user off the front. */
static bool next_user(slice *users, slice *ret) {
    uint64_t n = 0;
    if (!varuint_take(users, &n) || n > users->n || n > CAPS_LABEL_BYTES) {
        return false;
    }
    *ret = slice_of(users->p, (size_t)n);
    *users = slice_of(users->p + n, users->n - (size_t)n);
    return true;
}

/* Whether it is whole: as many users as entries, and nothing behind. */
static bool well_formed(slice update, slice users) {
    struct yata_awareness_reader reader = {.p = update.p, .n = update.n};
    struct yata_presence in;
    slice user;
    bool more = true;
    while (yata_awareness_next(&reader, &in, &more, NULL) == YATA_OK) {
        if (!more) {
            return users.n == 0;
        }
        if (!next_user(&users, &user)) {
            return false;
        }
    }
    return false;
}

/* Removes what a node has shown and does not any more. */
static void remove_unnamed(struct presence *p, uint64_t node, const struct map *named,
                           uint64_t now_ms) {
    size_t at = 0;
    for (struct entry *e; (e = map_next(&p->entries, &at)) != NULL;) {
        if (e->owner == node && e->state && !map_find_u64(named, e->client)) {
            remove_entry(p, e, now_ms);
        }
    }
}

enum err presence_take(struct presence *p, uint64_t node, slice entries, bool all,
                       uint64_t now_ms) {
    uint64_t n = 0;
    if (!varuint_take(&entries, &n) || n > entries.n) {
        return ERR_PARAMS;
    }
    slice update = slice_of(entries.p, (size_t)n);
    slice users = slice_of(entries.p + n, entries.n - (size_t)n);
    if (!well_formed(update, users)) {
        return ERR_PARAMS;
    }
    struct yata_awareness_reader reader = {.p = update.p, .n = update.n};
    struct yata_presence in;
    struct map named = {0};
    slice user;
    bool more = true;
    while (yata_awareness_next(&reader, &in, &more, NULL) == YATA_OK && more &&
           next_user(&users, &user)) {
        struct entry *e = merge_from(p, node, user, &in, now_ms);
        if (e) {
            (void)map_set_u64(&named, e->client, e);
        }
    }
    if (all) {
        remove_unnamed(p, node, &named, now_ms);
    }
    map_fini(&named);
    return ERR_OK;
}
