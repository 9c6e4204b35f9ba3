#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "load.h"

#define SECOND_NS UINT64_C(1000000000)
#define SWEEP_NS  (SECOND_NS / 10)
#define READ_NS   (SECOND_NS / 5) /* how long a slow reader reads */
#define SPOIL_IN  20              /* the wrong happens to the 20th that it may happen to */

static uint64_t ns(double seconds) {
    return (uint64_t)(seconds * 1e9);
}

static uint64_t interval_ns(double per_minute) {
    return per_minute > 0 ? ns(60 / per_minute) : 0;
}

/* ---- faults ---- */

static const char *const fault_words[] = {
#define WORDS(symbol, name, words) [FAULT_##symbol] = words,
    FAULTS(WORDS)};

void load_fault(struct load *l, enum fault f, const struct user *u, const char *why, slice detail) {
    enum { COMPLAINTS = 10, DETAIL = 200 };
    l->faults[f]++;
    if (l->complaints++ < COMPLAINTS) {
        size_t n = detail.n < DETAIL ? detail.n : DETAIL;
        (void)fprintf(stderr, "load: %s: user %u of %s: %s %.*s\n", fault_words[f], u->member,
                      u->room->name, why, (int)n, detail.p ? (const char *)detail.p : "");
    }
}

bool load_spoils(struct load *l, enum spoil what) {
    if (l->spoil != what || l->phase != PHASE_MEASURE || !l->spoil_in) {
        return false;
    }
    return --l->spoil_in == 0;
}

/* ---- start ---- */

static void read_spoil(struct load *l) {
    static const char *const names[] = {[SPOIL_RECEIVE] = "receive",
                                        [SPOIL_APPLY] = "apply",
                                        [SPOIL_SEND] = "send",
                                        [SPOIL_CLOCK] = "clock"};
    for (int i = 1; l->o.spoil && i <= SPOIL_CLOCK; i++) {
        l->spoil = strcmp(names[i], l->o.spoil) == 0 ? (enum spoil)i : l->spoil;
    }
    if (l->o.spoil && !l->spoil) {
        (void)fprintf(stderr, "collab_load: --spoil %s is not known\n", l->o.spoil);
        exit(2);
    }
    l->spoil_in = SPOIL_IN;
}

static void read_token(struct load *l) {
    static char token[16384];
    if (!l->o.token_file) {
        return;
    }
    FILE *f = fopen(l->o.token_file, "re");
    if (!f || !fgets(token, sizeof token, f)) {
        (void)fprintf(stderr, "collab_load: %s: %s\n", l->o.token_file, strerror(errno));
        exit(2);
    }
    (void)fclose(f);
    token[strcspn(token, "\r\n")] = '\0';
    l->token = token;
}

static void read_address(struct load *l) {
    struct in_addr a;
    if (inet_pton(AF_INET, l->o.host, &a) != 1) {
        (void)fprintf(stderr, "collab_load: --host %s is no IPv4 address\n", l->o.host);
        exit(2);
    }
    l->address_to = ntohl(a.s_addr);
    bool own = l->address_to >> 24 == 127;
    l->address_from = own ? INADDR_LOOPBACK : INADDR_ANY;
    l->o.addresses = own ? l->o.addresses : 1;
}

static void raise_limits(void) {
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
}

void load_init(struct load *l, int argc, char **argv) {
    *l = (struct load){.measure_from_ns = UINT64_MAX, .measure_to_ns = UINT64_MAX};
    options_read(&l->o, argc, argv);
    read_spoil(l);
    read_token(l);
    read_address(l);
    raise_limits();
    net_init(&l->net, &user_events);
    l->dice.state = l->o.seed;
    l->rooms_n = l->o.rooms;
    l->users_n = l->o.rooms * l->o.users;
    l->rooms = mem_new(l->rooms_n * sizeof *l->rooms);
    l->users = mem_new(l->users_n * sizeof *l->users);
    for (size_t i = 0; i < l->rooms_n; i++) {
        struct user *users = &l->users[i * l->o.users];
        room_init(&l->rooms[i], l, (unsigned)i, users);
        for (uint32_t j = 0; j < l->o.users; j++) {
            user_init(&users[j], &l->rooms[i], j);
        }
    }
}

void load_fini(struct load *l) {
    for (size_t i = 0; i < l->users_n; i++) {
        user_fini(&l->users[i]);
    }
    for (size_t i = 0; i < l->rooms_n; i++) {
        room_fini(&l->rooms[i]);
    }
    mem_free(l->memory);
    mem_free(l->users);
    mem_free(l->rooms);
    timers_fini(&l->timers);
    net_fini(&l->net);
}

/* ---- what happens when ---- */

