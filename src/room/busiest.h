/* busiest.h: which rooms have the most messages, for whoever looks at a server. A worker works out
 * its own every CAPS_BUSIEST_MS and leaves them where pages, on any worker, find them.
 *
 * Thread: struct busy_list belongs to whoever fills it; busiest_put and busiest_get are for any.
 */
#ifndef ROOM_BUSIEST_H
#define ROOM_BUSIEST_H

#include "base/slice.h"
#include "limit/caps.h"

struct busy_room {
    char name[CAPS_ROOM_NAME_BYTES];
    size_t name_bytes;
    double per_second; /* messages of its members */
    size_t participants;
    unsigned worker;
};

/* The busiest of those added, the first most. */
struct busy_list {
    struct busy_room room[CAPS_BUSIEST];
    size_t count;
};

void busy_list_add(struct busy_list *, const struct busy_room *);

struct busiest;

struct busiest *busiest_new(void);
/* NULL is a no-op. */
void busiest_free(struct busiest *);
void busiest_put(struct busiest *, const struct busy_list *);
/* Adds what was put last. */
void busiest_get(struct busiest *, struct busy_list *);

#endif
