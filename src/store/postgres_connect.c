/* postgres_connect.c: finds, of the servers that the URL names, the one that takes writes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limit/caps.h"
#include "store/postgres.h"

/* ---- what is given ---- */

static bool only(const char *s, const char *set) {
    return !s || s[strspn(s, set)] == 0;
}

/* A password with an @ or a / in it, not percent-encoded, ends up as part of a host or a port,
 * which messages would tell. */
static bool looks_right(const PQconninfoOption *o) {
    const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    char host[128];
    (void)snprintf(host, sizeof host, "%s-_.,:%%/", letters);
    for (; o->keyword; o++) {
        if ((strcmp(o->keyword, "host") == 0 && !only(o->val, host)) ||
            (strcmp(o->keyword, "port") == 0 && !only(o->val, "0123456789,"))) {
            return false;
        }
    }
    return true;
}

static enum err check_url(const char *url, struct fault *why) {
    char *words = NULL;
    PQconninfoOption *o = PQconninfoParse(url, &words);
    bool right = o && looks_right(o);
    PQconninfoFree(o);
    PQfreemem(words); /* not told: it quotes the URL, in which there may be a password */
    if (!right) {
        (void)snprintf(why->text, sizeof why->text,
                       "it is not a URL that libpq understands, such as "
                       "postgres://user:password@host:5432/database; characters like @ : / %% in a "
                       "password are written as %%40 %%3A %%2F %%25");
    }
    return right ? ERR_OK : ERR_STORE;
}

/* The first line of the file, so that a password can be changed while the server runs. */
static enum err read_password(const char *path, char *to, size_t bytes, struct fault *why) {
    FILE *f = fopen(path, "re");
    bool got = f && fgets(to, (int)bytes, f);
    if (!got) {
        (void)snprintf(why->text, sizeof why->text, "the password file %.150s cannot be read: %s",
                       path, f ? "it is empty" : strerror(errno));
    } else {
        to[strcspn(to, "\r\n")] = 0;
    }
    if (f) {
        (void)fclose(f);
    }
    return got ? ERR_OK : ERR_STORE;
}

/* ---- which server ---- */

/* One of the URL's servers; empty: what the URL says. */
struct address {
    char host[256];
    char port[16];
};

static const char *option(const PQconninfoOption *o, const char *name) {
    for (; o->keyword; o++) {
        if (strcmp(o->keyword, name) == 0) {
            return o->val ? o->val : "";
        }
    }
    return "";
}

static unsigned entries(const char *list) {
    unsigned n = 1;
    for (; *list; list++) {
        n += *list == ',';
    }
    return n;
}

/* The nth entry of a list with commas; false when it is empty, or too long. */
static bool pick(const char *list, unsigned n, char *to, size_t bytes) {
    for (; n; n--) {
        list += strcspn(list, ",") + 1;
    }
    size_t length = strcspn(list, ",");
    (void)snprintf(to, bytes, "%.*s", (int)length, list);
    return length && length < bytes;
}

/* Takes a list with several hosts apart. Returns how many; 1: the URL is used as it is, as it names
 * one server, or several in a way that is left to libpq. */
static unsigned take_apart(const char *url, struct address *ret) {
    PQconninfoOption *o = PQconninfoParse(url, NULL);
    const char *hosts = o ? option(o, "host") : "";
    const char *ports = o ? option(o, "port") : "";
    unsigned n = entries(hosts);
    bool one_port = entries(ports) == 1;
    bool known = n > 1 && n <= CAPS_STORE_HOSTS && !*option(o, "hostaddr") &&
                 (one_port || entries(ports) == n);
    for (unsigned i = 0; known && i < n; i++) {
        known = pick(hosts, i, ret[i].host, sizeof ret[i].host);
        (void)pick(ports, one_port ? 0 : i, ret[i].port, sizeof ret[i].port);
    }
    PQconninfoFree(o);
    if (!known) {
        ret[0] = (struct address){0};
    }
    return known ? n : 1;
}

/* ---- who has been left behind ---- */

/* A promoted server goes on in a timeline with a higher number than that of all before it. In the
 * upper half what the servers have in common, in the lower one that number; 0: it does not tell, as
 * a service that only looks like PostgreSQL may not. */
