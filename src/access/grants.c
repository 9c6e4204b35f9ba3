#include "access/grants.h"

#include <stdarg.h>
#include <stdio.h>

#include "access/bounds.h"
#include "base/alloc.h"

/* A row grants in one room, or in all rooms whose names begin so. */
struct grant {
    enum role role;
    bool prefix;
    char *name;
    size_t n;
};

bool role_find(slice name, enum role *ret) {
    for (enum role r = ROLE_NONE; r <= ROLE_ADMIN; r++) {
        if (slice_is(name, role_name(r))) {
            *ret = r;
            return true;
        }
    }
    return false;
}

/* Adds a row whose name is made like printf makes it. Rows are bounded by the size of the token. */
__attribute__((format(printf, 4, 5))) static void add(struct grants *g, enum role role, bool prefix,
                                                      const char *fmt, ...) {
    char name[ACCESS_TOKEN_BYTES];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof name) {
        return;
    }
    if (g->count == g->room) {
        g->room = g->room ? g->room * 2 : 8;
        g->rows = mem_resize(g->rows, g->room * sizeof *g->rows);
    }
    g->rows[g->count++] = (struct grant){role, prefix, mem_copy_str(name, (size_t)n), (size_t)n};
}

/* ---- rooms: {"ws:acme/42": "write", "kn:*": "read"} ---- */

static void read_rooms(struct grants *g, json_t *rooms) {
    const char *pattern = NULL;
    json_t *value = NULL;
    json_object_foreach(rooms, pattern, value) {
        enum role role = ROLE_NONE;
        slice word = slice_of(json_string_value(value), json_string_length(value));
        slice name = slice_str(pattern);
        if (!role_find(word, &role) || role == ROLE_NONE || name.n == 0) {
            continue;
        }
        bool prefix = name.p[name.n - 1] == '*';
        add(g, role, prefix, "%.*s", (int)(name.n - prefix), pattern);
    }
}

/* ---- words: a string with spaces between them, or an array of strings ---- */

/* What every word of a claim is given to. */
typedef void word_cb(struct grants *, slice word, const char *workspace);

static void each_word(struct grants *g, const json_t *claim, const char *workspace, word_cb *take) {
    if (json_is_array(claim)) {
        for (size_t i = 0; i < json_array_size(claim); i++) {
            const json_t *v = json_array_get(claim, i);
            if (json_is_string(v)) {
                take(g, slice_of(json_string_value(v), json_string_length(v)), workspace);
            }
        }
        return;
    }
    slice rest = slice_of(json_string_value(claim), json_string_length(claim));
    while (rest.n) {
        const uint8_t *space = memchr(rest.p, ' ', rest.n);
        slice word = slice_of(rest.p, space ? (size_t)(space - rest.p) : rest.n);
        size_t used = word.n + (space != NULL);
        rest = slice_of(rest.p + used, rest.n - used);
        take(g, word, workspace);
    }
}

struct word_role {
    const char *word;
    enum role role;
};

/* A slash in a workspace's id would reach into another's rooms. */
static bool is_workspace(const char *id) {
    return id[0] && !strchr(id, '/');
}

static void take_scope(struct grants *g, slice word, const char *workspace) {
    static const struct word_role table[] = {{"read:knowledge:", ROLE_READ},
                                             {"edit:knowledge:", ROLE_WRITE},
                                             {"admin:knowledge:", ROLE_ADMIN}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t n = strlen(table[i].word);
        if (word.n <= n || memcmp(word.p, table[i].word, n) != 0) {
            continue;
        }
        slice id = slice_of(word.p + n, word.n - n);
        add(g, table[i].role, false, "kn:%.*s", SLICE_FMT(id));
        if (is_workspace(workspace)) {
            add(g, table[i].role, false, "ws:%s/%.*s", workspace, SLICE_FMT(id));
        }
    }
}

static void take_role(struct grants *g, slice word, const char *workspace) {
    static const struct word_role table[] = {
        {"viewer", ROLE_READ}, {"editor", ROLE_WRITE}, {"admin", ROLE_ADMIN}};
    for (size_t i = 0; is_workspace(workspace) && i < sizeof table / sizeof *table; i++) {
        if (slice_is(word, table[i].word)) {
            add(g, table[i].role, true, "ws:%s/", workspace);
        }
    }
}

void grants_init(struct grants *g, const json_t *claims, const char *workspace) {
    *g = (struct grants){0};
    read_rooms(g, json_object_get(claims, "rooms"));
    each_word(g, json_object_get(claims, "scope"), workspace, take_scope);
    each_word(g, json_object_get(claims, "permissions"), workspace, take_scope);
    each_word(g, json_object_get(claims, "roles"), workspace, take_role);
}

void grants_fini(struct grants *g) {
    for (size_t i = 0; i < g->count; i++) {
        mem_free(g->rows[i].name);
    }
    mem_free(g->rows);
    *g = (struct grants){0};
}

/* The star stands for at least one character: "ws:acme/" is not a room of acme's. */
static bool matches(const struct grant *row, slice room) {
    if (row->prefix) {
        return room.n > row->n && memcmp(room.p, row->name, row->n) == 0;
    }
    return slice_eq(room, slice_of(row->name, row->n));
}

enum role grants_role(const struct grants *g, slice room_id) {
    enum role best = ROLE_NONE;
    for (size_t i = 0; room_id.n && i < g->count; i++) {
        if (g->rows[i].role > best && matches(&g->rows[i], room_id)) {
            best = g->rows[i].role;
        }
    }
    return best;
}

enum role grants_everywhere(const struct grants *g) {
    enum role best = ROLE_NONE;
    for (size_t i = 0; i < g->count; i++) {
        if (g->rows[i].prefix && g->rows[i].n == 0 && g->rows[i].role > best) {
            best = g->rows[i].role;
        }
    }
    return best;
}
