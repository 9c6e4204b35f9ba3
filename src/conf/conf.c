/* conf.c: the order of things: look through the flags, answer what needs no options, gather the
 * sources, judge the whole, answer what needs options, hand over.
 */
#define _GNU_SOURCE /* sched_getaffinity */
#include "conf/conf.h"

#include <arpa/inet.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "conf/option.h"
#include "conf/print.h"
#include "conf/read.h"
#include "limit/caps.h"

#define RESERVED_PORT 3001 /* other services of the hosts this runs on own it */

static struct conf_box *box_of(struct conf *c) {
    return (struct conf_box *)(void *)c;
}

void conf_free(struct conf *c) {
    if (!c) {
        return;
    }
    struct conf_box *box = box_of(c);
    for (unsigned i = 0; i < OPT_COUNT; i++) {
        mem_free(box->texts[i]);
    }
    mem_free(box->file);
    mem_free(box);
}

/* How many cores this process may use: fewer than the machine has when it is pinned. */
static unsigned cores(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > CAPS_WORKERS ? CAPS_WORKERS : (unsigned)n;
}

static bool is_address(const char *host) {
    unsigned char parsed[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, parsed) == 1 || inet_pton(AF_INET6, host, parsed) == 1;
}

static bool is_loopback(const char *host) {
    return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
           (is_address(host) && strncmp(host, "127.", 4) == 0);
}

/* HOST:PORT, [IPv6]:PORT or localhost:PORT. */
static bool is_host_port(const char *text) {
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 16] = "";
    if (!colon || colon == text) {
        return false;
    }
    bool bracketed = text[0] == '[' && colon[-1] == ']';
    const char *from = bracketed ? text + 1 : text;
    size_t n = (size_t)(colon - from) - bracketed;
    if (n >= sizeof host) {
        return false;
    }
    memcpy(host, from, n);
    char *end = NULL;
    unsigned long port = strtoul(colon + 1, &end, 10);
    bool digits = colon[1] >= '0' && colon[1] <= '9' && *end == 0;
    bool host_right = strcmp(host, "localhost") == 0 ||
                      (is_address(host) && (strchr(host, ':') != NULL) == bracketed);
    return digits && port <= 65535 && port != RESERVED_PORT && host_right;
}

/* Begins a complaint about an option that looked right by itself. */
static void blame(struct buf *complaint, const struct conf_box *box, enum option_id id) {
    struct buf value;
    buf_init(&value, 0);
    option_put_value(&value, &box->conf, option_get(id));
    buf_put_u8(&value, 0);
    put_given(complaint, box, id, (const char *)value.p);
    buf_fini(&value);
}

/* What one value cannot say by its row alone. */
static bool check_values(const struct conf_box *box, struct buf *complaint) {
    const struct conf *c = &box->conf;
    if (c->port == RESERVED_PORT) {
        blame(complaint, box, OPT_port);
        buf_put_str(complaint,
                    ": this port belongs to other services. Take another one (default 3005), "
                    "or 0 for any free port.\n");
        return false;
    }
    if (!is_address(c->host) && strcmp(c->host, "localhost") != 0) {
        blame(complaint, box, OPT_host);
        buf_put_str(complaint,
                    ": not an address. It takes an IPv4 or IPv6 address, or localhost.\n");
        return false;
    }
    if (c->store && strncmp(c->store, "postgres://", 11) != 0 &&
        strncmp(c->store, "postgresql://", 13) != 0) {
        blame(complaint, box, OPT_store);
        buf_put_str(complaint, ": not the URL of a PostgreSQL database. Right would be "
                               "postgres://user@host/database.\n");
        return false;
    }
    if (c->metrics_addr && !is_host_port(c->metrics_addr)) {
        blame(complaint, box, OPT_metrics_addr);
        buf_put_str(complaint, ": not an address with a port. Right would be 127.0.0.1:9464, "
                               "localhost:9464 or [::1]:9464.\n");
        return false;
    }
    return true;
}

/* What may not be served as it is configured. */
static bool check_start(const struct conf_box *box, struct buf *complaint) {
    const struct conf *c = &box->conf;
    if (!c->dev && !c->jwt_secret && !c->jwks_file && !c->jwks_url) {
        buf_put_str(complaint,
                    "there is nothing to check tokens with: set JWT_SECRET, JWKS_FILE or "
                    "JWKS_URL, or try it out with --dev on a loopback address.\n");
        return false;
    }
    if (!c->tls_cert != !c->tls_key) {
        buf_put_str(complaint, "TLS needs both TLS_CERT and TLS_KEY; one of them is missing.\n");
        return false;
    }
    if (c->dev && !is_loopback(box->conf.host)) {
        blame(complaint, box, OPT_host);
        buf_put_str(complaint,
                    ": with --dev everybody who can connect may write, so the address must be "
                    "a loopback one: 127.0.0.1, ::1 or localhost.\n");
        return false;
    }
    return true;
}

