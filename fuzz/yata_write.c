/* yata_write.c: the input is a series of edits by two writers, any of which may be wrong, and of
 * exchanges between them. Promised: nothing breaks, an edit that is refused leaves no trace, and
 * when all was exchanged both documents are the same.
 */
#include "yata_support.h"

enum { WRITERS = 2, EDITS_MAX = 400, TYPES_MAX = 16 };

struct input {
    const uint8_t *p;
    size_t n;
};

struct writer {
    struct yata_doc *doc;
    struct yata_type types[TYPES_MAX];
    size_t type_count;
};

static uint8_t take(struct input *in) {
    if (in->n == 0) {
        return 0;
    }
    in->n--;
    return *in->p++;
}

static struct yata_slice take_slice(struct input *in) {
    size_t n = take(in) % 16;
    n = n < in->n ? n : in->n;
    struct yata_slice s = {in->p, n};
    in->p += n;
    in->n -= n;
    return s;
}

/* Values of all kinds; those that are text may be malformed. */
static struct yata_value take_value(struct input *in) {
    struct yata_value v = {.kind = (enum yata_value_kind)(take(in) % (YATA_VALUE_SUBDOC + 1))};
    switch (v.kind) {
    case YATA_VALUE_BOOL:
        v.boolean = take(in) % 2 != 0;
        break;
    case YATA_VALUE_INTEGER:
    case YATA_VALUE_BIGINT:
        v.integer = (int64_t)take(in) << take(in) % 56;
        break;
    case YATA_VALUE_NUMBER:
        v.number = take(in) / 7.0;
        break;
    case YATA_VALUE_UNDEFINED:
    case YATA_VALUE_NULL:
    case YATA_VALUE_TYPE:
        break;
    default:
        v.bytes = take_slice(in);
        break;
    }
    return v;
}

static size_t take_index(struct input *in) {
    uint8_t x = take(in);
    return x == 255 ? YATA_END : x % 32;
}

static void keep(struct writer *w, enum yata_status status, struct yata_type type) {
    if (status == YATA_OK && w->type_count < TYPES_MAX) {
        w->types[w->type_count++] = type;
    }
}

static void edit_text(struct writer *w, struct yata_type t, unsigned what, struct input *in) {
    struct yata_mark a = {0};
    struct yata_marks attributes = {&a, take(in) % 2};
    struct yata_type made = {0};
    size_t at = take_index(in), n = take(in) % 8;
    struct yata_slice s = take_slice(in);
    struct yata_value value = take_value(in);
    a.key = take_slice(in);
    a.value = take_value(in);
    switch (what) {
    case 0:
        (void)yata_text_insert(w->doc, t, at, (const char *)s.p, s.n, NULL);
        break;
    case 1:
        (void)yata_text_insert(w->doc, t, at, (const char *)s.p, s.n, &attributes);
        break;
    case 2:
        (void)yata_text_delete(w->doc, t, at, n);
        break;
    case 3:
        (void)yata_text_format(w->doc, t, at, n, &attributes);
        break;
    case 4:
        (void)yata_text_embed(w->doc, t, at, &value, &attributes);
        break;
    default:
        keep(w,
             yata_text_embed_type(w->doc, t, at, (enum yata_type_kind)n, (const char *)s.p, s.n,
                                  NULL, &made),
             made);
        break;
    }
}

static void edit_others(struct writer *w, struct yata_type t, unsigned what, struct input *in) {
    struct yata_type made = {0};
    size_t at = take_index(in), n = take(in) % 8;
    struct yata_slice s = take_slice(in), key = take_slice(in);
    const char *k = (const char *)key.p, *name = (const char *)s.p;
    struct yata_value values[2] = {take_value(in), take_value(in)};
    switch (what) {
    case 6:
        (void)yata_list_insert(w->doc, t, at, values, n % 3);
        break;
    case 7:
        (void)yata_list_delete(w->doc, t, at, n);
        break;
    case 8:
        (void)yata_map_set(w->doc, t, k, key.n, values);
        break;
    case 9:
        (void)yata_map_delete(w->doc, t, k, key.n);
        break;
    case 10:
        keep(w, yata_map_set_type(w->doc, t, k, key.n, (enum yata_type_kind)n, name, s.n, &made),
             made);
        break;
    default:
        keep(w, yata_list_insert_type(w->doc, t, at, (enum yata_type_kind)n, name, s.n, &made),
             made);
        break;
    }
}

/* What `from` has and `to` lacks. */
static void send_state(struct yata_doc *from, struct yata_doc *to) {
    struct yata_bytes vector = {0}, update = {0};
    promise("vector", yata_encode_state_vector(to, &vector) == YATA_OK);
    promise("state", yata_encode_state(from, vector.p, vector.n, &update) == YATA_OK);
    promise("accepted", yata_apply(to, update.p, update.n, NULL, NULL) == YATA_OK);
    yata_bytes_fini(&vector);
    yata_bytes_fini(&update);
}

static bool same(struct yata_doc *a, struct yata_doc *b) {
    struct yata_bytes x = {0}, y = {0};
    promise("snapshot", yata_encode_snapshot(a, &x) == YATA_OK);
    promise("snapshot", yata_encode_snapshot(b, &y) == YATA_OK);
    bool equal = x.n == y.n && memcmp(x.p, y.p, x.n) == 0;
    yata_bytes_fini(&x);
    yata_bytes_fini(&y);
    return equal;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, size};
    struct writer writers[WRITERS] = {0};
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i].doc = new_doc();
        promise("client", yata_set_client(writers[i].doc, i + 1) == YATA_OK);
        promise("root", yata_root(writers[i].doc, "r", 1, writers[i].types) == YATA_OK);
        writers[i].type_count = 1;
    }
    for (size_t edits = 0; in.n > 0 && edits < EDITS_MAX; edits++) {
        uint8_t head = take(&in);
        struct writer *w = &writers[head % WRITERS];
        unsigned what = head / WRITERS % 16;
        struct yata_type type = w->types[take(&in) % w->type_count];
        if (what >= 14) {
            send_state(writers[1 - head % WRITERS].doc, w->doc);
        } else if (what < 6) {
            edit_text(w, type, what, &in);
        } else {
            edit_others(w, type, what, &in);
        }
    }
    send_state(writers[0].doc, writers[1].doc);
    send_state(writers[1].doc, writers[0].doc);
    promise("the same at the end", same(writers[0].doc, writers[1].doc));
    for (size_t i = 0; i < WRITERS; i++) {
        yata_doc_free(writers[i].doc);
    }
    return 0;
}
