#include "access/fetch.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/must.h"

struct fetcher {
    CURLM *multi;
    struct list_node calls;
};

struct call {
    struct list_node node;
    CURL *easy;
    struct curl_slist *headers;
    struct buf body;
    fetch_cb *done;
    void *ctx;
};

/* ---- addresses ---- */

static bool is_loopback(const char *host) {
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 ||
           strcmp(host, "[::1]") == 0;
}

enum url_kind url_kind_of(const char *url) {
    enum url_kind kind = URL_WRONG;
    char *scheme = NULL;
    char *host = NULL;
    CURLU *u = curl_url();
    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK && host[0]) {
        if (strcmp(scheme, "https") == 0) {
            kind = URL_TLS;
        } else if (strcmp(scheme, "http") == 0) {
            kind = is_loopback(host) ? URL_LOOPBACK : URL_PLAIN;
        }
    }
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(u);
    return kind;
}

/* ---- life ---- */

struct fetcher *fetcher_new(void) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return NULL;
    }
    struct fetcher *f = NEW(struct fetcher);
    list_init(&f->calls);
    f->multi = curl_multi_init();
    if (!f->multi) {
        mem_free(f);
        return NULL;
    }
    return f;
}

static void call_free(struct fetcher *f, struct call *c) {
    list_remove(&c->node);
    (void)curl_multi_remove_handle(f->multi, c->easy);
    curl_easy_cleanup(c->easy);
    curl_slist_free_all(c->headers);
    buf_fini(&c->body);
    mem_free(c);
}

void fetcher_free(struct fetcher *f) {
    if (!f) {
        return;
    }
    LIST_FOR_EACH (n, &f->calls) {
        call_free(f, LIST_ITEM(n, struct call, node));
    }
    (void)curl_multi_cleanup(f->multi);
    mem_free(f);
}

void fetcher_wake(struct fetcher *f) {
    (void)curl_multi_wakeup(f->multi);
}

/* ---- one request ---- */

/* Called by libcurl: a body over its cap ends the request. */
static size_t take_body(char *p, size_t size, size_t count, void *ctx) {
    struct call *c = ctx;
    buf_put(&c->body, p, size * count);
    return c->body.failed ? 0 : size * count;
}

/* An option that libcurl does not take is a build of it that we cannot use. */
#define SET(easy, option, value) must(curl_easy_setopt(easy, option, value) == CURLE_OK)

static void set_up(struct call *c, const struct fetch *what) {
    SET(c->easy, CURLOPT_URL, what->url);
    SET(c->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(c->easy, CURLOPT_FOLLOWLOCATION, 0L);
    SET(c->easy, CURLOPT_SSL_VERIFYPEER, 1L);
    SET(c->easy, CURLOPT_SSL_VERIFYHOST, 2L);
    SET(c->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(c->easy, CURLOPT_NOSIGNAL, 1L);
    SET(c->easy, CURLOPT_QUICK_EXIT, 1L); /* a name server that does not answer stops nobody */
    SET(c->easy, CURLOPT_TIMEOUT_MS, (long)what->timeout_ms);
    SET(c->easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)what->max_bytes);
    SET(c->easy, CURLOPT_USERAGENT, "collabd");
    SET(c->easy, CURLOPT_WRITEFUNCTION, take_body);
    SET(c->easy, CURLOPT_WRITEDATA, c);
    SET(c->easy, CURLOPT_PRIVATE, c);
    if (url_kind_of(what->url) == URL_LOOPBACK) {
        SET(c->easy, CURLOPT_PROXY, ""); /* no proxy of the environment leads back to here */
    }
    c->headers = curl_slist_append(c->headers, "Accept: application/json");
    if (what->post) {
        c->headers = curl_slist_append(c->headers, "Content-Type: application/json");
        c->headers = curl_slist_append(c->headers, "Expect:");
        SET(c->easy, CURLOPT_COPYPOSTFIELDS, what->post);
    }
    must(c->headers);
    SET(c->easy, CURLOPT_HTTPHEADER, c->headers);
}

void fetcher_start(struct fetcher *f, const struct fetch *what) {
    struct call *c = NEW(struct call);
    c->easy = curl_easy_init();
    must(c->easy);
    c->done = what->done;
    c->ctx = what->ctx;
    buf_init(&c->body, what->max_bytes);
    list_push(&f->calls, &c->node);
    set_up(c, what);
    must(curl_multi_add_handle(f->multi, c->easy) == CURLM_OK);
}

/* ---- its answer ---- */

/* One Cache-Control value; the shortest age that any of them says wins. */
static void read_cache_control(const char *s, uint64_t *age_s) {
    static const char max_age[] = "max-age=";
    while (*s) {
        s += strspn(s, " \t,");
        size_t n = strcspn(s, ",");
        uint64_t one = FETCH_NO_AGE;
        if (strncasecmp(s, "no-store", 8) == 0 || strncasecmp(s, "no-cache", 8) == 0) {
            one = 0;
        } else if (strncasecmp(s, max_age, strlen(max_age)) == 0) {
            const char *digits = s + strlen(max_age);
            digits += *digits == '"';
            one = *digits >= '0' && *digits <= '9' ? strtoull(digits, NULL, 10) : 0;
        }
        *age_s = one < *age_s ? one : *age_s;
        s += n;
    }
}

static uint64_t max_age_of(CURL *easy) {
    uint64_t age_s = FETCH_NO_AGE;
    struct curl_header *h = NULL;
    for (size_t i = 0;
         curl_easy_header(easy, "Cache-Control", i, CURLH_HEADER, -1, &h) == CURLHE_OK; i++) {
        read_cache_control(h->value, &age_s);
    }
    return age_s;
}

static const char *reason_of(CURLcode code, const struct call *c) {
    if (c->body.failed || code == CURLE_FILESIZE_EXCEEDED) {
        return "the answer is too large";
    }
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "its name does not resolve";
    case CURLE_COULDNT_CONNECT:
        return "it takes no connections";
    case CURLE_OPERATION_TIMEDOUT:
        return "it did not answer in time";
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
        return "its certificate is not trusted, or it does not speak TLS 1.2";
    default:
        return "the connection broke";
    }
}

static void finish(struct fetcher *f, CURL *easy, CURLcode code) {
    void *p = NULL;
    must(curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&p) == CURLE_OK);
    struct call *c = p;
    struct fetch_answer answer = {.body = buf_slice(&c->body), .max_age_s = max_age_of(easy)};
    long status = 0;
    if (code == CURLE_OK && curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK) {
        answer.status = (unsigned)status;
    } else {
        answer.why = reason_of(code, c);
        answer.body = (slice){0};
    }
    /* The callee may start another: this one is out of the way first, but for its body. */
    list_remove(&c->node);
    c->done(c->ctx, &answer);
    call_free(f, c);
}

/* Tells what is done; false when nothing was. */
static bool reap(struct fetcher *f) {
    bool any = false;
    int left = 0;
    for (CURLMsg *m; (m = curl_multi_info_read(f->multi, &left)) != NULL;) {
        if (m->msg == CURLMSG_DONE) {
            finish(f, m->easy_handle, m->data.result);
            any = true;
        }
    }
    return any;
}

void fetcher_step(struct fetcher *f, unsigned wait_ms) {
    int running = 0;
    (void)curl_multi_perform(f->multi, &running);
    if (reap(f)) {
        return; /* who was told may want something else than to wait */
    }
    (void)curl_multi_poll(f->multi, NULL, 0, wait_ms > INT_MAX ? INT_MAX : (int)wait_ms, NULL);
    (void)curl_multi_perform(f->multi, &running);
    (void)reap(f);
}
