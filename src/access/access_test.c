/* The interface as the rest of the server uses it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "access/access.h"
#include "access/nonce.h"
#include "access/token_test.h"
#include "access/tuning.h"
#include "observe/log.h"

static const char secret[] = TEST_SECRET;

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

/* ---- files ---- */

/* A file of that content, for as long as a test runs. */
struct temp {
    char path[64];
};

static void temp_write(struct temp *t, const char *text) {
    char next[80];
    if (!t->path[0]) {
        (void)snprintf(t->path, sizeof t->path, "/tmp/access_test.XXXXXX");
        int fd = mkstemp(t->path);
        assert_true(fd >= 0);
        (void)close(fd);
    }
    (void)snprintf(next, sizeof next, "%s.next", t->path);
    FILE *f = fopen(next, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
    assert_int_equal(rename(next, t->path), 0); /* whole or not at all */
}

static void temp_remove(struct temp *t) {
    (void)unlink(t->path);
}

static enum err check(struct access *a, const char *header, const struct maker *m, enum signer how,
                      const char *claims) {
    struct buf b = {0};
    struct access_answer answer;
    assert_true(access_check(a, make_token(&b, header, claims, m, how), 1, 1, &answer));
    buf_fini(&b);
    identity_unref(answer.identity);
    return answer.err;
}

/* Files are read by another thread, which tells nobody: asked until it is so. */
static void expect_soon(struct access *a, const char *header, const struct maker *m,
                        enum signer how, const char *claims, enum err wanted) {
    uint64_t end = clock_mono_ms() + 20000;
    while (check(a, header, m, how, claims) != wanted) {
        assert_true(clock_mono_ms() < end);
        (void)sched_yield();
    }
}

static const char ec_a[] = "{\"alg\":\"ES256\",\"kid\":\"a\"}";
static const char ec_b[] = "{\"alg\":\"ES256\",\"kid\":\"b\"}";
static const char hs[] = "{\"alg\":\"HS256\"}";

static struct access *open_files(const char *jwks, const char *revoked, uint64_t watch_ms) {
    char why[256];
    struct access_tuning tuning = access_tuning_default;
    tuning.watch_ms = watch_ms;
    struct access *a = access_open_tuned(
        &(struct access_options){
            .jwt_secret = secret, .jwks_file = jwks, .revocation_file = revoked, .leeway_s = 30},
        &tuning, why, sizeof why);
    if (!a) {
        fail_msg("%s", why);
    }
    return a;
}

/* Once by asking for it, once by being watched. */
static void a_key_file_is_read_again_and_a_broken_one_is_not(void **state) {
    (void)state;
    for (int watched = 0; watched < 2; watched++) {
        struct maker key = maker_new(MADE_P256);
        char *set_a = make_jwks((json_t *[]){maker_jwk(&key, "a", false)}, 1);
        char *set_b = make_jwks((json_t *[]){maker_jwk(&key, "b", false)}, 1);
        struct temp file = {0};
        temp_write(&file, set_a);
        struct access *a = open_files(file.path, NULL, watched ? 1 : 3600000);
        assert_int_equal(check(a, ec_a, &key, SIGN_EC, claims_with("")), ERR_OK);
        assert_int_equal(check(a, ec_b, &key, SIGN_EC, claims_with("")), ERR_UNAUTH);

        static const char *const broken[] = {"", "{", "{\"keys\":[]}", "{\"keys\":[{}]}"};
        for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
            temp_write(&file, broken[i]);
            access_reload(a);
            assert_int_equal(check(a, ec_a, &key, SIGN_EC, claims_with("")), ERR_OK);
        }
        temp_remove(&file);
        access_reload(a);
        assert_int_equal(check(a, ec_a, &key, SIGN_EC, claims_with("")), ERR_OK);

        temp_write(&file, set_b);
        if (!watched) {
            access_reload(a);
        }
        expect_soon(a, ec_b, &key, SIGN_EC, claims_with(""), ERR_OK);
        assert_int_equal(check(a, ec_a, &key, SIGN_EC, claims_with("")), ERR_UNAUTH);
        access_free(a);
        temp_remove(&file);
        mem_free(set_a);
        mem_free(set_b);
        maker_fini(&key);
    }
}

