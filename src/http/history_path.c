#include "http/history_path.h"

#include <jansson.h>

#include "access/json.h"
#include "base/varuint.h"
#include "wire/dialect.h"

static const char prefix[] = "/history/";

enum { SEGMENTS = 4 };

/* The path behind the prefix, cut at its slashes. */
struct path {
    slice segment[SEGMENTS];
    size_t count;
};

bool history_is_path(slice path) {
    const size_t n = sizeof prefix - 1;
    return path.n > n && memcmp(path.p, prefix, n) == 0;
}

/* False when there are more segments than any request has. */
static bool cut(slice path, struct path *ret) {
    const uint8_t *p = path.p + sizeof prefix - 1;
    const uint8_t *end = path.p + path.n;
    for (;;) {
        const uint8_t *slash = memchr(p, '/', (size_t)(end - p));
        if (ret->count == SEGMENTS) {
            return false;
        }
        ret->segment[ret->count++] = slice_of(p, (size_t)((slash ? slash : end) - p));
        if (!slash) {
            return true;
        }
        p = slash + 1;
    }
}

/* How many segments are the room's name. */
static size_t room_segments(const struct path *p) {
    slice first = p->segment[0];
    bool encoded = first.n && memchr(first.p, '%', first.n);
    bool pair = !encoded && first.n >= 3 && memcmp(first.p, "ws:", 3) == 0;
    return pair && p->count > 1 ? 2 : 1;
}

static bool read_room(const struct path *p, size_t segments, struct history_request *ret) {
    const uint8_t *from = p->segment[0].p;
    slice last = p->segment[segments - 1];
    slice encoded = slice_of(from, (size_t)(last.p + last.n - from));
    return http_percent_decode(encoded, ret->room, sizeof ret->room, &ret->room_bytes) &&
           room_name_valid(slice_of(ret->room, ret->room_bytes));
}

/* Decimal digits, 1 to 2^53-1. */
static bool read_number(slice text, uint64_t *ret) {
    uint64_t v = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || v > VARUINT_MAX / 10) {
            return false;
        }
        v = v * 10 + (uint64_t)(text.p[i] - '0');
    }
    *ret = v;
    return v > 0 && v <= VARUINT_MAX;
}

static bool read_version(slice text, uint64_t *ret) {
    if (slice_is(text, "latest")) {
        *ret = 0;
        return true;
    }
    return read_number(text, ret);
}

/* A number of the query; it stays as it is when it is not there. */
static bool query_number(const struct http_request *req, const char *name, uint64_t *ret) {
    char text[24];
    size_t n = 0;
    if (!http_query(req, name, text, sizeof text, &n)) {
        return !http_query_has(req, name);
    }
    return read_number(slice_of(text, n), ret);
}

/* {"label": TEXT}, {} or nothing. */
static bool read_label(slice body, struct history_request *ret) {
    if (!body.n) {
        return true;
    }
    json_t *o = json_strict_object(body);
    const json_t *label = json_object_get(o, "label");
    size_t n = json_string_length(label);
    bool ok = o && json_object_size(o) == (label ? 1 : 0) && (!label || json_is_string(label)) &&
              n < sizeof ret->label;
    if (ok && n) {
        memcpy(ret->label, json_string_value(label), n);
        ret->label_bytes = n;
    }
    json_decref(o);
    return ok;
}

/* The operations, by what stands behind the version and by the method. */
static const struct {
    const char *word; /* NULL: nothing */
    bool of_version;
    bool post;
    enum op op;
} rows[] = {
    {NULL, false, false, OP_HISTORY_LIST},       {NULL, false, true, OP_HISTORY_SAVE},
    {NULL, true, false, OP_HISTORY_GET},         {"compare", true, false, OP_HISTORY_COMPARE},
    {"restore", true, true, OP_HISTORY_RESTORE},
};

/* 0 with *ret, or 404, or 405 when there is one by the other method. */
static unsigned find_op(const slice *rest, size_t count, bool post, enum op *ret) {
    unsigned status = 404;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool word = rows[i].word ? count == 2 && slice_is(rest[1], rows[i].word) : count < 2;
        if (word && rows[i].of_version == (count > 0)) {
            status = rows[i].post == post ? 0 : 405;
            *ret = rows[i].op;
        }
        if (status == 0) {
            break;
        }
    }
    return status;
}

/* ?to=W or now. */
static bool query_to(const struct http_request *req, uint64_t *ret) {
    char text[24];
    size_t n = 0;
    if (http_query(req, "to", text, sizeof text, &n) && slice_is(slice_of(text, n), "now")) {
        return true;
    }
    return query_number(req, "to", ret);
}

/* What comes behind the room's name decides. */
static unsigned read_rest(const struct http_request *req, const slice *rest, size_t count,
                          struct history_request *ret, const char **ret_why) {
    bool post = slice_is(req->method, "POST");
    if (!post && !slice_is(req->method, "GET")) {
        *ret_why = "versions are read with GET, saved and restored with POST";
        return 405;
    }
    if (count && !read_version(rest[0], &ret->version_id)) {
        *ret_why =
            "behind the room comes a version's id or latest; a room with slashes in its name "
            "is percent-encoded";
        return 404;
    }
    unsigned status = find_op(rest, count, post, &ret->op);
    if (status) {
        *ret_why = status == 405
                       ? "versions are read and compared with GET, saved and restored with "
                         "POST"
                       : "there is nothing of that name about a version";
        return status;
    }
    if (post && !read_label(req->body, ret)) {
        *ret_why = "the body is not {\"label\": TEXT} with at most 200 bytes, {} or empty";
        return 400;
    }
    if (!query_number(req, "limit", &ret->limit) || !query_number(req, "before", &ret->before) ||
        !query_to(req, &ret->to_id)) {
        *ret_why = "limit and before are numbers above 0, to is one or now";
        return 400;
    }
    return 0;
}

unsigned history_parse(const struct http_request *req, struct history_request *ret,
                       const char **ret_why) {
    *ret = (struct history_request){.limit = CAPS_VERSIONS_FIRST};
    struct path path = {0};
    bool whole = cut(req->path, &path);
    size_t segments = room_segments(&path);
    if (!whole) {
        *ret_why = "there is no such page below /history/; a room with slashes in its name is "
                   "percent-encoded";
        return 404;
    }
    if (!read_room(&path, segments, ret)) {
        *ret_why = "the path does not have a room's name behind /history/";
        return 400;
    }
    return read_rest(req, path.segment + segments, path.count - segments, ret, ret_why);
}
