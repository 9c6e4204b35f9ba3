#include "access/claims.h"

#include <math.h>

#include "access/bounds.h"
#include "access/json.h"
#include "base/alloc.h"
#include "base/must.h"
#include "limit/caps.h"

/* ---- dates ---- */

enum rounding { ROUND_DOWN, ROUND_UP };

/* A numeric date (RFC 7519 2): seconds, whole or not. What lies before 1970 counts as 1970. False
 * when it is absent (then *ret is untouched), of another type, or beyond ACCESS_DATE_MAX. */
static bool date(const json_t *v, enum rounding round, uint64_t *ret) {
    if (json_is_integer(v)) {
        json_int_t n = json_integer_value(v);
        if (n > (json_int_t)ACCESS_DATE_MAX) {
            return false;
        }
        *ret = n < 0 ? 0 : (uint64_t)n;
        return true;
    }
    if (!json_is_real(v)) {
        return false;
    }
    double d = json_real_value(v);
    if (!isfinite(d) || d > (double)ACCESS_DATE_MAX) {
        return false;
    }
    *ret = d < 0 ? 0 : (uint64_t)(round == ROUND_UP ? ceil(d) : floor(d));
    return true;
}

static const char *check_dates(const json_t *claims, const struct claim_rules *rules,
                               uint64_t now_s) {
    uint64_t exp = 0;
    uint64_t nbf = 0;
    uint64_t iat = 0;
    const json_t *not_before = json_object_get(claims, "nbf");
    const json_t *issued_at = json_object_get(claims, "iat");
    if (!json_object_get(claims, "exp")) {
        return "the token has no exp";
    }
    if (!date(json_object_get(claims, "exp"), ROUND_DOWN, &exp) ||
        (not_before && !date(not_before, ROUND_UP, &nbf)) ||
        (issued_at && !date(issued_at, ROUND_DOWN, &iat))) {
        return "a date of the token is not a number of seconds";
    }
    if (now_s >= exp + rules->leeway_s) {
        return "the token has expired";
    }
    if (nbf > now_s + rules->leeway_s) {
        return "the token is not valid yet";
    }
    return iat > now_s + rules->leeway_s ? "the token was issued in the future" : NULL;
}

/* ---- issuer and audience ---- */

