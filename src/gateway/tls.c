/* tls.c: OpenSSL reads and writes through a BIO of our own, one per connection, that takes bytes
 * from what was lent for the call and appends bytes to a buffer. So nothing here waits, what is
 * held is counted, and the only answers of OpenSSL are "done", "needs more" and "never".
 *
 * OpenSSL keeps a queue of errors per thread, and SSL_get_error looks into it: it is cleared before
 * each call whose result is judged, and after each that failed.
 */
#define _GNU_SOURCE /* strerrordesc_np */
#include "gateway/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/must.h"
#include "limit/caps.h"

enum { RECORD = SSL3_RT_MAX_PLAIN_LENGTH, TICKET_KEYS = 3, TICKET_NAME = 16 };

struct ticket_key {
    uint8_t name[TICKET_NAME]; /* stands in the ticket in clear */
    uint8_t cipher[32];
    uint8_t mac[32];
};

struct tls_tickets {
    EVP_CIPHER *cipher;   /* fixed after tls_tickets_new */
    pthread_mutex_t lock; /* a leaf; see docs/threads.md */
    /* under the lock */
    struct ticket_key keys[TICKET_KEYS]; /* newest first */
    uint64_t made_ms;                    /* the newest */
};

struct tls_context {
    atomic_uint refs;
    /* fixed after tls_context_open */
    SSL_CTX *ssl;
    BIO_METHOD *bio;
    struct tls_tickets *tickets; /* borrowed */
    /* worker */
    uint8_t record[RECORD]; /* small pieces, gathered */
};

struct tls {
    struct tls_context *context;
    SSL *ssl; /* made when the first byte comes */
    enum err err;
    const char *detail;
    bool ready;
    bool closed;    /* by us */
    bool ended;     /* by the peer */
    bool overfed;   /* CAPS_TLS_HANDSHAKE_BYTES */
    bool overowed;  /* CAPS_TLS_OWED_BYTES */
    size_t shaken;  /* bytes taken before the handshake was done */
    slice in;       /* lent for the length of tls_read */
    struct buf out; /* sealed, not yet shown to anybody */
    struct buf leaving;
    size_t left; /* of `leaving` */
};

/* ---- tickets ---- */

static void make_key(struct ticket_key *k) {
    must(RAND_bytes(k->name, sizeof k->name) == 1);
    must(RAND_priv_bytes(k->cipher, sizeof k->cipher) == 1);
    must(RAND_priv_bytes(k->mac, sizeof k->mac) == 1);
}

struct tls_tickets *tls_tickets_new(uint64_t now_ms) {
    struct tls_tickets *t = NEW(struct tls_tickets);
    t->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    must(t->cipher);
    must(pthread_mutex_init(&t->lock, NULL) == 0);
    for (size_t i = 0; i < TICKET_KEYS; i++) {
        make_key(&t->keys[i]); /* also the old ones: a key of zeros would be known to all */
    }
    t->made_ms = now_ms;
    return t;
}

void tls_tickets_free(struct tls_tickets *t) {
    if (t) {
        EVP_CIPHER_free(t->cipher);
        (void)pthread_mutex_destroy(&t->lock);
        OPENSSL_cleanse(t->keys, sizeof t->keys);
        mem_free(t);
    }
}

void tls_tickets_turn(struct tls_tickets *t, uint64_t now_ms) {
    (void)pthread_mutex_lock(&t->lock);
    if (now_ms > t->made_ms && now_ms - t->made_ms >= CAPS_TLS_TICKET_MS) {
        memmove(&t->keys[1], &t->keys[0], sizeof t->keys - sizeof t->keys[0]);
        make_key(&t->keys[0]);
        t->made_ms = now_ms;
    }
    (void)pthread_mutex_unlock(&t->lock);
}

