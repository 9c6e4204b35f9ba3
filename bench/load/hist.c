#include "hist.h"

#define HIST_MOST ((UINT64_C(1) << HIST_BITS) - 1)

static size_t slot_of(uint64_t v) {
    if (v < 2u << HIST_FINE_BITS) {
        return (size_t)v;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(v) - HIST_FINE_BITS;
    return ((size_t)shift << HIST_FINE_BITS) + (size_t)(v >> shift);
}

/* The largest value that falls into the slot. */
static uint64_t value_of(size_t slot) {
    if (slot < 2u << HIST_FINE_BITS) {
        return slot;
    }
    unsigned shift = (unsigned)(slot >> HIST_FINE_BITS) - 1;
    uint64_t fine = slot - ((size_t)shift << HIST_FINE_BITS);
    return ((fine + 1) << shift) - 1;
}

void hist_add(struct hist *h, uint64_t v) {
    v = v < HIST_MOST ? v : HIST_MOST;
    h->count++;
    h->sum += v;
    h->most = v > h->most ? v : h->most;
    h->slots[slot_of(v)]++;
}

uint64_t hist_at(const struct hist *h, double share) {
    uint64_t wanted = (uint64_t)(share * (double)h->count);
    wanted = (double)wanted < share * (double)h->count ? wanted + 1 : wanted; /* rounded up */
    uint64_t seen = 0;
    for (size_t i = 0; i < HIST_SLOTS; i++) {
        seen += h->slots[i];
        if (seen && seen >= wanted) {
            uint64_t v = value_of(i);
            return v < h->most ? v : h->most;
        }
    }
    return 0;
}

double hist_mean(const struct hist *h) {
    return h->count ? (double)h->sum / (double)h->count : 0;
}
