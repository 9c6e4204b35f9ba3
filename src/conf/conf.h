/* conf.h: the options of one run: parsed once, immutable afterwards.
 *
 * Sources, later ones win: defaults, the file of --config or COLLAB_CONFIG, environment, flags. All
 * options are rows of options.def.
 *
 * Thread: any, after conf_load. Memory: the caller owns what conf_load returns; texts live as long.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

#define CONF_TYPE_UINT   unsigned
#define CONF_TYPE_SIZE   size_t
#define CONF_TYPE_BOOL   bool
#define CONF_TYPE_TEXT   const char *
#define CONF_TYPE_CHOICE unsigned

/* One field per row of options.def. */
struct conf {
#define OPTION(field, flag, env, type, ...) CONF_TYPE_##type field;
#include "conf/options.def"
#undef OPTION
};

enum conf_outcome {
    CONF_RUN,       /* *ret is set: go on */
    CONF_EXIT_OK,   /* something was asked for and printed to `out`: leave with 0 */
    CONF_EXIT_ERROR /* what is wrong, and what would be right, was printed to `err_out` */
};

/* Reads all sources, checks every value, answers --help and the like. `ret` is touched only with
 * CONF_RUN. */
NODISCARD enum conf_outcome conf_load(int argc, char **argv, char **envp, struct conf **ret,
                                      FILE *out, FILE *err_out);
/* The same for a program that does not serve: no actions but --config, and no questions that only
 * whoever serves has to answer. False when something is wrong; that was printed to `err_out`. */
NODISCARD bool conf_load_unserved(int argc, char **argv, char **envp, struct conf **ret,
                                  FILE *err_out);
/* NULL is a no-op. */
void conf_free(struct conf *);

#endif
