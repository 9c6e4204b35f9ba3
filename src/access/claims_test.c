/* What claims mean: dates, issuer, audience, identities, and rights as a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "access/claims.h"
#include "access/json.h"

#define NOW 1700000000u

static json_t *parse(const char *text) {
    json_t *v = json_strict_object(slice_str(text));
    if (!v) {
        fail_msg("no JSON object: %s", text);
    }
    return v;
}

/* ---- dates, issuer, audience ---- */

struct check_row {
    const char *claims;
    const char *expect; /* part of the sentence, or NULL: they hold */
};

static void check_all(const struct check_row *rows, size_t n, const struct claim_rules *rules) {
    for (size_t i = 0; i < n; i++) {
        json_t *claims = parse(rows[i].claims);
        const char *why = claims_check(claims, rules, NOW);
        bool right = rows[i].expect ? why && strstr(why, rows[i].expect) : why == NULL;
        if (!right) {
            fail_msg("%s: %s", rows[i].claims, why ? why : "they hold");
        }
        json_decref(claims);
    }
}

static void dates(void **state) {
    (void)state;
    static const struct check_row rows[] = {
        {"{}", "has no exp"},
        {"{\"exp\":1700000001}", NULL},
        {"{\"exp\":1699999971}", NULL}, /* 29 s ago: leeway */
        {"{\"exp\":1699999970}", "has expired"},
        {"{\"exp\":1699999970.999}", "has expired"},
        {"{\"exp\":1700000000.5}", NULL},
        {"{\"exp\":1.7000000015e9}", NULL},
        {"{\"exp\":0}", "has expired"},
        {"{\"exp\":-1}", "has expired"},
        {"{\"exp\":-9223372036854775808}", "has expired"},
        {"{\"exp\":-1.5e300}", "has expired"},
        {"{\"exp\":9007199254740992}", NULL},
        {"{\"exp\":9007199254740993}", "not a number of seconds"},
        {"{\"exp\":9223372036854775807}", "not a number of seconds"},
        {"{\"exp\":1e300}", "not a number of seconds"},
        {"{\"exp\":\"1700000001\"}", "not a number of seconds"},
        {"{\"exp\":null}", "not a number of seconds"},
        {"{\"exp\":true}", "not a number of seconds"},
        {"{\"exp\":[1700000001]}", "not a number of seconds"},
        {"{\"exp\":1700000001,\"nbf\":1700000030}", NULL},
        {"{\"exp\":1700000099,\"nbf\":1700000031}", "not valid yet"},
        {"{\"exp\":1700000099,\"nbf\":1700000030.1}", "not valid yet"},
        {"{\"exp\":1700000099,\"nbf\":9007199254740992}", "not valid yet"},
        {"{\"exp\":1700000099,\"nbf\":1e18}", "not a number of seconds"},
        {"{\"exp\":1700000099,\"nbf\":\"0\"}", "not a number of seconds"},
        {"{\"exp\":1700000099,\"nbf\":-1}", NULL},
        {"{\"exp\":1700000099,\"iat\":1700000030}", NULL},
        {"{\"exp\":1700000099,\"iat\":1700000031}", "issued in the future"},
        {"{\"exp\":1700000099,\"iat\":{}}", "not a number of seconds"},
    };
    check_all(rows, sizeof rows / sizeof *rows, &(struct claim_rules){.leeway_s = 30});
}

