/* jsonrpc.c: any bytes as a JSON-RPC text message. Promised: every problem is reported in words;
 * every answer is JSON; and cutting long strings out before the JSON library sees them changes
 * nothing. */
#include "wire/json_in.h"
#include "wire_support.h"

/* `cut` and `whole` are the same value, but for strings that stand elsewhere. */
static bool same(const struct json_cuts *cuts, json_t *cut, json_t *whole) {
    if (json_is_string(cut) && json_is_string(whole)) {
        slice s = slice_of(json_string_value(whole), json_string_length(whole));
        return slice_eq(json_cut_out(cuts, cut), s);
    }
    if (json_is_array(cut) && json_array_size(cut) == json_array_size(whole)) {
        size_t i = 0;
        while (i < json_array_size(cut) &&
               same(cuts, json_array_get(cut, i), json_array_get(whole, i))) {
            i++;
        }
        return i == json_array_size(cut);
    }
    if (!json_is_object(cut) || json_object_size(cut) != json_object_size(whole)) {
        return json_equal(cut, whole);
    }
    const char *key;
    json_t *v;
    json_object_foreach(cut, key, v) {
        if (!same(cuts, v, json_object_get(whole, key))) {
            return false;
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"payloadB64", "payload", "stateVectorB64", NULL};
    struct arena arena = {0};
    struct json_cuts cuts = {.names = names};
    enum err errs[2] = {ERR_OK, ERR_OK};
    const char *details[2] = {NULL, NULL};
    json_t *cut = json_read(&arena, slice_of(data, size), &cuts, &errs[0], &details[0]);
    json_t *whole = json_read(&arena, slice_of(data, size), NULL, &errs[1], &details[1]);
    must(errs[0] == errs[1] && !cut == !whole);
    must(cut || strcmp(details[0], details[1]) == 0);
    must(!cut || same(&cuts, cut, whole));
    json_decref(cut);
    json_decref(whole);
    arena_fini(&arena);
    decode_all(DIALECT_JSONRPC, true, data, size);
    return 0;
}
