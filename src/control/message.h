/* message.h: what the tools and the server that has the store say to each other, as bytes.
 *
 * A frame is its length in four bytes, little-endian, then so many bytes: one for the kind, then
 * its fields: numbers in eight bytes, little-endian; texts and bytes after their length in four. A
 * tool asks; it gets any number of PROGRESS and then DONE, with the fields of what was asked, or
 * FAILED.
 *
 * Both ends are the same program; HELLO tells when they are not.
 *
 * Thread: any. Pure.
 */
#ifndef CONTROL_MESSAGE_H
#define CONTROL_MESSAGE_H

#include "base/buf.h"
#include "base/err.h"

#define CONTROL_VERSION 1

enum control_kind {
    /* tool -> server, and after the dash what DONE brings */
    CONTROL_HELLO = 'H', /* version - version, text: the program's */
    CONTROL_LIST = 'L',  /* number: 1 the shelf, 0 the journal; after - more, after, count, and of
                            each name, version, at_ms, rows, bytes */
    CONTROL_READ = 'R',  /* room - exists, version, snapshot (V2) or nothing, count, updates (V1) */
    CONTROL_VERSIONS = 'V', /* room: reads all of its versions - how many */
    CONTROL_FOLD = 'F',     /* room - */
    CONTROL_BRING = 'B',    /* room, update (V1) - 1 when it was news */
    CONTROL_BACKUP = 'C',   /* directory - */
    CONTROL_SHRINK = 'S',   /* - */
    CONTROL_CHECK = 'K',    /* - */
    /* server -> tool */
    CONTROL_PROGRESS = 'p', /* done, all */
    CONTROL_DONE = 'd',
    CONTROL_FAILED = 'f', /* enum err, text */
};

/* A request, taken apart. Slices point into the frame. */
struct control_request {
    enum control_kind kind;
    uint64_t number; /* HELLO, LIST */
    uint64_t after;  /* LIST */
    slice name;      /* the room or the directory */
    slice update;    /* BRING */
};

/* Reads one body. False when it is none. */
bool control_parse(slice body, struct control_request *ret);
/* Appends the request as a whole frame. */
void control_put(struct buf *, const struct control_request *);

/* A frame at the front of what has come: its body, and how many bytes to drop. False: not all of it
 * is here. *ret_wrong: it never will be, as it is longer than CAPS_CONTROL_BYTES or empty. */
bool control_frame(slice come, slice *ret_body, size_t *ret_bytes, bool *ret_wrong);
/* Around the fields of a frame: begin returns a mark for end. */
size_t control_begin(struct buf *, enum control_kind);
void control_end(struct buf *, size_t mark);

void control_put_number(struct buf *, uint64_t);
void control_put_bytes(struct buf *, slice);
/* False, with the slice untouched, when it is too short. */
bool control_take_number(slice *, uint64_t *ret);
bool control_take_bytes(slice *, slice *ret);

#endif
