// SPDX-License-Identifier: MIT
// x86/timer_heap.c against a plain array.
#include <stdlib.h>
#define HOST_TEST
#include "lib/types.h"
#include "../../hv/x86/timer_heap.c"
#include "unit.h"

#define N 400

static struct timer timers[N];
static struct timer *root;

static unsigned tree_count(const struct timer *t, u64 least)
{
	unsigned n = 1;

	CHECK(t->expires >= least);
	for (const struct timer *c = t->child; c; c = c->next) {
		CHECK(c == t->child ? c->prev == t : c->prev->next == c);
		n += tree_count(c, t->expires);
	}
	return n;
}

static void add(struct timer *t)
{
	t->expires = (u64)rand() % 1000;
	t->state = TIMER_QUEUED;
	timer_heap_add(&root, t);
}

static void drop(struct timer *t)
{
	timer_heap_remove(&root, t);
	t->state = TIMER_IDLE;
}

static void check(void)
{
	unsigned want = 0;
	u64 least = ~0UL;

	for (unsigned i = 0; i < N; i++)
		if (timer_active(&timers[i])) {
			want++;
			least = MIN(least, timers[i].expires);
		}
	CHECK((root ? tree_count(root, 0) : 0) == want);
	CHECK(!root || (root->expires == least && !root->next && !root->prev));
}

static void any_order(void)
{
	for (unsigned n = 0; n < 20000; n++) {
		struct timer *t = &timers[(unsigned)rand() % N];

		if (!(rand() % 4) && root)
			t = root;
		if (timer_active(t))
			drop(t);
		else if (rand() % 3 || n / 2000 % 2)
			add(t);
		if (n % 16 == 0)
			check();
	}
	check();
}

static void sorted(void)
{
	u64 last = 0;

	for (unsigned i = 0; i < N; i++)
		if (!timer_active(&timers[i]))
			add(&timers[i]);
	check();
	for (unsigned i = 0; i < N; i++) {
		CHECK(root && root->expires >= last);
		last = root->expires;
		drop(root);
	}
	CHECK(!root);
}

UNIT_MAIN(UNIT(any_order), UNIT(sorted))
