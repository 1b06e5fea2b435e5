// SPDX-License-Identifier: MIT
// A sorted array: sets here are small, read often and changed seldom.
#include "lib/rangeset.h"
#include "lib/errno.h"
#include "lib/string.h"

void rangeset_init(struct rangeset *s, void *(*alloc)(size_t),
		   void (*free)(void *))
{
	*s = (struct rangeset){ .alloc = alloc, .free = free };
}

void rangeset_exit(struct rangeset *s)
{
	if (s->r)
		s->free(s->r);
	s->r = NULL;
	s->used = s->room = 0;
}

// Index of the first range that ends at or behind x; used when there is none.
static u32 find(const struct rangeset *s, u64 x)
{
	u32 i = 0;

	while (i < s->used && s->r[i].last < x)
		i++;
	return i;
}

// Room for one range more. The set does not change when it fails.
static int reserve(struct rangeset *s)
{
	u32 room = s->room ? s->room * 2 : 8;
	struct range *r;

	if (s->used < s->room)
		return 0;
	if (room > RANGESET_MAX)
		return -ENOSPC;
	r = s->alloc(room * sizeof(*r));
	if (!r)
		return -ENOMEM;
	if (s->r) {
		memcpy(r, s->r, s->used * sizeof(*r));
		s->free(s->r);
	}
	s->r = r;
	s->room = room;
	return 0;
}

// Puts n ranges in the place of those with index i up to j - 1.
static void replace(struct rangeset *s, u32 i, u32 j, const struct range *r,
		    u32 n)
{
	if (s->used > j)
		memmove(&s->r[i + n], &s->r[j], (s->used - j) * sizeof(*s->r));
	for (u32 k = 0; k < n; k++)
		s->r[i + k] = r[k];
	s->used += n - (j - i);
}

// What is touched becomes one range and, at most, two that are left of it.
static int change(struct rangeset *s, u64 first, u64 last, bool add)
{
	struct range new[2], all = { first, last };
	u32 i, j, n = 0;
	int rc;

	if (first > last)
		return -EINVAL;
	// An added one becomes one with neighbours that touch it.
	i = j = find(s, first - (add && first));
	while (j < s->used && s->r[j].first <= last + (add && last + 1)) {
		all.first = MIN(all.first, s->r[j].first);
		all.last = MAX(all.last, s->r[j++].last);
	}
	if (add)
		new[n++] = all;
	if (!add && all.first < first)
		new[n++] = (struct range){ all.first, first - 1 };
	if (!add && all.last > last)
		new[n++] = (struct range){ last + 1, all.last };
	rc = n > j - i ? reserve(s) : 0;
	if (!rc)
		replace(s, i, j, new, n);
	return rc;
}

int rangeset_add(struct rangeset *s, u64 first, u64 last)
{
	return change(s, first, last, true);
}

int rangeset_remove(struct rangeset *s, u64 first, u64 last)
{
	return change(s, first, last, false);
}

bool rangeset_has(const struct rangeset *s, u64 first, u64 last)
{
	u32 i = find(s, first);

	return first <= last && i < s->used && s->r[i].first <= first &&
	       s->r[i].last >= last;
}
