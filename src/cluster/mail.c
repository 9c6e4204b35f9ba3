#include "cluster/mail.h"

#include "base/alloc.h"
#include "limit/caps.h"

struct bus_mail *bus_mail_new(enum bus_op op, struct frame *room) {
    struct bus_mail *m = NEW(struct bus_mail);
    m->op = op;
    m->room = room ? frame_ref(room) : NULL;
    return m;
}

static size_t weight(const struct bus_mail *m) {
    return sizeof *m + (m->bytes ? m->bytes->n : 0);
}

/* Relaxed: a bound, and nothing hangs on the order in which mail is counted. */
bool bus_mail_wait(struct bus_mail *m, atomic_size_t *waiting) {
    enum envelope_kind kind = m->envelope.kind;
    bool spare = m->op == BUS_HEARD &&
                 (kind == ENVELOPE_UPDATE || kind == ENVELOPE_PRESENCE || kind == ENVELOPE_COUNT);
    if (spare && atomic_load_explicit(waiting, memory_order_relaxed) >= CAPS_BUS_WAITING_BYTES) {
        return false;
    }
    m->waiting = waiting;
    atomic_fetch_add_explicit(waiting, weight(m), memory_order_relaxed);
    return true;
}

void bus_mail_free(struct bus_mail *m) {
    if (m) {
        if (m->waiting) {
            atomic_fetch_sub_explicit(m->waiting, weight(m), memory_order_relaxed);
        }
        frame_unref(m->room);
        frame_unref(m->bytes);
        mem_free(m);
    }
}
