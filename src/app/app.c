#include "app/app.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/bring.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "cluster/bus.h"
#include "control/control.h"
#include "gateway/gateway.h"
#include "http/history.h"
#include "http/pages.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/span.h"
#include "observe/metrics.h"
#include "rpc/rpc.h"
#include "store/store.h"

struct app {
    struct rpc rpc;
    struct gateway_ops ops;
    struct gateway *gateway;
    struct store *store;
    struct bus *bus; /* NULL: a node of its own */
    unsigned nodes;  /* bus thread: how many there were when all of Redis served */
    atomic_size_t waiting[CAPS_WORKERS]; /* any thread: bytes of bus mail that each has to do */
    struct control *control;
    struct bring *bring;
    char metrics_host[256];
};

/* ---- options into what each part needs ---- */

static void fill_rpc(struct rpc *r, const struct conf *c) {
    r->dev = c->dev;
    r->workspaces = c->workspaces;
    r->auth_timeout_ms = c->auth_timeout_ms;
    r->token_grace_ms = c->token_grace_ms;
    r->authz = c->authz_url != NULL;
    r->authz_cache_ms = c->authz_cache_ms;
    r->tls = c->tls_cert != NULL;
    r->limits = (struct wire_limits){.update_bytes = c->max_update_bytes,
                                     .awareness_bytes = c->max_awareness_bytes,
                                     .sync_bytes = c->max_sync_bytes,
                                     .frame_bytes = c->max_frame_bytes,
                                     .batch_count = CAPS_BATCH,
                                     .rooms_per_connection = c->rooms_per_connection};
    r->caps = (struct decode_caps){.update_bytes = c->max_update_bytes,
                                   .awareness_bytes = c->max_awareness_bytes,
                                   .sync_bytes = c->max_sync_bytes,
                                   .batch_count = CAPS_BATCH};
}

/* "host:port" or "[v6]:port"; conf has checked it. */
static void split_address(const char *addr, char *host, size_t host_bytes, unsigned *ret_port) {
    const char *colon = strrchr(addr, ':');
    const char *start = addr[0] == '[' ? addr + 1 : addr;
    size_t n = (size_t)(colon - start) - (addr[0] == '[');
    n = n < host_bytes ? n : host_bytes - 1;
    memcpy(host, start, n);
    host[n] = 0;
    *ret_port = (unsigned)strtoul(colon + 1, NULL, 10);
}

/* ---- what lasts ---- */

static void on_stored(void *ctx, struct store_job *job) {
    struct app *a = ctx;
    struct msg *m = msg_new(MSG_STORED);
    m->conn = (conn_id)job->worker << CONN_WORKER_SHIFT;
    m->job = job;
    gateway_post(a->gateway, m);
}

static void on_store_changed(void *ctx, bool serving) {
    struct app *a = ctx;
    for (unsigned w = 0; w < gateway_workers(a->gateway); w++) {
        struct msg *m = msg_new(MSG_STORE);
        m->conn = (conn_id)w << CONN_WORKER_SHIFT;
        m->store.serving = serving;
        gateway_post(a->gateway, m);
    }
}

static void room_store_post(void *store, struct store_job *job) {
    store_post(store, job);
}

static enum store_health room_store_health(void *store) {
    return store_health(store);
}

static bool room_store_behind(void *store) {
    return store_behind(store);
}

static struct store *open_store(struct app *a, const struct conf *c, char *why, size_t why_bytes) {
    struct store_options o = {.data = c->data,
                              .url = c->store,
                              .password_file = c->store_password_file,
                              .relaxed = c->durability == 1,
                              .metrics_thread = CAPS_WORKERS,
                              .versions = {.days = c->version_days,
                                           .named = c->versions_named,
                                           .bytes = c->version_bytes},
                              .done = on_stored,
                              .changed = on_store_changed,
                              .ctx = a};
    return store_open(&o, why, why_bytes);
}

/* What the tools ask for. A server without it serves all the same. */
static void open_control(struct app *a, const struct conf *c) {
    char why[300] = "";
    struct control_options o = {
        .store = a->store, .data = c->data, .bring = bring_update, .ctx = a->bring};
    if (!c->store && strcmp(c->data, "memory") != 0) {
        a->control = control_open(&o, why, sizeof why);
    }
    if (why[0]) {
        log_warn("STORE-CONTROL", log_text("detail", why));
    }
}

static void on_brought(void *app, const struct msg *m) {
    bring_answered(((struct app *)app)->bring, m);
}

/* Commits what is still queued. A disk that hangs does not hold the end up for ever: what it has
 * not taken was not acknowledged. */
