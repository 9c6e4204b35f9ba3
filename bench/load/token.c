#include "token.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/must.h"

/* Appends in the URL alphabet without padding; returns where it ends. */
static size_t put(char to[TOKEN_MAX], size_t at, slice s) {
    must(at + base64_encoded_len(s.n) < TOKEN_MAX);
    base64_encode(to + at, s);
    size_t end = at + base64_encoded_len(s.n);
    while (end > at && to[end - 1] == '=') {
        end--;
    }
    for (size_t i = at; i < end; i++) {
        to[i] = to[i] == '+' ? '-' : to[i] == '/' ? '_' : to[i];
    }
    to[end] = '\0';
    return end;
}

void token_mint(const char *secret, const char *user, char to[TOKEN_MAX]) {
    char claims[512];
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_bytes = 0;
    int n = snprintf(claims, sizeof claims,
                     "{\"sub\":\"%s\",\"name\":\"%s\",\"exp\":%llu,\"rooms\":{\"*\":\"write\"}}",
                     user, user, (unsigned long long)clock_wall_ms() / 1000 + 3600);
    must(n > 0 && (size_t)n < sizeof claims);
    size_t end = put(to, 0, slice_str("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"));
    to[end++] = '.';
    end = put(to, end, slice_of(claims, (size_t)n));
    must(
        HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)to, end, mac, &mac_bytes));
    to[end++] = '.';
    (void)put(to, end, slice_of(mac, mac_bytes));
}
