/* err.h: the one list of things that can go wrong, and what each looks like on every border.
 *
 * A row: symbol, JSON-RPC code, JSON-RPC message, WebSocket close code (when the connection cannot
 * go on), metric label. ERR_OK is 0 and the only success.
 *
 * Thread: any. Pure.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define NODISCARD [[nodiscard]]

#define ERR_TABLE(X)                                                                               \
    X(OK, 0, "OK", 1000, "ok")                                                                     \
    X(PARSE, -32700, "Parse error", 1007, "parse")                                                 \
    X(REQUEST, -32600, "Invalid Request", 1008, "invalid_request")                                 \
    X(METHOD, -32601, "Method not found", 1008, "method")                                          \
    X(PARAMS, -32602, "Invalid params", 1008, "params")                                            \
    X(UNAUTH, 401, "UNAUTH", 1008, "unauth")                                                       \
    X(FORBIDDEN, 403, "FORBIDDEN", 1008, "forbidden")                                              \
    X(NOT_FOUND, 404, "ROOM_NOT_FOUND", 1008, "not_found")                                         \
    X(NO_VERSION, 404, "VERSION_NOT_FOUND", 1008, "no_version")                                    \
    X(TOO_LARGE, 413, "PAYLOAD_TOO_LARGE", 1009, "too_large")                                      \
    X(RATE, 429, "RATE_LIMIT", 1008, "rate")                                                       \
    X(INTERNAL, 500, "INTERNAL", 1011, "internal")                                                 \
    X(NOMEM, 500, "INTERNAL", 1011, "nomem")                                                       \
    X(PROTOCOL, -32600, "Invalid Request", 1002, "protocol")                                       \
    X(UTF8, -32700, "Parse error", 1007, "utf8")                                                   \
    X(BUSY, 429, "RATE_LIMIT", 1013, "busy")                                                       \
    X(IO, 500, "INTERNAL", 1011, "io")                                                             \
    X(STORE, 503, "STORE_UNAVAILABLE", 1013, "store")                                              \
    X(DAMAGED, 500, "INTERNAL", 1011, "damaged")

enum err {
#define X(sym, rpc, text, ws, label) ERR_##sym,
    ERR_TABLE(X)
#undef X
        ERR_COUNT
};

/* The JSON-RPC error code of `e`. */
int err_rpc_code(enum err e);
/* The JSON-RPC error message of `e`; a static string. */
const char *err_text(enum err e);
/* The WebSocket close code to use when `e` ends a connection (RFC 6455 7.4.1). */
unsigned err_ws_close(enum err e);
/* The label of `e` in metrics and logs; a static string. */
const char *err_label(enum err e);

#endif
