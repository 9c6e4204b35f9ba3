/* http.h: one HTTP/1.1 request, and what its upgrade to WebSocket needs. llhttp does the parsing.
 *
 * A body must say its length; chunked ones are refused, so that nothing here and in a proxy before
 * us can disagree about where a request ends.
 *
 * Thread: any. Pure; slices point into the bytes given.
 */
#ifndef GATEWAY_HTTP_H
#define GATEWAY_HTTP_H

#include "base/err.h"
#include "base/slice.h"
#include "limit/caps.h"

enum {
    HTTP_HEADERS_MAX = CAPS_HTTP_HEADERS,
    HTTP_HEAD_MAX = CAPS_HTTP_URL_BYTES + CAPS_HTTP_HEADERS_BYTES,
};

struct http_request {
    slice method;
    slice path;  /* as sent, percent-encoded */
    slice query; /* without the question mark; empty when there is none */
    slice body;
    size_t headers;
    struct {
        slice name;
        slice value;
    } header[HTTP_HEADERS_MAX];
};

enum http_result { HTTP_PARSE_MORE, HTTP_PARSE_OK, HTTP_PARSE_BAD };

/* Parses the request at the front of `bytes`. HTTP_PARSE_BAD sets *ret_status and *ret_reason (a
 * static sentence). HTTP_PARSE_OK sets *ret_consumed. */
enum http_result http_parse(slice bytes, struct http_request *ret, size_t *ret_consumed,
                            unsigned *ret_status, const char **ret_reason);

/* The value of the first header of this name (any case), or an empty slice with p NULL. */
slice http_header(const struct http_request *, const char *name);
/* True when a comma-separated header of this name lists the token (any case). */
bool http_header_lists(const struct http_request *, const char *name, const char *token);
/* Percent-decodes into `to` (of `cap` bytes). False when malformed or too long. */
bool http_percent_decode(slice, char *to, size_t cap, size_t *ret_n);
/* The percent-decoded value of a query parameter into `to` (of `cap` bytes). False when it is
 * missing, malformed or too long. */
bool http_query(const struct http_request *, const char *name, char *to, size_t cap, size_t *ret_n);

/* Whether it is there at all. */
bool http_query_has(const struct http_request *, const char *name);

/* Is this a WebSocket upgrade (RFC 6455 4.2.1)? On success *ret_key is the key. On failure a status
 * and a sentence to answer with. A request without "Upgrade: websocket" fails with status 426. */
bool http_wants_websocket(const struct http_request *, slice *ret_key, unsigned *ret_status,
                          const char **ret_reason);

/* "OK" for 200 and so on; a static string. */
const char *http_status_text(unsigned status);

#endif
