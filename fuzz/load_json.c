/* load_json.c: any bytes as a message to the load generator, which looks into JSON without building
 * anything. Promised: what is found lies within the message, and where the JSON library can read
 * the message, too, both find the same. */
#include <string.h>

#include <jansson.h>

#include "base/must.h"
#include "load/dialect.h"
#include "load/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One member, as the library knows it. */
static void compare(slice message, const char *name, const json_t *value) {
    bool escapes = memchr(message.p, '\\', message.n) != NULL;
    slice part;
    uint64_t number;
    if (!json_member(message, name, &part)) {
        must(escapes); /* names are compared as they are written */
        return;
    }
    json_t *same = json_loadb((const char *)part.p, part.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    must(json_equal(same, value));
    json_decref(same);
    if (json_member_text(message, name, &part)) {
        must(json_is_string(value) && part.n == json_string_length(value));
        must(memcmp(part.p, json_string_value(value), part.n) == 0);
    } else {
        must(!json_is_string(value) || escapes);
    }
    if (json_member_number(message, name, &number)) {
        must(json_is_integer(value) && (json_int_t)number == json_integer_value(value));
    }
    must(json_member_true(message, name) == json_is_true(value));
}

static void compare_all(slice message) {
    if (memchr(message.p, 0, message.n)) {
        return; /* the library lets some of these pass, though they are no JSON */
    }
    json_t *all = json_loadb((const char *)message.p, message.n, JSON_REJECT_DUPLICATES, NULL);
    const char *name;
    json_t *value;
    json_object_foreach(all, name, value) {
        compare(message, name, value);
    }
    json_decref(all);
}

static void read_as(const struct dialect_ops *dialect, bool text, slice message) {
    struct speaker s = {.room = "r", .join_id = 1, .channel = 1};
    struct heard h;
    dialect->read(&s, text, message, &h);
    const slice parts[] = {h.text, h.payload};
    for (size_t i = 0; i < 2; i++) {
        must(!parts[i].n || (parts[i].p >= message.p &&
                             parts[i].n <= message.n - (size_t)(parts[i].p - message.p)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const slice message = slice_of(data, size);
    compare_all(message);
    read_as(&speak_mcp_json, true, message);
    read_as(&speak_mcp_binary, false, message);
    return 0;
}
