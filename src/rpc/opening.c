#include "rpc/opening.h"

#include <string.h>

#include "room/rooms.h"

/* ---- addresses and names ---- */

bool opening_accept(void *ctx, const char *host, uint64_t now_ms) {
    const struct rpc *r = ctx;
    char key[BUCKET_ADDRESS_BYTES];
    uint64_t retry_ms = 0;
    return !r->buckets || bucket_take(r->buckets, BUCKET_CONNECTION, bucket_address(host, key),
                                      BUCKET_COST_ONE, now_ms, &retry_ms) == ERR_OK;
}

void opening_gone(void *ctx, const char *host, uint64_t now_ms) {
    const struct rpc *r = ctx;
    char key[BUCKET_ADDRESS_BYTES];
    if (r->buckets) {
        bucket_give(r->buckets, BUCKET_CONNECTION, bucket_address(host, key), BUCKET_COST_ONE,
                    now_ms);
    }
}

unsigned rpc_border(const struct rpc *r, const struct http_request *req, const char **ret_reason) {
    slice origin = http_header(req, "Origin");
    if (r->hosts && !host_allowed(r->hosts, http_header(req, "Host"), r->tls ? 443 : 80)) {
        *ret_reason = "this server is not called by that name (ALLOWED_HOSTS)";
        return 403;
    }
    if (origin.p && r->origins && !origin_allowed(r->origins, origin)) {
        *ret_reason = "pages of this origin may not connect (ALLOWED_ORIGINS)";
        return 403;
    }
    return 0;
}

/* ---- the request ---- */

/* The WebSocket paths: what they speak. */
static const struct endpoint {
    const char *path;
    enum dialect_id dialect;
} endpoints[] = {
    {"/collab/ws", DIALECT_JSONRPC},
    {"/ws", DIALECT_PLAINJSON},
};

/* Subprotocols of /collab/ws, PROTOCOL 1. */
static const struct {
    const char *name;
    bool binary;
} subprotocols[] = {{"mcp-json", false}, {"mcp-binary", true}, {"mcp", false}};

static const struct endpoint *endpoint_of(const struct http_request *req) {
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        if (slice_is(req->path, endpoints[i].path)) {
            return &endpoints[i];
        }
    }
    return NULL;
}

bool opening_is_socket(void *ctx, const struct http_request *req) {
    (void)ctx;
    return endpoint_of(req) != NULL;
}

static void read_session_id(const struct http_request *req, char to[CAPS_LABEL_BYTES]) {
    slice id = http_header(req, "mcp-session-id");
    size_t n = 0;
    if (id.p) {
        n = id.n < CAPS_LABEL_BYTES - 1 ? id.n : CAPS_LABEL_BYTES - 1;
        memcpy(to, id.p, n);
    } else if (!http_query(req, "sid", to, CAPS_LABEL_BYTES - 1, &n)) {
        n = 0;
    }
    to[n] = 0;
}

static void choose_subprotocol(const struct http_request *req, struct opening *o) {
    for (size_t i = 0; i < sizeof subprotocols / sizeof *subprotocols; i++) {
        if (http_header_lists(req, "Sec-WebSocket-Protocol", subprotocols[i].name)) {
            o->subprotocol = subprotocols[i].name;
            o->binary_agreed = subprotocols[i].binary;
            return;
        }
    }
}

/* False when it is no room name. */
static bool read_room(const struct http_request *req, struct opening *o) {
    bool given = http_query(req, "roomId", o->room, sizeof o->room, &o->room_bytes) ||
                 http_query(req, "room", o->room, sizeof o->room, &o->room_bytes);
    return !given || room_name_valid(slice_of(o->room, o->room_bytes));
}

unsigned opening_read(const struct http_request *req, struct opening *ret,
                      const char **ret_reason) {
    *ret = (struct opening){.dialect = endpoint_of(req)->dialect};
    read_session_id(req, ret->session_id);
    if (ret->dialect == DIALECT_JSONRPC) {
        choose_subprotocol(req, ret);
    } else if (!read_room(req, ret)) {
        *ret_reason = "roomId is not a room name: 1-200 of A-Z a-z 0-9 _ . : / @ -";
        return 400;
    }
    return 101;
}

/* ---- answers of access ---- */

void rpc_checked(void *ctx, uint64_t conn, uint32_t req, const struct access_answer *answer) {
    struct rpc *r = ctx;
    struct msg *m = msg_new(MSG_CHECKED);
    m->conn = conn;
    m->req = req;
    m->err = answer->err;
    m->checked.who = answer->identity;
    m->checked.role = answer->role;
    m->checked.why = answer->detail;
    gateway_post(r->gateway, m);
}
