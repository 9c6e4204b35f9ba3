/* jsonrpc.c: any bytes as a JSON-RPC text message. Promised: every problem is reported in words,
 * and every answer is JSON. */
#include "wire_support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    decode_all(DIALECT_JSONRPC, true, data, size);
    return 0;
}