static bool close_store(struct store *s, const struct conf *c) {
    unsigned ms = c->drain_ms > CAPS_STORE_CLOSE_MS ? c->drain_ms : CAPS_STORE_CLOSE_MS;
    switch (store_close(s, ms)) {
    case STORE_CLOSED:
        return true;
    case STORE_CLOSED_LOSING:
        return false;
    case STORE_STUCK:
        break;
    }
    _exit(EXIT_FAILURE); /* its thread sits in the kernel: nothing can be taken down in order */
}

/* ---- other nodes ---- */

static void post_bus(struct app *a, unsigned worker, struct bus_mail *mail) {
    if (!bus_mail_wait(mail, &a->waiting[worker])) {
        metric_add(METRIC_BUS_SKIPPED, 0, 1);
        log_limited(LOG_WARN, "BUS-BEHIND", log_u64("worker", worker));
        bus_mail_free(mail);
        return;
    }
    struct msg *m = msg_new(MSG_BUS);
    m->conn = (conn_id)worker << CONN_WORKER_SHIFT;
    m->bus = mail;
    gateway_post(a->gateway, m);
}

/* A node that has come, or others that could not be heard, may not know. */
static void tell_revoked(struct app *a, uint64_t to) {
    struct buf lines;
    buf_init(&lines, CAPS_BUS_BYTES / 2);
    if (a->rpc.access) {
        access_list_revoked(a->rpc.access, &lines);
    }
    if (lines.n) {
        bus_tell_revoked(a->bus, to, buf_slice(&lines));
    }
    buf_fini(&lines);
}

/* ---- rates over all nodes ---- */

/* While Redis is away nobody is heard of: then as many share the limits as there were last. */
static void count_nodes(struct app *a) {
    bool serving = bus_serving(a->bus) == bus_instances(a->bus);
    if (serving) {
        a->nodes = (unsigned)bus_nodes(a->bus);
    }
    if (a->rpc.buckets) {
        buckets_nodes(a->rpc.buckets, a->nodes, serving);
    }
}

/* "user:ann" */
static void lease(void *ctx, const struct bucket_lease *want) {
    struct app *a = ctx;
    struct buf key;
    struct bus_mail *m = bus_mail_new(BUS_TAKE, NULL);
    buf_init(&key, 0);
    buf_printf(&key, "%s:%.*s", bucket_name(want->class), SLICE_FMT(want->key));
    m->bytes = frame_copy(buf_slice(&key));
    buf_fini(&key);
    m->rate = (struct bus_rate){.class = want->class,
                                .charge = want->owed,
                                .want = want->want,
                                .nodes = want->nodes,
                                .unit_ns = want->quarter_ns,
                                .whole_ns = want->whole_ns};
    bus_post(a->bus, m);
}

static void on_taken(struct app *a, const struct bus_mail *m) {
    const struct bus_rate *r = &m->rate;
    slice key = frame_slice(m->bytes);
    size_t skip = strlen(bucket_name(r->class)) + 1;
    bucket_leased(a->rpc.buckets, r->class, slice_of(key.p + skip, key.n - skip),
                  m->away ? 0 : r->charge, m->away ? 0 : r->granted, r->wait_ms, clock_mono_ms());
}

/* What is about who may come in; true when it was that alone, and has been taken. */
static bool on_bus_access(struct app *a, struct bus_mail *mail) {
    switch (mail->op) {
    case BUS_CLAIMED:
        access_claimed(a->rpc.access, mail->conn, mail->req, mail->tag, mail->granted);
        break;
    case BUS_REVOKED:
        if (a->rpc.access) {
            access_revoke_lines(a->rpc.access, mail->envelope.payload);
        }
        break;
    case BUS_TAKEN:
        on_taken(a, mail);
        break;
    case BUS_NODE_UP:
        tell_revoked(a, mail->to);
        count_nodes(a);
        return false;
    case BUS_BACK:
        tell_revoked(a, BUS_TO_ALL);
        count_nodes(a);
        return false;
    case BUS_NODE_DOWN:
    case BUS_LOST:
        count_nodes(a);
        return false;
    default:
        return false;
    }
    bus_mail_free(mail);
    return true;
}

static bool claim_nonce(void *ctx, slice nonce, uint64_t seconds, uint64_t conn, uint32_t req,
                        struct identity *who) {
    struct app *a = ctx;
    struct bus_mail *m = bus_mail_new(BUS_CLAIM, NULL);
    m->bytes = frame_copy(nonce);
    m->seconds = seconds;
    m->conn = conn;
    m->req = req;
    m->tag = who;
    bus_post(a->bus, m);
    return true;
}

static void on_bus(void *ctx, struct bus_mail *mail) {
    struct app *a = ctx;
    unsigned workers = gateway_workers(a->gateway);
    if (on_bus_access(a, mail)) {
        return;
    }
    if (mail->room) {
        post_bus(a, room_owner(frame_slice(mail->room), workers), mail);
        return;
    }
    for (unsigned w = 0; w < workers; w++) {
        struct bus_mail *copy = bus_mail_new(mail->op, NULL);
        copy->shard = mail->shard;
        copy->to = mail->to;
        post_bus(a, w, copy);
    }
    bus_mail_free(mail);
}

