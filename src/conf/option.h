/* option.h: the rows of options.def as data: find one, read a value into it, show it.
 *
 * Inside conf/ only. Thread: one, at start. Pure but for the memory of texts.
 */
#ifndef CONF_OPTION_H
#define CONF_OPTION_H

#include <stdint.h>

#include "base/buf.h"
#include "conf/conf.h"

enum option_id {
#define OPTION(field, ...) OPT_##field,
#include "conf/options.def"
#undef OPTION
    OPT_COUNT
};

enum option_type { TYPE_UINT, TYPE_SIZE, TYPE_BOOL, TYPE_TEXT, TYPE_CHOICE };

struct option {
    const char *flag;
    const char *env;
    enum option_type type;
    size_t offset;    /* of the field in struct conf */
    uint64_t number;  /* the default of numbers */
    const char *text; /* the default of texts, or NULL */
    uint64_t least;
    uint64_t most;
    const char *words; /* CHOICE: a|b|c; others: a word for the value */
    bool reloadable;   /* a change takes effect without a new start */
    bool secret;
    const char *group;
    const char *help;
};

enum source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENV, SOURCE_FLAG };

/* A conf with what its owner alone needs. */
struct conf_box {
    struct conf conf; /* first: struct conf * and struct conf_box * convert */
    char *texts[OPT_COUNT];
    enum source from[OPT_COUNT];
    unsigned line[OPT_COUNT]; /* SOURCE_FILE */
    char *file;               /* the file that was read, or NULL */
};

const struct option *option_get(enum option_id);
/* The option of that flag (without dashes), or OPT_COUNT. */
enum option_id option_find(slice flag);
/* Sets the default. */
void option_reset(struct conf_box *, enum option_id);
/* Reads `value` into the option. False when it is wrong: nothing is set, and `why` has a few words.
 */
bool option_set(struct conf_box *, enum option_id, const char *value, struct buf *why);
/* What would be right, as words to follow "it takes". */
void option_put_rule(struct buf *, const struct option *);
/* The default or the present value, as it would be written; "" for a text that is not set. */
void option_put_default(struct buf *, const struct option *);
void option_put_value(struct buf *, const struct conf *, const struct option *);
/* How many single-character edits lead from one name to the other. */
size_t option_distance(slice, slice);

#endif
