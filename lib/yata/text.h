/* text.h: text in UTF-8, measured in UTF-16 code units.
 *
 * Text at rest is UTF-8, except that YATAI_TEXT_SUBST stands for one U+FFFD: cutting a surrogate
 * pair turns the four bytes of the character into two such bytes in place, without moving anything.
 * YATAI_TEXT_FREE never occurs in text; it marks room behind text that may grow.
 *
 * Thread: any, pure.
 */
#ifndef YATA_TEXT_H
#define YATA_TEXT_H

#include "mem.h"

#define YATAI_TEXT_SUBST 0xff
#define YATAI_TEXT_FREE  0xfe

/* NULL when the bytes are UTF-8, with *ret_units its length; else the first byte that is not. */
const uint8_t *yatai_text_check(const uint8_t *p, size_t n, uint32_t *ret_units);

/* The byte offset of code unit `units`; *ret_inside tells that it is the second half of the
 * character (four bytes) at that offset. */
size_t yatai_text_offset(const uint8_t *p, size_t n, uint32_t units, bool *ret_inside);

/* The same for text of which the length `len` in code units is known, from the nearer end. */
size_t yatai_text_offset_in(const uint8_t *p, size_t n, uint32_t len, uint32_t units,
                            bool *ret_inside);

/* The number of YATAI_TEXT_SUBST bytes. */
size_t yatai_text_substs(const uint8_t *p, size_t n);

#endif
