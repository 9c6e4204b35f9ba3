#include "conf/option.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"
#include "limit/caps.h"

/* The default column is a number or a text, by type. */
#define DEFAULT_UINT(d)   .number = (d)
#define DEFAULT_SIZE(d)   .number = (d)
#define DEFAULT_BOOL(d)   .number = (d)
#define DEFAULT_CHOICE(d) .number = (d)
#define DEFAULT_TEXT(d)   .text = (d)
#define SHOWN_PUBLIC      false
#define SHOWN_SECRET      true
#define WHEN_FIXED        false
#define WHEN_RELOAD       true

static const struct option rows[OPT_COUNT] = {
#define OPTION(field, fl, en, ty, dflt, lo, hi, wo, when, shown, gr, he)                           \
    {.flag = (fl),                                                                                 \
     .env = (en),                                                                                  \
     .type = TYPE_##ty,                                                                            \
     .offset = offsetof(struct conf, field),                                                       \
     DEFAULT_##ty(dflt),                                                                           \
     .least = (lo),                                                                                \
     .most = (hi),                                                                                 \
     .words = (wo),                                                                                \
     .secret = SHOWN_##shown,                                                                      \
     .group = (gr),                                                                                \
     .reloadable = WHEN_##when,                                                                    \
     .help = (he)},
#include "conf/options.def"
#undef OPTION
};

const struct option *option_get(enum option_id id) {
    must(id < OPT_COUNT);
    return &rows[id];
}

enum option_id option_find(slice flag) {
    unsigned id = 0;
    while (id < OPT_COUNT && !slice_is(flag, rows[id].flag)) {
        id++;
    }
    return (enum option_id)id;
}

static void store_number(struct conf *c, const struct option *o, uint64_t v) {
    void *at = (char *)c + o->offset;
    switch (o->type) {
    case TYPE_UINT:
    case TYPE_CHOICE:
        *(unsigned *)at = (unsigned)v;
        break;
    case TYPE_SIZE:
        *(size_t *)at = (size_t)v;
        break;
    case TYPE_BOOL:
        *(bool *)at = v != 0;
        break;
    case TYPE_TEXT:
        must(false);
    }
}

static uint64_t load_number(const struct conf *c, const struct option *o) {
    const void *at = (const char *)c + o->offset;
    switch (o->type) {
    case TYPE_UINT:
    case TYPE_CHOICE:
        return *(const unsigned *)at;
    case TYPE_SIZE:
        return *(const size_t *)at;
    case TYPE_BOOL:
        return *(const bool *)at;
    case TYPE_TEXT:
        break;
    }
    must(false);
    return 0;
}

static void store_text(struct conf_box *box, enum option_id id, const char *value) {
    mem_free(box->texts[id]);
    box->texts[id] = value ? mem_copy_str(value, strlen(value)) : NULL;
    void *at = (char *)&box->conf + rows[id].offset;
    *(const char **)at = box->texts[id];
}

void option_reset(struct conf_box *box, enum option_id id) {
    const struct option *o = option_get(id);
    box->from[id] = SOURCE_DEFAULT;
    if (o->type == TYPE_TEXT) {
        store_text(box, id, o->text);
    } else {
        store_number(&box->conf, o, o->number);
    }
}

/* The multiplier that a size's suffix stands for; 0 when it is none. K, KB and KiB are all 1024:
 * nobody who sets a buffer means 1000. */
static uint64_t suffix_factor(const char *s) {
    if (*s == 0) {
        return 1;
    }
    const char *units = "kmg";
    const char *unit = strchr(units, tolower((unsigned char)*s));
    if (!unit) {
        return 0;
    }
    const char *rest = s + 1;
    if (*rest == 'i') {
        rest++;
        if (*rest != 'B') {
            return 0;
        }
    }
    if (*rest == 'B') {
        rest++;
    }
    return *rest ? 0 : (uint64_t)1 << (10 * (unit - units + 1));
}

/* Digits and, for sizes, a suffix. */
static bool read_number(const struct option *o, const char *value, uint64_t *ret, struct buf *why) {
    uint64_t v = 0;
    const char *s = value;
    for (; isdigit((unsigned char)*s); s++) {
        unsigned digit = (unsigned)(*s - '0');
        if (v > (UINT64_MAX - digit) / 10) {
            buf_put_str(why, "too large");
            return false;
        }
        v = v * 10 + digit;
    }
    uint64_t factor = o->type == TYPE_SIZE ? suffix_factor(s) : *s == 0;
    if (s == value || factor == 0) {
        buf_put_str(why, o->type == TYPE_SIZE ? "not a size" : "not a whole number");
        return false;
    }
    if (v > o->most / factor) {
        buf_put_str(why, "too large");
        return false;
    }
    if (v * factor < o->least) {
        buf_put_str(why, "too small");
        return false;
    }
    *ret = v * factor;
    return true;
}

static bool read_bool(const char *value, uint64_t *ret, struct buf *why) {
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(value, words[i]) == 0) {
            *ret = i % 2;
            return true;
        }
    }
    buf_put_str(why, "neither true nor false");
    return false;
}

