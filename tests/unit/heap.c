// SPDX-License-Identifier: MIT
// lib/heap.c against a plain array.
#include <stdlib.h>
#define HOST_TEST
#include "lib/types.h"
#include "../../hv/lib/heap.c"
#include "unit.h"

#define N 400

static struct heap_node nodes[N], *root;
static bool in[N];

static unsigned tree_count(const struct heap_node *t, u64 least)
{
	unsigned n = 1;

	CHECK(t->key >= least);
	for (const struct heap_node *c = t->child; c; c = c->next) {
		CHECK(c == t->child ? c->prev == t : c->prev->next == c);
		n += tree_count(c, t->key);
	}
	return n;
}

static void add(struct heap_node *t)
{
	t->key = (u64)rand() % 1000;
	in[t - nodes] = true;
	heap_add(&root, t);
}

static void drop(struct heap_node *t)
{
	heap_remove(&root, t);
	in[t - nodes] = false;
}

static void check(void)
{
	unsigned want = 0;
	u64 least = ~0UL;

	for (unsigned i = 0; i < N; i++)
		if (in[i]) {
			want++;
			least = MIN(least, nodes[i].key);
		}
	CHECK((root ? tree_count(root, 0) : 0) == want);
	CHECK(!root || (root->key == least && !root->next && !root->prev));
}

static void any_order(void)
{
	for (unsigned n = 0; n < 20000; n++) {
		struct heap_node *t = &nodes[(unsigned)rand() % N];

		if (!(rand() % 4) && root)
			t = root;
		if (in[t - nodes])
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
		if (!in[i])
			add(&nodes[i]);
	check();
	for (unsigned i = 0; i < N; i++) {
		CHECK(root && root->key >= last);
		last = root->key;
		drop(root);
	}
	CHECK(!root);
}

UNIT_MAIN(UNIT(any_order), UNIT(sorted))
