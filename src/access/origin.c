/* origin.c: one reader for both: what stands in a list and what a header says are taken apart by
 * the same function, and what it does not understand is never allowed.
 */
#include "access/origin.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/buf.h"

enum { NAME_BYTES = 253 /* RFC 1035 2.3.4 */, ADDRESS_BYTES = 16 };

enum host_kind { HOST_NAME, HOST_V4, HOST_V6 };

/* A host and perhaps a port, taken apart. */
struct authority {
    enum host_kind kind;
    slice name;                     /* HOST_NAME, HOST_V4: borrowed */
    uint8_t address[ADDRESS_BYTES]; /* HOST_V6 */
    unsigned port;                  /* 0: none was given */
};

enum rule_kind {
    RULE_ONE,
    RULE_BELOW,   /* everything below a name */
    RULE_NUMBERS, /* any address in numbers */
    RULE_NULL,    /* the origin null */
    RULE_ALL
};

struct rule {
    enum rule_kind kind;
    slice scheme; /* origins */
    struct authority host;
};

struct rules {
    char *text; /* what the slices point into */
    struct rule *rule;
    size_t count;
};

struct origin_list {
    struct rules rules;
};

struct host_list {
    struct rules rules;
};

/* ---- reading ---- */

static bool is_alpha(uint8_t c) {
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

static slice after(slice s, size_t n) {
    return n ? slice_of(s.p + n, s.n - n) : s; /* nothing is added to NULL */
}

/* Labels of letters, digits, - and _, with dots between them. */
static const char *read_name(slice s) {
    if (s.n > NAME_BYTES) {
        return "the name is too long";
    }
    uint8_t before = '.';
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c >= 0x80) {
            return "names are written in ASCII; of others the form that begins with xn--";
        }
        if (c == '.' ? before == '.' : !is_alpha(c) && !is_digit(c) && c != '-' && c != '_') {
            return "this is no name of a host";
        }
        before = c;
    }
    return before == '.' ? "this is no name of a host" : NULL;
}

/* The part within brackets. */
static const char *read_v6(slice s, uint8_t ret[ADDRESS_BYTES]) {
    char text[INET6_ADDRSTRLEN] = "";
    if (s.n < sizeof text && !memchr(s.p, 0, s.n)) { /* inet_pton would stop at a NUL */
        memcpy(text, s.p, s.n);
    }
    return inet_pton(AF_INET6, text, ret) == 1 ? NULL : "this is no IPv6 address";
}

static bool is_v4(slice s) {
    char text[INET_ADDRSTRLEN] = "";
    uint8_t address[4];
    if (s.n >= sizeof text) {
        return false;
    }
    memcpy(text, s.p, s.n);
    return inet_pton(AF_INET, text, address) == 1;
}

/* ":" and a number, or nothing. */
static const char *read_port(slice s, unsigned *ret) {
    static const char wrong[] = "a port is a number from 1 to 65535";
    unsigned port = 0;
    *ret = 0;
    if (!s.n) {
        return NULL;
    }
    if (s.p[0] != ':' || s.n < 2 || s.n > 6 || s.p[1] == '0') {
        return wrong;
    }
    for (size_t i = 1; i < s.n; i++) {
        if (!is_digit(s.p[i])) {
            return wrong;
        }
        port = port * 10 + (s.p[i] - '0');
    }
    if (port > 65535) {
        return wrong;
    }
    *ret = port;
    return NULL;
}

static size_t find(slice s, char c) {
    const uint8_t *p = s.n ? memchr(s.p, c, s.n) : NULL;
    return p ? (size_t)(p - s.p) : s.n;
}

/* NULL, or what is wrong with it. */
static const char *read_authority(slice s, struct authority *ret) {
    const char *wrong = NULL;
    if (s.n && s.p[0] == '[') {
        size_t end = find(s, ']');
        if (end == s.n) {
            return "the bracket is not closed";
        }
        ret->kind = HOST_V6;
        wrong = read_v6(slice_of(s.p + 1, end - 1), ret->address);
        s = after(s, end + 1);
    } else {
        size_t end = find(s, ':');
        ret->name = slice_of(s.p, end);
        s = after(s, end);
        if (s.n && find(after(s, 1), ':') != s.n - 1) {
            return "an IPv6 address stands in brackets";
        }
        wrong = read_name(ret->name);
        ret->kind = is_v4(ret->name) ? HOST_V4 : HOST_NAME;
    }
    return wrong ? wrong : read_port(s, &ret->port);
}

