/* What comes over the network: key sets and answers of the authorization service, from servers that
 * are well, down, slow, changing or lying. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sched.h>
#include <cmocka.h>

#include "access/access.h"
#include "access/server_test.h"
#include "access/token_test.h"
#include "access/tuning.h"
#include "observe/log.h"

/* ---- answers that come later ---- */

struct answers {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t count;
    struct access_answer answer[256]; /* by `req` */
    bool has[256];
};

static void take(void *ctx, uint64_t conn, uint32_t req, const struct access_answer *answer) {
    struct answers *all = ctx;
    (void)pthread_mutex_lock(&all->lock);
    must(conn == req + 1000 && !all->has[req]);
    all->answer[req] = *answer;
    all->has[req] = true;
    all->count++;
    (void)pthread_cond_broadcast(&all->changed);
    (void)pthread_mutex_unlock(&all->lock);
}

static void wait_answers(struct answers *all, size_t count) {
    const struct timespec end = deadline();
    (void)pthread_mutex_lock(&all->lock);
    while (all->count < count && pthread_cond_timedwait(&all->changed, &all->lock, &end) == 0) {
    }
    bool enough = all->count >= count;
    (void)pthread_mutex_unlock(&all->lock);
    assert_true(enough);
}

/* ---- what each test has ---- */

static struct maker old_key, new_key;
static char *old_set, *new_set, *both_sets, *private_set;
static struct answers answers;
static struct access *a;
static uint32_t next_req;

static const char old_header[] = "{\"alg\":\"ES256\",\"kid\":\"old\"}";
static const char new_header[] = "{\"alg\":\"EdDSA\",\"kid\":\"new\"}";

/* No patience at all, so that no test waits for a clock. */
static const struct access_tuning eager = {.cool_down_ms = 0,
                                           .retry_ms = 3600000,
                                           .retry_max_ms = 3600000,
                                           .age_min_ms = 3600000,
                                           .age_max_ms = 3600000,
                                           .age_default_ms = 3600000,
                                           .watch_ms = 1};

static int set_up_all(void **state) {
    (void)state;
    log_open(LOG_ERROR, LOG_JSON); /* warnings are what these tests are about */
    old_key = maker_new(MADE_P256);
    new_key = maker_new(MADE_ED25519);
    json_t *o = maker_jwk(&old_key, "old", false);
    json_t *n = maker_jwk(&new_key, "new", false);
    json_t *p = maker_jwk(&old_key, "old", true);
    old_set = make_jwks(&(json_t *){json_incref(o)}, 1);
    new_set = make_jwks(&(json_t *){json_incref(n)}, 1);
    private_set = make_jwks(&(json_t *){p}, 1);
    both_sets = make_jwks((json_t *[]){o, n}, 2);
    return 0;
}

static int tear_down_all(void **state) {
    (void)state;
    maker_fini(&old_key);
    maker_fini(&new_key);
    mem_free(old_set);
    mem_free(new_set);
    mem_free(both_sets);
    mem_free(private_set);
    return 0;
}

static int set_up(void **state) {
    (void)state;
    answers = (struct answers){.count = 0};
    must(pthread_mutex_init(&answers.lock, NULL) == 0);
    must(pthread_cond_init(&answers.changed, NULL) == 0);
    next_req = 0;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    access_free(a);
    a = NULL;
    (void)pthread_mutex_destroy(&answers.lock);
    (void)pthread_cond_destroy(&answers.changed);
    return 0;
}

static void open_with(struct access_options o, const struct access_tuning *tuning) {
    char why[256] = "";
    o.leeway_s = 30;
    o.done = take;
    o.done_ctx = &answers;
    a = access_open_tuned(&o, tuning, why, sizeof why);
    if (!a) {
        fail_msg("%s", why);
    }
}

static struct access_answer wait_for(bool at_once, uint32_t req,
                                     const struct access_answer *answer) {
    if (at_once) {
        return *answer;
    }
    const struct timespec end = deadline();
    (void)pthread_mutex_lock(&answers.lock);
    while (!answers.has[req] &&
           pthread_cond_timedwait(&answers.changed, &answers.lock, &end) == 0) {
    }
    must(answers.has[req]);
    struct access_answer later = answers.answer[req];
    answers.has[req] = false;
    (void)pthread_mutex_unlock(&answers.lock);
    return later;
}

static uint32_t take_req(void) {
    next_req = (next_req + 1) % 200;
    return next_req;
}

