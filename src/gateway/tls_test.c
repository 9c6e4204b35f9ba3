/* TLS against OpenSSL's own client, over memory: versions, tickets, chops, endings, refusals. */
#define _GNU_SOURCE /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <malloc.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gateway/tls.h"
#include "limit/caps.h"

/* ---- files made for the test ---- */

static char dir[] = "/tmp/tls_test.XXXXXX";
static char cert_path[64], key_path[64], other_cert[64], other_key[64], old_cert[64],
    locked_key[64];

static const char *in_dir(char *path, const char *name) {
    assert_true(snprintf(path, 64, "%s/%s", dir, name) < 64);
    return path;
}

static void write_key(const char *path, EVP_PKEY *key, const char *passphrase) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, key, passphrase ? EVP_aes_128_cbc() : NULL,
                                          (const unsigned char *)passphrase,
                                          passphrase ? (int)strlen(passphrase) : 0, NULL, NULL),
                     1);
    assert_int_equal(fclose(f), 0);
}

static void write_cert(const char *path, EVP_PKEY *key, long from_s, long to_s) {
    X509 *x = X509_new();
    assert_non_null(x);
    X509_NAME *name = X509_get_subject_name(x);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                (const unsigned char *)"localhost", -1, -1, 0),
                     1);
    assert_int_equal(X509_set_version(x, 2), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), 1), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), from_s));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), to_s));
    assert_int_equal(X509_set_issuer_name(x, name), 1);
    assert_int_equal(X509_set_pubkey(x, key), 1);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, x), 1);
    assert_int_equal(fclose(f), 0);
    X509_free(x);
}

static int make_files(void **state) {
    (void)state;
    assert_non_null(mkdtemp(dir));
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY *other = EVP_RSA_gen(2048);
    assert_non_null(key);
    assert_non_null(other);
    write_key(in_dir(key_path, "key.pem"), key, NULL);
    write_cert(in_dir(cert_path, "cert.pem"), key, -3600, 86400);
    write_key(in_dir(other_key, "other-key.pem"), other, NULL);
    write_cert(in_dir(other_cert, "other-cert.pem"), other, -3600, 86400);
    write_cert(in_dir(old_cert, "old-cert.pem"), key, -7200, -3600);
    write_key(in_dir(locked_key, "locked-key.pem"), key, "secret");
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    return 0;
}

static int remove_files(void **state) {
    (void)state;
    const char *paths[] = {cert_path, key_path, other_cert, other_key, old_cert, locked_key, dir};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        (void)remove(paths[i]);
    }
    return 0;
}

static struct tls_context *open_context(const char *cert, const char *key,
                                        struct tls_tickets *tickets) {
    struct tls_context *x = NULL;
    char why[300] = "unset";
    assert_int_equal(tls_context_open(cert, key, tickets, &x, why, sizeof why), ERR_OK);
    assert_string_equal(why, "");
    return x;
}

/* ---- a client and a server in one ---- */

struct pair {
    struct tls_tickets *tickets;
    struct tls_context *context;
    struct tls *server;
    struct buf plain;  /* what the server read */
    enum err err;      /* of the server */
    size_t chop;       /* bytes given to the server at a time; 0: all */
    size_t server_got; /* ciphertext bytes */
    SSL_CTX *rules;
    SSL *client;
    BIO *to_client;
    BIO *from_client;
    SSL_SESSION *session; /* the last ticket */
};

static int on_session(SSL *ssl, SSL_SESSION *s) {
    struct pair *p = SSL_get_app_data(ssl);
    SSL_SESSION_free(p->session);
    p->session = s;
    return 1;
}

