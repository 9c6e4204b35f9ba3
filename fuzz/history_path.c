/* history_path: any bytes as the head of a request below /history/. What is understood must name a
 * room and stay within its bounds; what is not is refused with a sentence. */
#include <string.h>

#include "base/must.h"
#include "http/history_path.h"
#include "wire/dialect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct http_request req;
    struct history_request h;
    size_t used = 0;
    unsigned status = 0;
    const char *why = NULL;
    if (http_parse(slice_of(data, size), &req, &used, &status, &why) != HTTP_PARSE_OK ||
        !history_is_path(req.path)) {
        return 0;
    }
    why = NULL;
    status = history_parse(&req, &h, &why);
    must((status == 0) == (why == NULL));
    if (status) {
        must(status >= 400 && status < 500 && why[0]);
        return 0;
    }
    must(h.room_bytes <= sizeof h.room && room_name_valid(slice_of(h.room, h.room_bytes)));
    must(h.label_bytes <= sizeof h.label && h.limit > 0);
    return 0;
}