/* Copies the newest key, or the one of that name; returns its age in keys, or -1. */
static int find_key(struct tls_tickets *t, const uint8_t *name, struct ticket_key *ret) {
    int found = -1;
    (void)pthread_mutex_lock(&t->lock);
    for (int i = 0; i < TICKET_KEYS && found < 0; i++) {
        if (!name || memcmp(t->keys[i].name, name, TICKET_NAME) == 0) {
            *ret = t->keys[i];
            found = i;
        }
    }
    (void)pthread_mutex_unlock(&t->lock);
    return found;
}

static bool set_mac(EVP_MAC_CTX *mac, struct ticket_key *k) {
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac, sizeof k->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 use it, 2 use it and give a new one, 0 no such key. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seal) {
    struct tls_context *x = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_key k;
    int age = find_key(x->tickets, seal ? NULL : name, &k);
    if (age < 0) {
        return 0;
    }
    bool ok = set_mac(mac, &k);
    if (seal) {
        memcpy(name, k.name, TICKET_NAME);
        ok = ok && RAND_bytes(iv, EVP_CIPHER_get_iv_length(x->tickets->cipher)) == 1 &&
             EVP_EncryptInit_ex2(cipher, x->tickets->cipher, k.cipher, iv, NULL) == 1;
    } else {
        ok = ok && EVP_DecryptInit_ex2(cipher, x->tickets->cipher, k.cipher, iv, NULL) == 1;
    }
    OPENSSL_cleanse(&k, sizeof k);
    return !ok ? -1 : age == 0 ? 1 : 2;
}

/* ---- the BIO ---- */

static int bio_read(BIO *b, char *to, int size) {
    struct tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    size_t n = size < 0 ? 0 : (size_t)size < t->in.n ? (size_t)size : t->in.n;
    if (n == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    if (!t->ready && n > CAPS_TLS_HANDSHAKE_BYTES - t->shaken) {
        t->overfed = true;
        return -1;
    }
    t->shaken += t->ready ? 0 : n;
    memcpy(to, t->in.p, n);
    t->in = slice_of(t->in.p + n, t->in.n - n);
    return (int)n;
}

static size_t owed(const struct tls *t) {
    return t->out.n + t->leaving.n - t->left;
}

static int bio_write(BIO *b, const char *from, int size) {
    struct tls *t = BIO_get_data(b);
    size_t n = size < 0 ? 0 : (size_t)size;
    BIO_clear_retry_flags(b);
    if (n > CAPS_TLS_OWED_BYTES - owed(t)) {
        t->overowed = true;
        return -1;
    }
    buf_put(&t->out, from, n);
    return t->out.failed ? -1 : size;
}

static long bio_ctrl(BIO *b, int what, long number, void *p) {
    (void)b;
    (void)number;
    (void)p;
    return what == BIO_CTRL_FLUSH ? 1 : 0; /* all else is not what this kind can do */
}

static int bio_create(BIO *b) {
    BIO_set_init(b, 1);
    return 1;
}

static BIO_METHOD *make_bio_method(void) {
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "collabd");
    must(m);
    must(BIO_meth_set_read(m, bio_read) == 1);
    must(BIO_meth_set_write(m, bio_write) == 1);
    must(BIO_meth_set_ctrl(m, bio_ctrl) == 1);
    must(BIO_meth_set_create(m, bio_create) == 1);
    return m;
}

/* ---- contexts ---- */

/* A client that says what it speaks must speak HTTP/1.1; one that says nothing does. */
static int on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_n,
                   const unsigned char *offers, unsigned n, void *ctx) {
    static const unsigned char http11[] = "\x08http/1.1";
    unsigned char *chosen = NULL;
    (void)ssl;
    (void)ctx;
    if (SSL_select_next_proto(&chosen, ret_n, http11, sizeof http11 - 1, offers, n) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2 */
    }
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* The ciphers of 1.2 are those with forward secrecy and authenticated encryption, which is what 1.3
 * has; which one is the client's choice, as it knows whether it has AES in hardware. */
static bool set_rules(SSL_CTX *c) {
    static const unsigned char session_id[] = "collabd"; /* one for all contexts */
    char groups[] = "X25519:P-256:P-384";
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF); /* tickets instead: no state of ours */
    SSL_CTX_set_timeout(c, CAPS_TLS_SESSION_S);
    SSL_CTX_set_alpn_select_cb(c, on_alpn, NULL);
    return SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
           SSL_CTX_set1_groups_list(c, groups) == 1 &&
           SSL_CTX_set_num_tickets(c, 1) == 1 && /* a client reconnects once at a time */
           SSL_CTX_set_session_id_context(c, session_id, sizeof session_id - 1) == 1 &&
           SSL_CTX_set_tlsext_ticket_key_evp_cb(c, on_ticket) == 1;
}