static void a_revocation_file_takes_effect_on_the_next_look(void **state) {
    (void)state;
    struct maker key = maker_new(MADE_SECRET);
    struct temp file = {0};
    temp_write(&file, "# nobody yet\n\n");
    struct access *a = open_files(NULL, file.path, 3600000);
    struct access_answer ann;
    struct buf b = {0};
    assert_true(access_check(a, make_token(&b, hs, claims_with(""), &key, SIGN_HMAC), 1, 1, &ann));
    buf_fini(&b);
    assert_int_equal(ann.err, ERR_OK);
    assert_false(access_revoked(a, ann.identity));
    uint64_t before = access_revocations(a);

    temp_write(&file, "  sub:ann \r\n# and a token\njti:7:8\nsid:last");
    access_reload(a);
    expect_soon(a, hs, &key, SIGN_HMAC, claims_with(""), ERR_UNAUTH);
    assert_true(access_revoked(a, ann.identity));
    assert_true(access_revocations(a) > before);
    static const struct {
        const char *more;
        enum err expect;
    } rows[] = {{"\"jti\":\"7:8\"", ERR_UNAUTH},
                {"\"jti\":\"7\"", ERR_OK},
                {"\"sid\":\"last\"", ERR_UNAUTH},
                {"\"sessionId\":\"last\"", ERR_UNAUTH},
                {"\"sessionId\":\"x\",\"sid\":\"last\"", ERR_UNAUTH},
                {"\"sid\":\"ann\"", ERR_OK},
                {"\"jti\":\"ann\"", ERR_OK}};
    char claims[256];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        (void)snprintf(claims, sizeof claims, "{\"sub\":\"bob\",\"exp\":9000000000,%s}",
                       rows[i].more);
        assert_int_equal(check(a, hs, &key, SIGN_HMAC, claims), rows[i].expect);
    }

    /* A file that is wrong revokes no less than the one before. */
    temp_write(&file, "sub:bob\nuser:ann\n");
    access_reload(a);
    (void)snprintf(claims, sizeof claims, "{\"sub\":\"bob\",\"exp\":9000000000}");
    assert_int_equal(check(a, hs, &key, SIGN_HMAC, claims_with("")), ERR_UNAUTH);
    temp_write(&file, "sub:bob\n");
    access_reload(a);
    expect_soon(a, hs, &key, SIGN_HMAC, claims_with(""), ERR_OK);
    assert_int_equal(check(a, hs, &key, SIGN_HMAC, claims), ERR_UNAUTH);
    identity_unref(ann.identity);
    access_free(a);
    temp_remove(&file);

    char why[256];
    temp_write(&file, "sub:a\nsub:\n");
    assert_null(
        access_open(&(struct access_options){.revocation_file = file.path}, why, sizeof why));
    assert_non_null(strstr(why, "REVOCATION_FILE"));
    assert_non_null(strstr(why, "line 2 is not"));
    temp_remove(&file);
}

/* ---- revocation by call ---- */

static void a_call_revokes_at_once(void **state) {
    (void)state;
    struct maker key = maker_new(MADE_SECRET);
    struct access *a = open_with_secret();
    static const char claims[] =
        "{\"sub\":\"bob\",\"exp\":9000000000,\"jti\":\"j\",\"sessionId\":\"s\"}";
    static const struct {
        const char *kind;
        const char *value;
        enum err expect;
    } rows[] = {{"jti", "bob", ERR_OK}, {"sub", "j", ERR_OK},    {"sub", "", ERR_OK},
                {"all", "bob", ERR_OK}, {"", "bob", ERR_OK},     {"jti:", "j", ERR_OK},
                {"sid", "t", ERR_OK},   {"sid", "s", ERR_UNAUTH}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        access_revoke(a, rows[i].kind, slice_str(rows[i].value));
        assert_int_equal(check(a, hs, &key, SIGN_HMAC, claims), rows[i].expect);
    }
    uint64_t before = access_revocations(a);
    access_revoke(a, "sub", slice_str("ann"));
    assert_true(access_revocations(a) > before);
    assert_int_equal(check(a, hs, &key, SIGN_HMAC, claims_with("")), ERR_UNAUTH);
    access_free(a);
}

static void the_list_of_calls_is_bounded_and_forgets_the_oldest(void **state) {
    (void)state;
    struct maker key = maker_new(MADE_SECRET);
    struct access *a = open_with_secret();
    access_revoke(a, "sub", slice_str("ann"));
    char value[32];
    for (size_t i = 0; i + 1 < ACCESS_REVOKED; i++) {
        (void)snprintf(value, sizeof value, "%zu", i);
        access_revoke(a, "jti", slice_str(value));
    }
    assert_int_equal(check(a, hs, &key, SIGN_HMAC, claims_with("")), ERR_UNAUTH);
    access_revoke(a, "jti", slice_str("0")); /* again: takes no room */
    assert_int_equal(check(a, hs, &key, SIGN_HMAC, claims_with("")), ERR_UNAUTH);
    access_revoke(a, "jti", slice_str("one more"));
    assert_int_equal(check(a, hs, &key, SIGN_HMAC, claims_with("")), ERR_OK);
    assert_int_equal(check(a, hs, &key, SIGN_HMAC, claims_with(",\"jti\":\"0\"")), ERR_UNAUTH);
    access_free(a);
}

