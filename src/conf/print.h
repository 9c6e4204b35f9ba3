/* print.h: everything that is generated from the table of options.
 *
 * Inside conf/ only. Thread: one, at start. Pure.
 */
#ifndef CONF_PRINT_H
#define CONF_PRINT_H

#include "conf/option.h"

void print_help(struct buf *);
void print_version(struct buf *);
/* All options of this run as a file for --config, each with where it came from; secrets masked. */
void print_config(struct buf *, const struct conf_box *);
/* False when there is no completion for that shell. */
bool print_completion(struct buf *, const char *shell);
void print_man(struct buf *);
/* docs/configuration.md */
void print_docs(struct buf *);

#endif
