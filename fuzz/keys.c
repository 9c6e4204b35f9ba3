/* keys.c: any bytes as the key set that JWKS_URL answers. Promised: a set, or a sentence; what is
 * in a set verifies by the algorithms of its own type only, is no secret, and has no private part.
 */
#include "access/json.h"
#include "access/keys.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct key *k) {
    static const char *const private[] = {"d", "p", "q", "dp", "dq", "qi", "k"};
    static const bool fits[][4] = {
        /* by kind: RS256 and PS256, ES256, EdDSA, HS256 */
        [KEY_RSA] = {true, false, false, false},
        [KEY_P256] = {false, true, false, false},
        [KEY_ED25519] = {false, false, true, false},
    };
    must(k->kind != KEY_SECRET && (k->jwk != NULL) != (k->pkey != NULL));
    for (size_t i = 0; i < sizeof private / sizeof *private; i++) {
        must(!json_object_get(k->jwk, private[i]));
    }
    must(!key_may_verify(k, ALG_HS256) && !key_may_verify(k, ALG_UNKNOWN));
    must(!key_may_verify(k, ALG_RS256) || fits[k->kind][0]);
    must(!key_may_verify(k, ALG_PS256) || fits[k->kind][0]);
    must(!key_may_verify(k, ALG_ES256) || fits[k->kind][1]);
    must(!key_may_verify(k, ALG_EDDSA) || fits[k->kind][2]);
    must(!k->kid || strlen(k->kid) <= ACCESS_KID_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char why[160] = "";
    struct keyset *set = keyset_parse(slice_of(data, size), why, sizeof why);
    must((set == NULL) == (why[0] != 0));
    if (set) {
        must(set->count >= 1 && set->count + set->skipped <= ACCESS_JWKS_KEYS);
        for (size_t i = 0; i < set->count; i++) {
            look_at(&set->keys[i]);
        }
        (void)keyset_unref(set);
    }
    return 0;
}
