#include "access/authz.h"

#include <pthread.h>

#include "access/bounds.h"
#include "access/claims.h"
#include "access/json.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/must.h"
#include "observe/log.h"

enum state { QUEUED, ASKING, KNOWN };

/* One token in one room: in the map from the first question until its answer is too old. */
struct question {
    struct list_node node; /* in queue, asking or known */
    struct authz *owner;
    enum state state;
    struct identity *identity; /* counted; NULL when KNOWN */
    struct list_node waiters;
    enum role role;       /* KNOWN */
    uint64_t deadline_ms; /* of the question, or of its answer */
    slice key;            /* of the map: digest and room, the bytes behind */
    uint8_t bytes[];
};

struct waiter {
    struct list_node node;
    uint64_t conn;
    uint32_t req;
};

struct authz {
    struct authz_service service; /* fixed after init */
    char *url;

    pthread_mutex_t lock; /* leaf; guards all below */
    struct map questions;
    struct list_node queue;
    struct list_node asking;
    struct list_node known; /* oldest answer first: all hold equally long */
    size_t asking_count;
    size_t waiters_count;
};

struct authz *authz_new(const struct authz_service *service) {
    struct authz *z = NEW(struct authz);
    must(pthread_mutex_init(&z->lock, NULL) == 0);
    z->service = *service;
    z->url = mem_copy_str(service->url, strlen(service->url));
    list_init(&z->queue);
    list_init(&z->asking);
    list_init(&z->known);
    return z;
}

static void question_free(struct question *q) {
    for (struct list_node *n; (n = list_shift(&q->waiters)) != NULL;) {
        mem_free(LIST_ITEM(n, struct waiter, node));
    }
    (void)identity_unref(q->identity);
    mem_free(q);
}

void authz_free(struct authz *z) {
    if (!z) {
        return;
    }
    size_t at = 0;
    for (struct question *q; (q = map_next(&z->questions, &at)) != NULL;) {
        question_free(q);
    }
    map_fini(&z->questions);
    (void)pthread_mutex_destroy(&z->lock);
    mem_free(z->url);
    mem_free(z);
}

struct access_answer authz_answer(enum role role, const char *detail) {
    if (role == ROLE_NONE) {
        return (struct access_answer){.err = ERR_FORBIDDEN, .detail = detail};
    }
    return (struct access_answer){.role = role};
}

static struct access_answer answer_of(enum role role) {
    return authz_answer(role, "the authorization service grants nothing in this room");
}

static struct access_answer no_answer(void) {
    return (struct access_answer){.err = ERR_BUSY,
                                  .detail = "authorization service did not answer"};
}

/* ---- any thread ---- */

enum { KEY_MAX = DIGEST_BYTES + 256 };

static slice make_key(uint8_t to[KEY_MAX], const struct identity *id, slice room) {
    must(room.n <= KEY_MAX - DIGEST_BYTES);
    memcpy(to, id->digest, DIGEST_BYTES);
    memcpy(to + DIGEST_BYTES, room.p, room.n);
    return slice_of(to, DIGEST_BYTES + room.n);
}

static void forget_locked(struct authz *z, struct question *q) {
    list_remove(&q->node);
    (void)map_remove(&z->questions, q->key);
}

/* Answers that are too old, and the oldest when there are too many; `ret_old` gets them. */
static void sweep_locked(struct authz *z, uint64_t now_ms, struct list_node *ret_old) {
    while (!list_empty(&z->known)) {
        struct question *q = LIST_ITEM(z->known.next, struct question, node);
        if (q->deadline_ms > now_ms && z->questions.used < ACCESS_AUTHZ_ANSWERS) {
            break;
        }
        forget_locked(z, q);
        list_push(ret_old, &q->node);
    }
}

static void free_all(struct list_node *list) {
    for (struct list_node *n; (n = list_shift(list)) != NULL;) {
        question_free(LIST_ITEM(n, struct question, node));
    }
}

static struct question *question_new(struct authz *z, struct identity *id, slice key,
                                     uint64_t now_ms) {
    struct question *q = mem_new(sizeof *q + key.n);
    q->owner = z;
    q->state = QUEUED;
    q->identity = identity_ref(id);
    list_init(&q->waiters);
    q->deadline_ms = now_ms + z->service.timeout_ms;
    memcpy(q->bytes, key.p, key.n);
    q->key = slice_of(q->bytes, key.n);
    return q;
}

bool authz_known(struct authz *z, const struct identity *id, slice room_id, enum role *ret) {
    uint8_t bytes[KEY_MAX];
    slice key = make_key(bytes, id, room_id);
    uint64_t now_ms = clock_mono_ms();
    (void)pthread_mutex_lock(&z->lock);
    const struct question *q = map_find(&z->questions, key);
    bool known = q && q->state == KNOWN && q->deadline_ms > now_ms;
    if (known) {
        *ret = q->role;
    }
    (void)pthread_mutex_unlock(&z->lock);
    return known;
}

/* The question that this one is, new or under way; NULL when its answer is known or there are too
 * many, which *ret says. */
static struct question *join_locked(struct authz *z, struct question *fresh,
                                    struct access_answer *ret) {
    struct question *q = map_find(&z->questions, fresh->key);
    if (q && q->state == KNOWN) {
        *ret = answer_of(q->role);
        return NULL;
    }
    if (z->waiters_count >= ACCESS_WAITING_MAX) {
        *ret = no_answer();
        return NULL;
    }
    if (!q) {
        q = fresh;
        (void)map_set(&z->questions, q->key, q);
        list_push(&z->queue, &q->node);
    }
    return q;
}