static bool read_choice(const struct option *o, const char *value, uint64_t *ret, struct buf *why) {
    size_t n = strlen(value);
    uint64_t index = 0;
    for (const char *w = o->words; w; index++) {
        const char *bar = strchr(w, '|');
        size_t len = bar ? (size_t)(bar - w) : strlen(w);
        if (len == n && memcmp(w, value, n) == 0) {
            *ret = index;
            return true;
        }
        w = bar ? bar + 1 : NULL;
    }
    buf_put_str(why, "not one of its words");
    return false;
}

static bool check_text(const struct option *o, const char *value, struct buf *why) {
    size_t n = strlen(value);
    if (n < o->least || n > o->most) {
        buf_put_str(why, n ? n < o->least ? "too short" : "too long" : "empty");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (iscntrl((unsigned char)value[i])) {
            buf_put_str(why, "has a control character");
            return false;
        }
    }
    return true;
}

bool option_set(struct conf_box *box, enum option_id id, const char *value, struct buf *why) {
    const struct option *o = option_get(id);
    uint64_t v = 0;
    bool right = false;
    switch (o->type) {
    case TYPE_UINT:
    case TYPE_SIZE:
        right = read_number(o, value, &v, why);
        break;
    case TYPE_BOOL:
        right = read_bool(value, &v, why);
        break;
    case TYPE_CHOICE:
        right = read_choice(o, value, &v, why);
        break;
    case TYPE_TEXT:
        right = check_text(o, value, why);
        break;
    }
    if (right && o->type == TYPE_TEXT) {
        store_text(box, id, value);
    } else if (right) {
        store_number(&box->conf, o, v);
    }
    return right;
}

static void put_size(struct buf *b, uint64_t v) {
    static const char units[] = "KMG";
    size_t unit = sizeof units - 1;
    while (unit > 0 && (v == 0 || v % ((uint64_t)1 << (10 * unit)) != 0)) {
        unit--;
    }
    buf_put_u64(b, v >> (10 * unit));
    if (unit > 0) {
        buf_put_u8(b, (uint8_t)units[unit - 1]);
    }
}

static void put_word(struct buf *b, const char *words, uint64_t index) {
    while (index-- > 0) {
        const char *bar = strchr(words, '|');
        must(bar);
        words = bar + 1;
    }
    buf_put(b, words, strcspn(words, "|"));
}

static void put_number(struct buf *b, const struct option *o, uint64_t v) {
    switch (o->type) {
    case TYPE_UINT:
        buf_put_u64(b, v);
        break;
    case TYPE_SIZE:
        put_size(b, v);
        break;
    case TYPE_BOOL:
        buf_put_str(b, v ? "true" : "false");
        break;
    case TYPE_CHOICE:
        put_word(b, o->words, v);
        break;
    case TYPE_TEXT:
        must(false);
    }
}

void option_put_rule(struct buf *b, const struct option *o) {
    switch (o->type) {
    case TYPE_UINT:
        buf_printf(b, "a whole number from %llu to %llu", (unsigned long long)o->least,
                   (unsigned long long)o->most);
        break;
    case TYPE_SIZE:
        buf_put_str(b, "a size from ");
        put_size(b, o->least);
        buf_put_str(b, " to ");
        put_size(b, o->most);
        buf_put_str(b, ", in bytes or with K, M or G");
        break;
    case TYPE_BOOL:
        buf_put_str(b, "true or false");
        break;
    case TYPE_CHOICE:
        for (const char *w = o->words; w;) {
            size_t n = strcspn(w, "|");
            bool more = w[n] == '|';
            buf_put_str(b, w == o->words ? "" : more ? ", " : " or ");
            buf_put(b, w, n);
            w = more ? w + n + 1 : NULL;
        }
        break;
    case TYPE_TEXT:
        buf_printf(b, "%llu to %llu characters", (unsigned long long)o->least,
                   (unsigned long long)o->most);
        break;
    }
}

void option_put_default(struct buf *b, const struct option *o) {
    if (o->type == TYPE_TEXT) {
        buf_put_str(b, o->text ? o->text : "");
    } else if (o->number < o->least) {
        buf_put_str(b, "automatic");
    } else {
        put_number(b, o, o->number);
    }
}

void option_put_value(struct buf *b, const struct conf *c, const struct option *o) {
    if (o->type == TYPE_TEXT) {
        const void *at = (const char *)c + o->offset;
        const char *text = *(const char *const *)at;
        buf_put_str(b, text ? text : "");
    } else {
        put_number(b, o, load_number(c, o));
    }
}

size_t option_distance(slice a, slice b) {
    size_t row[64];
    if (a.n >= sizeof row / sizeof *row || b.n >= sizeof row / sizeof *row) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= b.n; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a.n; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t best = corner + (a.p[i - 1] != b.p[j - 1]);
            corner = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
        }
    }
    return row[b.n];
}
