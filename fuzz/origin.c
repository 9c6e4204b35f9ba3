/* origin: the first line is a list, the rest a header. What is let through by a list that does not
 * hold everything can be written as an entry itself, and that entry lets the same through. */
#include <stdlib.h>
#include <string.h>

#include "access/origin.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *text_of(const uint8_t *data, size_t n) {
    char *s = malloc(n + 1);
    must(s);
    memcpy(s, data, n);
    s[n] = 0;
    return s;
}

static void try_origin(const char *list, const char *header, slice value) {
    struct origin_list *l = NULL;
    struct origin_list *own = NULL;
    char why[200] = "";
    if (origin_list_new(list, &l, why, sizeof why) != ERR_OK) {
        must(strncmp(why, "ALLOWED_ORIGINS: ", 17) == 0);
        return;
    }
    if (origin_allowed(l, value) && list[0] && !strchr(list, '*')) {
        must(origin_list_new(header, &own, why, sizeof why) == ERR_OK);
        must(origin_allowed(own, value));
    }
    origin_list_free(own);
    origin_list_free(l);
}

static void try_host(const char *list, const char *header, slice value) {
    struct host_list *l = NULL;
    struct host_list *own = NULL;
    char why[200] = "";
    if (host_list_new(list, "::", &l, why, sizeof why) != ERR_OK) {
        must(strncmp(why, "ALLOWED_HOSTS: ", 15) == 0);
        return;
    }
    if (host_allowed(l, value, 80)) {
        must(host_list_new(header, "::", &own, why, sizeof why) == ERR_OK);
        must(host_allowed(own, value, 80));
    }
    host_list_free(own);
    host_list_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    size_t n = end ? (size_t)(end - data) : size;
    size_t rest = end ? size - n - 1 : 0;
    char *list = text_of(data, n);
    char *header = text_of(data + (size - rest), rest);
    uint8_t *value = malloc(rest ? rest : 1); /* of its exact size, so that overruns are seen */
    must(value);
    memcpy(value, header, rest);
    try_origin(list, header, slice_of(value, rest));
    try_host(list, header, slice_of(value, rest));
    free(value);
    free(header);
    free(list);
    return 0;
}
