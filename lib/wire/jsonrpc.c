/* JSON-RPC 2.0 requests to intents (PROTOCOL 3). What a method takes stands in methods.def, what a
 * field is in intent.h; this file knows the types. */
#include <math.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/varuint.h"
#include "wire/codecs.h"
#include "wire/json_in.h"
#include "wire/json_out.h"

enum {
    ID_MAX = 256,      /* characters; a UUID is 36. Ids are kept until the answer is written */
    NAME_MAX = 256,    /* sessionId, sid, protocolVersion */
    TOKEN_MAX = 16384, /* no HTTP server takes a longer one in a header */
    CLIENT_MAX = 4096, /* as JSON text; goes into logs */
};

static const char base64_prefix[] = "base64:";

/* Members of params that may be long. */
static const char *const blobs[] = {"payloadB64", "payload", "stateVectorB64", NULL};

enum field_type {
    TYPE_ROOM,
    TYPE_STRING,
    TYPE_CAPABILITIES,
    TYPE_ANY,
    TYPE_UINT,
    TYPE_BASE64,
    TYPE_NUMBER,
    TYPE_BOOL,
};

struct field {
    const char *name;
    enum field_type type;
};

static const struct field fields[FIELD_COUNT] = {
#define X(sym, name, type) {name, TYPE_##type},
    INTENT_FIELDS(X)
#undef X
};

/* Where a field's value stands in an intent. */
static const size_t offsets[FIELD_COUNT] = {
    [FIELD_ROOM_ID] = offsetof(struct intent, room_id),
    [FIELD_SESSION_ID] = offsetof(struct intent, session_id),
    [FIELD_SID] = offsetof(struct intent, sid),
    [FIELD_TOKEN] = offsetof(struct intent, token),
    [FIELD_CAPABILITIES] = offsetof(struct intent, capabilities),
    [FIELD_CLIENT] = offsetof(struct intent, client),
    [FIELD_SEQ] = offsetof(struct intent, seq),
    [FIELD_PAYLOAD] = offsetof(struct intent, payload),
    [FIELD_STATE_VECTOR] = offsetof(struct intent, state_vector),
    [FIELD_TS] = offsetof(struct intent, ts),
    [FIELD_RTT_MS] = offsetof(struct intent, rtt_ms),
    [FIELD_USER_ID] = offsetof(struct intent, user_id),
    [FIELD_REASON] = offsetof(struct intent, reason),
    [FIELD_BAN_SEC] = offsetof(struct intent, ban_sec),
    [FIELD_MUTED] = offsetof(struct intent, muted),
    [FIELD_DURATION_SEC] = offsetof(struct intent, duration_sec),
    [FIELD_VERSION_ID] = offsetof(struct intent, version_id),
    [FIELD_TO_ID] = offsetof(struct intent, to_id),
    [FIELD_LIMIT] = offsetof(struct intent, limit),
    [FIELD_BEFORE] = offsetof(struct intent, before),
    [FIELD_LABEL] = offsetof(struct intent, label),
    [FIELD_PROTOCOL_VERSION] = offsetof(struct intent, protocol_version),
};

struct method {
    const char *name;
    enum op op;
    uint32_t required;
    uint32_t allowed;
};

static const struct method methods[] = {
#define F(sym)                                           (1u << FIELD_##sym)
#define METHOD(op, name, right, cost, required, allowed) {name, OP_##op, required, allowed},
#include "wire/methods.def"
#undef METHOD
#undef F
};

static const struct {
    const char *name;
    enum capability bit;
} capabilities[] = {{"yjs.sync.v1", CAP_YJS_SYNC_V1}, {"binary.v1", CAP_BINARY_V1}};

/* One request on its way to an intent. */
struct request {
    const struct decode_caps *caps;
    struct arena *arena;
    const struct json_cuts *cuts;
    struct intent in;
};

static bool fail(struct request *r, enum err err, const char *detail) {
    intent_fail(&r->in, err, detail);
    return false;
}

static bool bad_field(struct request *r, const char *name, const char *must_be) {
    return fail(r, ERR_PARAMS, detail_printf(r->arena, "params.%s must be %s", name, must_be));
}

static bool no_memory(struct request *r) {
    return fail(r, ERR_NOMEM, "out of memory");
}

static slice string_slice(const json_t *string) {
    return slice_of(json_string_value(string), json_string_length(string));
}

static bool has_nul(slice s) {
    return s.n && memchr(s.p, 0, s.n);
}