static void connect_client(struct pair *p, int version) {
    p->rules = SSL_CTX_new(TLS_client_method());
    assert_non_null(p->rules);
    SSL_CTX_set_security_level(p->rules, 0);
    assert_int_equal(SSL_CTX_set_min_proto_version(p->rules, version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(p->rules, version), 1);
    SSL_CTX_set_session_cache_mode(p->rules, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(p->rules, on_session);
    p->client = SSL_new(p->rules);
    p->to_client = BIO_new(BIO_s_mem());
    p->from_client = BIO_new(BIO_s_mem());
    assert_true(p->client && p->to_client && p->from_client);
    SSL_set_bio(p->client, p->to_client, p->from_client);
    assert_int_equal(SSL_set_app_data(p->client, p), 1);
    SSL_set_connect_state(p->client);
}

static void pair_init(struct pair *p, int version) {
    *p = (struct pair){0};
    p->tickets = tls_tickets_new(0);
    p->context = open_context(cert_path, key_path, p->tickets);
    p->server = tls_new(p->context);
    connect_client(p, version);
}

static void client_fini(struct pair *p) {
    SSL_free(p->client);
    SSL_CTX_free(p->rules);
    p->client = NULL;
    p->rules = NULL;
}

static void pair_fini(struct pair *p) {
    client_fini(p);
    SSL_SESSION_free(p->session);
    tls_free(p->server);
    assert_null(tls_context_unref(p->context));
    tls_tickets_free(p->tickets);
    buf_fini(&p->plain);
}

/* Client to server, in chops. */
static bool carry_up(struct pair *p) {
    uint8_t *bytes = NULL;
    long n = BIO_get_mem_data(p->from_client, &bytes);
    struct buf plain = {0};
    for (long at = 0; at < n;) {
        size_t part = p->chop && p->chop < (size_t)(n - at) ? p->chop : (size_t)(n - at);
        buf_clear(&plain);
        enum err e = tls_read(p->server, slice_of(bytes + at, part), &plain);
        buf_put_slice(&p->plain, buf_slice(&plain));
        p->err = e ? e : p->err;
        at += (long)part;
    }
    p->server_got += (size_t)n;
    buf_fini(&plain);
    assert_int_equal(BIO_reset(p->from_client), 1);
    return n > 0;
}

/* Server to client, in the same chops. */
static bool carry_down(struct pair *p) {
    bool moved = false;
    for (slice out = tls_out(p->server); out.n; out = tls_out(p->server)) {
        size_t part = p->chop && p->chop < out.n ? p->chop : out.n;
        assert_int_equal(BIO_write(p->to_client, out.p, (int)part), part);
        tls_sent(p->server, part);
        moved = true;
    }
    assert_false(tls_owes(p->server));
    return moved;
}

/* Until nothing moves any more. What the client reads is appended to `ret`, if given. */
static void pump(struct pair *p, struct buf *ret) {
    bool moved = true;
    while (moved) {
        uint8_t bytes[4096];
        size_t n = 0;
        ERR_clear_error();
        while (SSL_read_ex(p->client, bytes, sizeof bytes, &n) == 1) {
            if (ret) {
                buf_put(ret, bytes, n);
            }
        }
        moved = carry_up(p);
        moved = carry_down(p) || moved;
    }
}

static void say(struct pair *p, slice s) {
    size_t n = 0;
    if (s.n) {
        assert_int_equal(SSL_write_ex(p->client, s.p, s.n, &n), 1);
        assert_int_equal(n, s.n);
    }
}

/* The server writes all of the pieces and the client reads them. */
static void answer(struct pair *p, const struct iovec *pieces, size_t count, struct buf *ret) {
    struct iovec left[8];
    assert_true(count <= 8);
    memcpy(left, pieces, count * sizeof *pieces);
    struct iovec *first = left;
    while (count) {
        size_t taken = 0;
        assert_int_equal(tls_write(p->server, first, count, &taken), ERR_OK);
        assert_true(taken > 0);
        while (count && taken >= first->iov_len) {
            taken -= first->iov_len;
            first++;
            count--;
        }
        if (count) {
            first->iov_base = (uint8_t *)first->iov_base + taken;
            first->iov_len -= taken;
        }
        pump(p, ret);
    }
}

/* Some bytes that repeat late. */
static uint8_t *pattern(size_t n) {
    uint8_t *p = malloc(n);
    assert_non_null(p);
    uint32_t x = 12345;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525 + 1013904223;
        p[i] = (uint8_t)(x >> 24);
    }
    return p;
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void both_versions_carry_both_ways(void **state) {
    (void)state;
    const char *names[] = {"TLSv1.2", "TLSv1.3"};
    size_t big = 1000000;
    uint8_t *bytes = pattern(big);
    for (size_t v = 0; v < 2; v++) {
        struct pair p;
        pair_init(&p, versions[v]);
        const unsigned char offers[] = "\x02h2\x08http/1.1";
        assert_int_equal(SSL_set_alpn_protos(p.client, offers, sizeof offers - 1), 0);
        assert_false(tls_ready(p.server));
        pump(&p, NULL);
        assert_true(tls_ready(p.server));
        assert_string_equal(tls_version(p.server), names[v]);
        assert_false(tls_resumed(p.server));
        const unsigned char *alpn = NULL;
        unsigned alpn_n = 0;
        SSL_get0_alpn_selected(p.client, &alpn, &alpn_n);
        assert_true(slice_is(slice_of(alpn, alpn_n), "http/1.1"));

        say(&p, slice_of(bytes, big));
        pump(&p, NULL);
        assert_int_equal(p.err, ERR_OK);
        assert_true(slice_eq(buf_slice(&p.plain), slice_of(bytes, big)));

        struct buf got = {0};
        struct iovec pieces[] = {{bytes, 3},           {bytes + 3, 0},
                                 {bytes + 3, 100},     {bytes + 103, 20000},
                                 {bytes + 20103, 997}, {bytes + 21100, big - 21100}};
        answer(&p, pieces, 6, &got);
        assert_true(slice_eq(buf_slice(&got), slice_of(bytes, big)));
        buf_fini(&got);
        pair_fini(&p);
    }
    free(bytes);
}

static void every_chop_of_the_stream_is_the_same(void **state) {
    (void)state;
    uint8_t *bytes = pattern(300);
    for (size_t v = 0; v < 2; v++) {
        size_t whole = 1;
        for (size_t chop = 1; chop <= whole; chop++) {
            struct pair p;
            pair_init(&p, versions[v]);
            p.chop = chop;
            say(&p, (slice){0});
            pump(&p, NULL);
            say(&p, slice_of(bytes, 300));
            struct buf got = {0};
            struct iovec piece = {bytes, 300};
            pump(&p, NULL);
            answer(&p, &piece, 1, &got);
            assert_int_equal(SSL_shutdown(p.client), 0);
            pump(&p, NULL);
            assert_int_equal(p.err, ERR_OK);
            assert_true(tls_ended(p.server));
            assert_true(slice_eq(buf_slice(&p.plain), slice_of(bytes, 300)));
            assert_true(slice_eq(buf_slice(&got), slice_of(bytes, 300)));
            buf_fini(&got);
            whole = p.server_got;
            pair_fini(&p);
        }
    }
    free(bytes);
}

static void old_versions_are_refused(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p, TLS1_1_VERSION);
    assert_int_equal(SSL_set_cipher_list(p.client, "ALL:@SECLEVEL=0"), 1);
    pump(&p, NULL);
    assert_int_equal(p.err, ERR_PROTOCOL);
    assert_string_equal(tls_detail(p.server), "the peer does not speak TLS 1.2 or 1.3");
    assert_false(tls_ready(p.server));
    assert_true(SSL_get_shutdown(p.client) & SSL_RECEIVED_SHUTDOWN); /* told by an alert */
    size_t n = 0;
    char byte = 0;
    assert_int_equal(tls_read(p.server, slice_str("more"), &p.plain), ERR_PROTOCOL);
    struct iovec piece = {&byte, 1};
    assert_int_equal(tls_write(p.server, &piece, 1, &n), ERR_PROTOCOL);
    pair_fini(&p);
}

static void only_http11_is_spoken(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p, TLS1_3_VERSION);
    const unsigned char offers[] = "\x02h2";
    assert_int_equal(SSL_set_alpn_protos(p.client, offers, sizeof offers - 1), 0);
    pump(&p, NULL);
    assert_int_equal(p.err, ERR_PROTOCOL);
    assert_string_equal(tls_detail(p.server), "the peer does not offer http/1.1");
    pair_fini(&p);
}