/* RFC 3986 3.1. Returns how long the scheme is; 0: there is none with :// after it. */
static size_t read_scheme(slice s) {
    size_t n = find(s, ':');
    if (n + 3 > s.n || memcmp(s.p + n, "://", 3) != 0 || !n || !is_alpha(s.p[0])) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        uint8_t c = s.p[i];
        if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '-' && c != '.') {
            return 0;
        }
    }
    return n;
}

static uint8_t lower(uint8_t c) {
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static bool same(slice a, slice b) {
    for (size_t i = 0; a.n == b.n && i < a.n; i++) {
        if (lower(a.p[i]) != lower(b.p[i])) {
            return false;
        }
    }
    return a.n == b.n;
}

/* ---- matching ---- */

static bool host_matches(const struct rule *r, const struct authority *a) {
    switch (r->kind) {
    case RULE_ONE:
        /* An address in numbers and the same as text are of one kind or do not match. */
        return r->host.kind == a->kind &&
               (a->kind == HOST_V6 ? memcmp(r->host.address, a->address, ADDRESS_BYTES) == 0
                                   : same(r->host.name, a->name));
    case RULE_BELOW: {
        slice below = r->host.name;
        size_t dot = a->kind == HOST_NAME && a->name.n > below.n ? a->name.n - below.n : 0;
        return dot > 1 && a->name.p[dot - 1] == '.' && same(after(a->name, dot), below);
    }
    case RULE_NUMBERS:
        return a->kind != HOST_NAME;
    case RULE_NULL:
        return false;
    case RULE_ALL:
        return true;
    }
    return false;
}

static unsigned scheme_port(slice scheme) {
    return same(scheme, slice_str("https")) ? 443 : same(scheme, slice_str("http")) ? 80 : 0;
}

bool origin_allowed(const struct origin_list *l, slice origin) {
    const struct rules *all = &l->rules;
    size_t n = read_scheme(origin);
    slice scheme = slice_of(origin.p, n);
    struct authority a = {0};
    bool understood = n && !read_authority(after(origin, n + 3), &a);
    unsigned port = a.port ? a.port : scheme_port(scheme);
    for (size_t i = 0; i < all->count; i++) {
        const struct rule *r = &all->rule[i];
        if (r->kind == RULE_ALL || (r->kind == RULE_NULL && slice_is(origin, "null"))) {
            return true;
        }
        if (understood && same(r->scheme, scheme) && r->host.port == port && host_matches(r, &a)) {
            return true;
        }
    }
    return all->count == 0;
}

bool host_allowed(const struct host_list *l, slice host, unsigned default_port) {
    const struct rules *all = &l->rules;
    struct authority a = {0};
    if (read_authority(host, &a)) {
        return false;
    }
    unsigned port = a.port ? a.port : default_port;
    for (size_t i = 0; i < all->count; i++) {
        const struct rule *r = &all->rule[i];
        if ((!r->host.port || r->host.port == port) && host_matches(r, &a)) {
            return true;
        }
    }
    return false;
}

/* ---- lists ---- */

/* Reads a name with or without a port, perhaps with *. before it. */
static const char *read_host_rule(slice s, struct rule *r) {
    if (s.n >= 2 && memcmp(s.p, "*.", 2) == 0) {
        r->kind = RULE_BELOW;
        s = after(s, 2);
    }
    const char *wrong = find(s, '/') < s.n ? "there is no path in it, nor a slash at its end"
                        : find(s, '*') < s.n
                            ? "a * stands alone, or as *. before a name for all below it"
                            : read_authority(s, &r->host);
    if (!wrong && r->kind == RULE_BELOW && r->host.kind != HOST_NAME) {
        wrong = "nothing is below an address";
    }
    return wrong;
}

static const char *read_origin_rule(slice s, struct rule *r) {
    if (slice_is(s, "null")) {
        r->kind = RULE_NULL;
        return NULL;
    }
    size_t n = read_scheme(s);
    if (!n) {
        return "an origin begins with its scheme, like https://example.org";
    }
    r->scheme = slice_of(s.p, n);
    if (same(r->scheme, slice_str("ws")) || same(r->scheme, slice_str("wss"))) {
        return "an origin is that of the page, so it begins with http:// or https://";
    }
    const char *wrong = read_host_rule(after(s, n + 3), r);
    r->host.port = r->host.port ? r->host.port : scheme_port(r->scheme);
    return wrong;
}

static slice trim(slice s) {
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s = after(s, 1);
    }
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) {
        s.n--;
    }
    return s;
}

