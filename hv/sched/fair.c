// SPDX-License-Identifier: MIT
// Arithmetic around a heap of units by virtual time. Queues keep virtual times relative to a base: when affinity makes queues advance at
// different speeds, the slow one's base is moved, so that times remain
// comparable without touching the order inside a queue.
#include "sched/fair.h"

// Advances the clock to the lowest vtime and tells the other CPUs.
static void publish(struct fair_queue *q)
{
	const struct heap_node *low = q->root;

	if (q->curr && (!low || heap_before(q->curr->node.key, low->key)))
		low = &q->curr->node;
	if (low && heap_before(q->clock, low->key))
		q->clock = low->key;
	WRITE_ONCE(q->seen_clock, q->base + q->clock);
	if (q->root)
		WRITE_ONCE(q->seen_first, q->base + q->root->key);
	WRITE_ONCE(q->seen_waiting, q->root != NULL);
}

void fair_attach(struct fair_queue *q, struct fair_unit *u, u64 lag)
{
	u->node.key -= q->base;
	if (heap_before(u->node.key, q->clock - lag))
		u->node.key = q->clock - lag;
	q->load += u->weight;
}

void fair_detach(struct fair_queue *q, struct fair_unit *u)
{
	u->node.key += q->base;
	q->load -= u->weight;
}

void fair_enqueue(struct fair_queue *q, struct fair_unit *u)
{
	u->queued = true;
	heap_add(&q->root, &u->node);
	publish(q);
}

void fair_dequeue(struct fair_queue *q, struct fair_unit *u)
{
	heap_remove(&q->root, &u->node);
	u->queued = false;
	publish(q);
}

void fair_charge(struct fair_queue *q, struct fair_unit *u, u64 ns)
{
	u->node.key += likely(u->weight == FAIR_WEIGHT_DEFAULT)
			       ? ns
			       : ns * FAIR_WEIGHT_DEFAULT / u->weight;
	publish(q);
}

void fair_yield(struct fair_queue *q, struct fair_unit *u)
{
	if (q->root && !heap_before(q->root->key, u->node.key))
		u->node.key = q->root->key + 1;
}

void fair_forgive(struct fair_queue *q, struct fair_unit *u, u64 slept_ns)
{
	u64 debt = u->node.key - q->clock;

	if (heap_before(q->clock, u->node.key))
		u->node.key -= MIN(debt, slept_ns);
}

u64 fair_follow(struct fair_queue *q, u64 clock)
{
	u64 by = clock - FAIR_LAG_MAX - (q->base + q->clock);

	if ((s64)by <= 0)
		return 0;
	q->base += by;
	publish(q);
	return by;
}

void fair_set_weight(struct fair_queue *q, struct fair_unit *u, u32 weight)
{
	if (u->queued || q->curr == u)
		q->load += (u64)weight - u->weight;
	u->weight = weight;
}

u64 fair_slice(const struct fair_queue *q, const struct fair_unit *u)
{
	u64 lead;

	if (!q->root)
		return FAIR_SLICE_MAX;
	if (!heap_before(u->node.key, q->root->key))
		return FAIR_SLICE_MIN;
	lead = MIN(q->root->key - u->node.key, FAIR_LAG_MAX);
	lead = lead * u->weight / FAIR_WEIGHT_DEFAULT;
	return MIN(lead + FAIR_SLICE_MIN, FAIR_SLICE_MAX);
}

bool fair_preempts(const struct fair_queue *q, const struct fair_unit *u)
{
	return !q->curr ||
	       heap_before(u->node.key + FAIR_WAKE_MARGIN, q->curr->node.key);
}

// The unit after n in a walk over the heap, parents before children, or the
// one after all below n.
static struct heap_node *walk_next(const struct heap_node *n, bool down)
{
	if (down && n->child)
		return n->child;
	while (n && !n->next) {
		// Back to the first sibling, whose prev is the parent.
		while (n->prev && n->prev->child != n)
			n = n->prev;
		n = n->prev;
	}
	return n ? n->next : NULL;
}

struct fair_unit *fair_find(struct fair_queue *q, unsigned int most,
			    fair_fits *fits, void *data)
{
	struct heap_node *best = NULL, *n = q->root;
	enum fair_fit fit;

	for (; n && most--; n = walk_next(n, fit == FAIR_NOT_IT)) {
		fit = FAIR_TOO_LATE;
		if (!best || heap_before(n->key, best->key))
			fit = fits(fair_unit_of(n), data);
		if (fit == FAIR_FITS)
			best = n;
	}
	return best ? fair_unit_of(best) : NULL;
}
