/* columns.h: an update of format V2 on its way out.
 *
 * Thread: that of the owner. Memory: the columns own theirs; a failed growth is remembered by the
 * output it is copied to at the end.
 */
#ifndef YATA_COLUMNS_H
#define YATA_COLUMNS_H

#include "update.h"

/* A run-length encoded column: its runs so far, and the one that is open. Embed only. */
struct yatai_column {
    struct yatai_out out;
    uint64_t value;
    uint64_t count;
    int64_t step;
};

/* Embed only. */
struct yatai_columns {
    struct yatai_column key_clock, client, left_clock, right_clock, info, parent_info, type_ref,
        len;
    struct yatai_column string_len;
    struct yatai_out text;
    struct yatai_out rest; /* what follows the columns; the caller writes counts and clocks to it */
    uint32_t keys;
};

void yatai_columns_init(struct yatai_columns *, struct yatai_mem *);
/* The client of a section. */
void yatai_columns_client(struct yatai_columns *, uint64_t client);
/* A struct from `skip` units on. */
void yatai_columns_ref(struct yatai_columns *, const struct yatai_ref *, uint64_t client,
                       uint32_t skip);
/* Writes the columns, without the rest, and releases them; the rest stays. */
void yatai_columns_finish(struct yatai_columns *, struct yatai_out *);

#endif