struct complaint {
    char *p;
    size_t n;
};

__attribute__((format(printf, 3, 4))) static enum err complain(struct complaint *why, enum err e,
                                                               const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(why->p, why->n, fmt, args);
    va_end(args);
    ERR_clear_error();
    return e;
}

/* OpenSSL's own words for the error at hand; a static string. */
static const char *reason(void) {
    const char *s = ERR_reason_error_string(ERR_peek_error());
    return s ? s : "no reason given";
}

static enum err check_readable(const char *option, const char *path, struct complaint *why) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return complain(why, ERR_IO,
                        "%s=%s: %s. It must name a PEM file that this process may read.", option,
                        path, strerrordesc_np(errno));
    }
    (void)close(fd);
    return ERR_OK;
}

static enum err load_chain(SSL_CTX *c, const char *path, struct complaint *why) {
    enum err e = check_readable("TLS_CERT", path, why);
    if (e) {
        return e;
    }
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(c, path) == 1) {
        return ERR_OK;
    }
    unsigned long code = ERR_peek_error();
    if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
        return complain(why, ERR_PARAMS,
                        "TLS_CERT=%s: there is no certificate in it. It must be a PEM file with "
                        "the server's certificate first (-----BEGIN CERTIFICATE-----), then those "
                        "that lead to its root.",
                        path);
    }
    return complain(why, ERR_PARAMS,
                    "TLS_CERT=%s: OpenSSL does not take it (%s). It must be a PEM file with the "
                    "server's certificate first, then those that lead to its root; RSA keys have "
                    "2048 bits or more.",
                    path, reason());
}

