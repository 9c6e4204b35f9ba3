/* plainjson.c: any bytes as a message of the legacy dialect. Promised: what the JSON library reads
 * as a good message gives the same bytes here, though the numbers are read without it. */
#include "wire_support.h"

/* The numbers as the library has them; false when they are not all 0 to 255. */
static bool numbers(const json_t *array, uint8_t *to) {
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *v = json_array_get(array, i);
        json_int_t n = json_is_integer(v) ? json_integer_value(v) : -1;
        if (n < 0 || n > 255) {
            return false;
        }
        to[i] = (uint8_t)n;
    }
    return json_is_array(array);
}

struct expected {
    bool any;
    uint8_t bytes[48];
    size_t n;
};

static void compare(void *ctx, const struct intent *in) {
    const struct expected *e = ctx;
    take_intent(NULL, in);
    must(!e->any || in->err == ERR_PARAMS || in->err == ERR_TOO_LARGE || in->err == ERR_OK);
    if (e->any && in->err == ERR_OK) {
        must(slice_eq(in->payload, slice_of(e->bytes, e->n)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct expected e = {0};
    json_t *v = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    const json_t *type = json_object_get(v, "type");
    const json_t *array = json_object_get(v, "update");
    bool update = json_is_string(type) && strcmp(json_string_value(type), "update") == 0;
    if (update && json_array_size(array) <= sizeof e.bytes && numbers(array, e.bytes)) {
        e.any = true;
        e.n = json_array_size(array);
    }
    json_decref(v);
    struct arena arena = {0};
    const struct intent_sink sink = {&e, NULL, compare};
    dialect_get(DIALECT_PLAINJSON)->decode(&fuzz_caps, &arena, true, slice_of(data, size), &sink);
    arena_fini(&arena);
    return 0;
}
