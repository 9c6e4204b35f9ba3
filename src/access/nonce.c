#include "access/nonce.h"

#include <pthread.h>

#include "access/bounds.h"
#include "base/alloc.h"
#include "base/map.h"
#include "base/must.h"

struct used {
    uint64_t conn;
    uint64_t forget_s;
    slice key; /* the bytes behind */
    char nonce[];
};

struct nonces {
    pthread_mutex_t lock; /* leaf; guards all below */
    struct map map;       /* nonce -> struct used */
    size_t sweep_at;      /* entries at which expired ones are looked for: twice what lived last */
};

enum { SWEEP_MIN = 1024 };

struct nonces *nonces_new(void) {
    struct nonces *n = NEW(struct nonces);
    must(pthread_mutex_init(&n->lock, NULL) == 0);
    n->sweep_at = SWEEP_MIN;
    return n;
}

void nonces_free(struct nonces *n) {
    if (!n) {
        return;
    }
    size_t at = 0;
    for (struct used *u; (u = map_next(&n->map, &at)) != NULL;) {
        mem_free(u);
    }
    map_fini(&n->map);
    (void)pthread_mutex_destroy(&n->lock);
    mem_free(n);
}

static void sweep(struct nonces *n, uint64_t now_s) {
    size_t at = 0;
    for (struct used *u; (u = map_next(&n->map, &at)) != NULL;) {
        if (u->forget_s < now_s) {
            (void)map_remove(&n->map, u->key);
            mem_free(u);
        }
    }
    n->sweep_at = n->map.used * 2;
    if (n->sweep_at < SWEEP_MIN) {
        n->sweep_at = SWEEP_MIN;
    }
    if (n->sweep_at > ACCESS_NONCES) {
        n->sweep_at = ACCESS_NONCES;
    }
}

static void add(struct nonces *n, slice key, uint64_t conn, uint64_t forget_s) {
    struct used *u = mem_new(sizeof *u + key.n);
    u->conn = conn;
    u->forget_s = forget_s;
    memcpy(u->nonce, key.p, key.n);
    u->key = slice_of(u->nonce, key.n);
    (void)map_set(&n->map, u->key, u);
}

bool nonces_claim(struct nonces *n, const char *nonce, uint64_t conn, uint64_t forget_s,
                  uint64_t now_s) {
    slice key = slice_str(nonce);
    bool ok = false;
    (void)pthread_mutex_lock(&n->lock);
    const struct used *u = map_find(&n->map, key);
    if (u) {
        ok = u->conn == conn;
    } else {
        if (n->map.used >= n->sweep_at) {
            sweep(n, now_s);
        }
        ok = n->map.used < ACCESS_NONCES;
        if (ok) {
            add(n, key, conn, forget_s);
        }
    }
    (void)pthread_mutex_unlock(&n->lock);
    return ok;
}
