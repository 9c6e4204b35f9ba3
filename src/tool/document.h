/* document.h: what is stored of a room as a document of libyata.
 *
 * Inside tool/ only. Thread: the caller's.
 */
#ifndef TOOL_DOCUMENT_H
#define TOOL_DOCUMENT_H

#include "base/err.h"
#include "base/slice.h"
#include "tool/link.h"
#include "yata.h"

/* An empty one, strict as the server's, and without limits: what was taken once is read again.
 * Never NULL. */
struct yata_doc *document_new(void);
/* Applies an update; an empty slice is none. ERR_DAMAGED with a sentence in `why`. */
enum err document_apply(struct yata_doc *, enum yata_format, slice update, char *why,
                        size_t why_bytes);
/* All that is stored of a room, with what was read of it in `ret`, if anything was; yata_doc_free
 * what comes back. NULL with a sentence in `why`. */
struct yata_doc *document_read(struct link *, slice room, struct stored_room *ret, char *why,
                               size_t why_bytes);

#endif
