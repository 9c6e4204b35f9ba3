#include "gateway/http.h"

#include <llhttp.h>
#include <strings.h>

#include "limit/caps.h"
#include "wire/ws.h"

/* ---- parsing ---- */

struct parse {
    llhttp_t machine;
    struct http_request *req;
    slice target;
    bool too_many;
    bool done;
};

static struct parse *of(llhttp_t *machine) {
    return (struct parse *)machine->data;
}

/* The whole head is given in one call, so each span arrives in one piece. */
static int on_target(llhttp_t *machine, const char *p, size_t n) {
    of(machine)->target = slice_of(p, n);
    return 0;
}

static int on_name(llhttp_t *machine, const char *p, size_t n) {
    struct parse *s = of(machine);
    if (s->req->headers == HTTP_HEADERS_MAX) {
        s->too_many = true;
        return HPE_USER;
    }
    s->req->header[s->req->headers].name = slice_of(p, n);
    return 0;
}

static int on_value(llhttp_t *machine, const char *p, size_t n) {
    struct parse *s = of(machine);
    s->req->header[s->req->headers].value = slice_of(p, n);
    return 0;
}

static int on_value_complete(llhttp_t *machine) {
    of(machine)->req->headers++;
    return 0;
}

static int on_head(llhttp_t *machine) {
    of(machine)->done = true;
    return HPE_PAUSED;
}

static size_t head_bytes(slice bytes) {
    for (size_t i = 3; i < bytes.n; i++) {
        if (bytes.p[i] == '\n' && memcmp(bytes.p + i - 3, "\r\n\r\n", 4) == 0) {
            return i + 1;
        }
    }
    return 0;
}

/* What llhttp 8.1 lets through and proxies may read differently: a bare CR or LF, and lines folded
 * by leading white space. */
static bool has_odd_line(slice head) {
    for (size_t i = 0; i + 1 < head.n; i++) {
        uint8_t c = head.p[i];
        uint8_t next = head.p[i + 1];
        if ((c == '\r' && next != '\n') || (c == '\n' && (i == 0 || head.p[i - 1] != '\r'))) {
            return true;
        }
        if (c == '\n' && (next == ' ' || next == '\t')) {
            return true;
        }
    }
    return false;
}

/* RFC 9112 3: two single spaces, no more; llhttp takes several. */
static bool request_line_ok(slice head) {
    const uint8_t *end = memchr(head.p, '\r', head.n);
    size_t n = end ? (size_t)(end - head.p) : head.n;
    size_t spaces = 0;
    for (size_t i = 0; i < n; i++) {
        spaces += head.p[i] == ' ' || head.p[i] == '\t';
    }
    return spaces == 2;
}

static bool names_ok(const struct http_request *req) {
    for (size_t i = 0; i < req->headers; i++) {
        if (!req->header[i].name.n) {
            return false;
        }
    }
    return true;
}

static enum http_result bad(unsigned status, const char *reason, unsigned *ret_status,
                            const char **ret_reason) {
    *ret_status = status;
    *ret_reason = reason;
    return HTTP_PARSE_BAD;
}

static void split_target(struct http_request *req, slice target) {
    const uint8_t *mark = target.n ? memchr(target.p, '?', target.n) : NULL;
    size_t n = mark ? (size_t)(mark - target.p) : target.n;
    req->path = slice_of(target.p, n);
    req->query = mark ? slice_of(mark + 1, target.n - n - 1) : (slice){0};
}

static size_t count_headers(const struct http_request *req, const char *name) {
    size_t n = 0;
    for (size_t i = 0; i < req->headers; i++) {
        slice h = req->header[i].name;
        n += h.n == strlen(name) && strncasecmp((const char *)h.p, name, h.n) == 0;
    }
    return n;
}

/* What Content-Length says; 0 without one. False when it is given twice or is not digits alone. */
static bool body_bytes(const struct http_request *req, size_t *ret) {
    slice length = http_header(req, "Content-Length");
    size_t n = 0;
    if (!length.p) {
        return true;
    }
    if (count_headers(req, "Content-Length") != 1 || !length.n || length.n > 9) {
        return false;
    }
    for (size_t i = 0; i < length.n; i++) {
        if (length.p[i] < '0' || length.p[i] > '9') {
            return false;
        }
        n = n * 10 + (size_t)(length.p[i] - '0');
    }
    *ret = n;
    return true;
}

enum http_result http_parse(slice bytes, struct http_request *ret, size_t *ret_consumed,
                            unsigned *ret_status, const char **ret_reason) {
    size_t n = head_bytes(bytes);
    if (!n && bytes.n <= HTTP_HEAD_MAX) {
        return HTTP_PARSE_MORE;
    }
    if (!n || n > HTTP_HEAD_MAX) {
        return bad(431, "the request's header is too long", ret_status, ret_reason);
    }
    slice head = slice_of(bytes.p, n);
    if (has_odd_line(head)) {
        return bad(400, "the header has a folded or oddly ended line", ret_status, ret_reason);
    }
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_url = on_target;
    settings.on_header_field = on_name;
    settings.on_header_value = on_value;
    settings.on_header_value_complete = on_value_complete;
    settings.on_headers_complete = on_head;
    *ret = (struct http_request){0};
    struct parse s = {.req = ret};
    llhttp_init(&s.machine, HTTP_REQUEST, &settings);
    s.machine.data = &s;
    (void)llhttp_execute(&s.machine, (const char *)head.p, head.n);
    if (s.too_many) {
        return bad(431, "the request has too many header lines", ret_status, ret_reason);
    }
    if (!s.done || !request_line_ok(head) || !names_ok(ret)) {
        return bad(400, "not an HTTP/1.1 request", ret_status, ret_reason);
    }
    if (s.machine.http_major != 1 || s.machine.http_minor != 1) {
        return bad(505, "only HTTP/1.1 is spoken here", ret_status, ret_reason);
    }
    if (count_headers(ret, "Host") != 1) {
        return bad(400, "exactly one Host header is needed", ret_status, ret_reason);
    }
    if (http_header(ret, "Transfer-Encoding").p) {
        return bad(411, "a body must say its length", ret_status, ret_reason);
    }
    size_t body = 0;
    if (!body_bytes(ret, &body)) {
        return bad(400, "Content-Length is not one number", ret_status, ret_reason);
    }
    if (body > CAPS_HTTP_BODY_BYTES) {
        return bad(413, "the request's body is too long", ret_status, ret_reason);
    }
    if (bytes.n - n < body) {
        return HTTP_PARSE_MORE;
    }
    ret->body = slice_of(bytes.p + n, body);
    ret->method = slice_str(llhttp_method_name((llhttp_method_t)s.machine.method));
    split_target(ret, s.target);
    *ret_consumed = n + body;
    return HTTP_PARSE_OK;
}

