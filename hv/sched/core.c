// SPDX-License-Identifier: MIT
// Run queues and the context switch. Rules: a vcpu in a heap is not running,
// may run (pause flags and counts are clear) and may run on that CPU; v->cpu
// names the queue whose lock guards v, and changes under that lock only;
// v->running falls after the last bit of v's state is in memory. At most one
// queue is locked at a time.
#include "con/con.h"
#include "dom/trace.h"
#include "mm/alloc.h"
#include "sched/private.h"
#include "x86/entry.h"
#include "x86/smp.h"
#include "x86/softirq.h"

DEFINE_PERCPU(struct run_queue, run_queue);
static cpumask_t idle_cpus; // atomic: take work, or are about to

static bool cap_spent(const struct domain *d)
{
	return READ_ONCE(d->sched->cap) && READ_ONCE(d->sched->budget) <= 0;
}

struct run_queue *queue_lock(const struct vcpu *v, u64 *flags)
{
	struct run_queue *q;
	u32 cpu;

	*flags = irq_save();
	for (;;) {
		cpu = READ_ONCE(v->cpu);
		q = &per_cpu(run_queue, cpu);
		spin_lock(&q->lock);
		if (likely(cpu == READ_ONCE(v->cpu)))
			return q;
		spin_unlock(&q->lock);
	}
}

void queue_unlock(struct run_queue *q, u64 flags)
{
	spin_unlock_irqrestore(&q->lock, flags);
}

void sched_raise(unsigned int cpu)
{
	softirq_raise_on(cpu, SOFTIRQ_SCHED);
}

cpumask_t sched_allowed(const struct vcpu *v)
{
	cpumask_t pool = pool_cpus(v->domain), mask = v->affinity_hard;

	if (v->sched->pin >= 0)
		mask = cpumask_of((unsigned int)v->sched->pin);
	return mask & pool ? mask & pool : pool;
}

static u64 ratelimit_ns(const struct run_queue *q)
{
	return READ_ONCE(READ_ONCE(q->pool)->ratelimit_us) * NS_PER_US;
}

static void note_idle(u32 cpu, bool idle)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (cpumask_test(READ_ONCE(idle_cpus), cpu) == idle)
		return;
	if (idle)
		cpumask_set_atomic(&idle_cpus, cpu);
	else
		cpumask_clear_atomic(&idle_cpus, cpu);
}

// A CPU for v: idle and wished, idle, else the least loaded (of the wished
// ones if there are any); its old one where that is as good.
static u32 choose_cpu(const struct vcpu *v)
{
	cpumask_t allowed = sched_allowed(v), soft, idle;
	u64 load, least = ~0UL;
	unsigned int cpu, best;

	soft = allowed & v->affinity_soft;
	idle = allowed & READ_ONCE(idle_cpus);
	if (idle & soft)
		idle &= soft;
	if (cpumask_test(idle, v->cpu))
		return v->cpu;
	if (idle)
		return cpumask_first(idle);
	if (soft)
		allowed = soft;
	best = cpumask_first(allowed);
	for_each_cpu_in(cpu, allowed) {
		load = READ_ONCE(per_cpu(run_queue, cpu).fair.load);
		if (load < least || (load == least && cpu == v->cpu)) {
			least = load;
			best = cpu;
		}
	}
	return best;
}

// After v was put on q, the queue of v->cpu: who must look at it?
static void tickle(struct run_queue *q, struct vcpu *v)
{
	struct fair_unit *curr = q->fair.curr;
	cpumask_t idle;
	u64 earliest;

	// The CPU that goes idle tells first and looks at the queues then; here
	// it is the other way round.
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!curr) {
		note_idle(v->cpu, false);
		sched_raise(v->cpu);
		return;
	}
	idle = sched_allowed(v) & READ_ONCE(idle_cpus);
	if (idle & v->affinity_soft)
		idle &= v->affinity_soft;
	if (idle) {
		note_idle(cpumask_first(idle), false);
		sched_raise(cpumask_first(idle));
		return;
	}
	if (!fair_preempts(&q->fair, &v->sched->unit))
		return;
	earliest = unit_vcpu(curr)->sched->since + ratelimit_ns(q);
	if (earliest <= time_now())
		sched_raise(v->cpu);
	else if (earliest < q->slice.node.key || !timer_active(&q->slice))
		timer_set(&q->slice, earliest);
}

