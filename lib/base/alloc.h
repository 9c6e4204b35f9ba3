/* alloc.h: the only door to the heap outside the CRDT library.
 *
 * mem_new and friends are for small sizes that we choose: they abort when memory is out. The try_
 * forms are for sizes that a peer chooses: they return NULL.
 *
 * Thread: any.
 */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>

/* Zeroed memory; never NULL. Free with mem_free. */
void *mem_new(size_t bytes);
/* Zeroed memory, or NULL. */
void *mem_try_new(size_t bytes);
/* Grows or shrinks; never NULL (for bytes > 0); new bytes are not zeroed. */
void *mem_resize(void *p, size_t bytes);
/* Grows or shrinks, or NULL with `p` untouched. */
void *mem_try_resize(void *p, size_t bytes);
/* Frees what the functions above returned; NULL is a no-op. */
void mem_free(void *p);
/* A copy of `n` bytes with a terminating zero after them; never NULL. Free with mem_free. */
char *mem_copy_str(const void *p, size_t n);

#define NEW(type) ((type *)mem_new(sizeof(type)))

#endif
