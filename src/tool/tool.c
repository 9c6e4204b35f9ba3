#include "tool/tool.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "conf/conf.h"
#include "tool/commands.h"
#include "tool/progress.h"

struct command {
    const char *name;
    const char *words; /* of what it takes */
    unsigned least, most;
    bool makes; /* a store where none is */
    int (*run)(struct link *, const struct args *);
    const char *help;
};

#define ANY 1000000u

static const struct command commands[] = {
    {"list", "", 0, 0, false, run_list,
     "Prints every room: version, updates in its journal, bytes, last change, name."},
    {"verify", "[ROOM ...]", 0, ANY, false, run_verify,
     "Checks every sum, of versions too, and puts every room together; prints those that are "
     "damaged. When no server "
     "runs, the structure of the files too."},
    {"dump", "ROOM", 1, 1, false, run_dump, "Prints a room as JSON: its types and what they hold."},
    {"export", "DIRECTORY [ROOM ...]", 1, ANY, false, run_export,
     "Writes each room into a file as one Yjs update, ROOM.v1.yjs with the name percent-encoded; "
     "with "
     "--v2 in format V2, ROOM.v2.yjs."},
    {"import", "FILE|DIRECTORY ...", 1, ANY, true, run_import,
     "Merges such files into their rooms; what is known already changes nothing. With --room NAME "
     "any "
     "update file into that room."},
    {"backup", "DIRECTORY", 1, 1, false, run_backup,
     "Copies the store, also while a server writes to it, into a new directory that --data can "
     "name."},
    {"compact", "[ROOM ...]", 0, ANY, false, run_compact,
     "Folds every journal into its snapshot and gives free space back."},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

void complain(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    (void)fputs("collabd store: ", stderr);
    (void)vfprintf(stderr, fmt, args);
    (void)fputc('\n', stderr);
    va_end(args);
}

/* ---- help ---- */

static void print_help(void) {
    (void)puts("collabd store: tools for what is stored, of a running server or of none.\n\n"
               "Usage: collabd store COMMAND [--data DIRECTORY] [ARGUMENT ...]\n");
    for (unsigned i = 0; i < COMMANDS; i++) {
        const struct command *c = &commands[i];
        (void)printf("  %s%s%s\n      %s\n", c->name, c->words[0] ? " " : "", c->words, c->help);
    }
    (void)puts("\n"
               "  --data DIRECTORY, --config FILE\n"
               "      Where the store is, as for collabd; also COLLAB_DATA and COLLAB_CONFIG.\n"
               "  --v1, --v2\n"
               "      The format of update files: of export, and of import --room. Default V1.\n"
               "  --room NAME\n"
               "      Of import: the room.\n"
               "  --\n"
               "      What follows is no option.\n\n"
               "Exit codes: 0 done, 1 something is damaged or failed, 2 wrong arguments.");
}

/* Without what roff would take as its own. */
static void print_roff(const char *text) {
    for (const char *p = text; *p; p++) {
        (void)printf(*p == '-' ? "\\-" : "%c", *p);
    }
    (void)putchar('\n');
}

static void print_man(void) {
    (void)puts(
        ".TH COLLABD-STORE 8 \"\" \"collabd " COLLAB_VERSION "\" \"System administration\"\n"
        ".SH NAME\ncollabd\\-store \\- tools for what collabd has stored\n"
        ".SH SYNOPSIS\n.B collabd store\n\\fICOMMAND\\fR [\\fB\\-\\-data\\fR "
        "\\fIDIRECTORY\\fR] [\\fIARGUMENT\\fR ...]\n"
        ".SH DESCRIPTION\nOn the directory of a running server the tools ask that server, by "
        "the socket control.sock in it,\nwhich only the owner of the files and root can use. "
        "On one that nobody uses they open the files.\n"
        "Results go to standard output, progress to standard error.\n.SH COMMANDS");
    for (unsigned i = 0; i < COMMANDS; i++) {
        (void)printf(".TP\n\\fB%s\\fR ", commands[i].name);
        print_roff(commands[i].words);
        print_roff(commands[i].help);
    }
    (void)puts(
        ".SH OPTIONS\n.TP\n\\fB\\-\\-data\\fR \\fIDIRECTORY\\fR, \\fB\\-\\-config\\fR "
        "\\fIFILE\\fR\nWhere the store is, as for\n.BR collabd (8);\nalso COLLAB_DATA and "
        "COLLAB_CONFIG.\n"
        ".TP\n\\fB\\-\\-v1\\fR, \\fB\\-\\-v2\\fR\nThe format of update files: of export, and of "
        "import with a room. Default V1.\n"
        ".TP\n\\fB\\-\\-room\\fR \\fINAME\\fR\nOf import: the room.\n"
        ".SH EXIT STATUS\n0 done, 1 something is damaged or failed, 2 wrong arguments.\n"
        ".SH SEE ALSO\n.BR collabd (8)");
}

/* ---- arguments ---- */

/* What the command line comes to, besides the command. */
struct line {
    struct args args;
    char **conf; /* what is left for conf: argv[0], --data, --config */
    int conf_count;
    bool help, man;
};

/* An option with a value goes to conf as it is; false when it has none. */
static bool pass_on(struct line *l, int argc, char **argv, int *i) {
    l->conf[l->conf_count++] = argv[*i];
    if (strchr(argv[*i], '=')) {
        return true;
    }
    if (*i + 1 >= argc) {
        complain("%s: needs a value", argv[*i]);
        return false;
    }
    l->conf[l->conf_count++] = argv[++*i];
    return true;
}

static bool begins(const char *arg, const char *with) {
    return strncmp(arg, with, strlen(with)) == 0;
}

static bool take_option(struct line *l, int argc, char **argv, int *i) {
    const char *arg = argv[*i];
    if (begins(arg, "--data") || begins(arg, "--config")) {
        return pass_on(l, argc, argv, i);
    }
    if (strcmp(arg, "--room") == 0 && *i + 1 < argc) {
        l->args.room = argv[++*i];
    } else if (strcmp(arg, "--v2") == 0 || strcmp(arg, "--v1") == 0) {
        l->args.v2 = arg[3] == '2';
    } else if (strcmp(arg, "--help") == 0) {
        l->help = true;
    } else if (strcmp(arg, "--print-man") == 0) {
        l->man = true;
    } else {
        complain("%s: there is no such option, or it needs a value; collabd store --help lists all",
                 arg);
        return false;
    }
    return true;
}

static bool take_line(struct line *l, int argc, char **argv) {
    bool options = true;
    l->conf[l->conf_count++] = argv[0];
    for (int i = 2; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && begins(argv[i], "--")) {
            if (!take_option(l, argc, argv, &i)) {
                return false;
            }
        } else {
            l->args.names[l->args.count++] = argv[i];
        }
    }
    return true;
}