// Who slept comes back with a small lead at most; who waited (for a budget, or
// for a CPU) keeps what it is owed.
static void enqueue(struct run_queue *q, struct vcpu *v)
{
	u64 lag = v->use.state == RUNSTATE_runnable ? FAIR_LAG_MAX
						    : FAIR_WAKE_BONUS;
	u64 now = time_now();

	fair_attach(&q->fair, &v->sched->unit, lag);
	if (v->use.state >= RUNSTATE_blocked)
		fair_forgive(&q->fair, &v->sched->unit, now - v->use.since);
	runstate_change(v, RUNSTATE_runnable, now);
	fair_enqueue(&q->fair, &v->sched->unit);
	tickle(q, v);
}

void sched_unqueue(struct run_queue *q, struct vcpu *v)
{
	if (!v->sched->unit.queued)
		return;
	fair_dequeue(&q->fair, &v->sched->unit);
	fair_detach(&q->fair, &v->sched->unit);
}

void sched_make_ready(struct vcpu *v, bool stay)
{
	bool chosen = stay && !(sched_allowed(v) & READ_ONCE(idle_cpus));
	struct run_queue *q;
	u64 flags;
	u32 cpu;

	for (;;) {
		q = queue_lock(v, &flags);
		if (v->running || v->sched->unit.queued)
			break;
		if (!vcpu_runnable(v) || cap_spent(v->domain)) {
			// Most often it is in that state already.
			if (v->use.state != runstate_off_cpu(v))
				runstate_change(v, runstate_off_cpu(v),
						time_now());
			break;
		}
		cpu = v->cpu;
		if (!chosen || !cpumask_test(sched_allowed(v), cpu))
			cpu = choose_cpu(v);
		if (cpu == v->cpu) {
			enqueue(q, v);
			break;
		}
		WRITE_ONCE(v->cpu, cpu);
		chosen = true;
		queue_unlock(q, flags);
	}
	queue_unlock(q, flags);
}

void sched_wake(struct vcpu *v)
{
	TRACE(TRC_SCHED_WAKE, v->domain->id, v->id);
	sched_make_ready(v, false);
}

void sched_sleep(struct vcpu *v)
{
	struct run_queue *q;
	u64 flags;

	q = queue_lock(v, &flags);
	if (!vcpu_runnable(v)) {
		sched_unqueue(q, v);
		if (v->running)
			sched_raise(v->cpu);
		else
			runstate_change(v, runstate_off_cpu(v), time_now());
	}
	queue_unlock(q, flags);
}

void sched_sync_vcpu(struct vcpu *v)
{
	while (READ_ONCE(v->running) && !vcpu_runnable(v))
		cpu_relax();
	barrier();
}

void sched_sleep_sync(struct vcpu *v)
{
	sched_sleep(v);
	if (v != current)
		sched_sync_vcpu(v);
}

static void charge(struct run_queue *q, u64 now)
{
	struct sched_vcpu *s;
	u64 ns;

	if (!q->fair.curr)
		return;
	s = container_of(q->fair.curr, struct sched_vcpu, unit);
	ns = now > s->charged ? now - s->charged : 0;
	s->charged += ns;
	fair_charge(&q->fair, &s->unit, ns);
	if (READ_ONCE(s->vcpu->domain->sched->cap))
		__atomic_fetch_sub(&s->vcpu->domain->sched->budget, (s64)ns,
				   __ATOMIC_RELAXED);
}

u64 sched_foremost_clock(const struct cpupool *p)
{
	cpumask_t cpus = READ_ONCE(p->cpus);
	u64 clock = 0, other;
	unsigned int cpu;

	for_each_cpu_in(cpu, cpus) {
		other = READ_ONCE(per_cpu(run_queue, cpu).fair.seen_clock);
		if (cpu == cpumask_first(cpus) || heap_before(clock, other))
			clock = other;
	}
	return clock;
}

