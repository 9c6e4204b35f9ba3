#include "cluster/redis.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/rand.h"
#include "cluster/redis_tls.h"
#include "limit/caps.h"
#include "observe/log.h"

enum { RX_BYTES = 64 * 1024, WORDS_MOST = CAPS_BUS_BATCH + 8 };
/* The first that takes NX and GET together in a SET, which claims are made of. */
enum { OLDEST_VERSION = 7 };

/* One attempt's socket: lives until libuv has let go of it. */
struct line {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    struct redis *owner; /* NULL: given up */
    struct buf writing;  /* lent to libuv */
    bool busy;           /* a write is under way */
    char rx[RX_BYTES];
};

struct redis {
    uv_loop_t *loop;
    const struct target *target;
    const struct redis_ops *ops;
    void *ctx;
    uv_timer_t timer; /* of the next attempt, or of the present one's end */
    uv_getaddrinfo_t resolve;
    bool resolving;
    bool closing;
    bool timer_closed;

    struct line *line; /* NULL: between two attempts */
    struct redis_tls *tls;
    redisReader *reader;
    struct buf out;    /* commands not yet given to the socket, or to TLS */
    struct buf plain;  /* what TLS has opened */
    unsigned greeting; /* replies until it is up */
    bool up;
    unsigned wait_ms;
    uint64_t heard_ms;
    char said[120]; /* why it was last lost, so that the log says it once */
};

static void attempt(struct redis *);

/* ---- the end of a connection ---- */

static void on_line_closed(uv_handle_t *h) {
    struct line *l = h->data;
    buf_fini(&l->writing);
    mem_free(l);
}

static void let_go(struct redis *r) {
    if (r->line) {
        r->line->owner = NULL;
        uv_close((uv_handle_t *)&r->line->tcp, on_line_closed);
        r->line = NULL;
    }
    redis_tls_free(r->tls);
    r->tls = NULL;
    if (r->reader) {
        redisReaderFree(r->reader);
        r->reader = NULL;
    }
    buf_clear(&r->out);
    buf_clear(&r->plain);
}

static void on_retry(uv_timer_t *t) {
    attempt(t->data);
}

/* Somewhere in the upper half of the pause: nodes that lost it together do not return together. */
static void retry_later(struct redis *r) {
    uint64_t wait = r->wait_ms / 2 + rand_u64() % (r->wait_ms / 2 + 1);
    r->wait_ms = r->wait_ms * 2 < CAPS_BUS_RETRY_MOST_MS ? r->wait_ms * 2 : CAPS_BUS_RETRY_MOST_MS;
    (void)uv_timer_start(&r->timer, on_retry, wait, 0);
}

static void complain(struct redis *r, const char *why) {
    if (r->up || strncmp(r->said, why, sizeof r->said - 1) != 0) {
        (void)snprintf(r->said, sizeof r->said, "%s", why);
        log_limited(LOG_WARN, "BUS-LOST", log_text("host", r->target->host),
                    log_u64("port", r->target->port), log_text("detail", why));
    }
}

void redis_drop(struct redis *r, const char *why) {
    if (r->closing || (!r->line && !r->up)) {
        return;
    }
    complain(r, why);
    bool was_up = r->up;
    r->up = false;
    let_go(r);
    retry_later(r);
    if (was_up) {
        r->ops->on_down(r->ctx, why);
    }
}

/* ---- replies ---- */

/* What HELLO says of the version, "7.0.15"; else "". */
static const char *version_of(const redisReply *hello) {
    size_t n = hello->type == REDIS_REPLY_ARRAY ? hello->elements : 0;
    for (size_t i = 0; i + 1 < n; i += 2) {
        const redisReply *name = hello->element[i];
        const redisReply *value = hello->element[i + 1];
        if (name->type == REDIS_REPLY_STRING && strcmp(name->str, "version") == 0 &&
            value->type == REDIS_REPLY_STRING) {
            return value->str;
        }
    }
    return "";
}

static void on_greeting(struct redis *r, const redisReply *reply) {
    char why[120];
    const char *version = r->greeting == 1 ? version_of(reply) : NULL;
    if (reply->type == REDIS_REPLY_ERROR) {
        (void)snprintf(why, sizeof why, "it refuses the login: %s", reply->str);
        redis_drop(r, why);
    } else if (version && strtoul(version, NULL, 10) < OLDEST_VERSION) {
        (void)snprintf(why, sizeof why, "it is of version %.20s, which is too old: %d is needed",
                       version, OLDEST_VERSION);
        redis_drop(r, why);
    } else if (--r->greeting == 0) {
        r->up = true;
        r->wait_ms = CAPS_BUS_RETRY_MS;
        r->said[0] = 0;
        (void)uv_timer_stop(&r->timer);
        r->ops->on_up(r->ctx);
    }
}

