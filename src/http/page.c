#include "http/page.h"

#include <strings.h>

slice page_bearer(const struct http_request *req) {
    slice h = http_header(req, "Authorization");
    static const char word[] = "Bearer ";
    const size_t n = sizeof word - 1;
    bool is = h.n > n && strncasecmp((const char *)h.p, word, n) == 0;
    return is ? slice_of(h.p + n, h.n - n) : (slice){0};
}

void page_fail(struct http_response *r, unsigned status, const char *why) {
    r->status = status;
    buf_clear(&r->body);
    buf_printf(&r->body, "%s\n", why);
}
