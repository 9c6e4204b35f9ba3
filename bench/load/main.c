/* main.c: collab_load: rooms full of users, from one process. See README.md and --help. */
#include <signal.h>

#include "base/alloc.h"
#include "load.h"

int main(int argc, char **argv) {
    (void)signal(SIGPIPE, SIG_IGN);
    struct load *l = NEW(struct load);
    load_init(l, argc, argv);
    load_run(l);
    bool ok = report(l);
    load_fini(l);
    mem_free(l);
    return ok ? 0 : 1;
}
