/* control.c: any bytes as what a tool sends. Promised: a frame that is understood says the same
 * when it is written again, and nothing is read beyond it. */
#include <string.h>

#include "base/must.h"
#include "control/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void say_again(const struct control_request *r, slice body) {
    struct buf b;
    slice again;
    size_t bytes = 0;
    bool wrong = false;
    buf_init(&b, 0);
    control_put(&b, r);
    must(control_frame(buf_slice(&b), &again, &bytes, &wrong) && bytes == b.n);
    must(slice_eq(again, body));
    buf_fini(&b);
}

/* The fields of a list, as a tool reads them. */
static void take_apart(slice fields) {
    uint64_t number = 0;
    slice bytes;
    while (control_take_bytes(&fields, &bytes) && control_take_number(&fields, &number)) {
        must(bytes.n <= (size_t)(fields.p - bytes.p));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    slice come = slice_of(data, size);
    slice body;
    size_t bytes = 0;
    bool wrong = false;
    while (control_frame(come, &body, &bytes, &wrong)) {
        struct control_request r;
        if (control_parse(body, &r)) {
            say_again(&r, body);
        }
        take_apart(slice_of(body.p + 1, body.n - 1));
        come = slice_of(come.p + bytes, come.n - bytes);
    }
    return 0;
}
