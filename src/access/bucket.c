/* bucket.c: a bucket is one number: the time at which it will be full again. A take moves it into
 * the future, and may not move it further than an empty bucket takes to fill; this is the generic
 * cell rate algorithm. There is nothing to refill and nothing to round.
 *
 * Times are nanoseconds modulo 2^64 and are only ever subtracted, so that no wrap-around is seen.
 */
#include "access/bucket.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"
#include "base/must.h"
#include "base/rand.h"

/* So many that eight busy workers seldom meet in one. */
enum { PARTS = 64, QUARTERS = 4, POINTS_MAX = 100000000 };
/* A slice and what may be spent on credit, as parts of the whole. The credit is for a burst that is
 * faster than an answer; it is charged, so it changes when somebody may act and not how often. */
enum { SLICES = 8, CREDITS = 4 };
/* A slice that nobody has touched for so long is given up: in that time the bucket has refilled
 * most of it. And a question without an answer for so long is asked again. */
enum { LEASE_MS = 2000, ANSWER_MS = 1000, AGAIN_MS = 20 };
#define NS_PER_MS     1000000u
#define NS_PER_MINUTE 60000000000u

static const struct {
    const char *name;
    struct bucket_limit limit;
} rows[BUCKET_CLASSES] = {
#define X(sym, name, points, per_minute) {name, {points, per_minute}},
    BUCKET_TABLE(X)
#undef X
};

struct bucket {
    struct list_node by_age; /* of those that are refilled */
    union {
        uint64_t full_at_ns; /* refilled */
        uint64_t taken;      /* counted; quarters */
    };
    /* several nodes; quarters */
    unsigned leased;
    unsigned owed;
    bool asking;
    bool dry; /* the last slice was not whole */
    uint64_t asked_ms;
    uint64_t touched_ms;
    uint64_t dry_ms; /* not before this is a next one to be had */

    slice key; /* the bytes behind this struct */
};

struct table {
    struct map map;
    struct list_node by_age; /* asked for the longest ago first */
};

struct part {
    pthread_mutex_t lock; /* a leaf; see docs/threads.md */
    struct table tables[BUCKET_CLASSES];
};

/* What a class comes to. */
struct rule {
    struct bucket_limit limit;
    uint64_t quarter_ns; /* to refill one; 0: counted */
    uint64_t whole_ns;   /* to refill all */
};

struct buckets {
    /* fixed after buckets_new */
    struct rule rules[BUCKET_CLASSES];
    size_t keys_max; /* of a class in a part */
    uint64_t seed;
    void (*lease)(void *ctx, const struct bucket_lease *);
    void *lease_ctx;
    /* any thread, atomic */
    atomic_uint nodes;
    atomic_bool leasing;
    /* each under its lock */
    struct part parts[PARTS];
};

/* `row` says whether the class is counted; `given` may have numbers of its own. */
static struct rule make_rule(const struct bucket_limit *row, const struct bucket_limit *given) {
    struct rule r = {.limit = *row};
    r.limit.points = given->points ? given->points : row->points;
    must(r.limit.points <= POINTS_MAX);
    if (row->per_minute) {
        r.limit.per_minute = given->per_minute ? given->per_minute : row->per_minute;
        r.quarter_ns = NS_PER_MINUTE / QUARTERS / r.limit.per_minute;
        r.quarter_ns += r.quarter_ns == 0;
        r.whole_ns = r.quarter_ns * QUARTERS * r.limit.points;
    }
    return r;
}

struct buckets *buckets_new(const struct bucket_options *o) {
    struct buckets *b = NEW(struct buckets);
    size_t keys_max = o && o->keys_max ? o->keys_max : CAPS_BUCKET_KEYS;
    b->keys_max = (keys_max + PARTS - 1) / PARTS;
    b->seed = rand_u64();
    b->lease = o ? o->lease : NULL;
    b->lease_ctx = o ? o->lease_ctx : NULL;
    buckets_nodes(b, 1, false);
    for (size_t i = 0; i < BUCKET_CLASSES; i++) {
        b->rules[i] = make_rule(&rows[i].limit, o ? &o->limits[i] : &(struct bucket_limit){0});
    }
    for (size_t p = 0; p < PARTS; p++) {
        must(pthread_mutex_init(&b->parts[p].lock, NULL) == 0);
        for (size_t i = 0; i < BUCKET_CLASSES; i++) {
            list_init(&b->parts[p].tables[i].by_age);
        }
    }
    return b;
}

