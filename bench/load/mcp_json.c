/* mcp_json.c: JSON-RPC 2.0, and the control messages that mcp-binary shares with it. The id of a
 * request is its seq. */
#include <stdio.h>

#include "dialect.h"
#include "json.h"
#include "wire/json_out.h"

static void put_call(struct buf *b, const char *method, const struct speaker *s, uint64_t id) {
    json_put_lit(b, "{\"jsonrpc\":\"2.0\",\"id\":");
    buf_put_u64(b, id);
    json_put_lit(b, ",\"method\":\"collab/");
    buf_put_str(b, method);
    json_put_lit(b, "\",\"params\":{\"roomId\":");
    json_put_string(b, slice_str(s->room));
}

static void put_data(struct buf *b, uint64_t seq, slice payload) {
    json_put_lit(b, ",\"seq\":");
    buf_put_u64(b, seq);
    json_put_lit(b, ",\"payloadB64\":");
    json_put_base64(b, payload);
}

static void put_state_vector(struct buf *b, slice state_vector) {
    if (state_vector.n) {
        json_put_lit(b, ",\"stateVectorB64\":");
        json_put_base64(b, state_vector);
    }
}

bool mcp_subscribe(const struct speaker *s, const char *capabilities, slice state_vector,
                   struct buf *b) {
    put_call(b, "subscribe", s, s->join_id);
    json_put_lit(b, ",\"capabilities\":[");
    buf_put_str(b, capabilities);
    json_put_lit(b, "]");
    put_state_vector(b, state_vector);
    json_put_lit(b, "}}");
    return true;
}

static bool subscribe(const struct speaker *s, slice state_vector, struct buf *b) {
    return mcp_subscribe(s, "", state_vector, b);
}

static bool update(const struct speaker *s, uint64_t seq, slice payload, struct buf *b) {
    put_call(b, "update", s, seq);
    put_data(b, seq, payload);
    json_put_lit(b, "}}");
    return true;
}

static bool awareness(const struct speaker *s, uint64_t seq, slice payload, struct buf *b) {
    put_call(b, "awareness", s, seq);
    put_data(b, seq, payload);
    json_put_lit(b, "}}");
    return true;
}

static bool bring(const struct speaker *s, uint64_t seq, slice payload, slice state_vector,
                  struct buf *b) {
    put_call(b, "sync", s, seq);
    put_data(b, seq, payload);
    put_state_vector(b, state_vector);
    json_put_lit(b, "}}");
    return true;
}

/* ---- reading ---- */

static void read_event(slice method, slice message, struct heard *ret) {
    slice params;
    bool update = slice_is(method, "collab/update");
    if (!json_member(message, "params", &params)) {
        return;
    }
    if (slice_is(method, "collab/room.closed")) {
        ret->kind = HEARD_CLOSED;
        (void)json_member_text(params, "message", &ret->text);
    } else if ((update || slice_is(method, "collab/awareness")) &&
               json_member_text(params, "payloadB64", &ret->payload) &&
               json_member_number(params, "seq", &ret->seq)) {
        ret->kind = update ? HEARD_UPDATE : HEARD_AWARENESS;
        ret->numbered = true;
        ret->base64 = true;
    }
}

static void read_error(slice error, struct heard *ret) {
    slice data = {0};
    ret->kind = HEARD_REFUSED;
    ret->text = error;
    (void)json_member_number(error, "code", &ret->code);
    if (json_member(error, "data", &data)) {
        (void)json_member_number(data, "retryAfterMs", &ret->retry_ms);
    }
}

void mcp_read_json(struct speaker *s, slice message, struct heard *ret) {
    slice part;
    *ret = (struct heard){.kind = HEARD_STRANGE};
    if (json_member_text(message, "method", &part)) {
        read_event(part, message, ret);
    } else if (!json_member_number(message, "id", &ret->seq)) {
        return;
    } else if (json_member(message, "result", &part)) {
        ret->kind = HEARD_ANSWER;
        slice applied;
        ret->waits = json_member(part, "applied", &applied) && slice_is(applied, "false");
        ret->duplicate = json_member_true(part, "duplicate");
        if (ret->seq == s->join_id && json_member_number(part, "channel", &s->channel)) {
            ret->kind = HEARD_JOINED;
        }
    } else if (json_member(message, "error", &part)) {
        read_error(part, ret);
    }
}

static void read_message(struct speaker *s, bool text, slice message, struct heard *ret) {
    *ret = (struct heard){.kind = HEARD_STRANGE};
    if (text) {
        mcp_read_json(s, message, ret);
    }
}

const struct dialect_ops speak_mcp_json = {
    .name = "mcp-json",
    .path = "/collab/ws",
    .subscribe = subscribe,
    .update = update,
    .awareness = awareness,
    .sync = bring,
    .read = read_message,
};
