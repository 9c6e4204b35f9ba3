#include "store/postgres.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "limit/caps.h"

enum { TRIES = 3, WORD_BYTES = 200 };

/* ---- errors ---- */

/* libpq's sentences end their lines; ours are one. */
static void say(struct fault *why, const char *text, const char *state) {
    char flat[sizeof why->text] = "";
    size_t n = 0;
    for (const char *p = text ? text : ""; *p && n < sizeof flat - 1; p++) {
        bool gap = *p == '\n' || *p == '\t' || *p == ' ';
        if (!gap) {
            flat[n++] = *p;
        } else if (n && flat[n - 1] != ' ') {
            flat[n++] = ' ';
        }
    }
    n -= n && flat[n - 1] == ' ';
    flat[n] = 0;
    if (state && *state) {
        (void)snprintf(why->text, sizeof why->text, "%.*s (SQLSTATE %.5s)", WORD_BYTES, flat,
                       state);
    } else {
        (void)snprintf(why->text, sizeof why->text, "%s", n ? flat : "the connection is lost");
    }
}

enum err pg_lost(struct pg *pg, struct fault *why) {
    say(why, PQerrorMessage(pg->c), NULL);
    return ERR_STORE;
}

/* What a result says; its detail stays out, as it quotes rows. */
static enum err failed(const PGresult *r, struct fault *why) {
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    say(why, text ? text : PQresultErrorMessage(r), state);
    /* XX001 and XX002: a page of a table or of an index is damaged */
    bool damaged = state && (strcmp(state, "XX001") == 0 || strcmp(state, "XX002") == 0);
    return damaged ? ERR_DAMAGED : ERR_STORE;
}

/* Class 40: the server has given the transaction up, and says to try it again. */
static bool given_up(const PGresult *r) {
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    return state && strncmp(state, "40", 2) == 0;
}

/* Notices are nothing to us, and would go to standard error. */
static void hear(void *pg, const PGresult *r) {
    const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity && strcmp(severity, "WARNING") == 0) {
        ((struct pg *)pg)->warned = true;
    }
}

/* The server tells when these change (since PostgreSQL 14). */
static bool read_only(const struct pg *pg) {
    const char *const flags[] = {"default_transaction_read_only", "in_hot_standby"};
    for (size_t i = 0; i < 2; i++) {
        const char *value = PQparameterStatus(pg->c, flags[i]);
        if (value && strcmp(value, "on") == 0) {
            return true;
        }
    }
    return false;
}

static enum err check_writable(const struct pg *pg, struct fault *why) {
    bool wrong = read_only(pg);
    if (wrong) {
        (void)snprintf(why->text, sizeof why->text, "the database server takes no writes any more");
    }
    return wrong ? ERR_STORE : ERR_OK;
}

static bool went_well(const PGresult *r) {
    ExecStatusType s = PQresultStatus(r);
    return s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK;
}

/* ---- waiting ---- */

static uint64_t answer_until(void) {
    return clock_mono_ms() + CAPS_STORE_ANSWER_MS;
}

/* The next result of the command under way; NULL when it has no more. */
static enum err next(struct pg *pg, uint64_t until_ms, PGresult **ret, struct fault *why) {
    for (;;) {
        int unsent = PQflush(pg->c);
        if (unsent < 0) {
            return pg_lost(pg, why);
        }
        if (!PQisBusy(pg->c)) {
            *ret = PQgetResult(pg->c);
            return ERR_OK;
        }
        uint64_t now = clock_mono_ms();
        short events = (short)(POLLIN | (unsent ? POLLOUT : 0));
        struct pollfd p = {.fd = PQsocket(pg->c), .events = events};
        int n = now < until_ms ? poll(&p, 1, (int)(until_ms - now)) : 0;
        if (n == 0) {
            (void)snprintf(why->text, sizeof why->text,
                           "the database server has not answered for %u s",
                           (unsigned)(CAPS_STORE_ANSWER_MS / 1000));
            return ERR_STORE;
        }
        if ((n < 0 && errno != EINTR) || (n > 0 && !PQconsumeInput(pg->c))) {
            return pg_lost(pg, why);
        }
    }
}