/* Connects with the last pair's ticket; returns whether it was taken. */
static bool resumes(struct pair *from, struct tls_context *x, int version) {
    struct pair p = {0};
    p.context = tls_context_ref(x);
    p.server = tls_new(x);
    connect_client(&p, version);
    SSL_SESSION *copy = SSL_SESSION_dup(from->session); /* a client spoils what was refused */
    assert_int_equal(SSL_set_session(p.client, copy), 1);
    SSL_SESSION_free(copy);
    pump(&p, NULL);
    assert_int_equal(p.err, ERR_OK);
    assert_true(tls_ready(p.server));
    bool resumed = tls_resumed(p.server);
    assert_int_equal(resumed, SSL_session_reused(p.client));
    say(&p, slice_str("hello"));
    pump(&p, NULL);
    assert_true(slice_is(buf_slice(&p.plain), "hello"));
    pair_fini(&p);
    return resumed;
}

static void a_client_resumes_on_another_worker(void **state) {
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct pair p;
        pair_init(&p, versions[v]);
        pump(&p, NULL);
        assert_non_null(p.session);
        struct tls_context *second = open_context(cert_path, key_path, p.tickets);
        struct tls_context *reloaded = open_context(other_cert, other_key, p.tickets);
        struct tls_tickets *foreign = tls_tickets_new(0);
        struct tls_context *stranger = open_context(cert_path, key_path, foreign);
        assert_true(resumes(&p, second, versions[v]));
        assert_true(resumes(&p, reloaded, versions[v]));
        assert_false(resumes(&p, stranger, versions[v]));

        /* Two turns of the key are survived, the third is not. */
        uint64_t now_ms = CAPS_TLS_TICKET_MS - 1;
        tls_tickets_turn(p.tickets, now_ms);
        for (unsigned turn = 1; turn <= 3; turn++) {
            now_ms += CAPS_TLS_TICKET_MS;
            tls_tickets_turn(p.tickets, now_ms);
            tls_tickets_turn(p.tickets, now_ms);
            tls_tickets_turn(p.tickets, 0); /* time that goes back turns nothing */
            assert_int_equal(resumes(&p, second, versions[v]), turn < 3);
        }
        (void)tls_context_unref(second);
        (void)tls_context_unref(reloaded);
        (void)tls_context_unref(stranger);
        tls_tickets_free(foreign);
        pair_fini(&p);
    }
}