static void take_reply(struct redis *r, const redisReply *reply) {
    if (r->up) {
        r->ops->on_reply(r->ctx, reply);
    } else {
        on_greeting(r, reply);
    }
}

static void take_plain(struct redis *r, slice s) {
    const struct line *line = r->line;
    if (redisReaderFeed(r->reader, (const char *)s.p, s.n) != REDIS_OK) {
        redis_drop(r, "no memory for its reply");
        return;
    }
    while (r->line == line) { /* a reply may have ended it */
        void *reply = NULL;
        if (redisReaderGetReply(r->reader, &reply) != REDIS_OK) {
            redis_drop(r, "what it sends is not Redis' protocol");
            return;
        }
        if (!reply) {
            break;
        }
        take_reply(r, reply);
        freeReplyObject(reply);
    }
    if (r->line == line && r->reader->len - r->reader->pos > CAPS_BUS_REPLY_BYTES) {
        redis_drop(r, "a reply of it is too large");
    }
}

static void take_cipher(struct redis *r, slice s) {
    const char *why = NULL;
    if (redis_tls_read(r->tls, s, &r->plain, &why) != ERR_OK) {
        redis_drop(r, why);
        return;
    }
    struct buf said = r->plain;
    buf_init(&r->plain, 0);
    if (said.n) {
        take_plain(r, buf_slice(&said));
    }
    buf_fini(&said);
}

/* ---- the socket ---- */

static void on_alloc(uv_handle_t *h, size_t wanted, uv_buf_t *ret) {
    struct line *l = h->data;
    (void)wanted;
    *ret = uv_buf_init(l->rx, RX_BYTES);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b) {
    struct line *l = s->data;
    struct redis *r = l->owner;
    if (!r || n == 0) {
        return;
    }
    if (n < 0) {
        redis_drop(r, n == UV_EOF ? "it has ended the connection" : uv_strerror((int)n));
        return;
    }
    r->heard_ms = uv_now(r->loop);
    slice bytes = slice_of(b->base, (size_t)n);
    if (r->tls) {
        take_cipher(r, bytes);
    } else {
        take_plain(r, bytes);
    }
}

static void on_written(uv_write_t *w, int status) {
    struct line *l = w->handle->data;
    l->busy = false;
    buf_clear(&l->writing);
    if (l->owner && status < 0) {
        redis_drop(l->owner, uv_strerror(status));
    } else if (l->owner) {
        redis_flush(l->owner);
    }
}

/* What is to be written now, in the line's own buffer. */
static bool gather(struct redis *r, const char **ret_why) {
    if (!r->tls) {
        struct buf swap = r->line->writing;
        r->line->writing = r->out;
        r->out = swap;
        return true;
    }
    /* commands wait in `out` until the handshake is done */
    bool ok = redis_tls_write(r->tls, &r->out, ret_why) == ERR_OK;
    redis_tls_out(r->tls, &r->line->writing);
    return ok;
}

void redis_flush(struct redis *r) {
    struct line *l = r->line;
    const char *why = NULL;
    if (!l || l->busy || !uv_is_writable((uv_stream_t *)&l->tcp)) {
        return;
    }
    if (!gather(r, &why)) {
        redis_drop(r, why);
        return;
    }
    if (l->writing.n) {
        l->busy = true;
        uv_buf_t b = uv_buf_init((char *)l->writing.p, (unsigned)l->writing.n);
        int e = uv_write(&l->write, (uv_stream_t *)&l->tcp, &b, 1, on_written);
        if (e) {
            l->busy = false;
            redis_drop(r, uv_strerror(e));
        }
    }
}

/* ---- commands ---- */

static void put_command(struct redis *r, const slice *words, size_t count) {
    const char *argv[WORDS_MOST];
    size_t lens[WORDS_MOST];
    char *text = NULL;
    must(count <= WORDS_MOST);
    for (size_t i = 0; i < count; i++) {
        argv[i] = words[i].p ? (const char *)words[i].p : "";
        lens[i] = words[i].n;
    }
    int n = redisFormatCommandArgv(&text, (int)count, argv, lens);
    must(n > 0);
    buf_put(&r->out, text, (size_t)n);
    redisFreeCommand(text);
}