/* Each user at its own moment, then evenly: all together are never in step. */
static void begin_typing(struct load *l, uint64_t now_ns) {
    uint64_t edit = interval_ns(l->o.rate);
    for (size_t i = 0; i < l->users_n; i++) {
        if (edit) {
            timers_add(&l->timers, now_ns + dice_below(&l->dice, edit), TIMER_EDIT, &l->users[i]);
        }
        if (l->users[i].slow) {
            timers_add(&l->timers, now_ns + dice_below(&l->dice, ns(l->o.slow_ms / 1000)),
                       TIMER_SLOW, &l->users[i]);
        }
    }
    if (l->o.reconnects > 0) {
        timers_add(&l->timers, now_ns + interval_ns(l->o.reconnects), TIMER_LOSE, NULL);
    }
    l->measure_from_ns = now_ns + ns(l->o.warmup);
    l->measure_to_ns = l->measure_from_ns + ns(l->o.seconds);
    if (l->o.burst) {
        timers_add(&l->timers, l->measure_from_ns, TIMER_BURST, NULL);
    }
}

static void begin_presence(struct load *l, uint64_t now_ns) {
    uint64_t show = interval_ns(l->o.presence);
    for (size_t i = 0; show && i < l->users_n; i++) {
        timers_add(&l->timers, now_ns + dice_below(&l->dice, show), TIMER_SHOW, &l->users[i]);
    }
}

/* In each room somebody pastes, or plays back what was typed offline. */
static void burst(struct load *l, uint64_t due_ns) {
    for (size_t i = 0; i < l->rooms_n; i++) {
        struct user *u = &l->rooms[i].users[dice_below(&l->dice, l->o.users)];
        for (uint64_t j = 0; j < l->o.burst; j++) {
            uint64_t at = ns(l->o.burst_seconds * (double)j / (double)l->o.burst);
            timers_add(&l->timers, due_ns + at, TIMER_EXTRA, u);
        }
    }
    timers_add(&l->timers, due_ns + ns(l->o.burst_every), TIMER_BURST, NULL);
}

static void lose_somebody(struct load *l, uint64_t now_ns) {
    struct user *u = &l->users[dice_below(&l->dice, l->users_n)];
    if (u->state == USER_LIVE) {
        user_reconnect(u, now_ns, dice_below(&l->dice, 2) == 0);
    }
}

static void toggle(struct load *l, struct user *u, uint64_t now_ns) {
    u->deaf = !u->deaf && u->state == USER_LIVE && l->phase < PHASE_SETTLE;
    if (u->state == USER_LIVE) {
        conn_deafen(&u->conn, u->deaf);
    }
    if (l->phase < PHASE_SETTLE) {
        timers_add(&l->timers, now_ns + (u->deaf ? ns(l->o.slow_ms / 1000) : READ_NS), TIMER_SLOW,
                   u);
    }
}

static void fire(struct load *l, const struct timer *t, uint64_t now_ns) {
    bool types = l->phase == PHASE_WARMUP || l->phase == PHASE_MEASURE;
    switch ((enum timer_kind)t->kind) {
    case TIMER_JOIN:
        user_join(t->subject, now_ns);
        return;
    case TIMER_SHOW:
        if (l->phase < PHASE_SETTLE) { /* or something would always be under way */
            user_show(t->subject, t->due_ns);
            timers_add(&l->timers, t->due_ns + interval_ns(l->o.presence), t->kind, t->subject);
        }
        return;
    case TIMER_SLOW:
        toggle(l, t->subject, now_ns);
        return;
    case TIMER_EDIT:
    case TIMER_EXTRA:
    case TIMER_BURST:
    case TIMER_LOSE:
        break;
    }
    if (!types) {
        return;
    }
    if (t->kind == TIMER_LOSE) {
        lose_somebody(l, now_ns);
        timers_add(&l->timers, t->due_ns + interval_ns(l->o.reconnects), t->kind, NULL);
    } else if (t->kind == TIMER_BURST) {
        burst(l, t->due_ns);
    } else {
        user_edit(t->subject, t->due_ns);
        hist_add(&l->lag, (now_ns - t->due_ns) / 1000);
    }
    if (t->kind == TIMER_EDIT) {
        timers_add(&l->timers, t->due_ns + interval_ns(l->o.rate), t->kind, t->subject);
    }
}

/* ---- measuring ---- */

static void look(const struct load *l, struct process *ret) {
    if (!l->o.pid || !process_look(l->o.pid, ret)) {
        *ret = (struct process){0};
    }
}

static void begin_measure(struct load *l) {
    memcpy(l->counts_before, l->counts, sizeof l->counts);
    l->from_wall_ms = clock_wall_ms();
    memset(&l->lag, 0, sizeof l->lag);
    look(l, &l->server_before);
    l->watched = l->server_before.cpu_s > 0;
    l->own_cpu_s = process_own_cpu_s();
    l->measured_s = (double)clock_mono_ns() / 1e9;
    l->net_before = l->net;
}

