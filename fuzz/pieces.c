/* pieces.c: any bytes as parts of a difference, and as questions for more, one after the other.
 * Promised: they are refused, or what has come is never more than was announced, and is whole
 * exactly when it is as much. */
#include "room/pieces.h"

#include "base/must.h"
#include "limit/caps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of each message the first byte says how long it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct taking t = {0};
    struct giving g = {0};
    giving_begin(&g, frame_copy(slice_of(data, size)), 1, 0);
    for (size_t at = 0; at < size;) {
        size_t left = size - at - 1;
        size_t n = data[at] < left ? data[at] : left;
        slice message = slice_of(data + at + 1, n);
        bool whole = false;
        size_t from = 0;
        if (taking_piece(&t, message, &whole) == ERR_OK) {
            must(t.bytes.n <= t.whole && whole == (t.bytes.n == t.whole));
        }
        must(t.bytes.n <= size && t.whole <= CAPS_BUS_DIFF_BYTES);
        if (giving_asked(&g, message, 1, &from) == ERR_OK) {
            must(g.whole && from < g.whole->n);
        }
        at += 1 + n;
    }
    taking_fini(&t);
    giving_fini(&g);
    return 0;
}