// May prev go on here if nobody better waits?
static bool may_go_on(const struct vcpu *prev)
{
	return !prev->is_idle && vcpu_runnable(prev) &&
	       !cap_spent(prev->domain) &&
	       cpumask_test(sched_allowed(prev), prev->cpu);
}

// The waiting unit that runs next, without those whose budget is used up:
// they leave the queue until the next period.
static inline struct vcpu *first_waiting(struct run_queue *q)
{
	struct vcpu *v;

	while (q->fair.root) {
		v = unit_vcpu(fair_unit_of(q->fair.root));
		if (!cap_spent(v->domain))
			return v;
		sched_unqueue(q, v);
	}
	return NULL;
}

static inline struct outlook look(struct run_queue *q, const struct vcpu *prev,
				  u64 now)
{
	return (struct outlook){ now, first_waiting(q), may_go_on(prev) };
}

// Locks the queue and brings its accounts up to date.
static struct outlook prepare(struct run_queue *q, struct vcpu *prev)
{
	u64 ahead = sched_foremost_clock(READ_ONCE(q->pool)), now, followed;
	struct outlook o;

	spin_lock(&q->lock);
	now = time_now();
	charge(q, now);
	followed = fair_follow(&q->fair, ahead);
	// What came with another pool has that one's clock.
	if (!prev->is_idle && prev->domain->sched->pool != q->pool)
		prev->sched->unit.node.key -= followed;
	o = look(q, prev, now);
	// Told before the others are looked at: see tickle().
	if (!o.waiting && !o.go_on)
		note_idle(smp_cpu_id(), true);
	if (likely(!sched_others_wait(q)))
		return o;
	sched_take_work(q, prev, &o);
	return look(q, prev, time_now());
}

static struct vcpu *decide(struct run_queue *q, struct vcpu *prev,
			   const struct outlook *o)
{
	struct vcpu *next = o->waiting;
	bool yield = false;

	if (!prev->is_idle) {
		yield = prev->sched->yield;
		prev->sched->yield = false;
	}
	if (!o->go_on || !next)
		return next ? next : o->go_on ? prev : q->idle;
	if (yield) {
		fair_yield(&q->fair, &prev->sched->unit);
		return next;
	}
	if (o->now - prev->sched->since < ratelimit_ns(q))
		return prev;
	return heap_before(next->sched->unit.node.key,
			   prev->sched->unit.node.key)
		       ? next
		       : prev;
}

// goes_on: v ran before; then a turn that ends sooner may do so.
static void set_slice(struct run_queue *q, struct vcpu *v, u64 now,
		      bool goes_on)
{
	u64 ns, end, min = MAX(ratelimit_ns(q), 100 * NS_PER_US);
	const struct sched_domain *s;
	s64 left;

	if (v->is_idle) {
		timer_stop(&q->slice);
		return;
	}
	s = v->domain->sched;
	ns = fair_slice(&q->fair, &v->sched->unit);
	left = READ_ONCE(s->budget);
	if (READ_ONCE(s->cap) && left < (s64)ns)
		ns = left > 0 ? (u64)left : 0;
	end = now + MAX(ns, min);
	if (goes_on && timer_active(&q->slice) && q->slice.node.key > now &&
	    q->slice.node.key <= end)
		return;
	timer_set(&q->slice, end);
}

// Makes next the running one in all records; queue locked.
static void hand_over(struct run_queue *q, struct vcpu *prev, struct vcpu *next,
		      u64 now)
{
	if (prev->is_idle) {
		runstate_change(prev, RUNSTATE_runnable, now);
	} else {
		runstate_change(prev, runstate_off_cpu(prev), now);
		fair_detach(&q->fair, &prev->sched->unit);
		q->fair.curr = NULL;
	}
	runstate_change(next, RUNSTATE_running, now);
	if (next->is_idle)
		return;
	fair_dequeue(&q->fair, &next->sched->unit);
	q->fair.curr = &next->sched->unit;
	next->sched->since = next->sched->charged = now;
	next->running = true;
}