/* The whole check, however long it takes. */
static enum err check(const char *header, const struct maker *m, enum signer how) {
    struct buf b = {0};
    struct access_answer answer;
    uint32_t req = take_req();
    slice token = make_token(&b, header, claims_with(""), m, how);
    bool at_once = access_check(a, token, req + 1000, req, &answer);
    buf_fini(&b);
    answer = wait_for(at_once, req, &answer);
    identity_unref(answer.identity);
    assert_true((answer.err == ERR_OK) == (answer.detail == NULL));
    return answer.err;
}

static enum err check_old(void) {
    return check(old_header, &old_key, SIGN_EC);
}

static enum err check_new(void) {
    return check(new_header, &new_key, SIGN_ED);
}

/* What happens without an event that a test could wait for: asked until it is so. */
static void expect_ok_soon(enum err (*ask_again)(void)) {
    const struct timespec end = deadline();
    struct timespec now = {0};
    while (ask_again() != ERR_OK) {
        (void)clock_gettime(CLOCK_REALTIME, &now);
        assert_true(now.tv_sec < end.tv_sec);
        (void)sched_yield();
    }
}

/* ---- key sets ---- */

static void keys_are_fetched_once_and_used_often(void **state) {
    (void)state;
    struct server *s = server_new(200, "", old_set);
    open_with((struct access_options){.jwks_url = s->url}, &access_tuning_default);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(check_old(), ERR_OK);
    }
    assert_int_equal(server_wait(s, 1), 1);
    assert_non_null(strstr(s->last, "GET /x HTTP/1.1\r\n"));
    server_free(s);
}

static void a_new_key_is_found_when_a_token_names_it(void **state) {
    (void)state;
    struct server *s = server_new(200, "", old_set);
    open_with((struct access_options){.jwks_url = s->url}, &eager);
    assert_int_equal(check_old(), ERR_OK);
    server_says(s, 200, "", both_sets);
    assert_int_equal(check_new(), ERR_OK);
    assert_int_equal(check_old(), ERR_OK);
    assert_int_equal(server_wait(s, 2), 2);
    server_says(s, 200, "", new_set);
    assert_int_equal(check("{\"alg\":\"ES256\",\"kid\":\"?\"}", &old_key, SIGN_EC), ERR_UNAUTH);
    assert_int_equal(server_wait(s, 3), 3);
    /* The old key was withdrawn: a token of it causes a fetch, and is then refused. */
    assert_int_equal(check_old(), ERR_UNAUTH);
    assert_int_equal(check_new(), ERR_OK);
    server_free(s);
}

static void unknown_kids_cause_one_fetch_per_cool_down(void **state) {
    (void)state;
    struct server *s = server_new(200, "", old_set);
    open_with((struct access_options){.jwks_url = s->url}, &access_tuning_default);
    assert_int_equal(check_old(), ERR_OK);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(check_new(), ERR_UNAUTH);
    }
    assert_int_equal(server_wait(s, 1), 1);
    server_free(s);
}

static void all_who_wait_share_one_fetch(void **state) {
    (void)state;
    struct server *s = server_new(200, "", both_sets);
    server_hold(s);
    open_with((struct access_options){.jwks_url = s->url}, &access_tuning_default);
    assert_int_equal(server_wait(s, 1), 1);
    struct buf b = {0};
    for (uint32_t i = 0; i < 100; i++) {
        struct access_answer answer;
        slice token = i % 2 ? make_token(&b, old_header, claims_with(""), &old_key, SIGN_EC)
                            : make_token(&b, new_header, claims_with(""), &old_key, SIGN_EC);
        assert_false(access_check(a, token, i + 1000, i, &answer));
    }
    buf_fini(&b);
    server_release(s);
    wait_answers(&answers, 100);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(answers.answer[i].err, i % 2 ? ERR_OK : ERR_UNAUTH);
        identity_unref(answers.answer[i].identity);
    }
    assert_int_equal(server_wait(s, 1), 1);
    server_free(s);
}

static void while_the_source_is_down_known_keys_hold(void **state) {
    (void)state;
    struct server *s = server_new(200, "", old_set);
    open_with((struct access_options){.jwks_url = s->url}, &eager);
    assert_int_equal(check_old(), ERR_OK);
    server_close(s);
    assert_int_equal(check_new(), ERR_BUSY);
    assert_int_equal(check_old(), ERR_OK);
    server_free(s);
}

