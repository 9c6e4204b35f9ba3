/* merge.c: updates merged and cut as updates, without a document.
 *
 * What waits for missing structs cannot be integrated, yet it must be kept in one piece, handed to
 * peers with the state, and cut by their state vectors. The result is byte for byte that of
 * yjs 13.6 (updates.js mergeUpdatesV2, diffUpdateV2): structs of several inputs by client
 * descending and clock, known parts cut off, holes filled with Skip structs; items are never
 * joined, runs of collected structs are.
 */
#include "doc.h"

#define INPUTS_MAX 4

/* A struct, or the part of one from `skip` units on; without `ref` a Skip. */
struct piece {
    uint64_t client;
    uint32_t clock;
    uint32_t len;
    uint32_t skip;
    const struct yatai_ref *ref;
};

/* ---- output --------------------------------------------------------------------------------- */

/* Sections whose number of structs is known only when they end: the count is put before the body
 * when all is copied together. */
struct section_writer {
    struct yatai_out *out;   /* where all goes at the end */
    struct yatai_out body;   /* the sections without their counts */
    struct yatai_out counts; /* pairs of count and size of the body, as uint64_t */
    uint64_t client;
    uint64_t written;
    size_t start; /* of the open section */
};

static void close_section(struct section_writer *w) {
    if (w->written == 0) {
        return;
    }
    uint64_t pair[2] = {w->written, w->body.n - w->start};
    yatai_out_bytes(&w->counts, pair, sizeof pair);
    w->start = w->body.n;
    w->written = 0;
}

static void write_piece(struct section_writer *w, const struct piece *x) {
    if (w->written > 0 && w->client != x->client) {
        close_section(w);
    }
    if (w->written == 0) {
        w->client = x->client;
        yatai_out_uint(&w->body, x->client);
        yatai_out_uint(&w->body, x->clock);
    }
    if (!x->ref || x->ref->kind == YATAI_GC) {
        yatai_out_byte(&w->body, x->ref ? YATAI_GC : YATAI_SKIP);
        yatai_out_uint(&w->body, x->len);
    } else {
        yatai_write_ref(&w->body, x->ref, x->client, x->skip);
    }
    w->written++;
}

static void finish(struct section_writer *w) {
    close_section(w);
    size_t n = w->counts.n / (2 * sizeof(uint64_t));
    const uint64_t *pairs = (const uint64_t *)(const void *)w->counts.p;
    yatai_out_uint(w->out, n);
    const uint8_t *p = w->body.p;
    w->out->failed |= w->body.failed || w->counts.failed;
    for (size_t i = 0; i < n && !w->out->failed; i++) {
        yatai_out_uint(w->out, pairs[2 * i]);
        yatai_out_bytes(w->out, p, pairs[2 * i + 1]);
        p += pairs[2 * i + 1];
    }
    yatai_out_fini(&w->body);
    yatai_out_fini(&w->counts);
}

/* ---- input ---------------------------------------------------------------------------------- */

/* The structs of an update one by one. */
struct input {
    const struct yatai_update *u;
    size_t section;
    uint32_t at;
    bool skips; /* Skip structs too */
    bool more;  /* `now` is one */
    struct piece now;
};

static void next(struct input *in) {
    in->more = false;
    while (in->section < in->u->sections.n) {
        const struct yatai_section *s = &in->u->sections.v[in->section];
        if (in->at >= s->count) {
            in->section++;
            in->at = 0;
            continue;
        }
        const struct yatai_ref *ref = &in->u->refs.v[s->first + in->at++];
        bool skip = ref->kind == YATAI_SKIP;
        if (skip && !in->skips) {
            continue;
        }
        in->now = (struct piece){s->client, ref->clock, ref->len, 0, skip ? NULL : ref};
        in->more = true;
        return;
    }
}

static uint64_t piece_end(const struct piece *x) {
    return (uint64_t)x->clock + x->len;
}

static void cut_front(struct piece *x, uint32_t units) {
    x->clock += units;
    x->len -= units;
    x->skip += units;
}

/* ---- merge ---------------------------------------------------------------------------------- */

/* Drops exhausted inputs and sorts the others by client descending and clock, keeping the order of
 * equal ones. */
static size_t order_inputs(struct input **in, size_t n) {
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        struct input *x = in[i];
        if (!x->more) {
            continue;
        }
        size_t k = left++;
        for (; k > 0; k--) {
            const struct piece *a = &in[k - 1]->now;
            if (a->client > x->now.client ||
                (a->client == x->now.client && a->clock <= x->now.clock)) {
                break;
            }
            in[k] = in[k - 1];
        }
        in[k] = x;
    }
    return left;
}

