/* driver.c: libyata behind a pipe, so that a test in another language can be its judge.
 *
 * Reads commands from standard input and answers each on standard output, in order. Answers are
 * held back until no whole command is left in the input buffer: a writer that sends a thousand
 * commands at once pays for a handful of system calls.
 *
 *     command: u32 length | u8 op   | u32 handle | arguments
 *     answer:  u32 length | u8 status (enum yata_status) | result
 *     result of a failure: u32 offset | text
 *
 * All numbers are little-endian; lengths do not count themselves. Handles are chosen by the caller
 * and index a table; functions without a document ignore theirs. A broken protocol (unknown op,
 * short arguments, unknown handle) ends the program with exit code 2. At the end of the input all
 * documents are freed, so that a leak checker has the last word.
 */
#include "driver_input.h"
#include "driver_read.h"
#include "driver_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Handles index a table; a test that needs more than this has lost count. */
#define HANDLE_MAX 1000000
/* The longest command; a larger length is a broken protocol, not a request for memory. */
#define COMMAND_MAX (1U << 30)

enum op {
    OP_NEW = 1,         /* u8 no_gc | holes << 1, u64 max_pending, u64 max_clients, u64 max_depth */
    OP_FREE,            /* */
    OP_APPLY,           /* update -> u8 changed | whole << 1 | pending << 2 | gap << 3 */
    OP_BEGIN,           /* */
    OP_COMMIT,          /* -> update */
    OP_ENCODE_STATE,    /* state vector -> update */
    OP_ENCODE_SINCE,    /* (u64 client, u64 clock)... -> update */
    OP_STATE_VECTOR,    /* -> state vector */
    OP_CLOCKS,          /* -> (u64 client, u64 clock)... */
    OP_SNAPSHOT,        /* -> snapshot */
    OP_STATS,           /* -> u64 clients, structs, types, memory, pending */
    OP_SV_FROM_UPDATE,  /* update -> state vector */
    OP_UPDATE_META,     /* update -> (u64 client, u64 from, u64 to)... */
    OP_CHECK_UPDATE,    /* update */
    OP_DECODE_SV,       /* state vector -> (u64 client, u64 clock)... */
    OP_AWARENESS_READ,  /* update -> (u64 client, u64 clock, u8 present, u32 n, state)... */
    OP_AWARENESS_WRITE, /* the same entries -> update */
    OP_AWARENESS_MERGE, /* u32 n, first update, second update -> update */
    OP_AWARENESS_NEWS,  /* u64 known clock, u8 known present, u64 clock, u8 present -> u8 */
    /* in either format: u8 format comes first */
    OP_APPLY_AS,          /* update -> as OP_APPLY */
    OP_COMMIT_AS,         /* -> update */
    OP_ENCODE_STATE_AS,   /* state vector -> update */
    OP_SNAPSHOT_AS,       /* -> snapshot */
    OP_IS_KNOWN_AS,       /* update -> u8 */
    OP_SV_FROM_UPDATE_AS, /* update -> state vector */
    OP_UPDATE_META_AS,    /* update -> as OP_UPDATE_META */
    OP_CHECK_UPDATE_AS,   /* update */
    OP_MERGE,             /* (u32 n, update)... -> update */
    OP_DIFF,              /* u32 n, update, state vector -> update */
    OP_CONVERT,           /* u8 to, update -> update */
    OP_STRUCTS,           /* update -> (u64 client, u64 clock, u64 length, u8 kind)... */
    OP_DELETIONS,         /* update -> (u64 client, u64 from, u64 to)... */
    OP_SNAPSHOT_RECODE,   /* u8 to, snapshot -> snapshot */
    OP_SNAPSHOT_EQUAL,    /* u32 n, snapshot, snapshot -> u8 */
    OP_DOC_AT,            /* u32 handle of the new document, u8 no_gc, snapshot */
    OP_REVERT,            /* state */
    OP_REVERT_SNAPSHOT,   /* snapshot */
    OP_FREEZE,            /* without a format */
    /* edits */
    OP_SET_CLIENT = 100, /* u64 client */
    OP_WRITE,            /* see driver_write.h */
    OP_READ = 110,       /* see driver_read.h */
};

struct bytes {
    uint8_t *p;
    size_t n;
    size_t cap;
};

struct docs {
    struct yata_doc **at;
    size_t n;
};

