#include "base/rand.h"

#include <sys/random.h>

#include "base/must.h"

uint64_t rand_u64(void) {
    uint64_t v = 0;
    must(getrandom(&v, sizeof v, 0) == (ssize_t)sizeof v);
    return v;
}
