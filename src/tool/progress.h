/* progress.h: how far a long work is: one line on standard error that is written over, when that is
 * a terminal; else a line now and then.
 *
 * Inside tool/ only. Thread: main.
 */
#ifndef TOOL_PROGRESS_H
#define TOOL_PROGRESS_H

/* Shown when the last one is a while ago. */
void progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Clears the line, so that others can be written. */
void progress_end(void);

#endif
