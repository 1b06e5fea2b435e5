// SPDX-License-Identifier: MIT
// The scheduling policy in a simulation of a few CPUs: shares by weight, caps,
// wake-up latency, order of the heap.
#define HOST_TEST
#include "unit.h"

#include "lib/types.h"

#include "lib/heap.h"

// Every comparison of virtual times is counted.
static unsigned long comparisons;
#define heap_before(a, b) (comparisons++, heap_before(a, b))

#include "lib/heap.c"
#include "sched/fair.c"

#include <stdlib.h>

#define CPUS_MAX  4
#define TASKS_MAX 32
#define STEP	  100000UL // ns
#define RATELIMIT 1000000UL
#define LOOK	  16 // as in sched/core.c

struct task {
	struct fair_unit unit;
	unsigned cpu, allowed; // bit mask
	u64 ran, since, turn_end;
	u64 work, sleep; // ns in a row; work 0: never sleeps
	u64 work_left, wake_at, woken, worst_wait;
	bool asleep;
	u32 cap;
	s64 budget;
};

static struct task tasks[TASKS_MAX];
static struct fair_queue queues[CPUS_MAX];
static unsigned n_tasks, n_cpus;
static u64 now;

static struct task *task_of(struct fair_unit *u)
{
	return u ? container_of(u, struct task, unit) : NULL;
}

static struct fair_unit *first(const struct fair_queue *q)
{
	return q->root ? fair_unit_of(q->root) : NULL;
}

static struct task *add(u32 weight, unsigned allowed)
{
	struct task *t = &tasks[n_tasks++];

	*t = (struct task){ .allowed = allowed, .asleep = true };
	t->unit.weight = weight;
	t->cpu = (unsigned)__builtin_ctz(allowed);
	return t;
}

static void begin(unsigned cpus)
{
	n_cpus = cpus;
	n_tasks = 0;
	now = 0;
	for (unsigned i = 0; i < CPUS_MAX; i++)
		queues[i] = (struct fair_queue){ 0 };
}

static bool spent(const struct task *t)
{
	return t->cap && t->budget <= 0;
}

static void put(struct task *t, unsigned cpu, u64 lag)
{
	t->cpu = cpu;
	fair_attach(&queues[cpu], &t->unit, lag);
	fair_enqueue(&queues[cpu], &t->unit);
}

static void wake(struct task *t)
{
	unsigned best = CPUS_MAX;

	for (unsigned c = 0; c < n_cpus; c++)
		if (t->allowed >> c & 1 &&
		    (best == CPUS_MAX || queues[c].load < queues[best].load))
			best = c;
	t->asleep = false;
	t->woken = now;
	t->work_left = t->work;
	put(t, best, FAIR_WAKE_BONUS);
	if (queues[best].curr && fair_preempts(&queues[best], &t->unit)) {
		struct task *curr = task_of(queues[best].curr);

		curr->turn_end = MAX(now, curr->since + RATELIMIT);
	}
}

struct thief {
	unsigned cpu;
	u64 base, next;
	bool idle;
};

static enum fair_fit fits(struct fair_unit *u, void *data)
{
	struct thief *w = data;

	if (!fair_pull_pays(w->base + u->node.key, w->next, w->idle))
		return FAIR_TOO_LATE;
	return task_of(u)->allowed >> w->cpu & 1 ? FAIR_FITS : FAIR_NOT_IT;
}

static void balance(struct thief *w)
{
	for (unsigned c = 0; c < n_cpus; c++) {
		struct fair_unit *u;

		if (c == w->cpu || !queues[c].seen_waiting)
			continue;
		w->base = queues[c].base;
		u = fair_find(&queues[c], LOOK, fits, w);
		if (!u)
			continue;
		fair_dequeue(&queues[c], u);
		fair_detach(&queues[c], u);
		put(task_of(u), w->cpu, FAIR_LAG_MAX);
		return;
	}
}

