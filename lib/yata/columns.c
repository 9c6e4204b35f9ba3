/* columns.c: writes structs of format V2, each field to its column.
 *
 * yjs 13.6 UpdateEncoder.js; lib0 encoding.js RleEncoder, UintOptRleEncoder, IntDiffOptRleEncoder,
 * StringEncoder. Like Yjs, it writes a key each time it occurs, though the format could refer back.
 */
#include "columns.h"

#include <string.h>

#include "text.h"
#include "value.h"

static const uint8_t replacement[3] = {0xef, 0xbf, 0xbd};

void yatai_columns_init(struct yatai_columns *c, struct yatai_mem *mem) {
    struct yatai_column *const all[] = {&c->key_clock,   &c->client, &c->left_clock,
                                        &c->right_clock, &c->info,   &c->parent_info,
                                        &c->type_ref,    &c->len,    &c->string_len};
    *c = (struct yatai_columns){.text.mem = mem, .rest.mem = mem};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        all[i]->out.mem = mem;
    }
}

/* ---- runs ----------------------------------------------------------------------------------- */

/* UintOptRle: a run is the negative number and its length. */
static void end_numbers(struct yatai_column *c) {
    if (c->count > 0) {
        yatai_out_int(&c->out, c->value, c->count > 1);
    }
    if (c->count > 1) {
        yatai_out_uint(&c->out, c->count - 2);
    }
}

static void put_number(struct yatai_column *c, uint64_t x) {
    if (c->value != x) {
        end_numbers(c);
        c->count = 0;
        c->value = x;
    }
    c->count++;
}

/* IntDiffOptRle: steps, and how often the same one is taken. */
static void end_steps(struct yatai_column *c) {
    if (c->count > 0) {
        int64_t x = c->step * 2 + (c->count > 1);
        yatai_out_int(&c->out, (uint64_t)(x < 0 ? -x : x), x < 0);
    }
    if (c->count > 1) {
        yatai_out_uint(&c->out, c->count - 2);
    }
}

static void put_clock(struct yatai_column *c, uint32_t clock) {
    int64_t step = (int64_t)clock - (int64_t)c->value;
    if (step != c->step) {
        end_steps(c);
        c->count = 0;
        c->step = step;
    }
    c->value = clock;
    c->count++;
}

/* Rle of bytes: the length of the last run is left out. */
static void put_byte(struct yatai_column *c, uint8_t x) {
    if (c->count > 0 && c->value == x) {
        c->count++;
        return;
    }
    if (c->count > 0) {
        yatai_out_uint(&c->out, c->count - 1);
    }
    yatai_out_byte(&c->out, x);
    c->value = x;
    c->count = 1;
}

static void put_id(struct yatai_columns *c, struct yatai_column *clocks, uint64_t client,
                   uint32_t clock) {
    put_number(&c->client, client);
    put_clock(clocks, clock);
}

/* ---- strings -------------------------------------------------------------------------------- */

/* Text at rest: with YATAI_TEXT_SUBST. */
static void put_text(struct yatai_columns *c, const uint8_t *p, size_t n, uint32_t units) {
    put_number(&c->string_len, units);
    const uint8_t *end = p + n, *q;
    while (p < end && (q = memchr(p, YATAI_TEXT_SUBST, (size_t)(end - p))) != NULL) {
        yatai_out_bytes(&c->text, p, (size_t)(q - p));
        yatai_out_bytes(&c->text, replacement, sizeof replacement);
        p = q + 1;
    }
    yatai_out_bytes(&c->text, p, (size_t)(end - p));
}

static void put_string(struct yatai_columns *c, const uint8_t *p, size_t n) {
    uint32_t units = 0;
    (void)yatai_text_check(p, n, &units);
    put_number(&c->string_len, units);
    yatai_out_bytes(&c->text, p, n);
}

static void put_key(struct yatai_columns *c, const uint8_t *p, size_t n) {
    put_clock(&c->key_clock, c->keys++);
    put_string(c, p, n);
}

/* ---- contents ------------------------------------------------------------------------------- */

static void put_text_from(struct yatai_columns *c, const struct yatai_ref *ref, uint32_t skip) {
    bool inside = false;
    const uint8_t *p = ref->content;
    size_t n = ref->content_bytes;
    size_t at = skip == 0 ? 0 : yatai_text_offset_in(p, n, ref->len, skip, &inside);
    if (inside) {
        yatai_out_bytes(&c->text, replacement, sizeof replacement);
        at += 4;
    }
    put_text(c, p + at, n - at, ref->len - skip);
}

static void put_json_values(struct yatai_columns *c, const uint8_t *p, const uint8_t *end) {
    while (p < end) {
        uint64_t n;
        p = yatai_past_uint(p, &n);
        put_string(c, p, n);
        p += n;
    }
}

static void put_value(struct yatai_columns *c, const struct yatai_ref *ref, const uint8_t *p) {
    uint64_t n;
    if (ref->any) {
        yatai_out_bytes(&c->rest, p, (size_t)(ref->content + ref->content_bytes - p));
    } else {
        p = yatai_past_uint(p, &n);
        yatai_json_to_any(&c->rest, p, n);
    }
}

