/* driver_write.h: the commands of driver.c that write.
 *
 *     write:   u8 what | type | arguments
 *     type:    u8 0 | u32 n | name of a root       or  u8 1 | u64 client | u32 clock of its struct
 *     value:   u8 kind (enum yata_value_kind) | u8, u64, or u32 n and bytes
 *     attributes: u8 given | u32 count | (u32 n | key | value)...
 */
#ifndef YATA_DRIVER_WRITE_H
#define YATA_DRIVER_WRITE_H

#include "yata.h"

/* Makes one edit. A command that is too short ends the program. */
enum yata_status driver_write(struct yata_doc *, const uint8_t *p, size_t n);

#endif