static void pick(unsigned cpu)
{
	struct fair_queue *q = &queues[cpu];
	struct task *prev = task_of(q->curr), *next;
	struct thief w = { .cpu = cpu };
	u64 ahead = q->seen_clock;

	for (unsigned c = 0; c < n_cpus; c++)
		if (heap_before(ahead, queues[c].seen_clock))
			ahead = queues[c].seen_clock;
	fair_follow(q, ahead);
	while (q->root && spent(task_of(first(q)))) {
		struct fair_unit *u = first(q);

		fair_dequeue(q, u);
		fair_detach(q, u);
	}
	if (prev && (prev->asleep || spent(prev))) {
		fair_detach(q, &prev->unit);
		q->curr = NULL;
		prev = NULL;
	}
	w.idle = !q->root && !prev;
	if (q->root)
		w.next = q->root->key;
	if (prev && (!q->root || heap_before(prev->unit.node.key, w.next)))
		w.next = prev->unit.node.key;
	w.next += q->base;
	balance(&w);

	next = task_of(first(q));
	if (!next)
		next = prev;
	else if (prev && !heap_before(next->unit.node.key, prev->unit.node.key))
		next = prev;
	if (next != prev) {
		if (prev) {
			fair_detach(q, &prev->unit);
			put(prev, cpu, FAIR_LAG_MAX);
		}
		fair_dequeue(q, &next->unit);
		q->curr = &next->unit;
		next->since = now;
		if (next->woken) {
			next->worst_wait =
				MAX(next->worst_wait, now - next->woken);
			next->woken = 0;
		}
	}
	if (next)
		next->turn_end = now + fair_slice(q, &next->unit);
}

static void run_cpu(unsigned cpu)
{
	struct task *t = task_of(queues[cpu].curr);

	if (!t || spent(t) || now >= t->turn_end) {
		pick(cpu);
		t = task_of(queues[cpu].curr);
	}
	if (!t)
		return;
	t->ran += STEP;
	t->budget -= (s64)STEP;
	fair_charge(&queues[cpu], &t->unit, STEP);
	if (!t->work)
		return;
	t->work_left -= MIN(STEP, t->work_left);
	if (!t->work_left) {
		t->asleep = true;
		t->wake_at = now + t->sleep;
		t->turn_end = now;
	}
}

static void simulate(u64 length)
{
	u64 end = now + length;

	for (; now < end; now += STEP) {
		for (unsigned i = 0; i < n_tasks; i++) {
			struct task *t = &tasks[i];
			bool attached = t->unit.queued ||
					queues[t->cpu].curr == &t->unit;

			if (t->cap && now % FAIR_CAP_PERIOD == 0) {
				t->budget = fair_refill(t->budget, t->cap, 1);
				if (!t->asleep && !attached && !spent(t))
					put(t, t->cpu, FAIR_LAG_MAX);
			}
			if (t->asleep && !attached && now >= t->wake_at)
				wake(t);
		}
		for (unsigned c = 0; c < n_cpus; c++)
			run_cpu(c);
	}
}

static void forget(void)
{
	for (unsigned i = 0; i < n_tasks; i++)
		tasks[i].ran = 0;
}

// Percent of all CPUs' time, in hundredths, that a task got.
static bool share_is(const struct task *t, u64 length, unsigned want)
{
	u64 got = t->ran * 10000 / (length * n_cpus);
	bool ok = got * 100 >= want * 97UL && got * 100 <= want * 103UL;

	if (!ok)
		printf("task %ld: share %lu, want %u\n", (long)(t - tasks),
		       (unsigned long)got, want);
	return ok;
}

#define SECOND 1000000000UL

static void shares_one_cpu(void)
{
	begin(1);
	for (u32 w = 256; w <= 1024; w *= 2)
		add(w, 1);
	simulate(10 * SECOND);
	CHECK(share_is(&tasks[0], 10 * SECOND, 1429));
	CHECK(share_is(&tasks[1], 10 * SECOND, 2857));
	CHECK(share_is(&tasks[2], 10 * SECOND, 5714));
}

// Two vcpus of each of three domains.
static void shares_two_cpus(void)
{
	begin(2);
	for (unsigned i = 0; i < 6; i++)
		add(256U << i / 2, 3);
	simulate(20 * SECOND);
	for (unsigned i = 0; i < 6; i += 2) {
		struct task both = tasks[i];

		both.ran += tasks[i + 1].ran;
		CHECK(share_is(&both, 20 * SECOND, 10000U * (1U << i / 2) / 7));
	}
}

// One vcpu each: the heaviest cannot use more than one CPU.
static void shares_limited(void)
{
	begin(2);
	for (unsigned i = 0; i < 3; i++)
		add(256U << i, 3);
	simulate(10 * SECOND);
	CHECK(share_is(&tasks[0], 10 * SECOND, 1667));
	CHECK(share_is(&tasks[1], 10 * SECOND, 3333));
	CHECK(share_is(&tasks[2], 10 * SECOND, 5000));
}

