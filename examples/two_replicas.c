/* two_replicas.c: a text document that two people edit at the same time.
 *
 *     cc two_replicas.c $(pkg-config --cflags --libs yata) -o two_replicas
 *
 * Each replica has a document of its own and may write while it is offline. When they meet, each
 * tells what it has (its state vector) and gets what it lacks (a difference); then both show the
 * same text, whoever was asked first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yata.h>

struct replica {
    const char *name;
    struct yata_doc *doc;
    struct yata_type text;
};

/* Errors of this program are all of one kind: it goes no further. */
static void check(enum yata_status status, const char *what) {
    if (status != YATA_OK) {
        (void)fprintf(stderr, "%s failed: status %d\n", what, (int)status);
        exit(1);
    }
}

/* Client ids must differ between all who write at the same time: real programs take 32 random
 * bits. */
static void open_replica(struct replica *r, const char *name, uint64_t client) {
    r->name = name;
    r->doc = yata_doc_new(NULL);
    check(r->doc ? YATA_OK : YATA_NOMEM, "making a document");
    check(yata_set_client(r->doc, client), "setting the client");
    check(yata_root(r->doc, "content", strlen("content"), &r->text), "naming the text");
}

/* The text as people see it. */
static void show(const struct replica *r) {
    struct yata_bytes text = {0};
    check(yata_text_string(r->doc, r->text, &text), "reading");
    (void)printf("%-6s %.*s\n", r->name, (int)text.n, (const char *)text.p);
    yata_bytes_fini(&text);
}

/* Brings `to` all that `from` has and `to` lacks. The two vectors of bytes are what would travel.
 */
static void pull(struct replica *to, struct replica *from) {
    struct yata_bytes vector = {0}, update = {0};
    check(yata_encode_state_vector(to->doc, &vector), "the state vector");
    check(yata_encode_state(from->doc, vector.p, vector.n, &update), "the difference");
    check(yata_apply(to->doc, update.p, update.n, NULL, NULL), "applying");
    (void)printf("%s to %s: %zu bytes\n", from->name, to->name, update.n);
    yata_bytes_fini(&vector);
    yata_bytes_fini(&update);
}

static void insert(struct replica *r, size_t index, const char *s) {
    check(yata_text_insert(r->doc, r->text, index, s, strlen(s), NULL), "inserting");
}

int main(void) {
    struct replica anna, ben;
    open_replica(&anna, "anna", 1);
    open_replica(&ben, "ben", 2);

    insert(&anna, 0, "Dear reader,");
    pull(&ben, &anna);
    show(&ben);

    /* Both offline: one changes a word, the other goes on writing. */
    check(yata_text_delete(anna.doc, anna.text, 5, 6), "deleting");
    insert(&anna, 5, "Ms. Lovelace");
    insert(&ben, 12, " this is a draft.");
    show(&anna);
    show(&ben);

    pull(&anna, &ben);
    pull(&ben, &anna);
    show(&anna);
    show(&ben);

    yata_doc_free(anna.doc);
    yata_doc_free(ben.doc);
    return 0;
}
