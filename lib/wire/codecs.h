/* codecs.h: what the dialects of this folder share with each other. Nobody outside includes it.
 *
 * Thread: any. Pure.
 */
#ifndef WIRE_CODECS_H
#define WIRE_CODECS_H

#include "wire/dialect.h"

extern const struct dialect dialect_jsonrpc;
extern const struct dialect dialect_binary;
extern const struct dialect dialect_mux;
extern const struct dialect dialect_plainjson;

/* jsonrpc.c: one text message. */
void jsonrpc_decode(const struct decode_caps *, struct arena *, slice message,
                    const struct intent_sink *);

/* jsonrpc_out.c. The id of a request that had none that could be read is the text "null". */
enum wire_kind jsonrpc_encode_event(const struct event *, struct buf *);
size_t jsonrpc_stamp(const struct event *, uint64_t seq, uint8_t to[STAMP_MAX]);
enum wire_kind jsonrpc_encode_reply(const struct reply *, struct buf *);

/* The inside of an error's data object, after {"detail": */
void jsonrpc_put_error_data(const struct reply *, struct buf *);

/* The cap on op's payload. */
size_t caps_payload_bytes(const struct decode_caps *, enum op);
/* Marks the intent as refused because of its size. `what` names the field in the detail. */
void intent_too_large(struct arena *, struct intent *, const char *what, size_t size, size_t limit);
/* Marks the intent as bad. */
void intent_fail(struct intent *, enum err, const char *detail);

#endif
