/* input.c: files read whole, and which format they are.
 *
 * Neither format says which it is. But a Yjs client writes nothing behind an update, and few bytes
 * are an update of both formats up to their last one: so what is exactly an update of one format
 * only, is that. In any other case the caller has to say, rather than we guess.
 */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (UINT32_C(1) << 31) /* what libyata takes */
#define CHUNK     65536

void complain(const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)fputs("yata: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
}

const char *format_name(enum yata_format format) {
    return format == YATA_V1 ? "V1" : "V2";
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool read_all(FILE *f, struct input *in) {
    size_t cap = 0;
    for (;;) {
        if (in->n == cap) {
            cap = cap ? cap * 2 : CHUNK;
            uint8_t *p = in->n < INPUT_MAX ? realloc(in->p, cap) : NULL;
            if (!p) {
                complain(in->n < INPUT_MAX ? "%s: out of memory"
                                           : "%s: larger than 2 GiB, which no update may be",
                         in->name);
                return false;
            }
            in->p = p;
        }
        size_t n = fread(in->p + in->n, 1, cap - in->n, f);
        in->n += n;
        if (n == 0) {
            break;
        }
    }
    if (ferror(f)) {
        complain("%s: cannot be read: %s", in->name, strerror(errno));
        return false;
    }
    return true;
}

bool input_read(const char *path, struct input *ret) {
    bool standard = strcmp(path, "-") == 0;
    struct input in = {.name = standard ? "standard input" : path};
    FILE *f = standard ? stdin : fopen(path, "rb");
    if (!f) {
        complain("%s: cannot be opened: %s", path, strerror(errno));
        return false;
    }
    bool good = read_all(f, &in);
    if (!standard) {
        (void)fclose(f);
    }
    if (!good) {
        input_free(&in);
        return false;
    }
    *ret = in;
    return true;
}

void input_free(struct input *in) {
    free(in->p);
    *in = (struct input){0};
}

/* ---- which format --------------------------------------------------------------------------- */

/* What one format makes of the bytes. */
struct verdict {
    bool taken;
    bool exact; /* taken, and nothing is left over */
    struct yata_error why;
};

static struct verdict try_format(const struct input *in, enum yata_format format) {
    struct verdict v = {0};
    v.taken = yata_check_update_as(format, in->p, in->n, &v.why) == YATA_OK;
    v.exact = v.taken && yata_check_update_as(format, in->p, in->n - 1, NULL) != YATA_OK;
    return v;
}

static bool is_text(const struct input *in) {
    for (size_t i = 0; i < in->n; i++) {
        if (!strchr("\t\r\n", in->p[i]) && (in->p[i] < ' ' || in->p[i] > '~')) {
            return false;
        }
    }
    return true;
}

static bool reads_as_state_vector(const uint8_t *p, size_t bytes, struct yata_error *ret_error) {
    struct yata_clock *clocks = NULL;
    size_t n;
    bool is = yata_decode_state_vector(p, bytes, &clocks, &n, ret_error) == YATA_OK;
    free(clocks);
    return is;
}

bool input_is_state_vector(const struct input *in, struct yata_error *ret_why) {
    if (!reads_as_state_vector(in->p, in->n, ret_why)) {
        return false;
    }
    size_t end = 0;
    while (!reads_as_state_vector(in->p, end, NULL)) {
        end++;
    }
    if (end < in->n && ret_why) {
        ret_why->at = end;
        (void)snprintf(ret_why->what, sizeof ret_why->what, "the state vector ends here");
    }
    return end == in->n;
}

/* What may have happened to the file, and what helps. */
static void advise(const struct input *in) {
    if (in->n == 0) {
        complain("the file is empty; an update that says nothing has two bytes, 00 00");
    } else if (is_text(in)) {
        complain("this is text; if it is an update in base64 or hex, decode it first: base64 -d, "
                 "xxd -r -p");
    } else if (input_is_state_vector(in, NULL)) {
        complain("this may be a state vector; yata diff --since-vector takes one");
    } else {
        complain("the file is cut off or damaged, or no Yjs update; fetch it again, or its copy");
    }
}

static void report(const struct input *in, enum yata_format format, const struct yata_error *why) {
    complain("%s: byte %zu: %s (read as %s)", in->name, why->at, why->what, format_name(format));
}

/* Where an update that is taken ends: the bytes up to there are taken, too. */
static size_t end_of(const struct input *in, enum yata_format format) {
    size_t low = 0, high = in->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (yata_check_update_as(format, in->p, mid, NULL) == YATA_OK) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return high;
}

/* The caller knows best, unless the bytes are exactly an update of the other format. */
static bool check_as(struct input *in, enum yata_format format) {
    enum yata_format other = format == YATA_V1 ? YATA_V2 : YATA_V1;
    struct verdict v = try_format(in, format);
    bool mistaken = !v.exact && try_format(in, other).exact;
    in->format = format;
    if (v.taken && !mistaken) {
        return true;
    }
    if (v.taken) {
        complain("%s: ends at byte %zu when it is read as %s", in->name, end_of(in, format),
                 format_name(format));
    } else {
        report(in, format, &v.why);
    }
    if (mistaken) {
        complain("it is an update of format %s: leave out --%s", format_name(other),
                 options[format == YATA_V1 ? OPTION_V1 : OPTION_V2].name);
    } else {
        advise(in);
    }
    return false;
}

static bool detect(struct input *in) {
    struct verdict v1 = try_format(in, YATA_V1), v2 = try_format(in, YATA_V2);
    if (!v1.taken && !v2.taken) {
        /* The right one got further before it stumbled. */
        bool first = v1.why.at >= v2.why.at;
        const struct yata_error *why = first ? &v1.why : &v2.why;
        report(in, first ? YATA_V1 : YATA_V2, why);
        advise(in);
        return false;
    }
    bool sure = v1.exact || v2.exact ? v1.exact != v2.exact : v1.taken != v2.taken;
    if (!sure) {
        complain("%s: can be read as format V1 and as V2: say which by --v1 or --v2", in->name);
        return false;
    }
    in->format = v1.exact || (v1.taken && !v2.taken) ? YATA_V1 : YATA_V2;
    return true;
}

bool input_read_update(const struct args *args, const char *path, struct input *ret) {
    struct input in;
    if (!input_read(path, &in)) {
        return false;
    }
    bool good = args->given[OPTION_V1]   ? check_as(&in, YATA_V1)
                : args->given[OPTION_V2] ? check_as(&in, YATA_V2)
                                         : detect(&in);
    if (!good) {
        input_free(&in);
        return false;
    }
    *ret = in;
    return true;
}
