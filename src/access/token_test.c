/* Tokens as an attacker sends them, and as the RFCs print them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "access/check.h"
#include "access/token_test.h"

/* One key of each kind, by the name of its kind, and the secret. */
static struct maker makers[MADE_KINDS];
static const char *const kids[MADE_KINDS] = {"secret", "rsa", "p256", "ed", "p384"};
static struct checker checker;
static struct keyset *set;
static struct buf token;

static int set_up(void **state) {
    (void)state;
    char why[256];
    json_t *jwks[3];
    for (enum made k = 0; k < MADE_KINDS; k++) {
        makers[k] = maker_new(k);
    }
    jwks[0] = maker_jwk(&makers[MADE_RSA], "rsa", false);
    jwks[1] = maker_jwk(&makers[MADE_P256], "p256", false);
    jwks[2] = maker_jwk(&makers[MADE_ED25519], "ed", false);
    char *text = make_jwks(jwks, 3);
    set = keyset_parse(slice_str(text), why, sizeof why);
    mem_free(text);
    checker = (struct checker){.secret = key_new_secret(slice_str(TEST_SECRET)),
                               .has_public = true,
                               .rules = {.leeway_s = 30}};
    return set ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    for (enum made k = 0; k < MADE_KINDS; k++) {
        maker_fini(&makers[k]);
    }
    key_free(checker.secret);
    keyset_unref(set);
    buf_fini(&token);
    return 0;
}

/* What is wrong with the token, or NULL when it is let in. */
static const char *verdict(slice t) {
    struct access_answer answer;
    enum check_result result = check_token(&checker, t, set, clock_wall_ms() / 1000, &answer);
    if (answer.err == ERR_OK) {
        assert_int_equal(result, CHECK_ANSWERED);
        assert_non_null(answer.identity);
        identity_unref(answer.identity);
        return NULL;
    }
    assert_null(answer.identity);
    assert_non_null(answer.detail);
    return answer.detail;
}

static void expect_refused(slice t, const char *words) {
    const char *why = verdict(t);
    if (!why || !strstr(why, words)) {
        fail_msg("expected \"%s\", got \"%s\"", words, why ? why : "let in");
    }
}

/* ---- algorithms and keys ---- */

static void only_the_diagonal_of_algorithms_and_keys_passes(void **state) {
    (void)state;
    static const struct {
        const char *alg;
        enum made key;
    } rows[] = {{"HS256", MADE_SECRET},
                {"RS256", MADE_RSA},
                {"PS256", MADE_RSA},
                {"ES256", MADE_P256},
                {"EdDSA", MADE_ED25519}};
    static const struct {
        enum made key;
        enum signer how;
    } columns[] = {{MADE_SECRET, SIGN_HMAC}, {MADE_RSA, SIGN_RSA},    {MADE_RSA, SIGN_PSS},
                   {MADE_P256, SIGN_EC},     {MADE_ED25519, SIGN_ED}, {MADE_P384, SIGN_EC}};
    for (size_t r = 0; r < 5; r++) {
        for (size_t c = 0; c < 6; c++) {
            for (int with_kid = 0; with_kid < 2; with_kid++) {
                char header[128];
                (void)snprintf(header, sizeof header,
                               with_kid ? "{\"alg\":\"%s\",\"kid\":\"%s\"}" : "{\"alg\":\"%s\"}",
                               rows[r].alg, kids[columns[c].key]);
                const char *why = verdict(make_token(&token, header, claims_with(""),
                                                     &makers[columns[c].key], columns[c].how));
                if ((why == NULL) != (r == c)) {
                    fail_msg("%s signed in way %zu: %s", header, c, why ? why : "let in");
                }
            }
        }
    }
}