/* ---- without parameters ---- */

enum err pg_run(struct pg *pg, const char *sql, PGresult **ret, struct fault *why) {
    uint64_t until = answer_until();
    enum err e = PQsendQuery(pg->c, sql) ? ERR_OK : pg_lost(pg, why);
    PGresult *last = NULL;
    bool more = e == ERR_OK;
    while (more) {
        PGresult *r = NULL;
        enum err came = next(pg, until, &r, why);
        more = came == ERR_OK && r;
        e = came ? came : e;
        if (r) {
            PQclear(last);
            last = r;
            e = e || went_well(r) ? e : failed(r, why);
        }
    }
    if (e == ERR_OK && ret) {
        *ret = last;
        last = NULL;
    }
    PQclear(last);
    return e;
}

/* ---- in a pipeline ---- */

struct answer {
    PGresult *rows; /* of the statement */
    enum err e;     /* of the first command that failed */
    bool again;
    bool committed;
    bool alone; /* the same, but somebody has told the server not to wait for standbys */
};

static bool send_bare(struct pg *pg, const char *sql) {
    return PQsendQueryParams(pg->c, sql, 0, NULL, NULL, NULL, NULL, 1) != 0;
}

static bool send_statement(struct pg *pg, unsigned statement, const struct pg_params *p) {
    static const int binary[PG_PARAMS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    char name[12];
    (void)snprintf(name, sizeof name, "s%u", statement);
    return PQsendQueryPrepared(pg->c, name, (int)p->count, p->values, p->lengths, binary, 1) != 0;
}

static void take(struct pg *pg, struct answer *a, PGresult *r, struct fault *why) {
    bool warned = pg->warned;
    pg->warned = false;
    switch (PQresultStatus(r)) {
    case PGRES_TUPLES_OK:
        PQclear(a->rows);
        a->rows = r;
        return;
    case PGRES_COMMAND_OK:
        if (strcmp(PQcmdStatus(r), "COMMIT") == 0) {
            a->committed = !warned;
            a->alone = warned;
        }
        break;
    case PGRES_PIPELINE_ABORTED: /* skipped, as one before it failed */
        break;
    default:
        if (a->e == ERR_OK) {
            a->e = failed(r, why);
            a->again = given_up(r);
        }
    }
    PQclear(r);
}

/* Everything up to the sync that ends the pipeline. ERR_STORE: that did not come. */
static enum err take_all(struct pg *pg, struct answer *a, struct fault *why) {
    uint64_t until = answer_until();
    for (;;) {
        PGresult *r = NULL;
        enum err e = next(pg, until, &r, why);
        if (e != ERR_OK) {
            return e;
        }
        if (r && PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
            PQclear(r);
            return ERR_OK;
        }
        if (r) {
            take(pg, a, r, why);
        } else if (PQstatus(pg->c) == CONNECTION_BAD) {
            return a->e ? ERR_STORE : pg_lost(pg, why);
        }
    }
}

static enum err once(struct pg *pg, unsigned statement, const struct pg_params *p, bool write,
                     struct answer *a, struct fault *why) {
    bool sent = (!write || send_bare(pg, "BEGIN")) && send_statement(pg, statement, p) &&
                (!write || send_bare(pg, "COMMIT")) && PQpipelineSync(pg->c);
    if (!sent) {
        return pg_lost(pg, why);
    }
    enum err e = take_all(pg, a, why);
    e = e ? e : a->e;
    if (e == ERR_OK && write && !a->committed) {
        (void)snprintf(why->text, sizeof why->text, "%s",
                       a->alone ? "the server was told not to wait for its standby"
                                : "the transaction was rolled back");
        e = ERR_STORE;
    }
    return e || write ? e : check_writable(pg, why);
}

static enum err bare(struct pg *pg, const char *sql, struct fault *why) {
    struct answer a = {0};
    enum err e = send_bare(pg, sql) && PQpipelineSync(pg->c) ? ERR_OK : pg_lost(pg, why);
    e = e ? e : take_all(pg, &a, why);
    PQclear(a.rows);
    return e ? e : a.e;
}

static enum err run(struct pg *pg, unsigned statement, const struct pg_params *p, bool write,
                    PGresult **ret, struct fault *why) {
    enum err e = ERR_OK;
    for (int i = 0; i < TRIES; i++) {
        struct answer a = {0};
        e = once(pg, statement, p, write, &a, why);
        if (e == ERR_OK && ret) {
            *ret = a.rows;
            return ERR_OK;
        }
        PQclear(a.rows);
        if (!a.again || (write && bare(pg, "ROLLBACK", why) != ERR_OK)) {
            break;
        }
    }
    return e;
}

enum err pg_read(struct pg *pg, unsigned statement, const struct pg_params *p, PGresult **ret,
                 struct fault *why) {
    return run(pg, statement, p, false, ret, why);
}

enum err pg_write(struct pg *pg, unsigned statement, const struct pg_params *p, PGresult **ret,
                  struct fault *why) {
    return run(pg, statement, p, true, ret, why);
}

enum err pg_ping(struct pg *pg, struct fault *why) {
    enum err e = bare(pg, "SELECT 1", why);
    return e ? e : check_writable(pg, why);
}

/* ---- parameters and values ---- */

static void put(struct pg_params *p, const void *value, size_t n) {
    must(p->count < PG_PARAMS);
    p->values[p->count] = value ? value : "";
    p->lengths[p->count] = (int)n;
    p->count++;
}

void pg_put_number(struct pg_params *p, uint64_t v) {
    must(p->count < PG_PARAMS);
    uint64_t *at = &p->numbers[p->count];
    *at = htobe64(v);
    put(p, at, sizeof *at);
}

void pg_put_bytes(struct pg_params *p, slice v) {
    put(p, v.p, v.n);
}

static void put_u32(struct buf *b, uint32_t v) {
    v = htobe32(v);
    buf_put(b, &v, sizeof v);
}

/* array_recv in the server's arrayfuncs.c: dimensions, has it nulls, type; then per dimension its
 * size and its lower bound; then the elements, each with its length. */
void pg_array_init(struct pg_array *a, enum pg_type type) {
    *a = (struct pg_array){0};
    buf_init(&a->b, 0);
    put_u32(&a->b, 1);
    put_u32(&a->b, 0);
    put_u32(&a->b, (uint32_t)type);
    put_u32(&a->b, 0); /* how many: known at the end */
    put_u32(&a->b, 1);
}

void pg_array_fini(struct pg_array *a) {
    buf_fini(&a->b);
}

void pg_array_number(struct pg_array *a, uint64_t v) {
    v = htobe64(v);
    pg_array_bytes(a, slice_of(&v, sizeof v));
}

void pg_array_bytes(struct pg_array *a, slice v) {
    put_u32(&a->b, (uint32_t)v.n);
    buf_put_slice(&a->b, v);
    a->count++;
}

void pg_put_array(struct pg_params *p, struct pg_array *a) {
    if (!a->b.failed) {
        uint32_t count = htobe32(a->count);
        memcpy(a->b.p + 12, &count, sizeof count);
    }
    put(p, a->b.p, a->b.n);
}

uint64_t pg_number(const PGresult *r, int row, int column) {
    uint64_t v = 0; /* what is no bigint, in a table that somebody has changed, has a wrong sum */
    if (PQgetlength(r, row, column) == sizeof v) {
        memcpy(&v, PQgetvalue(r, row, column), sizeof v);
    }
    return be64toh(v);
}

slice pg_bytes(const PGresult *r, int row, int column) {
    return slice_of(PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column));
}

