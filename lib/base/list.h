/* list.h: intrusive doubly linked list. A node is embedded in its owner; LIST_ITEM leads back.
 *
 * Thread: one owner. A zeroed node is "not in a list"; list_init makes a head.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *next;
    struct list_node *prev;
};

#define LIST_ITEM(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void list_init(struct list_node *head) {
    head->next = head->prev = head;
}

static inline bool list_empty(const struct list_node *head) {
    return head->next == head;
}

/* True when the node is in some list. */
static inline bool list_linked(const struct list_node *node) {
    return node->next != NULL;
}

static inline void list_push(struct list_node *head, struct list_node *node) {
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* No-op on a node that is in no list. */
static inline void list_remove(struct list_node *node) {
    if (node->next) {
        node->next->prev = node->prev;
        node->prev->next = node->next;
        node->next = node->prev = NULL;
    }
}

/* The first node, taken out; NULL when empty. */
static inline struct list_node *list_shift(struct list_node *head) {
    if (list_empty(head)) {
        return NULL;
    }
    struct list_node *node = head->next;
    list_remove(node);
    return node;
}

/* Moves everything of `from` to the end of `to`; `from` is empty afterwards. */
static inline void list_splice(struct list_node *to, struct list_node *from) {
    if (!list_empty(from)) {
        from->next->prev = to->prev;
        to->prev->next = from->next;
        from->prev->next = to;
        to->prev = from->prev;
        list_init(from);
    }
}

/* The body may remove the current node. */
#define LIST_FOR_EACH(node, head)                                                                  \
    for (struct list_node *node = (head)->next, *node##_next = node->next; node != (head);         \
         node = node##_next, node##_next = node->next)

#endif
