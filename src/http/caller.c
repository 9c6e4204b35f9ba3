#include "http/caller.h"

#include "base/alloc.h"
#include "gateway/conn.h"
#include "http/page.h"
#include "limit/caps.h"
#include "rpc/auth.h"

static void note(const struct page *p, const struct identity *who, slice room, const char *why) {
    struct audit_entry e = {.user = who ? identity_user(who) : NULL,
                            .session = who ? identity_session(who) : NULL,
                            .peer = conn_peer(p->conn),
                            .room = room,
                            .reason = why};
    audit_write(p->rpc->audit, AUDIT_REFUSED, &e);
}

void caller_refuse(const struct page *p, const struct identity *who, slice room, const char *why) {
    note(p, who, room, why);
    page_fail(p->ret, 403, why);
}

/* A bad token. */
static void refuse_token(const struct page *p, struct auth *from, const char *why) {
    uint64_t retry_ms = 0;
    (void)auth_charge(from, p->rpc, conn_now_ms(p->conn), &retry_ms);
    note(p, NULL, (slice){0}, why);
    page_fail(p->ret, 401, why);
}

static struct identity *check(const struct page *p, struct auth *from, slice token) {
    struct access_answer answer = {0};
    if (auth_exhausted(from, p->rpc, conn_now_ms(p->conn))) {
        page_fail(p->ret, 429, "too many bad tokens from this address; try again in a minute");
    } else if (!access_check(p->rpc->access, token, 0, 0, &answer) || answer.err == ERR_BUSY) {
        page_fail(p->ret, 503, "keys are being fetched; try again in a second");
    } else if (answer.err != ERR_OK) {
        refuse_token(p, from, answer.detail);
    } else if (!access_claim_nonce(p->rpc->access, answer.identity, conn_get_id(p->conn))) {
        refuse_token(p, from, "the token has opened another connection");
    } else if (!auth_workspace_open(p->rpc, answer.identity)) {
        caller_refuse(p, answer.identity, (slice){0}, "this workspace is not served here yet");
    } else {
        return answer.identity;
    }
    return identity_unref(answer.identity);
}

struct identity *caller_known(const struct page *p) {
    struct auth from;
    struct identity *who = NULL;
    char *text = mem_new(CAPS_TOKEN_BYTES);
    slice token = auth_token(p->req, text, CAPS_TOKEN_BYTES);
    auth_init(&from, p->conn);
    if (!p->rpc->access || !token.n) {
        page_fail(p->ret, 401, "no token: give one as Authorization: Bearer");
    } else {
        who = check(p, &from, token);
    }
    mem_free(text);
    return who;
}

bool caller_may(const struct page *p, struct identity *who, slice room, enum role least) {
    struct access_answer answer = {0};
    if (!access_role(p->rpc->access, who, room, 0, 0, &answer) || answer.err == ERR_BUSY) {
        page_fail(p->ret, 503, "rights are being asked for; try again in a second");
        return false;
    }
    if (answer.role < least) {
        static const char *const whys[] = {[ROLE_READ] = "no right in this room",
                                           [ROLE_WRITE] = "this needs the right to write",
                                           [ROLE_ADMIN] = "this needs the right to administer "
                                                          "the room"};
        caller_refuse(p, who, room, whys[least]);
        return false;
    }
    return true;
}
