/* Intrusive doubly linked list that counts itself. A list head names its member where it
 * is declared: "struct list peers;" followed by a comment "struct peer.link". */
#pragma once

#include "base/must.h"

#include <stdbool.h>

struct list_link {
	struct list_link *prev, *next; /* both NULL while on no list */
};

struct list {
	struct list_link head;
	size_t n;
};

static inline void list_init(struct list *l)
{
	l->head.prev = l->head.next = &l->head;
	l->n = 0;
}

static inline bool list_linked(const struct list_link *e)
{
	return e->next != NULL;
}

static inline void list_insert_before(
    struct list *l, struct list_link *at, struct list_link *e)
{
	must(!list_linked(e));
	e->prev = at->prev;
	e->next = at;
	at->prev->next = e;
	at->prev = e;
	l->n++;
}

static inline void list_push(struct list *l, struct list_link *e)
{
	list_insert_before(l, &l->head, e);
}

static inline void list_push_front(struct list *l, struct list_link *e)
{
	list_insert_before(l, l->head.next, e);
}

static inline void list_del(struct list *l, struct list_link *e)
{
	must(list_linked(e) && l->n > 0);
	e->prev->next = e->next;
	e->next->prev = e->prev;
	e->prev = e->next = NULL;
	l->n--;
}

/* First link, or NULL. */
static inline struct list_link *list_first(const struct list *l)
{
	return l->n ? l->head.next : NULL;
}

static inline struct list_link *list_pop(struct list *l)
{
	struct list_link *e = list_first(l);

	if (e)
		list_del(l, e);
	return e;
}

#define list_entry(link, type, member) container_of(link, type, member)

#define list_for_each(it, l)                                                             \
	for (struct list_link *it = (l)->head.next; it != &(l)->head; it = it->next)

/* The current entry may be removed from the list, or freed, in the body. */
#define list_for_each_safe(it, l)                                                        \
	for (struct list_link *it = (l)->head.next, *it##_next = it->next;               \
	     it != &(l)->head; it = it##_next, it##_next = it->next)