/* Without this OpenSSL would ask on the terminal. */
static int on_passphrase(char *to, int size, int writing, void *asked) {
    (void)to;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

static enum err load_key(SSL_CTX *c, const char *path, const char *cert_path,
                         struct complaint *why) {
    enum err e = check_readable("TLS_KEY", path, why);
    if (e) {
        return e;
    }
    bool asked = false;
    ERR_clear_error();
    BIO *file = BIO_new_file(path, "r");
    EVP_PKEY *key = file ? PEM_read_bio_PrivateKey(file, NULL, on_passphrase, &asked) : NULL;
    if (asked) {
        e = complain(why, ERR_PARAMS,
                     "TLS_KEY=%s: the key is locked with a passphrase. Write it without one: "
                     "openssl pkey -in KEY -out NEW-KEY, readable for this service only.",
                     path);
    } else if (!key) {
        e = complain(why, ERR_PARAMS,
                     "TLS_KEY=%s: there is no private key in it that OpenSSL understands (%s). It "
                     "must be a PEM file (-----BEGIN PRIVATE KEY-----).",
                     path, reason());
    } else if (X509_check_private_key(SSL_CTX_get0_certificate(c), key) != 1) {
        e = complain(why, ERR_PARAMS,
                     "TLS_KEY=%s: this is not the key of the certificate in TLS_CERT=%s. Give the "
                     "key that the certificate was made for.",
                     path, cert_path);
    } else if (SSL_CTX_use_PrivateKey(c, key) != 1) {
        e = complain(why, ERR_PARAMS, "TLS_KEY=%s: OpenSSL does not take this key (%s).", path,
                     reason());
    }
    EVP_PKEY_free(key);
    BIO_free(file);
    ERR_clear_error();
    return e;
}

/* A certificate out of its time serves all the same: some clients do not look, and a warning that
 * comes with a working server is better than an outage at midnight. */
static void check_dates(SSL_CTX *c, const char *path, struct complaint *why) {
    const X509 *cert = SSL_CTX_get0_certificate(c);
    const ASN1_TIME *to = X509_get0_notAfter(cert);
    bool over = X509_cmp_current_time(to) < 0;
    bool early = X509_cmp_current_time(X509_get0_notBefore(cert)) > 0;
    struct tm tm = {0};
    char date[16] = "?";
    if (ASN1_TIME_to_tm(over ? to : X509_get0_notBefore(cert), &tm) == 1) {
        (void)strftime(date, sizeof date, "%Y-%m-%d", &tm);
    }
    if (over) {
        (void)complain(why, ERR_OK,
                       "TLS_CERT=%s: this certificate expired on %s, so browsers refuse it. Renew "
                       "it and send SIGHUP.",
                       path, date);
    } else if (early) {
        (void)complain(why, ERR_OK,
                       "TLS_CERT=%s: this certificate is valid only from %s, so browsers refuse "
                       "it. Is this machine's clock right?",
                       path, date);
    }
    ERR_clear_error();
}

enum err tls_context_open(const char *cert_path, const char *key_path, struct tls_tickets *tickets,
                          struct tls_context **ret_context, char *why, size_t why_bytes) {
    struct complaint w = {why, why_bytes};
    (void)complain(&w, ERR_OK, "%s", "");
    if (!cert_path || !key_path) {
        return complain(&w, ERR_PARAMS, "%s is not set, but %s is. TLS needs both.",
                        cert_path ? "TLS_KEY" : "TLS_CERT", cert_path ? "TLS_CERT" : "TLS_KEY");
    }
    struct tls_context *x = NEW(struct tls_context);
    atomic_init(&x->refs, 1);
    x->tickets = tickets;
    x->bio = make_bio_method();
    x->ssl = SSL_CTX_new(TLS_server_method());
    must(x->ssl);
    must(set_rules(x->ssl));
    SSL_CTX_set_app_data(x->ssl, x);
    enum err e = load_chain(x->ssl, cert_path, &w);
    if (!e) {
        e = load_key(x->ssl, key_path, cert_path, &w);
    }
    if (e) {
        (void)tls_context_unref(x);
        return e;
    }
    check_dates(x->ssl, cert_path, &w);
    *ret_context = x;
    return ERR_OK;
}

int64_t tls_context_expires_s(const struct tls_context *x) {
    struct tm tm = {0};
    return ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(x->ssl)), &tm) == 1
               ? (int64_t)timegm(&tm)
               : 0;
}

struct tls_context *tls_context_ref(struct tls_context *x) {
    /* Relaxed: whoever hands a pointer on has a count already. */
    (void)atomic_fetch_add_explicit(&x->refs, 1, memory_order_relaxed);
    return x;
}

struct tls_context *tls_context_unref(struct tls_context *x) {
    /* Acquire and release: whoever frees sees what all others did. */
    if (x && atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel) == 1) {
        SSL_CTX_free(x->ssl);
        BIO_meth_free(x->bio);
        OPENSSL_cleanse(x->record, sizeof x->record);
        mem_free(x);
    }
    return NULL;
}

/* ---- connections ---- */

struct tls *tls_new(struct tls_context *x) {
    struct tls *t = NEW(struct tls);
    t->context = tls_context_ref(x);
    return t;
}

void tls_free(struct tls *t) {
    if (t) {
        SSL_free(t->ssl);
        buf_fini(&t->out);
        buf_fini(&t->leaving);
        (void)tls_context_unref(t->context);
        mem_free(t);
    }
}

