// SPDX-License-Identifier: MIT
// sysctl: the scheduler, of which there is one kind, and CPU pools.
#include "ctl/private.h"
#include "sched/sched.h"
#include "x86/smp.h"

long sysctl_scheduler_op(struct sub *s, struct xen_sysctl_scheduler_op *a)
{
	u32 *us = &a->u.sched_credit2.ratelimit_us;
	struct cpupool *p = sched_pool(a->cpupool_id);

	if (a->cmd > XEN_SYSCTL_SCHEDOP_getinfo)
		return -EINVAL;
	if (!p)
		return -ESRCH;
	if (a->sched_id != XEN_SCHEDULER_CREDIT2)
		return -EINVAL;
	if (a->cmd == XEN_SYSCTL_SCHEDOP_putinfo) {
		// 0: no limit.
		if (*us && (*us > XEN_SYSCTL_SCHED_RATELIMIT_MAX ||
			    *us < XEN_SYSCTL_SCHED_RATELIMIT_MIN))
			return -EINVAL;
		WRITE_ONCE(p->ratelimit_us, *us);
	}
	*us = p->ratelimit_us;
	return 0;
}

// Pools. Each operation gets the pool that was named, if there is one.

typedef long pool_fn(struct xen_sysctl_cpupool_op *a, struct cpupool *p);

static cpumask_t free_cpus(void)
{
	// One that comes back is online only when pool 0 has it.
	return sched_free.cpus & READ_ONCE(cpu_online) & ~smp_parked;
}

static long pool_create(struct xen_sysctl_cpupool_op *a, struct cpupool *p)
{
	int id;

	if (a->sched_id != XEN_SCHEDULER_CREDIT2)
		return -ENOENT;
	id = sched_pool_create(a->cpupool_id);
	if (id < 0)
		return id;
	a->cpupool_id = (u32)id;
	return 0;
}

static long pool_destroy(struct xen_sysctl_cpupool_op *a, struct cpupool *p)
{
	if (!p)
		return -ENOENT;
	if (p->cpus || sched_pool_domains(p))
		return -EBUSY;
	p->exists = false;
	return 0;
}

// Of the first one from that number on.
static long pool_info(struct xen_sysctl_cpupool_op *a, struct cpupool *p)
{
	while (!p && a->cpupool_id < MAX_POOLS)
		p = sched_pool(++a->cpupool_id);
	if (!p)
		return -ENOENT;
	a->sched_id = XEN_SCHEDULER_CREDIT2;
	a->n_dom = sched_pool_domains(p);
	return bitmap_to_guest(&a->cpumap, p->cpus, nr_cpus);
}

static long pool_add_cpu(struct xen_sysctl_cpupool_op *a, struct cpupool *p)
{
	const cpumask_t cpus = free_cpus();

	if (a->cpu == XEN_SYSCTL_CPUPOOL_PAR_ANY && cpus)
		a->cpu = cpumask_first(cpus);
	if (a->cpu >= nr_cpus)
		return -EINVAL;
	if (!cpumask_test(cpus, a->cpu))
		return -ENODEV;
	if (!p)
		return -ENOENT;
	sched_cpu_move(a->cpu, p);
	return 0;
}

static long pool_remove_cpu(struct xen_sysctl_cpupool_op *a, struct cpupool *p)
{
	if (!p)
		return -ENOENT;
	if (a->cpu == XEN_SYSCTL_CPUPOOL_PAR_ANY && p->cpus)
		a->cpu = cpumask_last(p->cpus);
	if (a->cpu >= nr_cpus)
		return -EINVAL;
	if (!cpumask_test(p->cpus, a->cpu))
		return -EADDRNOTAVAIL;
	return sched_cpu_leave(a->cpu);
}

static long pool_move_domain(struct xen_sysctl_cpupool_op *a, struct cpupool *p)
{
	struct domain *d __domain_ref = NULL;

	if (a->domid < DOMID_FIRST_RESERVED)
		d = domain_get_by_id((u16)a->domid);
	if (!d)
		return -ESRCH;
	if (d == currd)
		return -EPERM;
	if (sched_pool_id(d) == a->cpupool_id)
		return 0;
	return p ? sched_domain_move(d, p) : -ENOENT;
}

static long pool_free_info(struct xen_sysctl_cpupool_op *a, struct cpupool *p)
{
	return bitmap_to_guest(&a->cpumap, free_cpus(), nr_cpus);
}

static pool_fn *const pool_ops[] = {
	[XEN_SYSCTL_CPUPOOL_OP_CREATE] = pool_create,
	[XEN_SYSCTL_CPUPOOL_OP_DESTROY] = pool_destroy,
	[XEN_SYSCTL_CPUPOOL_OP_INFO] = pool_info,
	[XEN_SYSCTL_CPUPOOL_OP_ADDCPU] = pool_add_cpu,
	[XEN_SYSCTL_CPUPOOL_OP_RMCPU] = pool_remove_cpu,
	[XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN] = pool_move_domain,
	[XEN_SYSCTL_CPUPOOL_OP_FREEINFO] = pool_free_info,
};

long sysctl_cpupool_op(struct sub *s, struct xen_sysctl_cpupool_op *a)
{
	pool_fn *fn = NULL;

	if (a->op < ARRAY_SIZE(pool_ops))
		fn = pool_ops[index_nospec(a->op, ARRAY_SIZE(pool_ops))];
	return fn ? fn(a, sched_pool(a->cpupool_id)) : -ENOSYS;
}