/* A worker of its own, with the tickets of all. */
static void *work(void *tickets) {
    struct tls_context *x = NULL;
    char why[300];
    if (tls_context_open(cert_path, key_path, tickets, &x, why, sizeof why) != ERR_OK) {
        return NULL;
    }
    struct pair p = {.context = x};
    unsigned done = 0;
    for (unsigned i = 0; i < 30; i++) {
        p.server = tls_new(x);
        connect_client(&p, versions[i % 2]);
        if (p.session && i % 3) {
            assert_int_equal(SSL_set_session(p.client, p.session), 1);
        }
        pump(&p, NULL);
        done += tls_ready(p.server);
        tls_free(p.server);
        client_fini(&p);
    }
    SSL_SESSION_free(p.session);
    (void)tls_context_unref(x);
    return done == 30 ? tickets : NULL;
}

static void workers_share_tickets_while_keys_turn(void **state) {
    (void)state;
    struct tls_tickets *tickets = tls_tickets_new(0);
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, tickets), 0);
    }
    for (uint64_t i = 1; i < 200; i++) {
        tls_tickets_turn(tickets, i * CAPS_TLS_TICKET_MS);
    }
    for (size_t i = 0; i < 3; i++) {
        void *ret = NULL;
        assert_int_equal(pthread_join(threads[i], &ret), 0);
        assert_ptr_equal(ret, tickets);
    }
    tls_tickets_free(tickets);
}

