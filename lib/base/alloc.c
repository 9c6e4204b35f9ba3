#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

void *mem_new(size_t bytes) {
    void *p = mem_try_new(bytes);
    must(p != NULL);
    return p;
}

void *mem_try_new(size_t bytes) {
    return calloc(1, bytes ? bytes : 1);
}

void *mem_resize(void *p, size_t bytes) {
    void *q = mem_try_resize(p, bytes);
    must(q != NULL);
    return q;
}

void *mem_try_resize(void *p, size_t bytes) {
    return realloc(p, bytes ? bytes : 1);
}

void mem_free(void *p) {
    free(p);
}

char *mem_copy_str(const void *p, size_t n) {
    char *s = mem_new(n + 1);
    if (n) {
        memcpy(s, p, n);
    }
    return s;
}
