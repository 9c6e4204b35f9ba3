#include "access/revoke.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "access/bounds.h"
#include "access/claims.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/must.h"

/* The lines of a file: keys are slices of its text, "sub:X" each. */
struct lines {
    char *text;
    size_t n;
    struct map map; /* line -> any pointer but NULL */
};

struct added {
    struct list_node node;
    slice key;
    char text[];
};

struct revocations {
    atomic_uint_fast64_t changes;
    pthread_mutex_t lock; /* leaf; guards all below */
    struct lines file;
    struct map added;       /* "kind:value" -> struct added */
    struct list_node order; /* of them, oldest first */
};

static const char *const kinds[] = {"jti:", "sub:", "sid:"};
enum { KINDS = sizeof kinds / sizeof *kinds, KIND_CHARS = 4 };

struct revocations *revocations_new(void) {
    struct revocations *r = NEW(struct revocations);
    must(pthread_mutex_init(&r->lock, NULL) == 0);
    list_init(&r->order);
    return r;
}

static void lines_fini(struct lines *l) {
    map_fini(&l->map);
    mem_free(l->text);
}

void revocations_free(struct revocations *r) {
    if (!r) {
        return;
    }
    for (struct list_node *n; (n = list_shift(&r->order)) != NULL;) {
        mem_free(LIST_ITEM(n, struct added, node));
    }
    map_fini(&r->added);
    lines_fini(&r->file);
    (void)pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

static bool is_entry(slice s) {
    for (size_t i = 0; s.n > KIND_CHARS && i < KINDS; i++) {
        if (memcmp(s.p, kinds[i], KIND_CHARS) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static slice trim(slice s) {
    while (s.n && is_blank(s.p[s.n - 1])) {
        s.n--;
    }
    while (s.n && is_blank(*s.p)) {
        s.p++, s.n--;
    }
    return s;
}

/* The number of the first line that is wrong, or 0. */
static size_t read_lines(struct lines *l) {
    size_t number = 0;
    for (size_t i = 0; i < l->n;) {
        const char *end = memchr(l->text + i, '\n', l->n - i);
        size_t n = end ? (size_t)(end - (l->text + i)) : l->n - i;
        slice line = trim(slice_of(l->text + i, n));
        number++;
        i += n + 1;
        if (line.n == 0 || *line.p == '#') {
            continue;
        }
        if (!is_entry(line)) {
            return number;
        }
        (void)map_set(&l->map, line, l);
    }
    return 0;
}

/* relaxed: who sees the number move takes the lock to look */
static void changed(struct revocations *r) {
    atomic_fetch_add_explicit(&r->changes, 1, memory_order_relaxed);
}

bool revocations_load(struct revocations *r, slice text, char *why, size_t why_bytes) {
    if (text.n == r->file.n && (text.n == 0 || memcmp(text.p, r->file.text, text.n) == 0)) {
        return true;
    }
    struct lines fresh = {.text = mem_copy_str(text.p, text.n), .n = text.n};
    size_t wrong = read_lines(&fresh);
    if (wrong) {
        lines_fini(&fresh);
        (void)snprintf(why, why_bytes, "line %zu is not jti:X, sub:X, sid:X or a comment", wrong);
        return false;
    }
    (void)pthread_mutex_lock(&r->lock);
    struct lines old = r->file;
    r->file = fresh;
    (void)pthread_mutex_unlock(&r->lock);
    lines_fini(&old);
    changed(r);
    return true;
}

void revocations_add(struct revocations *r, const char *kind, slice value) {
    size_t n = strlen(kind) + 1 + value.n;
    struct added *a = mem_new(sizeof *a + n + 1);
    (void)snprintf(a->text, n + 1, "%s:%.*s", kind, SLICE_FMT(value));
    a->key = slice_of(a->text, n);
    if (strlen(kind) + 1 != KIND_CHARS || !is_entry(a->key)) {
        mem_free(a);
        return;
    }
    struct added *old = NULL;
    (void)pthread_mutex_lock(&r->lock);
    if (map_find(&r->added, a->key)) {
        old = a;
    } else {
        if (r->added.used >= ACCESS_REVOKED) {
            old = LIST_ITEM(list_shift(&r->order), struct added, node);
            (void)map_remove(&r->added, old->key);
        }
        (void)map_set(&r->added, a->key, a);
        list_push(&r->order, &a->node);
    }
    (void)pthread_mutex_unlock(&r->lock);
    mem_free(old);
    if (old != a) { /* else it was known */
        changed(r);
    }
}

void revocations_add_lines(struct revocations *r, slice lines) {
    while (lines.n) {
        const uint8_t *end = memchr(lines.p, '\n', lines.n);
        size_t n = end ? (size_t)(end - lines.p) : lines.n;
        slice line = slice_of(lines.p, n);
        if (is_entry(line)) {
            const char kind[KIND_CHARS] = {(char)line.p[0], (char)line.p[1], (char)line.p[2]};
            revocations_add(r, kind, slice_of(line.p + KIND_CHARS, n - KIND_CHARS));
        }
        n += end != NULL;
        lines = slice_of(lines.p + n, lines.n - n);
    }
}

void revocations_list(struct revocations *r, struct buf *to) {
    (void)pthread_mutex_lock(&r->lock);
    LIST_FOR_EACH (n, &r->order) {
        const struct added *a = LIST_ITEM(n, struct added, node);
        buf_put_slice(to, a->key);
        buf_put_u8(to, '\n');
    }
    (void)pthread_mutex_unlock(&r->lock);
}

bool revocations_hit(struct revocations *r, const struct identity *id) {
    const struct {
        const char *kind;
        const char *value;
    } names[] = {{"jti:", id->jti}, {"sub:", id->user}, {"sid:", id->session}, {"sid:", id->sid}};
    struct buf key;
    buf_init(&key, 0);
    bool hit = false;
    for (size_t i = 0; !hit && i < sizeof names / sizeof *names; i++) {
        buf_clear(&key);
        buf_put_str(&key, names[i].kind);
        buf_put_str(&key, names[i].value);
        (void)pthread_mutex_lock(&r->lock);
        hit = map_find(&r->added, buf_slice(&key)) || map_find(&r->file.map, buf_slice(&key));
        (void)pthread_mutex_unlock(&r->lock);
    }
    buf_fini(&key);
    return hit;
}

uint64_t revocations_count(const struct revocations *r) {
    return atomic_load_explicit(&r->changes, memory_order_relaxed);
}