static void who_revokes_a_token_revokes_what_was_minted_from_it(void **state) {
    (void)state;
    struct maker key = maker_new(MADE_SECRET);
    struct access *a = open_with_secret();
    struct buf b = {0};
    struct access_answer bob;
    uint64_t expires_s = 0;
    assert_true(
        access_check(a,
                     make_token(&b, hs,
                                claims_with(",\"jti\":\"j\",\"sid\":\"s\",\"workspaceId\":\"acme\","
                                            "\"name\":\"Bob\",\"roles\":[\"editor\"]"),
                                &key, SIGN_HMAC),
                     1, 1, &bob));
    assert_int_equal(bob.err, ERR_OK);
    buf_clear(&b);
    assert_int_equal(access_mint(a, bob.identity, slice_str("ws:other/1"), &b, &expires_s),
                     ERR_FORBIDDEN);
    assert_int_equal(access_mint(a, bob.identity, slice_str("ws:acme/*"), &b, &expires_s),
                     ERR_FORBIDDEN);
    assert_int_equal(b.n, 0);
    assert_int_equal(access_mint(a, bob.identity, slice_str("ws:acme/1"), &b, &expires_s), ERR_OK);
    struct access_answer ws;
    assert_true(access_check(a, buf_slice(&b), 1, 1, &ws));
    assert_int_equal(ws.err, ERR_OK);
    assert_string_equal(identity_session(ws.identity), "s");
    assert_true(slice_is(identity_presence(ws.identity), "{\"id\":\"ann\",\"name\":\"Bob\"}"));
    assert_int_equal(identity_role(ws.identity, slice_str("ws:acme/1")), ROLE_WRITE);
    assert_int_equal(identity_role(ws.identity, slice_str("ws:acme/2")), ROLE_NONE);
    assert_true(expires_s <= clock_wall_ms() / 1000 + 300);
    access_revoke(a, "jti", slice_str("j"));
    assert_true(access_revoked(a, ws.identity));
    assert_true(access_revoked(a, bob.identity));
    identity_unref(ws.identity);
    identity_unref(bob.identity);
    buf_fini(&b);
    access_free(a);
}

/* ---- nonces ---- */

static void a_nonce_is_for_one_connection_until_it_is_forgotten(void **state) {
    (void)state;
    struct nonces *n = nonces_new();
    assert_true(nonces_claim(n, "a", 1, 100, 50));
    assert_true(nonces_claim(n, "a", 1, 100, 50));
    assert_false(nonces_claim(n, "a", 2, 100, 50));
    assert_true(nonces_claim(n, "b", 2, 100, 50));
    assert_true(nonces_claim(n, "A", 2, 100, 50));
    nonces_free(n);
    nonces_free(NULL);
}

static void nonces_are_bounded_and_room_comes_back(void **state) {
    (void)state;
    struct nonces *n = nonces_new();
    char nonce[32];
    for (size_t i = 0; i < ACCESS_NONCES; i++) {
        (void)snprintf(nonce, sizeof nonce, "n%zu", i);
        assert_true(nonces_claim(n, nonce, i, 100, 50));
    }
    assert_false(nonces_claim(n, "one more", 1, 100, 50));
    assert_false(nonces_claim(n, "one more", 1, 100, 100));
    assert_false(nonces_claim(n, "n0", 1, 100, 100));
    assert_true(nonces_claim(n, "n0", 0, 100, 100));
    assert_true(nonces_claim(n, "one more", 1, 300, 101));
    assert_false(nonces_claim(n, "one more", 2, 300, 101));
    nonces_free(n);
}

#define RACERS 4

struct race {
    struct access *a;
    struct identity *id;
    uint64_t conn;
    bool won;
};

static void *race(void *arg) {
    struct race *r = arg;
    r->won = access_claim_nonce(r->a, r->id, r->conn);
    return NULL;
}

static void of_many_connections_with_one_ws_token_one_wins(void **state) {
    (void)state;
    struct access *a = open_with_secret();
    struct identity *anonymous = identity_anonymous();
    for (int round = 0; round < 50; round++) {
        struct buf b = {0};
        uint64_t expires_s = 0;
        assert_int_equal(access_mint(a, anonymous, slice_str("r"), &b, &expires_s), ERR_OK);
        struct race racers[RACERS];
        pthread_t threads[RACERS];
        for (size_t i = 0; i < RACERS; i++) {
            racers[i] = (struct race){a, identity_of(a, buf_slice(&b)), i + 1, false};
        }
        for (size_t i = 0; i < RACERS; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        int won = 0;
        for (size_t i = 0; i < RACERS; i++) {
            (void)pthread_join(threads[i], NULL);
            won += racers[i].won;
            identity_unref(racers[i].id);
        }
        assert_int_equal(won, 1);
        buf_fini(&b);
    }
    identity_unref(anonymous);
    access_free(a);
}

static int set_up(void **state) {
    (void)state;
    log_open(LOG_ERROR, LOG_JSON); /* broken files are what these tests are about */
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_secret_is_refused_by_name),
        cmocka_unit_test(what_is_minted_lets_one_connection_into_one_room),
        cmocka_unit_test(a_key_file_is_read_again_and_a_broken_one_is_not),
        cmocka_unit_test(a_revocation_file_takes_effect_on_the_next_look),
        cmocka_unit_test(a_call_revokes_at_once),
        cmocka_unit_test(the_list_of_calls_is_bounded_and_forgets_the_oldest),
        cmocka_unit_test(who_revokes_a_token_revokes_what_was_minted_from_it),
        cmocka_unit_test(a_nonce_is_for_one_connection_until_it_is_forgotten),
        cmocka_unit_test(nonces_are_bounded_and_room_comes_back),
        cmocka_unit_test(of_many_connections_with_one_ws_token_one_wins),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
