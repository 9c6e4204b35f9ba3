#include "room/mailbox.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/must.h"

struct mailbox {
    pthread_mutex_t lock; /* leaf: held for a list operation, nothing is called under it */
    struct list_node list;
    atomic_size_t depth;
    void (*wake)(void *ctx);
    void *ctx;
};

struct mailbox *mailbox_new(void (*wake)(void *ctx), void *ctx) {
    struct mailbox *box = NEW(struct mailbox);
    must(pthread_mutex_init(&box->lock, NULL) == 0);
    list_init(&box->list);
    box->wake = wake;
    box->ctx = ctx;
    return box;
}

void mailbox_free(struct mailbox *box) {
    if (!box) {
        return;
    }
    for (struct list_node *n; (n = list_shift(&box->list)) != NULL;) {
        msg_free(LIST_ITEM(n, struct msg, node));
    }
    (void)pthread_mutex_destroy(&box->lock);
    mem_free(box);
}

void mailbox_post(struct mailbox *box, struct msg *m) {
    (void)pthread_mutex_lock(&box->lock);
    bool was_empty = list_empty(&box->list);
    list_push(&box->list, &m->node);
    /* relaxed: a hint for flow control, the lock orders the list itself */
    atomic_fetch_add_explicit(&box->depth, 1, memory_order_relaxed);
    (void)pthread_mutex_unlock(&box->lock);
    if (was_empty) {
        box->wake(box->ctx);
    }
}

size_t mailbox_take(struct mailbox *box, struct list_node *to) {
    (void)pthread_mutex_lock(&box->lock);
    list_splice(to, &box->list);
    size_t n = atomic_exchange_explicit(&box->depth, 0, memory_order_relaxed);
    (void)pthread_mutex_unlock(&box->lock);
    return n;
}

size_t mailbox_depth(const struct mailbox *box) {
    return atomic_load_explicit(&box->depth, memory_order_relaxed);
}
