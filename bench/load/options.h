/* options.h: what the generator is told.
 *
 * Thread: one. Filled once at the start, then read only.
 */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *host;
    uint64_t port;
    const char *dialects;
    uint64_t rooms;
    uint64_t users; /* of a room */
    const char *prefix;
    double rate;    /* updates a minute of a user */
    uint64_t paste; /* percent of them */
    uint64_t burst;
    double burst_seconds;
    double burst_every;
    double presence;    /* presence messages a minute of a user */
    uint64_t send_all;  /* percent of the users */
    uint64_t slow;      /* percent of the users */
    double slow_ms;     /* without reading */
    double reconnects;  /* a minute, of all users together */
    double ramp;        /* joins a second */
    double warmup;      /* seconds; all times here */
    double seconds;     /* that count */
    double settle;      /* at most, until all is answered and known */
    uint64_t sample;    /* users of a room that hold a document */
    uint64_t addresses; /* 127.0.0.1 and those that follow */
    const char *token_file;
    uint64_t pid;
    const char *json;
    const char *label;
    uint64_t seed;
    const char *spoil;
    uint64_t quiet;
};

/* Fills them from the command line; on --help, and on what it cannot read, it says so and exits. */
void options_read(struct options *, int argc, char **argv);

#endif