/* The classic: whoever can read the public key uses its bytes as an HMAC secret. */
static void public_keys_are_no_secrets(void **state) {
    (void)state;
    uint8_t bytes[4096];
    for (enum made k = MADE_RSA; k <= MADE_ED25519; k++) {
        uint8_t *p = bytes;
        struct maker attacker = makers[k];
        attacker.secret = slice_of(bytes, (size_t)i2d_PUBKEY(makers[k].pkey, &p));
        char header[128];
        (void)snprintf(header, sizeof header, "{\"alg\":\"HS256\",\"kid\":\"%s\"}", kids[k]);
        expect_refused(make_token(&token, header, claims_with(""), &attacker, SIGN_HMAC),
                       "signature does not hold");

        BIO *pem = BIO_new(BIO_s_mem());
        char *text = NULL;
        assert_int_equal(PEM_write_bio_PUBKEY(pem, makers[k].pkey), 1);
        attacker.secret.n = (size_t)BIO_get_mem_data(pem, &text);
        attacker.secret.p = (const uint8_t *)text;
        expect_refused(make_token(&token, header, claims_with(""), &attacker, SIGN_HMAC),
                       "signature does not hold");
        BIO_free(pem);

        json_t *jwk = maker_jwk(&makers[k], NULL, false);
        char *json = json_write(jwk);
        attacker.secret = slice_str(json);
        expect_refused(make_token(&token, header, claims_with(""), &attacker, SIGN_HMAC),
                       "signature does not hold");
        json_decref(jwk);
        mem_free(json);
    }
    struct maker nobody = {.kind = MADE_SECRET, .secret = slice_str("")};
    expect_refused(make_token(&token, "{\"alg\":\"HS256\"}", claims_with(""), &nobody, SIGN_HMAC),
                   "signature does not hold");
}

static void without_a_secret_nothing_is_signed_by_one(void **state) {
    (void)state;
    struct key *secret = checker.secret;
    checker.secret = NULL;
    struct maker nobody = {.kind = MADE_SECRET, .secret = slice_str("")};
    expect_refused(make_token(&token, "{\"alg\":\"HS256\"}", claims_with(""), &nobody, SIGN_HMAC),
                   "algorithm is not accepted");
    checker.secret = secret;
    checker.has_public = false;
    expect_refused(make_token(&token, "{\"alg\":\"ES256\",\"kid\":\"p256\"}", claims_with(""),
                              &makers[MADE_P256], SIGN_EC),
                   "algorithm is not accepted");
    checker.has_public = true;
}

static void headers_that_want_something_else_are_refused(void **state) {
    (void)state;
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",
        "{\"alg\":\"None\"}",
        "{\"alg\":\"NONE\"}",
        "{\"alg\":\"nOnE\"}",
        "{\"alg\":\"none \"}",
        "{\"alg\":\"\"}",
        "{\"alg\":null}",
        "{\"alg\":[\"HS256\"]}",
        "{\"alg\":0}",
        "{\"alg\":\"hs256\"}",
        "{\"alg\":\"HS256\\u0000\"}",
        "{\"alg\":\"HS384\"}",
        "{\"alg\":\"HS512\"}",
        "{\"alg\":\"RS512\"}",
        "{\"alg\":\"ES384\"}",
        "{\"alg\":\"ES256K\"}",
        "{\"alg\":\"dir\"}",
        "{\"typ\":\"JWT\"}",
        "{}",
        "[]",
        "\"HS256\"",
        "null",
        "",
        "{\"alg\":\"HS256\",\"crit\":[]}",
        "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}",
        "{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}",
        "{\"alg\":\"HS256\",\"b64\":true}",
        "{\"alg\":\"HS256\",\"jku\":\"https://evil.example/keys\"}",
        "{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}}",
        "{\"alg\":\"HS256\",\"x5u\":\"https://evil.example/cert\"}",
        "{\"alg\":\"HS256\",\"x5c\":[\"AAAA\"]}",
        "{\"alg\":\"HS256\",\"zip\":\"DEF\"}",
        "{\"alg\":\"HS256\",\"enc\":\"A128GCM\"}",
        "{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}",
        "{\"alg\":\"HS256\",\"typ\":\"dpop+jwt\"}",
        "{\"alg\":\"HS256\",\"typ\":1}",
        "{\"alg\":\"HS256\",\"kid\":1}",
        "{\"alg\":\"HS256\",\"kid\":null}",
        "{\"alg\":\"HS256\",\"kid\":[\"a\"]}",
        "{\"alg\":\"none\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}",
        "{\"alg\":\"HS256\"} x",
        "{\"alg\":\"HS256\"}{}",
        "{\"alg\":\"HS256\",\"a\":[[[[[[[[]]]]]]]]}",
        "{\"alg\":\"HS256\",\"a\":\"\xff\"}",
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        const char *why = verdict(
            make_token(&token, headers[i], claims_with(""), &makers[MADE_SECRET], SIGN_HMAC));
        if (!why) {
            fail_msg("let in: %s", headers[i]);
        }
    }
    static const char *const fine[] = {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"cty\":\"x\"}",
                                       "{\"typ\":\"application/at+jwt\",\"alg\":\"HS256\"}",
                                       " {\"alg\" : \"HS256\" , \"typ\":\"jwt\"}\n"};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        assert_null(
            verdict(make_token(&token, fine[i], claims_with(""), &makers[MADE_SECRET], SIGN_HMAC)));
    }
}

