/* merge.c: updates merged, cut and converted as updates, without a document.
 *
 * What waits for missing structs cannot be integrated, yet it must be kept in one piece, handed to
 * peers with the state, and cut by their state vectors. The result is byte for byte that of
 * yjs 13.6 (updates.js mergeUpdatesV2, diffUpdateV2): structs of several inputs by client
 * descending and clock, known parts cut off, holes filled with Skip structs; items are never
 * joined, runs of collected structs are.
 */
#include "columns.h"
#include "doc.h"

#include <stdlib.h>
#include <string.h>

#define INPUTS_FEW 63 /* as many as V8 sorts by insertion, see order_few */

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
    struct yatai_out *out; /* where all goes at the end */
    enum yata_format format;
    struct yatai_columns columns; /* V2 */
    struct yatai_out v1;
    struct yatai_out *body;  /* the sections without their counts: `v1`, or the columns' rest */
    struct yatai_out counts; /* pairs of count and size of the body, as uint64_t */
    uint64_t client;
    uint64_t written;
    size_t start; /* of the open section */
};

static void writer_init(struct section_writer *w, struct yatai_out *out, enum yata_format format,
                        struct yatai_mem *mem) {
    *w = (struct section_writer){.out = out, .format = format, .v1.mem = mem, .counts.mem = mem};
    yatai_columns_init(&w->columns, mem);
    w->body = format == YATA_V2 ? &w->columns.rest : &w->v1;
}

static void close_section(struct section_writer *w) {
    if (w->written == 0) {
        return;
    }
    uint64_t pair[2] = {w->written, w->body->n - w->start};
    yatai_out_bytes(&w->counts, pair, sizeof pair);
    w->start = w->body->n;
    w->written = 0;
}

static void write_piece(struct section_writer *w, const struct piece *x) {
    if (w->written > 0 && w->client != x->client) {
        close_section(w);
    }
    if (w->written == 0) {
        w->client = x->client;
        if (w->format == YATA_V2) {
            yatai_columns_client(&w->columns, x->client);
        } else {
            yatai_out_uint(w->body, x->client);
        }
        yatai_out_uint(w->body, x->clock);
    }
    struct yatai_ref run = {.clock = x->clock, .len = x->len, .kind = YATAI_SKIP};
    const struct yatai_ref *ref = x->ref;
    uint32_t skip = x->skip;
    if (!ref || ref->kind == YATAI_GC) {
        run.kind = ref ? YATAI_GC : YATAI_SKIP;
        ref = &run;
        skip = 0;
    }
    if (w->format == YATA_V2) {
        yatai_columns_ref(&w->columns, ref, x->client, skip);
    } else {
        yatai_write_ref(w->body, w->format, ref, x->client, skip);
    }
    w->written++;
}