/* The command that the first name is; takes it off. NULL with a complaint. */
static const struct command *take_command(struct args *args) {
    const char *name = args->count ? args->names[0] : "";
    const struct command *c = commands;
    while (c < commands + COMMANDS && strcmp(c->name, name) != 0) {
        c++;
    }
    if (c == commands + COMMANDS) {
        complain(args->count ? "%s: there is no such command; collabd store --help lists all"
                             : "%swhat is to be done? collabd store --help lists the commands",
                 name);
        return NULL;
    }
    args->names++;
    args->count--;
    if (args->count < c->least || args->count > c->most) {
        complain("%s takes %s", c->name, c->words[0] ? c->words : "nothing more");
        return NULL;
    }
    if (args->room && (c->run != run_import || args->count != 1)) {
        complain("--room NAME goes with import and one file");
        return NULL;
    }
    return c;
}

/* ---- running ---- */

static int run(const struct command *c, struct args *args) {
    char why[300] = "";
    if (strcmp(args->data, "memory") == 0) {
        complain("--data memory keeps nothing that a tool could look at");
        return EXIT_USAGE;
    }
    struct link *l = link_open(args->data, c->makes, why, sizeof why);
    if (!l) {
        complain("%s", why);
        return EXIT_BAD;
    }
    int code = c->run(l, args);
    progress_end();
    if (!link_close(l)) {
        complain("not everything could be written");
        code = EXIT_BAD;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        complain("standard output does not take all of it");
        code = EXIT_BAD;
    }
    return code;
}

static int refuse_database(void) {
    complain(
        "what lasts is in a PostgreSQL database (--store), which has tools of its own: pg_dump "
        "and pg_restore, see docs/postgres.md");
    return EXIT_USAGE;
}

int tool_run(int argc, char **argv, char **envp) {
    struct line line = {0};
    const char **names = mem_new((size_t)argc * sizeof *names);
    struct conf *conf = NULL;
    int code = EXIT_USAGE;
    line.args.names = names;
    line.conf = mem_new(((size_t)argc + 1) * sizeof *line.conf);
    (void)signal(SIGPIPE, SIG_IGN); /* list | head is no failure of the store */
    if (take_line(&line, argc, argv)) {
        if (line.help || line.man) {
            line.help ? print_help() : print_man();
            code = EXIT_GOOD;
        } else {
            const struct command *c = take_command(&line.args);
            if (c && conf_load_unserved(line.conf_count, line.conf, envp, &conf, stderr)) {
                line.args.data = conf->data;
                code = conf->store ? refuse_database() : run(c, &line.args);
            }
        }
    }
    conf_free(conf);
    mem_free(line.conf);
    mem_free(names);
    return code;
}
