#include "room/sanctions.h"

#include "base/alloc.h"
#include "limit/caps.h"

struct row {
    enum sanction kind;
    char *user;
    size_t user_bytes;
    uint64_t until_ms;
    uint64_t stamp;
};

struct sanctions {
    struct row rows[CAPS_SANCTIONS];
    size_t count; /* oldest first */
};

struct sanctions *sanctions_new(void) {
    return NEW(struct sanctions);
}

static void remove_at(struct sanctions *s, size_t i) {
    mem_free(s->rows[i].user);
    s->count--;
    memmove(&s->rows[i], &s->rows[i + 1], (s->count - i) * sizeof s->rows[i]);
}

void sanctions_free(struct sanctions *s) {
    while (s && s->count) {
        remove_at(s, s->count - 1);
    }
    mem_free(s);
}

static const struct row *find(const struct sanctions *s, enum sanction kind, slice user) {
    for (size_t i = 0; s && i < s->count; i++) {
        const struct row *r = &s->rows[i];
        if (r->kind == kind && slice_eq(slice_of(r->user, r->user_bytes), user)) {
            return r;
        }
    }
    return NULL;
}

uint64_t sanctions_next(const struct sanctions *s) {
    uint64_t highest = 0;
    for (size_t i = 0; s && i < s->count; i++) {
        highest = s->rows[i].stamp > highest ? s->rows[i].stamp : highest;
    }
    return highest + 1;
}

void sanctions_set(struct sanctions *s, const struct sanction_row *row) {
    const struct row *r = find(s, row->kind, row->user);
    if (r && (row->stamp < r->stamp || (row->stamp == r->stamp && row->until_ms <= r->until_ms))) {
        return; /* equal stamps: nodes that could not hear each other; the longer one holds */
    }
    if (r) {
        remove_at(s, (size_t)(r - s->rows));
    }
    if (s->count == CAPS_SANCTIONS) {
        remove_at(s, 0);
    }
    s->rows[s->count++] = (struct row){row->kind, mem_copy_str(row->user.p, row->user.n),
                                       row->user.n, row->until_ms, row->stamp};
}

bool sanctions_nth(const struct sanctions *s, size_t n, struct sanction_row *ret) {
    if (!s || n >= s->count) {
        return false;
    }
    const struct row *r = &s->rows[n];
    *ret = (struct sanction_row){r->kind, slice_of(r->user, r->user_bytes), r->until_ms, r->stamp};
    return true;
}

bool sanctions_hold(const struct sanctions *s, enum sanction kind, slice user, uint64_t now_ms) {
    const struct row *r = find(s, kind, user);
    return r && now_ms < r->until_ms;
}

bool sanctions_any(const struct sanctions *s, uint64_t now_ms) {
    for (size_t i = 0; s && i < s->count; i++) {
        if (now_ms < s->rows[i].until_ms) {
            return true;
        }
    }
    return false;
}
