/* fetch.h: HTTP requests of one thread, many at a time, none of which blocks another (libcurl).
 *
 * TLS is verified, redirects are not followed, answers are capped, and every request ends by its
 * time limit. Nothing is retried here.
 *
 * Thread: one owner; fetcher_wake is for any thread.
 */
#ifndef ACCESS_FETCH_H
#define ACCESS_FETCH_H

#include "base/slice.h"

struct fetcher;

#define FETCH_NO_AGE UINT64_MAX

struct fetch_answer {
    unsigned status;    /* 0: no answer came, or not a whole one, or too large */
    const char *why;    /* then, a static sentence */
    slice body;         /* borrowed for the call */
    uint64_t max_age_s; /* of Cache-Control, 0 for no-store and no-cache, or FETCH_NO_AGE */
};

typedef void fetch_cb(void *ctx, const struct fetch_answer *);

struct fetch {
    const char *url;
    const char *post; /* a JSON body, or NULL: GET */
    size_t max_bytes; /* of the answer */
    unsigned timeout_ms;
    fetch_cb *done; /* called within fetcher_step */
    void *ctx;
};

/* NULL when libcurl cannot start. */
struct fetcher *fetcher_new(void);
/* Ends what is under way without a call of `done`; accepts NULL. */
void fetcher_free(struct fetcher *);
/* Begins a request; what it points to is copied. */
void fetcher_start(struct fetcher *, const struct fetch *);
/* Works, waits at most so long for something to do, tells what is done. */
void fetcher_step(struct fetcher *, unsigned wait_ms);
/* Ends a wait of fetcher_step, now or the next. */
void fetcher_wake(struct fetcher *);

enum url_kind { URL_WRONG, URL_PLAIN, URL_LOOPBACK, URL_TLS }; /* http, http to here, https */
enum url_kind url_kind_of(const char *url);

#endif
