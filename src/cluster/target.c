#include "cluster/target.h"

#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"
#include "limit/caps.h"

enum { PORT = 6379, PORT_MOST = 65535, DATABASE_MOST = 1024 };

static int hex(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* A copy with %XX turned into what it stands for; NULL for an empty text. */
static char *decoded(slice s) {
    char *to = s.n ? mem_copy_str(s.p, s.n) : NULL;
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++, n++) {
        bool escape = s.p[i] == '%' && i + 2 < s.n && hex((char)s.p[i + 1]) >= 0 &&
                      hex((char)s.p[i + 2]) >= 0;
        to[n] = escape ? (char)(hex((char)s.p[i + 1]) * 16 + hex((char)s.p[i + 2])) : (char)s.p[i];
        i += escape ? 2 : 0;
    }
    if (to) {
        to[n] = 0;
    }
    return to;
}

/* Cuts what stands before `at` off the front, and the byte at `at`. */
static slice cut(slice *s, const uint8_t *at) {
    slice head = slice_of(s->p, (size_t)(at - s->p));
    *s = slice_of(at + 1, s->n - head.n - 1);
    return head;
}

static const uint8_t *find(slice s, char c) {
    return s.n ? memchr(s.p, c, s.n) : NULL;
}

static const uint8_t *find_last(slice s, char c) {
    for (size_t i = s.n; i > 0; i--) {
        if (s.p[i - 1] == (uint8_t)c) {
            return s.p + i - 1;
        }
    }
    return NULL;
}

static bool number(slice s, unsigned most, unsigned *ret) {
    unsigned v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || v > most) {
            return false;
        }
        v = v * 10 + (unsigned)(s.p[i] - '0');
    }
    *ret = v;
    return s.n > 0 && v <= most;
}

static void read_login(slice login, struct target *t) {
    const uint8_t *colon = find(login, ':');
    slice user = colon ? cut(&login, colon) : (slice){0};
    t->user = decoded(user);
    t->password = decoded(login);
}

/* "host", "host:port", "[v6]:port" */
static const char *read_host(slice s, struct target *t) {
    slice host = s;
    slice port = {0};
    const uint8_t *end = s.n && s.p[0] == '[' ? find(s, ']') : NULL;
    const uint8_t *colon = find_last(s, ':');
    if (end) {
        host = slice_of(s.p + 1, (size_t)(end - s.p) - 1);
        port = slice_of(end + 1, s.n - host.n - 2);
        if (port.n && port.p[0] != ':') {
            return "what follows ] is no port";
        }
        colon = port.n ? port.p : NULL;
        port = port.n ? slice_of(port.p + 1, port.n - 1) : port;
    } else if (colon) {
        host = cut(&s, colon);
        port = s;
    }
    if (!host.n) {
        return "it names no host";
    }
    if (colon && (!number(port, PORT_MOST, &t->port) || !t->port)) {
        return "its port is not a number from 1 to 65535";
    }
    t->host = mem_copy_str(host.p, host.n);
    return NULL;
}

static const char *read_one(slice s, struct target *t) {
    static const char plain[] = "redis://";
    static const char tls[] = "rediss://";
    t->port = PORT;
    if (s.n > sizeof tls - 1 && memcmp(s.p, tls, sizeof tls - 1) == 0) {
        t->tls = true;
        s = slice_of(s.p + sizeof tls - 1, s.n - (sizeof tls - 1));
    } else if (s.n > sizeof plain - 1 && memcmp(s.p, plain, sizeof plain - 1) == 0) {
        s = slice_of(s.p + sizeof plain - 1, s.n - (sizeof plain - 1));
    } else {
        return "it does not begin with redis:// or rediss://";
    }
    const uint8_t *at = find_last(s, '@');
    if (at) {
        read_login(cut(&s, at), t);
    }
    const uint8_t *slash = find(s, '/');
    slice host = slash ? cut(&s, slash) : s;
    if (slash && s.n && !number(s, DATABASE_MOST, &t->database)) {
        return "what follows its / is no number of a database";
    }
    return read_host(host, t);
}

enum err targets_parse(const char *urls, struct target **ret_targets, size_t *ret_count, char *why,
                       size_t why_bytes) {
    struct target *all = mem_new(CAPS_BUS_INSTANCES * sizeof *all);
    size_t count = 0;
    slice left = slice_str(urls);
    const char *wrong = NULL;
    for (bool more = true; more && !wrong; count++) {
        const uint8_t *comma = find(left, ',');
        slice one = comma ? cut(&left, comma) : left;
        more = comma != NULL;
        wrong = count == CAPS_BUS_INSTANCES ? "there are more than can be used"
                                            : read_one(one, &all[count]);
    }
    if (wrong) {
        (void)snprintf(why, why_bytes, "REDIS_URL: address %zu is wrong: %s", count, wrong);
        targets_free(all, count < CAPS_BUS_INSTANCES ? count : CAPS_BUS_INSTANCES);
        return ERR_PARAMS;
    }
    *ret_targets = all;
    *ret_count = count;
    return ERR_OK;
}

void targets_free(struct target *t, size_t count) {
    for (size_t i = 0; t && i < count; i++) {
        mem_free(t[i].host);
        mem_free(t[i].user);
        mem_free(t[i].password);
    }
    mem_free(t);
}

size_t target_of(slice room, size_t count) {
    uint64_t key = XXH3_64bits(room.p, room.n);
    int64_t b = -1;
    int64_t j = 0;
    while (j < (int64_t)count) {
        b = j;
        key = key * 2862933555777941757ull + 1;
        j = (int64_t)((double)(b + 1) * ((double)(1ll << 31) / (double)((key >> 33) + 1)));
    }
    return (size_t)b;
}
