/* rooms.c: the commands that look at rooms: list, verify, dump, compact. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tool/commands.h"
#include "tool/document.h"
#include "tool/progress.h"

/* ---- list ---- */

static void print_time(uint64_t ms) {
    char text[40] = "-";
    time_t t = (time_t)(ms / 1000);
    struct tm parts;
    if (ms && gmtime_r(&t, &parts)) {
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    }
    (void)printf("%s", text);
}

int run_list(struct link *l, const struct args *args) {
    struct names names;
    enum err e = names_get(l, args, args->count, &names);
    if (e == ERR_OK) {
        (void)printf("version\tjournal\tbytes\tchanged\troom\n");
    }
    for (size_t i = 0; e == ERR_OK && i < names.count; i++) {
        const struct store_listed *one = &names.rooms[i];
        (void)printf("%llu\t%llu\t%llu\t", (unsigned long long)one->version,
                     (unsigned long long)one->rows, (unsigned long long)one->bytes);
        print_time(one->at_ms);
        (void)printf("\t%.*s\n", SLICE_FMT(frame_slice(one->room)));
    }
    names_fini(&names);
    return e == ERR_OK ? EXIT_GOOD : EXIT_BAD;
}

/* ---- verify ---- */

/* Reads the room and its versions, which checks the sums, and puts it together. */
static bool is_sound(struct link *l, slice room, char *why, size_t why_bytes) {
    struct stored_room stored;
    struct yata_doc *doc = document_read(l, room, &stored, why, why_bytes);
    yata_doc_free(doc);
    uint64_t versions = 0;
    if (doc && link_versions(l, room, &versions) != ERR_OK) {
        (void)snprintf(why, why_bytes, "%s", link_why(l));
        return false;
    }
    return doc != NULL;
}

/* A running server does not hold its writers up for so long. */
static bool check_files(struct link *l) {
    if (link_is_running(l)) {
        (void)fprintf(stderr,
                      "A server has the store: its rooms are checked, the files around them are "
                      "not. Verify a backup to have that, too.\n");
        return true;
    }
    bool sound = link_check(l) == ERR_OK;
    if (!sound) {
        (void)printf("damaged file\t%s\n", link_why(l));
    }
    return sound;
}

int run_verify(struct link *l, const struct args *args) {
    struct names names;
    char why[300] = "";
    size_t damaged = 0;
    bool files = check_files(l);
    enum err e = names_get(l, args, 0, &names);
    for (size_t i = 0; i < names.count; i++) {
        slice room = frame_slice(names.rooms[i].room);
        progress("%zu of %zu rooms verified, %zu damaged", i, names.count, damaged);
        if (!is_sound(l, room, why, sizeof why)) {
            progress_end();
            damaged++;
            (void)printf("damaged\t%.*s\t%s\n", SLICE_FMT(room), why);
        }
    }
    progress_end();
    if (e == ERR_OK) {
        (void)fprintf(stderr, "%zu rooms verified, %zu damaged\n", names.count, damaged);
    }
    names_fini(&names);
    return e == ERR_OK && files && damaged == 0 ? EXIT_GOOD : EXIT_BAD;
}

/* ---- dump ---- */

static bool print_json_text(const struct yata_doc *doc, struct yata_slice text) {
    const struct yata_value value = {.kind = YATA_VALUE_STRING, .bytes = text};
    struct yata_bytes out = {0};
    bool good = yata_value_to_json(doc, &value, &out) == YATA_OK;
    (void)fwrite(out.p, 1, out.n, stdout);
    yata_bytes_fini(&out);
    return good;
}

static bool print_root(const struct yata_doc *doc, struct yata_slice name, struct yata_type type,
                       bool first) {
    static const char *const kinds[] = {[YATA_ARRAY] = "array",
                                        [YATA_MAP] = "map",
                                        [YATA_TEXT] = "text",
                                        [YATA_XML_ELEMENT] = "xml-element",
                                        [YATA_XML_FRAGMENT] = "xml-fragment",
                                        [YATA_XML_HOOK] = "xml-hook",
                                        [YATA_XML_TEXT] = "xml-text"};
    enum yata_type_kind kind = YATA_MAP;
    struct yata_bytes value = {0};
    struct yata_bytes delta = {0};
    bool good = yata_root_guess(doc, type, &kind) == YATA_OK &&
                yata_type_to_json(doc, type, kind, &value) == YATA_OK;
    bool text = good && (kind == YATA_TEXT || kind == YATA_XML_TEXT);
    good = good && (!text || yata_text_to_delta_json(doc, type, &delta) == YATA_OK);
    if (good) {
        (void)printf("%s\n  ", first ? "" : ",");
        good = print_json_text(doc, name);
        (void)printf(": {\"type\": \"%s\", \"value\": %.*s", kinds[kind], (int)value.n,
                     (const char *)value.p);
        (void)printf(text ? ", \"delta\": %.*s}" : "}%.*s", (int)delta.n,
                     text ? (const char *)delta.p : "");
    }
    yata_bytes_fini(&value);
    yata_bytes_fini(&delta);
    return good;
}

static bool print_roots(const struct yata_doc *doc) {
    struct yata_roots at = {0};
    struct yata_slice name;
    struct yata_type type;
    bool first = true;
    bool good = true;
    while (good && yata_roots_next(doc, &at, &name, &type)) {
        good = print_root(doc, name, type, first);
        first = false;
    }
    return good;
}

int run_dump(struct link *l, const struct args *args) {
    struct stored_room stored;
    char why[300];
    slice room = slice_str(args->names[0]);
    struct yata_doc *doc = document_read(l, room, &stored, why, sizeof why);
    bool good = doc != NULL;
    if (good) {
        struct yata_stats stats;
        yata_stats(doc, &stats);
        (void)printf("{\"room\": ");
        good = print_json_text(doc, (struct yata_slice){.p = room.p, .n = room.n});
        (void)printf(", \"version\": %llu, \"snapshotBytes\": %zu, \"updates\": %llu, "
                     "\"waitingBytes\": %zu, \"types\": {",
                     (unsigned long long)stored.version, stored.snapshot.n,
                     (unsigned long long)stored.rows_count, stats.pending_bytes);
        good = good && print_roots(doc);
        (void)printf("\n}}\n");
    }
    if (!good) {
        complain("%s: %s", args->names[0], why);
    }
    yata_doc_free(doc);
    return good ? EXIT_GOOD : EXIT_BAD;
}

/* ---- compact ---- */

int run_compact(struct link *l, const struct args *args) {
    struct names names;
    size_t failed = 0;
    enum err e = names_get(l, args, 0, &names);
    for (size_t i = 0; i < names.count; i++) {
        slice room = frame_slice(names.rooms[i].room);
        progress("%zu of %zu rooms folded", i, names.count);
        if (names.rooms[i].rows > 0 && link_fold(l, room) != ERR_OK) {
            progress_end();
            failed++;
            complain("%.*s: %s", SLICE_FMT(room), link_why(l));
        }
    }
    progress_end();
    names_fini(&names);
    if (e == ERR_OK && link_shrink(l) != ERR_OK) {
        complain("the files cannot be shrunk: %s", link_why(l));
        e = ERR_STORE;
    }
    return e == ERR_OK && failed == 0 ? EXIT_GOOD : EXIT_BAD;
}