static void garbage_is_refused_and_stays_so(void **state) {
    (void)state;
    struct tls_tickets *tickets = tls_tickets_new(0);
    struct tls_context *x = open_context(cert_path, key_path, tickets);
    uint8_t *bytes = pattern(70000);
    unsigned refused = 0; /* the others may still become something */
    for (unsigned round = 0; round < 300; round++) {
        struct tls *t = tls_new(x);
        struct buf plain = {0};
        uint8_t *from = bytes + (size_t)round * 100;
        size_t n = 1 + round * 7;
        if (round % 3 == 1) { /* like a record of the handshake */
            memcpy(from, "\x16\x03\x01\x00\x40\x01", 6);
        } else if (round % 3 == 2) { /* a record of some other kind */
            from[0] = (uint8_t)(20 + round % 5);
            from[1] = 3;
        }
        enum err e = tls_read(t, slice_of(from, n), &plain);
        assert_true(e == ERR_OK || e == ERR_PROTOCOL);
        if (e) {
            assert_non_null(tls_detail(t));
            assert_int_equal(tls_read(t, slice_of(from, n), &plain), e);
        } else {
            assert_null(tls_detail(t));
        }
        refused += e != ERR_OK;
        assert_false(tls_ready(t));
        assert_int_equal(plain.n, 0);
        buf_fini(&plain);
        tls_free(t);
    }
    assert_true(refused > 150);
    /* Also after the handshake. */
    struct pair p;
    pair_init(&p, TLS1_3_VERSION);
    pump(&p, NULL);
    assert_int_equal(tls_read(p.server, slice_of(bytes, 1000), &p.plain), ERR_PROTOCOL);
    assert_non_null(tls_detail(p.server));
    pair_fini(&p);
    free(bytes);
    (void)tls_context_unref(x);
    tls_tickets_free(tickets);
}

static void a_damaged_record_ends_it(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p, TLS1_2_VERSION);
    pump(&p, NULL);
    say(&p, slice_str("hello"));
    uint8_t *bytes = NULL;
    long n = BIO_get_mem_data(p.from_client, &bytes);
    bytes[n - 1] ^= 1;
    (void)carry_up(&p);
    assert_int_equal(p.err, ERR_PROTOCOL);
    assert_string_equal(tls_detail(p.server), "a record was damaged on its way");
    assert_int_equal(p.plain.n, 0);
    assert_true(tls_owes(p.server)); /* the alert */
    pair_fini(&p);
}

static void plain_http_is_told_so(void **state) {
    (void)state;
    struct tls_tickets *tickets = tls_tickets_new(0);
    struct tls_context *x = open_context(cert_path, key_path, tickets);
    for (size_t chop = 1; chop < 20; chop++) {
        struct tls *t = tls_new(x);
        struct buf plain = {0};
        const char *request = "GET /collab/ws HTTP/1.1\r\nHost: localhost\r\n\r\n";
        enum err e = ERR_OK;
        for (size_t at = 0; at < strlen(request) && !e; at += chop) {
            size_t n = strlen(request) - at;
            e = tls_read(t, slice_of(request + at, n < chop ? n : chop), &plain);
        }
        assert_int_equal(e, ERR_PROTOCOL);
        assert_string_equal(tls_detail(t), "plain HTTP was sent to a port that speaks TLS");
        slice out = tls_out(t);
        const char *page = "HTTP/1.1 400 Bad Request\r\n";
        assert_true(out.n > strlen(page) && memcmp(out.p, page, strlen(page)) == 0);
        const char *body = memmem(out.p, out.n, "\r\n\r\n", 4);
        assert_non_null(body);
        char length[40];
        assert_true(snprintf(length, sizeof length, "Content-Length: %zu\r\n",
                             out.n - (size_t)(body + 4 - (const char *)out.p)) > 0);
        assert_non_null(memmem(out.p, out.n, length, strlen(length)));
        tls_sent(t, out.n);
        assert_false(tls_owes(t));
        buf_fini(&plain);
        tls_free(t);
    }
    (void)tls_context_unref(x);
    tls_tickets_free(tickets);
}

static void both_ends_can_say_goodbye(void **state) {
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct pair p;
        /* The client first: what it said before is read, what it says after is not. */
        pair_init(&p, versions[v]);
        pump(&p, NULL);
        say(&p, slice_str("last words"));
        assert_int_equal(SSL_shutdown(p.client), 0);
        pump(&p, NULL);
        assert_int_equal(p.err, ERR_OK);
        assert_true(tls_ended(p.server));
        assert_true(slice_is(buf_slice(&p.plain), "last words"));
        assert_int_equal(tls_read(p.server, slice_str("junk"), &p.plain), ERR_OK);
        struct buf got = {0};
        struct iovec piece = {(char[]){"answer"}, 6};
        answer(&p, &piece, 1, &got); /* our half is still open */
        tls_close(p.server);
        tls_close(p.server);
        pump(&p, &got);
        assert_true(SSL_get_shutdown(p.client) & SSL_RECEIVED_SHUTDOWN);
        buf_fini(&got);
        pair_fini(&p);

        /* The server first: the client may still speak. */
        pair_init(&p, versions[v]);
        pump(&p, NULL);
        tls_close(p.server);
        assert_true(tls_owes(p.server));
        pump(&p, NULL);
        assert_true(SSL_get_shutdown(p.client) & SSL_RECEIVED_SHUTDOWN);
        size_t taken = 1;
        assert_int_equal(tls_write(p.server, &piece, 1, &taken), ERR_OK);
        assert_int_equal(taken, 0);
        say(&p, slice_str("late"));
        assert_int_equal(SSL_shutdown(p.client), 1);
        pump(&p, NULL);
        assert_int_equal(p.err, ERR_OK);
        assert_true(slice_is(buf_slice(&p.plain), "late"));
        assert_true(tls_ended(p.server));
        pair_fini(&p);
    }
}

