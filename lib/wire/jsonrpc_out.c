/* Replies and events as JSON-RPC 2.0 (PROTOCOL 3), written, not built: what is constant is text. */
#include "wire/codecs.h"
#include "wire/json_out.h"

#ifndef COLLAB_VERSION
#define COLLAB_VERSION "0"
#endif

/* Versions of MCP whose handshake is the one we do; the newest last. */
static const char *const mcp_versions[] = {"2024-11-05", "2025-03-26", "2025-06-18"};

static void put_key(struct buf *b, const char *key) {
    buf_put_u8(b, ',');
    buf_put_u8(b, '"');
    buf_put_str(b, key);
    buf_put_str(b, "\":");
}

static void put_u64(struct buf *b, const char *key, uint64_t v) {
    put_key(b, key);
    buf_put_u64(b, v);
}

static void put_text(struct buf *b, const char *key, slice v) {
    put_key(b, key);
    json_put_string(b, v);
}

static void put_blob(struct buf *b, const char *key, slice v) {
    put_key(b, key);
    json_put_base64(b, v);
}

/* Numbers of 64 bits that only name something go as text: JavaScript would round them. */
static void put_connection(struct buf *b, uint64_t id) {
    json_put_lit(b, ",\"connectionId\":\"");
    buf_put_u64(b, id);
    buf_put_u8(b, '"');
}

static void put_trace(struct buf *b, const struct trace *t) {
    if (trace_is_set(t)) {
        char id[TRACE_ID_CHARS + 1];
        trace_write_id(t, id);
        put_key(b, "traceId");
        buf_put_u8(b, '"');
        buf_put_str(b, id);
        buf_put_u8(b, '"');
    }
}

static void put_initialize(const struct reply *r, struct buf *b) {
    const size_t n = sizeof mcp_versions / sizeof *mcp_versions;
    const char *version = mcp_versions[n - 1];
    for (size_t i = 0; i < n; i++) {
        if (slice_is(r->protocol_version, mcp_versions[i])) {
            version = mcp_versions[i];
        }
    }
    json_put_lit(b, "{\"protocolVersion\":");
    json_put_string(b, slice_str(version));
    json_put_lit(b, ",\"capabilities\":{},\"serverInfo\":{\"name\":\"collabd\",\"version\":"
                    "\"" COLLAB_VERSION "\"}}");
}

static void put_limits(struct buf *b, const struct wire_limits *l) {
    json_put_lit(b, ",\"limits\":{\"updateBytes\":");
    buf_put_u64(b, l->update_bytes);
    put_u64(b, "awarenessBytes", l->awareness_bytes);
    put_u64(b, "syncBytes", l->sync_bytes);
    put_u64(b, "frameBytes", l->frame_bytes);
    put_u64(b, "batchCount", l->batch_count);
    put_u64(b, "roomsPerConnection", l->rooms_per_connection);
    buf_put_u8(b, '}');
}

static void put_subscribe(const struct reply *r, struct buf *b) {
    json_put_lit(b, "{\"ok\":true");
    put_text(b, "roomId", r->room_id);
    put_text(b, "sid", r->sid);
    put_connection(b, r->connection_id);
    put_text(b, "role", slice_str(role_name(r->role)));
    put_u64(b, "version", r->version);
    put_u64(b, "participants", r->participants);
    put_u64(b, "channel", r->channel);
    if (r->limits) {
        put_limits(b, r->limits);
    }
    buf_put_u8(b, '}');
}

static void put_applied(const struct reply *r, struct buf *b) {
    json_put_lit(b, "{\"applied\":");
    json_put_bool(b, r->applied);
    put_u64(b, "version", r->version);
    if (r->duplicate) {
        json_put_lit(b, ",\"duplicate\":true");
    }
    if (r->op == OP_SYNC || r->state_vector.n) {
        put_blob(b, "stateVectorB64", r->state_vector);
    }
    put_trace(b, &r->trace);
    buf_put_u8(b, '}');
}

