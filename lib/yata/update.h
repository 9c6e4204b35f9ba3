/* update.h: an update decoded and checked, but applied to nothing.
 *
 * Both formats decode to the same form. Payloads are as V1 has them, but for the values of embeds
 * and formats, which stay what they were, JSON text or `any`: nobody may ever want the other form.
 *
 * Thread: any; a struct yatai_update belongs to its caller. Memory: the decoded form points into
 * the bytes of the update, which must outlive it, and into its own arena.
 */
#ifndef YATA_UPDATE_H
#define YATA_UPDATE_H

#include <string.h>

#include "mem.h"

/* V1, but with the kinds YATAI_ANY_EMBED and YATAI_ANY_FORMAT: how structs that wait are kept. */
#define YATAI_KEPT ((enum yata_format)2)

/* What a struct holds; the numbers are the content refs of the format. */
enum yatai_kind {
    YATAI_GC = 0,
    YATAI_DELETED = 1,
    YATAI_JSON = 2,
    YATAI_BINARY = 3,
    YATAI_STRING = 4,
    YATAI_EMBED = 5,
    YATAI_FORMAT = 6,
    YATAI_TYPE = 7,
    YATAI_ANY = 8,
    YATAI_DOC = 9,
    YATAI_SKIP = 10,
    YATAI_ANY_EMBED = 11, /* only in YATAI_KEPT */
    YATAI_ANY_FORMAT = 12,
};

/* Bits of an info byte, and what else a decoded struct may have. */
#define YATAI_HAS_ORIGIN    0x80u
#define YATAI_HAS_RIGHT     0x40u
#define YATAI_HAS_SUB       0x20u
#define YATAI_KIND_BITS     0x1fu
#define YATAI_HAS_ON_WIRE   0xe0u /* the above; the others are in yatai_ref.has only: */
#define YATAI_HAS_ROOT      0x01u /* the parent is a root type */
#define YATAI_HAS_SUBST     0x02u /* text may hold YATAI_TEXT_SUBST */
#define YATAI_CLIENT_MAX    ((UINT64_C(1) << 53) - 1)
#define YATAI_DEPTH_DEFAULT 256
#define YATAI_DEPTH_MAX     1024 /* what is kept per level is on the stack */

struct yatai_id {
    uint64_t client;
    uint32_t clock;
    uint32_t slot; /* where the document keeps the client; filled when a plan is prepared */
};

/* One struct of an update. */
struct yatai_ref {
    uint32_t clock;
    uint32_t len;
    uint8_t kind; /* enum yatai_kind */
    uint8_t has;  /* YATAI_HAS_… */
    uint8_t type_ref;
    bool any; /* the value of an embed or a format is `any`, not JSON text */
    uint32_t content_bytes;
    const uint8_t *content; /* payload as on the wire, but strings without their length, any and
                             * JSON without their count, types without their number */
    union {
        struct { /* with ORIGIN or RIGHT: the parent is that of a neighbour */
            struct yatai_id origin;
            struct yatai_id right;
        };
        struct { /* with neither */
            union {
                struct yatai_id parent; /* an item that holds a type */
                struct {                /* ROOT */
                    const uint8_t *root;
                    uint32_t root_bytes;
                };
            };
            const uint8_t *sub; /* SUB: the key in a map */
            uint32_t sub_bytes;
        };
    };
};

/* The structs of one client: refs[first .. first + count). */
struct yatai_section {
    uint64_t client;
    uint32_t first;
    uint32_t count;
    uint32_t start_clock;
    uint32_t end_clock;
    uint32_t next;       /* planning: how many are taken; of a rest, where it starts */
    uint32_t rest_count; /* planned: how many have to wait */
    uint32_t state;      /* planned: the clock the client will have */
    uint32_t slot;       /* when prepared */
    uint32_t at;         /* offset of the client id, or V2 of the clock */
    bool stacked;        /* planning: the struct before `next` waits on the stack */
};

/* A range of a delete set. */
struct yatai_range {
    uint64_t client;
    uint32_t clock;
    uint32_t len;
};

typedef YATAI_VEC(struct yatai_range) yatai_ranges;

/* Bytes that stay where they are. */
struct yatai_chunk {
    struct yatai_chunk *next;
    size_t n, cap;
    uint8_t bytes[];
};

