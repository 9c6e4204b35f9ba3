#include "cluster/redis_tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/alloc.h"

struct redis_tls {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in;  /* the ssl's */
    BIO *out; /* the ssl's */
};

enum { PIECE_BYTES = 16 * 1024 };

static bool is_address(const char *host) {
    struct in6_addr a;
    return inet_pton(AF_INET, host, &a) == 1 || inet_pton(AF_INET6, host, &a) == 1;
}

/* The certificate must be this host's. */
static bool expect(SSL *ssl, const char *host) {
    if (is_address(host)) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    }
    char *name = mem_copy_str(host, strlen(host)); /* OpenSSL's macro wants one that is not const */
    bool ok = SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
    mem_free(name);
    return ok;
}

static bool open_context(struct redis_tls *t) {
    t->context = SSL_CTX_new(TLS_client_method());
    if (!t->context || SSL_CTX_set_default_verify_paths(t->context) != 1 ||
        SSL_CTX_set_min_proto_version(t->context, TLS1_2_VERSION) != 1) {
        return false;
    }
    SSL_CTX_set_verify(t->context, SSL_VERIFY_PEER, NULL);
    return true;
}

struct redis_tls *redis_tls_new(const char *host, const char **ret_why) {
    struct redis_tls *t = NEW(struct redis_tls);
    ERR_clear_error();
    t->ssl = open_context(t) ? SSL_new(t->context) : NULL;
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());
    if (!t->ssl || !in || !out || !expect(t->ssl, host)) {
        BIO_free(in);
        BIO_free(out);
        redis_tls_free(t);
        *ret_why = "TLS cannot be begun";
        return NULL;
    }
    t->in = in;
    t->out = out;
    SSL_set_bio(t->ssl, in, out);
    SSL_set_connect_state(t->ssl);
    (void)SSL_do_handshake(t->ssl); /* its first words go to `out` */
    return t;
}

void redis_tls_free(struct redis_tls *t) {
    if (t) {
        SSL_free(t->ssl);
        SSL_CTX_free(t->context);
        mem_free(t);
    }
}

static const char *complaint(struct redis_tls *t) {
    long verified = SSL_get_verify_result(t->ssl);
    if (verified != X509_V_OK) {
        return X509_verify_cert_error_string(verified);
    }
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason ? reason : "it does not speak TLS";
}

/* Whether that is how a call ends that waits for the peer. */
static bool waits(struct redis_tls *t, int result) {
    int e = SSL_get_error(t->ssl, result);
    return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
}

enum err redis_tls_read(struct redis_tls *t, slice cipher, struct buf *plain,
                        const char **ret_why) {
    ERR_clear_error();
    if (BIO_write(t->in, cipher.p, (int)cipher.n) != (int)cipher.n) {
        *ret_why = "no memory";
        return ERR_NOMEM;
    }
    for (;;) {
        uint8_t *to = buf_reserve(plain, PIECE_BYTES);
        int n = to ? SSL_read(t->ssl, to, PIECE_BYTES) : -1;
        if (n > 0) {
            buf_commit(plain, (size_t)n);
        } else if (to && waits(t, n)) {
            return ERR_OK;
        } else {
            *ret_why = !to                        ? "no memory"
                       : SSL_get_shutdown(t->ssl) ? "the server has ended it"
                                                  : complaint(t);
            return ERR_PROTOCOL;
        }
    }
}

enum err redis_tls_write(struct redis_tls *t, struct buf *plain, const char **ret_why) {
    if (!plain->n || !SSL_is_init_finished(t->ssl)) {
        return ERR_OK;
    }
    ERR_clear_error();
    int n = SSL_write(t->ssl, plain->p, (int)plain->n);
    if (n != (int)plain->n) { /* a memory BIO takes all, or there is no memory */
        *ret_why = complaint(t);
        return ERR_PROTOCOL;
    }
    buf_clear(plain);
    return ERR_OK;
}

void redis_tls_out(struct redis_tls *t, struct buf *cipher) {
    size_t n = BIO_ctrl_pending(t->out);
    uint8_t *to = n ? buf_reserve(cipher, n) : NULL;
    if (to && BIO_read(t->out, to, (int)n) == (int)n) {
        buf_commit(cipher, n);
    }
}
