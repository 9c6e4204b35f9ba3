/* document.c: files applied to one document, and what that holds. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum yata_type_kind kind;
} kinds[] = {
    {"text", YATA_TEXT},
    {"array", YATA_ARRAY},
    {"map", YATA_MAP},
    {"xml", YATA_XML_FRAGMENT},
};

#define KIND_COUNT (sizeof kinds / sizeof *kinds)

/* ---- the document --------------------------------------------------------------------------- */

static bool apply_file(const struct args *args, struct yata_doc *doc, const char *path,
                       enum yata_format *ret) {
    struct input in;
    struct yata_error why = {0};
    if (!input_read_update(args, path, &in)) {
        return false;
    }
    *ret = in.format;
    enum yata_status status = yata_apply_as(doc, in.format, in.p, in.n, NULL, &why);
    if (status == YATA_NOMEM) {
        complain("%s: out of memory", in.name);
    } else if (status != YATA_OK) {
        complain("%s: byte %zu: %s", in.name, why.at, why.what);
    }
    input_free(&in);
    return status == YATA_OK;
}

struct yata_doc *document_read(const struct args *args, enum yata_format *ret_first) {
    enum yata_format other;
    struct yata_options unlimited = {.max_pending_bytes = SIZE_MAX / 2,
                                     .max_clients = SIZE_MAX / 2};
    struct yata_doc *doc = yata_doc_new(&unlimited);
    if (!doc) {
        complain("out of memory");
        return NULL;
    }
    for (size_t i = 0; i < args->file_count; i++) {
        if (!apply_file(args, doc, args->files[i], i == 0 ? ret_first : &other)) {
            yata_doc_free(doc);
            return NULL;
        }
    }
    struct yata_stats stats;
    yata_stats(doc, &stats);
    if (stats.pending_bytes > 0) {
        complain("%zu bytes wait for updates that are in none of the files, and are not shown",
                 stats.pending_bytes);
    }
    return doc;
}

/* ---- a root type ---------------------------------------------------------------------------- */

static void complain_of_roots(const struct yata_doc *doc, const char *what) {
    struct yata_roots roots = {0};
    struct yata_slice name;
    struct yata_type type;
    complain("%s; give --root NAME, or --root NAME:KIND when it is another kind. There are:", what);
    while (yata_roots_next(doc, &roots, &name, &type)) {
        enum yata_type_kind kind;
        const char *word = "xml";
        if (yata_root_guess(doc, type, &kind) != YATA_OK) {
            continue;
        }
        for (size_t i = 0; i < KIND_COUNT; i++) {
            word = kinds[i].kind == kind ? kinds[i].name : word;
        }
        complain("  %.*s (%s)", (int)name.n, (const char *)name.p, word);
    }
}

/* Cuts ":KIND" off the name, if it ends so. */
static size_t cut_kind(const char *root, bool *ret_given, enum yata_type_kind *ret) {
    const char *colon = strrchr(root, ':');
    for (size_t i = 0; colon && i < KIND_COUNT; i++) {
        if (strcmp(colon + 1, kinds[i].name) == 0) {
            *ret_given = true;
            *ret = kinds[i].kind;
            return (size_t)(colon - root);
        }
    }
    *ret_given = false;
    return strlen(root);
}

/* The root type that --root names. */
static bool find_root(const struct args *args, const struct yata_doc *doc,
                      struct yata_root_as *ret) {
    const char *root = args->values[OPTION_ROOT];
    bool given;
    size_t n = cut_kind(root, &given, &ret->as);
    struct yata_roots roots = {0};
    struct yata_slice name;
    while (yata_roots_next(doc, &roots, &name, &ret->type)) {
        if (name.n == n && memcmp(name.p, root, n) == 0) {
            return given || yata_root_guess(doc, ret->type, &ret->as) == YATA_OK;
        }
    }
    complain_of_roots(doc, "there is no such root type");
    return false;
}

/* The only text, or XML, among the root types. */
static bool find_only_text(const struct yata_doc *doc, struct yata_root_as *ret) {
    struct yata_roots roots = {0};
    struct yata_slice name;
    struct yata_root_as x;
    size_t count = 0;
    while (yata_roots_next(doc, &roots, &name, &x.type)) {
        if (yata_root_guess(doc, x.type, &x.as) == YATA_OK && x.as != YATA_ARRAY &&
            x.as != YATA_MAP) {
            *ret = x;
            count++;
        }
    }
    if (count != 1) {
        complain_of_roots(doc, count == 0 ? "no root type is a text" : "several are texts");
    }
    return count == 1;
}

static bool find_text(const struct args *args, const struct yata_doc *doc,
                      struct yata_root_as *ret) {
    if (!args->given[OPTION_ROOT]) {
        return find_only_text(doc, ret);
    }
    if (!find_root(args, doc, ret)) {
        return false;
    }
    bool text = ret->as != YATA_ARRAY && ret->as != YATA_MAP;
    if (!text) {
        complain("%s is %s: yata json shows it", args->values[OPTION_ROOT],
                 ret->as == YATA_MAP ? "a map" : "an array");
    }
    return text;
}

/* ---- the commands --------------------------------------------------------------------------- */

static int write_out(const struct args *args, enum yata_status status, struct yata_bytes *out) {
    if (status != YATA_OK) {
        complain("the document cannot be shown: %s",
                 status == YATA_NOMEM ? "out of memory" : "the root type is of another kind");
        return EXIT_BAD;
    }
    bool good = output_write(args, out->p, out->n);
    yata_bytes_fini(out);
    return good ? EXIT_GOOD : EXIT_BAD;
}

/* JSON ends with a line break, as text files do. */
static enum yata_status add_line_break(struct yata_bytes *out) {
    uint8_t *p = realloc(out->p, out->n + 1);
    if (!p) {
        yata_bytes_fini(out);
        return YATA_NOMEM;
    }
    p[out->n] = '\n';
    *out = (struct yata_bytes){.p = p, .n = out->n + 1, .cap = out->n + 1};
    return YATA_OK;
}

int run_json(const struct args *args) {
    enum yata_format format;
    struct yata_doc *doc = document_read(args, &format);
    struct yata_root_as root;
    struct yata_bytes out = {0};
    int code = EXIT_BAD;
    bool one = args->given[OPTION_ROOT];
    if (doc && (!one || find_root(args, doc, &root))) {
        enum yata_status status = one ? yata_type_to_json(doc, root.type, root.as, &out)
                                      : yata_doc_to_json(doc, NULL, 0, &out);
        status = status == YATA_OK ? add_line_break(&out) : status;
        code = write_out(args, status, &out);
    }
    yata_doc_free(doc);
    return code;
}

int run_text(const struct args *args) {
    enum yata_format format;
    struct yata_doc *doc = document_read(args, &format);
    struct yata_root_as root;
    struct yata_bytes out = {0};
    int code = EXIT_BAD;
    if (doc && find_text(args, doc, &root)) {
        code = write_out(args, yata_type_to_string(doc, root.type, root.as, &out), &out);
    }
    yata_doc_free(doc);
    return code;
}
