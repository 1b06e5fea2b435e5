// SPDX-License-Identifier: MIT
// Sets of numbers kept as sorted ranges; callers lock. Inclusive ends.
#ifndef LIB_RANGESET_H
#define LIB_RANGESET_H

#include "lib/types.h"

struct range {
	u64 first, last;
};

struct rangeset {
	struct range *r; // sorted, apart by at least one
	u32 used, room;
	void *(*alloc)(size_t); // zeroed memory
	void (*free)(void *);
};

#define RANGESET_MAX 4096 // ranges in one set

void rangeset_init(struct rangeset *s, void *(*alloc)(size_t),
		   void (*free)(void *));
void rangeset_exit(struct rangeset *s);
// -ENOMEM, -ENOSPC; -EINVAL when first > last.
int rangeset_add(struct rangeset *s, u64 first, u64 last);
int rangeset_remove(struct rangeset *s, u64 first, u64 last);
bool rangeset_has(const struct rangeset *s, u64 first, u64 last); // all of it

#endif
