// SPDX-License-Identifier: MIT
// CPU pools: which CPUs a domain may have (docs/scheduling.md). What stands
// here changes under the control lock.
#include "lib/errno.h"
#include "sched/private.h"

#define RATELIMIT_US 1000

struct cpupool sched_pools[MAX_POOLS] = {
	{ .ratelimit_us = RATELIMIT_US, .exists = true },
};
struct cpupool sched_free = { .ratelimit_us = RATELIMIT_US };

struct cpupool *sched_pool(u32 id)
{
	struct cpupool *p = &sched_pools[index_nospec(id, MAX_POOLS)];

	return id < MAX_POOLS && p->exists ? p : NULL;
}

u32 sched_pool_id(const struct domain *d)
{
	return (u32)(d->sched->pool - sched_pools);
}

cpumask_t sched_pool_cpus(const struct domain *d)
{
	return pool_cpus(d);
}

u32 sched_pool_domains(const struct cpupool *p)
{
	u32 n = 0;

	SPIN_GUARD(&domain_list_lock);
	for_each_domain(d)
		n += d->sched->pool == p;
	return n;
}

int sched_pool_create(u32 id)
{
	if (id == POOL_ANY)
		for (id = 0; sched_pool(id); id++)
			;
	if (id >= MAX_POOLS || sched_pool(id))
		return -ENOSPC;
	sched_pools[id] = (struct cpupool){ .ratelimit_us = RATELIMIT_US,
					    .exists = true };
	return (int)id;
}

// Sends all elsewhere that waits on a CPU that its pool has no more.
static void evict(struct run_queue *q)
{
	struct vcpu *v;
	u64 flags;

	for (;;) {
		flags = spin_lock_irqsave(&q->lock);
		if (!q->fair.root)
			break;
		v = unit_vcpu(fair_unit_of(q->fair.root));
		domain_get(v->domain);
		sched_unqueue(q, v);
		queue_unlock(q, flags);
		sched_wake(v);
		domain_put(v->domain);
	}
	queue_unlock(q, flags);
}

// Whose lock holder finds the bit set puts a vcpu on the queue before evict()
// has the lock; the next one finds it clear.
void sched_cpu_move(unsigned int cpu, struct cpupool *to)
{
	struct run_queue *q = &per_cpu(run_queue, cpu);

	cpumask_clear_atomic(&q->pool->cpus, cpu);
	evict(q);
	__atomic_store_n(&q->pool, to, __ATOMIC_SEQ_CST);
	cpumask_set_atomic(&to->cpus, cpu);
	sched_raise(cpu);
}

int sched_cpu_leave(unsigned int cpu)
{
	const struct cpupool *p = per_cpu(run_queue, cpu).pool;
	struct vcpu *v;

	if (p->cpus == cpumask_of(cpu) && sched_pool_domains(p))
		return -EBUSY;
	for_each_vcpu(dom0, v)
		if (v->sched->pin == (int)cpu)
			return -EADDRINUSE;
	sched_cpu_move(cpu, &sched_free);
	return 0;
}

// Paused, the vcpus are on no queue; those of the new pool have clocks of
// their own.
int sched_domain_move(struct domain *d, struct cpupool *to)
{
	struct run_queue *q;
	struct vcpu *v;
	u64 flags;

	if (!to->cpus)
		return -ENOENT;
	domain_pause(d);
	__atomic_store_n(&d->sched->pool, to, __ATOMIC_SEQ_CST);
	for_each_vcpu(d, v) {
		q = queue_lock(v, &flags);
		v->affinity_hard = v->affinity_soft = CPUMASK_ALL;
		v->sched->unit.node.key = sched_foremost_clock(to);
		queue_unlock(q, flags);
	}
	sched_domain_set(d, FAIR_WEIGHT_DEFAULT, 0);
	domain_unpause(d);
	return 0;
}
