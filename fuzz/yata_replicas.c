/* yata_replicas.c: the input drives three writers of one text and one map key, and the order in
 * which everybody receives everything. Promised: when all has arrived, all documents are the same,
 * byte for byte, and so is one that loads the state of another.
 *
 * A libyata document does not edit, so each writer keeps a model: the sequence of characters (and
 * of map values) with tombstones, integrated by the textbook rule of Yjs, one element at a time.
 * The model says between which neighbours an insertion stands, as a Yjs client would, and the
 * update is written by hand from there. The models must agree with each other too, which checks the
 * target.
 */
#include "yata_support.h"

enum { WRITERS = 3, OPS_MAX = 200, RUN_MAX = 3, ELEMENTS_MAX = OPS_MAX * RUN_MAX, SEQUENCES = 2 };

static const uint64_t ids[WRITERS] = {1, 0x1fffffffffffff, 70000};

/* Position of an element by its author and clock; author -1 stands for none. */
struct ref {
    int writer;
    unsigned clock;
};

struct element {
    struct ref id;
    struct ref origin;
    struct ref right;
};

/* One edit: an insertion of `n` elements that follow each other, or the deletion of `n` elements.
 */
struct edit {
    bool deletes;
    int sequence; /* 0: the text, 1: the map key */
    struct ref id;
    unsigned n;
    struct ref origin;
    struct ref right;
    uint8_t update[96];
    size_t update_bytes;
};

struct sequence {
    struct element at[ELEMENTS_MAX];
    size_t n;
};

struct writer {
    struct yata_doc *doc;
    struct sequence sequences[SEQUENCES];
    unsigned clocks[WRITERS]; /* what the model has integrated */
    bool received[OPS_MAX];   /* by the document */
    bool integrated[OPS_MAX]; /* by the model */
};

struct world {
    struct writer writers[WRITERS];
    struct edit edits[OPS_MAX];
    size_t edit_count;
};

struct input {
    const uint8_t *p;
    size_t n;
};

static unsigned next(struct input *in, unsigned below) {
    if (in->n == 0 || below == 0) {
        return 0;
    }
    in->n--;
    return *in->p++ % below;
}

static bool same_ref(struct ref a, struct ref b) {
    return a.writer == b.writer && (a.writer < 0 || a.clock == b.clock);
}

/* ---- the model ------------------------------------------------------------------------------ */

/* Index of an element, or `otherwise` when there is none. */
static size_t find(const struct sequence *s, struct ref id, size_t otherwise) {
    for (size_t i = 0; i < s->n; i++) {
        if (same_ref(s->at[i].id, id)) {
            return i;
        }
    }
    return otherwise;
}

/* Where the new element goes: yjs Item.integrate. The two sets are marks on the scanned elements.
 */
static size_t place(const struct sequence *s, const struct element *e) {
    static bool conflicting[ELEMENTS_MAX];
    size_t start = e->origin.writer < 0 ? 0 : find(s, e->origin, 0) + 1;
    size_t end = e->right.writer < 0 ? s->n : find(s, e->right, s->n);
    size_t put = start;
    for (size_t i = start; i < end; i++) {
        const struct element *o = &s->at[i];
        conflicting[i] = true;
        bool moves = false;
        if (same_ref(o->origin, e->origin)) {
            moves = ids[o->id.writer] < ids[e->id.writer];
            if (!moves && same_ref(o->right, e->right)) {
                break;
            }
        } else {
            size_t origin = o->origin.writer < 0 ? s->n : find(s, o->origin, s->n);
            if (origin < start || origin > i || origin == s->n) {
                break;
            }
            moves = !conflicting[origin];
        }
        if (moves) {
            put = i + 1;
            for (size_t k = start; k <= i; k++) {
                conflicting[k] = false;
            }
        }
    }
    return put;
}

static bool known(const struct writer *w, struct ref id) {
    return id.writer < 0 || id.clock < w->clocks[id.writer];
}

