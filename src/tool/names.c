#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tool/commands.h"
#include "tool/progress.h"

static void add(struct names *n, const struct store_listed *room) {
    if (!(n->count & (n->count - 1))) { /* grows at powers of two */
        size_t cap = n->count ? n->count * 2 : 1;
        n->rooms = mem_resize(n->rooms, cap * sizeof *n->rooms);
    }
    n->rooms[n->count++] = *room;
}

/* Adds what is in one of the files, and takes the names. */
static enum err add_file(struct link *l, bool shelf, struct names *n) {
    struct store_chore page = {.kind = CHORE_LIST, .on_shelf = shelf};
    enum err e = ERR_OK;
    do {
        e = link_list(l, &page);
        for (size_t i = 0; i < page.count; i++) {
            add(n, &page.rooms[i]);
        }
        mem_free(page.rooms);
        page.rooms = NULL;
        page.count = 0;
        progress("%zu rooms found", n->count);
    } while (e == ERR_OK && page.more);
    return e;
}

static int by_name(const void *a, const void *b) {
    slice x = frame_slice(((const struct store_listed *)a)->room);
    slice y = frame_slice(((const struct store_listed *)b)->room);
    size_t both = x.n < y.n ? x.n : y.n;
    int d = both ? memcmp(x.p, y.p, both) : 0;
    return d ? d : (x.n > y.n) - (x.n < y.n);
}

/* One entry for each name. */
static void unite(struct names *n) {
    size_t kept = 0;
    if (n->count > 1) {
        qsort(n->rooms, n->count, sizeof *n->rooms, by_name);
    }
    for (size_t i = 0; i < n->count; i++) {
        struct store_listed *one = &n->rooms[i];
        struct store_listed *last = kept ? &n->rooms[kept - 1] : NULL;
        if (!last || by_name(last, one) != 0) {
            n->rooms[kept++] = *one;
            continue;
        }
        last->version = one->version > last->version ? one->version : last->version;
        last->at_ms = one->at_ms > last->at_ms ? one->at_ms : last->at_ms;
        last->rows += one->rows;
        last->bytes += one->bytes;
        frame_unref(one->room);
    }
    n->count = kept;
}

enum err names_get(struct link *l, const struct args *args, unsigned from, struct names *ret) {
    *ret = (struct names){0};
    for (unsigned i = from; i < args->count; i++) {
        add(ret, &(struct store_listed){.room = frame_copy(slice_str(args->names[i]))});
    }
    enum err e = ERR_OK;
    if (args->count <= from) {
        e = add_file(l, false, ret); /* first: what is folded meanwhile is in both then */
        e = e ? e : add_file(l, true, ret);
    }
    progress_end();
    unite(ret);
    if (e != ERR_OK) {
        complain("the rooms cannot be listed: %s", link_why(l));
    }
    return e;
}

void names_fini(struct names *n) {
    for (size_t i = 0; i < n->count; i++) {
        frame_unref(n->rooms[i].room);
    }
    mem_free(n->rooms);
    *n = (struct names){0};
}
