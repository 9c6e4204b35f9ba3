#include <stdio.h>

#include "base/buf.h"
#include "load.h"
#include "wire/json_out.h"

/* Over these our own figures say more of us than of the server. */
#define LAG_P99_MOST_US 20000
#define CPU_SHARE_MOST  0.9

static const char *const count_names[] = {
#define COUNT_NAME(symbol, name, words) [COUNT_##symbol] = name,
    COUNTS(COUNT_NAME)};
static const char *const fault_names[] = {
#define FAULT_NAME(symbol, name, words) [FAULT_##symbol] = name,
    FAULTS(FAULT_NAME)};
static const char *const fault_words[] = {
#define FAULT_WORDS(symbol, name, words) [FAULT_##symbol] = words,
    FAULTS(FAULT_WORDS)};

static double ms(uint64_t us) {
    return (double)us / 1000;
}

static double own_share(const struct load *l) {
    return l->measured_s > 0 ? l->own_cpu_s / l->measured_s : 0;
}

/* Why the load and not the server may be what was measured; NULL when there is no reason. */
static const char *limited_by(const struct load *l) {
    if (hist_at(&l->lag, 0.99) > LAG_P99_MOST_US) {
        return "it sent late: p99 of its own lag is over 20 ms";
    }
    if (own_share(l) > CPU_SHARE_MOST) {
        return "it used more than 90 % of a core";
    }
    return NULL;
}

static uint64_t faults(const struct load *l) {
    uint64_t n = 0;
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        n += l->faults[i];
    }
    return n;
}

static double server_cpu(const struct load *l) {
    return l->watched ? l->server_after.cpu_s - l->server_before.cpu_s : 0;
}

static double us_per_delivery(const struct load *l) {
    uint64_t n = l->counts_measured[COUNT_DELIVERIES];
    return n ? server_cpu(l) * 1e6 / (double)n : 0;
}

/* Mean of a fifth of the seconds, the first or the last. */
static double memory_mib(const struct load *l, bool last) {
    size_t n = l->memory_n / 5 ? l->memory_n / 5 : l->memory_n;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)l->memory[last ? l->memory_n - 1 - i : i];
    }
    return n ? sum / (double)n / (1024 * 1024) : 0;
}

/* ---- JSON ---- */

static void put_hist(struct buf *b, const char *name, const struct hist *h) {
    buf_printf(b,
               "\"%s\":{\"count\":%llu,\"meanMs\":%.3f,\"p50Ms\":%.3f,\"p90Ms\":%.3f,"
               "\"p95Ms\":%.3f,\"p99Ms\":%.3f,\"p999Ms\":%.3f,\"mostMs\":%.3f},",
               name, (unsigned long long)h->count, hist_mean(h) / 1000, ms(hist_at(h, 0.5)),
               ms(hist_at(h, 0.9)), ms(hist_at(h, 0.95)), ms(hist_at(h, 0.99)),
               ms(hist_at(h, 0.999)), ms(h->most));
}

static void put_numbers(struct buf *b, const char *title, const char *const *names,
                        const uint64_t *v, size_t n) {
    buf_printf(b, "\"%s\":{", title);
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, "%s\"%s\":%llu", i ? "," : "", names[i], (unsigned long long)v[i]);
    }
    buf_put_str(b, "},");
}

static void put_process(struct buf *b, const struct load *l) {
    buf_printf(b, "\"server\":{\"watched\":%s,\"cpuS\":%.2f,\"cpuUsPerDelivery\":%.4f,",
               l->watched ? "true" : "false", server_cpu(l), us_per_delivery(l));
    buf_printf(b, "\"memoryFirstMiB\":%.2f,\"memoryLastMiB\":%.2f,\"memoryMostMiB\":%.2f},",
               memory_mib(l, false), memory_mib(l, true),
               (double)l->server_most_bytes / (1024 * 1024));
}

static void put_sockets(struct buf *b, const struct load *l) {
    buf_printf(b, "\"connections\":%llu,\"bytesIn\":%llu,\"bytesOut\":%llu,",
               (unsigned long long)l->net.opened, (unsigned long long)l->net.bytes_in,
               (unsigned long long)l->net.bytes_out);
    buf_printf(b, "\"measured\":{\"fromMs\":%llu,\"toMs\":%llu,",
               (unsigned long long)l->from_wall_ms, (unsigned long long)l->to_wall_ms);
    buf_printf(b, "\"seconds\":%.2f,\"framesIn\":%llu,\"bytesIn\":%llu},", l->measured_s,
               (unsigned long long)(l->net_after.frames_in - l->net_before.frames_in),
               (unsigned long long)(l->net_after.bytes_in - l->net_before.bytes_in));
}

static void put_json(struct buf *b, const struct load *l) {
    const char *limit = limited_by(l);
    buf_put_str(b, "{\"label\":");
    json_put_string(b, slice_str(l->o.label));
    buf_put_str(b, ",\"dialect\":");
    json_put_string(b, slice_str(l->o.dialects));
    buf_printf(b, ",\"rooms\":%zu,\"users\":%llu,\"rate\":%g,\"seed\":%llu,", l->rooms_n,
               (unsigned long long)l->o.users, l->o.rate, (unsigned long long)l->o.seed);
    put_hist(b, "echo", &l->echo);
    put_hist(b, "ack", &l->ack);
    put_hist(b, "presence", &l->presence);
    put_hist(b, "join", &l->join);
    put_hist(b, "lag", &l->lag);
    put_numbers(b, "counts", count_names, l->counts, COUNT_COUNT);
    put_numbers(b, "countsMeasured", count_names, l->counts_measured, COUNT_COUNT);
    put_numbers(b, "faults", fault_names, l->faults, FAULT_COUNT);
    put_sockets(b, l);
    put_process(b, l);
    buf_printf(b, "\"compared\":%llu,\"verified\":%llu,\"ownCpuShare\":%.3f,\"limited\":%s,",
               (unsigned long long)l->compared, (unsigned long long)l->verified, own_share(l),
               limit ? "true" : "false");
    buf_printf(b, "\"ok\":%s}\n", faults(l) ? "false" : "true");
}