static bool read_room(struct request *r, const char *name, const json_t *v, slice *ret) {
    if (!json_is_string(v)) {
        return bad_field(r, name, "a string");
    }
    if (!room_name_valid(string_slice(v))) {
        return bad_field(r, name, "1 to 200 characters of A-Z a-z 0-9 _ . : / @ -");
    }
    return json_copy_string(r->arena, v, ret) || no_memory(r);
}

static bool read_string(struct request *r, const char *name, const json_t *v, slice *ret) {
    if (!json_is_string(v)) {
        return bad_field(r, name, "a string");
    }
    size_t max = ret == &r->in.token ? TOKEN_MAX : NAME_MAX;
    if (json_string_length(v) > max) {
        return fail(r, ERR_PARAMS,
                    detail_printf(r->arena, "params.%s has more than %zu bytes", name, max));
    }
    if (has_nul(string_slice(v))) {
        return bad_field(r, name, "a string without U+0000");
    }
    return json_copy_string(r->arena, v, ret) || no_memory(r);
}

/* Free form: its JSON text, written anew. Depth and size are bounded by then. */
static bool read_any(struct request *r, const char *name, const json_t *v, slice *ret) {
    const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
    size_t n = json_dumpb(v, NULL, 0, flags);
    if (n > CLIENT_MAX) {
        return fail(r, ERR_PARAMS,
                    detail_printf(r->arena, "params.%s has more than %d bytes", name, CLIENT_MAX));
    }
    uint8_t *to = arena_alloc(r->arena, n);
    if (!to || n == 0 || json_dumpb(v, (char *)to, n, flags) != n) {
        return no_memory(r);
    }
    *ret = slice_of(to, n);
    return true;
}

static unsigned capability_bit(slice name) {
    for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++) {
        if (slice_is(name, capabilities[i].name)) {
            return capabilities[i].bit;
        }
    }
    return 0; /* one of a later version, or of another server */
}

/* A list of names, or an object with those names, as MCP has it: there false and null say no. */
static bool read_capabilities(struct request *r, const char *name, json_t *v, unsigned *ret) {
    unsigned bits = 0;
    if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++) {
            const json_t *item = json_array_get(v, i);
            if (!json_is_string(item)) {
                return fail(r, ERR_PARAMS,
                            detail_printf(r->arena, "params.%s[%zu] must be a string", name, i));
            }
            bits |= capability_bit(string_slice(item));
        }
    } else if (json_is_object(v)) {
        const char *key;
        json_t *item;
        json_object_foreach(v, key, item) {
            bool no = json_is_false(item) || json_is_null(item);
            bits |= no ? 0 : capability_bit(slice_str(key));
        }
    } else {
        return bad_field(r, name, "an array of strings or an object");
    }
    *ret = bits;
    return true;
}

static bool read_uint(struct request *r, const char *name, const json_t *v, uint64_t *ret) {
    double real = json_number_value(v);
    bool whole = json_is_integer(v) || (json_is_real(v) && floor(real) == real);
    if (!whole || real < 0 || real > (double)VARUINT_MAX) {
        return bad_field(r, name, "an integer of 0 to 2^53-1");
    }
    *ret = json_is_integer(v) ? (uint64_t)json_integer_value(v) : (uint64_t)real;
    return true;
}

static bool read_number(struct request *r, const char *name, const json_t *v, double *ret) {
    if (!json_is_number(v)) {
        return bad_field(r, name, "a number");
    }
    *ret = json_number_value(v);
    return true;
}

static bool read_bool(struct request *r, const char *name, const json_t *v, bool *ret) {
    if (!json_is_boolean(v)) {
        return bad_field(r, name, "true or false");
    }
    *ret = json_is_true(v);
    return true;
}

/* The bytes that so much base64 stands for, known before it is decoded. */
static size_t base64_bytes(slice text) {
    size_t n = text.n;
    for (int pad = 0; pad < 2 && n && text.p[n - 1] == '='; pad++) {
        n--;
    }
    return n / 4 * 3 + n % 4 * 3 / 4;
}

