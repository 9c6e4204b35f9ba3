/* writer.h: what one user types: a text of its own in the map "notes", and, if it holds the whole
 * document, also anywhere in the text "page" that all such users share.
 *
 * Edits are real: libyata makes them in a document. Users without one of their own share the
 * room's; there each only touches what it wrote itself, so that its updates never need anything
 * that the server cannot have.
 *
 * Texts stay at a few hundred characters: somebody who has written much replaces some of it.
 *
 * Thread: that of the document.
 */
#ifndef LOAD_WRITER_H
#define LOAD_WRITER_H

#include "random.h"
#include "yata.h"

struct writer {
    uint64_t client; /* whose edits these are */
    char key[16];    /* of its text */
    bool begun;      /* the text is there */
    struct yata_type text;
    uint64_t cursor;
};

struct writing {
    bool anywhere;  /* also in the shared text */
    uint64_t paste; /* percent of the edits that are a page of text */
};

/* One edit, and its update (yata_bytes_fini); each inserts something. */
void writer_edit(struct writer *, struct yata_doc *, const struct writing *, struct dice *,
                 struct yata_bytes *ret);

/* Whether two documents hold the same: state vectors, deletions, and what is read in them. */
bool writer_same(struct yata_doc *a, struct yata_doc *b);

#endif
