#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { COUNT, NUMBER, TEXT };

struct row {
    const char *name;
    enum kind kind;
    size_t at;
    const char *standard; /* NULL: none, or must be given */
    const char *word;
    const char *help;
};

#define ROW(name, kind, field, standard, word, help)                                               \
    { name, kind, offsetof(struct options, field), standard, word, help }

static const struct row rows[] = {
    ROW("host", TEXT, host, "127.0.0.1", "ADDRESS", "IPv4 address of the server."),
    ROW("port", COUNT, port, NULL, "N", "Its port."),
    ROW("dialect", TEXT, dialects, "mcp-json", "NAMES",
        "mcp-json, mcp-binary; several with commas: users take them in turns."),
    ROW("rooms", COUNT, rooms, "1", "N", "Rooms."),
    ROW("users", COUNT, users, "10", "N", "Users in each."),
    ROW("prefix", TEXT, prefix, "ws:load/r", "TEXT", "What names of rooms begin with."),
    ROW("rate", NUMBER, rate, "60", "N", "Updates a minute of each user."),
    ROW("paste", COUNT, paste, "1", "PERCENT", "Updates that paste some 2,000 characters."),
    ROW("burst", COUNT, burst, "0", "N", "Updates of a burst, which comes on top; 0: none."),
    ROW("burst-seconds", NUMBER, burst_seconds, "5", "S", "How long a burst takes."),
    ROW("burst-every", NUMBER, burst_every, "30", "S",
        "In each room somebody has one that often, the first at once."),
    ROW("presence", NUMBER, presence, "4", "N",
        "Presence messages a minute of each user. 0: no presence at all."),
    ROW("send-all", COUNT, send_all, "10", "PERCENT",
        "Users whose presence messages hold all states they know, as some editors' do."),
    ROW("slow", COUNT, slow, "0", "PERCENT", "Users that read only now and then."),
    ROW("slow-ms", NUMBER, slow_ms, "3000", "MS", "For how long they do not."),
    ROW("reconnects", NUMBER, reconnects, "0", "N",
        "Connections that end a minute, of all users together; each comes back within a second."),
    ROW("ramp", NUMBER, ramp, "500", "N", "Joins a second at the start."),
    ROW("warmup", NUMBER, warmup, "5", "S", "Typing that does not count yet."),
    ROW("seconds", NUMBER, seconds, "10", "S", "Typing that counts."),
    ROW("settle", NUMBER, settle, "30", "S",
        "At most, until all is answered and everybody has everything."),
    ROW("sample", COUNT, sample, "2", "N",
        "Users of each room that hold the whole document and edit anywhere in it."),
    ROW("addresses", COUNT, addresses, "1", "N",
        "Addresses to come from, 127.0.0.1 and those that follow."),
    ROW("token-file", TEXT, token_file, NULL, "FILE",
        "A token for all users. Without: with JWT_SECRET in the environment, one for each."),
    ROW("pid", COUNT, pid, "0", "N", "The server's process: its time and memory are watched."),
    ROW("json", TEXT, json, NULL, "FILE", "Writes the result there, as JSON."),
    ROW("label", TEXT, label, "", "TEXT", "Stands in the result."),
    ROW("seed", COUNT, seed, "1", "N", "Of all that is random."),
    ROW("spoil", TEXT, spoil, NULL, "WHAT",
        "Does something wrong on purpose, so that the checks can be seen to find it: "
        "receive, apply, send, clock."),
    ROW("quiet", COUNT, quiet, "0", "0|1", "1: no progress on standard error."),
};

enum { ROWS = sizeof rows / sizeof *rows };

static void help(void) {
    (void)printf("usage: collab_load --port N [OPTION ..]\n\n"
                 "Puts rooms full of users on a collabd, checks all that they receive, and\n"
                 "measures. Exits with 0 when all promises were kept, else with 1.\n\n");
    for (size_t i = 0; i < ROWS; i++) {
        char flag[64];
        (void)snprintf(flag, sizeof flag, "--%s %s", rows[i].name, rows[i].word);
        (void)printf("  %-22s %s", flag, rows[i].help);
        if (rows[i].standard && rows[i].standard[0]) {
            (void)printf(" [%s]", rows[i].standard);
        }
        (void)printf("\n");
    }
    exit(0);
}

static void refuse(const struct row *r, const char *why) {
    (void)fprintf(stderr, "collab_load: --%s %s\n", r->name, why);
    exit(2);
}

static void set(struct options *o, const struct row *r, const char *text) {
    char *at = (char *)o + r->at;
    char *end = NULL;
    errno = 0;
    if (r->kind == TEXT) {
        memcpy(at, &text, sizeof text);
    } else if (r->kind == COUNT) {
        unsigned long long n = strtoull(text, &end, 10);
        uint64_t value = n;
        memcpy(at, &value, sizeof value);
    } else {
        double value = strtod(text, &end);
        memcpy(at, &value, sizeof value);
        if (!(value >= 0 && value < 1e9)) {
            refuse(r, "must be a number from 0");
        }
    }
    if (end && (end == text || *end || errno || text[0] == '-')) {
        refuse(r, "must be a number from 0");
    }
}

static const struct row *row_named(const char *name) {
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    abort();
}

/* Bounds that keep arithmetic and memory sane. */
static void check(const struct options *o) {
    static const struct {
        const char *name;
        uint64_t least, most;
    } bounds[] = {{"port", 1, 65535},   {"rooms", 1, 100000}, {"users", 1, 1000},
                  {"send-all", 0, 100}, {"slow", 0, 100},     {"burst", 0, 10000},
                  {"sample", 0, 100},   {"addresses", 1, 250}};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        const struct row *r = row_named(bounds[i].name);
        uint64_t v;
        memcpy(&v, (const char *)o + r->at, sizeof v);
        if (v < bounds[i].least || v > bounds[i].most) {
            refuse(r, "is out of bounds, or missing");
        }
    }
    if (o->ramp <= 0 || o->slow_ms <= 0 || o->burst_seconds <= 0 || o->burst_every <= 0) {
        refuse(row_named("ramp"), "and times must be above 0");
    }
    if (o->rooms * o->users > 60000) {
        refuse(row_named("users"), "times --rooms is more than 60000");
    }
}

void options_read(struct options *o, int argc, char **argv) {
    struct option longs[ROWS + 2] = {{"help", no_argument, NULL, ROWS}};
    *o = (struct options){0};
    for (size_t i = 0; i < ROWS; i++) {
        longs[i + 1] = (struct option){rows[i].name, required_argument, NULL, (int)i};
        if (rows[i].standard) {
            set(o, &rows[i], rows[i].standard);
        }
    }
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == ROWS) {
            help();
        }
        if (c == '?') {
            exit(2);
        }
        set(o, &rows[c], optarg);
    }
    if (optind < argc) {
        (void)fprintf(stderr, "collab_load: what is %s?\n", argv[optind]);
        exit(2);
    }
    check(o);
}
