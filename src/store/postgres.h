/* postgres.h: one connection to PostgreSQL the way this store uses it: never blocked without a
 * deadline, every write one transaction in one round trip (pipeline mode), results in binary.
 *
 * A write is done when the server has answered COMMIT to its COMMIT, without a warning: it gives
 * one when somebody has told it to stop waiting for a standby. A connection that is lost before
 * leaves it open whether that happened, so every statement that writes can be sent again, by
 * another connection, with no second effect; and writes something then, too, so that its commit
 * waits for standbys even if the first one did not.
 *
 * A server that has come to take no writes (read-only, SQLSTATE 25006) is not read from either, as
 * another has taken over.
 *
 * After ERR_STORE the connection is of no more use: close it, and open another.
 *
 * Inside store/ only. Thread: one per connection. Source: PostgreSQL 15, "libpq - C Library".
 */
#ifndef STORE_POSTGRES_H
#define STORE_POSTGRES_H

#include <libpq-fe.h>

#include "base/buf.h"
#include "store/form.h"

#define PG_PARAMS 16

struct pg {
    PGconn *c;
    bool unsafe;       /* the server does not sync: fsync=off */
    bool warned;       /* it has, since the last result */
    uint64_t clock_ms; /* its clock when this was opened, milliseconds since 1970 */
};

/* Connects, brings the schema up to date, prepares the statements; statement i is known by i. */
enum err pg_open(struct pg *, const struct form_where *, const char *const *statements,
                 unsigned count, struct fault *);
/* Safe on zeroed memory. */
void pg_close(struct pg *);

/* ---- parameters ---- */

/* All binary, in order. What they point to stays until the statement has run. Embed only. */
struct pg_params {
    unsigned count;
    uint64_t numbers[PG_PARAMS]; /* big-endian */
    const char *values[PG_PARAMS];
    int lengths[PG_PARAMS];
};

void pg_put_number(struct pg_params *, uint64_t); /* bigint */
void pg_put_bytes(struct pg_params *, slice);     /* bytea, text, uuid */

/* One array parameter, element by element; ERR_NOMEM shows as `failed` of the buf. */
struct pg_array {
    struct buf b;
    uint32_t count;
};

enum pg_type { PG_BYTEA = 17, PG_INT8 = 20, PG_TEXT = 25 }; /* pg_type.dat */

void pg_array_init(struct pg_array *, enum pg_type);
void pg_array_fini(struct pg_array *);
void pg_array_number(struct pg_array *, uint64_t);
void pg_array_bytes(struct pg_array *, slice);
/* Ends the array. */
void pg_put_array(struct pg_params *, struct pg_array *);

/* ---- statements ---- */

/* Runs a statement; *ret is its result, for the caller to PQclear. */
enum err pg_read(struct pg *, unsigned statement, const struct pg_params *, PGresult **ret,
                 struct fault *);
/* The same in a transaction of its own, which has been committed when it returns. One that the
 * server gave up for another's sake (SQLSTATE 40xxx) is run again. `ret` may be NULL. */
enum err pg_write(struct pg *, unsigned statement, const struct pg_params *, PGresult **ret,
                  struct fault *);
/* Is the other side there? One round trip. */
enum err pg_ping(struct pg *, struct fault *);

uint64_t pg_number(const PGresult *, int row, int column);
slice pg_bytes(const PGresult *, int row, int column);

/* ---- for postgres.c alone ---- */

/* Runs SQL without parameters, outside of pipeline mode. `ret` may be NULL. */
enum err pg_run(struct pg *, const char *sql, PGresult **ret, struct fault *);
/* Connects to the first of the URL's servers that takes writes. */
enum err pg_connect(struct pg *, const struct form_where *, struct fault *);
/* ERR_STORE, with what libpq says about the connection. */
enum err pg_lost(struct pg *, struct fault *);
/* Makes the tables, or brings them up to date. */
enum err pg_migrate(struct pg *, struct fault *);

#endif
