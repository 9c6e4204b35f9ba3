/* transform.c: updates in, bytes out. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static const char *text_of(enum yata_status status) {
    return status == YATA_NOMEM ? "out of memory" : "refused, though it was well-formed";
}

/* Writes what a call handed out, or says why it failed. */
static int finish(const struct args *args, const struct input *in, enum yata_status status,
                  struct yata_bytes *out) {
    if (status != YATA_OK) {
        complain("%s: %s", in->name, text_of(status));
        return EXIT_BAD;
    }
    bool good = output_write(args, out->p, out->n);
    yata_bytes_fini(out);
    return good ? EXIT_GOOD : EXIT_BAD;
}

/* Makes the input one of the format. */
static bool convert(struct input *in, enum yata_format to) {
    if (in->format == to) {
        return true;
    }
    struct yata_bytes out = {0};
    enum yata_status status = yata_convert_update(in->format, to, in->p, in->n, &out, NULL);
    if (status != YATA_OK) {
        complain("%s: %s", in->name, text_of(status));
        return false;
    }
    free(in->p);
    *in = (struct input){.name = in->name, .p = out.p, .n = out.n, .format = to};
    return true;
}

/* ---- merge ---------------------------------------------------------------------------------- */

static bool read_inputs(const struct args *args, struct input *in, struct yata_slice *slices) {
    for (size_t i = 0; i < args->file_count; i++) {
        if (!input_read_update(args, args->files[i], &in[i])) {
            return false;
        }
        if (!convert(&in[i], args->given[OPTION_TO] ? args->to : in[0].format)) {
            return false;
        }
        slices[i] = (struct yata_slice){.p = in[i].p, .n = in[i].n};
    }
    return true;
}

int run_merge(const struct args *args) {
    if (!output_takes_bytes(args)) {
        return EXIT_USAGE;
    }
    int code = EXIT_BAD;
    struct input *in = calloc(args->file_count, sizeof *in);
    struct yata_slice *slices = calloc(args->file_count, sizeof *slices);
    if (!in || !slices) {
        complain("out of memory");
    } else if (read_inputs(args, in, slices)) {
        struct yata_bytes out = {0};
        enum yata_status status =
            yata_merge_updates(in[0].format, slices, args->file_count, &out, NULL);
        code = finish(args, &in[0], status, &out);
    }
    for (size_t i = 0; in && i < args->file_count; i++) {
        input_free(&in[i]);
    }
    free(in);
    free(slices);
    return code;
}

/* ---- diff ----------------------------------------------------------------------------------- */

/* The state vector of who lacks something. */
static bool read_since(const struct args *args, struct yata_bytes *ret) {
    struct input in;
    if (args->given[OPTION_SINCE]) {
        if (!input_read_update(args, args->values[OPTION_SINCE], &in)) {
            return false;
        }
        enum yata_status status =
            yata_state_vector_from_update_as(in.format, in.p, in.n, ret, NULL);
        if (status != YATA_OK) {
            complain("%s: %s", in.name, text_of(status));
        }
        input_free(&in);
        return status == YATA_OK;
    }
    if (!input_read(args->values[OPTION_SINCE_VECTOR], &in)) {
        return false;
    }
    struct yata_error why;
    if (!input_is_state_vector(&in, &why)) {
        complain("%s: byte %zu: %s", in.name, why.at, why.what);
        complain("a state vector is what yata state-vector writes, or Y.encodeStateVector; for an "
                 "update, use --since");
        input_free(&in);
        return false;
    }
    *ret = (struct yata_bytes){.p = in.p, .n = in.n};
    return true;
}

int run_diff(const struct args *args) {
    if (!output_takes_bytes(args)) {
        return EXIT_USAGE;
    }
    struct yata_bytes since = {0}, out = {0};
    struct input in = {0};
    int code = EXIT_BAD;
    if (input_read_update(args, args->files[0], &in) && read_since(args, &since) &&
        convert(&in, args->given[OPTION_TO] ? args->to : in.format)) {
        enum yata_status status =
            yata_diff_update(in.format, in.p, in.n, since.p, since.n, &out, NULL);
        code = finish(args, &in, status, &out);
    }
    yata_bytes_fini(&since);
    input_free(&in);
    return code;
}

/* ---- convert, state-vector ------------------------------------------------------------------ */

int run_convert(const struct args *args) {
    struct input in;
    if (!output_takes_bytes(args)) {
        return EXIT_USAGE;
    }
    if (!input_read_update(args, args->files[0], &in)) {
        return EXIT_BAD;
    }
    enum yata_format other = in.format == YATA_V1 ? YATA_V2 : YATA_V1;
    bool good =
        convert(&in, args->given[OPTION_TO] ? args->to : other) && output_write(args, in.p, in.n);
    input_free(&in);
    return good ? EXIT_GOOD : EXIT_BAD;
}

static bool list_clocks(const struct args *args, const struct yata_bytes *vector) {
    struct yata_clock *clocks;
    size_t n;
    char *text = NULL;
    size_t text_bytes = 0;
    FILE *f = open_memstream(&text, &text_bytes);
    if (!f || yata_decode_state_vector(vector->p, vector->n, &clocks, &n, NULL) != YATA_OK) {
        complain("out of memory");
        if (f) {
            (void)fclose(f);
        }
        free(text);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        (void)fprintf(f, "%llu %llu\n", (unsigned long long)clocks[i].client,
                      (unsigned long long)clocks[i].clock);
    }
    free(clocks);
    bool good = fclose(f) == 0 && output_write(args, text, text_bytes);
    free(text);
    return good;
}

int run_state_vector(const struct args *args) {
    struct input in;
    struct yata_bytes vector = {0};
    if (!args->given[OPTION_LIST] && !output_takes_bytes(args)) {
        complain("or --list, which prints the state vector for people");
        return EXIT_USAGE;
    }
    if (!input_read_update(args, args->files[0], &in)) {
        return EXIT_BAD;
    }
    enum yata_status status =
        yata_state_vector_from_update_as(in.format, in.p, in.n, &vector, NULL);
    int code;
    if (status == YATA_OK && args->given[OPTION_LIST]) {
        code = list_clocks(args, &vector) ? EXIT_GOOD : EXIT_BAD;
        yata_bytes_fini(&vector);
    } else {
        code = finish(args, &in, status, &vector);
    }
    input_free(&in);
    return code;
}
