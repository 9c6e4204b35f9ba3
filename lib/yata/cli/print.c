/* print.c: all that is generated from the table: help, manual page, completion. */
#include "cli.h"

#include <ctype.h>
#include <string.h>

#define WIDTH 79 /* columns of a classic terminal, less one */

static const struct exit_row exits[] = {
#define EXIT(...) {__VA_ARGS__},
#include "options.def"
#undef EXIT
};

#define EXIT_COUNT (sizeof exits / sizeof *exits)

/* ---- help ----------------------------------------------------------------------------------- */

/* The words of `text` in lines of at most WIDTH columns; all but the first after `indent` spaces,
 * which the caller has written before the first. */
static void put_wrapped(FILE *f, const char *text, size_t indent) {
    size_t column = indent;
    while (*text) {
        size_t n = strcspn(text, " ");
        if (column > indent && column + 1 + n > WIDTH) {
            (void)fprintf(f, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            (void)fputc(' ', f);
            column++;
        }
        (void)fprintf(f, "%.*s", (int)n, text);
        column += n;
        text += n + strspn(text + n, " ");
    }
    (void)fputc('\n', f);
}

static void put_option(FILE *f, const struct option_row *o) {
    if (o->letter) {
        (void)fprintf(f, "  -%c, --%s", o->letter, o->name);
    } else {
        (void)fprintf(f, "      --%s", o->name);
    }
    (void)fprintf(f, "%s%s\n%*s", o->word ? " " : "", o->word ? o->word : "", 10, "");
    put_wrapped(f, o->help, 10);
}

static void put_options(FILE *f, enum command command) {
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (option_fits(&options[i], command)) {
            put_option(f, &options[i]);
        }
    }
}

static void print_help_on(FILE *f, enum command command) {
    const struct command_row *c = &commands[command];
    (void)fprintf(f, "yata %s [OPTION...] %s\n\n", c->name, c->operands);
    (void)fprintf(f, "%c%s.\n", toupper((unsigned char)c->summary[0]), c->summary + 1);
    put_wrapped(f, c->more, 0);
    (void)fputs(
        "\nFILE is an update of a Yjs document in format V1 or V2; - is standard input.\n\n", f);
    put_options(f, command);
}

void print_help(FILE *f, enum command command) {
    if (command != COMMAND_COUNT) {
        print_help_on(f, command);
        return;
    }
    (void)fputs("yata: update files of Yjs documents, inspected, merged, cut, converted, read,\n"
                "reverted.\n\n"
                "Usage: yata COMMAND [OPTION...] FILE...\n\n",
                f);
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        (void)fprintf(f, "  %-14s%s\n", commands[i].name, commands[i].summary);
    }
    (void)fputs("\nFILE is an update in format V1 or V2; - is standard input. The format is found\n"
                "out where that is certain. yata COMMAND --help tells more on one command.\n\n",
                f);
    put_options(f, COMMAND_COUNT);
    (void)fputs("\nExit status\n", f);
    for (size_t i = 0; i < EXIT_COUNT; i++) {
        (void)fprintf(f, "  %d  ", exits[i].code);
        put_wrapped(f, exits[i].when, 5);
    }
}

/* ---- manual page ---------------------------------------------------------------------------- */

/* roff takes a leading dot or apostrophe as a request and a backslash as an escape. */
static void put_roff(FILE *f, const char *s) {
    if (*s == '.' || *s == '\'') {
        (void)fputs("\\&", f);
    }
    for (; *s; s++) {
        if (*s == '-' || *s == '\\') {
            (void)fputs(*s == '-' ? "\\-" : "\\e", f);
        } else {
            (void)fputc(*s, f);
        }
    }
}

/* A line of text. */
static void put_roff_line(FILE *f, const char *s) {
    put_roff(f, s);
    (void)fputc('\n', f);
}

static void put_roff_tag(FILE *f, const struct option_row *o) {
    (void)fputs(".TP\n", f);
    if (o->letter) {
        (void)fprintf(f, "\\fB\\-%c\\fR, ", o->letter);
    }
    (void)fputs("\\fB\\-\\-", f);
    put_roff(f, o->name);
    (void)fputs("\\fR", f);
    if (o->word) {
        (void)fputs(" \\fI", f);
        put_roff(f, o->word);
        (void)fputs("\\fR", f);
    }
    (void)fputc('\n', f);
    put_roff_line(f, o->help);
}

static void put_roff_command(FILE *f, enum command command) {
    const struct command_row *c = &commands[command];
    (void)fputs(".SS \"yata ", f);
    put_roff(f, c->name);
    (void)fprintf(f, " [OPTION...] %s\"\n%c", c->operands, toupper((unsigned char)c->summary[0]));
    put_roff(f, c->summary + 1);
    (void)fputs(".\n", f);
    put_roff_line(f, c->more);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        /* What all commands take stands in a section of its own. */
        const struct option_row *o = &options[i];
        if (option_fits(o, command) && !option_is_common(o)) {
            put_roff_tag(f, o);
        }
    }
}

