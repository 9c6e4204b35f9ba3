#include "wire/ws.h"

#include "base/must.h"

/* The checks stand in the order of the bytes they need, so that a frame that arrives byte by byte
 * fails with the same words as one that arrives whole. */

enum {
    BYTE0_FIN = 0x80,
    BYTE0_RSV = 0x70,
    BYTE0_OP = 0x0f,
    BYTE1_MASK = 0x80,
    BYTE1_LEN = 0x7f,
    LEN_16 = 126, /* RFC 6455 5.2: the length follows in 2 bytes */
    LEN_64 = 127, /* ... in 8 bytes */
};

struct head {
    uint8_t op;
    bool fin;
    bool masked;
    uint64_t payload_bytes;
    size_t header_bytes;
};

static enum ws_result fail(struct ws_parser *p, unsigned code, const char *detail) {
    p->close_code = code;
    p->detail = detail;
    return WS_ERROR;
}

static enum ws_result need(struct ws_parser *p, size_t bytes) {
    p->need = bytes;
    return WS_NEED_MORE;
}

static bool is_control(uint8_t op) {
    return op >= WS_CLOSE;
}

static enum ws_result check_first(struct ws_parser *p, uint8_t byte, struct head *h) {
    h->op = byte & BYTE0_OP;
    h->fin = (byte & BYTE0_FIN) != 0;
    if (byte & BYTE0_RSV) {
        return fail(p, 1002, "reserved bit set though no extension was negotiated");
    }
    switch (h->op) {
    case WS_CONT:
        if (!p->in_message) {
            return fail(p, 1002, "continuation frame without a message to continue");
        }
        break;
    case WS_TEXT:
    case WS_BIN:
        if (p->in_message) {
            return fail(p, 1002, "new data message inside a fragmented one");
        }
        break;
    case WS_CLOSE:
    case WS_PING:
    case WS_PONG:
        if (!h->fin) {
            return fail(p, 1002, "fragmented control frame");
        }
        break;
    default:
        return fail(p, 1002, "reserved opcode");
    }
    if (h->op == WS_CONT && p->fragments >= WS_FRAGMENTS_MAX) {
        return fail(p, 1009, "message of too many fragments");
    }
    return WS_FRAME;
}

static enum ws_result check_second(struct ws_parser *p, uint8_t byte, const struct head *h) {
    bool masked = (byte & BYTE1_MASK) != 0;
    if (masked != p->server) {
        return fail(p, 1002, p->server ? "client frame is not masked" : "server frame is masked");
    }
    if (is_control(h->op) && (byte & BYTE1_LEN) > WS_CONTROL_MAX) {
        return fail(p, 1002, "control frame of more than 125 bytes");
    }
    return WS_FRAME;
}

/* Caps are compared before any sum is made: payload_bytes is the peer's word until then. */
static enum ws_result check_length(struct ws_parser *p, const struct head *h) {
    if (is_control(h->op)) {
        return WS_FRAME;
    }
    if (h->payload_bytes > p->max_frame_bytes) {
        return fail(p, 1009, "frame is too large");
    }
    size_t so_far = h->op == WS_CONT ? p->message_bytes : 0;
    if (h->payload_bytes > p->max_message_bytes - so_far) {
        return fail(p, 1009, "message is too large");
    }
    return WS_FRAME;
}

