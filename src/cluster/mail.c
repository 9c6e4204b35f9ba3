#include "cluster/mail.h"

#include "base/alloc.h"

struct bus_mail *bus_mail_new(enum bus_op op, struct frame *room) {
    struct bus_mail *m = NEW(struct bus_mail);
    m->op = op;
    m->room = room ? frame_ref(room) : NULL;
    return m;
}

void bus_mail_free(struct bus_mail *m) {
    if (m) {
        frame_unref(m->room);
        frame_unref(m->bytes);
        mem_free(m);
    }
}