/* Goes past what is written already. False when the inputs have to be looked at anew. */
static bool pass_known(struct input *in, const struct piece *cur) {
    uint64_t client = in->now.client;
    bool moved = false;
    while (in->more && piece_end(&in->now) <= piece_end(cur) && in->now.client >= cur->client) {
        next(in);
        moved = true;
    }
    return in->more && in->now.client == client && !(moved && in->now.clock > piece_end(cur));
}

/* Puts the next struct of an input behind `cur`, which is written when it is complete. */
static void append(struct section_writer *w, struct piece *cur, struct input *in) {
    struct piece x = in->now;
    uint64_t end = piece_end(cur);
    if (cur->client != x.client) {
        write_piece(w, cur);
        *cur = x;
        next(in);
        return;
    }
    if (end < x.clock) {
        if (!cur->ref) {
            cur->len = (uint32_t)(piece_end(&x) - cur->clock);
            return;
        }
        write_piece(w, cur);
        *cur = (struct piece){cur->client, (uint32_t)end, (uint32_t)(x.clock - end), 0, NULL};
        return;
    }
    if (end > x.clock) {
        if (!cur->ref) {
            cur->len -= (uint32_t)(end - x.clock);
        } else {
            cut_front(&x, (uint32_t)(end - x.clock));
        }
    }
    if (cur->ref && cur->ref->kind == YATAI_GC && x.ref && x.ref->kind == YATAI_GC) {
        cur->len += x.len;
        return;
    }
    write_piece(w, cur);
    *cur = x;
    next(in);
}

static void merge_structs(struct section_writer *w, struct input **in, size_t n) {
    struct piece cur = {0};
    bool started = false;
    while ((n = order_inputs(in, n)) > 0) {
        struct input *first = in[0];
        uint64_t client = first->now.client;
        if (!started) {
            cur = first->now;
            started = true;
            next(first);
        } else {
            if (!pass_known(first, &cur)) {
                continue;
            }
            append(w, &cur, first);
        }
        while (first->more && first->now.client == client && first->now.clock == piece_end(&cur) &&
               first->now.ref) {
            write_piece(w, &cur);
            cur = first->now;
            next(first);
        }
    }
    if (started) {
        write_piece(w, &cur);
    }
}

static bool merge_ranges(struct yatai_out *out, struct yatai_mem *mem,
                         const struct yatai_update *const *updates, size_t count) {
    yatai_ranges all = {0};
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        const yatai_ranges *some = &updates[i]->ranges;
        ok = YATAI_RESERVE(mem, &all, all.n + some->n);
        for (size_t k = 0; ok && k < some->n; k++) {
            all.v[all.n++] = some->v[k];
        }
    }
    if (ok) {
        yatai_ranges_normalise(&all);
        yatai_ranges_write(out, &all);
    }
    YATAI_VEC_FREE(mem, &all);
    return ok;
}

bool yatai_updates_merge(struct yatai_out *out, struct yatai_mem *mem,
                         const struct yatai_update *const *updates, size_t count) {
    struct input input[INPUTS_MAX], *in[INPUTS_MAX];
    for (size_t i = 0; i < count; i++) {
        input[i] = (struct input){.u = updates[i]};
        next(&input[i]);
        in[i] = &input[i];
    }
    struct section_writer w = {.out = out, .body = {.mem = mem}, .counts = {.mem = mem}};
    merge_structs(&w, in, count);
    finish(&w);
    return merge_ranges(out, mem, updates, count) && !out->failed;
}

void yatai_update_diff(struct yatai_out *out, struct yatai_mem *mem, const struct yatai_update *u,
                       const struct yata_clock *since, size_t n) {
    struct section_writer w = {.out = out, .body = {.mem = mem}, .counts = {.mem = mem}};
    struct input in = {.u = u, .skips = true};
    next(&in);
    while (in.more) {
        uint64_t client = in.now.client;
        uint64_t known = yatai_since(since, n, client);
        if (!in.now.ref) {
            next(&in);
        } else if (piece_end(&in.now) > known) {
            if (known > in.now.clock) {
                cut_front(&in.now, (uint32_t)(known - in.now.clock));
            }
            while (in.more && in.now.client == client) {
                write_piece(&w, &in.now);
                next(&in);
            }
        } else {
            while (in.more && in.now.client == client && piece_end(&in.now) <= known) {
                next(&in);
            }
        }
    }
    finish(&w);
    if (!merge_ranges(out, mem, &u, 1)) {
        out->failed = true;
    }
}
