#include "wire/dialect.h"

#include "base/must.h"
#include "wire/codecs.h"
#include "wire/json_in.h"

const struct dialect *dialect_get(enum dialect_id id) {
    static const struct dialect *const table[DIALECT_COUNT] = {
#define X(sym, name) &dialect_##name,
        DIALECT_TABLE(X)
#undef X
    };
    must(id >= 0 && id < DIALECT_COUNT);
    return table[id];
}

bool room_name_valid(slice s) {
    enum { NAME_MAX = 200 };
    if (s.n == 0 || s.n > NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        bool digit = c >= '0' && c <= '9';
        if (!letter && !digit && (c == 0 || !strchr("_.:/@-", c))) {
            return false;
        }
    }
    return true;
}

const char *role_name(enum role role) {
    switch (role) {
    case ROLE_READ:
        return "read";
    case ROLE_WRITE:
        return "write";
    case ROLE_ADMIN:
        return "admin";
    case ROLE_NONE:
        break;
    }
    return "none";
}

size_t caps_payload_bytes(const struct decode_caps *caps, enum op op) {
    switch (op) {
    case OP_UPDATE:
        return caps->update_bytes;
    case OP_AWARENESS:
        return caps->awareness_bytes;
    default:
        return caps->sync_bytes;
    }
}

void intent_fail(struct intent *in, enum err err, const char *detail) {
    in->err = err;
    in->detail = detail;
}

void intent_too_large(struct arena *arena, struct intent *in, const char *what, size_t size,
                      size_t limit) {
    in->limit_bytes = limit;
    in->size_bytes = size;
    intent_fail(in, ERR_TOO_LARGE,
                detail_printf(arena, "%s has %zu bytes, %zu are allowed", what, size, limit));
}