/* `none` as it is usually tried: with no signature at all. */
static void unsigned_tokens_are_refused(void **state) {
    (void)state;
    static const char *const algs[] = {"none", "None", "NONE", "HS256", "RS256", "EdDSA"};
    for (size_t i = 0; i < sizeof algs / sizeof *algs; i++) {
        char header[64];
        (void)snprintf(header, sizeof header, "{\"alg\":\"%s\"}", algs[i]);
        slice t = make_token(&token, header, claims_with(""), &makers[MADE_SECRET], SIGN_HMAC);
        while (t.n && t.p[t.n - 1] != '.') {
            t.n--;
        }
        assert_non_null(verdict(t));
        assert_non_null(verdict(slice_of(t.p, t.n - 1)));
        char zero[4096];
        (void)snprintf(zero, sizeof zero, "%.*sAA", SLICE_FMT(t));
        assert_non_null(verdict(slice_str(zero)));
    }
}

static void kids_are_names_and_nothing_more(void **state) {
    (void)state;
    static const char *const kid[] = {"",
                                      "../../dev/null",
                                      "/etc/passwd",
                                      "' OR '1'='1",
                                      "rsa\\u0000",
                                      "RSA",
                                      "rsa ",
                                      "$(id)",
                                      "\\u2028\\ud83d\\ude00",
                                      "%s%n%n",
                                      "https://evil.example/"};
    for (size_t i = 0; i < sizeof kid / sizeof *kid; i++) {
        char header[256];
        (void)snprintf(header, sizeof header, "{\"alg\":\"RS256\",\"kid\":\"%s\"}", kid[i]);
        assert_non_null(
            verdict(make_token(&token, header, claims_with(""), &makers[MADE_RSA], SIGN_RSA)));
    }
    char header[ACCESS_KID_BYTES + 64];
    for (size_t n = ACCESS_KID_BYTES; n <= ACCESS_KID_BYTES + 1; n++) {
        (void)snprintf(header, sizeof header, "{\"alg\":\"RS256\",\"kid\":\"%0*d\"}", (int)n, 0);
        expect_refused(make_token(&token, header, claims_with(""), &makers[MADE_RSA], SIGN_RSA),
                       n == ACCESS_KID_BYTES ? "key is not known" : "kid is not a short string");
    }
    /* The secret has no kid, so any will do. */
    assert_null(verdict(make_token(&token, "{\"alg\":\"HS256\",\"kid\":\"x\"}", claims_with(""),
                                   &makers[MADE_SECRET], SIGN_HMAC)));
}

static void a_kid_chooses_one_key_and_no_kid_only_the_only_one(void **state) {
    (void)state;
    char why[256];
    struct maker other = maker_new(MADE_P256);
    json_t *jwks[3] = {maker_jwk(&makers[MADE_P256], "a", false), maker_jwk(&other, "b", false),
                       maker_jwk(&makers[MADE_ED25519], "a", false)};
    char *text = make_jwks(jwks, 3);
    struct keyset *before = set;
    set = keyset_parse(slice_str(text), why, sizeof why);
    mem_free(text);
    assert_non_null(set);
    static const char a[] = "{\"alg\":\"ES256\",\"kid\":\"a\"}";
    static const char b[] = "{\"alg\":\"ES256\",\"kid\":\"b\"}";
    static const char none[] = "{\"alg\":\"ES256\"}";
    static const char ed[] = "{\"alg\":\"EdDSA\",\"kid\":\"a\"}";
    assert_null(verdict(make_token(&token, a, claims_with(""), &makers[MADE_P256], SIGN_EC)));
    assert_null(verdict(make_token(&token, b, claims_with(""), &other, SIGN_EC)));
    assert_null(verdict(make_token(&token, ed, claims_with(""), &makers[MADE_ED25519], SIGN_ED)));
    assert_null(verdict(make_token(&token, "{\"alg\":\"EdDSA\"}", claims_with(""),
                                   &makers[MADE_ED25519], SIGN_ED)));
    expect_refused(make_token(&token, b, claims_with(""), &makers[MADE_P256], SIGN_EC),
                   "signature does not hold");
    expect_refused(make_token(&token, none, claims_with(""), &other, SIGN_EC),
                   "key and algorithm do not fit");
    expect_refused(make_token(&token, "{\"alg\":\"EdDSA\",\"kid\":\"b\"}", claims_with(""),
                              &makers[MADE_ED25519], SIGN_ED),
                   "key and algorithm do not fit");
    keyset_unref(set);
    set = before;
    maker_fini(&other);
}

