/* yata_state_vector.c: any bytes as a state vector.
 *
 * Promised: yata_decode_state_vector and yata_encode_state refuse the same inputs; both ways to ask
 * for a difference give the same bytes; and the difference is a valid update.
 */
#include "yata_support.h"

/* Only read, so it is made once. */
static struct yata_doc *doc;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    doc = doc ? doc : base_doc();
    struct yata_clock *clocks = NULL;
    size_t n = 0;
    struct yata_bytes by_bytes = {0};
    struct yata_bytes by_clocks = {0};
    enum yata_status decoded = yata_decode_state_vector(data, size, &clocks, &n, NULL);
    enum yata_status encoded = yata_encode_state(doc, data, size, &by_bytes);
    if (size > 0) {
        promise("decode and encode agree", decoded == encoded);
    }
    if (decoded == YATA_OK && encoded == YATA_OK) {
        promise("a decoded vector can be used",
                yata_encode_since(doc, clocks, n, &by_clocks) == YATA_OK);
        promise("bytes and clocks say the same", same_bytes(by_bytes, by_clocks));
        promise("a difference is a valid update",
                yata_check_update(by_bytes.p, by_bytes.n, NULL) == YATA_OK);
    }
    if (decoded == YATA_OK) {
        free(clocks);
    }
    yata_bytes_fini(&by_bytes);
    yata_bytes_fini(&by_clocks);
    return 0;
}