/* ---- the table ---- */

static void print_hist(const char *name, const struct hist *h) {
    (void)printf("  %-22s %9.1f %9.1f %9.1f %9.1f %9.1f %12llu\n", name, ms(hist_at(h, 0.5)),
                 ms(hist_at(h, 0.95)), ms(hist_at(h, 0.99)), ms(hist_at(h, 0.999)), ms(h->most),
                 (unsigned long long)h->count);
}

static double a_second(const struct load *l, uint64_t n) {
    return l->measured_s > 0 ? (double)n / l->measured_s : 0;
}

static void print_rates(const struct load *l) {
    const uint64_t *c = l->counts_measured;
    (void)printf("  a second: %.0f updates sent, %.0f deliveries in %.0f messages, %.1f MiB; "
                 "%.0f presence messages sent, %.0f received\n",
                 a_second(l, c[COUNT_UPDATES]), a_second(l, c[COUNT_DELIVERIES]),
                 a_second(l, c[COUNT_UPDATE_FRAMES]),
                 a_second(l, l->net_after.bytes_in - l->net_before.bytes_in) / (1024 * 1024),
                 a_second(l, c[COUNT_PRESENCES]), a_second(l, c[COUNT_PRESENCE_FRAMES]));
    if (l->watched && l->measured_s > 0) {
        (void)printf("  the server: %.0f %% of a core, %.3f us a delivery; memory %.1f MiB at "
                     "first, %.1f at last, %.1f at most\n",
                     server_cpu(l) / l->measured_s * 100, us_per_delivery(l), memory_mib(l, false),
                     memory_mib(l, true), (double)l->server_most_bytes / (1024 * 1024));
    }
    (void)printf("  this program: %.0f %% of a core\n", own_share(l) * 100);
}

static void print_checks(const struct load *l) {
    (void)printf("  answered %llu, sent again %llu, refused for a rate %llu, reconnects %llu; "
                 "%llu documents compared, %llu rooms seen by a newcomer\n",
                 (unsigned long long)l->counts[COUNT_ANSWERS],
                 (unsigned long long)l->counts[COUNT_RESENDS],
                 (unsigned long long)l->counts[COUNT_RATE_LIMITED],
                 (unsigned long long)l->counts[COUNT_RECONNECTS], (unsigned long long)l->compared,
                 (unsigned long long)l->verified);
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        if (l->faults[i]) {
            (void)printf("  FAULT: %llu %s\n", (unsigned long long)l->faults[i], fault_words[i]);
        }
    }
    const char *limit = limited_by(l);
    if (limit) {
        (void)printf("  LIMITED: these latencies may be those of the load generator: %s\n", limit);
    }
    (void)printf("  %s\n", faults(l) ? "NOT all promises were kept" : "all promises were kept");
}

bool report(const struct load *l) {
    (void)printf("%s: %zu rooms of %llu users, %g updates a minute each, %.1f s\n", l->o.dialects,
                 l->rooms_n, (unsigned long long)l->o.users, l->o.rate, l->measured_s);
    (void)printf("  %-22s %9s %9s %9s %9s %9s %12s\n", "ms", "p50", "p95", "p99", "p99.9", "most",
                 "count");
    print_hist("echo", &l->echo);
    print_hist("acknowledgement", &l->ack);
    print_hist("presence", &l->presence);
    print_hist("join", &l->join);
    print_hist("own lag", &l->lag);
    print_rates(l);
    print_checks(l);
    if (l->o.json) {
        struct buf b;
        buf_init(&b, 0);
        put_json(&b, l);
        FILE *f = fopen(l->o.json, "we");
        bool written = f && fwrite(b.p, 1, b.n, f) == b.n;
        written = f && fclose(f) == 0 && written;
        buf_fini(&b);
        if (!written) {
            perror(l->o.json);
            return false;
        }
    }
    return faults(l) == 0;
}

void report_progress(struct load *l, uint64_t now_ns) {
    static const char *const names[] = {
        [PHASE_JOIN] = "join",     [PHASE_WARMUP] = "warm-up", [PHASE_MEASURE] = "measure",
        [PHASE_SETTLE] = "settle", [PHASE_VERIFY] = "verify",  [PHASE_DONE] = "done"};
    struct process p = {0};
    double seconds = (double)(now_ns - l->progress_ns) / 1e9;
    uint64_t fresh = l->counts[COUNT_DELIVERIES] - l->progress_deliveries;
    if (l->o.pid) {
        (void)process_look(l->o.pid, &p);
    }
    (void)fprintf(stderr,
                  "%6.0f s  %-7s  %zu in  %.0f deliveries/s  echo p50 %.1f p95 %.1f ms  lag p99 "
                  "%.1f ms  server %.0f MiB\n",
                  (double)(now_ns - l->start_ns) / 1e9, names[l->phase], l->live,
                  l->progress_ns ? (double)fresh / seconds : 0, ms(hist_at(&l->echo, 0.5)),
                  ms(hist_at(&l->echo, 0.95)), ms(hist_at(&l->lag, 0.99)),
                  (double)p.private_bytes / (1024 * 1024));
    l->progress_ns = now_ns;
    l->progress_deliveries = l->counts[COUNT_DELIVERIES];
}
