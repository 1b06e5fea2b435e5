// SPDX-License-Identifier: MIT
// What holds vcpus back and what steers them: block, poll, pause, up and
// down, affinity, weight and cap; the scheduler's part of a domain's life.
#include "con/con.h"
#include "dom/trace.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "sched/private.h"
#include "x86/entry.h"
#include "x86/smp.h"
#include "x86/softirq.h"

#define SHOWN 16 // units of a queue, by the debug key

static void flag_set(struct vcpu *v, u32 flag)
{
	__atomic_fetch_or(&v->pause_flags, flag, __ATOMIC_SEQ_CST);
}

// True when it was set.
static bool flag_clear(struct vcpu *v, u32 flag)
{
	return __atomic_fetch_and(&v->pause_flags, ~flag, __ATOMIC_SEQ_CST) &
	       flag;
}

void vcpu_block_current(void)
{
	struct vcpu *v = current;

	WRITE_ONCE(v->info->evtchn_upcall_mask, 0);
	flag_set(v, VPF_BLOCKED);
	if (vcpu_event_pending(v))
		flag_clear(v, VPF_BLOCKED);
	else
		softirq_raise(SOFTIRQ_SCHED);
	TRACE(TRC_SCHED_BLOCK, v->domain->id, v->id);
}

void vcpu_unblock(struct vcpu *v)
{
	if (!flag_clear(v, VPF_BLOCKED))
		return;
	sched_wake(v);
}

void vcpu_kick_other(struct vcpu *v)
{
	vcpu_unblock(v);
	if (v != current && READ_ONCE(v->running))
		smp_kick(READ_ONCE(v->cpu));
}

// A call of the guest's that takes long is continued behind the event.
void guest_interrupted(void)
{
	const struct vcpu *v = current; // none as long as this CPU boots

	if (v && !v->is_idle && vcpu_event_pending(v))
		softirq_raise(SOFTIRQ_EVENT);
}

void sched_yield(void)
{
	const struct run_queue *q = &this_cpu(run_queue);

	TRACE(TRC_SCHED_YIELD, currd->id, current->id);
	// Nobody waits; who comes makes itself heard.
	if (!READ_ONCE(q->fair.seen_waiting) && !sched_others_wait(q))
		return;
	current->sched->yield = true;
	softirq_raise(SOFTIRQ_SCHED);
}

// Counts one more or less; returns the new count.
static u32 count(u32 *n, int by)
{
	return __atomic_add_fetch(n, (u32)by, __ATOMIC_SEQ_CST);
}

void vcpu_pause(struct vcpu *v)
{
	count(&v->pause_count, 1);
	sched_sleep_sync(v);
}

void vcpu_unpause(struct vcpu *v)
{
	if (!count(&v->pause_count, -1))
		sched_wake(v);
}

void domain_pause_nosync(struct domain *d)
{
	struct vcpu *v;

	count(&d->pause_count, 1);
	for_each_vcpu(d, v)
		sched_sleep(v);
}

void domain_pause(struct domain *d)
{
	struct vcpu *v;

	domain_pause_nosync(d);
	for_each_vcpu(d, v)
		if (v != current)
			sched_sync_vcpu(v);
}

void sched_wake_domain(struct domain *d)
{
	struct vcpu *v;

	for_each_vcpu(d, v)
		sched_wake(v);
}

void domain_unpause(struct domain *d)
{
	if (!count(&d->pause_count, -1))
		sched_wake_domain(d);
}

int domain_pause_by_controller(struct domain *d)
{
	bool room;

	spin_lock(&d->lock);
	room = d->controller_pauses < 255;
	d->controller_pauses += room;
	spin_unlock(&d->lock);
	if (!room)
		return -EOVERFLOW;
	domain_pause(d);
	return 0;
}

int domain_unpause_by_controller(struct domain *d)
{
	bool paused;

	spin_lock(&d->lock);
	paused = d->controller_pauses;
	d->controller_pauses -= paused;
	spin_unlock(&d->lock);
	if (!paused)
		return -EINVAL;
	domain_unpause(d);
	return 0;
}

void vcpu_up(struct vcpu *v)
{
	if (flag_clear(v, VPF_DOWN))
		sched_wake(v);
}

void vcpu_down(struct vcpu *v)
{
	flag_set(v, VPF_DOWN);
	sched_sleep(v);
}

// After what sched_allowed() answers has changed: v moves if it has to.
static void moved(struct run_queue *q, struct vcpu *v, u64 flags)
{
	bool wake = false;

	if (!cpumask_test(sched_allowed(v), v->cpu)) {
		if (v->running)
			sched_raise(v->cpu);
		wake = v->sched->unit.queued;
		sched_unqueue(q, v);
	}
	queue_unlock(q, flags);
	if (wake)
		sched_wake(v);
}

int sched_set_hard_affinity(struct vcpu *v, cpumask_t mask)
{
	struct run_queue *q;
	u64 flags;

	if (!(mask & sched_pool_cpus(v->domain)))
		return -EINVAL;
	q = queue_lock(v, &flags);
	v->affinity_hard = mask;
	moved(q, v, flags);
	return 0;
}

int sched_set_soft_affinity(struct vcpu *v, cpumask_t mask)
{
	if (!(mask & sched_pool_cpus(v->domain)))
		return -EINVAL;
	WRITE_ONCE(v->affinity_soft, mask);
	return 0;
}

