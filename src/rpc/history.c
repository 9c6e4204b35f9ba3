#include "rpc/history.h"

#include <stdio.h>

#include "base/alloc.h"
#include "limit/caps.h"

/* Methods, and what they are to the store. */
static const struct {
    enum op op;
    enum store_op job;
} ops[] = {
    {OP_HISTORY_LIST, STORE_LIST},       {OP_HISTORY_GET, STORE_READ},
    {OP_HISTORY_SAVE, STORE_SAVE},       {OP_HISTORY_COMPARE, STORE_COMPARE},
    {OP_HISTORY_RESTORE, STORE_RESTORE},
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

static void tell_changes(const struct store_changes *c, struct told *ret) {
    struct root_change *roots = mem_new((c->roots_count + 1) * sizeof *roots);
    struct client_change *clients = mem_new((c->clients_count + 1) * sizeof *clients);
    for (size_t i = 0; i < c->roots_count; i++) {
        const struct store_root_change *from = &c->roots[i];
        roots[i] = (struct root_change){.name = frame_slice(from->name),
                                        .characters_in = from->characters_in,
                                        .characters_out = from->characters_out,
                                        .items_in = from->items_in,
                                        .items_out = from->items_out,
                                        .formatted = from->formatted};
    }
    for (size_t i = 0; i < c->clients_count; i++) {
        const struct store_client_change *from = &c->clients[i];
        clients[i] = (struct client_change){.client = from->client,
                                            .user = frame_slice(from->user),
                                            .characters = from->characters,
                                            .items = from->items};
    }
    ret->roots = roots;
    ret->clients = clients;
    ret->changes = (struct changes){.roots = roots,
                                    .roots_count = c->roots_count,
                                    .clients = clients,
                                    .clients_count = c->clients_count,
                                    .clients_left = c->clients_left};
}

void told_fini(struct told *t) {
    mem_free(t->versions);
    mem_free(t->roots);
    mem_free(t->clients);
}

void history_reply(const struct msg *m, struct told *told, struct reply *ret) {
    const struct store_job *job = m->history.job;
    *told = (struct told){0};
    *ret = (struct reply){.op = method_of(m->history.op), .err = m->err};
    if (m->err != ERR_OK) {
        ret->detail = m->detail;
        ret->retry_after_ms = m->err == ERR_RATE ? CAPS_RETRY_MS : 0;
        ret->bucket = m->err == ERR_RATE ? "history" : NULL;
        return;
    }
    struct version_info *all = mem_new((job->versions_count + 1) * sizeof *all);
    for (size_t i = 0; i < job->versions_count; i++) {
        all[i] = info_of(&job->versions[i]);
    }
    told->versions = all;
    ret->versions = all;
    ret->versions_count = job->versions_count;
    if (job->op == STORE_READ) {
        ret->data = frame_slice(job->versions->state);
    } else if (job->op == STORE_RESTORE) {
        ret->restored = job->version_id;
        ret->version = job->version;
    } else if (job->op == STORE_COMPARE) {
        tell_changes(&job->changes, told);
        ret->changes = &told->changes;
    }
}

void history_note(struct audit *audit, const struct msg *m, const struct audit_entry *who) {
    const struct store_job *job = m->history.job;
    bool restored = job->op == STORE_RESTORE;
    if (job->op != STORE_SAVE && !restored) {
        return;
    }
    struct audit_entry e = *who;
    char which[80];
    unsigned long long saved = job->versions->id;
    if (restored) {
        (void)snprintf(which, sizeof which, "version %llu; what was before is version %llu",
                       (unsigned long long)job->version_id, saved);
    } else {
        (void)snprintf(which, sizeof which, "version %llu", saved);
    }
    e.room = frame_slice(m->room);
    e.reason = which;
    audit_write(audit, restored ? AUDIT_RESTORED : AUDIT_SAVED, &e);
}