static void rules_fini(struct rules *l) {
    mem_free(l->text);
    mem_free(l->rule);
}

static struct rule *add_rule(struct rules *l) {
    l->rule = mem_resize(l->rule, (l->count + 1) * sizeof *l->rule);
    l->rule[l->count] = (struct rule){0};
    return &l->rule[l->count++];
}

/* `option` names the list to whoever wrote it. */
static enum err read_list(struct rules *l, const char *option, const char *list,
                          const char *(*read)(slice, struct rule *), char *why, size_t why_bytes) {
    l->text = mem_copy_str(list ? list : "", list ? strlen(list) : 0);
    slice rest = slice_str(l->text);
    while (rest.n) {
        size_t n = find(rest, ',');
        slice entry = trim(slice_of(rest.p, n));
        rest = after(rest, n < rest.n ? n + 1 : n);
        if (!entry.n) {
            continue;
        }
        struct rule *r = add_rule(l);
        if (slice_is(entry, "*")) {
            r->kind = RULE_ALL;
            continue;
        }
        const char *wrong = read(entry, r);
        if (wrong) {
            slice shown = slice_of(entry.p, entry.n < 100 ? entry.n : 100);
            (void)snprintf(why, why_bytes, "%s: \"%.*s\": %s.", option, SLICE_FMT(shown), wrong);
            return ERR_PARAMS;
        }
    }
    if (!l->count && l->text[0]) { /* rather than taken for "everything" */
        (void)snprintf(why, why_bytes, "%s: there is no entry in it.", option);
        return ERR_PARAMS;
    }
    return ERR_OK;
}

enum err origin_list_new(const char *list, struct origin_list **ret, char *why, size_t why_bytes) {
    struct origin_list *l = NEW(struct origin_list);
    enum err e = read_list(&l->rules, "ALLOWED_ORIGINS", list, read_origin_rule, why, why_bytes);
    if (e) {
        origin_list_free(l);
        return e;
    }
    *ret = l;
    return ERR_OK;
}

void origin_list_free(struct origin_list *l) {
    if (l) {
        rules_fini(&l->rules);
        mem_free(l);
    }
}

/* What holds when nothing is given. */
static enum err read_default(struct rules *l, const char *bound, char *why, size_t why_bytes) {
    struct buf list;
    buf_init(&list, 0);
    bool v6 = bound && strchr(bound, ':');
    buf_printf(&list, "localhost,127.0.0.1,[::1]%s%s%s%c", bound ? v6 ? ",[" : "," : "",
               bound ? bound : "", v6 ? "]" : "", 0);
    mem_free(l->text);
    enum err e =
        read_list(l, "the address to listen on", (char *)list.p, read_host_rule, why, why_bytes);
    buf_fini(&list);
    struct rule *r = &l->rule[l->count - 1];
    static const uint8_t none[ADDRESS_BYTES];
    if (!e && (r->host.kind == HOST_V6 ? memcmp(r->host.address, none, ADDRESS_BYTES) == 0
                                       : slice_is(r->host.name, "0.0.0.0"))) {
        r->kind = RULE_NUMBERS;
    }
    return e;
}

enum err host_list_new(const char *list, const char *bound, struct host_list **ret, char *why,
                       size_t why_bytes) {
    struct host_list *l = NEW(struct host_list);
    enum err e = read_list(&l->rules, "ALLOWED_HOSTS", list, read_host_rule, why, why_bytes);
    if (!e && !l->rules.count) {
        e = read_default(&l->rules, bound, why, why_bytes);
    }
    if (e) {
        host_list_free(l);
        return e;
    }
    *ret = l;
    return ERR_OK;
}

void host_list_free(struct host_list *l) {
    if (l) {
        rules_fini(&l->rules);
        mem_free(l);
    }
}