int sched_pin_override(struct vcpu *v, int cpu)
{
	struct run_queue *q;
	int r = 0, old;
	u64 flags;

	if (cpu >= MAX_CPUS ||
	    (cpu >= 0 &&
	     !cpumask_test(sched_pool_cpus(v->domain), (unsigned int)cpu)))
		return -EINVAL;
	q = queue_lock(v, &flags);
	old = v->sched->pin;
	if (cpu < 0)
		r = old < 0 ? -EINVAL : 0;
	else if (old >= 0)
		r = -EBUSY;
	if (!r)
		v->sched->pin = cpu < 0 ? -1 : cpu;
	moved(q, v, flags);
	return r;
}

int sched_domain_get(struct domain *d, u16 *weight, u16 *cap)
{
	*weight = (u16)d->sched->weight;
	*cap = (u16)d->sched->cap;
	return 0;
}

// Weight 0 leaves the weight as it is.
int sched_domain_set(struct domain *d, u16 weight, u16 cap)
{
	struct sched_domain *s = d->sched;
	struct run_queue *q;
	struct vcpu *v;
	u64 flags;

	spin_lock(&d->lock);
	if (weight)
		s->weight = weight;
	for_each_vcpu(d, v) {
		q = queue_lock(v, &flags);
		fair_set_weight(&q->fair, &v->sched->unit, s->weight);
		queue_unlock(q, flags);
	}
	if (cap && !s->cap) {
		__atomic_store_n(&s->budget, fair_quota(cap), __ATOMIC_SEQ_CST);
		timer_set(&s->refill, time_now() + FAIR_CAP_PERIOD);
	}
	WRITE_ONCE(s->cap, cap);
	spin_unlock(&d->lock);
	if (!cap)
		sched_wake_domain(d);
	return 0;
}

bool sched_option(const char *value)
{
	return !strcmp(value, "credit2");
}

static int domain_begin(struct domain *d, const struct domain_config *cfg)
{
	struct cpupool *p = sched_pool(cfg->cpupool_id);

	if (!p || !p->cpus)
		return p ? -ENODEV : -ENOENT;
	d->sched = heap_alloc(sizeof(*d->sched));
	if (!d->sched)
		return -ENOMEM;
	d->sched->pool = p;
	d->sched->weight = FAIR_WEIGHT_DEFAULT;
	sched_domain_start(d);
	return 0;
}

static void domain_end(struct domain *d)
{
	if (!d->sched)
		return;
	sched_domain_stop(d);
	heap_free(d->sched);
	d->sched = NULL;
}

// The domain is paused and dies: nothing of ours may fire any more.
static int domain_relinquish(struct domain *d)
{
	struct vcpu *v;

	sched_domain_stop(d);
	// Who maps its frames still keeps the domain, but not a pool busy.
	__atomic_store_n(&d->sched->pool, &sched_pools[0], __ATOMIC_SEQ_CST);
	for_each_vcpu(d, v)
		vcpu_timers_exit(v);
	return 0;
}

static int vcpu_begin(struct vcpu *v)
{
	struct sched_vcpu *s = heap_alloc(sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->vcpu = v;
	s->pin = -1;
	s->unit.weight = v->domain->sched->weight;
	v->sched = s;
	v->affinity_hard = v->affinity_soft = CPUMASK_ALL;
	v->cpu = smp_cpu_id(); // each wake-up chooses anew
	v->use.state = RUNSTATE_offline;
	v->use.since = time_now();
	vcpu_timers_init(v);
	return 0;
}

static void vcpu_end(struct vcpu *v)
{
	struct run_queue *q;
	u64 flags;

	if (!v->sched)
		return;
	vcpu_timers_exit(v);
	q = queue_lock(v, &flags);
	sched_unqueue(q, v);
	queue_unlock(q, flags);
	heap_free(v->sched);
	v->sched = NULL;
}

static const struct domain_unit sched_unit = {
	.init = domain_begin,
	.exit = domain_end,
	.relinquish = domain_relinquish,
	.vcpu_init = vcpu_begin,
	.vcpu_exit = vcpu_end,
};

static enum fair_fit show_unit(struct fair_unit *u, void *data)
{
	const struct vcpu *v = unit_vcpu(u);

	printk("  d%uv%u: weight %u, virtual time %lu\n", v->domain->id, v->id,
	       u->weight, u->node.key);
	return FAIR_NOT_IT;
}

static void key_queues(char key)
{
	unsigned int cpu;

	for_each_cpu_in(cpu, cpu_online) {
		struct run_queue *q = &per_cpu(run_queue, cpu);

		SPIN_GUARD_IRQ(&q->lock);
		printk("CPU %u: %s, load %lu\n", cpu,
		       q->fair.curr ? "runs" : "idle", q->fair.load);
		if (q->fair.curr)
			show_unit(q->fair.curr, NULL);
		fair_find(&q->fair, SHOWN, show_unit, NULL);
	}
}

void sched_init(void)
{
	debug_key_register('r', key_queues, "run queues");
	domain_unit_register(&sched_unit);
	sched_hooks = (struct sched_hooks){
		.domain_pause = domain_pause,
		.domain_pause_nosync = domain_pause_nosync,
		.domain_unpause = domain_unpause,
	};
	time_scale_changed = sched_scale_changed;
	sched_init_cpu(smp_cpu_id());
}