static uint64_t read_be(const uint8_t *p, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

static enum ws_result parse_length(struct ws_parser *p, const uint8_t *bytes, size_t n,
                                   struct head *h) {
    uint8_t len = bytes[1] & BYTE1_LEN;
    size_t extra = len == LEN_64 ? 8 : len == LEN_16 ? 2 : 0;
    h->masked = (bytes[1] & BYTE1_MASK) != 0;
    h->header_bytes = 2 + extra + (h->masked ? 4 : 0);
    h->payload_bytes = len;
    if (n < 2 + extra) {
        return need(p, 0);
    }
    if (extra) {
        h->payload_bytes = read_be(bytes + 2, extra);
    }
    if (h->payload_bytes >> 63) {
        return fail(p, 1002, "most significant bit of the length is set");
    }
    if ((extra == 2 && h->payload_bytes < LEN_16) || (extra == 8 && h->payload_bytes <= 0xffff)) {
        return fail(p, 1002, "length is not in its shortest form");
    }
    return check_length(p, h);
}

static enum ws_result parse_head(struct ws_parser *p, const uint8_t *bytes, size_t n,
                                 struct head *h) {
    if (n < 1) {
        return need(p, 0);
    }
    enum ws_result r = check_first(p, bytes[0], h);
    if (r != WS_FRAME) {
        return r;
    }
    if (n < 2) {
        return need(p, 0);
    }
    r = check_second(p, bytes[1], h);
    return r == WS_FRAME ? parse_length(p, bytes, n, h) : r;
}

static enum ws_result check_close(struct ws_parser *p, slice payload) {
    if (payload.n == 1) {
        return fail(p, 1002, "close payload of one byte");
    }
    if (payload.n >= 2) {
        if (!ws_close_code_valid((unsigned)read_be(payload.p, 2))) {
            return fail(p, 1002, "close code that may not be sent");
        }
        if (!utf8_valid(slice_of(payload.p + 2, payload.n - 2))) {
            return fail(p, 1007, "close reason is not UTF-8");
        }
    }
    return WS_FRAME;
}

static enum ws_result take_data(struct ws_parser *p, const struct head *h, slice payload) {
    if (h->op != WS_CONT) {
        p->message_op = (enum ws_op)h->op;
        p->message_bytes = 0;
        p->fragments = 0;
        p->utf8 = 0;
    }
    p->in_message = !h->fin;
    p->message_bytes += payload.n;
    p->fragments++;
    if (p->message_op == WS_TEXT &&
        (!utf8_feed(&p->utf8, payload) || (h->fin && !utf8_done(p->utf8)))) {
        return fail(p, 1007, "text message is not UTF-8");
    }
    return WS_FRAME;
}

void ws_parser_init(struct ws_parser *p, size_t max_frame_bytes, size_t max_message_bytes,
                    bool server) {
    /* So that header and payload never pass what a size_t holds. */
    must(max_frame_bytes <= SIZE_MAX / 2 && max_message_bytes <= SIZE_MAX / 2);
    *p = (struct ws_parser){.max_frame_bytes = max_frame_bytes,
                            .max_message_bytes = max_message_bytes,
                            .server = server};
}

enum ws_result ws_parse(struct ws_parser *p, uint8_t *bytes, size_t n, struct ws_frame *ret) {
    if (p->close_code) {
        return WS_ERROR;
    }
    struct head h = {0};
    enum ws_result r = parse_head(p, bytes, n, &h);
    if (r != WS_FRAME) {
        return r;
    }
    size_t payload_bytes = (size_t)h.payload_bytes;
    size_t total = h.header_bytes + payload_bytes;
    if (n < total) {
        return need(p, total);
    }
    uint8_t *payload = bytes + h.header_bytes;
    if (h.masked) {
        ws_mask(payload, payload_bytes, payload - 4);
    }
    if (h.op == WS_CLOSE) {
        r = check_close(p, slice_of(payload, payload_bytes));
    } else if (!is_control(h.op)) {
        r = take_data(p, &h, slice_of(payload, payload_bytes));
    }
    if (r == WS_FRAME) {
        *ret = (struct ws_frame){(enum ws_op)h.op, h.fin, payload, payload_bytes, total};
    }
    return r;
}

static size_t put_header(uint8_t *to, enum ws_op op, size_t payload_bytes, uint8_t mask_bit) {
    to[0] = (uint8_t)(BYTE0_FIN | op);
    if (payload_bytes < LEN_16) {
        to[1] = (uint8_t)(mask_bit | payload_bytes);
        return 2;
    }
    size_t extra = payload_bytes <= 0xffff ? 2 : 8;
    to[1] = (uint8_t)(mask_bit | (extra == 2 ? LEN_16 : LEN_64));
    uint64_t v = payload_bytes;
    for (size_t i = 0; i < extra; i++) {
        to[2 + i] = (uint8_t)(v >> (8 * (extra - 1 - i)));
    }
    return 2 + extra;
}

size_t ws_header(uint8_t to[WS_HEADER_MAX], enum ws_op op, size_t payload_bytes) {
    return put_header(to, op, payload_bytes, 0);
}

size_t ws_header_masked(uint8_t to[WS_MASKED_HEADER_MAX], enum ws_op op, size_t payload_bytes,
                        const uint8_t mask[4]) {
    size_t n = put_header(to, op, payload_bytes, BYTE1_MASK);
    memcpy(to + n, mask, 4);
    return n + 4;
}

void ws_mask(uint8_t *bytes, size_t n, const uint8_t mask[4]) {
    uint8_t twice[8];
    memcpy(twice, mask, 4);
    memcpy(twice + 4, mask, 4);
    uint64_t key;
    memcpy(&key, twice, sizeof key);
    size_t i = 0;
    for (; n - i >= sizeof key; i += sizeof key) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof word);
        word ^= key;
        memcpy(bytes + i, &word, sizeof word);
    }
    for (; i < n; i++) {
        bytes[i] ^= twice[i & 7];
    }
}

bool ws_close_code_valid(unsigned code) {
    /* 1004 is reserved, 1005, 1006 and 1015 are for local use and never sent. */
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

size_t ws_close_payload(uint8_t to[WS_CONTROL_MAX], unsigned code, const char *reason) {
    slice s = slice_str(reason);
    size_t n = s.n < WS_CONTROL_MAX - 2 ? s.n : WS_CONTROL_MAX - 2;
    /* A cut may not leave a continuation byte as the first of the rest. */
    while (n && n < s.n && (s.p[n] & 0xc0) == 0x80) {
        n--;
    }
    to[0] = (uint8_t)(code >> 8);
    to[1] = (uint8_t)code;
    if (n) {
        memcpy(to + 2, s.p, n);
    }
    return 2 + n;
}

bool ws_close_parse(slice payload, unsigned *ret_code, slice *ret_reason) {
    struct ws_parser scratch = {0};
    if (check_close(&scratch, payload) != WS_FRAME) {
        return false;
    }
    bool empty = payload.n == 0;
    *ret_code = empty ? 1005 : (unsigned)read_be(payload.p, 2);
    *ret_reason = empty ? (slice){0} : slice_of(payload.p + 2, payload.n - 2);
    return true;
}
