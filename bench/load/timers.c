#include "timers.h"

#include "base/alloc.h"

void timers_fini(struct timers *t) {
    mem_free(t->v);
    *t = (struct timers){0};
}

void timers_add(struct timers *t, uint64_t due_ns, unsigned kind, void *subject) {
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 256;
        t->v = mem_resize(t->v, t->cap * sizeof *t->v);
    }
    size_t at = t->n++;
    while (at && t->v[(at - 1) / 2].due_ns > due_ns) {
        t->v[at] = t->v[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    t->v[at] = (struct timer){due_ns, kind, subject};
}

bool timers_take(struct timers *t, uint64_t now_ns, struct timer *ret) {
    if (!t->n || t->v[0].due_ns > now_ns) {
        return false;
    }
    *ret = t->v[0];
    struct timer last = t->v[--t->n];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < t->n && t->v[child + 1].due_ns < t->v[child].due_ns) {
            child++;
        }
        if (child >= t->n || t->v[child].due_ns >= last.due_ns) {
            break;
        }
        t->v[at] = t->v[child];
        at = child;
    }
    if (t->n) {
        t->v[at] = last;
    }
    return true;
}

uint64_t timers_next(const struct timers *t) {
    return t->n ? t->v[0].due_ns : UINT64_MAX;
}
