/* token.c: any bytes as a token, against one key of each kind. Bytes with a line feed are a header
 * and claims, which are signed here with the secret, so that what stands behind the signature is
 * reached too. Promised: an identity, or a sentence; and nobody gets in by an algorithm that is not
 * the secret's. */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "access/check.h"
#include "access/json.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECRET "0123456789abcdef0123456789abcdef"
#define NOW    1700000000u

/* The public keys of RFC 7515 A.2 and A.3 and RFC 8037 A.2. */
static const char key_set[] =
    "{\"keys\":[{\"kid\":\"rsa\",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb"
    "4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs"
    "D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UT"
    "o7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9"
    "iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"},"
    "{\"kid\":\"ec\",\"kty\":\"EC\",\"crv\":\"P-256\","
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
    "{\"kid\":\"ed\",\"kty\":\"OKP\",\"crv\":\"Ed25519\","
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

static void put_base64url(struct buf *b, slice s) {
    uint8_t *to = buf_reserve(b, s.n * 2 + 8);
    must(to);
    buf_commit(b, base64url_encode((char *)to, s));
}

static void sign(struct buf *b, slice header, slice claims) {
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    put_base64url(b, header);
    buf_put_u8(b, '.');
    put_base64url(b, claims);
    must(HMAC(EVP_sha256(), SECRET, (int)strlen(SECRET), b->p, b->n, mac, &n));
    buf_put_u8(b, '.');
    put_base64url(b, slice_of(mac, n));
}

static void check(const struct checker *c, const struct keyset *set, slice token) {
    struct access_answer answer;
    enum check_result result = check_token(c, token, set, NOW, &answer);
    if (answer.err != ERR_OK) {
        must(!answer.identity && answer.detail && answer.role == ROLE_NONE);
        return;
    }
    must(result == CHECK_ANSWERED && answer.identity && !answer.detail);
    struct jwt t;
    must(!jwt_parse(token, &t) && t.alg == ALG_HS256 && token.n <= ACCESS_TOKEN_BYTES);
    must(answer.identity->expires_s + c->rules.leeway_s > NOW);
    (void)identity_unref(answer.identity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct checker checker = {.has_public = true, .rules = {.leeway_s = 30}};
    static struct keyset *set;
    if (!set) {
        char why[256];
        set = keyset_parse(slice_str(key_set), why, sizeof why);
        checker.secret = key_new_secret(slice_str(SECRET));
        must(set && set->count == 3);
    }
    const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
    if (!line) {
        check(&checker, set, slice_of(data, size));
        return 0;
    }
    struct buf token = {0};
    size_t n = (size_t)(line - data);
    sign(&token, slice_of(data, n), slice_of(line + 1, size - n - 1));
    check(&checker, set, buf_slice(&token));
    buf_fini(&token);
    return 0;
}
