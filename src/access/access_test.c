/* The interface as the rest of the server uses it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "access/access.h"

static const char secret[] = "0123456789abcdef0123456789abcdef";

static struct access *open_with_secret(void) {
    char why[256];
    struct access *a = access_open(
        &(struct access_options){.jwt_secret = secret, .leeway_s = 30, .ws_token_s = 300}, why,
        sizeof why);
    assert_non_null(a);
    return a;
}

static struct identity *identity_of(struct access *a, slice token) {
    struct access_answer answer;
    assert_true(access_check(a, token, 1, 1, &answer));
    assert_int_equal(answer.err, ERR_OK);
    return answer.identity;
}

static void a_short_secret_is_refused_by_name(void **state) {
    (void)state;
    char why[256] = "";
    assert_null(
        access_open(&(struct access_options){.jwt_secret = "0123456789abcdef0123456789abcde"}, why,
                    sizeof why));
    assert_non_null(strstr(why, "JWT_SECRET has 31 bytes"));
}

static void what_is_minted_lets_one_connection_into_one_room(void **state) {
    (void)state;
    struct access *a = open_with_secret();
    struct identity *anonymous = identity_anonymous();
    struct buf token;
    buf_init(&token, 0);
    uint64_t expires_s = 0;
    assert_int_equal(access_mint(a, anonymous, slice_str("ws:acme/42"), &token, &expires_s),
                     ERR_OK);

    struct identity *id = identity_of(a, buf_slice(&token));
    assert_string_equal(identity_user(id), "anonymous");
    assert_true(identity_expires_s(id) == expires_s);
    assert_int_equal(identity_role(id, slice_str("ws:acme/42")), ROLE_WRITE);
    assert_int_equal(identity_role(id, slice_str("ws:acme/43")), ROLE_NONE);
    assert_int_equal(identity_role(id, slice_str("kn:42")), ROLE_NONE);

    assert_true(access_claim_nonce(a, id, 7));
    assert_true(access_claim_nonce(a, id, 7));
    assert_false(access_claim_nonce(a, id, 8));
    assert_true(access_claim_nonce(a, anonymous, 8));
    assert_int_equal(access_mint(a, id, slice_str("ws:acme/42"), &token, &expires_s),
                     ERR_FORBIDDEN);
    buf_fini(&token);
    identity_unref(id);
    identity_unref(anonymous);
    access_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_secret_is_refused_by_name),
        cmocka_unit_test(what_is_minted_lets_one_connection_into_one_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