/* Makes OpenSSL's part. */
static bool begin(struct tls *t) {
    t->ssl = SSL_new(t->context->ssl);
    BIO *b = BIO_new(t->context->bio);
    if (!t->ssl || !b) {
        BIO_free(b);
        return false;
    }
    BIO_set_data(b, t);
    SSL_set_bio(t->ssl, b, b);
    SSL_set_accept_state(t->ssl);
    return true;
}

static enum err fail(struct tls *t, enum err e, const char *detail) {
    t->err = e;
    t->detail = detail;
    ERR_clear_error();
    return e;
}

static const char *explain(int why) {
    switch (why) {
    case SSL_R_HTTP_REQUEST:
        return "plain HTTP was sent to a port that speaks TLS";
    case SSL_R_HTTPS_PROXY_REQUEST:
        return "a proxy request was sent to a port that speaks TLS";
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_UNEXPECTED_MESSAGE:
    case SSL_R_BAD_PACKET:
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_BAD_LENGTH:
    case SSL_R_LENGTH_MISMATCH:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_ENCRYPTED_LENGTH_TOO_LONG:
        return "what was sent is not TLS";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_AD_REASON_OFFSET + SSL_AD_PROTOCOL_VERSION:
        return "the peer does not speak TLS 1.2 or 1.3";
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
        return "the peer has no cipher, group or signature in common with this server";
    case SSL_R_NO_APPLICATION_PROTOCOL:
        return "the peer does not offer http/1.1";
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
        return "a record was damaged on its way";
    case SSL_AD_REASON_OFFSET + SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_REASON_OFFSET + SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_REASON_OFFSET + SSL_AD_UNKNOWN_CA:
        return "the peer does not trust the certificate";
    default:
        return why > SSL_AD_REASON_OFFSET ? "the peer gave up with an alert"
                                          : "the peer broke the TLS protocol";
    }
}

/* What OpenSSL leaves unanswered, for people who typed http:// */
static const char http_page[] = "HTTP/1.1 400 Bad Request\r\n"
                                "Content-Type: text/plain; charset=utf-8\r\n"
                                "Content-Length: 56\r\n"
                                "Connection: close\r\n"
                                "\r\n"
                                "this port speaks TLS only: use https:// or wss:// there\n";

/* After a call that failed for good. */
static enum err judge(struct tls *t) {
    unsigned long code = ERR_peek_last_error();
    int why = ERR_GET_REASON(code);
    if (t->overfed) {
        return fail(t, ERR_TOO_LARGE, "too much was sent before the TLS handshake was done");
    }
    if (t->overowed) {
        return fail(t, ERR_TOO_LARGE, "the peer asks for more than it reads");
    }
    if (t->out.failed || why == ERR_R_MALLOC_FAILURE) {
        return fail(t, ERR_NOMEM, "no memory for TLS");
    }
    if (ERR_GET_LIB(code) != ERR_LIB_SSL) {
        return fail(t, ERR_PROTOCOL, "the peer broke the TLS protocol");
    }
    if (why == SSL_R_HTTP_REQUEST && !t->ready) {
        buf_put_str(&t->out, http_page);
    }
    return fail(t, ERR_PROTOCOL, explain(why));
}

static enum err shake(struct tls *t) {
    ERR_clear_error();
    int r = SSL_do_handshake(t->ssl);
    if (r == 1) {
        t->ready = true;
        return ERR_OK;
    }
    return SSL_get_error(t->ssl, r) == SSL_ERROR_WANT_READ ? ERR_OK : judge(t);
}

static enum err unseal(struct tls *t, struct buf *plain) {
    while (!t->ended) {
        uint8_t *to = buf_reserve(plain, RECORD);
        if (!to) {
            return fail(t, ERR_NOMEM, "no memory for TLS");
        }
        size_t n = 0;
        ERR_clear_error();
        if (SSL_read_ex(t->ssl, to, RECORD, &n) == 1) {
            buf_commit(plain, n);
            continue;
        }
        switch (SSL_get_error(t->ssl, 0)) {
        case SSL_ERROR_WANT_READ:
            return ERR_OK;
        case SSL_ERROR_ZERO_RETURN:
            t->ended = true;
            break;
        default:
            return judge(t);
        }
    }
    return ERR_OK;
}

