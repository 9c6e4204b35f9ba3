/* bucket.h: how often somebody may do something, and how many of a thing one may hold (PROTOCOL 6).
 *
 * A bucket holds points and is refilled steadily; an act takes some, or is refused and told after
 * what time it would not be. There is one per class and key: a user, a room, an address. A class
 * that is not refilled is a count: what was taken is given back by bucket_give.
 *
 * Shared by all workers of the process, because a user's connections are spread over them: with
 * tables of their own, n workers would allow n times the rate. The table is split by key into parts
 * with a lock each. Time is passed in. Workers' clocks differ by some milliseconds, and one whose
 * clock is behind only finds less refilled; a clock that jumps back costs nobody more than one
 * whole bucket.
 *
 * Memory is bounded: a full bucket is like one that never was, and is forgotten; beyond
 * CAPS_BUCKET_KEYS per class the one that was asked for the longest ago goes. Who keeps asking is
 * not forgotten, also when being refused. Counts are never dropped; those who hold bound them.
 *
 * Over several nodes the rates of users, rooms and joins are counted in one place (Redis), from
 * which each node leases points in slices: an act is judged at once, by what is left of the slice,
 * and the next slice is asked for before it is used up. Of a key that has no slice yet a part may
 * be spent on credit, and is charged with the next question. While that place cannot be reached
 * each node lets its share of the limit pass. What a node counts itself holds in any case.
 *
 * Thread: any, but for new and free. Nothing blocks longer than a look-up.
 */
#ifndef ACCESS_BUCKET_H
#define ACCESS_BUCKET_H

#include "base/err.h"
#include "base/slice.h"
#include "limit/caps.h"

/* symbol, name (`data.bucket` of a refusal), points, refill per minute; 0: a count. The first three
 * are counted over all nodes, see bucket_is_shared. */
#define BUCKET_TABLE(X)                                                                            \
    X(USER, "user", CAPS_RATE_POINTS, CAPS_RATE_POINTS * 60 / CAPS_RATE_SECONDS)                   \
    X(ROOM, "room", CAPS_RATE_ROOM_POINTS, CAPS_RATE_ROOM_PER_SECOND * 60)                         \
    X(JOIN, "join", CAPS_JOINS_PER_MINUTE, CAPS_JOINS_PER_MINUTE)                                  \
    X(AUTH, "auth", CAPS_AUTHS_PER_MINUTE, CAPS_AUTHS_PER_MINUTE)                                  \
    X(CONNECTION, "connection", CAPS_CONNECTIONS_PER_ADDRESS, 0)

enum bucket_class {
#define X(sym, name, points, per_minute) BUCKET_##sym,
    BUCKET_TABLE(X)
#undef X
        BUCKET_CLASSES
};

/* What an act costs, in quarters of a point; the names are the cost column of wire/methods.def. A
 * sync makes the server compare whole documents; presence is merged, and comes 20 times a second
 * while somebody draws. Control messages are free, as keeping a connection alive must always work.
 */
enum bucket_cost {
    BUCKET_COST_CONTROL = 0,
    BUCKET_COST_AWARENESS = 1,
    BUCKET_COST_UPDATE = 4,
    BUCKET_COST_JOIN = 4,
    BUCKET_COST_SYNC = 8,
    BUCKET_COST_ONE = 4 /* a point, where acts are all alike */
};

struct bucket_limit {
    unsigned points;     /* 0: as the table says */
    unsigned per_minute; /* 0: the same; a class that is counted stays so */
};

/* What a node asks for; costs are in quarters of a point. */
struct bucket_lease {
    enum bucket_class class;
    slice key;
    unsigned owed;       /* spent on credit, to be charged in any case */
    unsigned want;       /* a slice */
    unsigned nodes;      /* among how many what is there is to be shared */
    uint64_t quarter_ns; /* to refill one */
    uint64_t whole_ns;   /* to refill all */
};

struct bucket_options {
    struct bucket_limit limits[BUCKET_CLASSES]; /* instead of the table's */
    size_t keys_max;                            /* of each class; 0: CAPS_BUCKET_KEYS */
    /* Asks for a slice; bucket_leased brings the answer. Called by whoever takes, under no lock.
     * The key is borrowed. NULL: there is only one node. */
    void (*lease)(void *ctx, const struct bucket_lease *);
    void *lease_ctx;
};

struct buckets;

/* NULL for the table's own limits. Never NULL. */
struct buckets *buckets_new(const struct bucket_options *);
/* NULL is a no-op. */
void buckets_free(struct buckets *);

/* Takes `cost` quarters of a point, or nothing: then ERR_RATE, and *ret_retry_after_ms is when as
 * much will be there if nobody else takes it (for counts CAPS_RETRY_MS). A cost above what the
 * bucket can hold is taken for all it holds. Keys are told apart by their first CAPS_LABEL_BYTES.
 */
NODISCARD enum err bucket_take(struct buckets *, enum bucket_class, slice key, unsigned cost,
                               uint64_t now_ms, uint64_t *ret_retry_after_ms);
/* Gives back what was taken: the end of what is counted, or an act that was refused elsewhere. */
void bucket_give(struct buckets *, enum bucket_class, slice key, unsigned cost, uint64_t now_ms);

/* ---- several nodes ---- */

/* How many nodes there are now, this one included, and whether slices can be had. */
void buckets_nodes(struct buckets *, unsigned nodes, bool leasing);
/* The answer: what was granted, and when to ask again after less than was wanted. `owed` has been
 * charged; it is 0, as is `granted`, when there was no answer. */
void bucket_leased(struct buckets *, enum bucket_class, slice key, unsigned owed, unsigned granted,
                   uint64_t wait_ms, uint64_t now_ms);
bool bucket_is_shared(enum bucket_class);

/* ---- inspection ---- */

/* "user", "room": a static string. */
const char *bucket_name(enum bucket_class);
/* The limit in force, for those who tell it to clients. */
struct bucket_limit bucket_limit_get(const struct buckets *, enum bucket_class);
/* How many keys of the class are remembered. */
size_t buckets_count(struct buckets *, enum bucket_class);

/* The key of an address: itself; of IPv6 the first 64 bits, as one person has all the rest; of IPv4
 * in IPv6 the IPv4 address. `host` is in numbers without brackets; other text is its own key. */
enum { BUCKET_ADDRESS_BYTES = 48 };
slice bucket_address(const char *host, char ret[BUCKET_ADDRESS_BYTES]);

#endif
