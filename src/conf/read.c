#include "conf/read.h"

#include <errno.h>
#include <ini.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"

static const struct action_row actions[ACTION_COUNT] = {
#define X(sym, flag, word, shown, help) {flag, word, shown, help},
    ACTION_TABLE(X)
#undef X
};

const struct action_row *action_get(enum action a) {
    must(a < ACTION_COUNT);
    return &actions[a];
}

void put_given(struct buf *b, const struct conf_box *box, enum option_id id, const char *value) {
    const struct option *o = option_get(id);
    const char *shown = o->secret ? "(secret)" : value;
    switch (box->from[id]) {
    case SOURCE_FLAG:
        buf_printf(b, "--%s %s", o->flag, shown);
        break;
    case SOURCE_ENV:
        buf_printf(b, "%s=%s", o->env, shown);
        break;
    case SOURCE_FILE:
        buf_printf(b, "%s:%u: %s = %s", box->file, box->line[id], o->flag, shown);
        break;
    case SOURCE_DEFAULT:
        buf_printf(b, "--%s %s (the default)", o->flag, shown);
        break;
    }
}

/* Takes a value from a source, or complains: what was given, why it is wrong, what would be right.
 */
static bool take(struct conf_box *box, enum option_id id, const char *value,
                 struct buf *complaint) {
    struct buf why;
    buf_init(&why, 0);
    bool right = option_set(box, id, value, &why);
    if (!right) {
        const struct option *o = option_get(id);
        put_given(complaint, box, id, value);
        buf_printf(complaint, ": %.*s. ", SLICE_FMT(buf_slice(&why)));
        if (box->from[id] != SOURCE_FLAG) {
            buf_printf(complaint, "The option --%s", o->flag);
        } else {
            buf_put_str(complaint, "It");
        }
        buf_put_str(complaint, " takes ");
        option_put_rule(complaint, o);
        buf_put_str(complaint, ".\n");
    }
    buf_fini(&why);
    return right;
}

/* The known flag nearest to a wrong one, or NULL when none is near. */
static const char *nearest_flag(slice wrong, bool with_actions) {
    const char *best = NULL;
    size_t limit = wrong.n < 6 ? 2 : wrong.n / 3;
    for (unsigned i = 0; i < OPT_COUNT + (with_actions ? ACTION_COUNT : 0u); i++) {
        const char *flag =
            i < OPT_COUNT ? option_get((enum option_id)i)->flag : actions[i - OPT_COUNT].flag;
        size_t d = option_distance(wrong, slice_str(flag));
        if (d <= limit) {
            limit = d - (d > 0);
            best = flag;
        }
    }
    return best;
}

static enum action find_action(slice flag) {
    unsigned a = 0;
    while (a < ACTION_COUNT && !slice_is(flag, actions[a].flag)) {
        a++;
    }
    return (enum action)a;
}

static bool complain_flag(slice flag, struct buf *complaint) {
    const char *near = nearest_flag(flag, true);
    buf_printf(complaint, "--%.*s: there is no such option.", SLICE_FMT(flag));
    if (near) {
        buf_printf(complaint, " Is --%s meant?", near);
    }
    buf_put_str(complaint, " --help lists all.\n");
    return false;
}

/* One "--flag", "--flag value", "--flag=value" or "--no-flag"; `*i` moves over a separate value. */
static bool read_flag(int argc, char **argv, int *i, struct flags *ret, struct buf *complaint) {
    const char *arg = argv[*i] + 2;
    const char *equals = strchr(arg, '=');
    slice flag = slice_of(arg, equals ? (size_t)(equals - arg) : strlen(arg));
    enum option_id id = option_find(flag);
    enum action action = find_action(flag);
    const char *value = equals ? equals + 1 : NULL;
    const char *word = NULL;

    if (id < OPT_COUNT) {
        bool is_bool = option_get(id)->type == TYPE_BOOL;
        word = is_bool ? NULL : option_get(id)->words;
        value = is_bool && !value ? "true" : value;
    } else if (action < ACTION_COUNT) {
        word = actions[action].word;
        if (!word && value) {
            buf_printf(complaint, "--%s: takes no value.\n", actions[action].flag);
            return false;
        }
        value = word ? value : "";
    } else if (flag.n > 3 && memcmp(flag.p, "no-", 3) == 0 && !value) {
        id = option_find(slice_of(flag.p + 3, flag.n - 3));
        if (id == OPT_COUNT || option_get(id)->type != TYPE_BOOL) {
            return complain_flag(flag, complaint);
        }
        value = "false";
    } else {
        return complain_flag(flag, complaint);
    }
    if (!value) {
        if (*i + 1 >= argc) {
            buf_printf(complaint, "--%.*s: needs a value: --%.*s %s\n", SLICE_FMT(flag),
                       SLICE_FMT(flag), word);
            return false;
        }
        value = argv[++*i];
    }
    if (id < OPT_COUNT) {
        ret->values[id] = value;
    } else {
        ret->actions[action] = value;
    }
    return true;
}

bool read_flags(int argc, char **argv, struct flags *ret, struct buf *complaint) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-h") == 0) {
            ret->actions[ACTION_HELP] = "";
        } else if (strcmp(argv[i], "-V") == 0) {
            ret->actions[ACTION_VERSION] = "";
        } else if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == 0) {
            buf_printf(complaint,
                       "%s: not an option. All options start with two dashes; --help lists "
                       "them.\n",
                       argv[i]);
            return false;
        } else if (!read_flag(argc, argv, &i, ret, complaint)) {
            return false;
        }
    }
    return true;
}