static void issuers_and_audiences(void **state) {
    (void)state;
#define GOOD "{\"exp\":1700000001,\"iss\":\"https://id.example\""
    static const struct check_row rows[] = {
        {GOOD ",\"aud\":\"collab\"}", NULL},
        {GOOD ",\"aud\":[\"other\",\"collab\"]}", NULL},
        {GOOD "}", "another audience"},
        {GOOD ",\"aud\":\"Collab\"}", "another audience"},
        {GOOD ",\"aud\":\"collab2\"}", "another audience"},
        {GOOD ",\"aud\":[]}", "another audience"},
        {GOOD ",\"aud\":[[\"collab\"]]}", "another audience"},
        {GOOD ",\"aud\":[1,null]}", "another audience"},
        {GOOD ",\"aud\":{\"collab\":true}}", "another audience"},
        {GOOD ",\"aud\":\"collab-ws\"}", NULL}, /* a wsToken has its own */
        {"{\"exp\":1700000001,\"aud\":\"collab\"}", "another issuer"},
        {"{\"exp\":1700000001,\"aud\":\"collab\",\"iss\":\"https://id.example/\"}",
         "another issuer"},
        {"{\"exp\":1700000001,\"aud\":\"collab\",\"iss\":[\"https://id.example\"]}",
         "another issuer"},
        {"{\"exp\":1700000001,\"aud\":\"collab-ws\"}", "another issuer"},
    };
    check_all(rows, sizeof rows / sizeof *rows,
              &(struct claim_rules){.issuer = "https://id.example", .audience = "collab"});
    static const struct check_row any[] = {{"{\"exp\":1700000001}", NULL},
                                           {"{\"exp\":1700000001,\"aud\":7,\"iss\":7}", NULL}};
    check_all(any, 2, &(struct claim_rules){.leeway_s = 0});
}

/* ---- identities ---- */

static struct identity *identity_of(const char *text, const char **ret_why) {
    json_t *claims = parse(text);
    struct identity *id = claims_identity(claims, NOW, ret_why);
    json_decref(claims);
    return id;
}

static void an_identity_says_what_its_token_says(void **state) {
    (void)state;
    const char *why = NULL;
    struct identity *id =
        identity_of("{\"sub\":\"ann\",\"exp\":1700000001.9,\"sessionId\":\"s-1\",\"sid\":\"s-2\","
                    "\"workspaceId\":\"acme\",\"name\":\"Ann \\\"A\\\" \xc3\x85\",\"email\":7,"
                    "\"color\":\"#123456\",\"picture\":null,\"extra\":1}",
                    &why);
    assert_non_null(id);
    assert_string_equal(identity_user(id), "ann");
    assert_string_equal(identity_session(id), "s-1");
    assert_string_equal(identity_workspace(id), "acme");
    assert_true(identity_expires_s(id) == 1700000001);
    json_t *presence = json_strict_object(identity_presence(id));
    json_t *expect =
        parse("{\"id\":\"ann\",\"name\":\"Ann \\\"A\\\" \xc3\x85\",\"color\":\"#123456\"}");
    assert_true(json_equal(presence, expect));
    json_decref(presence);
    json_decref(expect);
    assert_ptr_equal(identity_ref(id), id);
    assert_null(identity_unref(id));
    assert_null(identity_unref(id));
    assert_null(identity_unref(NULL));
}

