/* file.h: a file that may change while we run.
 *
 * Thread: one owner at a time. Embed only; file_fini is safe on zeroed memory.
 */
#ifndef ACCESS_FILE_H
#define ACCESS_FILE_H

#include <sys/stat.h>

#include "base/buf.h"

struct file {
    char *path;
    struct stat seen; /* when it was read last */
};

void file_init(struct file *, const char *path);
void file_fini(struct file *);
/* True when it looks different from when it was read last, or cannot be looked at. */
bool file_changed(const struct file *);
/* Reads it whole into `text`, which has its maximum. False with a sentence when there is no such
 * file, it is no regular file, or it is too large. Either way it counts as read. */
bool file_read(struct file *, struct buf *text, char *why, size_t why_bytes);

#endif