struct yatai_update {
    YATAI_VEC(struct yatai_ref) refs;
    YATAI_VEC(struct yatai_section) sections; /* by client, descending */
    yatai_ranges ranges;                      /* as they came, empty ones dropped */
    size_t content_bytes;                     /* bound on what the structs will store */
    size_t type_count;
    size_t continued;          /* structs that may continue the one before them */
    bool skips;                /* has Skip structs */
    bool verbatim;             /* set by the caller: runs of collected structs are not joined */
    size_t max_refs;           /* set by the caller: structs it may have; 0: any number */
    struct yatai_chunk *chunk; /* payloads put together from several columns */
};

/* Decodes and checks an update. On anything but YATA_OK the contents of `u` mean nothing. */
enum yata_status yatai_update_read(struct yatai_update *u, struct yatai_mem *, enum yata_format,
                                   const uint8_t *p, size_t n, size_t max_depth,
                                   struct yata_error *ret_error);
/* The same with sections in the order of the update, as the lazy readers of Yjs meet them. */
enum yata_status yatai_update_read_in_order(struct yatai_update *u, struct yatai_mem *,
                                            enum yata_format, const uint8_t *p, size_t n,
                                            size_t max_depth, struct yata_error *ret_error);
void yatai_update_fini(struct yatai_update *, struct yatai_mem *);
/* Makes it the empty one. */
void yatai_update_clear(struct yatai_update *, struct yatai_mem *);
/* The section of a client, or NULL. */
struct yatai_section *yatai_update_section(const struct yatai_update *, uint64_t client);

/* ---- update.c and update_v2.c --------------------------------------------------------------- */

struct yatai_reader;

/* The next struct, to be filled, of the section that starts at `s`; NULL when memory is out. */
struct yatai_ref *yatai_ref_new(struct yatai_mem *, struct yatai_update *,
                                const struct yatai_section *s);
/* Counts what a struct will need when it is stored. */
void yatai_ref_account(struct yatai_update *, const struct yatai_ref *);
/* Takes it in, and advances the clock. */
bool yatai_ref_add(struct yatai_reader *, struct yatai_update *, struct yatai_section *s,
                   const uint8_t *at);
/* Takes in the section. */
bool yatai_section_add(struct yatai_reader *, struct yatai_mem *, struct yatai_update *,
                       struct yatai_section *s);
/* Takes in a range of the delete set. */
bool yatai_range_add(struct yatai_reader *, struct yatai_mem *, struct yatai_update *,
                     struct yatai_range x, const uint8_t *at);
/* Sections by client, descending, each client once. */
bool yatai_sections_order(struct yatai_reader *, struct yatai_update *);
/* Structs and deletions of format V2, or deletions only. */
void yatai_update_read_v2(struct yatai_reader *, struct yatai_mem *, struct yatai_update *);
bool yatai_delete_set_read_v2(struct yatai_reader *, struct yatai_mem *, struct yatai_update *);
/* Deletions of format V1. */
bool yatai_delete_set_read(struct yatai_reader *, struct yatai_mem *, struct yatai_update *);

/* ---- reading primitives --------------------------------------------------------------------- */

/* A client id as it stands in the input, to be recognised without reading it. */
struct yatai_spelled {
    uint64_t client;
    uint64_t bytes,
        mask;   /* its bytes in the first ones of a word; the mask is 0 when there is none */
    unsigned n; /* how many */
};

/* A cursor over input that remembers the first thing that was wrong. Embed only. */
struct yatai_reader {
    const uint8_t *start, *p, *end;
    struct yatai_spelled own,
        other; /* the client of the section, and another that was named last */
    size_t max_depth;
    enum yata_format format;
    enum yata_status status;
    struct yata_error why;
};

struct yatai_reader yatai_reader_on(const uint8_t *p, size_t n);
/* Notes what is wrong at `at`; returns false. */
bool yatai_reader_fail(struct yatai_reader *, const uint8_t *at, const char *what);
bool yatai_read_uint_slow(struct yatai_reader *, uint64_t *ret);
/* Says that `what` has more than 32 bits; returns false. */
bool yatai_fail_u32(struct yatai_reader *, const uint8_t *at, const char *what);
/* A varUint length and that many bytes. */
bool yatai_read_blob(struct yatai_reader *, const uint8_t **ret, uint32_t *ret_n);
/* The same, checked to be UTF-8; *ret_units is its length in UTF-16 code units. */
bool yatai_read_string(struct yatai_reader *, const uint8_t **ret, uint32_t *ret_n,
                       uint32_t *ret_units);