void print_man(FILE *f) {
    (void)fputs(".TH YATA 1 \"\" \"libyata " YATA_VERSION "\" \"User commands\"\n"
                ".SH NAME\nyata \\- update files of Yjs documents\n"
                ".SH SYNOPSIS\n.B yata\n\\fICOMMAND\\fR [\\fIOPTION\\fR...] \\fIFILE\\fR...\n"
                ".SH DESCRIPTION\n"
                "A Yjs document travels and is stored as updates, in format V1 or V2. This command "
                "reads files of one update each.\n"
                "\\- is standard input.\n"
                "An update does not say which format it has; where only one is possible that is "
                "taken, otherwise \\fB\\-\\-v1\\fR or \\fB\\-\\-v2\\fR must say it.\n"
                ".SH COMMANDS\n",
                f);
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        put_roff_command(f, (enum command)i);
    }
    (void)fputs(".SH OPTIONS\nEvery command takes these, or they stand alone.\n", f);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (option_fits(&options[i], COMMAND_COUNT) || option_is_common(&options[i])) {
            put_roff_tag(f, &options[i]);
        }
    }
    (void)fputs(".SH EXIT STATUS\n", f);
    for (size_t i = 0; i < EXIT_COUNT; i++) {
        (void)fprintf(f, ".TP\n.B %d\n", exits[i].code);
        put_roff_line(f, exits[i].when);
    }
    (void)fputs(".SH EXAMPLES\n.nf\n"
                "yata merge log/*.bin \\-o document.bin\n"
                "yata diff mine.bin \\-\\-since theirs.bin \\-o for\\-them.bin\n"
                "yata convert \\-\\-to v1 state.v2 | yata inspect \\-\n"
                "yata text \\-\\-root content document.bin\n"
                "yata revert document.bin \\-\\-past monday.bin \\-o back.bin\n.fi\n"
                ".SH SEE ALSO\n.BR yata (3)\n",
                f);
}

/* ---- completion ----------------------------------------------------------------------------- */

static void put_names(FILE *f, enum command command) {
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (option_fits(&options[i], command)) {
            (void)fprintf(f, "--%s ", options[i].name);
        }
    }
}

/* The words of an option's value, if it is one of some. */
static bool has_choices(const struct option_row *o) {
    return o->word && strchr(o->word, '|') != NULL;
}

static void put_choices(FILE *f, const struct option_row *o) {
    for (const char *p = o->word; *p; p++) {
        (void)fputc(*p == '|' ? ' ' : *p, f);
    }
}

static void print_bash(FILE *f) {
    (void)fputs("# bash completion for yata; generated by yata --print-completion bash\n"
                "_yata() {\n"
                "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words\n"
                "    case $prev in\n",
                f);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (has_choices(&options[i])) {
            (void)fprintf(f, "    --%s) mapfile -t COMPREPLY < <(compgen -W \"", options[i].name);
            put_choices(f, &options[i]);
            (void)fputs("\" -- \"$cur\") && return ;;\n", f);
        }
    }
    (void)fputs("    esac\n    case ${COMP_WORDS[1]} in\n", f);
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        (void)fprintf(f, "    %s) words=\"", commands[i].name);
        put_names(f, (enum command)i);
        (void)fputs("\" ;;\n", f);
    }
    (void)fputs("    *) words=\"", f);
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        (void)fprintf(f, "%s ", commands[i].name);
    }
    put_names(f, COMMAND_COUNT);
    (void)fputs("\" ;;\n    esac\n"
                "    if [[ $COMP_CWORD -gt 1 && $cur != -* ]]; then\n"
                "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
                "    else\n"
                "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
                "    fi\n}\ncomplete -o filenames -F _yata yata\n",
                f);
}

/* Without the characters that zsh's _arguments takes as syntax. */
static void put_zsh_text(FILE *f, const char *s) {
    for (; *s; s++) {
        if (!strchr("[]':`\\", *s)) {
            (void)fputc(*s, f);
        }
    }
}

static void print_zsh(FILE *f) {
    (void)fputs("#compdef yata\n# zsh completion for yata; generated by yata --print-completion "
                "zsh\n_arguments \\\n",
                f);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *o = &options[i];
        (void)fprintf(f, "    '--%s[", o->name);
        put_zsh_text(f, o->help);
        (void)fputc(']', f);
        if (has_choices(o)) {
            (void)fputs(":word:(", f);
            put_choices(f, o);
            (void)fputc(')', f);
        } else if (o->word) {
            (void)fputs(strcmp(o->word, "FILE") == 0 ? ":file:_files" : ":word:", f);
        }
        (void)fputs("' \\\n", f);
    }
    (void)fputs("    '1:command:((", f);
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        (void)fprintf(f, "%s\\:\"", commands[i].name);
        put_zsh_text(f, commands[i].summary);
        (void)fputs("\" ", f);
    }
    (void)fputs("))' \\\n    '*:file:_files'\n", f);
}

bool print_completion(FILE *f, const char *shell) {
    if (strcmp(shell, "bash") == 0) {
        print_bash(f);
    } else if (strcmp(shell, "zsh") == 0) {
        print_zsh(f);
    } else {
        return false;
    }
    return true;
}
