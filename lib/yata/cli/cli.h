/* cli.h: the command `yata`, which does to files what libyata does to bytes.
 *
 * One command per run: the command line is parsed by the table in options.def (args.c), inputs are
 * read whole and their format is found out (input.c), the command (transform.c, inspect.c,
 * document.c, revert.c, verify.c) makes bytes, and these are written at the end (output.c). It uses
 * nothing but yata.h.
 *
 * Thread: one. Memory: a run owns its inputs; main frees all.
 */
#ifndef YATA_CLI_H
#define YATA_CLI_H

#include <stdio.h>

#include "yata.h"

enum command {
#define COMMAND(sym, ...) COMMAND_##sym,
#include "options.def"
#undef COMMAND
    COMMAND_COUNT,
};

enum option_id {
#define OPTION(sym, ...) OPTION_##sym,
#include "options.def"
#undef OPTION
    OPTION_COUNT,
};

enum { EXIT_GOOD = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

struct command_row {
    const char *name;
    const char *operands;
    size_t fewest, most;
    const char *summary;
    const char *more;
};

struct option_row {
    char letter; /* 0: none */
    const char *name;
    const char *word;  /* of the value; NULL: takes none */
    unsigned commands; /* bits of those that take it, and that of none */
    const char *help;
};

struct exit_row {
    int code;
    const char *when;
};

extern const struct command_row commands[COMMAND_COUNT];
extern const struct option_row options[OPTION_COUNT];

/* Whether an option may be given to a command; COMMAND_COUNT: to none. */
bool option_fits(const struct option_row *, enum command);
/* Whether every command takes it. */
bool option_is_common(const struct option_row *);

/* ---- args.c --------------------------------------------------------------------------------- */

/* The command line, judged. Borrows from argv. */
struct args {
    enum command command; /* COMMAND_COUNT: none, only --help and the like */
    bool given[OPTION_COUNT];
    const char *values[OPTION_COUNT];
    char **files;
    size_t file_count;
    enum yata_format to; /* when OPTION_TO is given */
};

/* False when it is wrong, which has been said. */
bool args_parse(int argc, char **argv, struct args *ret);

/* ---- print.c -------------------------------------------------------------------------------- */

/* `command` is COMMAND_COUNT for help on all. */
void print_help(FILE *, enum command);
void print_man(FILE *);
/* False when there is none for that shell. */
bool print_completion(FILE *, const char *shell);

/* ---- input.c -------------------------------------------------------------------------------- */

/* "yata: " and the message on standard error. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

struct input {
    const char *name; /* for messages */
    uint8_t *p;
    size_t n;
    enum yata_format format;
};

/* "V1", "V2" */
const char *format_name(enum yata_format);
/* Reads a file, "-" for standard input, whole. False when it cannot, which has been said. */
bool input_read(const char *path, struct input *ret);
/* The same for an update: finds its format and checks it, unless --v1 or --v2 say which it is. */
bool input_read_update(const struct args *, const char *path, struct input *ret);
/* Whether the bytes are a state vector up to the last one; if not, why. `ret_why` may be NULL. */
bool input_is_state_vector(const struct input *, struct yata_error *ret_why);
void input_free(struct input *);

/* ---- output.c ------------------------------------------------------------------------------- */

/* Whether bytes may be written where --output says: false for a terminal, which has been said. */
bool output_takes_bytes(const struct args *);
/* Writes where --output says, wholly or not at all if that is a file. */
bool output_write(const struct args *, const void *p, size_t n);
/* A name as a JSON string. */
void put_json_string(FILE *, const char *);

/* ---- document.c ----------------------------------------------------------------------------- */

/* All files in one document, and the format of the first. NULL when something is wrong, which has
 * been said. */
struct yata_doc *document_read(const struct args *, enum yata_format *ret_first);

/* ---- the commands; each returns the exit code ----------------------------------------------- */

int run_inspect(const struct args *);
int run_merge(const struct args *);
int run_diff(const struct args *);
int run_convert(const struct args *);
int run_state_vector(const struct args *);
int run_json(const struct args *);
int run_text(const struct args *);
int run_verify(const struct args *);
int run_revert(const struct args *);

#endif
