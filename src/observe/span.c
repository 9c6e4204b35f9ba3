#define _GNU_SOURCE 1 /* pthread_cond_clockwait */
#include "observe/span.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/must.h"
#include "base/rand.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "wire/json_out.h"

enum { NS_PER_MS = 1000000 };

/* A span in the queue. */
struct ended {
    struct span span;
    char room[CAPS_ROOM_NAME_BYTES];
};

/* The one of the process, as the log is. */
static struct {
    atomic_bool on; /* relaxed: spans around a change may go or stay */
    unsigned sample;
    /* fixed between open and close */
    char *url;
    pthread_t thread;
    char instance[64]; /* host and process */

    /* the thread's, between open and close */
    uint64_t wall_ns; /* the wall clock when the other one stood at 0 */
    struct ended *sending;

    pthread_mutex_t lock; /* leaf; guards what follows */
    pthread_cond_t filled;
    struct ended *queue;
    size_t count;
    bool closing;
} tracer = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

/* ---- ids ---- */

uint64_t span_id(void) {
    /* splitmix64, seeded by the kernel: unique, which is all that ids must be */
    static _Thread_local uint64_t state = 0;
    if (!state) {
        state = rand_u64();
    }
    state += 0x9e3779b97f4a7c15;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return z ? z : 1;
}

bool span_wanted(const struct trace *t) {
    return t->sampled && atomic_load_explicit(&tracer.on, memory_order_relaxed);
}

struct trace span_new_trace(void) {
    return (struct trace){.high = span_id(), .low = span_id()};
}

void span_sample(struct trace *t) {
    bool begins = !trace_is_set(t) && atomic_load_explicit(&tracer.on, memory_order_relaxed) &&
                  tracer.sample && span_id() % tracer.sample == 0;
    if (begins) {
        *t = span_new_trace();
        t->sampled = true;
    }
}

/* ---- the queue ---- */

void span_end(const struct span *s) {
    if (!span_wanted(&s->trace)) {
        return;
    }
    bool kept = false;
    (void)pthread_mutex_lock(&tracer.lock);
    if (tracer.count < CAPS_SPANS_QUEUED && !tracer.closing) {
        struct ended *e = &tracer.queue[tracer.count++];
        e->span = *s;
        e->span.room.n = s->room.n < sizeof e->room ? s->room.n : sizeof e->room;
        if (s->room.n) {
            memcpy(e->room, s->room.p, e->span.room.n);
        }
        kept = true;
    }
    (void)pthread_mutex_unlock(&tracer.lock);
    if (!kept) {
        metric_add(METRIC_SPANS_DROPPED, 0, 1);
    }
}

static void set_wall(void) {
    tracer.wall_ns = clock_wall_ms() * NS_PER_MS - clock_mono_ns();
}

/* Waits a while, then takes all; true when these are the last. */
static bool take(size_t *ret_count) {
    struct timespec until = clock_mono_after(CAPS_SPANS_EVERY_MS);
    (void)pthread_mutex_lock(&tracer.lock);
    int e = 0;
    while (!tracer.closing && e != ETIMEDOUT) {
        e = pthread_cond_clockwait(&tracer.filled, &tracer.lock, CLOCK_MONOTONIC, &until);
    }
    struct ended *full = tracer.queue;
    tracer.queue = tracer.sending;
    tracer.sending = full;
    *ret_count = tracer.count;
    tracer.count = 0;
    bool last = tracer.closing;
    (void)pthread_mutex_unlock(&tracer.lock);
    return last;
}

/* ---- OTLP ---- */

static void put_attribute(struct buf *b, bool *first, const char *key, const char *type,
                          slice value) {
    buf_put_str(b, *first ? "{\"key\":\"" : ",{\"key\":\"");
    *first = false;
    buf_printf(b, "%s\",\"value\":{\"%s\":", key, type);
    json_put_string(b, value); /* 64-bit numbers are strings in OTLP's JSON, too */
    json_put_lit(b, "}}");
}

static void put_number(struct buf *b, bool *first, const char *key, uint64_t value) {
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    if (value) {
        put_attribute(b, first, key, "intValue", slice_str(text));
    }
}

/* Names of attributes are as in the log. Kind 2 is a server's span, 1 an inner one; status 1 is ok,
 * 2 an error. */
static void put_span(struct buf *b, const struct ended *e) {
    const struct span *s = &e->span;
    char trace[TRACE_ID_CHARS + 1];
    char own[TRACE_SPAN_CHARS + 1];
    char parent[TRACE_SPAN_CHARS + 1];
    trace_write_id(&s->trace, trace);
    trace_write_span(s->id, own);
    trace_write_span(s->trace.span, parent);
    buf_printf(b, "{\"traceId\":\"%s\",\"spanId\":\"%s\"", trace, own);
    if (s->trace.span) {
        buf_printf(b, ",\"parentSpanId\":\"%s\"", parent);
    }
    buf_printf(b,
               ",\"name\":\"%s\",\"kind\":%d,\"startTimeUnixNano\":\"%" PRIu64
               "\",\"endTimeUnixNano\":\"%" PRIu64 "\",\"attributes\":[",
               s->name, s->serves ? 2 : 1, tracer.wall_ns + s->start_ns,
               tracer.wall_ns + s->end_ns);
    bool first = true;
    if (s->room.n) {
        put_attribute(b, &first, "roomId", "stringValue", slice_of(e->room, s->room.n));
    }
    put_number(b, &first, "connectionId", s->connection);
    put_number(b, &first, "seq", s->seq);
    if (s->err != ERR_OK) {
        put_attribute(b, &first, "errCode", "stringValue", slice_str(err_label(s->err)));
    }
    buf_printf(b, "],\"status\":{\"code\":%d}}", s->err == ERR_OK ? 1 : 2);
}