static void put_room_info(const struct reply *r, struct buf *b) {
    json_put_lit(b, "{\"roomId\":");
    json_put_string(b, r->room_id);
    put_u64(b, "participants", r->participants);
    json_put_lit(b, ",\"roles\":{\"read\":");
    buf_put_u64(b, r->readers);
    put_u64(b, "write", r->writers);
    put_u64(b, "admin", r->admins);
    json_put_lit(b, "},\"rateLimit\":{\"points\":");
    buf_put_u64(b, r->rate_points);
    put_u64(b, "durationSec", r->rate_seconds);
    buf_put_u8(b, '}');
    put_u64(b, "version", r->version);
    if (r->users) {
        json_put_lit(b, ",\"users\":[");
        for (size_t i = 0; i < r->users_count; i++) {
            const struct user_info *u = &r->users[i];
            buf_put_str(b, i ? ",{\"userId\":" : "{\"userId\":");
            json_put_string(b, u->user_id);
            put_connection(b, u->connection_id);
            put_text(b, "role", slice_str(role_name(u->role)));
            buf_put_u8(b, '}');
        }
        buf_put_u8(b, ']');
    }
    buf_put_u8(b, '}');
}

static void put_version(const struct version_info *v, struct buf *b) {
    json_put_lit(b, "{\"id\":");
    buf_put_u64(b, v->id);
    put_u64(b, "size", v->size_bytes);
    put_u64(b, "createdAt", v->created_ms);
    put_u64(b, "version", v->version);
    put_key(b, "automatic");
    json_put_bool(b, v->automatic);
    if (v->label.n) {
        put_text(b, "label", v->label);
    }
    buf_put_u8(b, '}');
}

static void put_versions(const struct reply *r, struct buf *b) {
    buf_put_u8(b, '[');
    for (size_t i = 0; i < r->versions_count; i++) {
        buf_put_str(b, i ? "," : "");
        put_version(&r->versions[i], b);
    }
    buf_put_u8(b, ']');
}

static void put_one_version(const struct reply *r, struct buf *b) {
    json_put_lit(b, "{\"ok\":true,\"meta\":");
    put_version(r->versions, b);
    if (r->op == OP_HISTORY_GET) {
        put_blob(b, "dataB64", r->data);
    }
    buf_put_u8(b, '}');
}

static void put_restored(const struct reply *r, struct buf *b) {
    json_put_lit(b, "{\"ok\":true,\"restored\":");
    buf_put_u64(b, r->restored);
    put_u64(b, "version", r->version);
    json_put_lit(b, ",\"before\":");
    put_version(r->versions, b);
    buf_put_u8(b, '}');
}

static void put_root_change(const struct root_change *c, struct buf *b) {
    json_put_lit(b, "{\"name\":");
    json_put_string(b, c->name);
    put_u64(b, "charactersInserted", c->characters_in);
    put_u64(b, "charactersDeleted", c->characters_out);
    put_u64(b, "charactersFormatted", c->formatted);
    put_u64(b, "itemsAdded", c->items_in);
    put_u64(b, "itemsRemoved", c->items_out);
    buf_put_u8(b, '}');
}

static void put_client_change(const struct client_change *c, struct buf *b) {
    json_put_lit(b, "{\"clientId\":");
    buf_put_u64(b, c->client);
    if (c->user.n) {
        put_text(b, "userId", c->user);
    }
    put_u64(b, "characters", c->characters);
    put_u64(b, "items", c->items);
    buf_put_u8(b, '}');
}

static void put_compared(const struct reply *r, struct buf *b) {
    const struct changes *c = r->changes;
    json_put_lit(b, "{\"ok\":true,\"from\":");
    put_version(r->versions, b);
    if (r->versions_count > 1) {
        json_put_lit(b, ",\"to\":");
        put_version(&r->versions[1], b);
    }
    json_put_lit(b, ",\"roots\":[");
    for (size_t i = 0; i < c->roots_count; i++) {
        buf_put_str(b, i ? "," : "");
        put_root_change(&c->roots[i], b);
    }
    json_put_lit(b, "],\"clients\":[");
    for (size_t i = 0; i < c->clients_count; i++) {
        buf_put_str(b, i ? "," : "");
        put_client_change(&c->clients[i], b);
    }
    json_put_lit(b, "],\"moreClients\":");
    buf_put_u64(b, c->clients_left);
    buf_put_u8(b, '}');
}

