/* tool.h: `collabd store COMMAND`: the operator's tools for what is stored.
 *
 * They work on a directory that nobody uses as on that of a running server: see control/control.h.
 * Results go to standard output, progress and complaints to standard error. Exit codes: 0 done, 1
 * something is damaged or failed, 2 wrong arguments.
 *
 * Thread: main.
 */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H

/* argv[0] is the program, argv[1] "store". Returns the exit code. */
int tool_run(int argc, char **argv, char **envp);

#endif