static void a_key_of_nobody_signs_nothing(void **state) {
    (void)state;
    static const struct {
        enum made kind;
        enum signer how;
        const char *header;
    } rows[] = {{MADE_RSA, SIGN_RSA, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}"},
                {MADE_RSA, SIGN_PSS, "{\"alg\":\"PS256\",\"kid\":\"rsa\"}"},
                {MADE_P256, SIGN_EC, "{\"alg\":\"ES256\",\"kid\":\"p256\"}"},
                {MADE_ED25519, SIGN_ED, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}"}};
    for (size_t i = 0; i < 4; i++) {
        struct maker thief = maker_new(rows[i].kind);
        expect_refused(make_token(&token, rows[i].header, claims_with(""), &thief, rows[i].how),
                       "signature does not hold");
        maker_fini(&thief);
    }
    struct maker thief = {.kind = MADE_SECRET,
                          .secret = slice_str("0123456789abcdef0123456789abcdeF")};
    expect_refused(make_token(&token, "{\"alg\":\"HS256\"}", claims_with(""), &thief, SIGN_HMAC),
                   "signature does not hold");
}

/* ---- bytes ---- */

static void every_cut_and_every_changed_character_is_noticed(void **state) {
    (void)state;
    static const struct {
        enum made kind;
        enum signer how;
        const char *header;
    } rows[] = {{MADE_SECRET, SIGN_HMAC, "{\"alg\":\"HS256\"}"},
                {MADE_ED25519, SIGN_ED, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}"},
                {MADE_P256, SIGN_EC, "{\"alg\":\"ES256\",\"kid\":\"p256\"}"}};
    for (size_t r = 0; r < 3; r++) {
        slice t =
            make_token(&token, rows[r].header, claims_with(""), &makers[rows[r].kind], rows[r].how);
        assert_null(verdict(t));
        for (size_t n = 0; n < t.n; n++) {
            uint8_t *copy = mem_new(n + 1); /* of that size, so that a checker sees an overrun */
            memcpy(copy, t.p, n);
            assert_non_null(verdict(slice_of(copy, n)));
            mem_free(copy);
        }
        for (size_t i = 0; i < t.n; i++) {
            static const char others[] = "A_.=+/ \n";
            for (size_t o = 0; others[o]; o++) {
                uint8_t was = token.p[i];
                if (was != (uint8_t)others[o]) {
                    token.p[i] = (uint8_t)others[o];
                    assert_non_null(verdict(t));
                    token.p[i] = was;
                }
            }
        }
        buf_put_str(&token, "A");
        assert_non_null(verdict(buf_slice(&token)));
        token.p[token.n - 1] = '=';
        assert_non_null(verdict(buf_slice(&token)));
        token.p[token.n - 1] = '\n';
        assert_non_null(verdict(buf_slice(&token)));
        token.p[token.n - 1] = '.';
        assert_non_null(verdict(buf_slice(&token)));
    }
}

static void huge_tokens_are_refused_before_they_are_read(void **state) {
    (void)state;
    char more[5600];
    (void)snprintf(more, sizeof more, ",\"x\":\"%05500d\"", 0);
    slice t = make_token(&token, "{\"alg\":\"HS256\"}", claims_with(more), &makers[MADE_SECRET],
                         SIGN_HMAC);
    assert_true(t.n > 7000 && t.n <= ACCESS_TOKEN_BYTES);
    assert_null(verdict(t));
    size_t n = (size_t)64 * 1024 * 1024;
    uint8_t *big = mem_new(n);
    memset(big, 'A', n);
    expect_refused(slice_of(big, n), "longer than 8 KiB");
    expect_refused(slice_of(big, ACCESS_TOKEN_BYTES + 1), "longer than 8 KiB");
    expect_refused(slice_of(big, ACCESS_TOKEN_BYTES), "three parts");
    memset(big, '.', n);
    expect_refused(slice_of(big, ACCESS_TOKEN_BYTES), "three parts");
    mem_free(big);
}

static void claims_must_be_one_sound_object(void **state) {
    (void)state;
    static const char *const claims[] = {
        "",
        "[]",
        "null",
        "4102444800",
        "{\"sub\":\"ann\",\"exp\":4102444800",
        "{\"sub\":\"ann\",\"exp\":4102444800}}",
        "{\"sub\":\"ann\",\"exp\":4102444800,\"exp\":4102444800}",
        "{\"sub\":\"ann\",\"sub\":\"root\",\"exp\":4102444800}",
        "{\"sub\":\"ann\",\"s\\u0075b\":\"root\",\"exp\":4102444800}",
        "{\"sub\":\"ann\",\"exp\":4102444800,\"rooms\":{\"a\":\"read\",\"a\":\"admin\"}}",
        "{\"sub\":\"ann\\u0000\",\"exp\":4102444800}",
        "{\"sub\":\"\xc0\xaf\",\"exp\":4102444800}",
        "{\"sub\":\"ann\",\"exp\":4102444800,\"a\":[[[[[[[[]]]]]]]]}",
        "{'sub':'ann','exp':4102444800}",
        "{\"sub\":\"ann\",\"exp\":0x7fffffff}",
    };
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        expect_refused(
            make_token(&token, "{\"alg\":\"HS256\"}", claims[i], &makers[MADE_SECRET], SIGN_HMAC),
            "claims are not a JSON object");
    }
}