static void room_bus_post(void *bus, struct bus_mail *mail) {
    bus_post(bus, mail);
}

static size_t room_bus_shard(void *bus, slice room) {
    return bus_shard(bus, room);
}

/* True also when there is none. */
static bool open_bus(struct app *a, const struct conf *c, char *why, size_t why_bytes) {
    struct bus_options o = {.urls = c->redis_url,
                            .metrics_thread = CAPS_WORKERS + 4, /* the store has those below */
                            .deliver = on_bus,
                            .ctx = a};
    a->rpc.bus = a->bus = c->redis_url ? bus_open(&o, why, why_bytes) : NULL;
    return !c->redis_url || a->bus;
}

static struct rooms_bus rooms_bus(const struct app *a, const struct conf *c) {
    if (!a->bus) {
        return (struct rooms_bus){0};
    }
    return (struct rooms_bus){.ctx = a->bus,
                              .node = bus_node(a->bus),
                              .post = room_bus_post,
                              .shard = room_bus_shard,
                              .own_store = c->store == NULL,
                              .compare_ms = c->bus_compare_ms};
}

/* Rooms fall on workers by the hash of their names, so not quite evenly: with exact shares one
 * would be full, and refuse, before the process is. */
static size_t rooms_of_a_worker(const struct conf *c) {
    size_t share = (c->max_rooms + c->workers - 1) / c->workers;
    return c->workers > 1 ? share + share / 8 : share;
}

static struct gateway_options gateway_options(struct app *a, const struct conf *c) {
    struct gateway_options o = {.host = c->host,
                                .port = c->port,
                                .tls_cert = c->tls_cert,
                                .tls_key = c->tls_key,
                                .workers = c->workers,
                                .max_frame_bytes = c->max_frame_bytes,
                                .max_connections = c->max_connections,
                                .outbox_bytes = c->outbox_bytes,
                                .outbox_frames = c->outbox_frames,
                                .header_ms = c->header_timeout_ms,
                                .ping_ms = c->ping_ms,
                                .stall_ms = c->stall_ms,
                                .drain_ms = c->drain_ms};
    if (c->metrics_addr) {
        split_address(c->metrics_addr, a->metrics_host, sizeof a->metrics_host, &o.metrics_port);
        o.metrics_host = a->metrics_host;
    }
    o.rooms = (struct rooms_options){.max_rooms = rooms_of_a_worker(c),
                                     .room_cap = c->room_cap,
                                     .auto_create = c->room_auto_create,
                                     .stamp_presence = !c->dev && c->presence_identity == 0,
                                     .presence_hz = c->presence_hz,
                                     .room_ttl_ms = (uint64_t)c->room_ttl_s * 1000,
                                     .memory_bytes = c->memory,
                                     .version_ms = (uint64_t)c->version_every_s * 1000,
                                     .presence_ttl_ms = CAPS_PRESENCE_TTL_MS};
    o.rooms.store = (struct rooms_store){.ctx = a->store,
                                         .post = room_store_post,
                                         .health = room_store_health,
                                         .behind = room_store_behind,
                                         .relaxed = c->durability == 1};
    o.rooms.bus = rooms_bus(a, c);
    return o;
}

/* ---- what guards the door ---- */

/* NULL with `why` empty when there is nothing to check tokens with, which only development mode
 * allows. */
static struct access *open_access(struct app *a, const struct conf *c, char *why,
                                  size_t why_bytes) {
    if (!c->jwt_secret && !c->jwks_file && !c->jwks_url) {
        return NULL;
    }
    struct access_options o = {.jwt_secret = c->jwt_secret,
                               .jwks_file = c->jwks_file,
                               .jwks_url = c->jwks_url,
                               .issuer = c->jwt_issuer,
                               .audience = c->jwt_audience,
                               .revocation_file = c->revocation_file,
                               .authz_url = c->authz_url,
                               .leeway_s = CAPS_LEEWAY_S,
                               .authz_cache_ms = c->authz_cache_ms,
                               .done = rpc_checked,
                               .done_ctx = &a->rpc,
                               .claim = a->bus ? claim_nonce : NULL,
                               .claim_ctx = a};
    return access_open(&o, why, why_bytes);
}

static struct buckets *open_buckets(struct app *a, const struct conf *c) {
    struct bucket_options o = {.lease = a->bus ? lease : NULL, .lease_ctx = a};
    o.limits[BUCKET_CONNECTION].points = c->connections_per_address;
    return c->dev ? NULL : buckets_new(&o);
}