static void before_the_handshake_nothing_is_written(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p, TLS1_3_VERSION);
    struct iovec piece = {(char[]){"too early"}, 9};
    size_t taken = 1;
    assert_int_equal(tls_write(p.server, &piece, 1, &taken), ERR_OK);
    assert_int_equal(taken, 0);
    assert_int_equal(tls_out(p.server).n, 0);
    assert_string_equal(tls_version(p.server), "");
    tls_close(p.server);
    assert_false(tls_owes(p.server));
    pair_fini(&p);
}

static void old_connections_outlive_a_reload(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p, TLS1_3_VERSION);
    pump(&p, NULL);
    struct tls_context *next = open_context(other_cert, other_key, p.tickets);
    (void)tls_context_unref(p.context); /* the worker's count; the connection has its own */
    p.context = next;
    say(&p, slice_str("still here"));
    pump(&p, NULL);
    assert_true(slice_is(buf_slice(&p.plain), "still here"));
    struct iovec piece = {(char[]){"so am I"}, 7};
    struct buf got = {0};
    answer(&p, &piece, 1, &got);
    assert_true(slice_is(buf_slice(&got), "so am I"));
    buf_fini(&got);
    tls_free(p.server);
    client_fini(&p);

    p.server = tls_new(p.context);
    connect_client(&p, TLS1_3_VERSION);
    pump(&p, NULL);
    X509 *cert = SSL_get1_peer_certificate(p.client);
    assert_non_null(cert);
    assert_int_equal(EVP_PKEY_get_base_id(X509_get0_pubkey(cert)), EVP_PKEY_RSA);
    X509_free(cert);
    pair_fini(&p);
}

static void small_pieces_share_a_record(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p, TLS1_3_VERSION);
    pump(&p, NULL);
    struct iovec pieces[100];
    for (size_t i = 0; i < 100; i++) {
        pieces[i] = (struct iovec){(char[]){"0123456789"}, 10};
    }
    size_t taken = 0;
    assert_int_equal(tls_write(p.server, pieces, 100, &taken), ERR_OK);
    assert_int_equal(taken, 1000);
    slice out = tls_out(p.server);
    assert_int_equal(out.n, 1000 + 5 + 1 + 16); /* one header, type and tag */
    pair_fini(&p);
}

static void a_slow_reader_leaves_it_in_the_outbox(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p, TLS1_3_VERSION);
    pump(&p, NULL);
    size_t big = CAPS_TLS_OUT_BYTES * 3;
    uint8_t *bytes = pattern(big);
    struct iovec piece = {bytes, big};
    size_t taken = 0;
    assert_int_equal(tls_write(p.server, &piece, 1, &taken), ERR_OK);
    assert_in_range(taken, CAPS_TLS_OUT_BYTES / 2, CAPS_TLS_OUT_BYTES + 16384);
    size_t again = 1;
    assert_int_equal(tls_write(p.server, &piece, 1, &again), ERR_OK);
    assert_int_equal(again, 0);

    /* What is lent to a writer stays where it is while more is owed. */
    slice lent = tls_out(p.server);
    uint8_t *copy = malloc(lent.n);
    assert_non_null(copy);
    memcpy(copy, lent.p, lent.n);
    assert_int_equal(SSL_key_update(p.client, SSL_KEY_UPDATE_REQUESTED), 1);
    assert_int_equal(SSL_do_handshake(p.client), 1);
    say(&p, slice_str("meanwhile"));
    (void)carry_up(&p);
    tls_close(p.server);
    slice same = tls_out(p.server);
    assert_true(same.p == lent.p && same.n == lent.n && memcmp(copy, same.p, same.n) == 0);
    assert_true(slice_is(buf_slice(&p.plain), "meanwhile"));
    struct buf got = {0};
    pump(&p, &got);
    assert_true(slice_eq(buf_slice(&got), slice_of(bytes, taken)));
    assert_true(SSL_get_shutdown(p.client) & SSL_RECEIVED_SHUTDOWN);
    buf_fini(&got);
    free(copy);
    free(bytes);
    pair_fini(&p);
}

