/* grants.h: what claims allow in which rooms (PROTOCOL 5). The highest wins; none means none.
 *
 * Thread: any; immutable after grants_init. Embed only.
 */
#ifndef ACCESS_GRANTS_H
#define ACCESS_GRANTS_H

#include <jansson.h>

#include "base/slice.h"
#include "wire/event.h"

struct grant;

struct grants {
    struct grant *rows;
    size_t count;
    size_t room; /* rows allocated */
};

/* Reads `rooms`, `scope`, `permissions` and `roles`. What is of a wrong type or an unknown word
 * grants nothing. */
void grants_init(struct grants *, const json_t *claims, const char *workspace);
/* Safe on zeroed memory. */
void grants_fini(struct grants *);
enum role grants_role(const struct grants *, slice room_id);
/* The role in all rooms alike. */
enum role grants_everywhere(const struct grants *);

/* "read", "write", "admin" or "none"; false for another word. */
bool role_find(slice name, enum role *ret);

#endif