static bool open_door(struct app *a, const struct conf *c, char *why, size_t why_bytes) {
    struct rpc *r = &a->rpc;
    r->access = open_access(a, c, why, why_bytes);
    if (!r->access && why[0]) {
        return false;
    }
    r->buckets = open_buckets(a, c);
    return origin_list_new(c->allowed_origins, &r->origins, why, why_bytes) == ERR_OK &&
           host_list_new(c->allowed_hosts, c->host, &r->hosts, why, why_bytes) == ERR_OK &&
           audit_open(c->audit_file, &r->audit, why, why_bytes) == ERR_OK;
}

static void close_door(struct rpc *r) {
    access_free(r->access);
    buckets_free(r->buckets);
    origin_list_free(r->origins);
    host_list_free(r->hosts);
    audit_close(r->audit);
}

static void on_reload(void *ctx) {
    struct rpc *r = ctx;
    char why[300] = "";
    if (r->access) {
        access_reload(r->access);
    }
    if (log_reopen(why, sizeof why) != ERR_OK) {
        log_error("LOG-FILE", log_text("detail", why));
    }
    if (audit_reopen(r->audit, why, sizeof why) != ERR_OK) {
        log_error("AUDIT-LOST", log_text("detail", why));
    }
}

static void announce(const struct app *a, const struct conf *c) {
    bool v6 = strchr(c->host, ':') != NULL;
    unsigned port = gateway_port(a->gateway);
    (void)printf("collabd listening on %s://%s%s%s:%u\n", c->tls_cert ? "https" : "http",
                 v6 ? "[" : "", c->host, v6 ? "]" : "", port);
    (void)fflush(stdout);
    log_info("START", log_str("version", slice_str(COLLAB_VERSION)), log_u64("port", port),
             log_u64("workers", c->workers),
             log_u64("metricsPort", gateway_metrics_port(a->gateway)));
    if (c->dev) {
        log_warn("DEV-MODE",
                 log_text("detail", "who brings no token is an anonymous writer, and there are no "
                                    "rates"));
    }
}

static bool open_log(const struct conf *c, char *why, size_t why_bytes) {
    if (log_open_file(c->log_file, why, why_bytes) != ERR_OK) {
        return false;
    }
    log_open((enum log_level)c->log_level, (enum log_format)c->log_format);
    log_set_sample(c->log_sample);
    return log_set_areas(c->log_areas, why, why_bytes) == ERR_OK;
}

int app_run(const struct conf *c) {
    struct app *a = NEW(struct app);
    int exit_code = EXIT_FAILURE;
    char why[300] = "";
    if (!open_log(c, why, sizeof why)) {
        (void)fprintf(stderr, "collabd: %s\n", why);
        goto out;
    }
    fill_rpc(&a->rpc, c);
    rpc_ops(&a->rpc, &a->ops);
    a->ops.on_request = page_serve;
    a->ops.on_answer = page_history_answer;
    a->ops.pages = &a->rpc;
    a->ops.on_reload = on_reload;
    a->ops.on_brought = on_brought;
    a->ops.brought = a;
    const struct span_options spans = {.url = c->otlp_url, .sample = c->trace_sample};
    if (span_open(&spans, why, sizeof why) != ERR_OK) {
        (void)fprintf(stderr, "collabd: %s\n", why);
        goto out;
    }
    a->store = a->rpc.store = open_store(a, c, why, sizeof why);
    if (!a->store || !open_bus(a, c, why, sizeof why) || !open_door(a, c, why, sizeof why)) {
        (void)fprintf(stderr, "collabd: %s\n", why);
        goto out;
    }
    struct gateway_options o = gateway_options(a, c);
    a->gateway = gateway_open(&o, &a->ops, why, sizeof why);
    if (!a->gateway) {
        (void)fprintf(stderr, "collabd: %s\n", why);
        goto out;
    }
    a->rpc.gateway = a->gateway;
    a->bring = bring_new(a->gateway);
    gateway_start(a->gateway);
    if (a->bus) {
        bus_start(a->bus);
    }
    open_control(a, c);
    announce(a, c);
    gateway_run(a->gateway);
    exit_code = EXIT_SUCCESS;
out:
    control_close(a->control);
    gateway_stop(a->gateway);
    if (a->store && !close_store(a->store, c)) { /* nobody posts to it any more, it still does */
        exit_code = EXIT_FAILURE;
    }
    bus_close(a->bus);   /* its thread, too, posts to workers' mailboxes */
    close_door(&a->rpc); /* its thread posts to workers' mailboxes, so it ends before they do */
    gateway_free(a->gateway);
    bus_free(a->bus);
    bring_free(a->bring);
    store_free(a->store);
    span_close();
    if (exit_code == EXIT_SUCCESS) {
        log_info("STOP", log_str("result", slice_str("ok")));
    }
    log_close_file();
    mem_free(a);
    return exit_code;
}
