/* internal.h: what the files of this folder share about the gateway as a whole. */
#ifndef GATEWAY_INTERNAL_H
#define GATEWAY_INTERNAL_H

#include "gateway/worker.h"

struct gateway {
    /* fixed after start */
    struct gateway_options o;
    struct gateway_ops ops;
    unsigned port;
    unsigned pages_port; /* 0: no second address */
    struct worker *workers;
    struct tls_tickets *tickets; /* NULL: no TLS */
    unsigned opened;             /* workers that have their sockets */
    unsigned started;            /* those that run */

    /* any thread, atomic */
    atomic_bool draining;
    atomic_uint shut;    /* workers that listen no more */
    atomic_uint drained; /* workers that have no connection left */
    atomic_size_t connections;

    /* main thread */
    uv_loop_t loop;
    uv_signal_t sigterm;
    uv_signal_t sigint;
    uv_signal_t sighup;
    uv_signal_t sigusr1;
    uv_timer_t deadline;
    uv_timer_t housekeeping; /* totals of suppressed log lines */
    uv_async_t wake;         /* any thread: a worker has drained */
    bool loop_open;
    bool drain_told; /* all have shut, and were told to drain */
};

#endif
