// SPDX-License-Identifier: MIT
// Pairing heap, linked through its elements: insert and first in one step,
// removal in O(log n) on average. The caller locks.
#ifndef LIB_HEAP_H
#define LIB_HEAP_H

#include "lib/types.h"

// A child list is linked by next; prev is the sibling before or, of the first,
// the parent.
struct heap_node {
	struct heap_node *child, *next, *prev;
	u64 key;
};

// Order of keys, which may wrap: less than 2^63 apart.
static inline bool heap_before(u64 a, u64 b)
{
	return (s64)(a - b) < 0;
}

// *root has the lowest key, NULL when there is none.
void heap_add(struct heap_node **root, struct heap_node *n);
void heap_remove(struct heap_node **root, struct heap_node *n);

#endif