static void a_source_that_never_answered_is_busy_not_wrong(void **state) {
    (void)state;
    struct server *s = server_new(200, "", old_set);
    server_close(s);
    open_with((struct access_options){.jwks_url = s->url}, &access_tuning_default);
    assert_int_equal(check_old(), ERR_BUSY);
    assert_int_equal(check_old(), ERR_BUSY);
    server_free(s);
}

static void a_source_is_asked_again_until_it_is_back(void **state) {
    (void)state;
    struct server *s = server_new(503, "", "down for a moment");
    struct access_tuning quick = eager;
    quick.cool_down_ms = 3600000; /* so that it is not the token that asks */
    quick.retry_ms = 1;
    quick.retry_max_ms = 4;
    open_with((struct access_options){.jwks_url = s->url}, &quick);
    assert_true(server_wait(s, 5) >= 5);
    server_says(s, 200, "", old_set);
    expect_ok_soon(check_old);
    server_free(s);
}

static void a_slow_source_delays_only_those_who_need_it(void **state) {
    (void)state;
    struct server *s = server_new(200, "", old_set);
    open_with((struct access_options){.jwks_url = s->url, .http_timeout_ms = 100}, &eager);
    expect_ok_soon(check_old); /* a busy machine may be slow itself */
    size_t before = server_wait(s, 1);
    server_hold(s);
    struct buf b = {0};
    struct access_answer answer;
    slice token = make_token(&b, new_header, claims_with(""), &new_key, SIGN_ED);
    assert_false(access_check(a, token, 1255, 255, &answer));
    assert_int_equal(server_wait(s, before + 1), before + 1);
    assert_int_equal(check_old(), ERR_OK);
    assert_int_equal(wait_for(false, 255, &answer).err, ERR_BUSY);
    assert_int_equal(check_old(), ERR_OK);
    buf_fini(&b);
    server_free(s);
}

static void a_lying_source_changes_nothing(void **state) {
    (void)state;
    char *huge = mem_new(300000);
    memset(huge, ' ', 300000 - 1);
    memcpy(huge, both_sets, strlen(both_sets));
    const struct {
        unsigned status;
        const char *headers;
        const char *body;
    } rows[] = {{200, "", ""},
                {200, "", "<html>200 means nothing</html>"},
                {200, "", "{\"keys\":[]}"},
                {200, "", "{\"keys\":{\"new\":1}}"},
                {200, "", "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"new\",\"k\":\"AAAA\"}]}"},
                {200, "", "{\"keys\":[1,2,3]}"},
                {200, "", private_set},
                {200, "", huge},
                {200, "Content-Encoding: x\r\nSet-Cookie: a=b\r\n", "null"},
                {204, "", ""},
                {301, "Location: /other\r\n", both_sets},
                {302, "Location: http://127.0.0.1:1/\r\n", both_sets},
                {307, "Location: file:///etc/passwd\r\n", both_sets},
                {404, "", both_sets},
                {500, "", both_sets}};
    struct server *s = server_new(200, "", old_set);
    open_with((struct access_options){.jwks_url = s->url}, &eager);
    assert_int_equal(check_old(), ERR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        server_says(s, rows[i].status, rows[i].headers, rows[i].body);
        enum err e = check_new();
        if (e != ERR_BUSY || check_old() != ERR_OK || server_wait(s, i + 2) != i + 2) {
            fail_msg("row %zu: %s", i, err_label(e));
        }
    }
    server_says(s, 200, "", both_sets);
    assert_int_equal(check_new(), ERR_OK);
    mem_free(huge);
    server_free(s);
}

static void a_set_is_fetched_again_before_it_is_too_old(void **state) {
    (void)state;
    struct server *s = server_new(200, "Cache-Control: public, max-age=0\r\n", old_set);
    struct access_tuning quick = eager;
    quick.age_min_ms = 4;
    open_with((struct access_options){.jwks_url = s->url}, &quick);
    assert_true(server_wait(s, 4) >= 4);
    assert_int_equal(check_old(), ERR_OK);
    server_free(s);
}