/* Puts the structs together; the delete set goes behind. */
static void finish(struct section_writer *w) {
    close_section(w);
    size_t n = w->counts.n / (2 * sizeof(uint64_t));
    const uint64_t *pairs = (const uint64_t *)(const void *)w->counts.p;
    w->out->failed |= w->body->failed || w->counts.failed;
    if (w->format == YATA_V2) {
        yatai_columns_finish(&w->columns, w->out);
    }
    yatai_out_uint(w->out, n);
    const uint8_t *p = w->body->p;
    for (size_t i = 0; i < n && !w->out->failed; i++) {
        yatai_out_uint(w->out, pairs[2 * i]);
        yatai_out_bytes(w->out, p, pairs[2 * i + 1]);
        p += pairs[2 * i + 1];
    }
    yatai_out_fini(w->body);
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

/* The order of Yjs. It is none where one input has an item and another its collected remains: then
 * each goes before the other. */
static int compare(const struct input *x, const struct input *y) {
    const struct piece *a = &x->now, *b = &y->now;
    if (a->client != b->client) {
        return a->client > b->client ? -1 : 1;
    }
    if (a->clock != b->clock) {
        return a->clock < b->clock ? -1 : 1;
    }
    return (a->ref->kind == YATAI_GC) == (b->ref->kind == YATAI_GC) ? 0 : -1;
}

/* Array.prototype.sort as V8 does it up to INPUTS_FEW elements, since what it makes of the order
 * above shows in the result: the run at the start, reversed if it descends, then binary insertion
 * (third_party/v8/builtins/array-sort.tq). */
static void order_few(struct input **in, size_t n) {
    size_t run = n < 2 ? n : 2;
    if (n >= 2) {
        bool descends = compare(in[1], in[0]) < 0;
        while (run < n && (compare(in[run], in[run - 1]) < 0) == descends) {
            run++;
        }
        for (size_t i = 0; descends && i < run / 2; i++) {
            struct input *x = in[i];
            in[i] = in[run - 1 - i];
            in[run - 1 - i] = x;
        }
    }
    for (; run < n; run++) {
        struct input *x = in[run];
        size_t low = 0, high = run;
        while (low < high) {
            size_t mid = (low + high) / 2;
            if (compare(x, in[mid]) < 0) {
                high = mid;
            } else {
                low = mid + 1;
            }
        }
        memmove(in + low + 1, in + low, (run - low) * sizeof *in);
        in[low] = x;
    }
}

static int input_order(const void *a, const void *b) {
    const struct input *x = *(struct input *const *)a, *y = *(struct input *const *)b;
    bool tie = x->now.client == y->now.client && x->now.clock == y->now.clock;
    return tie ? (x > y) - (x < y) : compare(x, y);
}

/* All inputs in order. */
static size_t order_all(struct input **in, size_t n) {
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        if (in[i]->more) {
            in[left++] = in[i];
        }
    }
    if (left <= INPUTS_FEW) {
        order_few(in, left);
    } else {
        qsort(in, left, sizeof(struct input *), input_order);
    }
    return left;
}

/* The same when only the first one has moved. */
static size_t order_first(struct input **in, size_t n) {
    if (n <= INPUTS_FEW) {
        return order_all(in, n);
    }
    struct input *x = in[0];
    size_t low = 1, high = n;
    if (!x->more) {
        memmove(in, in + 1, (n - 1) * sizeof(struct input *));
        return n - 1;
    }
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (compare(x, in[mid]) <= 0) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    memmove(in, in + 1, (low - 1) * sizeof(struct input *));
    in[low - 1] = x;
    return n;
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
    for (n = order_all(in, n); n > 0; n = order_first(in, n)) {
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

static bool merge_ranges(struct yatai_out *out, enum yata_format format, struct yatai_mem *mem,
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
        yatai_ranges_write(out, format, &all);
    }
    YATAI_VEC_FREE(mem, &all);
    return ok;
}

bool yatai_updates_merge(struct yatai_out *out, enum yata_format format, struct yatai_mem *mem,
                         const struct yatai_update *const *updates, size_t count) {
    YATAI_VEC(struct input) inputs = {0};
    YATAI_VEC(struct input *) in = {0};
    bool ok = YATAI_RESERVE(mem, &inputs, count) && YATAI_RESERVE(mem, &in, count);
    if (ok) {
        struct section_writer w;
        for (size_t i = 0; i < count; i++) {
            inputs.v[i] = (struct input){.u = updates[i]};
            next(&inputs.v[i]);
            in.v[i] = &inputs.v[i];
        }
        writer_init(&w, out, format, mem);
        merge_structs(&w, in.v, count);
        finish(&w);
        ok = merge_ranges(out, format, mem, updates, count) && !out->failed;
    }
    YATAI_VEC_FREE(mem, &inputs);
    YATAI_VEC_FREE(mem, &in);
    return ok;
}

bool yatai_update_diff(struct yatai_out *out, enum yata_format format, struct yatai_mem *mem,
                       const struct yatai_update *u, const struct yata_clock *since, size_t n) {
    struct section_writer w;
    struct input in = {.u = u, .skips = true};
    writer_init(&w, out, format, mem);
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
    return merge_ranges(out, format, mem, &u, 1) && !out->failed;
}

bool yatai_update_convert(struct yatai_out *out, enum yata_format format, struct yatai_mem *mem,
                          const struct yatai_update *u) {
    struct section_writer w;
    struct input in = {.u = u, .skips = true};
    writer_init(&w, out, format, mem);
    for (next(&in); in.more; next(&in)) {
        write_piece(&w, &in.now);
    }
    finish(&w);
    return merge_ranges(out, format, mem, &u, 1) && !out->failed;
}