static void put_content(struct yatai_columns *c, const struct yatai_ref *ref, uint32_t skip) {
    const uint8_t *p = ref->content, *end = p + ref->content_bytes;
    uint64_t n;
    switch (ref->kind) {
    case YATAI_DELETED:
        put_number(&c->len, ref->len - skip);
        break;
    case YATAI_STRING:
        put_text_from(c, ref, skip);
        break;
    case YATAI_JSON:
        put_number(&c->len, ref->len - skip);
        put_json_values(c, p + yatai_elements_skip(YATAI_JSON, p, ref->content_bytes, skip), end);
        break;
    case YATAI_ANY:
        put_number(&c->len, ref->len - skip);
        p += yatai_elements_skip(YATAI_ANY, p, ref->content_bytes, skip);
        yatai_out_bytes(&c->rest, p, (size_t)(end - p));
        break;
    case YATAI_EMBED:
        put_value(c, ref, p);
        break;
    case YATAI_FORMAT:
        p = yatai_past_uint(p, &n);
        put_key(c, p, n);
        put_value(c, ref, p + n);
        break;
    case YATAI_TYPE:
        put_number(&c->type_ref, ref->type_ref);
        if (ref->content_bytes > 0) {
            p = yatai_past_uint(p, &n);
            put_key(c, p, n);
        }
        break;
    case YATAI_DOC:
        p = yatai_past_uint(p, &n);
        put_string(c, p, n);
        yatai_out_bytes(&c->rest, p + n, (size_t)(end - p) - n);
        break;
    default: /* YATAI_BINARY */
        yatai_out_bytes(&c->rest, p, ref->content_bytes);
        break;
    }
}

/* ---- structs -------------------------------------------------------------------------------- */

void yatai_columns_client(struct yatai_columns *c, uint64_t client) {
    put_number(&c->client, client);
}

static void put_parent(struct yatai_columns *c, const struct yatai_ref *ref) {
    put_byte(&c->parent_info, ref->has & YATAI_HAS_ROOT ? 1 : 0);
    if (ref->has & YATAI_HAS_ROOT) {
        put_string(c, ref->root, ref->root_bytes);
    } else {
        put_id(c, &c->left_clock, ref->parent.client, ref->parent.clock);
    }
    if (ref->has & YATAI_HAS_SUB) {
        put_string(c, ref->sub, ref->sub_bytes);
    }
}

void yatai_columns_ref(struct yatai_columns *c, const struct yatai_ref *ref, uint64_t client,
                       uint32_t skip) {
    unsigned has = ref->has;
    bool linked = skip > 0 || (has & (YATAI_HAS_ORIGIN | YATAI_HAS_RIGHT));
    if (ref->kind == YATAI_GC || ref->kind == YATAI_SKIP) {
        put_byte(&c->info, ref->kind);
        if (ref->kind == YATAI_GC) {
            put_number(&c->len, ref->len - skip);
        } else {
            yatai_out_uint(&c->rest, ref->len - skip);
        }
        return;
    }
    unsigned info = ref->kind | (has & YATAI_HAS_ON_WIRE);
    put_byte(&c->info, (uint8_t)(info | (skip > 0 ? YATAI_HAS_ORIGIN : 0)));
    if (skip > 0) {
        put_id(c, &c->left_clock, client, ref->clock + skip - 1);
    } else if (has & YATAI_HAS_ORIGIN) {
        put_id(c, &c->left_clock, ref->origin.client, ref->origin.clock);
    }
    if (has & YATAI_HAS_RIGHT) {
        put_id(c, &c->right_clock, ref->right.client, ref->right.clock);
    }
    if (!linked) {
        put_parent(c, ref);
    }
    put_content(c, ref, skip);
}

/* ---- the update ----------------------------------------------------------------------------- */

static void write_column(struct yatai_out *out, struct yatai_column *c) {
    out->failed |= c->out.failed;
    yatai_out_string(out, c->out.p, c->out.n);
    yatai_out_fini(&c->out);
}

static void write_numbers(struct yatai_out *out, struct yatai_column *c) {
    end_numbers(c);
    write_column(out, c);
}

static void write_steps(struct yatai_out *out, struct yatai_column *c) {
    end_steps(c);
    write_column(out, c);
}

void yatai_columns_finish(struct yatai_columns *c, struct yatai_out *out) {
    yatai_out_uint(out, 0); /* features */
    write_steps(out, &c->key_clock);
    write_numbers(out, &c->client);
    write_steps(out, &c->left_clock);
    write_steps(out, &c->right_clock);
    write_column(out, &c->info);
    end_numbers(&c->string_len);
    uint8_t number[YATAI_UINT_MAX_BYTES];
    size_t n = (size_t)(yatai_put_uint(number, c->text.n) - number);
    out->failed |= c->text.failed | c->string_len.out.failed | c->rest.failed;
    yatai_out_uint(out, n + c->text.n + c->string_len.out.n);
    yatai_out_string(out, c->text.p, c->text.n);
    yatai_out_bytes(out, c->string_len.out.p, c->string_len.out.n);
    yatai_out_fini(&c->text);
    yatai_out_fini(&c->string_len.out);
    write_column(out, &c->parent_info);
    write_numbers(out, &c->type_ref);
    write_numbers(out, &c->len);
}
