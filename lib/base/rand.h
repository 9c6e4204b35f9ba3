/* rand.h: random numbers from the kernel. Thread: any. */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <stdint.h>

/* 64 unpredictable bits; aborts when the kernel has none to give. */
uint64_t rand_u64(void);

#endif
