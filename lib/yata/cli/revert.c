/* revert.c: the way back to an older state, as an update. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define CLIENT_MAX ((UINT64_C(1) << 53) - 1)

static bool is_known(struct yata_doc *doc, uint64_t client, bool *ret_known) {
    const struct yata_clock *clocks;
    size_t n;
    if (yata_state_vector(doc, &clocks, &n) != YATA_OK) {
        complain("out of memory");
        return false;
    }
    *ret_known = false;
    for (size_t i = 0; i < n; i++) {
        *ret_known |= clocks[i].client == client;
    }
    return true;
}

/* Who writes: whom --client names, or somebody whom the document does not know. */
static bool find_client(const struct args *args, struct yata_doc *doc, uint64_t *ret) {
    const char *given = args->values[OPTION_CLIENT];
    if (given) {
        char *end;
        errno = 0;
        unsigned long long id = strtoull(given, &end, 10);
        if (*given < '0' || *given > '9' || *end || errno != 0 || id == 0 || id > CLIENT_MAX) {
            complain("--client %s: client ids are numbers from 1 to %llu", given,
                     (unsigned long long)CLIENT_MAX);
            return false;
        }
        *ret = id;
        return true;
    }
    bool known = true;
    while (known) {
        uint32_t id;
        if (getrandom(&id, sizeof id, 0) != sizeof id) {
            complain("the system gives no random numbers; give --client");
            return false;
        }
        *ret = id;
        known = true;
        if (id != 0 && !is_known(doc, id, &known)) {
            return false;
        }
    }
    return true;
}

/* The edits, as one update; of no bytes when there are none. */
static bool revert(struct yata_doc *doc, const struct input *past, enum yata_format format,
                   struct yata_bytes *ret) {
    struct yata_error why = {0};
    yata_begin(doc);
    enum yata_status status = yata_revert_to_state(doc, past->format, past->p, past->n, &why);
    enum yata_status committed = yata_commit_as(doc, format, ret);
    if (status != YATA_OK) {
        complain("%s: %s", past->name, why.what);
        yata_bytes_fini(ret);
        return false;
    }
    if (committed == YATA_OK && ret->n == 0) {
        yata_bytes_fini(ret);
        committed = yata_merge_updates(format, NULL, 0, ret, NULL);
    }
    if (committed != YATA_OK) {
        complain("out of memory");
    }
    return committed == YATA_OK;
}

int run_revert(const struct args *args) {
    struct input past = {0};
    struct yata_bytes out = {0};
    uint64_t client;
    enum yata_format format;
    int code = EXIT_BAD;
    if (!output_takes_bytes(args)) {
        return EXIT_USAGE;
    }
    struct yata_doc *doc = document_read(args, &format);
    if (!doc || !input_read_update(args, args->values[OPTION_PAST], &past) ||
        !find_client(args, doc, &client)) {
        goto out;
    }
    (void)yata_set_client(doc, client);
    if (revert(doc, &past, args->given[OPTION_TO] ? args->to : format, &out)) {
        code = output_write(args, out.p, out.n) ? EXIT_GOOD : EXIT_BAD;
    }
out:
    yata_bytes_fini(&out);
    input_free(&past);
    yata_doc_free(doc);
    return code;
}
