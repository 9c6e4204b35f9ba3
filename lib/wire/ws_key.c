#include "wire/ws.h"

#include <openssl/sha.h>

#include "base/base64.h"
#include "base/must.h"

enum { KEY_CHARS = 24, KEY_BYTES = 16 };

bool ws_key_valid(slice key) {
    uint8_t raw[KEY_CHARS];
    size_t n = 0;
    if (key.n != KEY_CHARS || !base64_decode(raw, key, &n)) {
        return false;
    }
    /* base64_decode also reads the URL alphabet, which the header may not use. */
    bool foreign = memchr(key.p, '-', key.n) || memchr(key.p, '_', key.n);
    return n == KEY_BYTES && !foreign;
}

void ws_accept_key(slice key, char to[WS_ACCEPT_BYTES]) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
    uint8_t text[KEY_CHARS + sizeof guid - 1];
    must(key.n == KEY_CHARS);
    memcpy(text, key.p, KEY_CHARS);
    memcpy(text + KEY_CHARS, guid, sizeof guid - 1);
    uint8_t digest[SHA_DIGEST_LENGTH];
    SHA1(text, sizeof text, digest);
    base64_encode(to, slice_of(digest, sizeof digest));
}