// Does not divide evenly over the queues: units have to move.
static void shares_rotate(void)
{
	begin(2);
	for (unsigned i = 0; i < 3; i++)
		add(256, 3);
	simulate(20 * SECOND);
	for (unsigned i = 0; i < 3; i++)
		CHECK(share_is(&tasks[i], 20 * SECOND, 3333));
}

static void shares_odd_weights(void)
{
	begin(2);
	add(256, 3);
	add(512, 3);
	add(1024, 3);
	add(1024, 3);
	simulate(20 * SECOND);
	CHECK(share_is(&tasks[0], 20 * SECOND, 909));
	CHECK(share_is(&tasks[1], 20 * SECOND, 1818));
	CHECK(share_is(&tasks[2], 20 * SECOND, 3636));
	CHECK(share_is(&tasks[3], 20 * SECOND, 3636));
}

// Pinned units make the queues advance at different speeds for long; when
// they are free to move, shares are fair again within a second.
static void shares_after_pinning(void)
{
	begin(2);
	add(256, 1);
	add(256, 1);
	add(1024, 1);
	add(256, 2);
	simulate(20 * SECOND);
	CHECK(share_is(&tasks[0], 20 * SECOND, 833));
	CHECK(share_is(&tasks[2], 20 * SECOND, 3333));
	CHECK(share_is(&tasks[3], 20 * SECOND, 5000));
	for (unsigned i = 0; i < n_tasks; i++)
		tasks[i].allowed = 3;
	simulate(SECOND);
	forget();
	simulate(5 * SECOND);
	CHECK(share_is(&tasks[0], 5 * SECOND, 1667)); // 1024 fills a CPU
	CHECK(share_is(&tasks[1], 5 * SECOND, 1667));
	CHECK(share_is(&tasks[2], 5 * SECOND, 5000));
	CHECK(share_is(&tasks[3], 5 * SECOND, 1667));
}

// The cap binds just below the fair share: it is a limit, and is reached.
static void cap_near_share(void)
{
	begin(2);
	for (unsigned i = 0; i < 6; i++)
		add(256, 3);
	tasks[0].cap = 30; // of 33
	simulate(10 * SECOND);
	CHECK(share_is(&tasks[0], 10 * SECOND, 1500));
}

static void cap_holds(void)
{
	begin(1);
	add(256, 1)->cap = 25;
	simulate(3 * SECOND);
	CHECK(share_is(&tasks[0], 3 * SECOND, 2500));
	add(256, 1);
	forget();
	simulate(3 * SECOND);
	CHECK(share_is(&tasks[0], 3 * SECOND, 2500));
	CHECK(share_is(&tasks[1], 3 * SECOND, 7500));
}

// A vcpu that mostly sleeps gets a busy CPU soon after it wakes, and gets all
// that it asks for.
static void wake_is_prompt(void)
{
	struct task *sleeper;

	begin(1);
	for (unsigned i = 0; i < 6; i++)
		add(256, 1);
	sleeper = add(256, 1);
	sleeper->work = 300000;
	sleeper->sleep = 9700000;
	simulate(10 * SECOND);
	CHECK(sleeper->worst_wait <= RATELIMIT + STEP);
	CHECK(sleeper->ran >= 10 * SECOND * 26 / 1000);
	for (unsigned i = 0; i < 6; i++)
		CHECK(share_is(&tasks[i], 10 * SECOND, 1618));
}

// Sleeping often must not be a way to more than the fair share.
static void sleeping_does_not_pay(void)
{
	struct task *cheat;

	begin(1);
	add(256, 1);
	cheat = add(256, 1);
	cheat->work = 9000000;
	cheat->sleep = 200000;
	simulate(10 * SECOND);
	CHECK(cheat->ran < 10 * SECOND * 56 / 100);
}

static void idle_cpu_takes_work(void)
{
	begin(4);
	for (unsigned i = 0; i < 4; i++)
		tasks[i].cpu = 0;
	for (unsigned i = 0; i < 4; i++)
		put(add(256, 15), 0, 0), tasks[i].asleep = false;
	simulate(SECOND);
	for (unsigned i = 0; i < 4; i++)
		CHECK(share_is(&tasks[i], SECOND, 2500));
}

