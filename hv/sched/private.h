// SPDX-License-Identifier: MIT
// What the scheduler's own files share.
#ifndef SCHED_PRIVATE_H
#define SCHED_PRIVATE_H

#include "sched/fair.h"
#include "sched/sched.h"
#include "x86/spinlock.h"

struct run_queue {
	struct spinlock lock; // RANK_SCHED_QUEUE
	struct fair_queue fair;
	struct vcpu *idle;
	struct timer slice; // end of the running unit's turn
	struct cpupool *pool;
};

// Guarded by the lock of the queue of v->cpu.
struct sched_vcpu {
	struct fair_unit unit;
	struct vcpu *vcpu;
	u64 since;   // start of this turn, system time
	u64 charged; // system time up to which it has been charged
	bool yield;
	int pin; // CPU of the override, -1: none
};

#define WATCHDOGS 2

struct sched_domain {
	struct cpupool *pool;
	u32 weight;
	u32 cap;    // percent of one CPU, 0: none
	s64 budget; // atomic, ns left of this period
	struct timer refill;
	struct timer watchdog[WATCHDOGS];
	u32 watchdogs_used; // under d->lock
};

DECLARE_PERCPU(struct run_queue, run_queue);

static inline cpumask_t pool_cpus(const struct domain *d)
{
	return READ_ONCE(READ_ONCE(d->sched->pool)->cpus);
}

static inline struct vcpu *unit_vcpu(struct fair_unit *u)
{
	return container_of(u, struct sched_vcpu, unit)->vcpu;
}

// Every bit that keeps v from running, in one question.
static inline bool vcpu_runnable(const struct vcpu *v)
{
	return !(READ_ONCE(v->pause_flags) | READ_ONCE(v->pause_count) |
		 READ_ONCE(v->domain->pause_count));
}

// Locks the queue of the CPU that v belongs to; interrupts are off until
// queue_unlock.
struct run_queue *queue_lock(const struct vcpu *v, u64 *flags);
void queue_unlock(struct run_queue *q, u64 flags);

cpumask_t sched_allowed(const struct vcpu *v); // never empty
// What schedule() decides by. Who changes what it rests on takes the queue's lock
// afterwards, and has the CPU look again.
struct outlook {
	u64 now;
	struct vcpu *waiting; // runs next, if anybody waits
	bool go_on;	      // prev may
};

// Does anybody wait at another CPU of this one's pool?
static inline bool sched_others_wait(const struct run_queue *q)
{
	unsigned int cpu;

	for_each_cpu_in(cpu,
			READ_ONCE(q->pool->cpus) & ~cpumask_of(smp_cpu_id()))
		if (READ_ONCE(per_cpu(run_queue, cpu).fair.seen_waiting))
			return true;
	return false;
}

// balance.c. Takes work from there; this CPU's queue q is unlocked meanwhile.
void sched_take_work(struct run_queue *q, const struct vcpu *prev,
		     const struct outlook *o);

// Puts v on a queue if it may run and is nowhere. `stay`: it just lost its
// CPU to another one and waits there, if it may, unless another CPU is idle.
void sched_make_ready(struct vcpu *v, bool stay);
// The clock of the pool's queue that is farthest ahead.
u64 sched_foremost_clock(const struct cpupool *p);
// Under its queue's lock: takes a waiting v off the queue.
void sched_unqueue(struct run_queue *q, struct vcpu *v);
void sched_raise(unsigned int cpu); // SOFTIRQ_SCHED, on any CPU
// Wakes all vcpus that may run (a pause ended, a new budget).
void sched_wake_domain(struct domain *d);

void runstate_change(struct vcpu *v, u32 state, u64 now); // queue locked
u32 runstate_off_cpu(const struct vcpu *v);

// What the guest is told when it gets, keeps and loses the CPU.
void guest_time_in(struct vcpu *v);
void guest_time_on(struct vcpu *v);
void guest_time_out(struct vcpu *v);
void vcpu_periodic_work(struct vcpu *v);

void sched_scale_changed(void); // of this CPU
void sched_domain_start(struct domain *d);
void sched_domain_stop(struct domain *d); // its timers; may be called again

#endif