static void put_request(struct buf *b, const struct ended *spans, size_t n) {
    bool first = true;
    json_put_lit(b, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    put_attribute(b, &first, "service.name", "stringValue", slice_str("collabd"));
    put_attribute(b, &first, "service.version", "stringValue", slice_str(COLLAB_VERSION));
    put_attribute(b, &first, "service.instance.id", "stringValue", slice_str(tracer.instance));
    json_put_lit(b, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"collabd\"},\"spans\":[");
    for (size_t i = 0; i < n; i++) {
        buf_put_str(b, i ? "," : "");
        put_span(b, &spans[i]);
    }
    json_put_lit(b, "]}]}]}");
}

/* ---- the thread ---- */

static size_t ignore_body(char *p, size_t size, size_t count, void *ctx) {
    (void)p;
    (void)ctx;
    return size * count;
}

/* An option that libcurl does not take is a build of it that we cannot use. */
#define SET(easy, option, value) must(curl_easy_setopt(easy, option, value) == CURLE_OK)

static CURL *connect_to(const char *url, struct curl_slist *headers) {
    CURL *c = curl_easy_init();
    must(c);
    SET(c, CURLOPT_URL, url);
    SET(c, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(c, CURLOPT_HTTPHEADER, headers);
    SET(c, CURLOPT_NOSIGNAL, 1L);
    SET(c, CURLOPT_QUICK_EXIT, 1L); /* a name server that does not answer holds up no end */
    SET(c, CURLOPT_TIMEOUT_MS, (long)CAPS_SPAN_POST_MS);
    SET(c, CURLOPT_USERAGENT, "collabd");
    SET(c, CURLOPT_WRITEFUNCTION, ignore_body);
    return c;
}

static void post(CURL *c, const struct buf *body, size_t n) {
    long status = 0;
    SET(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->n);
    SET(c, CURLOPT_POSTFIELDS, (const char *)body->p);
    CURLcode e = curl_easy_perform(c);
    (void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    bool ok = e == CURLE_OK && status >= 200 && status < 300;
    metric_add(ok ? METRIC_SPANS_SENT : METRIC_SPANS_DROPPED, 0, (int64_t)n);
    if (!ok) {
        log_limited(LOG_WARN, "TRACES-LOST", log_u64("spans", n),
                    log_u64("status", (uint64_t)status),
                    log_text("detail", e == CURLE_OK ? "" : curl_easy_strerror(e)));
    }
}

static void *run(void *unused) {
    (void)unused;
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    CURL *c = connect_to(tracer.url, headers);
    struct buf body;
    buf_init(&body, 0);
    for (bool last = false; !last;) {
        size_t n = 0;
        last = take(&n);
        set_wall(); /* somebody may have set the clock since */
        for (size_t from = 0; from < n; from += CAPS_SPANS_POSTED) {
            size_t some = n - from < CAPS_SPANS_POSTED ? n - from : CAPS_SPANS_POSTED;
            buf_clear(&body);
            put_request(&body, tracer.sending + from, some);
            post(c, &body, some);
        }
    }
    buf_fini(&body);
    curl_easy_cleanup(c);
    curl_slist_free_all(headers);
    return NULL;
}

/* ---- life ---- */

/* The address with a path; NULL when it is none that may be used. */
static char *whole_url(const char *url) {
    char *scheme = NULL;
    char *path = NULL;
    char *whole = NULL;
    char *copy = NULL;
    CURLU *u = curl_url();
    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
        curl_url_get(u, CURLUPART_PATH, &path, 0) == CURLUE_OK &&
        (strcmp(path, "/") != 0 || curl_url_set(u, CURLUPART_PATH, "/v1/traces", 0) == CURLUE_OK) &&
        curl_url_get(u, CURLUPART_URL, &whole, 0) == CURLUE_OK) {
        copy = mem_copy_str(whole, strlen(whole));
    }
    curl_free(scheme);
    curl_free(path);
    curl_free(whole);
    curl_url_cleanup(u);
    return copy;
}

enum err span_open(const struct span_options *o, char *why, size_t why_bytes) {
    if (!o->url) {
        return ERR_OK;
    }
    must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    tracer.url = whole_url(o->url);
    if (!tracer.url) {
        (void)snprintf(why, why_bytes,
                       "COLLAB_OTLP_URL=%s: not an address that traces can be sent to. Right would "
                       "be http://127.0.0.1:4318/v1/traces.",
                       o->url);
        curl_global_cleanup();
        return ERR_PARAMS;
    }
    char host[sizeof tracer.instance - 16] = "";
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(tracer.instance, sizeof tracer.instance, "%s:%d", host, (int)getpid());
    tracer.sample = o->sample;
    set_wall();
    tracer.queue = mem_new(CAPS_SPANS_QUEUED * sizeof *tracer.queue);
    tracer.sending = mem_new(CAPS_SPANS_QUEUED * sizeof *tracer.sending);
    tracer.count = 0;
    tracer.closing = false;
    must(pthread_create(&tracer.thread, NULL, run, NULL) == 0);
    atomic_store_explicit(&tracer.on, true, memory_order_relaxed);
    return ERR_OK;
}

void span_close(void) {
    if (!atomic_exchange_explicit(&tracer.on, false, memory_order_relaxed)) {
        return;
    }
    (void)pthread_mutex_lock(&tracer.lock);
    tracer.closing = true;
    (void)pthread_cond_signal(&tracer.filled);
    (void)pthread_mutex_unlock(&tracer.lock);
    must(pthread_join(tracer.thread, NULL) == 0);
    mem_free(tracer.queue);
    mem_free(tracer.sending);
    mem_free(tracer.url);
    curl_global_cleanup();
}
