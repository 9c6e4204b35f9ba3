/* object.h: values as a Yjs client holds them: JavaScript's order of keys, and its equality.
 *
 * A writer's values go through JavaScript on their way into an update, and that shows in the bytes:
 * keys that are array indexes come first, a key given twice keeps its first place and its last
 * value, numbers take their shortest form. Values here are lib0's `any` or JSON text; "plain" ones
 * are `any` in the form that a Yjs client writes.
 *
 * Thread: any, pure.
 */
#ifndef YATA_OBJECT_H
#define YATA_OBJECT_H

#include "update.h"

/* A value of an embed or a format: `any`, or else JSON text. */
struct yatai_val {
    const uint8_t *p;
    uint32_t n;
    bool any;
};

/* Whether the key is an array index (0 to 2^32 - 2, written as numbers are), and which. */
bool yatai_key_index(const uint8_t *p, size_t n, uint32_t *ret);
/* Writes a checked `any` as a plain one; returns its end. */
const uint8_t *yatai_plain_any(struct yatai_out *, const uint8_t *p, const uint8_t *end);
/* Writes a value as plain `any`. */
void yatai_plain_value(struct yatai_out *, const struct yatai_val *);
/* Writes a caller's value as plain `any`. YATA_MALFORMED: bad UTF-8, JSON or `any`; YATA_LIMIT: it
 * nests too deep; YATA_RANGE: it is a shared type or a subdocument. That memory was out is left to
 * the output. */
enum yata_status yatai_plain_given(struct yatai_out *, const struct yata_value *, size_t max_depth);
/* Whether two plain values are equal: for scalars that is ===, for objects and arrays that they
 * have the same keys and at each of them equal scalars (yjs: equalAttrs of YText.js). `flat` false:
 * only scalars are ever equal. */
bool yatai_plain_equal(const struct yatai_out *a, const struct yatai_out *b, bool flat);

#endif
