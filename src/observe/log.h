/* log.h: one line per event on standard error: a JSON object, or text for people.
 *
 * An event has a stable id, listed in docs/operations.md, and fields. Common fields: traceId,
 * roomId, seq, sid, userId, connectionId, latency_ms, result, errCode. Never tokens, never document
 * text. Libraries do not log; a function logs or returns an error, not both.
 *
 *     log_info("ROOM-OPEN", log_str("roomId", name), log_u64("participants", n));
 *
 * Whatever a peer can trigger goes through log_limited; what is said of every message, through
 * log_sampled.
 *
 * Each folder of src/ is an area with a level of its own; its target is compiled with LOG_AREA.
 *
 * Thread: any, after log_open. A line is written by one write call; a line that standard error does
 * not take at once is dropped and counted, not waited for. Only log_limited takes a lock (a leaf).
 */
#ifndef OBSERVE_LOG_H
#define OBSERVE_LOG_H

#include "base/err.h"
#include "base/slice.h"
#include "base/trace.h"

/* Folders that log. */
#define LOG_AREA_TABLE(X)                                                                          \
    X(access)                                                                                      \
    X(app) X(cluster) X(control) X(gateway) X(http) X(observe) X(room) X(rpc) X(store) X(tool)

enum log_area {
#define X(name) LOG_AREA_##name,
    LOG_AREA_TABLE(X)
#undef X
        LOG_AREAS
};

#ifndef LOG_AREA
#define LOG_AREA LOG_AREA_app
#endif

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_AUTO, LOG_JSON, LOG_TEXT }; /* LOG_AUTO: text on a terminal, else JSON */

struct log_field {
    const char *key; /* NULL ends a list */
    enum {
        LOG_FIELD_STR,
        LOG_FIELD_U64,
        LOG_FIELD_I64,
        LOG_FIELD_MS,
        LOG_FIELD_BOOL,
        LOG_FIELD_TRACE,
        LOG_FIELD_NONE, /* left out */
    } type;
    union {
        slice str;
        uint64_t u64; /* LOG_FIELD_MS: nanoseconds */
        int64_t i64;
        const struct trace *trace;
    };
};

/* Once, at start; before that lines of LOG_INFO and above are written as JSON. The level is that of
 * all areas. */
void log_open(enum log_level, enum log_format);
/* Before log_open: lines go to the end of this file instead of standard error; NULL is a no-op.
 * ERR_IO with a sentence that names COLLAB_LOG_FILE. */
NODISCARD enum err log_open_file(const char *path, char *why, size_t why_bytes);
/* Opens the file's path anew, for whoever moved the file away (SIGHUP); others may log meanwhile.
 * If that fails the old file stays in use, and `why` says so. Without a file a no-op. */
NODISCARD enum err log_reopen(char *why, size_t why_bytes);
/* Back to standard error, when nobody else logs any more. */
void log_close_file(void);
/* May be called at any time, also while others log: of all areas, */
void log_set_level(enum log_level);
/* or as a list says: "room=debug,rpc=warn". NULL is a no-op. ERR_PARAMS, with nothing changed and a
 * sentence that names COLLAB_LOG_AREAS. */
NODISCARD enum err log_set_areas(const char *list, char *why, size_t why_bytes);
bool log_enabled(enum log_area, enum log_level);
/* Of log_sampled's lines one in so many is written by each thread; 1: all. */
void log_set_sample(unsigned);

/* Text: cut at CAPS_LOG_FIELD_BYTES, control characters escaped, bytes that are not UTF-8 replaced.
 * The bytes are used during the call only. */
static inline struct log_field log_str(const char *key, slice value) {
    return (struct log_field){.key = key, .type = LOG_FIELD_STR, .str = value};
}
static inline struct log_field log_text(const char *key, const char *value) {
    return log_str(key, slice_str(value));
}
static inline struct log_field log_u64(const char *key, uint64_t value) {
    return (struct log_field){.key = key, .type = LOG_FIELD_U64, .u64 = value};
}
static inline struct log_field log_i64(const char *key, int64_t value) {
    return (struct log_field){.key = key, .type = LOG_FIELD_I64, .i64 = value};
}
/* Milliseconds with three decimals, from nanoseconds. */
static inline struct log_field log_ms(const char *key, uint64_t ns) {
    return (struct log_field){.key = key, .type = LOG_FIELD_MS, .u64 = ns};
}
static inline struct log_field log_bool(const char *key, bool value) {
    return (struct log_field){.key = key, .type = LOG_FIELD_BOOL, .u64 = value};
}
/* The trace's id; left out when there is none. */
static inline struct log_field log_trace(const struct trace *t) {
    return (struct log_field){
        .key = "traceId", .type = trace_is_set(t) ? LOG_FIELD_TRACE : LOG_FIELD_NONE, .trace = t};
}
/* The error's label. */
static inline struct log_field log_err(const char *key, enum err value) {
    return log_text(key, err_label(value));
}

/* As many fields as a line may have; the rest of the array is zero, which ends the list. */
#define LOG_FIELDS_MAX  15
#define LOG_FIELDS(...) ((const struct log_field[LOG_FIELDS_MAX + 1]){__VA_ARGS__})
#define LOG_AT(level, event, ...)                                                                  \
    (log_enabled(LOG_AREA, level) ? log_write(level, event, LOG_FIELDS(__VA_ARGS__)) : (void)0)

#define log_debug(event, ...) LOG_AT(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...)  LOG_AT(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...)  LOG_AT(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) LOG_AT(LOG_ERROR, event, __VA_ARGS__)

/* What an operator has just asked for: at level info, whatever the levels are. */
#define log_always(event, ...) log_write(LOG_INFO, event, LOG_FIELDS(__VA_ARGS__))

/* For what a peer can trigger: at most CAPS_LOG_PER_SECOND lines per second and event; what was
 * left out is counted, and told by a line with "suppressed" when the second is over. */
#define log_limited(level, event, ...)                                                             \
    (log_enabled(LOG_AREA, level) ? log_write_limited(level, event, LOG_FIELDS(__VA_ARGS__))       \
                                  : (void)0)

/* For what is said of every message: one line in so many, which says so by "sampled". */
#define log_sampled(level, event, ...)                                                             \
    (log_enabled(LOG_AREA, level) && log_is_sampled()                                              \
         ? log_write(level, event, LOG_FIELDS(__VA_ARGS__, log_sample_field()))                    \
         : (void)0)

/* To be called about once a second: tells the totals of seconds that are over. */
void log_flush_suppressed(void);

/* What the macros above call. */
bool log_is_sampled(void);
struct log_field log_sample_field(void);
void log_write(enum log_level, const char *event, const struct log_field *fields);
void log_write_limited(enum log_level, const char *event, const struct log_field *fields);

#endif
