// SPDX-License-Identifier: MIT
// A pairing heap by virtual time, and the arithmetic around it. Queues keep
// virtual times relative to a base: when affinity makes queues advance at
// different speeds, the slow one's base is moved, so that times remain
// comparable without touching the order inside a queue.
#include "sched/fair.h"

// Joins two heaps; the lower root stays on top.
static struct fair_unit *meld(struct fair_unit *a, struct fair_unit *b)
{
	struct fair_unit *t;

	if (!a || !b)
		return a ? a : b;
	if (fair_before(b->vtime, a->vtime)) {
		t = a;
		a = b;
		b = t;
	}
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	b->prev = a;
	a->child = b;
	a->next = a->prev = NULL;
	return a;
}

// Makes one heap of a list of siblings: pairs first, then all of them.
static struct fair_unit *meld_siblings(struct fair_unit *u)
{
	struct fair_unit *pairs = NULL, *all = NULL, *a, *b;

	while (u) {
		a = u;
		b = a->next;
		u = b ? b->next : NULL;
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
		all = meld(all, a);
	}
	return all;
}

static void heap_remove(struct fair_queue *q, struct fair_unit *u)
{
	struct fair_unit *rest = meld_siblings(u->child);

	if (q->root == u) {
		q->root = rest;
	} else {
		if (u->prev->child == u)
			u->prev->child = u->next;
		else
			u->prev->next = u->next;
		if (u->next)
			u->next->prev = u->prev;
		q->root = meld(q->root, rest);
	}
	u->child = u->next = u->prev = NULL;
}

// Advances the clock to the lowest vtime and tells the other CPUs.
static void publish(struct fair_queue *q)
{
	const struct fair_unit *low = q->root;

	if (q->curr && (!low || fair_before(q->curr->vtime, low->vtime)))
		low = q->curr;
	if (low && fair_before(q->clock, low->vtime))
		q->clock = low->vtime;
	WRITE_ONCE(q->seen_clock, q->base + q->clock);
	if (q->root)
		WRITE_ONCE(q->seen_first, q->base + q->root->vtime);
	WRITE_ONCE(q->seen_waiting, q->root != NULL);
}

void fair_attach(struct fair_queue *q, struct fair_unit *u, u64 lag)
{
	u->vtime -= q->base;
	if (fair_before(u->vtime, q->clock - lag))
		u->vtime = q->clock - lag;
	q->load += u->weight;
}

void fair_detach(struct fair_queue *q, struct fair_unit *u)
{
	u->vtime += q->base;
	q->load -= u->weight;
}

void fair_enqueue(struct fair_queue *q, struct fair_unit *u)
{
	u->child = u->next = u->prev = NULL;
	u->queued = true;
	q->root = meld(q->root, u);
	publish(q);
}

void fair_dequeue(struct fair_queue *q, struct fair_unit *u)
{
	heap_remove(q, u);
	u->queued = false;
	publish(q);
}

void fair_charge(struct fair_queue *q, struct fair_unit *u, u64 ns)
{
	u->vtime += ns * FAIR_WEIGHT_DEFAULT / u->weight;
	publish(q);
}

void fair_yield(struct fair_queue *q, struct fair_unit *u)
{
	if (q->root && !fair_before(q->root->vtime, u->vtime))
		u->vtime = q->root->vtime + 1;
}

void fair_forgive(struct fair_queue *q, struct fair_unit *u, u64 slept_ns)
{
	u64 debt = u->vtime - q->clock;

	if (fair_before(q->clock, u->vtime))
		u->vtime -= MIN(debt, slept_ns);
}

void fair_follow(struct fair_queue *q, u64 clock)
{
	u64 own = q->base + q->clock;

	if (fair_before(own, clock - FAIR_LAG_MAX)) {
		q->base += clock - FAIR_LAG_MAX - own;
		publish(q);
	}
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
	if (!fair_before(u->vtime, q->root->vtime))
		return FAIR_SLICE_MIN;
	lead = MIN(q->root->vtime - u->vtime, FAIR_LAG_MAX);
	lead = lead * u->weight / FAIR_WEIGHT_DEFAULT;
	return MIN(lead + FAIR_SLICE_MIN, FAIR_SLICE_MAX);
}

bool fair_preempts(const struct fair_queue *q, const struct fair_unit *u)
{
	return !q->curr ||
	       fair_before(u->vtime + FAIR_WAKE_MARGIN, q->curr->vtime);
}

// The unit after u in a walk over the heap, parents before children.
static struct fair_unit *walk_next(const struct fair_unit *u)
{
	if (u->child)
		return u->child;
	while (u && !u->next) {
		// Back to the first sibling, whose prev is the parent.
		while (u->prev && u->prev->child != u)
			u = u->prev;
		u = u->prev;
	}
	return u ? u->next : NULL;
}

struct fair_unit *fair_find(struct fair_queue *q, unsigned int most,
			    bool (*fits)(struct fair_unit *u, void *data),
			    void *data)
{
	struct fair_unit *best = NULL;

	for (struct fair_unit *u = q->root; u && most; u = walk_next(u), most--)
		if (fits(u, data) &&
		    (!best || fair_before(u->vtime, best->vtime)))
			best = u;
	return best;
}
