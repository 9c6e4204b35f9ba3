#include "access/jwks.h"

#include <pthread.h>

#include "access/bounds.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/must.h"
#include "observe/log.h"
#include "observe/metrics.h"

struct waiting {
    struct list_node node;
    uint64_t conn;
    uint32_t req;
    slice token; /* the bytes behind */
    char text[];
};

struct jwks {
    struct jwks_source source; /* fixed after init */
    char *url;

    pthread_mutex_t lock; /* leaf; guards these */
    struct keyset *now;
    bool fetching;
    bool wanted;         /* somebody waits, and no fetch is under way */
    bool down;           /* the last fetch failed */
    bool tried;          /* there was one */
    uint64_t started_ms; /* the last one */
    struct list_node waiting;
    size_t waiting_count;

    uint64_t next_ms; /* access thread: the next fetch that nobody waits for */
    unsigned failures;
};

struct jwks *jwks_new(const struct jwks_source *source) {
    struct jwks *j = NEW(struct jwks);
    must(pthread_mutex_init(&j->lock, NULL) == 0);
    j->source = *source;
    j->url = source->url ? mem_copy_str(source->url, strlen(source->url)) : NULL;
    list_init(&j->waiting);
    return j;
}

void jwks_free(struct jwks *j) {
    if (!j) {
        return;
    }
    for (struct list_node *n; (n = list_shift(&j->waiting)) != NULL;) {
        mem_free(LIST_ITEM(n, struct waiting, node));
    }
    keyset_unref(j->now);
    (void)pthread_mutex_destroy(&j->lock);
    mem_free(j->url);
    mem_free(j);
}

/* ---- any thread ---- */

struct keyset *jwks_now(struct jwks *j) {
    (void)pthread_mutex_lock(&j->lock);
    struct keyset *set = j->now ? keyset_ref(j->now) : NULL;
    (void)pthread_mutex_unlock(&j->lock);
    return set;
}

static enum jwks_wait decide(const struct jwks *j, const struct keyset *seen, uint64_t now_ms) {
    if (j->now != seen) {
        return JWKS_NEWER;
    }
    if (!j->url) {
        return JWKS_NO;
    }
    bool may_fetch = j->fetching || j->wanted || !j->tried ||
                     now_ms - j->started_ms >= j->source.tuning.cool_down_ms;
    if (!may_fetch) {
        return j->down ? JWKS_DOWN : JWKS_NO;
    }
    return j->waiting_count < ACCESS_WAITING_MAX ? JWKS_WAITING : JWKS_FULL;
}

enum jwks_wait jwks_wait(struct jwks *j, const struct keyset *seen, slice token, uint64_t conn,
                         uint32_t req) {
    struct waiting *w = mem_new(sizeof *w + token.n);
    *w = (struct waiting){.conn = conn, .req = req, .token = slice_of(w->text, token.n)};
    memcpy(w->text, token.p, token.n);
    uint64_t now_ms = clock_mono_ms();
    bool wake = false;
    (void)pthread_mutex_lock(&j->lock);
    enum jwks_wait result = decide(j, seen, now_ms);
    if (result == JWKS_WAITING) {
        list_push(&j->waiting, &w->node);
        j->waiting_count++;
        wake = !j->fetching && !j->wanted;
        j->wanted = !j->fetching;
        w = NULL;
    }
    (void)pthread_mutex_unlock(&j->lock);
    mem_free(w);
    if (wake) {
        fetcher_wake(j->source.fetcher);
    }
    return result;
}

/* ---- access thread ---- */

/* Takes what waits; ends the fetch, if there was one. `set` NULL leaves the old one. */
static void put_in_force(struct jwks *j, struct keyset *set, bool down, struct list_node *ret) {
    struct keyset *old = NULL;
    (void)pthread_mutex_lock(&j->lock);
    if (set) {
        old = j->now;
        j->now = set;
        if (j->url) { /* a file is as good as it ever was */
            metric_set(METRIC_JWKS_AGE, 0, (int64_t)(clock_wall_ms() / 1000));
        }
    }
    j->fetching = false;
    j->down = down;
    list_splice(ret, &j->waiting);
    j->waiting_count = 0;
    (void)pthread_mutex_unlock(&j->lock);
    keyset_unref(old);
}

