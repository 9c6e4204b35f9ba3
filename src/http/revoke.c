#include "http/revoke.h"

#include <jansson.h>
#include <stdio.h>

#include "access/json.h"
#include "gateway/conn.h"
#include "http/caller.h"
#include "http/page.h"
#include "limit/caps.h"

/* {"jti":…}, {"sub":…} or {"sid":…}: exactly one of them; NULL when the body is not that. */
static const char *read_kind(const json_t *body, slice *ret_value) {
    static const char *const kinds[] = {"jti", "sub", "sid"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const json_t *v = json_object_get(body, kinds[i]);
        size_t n = json_string_length(v);
        if (v && n > 0 && n <= CAPS_LABEL_BYTES && json_object_size(body) == 1) {
            *ret_value = slice_of(json_string_value(v), n);
            return kinds[i];
        }
    }
    return NULL;
}

static void revoke(const struct page *p, const struct identity *who, const char *kind,
                   slice value) {
    char what[CAPS_LABEL_BYTES + 8];
    (void)snprintf(what, sizeof what, "%s:%.*s", kind, SLICE_FMT(value));
    access_revoke(p->rpc->access, kind, value);
    if (p->rpc->bus) {
        bus_tell_revoked(p->rpc->bus, BUS_TO_ALL, slice_str(what));
    }
    struct audit_entry e = {.user = what[1] == 'u' ? what + sizeof "sub:" - 1 : NULL,
                            .by = identity_user(who),
                            .peer = conn_peer(p->conn),
                            .reason = what};
    audit_write(p->rpc->audit, AUDIT_REVOKED, &e);
    p->ret->content_type = "application/json";
    buf_put_str(&p->ret->body, "{\"ok\":true}\n");
}

void page_revoke(struct rpc *r, struct conn *c, const struct http_request *req,
                 struct http_response *ret) {
    const struct page p = {r, c, req, ret};
    if (!slice_is(req->method, "POST")) {
        page_fail(ret, 405, "revocations are sent with POST");
        return;
    }
    struct identity *who = caller_known(&p);
    if (!who) {
        return;
    }
    json_t *body = json_strict_object(req->body);
    slice value = {0};
    const char *kind = read_kind(body, &value);
    if (r->authz || !identity_administers_all(who)) {
        caller_refuse(&p, who, (slice){0},
                      "this needs \"rooms\":{\"*\":\"admin\"} in the token, and no AUTHZ_URL");
    } else if (!kind) {
        page_fail(ret, 400, "the body is not {\"jti\":X}, {\"sub\":X} or {\"sid\":X}");
    } else {
        revoke(&p, who, kind, value);
    }
    json_decref(body);
    identity_unref(who);
}