static void a_hello_without_end_is_cut_off(void **state) {
    (void)state;
    struct tls_tickets *tickets = tls_tickets_new(0);
    struct tls_context *x = open_context(cert_path, key_path, tickets);
    struct tls *t = tls_new(x);
    struct buf plain = {0};
    uint8_t record[5 + 1000] = {22, 3, 1, 1000 >> 8, 1000 & 255, 1, 1, 0, 0}; /* 64 KiB to come */
    size_t fed = 0;
    enum err e = ERR_OK;
    while (!e && fed < 100000) {
        e = tls_read(t, slice_of(record, sizeof record), &plain);
        fed += sizeof record;
    }
    assert_int_equal(e, ERR_TOO_LARGE);
    assert_string_equal(tls_detail(t), "too much was sent before the TLS handshake was done");
    assert_in_range(fed, CAPS_TLS_HANDSHAKE_BYTES, CAPS_TLS_HANDSHAKE_BYTES + sizeof record);
    tls_free(t);
    buf_fini(&plain);
    (void)tls_context_unref(x);
    tls_tickets_free(tickets);
}

static void who_asks_without_reading_is_cut_off(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p, TLS1_3_VERSION);
    pump(&p, NULL);
    for (unsigned i = 0; i < 100000 && !p.err; i++) {
        assert_int_equal(SSL_key_update(p.client, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(p.client), 1);
        (void)carry_up(&p);
    }
    assert_int_equal(p.err, ERR_TOO_LARGE);
    assert_string_equal(tls_detail(p.server), "the peer asks for more than it reads");
    assert_true(tls_out(p.server).n <= CAPS_TLS_OWED_BYTES);
    pair_fini(&p);
}

static void there_is_no_renegotiation(void **state) {
    (void)state;
    struct pair p;
    pair_init(&p, TLS1_2_VERSION);
    pump(&p, NULL);
    assert_int_equal(SSL_renegotiate(p.client), 1);
    ERR_clear_error();
    assert_int_equal(SSL_do_handshake(p.client), -1);
    (void)carry_up(&p);
    (void)carry_down(&p);
    ERR_clear_error();
    int r = SSL_do_handshake(p.client);
    assert_true(r <= 0);
    assert_int_equal(SSL_get_error(p.client, r), SSL_ERROR_SSL);
    pair_fini(&p);
}

