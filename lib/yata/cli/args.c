/* args.c: the command line, by the table. */
#include "cli.h"

#include <getopt.h>
#include <string.h>

#define ON(sym)   (1U << COMMAND_##sym)
#define ON_NONE   (1U << COMMAND_COUNT)
#define ON_ALL    (ON_NONE - 1)
#define LONG_ONLY 256 /* getopt_long answers LONG_ONLY + i for option i */

const struct command_row commands[COMMAND_COUNT] = {
#define COMMAND(sym, ...) [COMMAND_##sym] = {__VA_ARGS__},
#include "options.def"
#undef COMMAND
};

const struct option_row options[OPTION_COUNT] = {
#define OPTION(sym, ...) [OPTION_##sym] = {__VA_ARGS__},
#include "options.def"
#undef OPTION
};

bool option_fits(const struct option_row *o, enum command command) {
    return (o->commands >> command & 1) != 0;
}

bool option_is_common(const struct option_row *o) {
    return (o->commands & ON_ALL) == ON_ALL;
}

/* The table as getopt_long wants it. A leading colon makes it tell a missing value from an unknown
 * option, and keep silent. */
struct getopt_tables {
    struct option longs[OPTION_COUNT + 1];
    char letters[1 + 2 * OPTION_COUNT + 1];
};

static void fill_tables(struct getopt_tables *t) {
    char *letter = t->letters;
    *letter++ = ':';
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *o = &options[i];
        t->longs[i] = (struct option){.name = o->name,
                                      .has_arg = o->word ? required_argument : no_argument,
                                      .val = LONG_ONLY + (int)i};
        if (o->letter) {
            *letter++ = o->letter;
            if (o->word) {
                *letter++ = ':';
            }
        }
    }
    *letter = 0;
    t->longs[OPTION_COUNT] = (struct option){0};
}

/* The option that getopt_long speaks of; OPTION_COUNT: none. */
static unsigned option_of(int code) {
    if (code >= LONG_ONLY) {
        return (unsigned)(code - LONG_ONLY);
    }
    unsigned i = 0;
    while (i < OPTION_COUNT && (code == 0 || options[i].letter != code)) {
        i++;
    }
    return i;
}

static bool parse_options(int argc, char **argv, struct args *args) {
    struct getopt_tables tables = {0};
    fill_tables(&tables);
    opterr = 0;
    for (int code; (code = getopt_long(argc, argv, tables.letters, tables.longs, NULL)) != -1;) {
        if (code == ':') {
            complain("%s needs a value; see yata --help", argv[optind - 1]);
            return false;
        }
        unsigned id = option_of(code);
        if (id == OPTION_COUNT) {
            if (optopt != 0 && optopt < LONG_ONLY) {
                complain("there is no option -%c; see yata --help", optopt);
            } else {
                complain("there is no option %s, or it takes no value; see yata --help",
                         argv[optind - 1]);
            }
            return false;
        }
        args->given[id] = true;
        args->values[id] = optarg;
    }
    return true;
}

static bool find_command(const char *name, enum command *ret) {
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            *ret = (enum command)i;
            return true;
        }
    }
    complain("there is no command %s; see yata --help", name);
    return false;
}

/* Whether all options that were given belong to the command. */
static bool check_options(const struct args *args) {
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (!args->given[i] || option_fits(&options[i], args->command)) {
            continue;
        }
        if (args->command == COMMAND_COUNT) {
            complain("--%s needs a command; see yata --help", options[i].name);
        } else {
            const char *name = commands[args->command].name;
            complain("yata %s takes no --%s; see yata %s --help", name, options[i].name, name);
        }
        return false;
    }
    return true;
}

static bool check_formats(struct args *args) {
    if (args->given[OPTION_V1] && args->given[OPTION_V2]) {
        complain("--v1 and --v2 exclude each other; without either each input is looked at");
        return false;
    }
    if (args->given[OPTION_TO]) {
        const char *to = args->values[OPTION_TO];
        args->to = strcmp(to, "v2") == 0 ? YATA_V2 : YATA_V1;
        if (args->to == YATA_V1 && strcmp(to, "v1") != 0) {
            complain("--to %s: there is v1 and v2", to);
            return false;
        }
    }
    if (args->command == COMMAND_REVERT && !args->given[OPTION_PAST]) {
        complain("yata revert needs --past; see yata revert --help");
        return false;
    }
    if (args->command == COMMAND_DIFF &&
        args->given[OPTION_SINCE] == args->given[OPTION_SINCE_VECTOR]) {
        complain("yata diff needs one of --since and --since-vector; see yata diff --help");
        return false;
    }
    return true;
}

/* Standard input can be read once. */
static bool check_stdin(const struct args *args) {
    static const enum option_id inputs[] = {OPTION_SINCE, OPTION_SINCE_VECTOR, OPTION_PAST};
    size_t count = 0;
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        const char *path = args->values[inputs[i]];
        count += path && strcmp(path, "-") == 0;
    }
    for (size_t i = 0; i < args->file_count; i++) {
        count += strcmp(args->files[i], "-") == 0;
    }
    if (count > 1) {
        complain("- is named %zu times, but standard input can be read once", count);
    }
    return count <= 1;
}

static bool check_files(const struct args *args) {
    const struct command_row *row = &commands[args->command];
    if (args->file_count < row->fewest) {
        complain("yata %s needs a file (- is standard input); see yata %s --help", row->name,
                 row->name);
        return false;
    }
    if (args->file_count > row->most) {
        complain("yata %s takes one file, not %zu; yata merge makes one of several", row->name,
                 args->file_count);
        return false;
    }
    return check_stdin(args);
}

bool args_parse(int argc, char **argv, struct args *ret) {
    *ret = (struct args){.command = COMMAND_COUNT};
    if (!parse_options(argc, argv, ret)) {
        return false;
    }
    bool named = optind < argc;
    if (named) {
        if (!find_command(argv[optind], &ret->command)) {
            return false;
        }
        ret->files = argv + optind + 1;
        ret->file_count = (size_t)(argc - optind - 1);
    }
    if (!check_options(ret)) {
        return false;
    }
    if (ret->given[OPTION_HELP]) {
        return true;
    }
    if (!named) {
        for (unsigned i = 0; i < OPTION_COUNT; i++) {
            if (ret->given[i]) {
                return true;
            }
        }
        print_help(stderr, COMMAND_COUNT);
        return false;
    }
    return check_formats(ret) && check_files(ret);
}
