/* sqlite.h: one SQLite file the way this store keeps it: write-ahead log, exactly one connection,
 * exclusive, every commit synced.
 *
 * One connection is not thrift: SQLite 3.7 to 3.51 can lose a write-ahead log that several
 * connections checkpoint; with one that cannot happen.
 *
 * A sync that has failed is never believed when it is repeated: Linux marks pages clean that it
 * could not write. So the file is closed and opened anew, and the first thing an opening does is
 * to write what it finds in the log once more, byte for byte, and sync that. What the database
 * holds is then on the disk, or the opening fails.
 *
 * Inside store/ only. Thread: one per file.
 */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include <sqlite3.h>

#include "store/form.h"

#define SQLITE_FILE_STATEMENTS 12

struct sqlite_schema {
    const char *file;         /* its name in the directory */
    unsigned page_bytes;      /* when it is made */
    const char *const *steps; /* step i leads from version i to i + 1 */
    unsigned step_count;
    const char *const *statements; /* prepared when it is opened */
    unsigned statement_count;
};

struct sqlite_file {
    sqlite3 *db;
    sqlite3_stmt *statements[SQLITE_FILE_STATEMENTS];
    unsigned statement_count;
    int log_pages;               /* in the write-ahead log, as of the last commit */
    struct sqlite3_backup *copy; /* under way; NULL: none */
    sqlite3 *copy_to;
};

/* Opens, makes or migrates it. */
enum err sqlite_file_open(struct sqlite_file *, const struct sqlite_schema *,
                          const struct form_where *, struct fault *);
/* `tidy`: the log may be folded into the file; after an error it must stay as it is. */
void sqlite_file_close(struct sqlite_file *, bool tidy);
/* Runs SQL that yields no rows. */
enum err sqlite_run(struct sqlite_file *, const char *sql, struct fault *);
/* Steps a statement that yields no rows, and resets it. */
enum err sqlite_do(struct sqlite_file *, sqlite3_stmt *, struct fault *);
/* Steps; *ret_row: there is a row to look at. When there is none the statement has been reset. */
enum err sqlite_next(struct sqlite_file *, sqlite3_stmt *, bool *ret_row, struct fault *);
/* What the last error was, in words and as ours. */
enum err sqlite_failed(struct sqlite_file *, struct fault *);
/* Folds the write-ahead log into the file when it has become long. */
void sqlite_rest(struct sqlite_file *);

/* ---- sqlite_tools.c ---- */

/* A chore other than a list; see form.h. */
enum err sqlite_chore(struct sqlite_file *, struct store_chore *, bool *ret_again, struct fault *);
/* Ends a copy where it is; no-op when there is none. */
void sqlite_copy_end(struct sqlite_file *);
/* Adds a room to a list. */
void sqlite_list_add(struct store_chore *, slice room, uint64_t version, uint64_t at_ms,
                     uint64_t rows, uint64_t bytes);

void sqlite_bind_text(sqlite3_stmt *, int at, slice);
void sqlite_bind_bytes(sqlite3_stmt *, int at, slice);
void sqlite_bind_number(sqlite3_stmt *, int at, uint64_t);
uint64_t sqlite_number(sqlite3_stmt *, int column);
slice sqlite_bytes(sqlite3_stmt *, int column);

#endif
