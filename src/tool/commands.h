/* commands.h: what the commands are called with. Inside tool/ only. Thread: main. */
#ifndef TOOL_COMMANDS_H
#define TOOL_COMMANDS_H

#include "tool/link.h"

enum { EXIT_GOOD = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

struct args {
    const char *data;
    const char **names; /* what is no option */
    unsigned count;
    bool v2;          /* the format of update files; else V1 */
    const char *room; /* --room, or NULL */
};

/* Writes a line to standard error, with the program's name before it. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Exit codes come back. */
int run_list(struct link *, const struct args *);
int run_verify(struct link *, const struct args *);
int run_dump(struct link *, const struct args *);
int run_compact(struct link *, const struct args *);
int run_export(struct link *, const struct args *);
int run_import(struct link *, const struct args *);
int run_backup(struct link *, const struct args *);

/* ---- names.c ---- */

/* All rooms of the store, sorted by name; of a room that is in both files one entry has all. Or
 * those that are named in the arguments from `from` on. */
struct names {
    struct store_listed *rooms;
    size_t count;
};

enum err names_get(struct link *, const struct args *, unsigned from, struct names *ret);
void names_fini(struct names *);

#endif