static uint64_t lineage_of(struct pg *pg) {
    struct fault ignored = {0};
    uint64_t lineage = 0;
    PGresult *r = NULL;
    if (pg_run(pg,
               "SELECT system_identifier, left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)"
               " FROM pg_control_system()",
               &r, &ignored) == ERR_OK &&
        PQntuples(r) == 1) {
        uint64_t system = strtoull(PQgetvalue(r, 0, 0), NULL, 10);
        uint64_t timeline = strtoull(PQgetvalue(r, 0, 1), NULL, 16);
        lineage = (system ^ system >> 32) << 32 | (uint32_t)timeline;
    }
    PQclear(r);
    return lineage;
}

/* An old primary that has come back as one takes writes that nobody will see. */
static enum err check_lineage(struct pg *pg, const struct form_where *where, struct fault *why) {
    uint64_t now = lineage_of(pg);
    /* relaxed: a number by itself */
    uint64_t last = atomic_load_explicit(where->lineage, memory_order_relaxed);
    if (now >> 32 == last >> 32 && (uint32_t)now < (uint32_t)last) {
        (void)snprintf(why->text, sizeof why->text,
                       "another server has taken over from the one at %s, port %s", PQhost(pg->c),
                       PQport(pg->c));
        return ERR_STORE;
    }
    atomic_store_explicit(where->lineage, now, memory_order_relaxed);
    return ERR_OK;
}

/* ---- connecting ---- */

static enum err connect_to(struct pg *pg, const struct form_where *where,
                           const struct address *address, const char *password, struct fault *why) {
    char user_timeout[16];
    char try_idle[16];
    char try_every[16];
    char connect_timeout[16];
    (void)snprintf(user_timeout, sizeof user_timeout, "%u", (unsigned)CAPS_STORE_NETWORK_MS);
    (void)snprintf(try_idle, sizeof try_idle, "%u", (unsigned)CAPS_STORE_TRY_IDLE_S);
    (void)snprintf(try_every, sizeof try_every, "%u", (unsigned)CAPS_STORE_TRY_EVERY_S);
    (void)snprintf(connect_timeout, sizeof connect_timeout, "%u", (unsigned)CAPS_STORE_CONNECT_S);
    /* what stands before the URL is a default that it may change, what stands after it holds unless
     * it is empty. A server that takes no writes is never of use, whatever the URL says. */
    const char *const keys[] = {"connect_timeout",
                                "keepalives_idle",
                                "keepalives_interval",
                                "tcp_user_timeout",
                                "gssencmode",
                                "fallback_application_name",
                                "dbname",
                                "target_session_attrs",
                                "client_encoding",
                                "host",
                                "port",
                                "password",
                                NULL};
    const char *const values[] = {
        connect_timeout, try_idle, try_every,     user_timeout,  "disable", "collabd", where->url,
        "read-write",    "UTF8",   address->host, address->port, password,  NULL};
    pg->c = PQconnectdbParams(keys, values, 1);
    return PQstatus(pg->c) == CONNECTION_OK ? check_lineage(pg, where, why) : pg_lost(pg, why);
}

/* libpq goes through a list by itself, but stops at a server that is reached and then refuses, or
 * hangs up: a proxy before one that is gone, one that is shut off by its pg_hba.conf. */
static enum err connect_to_any(struct pg *pg, const struct form_where *where, const char *password,
                               struct fault *why) {
    struct address addresses[CAPS_STORE_HOSTS];
    unsigned n = take_apart(where->url, addresses);
    enum err e = ERR_STORE;
    size_t told = 0;
    for (unsigned i = 0; e != ERR_OK && i < n; i++) {
        struct fault one = {0};
        pg_close(pg);
        e = connect_to(pg, where, &addresses[i], password, &one);
        if (told < sizeof why->text) {
            int more = snprintf(why->text + told, sizeof why->text - told, "%s%.*s", i ? "; " : "",
                                (int)(sizeof why->text / n), one.text);
            told += more > 0 ? (size_t)more : 0;
        }
    }
    return e;
}

enum err pg_connect(struct pg *pg, const struct form_where *where, struct fault *why) {
    char password[512] = "";
    enum err e = check_url(where->url, why);
    if (e == ERR_OK && where->password_file) {
        e = read_password(where->password_file, password, sizeof password, why);
    }
    e = e ? e : connect_to_any(pg, where, password, why);
    explicit_bzero(password, sizeof password);
    return e;
}