bool jwks_load(struct jwks *j, slice json, char *why, size_t why_bytes) {
    struct keyset *set = keyset_parse(json, why, why_bytes);
    if (!set) {
        return false;
    }
    log_info("KEYS", log_u64("keys", set->count), log_u64("skipped", set->skipped));
    struct list_node nobody; /* waits for a set that is not fetched */
    list_init(&nobody);
    put_in_force(j, set, false, &nobody);
    return true;
}

static uint64_t clamp(uint64_t v, uint64_t min, uint64_t max) {
    return v < min ? min : v > max ? max : v;
}

/* A set is fetched again when three quarters of its life are over. */
static uint64_t refresh_after_ms(const struct access_tuning *t, uint64_t max_age_s) {
    uint64_t age_ms = max_age_s == FETCH_NO_AGE       ? t->age_default_ms
                      : max_age_s > UINT64_MAX / 1000 ? t->age_max_ms
                                                      : max_age_s * 1000;
    return clamp(age_ms, t->age_min_ms, t->age_max_ms) / 4 * 3;
}

static uint64_t retry_after_ms(const struct access_tuning *t, unsigned failures) {
    uint64_t ms = t->retry_ms << (failures < 16 ? failures : 16);
    return clamp(ms, t->retry_ms, t->retry_max_ms);
}

static void settle(struct jwks *j, struct list_node *waited, bool down) {
    struct keyset *set = jwks_now(j);
    for (struct list_node *n; (n = list_shift(waited)) != NULL;) {
        struct waiting *w = LIST_ITEM(n, struct waiting, node);
        j->source.settled(j->source.ctx, w->token, w->conn, w->req, set, down);
        mem_free(w);
    }
    keyset_unref(set);
}

static void fetched(void *ctx, const struct fetch_answer *answer) {
    struct jwks *j = ctx;
    const struct access_tuning *t = &j->source.tuning;
    char why[160] = "its answer is not 200";
    struct keyset *set = NULL;
    if (answer->status == 200) {
        set = keyset_parse(answer->body, why, sizeof why);
    }
    uint64_t now_ms = clock_mono_ms();
    if (set) {
        j->failures = 0;
        j->next_ms = now_ms + refresh_after_ms(t, answer->max_age_s);
        log_info("KEYS", log_u64("keys", set->count), log_u64("skipped", set->skipped));
    } else {
        j->next_ms = now_ms + retry_after_ms(t, j->failures);
        j->failures++;
        log_limited(LOG_WARN, "KEYS-FAILED", log_text("option", "JWKS_URL"),
                    log_text("detail", answer->why ? answer->why : why),
                    log_u64("status", answer->status));
    }
    struct list_node waited;
    list_init(&waited);
    bool down = !set;
    put_in_force(j, set, down, &waited);
    settle(j, &waited, down);
}

uint64_t jwks_step(struct jwks *j, uint64_t now_ms) {
    if (!j->url) {
        return UINT64_MAX;
    }
    (void)pthread_mutex_lock(&j->lock);
    bool start = !j->fetching && (j->wanted || now_ms >= j->next_ms);
    if (start) {
        j->fetching = j->tried = true;
        j->wanted = false;
        j->started_ms = now_ms;
    }
    bool fetching = j->fetching;
    (void)pthread_mutex_unlock(&j->lock);
    if (start) {
        fetcher_start(j->source.fetcher, &(struct fetch){.url = j->url,
                                                         .max_bytes = ACCESS_JWKS_BYTES,
                                                         .timeout_ms = j->source.timeout_ms,
                                                         .done = fetched,
                                                         .ctx = j});
    }
    return fetching ? UINT64_MAX : j->next_ms;
}