/* `aud` is a string or an array of strings (RFC 7519 4.1.3). */
static bool has_audience(const json_t *claims, const char *wanted) {
    const json_t *aud = json_object_get(claims, "aud");
    if (json_is_string(aud)) {
        return strcmp(json_string_value(aud), wanted) == 0;
    }
    for (size_t i = 0; i < json_array_size(aud); i++) {
        const char *one = json_string_value(json_array_get(aud, i));
        if (one && strcmp(one, wanted) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_ws_token(const json_t *claims) {
    return has_audience(claims, WS_TOKEN_AUDIENCE);
}

const char *claims_check(const json_t *claims, const struct claim_rules *rules, uint64_t now_s) {
    const char *why = check_dates(claims, rules, now_s);
    if (why) {
        return why;
    }
    const char *iss = json_text(claims, "iss");
    if (rules->issuer && !(iss && strcmp(iss, rules->issuer) == 0)) {
        return "the token is from another issuer";
    }
    if (rules->audience && !is_ws_token(claims) && !has_audience(claims, rules->audience)) {
        return "the token is for another audience";
    }
    return NULL;
}

/* ---- identities ---- */

/* The claim as a string, "" when it is absent; NULL when it is something else or too long. */
static const char *label(const json_t *claims, const char *name, size_t max_bytes) {
    const json_t *v = json_object_get(claims, name);
    if (!v) {
        return "";
    }
    return json_is_string(v) && json_string_length(v) <= max_bytes ? json_string_value(v) : NULL;
}

static char *copy(const char *s) {
    return mem_copy_str(s, strlen(s));
}

/* Fields that are no strings, or too long, are left out. */
static char *make_presence(const json_t *claims, const char *user) {
    static const char *const names[] = {"name", "email", "picture", "color"};
    json_t *out = json_pack("{s:s}", "id", user);
    for (size_t i = 0; out && i < sizeof names / sizeof *names; i++) {
        json_t *v = json_object_get(claims, names[i]);
        if (json_is_string(v) && json_string_length(v) <= ACCESS_PRESENCE_FIELD_BYTES) {
            must(json_object_set(out, names[i], v) == 0);
        }
    }
    must(out);
    char *text = json_write(out);
    json_decref(out);
    return text;
}

static const char *read_names(const json_t *claims, struct identity *id) {
    const char *user = label(claims, "sub", CAPS_LABEL_BYTES);
    const char *session = label(claims, "sessionId", CAPS_LABEL_BYTES);
    const char *sid = label(claims, "sid", CAPS_LABEL_BYTES);
    const char *workspace = label(claims, "workspaceId", CAPS_LABEL_BYTES);
    const char *jti = label(claims, "jti", CAPS_LABEL_BYTES);
    if (!user || !user[0]) {
        return "the token's sub is not a string of 1 to 200 bytes";
    }
    if (!session || !sid || !workspace || !jti) {
        return "sessionId, sid, workspaceId or jti of the token is not a string of at most 200 "
               "bytes";
    }
    id->user = copy(user);
    id->session = copy(session[0] ? session : sid);
    id->sid = copy(sid);
    id->workspace = copy(workspace);
    id->jti = copy(jti);
    return NULL;
}

static const char *read_ws(const json_t *claims, uint64_t now_s, struct identity *id) {
    const char *nonce = label(claims, "nonce", ACCESS_NONCE_BYTES_MAX);
    const char *room = label(claims, "room", CAPS_ROOM_NAME_BYTES);
    const char *knowledge = label(claims, "knowledgeId", CAPS_ROOM_NAME_BYTES);
    if (!nonce || !nonce[0]) {
        return "the wsToken's nonce is not a string of 1 to 128 bytes";
    }
    if (!room || !knowledge || !(room[0] || knowledge[0])) {
        return "the wsToken names no room";
    }
    if (id->expires_s > now_s + ACCESS_WS_TOKEN_S) {
        return "the wsToken lives longer than an hour";
    }
    id->is_ws = true;
    id->nonce = copy(nonce);
    id->room = copy(room);
    id->knowledge = copy(knowledge);
    return NULL;
}

struct identity *claims_identity(const json_t *claims, uint64_t now_s, const char **ret_why) {
    struct identity *id = NEW(struct identity);
    atomic_init(&id->refs, 1);
    const char *why = NULL;
    if (!date(json_object_get(claims, "exp"), ROUND_DOWN, &id->expires_s)) {
        why = "the token has no exp";
    }
    if (!why) {
        why = read_names(claims, id);
    }
    if (!why && is_ws_token(claims)) {
        why = read_ws(claims, now_s, id);
    }
    if (why) {
        *ret_why = why;
        return identity_unref(id);
    }
    grants_init(&id->grants, claims, id->workspace);
    id->presence = make_presence(claims, id->user);
    id->claims = json_write(claims);
    return id;
}

struct identity *identity_anonymous(void) {
    static const char name[] = "anonymous";
    struct identity *id = NEW(struct identity);
    atomic_init(&id->refs, 1);
    id->anonymous = true;
    id->user = copy(name);
    id->session = copy("");
    id->sid = copy("");
    id->jti = copy("");
    id->workspace = copy("");
    id->expires_s = UINT64_MAX;
    id->presence = copy("{\"id\":\"anonymous\"}");
    id->claims = copy("{\"sub\":\"anonymous\"}");
    return id;
}

struct identity *identity_ref(struct identity *id) {
    /* relaxed: who takes a count has one */
    atomic_fetch_add_explicit(&id->refs, 1, memory_order_relaxed);
    return id;
}

struct identity *identity_unref(struct identity *id) {
    /* release what was done with it, acquire what others did, before it is freed */
    if (id && atomic_fetch_sub_explicit(&id->refs, 1, memory_order_acq_rel) == 1) {
        char *const texts[] = {id->user,     id->session, id->sid,   id->jti,  id->workspace,
                               id->presence, id->claims,  id->nonce, id->room, id->knowledge};
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            mem_free(texts[i]);
        }
        grants_fini(&id->grants);
        mem_free(id);
    }
    return NULL;
}

const char *identity_user(const struct identity *id) {
    return id->user;
}

const char *identity_session(const struct identity *id) {
    return id->session;
}

const char *identity_workspace(const struct identity *id) {
    return id->workspace;
}

uint64_t identity_expires_s(const struct identity *id) {
    return id->expires_s;
}

slice identity_presence(const struct identity *id) {
    return slice_str(id->presence);
}

/* room is head + tail */
static bool is_made_of(slice room, const char *head, const char *tail) {
    size_t n = strlen(head);
    return room.n > n && memcmp(room.p, head, n) == 0 &&
           slice_is(slice_of(room.p + n, room.n - n), tail);
}

bool identity_may_name(const struct identity *id, slice room_id) {
    if (!id->is_ws) {
        return true;
    }
    if (id->room[0]) {
        return slice_is(room_id, id->room);
    }
    if (is_made_of(room_id, "kn:", id->knowledge)) {
        return true;
    }
    char head[CAPS_LABEL_BYTES + sizeof "ws:/"];
    size_t n = strlen(id->workspace);
    memcpy(head, "ws:", 3);
    memcpy(head + 3, id->workspace, n);
    memcpy(head + 3 + n, "/", 2);
    return n && !strchr(id->workspace, '/') && is_made_of(room_id, head, id->knowledge);
}

bool identity_administers_all(const struct identity *id) {
    return !id->is_ws && grants_everywhere(&id->grants) == ROLE_ADMIN;
}

enum role identity_role(const struct identity *id, slice room_id) {
    if (id->anonymous) {
        return ROLE_WRITE;
    }
    return identity_may_name(id, room_id) ? grants_role(&id->grants, room_id) : ROLE_NONE;
}
