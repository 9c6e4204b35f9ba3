/* read.h: the three sources besides defaults: flags, environment, file.
 *
 * Inside conf/ only. Thread: one, at start.
 */
#ifndef CONF_READ_H
#define CONF_READ_H

#include "conf/option.h"

/* What a run may be asked to do instead of serving: flag, word for its value or NULL, shown in
 * --help, help. */
#define ACTION_TABLE(X)                                                                            \
    X(HELP, "help", NULL, true, "Print this and leave.")                                           \
    X(VERSION, "version", NULL, true, "Print the version and leave.")                              \
    X(CONFIG, "config", "FILE", true,                                                              \
      "Read options from FILE: lines of `name = value`, # starts a comment. Also COLLAB_CONFIG.")  \
    X(PRINT_CONFIG, "print-config", NULL, true,                                                    \
      "Print every option, its value and where that came from, and leave.")                        \
    X(PRINT_COMPLETION, "print-completion", "SHELL", false, "Print completion for bash or zsh.")   \
    X(PRINT_MAN, "print-man", NULL, false, "Print the manual page.")                               \
    X(PRINT_DOCS, "print-docs", NULL, false, "Print docs/configuration.md.")

enum action {
#define X(sym, ...) ACTION_##sym,
    ACTION_TABLE(X)
#undef X
        ACTION_COUNT
};

struct action_row {
    const char *flag;
    const char *word;
    bool shown;
    const char *help;
};

const struct action_row *action_get(enum action);

/* The command line, looked through but not yet judged. Values are borrowed from argv. */
struct flags {
    const char *values[OPT_COUNT]; /* NULL: not given */
    const char *actions[ACTION_COUNT];
};

/* All of these return false when something is wrong, with a whole message in `complaint`. */
bool read_flags(int argc, char **argv, struct flags *ret, struct buf *complaint);
bool read_file(struct conf_box *, const char *path, struct buf *complaint);
/* Misspelt COLLAB_ variables are noted in `notes`; they are no error, as other programs have such.
 */
bool read_env(struct conf_box *, char **envp, struct buf *complaint, struct buf *notes);
bool apply_flags(struct conf_box *, const struct flags *, struct buf *complaint);
/* The value of a variable, or NULL when it is missing or empty. */
const char *env_get(char **envp, const char *name);

/* Appends "--port 99999" or the like: the option as its source gave it. */
void put_given(struct buf *, const struct conf_box *, enum option_id, const char *value);

#endif