static void what_an_identity_needs_is_asked_for(void **state) {
    (void)state;
    static const struct check_row rows[] = {
        {"{\"exp\":1700000001}", "sub is not a string"},
        {"{\"exp\":1700000001,\"sub\":\"\"}", "sub is not a string"},
        {"{\"exp\":1700000001,\"sub\":7}", "sub is not a string"},
        {"{\"exp\":1700000001,\"sub\":\"a\",\"sid\":7}", "sid, workspaceId or jti"},
        {"{\"exp\":1700000001,\"sub\":\"a\",\"workspaceId\":[]}", "sid, workspaceId or jti"},
        {"{\"exp\":1700000001,\"sub\":\"a\",\"aud\":\"collab-ws\"}", "nonce is not a string"},
        {"{\"exp\":1700000001,\"sub\":\"a\",\"aud\":\"collab-ws\",\"nonce\":\"\"}",
         "nonce is not a string"},
        {"{\"exp\":1700000001,\"sub\":\"a\",\"aud\":\"collab-ws\",\"nonce\":\"n\"}",
         "names no room"},
        {"{\"exp\":1700009999,\"sub\":\"a\",\"aud\":[\"collab-ws\"],\"nonce\":\"n\","
         "\"knowledgeId\":\"42\"}",
         "longer than an hour"},
        {"{\"exp\":1700000300,\"sub\":\"a\",\"aud\":[\"collab-ws\"],\"nonce\":\"n\","
         "\"knowledgeId\":\"42\"}",
         NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *why = NULL;
        struct identity *id = identity_of(rows[i].claims, &why);
        if (rows[i].expect ? id || !strstr(why, rows[i].expect) : !id) {
            fail_msg("%s: %s", rows[i].claims, why ? why : "taken");
        }
        identity_unref(id);
    }
    char text[512];
    for (int n = 200; n <= 201; n++) {
        const char *why = NULL;
        (void)snprintf(text, sizeof text, "{\"exp\":1700000001,\"sub\":\"%0*d\"}", n, 0);
        struct identity *id = identity_of(text, &why);
        assert_int_equal(id != NULL, n == 200);
        identity_unref(id);
    }
}

/* ---- rights ---- */

#define S  "{\"sub\":\"u\",\"exp\":1700000300"
#define W  S ",\"workspaceId\":\"acme\""
#define WS W ",\"aud\":\"collab-ws\",\"nonce\":\"n\""

struct grant_row {
    const char *claims;
    const char *room;
    enum role role;
};

static const struct grant_row grant_rows[] = {
    {S "}", "kn:42", ROLE_NONE},
    /* rooms */
    {S ",\"rooms\":{\"kn:42\":\"read\"}}", "kn:42", ROLE_READ},
    {S ",\"rooms\":{\"kn:42\":\"write\"}}", "kn:42", ROLE_WRITE},
    {S ",\"rooms\":{\"kn:42\":\"admin\"}}", "kn:42", ROLE_ADMIN},
    {S ",\"rooms\":{\"kn:42\":\"none\"}}", "kn:42", ROLE_NONE},
    {S ",\"rooms\":{\"kn:42\":\"edit\"}}", "kn:42", ROLE_NONE},
    {S ",\"rooms\":{\"kn:42\":\"WRITE\"}}", "kn:42", ROLE_NONE},
    {S ",\"rooms\":{\"kn:42\":2}}", "kn:42", ROLE_NONE},
    {S ",\"rooms\":{\"kn:42\":[\"write\"]}}", "kn:42", ROLE_NONE},
    {S ",\"rooms\":[\"kn:42\"]}", "kn:42", ROLE_NONE},
    {S ",\"rooms\":\"kn:42\"}", "kn:42", ROLE_NONE},
    {S ",\"rooms\":{\"kn:42\":\"write\"}}", "kn:421", ROLE_NONE},
    {S ",\"rooms\":{\"kn:42\":\"write\"}}", "kn:4", ROLE_NONE},
    {S ",\"rooms\":{\"kn:42\":\"write\"}}", "KN:42", ROLE_NONE},
    {S ",\"rooms\":{\"kn:*\":\"write\"}}", "kn:42", ROLE_WRITE},
    {S ",\"rooms\":{\"kn:*\":\"write\"}}", "kn:", ROLE_NONE},
    {S ",\"rooms\":{\"kn:*\":\"write\"}}", "ws:kn:42", ROLE_NONE},
    {S ",\"rooms\":{\"*\":\"read\"}}", "anything", ROLE_READ},
    {S ",\"rooms\":{\"*\":\"read\"}}", "", ROLE_NONE},
    {S ",\"rooms\":{\"\":\"admin\"}}", "kn:42", ROLE_NONE},
    {S ",\"rooms\":{\"\":\"admin\"}}", "", ROLE_NONE},
    {S ",\"rooms\":{\"k*:42\":\"write\"}}", "kn:42", ROLE_NONE},
    {S ",\"rooms\":{\"kn:4?\":\"write\"}}", "kn:42", ROLE_NONE},
    {S ",\"rooms\":{\"kn:**\":\"write\"}}", "kn:42", ROLE_NONE},
    {S ",\"rooms\":{\"*\":\"read\",\"kn:*\":\"admin\",\"kn:42\":\"write\"}}", "kn:42", ROLE_ADMIN},
    {S ",\"rooms\":{\"kn:42\":\"none\",\"kn:*\":\"read\"}}", "kn:42", ROLE_READ},
    /* scope, permissions */
    {W ",\"scope\":\"read:knowledge:42\"}", "kn:42", ROLE_READ},
    {W ",\"scope\":\"edit:knowledge:42\"}", "kn:42", ROLE_WRITE},
    {W ",\"scope\":\"admin:knowledge:42\"}", "kn:42", ROLE_ADMIN},
    {W ",\"scope\":\"edit:knowledge:42\"}", "ws:acme/42", ROLE_WRITE},
    {W ",\"scope\":\"edit:knowledge:42\"}", "ws:other/42", ROLE_NONE},
    {W ",\"scope\":\"edit:knowledge:42\"}", "kn:43", ROLE_NONE},
    {W ",\"scope\":\"edit:knowledge:42\"}", "42", ROLE_NONE},
    {S ",\"scope\":\"edit:knowledge:42\"}", "ws:/42", ROLE_NONE},
    {S ",\"scope\":\"edit:knowledge:42\"}", "kn:42", ROLE_WRITE},
    {W ",\"scope\":\"openid  read:knowledge:42 edit:knowledge:43\"}", "kn:43", ROLE_WRITE},
    {W ",\"scope\":\"read:knowledge:42 edit:knowledge:42\"}", "kn:42", ROLE_WRITE},
    {W ",\"scope\":[\"read:knowledge:42\",7,\"edit:knowledge:43\"]}", "kn:43", ROLE_WRITE},
    {W ",\"scope\":[\"read:knowledge:42 edit:knowledge:43\"]}", "kn:43", ROLE_NONE},
    {W ",\"permissions\":[\"admin:knowledge:42\"]}", "ws:acme/42", ROLE_ADMIN},
    {W ",\"permissions\":\"edit:knowledge:42\"}", "kn:42", ROLE_WRITE},
    {W ",\"scope\":\"read:knowledge:42\",\"permissions\":[\"edit:knowledge:42\"]}", "kn:42",
     ROLE_WRITE},
    {W ",\"scope\":\"write:knowledge:42\"}", "kn:42", ROLE_NONE},
    {W ",\"scope\":\"edit:document:42\"}", "kn:42", ROLE_NONE},
    {W ",\"scope\":\"edit:knowledge:\"}", "kn:", ROLE_NONE},
    {W ",\"scope\":\"edit:knowledge:*\"}", "kn:42", ROLE_NONE},
    {W ",\"scope\":\"EDIT:knowledge:42\"}", "kn:42", ROLE_NONE},
    {W ",\"scope\":{\"edit:knowledge:42\":true}}", "kn:42", ROLE_NONE},
    {W ",\"scope\":\"edit:knowledge:42\\u2028\"}", "kn:42", ROLE_NONE},
    /* roles */
    {W ",\"roles\":[\"viewer\"]}", "ws:acme/42", ROLE_READ},
    {W ",\"roles\":[\"editor\"]}", "ws:acme/42", ROLE_WRITE},
    {W ",\"roles\":[\"admin\"]}", "ws:acme/42", ROLE_ADMIN},
    {W ",\"roles\":[\"viewer\",\"editor\"]}", "ws:acme/a/b", ROLE_WRITE},
    {W ",\"roles\":\"viewer editor\"}", "ws:acme/42", ROLE_WRITE},
    {W ",\"roles\":[\"admin\"]}", "ws:acme/", ROLE_NONE},
    {W ",\"roles\":[\"admin\"]}", "ws:acme2/42", ROLE_NONE},
    {W ",\"roles\":[\"admin\"]}", "ws:acm/42", ROLE_NONE},
    {W ",\"roles\":[\"admin\"]}", "kn:42", ROLE_NONE},
    {W ",\"roles\":[\"owner\",\"Admin\"]}", "ws:acme/42", ROLE_NONE},
    {S ",\"roles\":[\"admin\"]}", "ws:acme/42", ROLE_NONE},
    {S ",\"roles\":[\"admin\"]}", "ws:/42", ROLE_NONE},
    {S ",\"workspaceId\":\"acme/eu\",\"roles\":[\"admin\"]}", "ws:acme/eu/42", ROLE_NONE},
    {S ",\"workspaceId\":\"*\",\"roles\":[\"admin\"]}", "ws:acme/42", ROLE_NONE},
    {W ",\"roles\":[\"viewer\"],\"scope\":\"edit:knowledge:42\"}", "ws:acme/42", ROLE_WRITE},
    {W ",\"roles\":[\"viewer\"],\"rooms\":{\"ws:acme/*\":\"admin\"}}", "ws:acme/42", ROLE_ADMIN},
    /* wsTokens: one room, whatever they grant */
    {WS ",\"knowledgeId\":\"42\",\"scope\":\"edit:knowledge:42\"}", "kn:42", ROLE_WRITE},
    {WS ",\"knowledgeId\":\"42\",\"scope\":\"edit:knowledge:42\"}", "ws:acme/42", ROLE_WRITE},
    {WS ",\"knowledgeId\":\"42\",\"scope\":\"edit:knowledge:43\"}", "kn:43", ROLE_NONE},
    {WS ",\"knowledgeId\":\"42\",\"scope\":\"read:knowledge:42\",\"roles\":[\"admin\"]}",
     "ws:acme/43", ROLE_NONE},
    {WS ",\"knowledgeId\":\"42\",\"rooms\":{\"*\":\"admin\"}}", "ws:acme/42", ROLE_ADMIN},
    {WS ",\"knowledgeId\":\"42\",\"rooms\":{\"*\":\"admin\"}}", "ws:other/42", ROLE_NONE},
    {WS ",\"room\":\"plain\",\"rooms\":{\"*\":\"write\"}}", "plain", ROLE_WRITE},
    {WS ",\"room\":\"plain\",\"rooms\":{\"*\":\"write\"}}", "plain2", ROLE_NONE},
    {WS ",\"room\":\"kn:1\",\"knowledgeId\":\"42\",\"rooms\":{\"*\":\"write\"}}", "kn:42",
     ROLE_NONE},
    {WS ",\"room\":\"kn:1\",\"knowledgeId\":\"42\"}", "kn:1", ROLE_NONE},
};

static void the_table_of_rights_holds(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof grant_rows / sizeof *grant_rows; i++) {
        const struct grant_row *row = &grant_rows[i];
        const char *why = NULL;
        struct identity *id = identity_of(row->claims, &why);
        if (!id) {
            fail_msg("%s: %s", row->claims, why);
        }
        enum role role = identity_role(id, slice_str(row->room));
        if (role != row->role) {
            fail_msg("%s in %s: %s, not %s", row->claims, row->room, role_name(role),
                     role_name(row->role));
        }
        identity_unref(id);
    }
}

static void anonymous_writes_everywhere(void **state) {
    (void)state;
    struct identity *id = identity_anonymous();
    assert_int_equal(identity_role(id, slice_str("ws:any/where")), ROLE_WRITE);
    assert_string_equal(identity_user(id), "anonymous");
    assert_string_equal(identity_session(id), "");
    assert_true(identity_expires_s(id) == UINT64_MAX);
    assert_true(slice_is(identity_presence(id), "{\"id\":\"anonymous\"}"));
    identity_unref(id);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates),
        cmocka_unit_test(issuers_and_audiences),
        cmocka_unit_test(an_identity_says_what_its_token_says),
        cmocka_unit_test(what_an_identity_needs_is_asked_for),
        cmocka_unit_test(the_table_of_rights_holds),
        cmocka_unit_test(anonymous_writes_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