static __noreturn void idle_loop(void)
{
	for (;;) {
		irq_disable();
		if (softirq_pending()) {
			softirq_run();
			continue;
		}
		if (smp_park_wanted())
			smp_park();
		irq_enable_halt();
	}
}

// Interrupts off. The registers move; what else the hardware holds of a
// guest is its kind's business.
static __noreturn void context_switch(struct vcpu *prev, struct vcpu *next)
{
	struct run_queue *q = &this_cpu(run_queue);

	if (!prev->is_idle) {
		guest_time_out(prev);
		prev->regs = cpu_info()->regs;
		prev->domain->ops->switch_from(prev);
	}
	current = next;
	if (!next->is_idle) {
		cpu_info()->regs = next->regs;
		next->domain->ops->switch_to(next);
	}
	if (!prev->is_idle) {
		// Whoever waits for prev to be off its CPU may destroy it.
		struct domain *d = prev->domain;

		domain_get(d);
		spin_lock(&q->lock);
		__atomic_store_n(&prev->running, false, __ATOMIC_RELEASE);
		spin_unlock(&q->lock);
		sched_make_ready(prev, true);
		domain_put(d);
	}
	if (next->is_idle)
		stack_reset_jump(idle_loop);
	irq_enable();
	guest_time_in(next);
	irq_disable();
	stack_reset_jump(next->domain->ops->resume);
}

// SOFTIRQ_SCHED: on the way out of the hypervisor, or from the idle loop.
static void schedule(void)
{
	struct run_queue *q = &this_cpu(run_queue);
	struct vcpu *prev = current, *next;
	struct outlook o;

	irq_disable();
	o = prepare(q, prev);
	next = decide(q, prev, &o);
	if (next != prev)
		hand_over(q, prev, next, o.now);
	note_idle(next->cpu, next->is_idle);
	set_slice(q, next, o.now, next == prev);
	spin_unlock(&q->lock);
	if (next == prev)
		TRACE(TRC_SCHED_CONTINUE_RUNNING, TRACE_VCPU(next));
	else
		TRACE(TRC_SCHED_SWITCH, prev->domain->id, prev->id,
		      next->domain->id, next->id);
	if (next != prev)
		context_switch(prev, next);
	irq_enable();
	if (!prev->is_idle)
		guest_time_on(prev);
}

static void slice_ended(void *data)
{
	softirq_raise(SOFTIRQ_SCHED);
}

void sched_init_cpu(unsigned int cpu)
{
	struct run_queue *q = &per_cpu(run_queue, cpu);
	struct vcpu *v = q->idle;

	if (v) { // it was away
		sched_cpu_move(cpu, &sched_pools[0]);
		return;
	}
	v = heap_alloc(sizeof(*v));
	if (!v)
		panic("no memory for the idle vcpu of CPU %u", cpu);
	softirq_register(SOFTIRQ_SCHED, schedule);
	spin_init(&q->lock, RANK_SCHED_QUEUE);
	timer_init(&q->slice, slice_ended, NULL, cpu);
	v->domain = idle_domain;
	v->id = v->cpu = cpu;
	v->is_idle = v->initialised = v->running = true;
	v->info = &dummy_vcpu_info;
	v->affinity_hard = v->affinity_soft = cpumask_of(cpu);
	v->use.state = RUNSTATE_running;
	v->use.since = time_now();
	q->idle = v;
	q->pool = &sched_pools[0];
	cpumask_set_atomic(&q->pool->cpus, cpu);
}

__noreturn void sched_start_idle(void)
{
	irq_disable();
	current = this_cpu(run_queue).idle;
	softirq_raise(SOFTIRQ_SCHED);
	stack_reset_jump(idle_loop);
}

// ns that the CPU spent idle.
u64 cpu_idle_time(unsigned int cpu)
{
	struct vcpu *idle = per_cpu(run_queue, cpu).idle;

	return idle ? vcpu_cpu_time(idle) : 0;
}
