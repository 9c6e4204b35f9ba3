/* driver_read.h: the commands of driver.c that read.
 *
 *     read:   u8 what | arguments
 *     root:   u8 kind (enum yata_type_kind) | u32 n | name
 *     answer: (u32 n | text)...
 */
#ifndef YATA_DRIVER_READ_H
#define YATA_DRIVER_READ_H

#include "yata.h"

/* Reads, and leaves the answer in `ret`. A command that is too short ends the program. */
enum yata_status driver_read(struct yata_doc *, const uint8_t *p, size_t n, struct yata_bytes *ret);

#endif