void buckets_free(struct buckets *b) {
    if (!b) {
        return;
    }
    for (size_t p = 0; p < PARTS; p++) {
        for (size_t i = 0; i < BUCKET_CLASSES; i++) {
            struct table *t = &b->parts[p].tables[i];
            struct bucket *k;
            size_t at = 0;
            while ((k = map_next(&t->map, &at))) {
                mem_free(k);
            }
            map_fini(&t->map);
        }
        (void)pthread_mutex_destroy(&b->parts[p].lock);
    }
    mem_free(b);
}

/* FNV-1a from a secret start: spreads keys over the parts, no more. */
static struct part *part_of(struct buckets *b, slice key) {
    uint64_t h = b->seed;
    for (size_t i = 0; i < key.n; i++) {
        h = (h ^ key.p[i]) * 0x100000001b3u;
    }
    return &b->parts[(h ^ h >> 32) % PARTS];
}

/* How long until it is full; 0 when it is. Never more than an empty one takes, whatever the clock
 * did.
 */
static uint64_t debt_ns(const struct bucket *k, const struct rule *r, uint64_t now_ns) {
    int64_t debt = (int64_t)(k->full_at_ns - now_ns);
    return debt <= 0 ? 0 : (uint64_t)debt < r->whole_ns ? (uint64_t)debt : r->whole_ns;
}

static uint64_t price_ns(const struct rule *r, unsigned cost) {
    return cost < r->limit.points * QUARTERS ? cost * r->quarter_ns : r->whole_ns;
}

static void forget(struct table *t, struct bucket *k) {
    struct bucket *found = map_remove(&t->map, k->key);
    must(found == k);
    list_remove(&k->by_age);
    mem_free(k);
}

/* Room for one more. Two that are full go for each that comes, so the table shrinks again. */
static void make_room(struct table *t, const struct rule *r, size_t keys_max, uint64_t now_ns) {
    for (unsigned i = 0; i < 2 && !list_empty(&t->by_age); i++) {
        struct bucket *oldest = LIST_ITEM(t->by_age.next, struct bucket, by_age);
        if (t->map.used < keys_max && debt_ns(oldest, r, now_ns) > 0) {
            break;
        }
        forget(t, oldest);
    }
}

static struct bucket *add(struct table *t, slice key, uint64_t now_ns) {
    struct bucket *k = mem_new(sizeof *k + key.n);
    memcpy(k + 1, key.p, key.n);
    k->key = slice_of(k + 1, key.n);
    k->full_at_ns = now_ns;
    (void)map_set(&t->map, k->key, k);
    return k;
}

static enum err take_count(struct table *t, const struct rule *r, slice key, unsigned cost,
                           uint64_t *ret_retry_after_ms) {
    struct bucket *k = map_find(&t->map, key);
    uint64_t taken = k ? k->taken : 0;
    if (taken + cost > (uint64_t)r->limit.points * QUARTERS) {
        *ret_retry_after_ms = CAPS_RETRY_MS;
        return ERR_RATE;
    }
    k = k ? k : add(t, key, 0);
    k->taken = taken + cost;
    return ERR_OK;
}

/* ---- slices ---- */

/* Whether it is time to ask for the next one. */
static bool wants_slice(const struct bucket *k, unsigned slice_quarters, uint64_t now_ms) {
    bool low = k->leased < slice_quarters / 2 || k->owed;
    bool under_way = k->asking && now_ms < k->asked_ms + ANSWER_MS;
    return low && !under_way && now_ms >= k->dry_ms;
}

