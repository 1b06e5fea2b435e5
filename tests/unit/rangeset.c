// SPDX-License-Identifier: MIT
// lib/rangeset.c against a plain array of flags.
#include <stdlib.h>
#include <string.h>
#define HOST_TEST
#include "lib/types.h"
#include "../../hv/lib/rangeset.c"
#include "unit.h"

#define N 96

static unsigned fail_in;

static void *get_memory(size_t n)
{
	if (fail_in && !--fail_in)
		return NULL;
	return calloc(1, n);
}

// Sorted, apart, and the same numbers as in model.
static bool same(const struct rangeset *s, const bool *model)
{
	for (u32 i = 0; i < s->used; i++)
		if (s->r[i].first > s->r[i].last ||
		    (i && s->r[i].first <= s->r[i - 1].last + 1))
			return false;
	for (u64 x = 0; x < N; x++)
		if (rangeset_has(s, x, x) != model[x])
			return false;
	return true;
}

static void random_changes(void)
{
	bool model[N] = { false }, all, add;
	struct rangeset s;
	u64 a, b;
	int rc;

	rangeset_init(&s, get_memory, free);
	for (unsigned i = 0; i < 200000; i++) {
		a = (u64)rand() % N;
		b = MIN(a + (u64)rand() % 9, (u64)N - 1);
		add = rand() % 2;
		fail_in = rand() % 2;
		rc = add ? rangeset_add(&s, a, b) : rangeset_remove(&s, a, b);
		CHECK(!rc || rc == -ENOMEM);
		for (u64 x = a; !rc && x <= b; x++)
			model[x] = add;
		CHECK(same(&s, model));
		a = (u64)rand() % N;
		b = MIN(a + (u64)rand() % 9, (u64)N - 1);
		all = true;
		for (u64 x = a; x <= b; x++)
			all &= model[x];
		CHECK(rangeset_has(&s, a, b) == all);
	}
	rangeset_exit(&s);
}

static void ends(void)
{
	struct rangeset s;

	fail_in = 0;
	rangeset_init(&s, get_memory, free);
	CHECK(!rangeset_has(&s, 0, 0));
	CHECK(rangeset_add(&s, 2, 1) == -EINVAL);
	CHECK(rangeset_remove(&s, 2, 1) == -EINVAL);
	CHECK(!rangeset_add(&s, 5, ~0UL) && !rangeset_add(&s, 0, 4));
	CHECK(s.used == 1 && rangeset_has(&s, 0, ~0UL));
	CHECK(!rangeset_remove(&s, ~0UL, ~0UL) && !rangeset_remove(&s, 0, 0));
	CHECK(s.used == 1 && rangeset_has(&s, 1, ~0UL - 1));
	CHECK(!rangeset_has(&s, 0, 1) && !rangeset_has(&s, 3, 2));
	CHECK(!rangeset_remove(&s, 0, ~0UL) && !s.used);
	rangeset_exit(&s);
}

static void limit(void)
{
	struct rangeset s;
	u64 i;

	rangeset_init(&s, get_memory, free);
	for (i = 0; i < RANGESET_MAX; i++)
		CHECK(!rangeset_add(&s, 4 * i, 4 * i + 2));
	CHECK(rangeset_add(&s, 4 * i, 4 * i) == -ENOSPC);
	CHECK(rangeset_remove(&s, 1, 1) == -ENOSPC);
	CHECK(s.used == RANGESET_MAX && rangeset_has(&s, 0, 2));
	CHECK(!rangeset_add(&s, 3, 3) && s.used == RANGESET_MAX - 1);
	rangeset_exit(&s);
}

UNIT_MAIN(UNIT(random_changes), UNIT(ends), UNIT(limit))
