// SPDX-License-Identifier: MIT
// Fredman, Sedgewick, Sleator, Tarjan: The pairing heap (1986). A child list
// is linked by next; prev is the sibling before or, of the first, the parent.
#include "x86/timer_heap.h"

// Of two roots one; either may be NULL.
static struct timer *meld(struct timer *a, struct timer *b)
{
	struct timer *first, *other;

	if (!a || !b)
		return a ? a : b;
	first = b->expires < a->expires ? b : a;
	other = first == a ? b : a;
	other->prev = first;
	other->next = first->child;
	if (other->next)
		other->next->prev = other;
	first->child = other;
	return first;
}

// One tree of a list of siblings: pairs from left to right, then all of those
// from right to left.
static struct timer *meld_siblings(struct timer *list)
{
	struct timer *pairs = NULL, *root = NULL, *a, *b;

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

void timer_heap_add(struct timer **root, struct timer *t)
{
	t->child = t->next = t->prev = NULL;
	*root = meld(*root, t);
}

void timer_heap_remove(struct timer **root, struct timer *t)
{
	struct timer *rest = meld_siblings(t->child);

	if (t == *root) {
		*root = rest;
		return;
	}
	if (t->prev->child == t)
		t->prev->child = t->next;
	else
		t->prev->next = t->next;
	if (t->next)
		t->next->prev = t->prev;
	*root = meld(*root, rest);
}
