/* must.h: assertions for our own bugs, on in every build. Never for input.
 *
 * Thread: any.
 */
#ifndef BASE_MUST_H
#define BASE_MUST_H

#define must(cond) ((cond) ? (void)0 : must_fail(#cond, __FILE__, __LINE__))

/* Prints the condition and its place to standard error and aborts. */
_Noreturn void must_fail(const char *cond, const char *file, int line);

#endif
