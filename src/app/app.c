#include "app/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "gateway/gateway.h"
#include "http/pages.h"
#include "limit/caps.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "rpc/rpc.h"

struct app {
    struct rpc rpc;
    struct gateway_ops ops;
    struct gateway *gateway;
    char metrics_host[256];
};

/* ---- options into what each part needs ---- */

static void fill_rpc(struct rpc *r, const struct conf *c) {
    r->dev = c->dev;
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

static struct gateway_options gateway_options(struct app *a, const struct conf *c) {
    struct gateway_options o = {.host = c->host,
                                .port = c->port,
                                .workers = c->workers,
                                .max_frame_bytes = c->max_frame_bytes,
                                .max_connections = c->max_connections,
                                .outbox_bytes = c->outbox_bytes,
                                .outbox_frames = c->outbox_frames,
                                .ping_ms = c->ping_ms,
                                .stall_ms = c->stall_ms,
                                .drain_ms = c->drain_ms};
    if (c->metrics_addr) {
        split_address(c->metrics_addr, a->metrics_host, sizeof a->metrics_host, &o.metrics_port);
        o.metrics_host = a->metrics_host;
    }
    o.rooms = (struct rooms_options){.max_rooms = (c->max_rooms + c->workers - 1) / c->workers,
                                     .room_cap = c->room_cap,
                                     .auto_create = c->room_auto_create,
                                     .presence_hz = c->presence_hz,
                                     .presence_ttl_ms = CAPS_PRESENCE_TTL_MS};
    return o;
}

/* ---- telling people ---- */

static void announce(const struct app *a, const struct conf *c) {
    bool v6 = strchr(c->host, ':') != NULL;
    unsigned port = gateway_port(a->gateway);
    (void)printf("collabd listening on http://%s%s%s:%u\n", v6 ? "[" : "", c->host, v6 ? "]" : "",
                 port);
    (void)fflush(stdout);
    log_info("START", log_str("version", slice_str(COLLAB_VERSION)), log_u64("port", port),
             log_u64("workers", c->workers));
    if (c->dev) {
        log_warn("DEV-MODE",
                 log_str("detail", slice_str("no tokens are checked: everybody who reaches this "
                                             "port is an anonymous writer")));
    }
    size_t at = 0;
    for (const char *name; (name = conf_inert(c, &at)) != NULL;) {
        log_warn("OPTION-INERT", log_str("option", slice_str(name)),
                 log_str("detail", slice_str("given, but without effect in this version")));
    }
}

int app_run(const struct conf *c) {
    struct app *a = NEW(struct app);
    int exit_code = EXIT_FAILURE;
    char why[300] = "";
    log_open((enum log_level)c->log_level, (enum log_format)c->log_format);
    fill_rpc(&a->rpc, c);
    rpc_ops(&a->rpc, &a->ops);
    a->ops.on_request = page_serve;
    struct gateway_options o = gateway_options(a, c);
    a->gateway = gateway_open(&o, &a->ops, why, sizeof why);
    if (!a->gateway) {
        (void)fprintf(stderr, "collabd: %s\n", why);
        goto out;
    }
    announce(a, c);
    gateway_run(a->gateway);
    exit_code = EXIT_SUCCESS;
out:
    gateway_free(a->gateway);
    if (exit_code == EXIT_SUCCESS) {
        log_info("STOP", log_str("result", slice_str("ok")));
    }
    mem_free(a);
    return exit_code;
}
