/* inspect.c: what update files hold, for people and as JSON. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>

/* An update taken apart. */
struct parts {
    struct yata_struct *structs;
    size_t struct_count;
    struct yata_update_range *deletions;
    size_t deletion_count;
};

static const char *const kind_names[] = {
    [YATA_GC] = "collected",  [YATA_DELETED] = "deleted", [YATA_JSON] = "JSON",
    [YATA_BINARY] = "binary", [YATA_STRING] = "text",     [YATA_EMBED] = "embed",
    [YATA_FORMAT] = "format", [YATA_TYPE] = "type",       [YATA_ANY] = "value",
    [YATA_SUBDOC] = "subdoc", [YATA_SKIP] = "hole",
};

#define KIND_COUNT (sizeof kind_names / sizeof *kind_names)

/* The structs of one client: [first, end) of the array. */
struct section {
    size_t first, end;
    uint64_t from, to; /* clocks */
    size_t holes;
};

/* Sets the section that starts at `first`. */
static struct section section_at(const struct parts *u, size_t first) {
    const struct yata_struct *s = &u->structs[first];
    struct section c = {.first = first, .end = first, .from = s->clock};
    while (c.end < u->struct_count && u->structs[c.end].client == s->client) {
        const struct yata_struct *x = &u->structs[c.end++];
        c.to = x->clock + x->length;
        c.holes += x->kind == YATA_SKIP;
    }
    return c;
}

static size_t count_clients(const struct parts *u) {
    size_t n = 0;
    for (size_t i = 0; i < u->struct_count; i = section_at(u, i).end) {
        n++;
    }
    return n;
}

static const char *plural(size_t n) {
    return n == 1 ? "" : "s";
}

/* ---- for people ----------------------------------------------------------------------------- */

static void print_kinds(const struct parts *u) {
    size_t of_kind[KIND_COUNT] = {0};
    for (size_t i = 0; i < u->struct_count; i++) {
        of_kind[u->structs[i].kind]++;
    }
    const char *before = ": ";
    for (size_t k = 0; k < KIND_COUNT; k++) {
        if (of_kind[k] > 0) {
            (void)printf("%s%zu %s", before, of_kind[k], kind_names[k]);
            before = ", ";
        }
    }
    (void)putchar('\n');
}

static void print_section(const struct parts *u, const struct section *c, bool each) {
    (void)printf("  client %" PRIu64 ": clocks [%" PRIu64 ", %" PRIu64 ") in %zu struct%s",
                 u->structs[c->first].client, c->from, c->to, c->end - c->first,
                 plural(c->end - c->first));
    if (c->holes > 0) {
        (void)printf(", %zu of them hole%s", c->holes, plural(c->holes));
    }
    (void)putchar('\n');
    for (size_t i = c->first; each && i < c->end; i++) {
        const struct yata_struct *s = &u->structs[i];
        (void)printf("    [%" PRIu64 ", %" PRIu64 ") %s\n", s->clock, s->clock + s->length,
                     kind_names[s->kind]);
    }
}

static void print_people(const struct input *in, const struct parts *u, bool each) {
    size_t clients = count_clients(u);
    (void)printf("%s: update of format %s, %zu byte%s\n", in->name, format_name(in->format), in->n,
                 plural(in->n));
    (void)printf("  %zu struct%s of %zu client%s", u->struct_count, plural(u->struct_count),
                 clients, plural(clients));
    print_kinds(u);
    for (size_t i = 0; i < u->struct_count;) {
        struct section c = section_at(u, i);
        print_section(u, &c, each);
        i = c.end;
    }
    for (size_t i = 0; i < u->deletion_count; i++) {
        const struct yata_update_range *r = &u->deletions[i];
        (void)printf("  deletes of client %" PRIu64 ": clocks [%" PRIu64 ", %" PRIu64 ")\n",
                     r->client, r->from, r->to);
    }
}

/* ---- as JSON -------------------------------------------------------------------------------- */

static void print_json(const struct input *in, const struct parts *u) {
    (void)fputs("{\"file\":", stdout);
    put_json_string(stdout, in->name);
    (void)printf(",\"format\":\"%s\",\"bytes\":%zu,\"structs\":[", format_name(in->format), in->n);
    for (size_t i = 0; i < u->struct_count; i++) {
        const struct yata_struct *s = &u->structs[i];
        (void)printf("%s{\"client\":%" PRIu64 ",\"from\":%" PRIu64 ",\"to\":%" PRIu64
                     ",\"kind\":\"%s\"}",
                     i ? "," : "", s->client, s->clock, s->clock + s->length, kind_names[s->kind]);
    }
    (void)fputs("],\"deletions\":[", stdout);
    for (size_t i = 0; i < u->deletion_count; i++) {
        const struct yata_update_range *r = &u->deletions[i];
        (void)printf("%s{\"client\":%" PRIu64 ",\"from\":%" PRIu64 ",\"to\":%" PRIu64 "}",
                     i ? "," : "", r->client, r->from, r->to);
    }
    (void)puts("]}");
}

/* ---- the command ---------------------------------------------------------------------------- */

static bool inspect(const struct args *args, const struct input *in) {
    struct parts u = {0};
    bool good = yata_update_structs(in->format, in->p, in->n, &u.structs, &u.struct_count, NULL) ==
                    YATA_OK &&
                yata_update_deletions(in->format, in->p, in->n, &u.deletions, &u.deletion_count,
                                      NULL) == YATA_OK;
    if (!good) {
        complain("%s: out of memory", in->name);
    } else if (args->given[OPTION_AS_JSON]) {
        print_json(in, &u);
    } else {
        print_people(in, &u, args->given[OPTION_STRUCTS]);
    }
    free(u.structs);
    free(u.deletions);
    return good;
}

int run_inspect(const struct args *args) {
    int code = EXIT_GOOD;
    for (size_t i = 0; i < args->file_count; i++) {
        struct input in;
        if (!input_read_update(args, args->files[i], &in)) {
            code = EXIT_BAD;
            continue;
        }
        if (!inspect(args, &in)) {
            code = EXIT_BAD;
        }
        input_free(&in);
    }
    return code;
}