bool authz_ask(struct authz *z, struct identity *id, slice room_id, uint64_t conn, uint32_t req,
               struct access_answer *ret) {
    uint8_t bytes[KEY_MAX];
    uint64_t now_ms = clock_mono_ms();
    struct question *fresh = question_new(z, id, make_key(bytes, id, room_id), now_ms);
    struct waiter *w = NEW(struct waiter);
    *w = (struct waiter){.conn = conn, .req = req};
    struct list_node old;
    list_init(&old);
    struct access_answer answer = {0};

    (void)pthread_mutex_lock(&z->lock);
    sweep_locked(z, now_ms, &old);
    struct question *q = join_locked(z, fresh, &answer);
    bool first = q == fresh;
    if (q) {
        list_push(&q->waiters, &w->node);
        z->waiters_count++;
    }
    (void)pthread_mutex_unlock(&z->lock);

    free_all(&old);
    if (!first) {
        question_free(fresh);
    } else {
        fetcher_wake(z->service.fetcher);
    }
    if (!q) {
        mem_free(w);
        *ret = answer;
    }
    return !q;
}

/* ---- access thread ---- */

/* The question is over: known from now on, or forgotten. Tells all who waited. */
static void settle(struct authz *z, struct question *q, bool known, enum role role,
                   uint64_t now_ms) {
    struct list_node waiters;
    list_init(&waiters);
    size_t count = 0;
    (void)pthread_mutex_lock(&z->lock);
    z->asking_count -= q->state == ASKING;
    LIST_FOR_EACH (n, &q->waiters) {
        count++;
    }
    z->waiters_count -= count;
    list_splice(&waiters, &q->waiters);
    struct identity *id = q->identity;
    q->identity = NULL;
    if (known) {
        list_remove(&q->node);
        q->state = KNOWN;
        q->role = role;
        q->deadline_ms = now_ms + z->service.cache_ms;
        list_push(&z->known, &q->node);
        q = NULL;
    } else {
        forget_locked(z, q);
    }
    (void)pthread_mutex_unlock(&z->lock);

    struct access_answer answer = known ? answer_of(role) : no_answer();
    for (struct list_node *n; (n = list_shift(&waiters)) != NULL;) {
        struct waiter *w = LIST_ITEM(n, struct waiter, node);
        z->service.answered(z->service.ctx, w->conn, w->req, &answer);
        mem_free(w);
    }
    (void)identity_unref(id);
    if (q) {
        question_free(q);
    }
}

static bool read_role(const struct fetch_answer *answer, enum role *ret) {
    if (answer->status == 403) {
        *ret = ROLE_NONE;
        return true;
    }
    json_t *body = answer->status == 200 ? json_strict_object(answer->body) : NULL;
    const char *role = json_text(body, "role");
    bool ok = role && role_find(slice_str(role), ret);
    json_decref(body);
    return ok;
}

static void answered(void *ctx, const struct fetch_answer *answer) {
    struct question *q = ctx;
    enum role role = ROLE_NONE;
    bool known = read_role(answer, &role);
    if (!known) {
        log_limited(LOG_WARN, "AUTHZ-FAILED", log_u64("status", answer->status),
                    log_text("detail", answer->why ? answer->why
                                                   : "its answer is not {\"role\":…} with 200"));
    }
    settle(q->owner, q, known, role, clock_mono_ms());
}

static char *make_body(const struct question *q) {
    const struct identity *id = q->identity;
    json_t *body =
        json_pack("{s:s, s:s, s:s%, s:o}", "userId", id->user, "sessionId", id->session, "roomId",
                  (const char *)q->key.p + DIGEST_BYTES, q->key.n - DIGEST_BYTES, "claims",
                  json_strict_object(slice_str(id->claims)));
    must(body);
    char *text = json_write(body);
    json_decref(body);
    return text;
}

static void send(struct authz *z, struct question *q, uint64_t now_ms) {
    char *body = make_body(q);
    fetcher_start(z->service.fetcher,
                  &(struct fetch){.url = z->url,
                                  .post = body,
                                  .max_bytes = ACCESS_AUTHZ_BYTES,
                                  .timeout_ms = (unsigned)(q->deadline_ms - now_ms),
                                  .done = answered,
                                  .ctx = q});
    mem_free(body);
}

/* The next question that may be sent. */
static struct question *take_next(struct authz *z) {
    struct question *q = NULL;
    (void)pthread_mutex_lock(&z->lock);
    if (z->asking_count < ACCESS_AUTHZ_ASKING && !list_empty(&z->queue)) {
        q = LIST_ITEM(list_shift(&z->queue), struct question, node);
        q->state = ASKING;
        list_push(&z->asking, &q->node);
        z->asking_count++;
    }
    (void)pthread_mutex_unlock(&z->lock);
    return q;
}

void authz_step(struct authz *z, uint64_t now_ms) {
    for (struct question *q; (q = take_next(z)) != NULL;) {
        if (q->deadline_ms > now_ms) {
            send(z, q, now_ms);
        } else {
            settle(z, q, false, ROLE_NONE, now_ms);
        }
    }
}