/* ---- key sets ---- */

static void a_set_with_something_private_or_malformed_is_refused_whole(void **state) {
    (void)state;
    json_t *jwks[2] = {maker_jwk(&makers[MADE_P256], "a", false),
                       maker_jwk(&makers[MADE_RSA], "b", true)};
    char *private = make_jwks(jwks, 2);
    static const char *const more[] = {
        "",
        "nonsense",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":null}",
        "{\"keys\":[]}",
        "{\"keys\":[1]}",
        "{\"keys\":[{}]}",
        "{\"keys\":[{\"kty\":1}]}",
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
        "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\",\"d\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":7,"
        "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"X25519\","
        "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"enc\","
        "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"key_ops\":[\"sign\"],"
        "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"HS256\","
        "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}]}",
        /* not on the curve */
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
        "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"\"}]}",
    };
    char why[256];
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        why[0] = 0;
        if (keyset_parse(slice_str(more[i]), why, sizeof why)) {
            fail_msg("taken: %s", more[i]);
        }
        assert_true(why[0] != 0);
    }
    assert_null(keyset_parse(slice_str(private), why, sizeof why));
    mem_free(private);
}

static void keys_of_no_use_here_are_passed_over(void **state) {
    (void)state;
    char why[256];
    struct maker small = {.kind = MADE_RSA, .pkey = EVP_RSA_gen(1024)};
    json_t *jwks[6] = {maker_jwk(&small, "small", false),
                       maker_jwk(&makers[MADE_P384], "p384", false),
                       json_pack("{s:s, s:s}", "kty", "future", "x", "y"),
                       maker_jwk(&makers[MADE_RSA], "enc", false),
                       maker_jwk(&makers[MADE_RSA], "pss", false),
                       maker_jwk(&makers[MADE_RSA], "rs512", false)};
    (void)json_object_set_new(jwks[3], "use", json_string("enc"));
    (void)json_object_set_new(jwks[4], "alg", json_string("PS256"));
    (void)json_object_set_new(jwks[5], "alg", json_string("RS512"));
    char *text = make_jwks(jwks, 6);
    struct keyset *before = set;
    set = keyset_parse(slice_str(text), why, sizeof why);
    mem_free(text);
    assert_non_null(set);
    assert_int_equal(set->count, 1);
    assert_int_equal(set->skipped, 5);
    static const char pss[] = "{\"alg\":\"PS256\",\"kid\":\"pss\"}";
    static const char rsa[] = "{\"alg\":\"RS256\",\"kid\":\"pss\"}";
    assert_null(verdict(make_token(&token, pss, claims_with(""), &makers[MADE_RSA], SIGN_PSS)));
    expect_refused(make_token(&token, rsa, claims_with(""), &makers[MADE_RSA], SIGN_RSA),
                   "key and algorithm do not fit");
    expect_refused(make_token(&token, "{\"alg\":\"RS256\",\"kid\":\"small\"}", claims_with(""),
                              &small, SIGN_RSA),
                   "key is not known");
    keyset_unref(set);
    set = before;
    maker_fini(&small);
}

/* ---- what others print ---- */

