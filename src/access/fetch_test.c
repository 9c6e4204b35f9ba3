/* Requests by themselves: addresses, ages, and whom TLS does not trust. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <cmocka.h>

#include "access/fetch.h"
#include "access/server_test.h"
#include "base/clock.h"

struct result {
    bool done;
    unsigned status;
    uint64_t max_age_s;
    char why[128];
    char body[256];
};

static void take(void *ctx, const struct fetch_answer *answer) {
    struct result *r = ctx;
    *r = (struct result){.done = true, .status = answer->status, .max_age_s = answer->max_age_s};
    (void)snprintf(r->why, sizeof r->why, "%s", answer->why ? answer->why : "");
    (void)snprintf(r->body, sizeof r->body, "%.*s", SLICE_FMT(answer->body));
}

static struct result get(const char *url, const char *post, size_t max_bytes) {
    struct fetcher *f = fetcher_new();
    struct result r = {0};
    fetcher_start(f, &(struct fetch){.url = url,
                                     .post = post,
                                     .max_bytes = max_bytes,
                                     .timeout_ms = 10000,
                                     .done = take,
                                     .ctx = &r});
    uint64_t end = clock_mono_ms() + 20000;
    while (!r.done && clock_mono_ms() < end) {
        fetcher_step(f, 1000);
    }
    fetcher_free(f);
    assert_true(r.done);
    return r;
}

static void addresses(void **state) {
    (void)state;
    static const struct {
        const char *url;
        enum url_kind kind;
    } rows[] = {
        {"https://id.example/keys", URL_TLS},
        {"HTTPS://id.example", URL_TLS},
        {"http://id.example", URL_PLAIN},
        {"http://127.0.0.1:80/x", URL_LOOPBACK},
        {"http://localhost", URL_LOOPBACK},
        {"http://[::1]:9/", URL_LOOPBACK},
        {"http://127.0.0.1.id.example/", URL_PLAIN},
        {"http://localhost.id.example/", URL_PLAIN},
        {"http://127.0.0.1@id.example/", URL_PLAIN},
        {"http://id.example/#@localhost", URL_PLAIN},
        {"file:///etc/passwd", URL_WRONG},
        {"ftp://id.example/", URL_WRONG},
        {"id.example", URL_WRONG},
        {"//id.example", URL_WRONG},
        {"https:///", URL_WRONG},
        {"https://a b/", URL_WRONG},
        {"", URL_WRONG},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (url_kind_of(rows[i].url) != rows[i].kind) {
            fail_msg("%s: %d", rows[i].url, (int)url_kind_of(rows[i].url));
        }
    }
}

static void ages(void **state) {
    (void)state;
    static const struct {
        const char *headers;
        uint64_t age_s;
    } rows[] = {
        {"", FETCH_NO_AGE},
        {"Cache-Control: max-age=300\r\n", 300},
        {"cache-control: public,max-age=300 , must-revalidate\r\n", 300},
        {"Cache-Control: MAX-AGE=7\r\n", 7},
        {"Cache-Control: max-age=\"7\"\r\n", 7},
        {"Cache-Control: s-maxage=9\r\n", FETCH_NO_AGE},
        {"Cache-Control: public\r\nCache-Control: max-age=9\r\n", 9},
        {"Cache-Control: max-age=9, max-age=3\r\n", 3},
        {"Cache-Control: no-store, max-age=9\r\n", 0},
        {"Cache-Control: no-cache\r\n", 0},
        {"Cache-Control: max-age=-1\r\n", 0},
        {"Cache-Control: max-age=\r\n", 0},
        {"Cache-Control: max-age=99999999999999999999999\r\n", FETCH_NO_AGE},
        {"Cache-Control: ,,, \r\n", FETCH_NO_AGE},
    };
    struct server *s = server_new(200, "", "x");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        server_says(s, 200, rows[i].headers, "x");
        struct result r = get(s->url, NULL, 10);
        if (r.status != 200 || r.max_age_s != rows[i].age_s) {
            fail_msg("%s: %llu", rows[i].headers, (unsigned long long)r.max_age_s);
        }
    }
    server_free(s);
}

static void bodies_up_to_their_cap(void **state) {
    (void)state;
    struct server *s = server_new(200, "", "0123456789");
    struct result r = get(s->url, "{}", 10);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "0123456789");
    assert_int_equal(server_wait(s, 1), 1);
    assert_non_null(strstr(s->last, "\r\n\r\n{}"));
    r = get(s->url, NULL, 9);
    assert_int_equal(r.status, 0);
    assert_string_equal(r.why, "the answer is too large");
    assert_string_equal(r.body, "");
    server_close(s);
    assert_string_equal(get(s->url, NULL, 9).why, "it takes no connections");
    server_free(s);
}

/* ---- a server with a certificate that nobody vouches for ---- */

struct tls {
    int fd;
    SSL_CTX *ctx;
    bool shaken; /* hands */
};

static void *serve_once(void *arg) {
    struct tls *t = arg;
    int fd = accept(t->fd, NULL, NULL);
    SSL *ssl = SSL_new(t->ctx);
    if (fd >= 0 && SSL_set_fd(ssl, fd) == 1) {
        t->shaken = SSL_accept(ssl) == 1 && SSL_read(ssl, &(char){0}, 1) == 1;
    }
    SSL_free(ssl);
    (void)close(fd);
    return NULL;
}

static X509 *self_signed(EVP_PKEY *key) {
    X509 *cert = X509_new();
    assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), -60));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), 3600));
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                                                (const unsigned char *)"localhost", -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(cert, X509_get_subject_name(cert)), 1);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    return cert;
}

static void a_certificate_that_nobody_vouches_for_is_not_trusted(void **state) {
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = self_signed(key);
    struct tls t = {.ctx = SSL_CTX_new(TLS_server_method())};
    assert_int_equal(SSL_CTX_use_certificate(t.ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(t.ctx, key), 1);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof at;
    t.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(t.fd >= 0 && bind(t.fd, (struct sockaddr *)&at, n) == 0 && listen(t.fd, 1) == 0);
    assert_int_equal(getsockname(t.fd, (struct sockaddr *)&at, &n), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, serve_once, &t), 0);

    char url[64];
    (void)snprintf(url, sizeof url, "https://localhost:%u/", ntohs(at.sin_port));
    struct result r = get(url, NULL, 10);
    (void)pthread_join(thread, NULL);
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.why, "certificate is not trusted"));
    assert_false(t.shaken);
    (void)close(t.fd);
    SSL_CTX_free(t.ctx);
    X509_free(cert);
    EVP_PKEY_free(key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(ages),
        cmocka_unit_test(bodies_up_to_their_cap),
        cmocka_unit_test(a_certificate_that_nobody_vouches_for_is_not_trusted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
