/* revocations.c: any bytes as a revocation list. Promised: it is taken whole or, with a sentence,
 * not at all; and it holds who is named by a line of it, and nobody else. */

#include <string.h>

#include "access/claims.h"
#include "access/json.h"
#include "access/revoke.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether a line, without what is blank around it, is this word: slow, and clear. */
static bool says(slice text, const char *word) {
    for (size_t i = 0; i < text.n;) {
        const uint8_t *end = memchr(text.p + i, '\n', text.n - i);
        size_t to = end ? (size_t)(end - text.p) : text.n;
        size_t from = i;
        i = to + 1;
        while (to > from && strchr(" \t\r", text.p[to - 1]) && text.p[to - 1]) {
            to--;
        }
        while (from < to && strchr(" \t\r", text.p[from]) && text.p[from]) {
            from++;
        }
        if (slice_is(slice_of(text.p + from, to - from), word)) {
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct identity *ann;
    if (!ann) {
        const char *why = NULL;
        json_t *claims = json_strict_object(
            slice_str("{\"sub\":\"ann\",\"jti\":\"t1\",\"sessionId\":\"s1\",\"exp\":1700000000}"));
        ann = claims_identity(claims, 1600000000, &why);
        must(ann);
        json_decref(claims);
    }
    struct revocations *r = revocations_new();
    char why[160] = "";
    slice text = slice_of(data, size);
    bool ok = revocations_load(r, text, why, sizeof why);
    must(ok == !why[0]);
    bool named = says(text, "sub:ann") || says(text, "jti:t1") || says(text, "sid:s1");
    must(revocations_hit(r, ann) == (ok && named));
    revocations_add(r, "sub", slice_str("ann"));
    must(revocations_hit(r, ann));
    revocations_free(r);
    return 0;
}
