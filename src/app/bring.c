#define _GNU_SOURCE 1 /* pthread_cond_clockwait */
#include "app/bring.h"

#include <pthread.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "wire/dialect.h"

enum { LOOK_MS = 50 };

struct bring {
    struct gateway *gateway;
    pthread_mutex_t lock; /* leaf: held for some assignments */
    pthread_cond_t news;
    uint64_t number; /* of the update that is waited for */
    bool answered;
    enum err err;
    bool changed;
    char why[sizeof((struct msg *)0)->detail];
};

struct bring *bring_new(struct gateway *g) {
    struct bring *b = NEW(struct bring);
    b->gateway = g;
    (void)pthread_mutex_init(&b->lock, NULL);
    (void)pthread_cond_init(&b->news, NULL);
    return b;
}

void bring_free(struct bring *b) {
    if (b) {
        (void)pthread_cond_destroy(&b->news);
        (void)pthread_mutex_destroy(&b->lock);
        mem_free(b);
    }
}

static void post(struct bring *b, slice room, slice update, uint64_t number) {
    struct msg *m = msg_new(MSG_BRING);
    m->conn = (conn_id)room_owner(room, gateway_workers(b->gateway)) << CONN_WORKER_SHIFT;
    m->seq = number;
    m->room = frame_copy(room);
    m->payload = frame_copy(update);
    gateway_post(b->gateway, m);
}

static void wait_a_little(struct bring *b) {
    struct timespec until = clock_mono_after(LOOK_MS);
    (void)pthread_cond_clockwait(&b->news, &b->lock, CLOCK_MONOTONIC, &until);
}

enum err bring_update(void *ctx, slice room, slice update, const atomic_bool *stop, bool *ret_news,
                      char *why, size_t why_bytes) {
    struct bring *b = ctx;
    if (!room_name_valid(room)) {
        (void)snprintf(why, why_bytes, "%.*s is no room name", SLICE_FMT(room));
        return ERR_PARAMS;
    }
    (void)pthread_mutex_lock(&b->lock);
    uint64_t number = ++b->number; /* a late answer to an earlier one is told apart */
    b->answered = false;
    (void)pthread_mutex_unlock(&b->lock);
    post(b, room, update, number);
    (void)pthread_mutex_lock(&b->lock);
    while (!b->answered && !atomic_load_explicit(stop, memory_order_relaxed)) { /* a wish */
        wait_a_little(b);
    }
    enum err e = b->answered ? b->err : ERR_STORE;
    *ret_news = e == ERR_OK && b->changed;
    (void)snprintf(why, why_bytes, "%s", b->answered ? b->why : "the server is ending");
    (void)pthread_mutex_unlock(&b->lock);
    return e;
}

void bring_answered(void *ctx, const struct msg *m) {
    struct bring *b = ctx;
    (void)pthread_mutex_lock(&b->lock);
    if (m->seq == b->number) {
        b->answered = true;
        b->err = m->err;
        b->changed = m->answer.applied;
        (void)snprintf(b->why, sizeof b->why, "%s", m->detail);
        (void)pthread_cond_signal(&b->news);
    }
    (void)pthread_mutex_unlock(&b->lock);
}
