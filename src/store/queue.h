/* queue.h: where jobs wait for one of the store's threads. Many producers, one consumer, which
 * sleeps while there is nothing to do.
 *
 * Thread: put and close from any; take from the consumer.
 */
#ifndef STORE_QUEUE_H
#define STORE_QUEUE_H

#include <pthread.h>

#include "store/store.h"

struct queue {
    pthread_mutex_t lock; /* leaf: held for a list operation */
    pthread_cond_t filled;
    struct list_node jobs;
    bool closed;
};

#define QUEUE_FOR_EVER (-1)

void queue_init(struct queue *);
/* Frees the jobs that are left. */
void queue_fini(struct queue *);
/* Takes the job. */
void queue_put(struct queue *, struct store_job *);
/* No more will come: take returns at once from now on. */
void queue_close(struct queue *);
/* Moves everything to the end of `to`, after waiting so long for the first. False once the queue
 * is closed; what is left of it has been moved then. */
bool queue_take(struct queue *, struct list_node *to, int wait_ms);

#endif
