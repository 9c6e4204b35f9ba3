/* json.c: is this JSON text?
 *
 * Embeds and formats carry JSON text, which this library keeps as the sender wrote it. A Yjs client
 * parses it while it applies the update and throws if it cannot, so text that is not JSON would
 * make a document unreadable for everyone; therefore it is refused at the door. The grammar is RFC
 * 8259, as JSON.parse has it. Nesting is walked with a bit per level.
 */
#include <string.h>

#include "update.h"

struct json {
    const uint8_t *p, *end;
};

static void blanks(struct json *j) {
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\t' || *j->p == '\r')) {
        j->p++;
    }
}

static bool take(struct json *j, uint8_t c) {
    if (j->p < j->end && *j->p == c) {
        j->p++;
        return true;
    }
    return false;
}

static bool word(struct json *j, const char *w) {
    size_t n = strlen(w);
    if ((size_t)(j->end - j->p) < n || memcmp(j->p, w, n) != 0) {
        return false;
    }
    j->p += n;
    return true;
}

static bool digits(struct json *j) {
    const uint8_t *at = j->p;
    while (j->p < j->end && *j->p >= '0' && *j->p <= '9') {
        j->p++;
    }
    return j->p > at;
}

static bool number(struct json *j) {
    (void)take(j, '-');
    if (!take(j, '0') && !digits(j)) {
        return false;
    }
    if (take(j, '.') && !digits(j)) {
        return false;
    }
    if (take(j, 'e') || take(j, 'E')) {
        if (!take(j, '+')) {
            (void)take(j, '-');
        }
        return digits(j);
    }
    return true;
}

static bool hex4(struct json *j) {
    for (int i = 0; i < 4; i++, j->p++) {
        if (j->p == j->end || *j->p == 0 || !strchr("0123456789abcdefABCDEF", *j->p)) {
            return false;
        }
    }
    return true;
}

static bool string(struct json *j) {
    if (!take(j, '"')) {
        return false;
    }
    while (j->p < j->end && *j->p >= 0x20) {
        uint8_t c = *j->p++;
        if (c == '"') {
            return true;
        }
        if (c != '\\') {
            continue;
        }
        if (take(j, 'u')) {
            if (!hex4(j)) {
                return false;
            }
        } else if (j->p == j->end || *j->p == 0 || !strchr("\"\\/bfnrt", *j->p)) {
            return false;
        } else {
            j->p++;
        }
    }
    return false;
}

static bool key(struct json *j) {
    blanks(j);
    if (!string(j)) {
        return false;
    }
    blanks(j);
    return take(j, ':');
}

static bool scalar(struct json *j) {
    if (j->p == j->end) {
        return false;
    }
    switch (*j->p) {
    case '"':
        return string(j);
    case 't':
        return word(j, "true");
    case 'f':
        return word(j, "false");
    case 'n':
        return word(j, "null");
    default:
        return number(j);
    }
}

/* Whole text. *ret_deep: it may be JSON, but nests deeper than `most`. */
static bool text(struct json *j, size_t most, bool *ret_deep) {
    uint8_t object[YATAI_DEPTH_MAX];
    size_t depth = 0;
    for (;;) {
        blanks(j);
        bool opens_object = take(j, '{');
        if (opens_object || take(j, '[')) {
            blanks(j);
            if (!take(j, opens_object ? '}' : ']')) {
                if (depth == most) {
                    *ret_deep = true;
                    return false;
                }
                object[depth++] = opens_object;
                if (opens_object && !key(j)) {
                    return false;
                }
                continue;
            }
        } else if (!scalar(j)) {
            return false;
        }
        /* A value has ended: close what it closes, up to where the next one starts. */
        for (;; depth--) {
            blanks(j);
            if (depth == 0) {
                return j->p == j->end;
            }
            if (take(j, ',')) {
                if (object[depth - 1] && !key(j)) {
                    return false;
                }
                break;
            }
            if (!take(j, object[depth - 1] ? '}' : ']')) {
                return false;
            }
        }
    }
}

bool yatai_json_check(struct yatai_reader *r, const uint8_t *p, uint32_t n) {
    struct json j = {.p = p, .end = p + n};
    size_t most = r->max_depth < YATAI_DEPTH_MAX ? r->max_depth : YATAI_DEPTH_MAX;
    bool deep = false;
    if (text(&j, most, &deep)) {
        return true;
    }
    yatai_reader_fail(r, j.p, deep ? "JSON nests too deep" : "text is not JSON");
    if (deep) {
        r->status = YATA_LIMIT;
    }
    return false;
}
