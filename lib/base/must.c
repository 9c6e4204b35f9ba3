#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

void must_fail(const char *cond, const char *file, int line) {
    (void)fprintf(stderr, "collabd: bug: %s does not hold (%s:%d)\n", cond, file, line);
    abort();
}