/* ---- looking things up ---- */

static bool same_ci(slice a, const char *b) {
    return a.n == strlen(b) && strncasecmp((const char *)a.p, b, a.n) == 0;
}

slice http_header(const struct http_request *req, const char *name) {
    for (size_t i = 0; i < req->headers; i++) {
        if (same_ci(req->header[i].name, name)) {
            slice v = req->header[i].value;
            return v.p ? v : slice_str("");
        }
    }
    return (slice){0};
}

static slice trim(slice s) {
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s = slice_of(s.p + 1, s.n - 1);
    }
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) {
        s.n--;
    }
    return s;
}

bool http_header_lists(const struct http_request *req, const char *name, const char *token) {
    for (size_t i = 0; i < req->headers; i++) {
        if (!same_ci(req->header[i].name, name)) {
            continue;
        }
        slice rest = req->header[i].value;
        while (rest.n) {
            const uint8_t *comma = memchr(rest.p, ',', rest.n);
            size_t n = comma ? (size_t)(comma - rest.p) : rest.n;
            if (same_ci(trim(slice_of(rest.p, n)), token)) {
                return true;
            }
            size_t step = comma ? n + 1 : n;
            rest = slice_of(rest.p + step, rest.n - step);
        }
    }
    return false;
}

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool http_percent_decode(slice in, char *to, size_t cap, size_t *ret_n) {
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++) {
        uint8_t c = in.p[i];
        if (c == '%') {
            if (in.n - i < 3 || hex_digit(in.p[i + 1]) < 0 || hex_digit(in.p[i + 2]) < 0) {
                return false;
            }
            c = (uint8_t)(hex_digit(in.p[i + 1]) * 16 + hex_digit(in.p[i + 2]));
            i += 2;
        }
        if (n == cap) {
            return false;
        }
        to[n++] = (char)c;
    }
    *ret_n = n;
    return true;
}

/* The value of a query parameter as sent; false when it is missing. */
static bool find_query(const struct http_request *req, const char *name, slice *ret) {
    slice rest = req->query;
    while (rest.n) {
        const uint8_t *amp = memchr(rest.p, '&', rest.n);
        size_t n = amp ? (size_t)(amp - rest.p) : rest.n;
        const uint8_t *eq = memchr(rest.p, '=', n);
        size_t key = eq ? (size_t)(eq - rest.p) : n;
        if (key == strlen(name) && memcmp(rest.p, name, key) == 0) {
            *ret = eq ? slice_of(eq + 1, n - key - 1) : (slice){0};
            return true;
        }
        size_t step = amp ? n + 1 : n;
        rest = slice_of(rest.p + step, rest.n - step);
    }
    return false;
}

bool http_query(const struct http_request *req, const char *name, char *to, size_t cap,
                size_t *ret_n) {
    slice value = {0};
    return find_query(req, name, &value) && http_percent_decode(value, to, cap, ret_n);
}

bool http_query_has(const struct http_request *req, const char *name) {
    slice value = {0};
    return find_query(req, name, &value);
}

bool http_wants_websocket(const struct http_request *req, slice *ret_key, unsigned *ret_status,
                          const char **ret_reason) {
    *ret_status = 400;
    if (!http_header_lists(req, "Upgrade", "websocket")) {
        *ret_status = 426;
        *ret_reason = "this path speaks WebSocket: connect with ws:// or wss://";
    } else if (!slice_is(req->method, "GET")) {
        *ret_status = 405;
        *ret_reason = "a WebSocket upgrade is a GET";
    } else if (!http_header_lists(req, "Connection", "Upgrade")) {
        *ret_reason = "the Connection header does not list Upgrade";
    } else if (!slice_is(http_header(req, "Sec-WebSocket-Version"), "13")) {
        *ret_status = 426;
        *ret_reason = "only WebSocket version 13 is spoken here";
    } else if (!ws_key_valid(http_header(req, "Sec-WebSocket-Key"))) {
        *ret_reason = "Sec-WebSocket-Key is not 16 bytes of base64";
    } else {
        *ret_key = http_header(req, "Sec-WebSocket-Key");
        return true;
    }
    return false;
}

const char *http_status_text(unsigned status) {
    static const struct {
        unsigned status;
        const char *text;
    } rows[] = {
        {101, "Switching Protocols"},
        {200, "OK"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].status == status) {
            return rows[i].text;
        }
    }
    return "Error";
}
