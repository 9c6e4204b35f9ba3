/* thin.h: which versions of a room are kept as they age. The newest one always is. Of those that
 * somebody has named, the newest are kept for good, up to a number. Of all others, those of the
 * last hour, then the last one of each hour for a day, of each day for 30 days, of each week after
 * that, up to an age and a number. All of a room's versions together have a budget of bytes; what
 * is beyond it goes, the oldest first, named ones last.
 *
 * Hours, days and weeks are counted from 1970, so what is kept does not depend on when one looks.
 *
 * Thread: any. Pure.
 */
#ifndef STORE_THIN_H
#define STORE_THIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thin_rule {
    unsigned days;  /* nobody's are kept longer; 0: CAPS_VERSION_DAYS */
    unsigned named; /* so many are kept for good; 0: CAPS_VERSIONS_NAMED */
    size_t most;    /* of all; 0: CAPS_VERSIONS */
    size_t bytes;   /* of all, on the disk; 0: CAPS_VERSION_BYTES */
};

struct thin_version {
    uint64_t at_ms;
    size_t bytes;
    bool named;
    bool keep; /* the answer */
};

/* Decides for all versions of a room, newest first. */
void thin(const struct thin_rule *, uint64_t now_ms, struct thin_version *, size_t count);

#endif