static void closing_does_not_wait_for_the_network(void **state) {
    (void)state;
    struct server *s = server_new(200, "", old_set);
    server_hold(s);
    open_with(
        (struct access_options){.jwks_url = s->url, .authz_url = s->url, .jwt_secret = TEST_SECRET},
        &access_tuning_default);
    assert_int_equal(server_wait(s, 1), 1);
    struct buf b = {0};
    struct access_answer answer;
    slice token = make_token(&b, old_header, claims_with(""), &old_key, SIGN_EC);
    assert_false(access_check(a, token, 1000, 0, &answer));
    token = make_token(&b, "{\"alg\":\"HS256\"}", claims_with(""), &old_key, SIGN_HMAC);
    assert_true(access_check(a, token, 1001, 1, &answer));
    struct access_answer role;
    assert_false(access_role(a, answer.identity, slice_str("r"), 1002, 2, &role));
    access_free(a);
    a = NULL;
    assert_int_equal(answers.count, 0);
    assert_string_equal(identity_user(answer.identity), "ann");
    identity_unref(answer.identity);
    buf_fini(&b);
    server_free(s);
}

/* ---- the authorization service ---- */

static struct identity *ann;

static void open_authz(struct server *s, unsigned cache_ms, unsigned timeout_ms) {
    open_with((struct access_options){.jwt_secret = TEST_SECRET,
                                      .authz_url = s->url,
                                      .authz_cache_ms = cache_ms,
                                      .http_timeout_ms = timeout_ms},
              &access_tuning_default);
    struct buf b = {0};
    struct access_answer answer;
    assert_true(access_check(a,
                             make_token(&b, "{\"alg\":\"HS256\"}",
                                        claims_with(",\"sid\":\"s\",\"rooms\":{\"*\":\"admin\"}"),
                                        &old_key, SIGN_HMAC),
                             1, 1, &answer));
    buf_fini(&b);
    ann = answer.identity;
    assert_non_null(ann);
}

static void close_authz(struct server *s) {
    ann = identity_unref(ann);
    server_free(s);
}

static struct access_answer ask(struct identity *who, const char *room) {
    struct access_answer answer;
    uint32_t req = take_req();
    bool at_once = access_role(a, who, slice_str(room), req + 1000, req, &answer);
    answer = wait_for(at_once, req, &answer);
    assert_null(answer.identity);
    return answer;
}

static void the_service_decides_instead_of_the_claims(void **state) {
    (void)state;
    struct server *s = server_new(200, "", "{\"role\":\"read\",\"more\":1}");
    open_authz(s, 30000, 5000);
    assert_int_equal(ask(ann, "ws:acme/42").role, ROLE_READ);
    assert_int_equal(server_wait(s, 1), 1);
    assert_non_null(strstr(s->last, "POST /x HTTP/1.1\r\n"));
    assert_non_null(strstr(s->last, "Content-Type: application/json\r\n"));
    json_t *sent = json_strict_object(slice_str(strstr(s->last, "\r\n\r\n") + 4));
    assert_non_null(sent);
    assert_int_equal(json_object_size(sent), 4);
    assert_string_equal(json_text(sent, "userId"), "ann");
    assert_string_equal(json_text(sent, "sessionId"), "s");
    assert_string_equal(json_text(sent, "roomId"), "ws:acme/42");
    assert_string_equal(json_text(json_object_get(sent, "claims"), "sub"), "ann");
    json_decref(sent);

    server_says(s, 200, "", "{\"role\":\"write\"}");
    assert_int_equal(ask(ann, "ws:acme/42").role, ROLE_READ); /* remembered */
    assert_int_equal(ask(ann, "ws:acme/43").role, ROLE_WRITE);
    server_says(s, 200, "", "{\"role\":\"none\"}");
    struct access_answer none = ask(ann, "ws:acme/44");
    assert_int_equal(none.err, ERR_FORBIDDEN);
    assert_int_equal(none.role, ROLE_NONE);
    server_says(s, 403, "", "");
    assert_int_equal(ask(ann, "ws:acme/45").err, ERR_FORBIDDEN);
    server_says(s, 200, "", "{\"role\":\"admin\"}");
    assert_int_equal(ask(ann, "ws:acme/44").err, ERR_FORBIDDEN); /* remembered, too */
    assert_int_equal(server_wait(s, 4), 4);
    close_authz(s);
}

static void an_answer_does_not_hold_for_ever(void **state) {
    (void)state;
    struct server *s = server_new(200, "", "{\"role\":\"write\"}");
    open_authz(s, 0, 5000);
    assert_int_equal(ask(ann, "r").role, ROLE_WRITE);
    server_says(s, 200, "", "{\"role\":\"none\"}");
    assert_int_equal(ask(ann, "r").err, ERR_FORBIDDEN);
    assert_int_equal(server_wait(s, 2), 2);
    close_authz(s);
}

