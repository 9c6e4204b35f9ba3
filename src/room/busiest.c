#include "room/busiest.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/must.h"

struct busiest {
    pthread_mutex_t lock; /* leaf: held while the list is copied */
    struct busy_list list;
};

void busy_list_add(struct busy_list *l, const struct busy_room *r) {
    size_t at = l->count;
    while (at > 0 && l->room[at - 1].per_second < r->per_second) {
        at--;
    }
    if (at == CAPS_BUSIEST) {
        return;
    }
    l->count += l->count < CAPS_BUSIEST;
    for (size_t i = l->count - 1; i > at; i--) {
        l->room[i] = l->room[i - 1];
    }
    l->room[at] = *r;
}

struct busiest *busiest_new(void) {
    struct busiest *b = NEW(struct busiest);
    must(pthread_mutex_init(&b->lock, NULL) == 0);
    return b;
}

void busiest_free(struct busiest *b) {
    if (b) {
        (void)pthread_mutex_destroy(&b->lock);
        mem_free(b);
    }
}

void busiest_put(struct busiest *b, const struct busy_list *l) {
    (void)pthread_mutex_lock(&b->lock);
    b->list = *l;
    (void)pthread_mutex_unlock(&b->lock);
}

void busiest_get(struct busiest *b, struct busy_list *to) {
    (void)pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->list.count; i++) {
        busy_list_add(to, &b->list.room[i]);
    }
    (void)pthread_mutex_unlock(&b->lock);
}