static void integrate(struct writer *w, const struct edit *edit) {
    struct sequence *s = &w->sequences[edit->sequence];
    struct element e = {.id = edit->id, .origin = edit->origin, .right = edit->right};
    for (unsigned i = 0; i < edit->n; i++) {
        size_t put = place(s, &e);
        memmove(&s->at[put + 1], &s->at[put], (s->n - put) * sizeof(s->at[0]));
        s->at[put] = e;
        s->n++;
        e.origin = e.id;
        e.id.clock++;
    }
    w->clocks[edit->id.writer] += edit->n;
}

/* Integrates whatever has been received and can be. */
static void settle(struct world *world, struct writer *w) {
    for (bool progress = true; progress;) {
        progress = false;
        for (size_t i = 0; i < world->edit_count; i++) {
            const struct edit *edit = &world->edits[i];
            if (!w->received[i] || w->integrated[i]) {
                continue;
            }
            if (!edit->deletes && (w->clocks[edit->id.writer] != edit->id.clock ||
                                   !known(w, edit->origin) || !known(w, edit->right))) {
                continue;
            }
            if (!edit->deletes) {
                integrate(w, edit);
            }
            w->integrated[i] = true;
            progress = true;
        }
    }
}

/* ---- updates, by hand ----------------------------------------------------------------------- */

static void put_byte(struct edit *edit, uint8_t byte) {
    promise("an update of one edit is short", edit->update_bytes < sizeof(edit->update));
    edit->update[edit->update_bytes++] = byte;
}

static void put_uint(struct edit *edit, uint64_t v) {
    for (; v >= 0x80; v >>= 7) {
        put_byte(edit, (uint8_t)(v | 0x80));
    }
    put_byte(edit, (uint8_t)v);
}

static void put_ref(struct edit *edit, struct ref id) {
    put_uint(edit, ids[id.writer]);
    put_uint(edit, id.clock);
}

static void write_insertion(struct edit *edit) {
    bool map = edit->sequence == 1;
    put_uint(edit, 1);
    put_uint(edit, 1);
    put_ref(edit, edit->id);
    put_byte(edit, (uint8_t)((map ? 0x28 : 0x04) | (edit->origin.writer >= 0 ? 0x80 : 0) |
                             (edit->right.writer >= 0 ? 0x40 : 0)));
    if (edit->origin.writer >= 0) {
        put_ref(edit, edit->origin);
    }
    if (edit->right.writer >= 0) {
        put_ref(edit, edit->right);
    }
    if (edit->origin.writer < 0 && edit->right.writer < 0) {
        put_uint(edit, 1);
        put_uint(edit, 1);
        put_byte(edit, map ? 'm' : 't');
        if (map) {
            put_uint(edit, 1);
            put_byte(edit, 'k');
        }
    }
    put_uint(edit, edit->n);
    for (unsigned i = 0; i < edit->n; i++) {
        put_byte(edit, map ? 120 : (uint8_t)('a' + (edit->id.clock + i) % 26));
    }
    put_uint(edit, 0);
}

static void write_deletion(struct edit *edit) {
    put_uint(edit, 0);
    put_uint(edit, 1);
    put_uint(edit, ids[edit->id.writer]);
    put_uint(edit, 1);
    put_uint(edit, edit->id.clock);
    put_uint(edit, edit->n);
}

/* ---- what the input drives ------------------------------------------------------------------ */

static void receive(struct world *world, struct writer *w, size_t i) {
    const struct edit *edit = &world->edits[i];
    w->received[i] = true;
    promise("an update written by hand is good",
            yata_apply(w->doc, edit->update, edit->update_bytes, NULL, NULL) == YATA_OK);
    settle(world, w);
}

