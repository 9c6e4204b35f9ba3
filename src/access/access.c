#include "access/access.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "access/authz.h"
#include "access/bounds.h"
#include "access/check.h"
#include "access/file.h"
#include "access/jwks.h"
#include "access/nonce.h"
#include "access/tuning.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "observe/log.h"
#include "wire/dialect.h"

struct access {
    struct checker checker; /* fixed after open */
    char *issuer;           /* the checker's */
    char *audience;
    void (*done)(void *ctx, uint64_t conn, uint32_t req, const struct access_answer *);
    void *done_ctx;
    bool (*claim)(void *ctx, slice nonce, uint64_t seconds, uint64_t conn, uint32_t req,
                  struct identity *);
    void *claim_ctx;
    uint64_t watch_ms;

    struct revocations *revoked; /* these guard themselves */
    struct nonces *nonces;
    struct jwks *jwks;   /* or NULL */
    struct authz *authz; /* or NULL */
    atomic_bool stop;
    atomic_bool reload;

    struct fetcher *fetcher; /* the thread's; main's before it starts and after it ended */
    struct file jwks_file;
    struct file revocation_file;
    uint64_t look_ms; /* when to look at the files */
    pthread_t thread;
    bool has_thread;
};

static uint64_t now_s(void) {
    return clock_wall_ms() / 1000;
}

static const char source_is_down[] = "the source of keys does not answer";

static unsigned timeout_ms(const struct access_options *o) {
    enum { DEFAULT_MS = 5000 };
    return o->http_timeout_ms ? o->http_timeout_ms : DEFAULT_MS;
}

static uint64_t ws_token_s(const struct access_options *o) {
    enum { DEFAULT_S = 300 }; /* PROTOCOL 5 */
    uint64_t s = o->ws_token_s ? o->ws_token_s : DEFAULT_S;
    return s < ACCESS_WS_TOKEN_S ? s : ACCESS_WS_TOKEN_S;
}

static char *copy_or_null(const char *s) {
    return s ? mem_copy_str(s, strlen(s)) : NULL;
}

/* ---- files ---- */

/* Reads the file and puts it in force. False with a sentence, and what was read before stays. */
static bool load(struct access *a, struct file *f, char *why, size_t why_bytes) {
    bool keys = f == &a->jwks_file;
    struct buf text;
    buf_init(&text, keys ? ACCESS_JWKS_BYTES : ACCESS_REVOCATION_FILE_BYTES);
    bool ok = file_read(f, &text, why, why_bytes) &&
              (keys ? jwks_load(a->jwks, buf_slice(&text), why, why_bytes)
                    : revocations_load(a->revoked, buf_slice(&text), why, why_bytes));
    buf_fini(&text);
    return ok;
}

static void look_at(struct access *a, struct file *f, const char *option, bool anyway) {
    char why[256];
    if (f->path && (anyway || file_changed(f)) && !load(a, f, why, sizeof why)) {
        log_warn("ACCESS-FILE", log_text("option", option), log_text("detail", why));
    }
}

static void look_at_files(struct access *a, uint64_t now_ms) {
    /* acquire: the file was written before the call that asks to read it again */
    bool anyway = atomic_exchange_explicit(&a->reload, false, memory_order_acquire);
    if (anyway || now_ms >= a->look_ms) {
        look_at(a, &a->jwks_file, "JWKS_FILE", anyway);
        look_at(a, &a->revocation_file, "REVOCATION_FILE", anyway);
        a->look_ms = now_ms + a->watch_ms;
    }
}

/* ---- the thread ---- */

static void tell(void *ctx, uint64_t conn, uint32_t req, const struct access_answer *answer) {
    struct access *a = ctx;
    a->done(a->done_ctx, conn, req, answer);
}

/* A wsToken that is new here may have opened a connection at another node: asks. What is not new
 * here is refused without, by access_claim_nonce. */
