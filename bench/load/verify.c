/* verify.c: the end. All who were there agree, and one who comes to each room afterwards is told
 * the same. What was acknowledged is in that. */
#include <stdio.h>

#include "load.h"

#include "base/alloc.h"
#include "base/clock.h"

enum { AT_ONCE = 32, FAILURES = 10 };

#define LEAVE_NS UINT64_C(300000000)

struct witnesses {
    struct load *load;
    size_t next, open, left;
};

static struct witnesses all; /* one run, one end */

static struct yata_doc *truth(const struct room *r) {
    return r->doc;
}

/* Users of whom the document lacks something that was acknowledged. */
static void find_lost(const struct room *r, struct yata_doc *doc) {
    const struct yata_clock *clocks = NULL;
    size_t n = 0;
    if (yata_state_vector(doc, &clocks, &n) != YATA_OK) {
        return;
    }
    for (uint32_t i = 0; i < r->members; i++) {
        uint64_t known = 0;
        for (size_t j = 0; j < n; j++) {
            known = clocks[j].client == r->first_client + i ? clocks[j].clock : known;
        }
        if (known < r->users[i].acked) {
            load_fault(r->load, FAULT_LOST, &r->users[i], "acknowledged and lost", (slice){0});
        }
    }
}

static void done(struct user *w) {
    struct room *r = w->room;
    conn_close(&w->conn, false);
    w->state = USER_AWAY;
    find_lost(r, w->doc);
    user_fini(w);
    mem_free(w);
    r->witness = NULL;
    all.open--;
    all.left--;
}

static bool knows_all(const struct user *w) {
    return !truth(w->room) || writer_same(truth(w->room), w->doc);
}

void verify_joined(struct user *w) {
    if (knows_all(w)) {
        w->load->verified++;
        w->deaf = true; /* to be let go of by the loop, not in the middle of its message */
    }
}

void verify_told(struct user *w, slice update) {
    struct yata_error why = {0};
    if (yata_apply(w->doc, update.p, update.n, NULL, &why) != YATA_OK) {
        load_fault(w->load, FAULT_MALFORMED, w, why.what, (slice){0});
    } else if (!w->deaf) {
        verify_joined(w);
    }
}

void verify_ended(struct user *w) {
    w->failures++;
    w->began_ns = clock_mono_ns();
}

static void begin(struct room *r, uint64_t now_ns) {
    r->witness = NEW(struct user);
    user_init(r->witness, r, r->members);
    user_join(r->witness, now_ns);
    all.open++;
}

/* Looks after one witness. */
static void tend(struct user *w, uint64_t first_ns, uint64_t now_ns) {
    if (w->deaf) {
        done(w);
    } else if ((double)(now_ns - first_ns) > w->load->o.settle * 1e9 || w->failures > FAILURES) {
        load_fault(w->load, FAULT_DIVERGED, w,
                   w->state == USER_LIVE ? "who comes last sees something else"
                                         : "who comes last is not let in",
                   (slice){0});
        done(w);
    } else if (w->state == USER_AWAY && now_ns - w->began_ns > LEAVE_NS) {
        user_join(w, now_ns);
    }
}

static void complain(const struct room *r, const struct user *u) {
    struct yata_stats here;
    struct yata_stats there;
    char text[128];
    yata_stats(u->doc, &here);
    yata_stats(truth(r), &there);
    int n = snprintf(text, sizeof text, "%zu structs, %zu bytes waiting; in truth %zu, %zu",
                     here.structs, here.pending_bytes, there.structs, there.pending_bytes);
    load_fault(r->load, FAULT_DIVERGED, u, "its document differs:", slice_of(text, (size_t)n));
}

/* Those that hold documents agree with what was written. */
static void compare_sampled(const struct room *r) {
    for (uint32_t i = 0; truth(r) && i < r->members; i++) {
        const struct user *u = &r->users[i];
        if (u->doc && !writer_same(truth(r), u->doc)) {
            complain(r, u);
        } else if (u->doc) {
            r->load->compared++;
        }
    }
}

void verify(struct load *l) {
    all = (struct witnesses){.load = l, .left = l->rooms_n};
    for (size_t i = 0; i < l->rooms_n; i++) {
        compare_sampled(&l->rooms[i]);
    }
    for (size_t i = 0; i < l->users_n; i++) {
        conn_close(&l->users[i].conn, false);
        l->users[i].state = USER_AWAY;
    }
    uint64_t *since = mem_new(l->rooms_n * sizeof *since);
    uint64_t begin_ns = clock_mono_ns() + LEAVE_NS; /* the server hears of the leaving first */
    while (all.left) {
        uint64_t now_ns = clock_mono_ns();
        while (now_ns > begin_ns && all.open < AT_ONCE && all.next < l->rooms_n) {
            since[all.next] = now_ns;
            begin(&l->rooms[all.next++], now_ns);
        }
        for (size_t i = 0; i < all.next; i++) {
            if (l->rooms[i].witness) {
                tend(l->rooms[i].witness, since[i], now_ns);
            }
        }
        net_wait(&l->net, 5000000);
    }
    mem_free(since);
}
