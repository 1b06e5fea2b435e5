// SPDX-License-Identifier: MIT
// Fredman, Sedgewick, Sleator, Tarjan: The pairing heap (1986).
#include "lib/heap.h"

// Of two roots one; either may be NULL.
static inline struct heap_node *meld(struct heap_node *a, struct heap_node *b)
{
	struct heap_node *first = a;

	if (!a || !b)
		return a ? a : b;
	if (heap_before(b->key, a->key)) {
		a = b;
		b = first;
	}
	b->prev = a;
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	a->child = b;
	return a;
}

// One tree of a list of siblings: pairs from left to right, then all of those
// from right to left.
static __noinline struct heap_node *meld_siblings(struct heap_node *list)
{
	struct heap_node *pairs = NULL, *root = NULL, *a, *b;

	while (list) {
		a = list;
		b = a->next;
		list = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		a = pairs;
		pairs = a->next;
		a->next = NULL;
		root = meld(root, a);
	}
	return root;
}

void heap_add(struct heap_node **root, struct heap_node *n)
{
	n->child = n->next = n->prev = NULL;
	*root = meld(*root, n);
}

void heap_remove(struct heap_node **root, struct heap_node *n)
{
	struct heap_node *rest = n->child ? meld_siblings(n->child) : NULL;

	if (n == *root) {
		*root = rest;
		return;
	}
	if (n->prev->child == n)
		n->prev->child = n->next;
	else
		n->prev->next = n->next;
	if (n->next)
		n->next->prev = n->prev;
	if (rest)
		*root = meld(*root, rest);
}