static void expect_why(const char *cert, const char *key, enum err want, const char *const *words) {
    struct tls_tickets *tickets = tls_tickets_new(0);
    struct tls_context *x = NULL;
    char why[400] = "";
    assert_int_equal(tls_context_open(cert, key, tickets, &x, why, sizeof why), want);
    assert_int_equal(x != NULL, want == ERR_OK);
    for (; *words; words++) {
        if (!strstr(why, *words)) {
            fail_msg("\"%s\" is not in \"%s\"", *words, why);
        }
    }
    assert_int_equal(ERR_peek_error(), 0);
    (void)tls_context_unref(x);
    tls_tickets_free(tickets);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void complaints_name_the_option_and_the_fix(void **state) {
    (void)state;
    expect_why(cert_path, NULL, ERR_PARAMS, WORDS("TLS_KEY is not set", "TLS_CERT is"));
    expect_why(NULL, key_path, ERR_PARAMS, WORDS("TLS_CERT is not set", "TLS_KEY is"));
    expect_why("/nowhere/c.pem", key_path, ERR_IO,
               WORDS("TLS_CERT=/nowhere/c.pem", "No such file", "PEM file"));
    expect_why(cert_path, "/nowhere/k.pem", ERR_IO, WORDS("TLS_KEY=/nowhere/k.pem", "No such"));
    expect_why(dir, key_path, ERR_PARAMS, WORDS("TLS_CERT="));
    expect_why(key_path, key_path, ERR_PARAMS, WORDS("TLS_CERT=", "no certificate in it"));
    expect_why(cert_path, cert_path, ERR_PARAMS, WORDS("TLS_KEY=", "no private key in it"));
    expect_why(cert_path, other_key, ERR_PARAMS,
               WORDS("TLS_KEY=", other_key, "not the key of the certificate in TLS_CERT="));
    expect_why(cert_path, locked_key, ERR_PARAMS, WORDS("TLS_KEY=", "passphrase", "openssl pkey"));
    expect_why(old_cert, key_path, ERR_OK, WORDS("TLS_CERT=", "expired on 20", "SIGHUP"));
}

enum { IDLE = 200 };

/* Bytes in use per connection, and what a handshake costs: for people to look at. */
static void what_an_idle_connection_holds(void **state) {
    (void)state;
    static struct pair pairs[IDLE];
    for (size_t v = 0; v < 2; v++) {
        struct tls_tickets *tickets = tls_tickets_new(0);
        struct tls_context *x = open_context(cert_path, key_path, tickets);
        struct pair warm;
        pair_init(&warm, versions[v]);
        pump(&warm, NULL);
        size_t before = mallinfo2().uordblks;
        for (size_t i = 0; i < IDLE; i++) {
            pairs[i] = (struct pair){.context = x, .server = tls_new(x)};
        }
        size_t silent = mallinfo2().uordblks;
        struct rusage from;
        assert_int_equal(getrusage(RUSAGE_SELF, &from), 0);
        for (size_t i = 0; i < IDLE; i++) {
            connect_client(&pairs[i], versions[v]);
            pump(&pairs[i], NULL);
            say(&pairs[i], slice_str("hello"));
            pump(&pairs[i], NULL);
            assert_true(tls_ready(pairs[i].server));
            client_fini(&pairs[i]);
            SSL_SESSION_free(pairs[i].session);
            buf_fini(&pairs[i].plain);
        }
        struct rusage to;
        assert_int_equal(getrusage(RUSAGE_SELF, &to), 0);
        long us = (to.ru_utime.tv_sec - from.ru_utime.tv_sec) * 1000000 + to.ru_utime.tv_usec -
                  from.ru_utime.tv_usec;
        size_t idle = mallinfo2().uordblks;
        print_message("%s: %zu bytes before the first byte, %zu when idle; "
                      "%ld us of CPU per handshake, client and server\n",
                      v ? "TLS 1.3" : "TLS 1.2", (silent - before) / IDLE, (idle - before) / IDLE,
                      us / IDLE);
        for (size_t i = 0; i < IDLE; i++) {
            tls_free(pairs[i].server);
        }
        pair_fini(&warm);
        (void)tls_context_unref(x);
        tls_tickets_free(tickets);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_versions_carry_both_ways),
        cmocka_unit_test(every_chop_of_the_stream_is_the_same),
        cmocka_unit_test(old_versions_are_refused),
        cmocka_unit_test(only_http11_is_spoken),
        cmocka_unit_test(a_client_resumes_on_another_worker),
        cmocka_unit_test(workers_share_tickets_while_keys_turn),
        cmocka_unit_test(garbage_is_refused_and_stays_so),
        cmocka_unit_test(a_damaged_record_ends_it),
        cmocka_unit_test(plain_http_is_told_so),
        cmocka_unit_test(both_ends_can_say_goodbye),
        cmocka_unit_test(before_the_handshake_nothing_is_written),
        cmocka_unit_test(old_connections_outlive_a_reload),
        cmocka_unit_test(small_pieces_share_a_record),
        cmocka_unit_test(a_slow_reader_leaves_it_in_the_outbox),
        cmocka_unit_test(a_hello_without_end_is_cut_off),
        cmocka_unit_test(who_asks_without_reading_is_cut_off),
        cmocka_unit_test(there_is_no_renegotiation),
        cmocka_unit_test(complaints_name_the_option_and_the_fix),
        cmocka_unit_test(what_an_idle_connection_holds),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