void redis_send(struct redis *r, const slice *words, size_t count) {
    if (!r->up) {
        return;
    }
    put_command(r, words, count);
    if (r->out.n > CAPS_BUS_OUT_BYTES) {
        redis_drop(r, "it does not take what is sent");
    }
}

/* Logs in; the answer to the last of these says that it serves, and which version it is. */
static void greet(struct redis *r) {
    const struct target *t = r->target;
    slice words[3];
    size_t n = 0;
    char number[16];
    r->greeting = 1;
    if (t->password) {
        words[n++] = slice_str("AUTH");
        if (t->user) {
            words[n++] = slice_str(t->user);
        }
        words[n++] = slice_str(t->password);
        put_command(r, words, n);
        r->greeting++;
    }
    if (t->database) {
        (void)snprintf(number, sizeof number, "%u", t->database);
        words[0] = slice_str("SELECT");
        words[1] = slice_str(number);
        put_command(r, words, 2);
        r->greeting++;
    }
    words[0] = slice_str("HELLO");
    words[1] = slice_str("2");
    put_command(r, words, 2);
    redis_flush(r);
}

/* ---- connecting ---- */

static void on_connect(uv_connect_t *c, int status) {
    struct line *l = c->data;
    struct redis *r = l->owner;
    const char *why = NULL;
    if (!r) {
        return;
    }
    if (status < 0) {
        redis_drop(r, uv_strerror(status));
        return;
    }
    (void)uv_tcp_nodelay(&l->tcp, 1);
    if (r->target->tls) {
        r->tls = redis_tls_new(r->target->host, &why);
        if (!r->tls) {
            redis_drop(r, why);
            return;
        }
    }
    r->reader = redisReaderCreate();
    must(r->reader != NULL);
    (void)uv_read_start((uv_stream_t *)&l->tcp, on_alloc, on_read);
    greet(r);
}

static void on_slow(uv_timer_t *t) {
    redis_drop(t->data, "it does not answer");
}

static void connect_to(struct redis *r, const struct sockaddr *a) {
    struct line *l = NEW(struct line);
    l->owner = r;
    l->connect.data = l;
    buf_init(&l->writing, 0);
    must(uv_tcp_init(r->loop, &l->tcp) == 0);
    l->tcp.data = l;
    r->line = l;
    int e = uv_tcp_connect(&l->connect, &l->tcp, a, on_connect);
    if (e) {
        redis_drop(r, uv_strerror(e));
    }
}

static void on_resolved(uv_getaddrinfo_t *g, int status, struct addrinfo *found) {
    struct redis *r = g->data;
    r->resolving = false;
    if (r->closing) {
        if (r->timer_closed) {
            mem_free(r);
        }
    } else if (status < 0) {
        complain(r, uv_strerror(status));
        retry_later(r);
    } else {
        (void)uv_timer_start(&r->timer, on_slow, CAPS_BUS_CONNECT_MS, 0);
        connect_to(r, found->ai_addr);
    }
    uv_freeaddrinfo(found);
}

static void attempt(struct redis *r) {
    char port[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    (void)snprintf(port, sizeof port, "%u", r->target->port);
    r->resolve.data = r;
    int e = uv_getaddrinfo(r->loop, &r->resolve, on_resolved, r->target->host, port, &hints);
    if (e) {
        complain(r, uv_strerror(e));
        retry_later(r);
        return;
    }
    r->resolving = true;
}

/* ---- life ---- */

struct redis *redis_open(uv_loop_t *loop, const struct target *t, const struct redis_ops *ops,
                         void *ctx) {
    struct redis *r = NEW(struct redis);
    r->loop = loop;
    r->target = t;
    r->ops = ops;
    r->ctx = ctx;
    r->wait_ms = CAPS_BUS_RETRY_MS;
    buf_init(&r->out, 0);
    buf_init(&r->plain, 0);
    must(uv_timer_init(loop, &r->timer) == 0);
    r->timer.data = r;
    attempt(r);
    return r;
}

static void on_timer_closed(uv_handle_t *h) {
    struct redis *r = h->data;
    r->timer_closed = true;
    if (!r->resolving) {
        mem_free(r);
    }
}

void redis_close(struct redis *r) {
    if (!r || r->closing) {
        return;
    }
    r->closing = true;
    r->up = false;
    let_go(r);
    buf_fini(&r->out);
    buf_fini(&r->plain);
    if (r->resolving) {
        (void)uv_cancel((uv_req_t *)&r->resolve);
    }
    uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}

bool redis_is_up(const struct redis *r) {
    return r->up;
}

uint64_t redis_heard_ms(const struct redis *r) {
    return r->heard_ms;
}
