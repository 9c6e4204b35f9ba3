/* awareness.c: who is there, as bytes.
 *
 * An awareness update is a list of client, clock and state, the state being JSON text or null for a
 * client that has gone (y-protocols 1.0.7 awareness.js). States are not parsed here.
 */
#include <stdlib.h>
#include <string.h>

#include "update.h"

#define ENTRY_BYTES_LEAST 3

static const char null_text[] = "null";

static bool fail_with(struct yatai_reader *r, struct yata_error *ret_error) {
    if (ret_error) {
        *ret_error = r->why;
    }
    return false;
}

static bool read_entry(struct yatai_reader *r, struct yata_presence *ret) {
    uint32_t n, units;
    if (!yatai_read_uint(r, &ret->client) || !yatai_read_uint(r, &ret->clock) ||
        !yatai_read_string(r, &ret->state, &n, &units)) {
        return false;
    }
    ret->state_bytes = n;
    if (n == sizeof null_text - 1 && memcmp(ret->state, null_text, n) == 0) {
        ret->state = NULL;
        ret->state_bytes = 0;
    }
    return true;
}

static bool start(struct yata_awareness_reader *a, struct yatai_reader *r) {
    const uint8_t *at = r->p;
    if (!yatai_read_uint(r, &a->left)) {
        return false;
    }
    if (a->left > (size_t)(r->end - r->p) / ENTRY_BYTES_LEAST) {
        return yatai_reader_fail(r, at,
                                 "awareness update says it has more than the bytes that follow");
    }
    a->started = true;
    return true;
}

enum yata_status yata_awareness_next(struct yata_awareness_reader *a, struct yata_presence *ret,
                                     bool *ret_more, struct yata_error *ret_error) {
    struct yatai_reader r = yatai_reader_on(a->p, a->n);
    struct yata_presence entry = {0};
    if (a->at > 0) {
        r.p += a->at;
    }
    if ((!a->started && !start(a, &r)) || (a->left > 0 && !read_entry(&r, &entry))) {
        (void)fail_with(&r, ret_error);
        return r.status;
    }
    *ret_more = a->left > 0;
    if (*ret_more) {
        *ret = entry;
        a->left--;
    }
    a->at = (size_t)(r.p - r.start);
    return YATA_OK;
}

bool yata_awareness_is_news(uint64_t known_clock, bool known_present,
                            const struct yata_presence *entry) {
    return entry->clock > known_clock ||
           (entry->clock == known_clock && !entry->state && known_present);
}

enum yata_status yata_awareness_encode(const struct yata_presence *entries, size_t n,
                                       struct yata_bytes *ret) {
    struct yatai_mem libc = yatai_mem_libc();
    struct yatai_out out = {.mem = &libc};
    yatai_out_uint(&out, n);
    for (size_t i = 0; i < n; i++) {
        yatai_out_uint(&out, entries[i].client);
        yatai_out_uint(&out, entries[i].clock);
        if (entries[i].state) {
            yatai_out_string(&out, entries[i].state, entries[i].state_bytes);
        } else {
            yatai_out_string(&out, null_text, sizeof null_text - 1);
        }
    }
    return yatai_out_give(&out, ret);
}

/* ---- merging -------------------------------------------------------------------------------- */

/* Entries in order of appearance, found by client through a hash table of indexes plus one. */
struct merger {
    struct yatai_mem mem;
    YATAI_VEC(struct yata_presence) entries;
    YATAI_VEC(size_t) table; /* a power of two */
};

static size_t *find_cell(struct merger *m, uint64_t client) {
    size_t mask = m->table.cap - 1;
    size_t i = (size_t)((client * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & mask;
    while (m->table.v[i] != 0 && m->entries.v[m->table.v[i] - 1].client != client) {
        i = (i + 1) & mask;
    }
    return &m->table.v[i];
}

static bool grow_table(struct merger *m) {
    size_t cap = m->table.cap == 0 ? 16 : m->table.cap * 2;
    size_t *v = calloc(cap, sizeof *v);
    if (!v) {
        return false;
    }
    free(m->table.v);
    m->table.v = v;
    m->table.cap = cap;
    for (size_t i = 0; i < m->entries.n; i++) {
        *find_cell(m, m->entries.v[i].client) = i + 1;
    }
    return true;
}

static bool add_entry(struct merger *m, const struct yata_presence *entry) {
    if (m->entries.n + 1 > m->table.cap / 2 && !grow_table(m)) {
        return false;
    }
    size_t *cell = find_cell(m, entry->client);
    if (*cell == 0) {
        if (!YATAI_PUSH(&m->mem, &m->entries, *entry)) {
            return false;
        }
        *cell = m->entries.n;
        return true;
    }
    struct yata_presence *known = &m->entries.v[*cell - 1];
    if (yata_awareness_is_news(known->clock, known->state != NULL, entry)) {
        *known = *entry;
    }
    return true;
}

static enum yata_status add_update(struct merger *m, const uint8_t *p, size_t n,
                                   struct yata_error *ret_error) {
    struct yata_awareness_reader reader = {.p = p, .n = n};
    for (;;) {
        struct yata_presence entry;
        bool more = false;
        enum yata_status status = yata_awareness_next(&reader, &entry, &more, ret_error);
        if (status != YATA_OK || !more) {
            return status;
        }
        if (!add_entry(m, &entry)) {
            return YATA_NOMEM;
        }
    }
}

enum yata_status yata_awareness_merge(const uint8_t *a, size_t a_bytes, const uint8_t *b,
                                      size_t b_bytes, struct yata_bytes *ret,
                                      struct yata_error *ret_error) {
    struct merger m = {.mem = yatai_mem_libc()};
    enum yata_status status = add_update(&m, a, a_bytes, ret_error);
    if (status == YATA_OK) {
        status = add_update(&m, b, b_bytes, ret_error);
    }
    if (status == YATA_OK) {
        status = yata_awareness_encode(m.entries.v, m.entries.n, ret);
    }
    free(m.table.v);
    YATAI_VEC_FREE(&m.mem, &m.entries);
    return status;
}
