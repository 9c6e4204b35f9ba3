#include "http/page.h"

void page_fail(struct http_response *r, unsigned status, const char *why) {
    r->status = status;
    buf_clear(&r->body);
    buf_printf(&r->body, "%s\n", why);
}