static bool asks_elsewhere(struct access *a, uint64_t conn, uint32_t req,
                           const struct access_answer *answer) {
    struct identity *id = answer->identity;
    if (answer->err != ERR_OK || !id->is_ws || !a->claim || !conn ||
        !access_claim_nonce(a, id, conn)) {
        return false;
    }
    uint64_t until_s = id->expires_s + a->checker.rules.leeway_s + ACCESS_CLOCKS_S;
    uint64_t now = now_s();
    return a->claim(a->claim_ctx, slice_str(id->nonce), until_s > now ? until_s - now : 1, conn,
                    req, id);
}

void access_claimed(struct access *a, uint64_t conn, uint32_t req, struct identity *id,
                    bool granted) {
    struct access_answer answer = {.err = ERR_OK, .identity = id};
    if (!granted) {
        identity_unref(id);
        answer = (struct access_answer){.err = ERR_UNAUTH,
                                        .detail = "the token has opened another connection"};
    }
    a->done(a->done_ctx, conn, req, &answer);
}

/* A token that waited for keys. There is no second wait for those. */
static void settled(void *ctx, slice token, uint64_t conn, uint32_t req, const struct keyset *set,
                    bool down) {
    struct access *a = ctx;
    struct access_answer answer;
    if (check_token(&a->checker, token, set, now_s(), &answer) == CHECK_NEEDS_KEYS && down) {
        answer = (struct access_answer){.err = ERR_BUSY, .detail = source_is_down};
    }
    if (!asks_elsewhere(a, conn, req, &answer)) {
        tell(a, conn, req, &answer);
    }
}

static void *run(void *arg) {
    struct access *a = arg;
    /* relaxed: whoever stops us waits for us by pthread_join */
    while (!atomic_load_explicit(&a->stop, memory_order_relaxed)) {
        uint64_t now_ms = clock_mono_ms();
        look_at_files(a, now_ms);
        uint64_t next_ms = a->look_ms;
        if (a->jwks) {
            uint64_t keys_ms = jwks_step(a->jwks, now_ms);
            next_ms = keys_ms < next_ms ? keys_ms : next_ms;
        }
        if (a->authz) {
            authz_step(a->authz, now_ms);
        }
        fetcher_step(a->fetcher, next_ms > now_ms ? (unsigned)(next_ms - now_ms) : 0);
    }
    return NULL;
}

