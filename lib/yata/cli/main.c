/* yata: update files of Yjs documents, inspected, merged, cut, converted, read, reverted. */
#include "cli.h"

#include <string.h>

static int (*const run[])(const struct args *) = {
    [COMMAND_INSPECT] = run_inspect, [COMMAND_MERGE] = run_merge,
    [COMMAND_DIFF] = run_diff,       [COMMAND_CONVERT] = run_convert,
    [COMMAND_VERIFY] = run_verify,   [COMMAND_STATE_VECTOR] = run_state_vector,
    [COMMAND_JSON] = run_json,       [COMMAND_TEXT] = run_text,
    [COMMAND_REVERT] = run_revert,
};

/* What is asked for instead of a command. */
static int answer(const struct args *args) {
    if (args->given[OPTION_HELP]) {
        print_help(stdout, args->command);
    } else if (args->given[OPTION_VERSION]) {
        (void)printf("yata %s\n", YATA_VERSION);
    } else if (args->given[OPTION_PRINT_MAN]) {
        print_man(stdout);
    } else if (args->given[OPTION_PRINT_COMPLETION] &&
               !print_completion(stdout, args->values[OPTION_PRINT_COMPLETION])) {
        complain("there is no completion for %s; there is for bash and zsh",
                 args->values[OPTION_PRINT_COMPLETION]);
        return EXIT_USAGE;
    }
    return EXIT_GOOD;
}

int main(int argc, char **argv) {
    struct args args;
    if (!args_parse(argc, argv, &args)) {
        return EXIT_USAGE;
    }
    int code = args.command == COMMAND_COUNT || args.given[OPTION_HELP] ? answer(&args)
                                                                        : run[args.command](&args);
    /* A full disk or a closed pipe shows here at the latest. */
    if (fflush(stdout) != 0 && code == EXIT_GOOD) {
        complain("standard output: cannot be written; is the disk full?");
        code = EXIT_BAD;
    }
    return code;
}