// Three weights on two CPUs, 2 to 8 of them: within 3 percent of what is
// feasible, where no unit needs more than one CPU.
static void shares_many(void)
{
	for (unsigned n = 4; n <= 8; n += 2) {
		unsigned sum = 0;

		begin(2);
		for (unsigned i = 0; i < n; i++)
			sum += add(256U + 128 * (i % 3), 3)->unit.weight;
		simulate(10 * SECOND);
		for (unsigned i = 0; i < n; i++)
			CHECK(share_is(&tasks[i], 10 * SECOND,
				       tasks[i].unit.weight * 10000 / sum));
	}
}

// Comparisons of an average pick, of a wake-up, and of a look for work on a
// queue with n waiting, all of which may move, or none.
struct cost {
	unsigned long pick, wake, steal, vain;
};

static enum fair_fit none_fits(struct fair_unit *u, void *data)
{
	++*(unsigned long *)data;
	return FAIR_NOT_IT;
}

static enum fair_fit any_fits(struct fair_unit *u, void *data)
{
	++*(unsigned long *)data;
	return FAIR_FITS;
}

static struct cost cost_of(unsigned n)
{
	static struct fair_unit units[64];
	const unsigned rounds = 10000;
	struct fair_queue q = { 0 };
	struct cost c = { 0 };

	srand(3);
	for (unsigned i = 0; i < n; i++) {
		units[i] = (struct fair_unit){ .weight = 256 };
		fair_attach(&q, &units[i], 0);
		comparisons = 0;
		fair_enqueue(&q, &units[i]);
		c.wake = MAX(c.wake, comparisons);
	}
	comparisons = 0;
	for (unsigned i = 0; i < rounds; i++) {
		struct fair_unit *u = first(&q);

		fair_dequeue(&q, u);
		fair_charge(&q, u, (u64)rand() % FAIR_SLICE_MAX);
		fair_enqueue(&q, u);
	}
	c.pick = comparisons / rounds;
	CHECK(fair_find(&q, LOOK, any_fits, &c.steal) == first(&q));
	CHECK(!fair_find(&q, LOOK, none_fits, &c.vain));
	return c;
}

static void cost_grows_slowly(void)
{
	struct cost few = cost_of(8), many = cost_of(64);

	printf("comparisons with 8 and 64 waiting: pick %lu %lu, wake %lu %lu, "
	       "look for work %lu %lu, in vain %lu %lu\n",
	       few.pick, many.pick, few.wake, many.wake, few.steal, many.steal,
	       few.vain, many.vain);
	// log2: 3 and 6.
	CHECK(many.pick <= 2 * few.pick);
	CHECK(many.pick <= 24);
	CHECK(many.wake <= few.wake && many.wake <= 6);
	CHECK(few.steal == 1 && many.steal == 1);
	CHECK(few.vain == 8 && many.vain == LOOK);
}

static unsigned heap_count(const struct fair_queue *q)
{
	unsigned n = 0;

	for (struct heap_node *u = q->root; u; u = walk_next(u, true))
		n++;
	return n;
}

static void heap_keeps_order(void)
{
	static struct fair_unit units[200];
	struct fair_queue q = { 0 };
	unsigned in = 0;

	srand(7);
	// Close to where the clock wraps.
	q.clock = ~0UL - 500;
	for (unsigned i = 0; i < 200; i++)
		units[i] = (struct fair_unit){ .weight = 256 };
	for (unsigned round = 0; round < 20000; round++) {
		struct fair_unit *u = &units[rand() % 200];

		if (u->queued) {
			fair_dequeue(&q, u);
			in--;
		} else {
			u->node.key = q.clock + (unsigned)(rand() % 1000);
			fair_enqueue(&q, u);
			in++;
		}
		if (heap_count(&q) != in)
			break;
		for (unsigned i = 0; i < 200; i++)
			if (units[i].queued &&
			    heap_before(units[i].node.key, q.root->key))
				in = 1000;
	}
	CHECK(heap_count(&q) == in);
}

UNIT_MAIN(UNIT(heap_keeps_order), UNIT(shares_one_cpu), UNIT(shares_two_cpus),
	  UNIT(shares_limited), UNIT(shares_rotate), UNIT(shares_odd_weights),
	  UNIT(shares_after_pinning), UNIT(cap_holds), UNIT(cap_near_share),
	  UNIT(wake_is_prompt), UNIT(sleeping_does_not_pay),
	  UNIT(idle_cpu_takes_work), UNIT(shares_many), UNIT(cost_grows_slowly))
