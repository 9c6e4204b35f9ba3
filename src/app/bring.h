/* bring.h: an update brought in by the operator, as an edit of its room: who is there sees it, and
 * it lasts like any other.
 *
 * Thread: bring_update on the control thread, one at a time; bring_answered on any worker.
 */
#ifndef APP_BRING_H
#define APP_BRING_H

#include <stdatomic.h>

#include "gateway/gateway.h"

struct bring;

struct bring *bring_new(struct gateway *);
/* NULL is a no-op. No worker may run any more. */
void bring_free(struct bring *);
/* control_options.bring; ctx is a struct bring. */
enum err bring_update(void *ctx, slice room, slice update, const atomic_bool *stop, bool *ret_news,
                      char *why, size_t why_bytes);
/* gateway_ops.on_brought; ctx is a struct bring. */
void bring_answered(void *ctx, const struct msg *);

#endif
