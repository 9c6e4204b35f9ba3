/* testing.h: bytes as hex and an allocator that fails, for the unit tests of this folder. */
#ifndef YATA_TESTING_H
#define YATA_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "yata.h"

#define TEST_BYTES_MAX 4096

struct test_bytes {
    uint8_t p[TEST_BYTES_MAX];
    size_t n;
};

static inline struct test_bytes from_hex(const char *hex) {
    struct test_bytes b = {.n = strlen(hex) / 2};
    assert_true(b.n <= TEST_BYTES_MAX);
    for (size_t i = 0; i < b.n; i++) {
        unsigned x = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &x), 1);
        b.p[i] = (uint8_t)x;
    }
    return b;
}

/* Compares and releases. */
static inline void assert_hex(struct yata_bytes *got, const char *hex) {
    char *text = malloc(2 * got->n + 1);
    assert_non_null(text);
    text[0] = 0;
    for (size_t i = 0; i < got->n; i++) {
        snprintf(text + 2 * i, 3, "%02x", got->p[i]);
    }
    assert_string_equal(text, hex);
    free(text);
    yata_bytes_fini(got);
}

static inline struct yata_applied apply_hex(struct yata_doc *doc, const char *hex) {
    struct test_bytes u = from_hex(hex);
    struct yata_applied applied = {0};
    struct yata_error why = {0};
    if (yata_apply(doc, u.p, u.n, &applied, &why) != YATA_OK) {
        fail_msg("refused at byte %zu: %s", why.at, why.what);
    }
    return applied;
}

static inline void assert_state(struct yata_doc *doc, const char *hex) {
    struct yata_bytes state = {0};
    assert_int_equal(yata_encode_state(doc, NULL, 0, &state), YATA_OK);
    assert_hex(&state, hex);
}

static inline void assert_vector(const struct yata_doc *doc, const char *hex) {
    struct yata_bytes vector = {0};
    assert_int_equal(yata_encode_state_vector(doc, &vector), YATA_OK);
    assert_hex(&vector, hex);
}

static inline void assert_difference(struct yata_doc *doc, const char *vector, const char *hex) {
    struct yata_bytes difference = {0};
    struct test_bytes v = from_hex(vector);
    assert_int_equal(yata_encode_state(doc, v.p, v.n, &difference), YATA_OK);
    assert_hex(&difference, hex);
}

/* The root type of this name. */
static inline struct yata_type root(struct yata_doc *doc, const char *name) {
    struct yata_type type = {0};
    assert_int_equal(yata_root(doc, name, strlen(name), &type), YATA_OK);
    return type;
}

static inline struct yata_slice slice(const char *text) {
    return (struct yata_slice){(const uint8_t *)text, strlen(text)};
}

static inline struct yata_value json(const char *text) {
    return (struct yata_value){.kind = YATA_VALUE_JSON, .bytes = slice(text)};
}

/* An allocator that fails once, for the tests that let each allocation fail in turn. Nothing fails
 * while `left` is 0; otherwise the allocation that takes it from 1 to 0 does, and all after it when
 * `for_good`. `blocks`: how many are out. */
struct failing {
    size_t left;
    size_t blocks;
    bool failed;
    bool for_good;
};

static inline void *failing_realloc(void *ctx, void *p, size_t n) {
    struct failing *f = ctx;
    if (n == 0) {
        f->blocks -= p != NULL;
        free(p);
        return NULL;
    }
    if ((f->failed && f->for_good) || (f->left > 0 && --f->left == 0)) {
        f->failed = true;
        return NULL;
    }
    void *q = realloc(p, n);
    f->blocks += q && !p;
    return q;
}

/* An allocator that counts what is asked for in all; its context is a size_t. */
static inline void *count_realloc(void *ctx, void *p, size_t n) {
    size_t *asked = ctx;
    if (n == 0) {
        free(p);
        return NULL;
    }
    *asked += n;
    return realloc(p, n);
}

#endif
