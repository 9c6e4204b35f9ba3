#include "base/err.h"

#include "base/must.h"

static const struct {
    int rpc;
    const char *text;
    unsigned ws;
    const char *label;
} rows[ERR_COUNT] = {
#define X(sym, rpc, text, ws, label) {rpc, text, ws, label},
    ERR_TABLE(X)
#undef X
};

int err_rpc_code(enum err e) {
    must(e < ERR_COUNT);
    return rows[e].rpc;
}

const char *err_text(enum err e) {
    must(e < ERR_COUNT);
    return rows[e].text;
}

unsigned err_ws_close(enum err e) {
    must(e < ERR_COUNT);
    return rows[e].ws;
}

const char *err_label(enum err e) {
    must(e < ERR_COUNT);
    return rows[e].label;
}