/* ---- opening ---- */

/* What this session needs whatever the server's defaults are. An abandoned one must not hold rows
 * for long: its successor waits for them. Nor a place among the server's connections: when the
 * network has swallowed the end of it, the server would not look for hours. */
static enum err set_up_session(struct pg *pg, bool relaxed, struct fault *why) {
    char sql[900];
    (void)snprintf(sql, sizeof sql,
                   "SET default_transaction_isolation='read committed'; SET statement_timeout=%u;"
                   " SET lock_timeout=%u; SET idle_in_transaction_session_timeout=%u; SET jit=off;"
                   " SET tcp_keepalives_idle=%u; SET tcp_keepalives_interval=%u;"
                   " SET tcp_user_timeout=%u;"
                   " SELECT set_config('synchronous_commit', CASE WHEN %s THEN 'off'"
                   " WHEN current_setting('synchronous_commit')='off' THEN 'on'"
                   " ELSE current_setting('synchronous_commit') END, false),"
                   " current_setting('server_encoding'), current_setting('fsync'),"
                   " (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
                   (unsigned)CAPS_STORE_ANSWER_MS, (unsigned)CAPS_STORE_LOCK_MS,
                   (unsigned)CAPS_STORE_LOCK_MS, (unsigned)CAPS_STORE_TRY_IDLE_S,
                   (unsigned)CAPS_STORE_TRY_EVERY_S, (unsigned)CAPS_STORE_NETWORK_MS,
                   relaxed ? "true" : "false");
    PGresult *r = NULL;
    enum err e = pg_run(pg, sql, &r, why);
    if (e == ERR_OK && strcmp(PQgetvalue(r, 0, 1), "UTF8") != 0) {
        (void)snprintf(why->text, sizeof why->text,
                       "the database has the encoding %.30s; make one with UTF8",
                       PQgetvalue(r, 0, 1));
        e = ERR_STORE;
    }
    pg->unsafe = e == ERR_OK && strcmp(PQgetvalue(r, 0, 2), "off") == 0;
    pg->clock_ms = e == ERR_OK ? strtoull(PQgetvalue(r, 0, 3), NULL, 10) : 0;
    PQclear(r);
    return e;
}