static void end_measure(struct load *l) {
    l->to_wall_ms = clock_wall_ms();
    for (size_t i = 0; i < COUNT_COUNT; i++) {
        l->counts_measured[i] = l->counts[i] - l->counts_before[i];
    }
    look(l, &l->server_after);
    l->own_cpu_s = process_own_cpu_s() - l->own_cpu_s;
    l->measured_s = (double)clock_mono_ns() / 1e9 - l->measured_s;
    l->net_after = l->net;
}

/* The server's memory, once a second. */
static void watch_memory(struct load *l, uint64_t now_ns) {
    struct process p;
    look(l, &p);
    l->server_most_bytes =
        p.private_bytes > l->server_most_bytes ? p.private_bytes : l->server_most_bytes;
    if (l->phase == PHASE_MEASURE && l->watched) {
        l->memory = mem_resize(l->memory, (l->memory_n + 1) * sizeof *l->memory);
        l->memory[l->memory_n++] = p.private_bytes;
    }
    if (!l->o.quiet) {
        report_progress(l, now_ns);
    }
}

/* ---- phases ---- */

static void hear_again(struct load *l) {
    for (size_t i = 0; i < l->users_n; i++) {
        if (l->users[i].deaf) {
            toggle(l, &l->users[i], 0);
        }
    }
}

/* All is answered, and everybody has everything. */
static bool is_settled(const struct load *l) {
    for (size_t i = 0; i < l->users_n; i++) {
        const struct user *u = &l->users[i];
        bool presence = l->o.presence > 0;
        if (u->state != USER_LIVE || !list_empty(&u->pending) || room_behind(u, false) ||
            (presence && room_behind(u, true))) {
            return false;
        }
    }
    return true;
}

static void count_unsettled(struct load *l) {
    for (size_t i = 0; i < l->users_n; i++) {
        const struct user *u = &l->users[i];
        LIST_FOR_EACH (node, &u->pending) {
            load_fault(l, FAULT_UNANSWERED, u, "no answer", (slice){0});
        }
        if (room_behind(u, false)) {
            load_fault(l, FAULT_BEHIND, u, "lacks updates", (slice){0});
        }
        if (l->o.presence > 0 && room_behind(u, true)) {
            load_fault(l, FAULT_PRESENCE_BEHIND, u, "lacks presence", (slice){0});
        }
    }
}

static void advance(struct load *l, uint64_t now_ns) {
    double longest = (double)l->users_n / l->o.ramp + 60;
    if (l->phase == PHASE_JOIN && l->live == l->users_n) {
        l->phase = PHASE_WARMUP;
        begin_typing(l, now_ns);
    } else if (l->phase == PHASE_JOIN && now_ns > l->start_ns + ns(longest)) {
        (void)fprintf(stderr, "load: %zu of %zu users came in, giving up\n", l->live, l->users_n);
        count_unsettled(l);
        l->faults[FAULT_ENDED]++;
        l->phase = PHASE_DONE;
    } else if (l->phase == PHASE_WARMUP && now_ns >= l->measure_from_ns) {
        l->phase = PHASE_MEASURE;
        begin_measure(l);
    } else if (l->phase == PHASE_MEASURE && now_ns >= l->measure_to_ns) {
        l->phase = PHASE_SETTLE;
        end_measure(l);
        hear_again(l);
    } else if (l->phase == PHASE_SETTLE) {
        bool late = now_ns > l->measure_to_ns + ns(l->o.settle);
        if (late) {
            count_unsettled(l);
        }
        if (late || is_settled(l)) {
            l->phase = PHASE_VERIFY;
        }
    }
}

static void sweep(struct load *l, uint64_t now_ns) {
    for (size_t i = 0; i < l->users_n; i++) {
        user_sweep(&l->users[i], now_ns);
    }
}

static void schedule_joins(struct load *l) {
    for (size_t i = 0; i < l->users_n; i++) {
        timers_add(&l->timers, l->start_ns + ns((double)i / l->o.ramp), TIMER_JOIN, &l->users[i]);
    }
    begin_presence(l, l->start_ns);
}

void load_run(struct load *l) {
    uint64_t swept_ns = 0;
    uint64_t second_ns = 0;
    l->start_ns = clock_mono_ns();
    schedule_joins(l);
    while (l->phase < PHASE_VERIFY) {
        uint64_t now_ns = clock_mono_ns();
        struct timer t;
        while (timers_take(&l->timers, now_ns, &t)) {
            fire(l, &t, now_ns);
        }
        if (now_ns - swept_ns >= SWEEP_NS) {
            swept_ns = now_ns;
            sweep(l, now_ns);
            advance(l, now_ns);
        }
        if (now_ns - second_ns >= SECOND_NS) {
            second_ns = now_ns;
            watch_memory(l, now_ns);
        }
        uint64_t next = timers_next(&l->timers);
        next = next < swept_ns + SWEEP_NS ? next : swept_ns + SWEEP_NS;
        now_ns = clock_mono_ns();
        net_wait(&l->net, next > now_ns ? next - now_ns : 0);
    }
    if (l->phase == PHASE_VERIFY) {
        verify(l);
    }
    l->phase = PHASE_DONE;
}