static bool read_base64(struct request *r, const char *name, const json_t *v, size_t cap,
                        slice *ret) {
    if (!json_is_string(v)) {
        return bad_field(r, name, "a string of base64");
    }
    slice text = json_cut_out(r->cuts, v);
    if (strcmp(name, "payload") == 0) {
        const size_t skip = sizeof base64_prefix - 1;
        if (text.n < skip || memcmp(text.p, base64_prefix, skip) != 0) {
            return bad_field(r, name, "a string that begins with \"base64:\"");
        }
        text = slice_of(text.p + skip, text.n - skip);
    }
    size_t bytes = base64_bytes(text);
    if (bytes > cap) {
        intent_too_large(r->arena, &r->in, name, bytes, cap);
        return false;
    }
    uint8_t *to = arena_alloc(r->arena, base64_decoded_max(text.n));
    if (!to) {
        return no_memory(r);
    }
    size_t n = 0;
    if (!base64_decode(to, text, &n)) {
        return bad_field(r, name, "base64 (standard or URL alphabet, padding optional)");
    }
    *ret = slice_of(to, n);
    return true;
}

static bool read_field(struct request *r, enum intent_field f, const char *name, json_t *v) {
    void *to = (char *)&r->in + offsets[f];
    switch (fields[f].type) {
    case TYPE_ROOM:
        return read_room(r, name, v, to);
    case TYPE_STRING:
        return read_string(r, name, v, to);
    case TYPE_CAPABILITIES:
        return read_capabilities(r, name, v, to);
    case TYPE_ANY:
        return read_any(r, name, v, to);
    case TYPE_UINT:
        return read_uint(r, name, v, to);
    case TYPE_BASE64:
        return read_base64(
            r, name, v,
            f == FIELD_PAYLOAD ? caps_payload_bytes(r->caps, r->in.op) : r->caps->sync_bytes, to);
    case TYPE_NUMBER:
        return read_number(r, name, v, to);
    case TYPE_BOOL:
        return read_bool(r, name, v, to);
    }
    return fail(r, ERR_INTERNAL, "field of no type");
}

/* The member of params, NULL when there is none; null counts as none. */
static json_t *param(const json_t *params, const char *name) {
    json_t *v = json_object_get(params, name);
    return json_is_null(v) ? NULL : v;
}

/* Metadata of MCP: whose trace this is a part of. What cannot be understood is ignored, as the
 * standard of traces says. */
static void read_meta(struct request *r, const json_t *params) {
    const json_t *parent = json_object_get(json_object_get(params, "_meta"), "traceparent");
    if (json_is_string(parent)) {
        (void)trace_parse(string_slice(parent), &r->in.trace);
    }
}

static bool read_params(struct request *r, const struct method *m, const json_t *params) {
    if (json_is_array(params)) {
        return fail(r, ERR_PARAMS, "params must be an object: positions have no meaning here");
    }
    read_meta(r, params);
    for (enum intent_field f = 0; f < FIELD_COUNT; f++) {
        if (((m->required | m->allowed) >> f & 1) == 0) {
            continue;
        }
        const char *name = fields[f].name;
        json_t *v = param(params, name);
        if (!v && f == FIELD_PAYLOAD && (v = param(params, "payload"))) {
            name = "payload";
        }
        if (!v && m->required >> f & 1) {
            return fail(r, ERR_PARAMS, detail_printf(r->arena, "params.%s is missing", name));
        }
        if (v && !read_field(r, f, name, v)) {
            return false;
        }
        r->in.present |= v ? 1u << f : 0;
    }
    return true;
}

/* The id's JSON text; false when it is none that may be repeated. */
static bool read_id(struct arena *arena, const json_t *id, slice *ret) {
    size_t max = json_is_string(id) ? json_string_max(json_string_length(id)) : JSON_DOUBLE_MAX;
    uint8_t *to = arena_alloc(arena, max);
    if (!to) {
        return false;
    }
    size_t n = 0;
    if (json_is_string(id)) {
        n = json_write_string(to, string_slice(id));
    } else if (json_is_integer(id)) {
        n = (size_t)snprintf((char *)to, max, "%" JSON_INTEGER_FORMAT, json_integer_value(id));
    } else {
        n = json_write_double(to, json_real_value(id));
    }
    *ret = slice_of(to, n);
    return true;
}