static unsigned slice_of_rule(const struct rule *r) {
    unsigned quarters = r->limit.points / SLICES * QUARTERS;
    return quarters > QUARTERS ? quarters : QUARTERS;
}

/* Pays from the slice, or on credit; fills in the question that is to be asked, if any. */
static enum err spend_lease(struct bucket *k, const struct rule *r, unsigned cost, uint64_t now_ms,
                            struct bucket_lease *ret_ask, uint64_t *ret_retry_after_ms) {
    unsigned credit = k->dry ? QUARTERS : r->limit.points * QUARTERS / CREDITS;
    unsigned whole = r->limit.points * QUARTERS;
    enum err e = ERR_OK;
    cost = cost < whole ? cost : whole;
    if (now_ms > k->touched_ms + LEASE_MS) {
        k->leased = 0;
    }
    k->touched_ms = now_ms;
    if (k->leased >= cost) {
        k->leased -= cost;
    } else if (now_ms >= k->dry_ms && (!k->owed || k->owed + cost <= credit)) {
        k->owed += cost;
    } else {
        e = ERR_RATE;
        *ret_retry_after_ms = now_ms < k->dry_ms ? k->dry_ms - now_ms : AGAIN_MS;
    }
    if (wants_slice(k, slice_of_rule(r), now_ms)) {
        k->asking = true;
        k->asked_ms = now_ms;
        ret_ask->owed = k->owed;
        ret_ask->want = slice_of_rule(r);
    }
    return e;
}

void bucket_leased(struct buckets *b, enum bucket_class class, slice key, unsigned owed,
                   unsigned granted, uint64_t wait_ms, uint64_t now_ms) {
    struct part *p = part_of(b, key);
    (void)pthread_mutex_lock(&p->lock);
    struct bucket *k = map_find(&p->tables[class].map, key);
    if (k) { /* else it has been forgotten */
        k->asking = false;
        k->owed -= owed < k->owed ? owed : k->owed;
        k->leased += granted;
        k->dry = wait_ms > 0;
        k->dry_ms = now_ms + wait_ms;
    }
    (void)pthread_mutex_unlock(&p->lock);
}

void buckets_nodes(struct buckets *b, unsigned nodes, bool leasing) {
    /* relaxed: who acts a moment later goes by the old numbers */
    atomic_store_explicit(&b->nodes, nodes ? nodes : 1, memory_order_relaxed);
    atomic_store_explicit(&b->leasing, leasing && b->lease, memory_order_relaxed);
}

bool bucket_is_shared(enum bucket_class class) {
    return class == BUCKET_USER || class == BUCKET_ROOM || class == BUCKET_JOIN;
}

/* ---- taking ---- */

static enum err take_points(struct table *t, const struct rule *r, slice key, unsigned cost,
                            size_t keys_max, uint64_t now_ns, uint64_t *ret_retry_after_ms) {
    struct bucket *k = map_find(&t->map, key);
    if (!k) {
        make_room(t, r, keys_max, now_ns);
        k = add(t, key, now_ns);
    }
    list_remove(&k->by_age);
    list_push(&t->by_age, &k->by_age);
    uint64_t debt = debt_ns(k, r, now_ns) + price_ns(r, cost);
    if (debt > r->whole_ns) {
        *ret_retry_after_ms = (debt - r->whole_ns + NS_PER_MS - 1) / NS_PER_MS;
        return ERR_RATE;
    }
    k->full_at_ns = now_ns + debt;
    return ERR_OK;
}

static void give_points(struct bucket *k, const struct rule *r, unsigned cost, uint64_t now_ns) {
    uint64_t debt = debt_ns(k, r, now_ns);
    uint64_t price = price_ns(r, cost);
    k->full_at_ns = now_ns + (debt > price ? debt - price : 0);
}

static slice cut(slice key) {
    return slice_of(key.p, key.n < CAPS_LABEL_BYTES ? key.n : CAPS_LABEL_BYTES);
}