bool apply_flags(struct conf_box *box, const struct flags *f, struct buf *complaint) {
    for (unsigned i = 0; i < OPT_COUNT; i++) {
        enum option_id id = (enum option_id)i;
        if (f->values[id]) {
            box->from[id] = SOURCE_FLAG;
            if (!take(box, id, f->values[id], complaint)) {
                return false;
            }
        }
    }
    return true;
}

const char *env_get(char **envp, const char *name) {
    size_t n = strlen(name);
    for (; envp && *envp; envp++) {
        if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=') {
            return (*envp)[n + 1] ? *envp + n + 1 : NULL;
        }
    }
    return NULL;
}

/* Says so when a COLLAB_ variable is one or two letters away from one of ours. */
static void note_misspelt(slice name, struct buf *notes) {
    const char *near = NULL;
    for (unsigned i = 0; i < OPT_COUNT; i++) {
        const char *env = option_get((enum option_id)i)->env;
        size_t d = option_distance(name, slice_str(env));
        if (d == 0) {
            return;
        }
        near = d <= 2 ? env : near;
    }
    if (near && !slice_is(name, "COLLAB_CONFIG")) {
        buf_printf(notes,
                   "%.*s in the environment is not an option and has no effect. Is %s meant?\n",
                   SLICE_FMT(name), near);
    }
}

bool read_env(struct conf_box *box, char **envp, struct buf *complaint, struct buf *notes) {
    for (unsigned i = 0; i < OPT_COUNT; i++) {
        enum option_id id = (enum option_id)i;
        const char *value = env_get(envp, option_get(id)->env);
        if (value) {
            box->from[id] = SOURCE_ENV;
            if (!take(box, id, value, complaint)) {
                return false;
            }
        }
    }
    for (char **e = envp; e && *e; e++) {
        const char *equals = strchr(*e, '=');
        if (equals && strncmp(*e, "COLLAB_", 7) == 0) {
            note_misspelt(slice_of(*e, (size_t)(equals - *e)), notes);
        }
    }
    return true;
}

/* What the file reader and the line handler share. */
struct file_read {
    struct conf_box *box;
    FILE *file;
    unsigned line; /* counted here: the library passes none to its handler */
    unsigned too_long;
    bool wrong; /* `complaint` has been written */
    struct buf *complaint;
};

/* fgets that counts lines, and notices those that the library would silently cut in two. */
static char *next_line(char *to, int n, void *ctx) {
    struct file_read *r = ctx;
    char *got = fgets(to, n, r->file);
    if (got) {
        bool whole = strchr(got, '\n') != NULL || feof(r->file);
        r->line++;
        if (!whole && r->too_long == 0) {
            r->too_long = r->line;
        }
    }
    return got;
}

static int on_line(void *ctx, const char *section, const char *name, const char *value) {
    struct file_read *r = ctx;
    if (r->wrong || r->too_long) {
        return 0;
    }
    enum option_id id = option_find(slice_str(name));
    if (*section && strcmp(section, "collabd") != 0) {
        buf_printf(r->complaint,
                   "%s:%u: [%s]: there are no sections; write plain lines of name = value.\n",
                   r->box->file, r->line, section);
        r->wrong = true;
    } else if (id == OPT_COUNT) {
        const char *near = nearest_flag(slice_str(name), false);
        buf_printf(r->complaint, "%s:%u: %s: there is no such option.", r->box->file, r->line,
                   name);
        if (near) {
            buf_printf(r->complaint, " Is %s meant?", near);
        }
        buf_put_str(r->complaint, "\n");
        r->wrong = true;
    } else if (r->box->from[id] == SOURCE_FILE) {
        buf_printf(r->complaint, "%s:%u: %s: given before, in line %u.\n", r->box->file, r->line,
                   name, r->box->line[id]);
        r->wrong = true;
    } else {
        r->box->from[id] = SOURCE_FILE;
        r->box->line[id] = r->line;
        r->wrong = !take(r->box, id, value, r->complaint);
    }
    return !r->wrong;
}

bool read_file(struct conf_box *box, const char *path, struct buf *complaint) {
    box->file = mem_copy_str(path, strlen(path));
    struct file_read r = {.box = box, .complaint = complaint};
    r.file = fopen(path, "re");
    if (!r.file) {
        buf_printf(complaint, "--config %s: cannot be read: %s.\n", path, strerror(errno));
        return false;
    }
    int bad_line = ini_parse_stream(next_line, &r, on_line, &r);
    bool failed = ferror(r.file) != 0;
    (void)fclose(r.file);
    if (failed) {
        buf_printf(complaint, "--config %s: cannot be read to its end.\n", path);
    } else if (r.too_long) {
        buf_printf(complaint,
                   "%s:%u: the line is too long. At most 195 characters; longer values go by "
                   "environment or flag.\n",
                   path, r.too_long);
    } else if (bad_line != 0 && !r.wrong) {
        buf_printf(complaint, "%s:%d: not of the form name = value.\n", path, bad_line);
    } else {
        return !r.wrong;
    }
    return false;
}
