/* http_upgrade: any bytes as the head of a request. What is accepted must stay within its bounds,
 * and every look-up must stay within what was given. */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "gateway/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_inside(slice part, slice whole) {
    must(part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct http_request req;
    size_t used = 0;
    unsigned status = 0;
    const char *reason = NULL;
    slice whole = slice_of(data, size);
    if (http_parse(whole, &req, &used, &status, &reason) != HTTP_PARSE_OK) {
        return 0;
    }
    must(used <= size && req.headers <= HTTP_HEADERS_MAX);
    must_be_inside(req.path, whole);
    must_be_inside(req.query, whole);
    for (size_t i = 0; i < req.headers; i++) {
        must_be_inside(req.header[i].name, whole);
        must_be_inside(req.header[i].value, whole);
    }
    char value[64];
    size_t n = 0;
    if (http_query(&req, "roomId", value, sizeof value, &n)) {
        must(n <= sizeof value);
    }
    slice key = {0};
    if (http_wants_websocket(&req, &key, &status, &reason)) {
        must_be_inside(key, whole);
        must(key.n == 24);
    }
    return 0;
}