enum err bucket_take(struct buckets *b, enum bucket_class class, slice key, unsigned cost,
                     uint64_t now_ms, uint64_t *ret_retry_after_ms) {
    const struct rule *r = &b->rules[class];
    if (!cost) {
        return ERR_OK;
    }
    key = cut(key);
    unsigned nodes =
        bucket_is_shared(class) ? atomic_load_explicit(&b->nodes, memory_order_relaxed) : 1;
    bool leasing = nodes > 1 && atomic_load_explicit(&b->leasing, memory_order_relaxed);
    unsigned price =
        leasing ? cost : cost * nodes; /* a share of the limit: each point costs more */
    struct bucket_lease ask = {.class = class,
                               .key = key,
                               .nodes = nodes,
                               .quarter_ns = r->quarter_ns,
                               .whole_ns = r->whole_ns};
    struct part *p = part_of(b, key);
    struct table *t = &p->tables[class];
    (void)pthread_mutex_lock(&p->lock);
    enum err e = r->quarter_ns ? take_points(t, r, key, price, b->keys_max, now_ms * NS_PER_MS,
                                             ret_retry_after_ms)
                               : take_count(t, r, key, cost, ret_retry_after_ms);
    if (e == ERR_OK && leasing) {
        struct bucket *k = map_find(&t->map, key);
        e = spend_lease(k, r, cost, now_ms, &ask, ret_retry_after_ms);
        if (e != ERR_OK) {
            give_points(k, r, cost, now_ms * NS_PER_MS);
        }
    }
    (void)pthread_mutex_unlock(&p->lock);
    if (ask.want) {
        b->lease(b->lease_ctx, &ask);
    }
    return e;
}

void bucket_give(struct buckets *b, enum bucket_class class, slice key, unsigned cost,
                 uint64_t now_ms) {
    const struct rule *r = &b->rules[class];
    key = cut(key);
    struct part *p = part_of(b, key);
    struct table *t = &p->tables[class];
    (void)pthread_mutex_lock(&p->lock);
    struct bucket *k = map_find(&t->map, key);
    if (r->quarter_ns) {
        if (k) { /* else it is full, or was forgotten */
            give_points(k, r, cost, now_ms * NS_PER_MS);
            bool leasing = atomic_load_explicit(&b->leasing, memory_order_relaxed);
            k->leased += leasing && bucket_is_shared(class) ? cost : 0;
        }
    } else if (cost) {
        must(k && k->taken >= cost);
        k->taken -= cost;
        if (!k->taken) {
            forget(t, k);
        }
    }
    (void)pthread_mutex_unlock(&p->lock);
}

const char *bucket_name(enum bucket_class class) {
    return rows[class].name;
}

struct bucket_limit bucket_limit_get(const struct buckets *b, enum bucket_class class) {
    return b->rules[class].limit;
}

size_t buckets_count(struct buckets *b, enum bucket_class class) {
    size_t n = 0;
    for (size_t p = 0; p < PARTS; p++) {
        (void)pthread_mutex_lock(&b->parts[p].lock);
        n += b->parts[p].tables[class].map.used;
        (void)pthread_mutex_unlock(&b->parts[p].lock);
    }
    return n;
}

slice bucket_address(const char *host, char ret[BUCKET_ADDRESS_BYTES]) {
    static const uint8_t v4_in_v6[12] = {[10] = 0xff, 0xff};
    struct in6_addr a;
    if (inet_pton(AF_INET6, host, &a) != 1) {
        int n = snprintf(ret, BUCKET_ADDRESS_BYTES, "%s", host);
        return slice_of(ret, n < BUCKET_ADDRESS_BYTES ? (size_t)n : BUCKET_ADDRESS_BYTES - 1);
    }
    if (memcmp(&a, v4_in_v6, sizeof v4_in_v6) == 0) {
        must(inet_ntop(AF_INET, (const uint8_t *)&a + sizeof v4_in_v6, ret, BUCKET_ADDRESS_BYTES));
    } else {
        memset((uint8_t *)&a + 8, 0, 8);
        must(inet_ntop(AF_INET6, &a, ret, BUCKET_ADDRESS_BYTES));
    }
    return slice_str(ret);
}