static enum err prepare(struct pg *pg, const char *const *statements, unsigned count,
                        struct fault *why) {
    bool sent = PQenterPipelineMode(pg->c) != 0;
    for (unsigned i = 0; sent && i < count; i++) {
        char name[12];
        (void)snprintf(name, sizeof name, "s%u", i);
        sent = PQsendPrepare(pg->c, name, statements[i], 0, NULL) != 0;
    }
    if (!sent || !PQpipelineSync(pg->c)) {
        return pg_lost(pg, why);
    }
    struct answer a = {0};
    enum err e = take_all(pg, &a, why);
    return e ? e : a.e;
}

enum err pg_open(struct pg *pg, const struct form_where *where, const char *const *statements,
                 unsigned count, struct fault *why) {
    *pg = (struct pg){0};
    enum err e = pg_connect(pg, where, why);
    if (e == ERR_OK && PQsetnonblocking(pg->c, 1) != 0) {
        e = pg_lost(pg, why);
    }
    if (e == ERR_OK) {
        (void)PQsetNoticeReceiver(pg->c, hear, pg);
    }
    e = e ? e : set_up_session(pg, where->relaxed, why);
    if (e == ERR_OK) { /* relaxed: a number by itself */
        atomic_store_explicit(where->ahead_ms, (long long)(pg->clock_ms - clock_mono_ms()),
                              memory_order_relaxed);
    }
    e = e ? e : pg_migrate(pg, why);
    e = e ? e : prepare(pg, statements, count, why);
    if (e != ERR_OK) {
        pg_close(pg);
    }
    return e;
}

void pg_close(struct pg *pg) {
    PQfinish(pg->c);
    pg->c = NULL;
}
