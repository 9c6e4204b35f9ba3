#include "room/sanctions.h"

#include "base/alloc.h"
#include "limit/caps.h"

struct row {
    enum sanction kind;
    char *user;
    size_t user_bytes;
    uint64_t until_ms;
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

void sanctions_lift(struct sanctions *s, enum sanction kind, slice user) {
    const struct row *r = find(s, kind, user);
    if (r) {
        remove_at(s, (size_t)(r - s->rows));
    }
}

void sanctions_set(struct sanctions *s, enum sanction kind, slice user, uint64_t until_ms) {
    sanctions_lift(s, kind, user);
    if (s->count == CAPS_SANCTIONS) {
        remove_at(s, 0);
    }
    s->rows[s->count++] = (struct row){kind, mem_copy_str(user.p, user.n), user.n, until_ms};
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
