/* value.h: the two notations of values, JSON text (V1) and lib0's `any` (V2), made into each other.
 *
 * Thread: any, pure.
 */
#ifndef YATA_VALUE_H
#define YATA_VALUE_H

#include "update.h"

/* Writes a checked `any` as JSON text, as JSON.stringify does; returns its end. What JSON has no
 * word for becomes null. */
const uint8_t *yatai_any_to_json(struct yatai_out *, const uint8_t *p, const uint8_t *end);
/* Writes checked JSON text as `any`, as lib0 encodes what JSON.parse makes of it. */
void yatai_json_to_any(struct yatai_out *, const uint8_t *p, size_t n);
/* Writes a number as lib0 does. */
void yatai_number_to_any(struct yatai_out *, double);
/* Reads one; returns its end. */
const uint8_t *yatai_any_number(const uint8_t *p, double *ret);
/* Writes text as the inside of a JSON string. */
void yatai_text_to_json(struct yatai_out *, const uint8_t *p, size_t n);
/* Writes a number in decimal, or null. */
void yatai_number_to_json(struct yatai_out *, double);

#endif