static void put_result(const struct reply *r, struct buf *b) {
    switch (r->op) {
    case OP_INITIALIZE:
        put_initialize(r, b);
        return;
    case OP_SUBSCRIBE:
        put_subscribe(r, b);
        return;
    case OP_SYNC:
    case OP_UPDATE:
        put_applied(r, b);
        return;
    case OP_UNSUBSCRIBE:
    case OP_AWARENESS:
    case OP_ROOM_MUTE:
        json_put_lit(b, "{\"ok\":true}");
        return;
    case OP_ROOM_KICK:
        json_put_lit(b, "{\"ok\":true");
        put_u64(b, "kicked", r->kicked);
        buf_put_u8(b, '}');
        return;
    case OP_HEARTBEAT:
        json_put_lit(b, "{\"ts\":");
        json_put_double(b, r->ts);
        put_u64(b, "serverTs", r->server_ts);
        buf_put_u8(b, '}');
        return;
    case OP_ROOM_INFO:
        put_room_info(r, b);
        return;
    case OP_HISTORY_LIST:
        put_versions(r, b);
        return;
    case OP_HISTORY_RESTORE:
        put_restored(r, b);
        return;
    case OP_HISTORY_COMPARE:
        put_compared(r, b);
        return;
    case OP_HISTORY_GET:
    case OP_HISTORY_SAVE:
        put_one_version(r, b);
        return;
    case OP_PING:
    case OP_INITIALIZED:
    case OP_NONE:
    case OP_COUNT:
        json_put_lit(b, "{}");
        return;
    }
}

void jsonrpc_put_error_data(const struct reply *r, struct buf *b) {
    json_put_string(b, slice_str(r->detail ? r->detail : err_text(r->err)));
    if (r->err == ERR_TOO_LARGE) {
        put_u64(b, "limit", r->limit_bytes);
        put_u64(b, "size", r->size_bytes);
    }
    if (r->err == ERR_RATE || r->err == ERR_BUSY) {
        put_u64(b, "retryAfterMs", r->retry_after_ms);
        if (r->bucket) {
            put_text(b, "bucket", slice_str(r->bucket));
        }
    }
    put_trace(b, &r->trace);
}

static void put_error(const struct reply *r, struct buf *b) {
    json_put_lit(b, "{\"code\":");
    buf_put_i64(b, err_rpc_code(r->err));
    put_text(b, "message", slice_str(err_text(r->err)));
    json_put_lit(b, ",\"data\":{\"detail\":");
    jsonrpc_put_error_data(r, b);
    json_put_lit(b, "}}");
}

void reply_put_json(const struct reply *r, struct buf *b) {
    if (r->err == ERR_OK) {
        put_result(r, b);
    } else {
        put_error(r, b);
    }
}

enum wire_kind jsonrpc_encode_reply(const struct reply *r, struct buf *b) {
    if (r->id.n == 0) {
        return WIRE_NOTHING; /* a notification */
    }
    json_put_lit(b, "{\"jsonrpc\":\"2.0\",\"id\":");
    buf_put_slice(b, r->id);
    if (r->err == ERR_OK) {
        json_put_lit(b, ",\"result\":");
        put_result(r, b);
    } else {
        json_put_lit(b, ",\"error\":");
        put_error(r, b);
    }
    buf_put_u8(b, '}');
    return WIRE_TEXT;
}

static void put_closed(const struct event *e, struct buf *b) {
    json_put_lit(b,
                 "{\"jsonrpc\":\"2.0\",\"method\":\"collab/room.closed\",\"params\":{\"roomId\":");
    json_put_string(b, e->room_id);
    json_put_lit(b, ",\"code\":");
    buf_put_i64(b, e->code);
    put_text(b, "message", slice_str(e->message));
}

/* Everything but the last number and the braces after it, which are the stamp. */
enum wire_kind jsonrpc_encode_event(const struct event *e, struct buf *b) {
    if (e->kind == EVENT_CLOSED) {
        put_closed(e, b);
        return WIRE_TEXT;
    }
    if (e->kind == EVENT_AWARENESS) {
        json_put_lit(b, "{\"jsonrpc\":\"2.0\",\"method\":\"collab/awareness\",\"params\":"
                        "{\"roomId\":");
    } else {
        json_put_lit(b,
                     "{\"jsonrpc\":\"2.0\",\"method\":\"collab/update\",\"params\":{\"roomId\":");
    }
    json_put_string(b, e->room_id);
    put_text(b, "sid", e->sid);
    if (e->kind != EVENT_AWARENESS) {
        put_u64(b, "version", e->version);
    }
    put_blob(b, "payloadB64", e->payload);
    put_key(b, "seq");
    return WIRE_TEXT;
}

size_t jsonrpc_stamp(const struct event *e, uint64_t seq, uint8_t to[STAMP_MAX]) {
    const size_t digits = STAMP_LAST_BYTES - 2;
    memset(to, ' ', digits);
    memcpy(to + digits, "}}", 2);
    /* A closed room's notification has no seq; spaces are as good to a JSON reader. */
    if (e->kind != EVENT_CLOSED) {
        size_t at = digits;
        do {
            to[--at] = (uint8_t)('0' + seq % 10);
            seq /= 10;
        } while (seq && at);
    }
    return STAMP_LAST_BYTES;
}
