// SPDX-License-Identifier: MIT
// Timers of vcpus (VCPUOP_set_periodic_timer and friends, the timeout of
// SCHEDOP_poll) and watchdogs of domains.
#include "con/con.h"
#include "lib/errno.h"
#include "sched/private.h"
#include "x86/time.h"

void (*sched_send_virq)(struct vcpu *v, u32 virq);

// On the CPU of v, which is current: sends a tick that is due, however many
// were missed, and sets the next.
void vcpu_periodic_work(struct vcpu *v)
{
	u64 now, next, period = READ_ONCE(v->period_ns);

	if (!period)
		return;
	now = time_now();
	next = v->periodic_last + period;
	if (now >= next) {
		sched_send_virq(v, VIRQ_TIMER);
		v->periodic_last = now;
		next = now + period;
	}
	timer_migrate(&v->periodic, smp_cpu_id());
	timer_set(&v->periodic, next);
}

// The timer follows v, and stops while v is off: when it has left this CPU
// meanwhile, the next switch-in looks after the tick.
static void periodic_fired(void *data)
{
	if (data == current)
		vcpu_periodic_work(data);
}

static void singleshot_fired(void *data)
{
	sched_send_virq(data, VIRQ_TIMER);
}

// Stopped when v runs again: whoever is blocked then still polls.
static void poll_timed_out(void *data)
{
	vcpu_unblock(data);
}

// Of any vcpu. One that runs elsewhere takes the new period up in its next
// pass through the scheduler; waiting for it here could wait in a circle.
void vcpu_set_periodic(struct vcpu *v, u64 period_ns)
{
	timer_stop(&v->periodic);
	WRITE_ONCE(v->periodic_last, time_now());
	WRITE_ONCE(v->period_ns, period_ns);
	if (v == current)
		vcpu_periodic_work(v);
	else
		sched_raise(READ_ONCE(v->cpu));
}

// A guest's times are signed: one below zero has passed.
static void set_here(struct timer *t, u64 when)
{
	timer_migrate(t, smp_cpu_id());
	timer_set(t, (s64)when < 0 ? 0 : when);
}

void vcpu_set_singleshot(struct vcpu *v, u64 when)
{
	set_here(&v->singleshot, when);
}

void vcpu_set_poll_timer(struct vcpu *v, u64 when)
{
	set_here(&v->poll_timer, when);
}

void vcpu_stop_singleshot(struct vcpu *v)
{
	timer_stop(&v->singleshot);
}

void vcpu_timers_init(struct vcpu *v)
{
	// Guests rely on a tick until they stop it, as on Xen.
	v->period_ns = 10 * NS_PER_MS;
	timer_init(&v->periodic, periodic_fired, v, v->cpu);
	timer_init(&v->singleshot, singleshot_fired, v, v->cpu);
	timer_init(&v->poll_timer, poll_timed_out, v, v->cpu);
}

void vcpu_timers_exit(struct vcpu *v)
{
	timer_kill(&v->periodic);
	timer_kill(&v->singleshot);
	timer_kill(&v->poll_timer);
}

static void watchdog_fired(void *data)
{
	struct domain *d = data;

	if (d->shutting_down || d->state != DOM_ALIVE)
		return;
	printk(LOG_GUEST "d%u: watchdog fired\n", d->id);
	domain_shutdown(d, SHUTDOWN_watchdog);
}

static int watchdog_take(struct domain *d, u64 when)
{
	struct sched_domain *s = d->sched;

	for (u32 i = 0; i < WATCHDOGS; i++) {
		if (s->watchdogs_used & 1U << i)
			continue;
		s->watchdogs_used |= 1U << i;
		timer_set(&s->watchdog[i], when);
		return (int)i + 1;
	}
	return -ENOSPC;
}

int domain_watchdog_set(struct domain *d, u32 id, u32 seconds)
{
	u64 when = time_now() + (u64)seconds * NS_PER_S;
	struct sched_domain *s = d->sched;
	int r = 0;

	if (id > WATCHDOGS)
		return -EINVAL;
	spin_lock(&d->lock);
	if (!id) {
		r = watchdog_take(d, when);
	} else if (!(s->watchdogs_used & 1U << (id - 1))) {
		r = -EINVAL;
	} else if (!seconds) {
		timer_stop(&s->watchdog[id - 1]);
		s->watchdogs_used &= ~(1U << (id - 1));
	} else {
		timer_set(&s->watchdog[id - 1], when);
	}
	spin_unlock(&d->lock);
	return r;
}

// A new period of a capped domain, and those that were missed: periods begin on
// a grid, however late the timer is.
static void cap_refilled(void *data)
{
	struct domain *d = data;
	struct sched_domain *s = d->sched;
	u32 cap = READ_ONCE(s->cap);
	u64 due = s->refill.node.key, now = time_now(), periods;
	s64 old = __atomic_load_n(&s->budget, __ATOMIC_RELAXED);

	if (!cap)
		return;
	periods = 1 + (now - due) / FAIR_CAP_PERIOD;
	if (periods > FAIR_CAP_KEPT) {
		due = now;
		periods = 1;
	}
	while (!__atomic_compare_exchange_n(
		&s->budget, &old, fair_refill(old, cap, periods), true,
		__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
	timer_set(&s->refill, due + periods * FAIR_CAP_PERIOD);
	sched_wake_domain(d);
}

void sched_domain_start(struct domain *d)
{
	struct sched_domain *s = d->sched;

	timer_init(&s->refill, cap_refilled, d, smp_cpu_id());
	for (u32 i = 0; i < WATCHDOGS; i++)
		timer_init(&s->watchdog[i], watchdog_fired, d, smp_cpu_id());
}

void sched_domain_stop(struct domain *d)
{
	timer_kill(&d->sched->refill);
	for (u32 i = 0; i < WATCHDOGS; i++)
		timer_kill(&d->sched->watchdog[i]);
}