static void write_all(FILE *to, const char *prefix, const struct buf *b) {
    if (b->n > 0) {
        (void)fprintf(to, "%s%.*s", prefix, SLICE_FMT(buf_slice(b)));
        (void)fflush(to);
    }
}

/* What can be answered without any option; false when nothing of it was asked for. */
static bool answer_early(const struct flags *f, struct buf *text, struct buf *complaint) {
    if (f->actions[ACTION_HELP]) {
        print_help(text);
    } else if (f->actions[ACTION_VERSION]) {
        print_version(text);
    } else if (f->actions[ACTION_PRINT_MAN]) {
        print_man(text);
    } else if (f->actions[ACTION_PRINT_DOCS]) {
        print_docs(text);
    } else if (f->actions[ACTION_PRINT_COMPLETION]) {
        if (!print_completion(text, f->actions[ACTION_PRINT_COMPLETION])) {
            buf_printf(complaint, "--print-completion %s: it takes bash or zsh.\n",
                       f->actions[ACTION_PRINT_COMPLETION]);
        }
    } else {
        return false;
    }
    return true;
}

static bool gather(struct conf_box *box, const struct flags *f, char **envp, struct buf *complaint,
                   struct buf *notes) {
    for (unsigned i = 0; i < OPT_COUNT; i++) {
        option_reset(box, (enum option_id)i);
    }
    const char *file = f->actions[ACTION_CONFIG];
    file = file ? file : env_get(envp, "COLLAB_CONFIG");
    if (file && !read_file(box, file, complaint)) {
        return false;
    }
    if (!read_env(box, envp, complaint, notes) || !apply_flags(box, f, complaint)) {
        return false;
    }
    if (box->conf.workers == 0) {
        box->conf.workers = cores();
    }
    return check_values(box, complaint);
}

enum conf_outcome conf_load(int argc, char **argv, char **envp, struct conf **ret, FILE *out,
                            FILE *err_out) {
    struct buf text;
    struct buf complaint;
    struct buf notes;
    buf_init(&text, 0);
    buf_init(&complaint, 0);
    buf_init(&notes, 0);
    struct flags flags = {0};
    struct conf_box *box = NEW(struct conf_box);
    enum conf_outcome outcome = CONF_EXIT_ERROR;

    if (!read_flags(argc, argv, &flags, &complaint)) {
        goto out;
    }
    if (answer_early(&flags, &text, &complaint)) {
        outcome = complaint.n ? CONF_EXIT_ERROR : CONF_EXIT_OK;
        goto out;
    }
    if (!gather(box, &flags, envp, &complaint, &notes)) {
        goto out;
    }
    if (flags.actions[ACTION_PRINT_CONFIG]) {
        print_config(&text, box);
        outcome = CONF_EXIT_OK;
        goto out;
    }
    if (check_start(box, &complaint)) {
        outcome = CONF_RUN;
        *ret = &box->conf;
        box = NULL;
    }
out:
    write_all(err_out, "collabd: ", &notes);
    write_all(err_out, "collabd: ", &complaint);
    write_all(out, "", &text);
    buf_fini(&notes);
    buf_fini(&complaint);
    buf_fini(&text);
    conf_free(box ? &box->conf : NULL);
    return outcome;
}

bool conf_load_unserved(int argc, char **argv, char **envp, struct conf **ret, FILE *err_out) {
    struct buf complaint;
    struct buf notes;
    buf_init(&complaint, 0);
    buf_init(&notes, 0);
    struct flags flags = {0};
    struct conf_box *box = NEW(struct conf_box);
    bool right =
        read_flags(argc, argv, &flags, &complaint) && gather(box, &flags, envp, &complaint, &notes);
    if (right) {
        *ret = &box->conf;
        box = NULL;
    }
    write_all(err_out, "collabd: ", &notes);
    write_all(err_out, "collabd: ", &complaint);
    buf_fini(&notes);
    buf_fini(&complaint);
    conf_free(box ? &box->conf : NULL);
    return right;
}
