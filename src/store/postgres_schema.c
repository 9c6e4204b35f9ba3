/* postgres_schema.c: the tables, and how they come to be what this version expects. Several nodes
 * may begin at once: who is first holds a lock of the database's while it changes them. */
#include <stdio.h>
#include <stdlib.h>

#include "store/postgres.h"

/* "CLBD": the lock's number, and what the SQLite files have as their application id. */
enum { LOCK = 0x434c4244 };

/* Step i leads from version i to i + 1. Names have a prefix, as the database may hold more. Rooms
 * are compared byte by byte, whatever the database's collation. */
static const char *const steps[] = {
    "CREATE TABLE collab_journal(id bigint GENERATED ALWAYS AS IDENTITY, node uuid NOT NULL,"
    " number bigint NOT NULL, room_key bigint NOT NULL, room text COLLATE \"C\" NOT NULL,"
    " version bigint NOT NULL, epoch bigint NOT NULL, at_ms bigint NOT NULL,"
    " author bytea NOT NULL, payload bytea NOT NULL, sum bigint NOT NULL, UNIQUE(node, number));"
    "CREATE INDEX collab_journal_by_room ON collab_journal(room_key);"
    "CREATE TABLE collab_room(name text COLLATE \"C\" PRIMARY KEY, version bigint NOT NULL,"
    " epoch bigint NOT NULL, at_ms bigint NOT NULL, plain_bytes bigint NOT NULL,"
    " sum bigint NOT NULL, authors bytea NOT NULL, state bytea NOT NULL);"
    "ALTER TABLE collab_room ALTER state SET STORAGE EXTERNAL;" /* it is compressed already */
    "CREATE TABLE collab_version(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " room text COLLATE \"C\" NOT NULL, version bigint NOT NULL, at_ms bigint NOT NULL,"
    " automatic boolean NOT NULL, label bytea NOT NULL, plain_bytes bigint NOT NULL,"
    " sum bigint NOT NULL, state bytea NOT NULL, ticket bigint NOT NULL UNIQUE);"
    "CREATE INDEX collab_version_by_room ON collab_version(room, id);"
    "ALTER TABLE collab_version ALTER state SET STORAGE EXTERNAL;"
    "CREATE TABLE collab_lease(room text COLLATE \"C\" PRIMARY KEY, node uuid NOT NULL,"
    " fence bigint NOT NULL, expires timestamptz NOT NULL);"
    "CREATE SEQUENCE collab_fence;"
    "CREATE TABLE collab_node(node uuid PRIMARY KEY, lock bigint NOT NULL,"
    " since timestamptz NOT NULL);"
    "CREATE TABLE collab_life(only_row boolean PRIMARY KEY DEFAULT true CHECK(only_row),"
    " epoch bigint NOT NULL);"
    "INSERT INTO collab_life(epoch) VALUES(0);",
    "CREATE TABLE collab_duty(room text COLLATE \"C\" NOT NULL, what bigint NOT NULL,"
    " node uuid NOT NULL, since timestamptz NOT NULL, PRIMARY KEY(room, what));",
};

enum { NEWEST = sizeof steps / sizeof *steps };

static enum err read_version(struct pg *pg, unsigned *ret, struct fault *why) {
    PGresult *r = NULL;
    enum err e = pg_run(pg, "SELECT to_regclass('collab_schema')", &r, why);
    bool there = e == ERR_OK && !PQgetisnull(r, 0, 0);
    PQclear(r);
    r = NULL;
    if (e == ERR_OK && there) {
        e = pg_run(pg, "SELECT version FROM collab_schema", &r, why);
    }
    *ret = r && PQntuples(r) == 1 ? (unsigned)strtoul(PQgetvalue(r, 0, 0), NULL, 10) : 0;
    PQclear(r);
    return e;
}

static enum err take_steps(struct pg *pg, unsigned from, struct fault *why) {
    enum err e = ERR_OK;
    if (from == 0) {
        e = pg_run(pg,
                   "CREATE TABLE collab_schema(version integer NOT NULL);"
                   "INSERT INTO collab_schema VALUES(0)",
                   NULL, why);
    }
    for (unsigned i = from; e == ERR_OK && i < NEWEST; i++) {
        e = pg_run(pg, steps[i], NULL, why);
    }
    char sql[60];
    (void)snprintf(sql, sizeof sql, "UPDATE collab_schema SET version=%u", (unsigned)NEWEST);
    return e ? e : pg_run(pg, sql, NULL, why);
}

/* The lock is the session's, not the transaction's: only a transaction that begins after waiting
 * for it surely sees what the one before has made. After an error it goes with the connection. */
static enum err migrate(struct pg *pg, struct fault *why) {
    char sql[60];
    unsigned version = 0;
    (void)snprintf(sql, sizeof sql, "SELECT pg_advisory_lock(%d)", LOCK);
    enum err e = pg_run(pg, sql, NULL, why);
    e = e ? e : pg_run(pg, "BEGIN", NULL, why);
    e = e ? e : read_version(pg, &version, why); /* somebody else may have been faster */
    if (e == ERR_OK && version < NEWEST) {
        e = take_steps(pg, version, why);
    }
    e = e ? e : pg_run(pg, "COMMIT", NULL, why);
    (void)snprintf(sql, sizeof sql, "SELECT pg_advisory_unlock(%d)", LOCK);
    return e ? e : pg_run(pg, sql, NULL, why);
}

enum err pg_migrate(struct pg *pg, struct fault *why) {
    unsigned version = 0;
    enum err e = read_version(pg, &version, why);
    if (e == ERR_OK && version < NEWEST) {
        e = migrate(pg, why);
    } else if (e == ERR_OK && version > NEWEST) {
        (void)snprintf(why->text, sizeof why->text,
                       "its tables were made by a newer collabd (format %u, known here: %u)",
                       version, (unsigned)NEWEST);
        e = ERR_DAMAGED;
    }
    return e;
}
