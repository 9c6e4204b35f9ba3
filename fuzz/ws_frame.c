/* ws_frame.c: any bytes as a WebSocket stream, after two that choose server or client and the size
 * of the pieces. Promised: the same frames and the same end, however the stream is cut. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/must.h"
#include "wire/ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes down each frame and the end. */
static void play(const uint8_t *data, size_t size, size_t piece, bool server, struct buf *log) {
    struct ws_parser p;
    struct ws_frame f;
    uint8_t *bytes = malloc(size + 1);
    must(bytes);
    memcpy(bytes, data, size);
    ws_parser_init(&p, 300, 1000, server);
    size_t taken = 0;
    size_t arrived = 0;
    enum ws_result r = WS_NEED_MORE;
    while (r == WS_NEED_MORE && arrived < size) {
        arrived += piece < size - arrived ? piece : size - arrived;
        while ((r = ws_parse(&p, bytes + taken, arrived - taken, &f)) == WS_FRAME) {
            must(f.consumed > 0 && f.consumed <= arrived - taken);
            must(f.payload + f.n == bytes + taken + f.consumed);
            buf_printf(log, "%d %d %zu %zu:", (int)f.op, f.fin, f.n, f.consumed);
            buf_put(log, f.payload, f.n);
            taken += f.consumed;
        }
        must(r != WS_NEED_MORE || p.need == 0 ||
             (p.need > arrived - taken && p.need <= WS_MASKED_HEADER_MAX + 300));
    }
    must(p.message_bytes <= 1000);
    buf_printf(log, "end %u %s", p.close_code, p.detail ? p.detail : "");
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    bool server = (data[0] & 1) != 0;
    struct buf whole = {0};
    struct buf cut = {0};
    play(data + 2, size - 2, SIZE_MAX, server, &whole);
    play(data + 2, size - 2, data[1] % 64 + 1u, server, &cut);
    must(slice_eq(buf_slice(&whole), buf_slice(&cut)));
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