static void *grow(void *p, size_t n) {
    void *grown = realloc(p, n);
    if (!grown) {
        die("out of memory");
    }
    return grown;
}

static void reserve(struct bytes *b, size_t more) {
    if (b->cap - b->n >= more) {
        return;
    }
    size_t cap = b->cap ? b->cap : 65536;
    while (cap - b->n < more) {
        cap *= 2;
    }
    b->p = grow(b->p, cap);
    b->cap = cap;
}

static void put(struct bytes *b, const void *p, size_t n) {
    if (n == 0) {
        return;
    }
    reserve(b, n);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

static void put_uint(struct bytes *b, uint64_t v, size_t n) {
    uint8_t le[8];
    for (size_t i = 0; i < n; i++) {
        le[i] = (uint8_t)(v >> (8 * i));
    }
    put(b, le, n);
}

static void put_clocks(struct bytes *b, const struct yata_clock *clocks, size_t n) {
    for (size_t i = 0; i < n; i++) {
        put_uint(b, clocks[i].client, 8);
        put_uint(b, clocks[i].clock, 8);
    }
}

/* ---- documents ------------------------------------------------------------------------------ */

static struct yata_doc **slot(struct docs *docs, size_t handle) {
    if (handle >= HANDLE_MAX) {
        die("handle too large");
    }
    if (handle >= docs->n) {
        size_t n = handle + 1 + handle / 2;
        docs->at = grow(docs->at, n * sizeof(struct yata_doc *));
        memset(docs->at + docs->n, 0, (n - docs->n) * sizeof(struct yata_doc *));
        docs->n = n;
    }
    return &docs->at[handle];
}

static struct yata_doc *find(struct docs *docs, size_t handle) {
    struct yata_doc *doc = *slot(docs, handle);
    if (!doc) {
        die("no such document");
    }
    return doc;
}

static enum yata_status op_new(struct docs *docs, size_t handle, struct input a) {
    uint64_t flags = take_uint(&a, 1);
    struct yata_options options = {.no_gc = (flags & 1) != 0, .strict = (flags & 2) == 0};
    options.max_pending_bytes = (size_t)take_uint(&a, 8);
    options.max_clients = (size_t)take_uint(&a, 8);
    options.max_depth = (size_t)take_uint(&a, 8);
    struct yata_doc **at = slot(docs, handle);
    if (*at) {
        die("handle in use");
    }
    *at = yata_doc_new(&options);
    return *at ? YATA_OK : YATA_NOMEM;
}

static void op_free(struct docs *docs, size_t handle) {
    yata_doc_free(find(docs, handle));
    *slot(docs, handle) = NULL;
}

static void put_applied(struct bytes *ret, const struct yata_applied *applied) {
    put_uint(ret,
             (uint64_t)applied->changed | (uint64_t)applied->whole << 1 |
                 (uint64_t)applied->pending << 2 | (uint64_t)applied->gap << 3,
             1);
}

static enum yata_status op_apply(struct yata_doc *doc, struct input a, struct bytes *ret,
                                 struct yata_error *why) {
    struct yata_applied applied = {0};
    enum yata_status status = yata_apply(doc, a.p, a.n, &applied, why);
    if (status == YATA_OK) {
        put_applied(ret, &applied);
    }
    return status;
}

static enum yata_status op_encode_since(struct yata_doc *doc, struct input a,
                                        struct yata_bytes *ret) {
    size_t n = a.n / 16;
    struct yata_clock *since = grow(NULL, (n + 1) * sizeof(*since));
    for (size_t i = 0; i < n; i++) {
        since[i].client = take_uint(&a, 8);
        since[i].clock = take_uint(&a, 8);
    }
    enum yata_status status = yata_encode_since(doc, since, n, ret);
    free(since);
    return status;
}

static enum yata_status op_clocks(struct yata_doc *doc, struct bytes *ret) {
    const struct yata_clock *clocks = NULL;
    size_t n = 0;
    enum yata_status status = yata_state_vector(doc, &clocks, &n);
    if (status == YATA_OK) {
        put_clocks(ret, clocks, n);
    }
    return status;
}

static void op_stats(const struct yata_doc *doc, struct bytes *ret) {
    struct yata_stats stats = {0};
    yata_stats(doc, &stats);
    put_uint(ret, stats.clients, 8);
    put_uint(ret, stats.structs, 8);
    put_uint(ret, stats.types, 8);
    put_uint(ret, stats.memory_bytes, 8);
    put_uint(ret, stats.pending_bytes, 8);
}

/* ---- without a document --------------------------------------------------------------------- */

static enum yata_status op_update_meta(struct input a, struct bytes *ret, struct yata_error *why) {
    struct yata_update_range *ranges = NULL;
    size_t n = 0;
    enum yata_status status = yata_update_meta(a.p, a.n, &ranges, &n, why);
    if (status == YATA_OK) {
        for (size_t i = 0; i < n; i++) {
            put_uint(ret, ranges[i].client, 8);
            put_uint(ret, ranges[i].from, 8);
            put_uint(ret, ranges[i].to, 8);
        }
        free(ranges);
    }
    return status;
}

static enum yata_status op_decode_sv(struct input a, struct bytes *ret, struct yata_error *why) {
    struct yata_clock *clocks = NULL;
    size_t n = 0;
    enum yata_status status = yata_decode_state_vector(a.p, a.n, &clocks, &n, why);
    if (status == YATA_OK) {
        put_clocks(ret, clocks, n);
        free(clocks);
    }
    return status;
}

static enum yata_status op_awareness_read(struct input a, struct bytes *ret,
                                          struct yata_error *why) {
    struct yata_awareness_reader reader = {.p = a.p, .n = a.n};
    size_t start = ret->n;
    for (;;) {
        struct yata_presence entry = {0};
        bool more = false;
        enum yata_status status = yata_awareness_next(&reader, &entry, &more, why);
        if (status != YATA_OK) {
            ret->n = start; /* entries before the broken one are not the answer */
            return status;
        }
        if (!more) {
            return YATA_OK;
        }
        put_uint(ret, entry.client, 8);
        put_uint(ret, entry.clock, 8);
        put_uint(ret, entry.state != NULL, 1);
        put_uint(ret, entry.state_bytes, 4);
        put(ret, entry.state, entry.state_bytes);
    }
}

static enum yata_status op_awareness_write(struct input a, struct yata_bytes *ret) {
    struct yata_presence *entries = NULL;
    size_t n = 0;
    while (a.n > 0) {
        entries = grow(entries, (n + 1) * sizeof(*entries));
        struct yata_presence *entry = &entries[n++];
        *entry = (struct yata_presence){.client = take_uint(&a, 8)};
        entry->clock = take_uint(&a, 8);
        bool present = take_uint(&a, 1) != 0;
        size_t state_bytes = (size_t)take_uint(&a, 4);
        const uint8_t *state = take(&a, state_bytes);
        if (present) {
            entry->state = state;
            entry->state_bytes = state_bytes;
        }
    }
    enum yata_status status = yata_awareness_encode(entries, n, ret);
    free(entries);
    return status;
}

static enum yata_status op_awareness_merge(struct input a, struct yata_bytes *ret,
                                           struct yata_error *why) {
    size_t n = (size_t)take_uint(&a, 4);
    const uint8_t *first = take(&a, n);
    return yata_awareness_merge(first, n, a.p, a.n, ret, why);
}

static void op_awareness_news(struct input a, struct bytes *ret) {
    static const uint8_t state[] = "{}";
    uint64_t known_clock = take_uint(&a, 8);
    bool known_present = take_uint(&a, 1) != 0;
    struct yata_presence entry = {.clock = take_uint(&a, 8)};
    if (take_uint(&a, 1) != 0) {
        entry.state = state;
        entry.state_bytes = 2;
    }
    put_uint(ret, yata_awareness_is_news(known_clock, known_present, &entry), 1);
}

/* ---- either format -------------------------------------------------------------------------- */

static enum yata_format take_format(struct input *a) {
    return take_uint(a, 1) != 0 ? YATA_V2 : YATA_V1;
}

static void put_ranges(struct bytes *b, const struct yata_update_range *ranges, size_t n) {
    for (size_t i = 0; i < n; i++) {
        put_uint(b, ranges[i].client, 8);
        put_uint(b, ranges[i].from, 8);
        put_uint(b, ranges[i].to, 8);
    }
}

static enum yata_status op_apply_as(struct yata_doc *doc, struct input a, struct bytes *ret,
                                    struct yata_error *why) {
    struct yata_applied applied = {0};
    enum yata_format format = take_format(&a);
    enum yata_status status = yata_apply_as(doc, format, a.p, a.n, &applied, why);
    if (status == YATA_OK) {
        put_applied(ret, &applied);
    }
    return status;
}

static enum yata_status op_is_known_as(struct yata_doc *doc, struct input a, struct bytes *ret,
                                       struct yata_error *why) {
    bool known = false;
    enum yata_format format = take_format(&a);
    enum yata_status status = yata_is_known_as(doc, format, a.p, a.n, &known, why);
    if (status == YATA_OK) {
        put_uint(ret, known, 1);
    }
    return status;
}

static enum yata_status op_ranges(struct input a, bool deletions, struct bytes *ret,
                                  struct yata_error *why) {
    struct yata_update_range *ranges = NULL;
    size_t n = 0;
    enum yata_format format = take_format(&a);
    enum yata_status status = (deletions ? yata_update_deletions
                                         : yata_update_meta_as)(format, a.p, a.n, &ranges, &n, why);
    if (status == YATA_OK) {
        put_ranges(ret, ranges, n);
        free(ranges);
    }
    return status;
}

static enum yata_status op_structs(struct input a, struct bytes *ret, struct yata_error *why) {
    struct yata_struct *structs = NULL;
    size_t n = 0;
    enum yata_format format = take_format(&a);
    enum yata_status status = yata_update_structs(format, a.p, a.n, &structs, &n, why);
    for (size_t i = 0; i < n; i++) {
        put_uint(ret, structs[i].client, 8);
        put_uint(ret, structs[i].clock, 8);
        put_uint(ret, structs[i].length, 8);
        put_uint(ret, structs[i].kind, 1);
    }
    free(structs);
    return status;
}

static enum yata_status op_merge(struct input a, struct yata_bytes *ret, struct yata_error *why) {
    struct yata_slice *updates = NULL;
    size_t n = 0;
    enum yata_format format = take_format(&a);
    while (a.n > 0) {
        updates = grow(updates, (n + 1) * sizeof(*updates));
        size_t bytes = (size_t)take_uint(&a, 4);
        updates[n++] = (struct yata_slice){take(&a, bytes), bytes};
    }
    enum yata_status status = yata_merge_updates(format, updates, n, ret, why);
    free(updates);
    return status;
}

static enum yata_status op_diff(struct input a, struct yata_bytes *ret, struct yata_error *why) {
    enum yata_format format = take_format(&a);
    size_t n = (size_t)take_uint(&a, 4);
    const uint8_t *update = take(&a, n);
    return yata_diff_update(format, update, n, a.p, a.n, ret, why);
}

static enum yata_status op_convert(struct input a, struct yata_bytes *ret, struct yata_error *why) {
    enum yata_format from = take_format(&a), to = take_format(&a);
    return yata_convert_update(from, to, a.p, a.n, ret, why);
}

/* ---- snapshots ------------------------------------------------------------------------------ */

static enum yata_status op_snapshot_recode(struct input a, struct yata_bytes *ret,
                                           struct yata_error *why) {
    struct yata_snapshot snapshot = {0};
    enum yata_format from = take_format(&a), to = take_format(&a);
    enum yata_status status = yata_snapshot_decode(from, a.p, a.n, &snapshot, why);
    if (status == YATA_OK) {
        status = yata_snapshot_encode(&snapshot, to, ret);
    }
    yata_snapshot_fini(&snapshot);
    return status;
}

static enum yata_status op_snapshot_equal(struct input a, struct bytes *ret,
                                          struct yata_error *why) {
    struct yata_snapshot first = {0}, second = {0};
    enum yata_format format = take_format(&a);
    size_t n = (size_t)take_uint(&a, 4);
    const uint8_t *p = take(&a, n);
    enum yata_status status = yata_snapshot_decode(format, p, n, &first, why);
    if (status == YATA_OK) {
        status = yata_snapshot_decode(format, a.p, a.n, &second, why);
    }
    if (status == YATA_OK) {
        put_uint(ret, yata_snapshot_equal(&first, &second), 1);
    }
    yata_snapshot_fini(&first);
    yata_snapshot_fini(&second);
    return status;
}

static enum yata_status op_doc_at(struct docs *docs, size_t handle, struct input a,
                                  struct yata_error *why) {
    struct yata_snapshot snapshot = {0};
    enum yata_format format = take_format(&a);
    size_t to = (size_t)take_uint(&a, 4);
    struct yata_options options = {.no_gc = take_uint(&a, 1) != 0, .strict = true};
    enum yata_status status = yata_snapshot_decode(format, a.p, a.n, &snapshot, why);
    if (*slot(docs, to)) {
        die("handle in use");
    }
    if (status == YATA_OK) {
        status = yata_doc_at(find(docs, handle), &snapshot, &options, slot(docs, to), why);
    }
    yata_snapshot_fini(&snapshot);
    return status;
}

static enum yata_status op_revert_snapshot(struct yata_doc *doc, struct input a,
                                           struct yata_error *why) {
    struct yata_snapshot snapshot = {0};
    enum yata_format format = take_format(&a);
    enum yata_status status = yata_snapshot_decode(format, a.p, a.n, &snapshot, why);
    if (status == YATA_OK) {
        status = yata_revert_to_snapshot(doc, &snapshot, why);
    }
    yata_snapshot_fini(&snapshot);
    return status;
}

/* ---- dispatch ------------------------------------------------------------------------------- */

/* The commands that come with a format. */
static enum yata_status run_as(struct docs *docs, enum op op, size_t handle, struct input a,
                               struct bytes *ret, struct yata_bytes *handed_out,
                               struct yata_error *why) {
    enum yata_format format;
    switch (op) {
    case OP_APPLY_AS:
        return op_apply_as(find(docs, handle), a, ret, why);
    case OP_COMMIT_AS:
        return yata_commit_as(find(docs, handle), take_format(&a), handed_out);
    case OP_ENCODE_STATE_AS:
        format = take_format(&a);
        return yata_encode_state_as(find(docs, handle), format, a.n ? a.p : NULL, a.n, handed_out);
    case OP_SNAPSHOT_AS:
        return yata_encode_snapshot_as(find(docs, handle), take_format(&a), handed_out);
    case OP_IS_KNOWN_AS:
        return op_is_known_as(find(docs, handle), a, ret, why);
    case OP_SV_FROM_UPDATE_AS:
        format = take_format(&a);
        return yata_state_vector_from_update_as(format, a.p, a.n, handed_out, why);
    case OP_UPDATE_META_AS:
    case OP_DELETIONS:
        return op_ranges(a, op == OP_DELETIONS, ret, why);
    case OP_CHECK_UPDATE_AS:
        format = take_format(&a);
        return yata_check_update_as(format, a.p, a.n, why);
    case OP_MERGE:
        return op_merge(a, handed_out, why);
    case OP_DIFF:
        return op_diff(a, handed_out, why);
    case OP_CONVERT:
        return op_convert(a, handed_out, why);
    case OP_STRUCTS:
        return op_structs(a, ret, why);
    case OP_SNAPSHOT_RECODE:
        return op_snapshot_recode(a, handed_out, why);
    case OP_SNAPSHOT_EQUAL:
        return op_snapshot_equal(a, ret, why);
    case OP_DOC_AT:
        return op_doc_at(docs, handle, a, why);
    case OP_REVERT:
        format = take_format(&a);
        return yata_revert_to_state(find(docs, handle), format, a.p, a.n, why);
    case OP_REVERT_SNAPSHOT:
        return op_revert_snapshot(find(docs, handle), a, why);
    case OP_FREEZE:
        return yata_doc_freeze(find(docs, handle));
    default:
        die("unknown op");
    }
}

/* Runs one command. Its result is appended to `ret`, or left in `handed_out`. */
static enum yata_status run(struct docs *docs, enum op op, size_t handle, struct input a,
                            struct bytes *ret, struct yata_bytes *handed_out,
                            struct yata_error *why) {
    switch (op) {
    case OP_NEW:
        return op_new(docs, handle, a);
    case OP_FREE:
        op_free(docs, handle);
        return YATA_OK;
    case OP_APPLY:
        return op_apply(find(docs, handle), a, ret, why);
    case OP_BEGIN:
        yata_begin(find(docs, handle));
        return YATA_OK;
    case OP_COMMIT:
        return yata_commit(find(docs, handle), handed_out);
    case OP_ENCODE_STATE:
        return yata_encode_state(find(docs, handle), a.n ? a.p : NULL, a.n, handed_out);
    case OP_ENCODE_SINCE:
        return op_encode_since(find(docs, handle), a, handed_out);
    case OP_STATE_VECTOR:
        return yata_encode_state_vector(find(docs, handle), handed_out);
    case OP_CLOCKS:
        return op_clocks(find(docs, handle), ret);
    case OP_SNAPSHOT:
        return yata_encode_snapshot(find(docs, handle), handed_out);
    case OP_STATS:
        op_stats(find(docs, handle), ret);
        return YATA_OK;
    case OP_SV_FROM_UPDATE:
        return yata_state_vector_from_update(a.p, a.n, handed_out, why);
    case OP_UPDATE_META:
        return op_update_meta(a, ret, why);
    case OP_CHECK_UPDATE:
        return yata_check_update(a.p, a.n, why);
    case OP_DECODE_SV:
        return op_decode_sv(a, ret, why);
    case OP_AWARENESS_READ:
        return op_awareness_read(a, ret, why);
    case OP_AWARENESS_WRITE:
        return op_awareness_write(a, handed_out);
    case OP_AWARENESS_MERGE:
        return op_awareness_merge(a, handed_out, why);
    case OP_AWARENESS_NEWS:
        op_awareness_news(a, ret);
        return YATA_OK;
    case OP_READ:
        return driver_read(find(docs, handle), a.p, a.n, handed_out);
    case OP_SET_CLIENT:
        return yata_set_client(find(docs, handle), take_uint(&a, 8));
    case OP_WRITE:
        return driver_write(find(docs, handle), a.p, a.n);
    default:
        return run_as(docs, op, handle, a, ret, handed_out, why);
    }
}

static void answer(struct docs *docs, struct input command, struct bytes *out) {
    enum op op = (enum op)take_uint(&command, 1);
    size_t handle = (size_t)take_uint(&command, 4);
    struct yata_error why = {0};
    struct yata_bytes handed_out = {0};
    size_t start = out->n;
    put_uint(out, 0, 5); /* length and status are known only after the result */
    enum yata_status status = run(docs, op, handle, command, out, &handed_out, &why);
    if (status == YATA_OK) {
        put(out, handed_out.p, handed_out.n);
    } else {
        put_uint(out, why.at, 4);
        put(out, why.what, strnlen(why.what, sizeof(why.what)));
    }
    yata_bytes_fini(&handed_out);
    uint32_t n = (uint32_t)(out->n - start - 4);
    for (size_t i = 0; i < 4; i++) {
        out->p[start + i] = (uint8_t)(n >> (8 * i));
    }
    out->p[start + 4] = (uint8_t)status;
}

static void flush(struct bytes *out) {
    for (size_t at = 0; at < out->n;) {
        ssize_t n = write(STDOUT_FILENO, out->p + at, out->n - at);
        if (n < 0) {
            die("standard output is gone");
        }
        at += (size_t)n;
    }
    out->n = 0;
}

/* Answers every whole command of the buffer and keeps the rest. */
static void answer_all(struct docs *docs, struct bytes *in, struct bytes *out) {
    size_t at = 0;
    while (in->n - at >= 4) {
        struct input rest = {.p = in->p + at, .n = in->n - at};
        size_t n = (size_t)take_uint(&rest, 4);
        if (n > COMMAND_MAX) {
            die("command too long");
        }
        if (rest.n < n) {
            break;
        }
        answer(docs, (struct input){.p = rest.p, .n = n}, out);
        at += 4 + n;
    }
    memmove(in->p, in->p + at, in->n - at);
    in->n -= at;
}

int main(void) {
    struct docs docs = {0};
    struct bytes in = {0};
    struct bytes out = {0};
    for (;;) {
        reserve(&in, 65536);
        ssize_t n = read(STDIN_FILENO, in.p + in.n, in.cap - in.n);
        if (n < 0) {
            die("cannot read standard input");
        }
        if (n == 0) {
            break;
        }
        in.n += (size_t)n;
        answer_all(&docs, &in, &out);
        flush(&out);
    }
    if (in.n != 0) {
        die("input ends inside a command");
    }
    for (size_t i = 0; i < docs.n; i++) {
        yata_doc_free(docs.at[i]);
    }
    free(docs.at);
    free(in.p);
    free(out.p);
    return 0;
}
