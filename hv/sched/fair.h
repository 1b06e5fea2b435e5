// SPDX-License-Identifier: MIT
// The policy, without machine or domains: who on a queue runs next, for how
// long, and when a unit should change queues. Every unit's virtual time grows
// with its running time divided by its weight; the lowest runs. No locks: the
// queue's lock, where there is one, is held by the caller.
#ifndef SCHED_FAIR_H
#define SCHED_FAIR_H

#include "lib/heap.h"

#define FAIR_WEIGHT_DEFAULT 256
#define FAIR_SLICE_MAX	    10000000UL // ns
#define FAIR_SLICE_MIN	    2000000UL
#define FAIR_CAP_PERIOD	    30000000UL // ns, a capped domain's budget is for
#define FAIR_CAP_KEPT	    4	       // periods: left over, and late
// In virtual ns (ns at the default weight).
#define FAIR_LAG_MAX	 200000000UL // how far queues' clocks may differ
#define FAIR_WAKE_BONUS	 3000000UL   // a sleeper's lead over the others
#define FAIR_WAKE_MARGIN 1000000UL   // smaller leads do not preempt
#define FAIR_PULL_MARGIN 5000000UL   // nor move a unit

struct fair_unit {
	// Key: virtual time, relative to the queue's base while attached, else
	// absolute.
	struct heap_node node;
	u32 weight;
	bool queued; // in the heap
};

struct fair_queue {
	struct heap_node *root;
	struct fair_unit *curr; // runs now: attached, not in the heap
	u64 base;  // what makes vtimes of different queues comparable
	u64 clock; // lowest vtime here, never goes back
	u64 load;  // sum of attached weights
	// Copies for other CPUs to look at without the lock, absolute.
	u64 seen_clock, seen_first;
	bool seen_waiting; // the heap is not empty
};

static inline struct fair_unit *fair_unit_of(struct heap_node *n)
{
	return container_of(n, struct fair_unit, node);
}

// Belongs to the queue from now on; its virtual time is at least the queue's
// clock less lag.
void fair_attach(struct fair_queue *q, struct fair_unit *u, u64 lag);
void fair_detach(struct fair_queue *q, struct fair_unit *u);
void fair_enqueue(struct fair_queue *q, struct fair_unit *u); // attached
void fair_dequeue(struct fair_queue *q, struct fair_unit *u); // stays attached
void fair_charge(struct fair_queue *q, struct fair_unit *u, u64 ns);
// To the end of the line of those that want to run now.
void fair_yield(struct fair_queue *q, struct fair_unit *u);
// A debt from before sleeping is forgiven by the time slept.
void fair_forgive(struct fair_queue *q, struct fair_unit *u, u64 slept_ns);
// Lets a queue follow the one that is farthest ahead; returns how far it went.
u64 fair_follow(struct fair_queue *q, u64 clock);
void fair_set_weight(struct fair_queue *q, struct fair_unit *u, u32 weight);

// Length of u's turn in ns, unless somebody wakes.
u64 fair_slice(const struct fair_queue *q, const struct fair_unit *u);
bool fair_preempts(const struct fair_queue *q, const struct fair_unit *u);

// Would a unit of `from` be served better by a CPU whose next unit has the
// absolute virtual time `next`? An idle CPU takes anything.
static inline bool fair_pull_pays(u64 first, u64 next, bool idle)
{
	return idle || heap_before(first + FAIR_PULL_MARGIN, next);
}

// The first unit that fits, by a look at no more than `most` ones from the top
// of the heap down; NULL: none. After one that is too late come later ones.
enum fair_fit { FAIR_NOT_IT, FAIR_FITS, FAIR_TOO_LATE };
typedef enum fair_fit fair_fits(struct fair_unit *u, void *data);
struct fair_unit *fair_find(struct fair_queue *q, unsigned int most,
			    fair_fits *fits, void *data);

// The budget of a capped domain, in ns of running time.
static inline s64 fair_quota(u32 cap_percent)
{
	return (s64)(FAIR_CAP_PERIOD / 100 * cap_percent);
}

// After so many periods: what was overdrawn is kept, and what was left over up
// to a few periods' worth, for who could not run for longer than one.
static inline s64 fair_refill(s64 budget, u32 cap_percent, u64 periods)
{
	s64 quota = fair_quota(cap_percent);

	return MIN(budget, quota * FAIR_CAP_KEPT) + quota * (s64)periods;
}

#endif