static void equal_questions_are_asked_once(void **state) {
    (void)state;
    struct server *s = server_new(200, "", "{\"role\":\"write\"}");
    server_hold(s);
    open_authz(s, 30000, 5000);
    for (uint32_t i = 0; i < 50; i++) {
        struct access_answer answer;
        assert_false(access_role(a, ann, slice_str("r"), i + 1000, i, &answer));
    }
    assert_int_equal(server_wait(s, 1), 1);
    server_release(s);
    wait_answers(&answers, 50);
    for (uint32_t i = 0; i < 50; i++) {
        assert_int_equal(answers.answer[i].role, ROLE_WRITE);
    }
    assert_int_equal(server_wait(s, 1), 1);
    close_authz(s);
}

static void the_service_does_not_meet_everybody_at_once(void **state) {
    (void)state;
    struct server *s = server_new(200, "", "{\"role\":\"write\"}");
    server_hold(s);
    open_authz(s, 30000, 5000);
    for (uint32_t i = 0; i < 200; i++) {
        char room[16];
        struct access_answer answer;
        (void)snprintf(room, sizeof room, "r%u", i);
        assert_false(access_role(a, ann, slice_str(room), i + 1000, i, &answer));
    }
    assert_int_equal(server_wait(s, ACCESS_AUTHZ_ASKING), ACCESS_AUTHZ_ASKING);
    server_release(s);
    wait_answers(&answers, 200);
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(answers.answer[i].role, ROLE_WRITE);
    }
    close_authz(s);
}

static void expect_no_answer(const char *room, const char *what) {
    struct access_answer answer = ask(ann, room);
    if (answer.err != ERR_BUSY || answer.role != ROLE_NONE) {
        fail_msg("%s: %s", what, err_label(answer.err));
    }
    assert_string_equal(answer.detail, "authorization service did not answer");
}

static void a_service_that_fails_lets_nobody_in(void **state) {
    (void)state;
    char *huge = mem_new(20000);
    memset(huge, ' ', 20000 - 1);
    memcpy(huge, "{\"role\":\"admin\"}", 16);
    const struct {
        unsigned status;
        const char *headers;
        const char *body;
    } rows[] = {{200, "", ""},
                {200, "", "admin"},
                {200, "", "\"admin\""},
                {200, "", "[\"admin\"]"},
                {200, "", "{}"},
                {200, "", "{\"role\":null}"},
                {200, "", "{\"role\":3}"},
                {200, "", "{\"role\":\"ADMIN\"}"},
                {200, "", "{\"role\":\"owner\"}"},
                {200, "", "{\"role\":\"read\",\"role\":\"admin\"}"},
                {200, "", huge},
                {201, "", "{\"role\":\"admin\"}"},
                {302, "Location: /x\r\n", "{\"role\":\"admin\"}"},
                {401, "", "{\"role\":\"admin\"}"},
                {500, "", "{\"role\":\"admin\"}"}};
    struct server *s = server_new(200, "", "");
    open_authz(s, 30000, 5000);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        server_says(s, rows[i].status, rows[i].headers, rows[i].body);
        expect_no_answer("r", rows[i].body);
        assert_int_equal(server_wait(s, i + 1), i + 1); /* a failure is not remembered */
    }
    server_says(s, 200, "", "{\"role\":\"admin\"}");
    assert_int_equal(ask(ann, "r").role, ROLE_ADMIN);
    server_close(s);
    assert_int_equal(ask(ann, "r").role, ROLE_ADMIN);
    expect_no_answer("other", "down");
    mem_free(huge);
    close_authz(s);
}

static void a_slow_service_is_not_waited_for(void **state) {
    (void)state;
    struct server *s = server_new(200, "", "{\"role\":\"admin\"}");
    server_hold(s);
    open_authz(s, 30000, 100);
    /* More than are asked at once: those in the queue do not wait longer than the others. */
    for (uint32_t i = 0; i < 100; i++) {
        char room[16];
        struct access_answer answer;
        (void)snprintf(room, sizeof room, "r%u", i);
        assert_false(access_role(a, ann, slice_str(room), i + 1000, i, &answer));
    }
    wait_answers(&answers, 100);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(answers.answer[i].err, ERR_BUSY);
    }
    close_authz(s);
}

