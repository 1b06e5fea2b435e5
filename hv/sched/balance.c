// SPDX-License-Identifier: MIT
// Work that waits at other CPUs. Their queues are looked at without their locks,
// and at most one queue is locked at a time.
#include "sched/private.h"

#define STEAL_LOOK 16 // units looked at in another CPU's heap

struct thief {
	u32 cpu;
	u64 base, next;	 // of the other queue; own next vtime
	bool idle, soft; // takes anything; only those that wish this CPU
};

static enum fair_fit worth_stealing(struct fair_unit *u, void *data)
{
	const struct thief *t = data;
	const struct vcpu *v = unit_vcpu(u);

	if (!fair_pull_pays(t->base + u->node.key, t->next, t->idle))
		return FAIR_TOO_LATE;
	return cpumask_test(sched_allowed(v), t->cpu) &&
			       (!t->soft ||
				cpumask_test(v->affinity_soft, t->cpu))
		       ? FAIR_FITS
		       : FAIR_NOT_IT;
}

// Takes one unit from another CPU's heap to this CPU's.
static bool steal_from(u32 victim, struct thief *t)
{
	struct run_queue *q = &per_cpu(run_queue, victim);
	struct fair_unit *u;
	struct vcpu *v;

	spin_lock(&q->lock);
	t->base = q->fair.base;
	u = fair_find(&q->fair, STEAL_LOOK, worth_stealing, t);
	if (u) {
		v = unit_vcpu(u);
		domain_get(v->domain);
		sched_unqueue(q, v);
		WRITE_ONCE(v->cpu, t->cpu);
	}
	spin_unlock(&q->lock);
	if (!u)
		return false;
	sched_make_ready(v, true);
	domain_put(v->domain);
	return true;
}

// Looks at the other queues without their locks and takes the unit that is
// farthest behind this CPU's next one.
static void balance(struct thief *t)
{
	const struct fair_queue *f;
	u64 lowest = t->next;
	u32 victim = t->cpu;
	unsigned int cpu;

	for_each_cpu_in(cpu, READ_ONCE(this_cpu(run_queue).pool->cpus) &
				     ~cpumask_of(t->cpu)) {
		f = &per_cpu(run_queue, cpu).fair;
		if (!READ_ONCE(f->seen_waiting))
			continue;
		if (t->idle && steal_from(cpu, t))
			return;
		if (heap_before(READ_ONCE(f->seen_first), lowest)) {
			lowest = READ_ONCE(f->seen_first);
			victim = cpu;
		}
	}
	if (!t->idle && victim != t->cpu &&
	    fair_pull_pays(lowest, t->next, false))
		steal_from(victim, t);
}

void sched_take_work(struct run_queue *q, const struct vcpu *prev,
		     const struct outlook *o)
{
	struct thief t = { .cpu = smp_cpu_id(),
			   .idle = !o->waiting && !o->go_on };

	if (o->waiting)
		t.next = q->fair.root->key;
	if (o->go_on &&
	    (!o->waiting || heap_before(prev->sched->unit.node.key, t.next)))
		t.next = prev->sched->unit.node.key;
	t.next += q->fair.base;
	spin_unlock(&q->lock);
	// Wished ones first; only an idle CPU takes the others.
	t.soft = true;
	balance(&t);
	t.soft = false;
	if (t.idle && !READ_ONCE(q->fair.seen_waiting))
		balance(&t);
	spin_lock(&q->lock);
}
