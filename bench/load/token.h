/* token.h: tokens for users: HS256, good for an hour, for all rooms.
 *
 * Thread: any.
 */
#ifndef LOAD_TOKEN_H
#define LOAD_TOKEN_H

#include <stddef.h>

enum { TOKEN_MAX = 1024 };

/* Writes a token for a user, NUL-terminated. */
void token_mint(const char *secret, const char *user, char to[TOKEN_MAX]);

#endif
