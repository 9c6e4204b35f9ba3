#include "store/thin.h"

#include "limit/caps.h"

#define HOUR_MS ((uint64_t)3600000)
#define DAY_MS  (24 * HOUR_MS)

/* How old a version may be so that one is kept of each such stretch of time. */
static const struct {
    uint64_t age_ms;
    uint64_t of_each_ms; /* 1: all */
} steps[] = {
    {HOUR_MS, 1},
    {DAY_MS, HOUR_MS},
    {30 * DAY_MS, DAY_MS},
    {UINT64_MAX, 7 * DAY_MS},
};

/* The stretch that it stands for; none other of the same is kept. */
static uint64_t stretch(uint64_t age_ms, uint64_t at_ms, uint64_t *ret_length) {
    size_t i = 0;
    while (age_ms >= steps[i].age_ms && steps[i].age_ms != UINT64_MAX) {
        i++;
    }
    *ret_length = steps[i].of_each_ms;
    return at_ms / steps[i].of_each_ms;
}

struct budget {
    size_t count;
    size_t bytes;
};

/* Keeps it out of the budget, which is used up by the first one that is too large for it. */
static bool keep(struct thin_version *v, struct budget *left) {
    v->keep = left->count > 0 && v->bytes <= left->bytes;
    left->count = v->keep ? left->count - 1 : 0;
    left->bytes = v->keep ? left->bytes - v->bytes : 0;
    return v->keep;
}

static void keep_named(struct thin_version *v, size_t count, size_t most, struct budget *left) {
    for (size_t i = 0; i < count && most; i++) {
        if (v[i].named) {
            most--;
            if (!v[i].keep && !keep(&v[i], left)) {
                break;
            }
        }
    }
}

static void keep_by_age(struct thin_version *v, size_t count, uint64_t oldest_ms, uint64_t now_ms,
                        struct budget *left) {
    uint64_t last = 0;
    uint64_t last_length = 0; /* of the stretch of which one is kept already */
    for (size_t i = 0; i < count && left->count; i++) {
        uint64_t age_ms = now_ms > v[i].at_ms ? now_ms - v[i].at_ms : 0;
        uint64_t length = 0;
        uint64_t which = stretch(age_ms, v[i].at_ms, &length);
        bool another = length == 1 || length != last_length || which != last;
        bool stands = i == 0 && !v[i].named; /* for its stretch; those kept by name do not */
        if (!v[i].keep && another && age_ms < oldest_ms) {
            stands = keep(&v[i], left);
        }
        if (stands) {
            last = which;
            last_length = length;
        }
    }
}

void thin(const struct thin_rule *rule, uint64_t now_ms, struct thin_version *v, size_t count) {
    struct budget left = {.count = rule->most ? rule->most : CAPS_VERSIONS,
                          .bytes = rule->bytes ? rule->bytes : CAPS_VERSION_BYTES};
    for (size_t i = 0; i < count; i++) {
        v[i].keep = false;
    }
    if (count && !keep(&v[0], &left)) {
        v[0].keep = true; /* whatever it takes */
    }
    keep_named(v, count, rule->named ? rule->named : CAPS_VERSIONS_NAMED, &left);
    keep_by_age(v, count, (rule->days ? rule->days : CAPS_VERSION_DAYS) * DAY_MS, now_ms, &left);
}