/* Everything of the request but params and the method's name. */
static bool read_envelope(struct request *r, const json_t *request) {
    r->in.id = slice_str("null"); /* until there is a better one: a bad request gets an answer */
    if (!json_is_object(request)) {
        return fail(r, ERR_REQUEST, "a request must be an object");
    }
    const json_t *id = json_object_get(request, "id");
    if (id && !json_is_string(id) && !json_is_number(id)) {
        return fail(r, ERR_REQUEST, "id must be a string or a number");
    }
    if (json_is_string(id) && json_string_length(id) > ID_MAX) {
        return fail(r, ERR_REQUEST, detail_printf(r->arena, "id has more than %d bytes", ID_MAX));
    }
    if (id && !read_id(r->arena, id, &r->in.id)) {
        return no_memory(r);
    }
    const json_t *version = json_object_get(request, "jsonrpc");
    if (!json_is_string(version) || !slice_is(string_slice(version), "2.0")) {
        return fail(r, ERR_REQUEST, "jsonrpc must be \"2.0\"");
    }
    if (!json_is_string(json_object_get(request, "method"))) {
        return fail(r, ERR_REQUEST, "method must be a string");
    }
    const json_t *params = json_object_get(request, "params");
    if (params && !json_is_object(params) && !json_is_array(params) && !json_is_null(params)) {
        return fail(r, ERR_REQUEST, "params must be an object");
    }
    if (!id) {
        r->in.id = (slice){0}; /* a notification */
    }
    return true;
}

static const struct method *find_method(slice name) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (slice_is(name, methods[i].name)) {
            return &methods[i];
        }
    }
    return NULL;
}

/* One message on its way to its requests. */
struct message {
    const struct decode_caps *caps;
    struct arena *arena;
    struct json_cuts cuts;
    const struct intent_sink *sink;
};

static void decode_request(const struct message *msg, const json_t *request) {
    struct request r = {.caps = msg->caps, .arena = msg->arena, .cuts = &msg->cuts};
    if (read_envelope(&r, request)) {
        const struct method *m = find_method(string_slice(json_object_get(request, "method")));
        if (m) {
            r.in.op = m->op;
            (void)read_params(&r, m, json_object_get(request, "params"));
        } else {
            intent_fail(&r.in, ERR_METHOD, "there is no such method");
        }
    }
    msg->sink->intent(msg->sink->ctx, &r.in);
}

/* An answer to something that we never asked: an MCP client may think otherwise. */
static bool is_response(const json_t *v) {
    return json_is_object(v) && !json_object_get(v, "method") &&
           (json_object_get(v, "result") || json_object_get(v, "error"));
}

static void report(const struct intent_sink *sink, enum err err, const char *detail) {
    struct intent in = {.id = slice_str("null"), .err = err, .detail = detail};
    sink->intent(sink->ctx, &in);
}

static void decode_batch(const struct message *msg, const json_t *batch) {
    const struct intent_sink *sink = msg->sink;
    size_t n = json_array_size(batch);
    if (n == 0 || n > msg->caps->batch_count) {
        report(sink, ERR_REQUEST,
               detail_printf(msg->arena, "a batch of %zu requests; 1 to %zu are allowed", n,
                             msg->caps->batch_count));
        return;
    }
    size_t requests = 0;
    for (size_t i = 0; i < n; i++) {
        requests += !is_response(json_array_get(batch, i));
    }
    if (requests && sink->batch) {
        sink->batch(sink->ctx, requests);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *request = json_array_get(batch, i);
        if (!is_response(request)) {
            decode_request(msg, request);
        }
    }
    if (requests && sink->batch) {
        sink->batch(sink->ctx, 0);
    }
}

void jsonrpc_decode(const struct decode_caps *caps, struct arena *arena, slice message,
                    const struct intent_sink *sink) {
    struct message msg = {.caps = caps, .arena = arena, .sink = sink};
    msg.cuts.names = blobs;
    enum err err = ERR_OK;
    const char *detail = NULL;
    json_t *v = json_read(arena, message, &msg.cuts, &err, &detail);
    if (!v) {
        report(sink, err, detail);
    } else if (json_is_array(v)) {
        decode_batch(&msg, v);
    } else if (!is_response(v)) {
        decode_request(&msg, v);
    }
    json_decref(v);
}

static void decode(const struct decode_caps *caps, struct arena *arena, bool text, slice message,
                   const struct intent_sink *sink) {
    if (text) {
        jsonrpc_decode(caps, arena, message, sink);
    } else {
        report(sink, ERR_REQUEST, "binary frames need the subprotocol mcp-binary");
    }
}

const struct dialect dialect_jsonrpc = {
    .name = "jsonrpc",
    .decode = decode,
    .encode_event = jsonrpc_encode_event,
    .stamp_place = STAMP_LAST,
    .stamp = jsonrpc_stamp,
    .encode_reply = jsonrpc_encode_reply,
};
