/* verify.c: is a file a well-formed update, and does it need others? */
#include "cli.h"

/* What waits when the update is applied to an empty document, in bytes. */
static enum yata_status waiting_bytes(const struct input *in, size_t *ret, struct yata_stats *stats,
                                      struct yata_error *why) {
    struct yata_options open = {
        .strict = true, .max_pending_bytes = SIZE_MAX / 2, .max_clients = SIZE_MAX / 2};
    struct yata_doc *doc = yata_doc_new(&open);
    if (!doc) {
        return YATA_NOMEM;
    }
    enum yata_status status = yata_apply_as(doc, in->format, in->p, in->n, NULL, why);
    if (status == YATA_OK) {
        yata_stats(doc, stats);
        *ret = stats->pending_bytes;
    }
    yata_doc_free(doc);
    return status;
}

static int verify(const struct args *args, const struct input *in) {
    struct yata_error why;
    struct yata_stats stats;
    size_t waiting;
    enum yata_status status = waiting_bytes(in, &waiting, &stats, &why);
    if (status == YATA_NOMEM) {
        complain("%s: out of memory", in->name);
        return EXIT_BAD;
    }
    if (status != YATA_OK) {
        complain("%s: byte %zu: %s", in->name, why.at, why.what);
        return EXIT_BAD;
    }
    if (waiting > 0 && args->given[OPTION_COMPLETE]) {
        complain("%s: well-formed, but %zu bytes of it wait for other updates; yata merge it with "
                 "those",
                 in->name, waiting);
        return EXIT_BAD;
    }
    if (args->given[OPTION_QUIET]) {
        return EXIT_GOOD;
    }
    (void)printf("%s: good, format %s", in->name, format_name(in->format));
    if (waiting > 0) {
        (void)printf(", but %zu bytes wait for other updates\n", waiting);
    } else {
        (void)printf(", complete\n");
    }
    return EXIT_GOOD;
}

int run_verify(const struct args *args) {
    int code = EXIT_GOOD;
    for (size_t i = 0; i < args->file_count; i++) {
        struct input in;
        if (!input_read_update(args, args->files[i], &in)) {
            code = EXIT_BAD;
            continue;
        }
        if (verify(args, &in) != EXIT_GOOD) {
            code = EXIT_BAD;
        }
        input_free(&in);
    }
    return code;
}