static void make_edit(struct world *world, int author, struct input *in) {
    struct writer *w = &world->writers[author];
    struct edit *edit = &world->edits[world->edit_count];
    const struct ref none = {.writer = -1};
    *edit = (struct edit){.sequence = next(in, 4) == 0, .origin = none, .right = none};
    struct sequence *s = &w->sequences[edit->sequence];
    edit->deletes = next(in, 4) == 0 && s->n > 0;
    /* a value of a key is one element: no Yjs client sets more, and replicas of yjs would differ */
    edit->n = edit->sequence == 1 && !edit->deletes ? 1 : 1 + next(in, RUN_MAX);
    if (edit->deletes) {
        /* what follows in clock, which may stand anywhere in either sequence */
        edit->id = s->at[edit->sequence == 1 ? s->n - 1 : next(in, (unsigned)s->n)].id;
        unsigned rest = w->clocks[edit->id.writer] - edit->id.clock;
        edit->n = edit->n < rest ? edit->n : rest;
        write_deletion(edit);
    } else {
        size_t at = edit->sequence == 1 ? s->n : next(in, (unsigned)s->n + 1);
        edit->id = (struct ref){.writer = author, .clock = w->clocks[author]};
        edit->origin = at > 0 ? s->at[at - 1].id : none;
        edit->right = at < s->n ? s->at[at].id : none;
        write_insertion(edit);
    }
    receive(world, w, world->edit_count++);
}

/* Hands over one edit that the writer lacks, or an old one again. */
static void deliver(struct world *world, struct writer *w, struct input *in) {
    if (world->edit_count > 0) {
        receive(world, w, next(in, (unsigned)world->edit_count));
    }
}

static void deliver_rest(struct world *world, struct writer *w, bool backwards) {
    yata_begin(w->doc);
    for (size_t k = 0; k < world->edit_count; k++) {
        size_t i = backwards ? world->edit_count - 1 - k : k;
        if (!w->received[i]) {
            receive(world, w, i);
        }
    }
    promise("a transaction commits", yata_commit(w->doc, NULL) == YATA_OK);
}

static void expect_converged(struct world *world) {
    struct writer *first = &world->writers[0];
    for (int i = 1; i < WRITERS; i++) {
        struct writer *w = &world->writers[i];
        for (int k = 0; k < SEQUENCES; k++) {
            promise("the models agree", w->sequences[k].n == first->sequences[k].n);
            for (size_t e = 0; e < first->sequences[k].n; e++) {
                promise("the models agree",
                        same_ref(w->sequences[k].at[e].id, first->sequences[k].at[e].id));
            }
        }
        promise("the replicas agree", same_docs(first->doc, w->doc));
    }
    struct yata_bytes state = state_of(first->doc);
    struct yata_doc *fresh = new_doc();
    promise("a state loads", yata_apply(fresh, state.p, state.n, NULL, NULL) == YATA_OK);
    promise("a loaded replica agrees", same_docs(first->doc, fresh));
    yata_doc_free(fresh);
    yata_bytes_fini(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    strict_docs = size % 2 != 0;
    static struct world world;
    struct input in = {.p = data, .n = size};
    memset(&world, 0, sizeof(world));
    for (int i = 0; i < WRITERS; i++) {
        world.writers[i].doc = new_doc();
    }
    while (in.n > 0) {
        int who = (int)next(&in, WRITERS);
        if (next(&in, 2) == 0 && world.edit_count < OPS_MAX) {
            make_edit(&world, who, &in);
        } else {
            deliver(&world, &world.writers[who], &in);
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        deliver_rest(&world, &world.writers[i], i == 1);
    }
    for (int i = 0; i < WRITERS; i++) {
        struct yata_stats stats = {0};
        yata_stats(world.writers[i].doc, &stats);
        promise("nothing waits when all has arrived", stats.pending_bytes == 0);
    }
    expect_converged(&world);
    for (int i = 0; i < WRITERS; i++) {
        yata_doc_free(world.writers[i].doc);
    }
    return 0;
}