static void a_ws_token_is_minted_for_what_the_service_said(void **state) {
    (void)state;
    struct server *s = server_new(200, "", "{\"role\":\"read\"}");
    open_authz(s, 30000, 5000);
    struct buf b = {0};
    uint64_t expires_s = 0;
    assert_int_equal(access_mint(a, ann, slice_str("r"), &b, &expires_s), ERR_FORBIDDEN);
    assert_int_equal(ask(ann, "r").role, ROLE_READ);
    assert_int_equal(access_mint(a, ann, slice_str("r"), &b, &expires_s), ERR_OK);
    struct access_answer ws;
    assert_true(access_check(a, buf_slice(&b), 1, 1, &ws));
    assert_int_equal(identity_role(ws.identity, slice_str("r")), ROLE_READ);
    assert_int_equal(ask(ws.identity, "r").role, ROLE_READ);
    assert_int_equal(server_wait(s, 2), 2);
    assert_int_equal(ask(ws.identity, "other").err, ERR_FORBIDDEN); /* not even asked */
    assert_int_equal(server_wait(s, 2), 2);
    struct identity *anonymous = identity_anonymous();
    assert_int_equal(ask(anonymous, "r").role, ROLE_WRITE);
    identity_unref(anonymous);
    identity_unref(ws.identity);
    buf_fini(&b);
    close_authz(s);
}

/* ---- what options say ---- */

static void wrong_options_are_refused_by_name(void **state) {
    (void)state;
    static const struct {
        struct access_options o;
        const char *expect;
    } rows[] = {
        {{.jwks_url = "http://id.example/keys"}, "JWKS_URL is not an https:// address"},
        {{.jwks_url = "http://127.0.0.1.example/keys"}, "JWKS_URL is not an https:// address"},
        {{.jwks_url = "http://localhost@id.example/"}, "JWKS_URL is not an https:// address"},
        {{.jwks_url = "ftp://id.example/keys"}, "JWKS_URL is not an https:// address"},
        {{.jwks_url = "file:///etc/passwd"}, "JWKS_URL is not an https:// address"},
        {{.jwks_url = "id.example/keys"}, "JWKS_URL is not an https:// address"},
        {{.jwks_url = ""}, "JWKS_URL is not an https:// address"},
        {{.jwks_url = "https://"}, "JWKS_URL is not an https:// address"},
        {{.jwks_url = "https://a/", .jwks_file = "/b"}, "JWKS_URL and JWKS_FILE are both set"},
        {{.jwks_file = "/does/not/exist"},
         "JWKS_FILE: /does/not/exist: it cannot be read: No such"},
        {{.jwks_file = "/dev/null"},
         "JWKS_FILE: /dev/null: it cannot be read: it is not a regular"},
        {{.revocation_file = "/"}, "REVOCATION_FILE: /: it cannot be read"},
        {{.authz_url = "gopher://x/"}, "AUTHZ_URL is not an https:// or http:// address"},
        {{.jwt_secret = "short"}, "JWT_SECRET has 5 bytes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char why[256] = "";
        assert_null(access_open(&rows[i].o, why, sizeof why));
        if (!strstr(why, rows[i].expect)) {
            fail_msg("expected \"%s\", got \"%s\"", rows[i].expect, why);
        }
    }
    open_with((struct access_options){.authz_url = "http://authz.internal/"}, &eager);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(keys_are_fetched_once_and_used_often),
        TEST(a_new_key_is_found_when_a_token_names_it),
        TEST(unknown_kids_cause_one_fetch_per_cool_down),
        TEST(all_who_wait_share_one_fetch),
        TEST(while_the_source_is_down_known_keys_hold),
        TEST(a_source_that_never_answered_is_busy_not_wrong),
        TEST(a_source_is_asked_again_until_it_is_back),
        TEST(a_slow_source_delays_only_those_who_need_it),
        TEST(a_lying_source_changes_nothing),
        TEST(a_set_is_fetched_again_before_it_is_too_old),
        TEST(closing_does_not_wait_for_the_network),
        TEST(the_service_decides_instead_of_the_claims),
        TEST(an_answer_does_not_hold_for_ever),
        TEST(equal_questions_are_asked_once),
        TEST(the_service_does_not_meet_everybody_at_once),
        TEST(a_service_that_fails_lets_nobody_in),
        TEST(a_slow_service_is_not_waited_for),
        TEST(a_ws_token_is_minted_for_what_the_service_said),
        TEST(wrong_options_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