struct vector {
    const char *what;
    const char *jwk;
    const char *header;
    const char *payload;
    const char *signature;
};

#define JOE                                                                                        \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ"

static const struct vector vectors[] = {
    {"RFC 7515 A.2",
     "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-"
     "Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_"
     "7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3"
     "qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWy"
     "uXpoQ\",\"e\":\"AQAB\"}",
     "eyJhbGciOiJSUzI1NiJ9", JOE,
     "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2F"
     "p5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBM"
     "Hlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2"
     "w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"},
    {"RFC 7515 A.3",
     "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
     "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
     "eyJhbGciOiJFUzI1NiJ9", JOE,
     "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
    {"RFC 8037 A.4",
     "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
     "eyJhbGciOiJFZERTQSJ9", "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
     "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
};

static void the_examples_of_the_rfcs_hold(void **state) {
    (void)state;
    char why[256];
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const struct vector *v = &vectors[i];
        buf_clear(&token);
        buf_printf(&token, "{\"keys\":[%s]}", v->jwk);
        struct keyset *one = keyset_parse(buf_slice(&token), why, sizeof why);
        assert_non_null(one);
        buf_clear(&token);
        buf_printf(&token, "%s.%s.%s", v->header, v->payload, v->signature);
        struct jwt t;
        const struct key *key = NULL;
        assert_null(jwt_parse(buf_slice(&token), &t));
        assert_int_equal(keyset_find(one, &t, &key), KEY_FOUND);
        if (!jwt_signed_by(&t, key)) {
            fail_msg("%s does not hold", v->what);
        }
        keyset_unref(one);
    }
    /* RFC 7515 A.1 */
    uint8_t secret[80];
    size_t n = 0;
    assert_true(base64url_decode(secret,
                                 slice_str("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-"
                                           "EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
                                 &n));
    struct key *key = key_new_secret(slice_of(secret, n));
    struct jwt t;
    static const char text[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE
                               ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    assert_null(jwt_parse(slice_str(text), &t));
    assert_true(jwt_signed_by(&t, key));
    assert_false(jwt_signed_by(&t, checker.secret));
    key_free(key);
}

/* What npm jose made and judged: testdata/fixtures.mjs. */
static void npm_jose_agrees(void **state) {
    (void)state;
    char why[256] = "";
    json_t *all = json_load_file(ACCESS_TESTDATA "/jose.json", 0, NULL);
    assert_non_null(all);
    char *text = json_write(json_object_get(all, "jwks"));
    struct keyset *before = set;
    set = keyset_parse(slice_str(text), why, sizeof why);
    assert_string_equal(why, "");
    assert_int_equal(set->count, 4);
    assert_int_equal(set->skipped, 3);
    const char *name = NULL;
    json_t *t = NULL;
    size_t tokens = 0;
    json_object_foreach(json_object_get(all, "accept"), name, t) {
        const char *wrong = verdict(slice_str(json_string_value(t)));
        if (wrong) {
            fail_msg("%s: %s", name, wrong);
        }
        tokens++;
    }
    json_object_foreach(json_object_get(all, "refuse"), name, t) {
        if (!verdict(slice_str(json_string_value(t)))) {
            fail_msg("%s was let in", name);
        }
        tokens++;
    }
    assert_int_equal(tokens, 34);
    mem_free(text);
    json_decref(all);
    keyset_unref(set);
    set = before;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_diagonal_of_algorithms_and_keys_passes),
        cmocka_unit_test(public_keys_are_no_secrets),
        cmocka_unit_test(without_a_secret_nothing_is_signed_by_one),
        cmocka_unit_test(headers_that_want_something_else_are_refused),
        cmocka_unit_test(unsigned_tokens_are_refused),
        cmocka_unit_test(kids_are_names_and_nothing_more),
        cmocka_unit_test(a_kid_chooses_one_key_and_no_kid_only_the_only_one),
        cmocka_unit_test(a_key_of_nobody_signs_nothing),
        cmocka_unit_test(every_cut_and_every_changed_character_is_noticed),
        cmocka_unit_test(huge_tokens_are_refused_before_they_are_read),
        cmocka_unit_test(claims_must_be_one_sound_object),
        cmocka_unit_test(a_set_with_something_private_or_malformed_is_refused_whole),
        cmocka_unit_test(keys_of_no_use_here_are_passed_over),
        cmocka_unit_test(the_examples_of_the_rfcs_hold),
        cmocka_unit_test(npm_jose_agrees),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