/* The tags of lib0's `any` (encoding.js writeAny). */
enum yatai_any {
    YATAI_ANY_BYTES = 116,
    YATAI_ANY_ARRAY = 117,
    YATAI_ANY_OBJECT = 118,
    YATAI_ANY_STRING = 119,
    YATAI_ANY_TRUE = 120,
    YATAI_ANY_FALSE = 121,
    YATAI_ANY_BIGINT = 122,
    YATAI_ANY_FLOAT64 = 123,
    YATAI_ANY_FLOAT32 = 124,
    YATAI_ANY_INTEGER = 125,
    YATAI_ANY_NULL = 126,
    YATAI_ANY_UNDEFINED = 127,
};

/* A state vector, in memory from malloc. */
bool yatai_read_vector(struct yatai_reader *, struct yata_clock **ret, size_t *ret_n);
/* Checks one value in lib0's `any` encoding and moves past it. */
bool yatai_read_any(struct yatai_reader *);
/* Checks that the bytes are JSON text. */
bool yatai_json_check(struct yatai_reader *, const uint8_t *p, uint32_t n);
/* A varInt: sign and magnitude, so that -0 is a number of its own. */
bool yatai_read_int(struct yatai_reader *, uint64_t *ret, bool *ret_negative);
/* Past numbers that were checked before. */
const uint8_t *yatai_past_uint(const uint8_t *p, uint64_t *ret);
const uint8_t *yatai_past_int(const uint8_t *p, uint64_t *ret, bool *ret_negative);
/* The bytes of the first `count` elements of an ANY or JSON payload that was checked before. */
size_t yatai_elements_skip(unsigned kind, const uint8_t *p, size_t n, uint32_t count);

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* A number of up to eight bytes at once: where it ends, and its groups of seven bits pushed
 * together. False when it is not like that, or not safe to look. */
static inline bool yatai_read_uint_wide(struct yatai_reader *r, uint64_t *ret) {
    uint64_t w;
    if (r->end - r->p < (ptrdiff_t)sizeof w) {
        return false;
    }
    memcpy(&w, r->p, sizeof w);
    uint64_t ends = ~w & UINT64_C(0x8080808080808080);
    if (ends == 0) {
        return false;
    }
    ends &= ~ends + 1;
    w &= (ends - 1) & UINT64_C(0x7f7f7f7f7f7f7f7f);
    w = (w & UINT64_C(0x007f007f007f007f)) | (w & UINT64_C(0x7f007f007f007f00)) >> 1;
    w = (w & UINT64_C(0x00003fff00003fff)) | (w & UINT64_C(0x3fff00003fff0000)) >> 2;
    w = (w & UINT64_C(0x000000000fffffff)) | (w & UINT64_C(0x0fffffff00000000)) >> 4;
    if (w > YATAI_CLIENT_MAX) {
        return false;
    }
    r->p += (unsigned)__builtin_ctzll(ends) / 8 + 1;
    *ret = w;
    return true;
}
#else
static inline bool yatai_read_uint_wide(struct yatai_reader *r, uint64_t *ret) {
    (void)r;
    (void)ret;
    return false;
}
#endif

static inline bool yatai_read_uint(struct yatai_reader *r, uint64_t *ret) {
    if (r->p < r->end && *r->p < 0x80) {
        *ret = *r->p++;
        return true;
    }
    return yatai_read_uint_wide(r, ret) || yatai_read_uint_slow(r, ret);
}

/* A varUint that fits 32 bits; `what` names it. */
static inline bool yatai_read_u32(struct yatai_reader *r, uint32_t *ret, const char *what) {
    const uint8_t *at = r->p;
    uint64_t x;
    if (!yatai_read_uint(r, &x)) {
        return false;
    }
    *ret = (uint32_t)x;
    return x <= UINT32_MAX || yatai_fail_u32(r, at, what);
}

#endif
