/* fold.h: a snapshot and the updates since then, made one. Thread: any. Pure. */
#ifndef STORE_FOLD_H
#define STORE_FOLD_H

#include "store/form.h"

struct buf;

/* The whole state as an update, V2, with what is still waiting for others in it. `before`: V2, may
 * be empty. `authors` (authors.h), unless NULL, learns what the rows say of who wrote them.
 * ERR_DAMAGED when one of them is no update. */
NODISCARD enum err fold(slice before, const struct store_row *rows, size_t count,
                        struct buf *authors, struct frame **ret, struct fault *);

#endif
