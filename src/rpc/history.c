#include "rpc/history.h"

#include <stdio.h>

#include "base/alloc.h"
#include "limit/caps.h"

/* Methods, and what they are to the store. */
static const struct {
    enum op op;
    enum store_op job;
} ops[] = {
    {OP_HISTORY_LIST, STORE_LIST},
    {OP_HISTORY_GET, STORE_READ},
    {OP_HISTORY_SAVE, STORE_SAVE},
};

enum store_op history_op(enum op op) {
    size_t i = 0;
    while (ops[i].op != op) {
        i++;
    }
    return ops[i].job;
}

static enum op method_of(enum store_op job) {
    size_t i = 0;
    while (ops[i].job != job) {
        i++;
    }
    return ops[i].op;
}

static struct version_info info_of(const struct store_version *v) {
    return (struct version_info){.id = v->id,
                                 .size_bytes = v->plain_bytes,
                                 .created_ms = v->at_ms,
                                 .version = v->version,
                                 .automatic = v->automatic,
                                 .label = frame_slice(v->label)};
}

struct version_info *history_reply(const struct msg *m, struct reply *ret) {
    const struct store_job *job = m->history.job;
    *ret = (struct reply){.op = method_of(m->history.op), .err = m->err};
    if (m->err != ERR_OK) {
        ret->detail = m->detail;
        ret->retry_after_ms = m->err == ERR_RATE ? CAPS_RETRY_MS : 0;
        ret->bucket = m->err == ERR_RATE ? "history" : NULL;
        return NULL;
    }
    struct version_info *all = mem_new((job->versions_count + 1) * sizeof *all);
    for (size_t i = 0; i < job->versions_count; i++) {
        all[i] = info_of(&job->versions[i]);
    }
    ret->versions = all;
    ret->versions_count = job->versions_count;
    ret->data = job->op == STORE_READ ? frame_slice(job->versions->state) : (slice){0};
    return all;
}

void history_note(struct audit *audit, const struct msg *m, const struct audit_entry *who) {
    if (m->history.op == STORE_SAVE) {
        struct audit_entry e = *who;
        char which[40];
        (void)snprintf(which, sizeof which, "version %llu",
                       (unsigned long long)m->history.job->versions->id);
        e.room = frame_slice(m->room);
        e.reason = which;
        audit_write(audit, AUDIT_SAVED, &e);
    }
}
