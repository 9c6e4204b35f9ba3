/* claims.c: any bytes as the claims of a token that holds. Promised: an identity, or a sentence;
 * its names are bounded, its presence is JSON, and a wsToken has rights in its own room only. */
#include "access/claims.h"
#include "access/json.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1700000000u

static const char *const rooms[] = {"kn:42", "ws:acme/42", "ws:other/42", "kn:*", "a", ""};

static void look_at(const struct identity *id) {
    must(strlen(identity_user(id)) - 1 < 200 && strlen(identity_session(id)) <= 200);
    must(strlen(identity_workspace(id)) <= 200);
    json_t *presence = json_strict_object(identity_presence(id));
    must(presence && json_text(presence, "id"));
    json_decref(presence);
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        enum role role = identity_role(id, slice_str(rooms[i]));
        must(role >= ROLE_NONE && role <= ROLE_ADMIN && (role == ROLE_NONE || rooms[i][0]));
        must(role == ROLE_NONE || identity_may_name(id, slice_str(rooms[i])));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_t *claims = json_strict_object(slice_of(data, size));
    if (!claims) {
        return 0;
    }
    const struct claim_rules rules = {
        .issuer = "https://id.example", .audience = "collab", .leeway_s = 30};
    (void)claims_check(claims, &rules, NOW);
    const char *why = NULL;
    struct identity *id = claims_identity(claims, NOW, &why);
    must((id == NULL) == (why != NULL));
    if (id) {
        look_at(id);
        (void)identity_unref(id);
    }
    json_decref(claims);
    return 0;
}
