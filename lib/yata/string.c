/* string.c: values as JavaScript's String() writes them, which is what yjs puts into markup.
 *
 * Nesting is bounded by YATAI_DEPTH_MAX, and so is recursion. (ECMA-262 ToString,
 * Array.prototype.join)
 */
#include <math.h>
#include <stdio.h>

#include "look.h"
#include "value.h"

static void word(struct yatai_out *out, const char *text) {
    yatai_out_bytes(out, text, strlen(text));
}

static void number(struct yatai_out *out, double x) {
    if (isnan(x)) {
        word(out, "NaN");
    } else if (isinf(x)) {
        word(out, x < 0 ? "-Infinity" : "Infinity");
    } else {
        yatai_number_to_json(out, x);
    }
}

static void bytes(struct yatai_out *out, struct yata_slice s) {
    char text[8];
    for (size_t i = 0; i < s.n; i++) {
        int n = snprintf(text, sizeof text, "%s%u", i > 0 ? "," : "", s.p[i]);
        yatai_out_bytes(out, text, (size_t)n);
    }
}

/* The elements, parted by commas; what is null or undefined is nothing. */
static void any(struct yatai_out *out, const struct yata_value *value) {
    struct yata_any elements;
    struct yata_value element;
    bool object, first = true;
    if (yata_any_begin(value, &elements, &object) != YATA_OK || object) {
        word(out, "[object Object]");
        return;
    }
    while (yata_any_next(&elements, NULL, &element)) {
        if (!first) {
            yatai_out_byte(out, ',');
        }
        first = false;
        if (element.kind != YATA_VALUE_NULL && element.kind != YATA_VALUE_UNDEFINED) {
            yatai_value_to_text(out, &element);
        }
    }
}

static void json(struct yatai_out *out, struct yata_slice text) {
    struct yatai_out as_any = {.mem = out->mem};
    struct yata_value value;
    yatai_json_to_any(&as_any, text.p, text.n);
    if (as_any.failed) {
        out->failed = true;
    } else {
        (void)yatai_value_of_any(as_any.p, as_any.p + as_any.n, &value);
        yatai_value_to_text(out, &value);
    }
    yatai_out_fini(&as_any);
}

void yatai_value_to_text(struct yatai_out *out, const struct yata_value *value) {
    char text[24];
    switch (value->kind) {
    case YATA_VALUE_UNDEFINED:
        word(out, "undefined");
        break;
    case YATA_VALUE_NULL:
        word(out, "null");
        break;
    case YATA_VALUE_BOOL:
        word(out, value->boolean ? "true" : "false");
        break;
    case YATA_VALUE_INTEGER:
    case YATA_VALUE_BIGINT:
        snprintf(text, sizeof text, "%lld", (long long)value->integer);
        word(out, text);
        break;
    case YATA_VALUE_NUMBER:
        number(out, value->number);
        break;
    case YATA_VALUE_STRING:
        yatai_out_bytes(out, value->bytes.p, value->bytes.n);
        break;
    case YATA_VALUE_BYTES:
        bytes(out, value->bytes);
        break;
    case YATA_VALUE_ANY:
        any(out, value);
        break;
    case YATA_VALUE_JSON:
        json(out, value->bytes);
        break;
    default:
        word(out, "[object Object]");
        break;
    }
}