enum err tls_read(struct tls *t, slice cipher, struct buf *plain) {
    if (t->err || t->ended || !cipher.n) {
        return t->err;
    }
    if (!t->ssl && !begin(t)) {
        return fail(t, ERR_NOMEM, "no memory for TLS");
    }
    t->in = cipher;
    enum err e = t->ready ? ERR_OK : shake(t);
    if (!e && t->ready) {
        e = unseal(t, plain);
    }
    must(e || t->ended || !t->in.n); /* OpenSSL asks until there is no more */
    t->in = (slice){0};
    return e;
}

/* Where in a list of pieces. */
struct cursor {
    const struct iovec *piece;
    size_t count;
    size_t at; /* in the first piece */
};

static slice cursor_rest(struct cursor *c) {
    while (c->count && c->at == c->piece->iov_len) {
        c->piece++;
        c->count--;
        c->at = 0;
    }
    if (!c->count) {
        return (slice){0};
    }
    return slice_of((const uint8_t *)c->piece->iov_base + c->at, c->piece->iov_len - c->at);
}

/* The next record's worth: from where it lies if that is one piece, else gathered. Empty at the
 * end.
 */
static slice next_record(struct tls_context *x, struct cursor *c) {
    slice s = cursor_rest(c);
    if (s.n >= RECORD || c->count <= 1) {
        s.n = s.n < RECORD ? s.n : RECORD;
        c->at += s.n;
        return s;
    }
    size_t n = 0;
    while (s.n && n < RECORD) {
        size_t part = s.n < RECORD - n ? s.n : RECORD - n;
        memcpy(x->record + n, s.p, part);
        n += part;
        c->at += part;
        s = cursor_rest(c);
    }
    return slice_of(x->record, n);
}

enum err tls_write(struct tls *t, const struct iovec *pieces, size_t count, size_t *ret_taken) {
    struct cursor c = {pieces, count, 0};
    *ret_taken = 0;
    if (t->err || !t->ready || t->closed) {
        return t->err;
    }
    while (owed(t) < CAPS_TLS_OUT_BYTES) {
        slice s = next_record(t->context, &c);
        size_t n = 0;
        if (!s.n) {
            break;
        }
        ERR_clear_error();
        if (SSL_write_ex(t->ssl, s.p, s.n, &n) != 1) {
            return judge(t);
        }
        must(n == s.n);
        *ret_taken += n;
    }
    return ERR_OK;
}

void tls_close(struct tls *t) {
    if (t->ready && !t->closed && !t->err) {
        ERR_clear_error();
        (void)SSL_shutdown(t->ssl); /* it cannot fail but for memory, and then nothing is said */
        ERR_clear_error();
    }
    t->closed = true;
}

slice tls_out(struct tls *t) {
    if (t->left == t->leaving.n && t->out.n) {
        buf_fini(&t->leaving);
        t->leaving = t->out;
        t->out = (struct buf){0};
        t->left = 0;
    }
    if (t->left == t->leaving.n) {
        return (slice){0};
    }
    return slice_of(t->leaving.p + t->left, t->leaving.n - t->left);
}

void tls_sent(struct tls *t, size_t n) {
    must(n <= t->leaving.n - t->left);
    t->left += n;
    if (t->left == t->leaving.n) {
        buf_fini(&t->leaving);
        t->left = 0;
    }
}

bool tls_owes(const struct tls *t) {
    return owed(t) > 0;
}

bool tls_ready(const struct tls *t) {
    return t->ready;
}

bool tls_ended(const struct tls *t) {
    return t->ended;
}

const char *tls_detail(const struct tls *t) {
    return t->detail;
}

const char *tls_version(const struct tls *t) {
    return t->ssl ? SSL_get_version(t->ssl) : "";
}

bool tls_resumed(const struct tls *t) {
    return t->ssl && SSL_session_reused(t->ssl) == 1;
}
