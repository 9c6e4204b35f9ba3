/* control.h: what the store's tools ask of the server that has it: a socket in the data directory
 * and a thread that serves it. Nobody else can open the files while they are in use, so a tool that
 * finds a server there asks; and one that finds none is itself a server for as long as it runs.
 *
 * Only the owner of the directory's files and root can connect: the socket has mode 0600, and who
 * is at the other end is looked up. One request is served at a time; those that take long call
 * themselves off when the server ends.
 *
 * Thread: control_open and control_close from main; a thread of its own in between, which also
 * calls `bring`. Everything it does to the store goes by store_post.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "store/store.h"

#define CONTROL_SOCKET "control.sock"

struct control;

struct control_options {
    struct store *store;
    const char *data; /* directory */
    /* Makes an update part of a room, and comes back when it lasts. *ret_news: it was not known.
     * Looks at `stop`, and comes back with ERR_STORE when that is set. `why`: a sentence. */
    enum err (*bring)(void *ctx, slice room, slice update, const atomic_bool *stop, bool *ret_news,
                      char *why, size_t why_bytes);
    void *ctx;
};

/* The directory must be locked by this process. NULL with a sentence in `why`. */
struct control *control_open(const struct control_options *, char *why, size_t why_bytes);
/* Ends what is under way and takes the socket away. NULL is a no-op. Before store_close. */
void control_close(struct control *);

/* How a job is waited for. */
struct control_patience {
    const atomic_bool *stop;
    void (*look)(void *ctx); /* called now and then meanwhile; NULL: not */
    void *ctx;
};

/* Posts a job, waits for it, and hands it back. NULL when `stop` was set first or the store cannot
 * write: whatever becomes of the job then, it is the store's. */
struct store_job *control_do(struct store *, struct store_job *, const struct control_patience *);

/* A connected socket to the server that has this directory, or -1 with errno. For tools. */
int control_connect(const char *data);

#endif