/* Signals are main's. */
static void start_thread(struct access *a) {
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    must(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    must(pthread_create(&a->thread, NULL, run, a) == 0);
    must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    a->has_thread = true;
}

/* ---- life ---- */

static bool open_secret(struct checker *c, const char *secret, char *why, size_t why_bytes) {
    if (!secret) {
        return true;
    }
    size_t n = strlen(secret);
    if (n < ACCESS_SECRET_BYTES_MIN) {
        (void)snprintf(why, why_bytes,
                       "JWT_SECRET has %zu bytes, and HS256 needs at least %d: generate one, for "
                       "instance by: openssl rand -hex 32",
                       n, ACCESS_SECRET_BYTES_MIN);
        return false;
    }
    c->secret_bytes = mem_copy_str(secret, n);
    c->secret_n = n;
    c->secret = key_new_secret(slice_of(secret, n));
    return true;
}

static bool open_file(struct access *a, struct file *f, const char *path, const char *option,
                      char *why, size_t why_bytes) {
    if (!path) {
        return true;
    }
    char reason[256];
    file_init(f, path);
    if (!load(a, f, reason, sizeof reason)) {
        (void)snprintf(why, why_bytes, "%s: %s: %s", option, path, reason);
        return false;
    }
    return true;
}

static bool open_keys(struct access *a, const struct access_options *o,
                      const struct access_tuning *tuning, char *why, size_t why_bytes) {
    if (!o->jwks_url && !o->jwks_file) {
        return true;
    }
    if (o->jwks_url && o->jwks_file) {
        (void)snprintf(why, why_bytes, "JWKS_URL and JWKS_FILE are both set: keep one of them");
        return false;
    }
    if (o->jwks_url && url_kind_of(o->jwks_url) != URL_TLS &&
        url_kind_of(o->jwks_url) != URL_LOOPBACK) {
        (void)snprintf(
            why, why_bytes,
            "JWKS_URL is not an https:// address (http:// is for loopback only): who can "
            "change its answer can sign tokens");
        return false;
    }
    a->jwks = jwks_new(&(struct jwks_source){.url = o->jwks_url,
                                             .timeout_ms = timeout_ms(o),
                                             .tuning = *tuning,
                                             .fetcher = a->fetcher,
                                             .settled = settled,
                                             .ctx = a});
    a->checker.has_public = true;
    return open_file(a, &a->jwks_file, o->jwks_file, "JWKS_FILE", why, why_bytes);
}

static bool open_authz(struct access *a, const struct access_options *o, char *why,
                       size_t why_bytes) {
    if (!o->authz_url) {
        return true;
    }
    if (url_kind_of(o->authz_url) == URL_WRONG) {
        (void)snprintf(why, why_bytes, "AUTHZ_URL is not an https:// or http:// address");
        return false;
    }
    a->authz = authz_new(&(struct authz_service){.url = o->authz_url,
                                                 .cache_ms = o->authz_cache_ms,
                                                 .timeout_ms = timeout_ms(o),
                                                 .fetcher = a->fetcher,
                                                 .answered = tell,
                                                 .ctx = a});
    return true;
}

const struct access_tuning access_tuning_default = {
    .cool_down_ms = 10000,    /* who invents kids causes a fetch in ten seconds */
    .retry_ms = 1000,         /* a restart of the source takes that long */
    .retry_max_ms = 60000,    /* when it is back, nobody waits longer */
    .age_min_ms = 60000,      /* the source's mistake must not be our flood */
    .age_max_ms = 86400000,   /* a key that was withdrawn is out after a day */
    .age_default_ms = 600000, /* providers say between 5 minutes and a day */
    .watch_ms = 5000,         /* soon enough for people, nothing for the disk */
};

struct access *access_open_tuned(const struct access_options *o, const struct access_tuning *tuning,
                                 char *why, size_t why_bytes) {
    struct access *a = NEW(struct access);
    a->done = o->done;
    a->done_ctx = o->done_ctx;
    a->claim = o->claim;
    a->claim_ctx = o->claim_ctx;
    a->watch_ms = tuning->watch_ms;
    a->revoked = revocations_new();
    a->nonces = nonces_new();
    a->issuer = copy_or_null(o->issuer);
    a->audience = copy_or_null(o->audience);
    a->checker.rules = (struct claim_rules){a->issuer, a->audience, o->leeway_s};
    a->checker.revoked = a->revoked;
    a->checker.ws_token_s = ws_token_s(o);
    a->fetcher = fetcher_new();
    if (!a->fetcher) {
        (void)snprintf(why, why_bytes, "libcurl does not start");
    }
    if (!a->fetcher || !open_secret(&a->checker, o->jwt_secret, why, why_bytes) ||
        !open_keys(a, o, tuning, why, why_bytes) || !open_authz(a, o, why, why_bytes) ||
        !open_file(a, &a->revocation_file, o->revocation_file, "REVOCATION_FILE", why, why_bytes)) {
        access_free(a);
        return NULL;
    }
    a->look_ms = clock_mono_ms() + a->watch_ms;
    start_thread(a);
    return a;
}

struct access *access_open(const struct access_options *o, char *why, size_t why_bytes) {
    return access_open_tuned(o, &access_tuning_default, why, why_bytes);
}

void access_free(struct access *a) {
    if (!a) {
        return;
    }
    if (a->has_thread) {
        atomic_store_explicit(&a->stop, true, memory_order_relaxed); /* pthread_join orders */
        fetcher_wake(a->fetcher);
        must(pthread_join(a->thread, NULL) == 0);
    }
    fetcher_free(a->fetcher); /* first: its requests point into what follows */
    jwks_free(a->jwks);
    authz_free(a->authz);
    key_free(a->checker.secret);
    if (a->checker.secret_bytes) {
        OPENSSL_cleanse(a->checker.secret_bytes, a->checker.secret_n);
    }
    mem_free(a->checker.secret_bytes);
    revocations_free(a->revoked);
    nonces_free(a->nonces);
    file_fini(&a->jwks_file);
    file_fini(&a->revocation_file);
    mem_free(a->issuer);
    mem_free(a->audience);
    mem_free(a);
}

void access_reload(struct access *a) {
    atomic_store_explicit(&a->reload, true,
                          memory_order_release); /* after what changed the files */
    fetcher_wake(a->fetcher);
}

/* ---- tokens ---- */

bool access_check(struct access *a, slice token, uint64_t conn, uint32_t req,
                  struct access_answer *ret) {
    for (;;) {
        struct keyset *set = a->jwks ? jwks_now(a->jwks) : NULL;
        enum check_result result = check_token(&a->checker, token, set, now_s(), ret);
        enum jwks_wait wait = JWKS_NO;
        if (result == CHECK_NEEDS_KEYS) {
            wait = jwks_wait(a->jwks, set, token, conn, req);
        }
        keyset_unref(set);
        switch (wait) {
        case JWKS_NEWER:
            continue;
        case JWKS_WAITING:
            return false;
        case JWKS_NO:
            return !asks_elsewhere(a, conn, req, ret);
        case JWKS_DOWN:
        case JWKS_FULL:
            *ret = (struct access_answer){.err = ERR_BUSY, .detail = source_is_down};
            return true;
        }
    }
}

bool access_claim_nonce(struct access *a, const struct identity *id, uint64_t conn) {
    return !id->is_ws || nonces_claim(a->nonces, id->nonce, conn,
                                      id->expires_s + a->checker.rules.leeway_s, now_s());
}

/* The role that needs no question; false when only the service can say. */
static bool role_at_once(struct access *a, const struct identity *id, slice room_id,
                         enum role *ret) {
    if (!a->authz || id->anonymous) {
        *ret = identity_role(id, room_id);
        return true;
    }
    if (!identity_may_name(id, room_id) || !room_name_valid(room_id)) {
        *ret = ROLE_NONE;
        return true;
    }
    return authz_known(a->authz, id, room_id, ret);
}

enum err access_mint(struct access *a, const struct identity *id, slice room_id,
                     struct buf *ret_token, uint64_t *ret_expires_s) {
    enum role role = ROLE_NONE;
    (void)role_at_once(a, id, room_id, &role);
    return check_mint(&a->checker, id, room_id, role, now_s(), ret_token, ret_expires_s);
}

void access_revoke(struct access *a, const char *kind, slice value) {
    revocations_add(a->revoked, kind, value);
}

void access_revoke_lines(struct access *a, slice lines) {
    revocations_add_lines(a->revoked, lines);
}

void access_list_revoked(struct access *a, struct buf *to) {
    revocations_list(a->revoked, to);
}

uint64_t access_revocations(const struct access *a) {
    return revocations_count(a->revoked);
}

bool access_revoked(const struct access *a, const struct identity *id) {
    return revocations_hit(a->revoked, id);
}

/* ---- roles ---- */

bool access_role(struct access *a, struct identity *id, slice room_id, uint64_t conn, uint32_t req,
                 struct access_answer *ret) {
    enum role role = ROLE_NONE;
    if (!role_at_once(a, id, room_id, &role)) {
        return authz_ask(a->authz, id, room_id, conn, req, ret);
    }
    *ret = authz_answer(role, "this token grants nothing in this room");
    return true;
}
